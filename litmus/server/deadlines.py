"""One coarse timer wheel for each worker, instead of one loop timer for each request."""

from __future__ import annotations

import logging
from math import ceil
from typing import Final, Protocol

log = logging.getLogger("litmus.server")

TICK: Final = 0.1
"""Seconds between two ticks; a deadline is met up to two ticks late, and never early."""

_SPOKES: Final = 1024


class Expiring(Protocol):
    """Something that has a deadline.

    Attributes:
        due: the tick at which it expires, 0 for never. Moving it *later* costs this one assignment.
        spoke: the tick it is entered for in the wheel, 0 when it is not in it. Belongs to the wheel.
    """

    due: int
    spoke: int

    def expire(self) -> None:
        """The deadline has passed."""


class Wheel:
    """Entries hashed by the tick they are due.

    Attributes:
        now: the present tick. It starts at 1, so that 0 can mean never.
    """

    __slots__ = ("_spokes", "now")

    def __init__(self) -> None:
        self.now = 1
        self._spokes: list[set[Expiring]] = [set() for _ in range(_SPOKES)]

    def arm(self, entry: Expiring, ticks: int) -> None:
        """Let ``entry`` expire ``ticks`` ticks from now, whatever it was set to before."""
        due = self.now + ticks
        entry.due = due
        if entry.spoke == 0 or entry.spoke > due:
            self.remove(entry)
            self._enter(entry, due)

    def remove(self, entry: Expiring) -> None:
        """Forget an entry altogether, so that the wheel does not keep it alive."""
        if entry.spoke:
            self._spokes[entry.spoke % _SPOKES].discard(entry)
            entry.spoke = 0

    def tick(self) -> None:
        """Advance by one tick and expire what is due. Entries that were put off meanwhile move on."""
        self.now += 1
        index = self.now % _SPOKES
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
        entry.spoke = min(due, self.now + _SPOKES - 1)
        self._spokes[entry.spoke % _SPOKES].add(entry)


def ticks(seconds: float) -> int:
    """A duration in ticks, rounded up, and one more because the present tick may be about to end."""
    return max(1, ceil(seconds / TICK - 1e-9)) + 1
