"""The load generator, wrk: one thread on a processor of its own, sending the bytes that it is given."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from loadtest import generators
from loadtest.errors import MeasurementError
from loadtest.generators import Load

_PACKAGE = "wrk"

_SCRIPT = Path(__file__).with_name("requests.lua")

_TOTAL = re.compile(r"^\s*(\d+) requests in ", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s*([\d.]+)", re.MULTILINE)
_SOCKET_ERRORS = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
_BAD_STATUS = re.compile(r"Non-2xx or 3xx responses: (\d+)")


def version() -> str:
    """The version of the wrk that is installed. Raises MeasurementError when none is."""
    return generators.version("wrk", _PACKAGE)


def run(url: str, sent: bytes, *, connections: int, seconds: int, cpu: int) -> Load:
    """Send these bytes as often as the server answers. Raises MeasurementError unless every answer was good."""
    with tempfile.NamedTemporaryFile(prefix="litmus-loadtest-") as file:
        file.write(sent)
        file.flush()
        options = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
        command = ["wrk", *options, "--script", str(_SCRIPT), url, "--", file.name]
        return parse(generators.run(command, _PACKAGE, seconds=seconds, cpu=cpu))


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
