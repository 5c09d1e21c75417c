"""The HTTP/1.1 machine (RFC 9112).

A connection goes through the states of ``State``; ``TRANSITIONS`` is the whole truth about which event leads where, and
every change of state goes through it. The request's side carries its codec in ``_decoder`` and the response's side in
``_framing``, both of which exist exactly while a body is under way.

Back-pressure needs no queue: the body stays in the lease until the application asks for it, and the connection stops
reading when the lease is full. Pipelined requests stay there as well, unparsed, until the response before them is done.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Protocol

from litmus.memory.lease import Lease
from litmus.protocols.body import UNKNOWN, ChunkedDecoder, Decoder, LengthDecoder
from litmus.protocols.errors import ProtocolError, ResponseError
from litmus.protocols.limits import Limits
from litmus.protocols.lines import check_beginning
from litmus.protocols.machine import Deadline, Headers, Host, Machine, Sink, Stream
from litmus.protocols.request import NO_BODY, HeadParser, Request
from litmus.protocols.response import (
    CONTINUE,
    LAST_CHUNK,
    Head,
    bodiless,
    chunk,
    error_response,
    interim_response,
    response_head,
    trailer_lines,
)
from litmus.units import count

_GLANCE: Final = 4 << 10
"""Bytes in which the end of a head is looked for first. With what follows it, a body or a pipeline, there may be many
more, which would be copied again for each head."""

_HEAD_SHOWN: Final = 4 << 10
"""Bytes of the head of a request that is refused, for the records."""

DISCARD_LIMIT: Final = 256 << 10
"""Bytes of an unread request body that are worth reading to keep the connection."""


class State(IntEnum):
    """Where a connection stands."""

    IDLE = 0  # between requests
    HEAD = 1  # part of a head has arrived
    BODY = 2  # the request is with the application, its body still arriving
    RESPONSE = 3  # the whole request was read, its response is not complete
    DISCARD = 4  # the response is complete, the rest of the request's body is read and dropped
    LINGER = 5  # we have finished sending; what still arrives is dropped, so that no reset destroys our last words
    CLOSED = 6


class Event(IntEnum):
    """What can happen to a connection."""

    PARTIAL = 0  # bytes of a head, not all of it
    REQUEST = 1  # a whole head, no body
    REQUEST_WITH_BODY = 2
    BODY_END = 3  # the last byte of the request's body was consumed
    RESPONSE_END = 4  # the last byte of the response was sent, the connection persists
    RESPONSE_CLOSE = 5  # the last byte of the response was sent, nothing unread may remain
    RESPONSE_LINGER = 6  # the same, and the peer may still be sending what nobody wants
    BREACH = 7  # the peer broke the protocol
    CUT = 8  # nothing more can be sent or received in good order


_S, _E = State, Event
TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (_S.IDLE, _E.PARTIAL): _S.HEAD,
    (_S.HEAD, _E.PARTIAL): _S.HEAD,
    (_S.IDLE, _E.REQUEST): _S.RESPONSE,
    (_S.HEAD, _E.REQUEST): _S.RESPONSE,
    (_S.IDLE, _E.REQUEST_WITH_BODY): _S.BODY,
    (_S.HEAD, _E.REQUEST_WITH_BODY): _S.BODY,
    (_S.BODY, _E.BODY_END): _S.RESPONSE,
    (_S.DISCARD, _E.BODY_END): _S.IDLE,
    (_S.RESPONSE, _E.RESPONSE_END): _S.IDLE,
    (_S.BODY, _E.RESPONSE_END): _S.DISCARD,
    (_S.RESPONSE, _E.RESPONSE_CLOSE): _S.CLOSED,
    (_S.RESPONSE, _E.RESPONSE_LINGER): _S.LINGER,
    (_S.BODY, _E.RESPONSE_LINGER): _S.LINGER,
    (_S.DISCARD, _E.RESPONSE_LINGER): _S.LINGER,  # there is more left to drop than the connection is worth
    (_S.IDLE, _E.BREACH): _S.LINGER,
    (_S.HEAD, _E.BREACH): _S.LINGER,
    (_S.BODY, _E.BREACH): _S.LINGER,
    (_S.DISCARD, _E.BREACH): _S.LINGER,
    **{(state, _E.CUT): _S.CLOSED for state in State},
}

# The same as plain numbers and tuples, for the code below.
_IDLE, _HEAD, _BODY, _RESPONSE, _DISCARD, _LINGER, _CLOSED = map(int, State)
(
    _PARTIAL,
    _REQUEST,
    _REQUEST_WITH_BODY,
    _BODY_END,
    _RESPONSE_END,
    _RESPONSE_CLOSE,
    _RESPONSE_LINGER,
    _BREACH,
    _CUT,
) = map(int, Event)
_ILLEGAL: Final = 255
_CR: Final = 13
_NO_BODY, _UNKNOWN = NO_BODY, UNKNOWN
_EVENTS: Final = len(Event)
_NEXT: Final = bytes(TRANSITIONS.get((state, event), _ILLEGAL) for state in State for event in Event)

DEADLINES: Final = {
    State.IDLE: Deadline.KEEP_ALIVE,
    State.HEAD: Deadline.HEAD,
    State.BODY: Deadline.BODY,
    State.RESPONSE: Deadline.NONE,
    State.DISCARD: Deadline.LINGER,
    State.LINGER: Deadline.LINGER,
    State.CLOSED: Deadline.NONE,
}
_DEADLINE: Final = tuple(DEADLINES[state] for state in State)

GO_OVER_LIMIT: Final = 32 << 10
"""Bytes of a request with which a connection goes over to another protocol: they have to fit into a lease."""

JOIN_LIMIT: Final = 16 << 10
"""Bytes of content that are cheaper to copy behind the head than to write on their own."""

# How the response's body is framed.
_NOT_STARTED, _LENGTH, _CHUNKED, _UNTIL_CLOSE, _NO_CONTENT, _COMPLETE = range(6)


class Upgrade(Protocol):
    """Another protocol that a connection can go over to (RFC 9110, section 7.8)."""

    def wanted(self, request: Request) -> bool:
        """Whether the request asks for it."""

    def machine(self, host: Host, limits: Limits, request: Request, content: bytes) -> Machine:
        """Answer with 101. Returns the machine that goes on with the request, which has all of its ``content``."""


class Http1(Stream):
    """One HTTP/1 connection: the machine, and the stream of the request that is in progress.

    Args:
        host: the connection.
        parser: the worker's head parser.
        limits: what the peer may demand.
        upgrade: see ``Upgrade``; None if there is nothing to go over to.
    """

    __slots__ = (
        "_burst",
        "_decoder",
        "_discarded",
        "_draining",
        "_framing",
        "_half_closed",
        "_head",
        "_host",
        "_limits",
        "_method",
        "_must_continue",
        "_old",
        "_parser",
        "_persistent",
        "_progress",
        "_remaining",
        "_requests",
        "_scanned",
        "_successor",
        "_upgrade",
        "hungry",
        "lease",
        "state",
    )

    def __init__(self, host: Host, parser: HeadParser, limits: Limits, upgrade: Upgrade | None = None) -> None:
        super().__init__()
        self._upgrade = upgrade
        self._successor: Machine | None = None
        self._host = host
        self._parser = parser
        self._limits = limits
        self.state: int = _IDLE
        self.hungry = True
        self.lease: Lease | None = None
        self._scanned = 0
        self._requests = 0
        self._burst = 0
        self._persistent = True
        self._draining = False
        self._half_closed = False
        self._decoder: Decoder | None = None
        self._discarded = 0
        self._progress = 0
        self._must_continue = False
        self._method = b""
        self._old = False
        self._framing = _NOT_STARTED
        self._head: Head | None = None  # of the last response
        self._remaining = 0

    @property
    def deadline(self) -> int:
        """The deadline that the present state is under, or what is in its place."""
        state = self.state
        if self.blocked and state <= _RESPONSE:
            return Deadline.WRITE
        if state <= _HEAD and self._draining:
            return Deadline.DRAIN
        if state == _IDLE and not self._requests:
            return Deadline.FIRST_BYTE
        if state == _BODY and self._must_continue:
            return Deadline.NONE  # the peer waits for us
        return _DEADLINE[state]

    # Machine: what the connection calls

    def received(self, lease: Lease) -> Machine | None:
        """See ``Machine.received``. Runs until it needs more bytes, or the application."""
        self.lease = lease
        self._burst = 0
        try:
            while lease.start < lease.end and self._step(lease):
                pass
        except ProtocolError as error:
            self._breach(error)
            lease.start = lease.end
        if self._successor is not None:
            return self._successor
        if (self.state == _IDLE and not self._persistent) or (self._half_closed and self._starved()):
            self._cut()
        return self if self.state != _CLOSED else None

    def eof(self) -> Machine | None:
        """The peer has sent its last byte; it may still read, so what it asked for is answered."""
        self._half_closed = True
        if self._successor is not None:
            return self._successor.eof()
        if self._starved():
            self._cut()
        elif self.state == _RESPONSE and self.sink is not None:
            self.sink.peer_finished()
        return self if self.state != _CLOSED else None

    def lost(self) -> None:
        """The connection is gone: so is the stream."""
        if self._successor is not None:
            self._successor.lost()
        self._cut()

    def drain(self) -> None:
        """See ``Machine.drain``."""
        self._draining = True
        if self.state > _HEAD:
            self._persistent = False

    def drained(self) -> list[tuple[Sink | None, int]]:
        """See ``Machine.drained``. All that was sent is with the connection."""
        return []

    def output_blocked(self) -> None:
        """See ``Machine.output_blocked``."""
        self.blocked = True
        if self._successor is not None:
            self._successor.output_blocked()

    def output_unblocked(self) -> None:
        """See ``Machine.output_unblocked``."""
        self.blocked = False
        if self._successor is not None:
            self._successor.output_unblocked()
        elif self.sink is not None:
            self.sink.unblocked()
        elif self._unread():
            self._host.wake()

    def expired(self) -> Machine | None:
        """Who is slow with a request is told so. Who sends none has nothing to be told."""
        state = self.state
        if self.blocked and state <= _RESPONSE:
            return self  # the peer has read everything in this very moment
        if state == _HEAD:
            self._breach(ProtocolError(408, "the request head took too long"))
        elif state == _BODY:
            if not self.hungry or self._progress >= self._limits.body_progress:
                self._progress = 0
                return self
            self._breach(ProtocolError(408, "the request body comes too slowly"))
        else:
            self._cut()
        return self if self.state != _CLOSED else None

    # Stream: what the exchange calls

    def read_body(self) -> bytes:
        """See ``Stream.read_body``. Asking for the body is what sends 100 (Continue)."""
        decoder = self._decoder
        if decoder is None or self.state != _BODY:
            return b""
        lease = self.lease
        if lease is None or lease.start == lease.end:
            self.hungry = True
            if self._must_continue:
                self._must_continue = False
                self._host.write(CONTINUE)
                self._host.interim(100)
                self._host.wake()  # from here on the body has a deadline
            return b""
        self._must_continue = False
        try:
            data = decoder.decode(lease)
        except ProtocolError as error:
            self._breach(error)
            self._host.wake()
            return b""
        self.hungry = not data
        self._progress += len(data)
        if decoder.complete:
            self._decoder = None
            self.body_complete = True
            self._move(_BODY_END)
            if self._half_closed and self.sink is not None:
                self.sink.peer_finished()
        elif self._half_closed and (not data or lease.start == lease.end):
            self._cut()
            self._host.wake()
        self._host.consumed()
        return data

    def respond(self, status: int, headers: Headers, body: bytes, end: bool) -> int:
        """See ``Stream.respond``. Decides how the body is framed (RFC 9112, section 6)."""
        head = self._head
        if head is None or not head.is_of(status, headers):
            head = response_head(status, headers)
            self._head = head if head.recurs else None  # one that does not would only take memory
        length = head.length
        added = b""
        size = len(body)
        content = body
        framing = _LENGTH
        if bodiless(status, self._method):
            framing = _NO_CONTENT
            content = b""
            size = 0
        elif length == _UNKNOWN:
            if end:
                length = size
                added = b"content-length: %d\r\n" % size
            elif self._old:
                framing = _UNTIL_CLOSE
            else:
                framing = _CHUNKED
                added = b"transfer-encoding: chunked\r\n"
                content = chunk(body) if body else b""
        elif size > length or (end and size < length):
            raise ResponseError(f"the body has {count(size, 'byte')}, Content-Length says {length}")
        if head.close or framing == _UNTIL_CLOSE or self._must_continue or not self._worth_discarding():
            # With 100 (Continue) never sent, nobody can tell whether the body will come.
            self._persistent = False
        if not self._persistent:
            added += b"connection: close\r\n"
        elif self._old:
            added += b"connection: keep-alive\r\n"
        if len(content) < JOIN_LIMIT:
            self._host.write(head.encode(added, self._host.date(), content))
        else:
            self._host.write(head.encode(added, self._host.date(), b""))
            self._host.write(content)
        if self.state == _CLOSED:
            return 0  # writing found the connection gone
        self._framing = framing
        self._must_continue = False
        self._remaining = length - size
        if end:
            self._finish()
        return size

    def send_body(self, data: bytes, end: bool) -> int:
        """See ``Stream.send_body``."""
        framing = self._framing
        size = len(data)
        if framing == _LENGTH:
            if len(data) > self._remaining or (end and len(data) < self._remaining):
                which = "longer" if len(data) > self._remaining else "shorter"
                raise ResponseError(f"the body is {which} than its Content-Length")
            self._remaining -= len(data)
        elif framing == _CHUNKED:
            data = chunk(data) if data else b""
            if end:
                data += LAST_CHUNK
        elif framing == _NO_CONTENT:
            data = b""
            size = 0
        if data and framing != _COMPLETE:
            self._host.write(data)
        if self.state == _CLOSED:
            return 0
        if end:
            self._finish()
        return size

    def send_interim(self, status: int, headers: Headers) -> None:
        """See ``Stream.send_interim``. HTTP/1.0 has none (RFC 9110, section 15.2)."""
        data = interim_response(status, headers)
        if not self._old and self._framing == _NOT_STARTED and self.state != _CLOSED:
            self._host.write(data)
            self._host.interim(status)

    def send_trailers(self, headers: Headers) -> None:
        """See ``Stream.send_trailers``. Only a body in chunks can have them (RFC 9112, section 7.1.2)."""
        lines = trailer_lines(headers)
        if self._framing != _CHUNKED:
            self.send_body(b"", True)
            return
        self._host.write(b"".join((b"0\r\n", *lines, b"\r\n")))
        if self.state != _CLOSED:
            self._finish()

    def go_over(self, response: bytes, machine: Machine) -> None:
        """Answer with 101, and let another machine go on (RFC 9110, section 15.2.2). The request has no content."""
        assert self.state == _RESPONSE
        self.sink = None
        self._successor = machine
        self._host.write(response)
        if self.blocked:
            machine.output_blocked()
        self._host.wake()

    def abort(self) -> None:
        """See ``Stream.abort``: close without a last chunk or short of Content-Length."""
        if self.state != _CLOSED:
            if self._framing == _UNTIL_CLOSE:
                self._host.reset()
            self._cut()
            self._host.wake()

    # Inside

    def _step(self, lease: Lease) -> bool:
        """Do what the present state does with unread bytes. Returns whether it is worth trying again."""
        state = self.state
        if state <= _HEAD:
            if self.blocked:
                self.hungry = False  # what lies unread waits for the peer to read, not for more bytes
                return False
            if self._burst == self._limits.pipelined and self._burst:
                self._host.again()
                return False
            return self._read_head(lease)
        if state == _BODY:
            if self.sink is not None:
                self.sink.body_arrived()
            return self.state != _BODY  # it was read to its end, or into a breach behind which all is dropped
        if state == _DISCARD:
            return self._discard(lease)
        if state == _LINGER:
            lease.start = lease.end
        return False

    def _starved(self) -> bool:
        """Whether nothing can happen any more without bytes from the peer."""
        if self.state in (_RESPONSE, _CLOSED):
            return False
        return self.hungry or not self._unread()

    def _unread(self) -> bool:
        lease = self.lease
        return lease is not None and lease.start < lease.end

    def _move(self, event: int) -> None:
        state = _NEXT[self.state * _EVENTS + event]
        assert state != _ILLEGAL, f"{Event(event).name} in state {State(self.state).name}"
        self.state = state

    def _read_head(self, lease: Lease) -> bool:
        """Hand over the next request if its head is complete. Returns False when more bytes are needed."""
        unread = lease.peek(_GLANCE)
        length = len(unread)
        request = self._parser.recall(unread)
        if request is None:
            start = lease.start
            if unread[0] == _CR and self.state == _IDLE:
                # Empty lines before a request are ignored (RFC 9112, section 2.2), half of one waits for the other.
                while unread.startswith(b"\r\n", lease.start - start):
                    lease.start += 2
                self.hungry = lease.start == lease.end or unread == b"\r"
                if lease.start > start or self.hungry:
                    return not self.hungry
            length = _head_length(unread, self._scanned)
            if not length and start + len(unread) < lease.end:
                self._scanned = max(self._scanned, len(unread))
                unread = lease.peek(lease.end - start)
                length = _head_length(unread, self._scanned)
            if not length:
                if len(unread) >= self._limits.unquestioned:
                    self._measure(unread, len(unread) + 1)
                check_beginning(unread)
                self._scanned = len(unread)
                self._move(_PARTIAL)
                self.hungry = True
                return False
            request = self._parse(unread if length == len(unread) else unread[:length])
        self._scanned = 0
        body = request.body
        limit = 0
        if body != _NO_BODY:
            limit = self._limits.body_with(request.headers) if self._limits.hosts else self._limits.body
            if body > limit > 0:
                raise ProtocolError(413, f"the body is longer than {count(limit, 'byte')}")
        if request.protocol is not None and self._upgrade is not None and self._goes_over(request, length, lease):
            return False
        lease.start += length
        self._requests += 1
        self._burst += 1
        self._method = request.line.method
        self._old = request.line.old
        self._persistent = request.keep_alive and not self._draining and self._requests != self._limits.requests
        self._framing = _NOT_STARTED
        self._must_continue = request.expects_continue
        if body == _NO_BODY:
            self.body_complete = True
            self._move(_REQUEST)
        else:
            self._decoder = ChunkedDecoder(limit) if body == _UNKNOWN else LengthDecoder(body)
            self.body_complete = False
            self._discarded = 0
            self._progress = 0
            self._move(_REQUEST_WITH_BODY)
        self.hungry = False
        self._host.request(request, self)
        if self._half_closed and self.state == _RESPONSE and self.sink is not None:
            self.sink.peer_finished()
        return self._successor is None

    def _goes_over(self, request: Request, length: int, lease: Lease) -> bool:
        """Whether another machine goes on with the request, now or as soon as its content has come.

        Clients are not ready for another protocol while they send content, and Upgrade may be ignored: so they get it
        when there is not much of it, and when the connection has more before it than this request. ``length`` is that
        of the head.
        """
        assert self._upgrade is not None
        size = request.body
        if self._draining or self._half_closed:
            return False
        if size == _UNKNOWN or length + size > GO_OVER_LIMIT or not self._upgrade.wanted(request):
            return False
        if lease.end - lease.start < length + size:
            if request.expects_continue and not self._must_continue:
                self._must_continue = True
                self._host.write(CONTINUE)  # before anything else (RFC 9110, section 7.8)
                self._host.interim(100)
            self._move(_PARTIAL)
            self.hungry = True
            return True
        lease.start += length
        self._successor = self._upgrade.machine(self._host, self._limits, request, lease.take(size))
        return True

    def _parse(self, head: bytes) -> Request:
        """Parse a whole head."""
        if len(head) > self._limits.unquestioned:
            self._measure(head, len(head))
        try:
            return self._parser.parse(head)
        except ProtocolError:
            check_beginning(head)  # the same words, in however many pieces it came
            raise

    def _measure(self, head: bytes, size: int) -> None:
        """Refuse a request line or a header section that is too long in a head of at least ``size`` bytes.

        What is wrong with the part that is within the limits goes first: that is the order in which it came.
        """
        limits = self._limits
        line = head.find(b"\r\n", 0, limits.request_line) + 2
        if line < 2:
            if size > limits.request_line:
                check_beginning(head[: limits.request_line])
                raise ProtocolError(414, f"the request line is longer than {count(limits.request_line, 'byte')}")
        elif size - line > limits.header_section:
            check_beginning(head[: line + limits.header_section])
            raise ProtocolError(431, f"the header section is longer than {count(limits.header_section, 'byte')}")

    def _discard(self, lease: Lease) -> bool:
        """Drop the rest of a body that nobody wants. Returns False when more bytes are needed."""
        decoder = self._decoder
        assert decoder is not None
        before = lease.start
        decoder.decode(lease)
        self._discarded += lease.start - before
        if decoder.complete:
            self._decoder = None
            self._move(_BODY_END)
            return True
        if self._discarded > DISCARD_LIMIT:
            self._move(_RESPONSE_LINGER)
            self._host.end_output()
            return True
        self.hungry = True
        return lease.start > before

    def _finish(self) -> None:
        """The response is complete."""
        if self._framing == _COMPLETE:
            return
        self._framing = _COMPLETE
        self.sink = None
        if self._half_closed and not self._unread():
            self._persistent = False
        if self._persistent and self._worth_discarding():
            self._move(_RESPONSE_END)
            self.hungry = not self._unread()
        elif self.state == _RESPONSE and not self._unread():
            self._move(_RESPONSE_CLOSE)
        else:
            self._move(_RESPONSE_LINGER)
            self._host.end_output()
        self._host.wake()

    def _worth_discarding(self) -> bool:
        """Whether reading the rest of the request's body costs less than a new connection."""
        decoder = self._decoder
        return decoder is None or not isinstance(decoder, LengthDecoder) or decoder.remaining <= DISCARD_LIMIT

    def _breach(self, error: ProtocolError) -> None:
        """The peer broke the protocol or was too slow: tell it, unless a response is already on its way, and stop.

        A response that is complete is on its way to the peer, and a close with bytes unread would destroy it there.
        """
        self._persistent = False
        self._decoder = None
        answerable = self._framing == _NOT_STARTED or self.state <= _HEAD
        self._framing = _COMPLETE
        if not answerable:
            if self.sink is not None:
                self.sink.refused(error, -1)
            else:
                self._host.refused(error, None, 0)
            if self.state != _DISCARD:
                self._cut()
                return
        else:
            response = error_response(error.status, error.reason, self._host.date())
            size = len(response) - response.index(b"\r\n\r\n") - 4
            head = self._beginning() if self.sink is None else b""
            if head.startswith(b"HEAD ") if self.sink is None else self._method == b"HEAD":
                response = response[:-size]  # RFC 9110, section 9.3.2
                size = 0
            if self.sink is not None:
                self.sink.refused(error, size)
            else:
                self._host.refused(error, head, size)
            self._host.write(response)
            if self.state == _CLOSED:
                return
        self._host.end_output()
        self._move(_BREACH)
        self._detach()

    def _beginning(self) -> bytes:
        """The beginning of the request head, as far as it has come."""
        lease = self.lease
        assert lease is not None
        return lease.peek(_HEAD_SHOWN).partition(_END_OF_HEAD)[0]

    def _cut(self) -> None:
        """End of the connection, in whatever state."""
        self._move(_CUT)
        self._framing = _COMPLETE
        self._decoder = None
        self._detach()

    def _detach(self) -> None:
        """Tell the exchange, if one is in progress, that its stream is gone."""
        sink, self.sink = self.sink, None
        if sink is not None:
            sink.disconnected(False)


def _head_length(unread: bytes, scanned: int) -> int:
    """Bytes in the head that ``unread`` begins with, 0 without its end, which is not in the first ``scanned`` bytes."""
    if scanned > 3:
        found = unread.find(_END_OF_HEAD, scanned - 3)
        return found + 4 if found >= 0 else 0
    before, end, _ = unread.partition(_END_OF_HEAD)  # in less time than find takes for its arguments
    return len(before) + 4 if end else 0


_END_OF_HEAD: Final = b"\r\n\r\n"
