"""What litmusctl prints for people: the server's answers as aligned text.

The answers come from a server that may be older or newer than this program, so nothing is taken for granted in them:
what is missing shows as a dash.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from litmus.cli.terminal import Terminal, number, safe, size
from litmus.units import count, rough_duration

_NONE = "-"
_STATE_STYLES = {"ready": "green", "booting": "yellow", "draining": "yellow", "stopped": "red"}
_STALLED_MS = 1000

_STATUS_HEAD = (">SLOT", ">PID", ">GEN", "STATE", ">UP")
_WORKER_HEAD = (*_STATUS_HEAD, ">TICK", ">OPEN", ">REQUESTS", ">IN FLIGHT", ">MEMORY", ">CPU")
_SLAB_HEAD = (">SLAB", ">IN USE", ">OF", ">ACQUIRED", ">FAILED")


class Rate:
    """Requests per second, from one report to the next."""

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None

    def of(self, report: Mapping[str, Any], now: float) -> float | None:
        """Return the rate since the report before (None at the first one); ``now`` is its time in seconds."""
        count = report.get("totals", {}).get("requests", 0)
        last, self._last = self._last, (count, now)
        if last is None or now <= last[1] or count < last[0]:
            return None
        return float((count - last[0]) / (now - last[1]))


def print_status(terminal: Terminal, status: Mapping[str, Any]) -> None:
    """Print the summary: a line for each thing the server says about itself, and a table of the workers."""
    terminal.print_fields((_label(name), _value(name, value)) for name, value in status.items() if name != "workers")
    if workers := status.get("workers"):
        terminal.print()
        terminal.print_table(_STATUS_HEAD, [_status_row(terminal, worker) for worker in workers])


def _status_row(terminal: Terminal, worker: Mapping[str, Any]) -> Sequence[str]:
    return (
        str(worker.get("slot", _NONE)),
        str(worker.get("pid", _NONE)),
        str(worker.get("generation", _NONE)),
        _state(terminal, worker),
        _with(rough_duration, worker.get("uptime_s")),
    )


def print_result(terminal: Terminal, done: str, result: Mapping[str, Any]) -> None:
    """Print, in one line, what came of an operation."""
    details = ", ".join(f"{_label(name)} {_value(name, value)}" for name, value in result.items())
    terminal.print(f"{terminal.paint(done, 'green')}{': ' if details else ''}{details}")


def print_stats(terminal: Terminal, stats: Mapping[str, Any], rate: float | None = None) -> None:
    """Print arbiter, totals, workers and slab classes; ``rate`` is requests per second, if known."""
    arbiter, totals, workers = stats.get("arbiter", {}), stats.get("totals", {}), stats.get("workers", [])
    compiled = "compiled" if arbiter.get("compiled") else "pure"
    terminal.print(
        f"{terminal.paint('litmusd ' + safe(str(arbiter.get('version', '?'))), 'bold')} ({compiled})"
        f"  pid {arbiter.get('pid', _NONE)}  up {_with(rough_duration, arbiter.get('uptime_s'))}"
        f"  generation {arbiter.get('generation', _NONE)}"
    )
    answers = "  ".join(f"{name} {number(value)}" for name, value in totals.get("responses_by_class", {}).items())
    requests = _with(number, totals.get("requests"))
    accepted, opened = totals.get("connections_accepted"), totals.get("connections_open")
    connections = f"{_with(number, accepted)} accepted, {_with(number, opened)} open"
    if sockets := totals.get("websockets_open"):
        connections += f", {count(sockets, 'WebSocket')}"
    if rate is not None:
        requests += terminal.paint(f"  {number(rate)}/s", "cyan")
    fields = [
        ("requests", f"{requests}  {terminal.paint(answers, 'dim')}"),
        ("connections", "  ".join([connections, *_turned_away(terminal, totals)])),
        *_given_up(terminal, totals),
        ("bytes", f"{_with(size, totals.get('bytes_in'))} in, {_with(size, totals.get('bytes_out'))} out"),
    ]
    if lost := totals.get("log_lines_lost"):
        fields.append(("log", terminal.paint(f"{count(lost, 'line')} lost", "red")))
    terminal.print_fields(fields)
    terminal.print()
    terminal.print_table(_WORKER_HEAD, [_worker_row(terminal, worker) for worker in workers])
    if slabs := _slab_rows(terminal, workers):
        terminal.print()
        terminal.print_table(_SLAB_HEAD, slabs)


def _worker_row(terminal: Terminal, worker: Mapping[str, Any]) -> Sequence[str]:
    tick = worker.get("tick_age_ms")
    tick_text = _with(rough_duration, tick / 1000 if tick is not None else None)
    return (
        *_status_row(terminal, worker),
        terminal.paint(tick_text, "red") if _stalled(worker) else tick_text,
        _with(number, worker.get("connections_open")),
        _with(number, worker.get("requests")),
        _with(number, worker.get("in_flight")),
        _with(size, worker.get("rss_bytes")),
        _with(rough_duration, worker.get("cpu_s")),
    )


def _stalled(worker: Mapping[str, Any]) -> bool:
    """Whether its loop has not turned for long, as far as the report tells."""
    tick = worker.get("tick_age_ms")
    return tick is not None and bool(tick > _STALLED_MS)


def _state(terminal: Terminal, worker: Mapping[str, Any]) -> str:
    state = safe(str(worker.get("state", _NONE)))
    if worker.get("stuck") or _stalled(worker):
        return terminal.paint(f"{state}, stuck", "red")
    if worker.get("full"):
        return terminal.paint(f"{state}, full", "yellow")
    return terminal.paint(state, _STATE_STYLES.get(state, "dim"))


def _turned_away(terminal: Terminal, totals: Mapping[str, Any]) -> list[str]:
    """Who had to go for want of room, or could not come in, if anybody."""
    refused = totals.get("connections_refused", {})
    numbers = {
        "closed to make room": totals.get("connections_closed_for_room"),
        "closed as floods": totals.get("connections_closed_as_flood"),
        "refused by full workers": refused.get("full"),
        "refused for their address": refused.get("address"),
    }
    return [terminal.paint(f"{number(value)} {name}", "yellow") for name, value in numbers.items() if value]


def _given_up(terminal: Terminal, totals: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was not served to its end for what clients did, if there is any."""
    told = []
    if unread := totals.get("responses_unread"):
        told.append(terminal.paint(f"{count(unread, 'response')} not read", "yellow"))
    if refused := totals.get("streams_refused"):
        told.append(terminal.paint(f"{count(refused, 'stream')} refused", "yellow"))
    return [("given up", "  ".join(told))] if told else []


def _slab_rows(terminal: Terminal, workers: Sequence[Mapping[str, Any]]) -> list[Sequence[str]]:
    """The slab classes, all workers taken together."""
    classes: dict[int, Counter[str]] = {}
    for worker in workers:
        for slab in worker.get("slab", []):
            classes.setdefault(slab["size"], Counter()).update(slab)
    return [
        (
            size(slab_size),
            number(counts["in_use"]),
            number(counts["total"]),
            number(counts["acquired"]),
            terminal.paint(number(counts["failed"]), "red") if counts["failed"] else "0",
        )
        for slab_size, counts in sorted(classes.items())
    ]


def _with(spell: Any, value: float | None) -> str:
    return _NONE if value is None else str(spell(value))


def _label(name: str) -> str:
    return safe(name).removesuffix("_s").removesuffix("_bytes").replace("_", " ")


def _outcome(reload: Mapping[str, Any]) -> str:
    """What came of a reload, in words."""
    at = safe(str(reload.get("at", _NONE)))
    if reload["ok"]:
        return f"done at {at}: generation {reload.get('generation', _NONE)}"
    return f"refused at {at}: {safe(str(reload.get('error', _NONE)))}"


def _value(name: str, value: Any) -> str:
    """A value the way its name asks for: ``…_s`` are seconds, ``…_bytes`` bytes."""
    if value is None or value == "" or value == []:
        return _NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float) and name.endswith("_s"):
        return rough_duration(value)
    if isinstance(value, int | float) and name.endswith("_bytes"):
        return size(value)
    if name == "last_reload" and isinstance(value, Mapping) and "ok" in value:
        return _outcome(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{_label(str(key))} {_value(str(key), item)}" for key, item in value.items())
    if isinstance(value, list):
        return "\n".join(_value(name, item) for item in value)
    return safe(str(value))
