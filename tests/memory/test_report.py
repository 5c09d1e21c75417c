"""The report that ``litmusctl stats`` and the welcome application show."""

import json
import os
import time
from collections.abc import Mapping

import pytest
from support.processes import in_child

import litmus
from litmus.memory import segment as segments
from litmus.memory.report import report
from litmus.memory.scoreboard import RESPONSES_1XX, State
from litmus.memory.segment import Segment


def occupy(segment: Segment, seat: int, slot: int, generation: int = 1, pid: int | None = None) -> None:
    """Let a worker sit down in ``seat``, as if it had started three seconds ago; it is this process unless ``pid``."""
    board = segment.seat(seat).scoreboard
    board.pid = os.getpid() if pid is None else pid
    board.slot, board.generation = slot, generation
    board.state = State.READY
    board.started_ns = time.monotonic_ns() - 3_000_000_000


def one_worker(slot: int = 0, generation: int = 1, pid: int | None = None) -> Segment:
    """A segment with a single seat, which is taken."""
    segment = Segment(seats=1)
    occupy(segment, 0, slot, generation, pid)
    return segment


def totals(
    requests: int = 0,
    accepted: int = 0,
    opened: int = 0,
    responses: Mapping[str, int] = {},
    bytes_in: int = 0,
    bytes_out: int = 0,
) -> dict[str, object]:
    """What is reported of all workers together; there are no other responses than those given."""
    return {
        "requests": requests,
        "connections_accepted": accepted,
        "connections_open": opened,
        "websockets_open": 0,
        "responses_by_class": {"1xx": 0, "2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0, **responses},
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "connections_refused": {"full": 0, "address": 0},
        "connections_closed_for_room": 0,
        "connections_closed_as_flood": 0,
        "responses_unread": 0,
        "streams_refused": 0,
        "log_lines_lost": 0,
    }


def test_an_idle_server() -> None:
    segment = Segment(seats=2)
    segment.header.arbiter_pid = 77
    segment.header.generation = 3
    result = report(segment)
    assert result["arbiter"] == {
        "pid": 77,
        "uptime_s": 0.0,
        "version": litmus.__version__,
        "generation": 3,
        "compiled": False,
    }
    assert result["workers"] == []
    assert result["totals"] == totals()


def test_a_worker() -> None:
    segment = one_worker(slot=2, generation=4)
    board = segment.seat(0).scoreboard
    board.connections, board.requests_total, board.in_flight = 5, 6, 7
    board.tick_ns = time.monotonic_ns() - 250_000_000
    board.describe_class(0, 1024, 10)
    board.class_acquired(0)
    (worker,) = report(segment)["workers"]
    assert worker["slot"] == 2
    assert worker["pid"] == os.getpid()
    assert worker["generation"] == 4
    assert (worker["state"], worker["full"]) == ("ready", False)
    assert worker["uptime_s"] >= 3.0
    assert worker["tick_age_ms"] >= 250
    assert (worker["connections_open"], worker["requests"], worker["in_flight"]) == (5, 6, 7)
    assert worker["rss_bytes"] > 1 << 20
    assert worker["cpu_s"] > 0
    assert worker["slab"] == [{"size": 1024, "total": 10, "in_use": 1, "acquired": 1, "failed": 0}]


@pytest.mark.parametrize("state", [state for state in State if state != State.EMPTY])
def test_every_state_has_a_name(state: State) -> None:
    segment = one_worker()
    segment.seat(0).scoreboard.state = state
    assert report(segment)["workers"][0]["state"] == state.name.lower()


def test_a_worker_that_has_not_ticked_yet() -> None:
    segment = one_worker()
    assert report(segment)["workers"][0]["tick_age_ms"] is None


def test_a_worker_that_is_gone_has_no_memory_and_no_processor_time() -> None:
    segment = one_worker(pid=in_child(lambda: None))
    (worker,) = report(segment)["workers"]
    assert (worker["rss_bytes"], worker["cpu_s"]) == (0, 0.0)


def test_a_worker_that_has_not_entered_its_pid_yet() -> None:
    segment = one_worker(pid=0)
    assert report(segment)["workers"][0]["rss_bytes"] == 0


def test_workers_are_in_order_of_slot_and_generation_whatever_seat_they_have() -> None:
    segment = Segment(seats=4)
    occupy(segment, 0, slot=1, generation=2)
    occupy(segment, 1, slot=0, generation=2)
    occupy(segment, 3, slot=1, generation=1)
    rows = [(row["slot"], row["generation"]) for row in report(segment)["workers"]]
    assert rows == [(0, 2), (1, 1), (1, 2)]


def test_totals_count_the_workers_that_are_gone() -> None:
    segment = Segment(seats=2)
    for seat in (0, 1):
        occupy(segment, seat, slot=seat)
        board = segment.seat(seat).scoreboard
        board.requests_total, board.connections_total, board.bytes_in, board.bytes_out = 10, 3, 100, 1000
        board.cells[RESPONSES_1XX + 1] = 8
        board.cells[RESPONSES_1XX + 4] = 2
        board.connections = 2
    before = report(segment)["totals"]
    segment.retire(0)
    after = report(segment)
    assert len(after["workers"]) == 1
    assert after["totals"] == {**before, "connections_open": 2}
    assert before == totals(20, 6, 4, responses={"2xx": 16, "5xx": 4}, bytes_in=200, bytes_out=2000)


def test_a_full_worker_and_what_became_of_those_who_came() -> None:
    segment = one_worker()
    board = segment.seat(0).scoreboard
    board.full, board.refused_full, board.refused_address, board.closed_for_room = 1, 2, 3, 4
    board.closed_as_flood = 5
    board.responses_unread, board.streams_refused = 6, 7
    assert report(segment)["workers"][0]["full"] is True
    segment.retire(0)
    totals = report(segment)["totals"]
    assert totals["connections_refused"] == {"full": 2, "address": 3}
    assert totals["connections_closed_for_room"] == 4
    assert totals["connections_closed_as_flood"] == 5
    assert (totals["responses_unread"], totals["streams_refused"]) == (6, 7)


def test_it_is_ready_for_json() -> None:
    segment = one_worker()
    assert list(json.loads(json.dumps(report(segment)))) == ["arbiter", "workers", "totals"]


def test_stats_are_for_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "current", None)
    with pytest.raises(RuntimeError, match="not a worker"):
        litmus.stats()
    segment = Segment(seats=1)
    segment.header.arbiter_pid = 5
    monkeypatch.setattr(segments, "current", segment)
    assert litmus.stats()["arbiter"]["pid"] == 5
