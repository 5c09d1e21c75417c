"""What a worker counts lands on its scoreboard at once."""

import pytest
from support.memory import make_board

from litmus.memory import scoreboard as sb
from litmus.memory.counters import Counters
from litmus.memory.scoreboard import Scoreboard


@pytest.fixture
def board() -> Scoreboard:
    return make_board()


def test_levels_and_totals(board: Scoreboard) -> None:
    counters = Counters(board)
    for _ in range(3):
        counters.connection_opened()
        counters.request_begun()
    counters.connection_closed()
    counters.request_ended()
    counters.request_ended()
    assert (board.connections_total, board.connections) == (3, 2)
    assert (board.requests_total, board.in_flight) == (3, 1)


def test_bytes(board: Scoreboard) -> None:
    counters = Counters(board)
    counters.received(5)
    counters.received(1 << 40)
    counters.sent(7)
    assert (board.bytes_in, board.bytes_out) == ((1 << 40) + 5, 7)


@pytest.mark.parametrize(
    ("status", "cell"), [(101, 0), (200, 1), (299, 1), (304, 2), (404, 3), (500, 4), (599, 4), (600, 4), (999, 4)]
)
def test_responses_by_class(board: Scoreboard, status: int, cell: int) -> None:
    Counters(board).responded(status)
    assert [board.cells[sb.RESPONSES_1XX + i] for i in range(5)] == [int(i == cell) for i in range(5)]
