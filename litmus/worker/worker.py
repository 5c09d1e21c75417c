"""The worker: loads the application, serves, drains, exits. Only its control pipe commands it."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import logging
import os
import signal
import socket
import time
import traceback
from typing import Any, Final, NoReturn

import setproctitle
import uvloop

from litmus import log as logs
from litmus.control import framing, messages
from litmus.control.messages import (
    BootFailed,
    Drain,
    Drained,
    Ready,
    ReopenLogs,
    StandDown,
    StandIn,
    Stop,
    WorkerMessage,
)
from litmus.interfaces.asgi import LoadError, load
from litmus.memory import segment
from litmus.memory.scoreboard import State
from litmus.memory.slab import Slab
from litmus.server.access import AccessLog
from litmus.server.deadlines import TICK
from litmus.server.engine import Engine
from litmus.units import count
from litmus.worker import parent, privileges
from litmus.worker.accept import Acceptor
from litmus.worker.boot import Boot
from litmus.worker.capacity import capacity
from litmus.worker.lifespan import Lifespan, LifespanError
from litmus.worker.signals import ORDERS, OTHERS

log = logging.getLogger("litmus.worker")

EXIT_OK: Final = 0
EXIT_ERROR: Final = 1
EXIT_BOOT_FAILED: Final = 3

CANCEL_SECONDS: Final = 1.0
"""How long cancelled requests may take to clean up at the end of a drain."""

REASON_LIMIT: Final = 2000
"""Characters of a reason that the arbiter is told; its traceback has more room."""

MAX_DESCRIPTORS: Final = 253
"""The most that travel with one message: the kernel's SCM_MAX_FD."""

LATE_SECONDS: Final = 1.0
"""A worker whose loop has not turned for so long is stuck: it does ten times a second."""

SHUTDOWN_SECONDS: Final = 2.0
"""How long the application's lifespan shutdown may take at least, however long the drain before it took."""


class BootError(Exception):
    """The worker cannot serve; carries what the arbiter is told."""

    def __init__(self, stage: str, reason: str, traceback: str) -> None:
        super().__init__(reason)
        if len(reason) > REASON_LIMIT:
            reason = f"{reason[:REASON_LIMIT]}…"
        self.message = BootFailed(stage, reason, messages.shorten(traceback))


def main(boot: Boot) -> NoReturn:
    """Be a worker. Called in the child right after the fork; leaves only through ``os._exit``."""
    code = EXIT_ERROR
    try:
        code = _main(boot)
    except BaseException:
        boot.segment.seat(boot.seat).scoreboard.last_error = traceback.format_exc(limit=-3)
        log.critical("the worker failed", exc_info=True)
    finally:
        logging.shutdown()
        os._exit(code)


def _main(boot: Boot) -> int:
    parent.die_with(boot.arbiter)
    atexit._clear()  # what was registered before the fork is the arbiter's
    _take_seat(boot)
    _ignore_signals()
    setproctitle.setproctitle(f"litmus: worker {boot.slot} [gen {boot.generation}]")
    logs.configure(boot.settings.log, f"worker {boot.slot}")
    logs.count_losses(boot.segment.seat(boot.seat).scoreboard.count_lost_lines)
    worker = Worker(boot)
    try:
        worker.load()
        # Not asyncio.run: its end waits for tasks and threads that may never come to one. Ours is os._exit.
        loop = uvloop.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(worker.serve())
    except BootError as error:
        boot.pipe.setblocking(True)
        boot.pipe.sendall(messages.encode(error.message))
        return EXIT_BOOT_FAILED
    boot.segment.seat(boot.seat).scoreboard.state = State.STOPPED
    atexit._run_exitfuncs()  # what libraries of the application want done, and os._exit would not do
    return EXIT_OK


def _take_seat(boot: Boot) -> None:
    seat = boot.segment.seat(boot.seat)
    board = seat.scoreboard
    board.pid, board.slot, board.generation = os.getpid(), boot.slot, boot.generation
    board.started_ns = board.tick_ns = time.monotonic_ns()
    board.state = State.BOOTING
    seat.flight.open()
    segment.current = boot.segment


def _ignore_signals() -> None:
    """Signals go to the arbiter. A handler, unlike SIG_IGN, is not inherited by programs the application starts."""
    signal.set_wakeup_fd(-1)
    for number in (*ORDERS, *OTHERS):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


class Worker:
    """One worker's life, from loading the application to the end of the drain.

    Args:
        boot: its place and means.
    """

    def __init__(self, boot: Boot) -> None:
        self._boot = boot
        self._settings = boot.settings
        self._seat = boot.segment.seat(boot.seat)
        self._deframer = framing.Deframer(messages.PIPE_LIMIT)
        self._order: asyncio.Future[Drain] | None = None
        self._engine: Engine | None = None
        self._acceptor: Acceptor | None = None
        self._descriptors: list[int] = []  # that came through the pipe, for the message that they belong to

    def load(self) -> None:
        """Give up privileges and import the application, before there is an event loop. Raises BootError."""
        arbiter = self._settings.arbiter
        try:
            privileges.drop(arbiter.user, arbiter.group)
        except privileges.PrivilegeError as error:
            raise BootError("privileges", str(error), "") from error
        parent.die_with(self._boot.arbiter)  # again, for the case that the user has changed
        try:
            self._application = load(self._settings.app)
        except LoadError as error:
            raise BootError("import", error.reason, error.traceback) from error

    async def serve(self) -> None:
        """Start up, serve until told to drain, drain, shut down. Raises BootError."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_log_loop_error)
        self._order = loop.create_future()
        self._boot.pipe.setblocking(False)
        loop.add_reader(self._boot.pipe.fileno(), self._read_pipe)
        access_file = logs.access_file()
        engine = self._engine = Engine(
            self._settings,
            loop,
            self._seat,
            Slab(self._boot.arena, self._seat.scoreboard),
            self._application,
            AccessLog(access_file) if access_file is not None else None,
        )
        self._tick()
        lifespan = Lifespan(self._application, self._settings.app.lifespan)
        try:
            await lifespan.startup()
        except LifespanError as error:
            raise BootError("lifespan", error.reason, error.traceback) from error
        engine.state = lifespan.state
        room = capacity(self._settings.limits.connections)
        acceptor = self._acceptor = Acceptor(engine, self._boot.listeners, room, self._others_have_room)
        acceptor.open()
        # What start-up built is here to stay: keep the collector from walking it again and again.
        gc.collect()
        gc.freeze()
        self._seat.scoreboard.state = State.READY
        await self._tell(Ready())
        order = await self._order
        end = loop.time() + order.timeout
        cut = await self._drain(engine, acceptor, order)
        await lifespan.shutdown(max(end - loop.time(), SHUTDOWN_SECONDS))
        await _cancel_others()
        await self._tell(Drained(cut))
        engine.close()

    async def _drain(self, engine: Engine, acceptor: Acceptor, order: Drain) -> int:
        """Finish what is under way and close all connections. Returns how many requests ran out of time; all named."""
        self._seat.scoreboard.state = State.DRAINING
        engine.drain()
        cut: list[str] = []
        told: set[object] = set()
        try:
            async with asyncio.timeout(order.timeout):
                if order.sweep:
                    await acceptor.sweep(order.timeout / 2)  # those who come last need time, too
                    for listener in self._boot.listeners:
                        listener.socket.close()  # from here on a client is refused, not left hanging
                acceptor.close()
                await engine.idle()
        except TimeoutError:
            told = {*engine.exchanges, *(exchange.client for exchange in engine.exchanges)}
            cut = [exchange.cancel() for exchange in list(engine.exchanges)]
        for words in cut:
            log.warning("cut after %g s of draining: %s", order.timeout, words)
        if cut:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CANCEL_SECONDS):
                    await engine.idle()
        for connection in list(engine.connections):
            for whose, size in connection.drained():
                if whose not in told:
                    cut.append(f"a response to {connection.name}, which had {count(size, 'byte')} of it still to read")
                    log.warning("cut after %g s of draining: %s", order.timeout, cut[-1])
            connection.flush()
        await asyncio.sleep(0)  # what was flushed leaves at the end of the turn
        for connection in list(engine.connections):
            connection.abort()
        await asyncio.sleep(0)  # and so does what closing them leaves to be done
        return len(cut)

    def _others_have_room(self) -> bool:
        """Whether another worker accepts connections, and can be trusted to do so: its loop turns."""
        late = time.monotonic_ns() - int(LATE_SECONDS * 1e9)
        boards = [seat.scoreboard for seat in self._boot.segment.occupied() if seat.index != self._boot.seat]
        return any(board.state == State.READY and not board.full and board.tick_ns > late for board in boards)

    def _tick(self) -> None:
        assert self._engine is not None
        self._engine.loop.call_later(TICK, self._tick)
        self._engine.tick()

    # The control pipe

    def _read_pipe(self) -> None:
        try:
            data, descriptors, *_ = socket.recv_fds(self._boot.pipe, 1 << 16, MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        self._descriptors += descriptors
        if not data:
            log.error("the arbiter is gone: stopping at once")
            self._stop()
        for payload in self._deframer.feed(data):
            self._obey(messages.decode_arbiter_message(payload))

    def _obey(self, message: messages.ArbiterMessage) -> None:
        assert self._order is not None
        match message:
            case ReopenLogs():
                logs.reopen()
            case Stop():
                self._stop()
            case Drain() if self._seat.scoreboard.state == State.BOOTING:
                self._stop()  # nothing is served yet that could be drained
            case Drain() if not self._order.done():
                self._order.set_result(message)
            case StandIn(slot, number):
                listeners = [socket.socket(fileno=each) for each in self._descriptors[:number]]
                del self._descriptors[:number]
                assert self._acceptor is not None
                self._acceptor.stand_in(slot, listeners)
            case StandDown(slot):
                assert self._acceptor is not None
                self._acceptor.stand_down(slot)

    def _stop(self) -> NoReturn:
        """Leave now, whatever is under way; only the logs are worth the time."""
        if self._engine is not None:
            for exchange in list(self._engine.exchanges):
                log.warning("stopped in the middle of %s", exchange.cancel())
            self._engine.close()
        os._exit(EXIT_OK)

    async def _tell(self, message: WorkerMessage) -> None:
        await asyncio.get_running_loop().sock_sendall(self._boot.pipe, messages.encode(message))


async def _cancel_others() -> None:
    """Give the application's own tasks the chance to clean up."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=CANCEL_SECONDS)


def _log_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio has no one else to tell."""
    log.error("%s", context.get("message", "error in the event loop"), exc_info=context.get("exception"))
