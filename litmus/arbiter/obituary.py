"""What is said about a worker that is gone: how it died, and which requests were on board."""

import logging
import os
import signal
import time
from weakref import WeakKeyDictionary

from litmus import log
from litmus.arbiter.slots import Death, Slot, Worker, WorkerState
from litmus.memory.flight import PHASE_TEXT, Flight
from litmus.memory.scoreboard import ERROR_NS, IN_FLIGHT
from litmus.memory.segment import Seat
from litmus.units import count

FLIGHTS_SHOWN = 20

_logger = logging.getLogger("litmus")

_told: WeakKeyDictionary[Slot, tuple[int, str, str]] = WeakKeyDictionary()
"""The traceback that was last logged for each slot, the generation it was from, and when: retries repeat it."""

_HINTS = {
    signal.SIGKILL: "perhaps by the kernel's out-of-memory killer: see dmesg",
    signal.SIGSEGV: "a crash in native code",
    signal.SIGBUS: "a crash in native code, or no memory left for the arena",
    signal.SIGABRT: "native code gave up",
}


def examine(worker: Worker, status: os.waitid_result, seat: Seat) -> Death:
    """Put together what is known of a worker that was just reaped, before its seat is blanked.

    Whatever it did to its pages: what can't be read is left out.
    """
    told = worker.state in (WorkerState.DRAINING, WorkerState.STOPPING)
    regular = told and status.si_code == os.CLD_EXITED and status.si_status == 0
    last_error, on_board = "", []
    if not regular:
        try:
            last_error = _last_error(seat)
            on_board = passengers(seat)
        except Exception:
            _logger.warning("%s left pages that can't be read", worker, exc_info=True)
    return Death(_how(worker, status), regular, worker.served, worker.boot_failed, last_error, on_board)


def passengers(seat: Seat) -> list[str]:
    """Lines that name the requests in flight, and tell how many WebSockets are open; none if there is neither.

    Raises what unreadable pages make it raise.
    """
    lines = []
    if flights := seat.flight.entries():
        total = max(len(flights), seat.scoreboard.cells[IN_FLIGHT])  # the table has room for only so many
        shown = flights[:FLIGHTS_SHOWN]
        lines = [f"on board: {count(total, 'request')}", *map(_describe, shown)]
        if total > len(shown):
            lines.append(f"… and {total - len(shown)} more")
    if sockets := seat.scoreboard.websockets:
        lines.append(f"open: {count(sockets, 'WebSocket')}")
    return lines


def publish(worker: Worker, death: Death, then: str = "") -> None:
    """Log a death: one line if it was in order, else all that is known. ``then``: what the arbiter does about it."""
    if death.regular:
        cut = f"; it had to cut {count(worker.cut, 'request')}" if worker.cut else ""
        _logger.info("%s [gen %d] has left after %.1f s%s", worker, worker.generation, worker.uptime, cut)
        return
    lines = [f"{worker} [gen {worker.generation}] {death.how} after {worker.uptime:.1f} s"]
    if death.boot_failed:
        lines[0] += f": it failed to boot: {death.reason}"
    elif death.last_error:
        lines[0] += f"; its last error: {death.last_error}"
    if then:
        lines[0] += f"; {then}"
    if death.traceback and (when := _told_at(worker, death)):
        lines[0] += f"; the traceback is the same as at {when}"
    elif death.traceback:
        lines.append(death.traceback)
    lines += death.on_board
    _logger.error("%s", "\n".join(lines))


def _last_error(seat: Seat) -> str:
    """What it was, and how long before the end: it need not have anything to do with it."""
    text = log.escape(seat.scoreboard.last_error)
    seconds = max(0, time.monotonic_ns() - seat.scoreboard.cells[ERROR_NS]) / 1e9
    return f"{text} ({seconds:.1f} s before the end)" if text else ""


def _told_at(worker: Worker, death: Death) -> str:
    """When the same traceback was logged, if it was the last one of the slot; else nothing, and it will be now."""
    generation, traceback, when = _told.get(worker.slot, (0, "", ""))
    if (generation, traceback) == (worker.generation, death.traceback):
        return when
    _told[worker.slot] = worker.generation, death.traceback, time.strftime("%Y-%m-%d %H:%M:%S")
    return ""


def _how(worker: Worker, status: os.waitid_result) -> str:
    if status.si_code == os.CLD_EXITED:
        how = f"exited with code {status.si_status}"
        return how if status.si_status or worker.is_leaving else f"{how}, although nobody told it to"
    try:
        number = signal.Signals(status.si_status)
    except ValueError:
        return f"was killed by signal {status.si_status}"  # a real-time signal
    how = f"was killed by {number.name}"
    if worker.verdict:
        return f"{how}, sent by the arbiter because {worker.verdict}"
    hint = _HINTS.get(number)
    return f"{how} ({hint})" if hint else how


def _describe(flight: Flight) -> str:
    seconds = max(0, time.monotonic_ns() - flight.started_ns) / 1e9
    method, path, peer = log.escape(flight.method), log.escape(flight.path), log.escape(flight.peer)
    return (
        f"{method} {path} from {peer}, for {seconds:.1f} s: {PHASE_TEXT.get(flight.phase, flight.phase.name.lower())}"
    )
