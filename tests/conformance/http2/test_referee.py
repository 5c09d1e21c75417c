"""The referee notices each foul, and lets pass what is allowed: what it says of a server can be relied on."""

from collections.abc import Callable

import pytest
from support.http2 import (
    MAX_STREAM,
    MAX_WINDOW,
    PREFACE,
    Error,
    Field,
    Flag,
    Foul,
    Referee,
    Setting,
    Type,
    block,
    continuation,
    data,
    frame,
    get,
    goaway,
    headers,
    literal,
    ping,
    post,
    priority_update,
    rst_stream,
    settings,
    table_size,
    window_update,
)

DATE = ("date", "Thu, 01 Jan 1970 00:00:00 GMT")


def head(*fields: Field, status: str = "200", date: bool = True) -> list[Field]:
    return [(":status", status), *([DATE] if date else []), *fields]


def answer(stream: int, *fields: Field, status: str = "200", end: bool = False) -> bytes:
    return headers(stream, head(*fields, status=status), end=end)


def begun(*sent: bytes) -> Referee:
    """A connection on which SETTINGS have been exchanged, and this has been sent."""
    referee = Referee()
    referee.sent(PREFACE + settings())
    referee.received(settings() + settings(ack=True))
    for each in sent:
        referee.sent(each)
    return referee


BIG_WINDOW = settings({Setting.INITIAL_WINDOW_SIZE: 1 << 20})

FOULS: dict[str, tuple[Callable[[], Referee], bytes]] = {
    "something before SETTINGS": (Referee, ping()),
    "an acknowledgement before SETTINGS": (Referee, settings(ack=True)),
    "a frame larger than allowed": (lambda: begun(get(1)), answer(1) + data(1, bytes(16_385))),
    "the reserved bit": (begun, frame(Type.PING, 0, 0, bytes(8), reserved=True)),
    "a flag that is not defined": (lambda: begun(get(1)), frame(Type.RST_STREAM, 1, 1, bytes(4))),
    "an unknown type": (begun, frame(0xFA)),
    "a push": (lambda: begun(get(1)), frame(Type.PUSH_PROMISE, Flag.END_HEADERS, 1, b"\0\0\0\2")),
    "PRIORITY_UPDATE": (begun, priority_update(1)),
    "SETTINGS on a stream": (lambda: begun(get(1)), frame(Type.SETTINGS, 0, 1)),
    "HEADERS on stream 0": (begun, answer(0)),
    "a stream that nobody has opened": (lambda: begun(get(1)), answer(3)),
    "a stream of the server's": (lambda: begun(get(1)), answer(2)),
    "CONTINUATION of nothing": (lambda: begun(get(1)), continuation(1)),
    "a frame in a header block": (lambda: begun(get(1)), headers(1, block(head()), done=False) + ping()),
    "CONTINUATION of another stream": (
        lambda: begun(get(1), get(3)), headers(1, block(head()), done=False) + continuation(3)
    ),
    "a header block that cannot be decoded": (lambda: begun(get(1)), headers(1, b"\xff\xff\xff")),
    "a table larger than allowed": (lambda: begun(get(1)), headers(1, table_size(8_192) + block(head()))),
    "a table that should be smaller": (
        lambda: begun(settings({Setting.HEADER_TABLE_SIZE: 0}), get(1)), settings(ack=True) + answer(1)
    ),
    "DATA before the head": (lambda: begun(get(1)), data(1, b"x")),
    "DATA behind an interim head": (lambda: begun(get(1)), headers(1, [(":status", "100")]) + data(1, b"x")),
    "DATA behind the end": (lambda: begun(get(1)), answer(1, end=True) + data(1, b"x")),
    "HEADERS behind the end": (lambda: begun(get(1)), answer(1, end=True) + answer(1)),
    "DATA behind RST_STREAM": (lambda: begun(get(1)), answer(1) + rst_stream(1) + data(1, b"x")),
    "WINDOW_UPDATE behind RST_STREAM": (lambda: begun(post(1)), rst_stream(1) + window_update(1, 1)),
    "DATA on a stream that we have reset": (
        lambda: begun(get(1), rst_stream(1), ping()), answer(1) + ping(ack=True) + data(1, b"x")
    ),
    "RST_STREAM twice": (lambda: begun(get(1)), rst_stream(1) * 2),
    "an unknown error code": (lambda: begun(get(1)), rst_stream(1, 0x77)),
    "no status": (lambda: begun(get(1)), headers(1, [DATE])),
    "two statuses": (lambda: begun(get(1)), headers(1, [(":status", "200"), (":status", "200"), DATE])),
    "a status behind a field": (lambda: begun(get(1)), headers(1, [DATE, (":status", "200")])),
    "a pseudo-header field of requests": (lambda: begun(get(1)), headers(1, head((":path", "/")))),
    "status 101": (lambda: begun(get(1)), answer(1, status="101")),
    "status 20": (lambda: begun(get(1)), answer(1, status="20")),
    "an interim head that ends": (lambda: begun(get(1)), headers(1, [(":status", "103")], end=True)),
    "a name in upper case": (lambda: begun(get(1)), answer(1, ("X", "y"))),
    "an empty name": (lambda: begun(get(1)), answer(1, ("", "y"))),
    "LF in a value": (lambda: begun(get(1)), answer(1, ("x", "y\nz"))),
    "white space before a value": (lambda: begun(get(1)), answer(1, ("x", " y"))),
    "connection": (lambda: begun(get(1)), answer(1, ("connection", "close"))),
    "transfer-encoding": (lambda: begun(get(1)), answer(1, ("transfer-encoding", "chunked"))),
    "no date": (lambda: begun(get(1)), headers(1, [(":status", "200")])),
    "two dates": (lambda: begun(get(1)), headers(1, head(DATE))),
    "two lengths": (lambda: begun(get(1)), answer(1, ("content-length", "1"), ("content-length", "1"))),
    "more than its length": (
        lambda: begun(get(1)), answer(1, ("content-length", "1")) + data(1, b"12", end=True)
    ),
    "less than its length": (lambda: begun(get(1)), answer(1, ("content-length", "1"), end=True)),
    "content in answer to HEAD": (lambda: begun(get(1, method="HEAD")), answer(1) + data(1, b"x", end=True)),
    "content of a 204": (lambda: begun(get(1)), answer(1, status="204") + data(1, b"x", end=True)),
    "trailers that end nothing": (lambda: begun(get(1)), answer(1) + headers(1, [("x", "y")])),
    "trailers with a status": (lambda: begun(get(1)), answer(1) + headers(1, [(":status", "200")], end=True)),
    "padding that does not fit": (lambda: begun(get(1)), answer(1) + frame(Type.DATA, Flag.PADDED, 1, b"\5x")),
    "padding that is not zero": (lambda: begun(get(1)), answer(1) + frame(Type.DATA, Flag.PADDED, 1, b"\1xy")),
    "more than the stream's window": (
        lambda: begun(settings({Setting.INITIAL_WINDOW_SIZE: 10}), get(1)),
        settings(ack=True) + answer(1) + data(1, bytes(11)),
    ),
    "padding beyond the window": (
        lambda: begun(settings({Setting.INITIAL_WINDOW_SIZE: 10}), get(1)),
        settings(ack=True) + answer(1) + data(1, bytes(9), pad=1),
    ),
    "more than a window that was made smaller": (
        lambda: begun(get(1), settings({Setting.INITIAL_WINDOW_SIZE: 10})),
        answer(1) + settings(ack=True) + data(1, bytes(11)),
    ),
    "more than the connection's window": (
        lambda: begun(BIG_WINDOW, get(1)),
        settings(ack=True) + answer(1) + data(1, bytes(16_384)) * 4,
    ),
    "an acknowledgement too many": (begun, settings(ack=True)),
    "an acknowledgement with content": (lambda: begun(settings()), frame(Type.SETTINGS, Flag.ACK, 0, bytes(6))),
    "SETTINGS of 5 bytes": (begun, frame(Type.SETTINGS, 0, 0, bytes(5))),
    "push": (begun, settings({Setting.ENABLE_PUSH: 1})),
    "an initial window of 2**31": (begun, settings({Setting.INITIAL_WINDOW_SIZE: MAX_WINDOW + 1})),
    "a frame size of 16,383": (begun, settings({Setting.MAX_FRAME_SIZE: 16_383})),
    "extended CONNECT 2": (begun, settings({Setting.ENABLE_CONNECT_PROTOCOL: 2})),
    "an answer to another PING": (lambda: begun(ping(b"12345678")), ping(b"87654321", ack=True)),
    "an answer to no PING": (begun, ping(ack=True)),
    "PING of 7 bytes": (begun, frame(Type.PING, 0, 0, bytes(7))),
    "GOAWAY of 7 bytes": (begun, frame(Type.GOAWAY, 0, 0, bytes(7))),
    "GOAWAY that takes back": (begun, goaway(0) + goaway(1)),
    "GOAWAY of a stream that nobody has opened": (lambda: begun(get(1)), goaway(3, Error.PROTOCOL_ERROR)),
    "WINDOW_UPDATE of 0": (begun, window_update(0, 0)),
    "WINDOW_UPDATE of 3 bytes": (begun, frame(Type.WINDOW_UPDATE, 0, 0, bytes(3))),
    "a window of the connection that overflows": (begun, window_update(0, MAX_WINDOW)),
    "a window of a stream that overflows": (lambda: begun(post(1)), window_update(1, MAX_WINDOW)),
}  # fmt: skip

FAIR: dict[str, tuple[Callable[[], Referee], bytes]] = {
    "an answer": (lambda: begun(get(1)), answer(1, ("content-length", "2")) + data(1, b"ok", end=True)),
    "an answer in pieces": (
        lambda: begun(get(1)),
        headers(1, block(head())[:5], done=False) + continuation(1, block(head())[5:], done=False) + continuation(1),
    ),
    "an interim answer": (lambda: begun(post(1)), headers(1, [(":status", "100")]) + answer(1, end=True)),
    "trailers": (lambda: begun(get(1)), answer(1) + data(1, b"x") + headers(1, [("x", "y")], end=True)),
    "a length in answer to HEAD": (
        lambda: begun(get(1, method="HEAD")), answer(1, ("content-length", "5"), end=True)
    ),
    "a whole window": (lambda: begun(get(1)),
    answer(1) + data(1, bytes(16_384)) * 3 + data(1, bytes(16_383), end=True)),
    "an empty frame without a window": (
        lambda: begun(settings({Setting.INITIAL_WINDOW_SIZE: 0}), get(1)),
        settings(ack=True) + answer(1) + data(1, end=True),
    ),
    "a window that was made smaller, before the server knows": (
        lambda: begun(get(1), settings({Setting.INITIAL_WINDOW_SIZE: 10})),
        answer(1) + data(1, bytes(11)) + settings(ack=True),
    ),
    "a larger frame, if we allow it": (
        lambda: begun(settings({Setting.MAX_FRAME_SIZE: 20_000}), get(1)),
        settings(ack=True) + answer(1) + data(1, bytes(20_000)),
    ),
    "a smaller table": (
        lambda: begun(settings({Setting.HEADER_TABLE_SIZE: 0}), get(1)),
        settings(ack=True) + headers(1, table_size(0) + block(head()), end=True),
    ),
    "RST_STREAM without error behind the end": (lambda: begun(post(1)), answer(1, end=True) + rst_stream(1, 0)),
    "WINDOW_UPDATE behind the end": (lambda: begun(post(1)), answer(1, end=True) + window_update(1, 1)),
    "DATA on a stream that we have reset, before the server knows": (
        lambda: begun(get(1), rst_stream(1), ping()), answer(1) + data(1, b"x") + ping(ack=True)
    ),
    "GOAWAY, and another": (lambda: begun(get(1)), goaway(MAX_STREAM) + answer(1, end=True) + goaway(1)),
    "a field that is stored": (lambda: begun(get(1)),
    headers(1, block(head()) + literal("x", "y", store=True), end=True)),
}  # fmt: skip


@pytest.mark.parametrize("name", FOULS)
def test_a_foul(name: str) -> None:
    make, sent = FOULS[name]
    with pytest.raises(Foul):
        make().received(sent)
    with pytest.raises(Foul):
        bytewise(make(), sent)


@pytest.mark.parametrize("name", FAIR)
def test_a_fair_play(name: str) -> None:
    make, sent = FAIR[name]
    make().received(sent)
    referee = make()
    bytewise(referee, sent)
    referee.ended()


def bytewise(referee: Referee, sent: bytes) -> None:
    for at in range(len(sent)):
        referee.received(sent[at : at + 1])


@pytest.mark.parametrize("sent", [ping()[:9], ping()[:12], headers(1, block(head()), done=False)])
def test_the_end_in_the_middle(sent: bytes) -> None:
    referee = begun(get(1))
    referee.received(sent)
    with pytest.raises(Foul):
        referee.ended()


def test_what_is_to_be_answered() -> None:
    referee = begun()
    assert referee.replies == settings(ack=True)
    referee.replies = b""
    referee.received(ping(b"12345678"))
    assert referee.replies == ping(b"12345678", ack=True)


def test_room() -> None:
    """What we may send: the smaller one of the two windows, and what the server gives to each."""
    referee = begun(post(1), data(1, bytes(535)))
    assert referee.room(1) == 65_000
    referee.received(window_update(1, 1_000))
    assert referee.room(1) == 65_000
    referee.received(window_update(0, 500))
    assert referee.room(1) == 65_500
    referee.received(settings({Setting.INITIAL_WINDOW_SIZE: 535}))
    assert referee.room(1) == 1_000


def test_an_answer_in_the_other_version() -> None:
    referee = Referee()
    referee.received(b"HTTP/1.1 400 Bad")
    referee.received(b" Request\r\n")
    assert referee.http1 == b"HTTP/1.1 400 Bad Request\r\n"
