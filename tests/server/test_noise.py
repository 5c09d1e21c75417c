"""What clients can have the log say: what it says, and that it does not say it without bound."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from support.apps import begin, hello, read_body
from support.server import Server, serve

from litmus.asgi import Receive, Scope, Send
from litmus.server.deadlines import TICK_NS, Wheel
from litmus.server.noise import CUT, MOST, REFUSED, TARGET_SHOWN, Noise, in_words


@pytest.fixture(autouse=True)
def at_info(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level("INFO", "litmus.server"):
        yield


def tell(noise: Noise, kind: str, number: int) -> None:
    for i in range(number):
        noise.tell(kind, "%s %d", kind, i)


def pass_by(wheel: Wheel, ticks: int) -> None:
    for _ in range(ticks):
        wheel.advance(wheel.now * TICK_NS)


def test_so_many_lines_and_then_their_number(caplog: pytest.LogCaptureFixture) -> None:
    wheel = Wheel(0)
    noise = Noise(wheel)
    told = [f"{REFUSED} {i}" for i in range(MOST)]
    tell(noise, REFUSED, MOST + 2)
    pass_by(wheel, 100)
    assert caplog.messages == told
    pass_by(wheel, 2)
    told.append("2 more refused requests within 10 s, not told one by one")
    assert caplog.messages == told
    tell(noise, REFUSED, 1)
    assert caplog.messages == [*told, f"{REFUSED} 0"], "a new time has begun"
    pass_by(wheel, 200)
    assert len(caplog.messages) == len(told) + 1, "and there is nothing to add"


def test_one_kind_does_not_hide_another(caplog: pytest.LogCaptureFixture) -> None:
    noise = Noise(Wheel(0))
    tell(noise, REFUSED, MOST + 1)
    tell(noise, CUT, MOST)
    assert caplog.messages.count(f"{CUT} {MOST - 1}") == 1
    noise.flush()
    assert caplog.messages[2 * MOST :] == ["1 more refused request within 10 s, not told one by one"]


@pytest.mark.parametrize(
    ("method", "target", "words"),
    [
        (b"GET", b"/a?b", "GET /a?b"),
        (b"GET", b"", "GET"),
        (b"", b"", "a request"),
        (b"G\x1b", b'/"', r"G\x1b /\x22"),
        (b"M" * 16, b"/" * TARGET_SHOWN, "M" * 16 + " " + "/" * TARGET_SHOWN),
        (b"M" * 17, b"/" * (TARGET_SHOWN + 1), "M" * 16 + "… " + "/" * TARGET_SHOWN + "…"),
    ],
)
def test_a_request_in_words(method: bytes, target: bytes, words: str) -> None:
    assert in_words(method, target) == words


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Begins its response before it reads the body, or does not read it at all."""
    if scope["path"] == "/unread":
        await hello(scope, receive, send)
        return
    if scope["path"] == "/begun":
        await begin(send, b"begun")
    with suppress(ConnectionError):
        await read_body(receive)


LONG = b"x" * 300
CHUNKED = b"POST %b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n"
OVER = "the body is longer than 10 bytes"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"GET /%ZZ HTTP/1.1\r\n\r\n", "refused GET /%ZZ from {}: 400, a percent sign in the path"),
        (b'GET /"a HTTP/2.0\r\n\r\n', r"refused GET /\x22a from {}: 505, only HTTP/1.0"),
        (b"BREW /" + LONG, f"refused BREW /{'x' * (TARGET_SHOWN - 1)}… from {{}}: 501, a method"),
        (b"\x16\x03\x01", r"refused \x16\x03\x01 from {}: 400, this is TLS"),
        (CHUNKED % b"/read", f"refused POST /read from {{}}: 413, {OVER}"),
        (CHUNKED % b"/begun", f"cut the response to POST /begun from {{}}: {OVER}"),
        (CHUNKED % b"/unread", f"refused the rest of an answered request from {{}}: {OVER}"),
    ],
)
def test_what_is_said(sent: bytes, said: str, caplog: pytest.LogCaptureFixture) -> None:
    with serve(app, limits__body="10 B") as server, server.connect() as client:
        client.send(sent)
        client.rest()
        (line,) = caplog.messages
        assert line.startswith(said.format("{}:{}".format(*client.name)))


def refuse(server: Server, number: int) -> None:
    for _ in range(number):
        with server.connect() as client:
            client.send(b"nonsense\r\n\r\n").rest()


def test_those_that_were_not_told_are_counted_in_the_end(caplog: pytest.LogCaptureFixture) -> None:
    with serve(hello) as server:
        refuse(server, MOST + 3)
        assert len(caplog.messages) == MOST
        server.tick(10.4)
        assert caplog.messages[MOST:] == ["3 more refused requests within 10 s, not told one by one"]
        refuse(server, MOST + 1)
        server.call(server.engine.close)
        assert caplog.messages[-1] == "1 more refused request within 10 s, not told one by one"
        assert len(caplog.messages) == 2 * (MOST + 1)
