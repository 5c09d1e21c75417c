"""One WebSocket between its tunnel and the application: ``receive`` and ``send`` (ASGI, "WebSocket").

The same over HTTP/1.1 and HTTP/2. Until the application accepts, a session is an exchange of HTTP like any other, and
may be answered as one; from then on a ``WebSocket`` speaks in it, through a ``Tunnel``.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from time import monotonic_ns
from typing import Any, Final

from litmus.asgi import Message
from litmus.log import escape
from litmus.memory.flight import WireProtocol
from litmus.protocols.errors import ProtocolError
from litmus.protocols.http1 import Http1
from litmus.protocols.machine import Sink, Stream
from litmus.protocols.request import Request
from litmus.protocols.response import ERROR_HEADERS, error_body
from litmus.protocols.websocket.connection import Receiver, State, WebSocket
from litmus.protocols.websocket.deflate import Agreement
from litmus.protocols.websocket.handshake import Handshake, HandshakeError, read_handshake
from litmus.protocols.websocket.tunnels import ConnectionTunnel, StreamTunnel, Tunnel
from litmus.server.awaitables import DONE, Ready
from litmus.server.engine import Engine
from litmus.server.exchange import ClientDisconnected, describe, is_disconnect
from litmus.server.noise import ABANDONED, BROKEN, REFUSED, in_words
from litmus.server.scope import Client, websocket_scope

log = logging.getLogger("litmus.server")

QUEUED: Final = 64 << 10
"""Bytes of messages that wait for the application before no more are read."""

_FAILED: Final = "the application failed"

# How far a session is.
_CONNECTING, _DENYING, _DENIED, _OPEN, _CLOSING, _OVER = range(6)

_NORMAL, _GOING_AWAY, _NO_STATUS, _ABNORMAL, _INTERNAL_ERROR, _RESTART = 1000, 1001, 1005, 1006, 1011, 1012


def serve(engine: Engine, request: Request, stream: Stream, client: Client) -> None:
    """Serve a request for a WebSocket. When this returns the application has taken its first step.

    Args:
        engine: the worker's means.
        request: one that is ``handshake.wanted``.
        stream: the request's two directions.
        client: who asks.
    """
    session = Session(engine, request, stream, client)
    try:
        session.start(read_handshake(request))
    except HandshakeError as error:
        session.refuse(error)


class Session(Receiver):
    """One WebSocket's ``receive`` and ``send``. ``serve`` makes them.

    Attributes:
        due, spoke: see ``machine.Expiring``.
    """

    __slots__ = (
        "_accepting",
        "_awaiting",
        "_began",
        "_client",
        "_code",
        "_connected",
        "_cut",
        "_denial",
        "_dismissed",
        "_draining",
        "_engine",
        "_entry",
        "_handshake",
        "_left",
        "_logged",
        "_queue",
        "_queued",
        "_quiet_since",
        "_reason",
        "_request",
        "_size",
        "_socket",
        "_state",
        "_status",
        "_stream",
        "_task",
        "_told",
        "_tunnel",
        "_waiters",
        "_writers",
        "due",
        "spoke",
    )

    def __init__(self, engine: Engine, request: Request, stream: Stream, client: Client) -> None:
        self._engine = engine
        self._request = request
        self._stream = stream
        self._client = client
        self._handshake: Handshake | None = None
        self._tunnel: Tunnel | None = None
        self._socket: WebSocket | None = None
        self._state = _CONNECTING
        self._connected = False  # the application knows that somebody wants to
        self._left = False  # the client has, or the WebSocket is over
        self._told = False  # and the application knows
        self._code = _ABNORMAL
        self._reason = ""
        self._cut = False  # at the end of a drain
        self._draining = False
        self._dismissed = False  # closed by us, and the application has not asked for it
        self._awaiting = False  # an answer to a ping
        self._quiet_since = 0
        self._queue: deque[str | bytes] = deque()
        self._queued = 0
        self._waiters: deque[asyncio.Future[Message]] | None = None
        self._writers: list[asyncio.Future[None]] | None = None
        self._denial: Message | None = None
        self._status = 0
        self._size = 0
        self._logged = False
        self._task: asyncio.Task[None] | None = None
        self.due = 0
        self.spoke = 0
        line = request.line
        engine.counters.request_begun()
        self._began = monotonic_ns()
        self._entry = engine.flight.begin(self._began, _WEBSOCKET, line.method, client.raw_name, line.target)
        self._accepting = True  # it stands in the flight table, for as long as it is a request

    def start(self, handshake: Handshake) -> None:
        """Call the application, unless it is clear that there is to be no WebSocket. Raises HandshakeError then."""
        engine = self._engine
        engine.sockets.check(self._request)
        self._handshake = handshake
        self._stream.sink = _Opening(self)
        engine.wheel.arm(self, engine.sockets.handshake_ticks)
        task = engine.starter.start(self)
        if task is not None:
            self._task = task
            engine.exchanges.add(self)

    def refuse(self, error: HandshakeError) -> None:
        """Answer without the application."""
        self._stream.sink = _Opening(self)
        name, reason = self._client.name, escape(error.reason)
        self._engine.noise.tell(REFUSED, "refused %s from %s: %d, %s", self._words(), name, error.status, reason)
        self._deny(error.status, error.reason, error.headers)
        self._settle()

    @property
    def client(self) -> Client:
        """Who is at the other end."""
        return self._client

    def cancel(self) -> str:
        """Cancel the application's task at the end of a drain. Returns the session in words, for the log."""
        self._cut = True
        if self._task is not None:
            self._task.cancel("the worker is shutting down")
        seconds = (monotonic_ns() - self._began) / 1e9
        return f"WebSocket {self._words()} from {self._client.name}, after {seconds:.1f} s"

    def drain(self, ticks: int) -> None:
        """The worker is going to stop: close the WebSocket after so many ticks (RFC 6455, section 7.4.1; code 1012)."""
        self._draining = True
        self._engine.wheel.arm(self, ticks)

    def expire(self) -> None:
        """The deadline has passed: that of the handshake, of a ping's answer, of a Close frame, or the next one's."""
        state = self._state
        if state == _OPEN:
            self._look_after()
        elif state == _CLOSING:
            self._wait_no_longer()
        elif state == _CONNECTING:
            limit = f"{self._engine.settings.websocket.handshake:g} s (websocket.handshake)"
            self._fail(f"neither accepted nor denied within {limit}", 503, "the handshake took too long")
            self._leave(_ABNORMAL, "")
            if self._task is not None:
                self._task.cancel("the handshake took too long")

    # What the starter calls (see eager.Caller)

    def call(self) -> Awaitable[None]:
        """Call the application."""
        engine = self._engine
        assert self._handshake is not None
        scope = websocket_scope(self._client, self._request, engine.state, self._handshake.subprotocols)
        return engine.application(scope, self.receive, self.send)

    def ended(self, error: BaseException | None) -> None:
        """The application has left."""
        if error is not None:
            self._failed(error)
        state = self._state
        if state == _CONNECTING and not self._left:
            self._fail("returned without accepting or denying", 500, _FAILED)
        elif state == _DENYING:
            if error is None and not self._left:
                self._fail("returned in the middle of its denial", 500, _FAILED)
            if self._state == _DENYING:
                self._stream.abort()
        elif state == _OPEN:
            self._close(_NORMAL if error is None else _INTERNAL_ERROR, "")
        elif state == _CONNECTING:
            self._stream.abort()
        self._task = None
        self._engine.exchanges.discard(self)
        self._settle()
        self._engine.left()

    # What the application calls

    def receive(self) -> Awaitable[Message]:
        """ASGI ``receive``: ``websocket.connect``, what comes, and ``websocket.disconnect`` from then on."""
        message = self._next_message()
        return self._wait_message() if message is None else Ready(message)

    def send(self, message: Message) -> Awaitable[None]:
        """ASGI ``send``. Raises ClientDisconnected when nobody is there, RuntimeError when the order is wrong."""
        kind = message["type"]
        state = self._state
        if state == _OPEN and kind == "websocket.send":
            assert self._socket is not None
            text = message.get("text")
            if text is not None:
                self._socket.send_text(text)
            else:
                data = message["bytes"]
                self._socket.send_bytes(data if type(data) is bytes else bytes(memoryview(data)))
            self._quiet_since = self._engine.wheel.now
            if self._left:
                raise ClientDisconnected(_GONE)
            return self._wait_unblocked() if self._socket.blocked else DONE
        if self._left or self._dismissed:
            raise ClientDisconnected(_GONE)
        if kind == "websocket.accept" and state == _CONNECTING:
            self._accept(message.get("subprotocol"), message.get("headers", ()))
        elif kind == "websocket.close" and state == _OPEN:
            self._close(message.get("code", _NORMAL), message.get("reason") or "")
        elif kind == "websocket.close" and state == _CONNECTING:
            self._deny(403, "the WebSocket was denied", ())
        elif kind == "websocket.http.response.start" and state == _CONNECTING:
            self._denial = message
            self._state = _DENYING
        elif kind == "websocket.http.response.body" and state == _DENYING:
            return self._deny_more(message)
        else:
            raise RuntimeError(f"{kind} was sent when it could not be: {_STATES[state]}")
        return DONE

    # What the WebSocket calls (see Receiver)

    def message(self, message: str | bytes) -> None:
        """See ``Receiver.message``."""
        self._quiet_since = self._engine.wheel.now
        waiters = self._waiters
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(_received(message))
                return
        self._queue.append(message)
        self._queued += len(message)
        if self._queued >= _QUEUED or len(self._queue) >= self._engine.sockets.queue:
            assert self._socket is not None
            self._socket.paused = True

    def ponged(self, payload: bytes) -> None:
        """See ``Receiver.ponged``. That it has been heard is enough."""

    def unblocked(self) -> None:
        """See ``Receiver.unblocked``."""
        writers, self._writers = self._writers, None
        for writer in writers or ():
            if not writer.done():
                writer.set_result(None)

    def closed(self, code: int, reason: str) -> None:
        """See ``Receiver.closed``."""
        self._leave(code, reason)

    def failed(self, code: int, reason: str) -> None:
        """See ``Receiver.failed``."""
        name = self._client.name
        self._engine.noise.tell(BROKEN, "closed the WebSocket %s from %s: %d, %s", self._words(), name, code, reason)
        self._leave(code, reason)

    # What the stream calls until it is a tunnel, by _Opening

    def lost(self) -> None:
        """The client has left before the WebSocket was accepted or denied."""
        self._leave(_ABNORMAL, "")

    def refused(self, error: ProtocolError, size: int) -> None:
        """The client broke the protocol below."""
        self._status = error.status
        self._size = max(size, 0)
        self._engine.counters.responded(error.status)

    # Inside: the way out of it

    def _leave(self, code: int, reason: str) -> None:
        """The WebSocket is over."""
        if self._left:
            return
        self._left = True
        if self._state == _CLOSING or self._state == _OPEN:
            self._state = _OVER
        self._code, self._reason = code, reason
        self._disarm()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(self._disconnect())
        self.unblocked()
        if self._task is None:
            self._settle()

    def _settle(self) -> None:
        """Nothing is under way any more, if so: write down what it was."""
        if self._task is not None or not (self._left or self._state == _DENIED):
            return
        self._disarm()
        if self._logged:
            return
        self._logged = True
        self._strike_off()
        engine = self._engine
        tunnel = self._tunnel
        if tunnel is not None:
            engine.sockets.closed(self)
            self._size = tunnel.sent
        if engine.access is not None:
            line = self._request.line
            seconds = (monotonic_ns() - self._began) / 1e9
            engine.access.record(
                self._client.host,
                line.method,
                line.target,
                line.version,
                self._status,
                self._size,
                seconds,
                self._request.headers,
            )

    def _disarm(self) -> None:
        if self.due:
            self._engine.wheel.remove(self)
            self.due = 0

    def _strike_off(self) -> None:
        """It is no request any more, or none that is under way."""
        if self._accepting:
            self._accepting = False
            self._engine.ended(self._entry)

    # Inside: the handshake

    def _accept(self, subprotocol: str | None, headers: Any) -> None:
        handshake = self._handshake
        assert handshake is not None
        engine = self._engine
        sockets = engine.sockets
        agreement: Agreement | None = None
        if sockets.deflate is not None:
            agreement = handshake.agree(sockets.deflate)
        stream = self._stream
        tunnel: Tunnel
        if isinstance(stream, Http1):
            response = handshake.response(subprotocol, agreement, headers)
            tunnel = ConnectionTunnel(stream.host)
            self._status = 101
        else:
            fields = handshake.fields(subprotocol, agreement, headers)
            # First of all: if the application's headers can't be sent, nothing has changed. What follows has no length.
            stream.respond(200, [field for field in fields if field[0].lower() != b"content-length"], b"", False)
            tunnel = StreamTunnel(stream)
            self._status = 200
        self._socket = tunnel.socket = WebSocket(tunnel, self, sockets.limits, agreement)
        self._tunnel = tunnel
        self._state = _OPEN
        engine.counters.responded(self._status)
        sockets.opened(self)
        self._strike_off()
        self._quiet_since = engine.wheel.now
        if self._left:
            tunnel.socket.lost()  # writing the head found the connection gone
        elif isinstance(tunnel, ConnectionTunnel):
            assert isinstance(stream, Http1)
            stream.go_over(response, tunnel)
        else:
            assert isinstance(tunnel, StreamTunnel)
            stream.sink = _Carried(tunnel)
            tunnel.arrived()
        if self._left:
            return
        if engine.draining:
            self.drain(sockets.jitter())
        else:
            self._rest()

    def _deny(self, status: int, reason: str, headers: Any) -> None:
        """Answer with an error."""
        self._state = _DENIED
        self._status = status
        self._engine.counters.responded(status)
        self._size = self._stream.respond(status, [*ERROR_HEADERS, *headers], error_body(status, reason), True)
        self._disarm()

    def _deny_more(self, message: Message) -> Awaitable[None]:
        """Send the application's own denial (ASGI, "WebSocket Denial Response")."""
        body = message.get("body", b"")
        end = not message.get("more_body", False)
        start = self._denial
        if start is not None:
            self._size = self._stream.respond(start["status"], start.get("headers", ()), body, end)
            self._denial = None
            self._status = start["status"]
            self._engine.counters.responded(self._status)
        else:
            self._size += self._stream.send_body(body, end)
        if end:
            self._state = _DENIED
            self._disarm()
        return self._wait_unblocked() if self._stream.blocked and not end else DONE

    # Inside: towards the application

    def _next_message(self) -> Message | None:
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        if self._queue:
            message = self._queue.popleft()
            self._queued -= len(message)
            if self._socket is not None and self._socket.paused and not self._left:
                self._go_on()
            return _received(message)
        return self._disconnect() if self._left or self._state == _DENIED else None

    def _go_on(self) -> None:
        """Read again, if there is room for what may come."""
        if self._queued < _QUEUED // 2 and len(self._queue) <= self._engine.sockets.queue // 2:
            assert self._socket is not None
            assert self._tunnel is not None
            self._socket.paused = False
            self._tunnel.go_on()

    def _disconnect(self) -> Message:
        self._told = True
        return {"type": "websocket.disconnect", "code": self._code, "reason": self._reason}

    async def _wait_message(self) -> Message:
        message = self._next_message()  # a task may begin to wait a turn of the loop after it called
        if message is not None:
            return message
        waiter: asyncio.Future[Message] = self._engine.loop.create_future()
        if self._waiters is None:
            self._waiters = deque()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._push_back(waiter.result())  # it was delivered in the moment of the cancellation
            raise

    def _push_back(self, message: Message) -> None:
        """A message has not reached who waited for it: it is the next one's."""
        if message["type"] != "websocket.receive":
            return
        content = message["text"] if "text" in message else message["bytes"]
        waiters = self._waiters
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(message)
                return
        self._queue.appendleft(content)
        self._queued += len(content)

    async def _wait_unblocked(self) -> None:
        while self._is_blocked() and not self._left:
            writer: asyncio.Future[None] = self._engine.loop.create_future()
            if self._writers is None:
                self._writers = []
            self._writers.append(writer)
            await writer
        if self._left:
            raise ClientDisconnected(_GONE)

    def _is_blocked(self) -> bool:
        return self._stream.blocked if self._socket is None else self._socket.blocked

    # Inside: the open WebSocket

    def _rest(self) -> None:
        """Arm the next deadline of an open WebSocket, if it has one."""
        sockets = self._engine.sockets
        ticks = sockets.ping_ticks
        self._awaiting = False
        if sockets.idle_ticks:
            left = max(1, self._quiet_since + sockets.idle_ticks - self._engine.wheel.now)
            ticks = min(ticks, left) if ticks else left
        if ticks:
            self._engine.wheel.arm(self, ticks)

    def _look_after(self) -> None:
        """See whether somebody is still there, and wants something."""
        engine = self._engine
        sockets = engine.sockets
        tunnel = self._tunnel
        assert tunnel is not None
        assert self._socket is not None
        if self._draining:
            self._dismiss(_RESTART, "the server restarts")
        elif sockets.idle_ticks and engine.wheel.now - self._quiet_since >= sockets.idle_ticks:
            self._dismiss(_GOING_AWAY, "nothing was said for too long")
        elif tunnel.heard or self._socket.blocked or not sockets.ping_ticks:
            # While it is blocked, a ping would wait behind what the client still has to read. What carries it sees
            # whether the client does.
            tunnel.heard = False
            self._rest()
        elif self._awaiting:
            words, name = self._words(), self._client.name
            engine.noise.tell(BROKEN, "cut the WebSocket %s from %s: a ping was not answered", words, name)
            tunnel.give_up()
        else:
            self._awaiting = True
            self._socket.ping()
            engine.wheel.arm(self, sockets.pong_ticks)

    def _dismiss(self, code: int, reason: str) -> None:
        """Close what the application has not closed: there is nobody for what it still sends."""
        self._dismissed = True
        self._close(code, reason)

    def _close(self, code: int, reason: str) -> None:
        """Begin to close, and wait for the client's Close frame for a while."""
        assert self._socket is not None
        assert self._tunnel is not None
        self._socket.close(code, reason)
        if self._left:
            return  # writing found the connection gone
        self._state = _CLOSING
        self._engine.wheel.arm(self, self._engine.sockets.close_ticks)
        if self._socket.state == _SOCKET_CLOSING:
            self._tunnel.go_on()

    def _wait_no_longer(self) -> None:
        """The client has not answered our Close frame; unless it has yet to read what is before that."""
        assert self._socket is not None
        assert self._tunnel is not None
        if self._socket.blocked:
            self._engine.wheel.arm(self, self._engine.sockets.close_ticks)
        else:
            self._tunnel.give_up()

    def _failed(self, error: BaseException) -> None:
        """The application left with an error."""
        if isinstance(error, asyncio.CancelledError):
            if self._cut:
                if self._state == _CONNECTING and not self._left:
                    self._deny(503, "the request was cancelled", ())
            elif not self._left:
                self._fail("was cancelled", 503, "the request was cancelled")
        elif (self._left or self._dismissed) and (is_disconnect(error) or self._told):
            if not is_disconnect(error):
                words, name = self._words(), self._client.name
                self._engine.noise.tell(ABANDONED, "%s had left: %s ended with %s", name, words, describe(error))
        else:
            self._fail("failed", 500, _FAILED, error)

    def _fail(self, what: str, status: int, answer: str, error: BaseException | None = None) -> None:
        words = f"the application {what}: WebSocket {self._words()}"
        self._engine.board.last_error = words if error is None else f"{words}: {describe(error)}"
        log.error("%s", words, exc_info=error)
        nothing_sent = self._state == _CONNECTING or (self._state == _DENYING and self._denial is not None)
        if nothing_sent and not self._left:
            self._deny(status, answer, ())

    def _words(self) -> str:
        """The request for the log."""
        return in_words(self._request.line.method, self._request.line.target)


class _Opening(Sink):
    """The sink of a session's stream until it is accepted."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def body_arrived(self) -> None:
        """What comes before the WebSocket is accepted waits."""

    def unblocked(self) -> None:
        self._session.unblocked()

    def peer_finished(self) -> None:
        self._session.lost()

    def refused(self, error: ProtocolError, size: int) -> None:
        self._session.refused(error, size)

    def disconnected(self, unwanted: bool) -> None:
        self._session.lost()


class _Carried(Sink):
    """The sink of a stream that carries a WebSocket."""

    __slots__ = ("_tunnel",)

    def __init__(self, tunnel: StreamTunnel) -> None:
        self._tunnel = tunnel

    def body_arrived(self) -> None:
        self._tunnel.arrived()

    def unblocked(self) -> None:
        self._tunnel.unblocked()

    def peer_finished(self) -> None:
        """Its Close frame, if there is one, has come before."""

    def refused(self, error: ProtocolError, size: int) -> None:
        """``disconnected`` follows."""

    def disconnected(self, unwanted: bool) -> None:
        self._tunnel.lost()


def _received(message: str | bytes) -> Message:
    """The message of ASGI for one of WebSocket."""
    if type(message) is str:
        return {"type": "websocket.receive", "text": message}
    return {"type": "websocket.receive", "bytes": message}


_GONE: Final = "the WebSocket is closed"
_STATES: Final = (
    "the WebSocket is neither accepted nor denied",
    "it is being denied",
    "it was denied",
    "it is open",
    "it was closed",
    "it was closed",
)
_WEBSOCKET: Final = int(WireProtocol.WEBSOCKET)
_SOCKET_CLOSING: Final = int(State.CLOSING)
_QUEUED: Final = QUEUED
