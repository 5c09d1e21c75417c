"""What all connections of one worker share."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextvars import copy_context
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final

from litmus.asgi import Application
from litmus.log import escape
from litmus.memory.counters import Counters
from litmus.memory.segment import Seat
from litmus.memory.slab import Slab
from litmus.protocols.http2.request import RequestReader
from litmus.protocols.limits import Limits
from litmus.protocols.machine import Deadline, Host
from litmus.protocols.request import HeadParser
from litmus.protocols.sniff import Protocols
from litmus.server.access import AccessLog
from litmus.server.deadlines import Wheel, ticks
from litmus.server.eager import Starter
from litmus.server.noise import FLOODED, Noise
from litmus.server.sockets import Sockets
from litmus.settings import Settings

if TYPE_CHECKING:
    from litmus.server.channel import Channel
    from litmus.server.connection import Connection

log = logging.getLogger("litmus.server")

LINGER_SECONDS = 2.0
"""How long a connection that we have finished with may go on sending before it is closed. Whether a peer takes anything
of what was sent to it is looked at as often."""

DRAIN_SECONDS = 1.0
"""How long an idle connection of a draining worker may still bring a request. Closing at once would race with requests
that are on their way; this way a busy client is told ``Connection: close`` on its next response and loses nothing."""

CALM_SECONDS: Final = 10.0
"""After how long a peer that has sent too much of something cheap is forgiven."""

_NAMES_TOLD: Final = 16
_NAME_SHOWN: Final = 64


class Outlet(Host):
    """Whose output the engine sends at the end of the loop's turn: a connection.

    Attributes:
        posted: it will be flushed then. Belongs to ``Engine.post``.
    """

    __slots__ = ("posted",)

    posted: bool

    def flush(self) -> None:
        """Give the transport what is to be written."""
        raise NotImplementedError

    def abort(self) -> None:
        """Close now, whatever is under way."""
        raise NotImplementedError


class Engine:
    """The worker's means of serving: application, memory, clock, records.

    Args:
        clock: the time that deadlines are measured in, in nanoseconds.

    Attributes:
        application: the ASGI application.
        state: the lifespan state; every scope gets a shallow copy.
        slab, seat: the worker's memory.
        window: the slab buffer that every connection reads into. Reads are synchronous, so one serves all; what a
            machine does not consume at once moves to a lease of the connection's own.
        connections: those that are open.
        adopting: accepted sockets that are not connections yet.
        protocols: those that are spoken.
        exchanges: those whose application is waiting for something, those of WebSockets as well.
        sockets: what all WebSockets share.
        limits: what the peers may demand.
        deadlines: how long each of them is, in ticks; 0: for ever.
        stall_ticks: how long a peer may take nothing of what was sent to it.
        request_ticks: how long a whole request may take; 0: for ever.
        draining: take on nothing new.
        cancels_finished: an application is cancelled when its client has finished sending, which may be all that is
            to be seen of its having left.
        context: the context variables as they were before any request.
        starter: runs the application.
        on_connections_changed: called after ``connections`` has grown or shrunk.
        date: the Date header line, renewed once a second.
        noise: what clients can have the log say.
    """

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        seat: Seat,
        slab: Slab,
        application: Application,
        access: AccessLog | None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.settings = settings
        self.loop = loop
        self.application = application
        self.state: dict[str, Any] = {}
        self.seat = seat
        self.board = seat.scoreboard
        self.counters = Counters(seat.scoreboard)
        self.flight = seat.flight
        self.slab = slab
        window = slab.acquire(slab.largest)
        assert window is not None, "a fresh slab has buffers of every class"
        self.window = window
        self.protocols = self._protocols()
        self._dropped: set[bytes] = set()
        self._clock = clock
        self.wheel = Wheel(clock())
        self.noise = Noise(self.wheel)
        self.access = access
        self.connections: set[Connection] = set()
        self.exchanges: set[Channel] = set()
        self.sockets = Sockets(settings.websocket, settings.timeouts.drain, self.counters)
        self.adopting: set[object] = set()
        self.draining = False
        self._cancel = settings.http.cancel
        self.cancels_finished = settings.http.cancel == "disconnected"
        self.on_connections_changed: Callable[[], None] = _ignore
        self._outbox: list[Outlet] = []
        self._leaving: list[int] = []
        self._idle: asyncio.Future[None] | None = None
        self.context = copy_context()
        self.starter = Starter(loop, self.context)
        self.limits = self.limits_with(settings.limits.body)
        timeouts = settings.timeouts
        self.stall_ticks = ticks(timeouts.write)
        self.request_ticks = ticks(timeouts.request) if timeouts.request else 0
        self.deadlines = [0] * Deadline.COUNT
        self.deadlines[Deadline.FIRST_BYTE] = ticks(timeouts.first_byte)
        self.deadlines[Deadline.HEAD] = ticks(timeouts.head)
        self.deadlines[Deadline.BODY] = ticks(timeouts.body_grace) if timeouts.body_rate else 0
        self.deadlines[Deadline.WRITE] = ticks(min(timeouts.write, LINGER_SECONDS))
        self.deadlines[Deadline.KEEP_ALIVE] = ticks(timeouts.keep_alive)
        self.deadlines[Deadline.LINGER] = ticks(LINGER_SECONDS)
        self.deadlines[Deadline.DRAIN] = ticks(DRAIN_SECONDS)
        self.deadlines[Deadline.STALL] = ticks(timeouts.write)
        self.deadlines[Deadline.CALM] = ticks(CALM_SECONDS)
        self._jitter = -1
        self.date = b""
        self._second = 0
        self.tick()

    def tick(self) -> None:
        """Ten times a second if the loop is in time: scoreboard's tick, deadlines, access log's batch, date."""
        self.board.tick_ns = time.monotonic_ns()
        self.wheel.advance(self._clock())
        if self.access is not None:
            self.access.flush()
        second = int(time.time())
        if second != self._second:
            self._second = second
            self.date = f"date: {formatdate(second, usegmt=True)}\r\n".encode("ascii")

    def post(self, outlet: Outlet) -> None:
        """Flush ``outlet`` at the end of this turn of the loop, with all others that have something to write."""
        if outlet.posted:
            return
        outlet.posted = True
        if not self._outbox:
            self.loop.call_soon(self._deliver, context=self.context)
        self._outbox.append(outlet)

    def _deliver(self) -> None:
        outbox, self._outbox = self._outbox, []
        for outlet in outbox:
            outlet.posted = False
            try:
                outlet.flush()
            except Exception:
                log.exception("cannot write to a connection")  # the others' output must not be lost with it
                outlet.abort()
        if self._leaving:
            # uvloop writes what it was given when it has run everything that was ready: the next turn is after that.
            leaving, self._leaving = self._leaving, []
            self.loop.call_soon(self._strike_off, leaving, context=self.context)

    def ended(self, entry: int) -> None:
        """The application has left the request with this entry in the flight table.

        It stays there until its response has left as well: if the worker dies before, nobody has got it.
        """
        if self._outbox:
            self._leaving.append(entry)
        else:
            self._strike_off([entry])

    def _strike_off(self, entries: list[int]) -> None:
        for entry in entries:
            self.counters.request_ended()
            self.flight.end(entry)

    def limits_with(self, body: int) -> Limits:
        """The limits of connections for which that of bodies is ``body``, but for hosts that have one of their own."""
        limits, timeouts = self.settings.limits, self.settings.timeouts
        return Limits(
            limits.request_line,
            limits.header_section,
            body,
            max(1, round(timeouts.body_rate * timeouts.body_grace)),
            limits.requests_per_connection,
            limits.pipelined_requests,
            {host.name.encode("ascii"): host.body for host in self.settings.host if host.body is not None},
            self.settings.http2.streams,
            self.settings.http2.window,
        )

    def _protocols(self) -> Protocols:
        limits, http = self.settings.limits, self.settings.http
        parser = HeadParser(http.underscores, self._header_dropped, limits.header_fields)
        reader = RequestReader(parser.fields, limits.request_line, limits.header_fields)
        return Protocols(parser, reader if self.settings.http2.enabled else None, self.settings.websocket.enabled)

    def cancels(self, unwanted: bool) -> bool:
        """Whether the application is to be cancelled now that its client has left. ``unwanted``: see ``Sink``."""
        return self._cancel == "disconnected" or (unwanted and self._cancel == "reset")

    def next_jitter(self) -> int:
        """Ticks that a new connection may idle longer than others: those that fall idle together don't all close so."""
        self._jitter = (self._jitter + 1) % (1 + self.deadlines[Deadline.KEEP_ALIVE] // 10)
        return self._jitter

    def refused(self, host: str, head: bytes, status: int, size: int) -> None:
        """Enter into the records what was answered without an exchange. ``head`` is what has come of its head."""
        self.counters.request_refused(status)
        if self.access is not None:
            self.access.record_refusal(host, head, status, size)

    def flooded(self, name: str, reason: str) -> None:
        """Enter into the records that the connection from ``name`` was closed as a flood."""
        self.counters.flooded()
        self.noise.tell(FLOODED, "closed the connection from %s, a flood: %s", name, reason)

    def drain(self) -> None:
        """Let every connection finish what is under way, and close."""
        self.draining = True
        for connection in list(self.connections):
            connection.drain()
        self.sockets.drain()

    def _header_dropped(self, name: bytes) -> None:
        """Tell the log of a header that the application does not get: once of each, and not for ever."""
        name = name[:_NAME_SHOWN]
        if name in self._dropped or len(self._dropped) == _NAMES_TOLD:
            return
        self._dropped.add(name)
        more = "; no more such names will be told" if len(self._dropped) == _NAMES_TOLD else ""
        log.warning('a header was dropped for its underscore: "%s" (http.underscores = "drop")%s', escape(name), more)

    async def idle(self) -> None:
        """Wait until no connection is open, or about to be, and no application is running."""
        while self._busy():
            self._idle = self.loop.create_future()
            await self._idle

    def left(self) -> None:
        """A connection or an exchange has ended."""
        idle = self._idle
        if idle is not None and not idle.done() and not self._busy():
            idle.set_result(None)

    def _busy(self) -> bool:
        return bool(self.connections or self.exchanges or self.adopting)

    def close(self) -> None:
        """Write what is still to be written to the logs. Nothing is served after this."""
        self.noise.flush()
        if self.access is not None:
            self.access.flush()


def _ignore() -> None:
    pass
