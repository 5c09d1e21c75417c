"""The contract of the protocol machines.

A *machine* owns its connection while it is in charge and hands ownership on by return value: ``received`` returns the
machine that is in charge from now on: itself, another one (an upgrade, a sniffed preface), or None when the connection
is over. What it has not consumed stays in the lease that it was given and passes to its successor.

Four parties meet here::

    Host     what a machine asks of its connection          (server/connection.py)
    Machine  what a connection asks of its machine          (http1.py, http2/connection.py)
    Stream   what an exchange asks of a machine: one request's two directions
    Sink     what a machine tells an exchange               (server/channel.py)

Everything is a plain synchronous call, so a test needs nothing but a fake host. Host, Stream and Sink are base classes,
because who calls a compiled class by its base finds the method without looking for its name; their methods are all to
be overridden. What calls a machine does so once in a read, so machines need only look like one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from litmus.memory.lease import Lease
from litmus.protocols.errors import ProtocolError
from litmus.protocols.request import Request

Headers = Iterable[tuple[bytes, bytes]]


class Sink:
    """Receives what happens on one stream after its request was handed over."""

    __slots__ = ()

    def body_arrived(self) -> None:
        """More of the request body, or its end, can be had with ``Stream.read_body``."""
        raise NotImplementedError

    def unblocked(self) -> None:
        """``Stream.blocked`` is over."""
        raise NotImplementedError

    def peer_finished(self) -> None:
        """The peer will send nothing more, but may still read: the response is worth completing."""
        raise NotImplementedError

    def refused(self, error: ProtocolError, size: int) -> None:
        """The peer broke the protocol or was too slow, and is answered so with a body of ``size`` bytes.

        A ``size`` of -1: the response had begun, and is cut. ``disconnected`` follows.
        """
        raise NotImplementedError

    def disconnected(self, unwanted: bool) -> None:
        """The peer is gone, or the stream was cut: nothing that is sent will arrive.

        ``unwanted``: the peer has said that it does not want the response any more, or has broken the protocol.
        """
        raise NotImplementedError


class Stream:
    """One request's two directions, as a machine offers them to an exchange.

    Attributes:
        body_complete: the whole request body was returned by ``read_body``.
        blocked: the peer does not read; whoever sends waits for ``Sink.unblocked`` before sending more.
        sink: who is told what happens on this stream; whoever takes the request puts itself here.
    """

    __slots__ = ("blocked", "body_complete", "sink")

    def __init__(self) -> None:
        self.blocked = False
        self.body_complete = True
        self.sink: Sink | None = None

    def read_body(self) -> bytes:
        """Consume and return what has arrived of the request body; empty when there is nothing now."""
        raise NotImplementedError

    def respond(self, status: int, headers: Headers, body: bytes, end: bool) -> int:
        """Send the response's head and the first part of its body, which is all of it if ``end``.

        Returns how many bytes of ``body`` go out: none in a response that has no content. Raises ResponseError, before
        anything is sent, when head and body cannot go out like this.
        """
        raise NotImplementedError

    def send_body(self, data: bytes, end: bool) -> int:
        """Send another part of the body. Returns how many bytes of it go out.

        Raises ResponseError when the body exceeds or falls short of Content-Length.
        """
        raise NotImplementedError

    def send_interim(self, status: int, headers: Headers) -> None:
        """Send an interim response, of a 1xx status, if the peer understands them. Raises ResponseError."""
        raise NotImplementedError

    def send_trailers(self, headers: Headers) -> None:
        """End the body with a trailer section, which is dropped where it cannot be sent. Raises ResponseError."""
        raise NotImplementedError

    def outstanding(self) -> int:
        """How many bytes of the body wait for the peer to make room. What was written to the host is not counted."""
        return 0

    def abort(self) -> None:
        """Cut the response so that the client cannot take it for complete."""
        raise NotImplementedError


class Expiring(Protocol):
    """Something that has a deadline: see ``Host.arm``, and ``Wheel`` in server/deadlines.py.

    Attributes:
        due: the tick at which it expires, 0 for never. Moving it *later* takes an assignment and ``Wheel.put_off``.
        spoke: the tick it is entered for in the wheel, 0 when it is not in it. Belongs to the wheel.
    """

    due: int
    spoke: int

    def expire(self) -> None:
        """The deadline has passed."""


class Timer:
    """A base for such things.

    Attributes:
        due, spoke: see ``Expiring``.
    """

    __slots__ = ("due", "spoke")

    def __init__(self) -> None:
        self.due = 0
        self.spoke = 0

    def expire(self) -> None:
        """The deadline has passed."""
        raise NotImplementedError


class Host:
    """What a machine asks of the connection that it runs on."""

    __slots__ = ()

    def date(self) -> bytes:
        """The Date header line, CRLF included."""
        raise NotImplementedError

    def request(self, request: Request, stream: Stream) -> None:
        """A request has arrived: start its exchange. It may respond before this returns."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """Send bytes to the peer. Bytes written while the machine runs leave together."""
        raise NotImplementedError

    def end_output(self) -> None:
        """Nothing more will be written: let the peer see our end of the connection after what was written."""
        raise NotImplementedError

    def outstanding(self) -> int:
        """How many bytes were written whose arrival the peer has not acknowledged."""
        raise NotImplementedError

    def reset(self) -> None:
        """Break the connection so that the peer notices: a plain close would look like the end of the body."""
        raise NotImplementedError

    def consumed(self) -> None:
        """Bytes were taken from the lease outside of ``received``: there is room to read again."""
        raise NotImplementedError

    def wake(self) -> None:
        """The state changed outside of ``received``: call it when convenient."""
        raise NotImplementedError

    def again(self) -> None:
        """``received`` stops here so that others get their turn: call it again in the loop's next one."""
        raise NotImplementedError

    def arm(self, timer: Expiring, deadline: int) -> None:
        """Let ``timer`` expire when this ``Deadline`` is over, whatever it was set to before."""
        raise NotImplementedError

    def is_late(self, timer: Expiring) -> bool:
        """Whether ``timer`` has expired before what has come meanwhile was read, because the loop was late.

        If so it is armed for one tick more, once.
        """
        raise NotImplementedError

    def disarm(self, timer: Expiring) -> None:
        """Forget a timer, armed or not."""
        raise NotImplementedError

    def flooded(self, reason: str) -> None:
        """For the log and the statistics: the peer has sent more of something cheap than anybody has use for."""
        raise NotImplementedError

    def unread(self) -> None:
        """For the statistics: a stream is given up because the peer makes no room for its response."""
        raise NotImplementedError

    def overfull(self) -> None:
        """For the log and the statistics: a stream was refused because too many are open."""
        raise NotImplementedError

    def failed(self, reason: str) -> None:
        """For the log: the peer broke the protocol, not in one request, but so that the connection is over."""
        raise NotImplementedError

    def interim(self, status: int) -> None:
        """For the statistics: an interim response was sent, of which no exchange knows."""
        raise NotImplementedError

    def refused(self, error: ProtocolError, head: bytes | None, size: int) -> None:
        """For the log and the statistics: the peer broke the protocol or was too slow, and no exchange is told.

        ``head`` is the beginning of a request's head, as far as it has come, which the machine itself answers with a
        body of ``size`` bytes. None: the request was answered before the rest of its body went wrong.
        """
        raise NotImplementedError


class Machine(Protocol):
    """A protocol's state machine.

    Attributes:
        hungry: the machine can't go on before more bytes arrive, so the lease must have room for them.
        lease: where the unconsumed bytes lie between two calls, None if there are none. Kept right by the connection.
    """

    hungry: bool
    lease: Lease | None

    @property
    def deadline(self) -> int:
        """The deadline that the present state is under, one of ``Deadline``."""

    def received(self, lease: Lease) -> Machine | None:
        """Bytes have arrived, or ``wake`` was asked for. Returns who is in charge next; None: close the connection.

        The machine consumes ``lease.unread()`` as far as it can and moves ``lease.start`` on.
        """

    def eof(self) -> Machine | None:
        """The peer has finished sending. Returns who is in charge next; None: close the connection."""

    def lost(self) -> None:
        """The connection is gone."""

    def drain(self) -> None:
        """Serve what is under way and at most one request more, tell the peer that it is the last, then close."""

    def drained(self) -> list[tuple[Sink | None, int]]:
        """There is no more time for that: reset the streams that have still to send something of their responses.

        Returns for each of them its sink and how many bytes of content it had; None for that of a WebSocket.
        """

    def output_blocked(self) -> None:
        """The peer does not read: more is waiting to be sent than should be."""

    def output_unblocked(self) -> None:
        """The peer has read enough for more to be sent."""

    def expired(self) -> Machine | None:
        """The deadline of the present state has passed. Returns as ``received`` does.

        Whoever is in charge then has its own deadline from now on, even if it is the same one again.
        """


class Deadline:
    """The deadlines a state may be under. The connection maps them to durations; machines read no clock."""

    NONE = 0
    FIRST_BYTE = 1
    HEAD = 2
    BODY = 3
    WRITE = 4  # of a peer that does not read; what it has to read is for the connection to know
    KEEP_ALIVE = 5
    LINGER = 6
    DRAIN = 7
    STALL = 8  # of a stream whose peer has room for nothing that is sent to it
    CALM = 9  # after which a peer that has sent too much of something cheap is forgiven
    COUNT = 10
