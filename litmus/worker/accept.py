"""Accepting connections from the worker's listeners."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections.abc import Sequence
from typing import Final, cast

from litmus.server.connection import Connection
from litmus.server.engine import DRAIN_SECONDS, Engine
from litmus.worker.boot import Listener

log = logging.getLogger("litmus.worker")

_RESERVE: Final = 64
"""Descriptors kept for what is not a connection: logs, listeners, the application's files and sockets."""


_QUIET_SECONDS: Final = 0.1


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
        self._listeners = listeners
        self._capacity = capacity
        self._servers: list[asyncio.Server] = []
        self._opening: asyncio.Task[None] | None = None
        self._closed = False
        engine.on_connections_changed = self._changed

    async def open(self) -> None:
        """Start accepting."""
        loop = self._engine.loop
        for listener in self._listeners:
            # The server closes its socket when it closes: give it a copy.
            copy = listener.socket.dup()
            backlog = listener.settings.backlog
            if copy.family == socket.AF_UNIX:
                server = await loop.create_unix_server(self._connection, sock=copy, backlog=backlog)
            else:
                server = await loop.create_server(self._connection, sock=copy, backlog=backlog)
            self._servers.append(server)

    def close(self) -> None:
        """Stop accepting for good. What is queued stays queued."""
        self._closed = True
        self._pause()

    async def sweep(self) -> None:
        """Accept what is queued, and what is still completing its handshake, when nobody else will.

        Ends when nothing new has come for a while, or after ``DRAIN_SECONDS`` at the latest.
        """
        loop = self._engine.loop
        arrived = asyncio.Event()
        end = loop.time() + DRAIN_SECONDS
        for listener in self._listeners:
            listener.socket.setblocking(False)
            loop.add_reader(listener.socket.fileno(), arrived.set)
        try:
            while True:
                await self._accept_queued()
                async with asyncio.timeout_at(min(end, loop.time() + _QUIET_SECONDS)):
                    await arrived.wait()
                arrived.clear()
        except TimeoutError:
            pass
        finally:
            for listener in self._listeners:
                loop.remove_reader(listener.socket.fileno())

    async def _accept_queued(self) -> None:
        for listener in self._listeners:
            while (accepted := _accept(listener.socket)) is not None:
                await self._engine.loop.connect_accepted_socket(self._connection, accepted)

    def _connection(self) -> asyncio.BufferedProtocol:
        return cast(asyncio.BufferedProtocol, Connection(self._engine))

    def _changed(self) -> None:
        """The number of open connections has changed."""
        number = len(self._engine.connections)
        if number >= self._capacity and self._servers:
            log.warning("%d connections are open, the most allowed: not accepting until some are closed", number)
            self._pause()
        elif number < self._capacity and not self._servers and not self._closed and self._opening is None:
            self._opening = self._engine.loop.create_task(self._reopen())

    async def _reopen(self) -> None:
        await self.open()
        self._opening = None
        if self._closed:
            self._pause()

    def _pause(self) -> None:
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()


def capacity(limit: int) -> int:
    """Connections a worker may have open: ``limit``, or what the descriptor limit leaves when that is 0 or less."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = max(1, soft - max(_RESERVE, min(1024, soft // 8)))
    return min(limit, room) if limit else room


def _accept(listener: socket.socket) -> socket.socket | None:
    try:
        return listener.accept()[0]
    except (BlockingIOError, ConnectionAbortedError):
        return None
