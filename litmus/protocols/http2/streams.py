"""The streams of a connection, from request to end: content that arrives, deadlines, refusals, and closed streams.

Content is held by its stream until the application asks for it, and the window of the connection is as large as those
of all its streams together: so a stream whose application does not read never holds up another.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from litmus.protocols.errors import ProtocolError
from litmus.protocols.http2 import allowance
from litmus.protocols.http2.encoder import status_field
from litmus.protocols.http2.errors import ErrorCode, Http2StreamError
from litmus.protocols.http2.frames import LARGEST_WINDOW, WINDOW, ping, rst_stream, window_update
from litmus.protocols.http2.sending import Sender
from litmus.protocols.http2.stream import Event, Http2Stream, Stall, State
from litmus.protocols.limits import Limits
from litmus.protocols.machine import Deadline, Host, Timer
from litmus.units import count

SPARE: Final = 1 << 20
"""Bytes by which the windows of a connection's streams may grow, all together, where applications read fast."""

CREDIT: Final = 256 << 10
"""Bytes that were consumed before the connection's window is given back. It is larger by as much, so that streams full
of content that nobody reads leave it room for all others."""

DISCARDED: Final = 256 << 10
"""Bytes of a request's content that nobody wants, and that are worth receiving rather than to reset the stream."""

READING: Final = b"reading?"
"""What is in a PING that asks whether the peer has read what was sent before."""

PATIENCE: Final = 8
"""Times ``Deadline.STALL`` that it may take to do so. That is a window of 64 KiB, at a few hundred bytes a second."""

PROGRESS: Final = 1 << 10
"""Bytes of content that a peer makes room for in each ``Deadline.STALL``, if it wants them at all."""

REMEMBERED: Final = 256
"""Closed streams of which it is remembered how that came, in each of two generations; and runs of skipped ones."""

ENDED, RESET_BY_PEER, RESET_BY_US, SKIPPED = range(4)
"""How a stream was closed: by both ends, by one side, or because a later one was opened (section 5.1.1)."""


class Streams(Sender):
    """The streams of a connection.

    Args:
        host: the connection below.
        limits: what the peer may demand.

    Attributes:
        streams: those that are not closed, by their identifiers.
        room: bytes of content that the peer may send now, on all of them together.
        granted: bytes that it may send when everything was consumed.
        half_closed: the peer has finished sending; nothing that it would have to say can come any more.
        receiving: what arrives is for streams.
    """

    __slots__ = (
        "_answered",
        "_asked",
        "_closed",
        "_closed_before",
        "_limits",
        "_skipped",
        "_spare",
        "_taken",
        "granted",
        "half_closed",
        "receiving",
        "room",
        "streams",
    )

    def __init__(self, host: Host, limits: Limits) -> None:
        super().__init__(host)
        self._limits = limits
        self.streams: dict[int, Http2Stream] = {}
        self.granted = max(WINDOW, min(limits.streams * limits.window + SPARE + CREDIT, LARGEST_WINDOW))
        self.room = self.granted
        self.half_closed = False
        self.receiving = True
        self._taken = 0
        self._spare = SPARE
        self._asked = 0
        self._answered = 0
        self._closed: dict[int, int] = {}
        self._closed_before: dict[int, int] = {}
        self._skipped: deque[range] = deque(maxlen=REMEMBERED)

    def emptied(self) -> None:
        """The last stream is closed."""
        raise NotImplementedError

    # Carrier: what the streams call about what they receive

    def wanted(self, stream: Http2Stream) -> None:
        """See ``Carrier.wanted``."""
        if stream.must_continue and not self.blocked:
            stream.must_continue = False
            self.send_interim(stream, 100, (status_field(100),))
        if not stream.due and not stream.tunnel:
            stream.progress = 0
            self._host.arm(stream, Deadline.BODY)

    def consumed(self, stream: Http2Stream, size: int) -> None:
        """See ``Carrier.consumed``. Content that is taken as it comes may be waiting for a window: that grows."""
        self.credit(size)
        if stream.state == _OPEN:
            stream.taken += size
            if 2 * stream.taken >= stream.granted:
                more = min(stream.granted, self._spare)
                self._spare -= more
                stream.granted += more
                self._grant(stream, stream.taken + more)

    def cut(self, stream: Http2Stream) -> None:
        """See ``Carrier.cut``."""
        self.reset(stream, ErrorCode.INTERNAL_ERROR)

    def is_late(self, timer: Timer | Http2Stream) -> bool:
        """See ``Carrier.is_late``."""
        return self._host.is_late(timer)

    def overdue(self, stream: Http2Stream) -> None:
        """See ``Carrier.overdue``: content does not come, or nobody wants it any more."""
        state = stream.state
        if state == _HALF_CLOSED_LOCAL:
            self.reset(stream, ErrorCode.NO_ERROR)
            return
        if stream.waiting and state == _OPEN:
            if stream.progress < self._limits.body_progress:
                self.refuse(stream, ProtocolError(408, "the request body comes too slowly"), ErrorCode.NO_ERROR)
            else:
                stream.progress = 0
                self._host.arm(stream, Deadline.BODY)

    def stuck(self, stream: Http2Stream, stall: Stall) -> None:
        """See ``Carrier.stuck``. Content may go at last, or wait behind others', which is no fault of its peer's.

        A peer that gives room byte by byte, to have a stream for ever, is taken for one that gives none.
        """
        if not stream.queued:
            return
        shut = stream.window <= 0
        if not (shut or self.window <= 0) or (
            self.sent - stall.all_sent >= PROGRESS and not (shut and stall.own and stream.sent - stall.sent < PROGRESS)
        ):
            self.stalled(stream)
        elif not stall.asked:
            # It may still be reading what lies in the buffers on the way to it.
            if self._answered == self._asked:
                self._asked += 1
                self._host.write(ping(READING))
            stall.asked = self._asked
            self._host.arm(stall, Deadline.STALL)
        elif self._answered < stall.asked and stall.waits < PATIENCE:
            stall.waits += 1
            self._host.arm(stall, Deadline.STALL)
        else:
            if stream.sink is not None:
                stream.sink.refused(ProtocolError(408, "the client makes no room for it"), -1)
            self._host.unread()
            self.reset(stream, ErrorCode.CANCEL)

    def has_read(self) -> None:
        """The peer has answered the latest ``READING``: it has read all that was sent before."""
        self._answered = self._asked

    # Sender: what becomes of streams that send

    def ended(self, stream: Http2Stream) -> None:
        """See ``Sender.ended``."""
        if stream.state == _CLOSED:
            return  # writing found the connection gone
        stream.move(_OUR_END)
        stream.sink = None
        self.allowance.earn(_RESPONSE)
        self.credit(stream.unread())
        stream.drop()
        if stream.state == _CLOSED:
            self._remove(stream, _ENDED, False)
            return
        # The whole response, and not the whole request: what still comes of it is dropped, or called off (section 8.1).
        if stream.must_continue or stream.expected - stream.received > DISCARDED:
            self.reset(stream, ErrorCode.NO_ERROR)
            return
        stream.progress = 0
        if stream.granted > stream.room:
            self._grant(stream, stream.granted - stream.room)
        self._host.arm(stream, Deadline.LINGER)

    def stalled(self, stream: Http2Stream) -> None:
        """See ``Sender.stalled``. It is not for ever, and not at all when no WINDOW_UPDATE can come any more."""
        if self.half_closed:
            self.lose(stream)
        elif stream.stall is None or not stream.stall.due:
            stream.stall = Stall(self, stream, self.sent)
            self._host.arm(stream.stall, Deadline.STALL)

    # What arrives

    def content(self, stream: Http2Stream, content: bytes, size: int, ended: bool) -> None:
        """Content has come for a stream, in a frame with a payload of ``size`` bytes, which is what windows count.

        Raises ProtocolError when the request is malformed, Http2StreamError for content that must not come.
        """
        state = stream.state
        if state != _OPEN and state != _HALF_CLOSED_LOCAL:
            self.credit(size)
            raise Http2StreamError(ErrorCode.STREAM_CLOSED, "DATA behind the end of a request")
        if size > stream.room:
            self.credit(size)
            raise Http2StreamError(ErrorCode.FLOW_CONTROL_ERROR, "more DATA than the stream's window")
        stream.room -= size
        length = len(content)
        if length < size:
            self.consumed(stream, size - length)  # padding is, at once
        stream.received += length
        stream.progress += length
        if stream.received > stream.expected >= 0:
            self.credit(length)
            raise ProtocolError(400, "more content than Content-Length says")
        if state == _HALF_CLOSED_LOCAL:
            self.credit(length)
            if ended:
                self.peer_ended(stream)
            elif stream.progress > DISCARDED:
                self.reset(stream, ErrorCode.NO_ERROR)
            elif stream.room < stream.granted:
                self._grant(stream, stream.granted - stream.room)
            return
        if stream.received > stream.limit > 0:
            self.credit(length)
            self.allowance.spend(allowance.LOST, "requests that are refused")
            error = ProtocolError(413, f"the body is longer than {count(stream.limit, 'byte')}")
            self.refuse(stream, error, ErrorCode.NO_ERROR)
            return
        if length:
            stream.must_continue = False
            stream.deliver(content)
        if ended:
            self.peer_ended(stream)
        elif length and stream.sink is not None:
            stream.sink.body_arrived()

    def peer_ended(self, stream: Http2Stream) -> None:
        """The request has come whole. Raises ProtocolError when it has not."""
        if stream.state == _CLOSED:
            return  # writing found the connection gone
        if stream.received != stream.expected >= 0:
            raise ProtocolError(400, "less content than Content-Length says")
        stream.move(Event.PEER_END)
        stream.must_continue = False
        if stream.state == _CLOSED:
            self._remove(stream, _ENDED, False)
        elif stream.sink is not None:
            stream.sink.body_arrived()

    def peer_reset(self, stream: Http2Stream) -> None:
        """The peer has reset a stream."""
        stream.move(Event.RESET)
        self._remove(stream, RESET_BY_PEER, True)

    # What is said against a stream

    def breach(self, stream_id: int, error: Http2StreamError) -> None:
        """A stream error (section 5.4.2)."""
        self.allowance.spend(allowance.LOST, "streams that break the protocol")
        stream = self.streams.get(stream_id)
        if stream is None:
            self._host.write(rst_stream(stream_id, error.code))
            self.note_closed(stream_id, RESET_BY_US)
            return
        if stream.sink is not None:
            stream.sink.refused(ProtocolError(400, error.reason), -1)
        self.reset(stream, error.code, at_fault=True)

    def malformed(self, stream: Http2Stream, error: ProtocolError) -> None:
        """A request that has been handed over turns out to be malformed (section 8.1.1)."""
        self.allowance.spend(allowance.LOST, "requests that are malformed")
        self.refuse(stream, error, ErrorCode.PROTOCOL_ERROR)

    def refuse(self, stream: Http2Stream, error: ProtocolError, code: int) -> None:
        """A request turns out to be such as is not served: say so, if no response has begun, and reset its stream."""
        unanswered = stream.begun or self.blocked
        size = -1 if stream.begun else self.answer(stream.id, stream.window, error, stream.is_head())
        if stream.sink is not None:
            stream.sink.refused(error, size)
        self.reset(stream, ErrorCode.CANCEL if unanswered and not code else code, at_fault=True)

    def reset(self, stream: Http2Stream, code: int, at_fault: bool = False) -> None:
        """Close a stream from our side (section 6.4), unless writing has found the connection gone.

        ``at_fault``: for what the peer has done.
        """
        if stream.state == _CLOSED:
            return
        stream.move(Event.RESET)
        self._host.write(rst_stream(stream.id, code))
        self._remove(stream, RESET_BY_US, at_fault)

    def lose(self, stream: Http2Stream, at_fault: bool = False) -> None:
        """The connection is over for a stream; ``at_fault``: for what the peer has done."""
        if stream.state != _CLOSED:
            stream.move(Event.RESET)
            self._remove(stream, RESET_BY_US, at_fault)

    # Windows

    def credit(self, size: int) -> None:
        """Content has left the connection: the peer may send as much again, and is told so now and then."""
        self._taken += size
        if self._taken >= _CREDIT and self.receiving:
            self.room += self._taken
            self._host.write(window_update(0, self._taken))
            self._taken = 0

    def _grant(self, stream: Http2Stream, size: int) -> None:
        """The peer may send ``size`` bytes more on a stream."""
        stream.room += size
        stream.taken = 0
        self._host.write(window_update(stream.id, size))

    # Closed streams

    def note_closed(self, stream_id: int, how: int) -> None:
        """Remember how a stream was closed, unless it was by both ends, which is the rule."""
        if len(self._closed) == _REMEMBERED:
            self._closed_before = self._closed
            self._closed = {}
        self._closed[stream_id] = how

    def how_closed(self, stream_id: int) -> int:
        """How a closed stream was closed. What has been so for too long is taken for the rule."""
        how = self._closed.get(stream_id)
        if how is None:
            how = self._closed_before.get(stream_id)
        if how is None:
            how = SKIPPED if any(stream_id in run for run in self._skipped) else ENDED
        return how

    def skip(self, first: int, opened: int) -> None:
        """Streams from ``first`` on, before one that is opened, were not, and never will be (section 5.1.1)."""
        self._skipped.append(range(first, opened, 2))

    def _remove(self, stream: Http2Stream, how: int, unwanted: bool) -> None:
        """A stream is closed: give back what it had, and tell the exchange, if one is in progress (``Sink``)."""
        if self.streams.pop(stream.id, None) is None:
            return  # writing found the connection gone, and has done so already
        if how != _ENDED:
            self.note_closed(stream.id, how)
        if stream.due:
            self._host.disarm(stream)
        if stream.stall is not None:
            self._host.disarm(stream.stall)
            stream.stall = None
        self._spare += stream.granted - self._limits.window
        if how != _ENDED:
            self.forget(stream)
            self.credit(stream.unread())
            stream.drop()
        sink = stream.sink
        if sink is not None:
            stream.sink = None
            sink.disconnected(unwanted)
        if not self.streams:
            self.emptied()


# As plain numbers: looking up a member of an enumeration takes time.
_OPEN, _HALF_CLOSED_LOCAL, _CLOSED = int(State.OPEN), int(State.HALF_CLOSED_LOCAL), int(State.CLOSED)
_OUR_END, _ENDED = int(Event.OUR_END), ENDED
_REMEMBERED, _CREDIT = REMEMBERED, CREDIT
_RESPONSE: Final = allowance.RESPONSE
