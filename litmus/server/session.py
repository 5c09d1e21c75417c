"""One WebSocket between its stream and the application: ``receive`` and ``send`` (ASGI, "WebSocket").

The same over HTTP/1.1 and HTTP/2. Until the application accepts, a session is an exchange of HTTP like any other, and
may be answered as one; from then on what is ``Established`` speaks in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

from litmus.asgi import Message
from litmus.log import escape
from litmus.memory.flight import WireProtocol
from litmus.native import bound
from litmus.protocols.errors import ProtocolError
from litmus.protocols.http1 import Http1
from litmus.protocols.machine import Host, Stream
from litmus.protocols.request import Request
from litmus.protocols.response import ERROR_HEADERS, error_body
from litmus.protocols.websocket.handshake import Handshake, HandshakeError, read_handshake
from litmus.protocols.websocket.tunnels import ConnectionTunnel, StreamTunnel, Tunnel, TunnelSink
from litmus.server.awaitables import DONE
from litmus.server.channel import Channel, ClientDisconnected, as_bytes, describe, is_disconnect
from litmus.server.engine import Engine
from litmus.server.established import Established
from litmus.server.noise import ABANDONED, REFUSED, UNPREPARED
from litmus.server.scope import Client, websocket_scope

_FAILED: Final = "the application failed"

# How far the handshake is.
_CONNECTING, _DENYING, _DENIED, _ACCEPTED = range(4)

_NORMAL, _ABNORMAL, _INTERNAL_ERROR = 1000, 1006, 1011

_WEBSOCKET: Final = int(WireProtocol.WEBSOCKET)


def serve(engine: Engine, request: Request, stream: Stream, client: Client, host: Host) -> None:
    """Serve a request for a WebSocket. When this returns the application has taken its first step.

    Args:
        engine: the worker's means.
        request: one that is ``handshake.wanted``.
        stream: the request's two directions; the session makes itself its sink.
        client: who asks.
        host: the connection below.
    """
    session = Session()
    session.begin(engine, request, stream, client, host)
    try:
        session.start(read_handshake(request))
    except HandshakeError as error:
        session.refuse(error)


class Session(Channel):
    """One WebSocket's ``receive`` and ``send``. ``serve`` makes them.

    Attributes:
        established: the WebSocket, once it is accepted.
        left: the client has, or the WebSocket is over.
    """

    __slots__ = (
        "_accepting",
        "_admitted",
        "_code",
        "_connected",
        "_denial",
        "_handshake",
        "_host",
        "_reason",
        "_running",
        "_settled",
        "_state",
        "established",
        "left",
    )

    def begin(self, engine: Engine, request: Request, stream: Stream, client: Client, host: Host) -> None:
        """Enter the request into the records."""
        self.enter(engine, request, stream, client, _WEBSOCKET)
        self.established: Established | None = None
        self.left = False
        self._accepting = True  # it stands in the flight table, for as long as it is a request
        self._admitted = False  # it has a place among those that may be open
        self._code = _ABNORMAL
        self._connected = False  # the application knows that somebody wants to
        self._denial: Message | None = None
        self._handshake: Handshake | None = None
        self._host = host
        self._reason = ""
        self._running = False  # the application was called, and has not left; it has no task before its first wait
        self._settled = False
        self._state = _CONNECTING

    def start(self, handshake: Handshake) -> None:
        """Call the application, unless it is clear that there is to be no WebSocket. Raises HandshakeError then."""
        engine = self.engine
        engine.sockets.admit(self._request)
        self._admitted = True
        self._handshake = handshake
        self._stream.sink = self
        engine.wheel.arm(self, engine.sockets.handshake_ticks)
        self._running = True
        task = engine.starter.start(self)
        if task is not None:
            self._task = task
            engine.exchanges.add(self)

    def refuse(self, error: HandshakeError) -> None:
        """Answer without the application."""
        self._stream.sink = self
        name, reason = self.client.name, escape(error.reason)
        self.engine.noise.tell(REFUSED, "refused %s from %s: %d, %s", self.words(), name, error.status, reason)
        self._deny(error.status, error.reason, error.headers)
        self._settle()

    def named(self) -> str:
        """See ``Channel.named``."""
        return f"WebSocket {self.words()}"

    def expire(self) -> None:
        """The deadline of the handshake has passed."""
        if not self._is_unanswered():
            return  # a denial is under way
        limit = f"{self.engine.settings.websocket.handshake:g} s (websocket.handshake)"
        self._fail(f"neither accepted nor denied within {limit}", 503, "the handshake took too long")
        self.leave(_ABNORMAL, "")
        if self._task is not None:
            self._task.cancel("the handshake took too long")

    # What the starter calls (see eager.Caller)

    def call(self) -> Awaitable[None]:
        """Call the application."""
        engine = self.engine
        assert self._handshake is not None
        scope = websocket_scope(self.client, self._request, engine.state, self._handshake.subprotocols)
        return engine.application(scope, bound(_RECEIVE, self), bound(_SEND, self))

    def ended(self, error: BaseException | None) -> None:
        """The application has left."""
        if error is not None:
            self._failed(error)
        if self._state == _ACCEPTED:
            assert self.established is not None
            if self.established.open:
                self.established.close(_NORMAL if error is None else _INTERNAL_ERROR, "")
        elif self._state == _DENYING:
            if error is None and not self.left:
                self._fail("returned in the middle of its denial", 500, _FAILED)
            if self._state == _DENYING:
                self._stream.abort()
        elif self._state == _CONNECTING:
            if self.left:
                self._stream.abort()
            else:
                self._fail("returned without accepting or denying", 500, _FAILED)
        self._task = None
        self._running = False
        self.engine.exchanges.discard(self)
        self._settle()
        self.engine.left()

    # What the application calls

    def next_message(self) -> Message | None:
        """See ``Channel.next_message``: ``websocket.connect``, what comes, and ``websocket.disconnect`` in the end."""
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        if self.established is not None:
            message = self.established.next_message()
            if message is not None:
                return message
        if self.left or self._state == _DENIED:
            self._told = True
            return {"type": "websocket.disconnect", "code": self._code, "reason": self._reason}
        return None

    def send(self, message: Message) -> Awaitable[None]:
        """ASGI ``send``. Raises ClientDisconnected when nobody is there, RuntimeError when the order is wrong."""
        fields: Message = message if type(message) is dict else dict(message)
        kind = fields["type"]
        established = self.established
        if kind == "websocket.send" and established is not None and established.open:
            established.send(fields)
            if self.left:
                raise ClientDisconnected(_GONE)
            return self.wait_unblocked() if established.socket.blocked else DONE
        if self._is_abandoned():
            raise ClientDisconnected(_GONE)
        state = self._state
        if kind == "websocket.accept" and state == _CONNECTING:
            self._accept(fields.get("subprotocol"), fields.get("headers", ()))
        elif kind == "websocket.close" and established is not None and established.open:
            established.close(fields.get("code", _NORMAL), fields.get("reason") or "")
        elif kind == "websocket.close" and state == _CONNECTING:
            self._deny(403, "the WebSocket was denied", ())
        elif kind == "websocket.http.response.start" and state == _CONNECTING:
            self._denial = fields
            self._state = _DENYING
        elif kind == "websocket.http.response.body" and state == _DENYING:
            return self._deny_more(fields)
        else:
            where = "it is open" if established is not None and established.open else _STATES[state]
            raise RuntimeError(f"{kind} was sent when it could not be: {where}")
        return DONE

    def is_blocked(self) -> bool:
        """See ``Channel.is_blocked``."""
        if self.left:
            raise ClientDisconnected(_GONE)
        if self.established is not None:
            return self.established.socket.blocked
        return self._stream.blocked and self._state != _DENIED

    # What the stream calls, until it is a tunnel (see Sink)

    def body_arrived(self) -> None:
        """See ``Sink.body_arrived``. What comes before the WebSocket is accepted waits."""

    def peer_finished(self) -> None:
        """See ``Sink.peer_finished``: a WebSocket needs both directions."""
        self.leave(_ABNORMAL, "")

    def refused(self, error: ProtocolError, size: int) -> None:
        """See ``Sink.refused``."""
        self._status = error.status
        self._size = max(size, 0)
        self.engine.counters.responded(error.status)

    def disconnected(self, unwanted: bool) -> None:
        """See ``Sink.disconnected``."""
        self.leave(_ABNORMAL, "")

    # The end

    def leave(self, code: int, reason: str) -> None:
        """The WebSocket is over, or will never be. ``receive`` says so from now on, with this close code."""
        if self.left:
            return
        self.left = True
        self._code, self._reason = code, reason
        self.disarm()
        self.deliver()
        self.unblocked()
        self._settle()

    def _settle(self) -> None:
        """Nothing is under way any more, if so: write down what it was."""
        if self._running or not (self.left or self._state == _DENIED):
            return
        self.disarm()
        if self._settled:
            return
        self._settled = True
        self._strike_off()
        sockets, established = self.engine.sockets, self.established
        if established is not None:
            established.left()
            sockets.closed(established)
            self._size = established.tunnel.sent
        if self._admitted:
            sockets.release()
        self.record()

    def _strike_off(self) -> None:
        """It is no request any more, or none that is under way."""
        if self._accepting:
            self._accepting = False
            self.engine.ended(self._entry)

    # The handshake

    def _accept(self, subprotocol: str | None, headers: Any) -> None:
        handshake = self._handshake
        assert handshake is not None
        engine, stream = self.engine, self._stream
        sockets = engine.sockets
        deflate = self.client.deflate
        agreement = None if deflate is None else handshake.agree(deflate)
        tunnel: Tunnel
        if isinstance(stream, Http1):
            response = handshake.response(subprotocol, agreement, headers)
            tunnel = ConnectionTunnel(self._host)
            self._status = 101
        else:
            fields = handshake.fields(subprotocol, agreement, headers)
            # First of all: if the application's headers can't be sent, nothing has changed. What follows has no length.
            stream.respond(200, [field for field in fields if field[0].lower() != b"content-length"], b"", False)
            tunnel = StreamTunnel(self._host, stream)
            self._status = 200
        self.established = established = Established(engine, self, tunnel, agreement)
        self._state = _ACCEPTED
        self.disarm()
        engine.counters.responded(self._status)
        sockets.opened(established)
        self._strike_off()
        if self.left:
            established.socket.lost()  # writing the head found the connection gone
        elif isinstance(tunnel, ConnectionTunnel):
            assert isinstance(stream, Http1)
            stream.go_over(response, tunnel)
        else:
            assert isinstance(tunnel, StreamTunnel)
            stream.sink = TunnelSink(tunnel)
            tunnel.arrived()
        if not self.left:
            established.begin()

    def _deny(self, status: int, reason: str, headers: Any) -> None:
        """Answer with an error."""
        self._state = _DENIED
        self._status = status
        self.engine.counters.responded(status)
        self._size = self._stream.respond(status, [*ERROR_HEADERS, *headers], error_body(status, reason), True)
        self._denied()

    def _deny_more(self, message: Message) -> Awaitable[None]:
        """Send the application's own denial (ASGI, "WebSocket Denial Response")."""
        body = as_bytes(message.get("body", b""))
        end = not message.get("more_body", False)
        start = self._denial
        if start is not None:
            self._size = self._stream.respond(start["status"], start.get("headers", ()), body, end)
            self._denial = None
            self._status = start["status"]
            self.engine.counters.responded(self._status)
        else:
            self._size += self._stream.send_body(body, end)
        if end:
            self._state = _DENIED
            self._denied()
        return self.wait_unblocked() if self._stream.blocked and not end else DONE

    def _denied(self) -> None:
        """The answer is complete, and the stream is no longer the session's: nobody has to wait any more."""
        self.disarm()
        self.deliver()
        self.unblocked()

    # What becomes of errors

    def _failed(self, error: BaseException) -> None:
        """The application left with an error."""
        if isinstance(error, asyncio.CancelledError):
            if self._cut:
                if self._state == _CONNECTING and not self.left:
                    self._deny(503, "the request was cancelled", ())
            elif not self.left:
                self._fail("was cancelled", 503, "the request was cancelled")
        elif self._is_abandoned() and (is_disconnect(error) or self._told):
            if not is_disconnect(error):
                words, name = self.words(), self.client.name
                self.engine.noise.tell(ABANDONED, "%s had left: %s ended with %s", name, words, describe(error))
        else:
            self._fail("failed", 500, _FAILED, error)

    def _is_abandoned(self) -> bool:
        """Whether nobody is there for what the application sends."""
        return self.left or (self.established is not None and self.established.dismissed)

    def _fail(self, what: str, status: int, answer: str, error: BaseException | None = None) -> None:
        """The application did not do its part: say so, and deny the WebSocket if nothing was sent yet."""
        # An application that knows no WebSockets ends so, each time that somebody asks for one.
        self.accuse(what, error, UNPREPARED if self._state == _CONNECTING else "")
        if self._is_unanswered() and not self.left:
            self._deny(status, answer, ())

    def _is_unanswered(self) -> bool:
        """Whether nothing was sent yet, as when the application has begun a denial and said nothing in it."""
        return self._state == _CONNECTING or (self._state == _DENYING and self._denial is not None)


# To look these up for each WebSocket takes longer than to bind them.
_RECEIVE: Final = Channel.__dict__["receive"]
_SEND: Final = Session.__dict__["send"]

_GONE: Final = "the WebSocket is closed"
_STATES: Final = (
    "the WebSocket is neither accepted nor denied",
    "it is being denied",
    "it was denied",
    "it was closed",
)
