"""Runs the true litmusd in a process of its own."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEADLINE = 60.0

APP = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"VERSION 1"})
"""


def clean_environ(folder: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment in which nothing is found but what the test puts into ``folder``.

    The tests of an implementation are about that one in the programs, too.
    """
    hidden = ("LITMUS_", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_")
    kept = {name: value for name, value in os.environ.items() if name == "LITMUS_PURE" or not name.startswith(hidden)}
    return {**kept, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **(extra or {})}


def command(program: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", f"litmus.cli.{program}", *map(str, arguments)]


def without(streams: Sequence[int], words: list[str]) -> list[str]:
    """The command that runs another one with some of its standard streams closed."""
    closed = " ".join(f"{number}>&-" for number in streams)
    return ["sh", "-c", f'exec "$@" {closed}', "sh", *words] if streams else words


def run(
    program: str, *arguments: object, cwd: Path, environ: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command that comes to an end by itself."""
    return subprocess.run(
        command(program, *arguments),
        cwd=cwd,
        env=clean_environ(cwd, environ),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


class Litmusd:
    """A server started in ``folder``; it counts as started when it tells so to its service manager, played here.

    ``closed``: the standard streams that it is not given.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: object,
        environ: Mapping[str, str] | None = None,
        closed: Sequence[int] = (),
    ) -> None:
        self.folder = folder
        self._notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify_path = folder / "notify"
        self._notify_path.unlink(missing_ok=True)
        self._notifications.bind(str(self._notify_path))
        self._errors = (folder / "stderr").open("w+")
        self.process = subprocess.Popen(
            without(closed, command("litmusd", *arguments)),
            cwd=folder,
            env=clean_environ(folder, {"NOTIFY_SOCKET": str(self._notify_path), **(environ or {})}),
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def wait_for(self, message: str) -> str:
        """Wait until the server has told its manager ``message`` ("READY=1"), and return the whole of it."""
        process = os.pidfd_open(self.process.pid)
        try:
            while True:
                ready, _, _ = select.select([self._notifications, process], [], [], DEADLINE)
                assert self._notifications in ready, f"it {'ended' if ready else 'hangs'}:\n{self.errors}"
                heard = self._notifications.recv(4096).decode()
                if message in heard.split("\n"):
                    return heard
        finally:
            os.close(process)

    @property
    def errors(self) -> str:
        """All that was written to standard error so far."""
        return (self.folder / "stderr").read_text()

    @property
    def url(self) -> str:
        found = re.search(r"^  address +(http://\S+)$", self.errors, re.MULTILINE)
        assert found is not None, self.errors
        return found[1]

    def get(self) -> str:
        with urllib.request.urlopen(self.url, timeout=DEADLINE) as response:
            return str(response.read().decode())

    def ctl(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        """Run litmusctl in the same folder."""
        return run("litmusctl", *arguments, cwd=self.folder)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self._errors.close()
        self._notifications.close()
