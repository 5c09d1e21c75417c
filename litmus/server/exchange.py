"""One request and its response, between a protocol machine's stream and the application: ``receive`` and ``send``.

The same for HTTP/1 and HTTP/2. The application runs in a task whose first step is taken at once, so a response that
needs nothing to be waited for is complete before the read callback returns.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from typing import Any, Final

from litmus.asgi import Message
from litmus.log import escape
from litmus.memory.flight import Phase, WireProtocol
from litmus.native import bound, now_ns
from litmus.protocols.errors import ProtocolError
from litmus.protocols.machine import Sink, Stream
from litmus.protocols.request import Request
from litmus.protocols.response import ERROR_HEADERS, error_body
from litmus.server.awaitables import DONE, Ready
from litmus.server.engine import Engine
from litmus.server.noise import ABANDONED, CUT, REFUSED, UNREAD, in_words
from litmus.server.scope import Client, http_scope

log = logging.getLogger("litmus.server")

_FAILED: Final = "the application failed"
_CANCELLED: Final = "the request was cancelled"

# How far the response is.
_PENDING, _STARTED, _SENDING, _TRAILERS, _COMPLETE = range(5)

# As plain numbers: looking up a member of an enumeration takes time.
_RESPONDING, _FINISHING = int(Phase.RESPONDING), int(Phase.FINISHING)
_HTTP1, _HTTP2 = int(WireProtocol.HTTP1), int(WireProtocol.HTTP2)


class ClientDisconnected(OSError):
    """Raised by ``send`` when nothing that is sent can arrive (ASGI, "Disconnected Client - send exception")."""


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


class Exchange(Sink):
    """One request's ``receive`` and ``send``. ``serve`` makes them.

    Attributes:
        due, spoke: see ``machine.Expiring``.
    """

    __slots__ = (
        "_announced",
        "_body_seen",
        "_client",
        "_cut",
        "_disconnected",
        "_entry",
        "_headers",
        "_logged",
        "_overdue",
        "_peer_finished",
        "_pushed_back",
        "_request",
        "_response",
        "_size",
        "_started_ns",
        "_status",
        "_stream",
        "_task",
        "_told",
        "_trailers",
        "_unwanted",
        "_waiters",
        "_writers",
        "due",
        "engine",
        "spoke",
    )

    def begin(self, engine: Engine, request: Request, stream: Stream, client: Client) -> None:
        """Enter the request into the records."""
        self.engine = engine
        self._request = request
        self._stream = stream
        self._client = client
        self._body_seen = False
        self._size = 0
        self._response = _PENDING
        self._status = 0  # of what went out
        self._announced = 0  # by the application
        self._headers: Any = ()
        self._trailers: list[tuple[bytes, bytes]] | None = None  # if they were announced
        self.due = 0
        self.spoke = 0
        self._overdue = False
        self._cut = False  # at the end of a drain
        self._disconnected = False
        self._peer_finished = False
        self._logged = False
        self._told = False  # that the client has left
        self._unwanted = False  # and cancelled for it
        self._waiters: deque[asyncio.Future[Message]] | None = None
        self._writers: list[asyncio.Future[None]] | None = None
        self._pushed_back: Message | None = None
        self._task: asyncio.Task[None] | None = None
        line = request.line
        engine.counters.request_begun()
        self._started_ns = now_ns()
        wire = _HTTP2 if line.version == "2" else _HTTP1
        self._entry = engine.flight.begin(self._started_ns, wire, line.method, client.raw_name, line.target)

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

    @property
    def client(self) -> Client:
        """Who asks: one object for all requests of a connection."""
        return self._client

    def cancel(self) -> str:
        """Cancel the application's task at the end of a drain. Returns the request in words, for the log."""
        self._cut = True
        if self._task is not None:
            self._task.cancel("the worker is shutting down")
        seconds = (now_ns() - self._started_ns) / 1e9
        return f"{self._words()} from {self._client.name}, after {seconds:.1f} s"

    def expire(self) -> None:
        """The request has taken too long: let the client go, and cancel the application's task."""
        limit = f"{self.engine.settings.timeouts.request:g} s (timeouts.request)"
        self._overdue = True
        if self._stream.blocked:
            words, name = self._words(), self._client.name
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
        scope = http_scope(self._client, self._request, engine.state)
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
            if self.due:
                self._disarm()
            engine.left()

    # What the application calls

    def receive(self) -> Awaitable[Message]:
        """ASGI ``receive``: ``http.request`` while there is a body, ``http.disconnect`` once the client is gone."""
        message = self._next_message()
        return self._wait_message() if message is None else Ready(message)

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
        body = fields.get("body", b"")
        if type(body) is not bytes:
            body = bytes(memoryview(body))
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
        return self._wait_unblocked() if stream.blocked and not end else DONE

    # What the stream calls

    def body_arrived(self) -> None:
        """See ``Sink.body_arrived``."""
        if self._waiters:
            self._deliver()

    def unblocked(self) -> None:
        """See ``Sink.unblocked``."""
        writers, self._writers = self._writers, None
        for writer in writers or ():
            if not writer.done():
                writer.set_result(None)

    def peer_finished(self) -> None:
        """See ``Sink.peer_finished``: ``receive`` reports a disconnect, ``send`` goes on."""
        self._peer_finished = True
        if self._body_seen:
            self._deliver()
        if self.engine.cancels_finished:
            self._call_off()

    def refused(self, error: ProtocolError, size: int) -> None:
        """See ``Sink.refused``."""
        engine, name = self.engine, self._client.name
        if size < 0:
            engine.noise.tell(CUT, "cut the response to %s from %s: %s", self._words(), name, escape(error.reason))
            return
        self._status = error.status
        self._size = size
        engine.counters.responded(error.status)
        reason = escape(error.reason)
        engine.noise.tell(REFUSED, "refused %s from %s: %d, %s", self._words(), name, error.status, reason)

    def disconnected(self, unwanted: bool) -> None:
        """See ``Sink.disconnected``. Who waits in ``receive`` or ``send`` is told there; others may be cancelled."""
        self._disconnected = True
        self._record()
        self._deliver()
        sending = self._writers is not None
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

    def _next_message(self) -> Message | None:
        """The message that ``receive`` can return now, None if there is none."""
        if self._pushed_back is not None:
            message, self._pushed_back = self._pushed_back, None
            return message
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

    async def _wait_message(self) -> Message:
        message = self._next_message()  # a task may begin to wait a turn of the loop after it called
        if message is not None:
            return message
        waiter: asyncio.Future[Message] = self.engine.loop.create_future()
        if self._waiters is None:
            self._waiters = deque()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._pushed_back = waiter.result()  # it was delivered in the moment of the cancellation
                self._deliver()
            raise

    def _deliver(self) -> None:
        """Give messages to those who wait in ``receive``."""
        waiters = self._waiters
        while waiters:
            if waiters[0].done():
                waiters.popleft()
                continue
            message = self._next_message()
            if message is None:
                return
            if waiters:  # looking for a message can find the client gone, and all who wait were told so on the way
                waiters.popleft().set_result(message)

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
        self._record()
        self.engine.flight.phase(self._entry, _FINISHING)
        if self.due:
            self._disarm()
        if self._waiters:
            self._deliver()
        if self._writers:
            self.unblocked()

    def _disarm(self) -> None:
        self.engine.wheel.remove(self)
        self.due = 0

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

    async def _wait_unblocked(self) -> None:
        while self._stream.blocked and not self._disconnected and self._response != _COMPLETE:
            writer = self.engine.loop.create_future()
            if self._writers is None:
                self._writers = []
            self._writers.append(writer)
            await writer
        if self._disconnected:
            raise ClientDisconnected("the client has disconnected")

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
            words, name = self._words(), self._client.name
            self.engine.noise.tell(ABANDONED, "%s had left: %s ended with %s", name, words, describe(error))
        else:
            self._fail("failed", 500, _FAILED, error)

    def _fail(self, what: str, status: int, answer: str, error: BaseException | None = None) -> None:
        """The application left without a complete response: say so, and let the client see that it failed."""
        words = f"the application {what}: {self._words()}"
        self.engine.board.last_error = words if error is None else f"{words}: {describe(error)}"
        log.error("%s", words, exc_info=error)
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

    def _record(self) -> None:
        """Write the access log's line, once."""
        access = self.engine.access
        if self._logged or access is None:
            return
        self._logged = True
        request = self._request
        access.record(
            self._client.host,
            request.line.method,
            request.line.target,
            request.line.version,
            self._status,
            self._size,
            (now_ns() - self._started_ns) / 1e9,
            request.headers,
        )

    def _words(self) -> str:
        """The request for the log."""
        return in_words(self._request.line.method, self._request.line.target)


# To look these up for each request takes longer than to bind them.
_RECEIVE: Final = Exchange.__dict__["receive"]
_SEND: Final = Exchange.__dict__["send"]


def _accepts_trailers(request: Request) -> bool:
    """Whether the client says that it takes trailers (RFC 9110, section 10.1.4)."""
    return any(name == b"te" and b"trailers" in value.lower() for name, value in request.headers)


def describe(error: BaseException) -> str:
    """An exception in words, even if it has none to give."""
    try:
        return repr(error)
    except Exception:
        return type(error).__name__


def is_disconnect(error: BaseException | None) -> bool:
    """Whether an exception goes back to our own ClientDisconnected: frameworks wrap it in one of theirs."""
    while error is not None:
        if isinstance(error, ClientDisconnected):
            return True
        error = error.__cause__ or error.__context__
    return False
