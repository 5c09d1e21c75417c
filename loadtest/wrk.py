"""The load generator, wrk: one thread on a processor of its own."""

from __future__ import annotations

import re
import resource
import subprocess
import time
from dataclasses import dataclass

from loadtest import processes
from loadtest.errors import MeasurementError

_SLACK = 30.0  # seconds that wrk may take longer than it was told

_TOTAL = re.compile(r"^\s*(\d+) requests in ", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s*([\d.]+)", re.MULTILINE)
_SOCKET_ERRORS = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
_BAD_STATUS = re.compile(r"Non-2xx or 3xx responses: (\d+)")


@dataclass(frozen=True)
class Load:
    """What one run did.

    Attributes:
        requests: how many were answered.
        per_second: the same for each second.
        processor_seconds: processor time that the generator itself took.
        elapsed: seconds from its start to its end.
    """

    requests: int
    per_second: float
    processor_seconds: float
    elapsed: float

    @property
    def busy(self) -> float:
        """How much of its processor the generator took, from 0 to 1."""
        return self.processor_seconds / self.elapsed


def version() -> str:
    """The version of the wrk that is installed. Raises MeasurementError when none is."""
    return _words(_execute(["wrk", "--version"], timeout=_SLACK, check=False).stdout)


def _words(text: str) -> str:
    """ "wrk debian/4.1.0-3+b2 [epoll] Copyright …" → "wrk debian/4.1.0-3+b2"."""
    return " ".join(text.split()[:2])


def run(url: str, *, connections: int, seconds: int, cpu: int) -> Load:
    """Ask for ``url`` as often as the server answers. Raises MeasurementError unless every answer was good."""
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", url]
    started, used = time.monotonic(), _processor_time()
    result = _execute(command, timeout=seconds + _SLACK, cpu=cpu)
    elapsed = time.monotonic() - started
    requests, per_second = parse(result.stdout)
    return Load(requests, per_second, _processor_time() - used, elapsed)


def parse(output: str) -> tuple[int, float]:
    """Requests, and requests per second, from what wrk printed.

    Raises MeasurementError when it counted errors: what failed fast must not count as fast.
    """
    if found := _SOCKET_ERRORS.search(output):
        raise MeasurementError(f"failed some requests ({found[0]})")
    if found := _BAD_STATUS.search(output):
        raise MeasurementError(f"failed some requests ({found[0]})")
    total, rate = _TOTAL.search(output), _RATE.search(output)
    if total is None or rate is None:
        raise MeasurementError(f"wrk printed something that is not understood:\n{output}")
    if int(total[1]) == 0:
        raise MeasurementError("answered no request")
    return int(total[1]), float(rate[1])


def _processor_time() -> float:
    """Seconds of processor time of the children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _execute(
    command: list[str], *, timeout: float, cpu: int | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    try:
        return processes.run(command, timeout=timeout, cpu=cpu, check=check)
    except FileNotFoundError as error:
        raise MeasurementError("the load generator is missing: apt-get install wrk") from error
