"""What the load generators have in common: one thread on a processor of its own, and what it counted."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from loadtest import processes
from loadtest.errors import MeasurementError

_SLACK = 30.0  # seconds that one may take longer than it should


class Load(NamedTuple):
    """What one run did.

    Attributes:
        requests: how many were answered, all of them well.
        per_second: the same for each second.
    """

    requests: int
    per_second: float


def version(program: str, package: str) -> str:
    """Which version is installed. Raises MeasurementError when none is.

    "wrk debian/4.1.0-3+b2 [epoll] Copyright …" → "wrk debian/4.1.0-3+b2".
    """
    return " ".join(_execute([program, "--version"], package, check=False).stdout.split()[:2])


def run(command: Sequence[str], package: str, *, seconds: int, cpu: int) -> str:
    """Have the load made, which should take so many seconds. Returns what was printed."""
    return _execute(command, package, timeout=seconds + _SLACK, cpu=cpu).stdout


def missing(package: str) -> MeasurementError:
    """There is no such program."""
    return MeasurementError(f"the load generator is missing: apt-get install {package}")


def _execute(
    command: Sequence[str], package: str, *, timeout: float = _SLACK, cpu: int | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    try:
        return processes.run(command, timeout=timeout, cpu=cpu, check=check)
    except FileNotFoundError as error:
        raise missing(package) from error
