"""A wire into an HTTP/2 machine, with the client's referee at its other end: see ``wire.py``.

After whatever happens, ``Wire2`` looks whether the machine is as it has to be: see ``Wire2.check``.
"""

from collections.abc import Iterable
from typing import Any

from support.http2 import PREFACE, Cutter, Frame, Referee, settings
from support.wire import LIMITS, Call, Handler, Wire, ignore

from litmus.protocols.http1 import Http1
from litmus.protocols.http2.connection import Http2, Phase
from litmus.protocols.http2.frames import LARGEST_WINDOW, WINDOW
from litmus.protocols.http2.request import RequestReader
from litmus.protocols.http2.sending import QUEUED_MOST
from litmus.protocols.http2.stream import State
from litmus.protocols.http2.streams import CREDIT, SPARE
from litmus.protocols.limits import Limits
from litmus.protocols.machine import Deadline, Expiring
from litmus.protocols.request import HeadParser
from litmus.protocols.sniff import Protocols, Sniffer

D = Deadline
DEADLINES = {
    Phase.PREFACE: {D.FIRST_BYTE, D.HEAD, D.DRAIN},
    Phase.SETTINGS: {D.HEAD},
    Phase.OPEN: {D.NONE, D.WRITE, D.HEAD, D.DRAIN, D.KEEP_ALIVE, D.FIRST_BYTE},
    Phase.CLOSING: {D.NONE, D.WRITE, D.HEAD},
    Phase.LINGER: {D.LINGER},
    Phase.CLOSED: {D.NONE},
}
"""Those that a phase may be under."""

STREAM_DEADLINES = {D.BODY, D.STALL, D.LINGER}

FIELDS = 100
"""How many a header section may have."""


class Wire2(Wire):
    """A machine of HTTP/2 and what came out of it. It is the machine's host.

    Args:
        handler: called with each request's ``Call``.
        sniffing: begin with a ``Sniffer``.
        offered: HTTP/2 is.
        judged: the client plays by the rules, so that a referee can tell whether the machine does.

    Attributes:
        timers: those that are armed, and their deadlines.
        floods, breaks: what the machine has noted of connections that are over for what their peers have sent.
        interims: the statuses of interim responses that it has noted.
        woken: how often it has asked for a wake-up.
        largest: bytes in the largest part of a body that the application sends at once.
        referee: what it is for the client.
    """

    def __init__(
        self,
        handler: Handler = ignore,
        limits: Limits = LIMITS,
        sniffing: bool = False,
        offered: bool = True,
        judged: bool = True,
        extended: bool = False,
        size: int = 64 << 10,
    ) -> None:
        self.timers: dict[Expiring, int] = {}
        self.floods: list[str] = []
        self.unread_streams = 0
        self.refused_streams = 0
        self.breaks: list[str] = []
        self.interims: list[int] = []
        self.woken = 0
        self.largest = 2 << 20
        self.referee = Referee()
        self.limits = limits
        self._unread = 0
        self._watched: list[Call] = []
        self._sniffing = sniffing
        self._offered = offered
        self._judged = judged
        self._extended = extended
        super().__init__(handler, size, None, limits)

    def _begin(self, parser: HeadParser, limits: Limits) -> Any:
        reader = RequestReader(parser.fields, limits.request_line, FIELDS)
        if self._sniffing:
            return Sniffer(self, Protocols(parser, reader if self._offered else None), limits)
        return Http2(self, reader, limits, self._extended)

    # Host

    def _handed_over(self, call: Call) -> None:
        self._watched.append(call)

    def write(self, data: bytes) -> None:
        super().write(data)
        if self._judged:
            self.referee.received(data)

    def wake(self) -> None:
        super().wake()
        self.woken += 1

    def again(self) -> None:
        super().again()
        self.woken += 1

    def arm(self, timer: Expiring, deadline: int) -> None:
        assert not self.closed, "armed on a closed connection"
        timer.due = 1
        self.timers[timer] = deadline

    def is_late(self, timer: Expiring) -> bool:
        return False

    def disarm(self, timer: Expiring) -> None:
        timer.due = 0
        self.timers.pop(timer, None)

    def flooded(self, reason: str) -> None:
        self.floods.append(reason)

    def unread(self) -> None:
        self.unread_streams += 1

    def overfull(self) -> None:
        self.refused_streams += 1

    def failed(self, reason: str) -> None:
        self.breaks.append(reason)

    def interim(self, status: int) -> None:
        self.interims.append(status)

    # What happens on the wire

    @property
    def phase(self) -> Phase:
        return Phase(self.machine.phase)

    def open(self, values: dict[int, int] | None = None) -> "Wire2":
        """The beginning of a connection, each side's SETTINGS acknowledged."""
        return self.feed(PREFACE + settings(values or {}) + settings(ack=True))

    def feed(self, data: bytes, settle: bool = True) -> "Wire2":
        """Bytes arrive, no more at once than there is room for."""
        if self._judged:
            self.referee.sent(data)
        while data and not self.closed:
            lease = self._lease
            lease.compact()
            size = min(len(lease.room()), len(data))
            assert size or self._woken, "the machine does not read"
            self._unread = lease.unread_size() + size
            super().feed(data[:size], settle or not size)
            data = data[size:]
            self._unread = 0
        return self

    def settle(self) -> "Wire2":
        super().settle()
        self.check()
        return self

    def block(self) -> "Wire2":
        """The peer does not read any more."""
        self.machine.output_blocked()
        return self

    def unblock(self) -> "Wire2":
        """It does again."""
        self.machine.output_unblocked()
        return self.settle()

    def expire(self) -> "Wire2":
        super().expire()
        return self.settle()

    def lapse(self, deadline: int) -> "Wire2":
        """The timers with this deadline expire; there has to be one."""
        timers = [timer for timer, armed in self.timers.items() if armed == deadline]
        assert timers, f"{self.timers} has none"
        for timer in timers:
            if timer in self.timers:
                self.disarm(timer)
                timer.expire()
        return self.settle()

    def lose(self) -> None:
        super().lose()
        self.check()

    def frames(self) -> list[Frame]:
        """The frames that have come since the last time."""
        return list(Cutter().feed(self.take_output()))

    def streams(self) -> list[Any]:
        """Those of the calls that are not closed."""
        return [call.stream for call in self._watched if call.stream.state != State.CLOSED]

    def armed(self, call: Call) -> int:
        """The deadline that a call's stream is under."""
        stream = call.stream
        return self.timers.get(stream) or self.timers.get(stream.stall, Deadline.NONE)

    def check(self) -> None:
        """What holds whatever has happened."""
        if not isinstance(self.machine, Http2) or 0 < self._unread == self._lease.unread_size():
            return  # only part of a frame has come
        phase = self.phase
        over = self.closed or phase >= Phase.LINGER
        assert self.machine.deadline in DEADLINES[phase], (phase, self.machine.deadline)
        assert self.machine.window >= 0
        streams = self.streams()
        assert len(streams) <= self.limits.streams
        assert sum(stream.granted - self.limits.window for stream in streams) <= SPARE
        assert all(self.timers.get(stream, Deadline.BODY) in STREAM_DEADLINES for stream in streams)
        if over:
            assert not self.timers, f"armed behind the end: {self.timers}"
            assert not streams, "open behind the end"
            assert phase == Phase.LINGER or self.closed
            assert phase == Phase.CLOSED or self.ended
        for call in self._watched:
            self._check_stream(call)
        self._watched = [call for call in self._watched if call.stream.state != State.CLOSED]

    def _check_stream(self, call: Call) -> None:
        stream = call.stream
        state = State(stream.state)
        assert stream.queued <= QUEUED_MOST + self.largest, "more waits than is bounded"
        if state == State.CLOSED:
            assert stream.sink is None, "closed, and nobody was told"
            left = stream.queued, stream.scheduled, stream.due, stream.blocked, stream.head
            assert not any(left)
            return
        assert (stream.sink is None) == (state == State.HALF_CLOSED_LOCAL)
        assert not call.gone
        assert stream.room >= 0
        assert stream.window <= LARGEST_WINDOW
        if state == State.OPEN:
            # As long as the peer cannot know better, its first window is the usual one (section 6.9.3).
            more = 0 if self.machine.acknowledged else max(WINDOW - self.limits.window, 0)
            assert stream.room + stream.unread() + stream.taken == stream.granted + more
        if state == State.HALF_CLOSED_LOCAL:
            assert stream.due, "nothing bounds how long the rest of its content may take"
            assert not stream.unread()
            assert not stream.queued

    # Between two machines

    def _hand_over(self, successor: Any) -> None:
        while successor is not None and successor is not self.machine:
            self.machine = successor
            successor = self.machine.received(self._lease)
            self._keep()
        if isinstance(self.machine, Http1):
            super()._hand_over(successor)
            return
        if isinstance(self.machine, Http2):
            assert (successor is None) == (self.phase == Phase.CLOSED)
        if successor is None:
            self.closed = True
            if self._judged:
                self.referee.ended()
        self.check()


def granted(limits: Limits) -> int:
    """The window of a connection."""
    return max(WINDOW, min(limits.streams * limits.window + SPARE + CREDIT, LARGEST_WINDOW))


def kinds(frames: Iterable[Frame], stream: int | None = None) -> list[int]:
    """The types of frames, all of them or those of one stream."""
    return [each.kind for each in frames if stream is None or each.stream == stream]


def sized(size: int) -> Handler:
    """An application that answers with so many bytes."""
    return lambda call: call.respond(bytes(size))
