"""Accepting connections from the worker's listeners."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import resource
import select
import socket
from collections.abc import Sequence
from typing import Any, Final, cast

from litmus.server.connection import Connection
from litmus.server.eager import start_task
from litmus.server.engine import Engine
from litmus.worker.boot import Listener

log = logging.getLogger("litmus.worker")

_RESERVE: Final = 64
"""Descriptors kept for what is not a connection: logs, listeners, the application's files and sockets."""

_BATCH: Final = 64
"""Connections accepted from a listener before those that are open get their turn."""

_QUIET_SECONDS: Final = 0.1
_SWEEP_SECONDS: Final = 3.0
_WARN_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = 1.0


class Acceptor:
    """Accepts while the worker has room, and stops when it is full, so that other workers get the connections.

    The listening sockets stay open behind it, whether it accepts or not: what queues up there is served by whoever
    accepts next, here or in the worker's successor.

    Args:
        engine: the worker's means.
        listeners: where from.
        capacity: connections to have open at most.
    """

    def __init__(self, engine: Engine, listeners: Sequence[Listener], capacity: int) -> None:
        self._engine = engine
        self._own = [listener.socket for listener in listeners]
        self._others: dict[int, Sequence[socket.socket]] = {}
        self._capacity = capacity
        self._open = False
        self._accepting = False
        self._arrived = asyncio.Event()
        self._warn_after = 0.0
        for each in self._own:
            each.setblocking(False)

    @property
    def _sockets(self) -> list[socket.socket]:
        return [*self._own, *itertools.chain(*self._others.values())]

    def open(self) -> None:
        """Start accepting."""
        self._open = True
        self._engine.on_connections_changed = self._changed
        self._resume()

    def close(self) -> None:
        """Stop accepting for good. What is queued stays queued."""
        self._open = False
        self._pause()
        for slot in list(self._others):
            self.stand_down(slot)

    def stand_in(self, slot: int, listeners: Sequence[socket.socket]) -> None:
        """Accept from the ``listeners`` of another slot, too, which nobody serves; they are the acceptor's now."""
        self.stand_down(slot)
        self._others[slot] = listeners
        for each in listeners:
            each.setblocking(False)
            if self._accepting:
                self._watch(each)
        if not self._open:
            self.stand_down(slot)

    def stand_down(self, slot: int) -> None:
        """That slot is served again, or was never stood in for."""
        for each in self._others.pop(slot, ()):
            if self._accepting:
                self._engine.loop.remove_reader(each.fileno())
            each.close()

    async def sweep(self, limit: float) -> None:
        """Accept what is queued, and what is still completing its handshake, when nobody else will; then close.

        Ends when nothing new has come for a while, after accepting for ``_SWEEP_SECONDS``, or after ``limit`` seconds
        at the latest. A worker that is full waits for room first: it does not know what is queued.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._until_quiet()
        self.close()

    async def _until_quiet(self) -> None:
        loop = self._engine.loop
        left = _SWEEP_SECONDS
        while left > 0:
            began, accepting = loop.time(), self._accepting
            self._arrived.clear()
            try:
                async with asyncio.timeout(_QUIET_SECONDS):
                    await self._arrived.wait()
            except TimeoutError:
                # A late loop serves its timers before it looks at its sockets: ask them, not only the clock.
                if self._accepting and not self._arrived.is_set() and not self._queued():
                    break
            if accepting:
                left -= loop.time() - began

    def _queued(self) -> bool:
        """Whether somebody waits to be accepted."""
        poll = select.poll()
        for each in self._sockets:
            poll.register(each, select.POLLIN)
        return bool(poll.poll(0))

    def _number(self) -> int:
        return len(self._engine.connections) + len(self._engine.adopting)

    def _changed(self) -> None:
        """The number of open connections has changed."""
        if not self._accepting and self._open and self._number() < self._capacity:
            self._resume()

    def _resume(self) -> None:
        if self._open and not self._accepting:
            self._accepting = True
            self._arrived.set()  # a sweep must not take the pause before this for quiet
            for each in self._sockets:
                self._watch(each)

    def _watch(self, listener: socket.socket) -> None:
        self._engine.loop.add_reader(listener.fileno(), self._readable, listener)

    def _pause(self) -> None:
        if self._accepting:
            self._accepting = False
            for each in self._sockets:
                self._engine.loop.remove_reader(each.fileno())

    def _readable(self, listener: socket.socket) -> None:
        for _ in range(_BATCH):
            if self._number() >= self._capacity:
                self._warn()
                self._pause()
                return
            if not self._accept(listener):
                return

    def _warn(self) -> None:
        now = self._engine.loop.time()
        if now >= self._warn_after:
            self._warn_after = now + _WARN_SECONDS
            log.warning("%d connections are open, the most allowed: the next one waits", self._capacity)

    def _accept(self, listener: socket.socket) -> bool:
        """Take one connection off the queue. Returns whether there was one."""
        try:
            accepted, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as error:
            # Out of descriptors or memory: the connection stays queued, and asking again at once would change nothing.
            log.error("cannot accept a connection: %s", error)
            self._pause()
            self._engine.loop.call_later(_RETRY_SECONDS, self._resume)
            return False
        self._arrived.set()
        opening = self._engine.loop.connect_accepted_socket(self._connection, accepted)
        task = start_task(self._engine.loop, opening)
        self._engine.adopting.add(task)
        task.add_done_callback(self._adopted)
        return True

    def _adopted(self, task: asyncio.Task[Any]) -> None:
        """The accepted socket has become a connection, or failed to."""
        self._engine.adopting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("cannot open an accepted connection: %s", error)
        self._changed()
        self._engine.left()

    def _connection(self) -> Any:
        return cast(asyncio.BufferedProtocol, Connection(self._engine))


def capacity(limit: int) -> int:
    """Connections a worker may have open: ``limit``, or what the descriptor limit leaves when that is 0 or less."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = max(1, soft - max(_RESERVE, min(1024, soft // 8)))
    return min(limit, room) if limit else room
