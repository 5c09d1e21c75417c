"""The load generator, wrk: one thread on a processor of its own, sending the bytes that it is given."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from loadtest import processes
from loadtest.errors import MeasurementError

_SCRIPT = Path(__file__).with_name("requests.lua")

_SLACK = 30.0  # seconds that wrk may take longer than it was told

_TOTAL = re.compile(r"^\s*(\d+) requests in ", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s*([\d.]+)", re.MULTILINE)
_SOCKET_ERRORS = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
_BAD_STATUS = re.compile(r"Non-2xx or 3xx responses: (\d+)")


class Load(NamedTuple):
    """What one run did.

    Attributes:
        requests: how many were answered.
        per_second: the same for each second.
    """

    requests: int
    per_second: float


def version() -> str:
    """The version of the wrk that is installed. Raises MeasurementError when none is."""
    return _words(_execute(["wrk", "--version"], timeout=_SLACK, check=False).stdout)


def _words(text: str) -> str:
    """ "wrk debian/4.1.0-3+b2 [epoll] Copyright …" → "wrk debian/4.1.0-3+b2"."""
    return " ".join(text.split()[:2])


def run(url: str, sent: bytes, *, connections: int, seconds: int, cpu: int) -> Load:
    """Send these bytes as often as the server answers. Raises MeasurementError unless every answer was good."""
    with tempfile.NamedTemporaryFile(prefix="litmus-loadtest-") as file:
        file.write(sent)
        file.flush()
        options = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
        command = ["wrk", *options, "--script", str(_SCRIPT), url, "--", file.name]
        return parse(_execute(command, timeout=seconds + _SLACK, cpu=cpu).stdout)


def parse(output: str) -> Load:
    """What wrk printed.

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
    return Load(int(total[1]), float(rate[1]))


def _execute(
    command: list[str], *, timeout: float, cpu: int | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    try:
        return processes.run(command, timeout=timeout, cpu=cpu, check=check)
    except FileNotFoundError as error:
        raise MeasurementError("the load generator is missing: apt-get install wrk") from error
