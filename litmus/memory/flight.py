"""The flight recorder: a fixed table of the requests a worker has in flight.

The worker writes an entry when a request's head has arrived and blanks it when the request is over; the table lies in
shared memory, so when a worker dies the arbiter reads from it which requests were on board. A reader of a *living*
worker's table may see an entry that is being written; a dead worker's table stands still.

Layout of an entry (``ENTRY`` bytes)::

    0   u64 start, CLOCK_MONOTONIC nanoseconds
    8   u8  phase (0: the entry is free)
    9   u8  protocol
    10  u8  bytes of the method
    11  u8  bytes of the peer's name
    12  u8  bytes of the three texts together
    16  method, peer's name and path, one behind the other, 240 bytes, cut if longer
"""

from __future__ import annotations

from enum import IntEnum
from mmap import mmap
from typing import Final, NamedTuple

from litmus.native import put

ENTRY: Final = 256
ENTRIES: Final = 512
TABLE: Final = ENTRY * ENTRIES
TEXT_SIZE: Final = 240

# The same as plain numbers, for the code below.
_WORD: Final = 8
_PHASE, _PROTOCOL, _METHOD, _PEER, _LENGTH, _TEXT = 8, 9, 10, 11, 12, 16
_TEXT_SIZE: Final = TEXT_SIZE


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
        memory: what it lies in.
        offset: where it begins there, a multiple of 8. It is ``TABLE`` bytes long.
    """

    __slots__ = ("_cells", "_free", "_memory", "_offset", "_words")

    def __init__(self, memory: mmap | bytearray, offset: int = 0) -> None:
        self._memory = memory
        self._offset = offset
        cells = memoryview(memory)[offset : offset + TABLE]
        self._cells = cells
        self._words = cells.cast("Q")
        self._free: list[int] = []

    def open(self) -> None:
        """Become the one writer of the table: before this, ``begin`` finds no room."""
        self.clear()
        self._free = list(reversed(range(0, TABLE, ENTRY)))

    def clear(self) -> None:
        """Blank the table for its next occupant."""
        for entry in range(0, TABLE, ENTRY):
            if self._cells[entry + _PHASE]:
                self._cells[entry + _PHASE] = 0

    def begin(self, started_ns: int, protocol: int, method: bytes, peer: bytes, path: bytes) -> int:
        """Enter a request; method and peer are 64 bytes at most.

        Returns the entry for ``phase`` and ``end``, or -1 when the table is full.
        """
        if not self._free:
            return -1
        entry: int = self._free.pop()
        before = len(method)
        between = before + len(peer)
        size = min(between + len(path), _TEXT_SIZE)
        cells = self._cells
        text = entry + _TEXT
        put(cells, text, method, before)
        put(cells, text + before, peer, between - before)
        put(cells, text + between, path, size - between)
        cells[entry + _LENGTH] = size
        cells[entry + _PEER] = between - before
        cells[entry + _METHOD] = before
        cells[entry + _PROTOCOL] = protocol
        self._words[entry // _WORD] = started_ns
        cells[entry + _PHASE] = 1
        return entry

    def phase(self, entry: int, phase: int) -> None:
        """Note how far the request of ``entry`` has come."""
        if entry >= 0:
            self._cells[entry + _PHASE] = phase

    def end(self, entry: int) -> None:
        """Blank an entry: its request is over."""
        if entry >= 0:
            self._cells[entry + _PHASE] = 0
            self._free.append(entry)

    def entries(self) -> list[Flight]:
        """The requests in flight, oldest first."""
        cells = memoryview(self._memory)[self._offset : self._offset + TABLE]
        found = []
        for entry in range(0, TABLE, ENTRY):
            if cells[entry + _PHASE]:
                text = cells[entry + _TEXT :][: cells[entry + _LENGTH]].tobytes().decode("latin-1")
                peer = cells[entry + _METHOD]
                path = peer + cells[entry + _PEER]
                texts = (text[:peer], text[peer:path], text[path:])
                phase = Phase(cells[entry + _PHASE])
                found.append(Flight(self._words[entry // _WORD], phase, cells[entry + _PROTOCOL], *texts))
        return sorted(found)
