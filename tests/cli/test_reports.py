import io
from collections.abc import Callable
from typing import Any

import pytest

from litmus.cli import reports
from litmus.cli.terminal import Terminal


def printed(show: Callable[..., None], *arguments: Any) -> list[str]:
    out = io.StringIO()
    show(Terminal(out), *arguments)
    return out.getvalue().splitlines()


def slab(size: int, in_use: int, failed: int = 0) -> dict[str, int]:
    return {"size": size, "total": 256, "in_use": in_use, "acquired": 1000, "failed": failed}


def worker(slot: int, **changes: Any) -> dict[str, Any]:
    return {
        "slot": slot,
        "pid": 4712 + slot,
        "generation": 2,
        "state": "ready",
        "uptime_s": 3725.0,
        "tick_age_ms": 43,
        "connections_open": 12,
        "requests": 1234567,
        "in_flight": 3,
        "rss_bytes": 47_395_000,
        "cpu_s": 61.5,
        "slab": [slab(16384, 2), slab(1024, 1)],
        **changes,
    }


STATS: dict[str, Any] = {
    "arbiter": {"pid": 4711, "uptime_s": 11_520.4, "version": "0.1.0", "generation": 2, "compiled": True},
    "workers": [worker(0), worker(1, state="draining", tick_age_ms=None, slab=[slab(1024, 0, failed=7)])],
    "totals": {
        "requests": 2_469_134,
        "connections_accepted": 812,
        "connections_open": 24,
        "responses_by_class": {"1xx": 0, "2xx": 2_469_000, "5xx": 134},
        "bytes_in": 1536,
        "bytes_out": 3 * 2**30,
    },
}


def test_statistics() -> None:
    assert printed(reports.print_stats, STATS) == [
        "litmusd 0.1.0 (compiled)  pid 4711  up 3h 12m  generation 2",
        "  requests     2,469,134  1xx 0  2xx 2,469,000  5xx 134",
        "  connections  812 accepted, 24 open",
        "  bytes        1.5 KiB in, 3.0 GiB out",
        "",
        "SLOT   PID  GEN  STATE        UP  TICK  OPEN   REQUESTS  IN FLIGHT    MEMORY    CPU",
        "   0  4712    2  ready     1h 2m  43ms    12  1,234,567          3  45.2 MiB  1m 1s",
        "   1  4713    2  draining  1h 2m     -    12  1,234,567          3  45.2 MiB  1m 1s",
        "",
        "    SLAB  IN USE   OF  ACQUIRED  FAILED",
        " 1.0 KiB       1  512     2,000       7",
        "16.0 KiB       2  256     1,000       0",
    ]


def test_a_server_without_workers_or_of_another_version_is_shown_as_far_as_it_goes() -> None:
    assert printed(reports.print_stats, {}) == [
        "litmusd ? (pure)  pid -  up -  generation -",
        "  requests     -",
        "  connections  - accepted, - open",
        "  bytes        - in, - out",
        "",
        "SLOT  PID  GEN  STATE  UP  TICK  OPEN  REQUESTS  IN FLIGHT  MEMORY  CPU",
    ]
    assert printed(reports.print_stats, {"workers": [{}]})[-1].split() == ["-"] * 11


@pytest.mark.parametrize(
    ("unread", "refused", "shown"),
    [
        (1200, 1, "1200 responses not read  1 stream refused"),
        (1, 0, "1 response not read"),
        (0, 3, "3 streams refused"),
    ],
)
def test_what_was_given_up_is_shown_when_there_is_any(unread: int, refused: int, shown: str) -> None:
    totals = {**STATS["totals"], "responses_unread": unread, "streams_refused": refused}
    before, now = printed(reports.print_stats, STATS), printed(reports.print_stats, {**STATS, "totals": totals})
    assert now == [*before[:3], f"  given up     {shown}", *before[3:]]


@pytest.mark.parametrize(("lost", "shown"), [(1, "1 line lost"), (1200, "1200 lines lost")])
def test_lost_lines_of_the_log_are_shown_when_there_are_any(lost: int, shown: str) -> None:
    totals = {**STATS["totals"], "log_lines_lost": lost}
    before, now = printed(reports.print_stats, STATS), printed(reports.print_stats, {**STATS, "totals": totals})
    assert now == [*before[:4], f"  log          {shown}", *before[4:]]
    assert printed(reports.print_stats, {**STATS, "totals": {**totals, "log_lines_lost": 0}}) == before


def test_a_full_worker_is_shown_and_what_became_of_those_who_came() -> None:
    changes = {"connections_refused": {"full": 1200, "address": 3}, "connections_closed_for_room": 40}
    changes |= {"connections_closed_as_flood": 2}
    full = {**STATS, "workers": [worker(0, full=True)], "totals": {**STATS["totals"], **changes}}
    lines = printed(reports.print_stats, full)
    assert lines[2] == (
        "  connections  812 accepted, 24 open  40 closed to make room  2 closed as floods"
        "  1,200 refused by full workers  3 refused for their address"
    )
    assert lines[6].split()[3:5] == ["ready,", "full"]
    nothing = {"connections_refused": {"full": 0, "address": 0}, "connections_closed_for_room": 0}
    before = {**STATS, "totals": {**STATS["totals"], **nothing}}
    assert printed(reports.print_stats, before) == printed(reports.print_stats, STATS)


def test_a_rate_is_shown_when_it_is_known() -> None:
    assert "  requests     2,469,134  1,500/s  1xx 0" in printed(reports.print_stats, STATS, 1500.4)[1]


def test_a_rate_needs_two_reports() -> None:
    rate = reports.Rate()
    assert rate.of({"totals": {"requests": 100}}, 10.0) is None
    assert rate.of({"totals": {"requests": 400}}, 12.0) == 150.0
    assert rate.of({"totals": {"requests": 400}}, 13.0) == 0.0
    assert rate.of({"totals": {"requests": 500}}, 13.0) is None


def test_a_server_that_was_started_anew_has_no_negative_rate() -> None:
    rate = reports.Rate()
    rate.of({"totals": {"requests": 400}}, 10.0)
    assert rate.of({"totals": {"requests": 3}}, 11.0) is None


def test_status() -> None:
    status = {
        "state": "running",
        "uptime_s": 75.2,
        "config": "",
        "addresses": ["127.0.0.1:8000", "unix:/run/shop"],
        "rss_bytes": 2048,
        "compiled": False,
        "last_reload": {"generation": 3, "ok": True, "at": "2026-11-22 04:03:00"},
        "title": "\x1b[31m",
        "workers": [
            {"slot": 0, "pid": 12, "generation": 3, "state": "ready", "full": False, "uptime_s": 75.1},
            {"slot": 1, "pid": 13, "generation": 3, "state": "ready", "full": True, "uptime_s": 75.1},
            {"slot": 2, "pid": 14, "generation": 3, "state": "ready", "full": True, "stuck": True, "uptime_s": 75.1},
            {},
        ],
    }
    assert printed(reports.print_status, status) == [
        "  state        running",
        "  uptime       1m 15s",
        "  config       -",
        "  addresses    127.0.0.1:8000",
        "               unix:/run/shop",
        "  rss          2.0 KiB",
        "  compiled     no",
        "  last reload  done at 2026-11-22 04:03:00: generation 3",
        "  title        \\x1b[31m",
        "",
        "SLOT  PID  GEN  STATE             UP",
        "   0   12    3  ready         1m 15s",
        "   1   13    3  ready, full   1m 15s",
        "   2   14    3  ready, stuck  1m 15s",
        "   -    -    -  -                  -",
    ]


def test_a_reload_that_was_refused() -> None:
    last = {"generation": 3, "ok": False, "at": "2026-11-22 04:03:00", "error": "why \x1b"}
    assert printed(reports.print_status, {"last_reload": last}) == [
        "  last reload  refused at 2026-11-22 04:03:00: why \\x1b"
    ]


def test_results() -> None:
    assert printed(reports.print_result, "reloaded", {"generation": 2, "workers": 4}) == [
        "reloaded: generation 2, workers 4"
    ]
    assert printed(reports.print_result, "reloaded", {}) == ["reloaded"]
