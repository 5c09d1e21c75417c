"""One stream of HTTP/2 (RFC 9113, section 5): its state, its two windows, and what waits on either side of them.

The connection (``connection.py``) reads and writes the frames. A stream knows which are legal in its state, holds what
has arrived of the request's content until the application asks for it, and what the application sends until there is
room for it at the peer.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import Final

from litmus.protocols.body import UNKNOWN
from litmus.protocols.errors import ResponseError
from litmus.protocols.http2.encoder import EncodedField
from litmus.protocols.http2.response import date_field, header_section, interim_fields, length_field, trailer_fields
from litmus.protocols.machine import Headers, Stream, Timer
from litmus.protocols.request import Request
from litmus.protocols.response import bodiless
from litmus.units import count


class State(IntEnum):
    """The states of a stream (section 5.1). None is reserved: nothing is pushed here."""

    IDLE = 0
    OPEN = 1
    HALF_CLOSED_REMOTE = 2  # the whole request has come
    HALF_CLOSED_LOCAL = 3  # the whole response has gone; what still comes is dropped
    CLOSED = 4


class Event(IntEnum):
    """What changes the state of a stream."""

    HEADERS = 0
    HEADERS_END = 1  # with END_STREAM
    PEER_END = 2  # the peer's END_STREAM, on DATA or trailers
    OUR_END = 3
    RESET = 4  # either side's RST_STREAM, or the end of the connection


_S, _E = State, Event
TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (_S.IDLE, _E.HEADERS): _S.OPEN,
    (_S.IDLE, _E.HEADERS_END): _S.HALF_CLOSED_REMOTE,
    (_S.OPEN, _E.PEER_END): _S.HALF_CLOSED_REMOTE,
    (_S.HALF_CLOSED_LOCAL, _E.PEER_END): _S.CLOSED,
    (_S.OPEN, _E.OUR_END): _S.HALF_CLOSED_LOCAL,
    (_S.HALF_CLOSED_REMOTE, _E.OUR_END): _S.CLOSED,
    **{(state, _E.RESET): _S.CLOSED for state in State if state != _S.CLOSED},
}

# The same as plain numbers and tuples, for the code below.
_ILLEGAL: Final = -1
_NEXT: Final = tuple(tuple(int(TRANSITIONS.get((state, event), _ILLEGAL)) for event in Event) for state in State)
_OPEN, _CLOSED = int(State.OPEN), int(State.CLOSED)
_BEGUN, _BEGUN_WHOLE = _NEXT[State.IDLE][Event.HEADERS], _NEXT[State.IDLE][Event.HEADERS_END]
_UNKNOWN: Final = UNKNOWN


PIECE: Final = 64 << 10
"""Bytes of content that make a message for the application. To join many more costs more than to send several."""

_PIECE: Final = PIECE

_SMALL: Final = 1 << 10
"""Bytes up to which pieces that wait are joined: tiny ones must not take much more memory than their content."""


class Carrier:
    """What a stream asks of its connection."""

    __slots__ = ()

    def date(self) -> bytes:
        """See ``Host.date``."""
        raise NotImplementedError

    def send_head(self, stream: Http2Stream, fields: tuple[EncodedField, ...], body: bytes, end: bool) -> None:
        """Send a final response's header section and the first part of its content."""
        raise NotImplementedError

    def send_interim(self, stream: Http2Stream, status: int, fields: tuple[EncodedField, ...]) -> None:
        """Send an interim response."""
        raise NotImplementedError

    def send_data(self, stream: Http2Stream, data: bytes, end: bool) -> None:
        """Send content, or the end of the stream, or both."""
        raise NotImplementedError

    def send_trailers(self, stream: Http2Stream, fields: tuple[EncodedField, ...]) -> None:
        """Send a trailer section and the end of the stream, behind the content that waits."""
        raise NotImplementedError

    def wanted(self, stream: Http2Stream) -> None:
        """The application waits for more of the request's content."""
        raise NotImplementedError

    def consumed(self, stream: Http2Stream, size: int) -> None:
        """The application has taken so many bytes of the request's content."""
        raise NotImplementedError

    def cut(self, stream: Http2Stream) -> None:
        """The response cannot be completed: see that the peer notices."""
        raise NotImplementedError

    def is_late(self, timer: Timer | Http2Stream) -> bool:
        """See ``Host.is_late``."""
        raise NotImplementedError

    def overdue(self, stream: Http2Stream) -> None:
        """The stream's deadline has passed."""
        raise NotImplementedError

    def stuck(self, stream: Http2Stream, stall: Stall) -> None:
        """A window was in the way of a stream ``Deadline.STALL`` ago."""
        raise NotImplementedError


class Stall(Timer):
    """Watches whether a stream goes on that a window is in the way of.

    Args:
        carrier: told when it is time to look.
        stream: the stream.
        all_sent: bytes of content that were sent, by all streams of its connection.

    Attributes:
        sent, all_sent: how many had been sent in the beginning, by the stream and by all.
        own: it was the stream's own window, not that of the connection.
        asked: which PING is to tell whether the peer has read what was sent, 0: none was sent yet.
        waits: how often it was given more time for that.
    """

    __slots__ = ("_carrier", "_stream", "all_sent", "asked", "own", "sent", "waits")

    def __init__(self, carrier: Carrier, stream: Http2Stream, all_sent: int) -> None:
        super().__init__()
        self._carrier = carrier
        self._stream = stream
        self.sent = stream.sent
        self.all_sent = all_sent
        self.own = stream.window <= 0
        self.asked = 0
        self.waits = 0

    def expire(self) -> None:
        """See ``Timer.expire``."""
        if not self._carrier.is_late(self):
            self._carrier.stuck(self._stream, self)


class Http2Stream(Stream):
    """A stream. ``open_stream`` makes them.

    Attributes:
        id: its identifier.
        state: its ``State``.
        begun: the final response has begun.

        expected: bytes of content that the request announced, or ``UNKNOWN``.
        received: bytes of content that have come.
        limit: how many may; 0: any number.
        progress: how many of them came since the deadline was last looked at.
        waiting: the application waits for content.
        must_continue: the peer waits for 100 (Continue).
        room: bytes that the peer may send now.
        granted: bytes that it may send when everything was consumed: the size of our window.
        taken: bytes that were consumed since the peer was last told so.
        tunnel: it carries another protocol (RFC 8441), which has its own idea of how much, and how soon.

        window: bytes that we may send now.
        priority: whose turn it is to send, see ``priority.py``.
        scheduled: belongs to the ``Scheduler``.
        head: the header section that waits for the peer to read, None if none does.
        queued: bytes of content that wait.
        ending: the end of the stream waits behind them.
        trailers: the trailer section that does.
        sent: bytes of content that were sent.
        stall: watches that they become more, if a window was ever in the way.

        due, spoke: see ``machine.Expiring``.
    """

    __slots__ = (
        "_bodiless",
        "_carrier",
        "_inbox",
        "_method",
        "_offset",
        "_outbox",
        "_remaining",
        "begun",
        "due",
        "ending",
        "expected",
        "granted",
        "head",
        "id",
        "limit",
        "must_continue",
        "priority",
        "progress",
        "queued",
        "received",
        "room",
        "scheduled",
        "sent",
        "spoke",
        "stall",
        "state",
        "taken",
        "trailers",
        "tunnel",
        "waiting",
        "window",
    )

    def begin(self, carrier: Carrier, stream_id: int, request: Request, ended: bool, window: int, room: int) -> None:
        """Become the stream of a request, which has come whole if ``ended``, with windows of these initial sizes."""
        self.blocked = False
        self.body_complete = ended
        self.sink = None
        self.due = 0
        self.spoke = 0
        self.id = stream_id
        self.state = _BEGUN_WHOLE if ended else _BEGUN
        self.begun = False
        self.expected = request.body
        self.received = 0
        self.limit = 0
        self.progress = 0
        self.waiting = False
        self.must_continue = request.expects_continue
        self.room = self.granted = room
        self.taken = 0
        self.window = window
        self.priority = request.priority
        self.scheduled = False
        self.head: tuple[EncodedField, ...] | None = None
        self.queued = 0
        self.ending = False
        self.trailers: tuple[EncodedField, ...] | None = None
        self.sent = 0
        self.stall: Stall | None = None
        self._carrier = carrier
        self.tunnel = request.protocol is not None
        self._method = request.line.method
        self._bodiless = False
        self._remaining = _UNKNOWN
        self._inbox: list[bytes] | None = None
        self._outbox: deque[bytes] | None = None
        self._offset = 0  # in the first of them

    def expire(self) -> None:
        """See ``Timer.expire``."""
        if not self._carrier.is_late(self):
            self._carrier.overdue(self)

    def move(self, event: int) -> None:
        """Change the state."""
        state = _NEXT[self.state][event]
        assert state != _ILLEGAL, f"{Event(event).name} in state {State(self.state).name}"
        self.state = state

    # Stream: what the exchange calls

    def read_body(self) -> bytes:
        """See ``Stream.read_body``. Asking for the body is what sends 100 (Continue)."""
        inbox = self._inbox
        if inbox is None:
            if self.state != _OPEN:
                self.body_complete = True
            else:
                self.waiting = True
                self._carrier.wanted(self)
            return b""
        self.waiting = False
        data = self._take(inbox)
        if self._inbox is None and self.state != _OPEN:
            self.body_complete = True
        self._carrier.consumed(self, len(data))
        return data

    def _take(self, inbox: list[bytes]) -> bytes:
        """Take content out of the inbox: all of it, or so much that it is worth a message."""
        pieces = size = 0
        for piece in inbox:
            pieces += 1
            size += len(piece)
            if size >= _PIECE:
                break
        self._inbox = inbox[pieces:] if pieces < len(inbox) else None
        return inbox[0] if pieces == 1 else b"".join(inbox[:pieces])

    def respond(self, status: int, headers: Headers, body: bytes, end: bool) -> int:
        """See ``Stream.respond``."""
        section = header_section(status, headers)
        size = len(body)
        if bodiless(status, self._method):
            self._bodiless = True
            body = b""
        elif section.length == _UNKNOWN:
            if end:
                section.fields.append(length_field(size))
        elif size > section.length or (end and size < section.length):
            raise ResponseError(f"the body has {count(size, 'byte')}, Content-Length says {section.length}")
        else:
            self._remaining = section.length - size
        if not section.dated:
            section.fields.append(date_field(self._carrier.date()))
        if self.state == _CLOSED:
            return 0
        self.begun = True
        self._carrier.send_head(self, tuple(section.fields), body, end)
        return len(body)

    def send_body(self, data: bytes, end: bool) -> int:
        """See ``Stream.send_body``."""
        size = len(data)
        if self._bodiless:
            data = b""
        elif self._remaining != _UNKNOWN:
            if size > self._remaining or (end and size < self._remaining):
                which = "longer" if size > self._remaining else "shorter"
                raise ResponseError(f"the body is {which} than its Content-Length")
            self._remaining -= size
        if self.state == _CLOSED:
            return 0
        if data or end:
            self._carrier.send_data(self, data, end)
        return len(data)

    def send_interim(self, status: int, headers: Headers) -> None:
        """See ``Stream.send_interim``."""
        fields = interim_fields(status, headers)
        if self.state != _CLOSED:
            self._carrier.send_interim(self, status, fields)

    def send_trailers(self, headers: Headers) -> None:
        """See ``Stream.send_trailers``."""
        fields = trailer_fields(headers)
        if not self._bodiless and self._remaining > 0:
            raise ResponseError("the body is shorter than its Content-Length")
        if self.state == _CLOSED:
            return
        if fields and not self._bodiless:
            self._carrier.send_trailers(self, fields)
        else:
            self._carrier.send_data(self, b"", True)

    def outstanding(self) -> int:
        """See ``Stream.outstanding``."""
        return self.queued

    def abort(self) -> None:
        """See ``Stream.abort``."""
        if self.state != _CLOSED:
            self._carrier.cut(self)

    # What the connection calls

    def deliver(self, data: bytes) -> None:
        """Keep content until the application asks for it."""
        inbox = self._inbox
        if inbox is None:
            self._inbox = [data]
        elif len(inbox[-1]) + len(data) <= _SMALL:
            inbox[-1] = b"".join((inbox[-1], data))
        else:
            inbox.append(data)

    def is_head(self) -> bool:
        """Whether the response to it has no content whatever it says."""
        return self._method == b"HEAD"

    def unread(self) -> int:
        """Bytes of content that the application has not asked for."""
        return sum(map(len, self._inbox)) if self._inbox else 0

    def enqueue(self, data: bytes) -> None:
        """Keep content until there is room for it at the peer."""
        if not data:
            return
        outbox = self._outbox
        if outbox is None:
            outbox = self._outbox = deque()
        if outbox and len(outbox[-1]) + len(data) <= _SMALL:
            outbox[-1] = b"".join((outbox[-1], data))
        else:
            outbox.append(data)
        self.queued += len(data)

    def dequeue(self, size: int) -> bytes:
        """Take ``size`` of the bytes that are ``queued`` for the next frame."""
        outbox = self._outbox
        assert outbox is not None
        self.queued -= size
        parts = []
        while size:
            first = outbox[0]
            part = first[self._offset : self._offset + size]
            size -= len(part)
            self._offset += len(part)
            if self._offset == len(first):
                outbox.popleft()
                self._offset = 0
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def drop(self) -> None:
        """Forget what waits: the stream is closed."""
        self._inbox = None
        self._outbox = None
        self.blocked = False
        self.queued = 0
        self.head = None
        self.trailers = None


def open_stream(carrier: Carrier, stream_id: int, request: Request, ended: bool, window: int, room: int) -> Http2Stream:
    """A stream for a request: see ``Http2Stream.begin``."""
    stream = Http2Stream.__new__(Http2Stream)
    stream.begin(carrier, stream_id, request, ended, window, room)
    return stream
