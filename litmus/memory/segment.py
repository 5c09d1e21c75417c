"""The shared segment: one anonymous mapping that the arbiter makes before the first fork.

Layout, version ``VERSION``::

    page 0          header: cells as on a scoreboard, see ``Header``
    then, by seat:  scoreboard page (scoreboard.PAGE), flight table (flight.TABLE)

A *seat* is one process's place in the segment. It is taken from the fork until the process is reaped; during a reload
the old and the new worker of one slot live side by side, so there are more seats than slots. Each seat has an arena for
its slab in a mapping of its own, so that a reload can change the arena's size without touching a running worker. Pages
that nobody touches cost nothing.
"""

from __future__ import annotations

import mmap
import time
from typing import Final

from litmus.memory import flight, scoreboard
from litmus.memory.flight import FlightTable
from litmus.memory.scoreboard import LASTING, PAGE, Cell, Scoreboard

MAGIC: Final = int.from_bytes(b"litmus\0\0", "little")
VERSION: Final = 2
MAX_SEATS: Final = 128
_SEAT_SIZE: Final = PAGE + flight.TABLE
_MAP_NORESERVE: Final = 0x4000  # Linux: address space only; mmap has no name for it before Python 3.13


class Header(Scoreboard):
    """Page 0: what concerns the whole server, and the counters of workers that are gone (same cells as theirs)."""

    magic = Cell(6)
    version = Cell(7)
    seats = Cell(8)
    arbiter_pid = Cell(9)
    compiled = Cell(10)


class Seat:
    """One process's place.

    Attributes:
        index: its number.
        memory: its pages, scoreboard first.
        scoreboard, flight: views on them.
    """

    __slots__ = ("flight", "index", "memory", "scoreboard")

    def __init__(self, index: int, mapping: mmap.mmap, offset: int) -> None:
        self.index = index
        self.memory = memoryview(mapping)[offset : offset + _SEAT_SIZE]
        self.scoreboard = Scoreboard(self.memory[:PAGE])
        self.flight = FlightTable(mapping, offset + PAGE)

    def clear(self) -> None:
        """Blank the seat for its next occupant."""
        self.scoreboard.clear()
        self.flight.clear()


class Segment:
    """The mapping and the seats in it."""

    def __init__(self, seats: int = MAX_SEATS) -> None:
        self._mapping = _map(PAGE + seats * _SEAT_SIZE)
        self.header = Header(memoryview(self._mapping)[:PAGE])
        self.header.magic = MAGIC
        self.header.version = VERSION
        self.header.seats = seats
        self.header.started_ns = time.monotonic_ns()
        self._seats = [Seat(i, self._mapping, PAGE + i * _SEAT_SIZE) for i in range(seats)]
        self._arenas: dict[int, mmap.mmap] = {}

    def __len__(self) -> int:
        """Number of seats."""
        return len(self._seats)

    def seat(self, index: int) -> Seat:
        """The seat with this number."""
        return self._seats[index]

    def occupied(self) -> list[Seat]:
        """The seats in which a process sits, by number."""
        return [seat for seat in self._seats if seat.scoreboard.state != scoreboard.State.EMPTY]

    def arena(self, index: int, size: int) -> memoryview:
        """The arena of a seat, ``size`` bytes, shared and touched lazily.

        Only the arbiter calls this, before it forks the occupant. The mapping is kept for the next occupant, and made
        anew when another size is asked for.
        """
        mapping = self._arenas.get(index)
        if mapping is None or len(mapping) != size:
            mapping = self._arenas[index] = _map(size)
        return memoryview(mapping)

    def retire(self, index: int) -> None:
        """Add a gone worker's lasting counters to the header's, and blank its seat and its arena.

        The arena's pages go back to the kernel: nobody may sit there for long.
        """
        seat = self._seats[index]
        for cell in LASTING:
            self.header.cells[cell] += seat.scoreboard.cells[cell]
        seat.clear()
        if index in self._arenas:
            self._arenas[index].madvise(mmap.MADV_REMOVE)


def _map(size: int) -> mmap.mmap:
    """An anonymous mapping that children share, zeroed, without a claim on memory before it is touched."""
    return mmap.mmap(-1, size, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | _MAP_NORESERVE)


current: Segment | None = None
"""The segment of the server that this process is a worker of."""
