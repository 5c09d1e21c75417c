"""Flow control to the byte (RFC 9113, sections 5.2 and 6.9): what is received is given back, on every path."""

import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.http2 import Error, Type, data, get, headers, post, rst_stream
from support.wire import LIMITS, Call, Handler, echo, ignore, ok
from support.wire2 import Wire2, granted

from litmus.memory.lease import Lease
from litmus.protocols.http2.frames import FRAME_SIZE, WINDOW
from litmus.protocols.http2.streams import CREDIT, DISCARDED, SPARE
from litmus.protocols.limits import Limits
from litmus.protocols.lines import RequestLine
from litmus.protocols.machine import Deadline
from litmus.protocols.request import Request

FEW = Limits(16 << 10, 48 << 10, streams=4, window=20_000)
HALF = -(-granted(FEW) // 2)
LAST = 99_999


def missing(wire: Wire2) -> int:
    """Bytes that the connection owes the peer for good, when all its streams are over.

    It may keep back up to half of the window. So as much is sent as makes it give back everything that it knows of.
    """
    assert not wire.streams()
    wire.handler = echo
    wire.feed(post(LAST, path="/last"))
    wire.take_output()
    while True:
        wire.feed(data(LAST, bytes(min(FRAME_SIZE, wire.referee.room(LAST)))))
        if any(each.kind == Type.WINDOW_UPDATE and not each.stream for each in wire.frames()):
            return granted(wire.limits) - wire.referee.allowance


def fed(*pieces: bytes, handler: Handler = ignore) -> Wire2:
    return Wire2(handler, FEW).open().feed(b"".join(pieces))


def expecting(size: int, stream: int = 1) -> bytes:
    return post(stream, ("content-length", str(size)))


HELLO = data(1, b"hello" * 200)

PATHS: dict[str, Callable[[], Wire2]] = {
    "read": lambda: fed(post(1), HELLO, data(1, end=True), handler=echo),
    "padding": lambda: fed(post(1), data(1, b"a", pad=200), data(1, pad=255), data(1, end=True, pad=9), handler=echo),
    "not read": lambda: responded(fed(post(1), HELLO, data(1, end=True))),
    "not read, the end with it": lambda: responded(fed(post(1), data(1, b"hello", end=True))),
    "the rest comes behind the response": lambda: responded(fed(post(1), HELLO)).feed(HELLO + data(1, b"x", end=True)),
    "padding behind the response": lambda: responded(fed(post(1))).feed(data(1, b"a", pad=200) + data(1, end=True)),
    "trailers": lambda: fed(post(1), HELLO, headers(1, [("x", "y")], end=True), handler=echo),
    "the peer resets": lambda: fed(post(1), HELLO, rst_stream(1)),
    "the peer resets what has been answered": lambda: responded(fed(post(1), HELLO)).feed(HELLO + rst_stream(1)),
    "the application aborts": lambda: aborted(fed(post(1), HELLO)).feed(HELLO + HELLO),
    "more than is announced": lambda: fed(expecting(1500), HELLO, HELLO, HELLO),
    "less than is announced": lambda: fed(expecting(1500), HELLO, data(1, b"x", end=True)),
    "less, with trailers": lambda: fed(expecting(1500), HELLO, headers(1, [("x", "y")], end=True)),
    "more behind the response": lambda: responded(fed(expecting(1500), HELLO)).feed(HELLO + HELLO),
    "behind the end": lambda: responded(fed(post(1), data(1, b"a", end=True), HELLO)).feed(HELLO),
    "on what is closed": lambda: fed(get(1), HELLO, HELLO, handler=ok),
    "more than the stream's window": lambda: over_window(fed(post(1))),
    "never wanted": lambda: responded(fed(expecting(DISCARDED + 1))).feed(HELLO),
    "refused": lambda: fed(post(1, path="bad"), HELLO),
    "one too many": lambda: cleared(fed(*(post(stream) for stream in (1, 3, 5, 7, 9)), data(9, b"hello"))),
    "read late": lambda: read_late(fed(post(1), data(1, b"hello", end=True))),
    "read behind the end": lambda: read_late(responded(fed(post(1), data(1, b"hello", end=True)))),
}


def responded(wire: Wire2) -> Wire2:
    for call in wire.calls:
        if not call.gone:
            call.respond(b"ok")
    return wire.settle()


def aborted(wire: Wire2) -> Wire2:
    wire.calls[0].stream.abort()
    return wire.settle()


def over_window(wire: Wire2) -> Wire2:
    wire.feed(data(1, bytes(16_000)) + data(1, bytes(4001)))
    assert wire.referee.response(1).reset == Error.FLOW_CONTROL_ERROR
    return wire


def cleared(wire: Wire2) -> Wire2:
    return wire.feed(b"".join(rst_stream(stream) for stream in (1, 3, 5, 7)))


def read_late(wire: Wire2) -> Wire2:
    (call,) = wire.calls
    call.read()
    return responded(wire) if call.stream.sink is not None else wire


@pytest.mark.parametrize("name", PATHS)
def test_everything_is_given_back(name: str) -> None:
    assert missing(PATHS[name]()) == 0


def test_the_window_of_a_connection_has_room_for_all_streams() -> None:
    wire = Wire2().open()
    assert wire.referee.allowance == granted(LIMITS) == 100 * 65_535 + (1 << 20) + (256 << 10)
    small = Wire2(limits=Limits(64, 512, streams=1, window=1)).open()
    assert small.referee.allowance == 1 + SPARE + CREDIT
    large = Wire2(limits=Limits(64, 512, streams=1000, window=1 << 30)).open()
    assert large.referee.allowance == (1 << 31) - 1


@pytest.mark.parametrize("handler", [echo, ok], ids=["read", "not read"])
def test_content_that_came_over_http1_is_given_back_as_if_it_had_come_in_frames(handler: Handler) -> None:
    wire = Wire2(handler, FEW, judged=False)
    line = RequestLine(b"POST", b"/", "2", b"", b"/")
    wire.machine.adopt(Request(line, [(b"host", b"a")]), [], bytes(1000))
    wire.open()
    offered = [each.payload for each in wire.frames() if each.kind == Type.WINDOW_UPDATE]
    assert [WINDOW + int.from_bytes(each, "big") for each in offered] == [granted(FEW) - 1000]
    wire.feed(post(3) + data(3, bytes(FRAME_SIZE), end=True))
    for stream in range(5, 5 + 2 * (CREDIT // FRAME_SIZE), 2):
        wire.feed(post(stream) + data(stream, bytes(FRAME_SIZE), end=True))
    given = [each.payload for each in wire.frames() if each.kind == Type.WINDOW_UPDATE and not each.stream]
    assert int.from_bytes(given[0], "big") >= CREDIT
    used = 1000 + FRAME_SIZE * (1 + CREDIT // FRAME_SIZE)
    assert wire.machine.room == granted(FEW) - used + sum(int.from_bytes(each, "big") for each in given)


def test_content_in_tiny_frames_takes_little_more_memory_than_its_bytes() -> None:
    wire = fed(post(1))
    frames = [data(1, bytes(2)) * 100 for _ in range(FEW.window // 200)]
    tracemalloc.start()
    for each in frames:
        lease = Lease(memoryview(bytearray(each)), 0)
        lease.end = lease.size
        wire.machine.received(lease)
        wire.calls[0].told.clear()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert wire.calls[0].stream.unread() == FEW.window
    assert used < 2 * FEW.window


def test_a_stream_that_is_read_gets_more_room() -> None:
    """Its window is doubled whenever half of it has been read, as long as there is something to spare."""
    wire = fed(post(1), handler=echo)
    most = 0
    while wire.calls[0].stream.granted < FEW.window + SPARE:
        wire.feed(data(1, bytes(min(FRAME_SIZE, wire.referee.room(1)))))
        assert wire.calls[0].stream.granted >= most
        most = wire.calls[0].stream.granted
    wire.feed(post(3))
    wire.feed(data(3, bytes(FRAME_SIZE)) + data(3, bytes(3000)))
    assert wire.calls[1].stream.granted == FEW.window, "nothing was left"
    wire.feed(rst_stream(1) + post(5))
    wire.feed(data(5, bytes(FRAME_SIZE)))
    assert wire.calls[2].stream.granted == 2 * FEW.window, "it was given back"


def test_a_stream_that_is_not_read_gets_none() -> None:
    wire = fed(post(1), data(1, bytes(FRAME_SIZE)), data(1, bytes(FEW.window - FRAME_SIZE)))
    assert not [each for each in wire.frames() if each.kind == Type.WINDOW_UPDATE and each.stream]
    assert wire.referee.room(1) == 0
    assert len(wire.calls[0].read()) == FEW.window
    assert wire.settle().referee.room(1) == 2 * FEW.window


def test_padding_alone_is_given_back_to_its_stream() -> None:
    wire = fed(post(1), handler=echo)
    for _ in range(FEW.window // 256 + 5):
        wire.feed(data(1, pad=255))
    assert wire.referee.room(1) >= FEW.window // 2
    late = responded(fed(post(1)))
    for _ in range(FEW.window // 256 + 5):
        late.feed(data(1, pad=255))
    assert late.referee.room(1) >= FEW.window // 2


def test_what_nobody_wants_is_received_up_to_a_bound() -> None:
    wire = responded(fed(post(1)))
    assert wire.armed(wire.calls[0]) == Deadline.LINGER
    sent = 0
    while wire.referee.response(1).reset is None:
        wire.feed(data(1, bytes(FRAME_SIZE)))
        sent += FRAME_SIZE
    assert sent == DISCARDED + FRAME_SIZE
    assert wire.referee.response(1).reset == Error.NO_ERROR
    assert missing(wire) == 0


ACTIONS = (
    "post",
    "get",
    "data",
    "pad",
    "end",
    "reset",
    "trailers",
    "read",
    "respond",
    "begin",
    "send",
    "finish",
    "abort",
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 5), st.integers(0, 9000)), max_size=60))
def test_nothing_is_lost_whatever_happens(actions: list[tuple[str, int, int]]) -> None:
    """Frames of a client that keeps to its windows, and an application that does what it likes."""
    wire = Wire2(ignore, FEW).open()
    asked: list[int] = []
    done: set[int] = set()
    begun: set[Call] = set()
    for action, which, size in actions:
        call = wire.calls[which % len(wire.calls)] if wire.calls else None
        stream = asked[which % len(asked)] if asked else 0
        content = bytes(min(size, max(wire.referee.room(stream), 0))) if stream else b""
        if action in ("post", "get"):
            asked.append(2 * len(asked) + 1)
            wire.feed(post(asked[-1]) if action == "post" else get(asked[-1]))
            done |= {asked[-1]} if action == "get" else set()
        elif stream and stream not in done and action in ("data", "end"):
            wire.feed(data(stream, content, end=action == "end"))
            done |= {stream} if action == "end" else set()
        elif stream and stream not in done and action == "pad" and wire.referee.room(stream) >= len(content) // 2 + 256:
            wire.feed(data(stream, content[::2], pad=size % 256))
        elif stream and stream not in done and action == "trailers":
            wire.feed(headers(stream, [("x", "y")], end=True))
            done.add(stream)
        elif stream and action == "reset":
            wire.feed(rst_stream(stream))
            done.add(stream)
        elif call is not None and action == "read":
            call.read()
        elif call is not None and action == "abort":
            call.stream.abort()
        elif call is not None and call not in begun and action in ("respond", "begin"):
            begun.add(call)
            call.respond(bytes(size), end=action == "respond")
            call.told += ["ended"] if action == "respond" else []
        elif call in begun and call is not None and "ended" not in call.told and action in ("send", "finish"):
            call.send(bytes(size), end=action == "finish")
            call.told += ["ended"] if action == "finish" else []
        wire.settle()
    for stream in asked:
        wire.feed(rst_stream(stream))
    assert missing(wire) == 0


def test_streams_that_nobody_reads_leave_room_for_others() -> None:
    """However many they are, and however much another one brings."""
    window = 65_536
    streams = 100
    wire = Wire2(ignore, Limits(16 << 10, 48 << 10, streams=streams, window=window)).open()
    for stream in range(1, 2 * streams - 1, 2):
        wire.feed(post(stream) + b"".join(data(stream, bytes(16_384)) for _ in range(window // 16_384)))
    wire.feed(post(2 * streams - 1))
    reader = wire.calls[-1]
    for _ in range(200):
        wire.feed(data(2 * streams - 1, bytes(16_384)))
        assert len(reader.read()) == 16_384
    assert not wire.referee.goaways
