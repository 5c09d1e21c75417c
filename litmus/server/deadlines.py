"""One coarse timer wheel for each worker, instead of one loop timer for each request."""

from __future__ import annotations

import logging
from math import ceil
from typing import Final

from litmus.protocols.machine import Expiring

log = logging.getLogger("litmus.server")

TICK: Final = 0.1
"""Seconds between two ticks. A deadline is never met early, and up to two ticks late: in a busy loop by as much more as
the loop is late itself, when the deadline is set and when it has passed."""

TICK_NS: Final = 100_000_000
_SPOKES: Final = 1024


class Wheel:
    """Entries hashed by the tick they are due.

    Args:
        now_ns: what time it is. The wheel looks at no clock; the epoch is the caller's.

    Attributes:
        now: the present tick. It starts at 1, so that 0 can mean never.
    """

    __slots__ = ("_armed", "_origin", "_spokes", "now")

    def __init__(self, now_ns: int) -> None:
        self.now = 1
        self._origin = now_ns - TICK_NS
        self._armed: set[Expiring] = set()  # during the present tick
        self._spokes: list[set[Expiring]] = [set() for _ in range(_SPOKES)]

    def arm(self, entry: Expiring, ticks: int) -> None:
        """Let ``entry`` expire ``ticks`` ticks from now, whatever it was set to before."""
        due = self.now + ticks
        entry.due = due
        spoke = entry.spoke
        if spoke > due:
            self.remove(entry)
            spoke = 0
        if spoke == 0:
            self._enter(entry, due)
        self._armed.add(entry)

    def put_off(self, entry: Expiring) -> None:
        """The ``due`` of an entry that is in the wheel was moved: to a tick that is not before that of its spoke."""
        self._armed.add(entry)

    def remove(self, entry: Expiring) -> None:
        """Forget an entry altogether, so that the wheel does not keep it alive."""
        self._armed.discard(entry)
        spoke = entry.spoke
        if spoke:
            self._spokes[spoke % _SPOKES].discard(entry)
            entry.spoke = 0

    def advance(self, now_ns: int) -> None:
        """Go on to the present, by as many ticks as have passed, and expire what is due."""
        before = self.now
        now = (now_ns - self._origin) // TICK_NS
        if now <= before:
            return
        self.now = now
        missed = now - before - 1
        if missed:
            # Some of those that were armed may have been so a moment ago, while the wheel stood still behind the time.
            for entry in self._armed:
                if entry.due:
                    entry.due += missed
        self._armed.clear()
        for tick in range(before + 1, min(now, before + _SPOKES) + 1):
            self._expire(tick % _SPOKES)

    def _expire(self, index: int) -> None:
        """Expire what is due of one spoke. Entries that were put off meanwhile move on."""
        spoke = self._spokes[index]
        if not spoke:
            return
        self._spokes[index] = set()
        for entry in spoke:
            entry.spoke = 0
            if not entry.due:
                continue
            if entry.due <= self.now:
                entry.due = 0
                try:
                    entry.expire()
                except Exception:
                    log.exception("a deadline could not be served")  # the others of this tick must not be lost with it
            else:
                self._enter(entry, entry.due)

    def _enter(self, entry: Expiring, due: int) -> None:
        spoke = min(due, self.now + _SPOKES - 1)
        entry.spoke = spoke
        self._spokes[spoke % _SPOKES].add(entry)


def ticks(seconds: float) -> int:
    """A duration in ticks, rounded up; two more because the present one may be about to end, and the next be late."""
    return max(1, ceil(seconds / TICK - 1e-9)) + 2
