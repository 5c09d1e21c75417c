"""What is said of the dead."""

import os
import re
import signal
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from litmus.arbiter import obituary
from litmus.arbiter.slots import Death, Slot, Worker, WorkerState
from litmus.arbiter.timings import Backoff, Timings
from litmus.control.messages import BootFailed
from litmus.memory.flight import WireProtocol
from litmus.memory.scoreboard import ERROR_NS, IN_FLIGHT, PAGE
from litmus.memory.segment import Segment


class Dead:
    """A worker and its seat, and a status to be found dead with."""

    def __init__(self) -> None:
        self.seat = Segment(1).seat(0)
        self.seat.flight.open()
        self.worker = Worker(Slot(2, Backoff(Timings())), 0, 3, 1234, -1, cast(Any, None))
        self.worker.ready_at = 5.0
        self.worker.started = 1.0
        self.worker._reactor = cast(Any, SimpleNamespace(clock=lambda: 11.0))

    def exited(self, code: int) -> Death:
        return self._examine(os.CLD_EXITED, code)

    def killed(self, number: int) -> Death:
        return self._examine(os.CLD_KILLED, number)

    def _examine(self, code: int, status: int) -> Death:
        found = os.waitid_result((1234, 0, signal.SIGCHLD, status, code))
        return obituary.examine(self.worker, found, self.seat)


@pytest.fixture
def dead() -> Dead:
    return Dead()


@pytest.mark.parametrize(
    ("number", "how"),
    [
        (signal.SIGKILL, "was killed by SIGKILL (perhaps by the kernel's out-of-memory killer: see dmesg)"),
        (signal.SIGSEGV, "was killed by SIGSEGV (a crash in native code)"),
        (signal.SIGTERM, "was killed by SIGTERM"),
        (40, "was killed by signal 40"),
    ],
)
def test_signals(dead: Dead, number: int, how: str) -> None:
    assert dead.killed(number).how == how


def test_killed_by_the_arbiter_itself_it_says_why(dead: Dead) -> None:
    dead.worker.state, dead.worker.verdict = WorkerState.KILLED, "it sent garbage"
    death = dead.killed(signal.SIGKILL)
    assert death.how == "was killed by SIGKILL, sent by the arbiter because it sent garbage"
    assert not death.regular


def test_exit_codes(dead: Dead) -> None:
    assert dead.exited(1).how == "exited with code 1"
    assert dead.exited(0).how == "exited with code 0, although nobody told it to"
    assert not dead.exited(0).regular
    dead.worker.state = WorkerState.DRAINING
    assert dead.exited(0).regular
    assert not dead.exited(1).regular
    assert dead.exited(0).served == 6.0


def test_requests_that_the_table_had_no_room_for_are_counted(dead: Dead, caplog: pytest.LogCaptureFixture) -> None:
    dead.seat.flight.begin(1, WireProtocol.HTTP1, b"GET", b"192.0.2.1:4711", b"/seen")
    dead.seat.scoreboard.cells[IN_FLIGHT] = 3
    death = dead.killed(signal.SIGKILL)
    obituary.publish(dead.worker, death)
    assert "on board: 3 requests\n" in caplog.messages[0]
    assert caplog.messages[0].endswith("… and 2 more")


def test_the_line_of_one_that_left_in_order(dead: Dead, caplog: pytest.LogCaptureFixture) -> None:
    dead.worker.state = WorkerState.DRAINING
    with caplog.at_level("INFO", "litmus"):
        obituary.publish(dead.worker, dead.exited(0))
    assert caplog.messages == ["worker 2[1234] [gen 3] has left after 10.0 s"]


def test_everything_that_is_known(dead: Dead, caplog: pytest.LogCaptureFixture) -> None:
    started = time.monotonic_ns() - 1_500_000_000
    dead.seat.flight.begin(started, WireProtocol.HTTP1, b"POST", b"192.0.2.1:5", b'/a"b\n\x1b')
    dead.seat.flight.phase(dead.seat.flight.begin(started + 1, WireProtocol.HTTP1, b"GET", b"x", b"/b"), 2)
    dead.seat.scoreboard.last_error = "boom\nbang"
    dead.seat.scoreboard.cells[ERROR_NS] -= 7_210_000_000
    obituary.publish(dead.worker, dead.exited(1), "the next one starts in 1 s")
    first, on_board, post, get = caplog.messages[0].splitlines()
    assert first == (
        r"worker 2[1234] [gen 3] exited with code 1 after 10.0 s; its last error: boom\x0abang (7.2 s before the end); "
        "the next one starts in 1 s"
    )
    assert on_board == "on board: 2 requests"
    assert post == r"POST /a\x22b\x0a\x1b from 192.0.2.1:5, for 1.5 s: no response yet"
    assert get == "GET /b from x, for 1.5 s: response under way"


def test_a_failed_boot_with_its_traceback(dead: Dead, caplog: pytest.LogCaptureFixture) -> None:
    dead.worker.boot_failed = BootFailed("lifespan", "no database", "Traceback:\n  here\n")
    obituary.publish(dead.worker, dead.exited(3))
    assert caplog.messages[0].splitlines() == [
        "worker 2[1234] [gen 3] exited with code 3 after 10.0 s: it failed to boot: lifespan: no database",
        "Traceback:",
        "  here",
    ]


def test_a_traceback_is_told_in_full_once(dead: Dead, caplog: pytest.LogCaptureFixture) -> None:
    def fail(traceback: str, generation: int = 3) -> list[str]:
        dead.worker.generation = generation
        dead.worker.boot_failed = BootFailed("import", "no database", traceback)
        obituary.publish(dead.worker, dead.exited(3), "the next one starts in 1 s")
        return caplog.messages[-1].splitlines()[1:]

    assert fail("Traceback:\n  here") == ["Traceback:", "  here"]
    for _ in range(2):
        assert fail("Traceback:\n  here") == []
        assert re.search(
            r": it failed to boot: import: no database; the next one starts in 1 s; "
            r"the traceback is the same as at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$",
            caplog.messages[-1],
        )
    assert fail("Traceback:\n  there") == ["Traceback:", "  there"]
    assert fail("Traceback:\n  there", generation=4) == ["Traceback:", "  there"]
    assert fail("") == []
    assert "traceback" not in caplog.messages[-1]
    dead.worker.slot = Slot(1, Backoff(Timings()))
    assert fail("Traceback:\n  there", generation=4) == ["Traceback:", "  there"]


def test_pages_that_make_no_sense(dead: Dead, caplog: pytest.LogCaptureFixture) -> None:
    dead.seat.memory[PAGE:] = b"\xee" * (len(dead.seat.memory) - PAGE)
    death = dead.killed(signal.SIGKILL)
    assert death.how.startswith("was killed by SIGKILL")
    obituary.publish(dead.worker, death)
    assert "was killed by SIGKILL" in caplog.messages[-1]


def test_open_websockets_are_counted(dead: Dead) -> None:
    dead.seat.scoreboard.websockets = 12
    assert dead.killed(signal.SIGKILL).on_board == ["open: 12 WebSockets"]
