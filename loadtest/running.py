"""The life of a server: started, checked, looked at, ended."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from loadtest import asking, processes
from loadtest.answers import HOST
from loadtest.errors import MeasurementError
from loadtest.servers import Server, Setup
from loadtest.workloads import Workload

_START_SECONDS = 20.0
_STOP_SECONDS = 10.0
_RETRY_SECONDS = 0.02


@dataclass(frozen=True)
class Running:
    """A server that has started and answers rightly.

    Attributes:
        process: its first process.
        port: where it answers.
        log: what it prints, the access log if it writes one.
    """

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self.port}/"

    def family(self) -> list[psutil.Process]:
        """All its processes."""
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    def processor_time(self) -> dict[int, float]:
        """Seconds of processor time, user and system, of each of its processes by id."""
        return {each.pid: sum(each.cpu_times()[:2]) for each in self.family()}

    def resident(self) -> int:
        """Bytes that its processes have in memory; what they share counts for each."""
        return sum(each.memory_info().rss for each in self.family())

    def log_lines(self) -> int:
        """The number of lines of its access log, which it has written in full once it has ended."""
        end(self.process)
        with self.log.open("rb") as lines:
            return sum(1 for _ in lines)


@contextlib.contextmanager
def running(server: Server, workload: Workload, cpu: int, *, crowded: bool = False) -> Iterator[Running]:
    """Start a server on one processor and wait until it answers rightly; it is ended whatever happens.

    Raises MeasurementError when it does not start or answers something else. That, and those that are raised in the
    ``with`` block, get what the server printed added.
    """
    with tempfile.TemporaryDirectory(prefix="litmus-loadtest-") as name:
        folder = Path(name)
        setup = Setup(
            workload.application,
            _free_port(),
            folder,
            logged=workload.logged,
            crowded=crowded,
            protocol=workload.protocol,
        )
        command = server.command(setup)
        log, errors = folder / "log", folder / "errors"
        with log.open("wb") as output, errors.open("wb") as error_output:
            process = subprocess.Popen(
                command,
                cwd=processes.ROOT,
                env=processes.environment(server.variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=error_output,
                start_new_session=True,  # the terminal's Ctrl-C is for us alone, who end it in good order
                preexec_fn=processes.pinned(cpu),
            )
        try:
            await_answer(process, setup.port, workload)
            yield Running(process, setup.port, log)
        except MeasurementError as error:
            printed = errors.read_text(errors="replace") + ("" if workload.logged else log.read_text(errors="replace"))
            raise MeasurementError(f"{error}: {processes.spelled(command)}\n{printed}".rstrip()) from error
        finally:
            end(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def await_answer(process: subprocess.Popen[bytes], port: int, workload: Workload) -> None:
    """Wait until the server answers, and check its answers."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(OSError):
            asking.ask(port, workload)
            return
        if process.poll() is not None:
            raise MeasurementError("ended at its start")
        if time.monotonic() > deadline:
            raise MeasurementError(f"did not answer within {_START_SECONDS:.0f} s")
        time.sleep(_RETRY_SECONDS)  # the servers have no way in common to say that they listen


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server, unless that was done: politely, then by force, with all that it has started."""
    if process.returncode is not None:
        return
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
