"""The HTTP/2 machine (RFC 9113): one connection, and the frames that arrive over it.

It is made in layers. ``Sender`` (``sending.py``) knows who may send, how much, and when; ``Streams`` (``streams.py``)
what becomes of streams and their content; ``Requests`` (``requests.py``) what field blocks ask for; and ``Http2``,
here, reads the frames, keeps what concerns the connection as a whole, and is its machine.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

from litmus.memory.lease import Lease
from litmus.protocols.errors import ProtocolError
from litmus.protocols.http2 import allowance
from litmus.protocols.http2.errors import (
    ErrorCode,
    Flooded,
    HpackError,
    Http2ConnectionError,
    Http2StreamError,
)
from litmus.protocols.http2.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    FRAME_SIZE,
    HEADER_SIZE,
    LARGEST_STREAM,
    LARGEST_WINDOW,
    PADDED,
    PREFACE,
    PRIORITY,
    SETTINGS_ACK,
    WINDOW,
    Setting,
    Type,
    goaway,
    parameters,
    ping,
    settings,
    window_update,
)
from litmus.protocols.http2.request import RequestReader
from litmus.protocols.http2.requests import Requests
from litmus.protocols.http2.sending import WORTHWHILE
from litmus.protocols.http2.stream import Carrier, State
from litmus.protocols.http2.streams import READING, RESET_BY_US
from litmus.protocols.limits import Limits
from litmus.protocols.machine import Deadline, Host, Machine, Sink, Timer
from litmus.protocols.request import Request
from litmus.units import count


class Phase(IntEnum):
    """How far a connection is. Each leads to one of those behind it."""

    PREFACE = 0  # the client's preface has not come
    SETTINGS = 1  # nor its first frame
    OPEN = 2
    CLOSING = 3  # GOAWAY has told the last stream that is served; those that there are go on
    LINGER = 4  # we have finished sending; what still arrives is dropped, so that no reset destroys our last words
    CLOSED = 5


_PREFACE, _SETTINGS, _OPEN, _CLOSING, _LINGER, _CLOSED = map(int, Phase)

FRAGMENTS: Final = 64
"""Frames that a field block may come in."""

FRAME_SIZE_SENT: Final = 64 << 10
"""Bytes in the largest frame that is sent, however large the peer takes them: others must get their turn."""

_PROBED: Final = 16 << 10
"""Bytes of content that are worth a PING: some clients measure so how much they should have on its way."""

_GLANCE: Final = 4 << 10
"""Bytes that are looked at in one piece. Most frames are small, and many of them come at once."""

_DRAIN_PING: Final = b"draining"


class Http2(Requests):
    """One HTTP/2 connection: the machine, and what its streams are carried by.

    Args:
        host: the connection below.
        reader: the worker's.
        limits: what the peer may demand.
        extended: whether the extended CONNECT method is offered (RFC 8441).
    """

    __slots__ = (
        "_adopted",
        "_behind",
        "_block",
        "_block_flags",
        "_block_size",
        "_block_stream",
        "_drain_alarm",
        "_draining",
        "_greeted",
        "_partial",
        "_phase",
        "_running",
        "_settings_alarm",
        "hungry",
        "lease",
    )

    def __init__(self, host: Host, reader: RequestReader, limits: Limits, extended: bool = False) -> None:
        super().__init__(host, reader, limits, extended)
        self.hungry = True
        self.lease: Lease | None = None
        self._phase: int = _PREFACE
        self._running = False
        self._partial = False
        self._greeted = False
        self._draining = False
        self._behind = False  # frames are there that wait for the next turn
        self._settings_alarm: _Alarm | None = None
        self._drain_alarm: _Alarm | None = None
        self._block: list[bytes] | None = None
        self._block_stream = 0
        self._block_flags = 0
        self._block_size = 0
        self._adopted: tuple[Request, list[tuple[int, int]], bytes] | None = None

    def adopt(self, request: Request, settings: list[tuple[int, int]], content: bytes) -> None:
        """Begin with a request that has come over HTTP/1.1, on stream 1 (RFC 7540, section 3.2).

        Args:
            request: as if it had come over HTTP/2.
            settings: the client's first parameters.
            content: all of it.
        """
        self._adopted = (request, settings, content)
        self.room -= len(content)  # as if it had come in DATA: it is given back when it was read

    @property
    def phase(self) -> Phase:
        """How far the connection is."""
        return Phase(self._phase)

    @property
    def deadline(self) -> int:
        """The deadline of the present phase, or what is in its place. Streams have deadlines of their own."""
        phase = self._phase
        if not self._greeted and phase == _PREFACE:
            return Deadline.DRAIN if self._draining else Deadline.FIRST_BYTE
        if phase == _PREFACE or phase == _SETTINGS:
            return Deadline.HEAD
        if phase == _LINGER:
            return Deadline.LINGER
        if phase == _CLOSED:
            return Deadline.NONE
        if self.blocked:
            return Deadline.WRITE
        if self._block is not None:
            return Deadline.HEAD
        if self.streams:
            return Deadline.NONE
        if self._draining:
            return Deadline.DRAIN
        return Deadline.KEEP_ALIVE if self.requests else Deadline.FIRST_BYTE

    # Machine: what the connection below calls

    def received(self, lease: Lease) -> Machine | None:
        """See ``Machine.received``. Reads all frames that are there whole, then sends what has its turn."""
        self.lease = lease
        behind, self._behind = self._behind, False
        self.burst = 0
        self._running = True
        try:
            self._read(lease)
        except HpackError as error:
            self._broken(ErrorCode.COMPRESSION_ERROR, str(error))
        except Flooded as error:
            self._flooded(error.reason)
        except Http2ConnectionError as error:
            self._broken(error.code, error.reason)
        finally:
            self._running = False
        if self._phase == _LINGER:
            lease.start = lease.end
        self._partial = lease.start < lease.end
        if behind and self.half_closed and not self._behind:
            self._peer_finished()
        if self.streams:
            self.pump()
        self._settle()
        return self if self._phase != _CLOSED else None

    def eof(self) -> Machine | None:
        """The peer has finished sending: requests that have come whole are answered."""
        self.half_closed = True
        if not self._behind:
            self._peer_finished()
        self._settle()
        return self if self._phase != _CLOSED else None

    def lost(self) -> None:
        """The connection is gone, and all streams with it."""
        self._cut()

    def drain(self) -> None:
        """See ``Machine.drain``. GOAWAY goes in two steps: no request is lost that is on its way (section 6.8)."""
        self._draining = True
        if self._phase == _OPEN:
            self._host.write(goaway(LARGEST_STREAM, ErrorCode.NO_ERROR, "draining") + ping(_DRAIN_PING))
            self._drain_alarm = _Alarm(self, self._drain_overdue)
            self._host.arm(self._drain_alarm, Deadline.DRAIN)

    def drained(self) -> list[tuple[Sink | None, int]]:
        """See ``Machine.drained``."""
        unread: list[tuple[Sink | None, int]] = []
        for stream in list(self.streams.values()):
            if stream.queued or (stream.ending and stream.sink is not None):
                unread.append((None if stream.tunnel else stream.sink, stream.queued))
                self.cut(stream)
        return unread

    def output_blocked(self) -> None:
        """See ``Machine.output_blocked``."""
        self.blocked = True

    def output_unblocked(self) -> None:
        """See ``Machine.output_unblocked``."""
        self.release()
        for stream in list(self.streams.values()):
            if stream.waiting and stream.must_continue:
                self.wanted(stream)

    def expired(self) -> Machine | None:
        """See ``Machine.expired``."""
        phase = self._phase
        if phase == _OPEN or phase == _CLOSING:
            if self.blocked:
                return self  # the peer has read everything in this very moment
            if self._block is not None or self._partial:
                self._flooded("a frame or a field block that does not end")
            elif not self.streams:
                self._host.write(goaway(self.last, ErrorCode.NO_ERROR, "nothing is under way"))
                self._cut()
        else:
            self._cut()
        return self if self._phase != _CLOSED else None

    # Streams: what becomes of the connection

    def emptied(self) -> None:
        """See ``Streams.emptied``."""
        if not self._running:
            self._settle()
            self._host.wake()

    # Inside: the connection

    def _greet(self) -> None:
        """Send our preface: SETTINGS, and the room in the connection's window (section 3.4)."""
        self._greeted = True
        values = {
            Setting.MAX_CONCURRENT_STREAMS: self._limits.streams,
            Setting.MAX_HEADER_LIST_SIZE: self._limits.header_section,
            Setting.NO_RFC7540_PRIORITIES: 1,
        }
        if self._limits.window != WINDOW:
            values[Setting.INITIAL_WINDOW_SIZE] = self._limits.window
        if self.extended:
            values[Setting.ENABLE_CONNECT_PROTOCOL] = 1
        self._host.write(settings(values) + window_update(0, self.room - WINDOW))
        self._settings_alarm = _Alarm(self, self._settings_overdue)
        self._host.arm(self._settings_alarm, Deadline.HEAD)

    def _settings_overdue(self) -> None:
        """The peer has not acknowledged our SETTINGS (section 6.5.3)."""
        self._broken(ErrorCode.SETTINGS_TIMEOUT, "SETTINGS were not acknowledged")
        self._host.wake()

    def _drain_overdue(self) -> None:
        """The peer has not said that it knows of the drain: what it asks for from now on is not served."""
        self._close("draining")
        self._host.wake()

    def _broken(self, code: ErrorCode, reason: str) -> None:
        self._host.failed(f"{reason} ({code.name})")
        self._fail(code, reason)

    def _flooded(self, reason: str) -> None:
        self._host.flooded(reason)
        self._fail(ErrorCode.ENHANCE_YOUR_CALM, reason)

    def _fail(self, code: ErrorCode, reason: str) -> None:
        """A connection error (section 5.4.1)."""
        if self._phase < _LINGER:
            self._host.write(goaway(self.last, code, reason))
            self._linger(at_fault=True)

    def _close(self, reason: str) -> None:
        """Take no more requests, and end when those that there are have been answered (section 6.8)."""
        if self._phase == _OPEN:
            self._phase = _CLOSING
            self.closing = True
            self._host.write(goaway(self.last, ErrorCode.NO_ERROR, reason))

    def _peer_finished(self) -> None:
        """Requests that have not come whole never will."""
        for stream in list(self.streams.values()):
            if stream.state != _HALF_CLOSED_REMOTE or (stream.queued and min(stream.window, self.window) <= 0):
                self.lose(stream)
            elif stream.sink is not None:
                stream.sink.peer_finished()

    def _settle(self) -> None:
        """See whether the connection has come to its end."""
        if not self.streams and not self._behind:
            if self.half_closed:
                self._cut()
            elif self._phase == _CLOSING:
                self._linger()

    def _linger(self, at_fault: bool = False) -> None:
        """Our last frame was written."""
        self._phase = _LINGER
        self._give_up(at_fault)
        self._host.end_output()

    def _cut(self) -> None:
        """End of the connection, in whatever phase."""
        self._phase = _CLOSED
        self._give_up()

    def _give_up(self, at_fault: bool = False) -> None:
        """Nothing is served any more; ``at_fault``: because of what the peer has done."""
        self.receiving = False
        self._host.disarm(self.allowance)
        for alarm in (self._settings_alarm, self._drain_alarm):
            if alarm is not None:
                self._host.disarm(alarm)
        self._settings_alarm = self._drain_alarm = None  # they hold this
        self._block = None
        for stream in list(self.streams.values()):
            self.lose(stream, at_fault)

    # Inside: what arrives

    def _read(self, lease: Lease) -> None:
        """Read the frames that are there whole."""
        if not self._greeted:
            self._greet()
        if self._adopted is not None:
            self._serve_adopted()
        if self._phase == _PREFACE and not self._read_preface(lease):
            return
        while self._phase < _LINGER:
            data = lease.peek(_GLANCE)
            end = len(data)
            at = 0
            size = 0
            while self._phase < _LINGER and at + _HEADER_SIZE <= end:
                size = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
                if size > _FRAME_SIZE:
                    raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {count(size, 'byte')}")
                if at + _HEADER_SIZE + size > end:
                    break
                if self._had_its_turn():
                    return
                kind = data[at + 3]
                flags = data[at + 4]
                stream = (data[at + 5] & 0x7F) << 24 | data[at + 6] << 16 | data[at + 7] << 8 | data[at + 8]
                payload = data[at + _HEADER_SIZE : at + _HEADER_SIZE + size]
                at += _HEADER_SIZE + size
                lease.start += _HEADER_SIZE + size
                self._frame(kind, flags, stream, payload)
            if self._phase >= _LINGER:
                return
            if at:
                if lease.start == lease.end:
                    return
                continue
            # The frame that begins here is larger than a glance, or has not come whole.
            if end < _HEADER_SIZE or lease.end - lease.start < _HEADER_SIZE + size:
                return
            if self._had_its_turn():
                return
            stream = (data[5] & 0x7F) << 24 | data[6] << 16 | data[7] << 8 | data[8]
            lease.start += _HEADER_SIZE
            self._frame(data[3], data[4], stream, lease.take(size))

    def _had_its_turn(self) -> bool:
        """Whether it has brought as many requests as are answered before others get their turn."""
        if not 0 < self._limits.pipelined <= self.burst:
            return False
        self._behind = True
        self._host.again()
        return True

    def _serve_adopted(self) -> None:
        """Serve the request that the connection begins with."""
        assert self._adopted is not None
        request, settings, content = self._adopted
        self._adopted = None
        self._apply(settings)
        self.serve(1, request, True, content)

    def _read_preface(self, lease: Lease) -> bool:
        """Returns whether the client's preface has come whole (section 3.4)."""
        start = lease.peek(len(PREFACE))
        if not PREFACE.startswith(start):
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "not the preface of HTTP/2")
        if len(start) < len(PREFACE):
            return False
        lease.start += len(PREFACE)
        self._phase = _SETTINGS
        return True

    def _frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        """A frame has come. Its payload is no longer than we take."""
        if self._phase == _SETTINGS:
            if kind != _SETTINGS_FRAME or flags & _ACK:
                raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS")
            self._phase = _OPEN
            if self._draining:
                self.drain()  # once more: there was nobody to be told
        if self._block is not None and (kind != _CONTINUATION or stream_id != self._block_stream):
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "another frame within a field block")
        try:
            if kind == _HEADERS:
                self._headers(flags, stream_id, payload)
            elif kind == _DATA:
                self._data(flags, stream_id, payload)
            elif kind == _WINDOW_UPDATE:
                self._window_update(stream_id, payload)
            elif kind == _RST_STREAM:
                self._rst_stream(stream_id, payload)
            elif kind == _SETTINGS_FRAME:
                self._settings(flags, stream_id, payload)
            elif kind == _PING:
                self._ping(flags, stream_id, payload)
            elif kind == _CONTINUATION:
                self._continuation(flags, stream_id, payload)
            elif kind == _PRIORITY_UPDATE:
                self._priority_update(stream_id, payload)
            elif kind == _PRIORITY:
                self._priority(stream_id, payload)
            elif kind == _PUSH_PROMISE:
                raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE from a client")
            elif kind == _GOAWAY:
                self._goaway(stream_id, payload)
            else:
                self.allowance.spend(_CHEAP, "frames of a type that is not known")  # ignored (section 4.1)
        except Http2StreamError as error:
            self.breach(stream_id, error)
        except ProtocolError as error:
            stream = self.streams.get(stream_id)
            if stream is not None:  # else writing found the connection gone
                self.malformed(stream, error)

    def _headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        """HEADERS (section 6.2). Its priority is that of RFC 7540, and ignored."""
        if not stream_id:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "HEADERS on stream 0")
        if flags & (_PADDED | _PRIORITY_FLAG):
            start = 0
            if flags & _PRIORITY_FLAG:
                start = 5
            payload = _unpadded(flags, payload, start)[start:]
        if flags & _END_HEADERS:
            self._take_block(flags, stream_id, payload)
            return
        self._block = [payload]
        self._block_stream = stream_id
        self._block_flags = flags
        self._block_size = len(payload)

    def _continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        """CONTINUATION (section 6.10)."""
        block = self._block
        if block is None:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "CONTINUATION without a field block")
        block.append(payload)
        self._block_size += len(payload)
        if len(block) > FRAGMENTS or self._block_size > 2 * self._limits.header_section:
            raise Flooded("a field block that does not end")
        if flags & _END_HEADERS:
            self._block = None
            self._take_block(self._block_flags, stream_id, b"".join(block))

    def _take_block(self, flags: int, stream_id: int, block: bytes) -> None:
        """A field block has come whole."""
        self.field_block(stream_id, flags & _END_STREAM != 0, block)
        self._count_requests()

    def _count_requests(self) -> None:
        """See whether the connection has brought as many as it may."""
        if 0 < self._limits.requests <= self.requests:
            self._close("the last request of this connection")

    def _data(self, flags: int, stream_id: int, payload: bytes) -> None:
        """DATA (section 6.1). Padding counts for the windows (section 6.9.1), and is given back at once."""
        size = len(payload)
        if size > self.room:
            raise Http2ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "more DATA than the connection's window")
        self.room -= size
        if flags & _PADDED:
            payload = _unpadded(flags, payload, 0)
        stream = self.streams.get(stream_id)
        if stream is None:
            self.credit(size)
            self._check_begun(stream_id, "DATA")
            self.allowance.spend(_CHEAP, "DATA on closed streams")
            if stream_id <= self.last and self.how_closed(stream_id) != RESET_BY_US:
                raise Http2StreamError(ErrorCode.STREAM_CLOSED, "DATA on a closed stream")
            return
        ended = flags & _END_STREAM != 0
        if not payload and not ended:
            self.allowance.spend(_CHEAP if size else _WASTED, "empty DATA")
        self.content(stream, payload, size, ended)

    def _rst_stream(self, stream_id: int, payload: bytes) -> None:
        """RST_STREAM (section 6.4). Cheap to send, and what was done for the request was for nothing."""
        if len(payload) != 4:
            raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM of a wrong size")
        self._check_begun(stream_id, "RST_STREAM")
        stream = self.streams.get(stream_id)
        # That its response has gone already is no merit of the peer's: it has to cost more than that has earned.
        self.allowance.spend(_LOST + _CHEAP, "requests that are reset")
        if stream is None:
            return
        self.peer_reset(stream)

    def _settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        """SETTINGS (section 6.5)."""
        if stream_id:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream")
        values = parameters(payload)
        if flags & _ACK:
            if values:
                raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "an acknowledgement of SETTINGS with some")
            self.allowance.spend(_CHEAP, "SETTINGS")
            if not self.acknowledged:
                if self._settings_alarm is not None:
                    self._host.disarm(self._settings_alarm)
                self.acknowledge()
            return
        self.allowance.spend(_WASTED + len(values), "SETTINGS")
        self._apply(values)
        self._host.write(SETTINGS_ACK)
        self._count_requests()  # the connection may have begun with one

    def _apply(self, values: list[tuple[int, int]]) -> None:
        """Parameters of the peer's. Those that are not known are ignored (section 6.5.2)."""
        windows = []
        for setting, value in values:
            if setting == Setting.HEADER_TABLE_SIZE:
                self._encoder.resize(value)
            elif setting == Setting.INITIAL_WINDOW_SIZE:
                windows.append(value)
            elif setting == Setting.MAX_FRAME_SIZE:
                self.frame_size = min(value, FRAME_SIZE_SENT)
        if windows:
            # Each of them would change the windows of all streams: only the largest can go wrong, only the last stays.
            widest = max((stream.window for stream in self.streams.values()), default=0)
            if widest + max(windows) - self.initial_window > LARGEST_WINDOW:
                raise Http2ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "a stream's window too large")
            self.resize_windows(windows[-1], list(self.streams.values()))

    def _ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        """PING (section 6.7)."""
        if stream_id:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "PING on a stream")
        if len(payload) != 8:
            raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "PING of a wrong size")
        if not self._is_paid_for(_PROBED):
            self.allowance.spend(_CHEAP, "PING")
        if not flags & _ACK:
            self._host.write(ping(payload, ACK))
        elif payload == READING:
            self.has_read()
        elif self._draining and payload == _DRAIN_PING:
            self._close("draining")

    def _goaway(self, stream_id: int, payload: bytes) -> None:
        """GOAWAY (section 6.8): the peer opens no more streams, and may wait for those that there are."""
        if stream_id:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream")
        if len(payload) < 8:
            raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY of a wrong size")
        self.allowance.spend(_CHEAP, "GOAWAY")

    def _window_update(self, stream_id: int, payload: bytes) -> None:
        """WINDOW_UPDATE (section 6.9)."""
        if len(payload) != 4:
            raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE of a wrong size")
        size = int.from_bytes(payload, "big") & 0x7FFFFFFF
        if not (size >= _WORTHWHILE or self._is_answer()) or not self._is_paid_for(size):
            self.allowance.spend(_CHEAP, "WINDOW_UPDATE")
        if not stream_id:
            if not size:
                raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE by nothing")
            self.window += size
            if self.window > LARGEST_WINDOW:
                raise Http2ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window too large")
            return
        self._check_begun(stream_id, "WINDOW_UPDATE")
        stream = self.streams.get(stream_id)
        if stream is None:
            return  # it was on its way when the stream was closed
        if not size:
            raise Http2StreamError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE by nothing")
        stream.window += size
        if stream.window > LARGEST_WINDOW:
            raise Http2StreamError(ErrorCode.FLOW_CONTROL_ERROR, "the stream's window too large")
        self.schedule(stream)

    def _priority(self, stream_id: int, payload: bytes) -> None:
        """PRIORITY (section 6.3): deprecated, and ignored."""
        if not stream_id:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "PRIORITY on stream 0")
        self.allowance.spend(_CHEAP, "PRIORITY")
        if len(payload) != 5:
            idle = stream_id > self.last or not stream_id & 1  # and cannot be reset
            error = Http2ConnectionError if idle else Http2StreamError
            raise error(ErrorCode.FRAME_SIZE_ERROR, "PRIORITY of a wrong size")

    def _priority_update(self, stream_id: int, payload: bytes) -> None:
        """PRIORITY_UPDATE (RFC 9218, section 7.1): of a stream that there is, or that is about to come."""
        self.allowance.spend(_CHEAP, "PRIORITY_UPDATE")
        if stream_id:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "PRIORITY_UPDATE on a stream")
        if len(payload) < 4:
            raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "PRIORITY_UPDATE of a wrong size")
        target = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        if not target & 1:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "PRIORITY_UPDATE of no stream of a client's")
        self.prioritize(target, payload[4:])

    def _is_answer(self) -> bool:
        """Whether a small frame was sent for which a small WINDOW_UPDATE may come."""
        if not self.answers:
            return False
        self.answers -= 1
        return True

    def _is_paid_for(self, size: int) -> bool:
        """Whether so much content was sent that a frame which goes with it is of use."""
        if size > self.returnable:
            return False
        self.returnable -= size
        return True

    def _check_begun(self, stream_id: int, what: str) -> None:
        """Frames other than HEADERS and PRIORITY are for streams that were opened (section 5.1).

        Behind GOAWAY nobody keeps account of those that are not served.
        """
        if not stream_id & 1 or (stream_id > self.last and not self.closing):
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, f"{what} on a stream that is idle, or stream 0")


class _Alarm(Timer):
    """For what the peer has to acknowledge in time."""

    __slots__ = ("_carrier", "_overdue")

    def __init__(self, carrier: Carrier, overdue: Callable[[], None]) -> None:
        super().__init__()
        self._carrier = carrier
        self._overdue = overdue

    def expire(self) -> None:
        if not self._carrier.is_late(self):
            self._overdue()


def _unpadded(flags: int, payload: bytes, least: int) -> bytes:
    """A payload without its padding (section 6.1), of which ``least`` bytes are something else than content."""
    padding = 0
    if flags & _PADDED:
        if not payload:
            raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "a frame without its Pad Length")
        padding = payload[0]
        payload = payload[1:]
    if len(payload) < least:
        raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "HEADERS without its priority")
    if padding > len(payload) - least:
        raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "more padding than payload")
    return payload[: len(payload) - padding]


# What another module has is an object: these are numbers, for the code above.
_DATA, _HEADERS, _PRIORITY, _RST_STREAM, _SETTINGS_FRAME, _PUSH_PROMISE, _PING, _GOAWAY, _WINDOW_UPDATE = range(9)
_CONTINUATION, _PRIORITY_UPDATE = int(Type.CONTINUATION), int(Type.PRIORITY_UPDATE)
_ACK, _END_STREAM, _END_HEADERS, _PADDED, _PRIORITY_FLAG = ACK, END_STREAM, END_HEADERS, PADDED, PRIORITY
_HEADER_SIZE, _FRAME_SIZE, _WORTHWHILE = HEADER_SIZE, FRAME_SIZE, WORTHWHILE
_HALF_CLOSED_REMOTE: Final = int(State.HALF_CLOSED_REMOTE)
_CHEAP, _WASTED, _LOST = allowance.CHEAP, allowance.WASTED, allowance.LOST
