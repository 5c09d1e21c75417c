"""Room in a full worker: connections on which nothing is under way are closed for those who wait."""

from __future__ import annotations

import heapq
from operator import itemgetter
from typing import Final

from litmus.server.connection import Connection
from litmus.server.deadlines import ticks
from litmus.server.engine import Engine

YOUNG_SECONDS: Final = 1.0
"""How long a connection is left alone that opens or falls idle: in a burst, newcomers don't throw each other out."""

LOOK: Final = 1024
"""Connections that are looked at in one call, which takes one or two milliseconds."""

_KEPT: Final = 256


class Room:
    """Closes idle connections as an idle timeout would, in this order.

    First those that have never sent a request, then the others; of each, the one that has been idle for longest goes
    first. None goes that has been idle, or open, for less than ``YOUNG_SECONDS``. With more than ``LOOK`` connections
    the order holds among those that were looked at so far: each call looks at the next ones, in rounds, and the best
    that are left over are kept in mind. To sort 100,000 would stop the worker for too long.

    Args:
        engine: the worker's means.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._young = ticks(YOUNG_SECONDS)
        self._ahead: list[Connection] = []
        self._kept: list[Connection] = []
        self._in_vain = 0

    @property
    def exhausted(self) -> bool:
        """Whether all connections were looked at since there were enough to be closed."""
        return self._in_vain >= len(self._engine.connections)

    def make(self, places: int) -> int:
        """Close up to so many connections. Returns how many: their places are free in the loop's next turns."""
        if not self._ahead:
            self._ahead = list(self._engine.connections)
        looked_at = self._ahead[-LOOK:]
        del self._ahead[-LOOK:]
        latest = self._engine.wheel.now - self._young
        idle = []
        for connection in {*self._kept, *looked_at}:
            idleness = connection.idleness()
            if idleness is not None and idleness[1] <= latest:
                idle.append((idleness, connection))
        closed = 0
        self._kept = []
        for _, connection in heapq.nsmallest(places + _KEPT, idle, key=itemgetter(0)):
            if closed == places:
                self._kept.append(connection)
            elif connection.give_way():
                closed += 1
        self._in_vain = 0 if closed == places else self._in_vain + len(looked_at)
        return closed

    def forget(self) -> None:
        """No more room is needed for now: keep no connection in mind."""
        self._ahead = []
        self._kept = []
        self._in_vain = 0
