"""Accepting connections from the worker's listeners."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, cast

from litmus.native import advance, iterator
from litmus.protocols.limits import Limits
from litmus.protocols.websocket.deflate import DeflateSettings
from litmus.server.connection import Connection
from litmus.server.deadlines import ticks
from litmus.server.engine import Engine
from litmus.server.scope import Address, Client, address
from litmus.server.sockets import deflate_settings
from litmus.settings import ListenSettings
from litmus.worker import backlog
from litmus.worker.boot import Listener
from litmus.worker.capacity import Capacity
from litmus.worker.notices import Notices
from litmus.worker.refusals import Refusals
from litmus.worker.room import Room

log = logging.getLogger("litmus.worker")

_BATCH: Final = 64
"""Connections accepted, or refused, from a listener before those that are open get their turn."""

_SPARE: Final = 64
"""Besides the places that are needed, one in so many of all is made free, so that not everybody has to wait for one."""

_QUIET_SECONDS: Final = 0.1
_SWEEP_SECONDS: Final = 3.0
_RETRY_SECONDS: Final = 1.0


class Acceptor:
    """Accepts while the worker has room, and stops when it is full, so that other workers get the connections.

    The scoreboard says that it is full, and the arbiter has those that are not accept from its listeners as well. They
    stay open behind it, whether it accepts or not: what queues up there is served by whoever accepts next, here or in
    the worker's successor. When no other worker has room, idle connections are closed for those who wait, see ``Room``.
    Where that does not help, they don't wait for ever: when nobody could be let in for ``timeouts.queue``, what is
    queued is refused, a batch at each tick, until there is room, here or with another worker.

    Args:
        engine: the worker's means.
        listeners: where from.
        capacity: the connections to have open at most.
        others_have_room: whether there is another worker that accepts.

    Attributes:
        due, spoke: see ``machine.Expiring``. It is armed for each tick from the time that the worker is full until
            there is room for everybody.
    """

    def __init__(
        self,
        engine: Engine,
        listeners: Sequence[Listener],
        capacity: Capacity,
        others_have_room: Callable[[], bool] = lambda: False,
    ) -> None:
        self._engine = engine
        self._others_have_room = others_have_room
        self._own = [listener.socket for listener in listeners]
        self._others: dict[int, Sequence[socket.socket]] = {}
        self._capacity = capacity.most
        self._terms = {listener.socket.getsockname(): _terms(engine, listener.settings) for listener in listeners}
        self._room = Room(engine)
        self._refusals = Refusals(engine)
        self._notices = Notices(engine, capacity)
        self._patience = ticks(engine.settings.timeouts.queue)
        self._patience_ends = 0
        self._root_path = engine.settings.app.root_path
        self._most_visits = engine.settings.limits.connections_per_address
        self._visits: dict[str, int] = {}
        self.due = 0
        self.spoke = 0
        self._open = False
        self._accepting = False
        self._arrived = asyncio.Event()
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
        self._end_of_full()
        self._engine.wheel.remove(self)
        self._notices.close()
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
                if self._accepting and not self._arrived.is_set() and not self._waiting():
                    break
            if accepting:
                left -= loop.time() - began

    def _waiting(self) -> int:
        """How many wait to be accepted, as far as the kernel tells."""
        return sum(map(backlog.queued, self._sockets))

    def _number(self) -> int:
        return len(self._engine.connections) + len(self._engine.adopting)

    def _changed(self) -> None:
        """The number of open connections has changed."""
        if not self._accepting and self._open and self._number() < self._capacity:
            self._resume()

    def _resume(self) -> None:
        if self._open and not self._accepting:
            self._accepting = True
            self._engine.board.full = 0
            self._arrived.set()  # a sweep must not take the pause before this for quiet
            for each in self._sockets:
                self._watch(each)

    def _watch(self, listener: socket.socket) -> None:
        name = listener.getsockname()
        # By address, because what another slot listens on has the same ones.
        terms = self._terms.get(name) or _terms(self._engine, ListenSettings())
        server = None if name[0] in _WILDCARDS else address(name)
        self._engine.loop.add_reader(listener.fileno(), self._readable, _Door(listener, server, terms))

    def _pause(self) -> None:
        if self._accepting:
            self._accepting = False
            for each in self._sockets:
                self._engine.loop.remove_reader(each.fileno())

    def _readable(self, door: _Door) -> None:
        for _ in range(min(_BATCH, self._capacity - self._number())):
            try:
                taken = backlog.take(door.listener)
            except OSError as error:
                # The connection stays queued, and asking again at once would change nothing.
                self._notices.failed(error)
                self._pause()
                self._engine.board.full = 1
                self._engine.loop.call_later(_RETRY_SECONDS, self._resume)
                return
            if taken is None:
                if self.due and not self._waiting():
                    self._end_of_full()
                return
            self._arrived.set()
            self._receive(taken, door)
        if self._number() >= self._capacity:
            self._pause()
            self._engine.board.full = 1
            if not self.due:
                self._notices.full()
                self._engine.wheel.arm(self, 1)

    def expire(self) -> None:
        """The worker is full, or was a moment ago: see to those who wait."""
        waiting = self._waiting()
        if self._accepting and not waiting:
            self._end_of_full()
            return
        now, wait = self._engine.wheel.now, 1
        if self._accepting or not self._alone or (waiting and self._make_room(waiting)):
            self._patience_ends = 0
        elif waiting and not self._patience_ends:
            self._patience_ends = now - 1 + self._patience  # they have come since the tick before
        elif waiting and now >= self._patience_ends:
            wait = self._refuse_some()
        self._engine.wheel.arm(self, wait)

    @property
    def _alone(self) -> bool:
        """Whether nobody else accepts those who wait. One that drains has nobody who stands in for it."""
        return self._engine.draining or not self._others_have_room()

    def _make_room(self, waiting: int) -> bool:
        """Close idle connections, a batch at most. Returns whether that is enough for now, or may be the next time."""
        closed = self._room.make(min(waiting + self._capacity // _SPARE, _BATCH))
        if closed:
            self._notices.closed(closed)
        return closed >= min(waiting, _BATCH) or not self._room.exhausted

    def _end_of_full(self) -> None:
        """There is room for everybody."""
        self.due = 0
        self._patience_ends = 0
        self._room.forget()
        self._notices.room()

    def _refuse_some(self) -> int:
        """Refuse a batch of those who wait. Returns after how many ticks to go on."""
        try:
            for listener in self._sockets:
                for _ in range(_BATCH):
                    if (taken := backlog.take(listener)) is None:
                        break
                    host = _host(taken.peer)
                    self._refusals.refuse(taken.as_socket(), host, "the server is busy", self._notices.refused)
        except OSError as error:
            if not self._refusals.hurry():
                self._notices.failed(error)
                return ticks(_RETRY_SECONDS)
        return 1

    def _receive(self, accepted: backlog.Accepted, door: _Door) -> None:
        """Make a connection of an accepted socket, unless its peer has too many."""
        visit = None
        peer = accepted.peer
        if accepted.family == socket.AF_UNIX:
            peer = None  # the client's end of a Unix socket has no name
        elif self._most_visits:
            host = _host(peer)
            if self._visits.get(host, 0) >= self._most_visits:
                note = partial(self._notices.refused_address, host)
                self._refusals.refuse(accepted.as_socket(), host, "too many connections from this address", note)
                return
            visit = _Visit(self._visits, host)
        engine = self._engine
        server = door.server or address(accepted.getsockname())
        client = Client(address(peer), server, "http", self._root_path, door.terms.deflate)
        connection = Connection(engine, door.terms.limits, client, None if visit is None else visit.end)
        opening = _Opening(engine.loop, connection, accepted, visit)
        engine.adopting.add(opening)
        opening.run(self._adopted)

    def _adopted(self, opening: _Opening, error: Exception | None) -> None:
        """The accepted socket has become a connection, or failed to."""
        self._engine.adopting.discard(opening)
        if error is not None:
            log.error("cannot open an accepted connection: %s", error)
            if opening.visit is not None:
                opening.visit.end()
        self._changed()
        self._engine.left()


_WILDCARDS: Final = ("0.0.0.0", "::")


class _Terms(NamedTuple):
    """What holds for the connections that come in at an address.

    Attributes:
        limits: what they may demand.
        deflate: how messages of WebSockets are compressed; None: they are not.
    """

    limits: Limits
    deflate: DeflateSettings | None


def _terms(engine: Engine, listen: ListenSettings) -> _Terms:
    limits = engine.limits if listen.body is None else engine.limits_with(listen.body)
    return _Terms(limits, deflate_settings(engine.settings.websocket.at(listen)))


class _Door(NamedTuple):
    """A listening socket.

    Attributes:
        server: its address, None if it listens on all that the machine has.
        terms: of the connections that come in here.
    """

    listener: socket.socket
    server: Address | None
    terms: _Terms


class _Opening:
    """Has the loop open a transport. Its coroutine waits once, for the loop's next turn, and needs no task.

    Args:
        loop: the worker's.
        connection: the transport's protocol.
        accepted: the socket.

    Attributes:
        visit: the connection's, if its address is counted.
    """

    __slots__ = ("_connection", "_coroutine", "_on_end", "visit")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: Connection,
        accepted: backlog.Accepted,
        visit: _Visit | None,
    ) -> None:
        self._connection = connection
        # Any: both have what the loop asks for, and do not inherit it.
        coroutine: Coroutine[Any, Any, object] = loop.connect_accepted_socket(cast(Any, self), cast(Any, accepted))
        self._coroutine = iterator(coroutine)
        self._on_end: Callable[[_Opening, Exception | None], object] | None = None
        self.visit = visit

    def __call__(self) -> Connection:
        """The protocol."""
        return self._connection

    def run(self, on_end: Callable[[_Opening, Exception | None], object]) -> None:
        """Begin. ``on_end`` is told of the end, and of the error if there is one."""
        self._on_end = on_end
        self._step(None)

    def _step(self, waited_for: asyncio.Future[Any] | None) -> None:
        try:
            future: Any = advance(self._coroutine, None)
        except Exception as error:
            self._end(error)
            return
        if future is None:
            self._end(None)
        else:
            future._asyncio_future_blocking = False  # as a task says that it has seen it
            future.add_done_callback(self._step)

    def _end(self, error: Exception | None) -> None:
        on_end, self._on_end = self._on_end, None  # it knows this opening: leave nothing to the garbage collector
        if on_end is not None:
            on_end(self, error)


class _Visit:
    """A connection, counted with the others from its address until it ends."""

    __slots__ = ("_host", "_visits")

    def __init__(self, visits: dict[str, int], host: str) -> None:
        visits[host] = visits.get(host, 0) + 1
        self._visits = visits
        self._host = host

    def end(self) -> None:
        """It counts no more. To say so twice changes nothing."""
        visits, host = self._visits, self._host
        self._visits = {}
        left = visits.get(host, 0) - 1
        if left > 0:
            visits[host] = left
        else:
            visits.pop(host, None)


def _host(peer: Any) -> str:
    """The address of a peer without its port, for the access log."""
    return peer[0] if isinstance(peer, tuple) else "unix"
