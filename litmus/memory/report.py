"""What the server says of itself: the shared segment, read and put into words.

``litmusctl stats`` and the welcome application read the same report. It asks no worker anything.
"""

from __future__ import annotations

import time
from typing import Any

import psutil

import litmus
from litmus.memory.scoreboard import (
    BYTES_IN,
    BYTES_OUT,
    CLOSED_AS_FLOOD,
    CLOSED_FOR_ROOM,
    CONNECTIONS,
    CONNECTIONS_TOTAL,
    IN_FLIGHT,
    LOG_LINES_LOST,
    REFUSED_ADDRESS,
    REFUSED_FULL,
    REQUESTS_TOTAL,
    RESPONSES_1XX,
    RESPONSES_5XX,
    RESPONSES_UNREAD,
    STREAMS_REFUSED,
    WEBSOCKETS,
    State,
)
from litmus.memory.segment import Seat, Segment


def report(segment: Segment) -> dict[str, Any]:
    """The state of the whole server.

    Returns ``{arbiter: {...}, workers: [...], totals: {...}}``, ready for JSON. Totals count the workers that are
    gone as well, so they never go back, but for the connections that are open, and the lines that the arbiter itself
    could not log. Durations are seconds or milliseconds as the name says, sizes bytes.
    """
    now = time.monotonic_ns()
    header = segment.header
    seats = segment.occupied()
    cells = [header.snapshot(), *(seat.scoreboard.snapshot() for seat in seats)]

    def total(cell: int) -> int:
        return sum(page[cell] for page in cells)

    return {
        "arbiter": {
            "pid": header.arbiter_pid,
            "uptime_s": _seconds(now - header.started_ns),
            "version": litmus.__version__,
            "generation": header.generation,
            "compiled": bool(header.compiled),
        },
        "workers": sorted((_worker(seat, now) for seat in seats), key=lambda row: (row["slot"], row["generation"])),
        "totals": {
            "requests": total(REQUESTS_TOTAL),
            "connections_accepted": total(CONNECTIONS_TOTAL),
            "connections_open": total(CONNECTIONS),
            "websockets_open": total(WEBSOCKETS),
            "responses_by_class": {
                f"{cell - RESPONSES_1XX + 1}xx": total(cell) for cell in range(RESPONSES_1XX, RESPONSES_5XX + 1)
            },
            "bytes_in": total(BYTES_IN),
            "bytes_out": total(BYTES_OUT),
            "connections_refused": {"full": total(REFUSED_FULL), "address": total(REFUSED_ADDRESS)},
            "connections_closed_for_room": total(CLOSED_FOR_ROOM),
            "connections_closed_as_flood": total(CLOSED_AS_FLOOD),
            "responses_unread": total(RESPONSES_UNREAD),
            "streams_refused": total(STREAMS_REFUSED),
            "log_lines_lost": total(LOG_LINES_LOST),
        },
    }


def _worker(seat: Seat, now: int) -> dict[str, Any]:
    board = seat.scoreboard
    cells = board.snapshot()
    rss, cpu = _process(board.pid)
    return {
        "slot": board.slot,
        "pid": board.pid,
        "generation": board.generation,
        "state": _state(board.state),
        "full": bool(board.full),
        "uptime_s": _seconds(now - board.started_ns),
        "tick_age_ms": max(0, now - board.tick_ns) // 1_000_000 if board.tick_ns else None,
        "connections_open": cells[CONNECTIONS],
        "websockets_open": cells[WEBSOCKETS],
        "requests": cells[REQUESTS_TOTAL],
        "in_flight": cells[IN_FLIGHT],
        "log_lines_lost": cells[LOG_LINES_LOST],
        "rss_bytes": rss,
        "cpu_s": cpu,
        "slab": board.slab_classes(),
    }


def _state(number: int) -> str:
    """The state's name; a page that a worker has scribbled over must not cost the whole report."""
    return State(number).name.lower() if number in set(State) else f"unknown ({number})"


def _process(pid: int) -> tuple[int, float]:
    """Resident memory in bytes and processor time in seconds; zeros when the process is gone."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            return process.memory_info().rss, round(times.user + times.system, 2)
    except (psutil.Error, ValueError):
        return 0, 0.0


def _seconds(nanoseconds: int) -> float:
    return round(max(0, nanoseconds) / 1e9, 1)
