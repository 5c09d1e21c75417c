"""Runs an arbiter with fake workers in a process of its own, and reads what it logs."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil
from support.operator import IN_CHARGE, Operator

from litmus.control.messages import Done, Refused, Reload, Reply, Scale

DEADLINE = 20.0
TESTS = Path(__file__).resolve().parent.parent


class Greeting(NamedTuple):
    slot: int
    pid: int
    generation: int
    place: str


class ArbiterProcess(Operator):
    """One arbiter, whose configuration, control socket and log belong to the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "litmus.toml"
        self.control = folder / "ctl.sock"
        self.lines: list[str] = []
        self._cursor = 0
        self._news = threading.Condition()
        self._ended = False
        self.process: subprocess.Popen[bytes] | None = None

    def configure(
        self,
        manner: str = "serve",
        workers: int = 2,
        binds: Sequence[str] = ("127.0.0.1:0",),
        drain: str = "5s",
        arbiter: str = "",
        log: str = 'level = "debug"',
    ) -> None:
        listen = "\n".join(f'[[listen]]\nbind = "{bind}"\nbacklog = 64' for bind in binds)
        self.config.write_text(
            f'[app]\ntarget = "{manner}:app"\n[arbiter]\nworkers = {workers}\ncontrol = "{self.control}"\n{arbiter}\n'
            f'{listen}\n[memory]\narena = "1 MiB"\n[timeouts]\ndrain = "{drain}"\n[log]\naccess = false\n{log}\n'
        )

    def start(
        self,
        timings: Mapping[str, float] | None = None,
        environ: Mapping[str, str] | None = None,
        fds: Sequence[int] = (),
    ) -> "ArbiterProcess":
        chosen = {"settle": 0.2, "stop_grace": 1.0, "quit_grace": 1.0, **(timings or {})}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "support.arbiter_process", str(self.config), json.dumps(chosen)],
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}", **(environ or {})},
            pass_fds=fds,
        )
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def _read(self) -> None:
        assert self.process is not None
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line.decode().rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The next line, after the one found last, that matches ``pattern``."""
        expression = re.compile(pattern)
        end = time.monotonic() + DEADLINE
        with self._news:
            while True:
                while self._cursor < len(self.lines):
                    line = self.lines[self._cursor]
                    self._cursor += 1
                    if match := expression.search(line):
                        return match
                assert not self._ended, f"the arbiter ended without {pattern!r}:\n{self.log}"
                assert self._news.wait(end - time.monotonic()), f"no line like {pattern!r} came:\n{self.log}"

    def rewind(self) -> None:
        """Let :meth:`wait_for` look at all lines again."""
        self._cursor = 0

    def wait_until_up(self) -> "ArbiterProcess":
        self.wait_for("generation 1 serves")
        return self

    def worker_pids(self) -> list[int]:
        """Of those in charge, by slot."""
        return [row["pid"] for row in self.status()["workers"] if row["state"] in IN_CHARGE]

    def address(self, index: int = 0) -> tuple[str, int]:
        return self.tcp_address(index)

    def end(self) -> int:
        """Wait for the end, and return the exit code."""
        assert self.process is not None
        code = self.process.wait(DEADLINE)
        with self._news:
            assert self._news.wait_for(lambda: self._ended, DEADLINE)
        return code

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.end()

    def clean_up(self) -> None:
        """End it, whatever state it is in, and its workers."""
        if self.process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [*psutil.Process(self.pid).children(recursive=True), psutil.Process(self.pid)]
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self.process.wait(DEADLINE)
        with self._news:
            self._news.wait_for(lambda: self._ended, DEADLINE)
        assert self.process.stderr is not None
        self.process.stderr.close()


def greet(address: tuple[str, int] | str) -> Greeting:
    """Connect, and return what the fake worker says. Raises OSError, or ValueError if it hangs up without a word."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(DEADLINE)
        connection.connect(address)
        return hear(connection)


def hear(connection: socket.socket) -> Greeting:
    """What the fake worker says on a connection that was made before."""
    connection.settimeout(DEADLINE)
    with connection.makefile("r") as file:
        slot, pid, generation, place = file.readline().split()
    return Greeting(int(slot), int(pid), int(generation), place)


class Asking(threading.Thread):
    """A request whose answer takes its time."""

    def __init__(self, arbiter: ArbiterProcess, request: Reload | Scale) -> None:
        super().__init__(daemon=True)
        self._arbiter = arbiter
        self._request = request
        self._reply: Reply | Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self._reply = self._arbiter.ask(self._request)
        except Exception as error:
            self._reply = error

    def answer(self) -> Reply:
        self.join(30)
        assert isinstance(self._reply, Done | Refused), self._reply
        return self._reply


@contextlib.contextmanager
def load(address: tuple[str, int] | str, clients: int = 4) -> Iterator[list[Greeting]]:
    """Clients that connect all the time while the block runs. Any connection that isn't served fails the test."""
    greetings: list[Greeting] = []
    failures: list[Exception] = []
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            try:
                greetings.append(greet(address))
            except (OSError, ValueError) as error:
                failures.append(error)
                return

    threads = [threading.Thread(target=run, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield greetings
    finally:
        over.set()
        for thread in threads:
            thread.join(30)
    assert failures == []


@contextlib.contextmanager
def arbiter_in(folder: Path) -> Iterator[ArbiterProcess]:
    """An arbiter that doesn't outlive the block."""
    process = ArbiterProcess(folder)
    try:
        yield process
    finally:
        process.clean_up()
