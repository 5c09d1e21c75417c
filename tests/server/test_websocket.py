"""WebSockets (ASGI, "WebSocket"), over HTTP/1.1 and over HTTP/2, with wsproto at the other end."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support import http2
from support.apps import Routes, respond
from support.bench import bench
from support.http2_client import Http2Client
from support.server import Server, serve
from support.turns import next_turn
from support.waiting import DEADLINE, wait_until, wait_until_steady
from support.websocket import CONTINUATION, TEXT, close, sent
from support.websocket_client import Socket1, Socket2, dial
from wsproto.extensions import PerMessageDeflate

from litmus.asgi import Receive, Scope, Send
from litmus.memory.scoreboard import IN_FLIGHT, RESPONSES_1XX, WEBSOCKETS
from litmus.server.channel import ClientDisconnected
from litmus.server.established import QUEUED
from litmus.server.noise import MOST, SECONDS

VERSIONS = pytest.mark.parametrize("version", ["1.1", "2"])
MUCH = 120_000
SOME = 10_000


async def accept(receive: Receive, send: Send, **more: Any) -> None:
    assert await receive() == {"type": "websocket.connect"}
    await send({"type": "websocket.accept", **more})


class Marked(str):
    """Text of a class of its own, as template engines make it of what is safe."""

    __slots__ = ()

    def __str__(self) -> str:
        return self


class App(Routes):
    """WebSockets by path. What the applications see and do is put down in the server's notes."""

    server: Server

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.scope: Scope = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await respond(send, b"plain")
            return
        self.scope = dict(scope)
        scope["path"] = scope["path"].removeprefix(scope["root_path"])
        await super().__call__(scope, receive, send)

    def note(self, what: Any) -> None:
        self.server.notes.put(what)

    async def index(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Echo, until the client leaves."""
        await accept(receive, send)
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})
        self.note(message)

    async def chosen(self, scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send, subprotocol=scope["subprotocols"][1], headers=[(b"X-One", b"1"), (b"x-two", b"2")])
        await receive()

    async def accepts(self, scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send, **self.more)
        await receive()

    more: dict[str, Any] = {}

    async def denies(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close"})
        self.note(await receive())

    async def answers(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"www-authenticate", b"x")]})
        for part in (b"not", b" you"):
            await send({"type": "websocket.http.response.body", "body": part, "more_body": True})
        await send({"type": "websocket.http.response.body"})

    async def answers_who_waits(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Several tasks: one waits for what the client says, another one for it to read."""
        body = {"type": "websocket.http.response.body", "body": bytes(MUCH * 100), "more_body": True}
        await receive()
        async with asyncio.TaskGroup() as group:
            receiving = group.create_task(receive())  # type: ignore[arg-type]
            await asyncio.sleep(0)
            if scope["query_string"]:
                await send({"type": "websocket.http.response.start", "status": 401})
                sending = group.create_task(send(body))  # type: ignore[arg-type]
                await asyncio.sleep(0)
                self.note(sending.done())
                await send({"type": "websocket.http.response.body"})
            else:
                await send({"type": "websocket.close"})
            self.note(await receiving)

    async def answers_wrongly(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"bad name", b"x")]})
        await send({"type": "websocket.http.response.body", "body": b"not you"})

    async def answers_not(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 401})

    async def answers_half(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.answers_not(scope, receive, send)
        await send({"type": "websocket.http.response.body", "body": b"half", "more_body": True})

    async def closes(self, scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await send({"type": "websocket.close", "code": 3001, "reason": "enough"})
        self.note(await receive())
        for kind in ("websocket.send", "websocket.close"):
            try:
                await send({"type": kind, "text": "late"})
            except ClientDisconnected:
                self.note("nobody is there")

    async def marks(self, scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send, subprotocol=Marked("b"))
        await send({"type": "websocket.send", "text": Marked("<p>\u20ac</p>")})
        for data in (bytearray(b"array"), memoryview(b"view")):
            await send({"type": "websocket.send", "bytes": data})
        await send({"type": "websocket.close", "reason": Marked("enough")})

    async def answers_in_other_types(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 401})
        await send({"type": "websocket.http.response.body", "body": bytearray(b"not"), "more_body": True})
        await send({"type": "websocket.http.response.body", "body": memoryview(b" you")})

    async def returns(self, scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)

    async def fails(self, scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        raise ValueError("on purpose")

    async def fails_early(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("on purpose")

    async def says_nothing(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    async def waits(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await self.goes_on_late(receive, send)

    async def goes_on_late(self, receive: Receive, send: Send) -> None:
        self.note("waiting")
        try:
            await self.gate.wait()
            await send({"type": "websocket.accept"})
        except asyncio.CancelledError:
            self.note("cancelled")
            raise
        except ClientDisconnected:
            self.note("nobody is there")
            self.note(await receive())

    async def begins_to_answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 401})
        await self.goes_on_late(receive, send)

    async def reads_late(self, scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await self.gate.wait()
        size = 0
        while (message := await receive())["type"] == "websocket.receive":
            size += len(message["bytes"])
        self.note(size)

    async def leaves_late(self, scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await self.gate.wait()

    async def chats(self, scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await self.gate.wait()
        try:
            await send({"type": "websocket.send", "text": "are you there?"})
        except ClientDisconnected:
            self.note("nobody is there")
            raise

    async def says_much(self, scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await send({"type": "websocket.send", "bytes": bytes(MUCH)})
        self.note(await receive())

    async def says_some(self, scope: Scope, receive: Receive, send: Send) -> None:
        """So little that nobody has to wait with more."""
        await accept(receive, send)
        await send({"type": "websocket.send", "bytes": bytes(SOME)})
        if scope["path"] == "/says_some_and_closes":
            await send({"type": "websocket.close"})
        self.note(await receive())

    says_some_and_closes = says_some

    async def says_much_and_closes(self, scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await send({"type": "websocket.send", "bytes": bytes(MUCH)})
        await send({"type": "websocket.close"})
        self.note(await receive())

    async def pours(self, scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        sent = 0
        try:
            while True:
                await send({"type": "websocket.send", "bytes": bytes(1 << 16)})
                sent += 1
                self.poured = sent
        except ClientDisconnected:
            self.note("nobody is there")

    poured = 0

    async def wrong(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        for kind in ("websocket.send", "http.response.start", "websocket.http.response.body"):
            try:
                await send({"type": kind, "text": "x"})
            except RuntimeError as error:
                self.note(str(error))
        await send({"type": "websocket.accept"})
        for kind in ("websocket.accept", "websocket.http.response.start"):
            try:
                await send({"type": kind})
            except RuntimeError as error:
                self.note(str(error))


@pytest.fixture(autouse=True)
def dialled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what a test has opened and not closed."""
    sockets: list[Any] = []

    def keep(*arguments: Any, **options: Any) -> Any:
        sockets.append(dial(*arguments, **options))
        return sockets[-1]

    monkeypatch.setitem(globals(), "ask", keep)
    yield
    for socket in sockets:
        socket.hang_up()


ask: Any = dial


@contextmanager
def serving(**options: Any) -> Iterator[tuple[Server, App]]:
    app = App()
    with serve(app, access=True, **options) as server:
        app.server = server
        yield server, app


def acknowledged(server: Server) -> None:
    """The client's kernel has all that was sent, which it may be slow to say. Until it does, nobody is given up."""
    for connection in list(server.engine.connections):
        wait_until(lambda one=connection: server.call(one.outstanding) == 0, "it to be acknowledged")


def opened(server: Server, version: str, path: str = "/", **more: Any) -> Any:
    socket = ask(server, version, path, **more).answer()
    assert socket.status == (101 if version == "1.1" else 200)
    return socket


@VERSIONS
def test_echo(version: str) -> None:
    with serving() as (server, _):
        socket = opened(server, version)
        for message in ("", "hello", "\u00e9\U0001f600" * 1000, b"", b"\0\xff", bytes(200_000)):
            socket.send(message)
            assert socket.message() == message
        socket.ping(b"are you there?")
        assert socket.pong() == b"are you there?"
        assert server.counter(WEBSOCKETS) == 1
        wait_until(lambda: server.counter(IN_FLIGHT) == 0, "it to be no request any more")
        socket.close(4000, "bye")
        assert socket.close_frame()[0] == 4000
        assert server.note() == {"type": "websocket.disconnect", "code": 4000, "reason": "bye"}
        assert socket.ends()
        wait_until(lambda: server.counter(WEBSOCKETS) == 0, "it to be struck off")
        (line,) = server.log()
    assert f'"{"GET" if version == "1.1" else "CONNECT"} / HTTP/{version}" {101 if version == "1.1" else 200} ' in line


@VERSIONS
@pytest.mark.parametrize("parameters", [{}, {"server_no_context_takeover": True, "client_no_context_takeover": True}])
def test_compressed(version: str, parameters: dict[str, Any]) -> None:
    with serving() as (server, _):
        socket = opened(server, version, deflate=PerMessageDeflate(**parameters))
        assert socket.fields[b"sec-websocket-extensions"].startswith(b"permessage-deflate")
        for message in ("small", "large and dull " * 10_000, bytes(300_000), "large and dull " * 10_000):
            socket.send(message)
            assert socket.message() == message


def test_the_scope() -> None:
    with serving(app__root_path="/root") as (server, app):
        scopes = []
        for version in ("1.1", "2"):
            opened(server, version, "/chosen?x=y", Sec_WebSocket_Protocol="a, b", X_y="z")
            scopes.append(dict(app.scope))
    first, second = scopes
    assert {key: first[key] for key in ("type", "scheme", "http_version", "path", "raw_path", "query_string")} == {
        "type": "websocket",
        "scheme": "ws",
        "http_version": "1.1",
        "path": "/root/chosen",
        "raw_path": b"/root/chosen",
        "query_string": b"x=y",
    }
    assert first["subprotocols"] == second["subprotocols"] == ["a", "b"]
    assert first["extensions"] == {"websocket.http.response": {}}
    assert "method" not in first
    assert (b"x-y", b"z") in first["headers"]
    assert (b"x-y", b"z") in second["headers"]
    assert first.keys() == second.keys()
    assert second["http_version"] == "2"


@VERSIONS
def test_what_is_accepted(version: str) -> None:
    with serving() as (server, _):
        socket = opened(server, version, "/chosen", Sec_WebSocket_Protocol="a, b, c")
    assert socket.fields[b"sec-websocket-protocol"] == b"b"
    assert (socket.fields[b"x-one"], socket.fields[b"x-two"]) == (b"1", b"2")


HEADERS: list[tuple[Any, Any]] = [(b"bad name", b"x"), (b"x", b"a\r\nb: c"), (b":status", b"201"), ("str", "x")]


@VERSIONS
@pytest.mark.parametrize("header", HEADERS)
def test_headers_that_cannot_be_sent(version: str, header: Any, caplog: pytest.LogCaptureFixture) -> None:
    with serving() as (server, app):
        app.more = {"headers": [header]}
        socket = ask(server, version, "/accepts").answer()
        assert (socket.status, socket.body) == (500, b"500 Internal Server Error: the application failed\n")
        assert server.counter(WEBSOCKETS) == 0
    assert "ResponseError" in caplog.text


@VERSIONS
@pytest.mark.parametrize("name", [b"Content-Length", b"transfer-encoding", b"connection", b"upgrade"])
def test_headers_that_are_not_the_applications(version: str, name: bytes) -> None:
    with serving() as (server, app):
        app.more = {"headers": [(name, b"5"), (b"x-one", b"1")]}
        socket = opened(server, version, "/accepts")
        assert socket.fields[b"x-one"] == b"1"
        assert socket.fields.get(name.lower()) != b"5"
        socket.close(1000)
        assert socket.close_frame()[0] == 1000


@VERSIONS
def test_denied(version: str) -> None:
    with serving() as (server, _):
        socket = ask(server, version, "/denies").answer()
        assert (socket.status, socket.body) == (403, b"403 Forbidden: the WebSocket was denied\n")
        assert server.note()["type"] == "websocket.disconnect"
        assert server.counter(WEBSOCKETS) == 0
        assert server.counter(RESPONSES_1XX + 3) == 1
        socket = ask(server, version, "/answers").answer()
        assert (socket.status, socket.body) == (401, b"not you")
        assert socket.fields[b"www-authenticate"] == b"x"
        assert [line.split('" ')[1].split()[:2] for line in server.log()] == [["403", "40"], ["401", "7"]]


@VERSIONS
def test_who_waits_while_it_is_denied(version: str) -> None:
    """Before the client leaves, or reads: it may do neither for long."""
    disconnect = {"type": "websocket.disconnect", "code": 1006, "reason": ""}
    with serving() as (server, _):
        denied = ask(server, version, "/answers_who_waits")
        assert server.note() == disconnect
        assert denied.answer().status == 403
        denied = ask(server, version, "/answers_who_waits?much")
        assert [server.note(), server.note()] == [False, disconnect]
        wait_until(lambda: not server.engine.exchanges, "the application to leave")
        assert denied.answer().status == 401


@VERSIONS
@pytest.mark.parametrize("path", ["/answers_wrongly", "/answers_not"])
def test_a_denial_that_never_begins(version: str, path: str, caplog: pytest.LogCaptureFixture) -> None:
    with serving() as (server, _):
        socket = ask(server, version, path).answer()
        assert (socket.status, socket.body) == (500, b"500 Internal Server Error: the application failed\n")
    assert caplog.text.count("the application ") == 1


def test_a_denial_that_never_ends(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as (server, _), server.connect() as client:
        client.send(b"GET /answers_half HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
        client.send(b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n")
        assert client.head()[0] == 401
        assert client.rest() == b"4\r\nhalf\r\n"
    assert "the application returned in the middle of its denial: WebSocket GET /answers_half" in caplog.text


def test_after_a_denial_the_connection_goes_on() -> None:
    with serving() as (server, _):
        socket = ask(server, "1.1", "/denies").answer()
        assert socket.client.get("/").body == b"plain"


@VERSIONS
def test_the_application_closes(version: str) -> None:
    with serving() as (server, _):
        socket = opened(server, version, "/closes")
        assert socket.close_frame() == (3001, "enough")
        assert server.note() == {"type": "websocket.disconnect", "code": 3001, "reason": "enough"}
        assert [server.note(), server.note()] == ["nobody is there"] * 2
        assert socket.ends()


@VERSIONS
def test_other_types_that_are_text_or_bytes(version: str) -> None:
    with serving() as (server, _):
        socket = opened(server, version, "/marks", sec_websocket_protocol="b")
        assert [socket.message() for _ in range(3)] == ["<p>\u20ac</p>", b"array", b"view"]
        assert socket.close_frame() == (1000, "enough")
        denied = ask(server, version, "/answers_in_other_types").answer()
        assert (denied.status, denied.body) == (401, b"not you")


@VERSIONS
@pytest.mark.parametrize(("path", "code"), [("/returns", 1000), ("/fails", 1011)])
def test_the_application_leaves(version: str, path: str, code: int, caplog: pytest.LogCaptureFixture) -> None:
    with serving() as (server, _):
        socket = opened(server, version, path)
        assert socket.close_frame()[0] == code
        assert socket.ends()
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    method = "GET" if version == "1.1" else "CONNECT"
    assert errors == ([] if code == 1000 else [f"the application failed: WebSocket {method} /fails"])


@VERSIONS
@pytest.mark.parametrize("path", ["/fails_early", "/says_nothing"])
def test_the_application_leaves_without_an_answer(version: str, path: str, caplog: pytest.LogCaptureFixture) -> None:
    with serving() as (server, _):
        assert ask(server, version, path).answer().status == 500
    (record,) = caplog.records
    assert record.levelname == "ERROR"


@pytest.mark.parametrize("path", ["/fails_early", "/says_nothing"])
def test_an_application_that_knows_no_websockets_is_not_told_of_for_ever(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "litmus.server")
    with serving() as (server, _):
        for _ in range(MOST + 3):
            assert ask(server, "1.1", path).answer().status == 500
        assert len(caplog.records) == MOST
        server.tick(SECONDS + 1)
        assert caplog.messages[MOST:] == ["3 more failed handshakes within 10 s, not told one by one"]


@VERSIONS
def test_the_client_leaves(version: str, caplog: pytest.LogCaptureFixture) -> None:
    with serving() as (server, _):
        socket = opened(server, version)
        socket.leave()
        assert server.note() == {"type": "websocket.disconnect", "code": 1006, "reason": ""}
        server.idle()
        assert server.counter(WEBSOCKETS) == 0
    assert caplog.messages == []


@VERSIONS
def test_the_client_leaves_before_it_is_accepted(version: str, caplog: pytest.LogCaptureFixture) -> None:
    with serving() as (server, app):
        socket = ask(server, version, "/waits")
        assert server.note() == "waiting"
        socket.leave()
        wait_until(lambda: not server.call(len, server.engine.connections), "the connection to be gone")
        server.call(app.gate.set)
        assert server.note() == "nobody is there"
        assert server.note()["code"] == 1006
    assert caplog.messages == []


@VERSIONS
@pytest.mark.parametrize("path", ["/waits", "/begins_to_answer"])
def test_a_handshake_that_takes_too_long(version: str, path: str, caplog: pytest.LogCaptureFixture) -> None:
    with serving(websocket__handshake="2s") as (server, _):
        socket = ask(server, version, path)
        assert server.note() == "waiting"
        server.tick(2.4)
        assert socket.answer().status == 503
        assert server.note() == "cancelled"
    assert "neither accepted nor denied within 2 s (websocket.handshake)" in caplog.text


@VERSIONS
@pytest.mark.parametrize(
    ("fields", "status"),
    [({"Sec_WebSocket_Version": "8"}, 400), ({"Sec_WebSocket_Protocol": "a b"}, 400)],
)
def test_a_handshake_that_is_none(version: str, fields: dict[str, str], status: int) -> None:
    with serving() as (server, app):
        assert ask(server, version, **fields).answer().status in (status, 426)
        assert app.scope == {}
        wait_until(lambda: server.counter(IN_FLIGHT) == 0, "it to be struck off")


@VERSIONS
def test_origins(version: str) -> None:
    with serving(websocket__origins="https://Good.example http://a:81") as (server, _):
        for origin in ("https://good.example", "http://a:81", None):
            socket = opened(server, version, **({} if origin is None else {"Origin": origin}))
            socket.close()
        for origin in ("https://evil.example", "null", "http://a"):
            assert ask(server, version, Origin=origin).answer().status == 403


@VERSIONS
def test_only_so_many_at_once(version: str) -> None:
    with serving(websocket__sockets="2") as (server, _):
        first = opened(server, version)
        opened(server, version)
        third = ask(server, version).answer()
        assert (third.status, third.fields[b"retry-after"]) == (503, b"1")
        first.leave()
        server.note()
        wait_until(lambda: server.counter(WEBSOCKETS) == 1, "it to be struck off")
        opened(server, version)


@VERSIONS
def test_only_so_many_at_once_whenever_they_are_accepted(version: str) -> None:
    """One that may be accepted yet has its place."""
    with serving(websocket__sockets="2") as (server, app):
        asked = [ask(server, version, "/waits") for _ in range(2)]
        assert [server.note(), server.note()] == ["waiting"] * 2
        assert ask(server, version, "/waits").answer().status == 503
        server.call(app.gate.set)
        assert {socket.answer().status for socket in asked} == {101 if version == "1.1" else 200}
        wait_until(lambda: not server.engine.exchanges, "their applications to leave")
        for socket in asked:
            assert socket.close_frame()[0] == 1000
            assert socket.ends()
            socket.hang_up()
        for _ in range(3):
            assert ask(server, version, "/denies").answer().status == 403
            server.note()
            wait_until(lambda: not server.engine.exchanges, "the application to leave")
        opened(server, version)


def test_a_connection_that_turns_out_to_be_gone_when_it_is_accepted() -> None:
    """In the first step of the application, which has no task before it waits for something."""
    heard: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await respond(send, bytes(65_000))  # almost as much as is written at once
            return
        await accept(receive, send, headers=[(b"x", b"y" * 2000)])
        await next_turn()
        heard.append(await receive())

    extended = http2.request((":protocol", "websocket"), ("sec-websocket-version", "13"), method="CONNECT")
    with bench(app, websocket__sockets="1") as on:
        on.feed(http2.PREFACE + http2.settings({http2.Setting.INITIAL_WINDOW_SIZE: 1 << 20}))
        on.do(
            lambda: setattr(on.transport, "closing", True),  # a write has failed
            on.arrive(http2.get(1) + http2.headers(3, extended, end=False)),
            on.lose,
        )
        assert heard == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}]
        assert on.engine.board.cells[WEBSOCKETS] == 0
        assert on.engine.board.cells[IN_FLIGHT] == 0


def test_what_nobody_reads_waits_at_the_sender() -> None:
    size, count = 1 << 15, 100
    with serving() as (server, app):
        socket = opened(server, "1.1", "/reads_late")
        sending = threading.Thread(target=lambda: [socket.send(bytes(size)) for _ in range(count)])
        sending.start()
        held = wait_until_steady(server.slab_in_use)
        assert held <= 4
        assert server.call(lambda: [session.established.queued for session in server.engine.exchanges]) == [QUEUED]
        assert sending.is_alive()
        server.call(app.gate.set)
        sending.join(DEADLINE)
        socket.close()
        assert socket.close_frame()[0] == 1000
        assert server.note() == size * count


@VERSIONS
def test_what_an_application_has_not_asked_for_is_not_kept(version: str) -> None:
    with serving() as (server, app):
        socket = opened(server, version, "/leaves_late")
        socket.send(bytes(1000))
        (session,) = server.engine.exchanges
        wait_until(lambda: session.established.queued == 1000, "it to wait")
        server.call(app.gate.set)
        assert socket.close_frame()[0] == 1000
        wait_until(lambda: server.counter(WEBSOCKETS) == 0, "it to be struck off")
        assert session.established.queued == 0


@VERSIONS
def test_who_sends_waits_for_a_client_that_does_not_read(version: str) -> None:
    with serving() as (server, app):
        socket = opened(server, version, "/pours")
        wait_until(lambda: app.poured > 0, "it to pour")
        last = -1
        while last != app.poured:
            last = app.poured
            server.tick(0.5)
        assert app.poured < 400
        socket.leave()
        assert server.note() == "nobody is there"


@VERSIONS
def test_who_does_not_answer_a_ping_is_cut(version: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "litmus.server")
    with serving(websocket__ping_interval="5s", websocket__ping_timeout="3s") as (server, _):
        socket = opened(server, version)
        server.tick(6)
        socket.pinged()
        acknowledged(server)
        server.tick(3.5)
        assert server.note() == {"type": "websocket.disconnect", "code": 1006, "reason": ""}
    assert "a ping was not answered" in caplog.text


@VERSIONS
def test_who_has_yet_to_read_is_not_asked_for_signs_of_life(version: str) -> None:
    options = {"websocket__ping_interval": "5s", "websocket__ping_timeout": "3s", "timeouts__write": "1h"}
    with serving(**options, websocket__idle="15s") as (server, app):
        socket = opened(server, version, "/pours")
        wait_until_steady(lambda: app.poured)
        server.tick(60)
        poured = app.poured
        for _ in range(poured + 1):
            assert socket.message() == bytes(1 << 16)
        wait_until(lambda: app.poured > poured, "it to pour again")
        assert socket.message() == bytes(1 << 16)


@VERSIONS
def test_who_is_not_listened_to_is_not_asked_for_signs_of_life(version: str) -> None:
    """The application is slow, so nothing is read, and an answer would not be either. Nor can anybody know that it has
    nothing to say."""
    options = {"websocket__ping_interval": "5s", "websocket__ping_timeout": "3s", "websocket__queue": "2"}
    with serving(**options, websocket__idle="15s") as (server, app):
        socket = opened(server, version, "/reads_late")
        for _ in range(4):
            socket.send(b"x")
        (session,) = server.engine.exchanges
        wait_until(lambda: session.established.socket.paused, "it to be paused")
        server.tick(30)
        server.call(app.gate.set)
        socket.close()
        assert server.note() == 4


@pytest.mark.parametrize("path", ["/says_much", "/says_much_and_closes"])
def test_who_reads_slowly_what_the_kernel_holds_has_time_to_answer(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """A ping, or a Close frame, lies behind what it reads, although nothing waits in the server any more."""
    options = {"websocket__ping_interval": "5s", "websocket__ping_timeout": "3s", "websocket__close": "3s"}
    with serving(**options) as (server, _):
        server.hold_much(MUCH * 2)
        client = server.connect(receive_buffer=4096)
        Socket1(client, path, {}, None).answer()
        (connection,) = server.engine.connections

        def outstanding() -> int:
            return server.call(connection.outstanding)

        assert wait_until_steady(outstanding) > MUCH // 2
        assert server.call(connection.unsent) == 0
        server.tick(6)
        for _ in range(4):
            before = outstanding()
            client.exactly(20_000)
            wait_until(lambda before=before: outstanding() < before, "it to be read")
            server.tick(2.5)
            assert server.engine.connections, "it reads"
        server.tick(7)
        assert server.note()["type"] == "websocket.disconnect", "it does not"


@pytest.mark.parametrize("path", ["/says_some", "/says_some_and_closes"])
def test_who_reads_slowly_what_waits_for_a_window_has_time_to_answer(path: str) -> None:
    """The same over HTTP/2, where it is the client who says what it has read."""
    options = {"websocket__ping_interval": "5s", "websocket__ping_timeout": "3s", "websocket__close": "3s"}
    with serving(**options) as (server, _):
        client = Http2Client(server.connect(), window=SOME // 10)
        socket = Socket2(client, path, {}, None).answer()
        for _ in range(8):
            server.tick(2.5)
            seen = len(client.seen(socket.stream).body)
            client.send(http2.window_update(socket.stream, SOME // 10))
            client.until(lambda seen=seen: len(client.seen(socket.stream).body) > seen)
        assert server.notes.empty(), "it reads"
        server.tick(10)
        assert server.note()["type"] == "websocket.disconnect", "it does not"


def test_a_connection_that_is_closed_has_nothing_outstanding() -> None:
    with serving() as (server, _):
        opened(server, "1.1")
        (connection,) = server.engine.connections
        server.call(connection.abort)
        assert server.note()["type"] == "websocket.disconnect"
        assert server.call(connection.outstanding) == 0


@VERSIONS
def test_who_gives_signs_of_life_stays(version: str) -> None:
    with serving(websocket__ping_interval="5s", websocket__ping_timeout="3s") as (server, _):
        socket = opened(server, version)
        for _ in range(10):
            server.tick(4)
            socket.send("here")
            assert socket.message() == "here"


@VERSIONS
def test_who_says_nothing_is_closed(version: str) -> None:
    with serving(websocket__idle="5s") as (server, _):
        socket = opened(server, version)
        server.tick(4)
        socket.send("here")
        assert socket.message() == "here"
        server.tick(4)
        server.tick(3)
        assert socket.close_frame()[0] == 1001
        assert socket.ends()


@VERSIONS
def test_who_says_something_slowly_is_not_closed(version: str) -> None:
    with serving(websocket__idle="5s") as (server, _):
        socket = opened(server, version)
        socket.send("here")
        assert socket.message() == "here"
        for part in [sent(TEXT, b"sl", fin=False), *(sent(CONTINUATION, b"o", fin=False),) * 8]:
            socket.raw(part)
            socket.ping(b"read")
            assert socket.pong() == b"read"
            server.tick(3)
        socket.raw(sent(CONTINUATION, b"w"))
        assert socket.message() == "sl" + "o" * 8 + "w"


@VERSIONS
def test_who_does_not_answer_a_close_frame_is_cut(version: str) -> None:
    with serving(websocket__close="2s") as (server, _):
        opened(server, version, "/closes")
        acknowledged(server)
        server.tick(2.5)
        assert server.note() == {"type": "websocket.disconnect", "code": 1006, "reason": ""}
        server.idle() if version == "1.1" else None


@VERSIONS
def test_a_drain_closes_them_one_after_the_other(version: str) -> None:
    with serving(timeouts__drain="10s") as (server, _):
        sockets = [opened(server, version) for _ in range(5)]
        server.call(server.engine.drain)
        for number in range(len(sockets)):
            server.tick(1)
            assert server.counter(WEBSOCKETS) >= 4 - number
        for socket in sockets:
            assert socket.close_frame() == (1012, "the server restarts")
            assert server.note()["code"] == 1012
            socket.hang_up()
        server.idle()


@VERSIONS
def test_a_drain_cuts_none_that_is_being_closed(version: str) -> None:
    with serving(timeouts__drain="1s", websocket__close="60s") as (server, _):
        socket = opened(server, version, "/closes")
        socket.event()
        acknowledged(server)
        server.call(server.engine.drain)
        server.tick(5)
        socket.raw(close(3001))
        assert server.note() == {"type": "websocket.disconnect", "code": 3001, "reason": ""}
        socket.hang_up()


@VERSIONS
def test_a_close_frame_is_not_waited_for_while_ours_waits_to_be_read(version: str) -> None:
    with serving(timeouts__drain="10s", timeouts__write="1h", websocket__close="2s") as (server, app):
        socket = opened(server, version, "/pours")
        poured = wait_until_steady(lambda: app.poured)
        server.call(server.engine.drain)
        server.tick(1)
        server.tick(10)
        for _ in range(poured + 1):
            assert socket.message() == bytes(1 << 16)
        assert socket.close_frame() == (1012, "the server restarts")
        assert socket.ends()
        socket.hang_up()
        assert server.note() == "nobody is there"


@VERSIONS
def test_what_is_sent_to_who_was_closed_by_a_drain(version: str, caplog: pytest.LogCaptureFixture) -> None:
    """The application has not closed it, and can't know: it has done nothing wrong."""
    with serving(timeouts__drain="10s") as (server, app):
        socket = opened(server, version, "/chats")
        server.call(server.engine.drain)
        server.tick(1)
        assert socket.event().code == 1012
        server.call(app.gate.set)
        assert server.note() == "nobody is there"
        socket.hang_up()
        server.idle()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@VERSIONS
def test_messages_out_of_order(version: str) -> None:
    with serving() as (server, _):
        opened(server, version, "/wrong")
        notes = [server.note() for _ in range(5)]
    early, late = "the WebSocket is neither accepted nor denied", "it is open"
    assert notes == [
        *(f"{kind} was sent when it could not be: {early}" for kind in _EARLY),
        *(f"{kind} was sent when it could not be: {late}" for kind in ("websocket.accept", _RESPONSE)),
    ]


_RESPONSE = "websocket.http.response.start"
_EARLY = ("websocket.send", "http.response.start", "websocket.http.response.body")


@VERSIONS
def test_a_breach_is_told(version: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "litmus.server")
    with serving(websocket__message="1 KiB") as (server, _):
        socket = opened(server, version)
        socket.send(bytes(1025))
        assert socket.close_frame()[0] == 1009
        assert server.note()["code"] == 1009
        assert socket.ends()
    assert "a message of more than 1024 bytes" in caplog.text


def test_sockets_are_of_both_kinds() -> None:
    with serving() as (server, _):
        assert isinstance(opened(server, "1.1"), Socket1)
        assert isinstance(opened(server, "2"), Socket2)
