"""The flight recorder: a fixed table of the requests a worker has in flight.

The worker writes an entry when a request's head has arrived and blanks it when the request is over; the table lies in
shared memory, so when a worker dies the arbiter reads from it which requests were on board. A reader of a *living*
worker's table may see an entry that is being written; a dead worker's table stands still.

Layout of an entry (``ENTRY`` bytes)::

    0   u64 start, CLOCK_MONOTONIC nanoseconds
    8   u8  phase (0: the entry is free)
    9   u8  protocol
    16  method, 16 bytes, NUL-padded
    32  peer,   48 bytes, NUL-padded
    80  path,  176 bytes, NUL-padded, cut if longer
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, NamedTuple

ENTRY: Final = 256
ENTRIES: Final = 512
TABLE: Final = ENTRY * ENTRIES
METHOD_SIZE: Final = 16
PATH_SIZE: Final = 176
_LAYOUT: Final = struct.Struct(f"=QBB6x{METHOD_SIZE}s48s{PATH_SIZE}s")
_PHASE: Final = 8


class Phase(IntEnum):
    """How far a request has come."""

    FREE = 0
    HANDLING = 1
    RESPONDING = 2
    FINISHING = 3  # the response is complete, the application still runs (a background task)


PHASE_TEXT: Final = {
    Phase.HANDLING: "no response yet",
    Phase.RESPONDING: "response under way",
    Phase.FINISHING: "response complete, application still running",
}


class WireProtocol(IntEnum):
    """What the request came by."""

    HTTP1 = 1
    HTTP2 = 2
    WEBSOCKET = 3


class Flight(NamedTuple):
    """One request in flight. Texts are as the client sent them: escape them before they reach a terminal."""

    started_ns: int
    phase: Phase
    protocol: int
    method: str
    peer: str
    path: str


class FlightTable:
    """A view on one worker's flight table.

    Args:
        table: ``TABLE`` bytes of writable memory.
    """

    __slots__ = ("_free", "_table")

    def __init__(self, table: memoryview) -> None:
        self._table = table
        self._free: list[int] = []

    def open(self) -> None:
        """Become the one writer of the table: before this, ``begin`` finds no room."""
        self.clear()
        self._free = list(reversed(range(0, TABLE, ENTRY)))

    def clear(self) -> None:
        """Blank the table for its next occupant."""
        for offset in range(0, TABLE, ENTRY):
            if self._table[offset + _PHASE]:
                self._table[offset + _PHASE] = 0

    def begin(self, started_ns: int, protocol: int, method: bytes, peer: bytes, path: bytes) -> int:
        """Enter a request. Returns the entry for ``phase`` and ``end``, or -1 when the table is full."""
        if not self._free:
            return -1
        entry = self._free.pop()
        _LAYOUT.pack_into(self._table, entry, started_ns, 1, protocol, method, peer, path)
        return entry

    def phase(self, entry: int, phase: int) -> None:
        """Note how far the request of ``entry`` has come."""
        if entry >= 0:
            self._table[entry + _PHASE] = phase

    def end(self, entry: int) -> None:
        """Blank an entry: its request is over."""
        if entry >= 0:
            self._table[entry + _PHASE] = 0
            self._free.append(entry)

    def entries(self) -> list[Flight]:
        """The requests in flight, oldest first."""
        found = []
        for offset in range(0, TABLE, ENTRY):
            if self._table[offset + _PHASE]:
                started, phase, protocol, method, peer, path = _LAYOUT.unpack_from(self._table, offset)
                texts = (raw.rstrip(b"\0").decode("latin-1") for raw in (method, peer, path))
                found.append(Flight(started, Phase(phase), protocol, *texts))
        return sorted(found)
