"""The scoreboard: one page of the shared segment on which a worker keeps its state and counters.

The worker writes, everybody may read: ``litmusctl stats`` works while every worker is busy or stuck, and the page
outlives the worker. Every cell is an unsigned 64-bit integer in native byte order, and never seen half-written.

Layout of the page (``PAGE`` bytes)::

    0     cells, 8 bytes each: identity (0-15), counters (16-63), slab classes (64-103: five cells for each class)
    3072  last error: UTF-8 text, ended by a NUL, up to 1023 bytes
"""

from __future__ import annotations

import time
from enum import IntEnum
from typing import Final

PAGE: Final = 4096
CELLS: Final = 384
ERROR_OFFSET: Final = CELLS * 8
ERROR_SIZE: Final = PAGE - ERROR_OFFSET

# Cells of identity: who sits here, and in which condition.
STATE: Final = 0
PID: Final = 1
SLOT: Final = 2
GENERATION: Final = 3
STARTED_NS: Final = 4
TICK_NS: Final = 5
ERROR_NS: Final = 11  # 6 to 10 are the header's own
"""When the last error was entered; 0 if there was none."""
FULL: Final = 12
"""1 while the worker accepts nobody, for want of room or of descriptors."""

# Counters. IN_FLIGHT, CONNECTIONS and WEBSOCKETS are levels, the others only ever grow.
COUNTERS: Final = 16
REQUESTS_TOTAL: Final = 16
IN_FLIGHT: Final = 17
CONNECTIONS_TOTAL: Final = 18
CONNECTIONS: Final = 19
RESPONSES_1XX: Final = 20
RESPONSES_5XX: Final = 24
BYTES_IN: Final = 25
BYTES_OUT: Final = 26
LOG_LINES_LOST: Final = 27
REFUSED_FULL: Final = 28
"""Connections that were refused because no worker had room."""
REFUSED_ADDRESS: Final = 29
"""Connections that were refused because there were too many from one address."""
CLOSED_FOR_ROOM: Final = 30
"""Idle connections that were closed to make room for others."""
CLOSED_AS_FLOOD: Final = 31
"""Connections that were closed because they brought more of something cheap than anybody has use for."""
WEBSOCKETS: Final = 32
"""WebSockets that are open."""
RESPONSES_UNREAD: Final = 33
"""Connections and streams that were given up because their clients made no room for a response."""
STREAMS_REFUSED: Final = 34
"""Streams of HTTP/2 that were refused because their connection had too many."""
COUNTERS_END: Final = 64

CLASS_CELLS: Final = 64
CLASS_STRIDE: Final = 5
CLASSES: Final = 8
CLASS_FIELDS: Final = ("size", "total", "in_use", "acquired", "failed")

LASTING: Final = (
    REQUESTS_TOTAL,
    CONNECTIONS_TOTAL,
    *range(RESPONSES_1XX, RESPONSES_5XX + 1),
    BYTES_IN,
    BYTES_OUT,
    LOG_LINES_LOST,
    REFUSED_FULL,
    REFUSED_ADDRESS,
    CLOSED_FOR_ROOM,
    CLOSED_AS_FLOOD,
    RESPONSES_UNREAD,
    STREAMS_REFUSED,
)
"""The cells that are added up over the workers that are gone."""


class State(IntEnum):
    """Condition of a worker, as it writes it itself (EMPTY: nobody sits here)."""

    EMPTY = 0
    BOOTING = 1
    READY = 2
    DRAINING = 3
    STOPPED = 4


class Cell:
    """One named cell of a scoreboard, as an attribute. The hot path indexes ``Scoreboard.cells`` instead."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def __get__(self, board: Scoreboard, owner: type) -> int:
        return board.cells[self.index]

    def __set__(self, board: Scoreboard, value: int) -> None:
        board.cells[self.index] = value


class Scoreboard:
    """A view on one scoreboard page.

    Args:
        page: ``PAGE`` bytes of writable memory.
    """

    state = Cell(STATE)
    pid = Cell(PID)
    slot = Cell(SLOT)
    generation = Cell(GENERATION)
    started_ns = Cell(STARTED_NS)
    tick_ns = Cell(TICK_NS)
    full = Cell(FULL)
    requests_total = Cell(REQUESTS_TOTAL)
    in_flight = Cell(IN_FLIGHT)
    connections_total = Cell(CONNECTIONS_TOTAL)
    connections = Cell(CONNECTIONS)
    bytes_in = Cell(BYTES_IN)
    bytes_out = Cell(BYTES_OUT)
    refused_full = Cell(REFUSED_FULL)
    refused_address = Cell(REFUSED_ADDRESS)
    closed_for_room = Cell(CLOSED_FOR_ROOM)
    closed_as_flood = Cell(CLOSED_AS_FLOOD)
    websockets = Cell(WEBSOCKETS)
    responses_unread = Cell(RESPONSES_UNREAD)
    streams_refused = Cell(STREAMS_REFUSED)

    def __init__(self, page: memoryview) -> None:
        self.page = page
        self.cells = page[:ERROR_OFFSET].cast("Q")

    def clear(self) -> None:
        """Empty the page for its next occupant."""
        self.page[:] = bytes(PAGE)

    def count_lost_lines(self, lines: int) -> None:
        """Count lines of the log or of the access log that could not be written."""
        self.cells[LOG_LINES_LOST] += lines

    def snapshot(self) -> list[int]:
        """A copy of all cells, indexed by the constants of this module."""
        return self.cells.tolist()

    @property
    def last_error(self) -> str:
        """The last error that the worker had no one else to tell; empty if there was none."""
        raw = bytes(self.page[ERROR_OFFSET:])
        return raw[: raw.find(b"\0")].decode("utf-8", "replace")

    @last_error.setter
    def last_error(self, text: str) -> None:
        raw = text.encode("utf-8", "replace")[: ERROR_SIZE - 1].replace(b"\0", b" ")
        self.page[ERROR_OFFSET:] = raw.ljust(ERROR_SIZE, b"\0")
        self.cells[ERROR_NS] = time.monotonic_ns()

    # The slab's counters

    def describe_class(self, index: int, size: int, total: int) -> None:
        """Enter a slab size class: ``size`` bytes each, ``total`` buffers, none in use."""
        base = CLASS_CELLS + index * CLASS_STRIDE
        for offset, value in enumerate((size, total, 0, 0, 0)):
            self.cells[base + offset] = value

    def class_acquired(self, index: int) -> None:
        """Count a lease handed out."""
        base = CLASS_CELLS + index * CLASS_STRIDE
        self.cells[base + 2] += 1
        self.cells[base + 3] += 1

    def class_released(self, index: int) -> None:
        """Count a lease that came back."""
        self.cells[CLASS_CELLS + index * CLASS_STRIDE + 2] -= 1

    def class_failed(self, index: int) -> None:
        """Count a request for a buffer that found the class empty."""
        self.cells[CLASS_CELLS + index * CLASS_STRIDE + 4] += 1

    def slab_classes(self) -> list[dict[str, int]]:
        """``[{size, total, in_use, acquired, failed}]`` of the classes that were entered."""
        cells = self.cells[CLASS_CELLS : CLASS_CELLS + CLASSES * CLASS_STRIDE].tolist()
        rows = [cells[i : i + CLASS_STRIDE] for i in range(0, len(cells), CLASS_STRIDE)]
        return [dict(zip(CLASS_FIELDS, row, strict=True)) for row in rows if row[0]]
