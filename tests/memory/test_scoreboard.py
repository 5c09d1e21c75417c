"""The scoreboard page: its layout, its cells, and that other processes read it."""

import os
import re

import pytest
from support.memory import make_board
from support.processes import child, in_child

from litmus.memory import scoreboard as sb
from litmus.memory.scoreboard import State
from litmus.memory.segment import Segment

IDENTITY = ("STATE", "PID", "SLOT", "GENERATION", "STARTED_NS", "TICK_NS")
NAMED = (*IDENTITY, "REQUESTS_TOTAL", "IN_FLIGHT", "CONNECTIONS_TOTAL", "CONNECTIONS", "BYTES_IN", "BYTES_OUT")


def test_the_page_is_cells_and_then_the_last_error() -> None:
    assert sb.PAGE == 4096
    assert sb.ERROR_OFFSET == sb.CELLS * 8
    assert sb.ERROR_OFFSET + sb.ERROR_SIZE == sb.PAGE
    board = make_board()
    assert len(board.cells) == sb.CELLS


def test_the_regions_do_not_overlap() -> None:
    assert max(getattr(sb, name) for name in IDENTITY) < sb.COUNTERS
    counters = [
        sb.REQUESTS_TOTAL,
        sb.IN_FLIGHT,
        sb.CONNECTIONS_TOTAL,
        sb.CONNECTIONS,
        *range(sb.RESPONSES_1XX, sb.RESPONSES_5XX + 1),
        sb.BYTES_IN,
        sb.BYTES_OUT,
        sb.LOG_LINES_LOST,
        sb.REFUSED_FULL,
        sb.REFUSED_ADDRESS,
        sb.CLOSED_FOR_ROOM,
        sb.CLOSED_AS_FLOOD,
    ]
    assert len(set(counters)) == len(counters)
    assert min(counters) >= sb.COUNTERS
    assert max(counters) < sb.COUNTERS_END <= sb.CLASS_CELLS
    assert sb.CLASS_CELLS + sb.CLASSES * sb.CLASS_STRIDE <= sb.CELLS
    assert len(sb.CLASS_FIELDS) == sb.CLASS_STRIDE
    assert sb.RESPONSES_5XX - sb.RESPONSES_1XX == 4


def test_the_documented_layout_is_the_true_one() -> None:
    assert sb.__doc__ is not None
    identity, counters, classes = re.findall(r"\((\d+)-(\d+)", sb.__doc__)
    assert identity == ("0", str(sb.COUNTERS - 1))
    assert counters == (str(sb.COUNTERS), str(sb.COUNTERS_END - 1))
    assert classes == (str(sb.CLASS_CELLS), str(sb.CLASS_CELLS + sb.CLASSES * sb.CLASS_STRIDE - 1))
    assert f"{sb.ERROR_OFFSET} " in sb.__doc__
    assert f"{sb.ERROR_SIZE - 1} bytes" in sb.__doc__


@pytest.mark.parametrize("name", NAMED)
def test_a_named_cell_is_the_indexed_one(name: str) -> None:
    board = make_board()
    setattr(board, name.lower(), (1 << 64) - 1)
    assert board.cells[getattr(sb, name)] == (1 << 64) - 1
    assert board.snapshot()[getattr(sb, name)] == (1 << 64) - 1
    assert sum(1 for cell in board.cells if cell) == 1
    board.cells[getattr(sb, name)] = 5
    assert getattr(board, name.lower()) == 5


def test_a_snapshot_stands_still() -> None:
    board = make_board()
    snapshot = board.snapshot()
    board.requests_total = 1
    assert snapshot[sb.REQUESTS_TOTAL] == 0


def test_clear_empties_the_whole_page() -> None:
    board = make_board()
    board.page[:] = b"\xff" * sb.PAGE
    board.clear()
    assert bytes(board.page) == bytes(sb.PAGE)
    assert board.state == State.EMPTY
    assert board.last_error == ""


# -- last error --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "it broke", "été ☃", "two\nlines"])
def test_last_error_is_read_as_it_was_written(text: str) -> None:
    board = make_board()
    board.last_error = text
    assert board.last_error == text


def test_a_shorter_error_leaves_nothing_of_a_longer_one() -> None:
    board = make_board()
    board.last_error = "a" * 500
    board.last_error = "b"
    assert board.last_error == "b"


@pytest.mark.parametrize("character", ["a", "é", "☃", "🔥"])
def test_last_error_is_bounded_and_stays_readable(character: str) -> None:
    board = make_board()
    board.cells[sb.CELLS - 1] = 7
    board.last_error = character * 5000
    text = board.last_error
    assert len(text.encode()) <= sb.ERROR_SIZE + 2, "a character that was cut becomes a replacement character"
    assert text.rstrip("\N{REPLACEMENT CHARACTER}") == character * ((sb.ERROR_SIZE - 1) // len(character.encode()))
    assert board.cells[sb.CELLS - 1] == 7, "the cells before it are untouched"


def test_last_error_takes_what_utf8_does_not() -> None:
    board = make_board()
    board.last_error = "lone \udc80 surrogate, a NUL \0 in it"
    assert board.last_error == "lone ? surrogate, a NUL   in it"


# -- slab classes ------------------------------------------------------------------------------------------------------


def test_slab_classes_are_those_that_were_entered() -> None:
    board = make_board()
    assert board.slab_classes() == []
    board.describe_class(0, 1024, 10)
    board.describe_class(1, 4096, 3)
    board.class_acquired(1)
    board.class_acquired(1)
    board.class_released(1)
    board.class_failed(0)
    assert board.slab_classes() == [
        {"size": 1024, "total": 10, "in_use": 0, "acquired": 0, "failed": 1},
        {"size": 4096, "total": 3, "in_use": 1, "acquired": 2, "failed": 0},
    ]


def test_all_classes_fit() -> None:
    board = make_board()
    for index in range(sb.CLASSES):
        board.describe_class(index, index + 1, 1)
    assert [row["size"] for row in board.slab_classes()] == list(range(1, sb.CLASSES + 1))
    assert board.last_error == ""


# -- between processes -------------------------------------------------------------------------------------------------


def test_what_a_worker_writes_its_parent_reads() -> None:
    segment = Segment(seats=2)

    def work() -> None:
        board = segment.seat(1).scoreboard
        board.pid = os.getpid()
        board.state = State.READY
        board.requests_total += 41
        board.cells[sb.REQUESTS_TOTAL] += 1
        board.last_error = "the last words"

    pid = in_child(work)
    board = segment.seat(1).scoreboard
    assert board.pid == pid
    assert board.state == State.READY
    assert board.requests_total == 42
    assert board.last_error == "the last words"
    assert segment.seat(0).scoreboard.state == State.EMPTY


def test_what_the_parent_writes_after_the_fork_the_child_reads() -> None:
    segment = Segment(seats=1)
    reader, writer = os.pipe()
    outcome, answer = os.pipe()

    def work() -> None:
        assert os.read(reader, 1) == b"x"
        os.write(answer, segment.header.generation.to_bytes(8, "little"))

    with child(work):
        segment.header.generation = 7
        os.write(writer, b"x")
        assert int.from_bytes(os.read(outcome, 8), "little") == 7
    for fd in (reader, writer, outcome, answer):
        os.close(fd)
