"""What a server takes of the processors while something is done to it, and what others take meanwhile."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import psutil

from loadtest.errors import MeasurementError
from loadtest.machine import Processors
from loadtest.running import Running

T = TypeVar("T")


@dataclass(frozen=True)
class Usage:
    """What was taken.

    Attributes:
        server: seconds of processor time, user and system, of all the server's processes.
        load: the same of what made the load.
        elapsed: seconds that passed.
        disturbance: how much others took of the two processors, where 1 is the whole of one.
    """

    server: float
    load: float
    elapsed: float
    disturbance: float

    @property
    def load_busy(self) -> float:
        """How much of its processor the load generator took, from 0 to 1."""
        return self.load / self.elapsed


def metered(
    started: Running, processors: Processors, load: Callable[[], T], others: Iterable[psutil.Process] = ()
) -> tuple[T, Usage]:
    """Have ``load`` done by processes that it starts and awaits, together with ``others`` that run on.

    Raises MeasurementError when the server starts or loses a process meanwhile, because then nobody knows what that
    one took.
    """
    used = (processors.server, processors.load)
    before, work_before, load_before = started.processor_time(), work_done(used), _load_time(others)
    start = time.monotonic()
    outcome = load()
    elapsed = time.monotonic() - start
    after, work_after, load_after = started.processor_time(), work_done(used), _load_time(others)
    if before.keys() != after.keys():
        raise MeasurementError("started or lost a process while it was measured")
    server, taken_by_load = sum(after.values()) - sum(before.values()), load_after - load_before
    foreign = max(0.0, work_after - work_before - server - taken_by_load)
    return outcome, Usage(server, taken_by_load, elapsed, foreign / elapsed)


def work_done(cpus: Iterable[int]) -> float:
    """Seconds that these processors have worked, for whomever, or were taken away by the hypervisor."""
    times = psutil.cpu_times(percpu=True)
    return sum(sum(times[cpu]) - _unworked(times[cpu]) for cpu in cpus)


def _unworked(times: Any) -> float:
    """What is not work; a guest's time is counted among the user's already."""
    return float(times.idle + times.iowait + times.guest + times.guest_nice)


def _load_time(others: Iterable[psutil.Process]) -> float:
    """Seconds of processor time of the children that have ended, and of these."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime + sum(sum(each.cpu_times()[:2]) for each in others)
