"""A worker and its slot, as the arbiter sees them."""

import enum
import logging
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from litmus.arbiter.pipe import Pipe
from litmus.arbiter.reactor import Reactor, Timer
from litmus.arbiter.timings import Backoff, Timings
from litmus.control.messages import (
    ArbiterMessage,
    BootFailed,
    Drain,
    Drained,
    Ready,
    StandDown,
    StandIn,
    Stop,
    WorkerMessage,
)

_logger = logging.getLogger("litmus")


@dataclass(frozen=True)
class Death:
    """What is known of a worker that is gone.

    Attributes:
        how: "exited with code 3", "was killed by SIGSEGV".
        regular: it left because, and as, it was told to.
        served: seconds since it had become ready; 0 if it never did.
        boot_failed: what it said about its boot, if that failed.
        last_error: the last line it left on its scoreboard.
        on_board: lines that name the requests that were in flight.
    """

    how: str
    regular: bool
    served: float
    boot_failed: BootFailed | None = None
    last_error: str = ""
    on_board: Sequence[str] = ()

    @property
    def reason(self) -> str:
        """Why, in one line: its own words if it found some."""
        if self.boot_failed:
            return f"{self.boot_failed.stage}: {self.boot_failed.reason}"
        return f"{self.how}; its last error: {self.last_error}" if self.last_error else self.how

    @property
    def traceback(self) -> str:
        """The traceback of a failed boot, or nothing."""
        return self.boot_failed.traceback.rstrip() if self.boot_failed else ""


class Owner(Protocol):
    """Who answers for a worker: it always has exactly one, who hears what becomes of it."""

    def worker_ready(self, worker: "Worker") -> None:
        """It has started, and accepts connections."""

    def worker_gone(self, worker: "Worker", death: Death) -> None:
        """It was reaped."""


class WorkerState(enum.Enum):
    """How the arbiter sees a worker; it only ever goes down this list."""

    BOOTING = "booting"
    READY = "ready"
    DRAINING = "draining"
    STOPPING = "stopping"
    KILLED = "killed"


class Worker:
    """One process, from its fork until it is reaped.

    Every state but READY has a deadline, and there is one timer for it: a boot that takes too long is killed, a drain
    that takes too long is told to stop, and one that doesn't stop is killed.
    """

    def __init__(self, slot: "Slot", seat: int, generation: int, pid: int, pidfd: int, owner: Owner) -> None:
        self.slot = slot
        self.seat = seat
        self.generation = generation
        self.pid = pid
        self.pidfd = pidfd
        self.owner = owner
        self.state = WorkerState.BOOTING
        self.boot_failed: BootFailed | None = None
        self.verdict = ""
        """Why the arbiter killed it."""
        self.cut = 0
        """How many requests it had to cut when it drained."""
        self.standing_in: set[Slot] = set()
        """The slots whose listeners it serves besides its own."""

    def start(self, pipe: Pipe, reactor: Reactor, timings: Timings) -> None:
        """Begin to listen to it, and to wait for it."""
        self.pipe = pipe
        self._reactor = reactor
        self._timings = timings
        self.started = reactor.clock()
        self.ready_at: float | None = None
        self._deadline = self._within(timings.boot, lambda: self.kill(f"it was not ready within {timings.boot:g} s"))

    def __str__(self) -> str:
        return f"worker {self.slot.index}[{self.pid}]"

    @property
    def uptime(self) -> float:
        """Seconds since the fork."""
        return self._reactor.clock() - self.started

    @property
    def served(self) -> float:
        """Seconds since it became ready; 0 if it never did."""
        return 0.0 if self.ready_at is None else self._reactor.clock() - self.ready_at

    @property
    def is_leaving(self) -> bool:
        """Whether it was told to go."""
        return self.state not in (WorkerState.BOOTING, WorkerState.READY)

    def send(self, message: ArbiterMessage) -> None:
        """Tell it something that doesn't change its state."""
        self.pipe.send(message)

    def stand_in(self, slot: "Slot", listeners: Sequence[socket.socket]) -> None:
        """Let it accept what is queued on the ``listeners`` of a slot that nobody serves."""
        self.standing_in.add(slot)
        if listeners:
            self.pipe.hand_over(StandIn(slot.index, len(listeners)), listeners)

    def stand_down(self, slot: "Slot") -> None:
        """Somebody serves that slot again."""
        self.standing_in.discard(slot)
        self.pipe.send(StandDown(slot.index))

    def drain(self, timeout: float, *, sweep: bool) -> None:
        """Let it finish what it has, for at most ``timeout`` seconds and a grace; see ``messages.Drain``."""
        if self.is_leaving:
            return
        self._drain_until = self._reactor.clock() + timeout + self._timings.drain_grace
        if self.state is WorkerState.BOOTING:  # then it leaves at once, unless its word that it is ready is on the way
            self._wait(self._timings.stop_grace, lambda: self.stop(self._timings.stop_grace))
        else:
            self._wait(timeout + self._timings.drain_grace, self._drain_is_over)
        self.state = WorkerState.DRAINING
        self.pipe.send(Drain(timeout, sweep))

    def _drain_is_over(self) -> None:
        _logger.warning("%s has not drained %g s after its time was over: stopping it", self, self._timings.drain_grace)
        self.stop(self._timings.stop_grace)

    def stop(self, grace: float) -> None:
        """Tell it to exit now, and kill it if it hasn't after ``grace`` seconds."""
        if self.state is WorkerState.KILLED:
            return
        self.state = WorkerState.STOPPING
        self._wait(grace, lambda: self.kill(f"it did not stop within {grace:g} s"))
        self.pipe.send(Stop())

    def kill(self, verdict: str) -> None:
        """Kill it, and say why."""
        if self.state is WorkerState.KILLED:
            return
        self.state = WorkerState.KILLED
        self.verdict = verdict
        self._deadline.cancel()
        _logger.warning("%s is killed: %s", self, verdict)
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return  # dead already, and about to be reaped

    def hear(self, message: WorkerMessage) -> None:
        """It sent a message."""
        match message:
            case Ready() if self.state is WorkerState.BOOTING:
                self.state = WorkerState.READY
                self.ready_at = self._reactor.clock()
                self._deadline.cancel()
                self.owner.worker_ready(self)
            case BootFailed() if self.boot_failed is None:
                self.boot_failed = message
                self._wait(self._timings.stop_grace, lambda: self.kill("it failed to boot, but did not exit"))
            case Ready() if self.state is WorkerState.DRAINING:  # it was when it was told to drain
                self._wait(self._drain_until - self._reactor.clock(), self._drain_is_over)
            case Drained(cut):
                self.cut = cut
            case _:
                return  # it has been told to stop, or that it failed, before

    def lost(self) -> None:
        """It closed its end of the pipe, so that nothing can be told to it any more."""
        if self.state is not WorkerState.KILLED:
            grace = self._timings.stop_grace
            self._wait(grace, lambda: self.kill("it closed its control pipe, but did not exit"))

    def buried(self) -> None:
        """It was reaped."""
        self._deadline.cancel()

    def _wait(self, delay: float, callback: Callable[[], None]) -> None:
        self._deadline.cancel()
        self._deadline = self._within(delay, callback)

    def _within(self, delay: float, callback: Callable[[], None]) -> Timer:
        return self._reactor.call_later(delay, callback)


class Phase(enum.Enum):
    """Whether a slot takes part."""

    JOINING = "joining"
    """New connections are steered around it until its first worker is ready."""
    OPEN = "open"
    LEAVING = "leaving"
    """New connections are steered away from it, and it is closed when what it has is done."""


@dataclass(eq=False)
class Slot:
    """One position: a socket in each group of listeners, and whoever serves it.

    Attributes:
        worker: the one in charge, booting or ready; None while there is none.
        leavers: those before him who are still finishing.
        timer: the next thing to happen to the slot: a respawn, or the end of the settling time.
        sweeps: how many workers have been forked only to serve what was queued on a leaving slot.
    """

    index: int
    backoff: Backoff
    phase: Phase = Phase.OPEN
    worker: Worker | None = None
    leavers: set[Worker] = field(default_factory=set)
    timer: Timer | None = None
    sweeps: int = 0

    @property
    def served(self) -> bool:
        """Whether connections that are queued on it are accepted."""
        return self.worker is not None and self.worker.state is WorkerState.READY

    @property
    def busy(self) -> bool:
        """Whether there is, or will be, anybody."""
        return self.worker is not None or bool(self.leavers) or self.timer is not None

    def set_timer(self, timer: Timer | None) -> None:
        """Replace what was going to happen."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer = timer
