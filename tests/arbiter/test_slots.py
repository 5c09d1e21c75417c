"""The handle of a worker: its deadlines; and the pauses between attempts."""

import signal
import socket
from collections.abc import Iterator

import pytest
from support.clock import Clock, JumpingSelector

from litmus.arbiter.pipe import Pipe
from litmus.arbiter.reactor import Reactor
from litmus.arbiter.slots import Death, Slot, Worker, WorkerState
from litmus.arbiter.timings import Backoff, Timings
from litmus.control import framing, messages
from litmus.control.messages import ArbiterMessage, BootFailed, Drain, Drained, Ready, Stop

TIMINGS = Timings(boot=60, drain_grace=5, stop_grace=2, quit_grace=1)


class Stage:
    """A worker without a process, its owner, and the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.reactor = Reactor(self.clock, JumpingSelector(self.clock))
        self.end, ours = socket.socketpair()
        self.end.setblocking(False)
        self.signals: list[tuple[float, int]] = []
        self.ready: list[Worker] = []
        monkeypatch.setattr(signal, "pidfd_send_signal", self._send_signal)
        slot = Slot(2, Backoff(TIMINGS))
        self.worker = Worker(slot, seat=5, generation=1, pid=1234, pidfd=-1, owner=self)
        pipe = Pipe(str(self.worker), ours, self.reactor, self.worker.hear, self.worker.kill, self.worker.lost)
        self.worker.start(pipe, self.reactor, TIMINGS)

    def _send_signal(self, pidfd: int, number: int) -> None:
        self.signals.append((self.clock.now - 1000, number))

    def worker_ready(self, worker: Worker) -> None:
        self.ready.append(worker)

    def worker_gone(self, worker: Worker, death: Death) -> None:
        raise AssertionError("nobody reaps here")

    def pass_time(self, seconds: float) -> None:
        done: list[None] = []
        self.reactor.call_later(seconds, lambda: done.append(None))
        while not done:
            self.reactor.turn()

    def told(self) -> list[ArbiterMessage]:
        try:
            data = self.end.recv(65536)
        except BlockingIOError:
            return []
        payloads = framing.Deframer(1000).feed(data)
        return [messages.decode_arbiter_message(payload) for payload in payloads]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    stage = Stage(monkeypatch)
    yield stage
    stage.worker.pipe.close()
    stage.end.close()
    stage.reactor.close()


def test_ready_in_time(stage: Stage) -> None:
    stage.pass_time(59)
    stage.worker.hear(Ready())
    stage.worker.hear(Ready())
    assert stage.ready == [stage.worker]
    stage.pass_time(1000)
    assert stage.worker.state is WorkerState.READY
    assert stage.worker.served == 1000
    assert stage.worker.uptime == 1059
    assert stage.signals == []
    assert str(stage.worker) == "worker 2[1234]"


def test_a_boot_that_takes_too_long_is_killed(stage: Stage) -> None:
    stage.pass_time(100)
    assert stage.signals == [(60, signal.SIGKILL)]
    assert stage.worker.verdict == "it was not ready within 60 s"
    assert stage.worker.served == 0


def test_a_failed_boot_has_little_time_to_exit(stage: Stage) -> None:
    stage.worker.hear(BootFailed("import", "no", ""))
    stage.worker.hear(BootFailed("import", "another", ""))
    stage.pass_time(100)
    assert stage.signals == [(2, signal.SIGKILL)]
    assert stage.worker.boot_failed == BootFailed("import", "no", "")


def test_drain_then_stop_then_kill(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.worker.hear(Ready())
    stage.worker.drain(30, sweep=True)
    stage.worker.drain(99, sweep=False)
    assert stage.told() == [Drain(30, sweep=True)]
    stage.pass_time(34.5)
    assert stage.told() == []
    stage.pass_time(1)
    assert stage.told() == [Stop()]
    assert stage.worker.state is WorkerState.STOPPING
    stage.worker.drain(30, sweep=False)
    stage.pass_time(100)
    assert stage.signals == [(37, signal.SIGKILL)]
    assert stage.worker.verdict == "it did not stop within 2 s"
    assert "worker 2[1234] has not drained" in caplog.text
    stage.worker.stop(1)
    stage.worker.kill("again")
    assert stage.worker.verdict == "it did not stop within 2 s"
    assert len(stage.signals) == 1


def test_one_that_boots_leaves_soon_when_told_to_drain(stage: Stage) -> None:
    stage.worker.drain(30, sweep=True)
    assert stage.told() == [Drain(30, sweep=True)]
    stage.pass_time(2.5)
    assert stage.told() == [Stop()]
    stage.pass_time(100)
    assert stage.signals == [(4, signal.SIGKILL)]


def test_one_that_is_ready_before_it_hears_of_the_drain_has_its_time(stage: Stage) -> None:
    stage.worker.drain(30, sweep=True)
    stage.pass_time(1)
    stage.worker.hear(Ready())
    assert stage.ready == []
    assert stage.worker.state is WorkerState.DRAINING
    stage.worker.hear(Drained(1))
    stage.told()
    stage.pass_time(33)
    assert stage.told() == []
    stage.pass_time(2)
    assert stage.told() == [Stop()]


def test_a_second_stop_may_shorten_the_grace(stage: Stage) -> None:
    stage.worker.stop(50)
    stage.pass_time(10)
    stage.worker.stop(1)
    stage.pass_time(100)
    assert stage.signals == [(11, signal.SIGKILL)]


def test_ready_that_comes_after_stop_changes_nothing(stage: Stage) -> None:
    stage.worker.stop(1)
    stage.worker.hear(Ready())
    stage.worker.hear(Drained(1))
    assert stage.worker.state is WorkerState.STOPPING
    assert stage.ready == []


def test_one_that_closes_its_pipe_and_lives_on_is_killed(stage: Stage) -> None:
    stage.worker.hear(Ready())
    stage.end.close()
    stage.pass_time(100)
    assert stage.signals == [(2, signal.SIGKILL)]
    assert "closed its control pipe" in stage.worker.verdict


def test_one_that_sends_garbage_is_killed_at_once(stage: Stage) -> None:
    stage.end.send(b"\xff" * 20)
    stage.pass_time(1)
    assert stage.signals == [(0, signal.SIGKILL)]


def test_to_kill_one_that_is_dead_already_is_no_error(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(pidfd: int, number: int) -> None:
        raise ProcessLookupError

    monkeypatch.setattr(signal, "pidfd_send_signal", gone)
    stage.worker.kill("it must go")
    assert stage.worker.state is WorkerState.KILLED


def test_pauses_double_up_to_the_cap_and_a_healthy_worker_is_replaced_at_once() -> None:
    backoff = Backoff(Timings())
    assert [backoff.after(0) for _ in range(11)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]
    assert backoff.after(9.9) == 30
    for _ in range(2000):
        assert backoff.after(0) == 30
    assert backoff.after(10) == 0
    assert backoff.after(5) == 0.1


def test_what_a_death_says() -> None:
    assert Death("exited with code 1", False, 0).reason == "exited with code 1"
    assert Death("exited with code 1", False, 0, last_error="oh").reason == "exited with code 1; its last error: oh"
    failed = Death("exited with code 3", False, 0, BootFailed("lifespan", "no database", "Traceback\n"))
    assert failed.reason == "lifespan: no database"
    assert failed.traceback == "Traceback"
