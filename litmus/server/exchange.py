"""One request and its response, between a protocol machine's stream and the application: ``receive`` and ``send``.

The same for HTTP/1 and HTTP/2. The application runs in a task whose first step is taken at once, so a response that
needs nothing to be waited for is complete before the read callback returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

from litmus.asgi import Message
from litmus.log import escape
from litmus.memory.flight import Phase, WireProtocol
from litmus.native import bound
from litmus.protocols.errors import ProtocolError
from litmus.protocols.machine import Stream
from litmus.protocols.request import Request
from litmus.protocols.response import ERROR_HEADERS, error_body
from litmus.server.awaitables import DONE
from litmus.server.channel import Channel, ClientDisconnected, as_bytes, describe, is_disconnect
from litmus.server.engine import Engine
from litmus.server.noise import ABANDONED, CUT, REFUSED, UNREAD
from litmus.server.scope import Client, http_scope

_FAILED: Final = "the application failed"
_CANCELLED: Final = "the request was cancelled"

# How far the response is.
_PENDING, _STARTED, _SENDING, _TRAILERS, _COMPLETE = range(5)

# As plain numbers: looking up a member of an enumeration takes time.
_RESPONDING, _FINISHING = int(Phase.RESPONDING), int(Phase.FINISHING)
_HTTP1, _HTTP2 = int(WireProtocol.HTTP1), int(WireProtocol.HTTP2)


def serve(engine: Engine, request: Request, stream: Stream, client: Client) -> None:
    """Serve a request. When this returns the application has taken its first step, and may be done.

    Args:
        engine: the worker's means.
        request: the head.
        stream: the request's two directions; the exchange makes itself its sink.
        client: who asks.
    """
    exchange = Exchange.__new__(Exchange)  # to call the class takes half as long as all that follows
    exchange.begin(engine, request, stream, client)
    exchange.start()


class Exchange(Channel):
    """One request's ``receive`` and ``send``. ``serve`` makes them."""

    __slots__ = (
        "_announced",
        "_body_seen",
        "_disconnected",
        "_headers",
        "_overdue",
        "_peer_finished",
        "_response",
        "_trailers",
        "_unwanted",
    )

    def begin(self, engine: Engine, request: Request, stream: Stream, client: Client) -> None:
        """Enter the request into the records."""
        self.enter(engine, request, stream, client, _HTTP2 if request.line.version == "2" else _HTTP1)
        self._body_seen = False
        self._response = _PENDING
        self._announced = 0  # by the application
        self._headers: Any = ()
        self._trailers: list[tuple[bytes, bytes]] | None = None  # if they were announced
        self._overdue = False
        self._disconnected = False
        self._peer_finished = False
        self._unwanted = False  # cancelled because the client has left

    def start(self) -> None:
        """Call the application. When this returns it has taken its first step and may be done."""
        self._stream.sink = self
        engine = self.engine
        task = engine.starter.start(self)
        if task is not None:
            self._task = task
            engine.exchanges.add(self)
            if engine.request_ticks and self._response != _COMPLETE:
                engine.wheel.arm(self, engine.request_ticks)

    def expire(self) -> None:
        """The request has taken too long: let the client go, and cancel the application's task."""
        limit = f"{self.engine.settings.timeouts.request:g} s (timeouts.request)"
        self._overdue = True
        if self._stream.blocked:
            words, name = self.words(), self.client.name
            self.engine.counters.response_unread()
            self.engine.noise.tell(UNREAD, "%s was not read by %s within %s", words, name, limit)
            self._abort()
        else:
            self._fail(f"took longer than {limit}", 503, "the request took too long")
        self._disconnected = True  # for the application, which may still try to respond
        if self._task is not None:
            self._task.cancel("the request took too long")

    # What the starter calls (see eager.Caller)

    def call(self) -> Awaitable[None]:
        """Call the application."""
        engine = self.engine
        scope = http_scope(self.client, self._request, engine.state)
        return engine.application(scope, bound(_RECEIVE, self), bound(_SEND, self))

    def ended(self, error: BaseException | None) -> None:
        """The application has left: see what has become of the response."""
        if error is not None:
            self._failed(error)
        elif self._cut:
            self._give_up(503, _CANCELLED)
        elif self._response != _COMPLETE and self._told:
            self._abort()
        elif self._response != _COMPLETE and not self._disconnected:
            state = "without a response" if self._response == _PENDING else "before its response was complete"
            self._fail(f"returned {state}", 500, _FAILED)
        engine = self.engine
        engine.ended(self._entry)
        if self._task is not None:
            self._task = None
            engine.exchanges.discard(self)
            self.disarm()
            engine.left()

    # What the application calls

    def send(self, message: Message) -> Awaitable[None]:
        """ASGI ``send``. Raises ClientDisconnected when the client is gone, RuntimeError when the order is wrong."""
        fields: Message = message if type(message) is dict else dict(message)
        kind = fields["type"]
        if kind == "http.response.start":
            if self._response != _PENDING:
                if self._overdue:
                    raise ClientDisconnected("the request took too long")
                raise RuntimeError("http.response.start was sent already")
            self._announced = fields["status"]
            self._headers = fields.get("headers", ())
            self._response = _STARTED
            if fields.get("trailers", False):
                self._trailers = []
            return DONE
        if kind != "http.response.body":
            self._send_other(kind, fields)
            return DONE
        if self._response >= _TRAILERS and not self._disconnected:
            raise RuntimeError("http.response.body was sent after the response was complete")
        if self._response == _PENDING:
            raise RuntimeError("http.response.body was sent before http.response.start")
        if self._disconnected:
            raise ClientDisconnected("the client has disconnected")
        body = as_bytes(fields.get("body", b""))
        end = not fields.get("more_body", False)
        stream = self._stream
        if self._trailers is not None and end:
            self._send_last(body)
        elif self._response == _STARTED:
            self._respond(self._announced, self._headers, body, end)
        else:
            self._size += stream.send_body(body, end)
            if end:
                self._complete()
        if self._disconnected:  # writing can find that the connection is gone
            raise ClientDisconnected("the client has disconnected")
        return self.wait_unblocked() if stream.blocked and not end else DONE

    # What the stream calls

    def body_arrived(self) -> None:
        """See ``Sink.body_arrived``."""
        if self._waiting is not None:
            self.deliver()

    def peer_finished(self) -> None:
        """See ``Sink.peer_finished``: ``receive`` reports a disconnect, ``send`` goes on."""
        self._peer_finished = True
        if self._body_seen:
            self.deliver()
        if self.engine.cancels_finished:
            self._call_off()

    def refused(self, error: ProtocolError, size: int) -> None:
        """See ``Sink.refused``."""
        engine, name = self.engine, self.client.name
        if size < 0:
            engine.noise.tell(CUT, "cut the response to %s from %s: %s", self.words(), name, escape(error.reason))
            return
        self._status = error.status
        self._size = size
        engine.counters.responded(error.status)
        reason = escape(error.reason)
        engine.noise.tell(REFUSED, "refused %s from %s: %d, %s", self.words(), name, error.status, reason)

    def disconnected(self, unwanted: bool) -> None:
        """See ``Sink.disconnected``. Who waits in ``receive`` or ``send`` is told there; others may be cancelled."""
        self._disconnected = True
        self.record()
        self.deliver()
        sending = self._waiting is not None and bool(self._waiting.senders)
        self.unblocked()
        if not sending and self.engine.cancels(unwanted):
            self._call_off()

    # Inside: the request's side

    def _call_off(self) -> None:
        """Cancel the application, unless it knows that the client has left, or has said all it had to say."""
        task = self._task
        if task is None or self._told or self._response == _COMPLETE or task is asyncio.current_task(self.engine.loop):
            return
        self._told = True
        self._unwanted = True
        task.cancel("the client has left")

    def next_message(self) -> Message | None:
        """See ``Channel.next_message``: ``http.request`` while there is a body, ``http.disconnect`` in the end."""
        if self._response == _COMPLETE or self._disconnected:
            return self._disconnect()
        if not self._body_seen:
            body = self._stream.read_body()
            if self._disconnected:  # reading can find that the peer broke the protocol
                return self._disconnect()
            self._body_seen = self._stream.body_complete
            if not body and not self._body_seen:
                return None
            return {"type": "http.request", "body": body, "more_body": not self._body_seen}
        return self._disconnect() if self._peer_finished else None

    def _disconnect(self) -> Message:
        self._told = True
        return {"type": "http.disconnect"}

    # Inside: the response's side

    def _respond(self, status: int, headers: Any, body: bytes, end: bool) -> None:
        self._size = self._stream.respond(status, headers, body, end)
        self._status = status
        self._response = _SENDING
        self.engine.counters.responded(status)
        if end:
            self._complete()
        else:
            self.engine.flight.phase(self._entry, _RESPONDING)

    def _complete(self) -> None:
        self._response = _COMPLETE
        self.record()
        self.engine.flight.phase(self._entry, _FINISHING)
        if self.due:
            self.disarm()
        if self._waiting is not None:
            self.deliver()
            self.unblocked()

    def _send_last(self, body: bytes) -> None:
        """Send the last part of a body that trailers follow."""
        if self._response == _STARTED:
            self._respond(self._announced, self._headers, body, False)
        else:
            self._size += self._stream.send_body(body, False)
        self._response = _TRAILERS

    def _send_other(self, kind: str, fields: Message) -> None:
        """Send what few responses have (ASGI, "Trailers" and "Early Hints" among the extensions)."""
        if kind == "http.response.early_hint":
            if self._response != _PENDING:
                raise RuntimeError("http.response.early_hint was sent after http.response.start")
            if self._disconnected:
                raise ClientDisconnected("the client has disconnected")
            self._stream.send_interim(103, [(b"link", link) for link in fields["links"]])
        elif kind == "http.response.trailers":
            if self._response != _TRAILERS:
                raise RuntimeError("http.response.trailers was sent out of its order, or was not announced")
            if self._disconnected:
                raise ClientDisconnected("the client has disconnected")
            assert self._trailers is not None, "they were announced"
            self._trailers += [(name, value) for name, value in fields.get("headers", ())]
            if not fields.get("more_trailers", False):
                if _accepts_trailers(self._request):
                    self._stream.send_trailers(self._trailers)
                else:
                    self._stream.send_body(b"", True)
                self._complete()
        else:
            raise RuntimeError(f"a response cannot have a message of type {kind!r}")

    def is_blocked(self) -> bool:
        """See ``Channel.is_blocked``."""
        if self._disconnected:
            raise ClientDisconnected("the client has disconnected")
        return self._stream.blocked and self._response != _COMPLETE

    def _failed(self, error: BaseException) -> None:
        """The application left with an error."""
        if isinstance(error, asyncio.CancelledError):
            if self._cut:  # who has done so has named the request in the log
                self._give_up(503, _CANCELLED)
            elif self._unwanted:
                self._abort()
            elif not self._overdue:
                self._fail("was cancelled", 503, _CANCELLED)
        elif self._disconnected and is_disconnect(error):
            self._abort()
        elif self._told and self._disconnected:
            # Frameworks have exceptions of their own for this, which know nothing of ours.
            words, name = self.words(), self.client.name
            self.engine.noise.tell(ABANDONED, "%s had left: %s ended with %s", name, words, describe(error))
        else:
            self._fail("failed", 500, _FAILED, error)

    def _fail(self, what: str, status: int, answer: str, error: BaseException | None = None) -> None:
        """The application left without a complete response: say so, and let the client see that it failed."""
        self.accuse(what, error)
        self._give_up(status, answer)

    def _give_up(self, status: int, reason: str) -> None:
        """Answer with an error if nothing was sent yet, else cut the response."""
        if self._disconnected or self._response == _COMPLETE:
            return
        if self._response >= _SENDING:
            self._abort()
            return
        self._respond(status, ERROR_HEADERS, error_body(status, reason), True)

    def _abort(self) -> None:
        if not self._disconnected and self._response != _COMPLETE:
            self._stream.abort()


# To look these up for each request takes longer than to bind them.
_RECEIVE: Final = Channel.__dict__["receive"]
_SEND: Final = Exchange.__dict__["send"]


def _accepts_trailers(request: Request) -> bool:
    """Whether the client says that it takes trailers (RFC 9110, section 10.1.4)."""
    return any(name == b"te" and b"trailers" in value.lower() for name, value in request.headers)
