"""What clients say in field blocks: requests, trailers, and what comes too late (RFC 9113, sections 4.3 and 8)."""

from __future__ import annotations

from contextlib import suppress

from litmus.protocols.errors import ProtocolError
from litmus.protocols.http2 import allowance, priority
from litmus.protocols.http2.decoder import Decoder
from litmus.protocols.http2.errors import ErrorCode, HeaderListTooLarge, Http2ConnectionError, Http2StreamError
from litmus.protocols.http2.frames import WINDOW, rst_stream
from litmus.protocols.http2.request import RequestReader
from litmus.protocols.http2.stream import Http2Stream, State, open_stream
from litmus.protocols.http2.streams import RESET_BY_US, SKIPPED, Streams
from litmus.protocols.limits import Limits
from litmus.protocols.machine import Host
from litmus.protocols.remembering import remember
from litmus.protocols.request import Request
from litmus.units import count


class Requests(Streams):
    """The requests of a connection.

    Args:
        host: the connection below.
        reader: the worker's.
        limits: what the peer may demand.
        extended: whether the extended CONNECT method is offered (RFC 8441).

    Attributes:
        last: the highest identifier of a stream that is not idle, 0 if all are.
        requests: how many there were.
        burst: how many of them since somebody set it to 0.
        acknowledged: the peer knows our SETTINGS.
        closing: GOAWAY has told it that no more requests are served than there are.
        extended: whether the extended CONNECT method is offered.
    """

    __slots__ = (
        "_decoder",
        "_priorities",
        "_reader",
        "acknowledged",
        "burst",
        "closing",
        "extended",
        "last",
        "requests",
    )

    def __init__(self, host: Host, reader: RequestReader, limits: Limits, extended: bool) -> None:
        super().__init__(host, limits)
        self._reader = reader
        self._decoder = Decoder()
        self._priorities: dict[int, int] | None = None
        self.last = 0
        self.requests = 0
        self.burst = 0
        self.acknowledged = False
        self.closing = False
        self.extended = extended

    def field_block(self, stream_id: int, ended: bool, block: bytes) -> None:
        """A whole field block has come: a request, or the trailers of one. ``ended``: nothing follows on the stream.

        Raises Http2ConnectionError, Http2StreamError, and HpackError when nobody knows what it means.
        """
        if stream_id in self.streams:
            self._trailers(self.streams[stream_id], ended, block)
            return
        if not stream_id & 1:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "a stream of a client's with an even number")
        if stream_id <= self.last:
            self._late(stream_id, block)
            return
        if self.closing:
            self.allowance.spend(allowance.CHEAP, "requests behind GOAWAY")
            with suppress(ProtocolError):  # it is not served (section 6.8), and the connection's table must be right
                self._decoder.decode(block, self._limits.header_section)
            return
        request: Request | None = None
        if ended:
            request = self._decoder.recall(block)
        if request is None:
            request = self._request(stream_id, ended, block)
            if request is None:
                return
        self._begin(stream_id)
        if len(self.streams) >= self._limits.streams:
            self.allowance.spend(allowance.LOST, "streams beyond the limit")
            self.note_closed(stream_id, RESET_BY_US)
            self._host.write(rst_stream(stream_id, ErrorCode.REFUSED_STREAM))
            self._host.overfull()
            return
        self.serve(stream_id, request, ended, b"")

    def serve(self, stream_id: int, request: Request, ended: bool, content: bytes) -> None:
        """Hand over a request. ``content``: what has come of it already."""
        self.last = stream_id
        self.requests += 1
        self.burst += 1
        stream = open_stream(self, stream_id, request, ended, self.initial_window, self._limits.window)
        if self._priorities is not None and stream_id in self._priorities:
            stream.priority = self._priorities.pop(stream_id)
        if content:
            stream.deliver(content)
            stream.body_complete = False
        if not ended:
            stream.limit = 0 if stream.tunnel else self._limit(request)
            if not self.acknowledged:
                stream.room = max(stream.room, WINDOW)  # as long as the peer cannot know better (section 6.9.3)
        self.streams[stream_id] = stream
        self._host.request(request, stream)

    def acknowledge(self) -> None:
        """The peer has acknowledged our SETTINGS."""
        self.acknowledged = True
        for stream in self.streams.values():
            stream.room -= max(WINDOW - self._limits.window, 0)

    def prioritize(self, stream_id: int, wanted: bytes) -> None:
        """PRIORITY_UPDATE has come, for a stream that there is, or that is about to come (RFC 9218, section 7.1)."""
        stream = self.streams.get(stream_id)
        if stream is not None:
            self.reprioritize(stream, priority.parse(wanted))
        elif stream_id > self.last:
            if self._priorities is None:
                self._priorities = {}
            remember(self._priorities, stream_id, priority.parse(wanted), self._limits.streams)

    # Inside

    def _begin(self, stream_id: int) -> None:
        """A stream is no more idle."""
        if stream_id - self.last > 2:
            self.skip(self.last + 2 if self.last else 1, stream_id)
        self.last = stream_id

    def _request(self, stream_id: int, ended: bool, block: bytes) -> Request | None:
        """The request of a field block; None if it was refused."""
        fields: list[tuple[bytes, bytes]] = []
        try:
            fields = self._decoder.decode(block, self._limits.header_section)
            request = self._reader.read(fields, ended, self.extended)
            limit = self._limit(request)
            if request.body > limit > 0:
                raise ProtocolError(413, f"the body is longer than {count(limit, 'byte')}")
        except ProtocolError as error:
            if isinstance(error, HeaderListTooLarge):
                fields = error.fields
            self._begin(stream_id)
            self._turn_away(stream_id, ended, error, fields)
            return None
        if ended:
            self._decoder.remember(block, request)
        return request

    def _limit(self, request: Request) -> int:
        """Bytes of content that the request may have; 0: any number."""
        return self._limits.body_with(request.headers) if self._limits.hosts else self._limits.body

    def _trailers(self, stream: Http2Stream, ended: bool, block: bytes) -> None:
        """A trailer section. ASGI has no place for it; it has to be well-formed all the same."""
        fields = self._decoder.decode(block, self._limits.header_section)
        if stream.state != _OPEN and stream.state != _HALF_CLOSED_LOCAL:
            raise Http2StreamError(ErrorCode.STREAM_CLOSED, "HEADERS behind the end of a request")
        if not ended:
            raise ProtocolError(400, "a second header section")
        self._reader.check_trailers(fields)
        self.peer_ended(stream)

    def _late(self, stream_id: int, block: bytes) -> None:
        """A field block for a stream that is closed (section 5.1)."""
        how = self.how_closed(stream_id)
        if how == SKIPPED:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "a stream with a number that is not higher")
        if how != RESET_BY_US:
            raise Http2ConnectionError(ErrorCode.STREAM_CLOSED, "HEADERS on a closed stream")
        self.allowance.spend(allowance.CHEAP, "frames on closed streams")
        with suppress(ProtocolError):
            self._decoder.decode(block, self._limits.header_section)

    def _turn_away(self, stream_id: int, ended: bool, error: ProtocolError, fields: list[tuple[bytes, bytes]]) -> None:
        """Answer a request that no application gets to see. A malformed one is a stream error (section 8.1.1)."""
        asked = dict(fields)
        method = asked.get(b":method", b"")
        size = self.answer(stream_id, self.initial_window, error, method == b"HEAD")
        head = b"%b %b HTTP/2" % (method, asked.get(b":path", b"")) if fields else b""
        self._host.refused(error, head, size)
        code: ErrorCode | None = None
        if error.status == 400:
            code = ErrorCode.PROTOCOL_ERROR
        elif self.blocked:
            code = ErrorCode.CANCEL  # nothing has answered it
        elif not ended:
            code = ErrorCode.NO_ERROR
        if code is not None:
            self._host.write(rst_stream(stream_id, code))
            self.note_closed(stream_id, RESET_BY_US)
        self.allowance.spend(allowance.LOST, "requests that are refused")


# As plain numbers: looking up a member of an enumeration takes time.
_OPEN, _HALF_CLOSED_LOCAL = int(State.OPEN), int(State.HALF_CLOSED_LOCAL)
