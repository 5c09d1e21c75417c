"""A WebSocket: what is sent, states, back-pressure both ways."""

import tracemalloc
from collections.abc import Callable

import pytest
from support.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    RSV1,
    TEXT,
    Closed,
    Failed,
    Frame,
    Line,
    Ponged,
    Zlib,
    close,
    echo,
    fragments,
    sent,
    text,
)
from support.wire import bytewise

from litmus.protocols.websocket.closing import CloseCode
from litmus.protocols.websocket.connection import JOIN_LIMIT, TRANSITIONS, Event, State
from litmus.protocols.websocket.deflate import DeflateSettings
from litmus.protocols.websocket.limits import WebSocketLimits

DEFLATE = DeflateSettings(threshold=100).agree([])

# -- what is sent ------------------------------------------------------------------------------------------------------

SIZES = (0, 1, 125, 126, 127, 65_535, 65_536, JOIN_LIMIT - 1, JOIN_LIMIT, JOIN_LIMIT + 1, 300_000)


@pytest.mark.parametrize("size", SIZES)
def test_messages_are_frames_of_their_own(size: int) -> None:
    line = Line()
    line.socket.send_text("a" * size)
    line.socket.send_bytes(bytes(size))
    assert line.frames == [Frame(TEXT, b"a" * size), Frame(BINARY, bytes(size))]


@pytest.mark.parametrize("kind", [TEXT, BINARY])
@pytest.mark.parametrize("size", [1, 200, JOIN_LIMIT - 1])
def test_what_goes_to_many_is_framed_once(kind: int, size: int) -> None:
    text = "a" * (size - 1) + "!"
    data = text.encode()
    lines = [Line(), Line(agreement=DEFLATE), Line(), Line()]
    lines[2].socket.close()
    for line in lines:
        if kind == TEXT:
            line.socket.send_text(text)
        else:
            line.socket.send_bytes(data)
    first, compressed, closed, last = lines
    assert first.frames == last.frames == [Frame(kind, data)]
    assert first.writes[0] is last.writes[0]
    assert Zlib(peer_bits=12).messages(compressed.frames) == [text if kind == TEXT else data]
    assert [frame.opcode for frame in closed.frames] == [CLOSE]


def test_the_examples_of_the_rfc() -> None:
    """Section 5.7: what is not masked there is what a server sends."""
    line = Line()
    line.socket.send_text("Hello")
    line.feed(sent(PING, b"Hello"))
    line.socket.send_bytes(bytes(256))
    line.socket.send_bytes(bytes(65_536))
    assert line.out == b"".join(
        (
            bytes.fromhex("810548656c6c6f"),
            bytes.fromhex("8a0548656c6c6f"),
            bytes.fromhex("827e0100") + bytes(256),
            bytes.fromhex("827f0000000000010000") + bytes(65_536),
        )
    )


def test_text_is_utf_8() -> None:
    line = Line()
    line.socket.send_text("\u03ba\u1f79\U0001f600\0")
    assert line.frames == [Frame(TEXT, "\u03ba\u1f79\U0001f600\0".encode())]


def test_what_is_no_text_is_not_sent() -> None:
    line = Line()
    with pytest.raises(UnicodeEncodeError):
        line.socket.send_text("a\ud800")
    assert line.out == b""
    line.socket.send_text("a")
    assert line.frames == [Frame(TEXT, b"a")]


def test_pings() -> None:
    line = Line()
    line.socket.ping()
    line.socket.ping(bytes(125))
    with pytest.raises(ValueError, match="125 bytes"):
        line.socket.ping(bytes(126))
    assert line.frames == [Frame(PING), Frame(PING, bytes(125))]
    assert line.feed(sent(PONG, bytes(125))).told == [Ponged(bytes(125))]


def test_an_echo() -> None:
    line = Line(react=echo)
    line.feed_all(bytewise(text("one") + fragments(BINARY, b"t", b"wo") + text("")))
    assert line.frames == [Frame(TEXT, b"one"), Frame(BINARY, b"two"), Frame(TEXT)]


# -- compression -------------------------------------------------------------------------------------------------------


def test_messages_are_compressed_from_a_size_on() -> None:
    line, client = Line(agreement=DEFLATE), Zlib(peer_bits=12)
    for message in ("a" * 99, "a" * 100, "a" * 1000):
        line.socket.send_text(message)
        line.socket.send_bytes(message.encode())
    frames = line.frames
    assert [frame.compressed for frame in frames] == [False, False, True, True, True, True]
    assert client.messages(frames) == [each for size in (99, 100, 1000) for each in ("a" * size, b"a" * size)]
    assert len(line.out) < 300


def test_nothing_is_never_compressed() -> None:
    line = Line(agreement=DeflateSettings(threshold=0).agree([]))
    line.socket.send_text("")
    line.socket.send_bytes(b"")
    line.socket.send_bytes(b"a")
    assert [frame.compressed for frame in line.frames] == [False, False, True]


def test_a_bomb_is_not_inflated() -> None:
    """Not more than the limit, and one byte, is ever there. The message would have 100 MiB."""
    bomb = Zlib().deflate(bytes(100 << 20))
    frame = sent(BINARY, bomb, rsv=RSV1)
    line = Line(WebSocketLimits(message=1 << 20), DeflateSettings().agree([]))
    tracemalloc.start()
    line.feed(frame)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert line.told == [Failed(CloseCode.MESSAGE_TOO_BIG)]
    assert peak < 4 << 20


def test_a_message_in_many_fragments_takes_no_more_than_its_bytes() -> None:
    count = 16_000
    pieces = [sent(BINARY, b"x", False), *(sent(CONTINUATION, b"x", False) for _ in range(count - 1))]
    line = Line()
    tracemalloc.start()
    for piece in pieces:
        line.socket.feed(piece, 0)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 2 * count
    assert line.feed(sent(CONTINUATION, b"x")).told == [b"x" * (count + 1)]


def test_the_header_of_a_large_frame_takes_no_memory() -> None:
    line = Line()
    tracemalloc.start()
    line.feed(sent(BINARY, b"x", size=16 << 20))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 4096


# -- closing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 1013, 3000, 4999])
def test_the_server_closes(code: int) -> None:
    line = Line()
    line.socket.close(code, "why")
    assert line.frames == [Frame(CLOSE, code.to_bytes(2, "big") + b"why")]
    assert line.state == State.CLOSING
    assert not line.ended
    line.feed(close(code, "because"))
    assert line.told == [Closed(code, "because")]
    assert line.frames == [Frame(CLOSE, code.to_bytes(2, "big") + b"why")]
    assert line.ended
    assert line.state == State.CLOSED


def test_the_server_closes_with_no_code() -> None:
    line = Line()
    line.socket.close(1005)
    assert line.frames == [Frame(CLOSE)]


def test_the_server_closes_normally_unless_it_says_otherwise() -> None:
    line = Line()
    line.socket.close()
    assert line.frames == [Frame(CLOSE, b"\x03\xe8")]


@pytest.mark.parametrize("code", [-1, 0, 999, 1004, 1006, 1015, 1016, 2999, 5000, 70_000])
def test_codes_that_may_not_be_sent(code: int) -> None:
    line = Line()
    with pytest.raises(ValueError, match="close code"):
        line.socket.close(code)
    assert line.out == b""
    assert line.state == State.OPEN


@pytest.mark.parametrize(
    ("reason", "cut"),
    [
        ("r" * 123, "r" * 123),
        ("r" * 124, "r" * 123),
        ("\u2603" * 42, "\u2603" * 41),
        ("r" + "\u2603" * 41, "r" + "\u2603" * 40),
    ],
)
def test_reasons_are_cut_between_characters(reason: str, cut: str) -> None:
    line = Line()
    line.socket.close(1000, reason)
    assert line.frames == [Frame(CLOSE, b"\x03\xe8" + cut.encode())]


def test_messages_that_cross_our_close_are_dropped() -> None:
    line = Line().feed(sent(TEXT, b"half", False))
    line.socket.close(1000)
    line.feed_all(
        bytewise(sent(CONTINUATION, b"\xff" * 200) + sent(PING, b"p") + text("more") + fragments(TEXT, b"\xff", b""))
    )
    assert line.told == []
    assert line.feed(sent(PONG)).told == [Ponged(b"")]
    assert line.feed(close(1000)).told[-1] == Closed(1000)
    assert len(line.frames) == 1


def test_a_compressed_message_that_crosses_our_close_is_dropped() -> None:
    line = Line(agreement=DEFLATE)
    line.socket.close(1000)
    line.feed(sent(TEXT, b"\xff" * 10, rsv=RSV1) + close(1000))
    assert line.told == [Closed(1000)]


def test_a_breach_behind_our_close_is_the_end() -> None:
    line = Line()
    line.socket.close(1000)
    line.feed(sent(3))
    assert line.told == [Failed(CloseCode.PROTOCOL_ERROR)]
    assert len(line.frames) == 1
    assert line.ended


@pytest.mark.parametrize("closing", [False, True])
def test_nothing_is_sent_behind_the_end(closing: bool) -> None:
    line = Line(agreement=DEFLATE)
    if closing:
        line.socket.close(1001)
    else:
        line.feed(close(1000))
    out = line.out
    line.socket.send_text("a")
    line.socket.send_bytes(bytes(1000))
    line.socket.ping()
    line.socket.close(1000)
    line.socket.output_blocked()
    line.socket.output_unblocked()
    assert line.out == out


def test_what_comes_behind_the_end_is_taken_and_dropped() -> None:
    line = Line().feed(close(1000))
    assert line.socket.feed(text("more"), 0) == len(text("more"))
    assert line.told == [Closed(1000)]
    line.socket.eof()
    line.socket.lost()
    assert line.told == [Closed(1000)]


@pytest.mark.parametrize("before", [b"", text("a")[:3], sent(TEXT, b"a", False), text("abc")[:-1]])
def test_the_peer_leaves_without_a_word(before: bytes) -> None:
    line = Line().feed(before)
    line.socket.eof()
    assert line.told == [Closed(1006)]
    assert line.ended
    assert line.out == b""


def test_the_peer_leaves_in_place_of_its_close() -> None:
    line = Line()
    line.socket.close(1000)
    line.socket.eof()
    assert line.told == [Closed(1006)]
    assert line.ended


def test_the_carrier_is_lost() -> None:
    line = Line()
    line.socket.lost()
    assert line.told == [Closed(1006)]
    assert not line.ended
    assert line.state == State.CLOSED


def test_an_application_closes_when_it_gets_a_message() -> None:
    line = Line(react=lambda line, _: line.socket.close(4000, "enough"))
    line.feed(text("one") + text("two") + close(4000))
    assert line.told == ["one", Closed(4000)]
    assert line.frames == [Frame(CLOSE, b"\x0f\xa0enough")]


@pytest.mark.parametrize("end", [lambda line: line.feed(close(1000)), lambda line: line.socket.lost()])
def test_a_closed_socket_has_given_its_memory_back(end: Callable[[Line], object]) -> None:
    tracemalloc.start()
    try:
        line = Line(agreement=DEFLATE)
        line.socket.send_text("a" * 100)
        line.feed(sent(TEXT, Zlib(bits=12).deflate(b"a" * 100), rsv=RSV1) + sent(BINARY, bytes(100_000), fin=False))
        open_ = tracemalloc.get_traced_memory()[0]
        end(line)
        assert open_ - tracemalloc.get_traced_memory()[0] > 100_000 + (1 << 15)
    finally:
        tracemalloc.stop()


def test_the_carrier_is_lost_while_something_is_sent() -> None:
    class Broken(Line):
        def write(self, data: bytes) -> None:
            self.socket.lost()

    for act in (
        lambda line: line.socket.send_bytes(bytes(JOIN_LIMIT)),
        lambda line: line.socket.ping(),
        lambda line: line.socket.close(),
        lambda line: line.feed(sent(PING) + text("more")),
        lambda line: line.feed(sent(PING) + close(1000)),
        lambda line: line.feed(sent(PING) + sent(PING) + sent(3)),
    ):
        line = Broken()
        act(line)
        assert line.told == [Closed(1006)]
        assert line.state == State.CLOSED


# -- back-pressure -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [lambda data: [data], bytewise])
def test_who_has_enough_gets_no_more(pieces: Callable[[bytes], list[bytes]]) -> None:
    data = text("one") + sent(PING) + fragments(TEXT, b"t", b"wo") + sent(BINARY, bytes(200)) + close(1000)
    line = Line(room=1).feed_all(pieces(data))
    assert line.told == ["one"]
    assert line.out == b""
    assert line.unread == data[len(text("one")) :]
    assert line.resume(1).told == ["one", "two"]
    assert line.frames == [Frame(PONG)]
    assert line.resume(1).told == ["one", "two", bytes(200)]
    assert line.resume(1).told == ["one", "two", bytes(200), Closed(1000)]
    assert line.unread == b""


def test_feeding_begins_where_it_is_told_to() -> None:
    line = Line(room=1)
    data = b"\xff\xff" + text("one") + text("two")
    at = line.socket.feed(data, 2)
    assert at == 2 + len(text("one"))
    line.socket.paused = False
    assert line.socket.feed(data, at) == len(data)
    assert line.messages == ["one", "two"]


def test_who_closes_is_not_paused_any_more() -> None:
    line = Line(room=1).feed(text("one") + text("two") + close(1000))
    line.socket.close(1000)
    assert line.feed(b"").told == ["one", Closed(1000)]


def test_pings_of_a_peer_that_does_not_read_are_answered_once() -> None:
    line = Line()
    line.socket.output_blocked()
    assert line.socket.blocked
    line.feed(b"".join(sent(PING, b"%d" % number) for number in range(1000)))
    assert line.out == b""
    line.socket.output_unblocked()
    assert line.unblocked == 1
    assert line.frames == [Frame(PONG, b"999")]
    line.socket.output_blocked()
    line.socket.output_unblocked()
    assert line.frames == [Frame(PONG, b"999")]


def test_a_ping_is_not_answered_behind_our_close() -> None:
    line = Line()
    line.socket.output_blocked()
    line.feed(sent(PING))
    line.socket.close(1000)
    line.socket.output_unblocked()
    assert [frame.opcode for frame in line.frames] == [CLOSE]


# -- the table of transitions ------------------------------------------------------------------------------------------

IN_STATE: dict[State, Callable[[], Line]] = {
    State.OPEN: Line,
    State.CLOSING: lambda: after(Line(), Event.OUR_CLOSE),
    State.CLOSED: lambda: after(Line(), Event.PEER_CLOSE),
}

HAPPENS: dict[Event, Callable[[Line], object]] = {
    Event.OUR_CLOSE: lambda line: line.socket.close(1000),
    Event.PEER_CLOSE: lambda line: line.feed(close(1000)),
    Event.BREACH: lambda line: line.feed(sent(15)),
    Event.LOST: lambda line: line.socket.lost(),
}


def after(line: Line, event: Event) -> Line:
    HAPPENS[event](line)
    return line


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("state", State)
def test_every_event_in_every_state(state: State, event: Event) -> None:
    """Where the table has nothing, nothing happens."""
    line = IN_STATE[state]()
    assert line.state == state
    out, told = line.out, list(line.told)
    after(line, event)
    assert line.state == TRANSITIONS.get((state, event), state)
    if (state, event) not in TRANSITIONS:
        assert line.out == out
        assert line.told == told
