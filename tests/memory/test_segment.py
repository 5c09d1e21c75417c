"""The shared segment: seats, arenas, the header."""

import psutil
import pytest
from support.processes import in_child

from litmus.memory import flight
from litmus.memory import segment as segments
from litmus.memory.flight import WireProtocol
from litmus.memory.scoreboard import (
    CONNECTIONS,
    IN_FLIGHT,
    LASTING,
    PAGE,
    REQUESTS_TOTAL,
    RESPONSES_1XX,
    State,
)
from litmus.memory.segment import MAGIC, VERSION, Segment


def test_the_header_says_what_the_segment_is() -> None:
    segment = Segment(seats=3)
    header = segment.header
    assert header.magic == MAGIC
    assert header.magic.to_bytes(8, "little") == b"litmus\0\0"
    assert header.version == VERSION
    assert header.seats == len(segment) == 3
    assert header.started_ns > 0


def test_the_header_keeps_what_the_arbiter_enters() -> None:
    header = Segment(seats=1).header
    header.arbiter_pid, header.generation, header.compiled = 1234, 5, 1
    assert (header.arbiter_pid, header.generation, header.compiled) == (1234, 5, 1)
    assert header.magic == MAGIC
    assert header.version == VERSION


def test_seats_do_not_overlap() -> None:
    segment = Segment(seats=3)
    for index in range(3):
        seat = segment.seat(index)
        seat.scoreboard.page[:] = bytes([index + 1]) * PAGE
        seat.flight.open()
        for _ in range(flight.ENTRIES):
            seat.flight.begin(index, WireProtocol.HTTP1, b"GET", b"unix", b"/%d" % index * 200)
    assert segment.header.magic == MAGIC
    for index in range(3):
        seat = segment.seat(index)
        assert bytes(seat.scoreboard.page) == bytes([index + 1]) * PAGE
        entries = seat.flight.entries()
        assert len(entries) == flight.ENTRIES
        assert {entry.path[:2] for entry in entries} == {f"/{index}"}


def test_the_number_of_seats_has_a_default_and_a_bound() -> None:
    segment = Segment()
    assert len(segment) == segments.MAX_SEATS
    with pytest.raises(IndexError):
        segment.seat(segments.MAX_SEATS)


def test_occupied_are_those_in_which_somebody_sits() -> None:
    segment = Segment(seats=4)
    segment.seat(2).scoreboard.state = State.BOOTING
    segment.seat(0).scoreboard.state = State.STOPPED
    assert [seat.index for seat in segment.occupied()] == [0, 2]


def test_retire_adds_the_lasting_counters_and_clears_the_seat() -> None:
    segment = Segment(seats=2)
    for turn in range(1, 4):
        seat = segment.seat(1)
        seat.scoreboard.state = State.READY
        for cell in LASTING:
            seat.scoreboard.cells[cell] = cell * turn
        seat.scoreboard.cells[IN_FLIGHT] = seat.scoreboard.cells[CONNECTIONS] = 9
        seat.scoreboard.last_error = "it broke"
        seat.flight.open()
        seat.flight.begin(1, WireProtocol.HTTP1, b"GET", b"unix", b"/")
        segment.retire(1)
        assert [segment.header.cells[cell] for cell in LASTING] == [cell * sum(range(turn + 1)) for cell in LASTING]
        assert segment.header.cells[IN_FLIGHT] == segment.header.cells[CONNECTIONS] == 0, "levels do not last"
        assert bytes(seat.scoreboard.page) == bytes(PAGE)
        assert seat.flight.entries() == []
        assert segment.occupied() == []


def test_what_lasts_does_not_collide_with_what_the_header_says() -> None:
    """The header uses the cells of a scoreboard: totals where counters are, the rest among the identities."""
    segment = Segment(seats=1)
    for cell in LASTING:
        segment.seat(0).scoreboard.cells[cell] = 1
    segment.retire(0)
    assert (segment.header.magic, segment.header.version, segment.header.seats) == (MAGIC, VERSION, 1)
    assert REQUESTS_TOTAL in LASTING
    assert RESPONSES_1XX in LASTING


# -- arenas ------------------------------------------------------------------------------------------------------------


def test_an_arena_is_kept_for_the_next_occupant() -> None:
    segment = Segment(seats=2)
    arena = segment.arena(0, 1 << 20)
    assert len(arena) == 1 << 20
    arena[5] = 77
    assert segment.arena(0, 1 << 20)[5] == 77
    assert segment.arena(1, 1 << 20)[5] == 0, "every seat has its own"


def test_another_size_is_another_arena_and_leaves_the_old_one_to_its_user() -> None:
    segment = Segment(seats=1)
    old = segment.arena(0, 1 << 20)
    old[0] = 1
    new = segment.arena(0, 2 << 20)
    assert len(new) == 2 << 20
    assert new[0] == 0
    old[0] = 2
    assert old[0] == 2
    assert new[0] == 0
    assert len(segment.arena(0, 2 << 20)) == 2 << 20


def test_an_arena_is_shared_with_the_occupant() -> None:
    segment = Segment(seats=1)
    arena = segment.arena(0, 1 << 20)

    def work() -> None:
        arena[12345] = 99

    in_child(work)
    assert segment.arena(0, 1 << 20)[12345] == 99


def test_memory_is_claimed_only_when_it_is_touched() -> None:
    """A machine with less memory than all arenas together starts all the same."""
    segment = Segment()
    arenas = [segment.arena(index, 64 << 30) for index in range(4)]
    assert all(len(arena) == 64 << 30 for arena in arenas)


def test_the_arena_of_one_who_left_is_blank_and_takes_no_memory() -> None:
    size = 8 << 20
    segment = Segment(seats=2)
    for seat in (0, 1):
        segment.arena(seat, size)[:] = b"x" * size
    held = shared_memory()
    segment.retire(0)
    assert shared_memory() < held - size * 0.9  # the kernel counts in batches
    assert bytes(segment.arena(0, size)[:10]) == bytes(10)
    assert bytes(segment.arena(1, size)[:10]) == b"x" * 10


def shared_memory() -> int:
    """Resident bytes of this process that it may share with others."""
    return int(psutil.Process().memory_info().shared)
