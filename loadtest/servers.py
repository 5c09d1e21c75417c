"""The servers: how each is started, asked, and ended."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from loadtest import installed, processes
from loadtest.apps import BODY
from loadtest.errors import MeasurementError

TARGET = "loadtest.apps:hello"
HOST = "127.0.0.1"

_START_SECONDS = 20.0
_STOP_SECONDS = 10.0
_RETRY_SECONDS = 0.02


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
        litmusd = [ours.python, "-m", "litmus.cli.litmusd"]
        return [*litmusd, TARGET, f"--bind={HOST}:{port}", "--workers=1", *settings]

    ours = installed.litmus()
    return Server(ours.name, ours.version, command)


def peers() -> list[Server]:
    """The peers, of their own environment, which is made when it is not there as it should be."""

    def of_uvicorn(port: int, _: Path) -> list[str]:
        options = ["--loop=uvloop", "--http=httptools", "--no-access-log", "--log-level=warning", "--workers=1"]
        return [uvicorn.python, "-m", "uvicorn", TARGET, f"--host={HOST}", f"--port={port}", *options]

    def of_granian(port: int, _: Path) -> list[str]:
        options = ["--interface=asgi", "--loop=uvloop", "--no-access-log", "--log-level=warning", "--workers=1"]
        return [granian.python, "-m", "granian", TARGET, f"--host={HOST}", f"--port={port}", *options]

    uvicorn, granian = installed.peers()
    return [
        Server(uvicorn.name, uvicorn.version, of_uvicorn),
        Server(granian.name, granian.version, of_granian),
    ]


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
                cwd=processes.ROOT,
                env=processes.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the terminal's Ctrl-C is for us alone, who end it in good order
                preexec_fn=processes.pinned(cpu),
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
