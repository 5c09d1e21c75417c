"""Trailers (ASGI, "HTTP Trailers" among the extensions), over HTTP/1.1 and HTTP/2 alike."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pytest
from support.http import Client
from support.http2 import Error, window_update
from support.http2_client import Http2Client
from support.server import Server, serve

from litmus.asgi import Receive, Scope, Send

Headers = Iterable[tuple[bytes, bytes]]

SUM = (b"x-sum", b"42")


class Answer(NamedTuple):
    """A response, in whichever protocol.

    Attributes:
        complete: the client can tell that it is.
    """

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    trailers: list[tuple[bytes, bytes]]
    complete: bool


Ask = Callable[..., Answer]


def over_http1(server: Server, te: str | None = "trailers", method: str = "GET", version: str = "1.1") -> Answer:
    lines = [f"{method} / HTTP/{version}", "Host: a", "Connection: close"]
    if te is not None:
        lines.append(f"TE: {te}")
    with server.connect() as client:
        client.send("\r\n".join([*lines, "", ""]).encode())
        status, fields = client.head()
        headers = dict(fields)
        if headers.get(b"transfer-encoding") == b"chunked" and method != "HEAD":
            return Answer(status, headers, *chunks(client))
        body = client.rest()
        size = len(body) if method == "HEAD" else int(headers.get(b"content-length", len(body)))
        return Answer(status, headers, body, [], size == len(body))


def chunks(client: Client) -> tuple[bytes, list[tuple[bytes, bytes]], bool]:
    """A body in chunks, with its trailers, and whether it is complete. Nothing may follow."""
    body, trailers, rest = b"", [], client.rest()
    while rest:
        line, _, rest = rest.partition(b"\r\n")
        size = int(line, 16)
        if size:
            body += rest[:size]
            assert rest[size : size + 2] == b"\r\n"
            rest = rest[size + 2 :]
            continue
        while rest[:2] != b"\r\n":
            line, _, rest = rest.partition(b"\r\n")
            name, _, value = line.partition(b": ")
            trailers.append((name.lower(), value))
        assert rest == b"\r\n"
        return body, trailers, True
    return body, trailers, False


def over_http2(server: Server, te: str | None = "trailers", method: str = "GET") -> Answer:
    with Http2Client(server.connect()) as client:
        got = client.get("/", *([("te", te)] if te is not None else []), method=method)
        assert got.reset in (None, Error.INTERNAL_ERROR)
        assert got.status is not None
        return Answer(got.status, dict(got.headers), got.body, list(got.trailers), got.ended)


@pytest.fixture(params=[over_http1, over_http2])
def ask(request: pytest.FixtureRequest) -> Any:
    return request.param


class App:
    """Begins a response that announces trailers, and sends these messages behind."""

    def __init__(self, *messages: dict[str, Any], announced: bool = True, headers: Headers = ()) -> None:
        self.messages = messages
        self.start = {"type": "http.response.start", "status": 200, "headers": headers, "trailers": announced}
        self.error: Exception | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        assert scope["extensions"]["http.response.trailers"] == {}
        try:
            await send(self.start)
            for message in self.messages:
                await send(message)
        except RuntimeError as error:
            self.error = error
            raise


def body(data: bytes = b"hello", more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def trailers(*headers: tuple[bytes, bytes], more: bool | None = None) -> dict[str, Any]:
    message: dict[str, Any] = {"type": "http.response.trailers", "headers": headers}
    return message if more is None else {**message, "more_trailers": more}


@pytest.mark.parametrize("pieces", [[b"hello"], [b"he", b"llo"], [b"hello", b""]])
def test_trailers_follow_the_body(ask: Ask, pieces: list[bytes]) -> None:
    messages = [body(piece, more=number + 1 < len(pieces)) for number, piece in enumerate(pieces)]
    with serve(App(*messages, trailers((b"X-Sum", b"42"), (b"x-two", b"2")))) as server:
        answer = ask(server)
    assert (answer.status, answer.body, answer.complete) == (200, b"hello", True)
    assert answer.trailers == [SUM, (b"x-two", b"2")]


def test_trailers_without_a_body(ask: Ask) -> None:
    with serve(App(body(b""), trailers(SUM))) as server:
        answer = ask(server)
    assert (answer.body, answer.trailers, answer.complete) == (b"", [SUM], True)


def test_trailers_in_pieces(ask: Ask) -> None:
    with serve(
        App(body(), trailers(SUM, more=True), trailers(more=True), trailers((b"b", b"2"), more=False))
    ) as server:
        assert ask(server).trailers == [SUM, (b"b", b"2")]


def test_no_trailers_after_all(ask: Ask) -> None:
    with serve(App(body(), {"type": "http.response.trailers"})) as server:
        answer = ask(server)
    assert (answer.body, answer.trailers, answer.complete) == (b"hello", [], True)


def test_who_does_not_ask_for_trailers_gets_none(ask: Ask) -> None:
    """RFC 9110, section 6.5.1."""
    with serve(App(body(), trailers(SUM))) as server:
        answer = ask(server, te=None)
    assert (answer.body, answer.trailers, answer.complete) == (b"hello", [], True)


@pytest.mark.parametrize(("te", "taken"), [("gzip, Trailers", True), ("gzip", False), ("trailers;q=1", True)])
def test_what_http1_has_in_te(te: str, taken: bool) -> None:
    with serve(App(body(), trailers(SUM))) as server:
        assert over_http1(server, te).trailers == ([SUM] if taken else [])


def test_http10_has_no_place_for_them() -> None:
    with serve(App(body(), trailers(SUM))) as server:
        answer = over_http1(server, version="1.0")
    assert (answer.body, answer.trailers, answer.complete) == (b"hello", [], True)


def test_head_has_no_trailers(ask: Ask) -> None:
    with serve(App(body(), trailers(SUM))) as server:
        answer = ask(server, method="HEAD")
    assert (answer.status, answer.body, answer.trailers, answer.complete) == (200, b"", [], True)


def test_a_body_of_known_length_has_them_over_http2_alone(ask: Ask) -> None:
    """RFC 9112, section 7.1.2: in HTTP/1.1 they belong to the chunks."""
    with serve(App(body(), trailers(SUM), headers=[(b"content-length", b"5")])) as server:
        answer = ask(server)
    assert (answer.body, answer.complete, answer.headers[b"content-length"]) == (b"hello", True, b"5")
    assert answer.trailers == ([SUM] if ask is over_http2 else [])


@pytest.mark.parametrize("te", ["trailers", None])
def test_a_body_that_is_too_short_is_so_with_trailers_as_well(
    ask: Ask, te: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(App(body(b"hell"), trailers(SUM), headers=[(b"content-length", b"5")])) as server:
        answer = ask(server, te)
    assert (answer.body, answer.complete) == (b"hell", False)
    assert "the body is shorter than its Content-Length" in caplog.text


def test_what_frames_content_is_no_trailer(ask: Ask) -> None:
    """RFC 9110, section 6.5.1."""
    dropped = [
        (b"Content-Length", b"5"),
        (b"transfer-encoding", b"chunked"),
        (b"connection", b"close"),
        (b"date", b"x"),
    ]
    with serve(App(body(), trailers(*dropped, SUM))) as server:
        assert ask(server).trailers == [SUM]


@pytest.mark.parametrize(
    "field", [(b"x", b"a\r\nb: c"), (b"", b"x"), (b":status", b"200"), (b"a b", b"c"), (b"x", b"\0")]
)
def test_a_trailer_that_cannot_be_sent_cuts_the_response(
    ask: Ask, field: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    with serve(App(body(), trailers(SUM, field))) as server:
        answer = ask(server)
    assert (answer.status, answer.body, answer.trailers, answer.complete) == (200, b"hello", [], False)
    assert "the application failed: GET /" in caplog.text


@pytest.mark.parametrize(
    ("app", "status", "complete"),
    [
        pytest.param(App(trailers(SUM)), 500, True, id="before the body"),
        pytest.param(App(body(more=True), trailers(SUM)), 200, False, id="in the middle of the body"),
        pytest.param(App(body(), trailers(SUM), announced=False), 200, True, id="not announced"),
        pytest.param(App(body(more=True), trailers(SUM), announced=False), 200, False, id="not announced, early"),
        pytest.param(App(body(), trailers(SUM), trailers(SUM)), 200, True, id="twice"),
        pytest.param(App(body(), trailers(SUM), body()), 200, True, id="body behind them"),
        pytest.param(App(body(), body()), 200, False, id="body in their place"),
        pytest.param(App(body(), trailers(SUM, more=True), body()), 200, False, id="body between them"),
    ],
)
def test_out_of_order(ask: Ask, app: App, status: int, complete: bool, caplog: pytest.LogCaptureFixture) -> None:
    app.error = None
    with serve(app) as server:
        answer = ask(server)
    assert (answer.status, answer.complete) == (status, complete)
    assert isinstance(app.error, RuntimeError)
    assert "the application failed: GET /" in caplog.text


@pytest.mark.parametrize("app", [App(body()), App(body(), trailers(SUM, more=True))])
def test_trailers_that_were_promised_and_do_not_come(ask: Ask, app: App, caplog: pytest.LogCaptureFixture) -> None:
    with serve(app) as server:
        answer = ask(server)
    assert (answer.body, answer.complete) == (b"hello", False)
    assert "returned before its response was complete" in caplog.text


def test_trailers_wait_for_room_as_the_body_does() -> None:
    """Over HTTP/2, with more content than the client has room for."""
    with serve(App(body(bytes(100_000)), trailers(SUM))) as server, Http2Client(server.connect(), 10_000) as client:
        stream = client.ask("/", ("te", "trailers"))
        client.until(lambda: client.referee.size(stream) == 10_000)
        client.send(window_update(0, 100_000) + window_update(stream, 90_000))
        response = client.response(stream)
        assert (len(response.body), response.trailers, response.ended) == (100_000, (SUM,), True)


def test_a_connection_goes_on_behind_trailers() -> None:
    app = App(body(), trailers(SUM))
    with serve(app) as server, server.connect() as client, Http2Client(server.connect()) as client2:
        for _ in range(3):
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n")
            assert client.until(b"x-sum: 42\r\n\r\n").endswith(b"\r\n5\r\nhello\r\n0\r\nx-sum: 42\r\n\r\n")
            assert client2.get("/", ("te", "trailers")).trailers == (SUM,)
