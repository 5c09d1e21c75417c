"""What a full worker tells: counts on the scoreboard, and lines of the log that are as few as can be."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from litmus.server.deadlines import Wheel, ticks
from litmus.server.engine import Engine
from litmus.units import count
from litmus.worker.capacity import Capacity

log = logging.getLogger("litmus.worker")

QUIET_SECONDS: Final = 10.0
"""Two lines of the same kind are at least so far apart."""


class Tally:
    """Tells of something that may happen very often: of the first time at once, and from then on, every
    ``QUIET_SECONDS``, of how often it has happened since the last time.

    Args:
        wheel: the worker's.
        tell: called with that number.

    Attributes:
        due, spoke: see ``machine.Expiring``.
    """

    def __init__(self, wheel: Wheel, tell: Callable[[int], object]) -> None:
        self._wheel = wheel
        self._tell = tell
        self._untold = 0
        self.due = 0
        self.spoke = 0

    def add(self, number: int = 1) -> None:
        """It has happened, so many times."""
        self._untold += number
        if not self.due:
            self.expire()

    def expire(self) -> None:
        """Tell, if there is something to tell."""
        untold, self._untold = self._untold, 0
        if untold:
            self._tell(untold)
            self._wheel.arm(self, ticks(QUIET_SECONDS))

    def close(self) -> None:
        """Tell the last of it."""
        self.expire()
        self._wheel.remove(self)


class Notices:
    """Counts and tells that a worker is full, and what becomes of those who come.

    Args:
        engine: the worker's means.
        capacity: connections that it may have open.

    Attributes:
        due, spoke: see ``machine.Expiring``. It is armed from the time that the worker is full until it was not for
            a while, so that one that is full again and again says so once.
    """

    def __init__(self, engine: Engine, capacity: Capacity) -> None:
        self._board = engine.board
        self._wheel = engine.wheel
        self._capacity = capacity
        self._most_of_address = engine.settings.limits.connections_per_address
        self._address = ""
        self._full = False
        self._was_full = False
        self._refused = Tally(engine.wheel, self._tell_refused)
        self._refused_address = Tally(engine.wheel, self._tell_refused_address)
        self._closed = Tally(engine.wheel, self._tell_closed)
        self._failed = Tally(engine.wheel, self._tell_failed)
        self._error: OSError | None = None
        self.due = 0
        self.spoke = 0

    def full(self) -> None:
        """The worker is full."""
        self._full = self._was_full = True
        if not self.due:
            log.warning("full: %s; new ones go to other workers, or wait", self._are_open)
            self._wheel.arm(self, ticks(QUIET_SECONDS))

    def room(self) -> None:
        """There is room for everybody."""
        self._full = False

    def closed(self, connections: int) -> None:
        """So many idle connections were closed to make room."""
        self._board.closed_for_room += connections
        self._closed.add(connections)

    def refused(self) -> None:
        """A new connection was refused for want of room."""
        self._board.refused_full += 1
        self._refused.add()

    def refused_address(self, address: str) -> None:
        """A new connection was refused because its ``address`` has too many."""
        self._board.refused_address += 1
        self._address = address
        self._refused_address.add()

    def failed(self, error: OSError) -> None:
        """A connection that waits could not be accepted, not even to refuse it."""
        self._error = error
        self._failed.add()

    def expire(self) -> None:
        """Tell of room when the worker has not been full since the last look."""
        if self._was_full:
            self._was_full = self._full
            self._wheel.arm(self, ticks(QUIET_SECONDS))
        else:
            log.info("there is room for new connections again")

    def close(self) -> None:
        """Tell the last of it: nobody is accepted any more."""
        self._wheel.remove(self)
        self.due = 0
        for tally in (self._closed, self._failed, self._refused, self._refused_address):
            tally.close()

    @property
    def _are_open(self) -> str:
        return f"{count(self._capacity.most, 'connection')} open, the most that {self._capacity.bound}"

    def _tell_closed(self, number: int) -> None:
        log.warning("%s closed to make room: %s", count(number, "idle connection"), self._are_open)

    def _tell_refused(self, number: int) -> None:
        log.warning("%s refused: %s, and too few are idle", count(number, "new connection"), self._are_open)

    def _tell_refused_address(self, number: int) -> None:
        log.warning(
            "%s refused: %s has %s open, the most that limits.connections_per_address allows",
            count(number, "new connection"),
            self._address,
            count(self._most_of_address, "connection"),
        )

    def _tell_failed(self, number: int) -> None:
        again = "" if number == 1 else f" ({number} times)"
        log.error("cannot accept a connection: %s%s", self._error, again)
