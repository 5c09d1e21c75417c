"""Requests over real sockets: the scope, keep-alive, pipelining, and what leaves on the wire."""

import asyncio
import gc
import logging
import socket
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import time
from typing import Any

import pytest
from support.apps import Gated, Routes, echo, hello, read_body, respond
from support.server import serve
from support.turns import next_turn

from litmus.asgi import VERSIONS, Receive, Scope, Send
from litmus.memory.scoreboard import BYTES_IN, BYTES_OUT, CONNECTIONS_TOTAL, REQUESTS_TOTAL, RESPONSES_1XX


class ScopeApp:
    """Keeps the scopes that it is called with."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        await respond(send)


# -- scope -------------------------------------------------------------------------------------------------------------


def test_the_scope_is_exact() -> None:
    app = ScopeApp()
    with serve(app) as server, server.connect() as client:
        client.send(b"GET /a%20b/caf%C3%A9?x=%20y&z HTTP/1.1\r\nHost: Example.org\r\nX-Two: 1\r\nx-TWO: B b\r\n\r\n")
        client.response()
        assert app.scopes == [
            {
                "type": "http",
                "asgi": {"version": "3.0", "spec_version": "2.5"},
                "http_version": "1.1",
                "method": "GET",
                "scheme": "http",
                "path": "/a b/café",
                "raw_path": b"/a%20b/caf%C3%A9",
                "query_string": b"x=%20y&z",
                "root_path": "",
                "headers": [(b"host", b"Example.org"), (b"x-two", b"1"), (b"x-two", b"B b")],
                "client": client.name,
                "server": server.address,
                "extensions": {"http.response.trailers": {}, "http.response.early_hint": {}},
                "state": {},
            }
        ]
        scope = app.scopes[0]
        assert isinstance(scope, dict)
        assert all(type(name) is bytes and type(value) is bytes for name, value in scope["headers"])
        assert type(scope["raw_path"]) is bytes
        assert type(scope["query_string"]) is bytes
        assert type(scope["path"]) is str
        assert isinstance(scope["client"][1], int)


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        ("/", "/", b"/", b""),
        ("/?", "/", b"/", b""),
        ("/a?b?c", "/a", b"/a", b"b?c"),
        ("/a%3Fb", "/a?b", b"/a%3Fb", b""),
        ("/a%2Fb", "/a/b", b"/a%2Fb", b""),
        ("/%ff%C3", "/\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}", b"/%ff%C3", b""),
        ("/100%25?100%", "/100%", b"/100%25", b"100%"),
        ("/a+b", "/a+b", b"/a+b", b""),
        ("//double", "//double", b"//double", b""),
        ("/../up", "/../up", b"/../up", b""),
        ("*", "*", b"*", b""),
        ("http://example.org/a%20b?c", "/a b", b"/a%20b", b"c"),
        ("http://example.org", "/", b"/", b""),
        ("http://example.org?q", "/", b"/", b"q"),
        ("http://example.org/?q=http://x/y", "/", b"/", b"q=http://x/y"),
        ("http://example.org?q=http://x/y", "/", b"/", b"q=http://x/y"),
    ],
)
def test_paths(target: str, path: str, raw_path: bytes, query: bytes) -> None:
    app = ScopeApp()
    with serve(app) as server, server.connect() as client:
        client.send(f"OPTIONS {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        client.response()
    (scope,) = app.scopes
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)


def test_the_root_path_is_in_front_of_both_paths() -> None:
    app = ScopeApp()
    with serve(app, app__root_path="/api/v1") as server, server.connect() as client:
        client.get("/users%20x?y")
    (scope,) = app.scopes
    assert scope["root_path"] == "/api/v1"
    assert scope["path"] == "/api/v1/users x"
    assert scope["raw_path"] == b"/api/v1/users%20x"
    assert scope["query_string"] == b"y"


def test_http_1_0() -> None:
    app = ScopeApp()
    with serve(app) as server:
        for _ in range(2):
            with server.connect() as client:
                client.send(b"GET / HTTP/1.0\r\n\r\n")
                assert client.response().header(b"connection") == b"close"
                assert client.ends()
        with server.connect() as client:
            client.get()
    assert [scope["http_version"] for scope in app.scopes] == ["1.0", "1.0", "1.1"]


def test_a_client_on_a_unix_socket_has_no_name(tmp_path: Path) -> None:
    app = ScopeApp()
    path = tmp_path / "http.sock"
    with serve(app, unix=path, access=True) as server, server.connect() as client:
        assert client.get().status == 200
        assert server.log()[0].startswith("unix - - [")
    (scope,) = app.scopes
    assert scope["client"] is None
    assert scope["server"] == (str(path), None)


def test_a_client_on_a_unix_socket_with_a_name_has_none_either(tmp_path: Path) -> None:
    app = ScopeApp()
    path = tmp_path / "http.sock"
    with serve(app, unix=path) as server, socket.socket(socket.AF_UNIX) as client:
        client.bind(str(tmp_path / "client.sock"))
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while client.recv(1000):
            pass
        assert server.errors == []
    assert app.scopes[0]["client"] is None


def test_ipv6() -> None:
    app = ScopeApp()
    with serve(app, ipv6=True, access=True) as server, server.connect() as client:
        client.get()
        name = client.name
        assert [each.name for each in server.engine.connections] == [f"[::1]:{name[1]}"]
        assert server.log()[0].startswith("::1 - - [")
    (scope,) = app.scopes
    assert scope["client"] == ("::1", name[1])
    assert scope["server"] == ("::1", server.address[1])


def test_a_client_that_was_gone_before_it_was_accepted_does_no_harm() -> None:
    app = ScopeApp()

    def come_and_go() -> None:
        """In the loop's thread, so that it cannot accept meanwhile."""
        server.connect().send(b"GET /gone HTTP/1.1\r\nHost: a\r\n\r\n").reset()

    with serve(app, access=True) as server:
        server.call(come_and_go)
        with server.connect() as client:
            client.get("/here")
        server.idle()
        assert server.counter(CONNECTIONS_TOTAL) == 2
        assert {line.partition(" ")[0] for line in server.log()} == {"127.0.0.1"}
    assert app.scopes[-1]["path"] == "/here"


def test_each_request_has_its_own_copy_of_the_state() -> None:
    shared: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        shared.append(scope["path"])
        assert scope["state"]["pool"] is pool
        assert "mine" not in scope["state"]
        scope["state"]["mine"] = 1
        await respond(send)

    pool = object()
    with serve(app) as server:
        server.call(server.engine.state.update, {"pool": pool})
        for _ in range(2):
            with server.connect() as client:
                assert client.get().status == 200
                assert client.get().status == 200
        assert server.engine.state == {"pool": pool}


def test_what_an_application_does_to_its_scope_stays_there() -> None:
    """However often the same head comes, and is known by then."""
    app = ScopeApp()
    with serve(app) as server, server.connect() as client:
        for _ in range(5):
            client.get()
            scope = app.scopes[-1]
            assert scope["path"] == "/"
            assert scope["headers"] == [(b"host", b"a")]
            assert scope["asgi"] == VERSIONS
            assert scope["client"] is not None
            assert not {"added"} & (scope.keys() | scope["state"].keys() | scope["extensions"].keys())
            scope["path"] = "/changed"
            scope["headers"].append((b"x", b"y"))
            scope["asgi"].clear()
            scope["client"] = None
            for part in (scope, scope["state"], scope["extensions"]):
                part["added"] = 1


def test_requests_of_one_connection_that_differ_by_turns() -> None:
    """A connection remembers what its last request line said."""
    app = ScopeApp()
    with serve(app) as server, server.connect() as client:
        for _ in range(3):
            for path, query in (("/a", b""), ("/a", b"q"), ("/b%20", b"")):
                client.get(path + "?" * bool(query) + query.decode())
                scope = app.scopes[-1]
                assert (scope["raw_path"], scope["query_string"]) == (path.encode(), query)
                assert scope["path"] == path.replace("%20", " ")


@pytest.mark.parametrize("name", ["extensions", "asgi"])
def test_the_dicts_in_a_scope_are_its_own(name: str) -> None:
    app = ScopeApp()
    with serve(app) as server, server.connect() as client:
        client.get()
        app.scopes[0][name]["added"] = {}
        client.get()
    try:
        assert "added" not in app.scopes[1][name]
    finally:
        del app.scopes[0][name]["added"]


# -- connections -------------------------------------------------------------------------------------------------------


def test_keep_alive() -> None:
    with serve(echo) as server, server.connect() as client:
        for i in range(20):
            response = client.post(b"x" * i)
            assert (response.status, response.body) == (200, b"x" * i)
            assert response.header(b"connection") is None
        assert server.counter(CONNECTIONS_TOTAL) == 1
        assert server.counter(REQUESTS_TOTAL) == 20


def test_connection_close_ends_this_connection_and_no_other() -> None:
    with serve(hello) as server, server.connect() as other:
        assert other.get().status == 200
        for _ in range(3):
            with server.connect() as client:
                assert client.get("/", "Connection: close").header(b"connection") == b"close"
                assert client.ends()
            assert other.get().status == 200


@pytest.mark.parametrize(("pause", "count"), [(False, 100), (True, 100), (False, 1500)])
def test_pipelined_requests_are_answered_in_order(pause: bool, count: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        number = int(scope["path"][1:])
        if pause:
            for _ in range(number % 3):
                await next_turn()
        await respond(send, b"%d:%b" % (number, body))

    with serve(app) as server, server.connect() as client:
        requests = [
            b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (i, i, b"x" * i) for i in range(count)
        ]
        client.send(b"".join(requests))
        for i in range(count):
            assert client.response().body == b"%d:%b" % (i, b"x" * i)


def test_a_slow_response_holds_back_those_behind_it() -> None:
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put(scope["path"])
        if scope["path"] == "/slow":
            await gate.wait()
        await respond(send, scope["path"].encode())

    with serve(app) as server, server.connect() as client:
        client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /fast HTTP/1.1\r\nHost: a\r\n\r\n")
        assert server.note() == "/slow"
        assert server.notes.empty(), "one request at a time"
        server.call(gate.set)
        assert client.response().body == b"/slow"
        assert client.response().body == b"/fast"


def test_connections_do_not_wait_for_each_other() -> None:
    app = Gated()
    with serve(app) as server, server.connect() as slow, server.connect() as fast:
        slow.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        app.wait_until_reached()
        assert fast.get().status == 200
        server.call(app.gate.set)
        assert slow.response().status == 200


def test_many_connections() -> None:
    with serve(echo) as server:
        clients = [server.connect() for _ in range(200)]
        for number, client in enumerate(clients):
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n%06d" % number)
        for number, client in enumerate(clients):
            assert client.response().body == b"%06d" % number
        for client in clients:
            client.close()
        server.idle()
        assert server.counter(CONNECTIONS_TOTAL) == 200


def test_byte_by_byte() -> None:
    with serve(echo) as server, server.connect() as client:
        for byte in b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n":
            client.send(bytes([byte]))
        assert client.response().body == b"hello"


def test_two_requests_in_one_segment_and_the_end_of_the_sending() -> None:
    with serve(echo) as server, server.connect() as client:
        client.send(
            b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
        ).half_close()
        assert client.response().body == b""
        assert client.response().body == b"hi"
        assert client.ends()


class GarbageApp(Routes):
    """Different ways through an exchange."""

    async def later(self, scope: Scope, receive: Receive, send: Send) -> None:
        await next_turn()
        await respond(send, await read_body(receive))

    async def fail(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError

    async def waiting(self, scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        task = asyncio.ensure_future(receive())
        await next_turn()
        await respond(send)
        assert (await task)["type"] == "http.disconnect"


@pytest.fixture
def silence() -> Iterator[None]:
    """Nothing is logged: pytest keeps what is."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("silence")
@pytest.mark.parametrize("path", ["/", "/later", "/fail", "/waiting"])
@pytest.mark.parametrize("keep", [True, False])
def test_nothing_is_left_to_the_garbage_collector(path: str, keep: bool) -> None:
    """What is over is freed at once: no reference cycles, no lists that grow."""

    def count() -> int:
        return len(gc.get_objects())

    with serve(GarbageApp()) as server, server.connect() as client:
        with server.connect() as first:
            first.get(path)
        client.get(path)
        gc.collect()
        gc.disable()
        try:
            before = server.call(count)
            for _ in range(100):
                if keep:
                    client.get(path)
                else:
                    with server.connect() as once:
                        once.get(path, "Connection: close")
                        once.ends()
            assert server.call(count) - before < 100
        finally:
            gc.enable()


# -- breaches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"garbage\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * (70 << 10), 431),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    ],
)
def test_a_breach_is_answered(data: bytes, status: int) -> None:
    with serve(echo) as server, server.connect() as client:
        client.send(data)
        assert client.response().status == status
        assert client.rest() == b"", "in good order: no reset"
        client.close()
        server.idle()
        classes = [server.counter(cell) for cell in range(RESPONSES_1XX, RESPONSES_1XX + 5)]
        assert classes == [0, 0, 0, *((1, 0) if status < 500 else (0, 1))]


def test_a_client_that_goes_on_sending_garbage_still_gets_the_answer() -> None:
    with serve(hello) as server, server.connect() as client:
        client.send(b"garbage\r\n\r\n")
        for _ in range(20):
            client.send(b"x" * 10000)
        assert client.response().status == 400
        assert client.rest() == b""


def test_a_breach_behind_a_complete_response_does_not_destroy_it() -> None:
    """The client first sends all that it has, and only then reads."""
    with serve(hello) as server, server.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.until(b"\r\n\r\n")
        client.send(b"xyz\r\n" + b"x" * (8 << 20))
        assert client.rest() == b"Hello, world!"


def test_what_we_have_finished_with_is_closed_in_the_end() -> None:
    with serve(hello) as server, server.connect() as client:
        client.send(b"garbage\r\n\r\n")
        assert client.response().status == 400
        server.tick(3)
        server.idle()


# -- counters ----------------------------------------------------------------------------------------------------------


def test_bytes_are_counted() -> None:
    with serve(echo) as server, server.connect() as client:
        data = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
        client.send(data)
        received = client.until(b"hello")
        assert server.counter(BYTES_IN) == len(data)
        assert server.counter(BYTES_OUT) == len(received)


@pytest.mark.parametrize("status", [200, 302, 404, 500, 999])
def test_responses_are_counted_by_class(status: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, status=status)

    with serve(app) as server, server.connect() as client:
        client.get()
        client.get()
        classes = [server.counter(cell) for cell in range(RESPONSES_1XX, RESPONSES_1XX + 5)]
        expected = [0] * 5
        expected[min(status // 100, 5) - 1] = 2
        assert classes == expected


def test_an_interim_response_is_counted() -> None:
    with serve(echo) as server, server.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert client.head() == (100, [])
        client.send(b"hello").response()
        assert [server.counter(cell) for cell in range(RESPONSES_1XX, RESPONSES_1XX + 3)] == [1, 1, 0]


def test_what_is_in_flight_can_be_read_from_outside() -> None:
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put(scope["path"])
        await gate.wait()
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        server.notes.put("begun")
        gate.clear()
        await gate.wait()
        await send({"type": "http.response.body", "body": b""})
        server.notes.put("complete")
        gate.clear()
        await gate.wait()

    def phases() -> list[str]:
        return [f"{entry.method} {entry.path} {entry.phase.name}" for entry in server.engine.flight.entries()]

    with serve(app) as server, server.connect() as client:
        client.send(b"PUT /x?y HTTP/1.1\r\nHost: a\r\n\r\n")
        server.note()
        (entry,) = server.engine.flight.entries()
        assert entry.peer == "{}:{}".format(*client.name)
        assert phases() == ["PUT /x?y HANDLING"]
        server.call(gate.set)
        server.note()
        assert phases() == ["PUT /x?y RESPONDING"]
        server.call(gate.set)
        server.note()
        assert phases() == ["PUT /x?y FINISHING"]
        server.call(gate.set)
        assert client.response().body == b"a"


def test_the_date_is_that_of_the_day() -> None:
    with serve(hello) as server, server.connect() as client:
        date: Any = client.get().header(b"date")
        assert abs(parsedate_to_datetime(date.decode()).timestamp() - time()) < 60


def test_an_upgrade_that_nobody_offers_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """RFC 9110, section 7.8."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, dict(scope["headers"])[b"upgrade"])

    with serve(app, websocket__enabled="false") as server, server.connect() as client:
        for spelling in ("websocket", "WebSocket", "h2c", "foo/2"):
            response = client.get("/", "Connection: Upgrade", f"Upgrade: {spelling}", "Sec-WebSocket-Key: 0")
            assert (response.status, response.body) == (200, spelling.encode())
    assert caplog.messages == []
