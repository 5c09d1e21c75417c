"""Early hints (ASGI, "Early Hints" among the extensions), over HTTP/1.1 and HTTP/2 alike."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from support.apps import begin, read_body, respond
from support.http2 import rst_stream
from support.http2_client import Http2Client
from support.server import Server, serve

from litmus.asgi import Application, Receive, Scope, Send
from litmus.memory.scoreboard import RESPONSES_1XX
from litmus.server.channel import ClientDisconnected

STYLE = b"</style.css>; rel=preload; as=style"
SCRIPT = b"</script.js>; rel=preload; as=script"


class Answer(NamedTuple):
    """A response, in whichever protocol, and the interim ones before it."""

    interim: list[int]
    status: int
    body: bytes


Ask = Callable[..., Answer]


def over_http1(server: Server, method: str = "GET") -> Answer:
    interim = []
    with server.connect() as client:
        client.send(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        while (head := client.head())[0] < 200:
            interim.append(head[0])
            assert [name for name, _ in head[1]] == [b"link"] * len(head[1]), "nothing but the links"
        length = int(dict(head[1]).get(b"content-length", b"0"))
        return Answer(interim, head[0], client.exactly(0 if method == "HEAD" else length))


def over_http2(server: Server, method: str = "GET") -> Answer:
    with Http2Client(server.connect()) as client:
        got = client.get(method=method)
        assert got.ended
        assert got.status is not None
        return Answer(list(got.interim), got.status, got.body)


@pytest.fixture(params=[over_http1, over_http2])
def ask(request: pytest.FixtureRequest) -> Any:
    return request.param


def hinting(*hints: list[bytes]) -> Application:
    """An application that gives hints before it responds."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        assert scope["extensions"]["http.response.early_hint"] == {}
        for links in hints:
            await send({"type": "http.response.early_hint", "links": links})
        await respond(send, b"hello")

    return app


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("hints", [[[STYLE]], [[STYLE, SCRIPT]], [[STYLE], [SCRIPT]], [[]]])
def test_hints_come_before_the_response(ask: Ask, hints: list[list[bytes]], method: str) -> None:
    with serve(hinting(*hints)) as server:
        answer = ask(server, method=method)
        assert answer == ([103] * len(hints), 200, b"hello" if method == "GET" else b"")
        assert server.counter(RESPONSES_1XX) == len(hints)
        assert server.counter(RESPONSES_1XX + 1) == 1


def test_every_link_is_a_field_of_its_own() -> None:
    with serve(hinting([STYLE, SCRIPT])) as server, server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.until(b"\r\n\r\n") == (
            b"HTTP/1.1 103 Early Hints\r\nlink: " + STYLE + b"\r\nlink: " + SCRIPT + b"\r\n\r\n"
        )


def test_hints_come_at_once(ask: Ask) -> None:
    """That is what they are for: the response may take its time."""
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.early_hint", "links": [STYLE]})
        await gate.wait()
        await respond(send)

    with serve(app) as server:
        if ask is over_http1:
            with server.connect() as client:
                client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.head() == (103, [(b"link", STYLE)])
                server.call(gate.set)
                assert client.response().status == 200
        else:
            with Http2Client(server.connect()) as client2:
                stream = client2.ask()
                client2.until(lambda: client2.seen(stream).interim == (103,))
                server.call(gate.set)
                assert client2.response(stream).status == 200


def test_http10_gets_none() -> None:
    """RFC 9110, section 15.2."""
    with serve(hinting([STYLE])) as server, server.connect() as client:
        whole = client.send(b"GET / HTTP/1.0\r\n\r\n").rest()
        assert whole.startswith(b"HTTP/1.1 200 OK\r\n")
        assert whole.endswith(b"\r\n\r\nhello")
        assert server.counter(RESPONSES_1XX) == 0


def test_a_hint_leaves_the_connection_as_it_was() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.early_hint", "links": [STYLE]})
        await respond(send, await read_body(receive))

    with serve(app) as server, server.connect() as client, Http2Client(server.connect()) as client2:
        for _ in range(3):
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
            assert client.head()[0] == 103
            assert client.response().body == b"hello"
            response = client2.post(b"hello")
            assert (response.interim, response.body) == ((103,), b"hello")


def test_an_expectation_is_answered_as_well() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.early_hint", "links": [STYLE]})
        await respond(send, await read_body(receive))

    with serve(app) as server, server.connect() as client, Http2Client(server.connect()) as client2:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert [client.head()[0], client.head()[0]] == [103, 100]
        assert client.send(b"hello").response().body == b"hello"
        stream = client2.ask("/", ("expect", "100-continue"), end=False, method="POST")
        client2.until(lambda: client2.seen(stream).interim == (103, 100))
        client2.content(stream, b"hello")
        assert client2.response(stream).body == b"hello"
        assert server.counter(RESPONSES_1XX) == 4


@pytest.mark.parametrize("started", ["announced", "begun", "complete"])
def test_after_the_response_it_is_too_late(ask: Ask, started: str, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if started == "announced":
            await send({"type": "http.response.start", "status": 200})
        elif started == "begun":
            await begin(send, b"hello", [(b"content-length", b"5")])
        else:
            await respond(send, b"hello")
        try:
            await send({"type": "http.response.early_hint", "links": [STYLE]})
        except RuntimeError as error:
            server.notes.put(str(error))
        if started == "announced":
            await send({"type": "http.response.body", "body": b"hello"})
        elif started == "begun":
            await send({"type": "http.response.body"})

    with serve(app) as server:
        assert ask(server) == ([], 200, b"hello")
        assert server.note() == "http.response.early_hint was sent after http.response.start"
        assert server.counter(RESPONSES_1XX) == 0
    assert caplog.messages == []


@pytest.mark.parametrize("link", [b"a\r\nset-cookie: b", b"\0"])
def test_a_link_that_cannot_be_sent_is_the_applications_failure(
    ask: Ask, link: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(hinting([STYLE, link])) as server:
        answer = ask(server)
        assert (answer.interim, answer.status) == ([], 500)
    assert "the application failed: GET /" in caplog.text


def test_who_has_left_gets_none() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        server.notes.put("called")
        assert (await receive())["type"] == "http.disconnect"
        try:
            await send({"type": "http.response.early_hint", "links": [STYLE]})
        except OSError as error:
            server.notes.put(type(error))

    with serve(app) as server, server.connect() as client, Http2Client(server.connect()) as client2:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert server.note() == "called"
        client.reset()
        assert server.note() is ClientDisconnected
        stream = client2.ask()
        assert server.note() == "called"
        client2.send(rst_stream(stream))
        assert server.note() is ClientDisconnected
