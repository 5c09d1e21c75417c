"""Requests over HTTP/2, as a client meets them: scope, bodies, errors, limits, deadlines, the end of a connection."""

import asyncio
import re
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.apps import Gated, Routes, begin, echo, hello, read_body, respond
from support.http2 import (
    MAX_STREAM,
    PREFACE,
    WINDOW,
    Error,
    Field,
    Setting,
    Text,
    block,
    continuation,
    data,
    get,
    headers,
    ping,
    request,
    rst_stream,
    settings,
    window_update,
)
from support.http2_client import Http2Client
from support.server import Server, serve
from support.waiting import wait_until, wait_until_steady

from litmus.asgi import Application, Receive, Scope, Send
from litmus.memory.flight import WireProtocol
from litmus.memory.scoreboard import (
    BYTES_IN,
    BYTES_OUT,
    CLOSED_AS_FLOOD,
    RESPONSES_1XX,
    RESPONSES_UNREAD,
    STREAMS_REFUSED,
)
from litmus.protocols.http2.streams import PROGRESS
from litmus.server.channel import ClientDisconnected
from litmus.server.deadlines import TICK_NS
from litmus.server.engine import DRAIN_SECONDS

MIB = 1 << 20


@contextmanager
def connected(application: Application, window: int = 1 << 24, **options: Any) -> Iterator[tuple[Server, Http2Client]]:
    """A server of an application, and a connection with it."""
    with serve(application, **options) as server, Http2Client(server.connect(), window) as client:
        yield server, client


def classes(server: Server) -> list[int]:
    """How many responses there were of each class."""
    return [server.counter(cell) for cell in range(RESPONSES_1XX, RESPONSES_1XX + 5)]


# -- scope -------------------------------------------------------------------------------------------------------------


class ScopeApp:
    """Keeps the scopes that it is called with, and what the bodies were."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, Any], bytes]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append((dict(scope), await read_body(receive)))
        await respond(send)


def over_http1(method: str, target: str, fields: list[Field], body: bytes) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value!s}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


LENGTH = ("content-length", "5")
HOST = ("host", "Example.org:81")


@pytest.mark.parametrize(
    ("method", "target", "fields", "body"),
    [
        ("GET", "/", [HOST], b""),
        ("GET", "/a%20b/caf%C3%A9?x=%20y&z", [HOST, ("x-two", "1"), ("x-two", "B b")], b""),
        ("GET", "/%ff%C3//..%2F?", [HOST, ("accept", ""), ("user-agent", "caf\u00e9")], b""),
        ("GET", "/a?b?c", [HOST, ("cookie", "a=1; b=2")], b""),
        ("OPTIONS", "*", [HOST], b""),
        ("DELETE", "/x", [HOST, ("te", "trailers"), ("x_underscored", "is dropped")], b""),
        ("POST", "/", [HOST, LENGTH, ("content-type", "text/plain")], b"hello"),
        ("POST", "/", [HOST, ("content-length", "0")], b""),
        ("PUT", "/expected", [HOST, LENGTH, ("expect", "100-continue")], b"hello"),
    ],
)
@pytest.mark.parametrize("root_path", ["", "/root"])
def test_the_scope_is_that_of_http1(method: str, target: str, fields: list[Field], body: bytes, root_path: str) -> None:
    app = ScopeApp()
    with serve(app, app__root_path=root_path) as server:
        with server.connect() as client:
            client.send(over_http1(method, target, fields, body)).until(b"200 OK")
            name1 = client.name
        with Http2Client(server.connect()) as client2:
            stream = client2.ask(target, *fields[1:], method=method, authority=HOST[1], end=not body)
            if body:
                client2.content(stream, body)
            assert client2.response(stream).status == 200
            name2 = client2.client.name
    (first, body1), (second, body2) = app.seen
    assert (first.pop("http_version"), second.pop("http_version")) == ("1.1", "2")
    assert (first.pop("client"), second.pop("client")) == (name1, name2)
    assert first == second
    assert body1 == body2 == body
    assert second["root_path"] == root_path
    assert all(type(name) is bytes and type(value) is bytes for name, value in second["headers"])


def test_a_body_of_unknown_length_has_no_field_for_it() -> None:
    app = ScopeApp()
    with connected(app) as (_, client):
        assert client.post(b"hello").status == 200
    [(scope, body)] = app.seen
    assert body == b"hello"
    assert scope["headers"] == [(b"host", b"a")]


def test_cookies_in_pieces_are_joined_where_the_first_was() -> None:
    """RFC 9113, section 8.2.3."""
    app = ScopeApp()
    with connected(app) as (_, client):
        client.get("/", ("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3"))
    [(scope, _)] = app.seen
    assert scope["headers"] == [(b"host", b"a"), (b"cookie", b"a=1; b=2; c=3"), (b"x", b"y")]


@pytest.mark.parametrize(
    ("authority", "host"),
    [("a.example", None), (None, "a.example"), ("a.example", "a.example"), ("a.example", "A.Example")],
)
def test_the_host_is_the_authority(authority: str | None, host: str | None) -> None:
    app = ScopeApp()
    extra: list[tuple[Text, Text]] = [("x", "y")] if host is None else [("x", "y"), ("host", host)]
    with connected(app) as (_, client):
        response = client.get("/", *extra, authority=authority)
    if authority is None and host is None:
        assert response.status == 400
        assert app.seen == []
        return
    assert response.status == 200
    [(scope, _)] = app.seen
    expected = (authority or host or "").encode()
    plain, said = (b"x", b"y"), (b"host", expected)
    assert scope["headers"] == ([said, plain] if host is None else [plain, said])


def test_a_scope_is_nobody_elses() -> None:
    """The second request is remembered from the first, which its application has changed."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put(list(scope["headers"]))
        scope["headers"].append((b"added", b"by the application"))
        scope["state"]["x"] = 1
        scope["path"] = "/changed"
        await respond(send)

    with connected(app) as (server, client):
        client.get()
        client.get()
        assert server.note() == server.note() == [(b"host", b"a")]


# -- responses ---------------------------------------------------------------------------------------------------------


class Answers(Routes):
    """Ways to answer, right and wrong."""

    async def nothing(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, b"", 204, [(b"content-length", b"0")])

    async def unchanged(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, b"ignored", 304, [(b"etag", b'"1"'), (b"content-length", b"7")])

    async def long(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, b"12345", headers=[(b"content-length", b"4")])

    async def short(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, b"123", headers=[(b"content-length", b"4")])

    async def long_later(self, scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send, b"123", [(b"content-length", b"4")])
        await send({"type": "http.response.body", "body": b"45"})

    async def short_later(self, scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send, b"1", [(b"content-length", b"4")])
        await send({"type": "http.response.body", "body": b"23"})

    async def unfinished(self, scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send, b"1")

    async def silent(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Returns without a response."""

    async def fail(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("no good")

    async def fail_later(self, scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send, b"so far")
        raise ValueError("too late")

    async def fail_behind(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send)
        raise ValueError("much too late")

    async def unfit(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, headers=[(b"x", b"a\r\nb: c")])


def test_a_response() -> None:
    with connected(hello, http2__window="64 KiB") as (_, client):
        response = client.get()
        assert (response.status, response.body, response.ended) == (200, b"Hello, world!", True)
        assert dict(response.headers)[b"content-length"] == b"13"


def test_to_head_there_is_no_content() -> None:
    with connected(Answers()) as (_, client):
        response = client.get(method="HEAD")
        assert (response.status, response.body, response.ended) == (200, b"", True)
        assert client.get().body == b"Hello, world!"


@pytest.mark.parametrize(("path", "status"), [("/nothing", 204), ("/unchanged", 304)])
def test_responses_without_content(path: str, status: int) -> None:
    with connected(Answers(), access=True) as (server, client):
        response = client.get(path)
        assert (response.status, response.body, response.ended) == (status, b"", True)
        assert (b"content-length" in dict(response.headers)) == (status == 304)
        assert f'"GET {path} HTTP/2" {status} 0 ' in server.log()[0]


@pytest.mark.parametrize("path", ["/long", "/short", "/fail", "/silent", "/unfit"])
def test_what_fails_before_the_response_has_begun_is_500(path: str) -> None:
    with connected(Answers(), access=True) as (server, client):
        response = client.get(path)
        assert (response.status, response.ended) == (500, True)
        assert response.body == b"500 Internal Server Error: the application failed\n"
        assert client.get().status == 200
        assert classes(server) == [0, 1, 0, 0, 1]
        assert f'"GET {path} HTTP/2" 500 {len(response.body)} ' in server.log()[0]


@pytest.mark.parametrize(
    ("path", "body"),
    [("/long_later", b"123"), ("/short_later", b"1"), ("/unfinished", b"1"), ("/fail_later", b"so far")],
)
def test_what_fails_later_is_cut(path: str, body: bytes) -> None:
    with connected(Answers(), access=True) as (server, client):
        response = client.get(path)
        assert (response.status, response.body) == (200, body)
        assert (response.ended, response.reset) == (False, Error.INTERNAL_ERROR)
        assert client.get().status == 200
        assert f'"GET {path} HTTP/2" 200 {len(body)} ' in server.log()[0]


def test_what_fails_behind_a_response_does_it_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    with connected(Answers()) as (_, client):
        assert client.get("/fail_behind").body == b"ok"
        assert client.get().status == 200
    assert "the application failed: GET /fail_behind" in caplog.text


# -- clients that leave ------------------------------------------------------------------------------------------------


class Leaving(Gated):
    """Notes what it sees of a client that leaves, by ``path``."""

    def __init__(self) -> None:
        super().__init__()
        self.server: Server

    async def receives(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        self._reached.release()
        self.server.notes.put(await receive())
        try:
            await respond(send)
        except ClientDisconnected:
            self.server.notes.put("told so")

    async def uploads(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await receive()
            self._reached.release()
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    self.server.notes.put(message)
                    return
        finally:
            self.server.notes.put("over")

    async def sends(self, scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send, b"x")
        self._reached.release()
        try:
            while True:
                await send({"type": "http.response.body", "body": bytes(1 << 16), "more_body": True})
        except OSError as error:
            self.server.notes.put(type(error))
            raise


@pytest.mark.parametrize(
    ("path", "notes"),
    [
        ("/receives", [{"type": "http.disconnect"}, "told so"]),
        ("/uploads", [{"type": "http.disconnect"}, "over"]),
        ("/sends", [ClientDisconnected]),
    ],
)
def test_rst_stream_is_a_disconnect_for_its_application_alone(
    path: str, notes: list[object], caplog: pytest.LogCaptureFixture
) -> None:
    app = Leaving()
    with serve(app) as server, Http2Client(server.connect(), WINDOW) as client:
        app.server = server
        neighbour = client.ask("/slow")
        app.wait_until_reached()
        stream = client.ask(path, end=path != "/uploads", method="POST")
        if path == "/uploads":
            client.content(stream, b"some", end=False)
        app.wait_until_reached()
        client.send(rst_stream(stream))
        assert [server.note() for _ in notes] == notes
        client.send(window_update(0, MIB))  # for the neighbour: the connection's window may be full
        server.call(app.gate.set)
        assert client.response(neighbour).body == b"ok"
        assert client.get().status == 200
    assert caplog.messages == []


def test_the_end_of_the_connection_is_a_disconnect_for_all() -> None:
    app = Leaving()
    with serve(app) as server, Http2Client(server.connect()) as client:
        app.server = server
        for _ in range(3):
            client.ask("/receives")
            app.wait_until_reached()
        client.client.reset()
        notes = [server.note() for _ in range(6)]
        assert notes.count({"type": "http.disconnect"}) == notes.count("told so") == 3


def test_a_client_that_has_sent_everything_is_answered() -> None:
    with connected(hello) as (_, client):
        streams = [client.ask() for _ in range(3)]
        client.client.half_close()
        client.answers = False
        assert [client.response(stream).body for stream in streams] == [b"Hello, world!"] * 3
        assert client.ends()


# -- Expect ------------------------------------------------------------------------------------------------------------


def test_the_client_may_continue_when_the_application_reads() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put("called")
        await gate.wait()
        await respond(send, await read_body(receive))

    gate = asyncio.Event()
    with connected(app) as (server, client):
        stream = client.ask("/", ("expect", "100-continue"), end=False, method="POST")
        assert server.note() == "called"
        client.settled()
        assert client.seen(stream).interim == (), "the application has not asked for it yet"
        server.call(gate.set)
        client.until(lambda: client.seen(stream).interim)
        client.content(stream, b"hello")
        response = client.response(stream)
        assert (response.status, response.body, response.interim) == (200, b"hello", (100,))
        assert classes(server) == [1, 1, 0, 0, 0]


def test_who_is_answered_at_once_need_not_continue() -> None:
    with connected(hello) as (_, client):
        stream = client.ask("/", ("expect", "100-continue"), end=False, method="POST")
        response = client.response(stream)
        assert (response.status, response.interim, response.ended) == (200, (), True)
        client.until(lambda: client.seen(stream).reset == Error.NO_ERROR)  # RFC 9113, section 8.1
        assert client.get().status == 200


def test_who_does_not_wait_is_not_told_to_continue() -> None:
    with connected(echo) as (_, client):
        response = client.post(b"hello", "/", ("expect", "100-continue"))
        assert response.body == b"hello"


# -- limits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("size", [10, 11])
def test_the_limit_of_bodies(announced: bool, size: int) -> None:
    with connected(echo, access=True, limits__body="10 B") as (server, client):
        extra = [("content-length", str(size))] if announced else []
        response = client.post(b"x" * size, "/", *extra)
        if size == 10:
            assert (response.status, response.body) == (200, b"x" * 10)
        else:
            assert response.status == 413
            assert response.body == b"413 Content Too Large: the body is longer than 10 bytes\n"
            assert classes(server) == [0, 0, 0, 1, 0]
        assert client.get().status == 200, "the others on this connection are not touched"
        assert f'"POST / HTTP/2" {response.status} {len(response.body)} ' in server.log()[0]


def test_a_body_that_grows_too_long_under_a_response_cuts_it() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send, b"so far")
        await read_body(receive)

    with connected(app, limits__body="10 B") as (_, client):
        stream = client.ask(end=False, method="POST")
        client.until(lambda: client.seen(stream).body)
        client.content(stream, b"x" * 11)
        response = client.response(stream)
        assert (response.status, response.body, response.ended) == (200, b"so far", False)
        assert response.reset is not None


@pytest.mark.parametrize("announced", [True, False])
def test_a_host_may_have_a_limit_of_its_own(announced: bool) -> None:
    options = {"limits__body": "10 B", "host__0__name": "Large.example", "host__0__body": "20 B"}
    with connected(echo, **options) as (_, client):
        for host, size, status in (
            ("large.example", 20, 200),
            ("LARGE.EXAMPLE.:81", 20, 200),
            ("large.example", 21, 413),
            ("other.example", 10, 200),
            ("other.example", 11, 413),
        ):
            extra = [("content-length", str(size))] if announced else []
            stream = client.ask("/", *extra, end=False, method="POST", authority=host)
            client.content(stream, b"x" * size)
            assert client.response(stream).status == status, (host, size)


@pytest.mark.parametrize(
    ("options", "path", "extra", "status", "line"),
    [
        ({"limits__header_section": "1 KiB"}, "/", [("x", "y" * 1024)], 431, "GET / HTTP/2"),
        ({"limits__header_fields": "10"}, "/", [("x", "y")] * 10, 431, "GET / HTTP/2"),
        ({"limits__request_line": "128 B"}, "/" + "x" * 128, [], 414, "GET /" + "x" * 128 + " HTTP/2"),
        ({}, "/", [("x", "y" * 320)] * 95, 431, "GET / HTTP/2"),
        ({}, "/", [("x", "y" * (60 << 10))], 431, "GET / HTTP/2"),
        ({}, "/" + "x" * (8 << 10), [], 414, None),
    ],
)
def test_too_large_heads_are_refused(
    options: dict[str, Any], path: str, extra: list[Field], status: int, line: str | None
) -> None:
    with connected(hello, access=True, **options) as (server, client):
        if len(path) + sum(len(value) for _, value in extra) > 16_000:
            stream = 1
            client.send(large(stream, path, extra))
            response = client.response(stream)
            stream = 3
            client.send(get(stream))
        else:
            response = client.get(path, *extra)
            stream = client.ask()
        assert response.status == status
        assert response.body
        assert client.response(stream).status == 200
        assert classes(server) == [0, 1, 0, 1, 0]
        if line is not None:
            assert f'"{line}" {status} {len(response.body)} ' in server.log()[0]


def test_a_head_of_a_head_request_that_is_too_large_is_refused_without_content() -> None:
    with connected(hello, limits__header_section="1 KiB") as (_, client):
        response = client.get("/", ("x", "y" * 1024), method="HEAD")
        assert (response.status, response.body) == (431, b"")
        assert client.get().status == 200


def test_the_number_of_fields_is_that_of_http1() -> None:
    """What HTTP/1 has not got, and cookies that came in pieces, are not counted."""
    with connected(hello, limits__header_fields="4") as (_, client):
        pieces = [("cookie", f"c{number}=1") for number in range(80)]
        assert client.get("/", *pieces, ("x", "1"), ("y", "2")).status == 200
        assert client.get("/", *pieces, ("x", "1"), ("y", "2"), ("x_z", "dropped")).status == 431
        assert client.get("/", ("host", "a"), ("x", "1"), ("y", "2"), ("z", "3")).status == 200


def large(stream: int, path: str, extra: list[Field]) -> bytes:
    """A request whose head does not fit into one frame."""
    whole = block(request(*extra, path=path))
    pieces = [whole[at : at + 16_384] for at in range(0, len(whole), 16_384)]
    frames = [headers(stream, pieces[0], end=True, done=len(pieces) == 1)]
    frames += [continuation(stream, piece, done=piece is pieces[-1]) for piece in pieces[1:]]
    return b"".join(frames)


def test_the_limits_are_announced() -> None:
    with connected(hello, limits__header_section="5 KiB", http2__streams="7", http2__window="30 KiB") as (_, client):
        client.get()
        assert client.referee.settings[Setting.MAX_HEADER_LIST_SIZE] == 5 << 10
        assert client.referee.settings[Setting.MAX_CONCURRENT_STREAMS] == 7
        assert client.referee.settings[Setting.INITIAL_WINDOW_SIZE] == 30 << 10


def test_more_streams_than_that_are_refused_to_be_retried(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    app = Gated()
    with connected(app, http2__streams="3") as (server, client):
        held = [client.ask("/slow") for _ in range(3)]
        for _ in held:
            app.wait_until_reached()
        assert client.get().reset == Error.REFUSED_STREAM
        assert server.counter(STREAMS_REFUSED) == 1
        assert re.search(r"refused a stream from 127\.0\.0\.1:\d+: 3 are open \(http2\.streams\)", caplog.text)
        server.call(app.gate.set)
        assert [client.response(stream).status for stream in held] == [200] * 3
        assert client.get().status == 200


def test_more_content_than_the_window_is_an_error_of_its_stream() -> None:
    app = Gated()
    with connected(app, http2__window="2 KiB") as (server, client):
        neighbour = client.ask("/slow")
        stream = client.ask("/slow", end=False, method="POST")
        client.settled()
        client.send(data(stream, bytes(2 << 10)))
        client.settled()
        assert not client.referee.over(stream)
        client.send(data(stream, b"x"))
        assert client.response(stream).reset == Error.FLOW_CONTROL_ERROR
        server.call(app.gate.set)
        assert client.response(neighbour).status == 200


def test_the_last_request_of_a_connection() -> None:
    app = Gated()
    with connected(app, limits__requests_per_connection="3") as (server, client):
        first = client.ask("/slow")
        app.wait_until_reached()
        assert client.get().status == 200
        assert client.referee.goaways == []
        assert client.get().status == 200
        client.until(lambda: client.referee.goaways)
        assert client.referee.goaways == [(5, Error.NO_ERROR)]
        ignored = client.ask()
        client.settled()
        server.call(app.gate.set)
        assert client.response(first).status == 200
        assert client.ends()
        assert not client.referee.over(ignored)
        assert server.engine.board.cells[BYTES_OUT] > 0


def test_without_http2_its_preface_is_a_request_of_a_version_that_is_not_spoken() -> None:
    with serve(hello, http2__enabled="false") as server, server.connect() as client:
        assert client.send(PREFACE + settings()).response().status == 505
        assert client.ends()
        with server.connect() as other:
            assert other.get().status == 200


def test_a_flood_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    app = Gated()
    caplog.set_level("INFO")
    with connected(app) as (server, client):
        client.send(b"".join(get(stream, path="/slow") + rst_stream(stream) for stream in range(1, 401, 2)))
        client.until(lambda: client.referee.goaways)
        assert client.referee.goaways[-1][1] == Error.ENHANCE_YOUR_CALM
        assert server.counter(CLOSED_AS_FLOOD) == 1
        server.call(app.gate.set)
    assert "a flood: " in caplog.text


def test_a_connection_error_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with connected(hello) as (_, client):
        assert client.get().status == 200
        client.send(ping(b"short"))
        assert client.ends()
    lines = [record.getMessage() for record in caplog.records if "closed the connection" in record.getMessage()]
    assert len(lines) == 1
    assert lines[0].endswith(": PING of a wrong size (FRAME_SIZE_ERROR)")


# -- deadlines ---------------------------------------------------------------------------------------------------------


def test_a_body_that_comes_too_slowly_is_refused() -> None:
    with connected(echo, access=True, timeouts__body_grace="5s", timeouts__body_rate="100 B") as (server, client):
        stream = client.ask(end=False, method="POST")
        client.content(stream, bytes(500), end=False)
        client.settled()
        server.tick(4.9)
        client.settled()
        assert not client.referee.over(stream)
        server.tick(0.4)
        client.content(stream, bytes(499), end=False)
        client.settled()
        server.tick(5.2)
        response = client.response(stream)
        assert response.status == 408
        assert client.get().status == 200
        assert f'"POST / HTTP/2" 408 {len(response.body)} ' in server.log()[0]


def test_a_body_that_nobody_waits_for_may_take_its_time() -> None:
    app = Gated()
    with connected(app, timeouts__body_grace="1s") as (server, client):
        stream = client.ask("/slow", end=False, method="POST")
        app.wait_until_reached()
        server.tick(5)
        server.call(app.gate.set)
        assert client.response(stream).status == 200


@pytest.mark.parametrize("whose", ["stream", "connection"])
def test_a_response_that_the_client_has_no_room_for_is_given_up(whose: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, bytes(100_000))

    window, total, whole = (10_000, MIB, 10_000) if whose == "stream" else (MIB, WINDOW, WINDOW)
    with serve(app, timeouts__write="5s") as server, Http2Client(server.connect(), window, total) as client:
        stream = client.ask()
        client.until(lambda: client.referee.size(stream) == whole)
        server.tick(4.8)
        client.send(window_update(stream if whose == "stream" else 0, PROGRESS))
        client.until(lambda: client.referee.size(stream) == whole + PROGRESS)
        server.tick(4.8)
        client.settled()
        assert not client.referee.over(stream), "it goes on, if slowly"
        client.send(window_update(stream if whose == "stream" else 0, 1))
        client.until(lambda: client.referee.size(stream) == whole + PROGRESS + 1)
        server.tick(5.4)
        client.settled()
        server.tick(5.4)
        assert client.response(stream).reset == Error.CANCEL
        assert server.counter(RESPONSES_UNREAD) == 1
        client.settled()


def test_an_idle_connection_is_closed() -> None:
    with connected(hello, timeouts__keep_alive="5s") as (server, client):
        client.get()
        server.tick(4.8)
        client.get()
        server.tick(4.8)
        client.settled()
        assert client.referee.goaways == []
        server.tick(6)
        assert client.ends()
        assert client.referee.goaways == [(3, Error.NO_ERROR)]


def test_a_connection_is_not_idle_while_a_request_is_under_way() -> None:
    app = Gated()
    with connected(app, timeouts__keep_alive="5s") as (server, client):
        stream = client.ask("/slow")
        app.wait_until_reached()
        server.tick(20)
        server.call(app.gate.set)
        assert client.response(stream).status == 200
        assert client.get().status == 200


def test_who_asks_for_nothing_is_closed() -> None:
    with connected(hello, timeouts__first_byte="5s") as (server, client):
        client.settled()
        server.tick(5.2)
        assert client.ends()
        assert client.referee.goaways == [(0, Error.NO_ERROR)]


def test_a_request_that_takes_too_long() -> None:
    app = Gated()
    with connected(app, timeouts__request="5s") as (server, client):
        stream = client.ask("/slow")
        app.wait_until_reached()
        server.tick(2)
        neighbour = client.ask("/slow")
        app.wait_until_reached()
        server.tick(3.2)
        assert client.response(stream).status == 503
        server.call(app.gate.set)
        assert client.response(neighbour).status == 200


# -- drain -------------------------------------------------------------------------------------------------------------


def test_a_drain_goes_in_two_steps_and_loses_nothing() -> None:
    """RFC 9113, section 6.8."""
    app = Gated()
    with connected(app) as (server, client):
        held = client.ask("/slow")
        app.wait_until_reached()
        client.answers = False
        server.call(server.engine.drain)
        client.until(lambda: client.referee.goaways)
        assert client.referee.goaways == [(MAX_STREAM, Error.NO_ERROR)]
        late = client.ask("/slow")  # it may have been on its way
        app.wait_until_reached()
        client.until(lambda: client.referee.replies)
        client.answers = True
        client.send(client.referee.replies)
        client.referee.replies = b""
        client.until(lambda: len(client.referee.goaways) == 2)
        assert client.referee.goaways[1] == (late, Error.NO_ERROR)
        server.call(app.gate.set)
        assert client.response(held).status == client.response(late).status == 200
        assert client.ends()
        assert len(client.referee.goaways) == 2


def test_an_idle_connection_of_a_drained_worker_is_closed() -> None:
    with connected(hello) as (server, client):
        client.get()
        server.call(server.engine.drain)
        assert client.ends()
        assert client.referee.goaways == [(MAX_STREAM, Error.NO_ERROR), (1, Error.NO_ERROR)]


def test_a_client_that_does_not_answer_to_the_drain_is_not_waited_for() -> None:
    with connected(hello) as (server, client):
        client.get()
        client.answers = False
        server.call(server.engine.drain)
        server.tick(DRAIN_SECONDS + 0.2)
        assert client.ends()
        assert client.referee.goaways[-1] == (1, Error.NO_ERROR)


def test_who_comes_into_a_drain_is_told() -> None:
    """A connection that has brought nothing yet when its worker is drained."""
    with serve(hello) as server, server.connect() as socket:
        wait_until(lambda: server.call(len, server.engine.connections), "the connection")
        server.call(server.engine.drain)
        with Http2Client(socket) as client:
            assert client.get().status == 200
            assert client.ends()
            assert client.referee.goaways == [(MAX_STREAM, Error.NO_ERROR), (1, Error.NO_ERROR)]


def test_the_end_of_a_drain_answers_what_is_still_under_way() -> None:
    app = Gated()
    with connected(app) as (server, client):
        stream = client.ask("/slow")
        app.wait_until_reached()
        for exchange in server.call(list, server.engine.exchanges):
            server.call(exchange.cancel)
        response = client.response(stream)
        assert (response.status, response.ended) == (503, True)


# -- records -----------------------------------------------------------------------------------------------------------


def test_the_access_log_has_a_line_for_each_stream() -> None:
    with connected(Answers(), access=True) as (server, client):
        client.get("/", ("user-agent", "curl/8.0"), ("referer", "http://example.org/x"))
        client.get("/", method="HEAD")
        client.get("/fail")
        first, second, third = server.log()
        assert "127.0.0.1 - - [" in first
        assert '"GET / HTTP/2" 200 13 "http://example.org/x" "curl/8.0" ' in first
        assert '"HEAD / HTTP/2" 200 0 ' in second
        assert '"GET /fail HTTP/2" 500 ' in third


def test_a_reset_stream_is_logged_without_a_status() -> None:
    app = Gated()
    with connected(app, access=True) as (server, client):
        stream = client.ask("/slow")
        app.wait_until_reached()
        client.send(rst_stream(stream))
        client.settled()
        (line,) = server.log()
        assert '"GET /slow HTTP/2" - 0 ' in line
        server.call(app.gate.set)


def test_what_is_in_flight_can_be_read_from_outside() -> None:
    app = Gated()
    with connected(app) as (server, client):
        streams = [client.ask(f"/slow?{number}", method="PUT") for number in range(3)]
        for _ in streams:
            app.wait_until_reached()
        entries = server.engine.flight.entries()
        assert sorted(entry.path for entry in entries) == ["/slow?0", "/slow?1", "/slow?2"]
        assert {entry.protocol for entry in entries} == {WireProtocol.HTTP2}
        assert {entry.method for entry in entries} == {"PUT"}
        assert {entry.peer for entry in entries} == {"{}:{}".format(*client.client.name)}
        server.call(app.gate.set)
        for stream in streams:
            client.response(stream)


def test_bytes_and_requests_are_counted() -> None:
    with connected(hello) as (server, client):
        before = server.counter(BYTES_OUT)
        client.settled()
        client.get()
        client.settled()
        assert server.counter(BYTES_IN) > len(PREFACE)
        assert server.counter(BYTES_OUT) > before
        assert classes(server) == [0, 1, 0, 0, 0]


# -- back-pressure -----------------------------------------------------------------------------------------------------


def test_an_application_waits_for_a_client_without_room() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/":
            await respond(send)
            return
        await begin(send)
        for number in range(160):
            await send({"type": "http.response.body", "body": bytes(1 << 16), "more_body": True})
            server.notes.put(number)
        await send({"type": "http.response.body"})

    with serve(app) as server, Http2Client(server.connect(), 1 << 16) as client:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        stream = client.ask("/large")
        client.until(lambda: client.referee.size(stream) >= WINDOW)
        client.send(window_update(0, MIB))
        assert client.get().status == 200, "its neighbour is served"
        assert wait_until_steady(server.notes.qsize) <= 2
        client.send(window_update(0, 15 * MIB))
        size = 160 << 16
        client.send(window_update(stream, size))
        assert len(client.response(stream).body) == size
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_an_application_waits_for_a_client_that_does_not_read() -> None:
    """There is room in both windows, and none on the way."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send)
        for number in range(1024):
            await send({"type": "http.response.body", "body": bytes(1 << 16), "more_body": True})
            server.notes.put(number)
        await send({"type": "http.response.body"})

    with serve(app) as server, Http2Client(server.connect(receive_buffer=10_000), 1 << 30) as client:
        stream = client.ask("/large")
        reached = wait_until_steady(server.notes.qsize)
        assert reached < 512, "most of 64 MiB is not made yet"
        assert len(client.response(stream).body) == 64 * MIB


def test_uploads_that_nobody_reads_stop_at_their_windows() -> None:
    app = Gated()
    with connected(app, http2__window="64 KiB") as (server, client):
        client.until(lambda: client.referee.announced)
        streams = []
        for _ in range(20):
            stream = client.ask("/slow", end=False, method="POST")
            streams.append(stream)
            app.wait_until_reached()
            client.content(stream, bytes(64 << 10), end=False)
            client.settled()
            assert client.referee.room(stream) == 0
        assert client.referee.allowance > 64 << 10, "the connection has room for the others"
        assert client.post(bytes(64 << 10), "/index").status == 200
        server.call(app.gate.set)
        for stream in streams:
            response = client.response(stream)
            assert (response.status, response.ended) == (200, True)


def test_an_upload_that_is_read_goes_on_and_on() -> None:
    body = bytes(range(256)) * (5 * MIB // 256)
    with connected(echo, http2__window="1 KiB") as (_, client):
        assert client.post(body).body == body
        assert client.post(body[:100_000]).body == body[:100_000]


def test_what_is_left_of_an_upload_is_called_off() -> None:
    """RFC 9113, section 8.1: RST_STREAM with NO_ERROR behind the response; the connection goes on."""
    with connected(hello) as (_, client):
        stream = client.ask("/", ("content-length", str(1 << 30)), end=False, method="POST")
        response = client.response(stream)
        assert (response.status, response.body) == (200, b"Hello, world!")
        client.until(lambda: client.seen(stream).reset == Error.NO_ERROR)
        assert client.get().status == 200


def test_a_window_that_is_smaller_than_usual_counts_when_the_client_knows_it() -> None:
    """RFC 9113, section 6.9.3: before it has seen our SETTINGS, a client goes by the window that all begin with."""
    app = Gated()
    with connected(app, http2__window="2 KiB") as (server, client):
        client.answers = False
        stream = client.ask("/slow", end=False, method="POST")
        client.send(b"".join(data(stream, bytes(13_107)) for _ in range(5)))
        client.settled()
        assert not client.referee.over(stream)
        client.answers = True
        client.settled()
        assert client.referee.room(stream) == (2 << 10) - WINDOW
        client.send(data(stream, b"x"))
        assert client.response(stream).reset == Error.FLOW_CONTROL_ERROR
        server.call(app.gate.set)


@pytest.mark.parametrize("end", [True, False])
def test_what_nobody_has_read_takes_no_room_from_those_who_come_later(end: bool) -> None:
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        gate.clear()
        await respond(send)

    with connected(app, http2__streams="1", http2__window="64 KiB") as (server, client):
        for _ in range(40):  # twice as much as a connection of one stream has room for
            stream = client.ask("/", end=False, method="POST")
            client.content(stream, bytes(60_000), end=end)
            client.settled()
            server.call(gate.set)
            assert client.response(stream).status == 200
            if not end:
                client.send(data(stream, end=True))
                client.settled()


@pytest.mark.parametrize("what", ["content", "acknowledgement"])
def test_what_has_come_while_the_loop_was_late_is_read_before_a_deadline_counts(what: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put("called")
        await respond(send, await read_body(receive))

    now = [0]
    options = {"timeouts__head": "1s", "timeouts__body_grace": "1s", "clock": lambda: now[0]}
    with serve(app, **options) as server, Http2Client(server.connect()) as client:
        client.client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is sent has come
        client.answers = what == "content"
        if what == "content":
            client.until(lambda: client.referee.acknowledged)
            client.settled()
        stream = client.ask(end=False, method="POST")
        assert server.note() == "called"

        def late() -> None:
            """The loop stands still: what comes is not read, and then it is much later."""
            if what == "content":
                client.content(stream, bytes(300), end=False)
            else:
                client.send(settings(ack=True))
            now[0] += 2 * 10**9
            server.engine.tick()

        for _ in range(2):  # what was armed in the tick that is late is put off by as much
            now[0] += TICK_NS
            server.call(server.engine.tick)
        server.call(late)
        client.content(stream, b"the rest")
        assert client.response(stream).status == 200
