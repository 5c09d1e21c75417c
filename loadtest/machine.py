"""The machine that measures: what it is, and which of its processors are used."""

from __future__ import annotations

import os
import platform
import sysconfig
from pathlib import Path
from typing import Any, NamedTuple

from loadtest.errors import MeasurementError


class Processors(NamedTuple):
    """The processor of the server and the one of the load generator.

    Attributes:
        apart: whether they are different cores, rather than two threads of one.
    """

    server: int
    load: int
    apart: bool


def processors() -> Processors:
    """Choose from those that this process may use. Raises MeasurementError when there is one only."""
    usable = usable_processors()
    if len(usable) < 2:
        raise MeasurementError(
            "this process may use one processor only; server and load generator need one each to be measured apart"
        )
    server = usable[-1]
    shared = siblings(server)
    others = [cpu for cpu in usable if cpu not in shared]
    return Processors(server, others[0] if others else usable[0], bool(others))


def usable_processors() -> list[int]:
    """Those that this process may use."""
    return sorted(os.sched_getaffinity(0))


def siblings(cpu: int) -> set[int]:
    """The processors on the same core as ``cpu``, itself among them."""
    path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    try:
        return parse_list(path.read_text())
    except OSError:
        return {cpu}


def parse_list(text: str) -> set[int]:
    """The kernel's spelling of a set of processors: "0-3,8"."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def describe() -> dict[str, Any]:
    """What a reader has to know of the machine to judge the numbers."""
    return {
        "cpu": cpu_model(),
        "processors": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": python_build(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def python_build() -> str:
    """The interpreter, and whether it may be a slow one, of a bare ``./configure``: profile-guided builds are faster.

    Distributions may have ways of their own to build those, which do not show.
    """
    name = f"{platform.python_implementation()} {platform.python_version()}"
    optimized = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return name if optimized else f"{name} (configured without --enable-optimizations)"


def cpu_model() -> str:
    """The processor's name; its architecture where the kernel does not tell."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
