"""The servers: how each is installed, started, asked, and ended."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from loadtest.apps import BODY
from loadtest.errors import MeasurementError

ROOT = Path(__file__).resolve().parents[1]
TARGET = "loadtest.apps:hello"
HOST = "127.0.0.1"

_PEERS_ENVIRONMENT = Path(__file__).with_name(".venv")
_REQUIREMENTS = Path(__file__).with_name("requirements.txt")

_START_SECONDS = 20.0
_STOP_SECONDS = 10.0
_INSTALL_SECONDS = 600.0
_RETRY_SECONDS = 0.02

# Only what is set here counts: nothing of the caller's may turn options on or off.
_HIDDEN = ("LITMUS_", "UVICORN_", "GRANIAN_", "WEB_CONCURRENCY", "NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_", "PYTHON")


@dataclass(frozen=True)
class Server:
    """One of those that are compared.

    Attributes:
        name: what it is called.
        version: its version, and what else tells builds apart.
        command: makes the command line from a port and a folder for its files; one worker, no access log.
    """

    name: str
    version: str
    command: Callable[[int, Path], list[str]]


@dataclass(frozen=True)
class Running:
    """A server that has started and answers rightly."""

    process: psutil.Process
    port: int

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self.port}/"

    def processor_time(self) -> dict[int, float]:
        """Seconds of processor time, user and system, of each of its processes by id."""
        family = [self.process, *self.process.children(recursive=True)]
        return {each.pid: sum(each.cpu_times()[:2]) for each in family}


# The servers


def litmus() -> Server:
    """Litmus, of the environment that runs this script."""

    def command(port: int, folder: Path) -> list[str]:
        options = {"arbiter.control": folder / "ctl.sock", "log.access": "false", "log.level": "warning"}
        settings = [f"--set={key}={value}" for key, value in options.items()]
        return [*litmusd, TARGET, f"--bind={HOST}:{port}", "--workers=1", *settings]

    litmusd = [sys.executable, "-m", "litmus.cli.litmusd"]
    return Server("litmus", _build(_output([*litmusd, "--version"])), command)


def _build(printed: str) -> str:
    """What tells builds of Litmus apart: "litmusd 0.1.0 (pure, CPython 3.11.7)" → "0.1.0 (pure, uvloop 0.23.0)"."""
    found = re.fullmatch(r"litmusd (\S+) \((\w+), .*\)", printed.strip())
    if found is None:
        raise MeasurementError(f"litmusd --version printed something that is not understood: {printed}")
    return f"{found[1]} ({found[2]}, uvloop {metadata.version('uvloop')})"


def peers() -> list[Server]:
    """The peers, of an environment of their own that is made, or made anew, when it is not there as it should be."""
    python = _peers_python()
    query = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    versions: dict[str, str] = json.loads(_output([str(python), "-c", query]))

    def uvicorn(port: int, _: Path) -> list[str]:
        options = ["--loop=uvloop", "--http=httptools", "--no-access-log", "--log-level=warning", "--workers=1"]
        return [str(python), "-m", "uvicorn", TARGET, f"--host={HOST}", f"--port={port}", *options]

    def granian(port: int, _: Path) -> list[str]:
        options = ["--interface=asgi", "--loop=uvloop", "--no-access-log", "--log-level=warning", "--workers=1"]
        return [str(python), "-m", "granian", TARGET, f"--host={HOST}", f"--port={port}", *options]

    under = f"uvloop {versions['uvloop']}"
    return [
        Server("uvicorn", f"{versions['uvicorn']} ({under}, httptools {versions['httptools']})", uvicorn),
        Server("granian", f"{versions['granian']} ({under})", granian),
    ]


def _peers_python() -> Path:
    """The interpreter of the peers' environment, which has this very Python and the requirements installed."""
    python, stamp = _PEERS_ENVIRONMENT / "bin" / "python", _PEERS_ENVIRONMENT / ".installed"
    wanted = f"{sys.version}\n{_REQUIREMENTS.read_text()}"
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"Setting up {_PEERS_ENVIRONMENT} ...", file=sys.stderr)
    venv.create(_PEERS_ENVIRONMENT, clear=True, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _output([*pip, "--requirement", str(_REQUIREMENTS)], timeout=_INSTALL_SECONDS)
    stamp.write_text(wanted)
    return python


def _output(command: list[str], timeout: float = 60.0) -> str:
    """What a command prints. Raises MeasurementError when it fails."""
    try:
        return subprocess.run(
            command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=timeout, check=True
        ).stdout
    except subprocess.CalledProcessError as error:
        raise MeasurementError(f"{' '.join(command)} failed:\n{error.stdout}{error.stderr}") from error
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"{' '.join(command)} did not end within {timeout:.0f} s") from error


def environment() -> dict[str, str]:
    """The environment that servers run in. LITMUS_PURE is kept: it chooses what is measured."""
    return {name: value for name, value in os.environ.items() if name == "LITMUS_PURE" or not name.startswith(_HIDDEN)}


# Their life


@contextlib.contextmanager
def running(server: Server, cpu: int) -> Iterator[Running]:
    """Start a server on one processor and wait until it answers rightly; it is ended whatever happens.

    Raises MeasurementError when it does not start or answers something else. That, and those that are raised in the
    ``with`` block, get the server's name and what it printed added.
    """
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="litmus-loadtest-") as name:
        folder = Path(name)
        command = server.command(port, folder)
        with (folder / "output").open("w+b") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the terminal's Ctrl-C is for us alone, who end it in good order
                preexec_fn=functools.partial(os.sched_setaffinity, 0, {cpu}),
            )
        try:
            _await_answer(process, port)
            yield Running(psutil.Process(process.pid), port)
        except MeasurementError as error:
            printed = (folder / "output").read_text(errors="replace")
            raise MeasurementError(f"{server.name}: {error}: {' '.join(command)}\n{printed}".rstrip()) from error
        finally:
            end(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _await_answer(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the server answers, and check the answer."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, body = ask(port)
            break
        if process.poll() is not None:
            raise MeasurementError("ended at its start")
        if time.monotonic() > deadline:
            raise MeasurementError(f"did not answer within {_START_SECONDS:.0f} s")
        time.sleep(_RETRY_SECONDS)  # the servers have no way in common to say that they listen
    if (status, body) != (200, BODY):
        raise MeasurementError(f"answered {status} {body[:200]!r} where 200 {BODY!r} is right")


def ask(port: int) -> tuple[int, bytes]:
    """One GET /: status and body. Raises OSError or HTTPException when there is no answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_START_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        response = connection.getresponse()
        return response.status, response.read()


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server: politely, then by force, with all that it has started."""
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
    finally:
        process.kill()
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait()
