"""A wire into an HTTP/1 machine: plays the connection below it and the exchange above it, with nothing but bytes."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

from litmus.memory.lease import Lease
from litmus.protocols.errors import ProtocolError
from litmus.protocols.http1 import Http1, State
from litmus.protocols.limits import Limits
from litmus.protocols.lines import RequestLine
from litmus.protocols.machine import Deadline, Host, Sink
from litmus.protocols.request import HeadParser, Request

DATE = b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"

Handler = Callable[["Call"], None]


class Call(Sink):
    """One request as the application's side sees it: the sink of the machine's stream, which notes what it is told.

    Attributes:
        request: the head.
        told: "body", "unblocked", "finished", "refused with …", "cut", "disconnected",
            "unwanted", in the order they came.
        body: what was read of the body.
    """

    def __init__(self, wire: "Wire", request: Request, stream: Any) -> None:
        self.wire = wire
        self.request = request
        self.stream = stream
        self.told: list[str] = []
        self.body = b""
        self.gone = False
        self.on_body: Callable[[], None] | None = None

    # Sink

    def body_arrived(self) -> None:
        self.told.append("body")
        if self.on_body is not None:
            self.on_body()

    def unblocked(self) -> None:
        self.told.append("unblocked")

    def refused(self, error: ProtocolError, size: int) -> None:
        self.told.append("cut" if size < 0 else f"refused with {error.status}, {size} bytes")
        self.wire.refused(error, None, size)

    def peer_finished(self) -> None:
        self.told.append("finished")

    def disconnected(self, unwanted: bool) -> None:
        assert not self.gone, "told twice"
        self.told.append("unwanted" if unwanted else "disconnected")
        self.gone = True

    # What an application does

    @property
    def complete(self) -> bool:
        return bool(self.stream.body_complete)

    def read(self) -> bytes:
        """Read what there is of the body."""
        data: bytes = self.stream.read_body()
        if not self.gone:
            self.body += data
        return data

    def respond(
        self,
        body: bytes = b"",
        status: int = 200,
        headers: Iterable[tuple[bytes, bytes]] = (),
        end: bool = True,
    ) -> None:
        self.stream.respond(status, headers, body, end)

    def send(self, body: bytes = b"", end: bool = False) -> None:
        self.stream.send_body(body, end)


def ignore(call: Call) -> None:
    """The application takes its time."""


def ok(call: Call) -> None:
    """Answer at once, without a look at the body."""
    call.respond(b"ok")


def echo(call: Call) -> None:
    """Read the body to its end, then answer with what was asked and sent."""

    def read() -> None:
        while call.read():  # and wait for more only when there is none
            pass
        if call.complete and not call.gone:
            call.on_body = None
            call.respond(b"%b %b [%b]" % (call.request.line.method, call.request.line.target, call.body))

    call.on_body = read
    read()


LIMITS = Limits(request_line=16 << 10, header_section=48 << 10)
"""The most that can be configured."""

DEADLINES = {
    State.IDLE: {Deadline.FIRST_BYTE, Deadline.KEEP_ALIVE, Deadline.DRAIN, Deadline.WRITE},
    State.HEAD: {Deadline.HEAD, Deadline.DRAIN, Deadline.WRITE},
    State.BODY: {Deadline.BODY, Deadline.WRITE, Deadline.NONE},
    State.RESPONSE: {Deadline.NONE, Deadline.WRITE},
    State.DISCARD: {Deadline.LINGER},
    State.LINGER: {Deadline.LINGER},
    State.CLOSED: {Deadline.NONE},
}
"""Those that a state may be under."""


class Wire(Host):
    """A machine and what came out of it. It is the machine's host.

    Args:
        handler: called with each request's ``Call``.

    Attributes:
        out: what the machine has written.
        calls: the requests, in order.
        closed: the machine has said that the connection is over.
        ended: it has ended its output.
        broken: it has asked for a reset.
        refusals: breaches of the protocol that it has noted.
        heads: what it has noted with them of heads that it answers itself, None for requests that it has handed over.
    """

    def __init__(
        self,
        handler: Handler = ignore,
        size: int = 64 << 10,
        parser: HeadParser | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        self.handler = handler
        self.out = b""
        self.calls: list[Call] = []
        self.closed = self.ended = self.broken = False
        self.refusals: list[ProtocolError] = []
        self.heads: list[bytes | None] = []
        self._woken = False
        self._lease = Lease(memoryview(bytearray(size)), 0)
        self.machine = self._begin(parser if parser is not None else HeadParser(), limits)

    def _begin(self, parser: HeadParser, limits: Limits) -> Any:
        """The machine that is in charge first."""
        return Http1(self, parser, limits)

    # Host

    def date(self) -> bytes:
        return DATE

    def request(self, request: Request, stream: Any) -> None:
        call = Call(self, request, stream)
        stream.sink = call
        self.calls.append(call)
        self._handed_over(call)
        self.handler(call)

    def _handed_over(self, call: Call) -> None:
        """A request was, and its application has not been called."""

    def write(self, data: bytes) -> None:
        assert not self.ended, f"written behind the end of the output: {data!r}"
        assert not self.closed, f"written to a closed connection: {data!r}"
        self.out += data

    def end_output(self) -> None:
        assert not self.ended, "ended twice"
        self.ended = True

    def reset(self) -> None:
        self.broken = True

    def consumed(self) -> None:
        self._keep()

    def wake(self) -> None:
        self._woken = True

    def interim(self, status: int) -> None:
        """It is in the output all the same."""

    def again(self) -> None:
        self._woken = True

    def refused(self, error: ProtocolError, head: bytes | None, size: int) -> None:
        self.refusals.append(error)
        self.heads.append(head)

    # What happens on the wire

    @property
    def lines(self) -> list[bytes | None]:
        """The request lines in ``heads``."""
        return [head if head is None else head.partition(b"\r")[0] for head in self.heads]

    @property
    def state(self) -> State:
        return State(self.machine.state)

    @property
    def unread(self) -> bytes:
        return bytes(self._lease.unread())

    def feed(self, data: bytes, settle: bool = True) -> "Wire":
        """Bytes arrive. With ``settle``, the wake-ups that the machine asks for come at once."""
        assert not self.closed, "the connection is closed"
        lease = self._lease
        lease.compact()
        lease.room()[: len(data)] = data
        lease.end += len(data)
        self._run()
        if settle:
            self.settle()
        return self

    def feed_all(self, pieces: Sequence[bytes]) -> "Wire":
        """Bytes arrive piece by piece, until the connection is closed."""
        for piece in pieces:
            if self.closed:
                break
            self.feed(piece)
        return self

    def settle(self) -> "Wire":
        """Give the machine the wake-ups that it has asked for."""
        while self._woken and not self.closed:
            self._woken = False
            self._run()
        return self

    def eof(self, settle: bool = True) -> "Wire":
        """The peer has finished sending."""
        self._hand_over(self.machine.eof())
        return self.settle() if settle else self

    def expire(self) -> "Wire":
        """The deadline has passed."""
        self._hand_over(self.machine.expired())
        if not self.closed:
            self._run()
        return self

    def lose(self) -> None:
        """The connection breaks."""
        self.closed = True
        self.machine.lost()

    def take_output(self) -> bytes:
        out, self.out = self.out, b""
        return out

    def _run(self) -> None:
        successor = self.machine.received(self._lease)
        self._keep()
        self._hand_over(successor)

    def _keep(self) -> None:
        lease = self._lease
        if lease.start == lease.end:
            lease.start = lease.end = 0
            self.machine.lease = None
        else:
            self.machine.lease = lease

    def _hand_over(self, successor: Any) -> None:
        assert successor is None or successor is self.machine
        assert (successor is None) == (self.state == State.CLOSED)
        assert self.machine.deadline in DEADLINES[self.state]
        if successor is None:
            self.closed = True


def described(request: Request) -> list[Any]:
    """A request, to be compared with another."""
    line = [getattr(request.line, name) for name in RequestLine.__slots__]
    return [line, request.headers, request.body, request.keep_alive, request.expects_continue]


def watch(pieces: list[bytes], handler: Handler = echo, eof: bool = True, limits: Limits = LIMITS) -> list[Any]:
    """All that happens while ``pieces`` arrive, in a form that does not depend on how they were cut."""
    wire = Wire(handler, limits=limits).feed_all(pieces)
    if eof and not wire.closed:
        wire.eof()
    calls = [(described(call.request), call.body, call.complete, call.gone) for call in wire.calls]
    return [calls, wire.out, [error.status for error in wire.refusals], wire.ended, wire.closed, wire.state]


def bytewise(data: bytes) -> list[bytes]:
    """``data`` cut into single bytes."""
    return splits(data, range(len(data)))


def splits(data: bytes, points: Iterable[int]) -> list[bytes]:
    """``data`` cut at ``points``."""
    cuts = [0, *sorted({point for point in points if 0 < point < len(data)}), len(data)]
    return [data[a:b] for a, b in pairwise(cuts)]
