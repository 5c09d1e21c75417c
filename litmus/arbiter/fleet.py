"""All workers there are: forked, listened to and reaped. What becomes of a slot is decided elsewhere."""

import functools
import logging
import os
import signal
import socket
import time
from collections.abc import Callable

from litmus.arbiter import fork, obituary
from litmus.arbiter.errors import SpawnError
from litmus.arbiter.fork import WorkerMain
from litmus.arbiter.listeners import Listeners, Plan
from litmus.arbiter.pipe import Pipe
from litmus.arbiter.reactor import Reactor
from litmus.arbiter.slots import Owner, Slot, Worker
from litmus.arbiter.timings import Timings
from litmus.control.messages import ArbiterMessage
from litmus.memory.scoreboard import State
from litmus.memory.segment import Segment
from litmus.settings import Settings
from litmus.worker.boot import Boot

_logger = logging.getLogger("litmus")


class Fleet:
    """The processes.

    Args:
        let_go: what a child has to close besides the reactor's descriptors and other slots' sockets.
        on_change: called when a worker has come or gone.
    """

    def __init__(
        self,
        reactor: Reactor,
        segment: Segment,
        listeners: Listeners,
        worker_main: WorkerMain,
        timings: Timings,
        let_go: Callable[[], None],
        on_change: Callable[[], None],
    ) -> None:
        self.reactor = reactor
        self.segment = segment
        self.listeners = listeners
        self.timings = timings
        self.workers: dict[int, Worker] = {}
        self._seated: dict[int, Worker] = {}
        self._worker_main = worker_main
        self._let_go = let_go
        self._on_change = on_change

    @property
    def free_seats(self) -> int:
        """How many more workers there is room for."""
        return len(self.segment) - len(self._seated)

    def spawn(self, slot: Slot, settings: Settings, generation: int, plan: Plan, owner: Owner) -> Worker:
        """Fork a worker for ``slot``, with the listeners of ``plan``. ``owner`` hears of it. Raises SpawnError."""
        seat = next((index for index in range(len(self.segment)) if index not in self._seated), None)
        if seat is None:
            raise SpawnError(f"all {len(self.segment)} seats are taken: wait until workers that drain have left")
        try:
            arena = self.segment.arena(seat, settings.memory.arena)
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise SpawnError(f"cannot prepare a worker: {error.strerror}") from error
        boot = Boot(
            slot=slot.index,
            seat=seat,
            generation=generation,
            settings=settings,
            listeners=plan.of_slot(slot.index),
            pipe=theirs,
            segment=self.segment,
            arena=arena,
        )
        self._announce(boot)
        try:
            pid = fork.fork(boot, self._worker_main, functools.partial(self._become_child, boot, ours))
            pidfd = _open_pidfd(pid)
        except OSError as error:
            self.segment.seat(seat).clear()
            ours.close()
            raise SpawnError(f"cannot fork a worker: {error.strerror}") from error
        finally:
            theirs.close()
        worker = Worker(slot, seat, generation, pid, pidfd, owner)
        self.segment.seat(seat).scoreboard.pid = pid
        self.workers[pid] = self._seated[seat] = worker
        pipe = Pipe(str(worker), ours, self.reactor, worker.hear, worker.kill, worker.lost)
        worker.start(pipe, self.reactor, self.timings)
        self.reactor.watch(pidfd, functools.partial(self._reap, worker))
        self._on_change()
        return worker

    def _announce(self, boot: Boot) -> None:
        """Let the statistics show the worker from the fork on, not only when it gets to write its page itself."""
        seat = self.segment.seat(boot.seat)
        seat.clear()
        seat.scoreboard.slot = boot.slot
        seat.scoreboard.generation = boot.generation
        seat.scoreboard.started_ns = time.monotonic_ns()
        seat.scoreboard.state = State.BOOTING

    def _become_child(self, boot: Boot, arbiters_end: socket.socket) -> None:
        self._let_go()
        self.reactor.abandon()  # with it go all other workers' pipes and pidfds
        self.listeners.keep_only(boot.listeners)
        arbiters_end.close()

    def _reap(self, worker: Worker) -> None:
        """Its pidfd is readable: it is dead."""
        status = os.waitid(os.P_PIDFD, worker.pidfd, os.WEXITED | os.WNOHANG)
        if status is None:
            return
        worker.pipe.finish()  # its last words
        worker.buried()
        self.reactor.unwatch(worker.pidfd)
        os.close(worker.pidfd)
        death = obituary.examine(worker, status, self.segment.seat(worker.seat))
        self._vacate(worker)
        del self.workers[worker.pid], self._seated[worker.seat]
        worker.owner.worker_gone(worker, death)
        self._on_change()

    def _vacate(self, worker: Worker) -> None:
        try:
            self.segment.retire(worker.seat)
        except (ValueError, OverflowError):  # it left numbers on its page that don't add up to one of 64 bits
            _logger.warning("%s left counters that can't be added up; they are dropped", worker)
            self.segment.seat(worker.seat).clear()

    def reap_strangers(self) -> None:
        """Reap children that we never forked: as process 1 of a container, we inherit every orphan.

        Called on SIGCHLD. Workers are left to their pidfds; one that died first is taken in hand here, because it would
        hide those behind it.
        """
        while True:
            try:
                status = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if status is None:
                return
            worker = self.workers.get(status.si_pid)
            if worker is not None:
                self._reap(worker)
            else:
                os.waitid(os.P_PID, status.si_pid, os.WEXITED | os.WNOHANG)

    def tell_all(self, message: ArbiterMessage) -> None:
        """Send a message to every worker."""
        for worker in list(self.workers.values()):
            worker.send(message)

    def stop_all(self, grace: float) -> None:
        """Tell every worker to exit at once, and kill those that haven't after ``grace`` seconds."""
        for worker in list(self.workers.values()):
            worker.stop(grace)


def _open_pidfd(pid: int) -> int:
    """The descriptor of a child just forked. If there is none to be had, the child must die. Raises OSError."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)  # waits for no longer than a SIGKILL takes
        raise
