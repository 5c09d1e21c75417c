"""What goes out over a connection of HTTP/2: who may send, how much, and when (RFC 9113, section 5.2; RFC 9218).

What a stream has to send goes out at once where that is possible: the peer reads, both windows have room, and nobody
waits before it. What cannot waits in its stream, and ``pump`` sends it, frame by frame, in the order of the priorities.
"""

from __future__ import annotations

from typing import Final

from litmus.protocols.errors import ProtocolError
from litmus.protocols.http2.allowance import Allowance
from litmus.protocols.http2.encoder import EncodedField, Encoder
from litmus.protocols.http2.frames import (
    END_STREAM,
    FRAME_SIZE,
    WINDOW,
    Type,
    data_beginning,
    field_block,
    header,
    headers_beginning,
    word,
)
from litmus.protocols.http2.priority import Scheduler
from litmus.protocols.http2.response import date_field, header_section
from litmus.protocols.http2.stream import Carrier, Http2Stream, State
from litmus.protocols.machine import Host
from litmus.protocols.response import ERROR_HEADERS, error_body

QUEUED_MOST: Final = 32 << 10
"""Bytes of a response that wait before its application has to wait as well."""

QUEUED_LEAST: Final = 16 << 10
"""Bytes at which it may go on."""

WORTHWHILE: Final = 1 << 10
"""Bytes by which a window is opened, if it is more than play."""

TURN: Final = 512 << 10
"""Bytes that are sent before others get their turn."""


class Sender(Carrier):
    """The sending half of a connection.

    Args:
        host: the connection below.

    Attributes:
        allowance: the peer's.
        blocked: the peer does not read.
        answers: small WINDOW_UPDATE frames that may come for what was sent: two for each frame of content that left
            both windows open. None that goes to a peer who opens them byte by byte does.
        returnable: bytes of content that were sent and not answered yet, counted thrice: by two windows, and by PING.
        window: bytes of content that the peer has room for, on all streams together.
        initial_window: on a new one.
        sent: bytes of content that were sent.
        frame_size: bytes of payload in the largest frame that is sent.
    """

    __slots__ = (
        "_encoder",
        "_held",
        "_host",
        "_scheduler",
        "allowance",
        "answers",
        "blocked",
        "frame_size",
        "initial_window",
        "returnable",
        "sent",
        "window",
    )

    def __init__(self, host: Host) -> None:
        self._host = host
        self.allowance = Allowance(host)
        self.blocked = False
        self.window = WINDOW
        self.initial_window = WINDOW
        self.sent = 0
        self.answers = 0
        self.returnable = 0
        self.frame_size = FRAME_SIZE
        self._encoder = Encoder()
        self._scheduler = Scheduler()
        self._held: list[Http2Stream] = []

    # Carrier: what the streams call

    def date(self) -> bytes:
        """See ``Carrier.date``."""
        return self._host.date()

    def send_head(self, stream: Http2Stream, fields: tuple[EncodedField, ...], body: bytes, end: bool) -> None:
        """See ``Carrier.send_head``."""
        if self.blocked:
            stream.head = fields
            stream.enqueue(body)
            stream.ending = end
            self._hold(stream)
            return
        block = self._encoder.encode(fields)
        size = len(body)
        if not size:
            self._host.write(field_block(block, _END_STREAM if end else 0, stream.id, self.frame_size))
            if end:
                self.ended(stream)
        elif len(block) <= self.frame_size and self._fits(stream, size):
            self._account(stream, size)
            stream_id = word(stream.id)
            head = headers_beginning(len(block))
            data = data_beginning(size, end)
            self._host.write(b"".join((head, stream_id, block, data, stream_id, body)))
            if end:
                self.ended(stream)
        else:
            self._host.write(field_block(block, 0, stream.id, self.frame_size))
            self.send_data(stream, body, end)

    def send_interim(self, stream: Http2Stream, status: int, fields: tuple[EncodedField, ...]) -> None:
        """See ``Carrier.send_interim``. It is not worth waiting for a peer that does not read."""
        if not self.blocked:
            self._host.write(field_block(self._encoder.encode(fields), 0, stream.id, self.frame_size))
            self._host.interim(status)

    def send_data(self, stream: Http2Stream, data: bytes, end: bool) -> None:
        """See ``Carrier.send_data``."""
        if stream.state == _CLOSED:
            return  # writing its head found the connection gone
        size = len(data)
        if not self.blocked and not stream.queued and self._fits(stream, size):
            self._account(stream, size)
            self._host.write(header(size, _DATA, _END_STREAM if end else 0, stream.id) + data)
            if end:
                self.ended(stream)
            return
        stream.enqueue(data)
        stream.ending = end
        if self.blocked:
            self._hold(stream)
            return
        self.schedule(stream)
        self.pump()
        if stream.queued > _QUEUED_MOST:
            stream.blocked = True

    def send_trailers(self, stream: Http2Stream, fields: tuple[EncodedField, ...]) -> None:
        """See ``Carrier.send_trailers``."""
        stream.trailers = fields
        stream.ending = True
        if self.blocked:
            self._hold(stream)
        elif not stream.queued:
            self._end(stream)

    def ended(self, stream: Http2Stream) -> None:
        """END_STREAM was written."""
        raise NotImplementedError

    def stalled(self, stream: Http2Stream) -> None:
        """A stream has something to send, and a window is in the way."""
        raise NotImplementedError

    # What the receiving half calls

    def answer(self, stream_id: int, window: int, error: ProtocolError, is_head: bool) -> int:
        """Send an error response, if the peer reads. Returns how many bytes of content it has.

        ``window`` is that of the stream. Where it has no room, the status has to do.
        """
        if self.blocked:
            return 0
        body = error_body(error.status, error.reason)
        size = 0 if is_head or len(body) > min(window, self.window) else len(body)
        length = len(body) if is_head else size
        section = header_section(error.status, [*ERROR_HEADERS, (b"content-length", b"%d" % length)])
        block = self._encoder.encode((*section.fields, date_field(self._host.date())))
        frames = field_block(block, 0 if size else END_STREAM, stream_id, self.frame_size)
        if size:
            self.window -= size
            self.sent += size
            frames += header(size, _DATA, END_STREAM, stream_id) + body
        self._host.write(frames)
        return size

    def release(self) -> None:
        """The peer reads again: send what was held, as far as no window is in the way."""
        self.blocked = False
        held, self._held = self._held, []
        for stream in held:
            if stream.state != _CLOSED:
                self._release(stream)
        self.pump()

    def resize_windows(self, size: int, streams: list[Http2Stream]) -> None:
        """The peer's SETTINGS_INITIAL_WINDOW_SIZE is ``size`` from now on, for ``streams`` as well (section 6.9.2)."""
        for stream in streams:
            stream.window += size - self.initial_window
            if stream.window > 0:
                self.schedule(stream)
            else:
                self._scheduler.remove(stream)
                if stream.queued and stream.head is None:
                    self.stalled(stream)
        self.initial_window = size

    def schedule(self, stream: Http2Stream) -> None:
        """Enter a stream, if it has content to send, among those that do so as soon as there is room."""
        if stream.queued and stream.head is None:
            if stream.window > 0:
                self._scheduler.add(stream)
            else:
                self.stalled(stream)

    def reprioritize(self, stream: Http2Stream, priority: int) -> None:
        """A stream has another priority from now on."""
        scheduled = stream.scheduled
        self._scheduler.remove(stream)
        stream.priority = priority
        if scheduled:
            self._scheduler.add(stream)

    def forget(self, stream: Http2Stream) -> None:
        """A stream is closed."""
        self._scheduler.remove(stream)
        if stream in self._held:
            self._held.remove(stream)

    def pump(self) -> None:
        """Send content, a frame of the stream whose turn it is at a time."""
        left = _TURN
        while not self.blocked:
            stream = self._scheduler.next()
            if stream is None:
                return
            if self.window <= 0:
                for each in self._scheduler.streams():
                    self.stalled(each)
                return
            if left <= 0:
                self._host.again()
                return
            size = min(stream.queued, stream.window, self.window, self.frame_size)
            left -= size
            self._send_queued(stream, size)

    # Inside

    def _account(self, stream: Http2Stream, size: int) -> None:
        """Content is about to be sent on a stream."""
        stream.window -= size
        stream.sent += size
        self.window -= size
        self.sent += size
        self.returnable += 3 * size
        if stream.window >= _WORTHWHILE and self.window >= _WORTHWHILE:
            self.answers += 2

    def _fits(self, stream: Http2Stream, size: int) -> bool:
        """Whether content can go out as one frame now, and nobody has to go before it."""
        if not size:
            return True
        room = size <= self.frame_size and size <= self.window and size <= stream.window
        return room and not self._scheduler.is_busy()

    def _hold(self, stream: Http2Stream) -> None:
        """The peer does not read: what the stream has to send waits until it does."""
        self._scheduler.remove(stream)
        if stream not in self._held:
            self._held.append(stream)
        if stream.queued > _QUEUED_MOST:
            stream.blocked = True

    def _release(self, stream: Http2Stream) -> None:
        fields = stream.head
        if fields is not None:
            stream.head = None
            alone = stream.ending and not stream.queued and stream.trailers is None
            block = self._encoder.encode(fields)
            self._host.write(field_block(block, END_STREAM if alone else 0, stream.id, self.frame_size))
            if alone:
                self.ended(stream)
                return
        if stream.queued:
            self.schedule(stream)
        else:
            self._end(stream)

    def _send_queued(self, stream: Http2Stream, size: int) -> None:
        """Send a frame of a stream's content, and the end of the stream if that is next."""
        data = stream.dequeue(size)
        self._account(stream, size)
        last = not stream.queued and stream.ending and stream.trailers is None
        self._host.write(header(size, _DATA, _END_STREAM if last else 0, stream.id) + data)
        if stream.state == _CLOSED:
            return  # writing found the connection gone
        if not stream.queued:
            self._scheduler.remove(stream)
            if stream.stall is not None:
                self._host.disarm(stream.stall)
                stream.stall = None
            if last:
                self.ended(stream)
                return
            self._end(stream)
        elif stream.window <= 0:
            self._scheduler.remove(stream)
            self.stalled(stream)
        if stream.blocked and stream.queued <= QUEUED_LEAST:
            stream.blocked = False
            if stream.sink is not None:
                stream.sink.unblocked()

    def _end(self, stream: Http2Stream) -> None:
        """Nothing of a stream's content waits any more: send its end, if that is next."""
        fields = stream.trailers
        if fields is not None:
            stream.trailers = None
            self._host.write(field_block(self._encoder.encode(fields), END_STREAM, stream.id, self.frame_size))
            self.ended(stream)
        elif stream.ending:
            self._host.write(header(0, _DATA, _END_STREAM, stream.id))
            self.ended(stream)


# What another module has is an object: these are numbers, for the code above.
_DATA: Final = int(Type.DATA)
_END_STREAM: Final = END_STREAM
_QUEUED_MOST, _TURN, _WORTHWHILE = QUEUED_MOST, TURN, WORTHWHILE
_CLOSED: Final = int(State.CLOSED)
