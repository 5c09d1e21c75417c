"""Limits and deadlines as clients and applications meet them, over real sockets; time passes by hand."""

import asyncio
import logging
import re
from collections import Counter
from typing import Any

import pytest
from support.apps import Routes, begin, echo, hello, read_body, respond
from support.bench import bench
from support.http import Client
from support.server import Server, serve
from support.waiting import wait_until

from litmus.asgi import Receive, Scope, Send
from litmus.memory import scoreboard
from litmus.server.channel import ClientDisconnected
from litmus.server.deadlines import ticks
from litmus.server.engine import LINGER_SECONDS

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
ENTRY = re.compile(r'(\S+) - - \[[^]]*\] "([^"]*)" (\d{3}|-) (\d+) "[^"]*" "[^"]*" (?:\d+\.\d{6}|-)')


def logged(server: Server) -> list[tuple[str, ...]]:
    """Who asked for what, the status and the size, of each line in the access log."""
    found = []
    for line in server.log():
        match = ENTRY.fullmatch(line)
        assert match, line
        found.append(match.groups())
    return found


def answered(server: Server) -> Counter[int]:
    """How many responses there were of each class; as many as there were requests."""
    responses = Counter({cls: server.counter(scoreboard.RESPONSES_1XX + cls - 1) for cls in range(2, 6)})
    assert server.counter(scoreboard.REQUESTS_TOTAL) == responses.total()
    return +responses


def arrived(server: Server, size: int) -> None:
    wait_until(lambda: server.counter(scoreboard.BYTES_IN) >= size, "the bytes")


class Bodies(Routes):
    """Notes what becomes of a request's body."""

    def __init__(self) -> None:
        self.notes: Any = None

    async def index(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.notes.put("called")
        try:
            body = await read_body(receive)
        except ConnectionError as error:
            self.notes.put(str(error))
        else:
            self.notes.put(body)
            await respond(send)


# -- what is refused ---------------------------------------------------------------------------------------------------

REFUSED = {
    "request line": ({"limits__request_line": "128 B"}, b"GET /" + b"x" * 124, 414, "GET /" + "x" * 124),
    "header section": (
        {"limits__header_section": "128 B"},
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200,
        431,
        "GET / HTTP/1.1",
    ),
    "fields": (
        {"limits__header_fields": "2"},
        b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nX: y\r\n\r\n",
        431,
        "GET / HTTP/1.1",
    ),
    "body": ({"limits__body": "10 B"}, POST % 11 + b"x" * 11, 413, "POST / HTTP/1.1"),
    "garbage": ({}, b"\x16\x03\x01\x02\x00\x01", 400, r"\x16\x03\x01\x02\x00\x01"),
    "long": ({}, b"GET /a b" + b"x" * 1000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 400, "GET /a b" + "x" * 248),
}


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_answered_logged_and_counted(name: str, before: int) -> None:
    options, data, status, line = REFUSED[name]
    with serve(hello, access=True, **options) as server, server.connect() as client:
        for _ in range(before):
            client.get()
        client.send(data)
        response = client.response()
        assert response.status == status
        assert response.header(b"connection") == b"close"
        assert client.ends()
        assert logged(server)[before:] == [("127.0.0.1", line, str(status), str(len(response.body)))]
        assert answered(server) == +Counter({2: before, 4: 1})


LINE = b"GET /%b HTTP/1.1\r\n"
DEFAULTS = {
    "request line": (8192, lambda size: LINE % (b"x" * (size - len(LINE % b""))) + b"Host: a\r\n\r\n", 414),
    "header section": (32768, lambda size: LINE % b"" + b"Host: a\r\nX: %b\r\n\r\n" % (b"x" * (size - 16)), 431),
    "fields": (100, lambda number: LINE % b"" + b"Host: a\r\n" + b"X: y\r\n" * (number - 1) + b"\r\n", 431),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_head_at_the_default_limits_and_one_beyond(name: str) -> None:
    limit, head, status = DEFAULTS[name]
    with serve(hello) as server:
        for size, expected in ((limit, 200), (limit + 1, status)):
            with server.connect() as client:
                assert client.send(head(size)).response().status == expected


@pytest.mark.parametrize("options", [{}, {"limits__body": "10 B"}])
def test_without_a_limit_a_body_may_have_any_length(options: dict[str, str]) -> None:
    with serve(echo, **options) as server, server.connect() as client:
        assert client.post(b"x" * 10).body == b"x" * 10
        if not options:
            assert client.post(b"x" * (1 << 20)).status == 200


def test_a_host_may_have_a_limit_of_its_own() -> None:
    options = {"limits__body": "10 B", "host__0__name": "Large.example", "host__0__body": "20 B"}
    asked = b"POST / HTTP/1.1\r\nHost: %b\r\nContent-Length: %d\r\n\r\n%b"
    with serve(echo, **options) as server:
        for host, size, status in (
            (b"large.EXAMPLE:8000", 20, 200),
            (b"large.example", 21, 413),
            (b"x", 10, 200),
            (b"x", 11, 413),
        ):
            with server.connect() as client:
                assert client.send(asked % (host, size, b"x" * size)).response().status == status


def test_requests_that_come_in_one_piece_are_all_answered() -> None:
    with serve(hello, limits__pipelined_requests=2) as server, server.connect() as client:
        client.send(GET * 9)
        assert [client.response().status for _ in range(9)] == [200] * 9


def test_the_application_never_sees_the_end_of_a_body_that_is_too_long() -> None:
    app = Bodies()
    with serve(app, access=True, limits__body="10 B") as server, server.connect() as client:
        app.notes = server.notes
        client.send(CHUNKED + b"5\r\n01234\r\n")
        assert server.note() == "called"
        client.send(b"6\r\n")
        response = client.response()
        assert response.status == 413
        assert server.note() == "disconnected"
        assert client.ends()
        assert logged(server) == [("127.0.0.1", "POST / HTTP/1.1", "413", str(len(response.body)))]
        assert answered(server) == {4: 1}


def test_the_last_request_of_a_connection() -> None:
    with serve(hello, limits__requests_per_connection=2) as server, server.connect() as client:
        assert client.get().header(b"connection") is None
        assert client.get().header(b"connection") == b"close"
        assert client.ends()


# -- pipelines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "limit"), [({}, 32), ({"limits__pipelined_requests": 7}, 7)])
def test_a_long_pipeline_leaves_room_for_others_in_each_turn(options: dict[str, Any], limit: int) -> None:
    turns = [0]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        turns[-1] += 1
        await respond(send)

    with bench(app, **options) as on:

        def somebody_else() -> None:
            turns.append(0)
            if sum(turns) < 5 * limit:
                on.loop.call_soon(somebody_else)

        on.do(somebody_else, on.arrive(GET * 5 * limit))
    assert [number for number in turns if number] == [limit] * 5
    assert len(turns) <= 5 + 2, "it goes on in each turn"


# -- heads and bodies that are slow ------------------------------------------------------------------------------------


def test_a_slow_head_is_answered_logged_and_counted() -> None:
    with serve(hello, access=True, timeouts__head="2s") as server, server.connect() as client:
        client.send(b"GET /slow HT")
        arrived(server, 12)
        server.tick(2)
        client.send(b"T")
        arrived(server, 13)
        server.tick(0.2)
        response = client.response()
        assert response.status == 408
        assert logged(server) == [("127.0.0.1", "GET /slow HTT", "408", str(len(response.body)))]
        assert answered(server) == {4: 1}


def test_who_sends_nothing_is_not_a_request() -> None:
    with serve(hello, access=True, timeouts__first_byte="2s") as server, server.connect() as client:
        with server.connect() as later:
            later.get()
        server.tick(1.9)
        assert server.call(len, server.engine.connections) == 1
        server.tick(0.3)
        assert client.rest() == b""
        assert answered(server) == {2: 1}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("sent", [0, 1, 199])
def test_a_body_that_comes_too_slowly(sent: int, chunked: bool) -> None:
    app = Bodies()
    options = {"timeouts__body_rate": "100 B", "timeouts__body_grace": "2s"}
    with serve(app, access=True, **options) as server, server.connect() as client:
        app.notes = server.notes
        data = CHUNKED + b"800\r\n" if chunked else POST % 2048
        client.send(data)
        assert server.note() == "called"
        client.send(b"x" * sent)
        arrived(server, len(data) + sent)
        server.tick(2.1)
        assert server.call(len, server.engine.exchanges) == 1
        server.tick(0.1)
        response = client.response()
        assert response.status == 408
        assert server.note() == "disconnected"
        assert logged(server) == [("127.0.0.1", "POST / HTTP/1.1", "408", str(len(response.body)))]
        assert answered(server) == {4: 1}
        client.send(b"y" * 100)  # read and dropped, or the answer would be lost
        server.tick(LINGER_SECONDS + 0.2)
        assert client.ends()


def test_a_body_that_comes_as_fast_as_it_must() -> None:
    app = Bodies()
    options = {"timeouts__body_rate": "100 B", "timeouts__body_grace": "2s"}
    with serve(app, **options) as server, server.connect() as client:
        app.notes = server.notes
        client.send(POST % 1000)
        assert server.note() == "called"
        for part in range(1, 5):
            client.send(b"x" * 200)
            arrived(server, len(POST % 1000) + 200 * part)
            server.tick(2.2)
        client.send(b"x" * 200)
        assert client.response().status == 200


@pytest.mark.parametrize("rate", ["0 B", "1 KiB"])
def test_nobody_is_hurried_whose_body_nobody_waits_for(rate: str) -> None:
    """Or if no rate is asked for."""
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put("called")
        if rate != "0 B":
            await gate.wait()
        await respond(send, await read_body(receive))

    options = {"timeouts__body_rate": rate, "timeouts__body_grace": "2s"}
    with serve(app, **options) as server, server.connect() as client:
        client.send(POST % 5)
        server.note()
        server.tick(60)
        server.call(gate.set)
        client.send(b"01234")
        assert client.response().body == b"01234"


def test_who_is_told_to_continue_has_its_time_from_then_on() -> None:
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put("called")
        await gate.wait()
        await respond(send, await read_body(receive))

    options = {"timeouts__body_rate": "100 B", "timeouts__body_grace": "2s"}
    with serve(app, **options) as server, server.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        server.note()
        server.tick(60)
        server.call(gate.set)
        assert client.head()[0] == 100
        server.tick(2.1)
        assert server.call(len, server.engine.exchanges) == 1
        server.tick(0.1)
        assert client.response().status == 408


# -- idle connections --------------------------------------------------------------------------------------------------


def test_those_that_fall_idle_together_are_not_all_closed_in_one_moment() -> None:
    number = 200
    with serve(hello, timeouts__keep_alive="10s") as server:
        clients = [server.connect() for _ in range(number)]
        for client in clients:
            client.get()
        server.tick(10)
        assert server.call(len, server.engine.connections) == number, "nobody is closed early"
        closed = []
        for _ in range(ticks(1) + 2):
            before = server.call(len, server.engine.connections)
            server.tick()
            closed.append(before - server.call(len, server.engine.connections))
        assert sum(closed) == number, "and nobody more than a tenth too late"
        assert max(closed) <= number // 8
        server.idle()


# -- whole requests ----------------------------------------------------------------------------------------------------


class Slow(Routes):
    """Takes its time.

    Attributes:
        server: whose notes are told what happens.
    """

    server: Server

    async def index(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.wait()

    async def wait(self) -> None:
        self.server.notes.put("waiting")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.server.notes.put("cancelled")
            raise

    async def started(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await self.wait()

    async def begun(self, scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send, b"begun")
        await self.wait()

    async def reading(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.server.notes.put("waiting")
        try:
            await read_body(receive)
        except asyncio.CancelledError:
            self.server.notes.put("cancelled")

    async def afterwards(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send)
        await self.wait()

    async def stubborn(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.wait()
        except asyncio.CancelledError:
            try:
                await respond(send)
            except ClientDisconnected:
                self.server.notes.put("nobody is there")
                raise


def slow(**options: Any) -> tuple[Any, Slow]:
    app = Slow()
    return serve(app, access=True, **options), app


def asked(server: Server, app: Slow, path: str, method: str = "GET", *lines: str) -> Client:
    """A client that has asked for something, which has begun to wait."""
    app.server = server
    client = server.connect()
    client.send("\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *lines, "", ""]).encode())
    assert server.note() == "waiting"
    return client


@pytest.mark.parametrize("path", ["/", "/started"])
def test_a_request_that_takes_too_long_is_answered_with_503(path: str, caplog: pytest.LogCaptureFixture) -> None:
    serving, app = slow(timeouts__request="3s")
    with serving as server:
        client = asked(server, app, path)
        server.tick(3.1)
        assert server.call(len, server.engine.exchanges) == 1
        server.tick(0.1)
        response = client.response()
        assert (response.status, response.body) == (503, b"503 Service Unavailable: the request took too long\n")
        assert server.note() == "cancelled"
        assert logged(server) == [("127.0.0.1", f"GET {path} HTTP/1.1", "503", "51")]
        assert answered(server) == {5: 1}
        words = f"the application took longer than 3 s (timeouts.request): GET {path}"
        assert [record.getMessage() for record in caplog.records] == [words]
        assert server.engine.board.last_error == words
        client.send(b"GET /afterwards HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().status == 200, "the connection is as good as before"


def test_a_response_that_takes_too_long_is_cut() -> None:
    serving, app = slow(timeouts__request="3s")
    with serving as server:
        client = asked(server, app, "/begun")
        assert client.head()[0] == 200
        assert client.chunk() == b"begun"
        server.tick(3.2)
        assert client.rest() == b"", "without the last chunk"
        assert server.note() == "cancelled"
        assert logged(server) == [("127.0.0.1", "GET /begun HTTP/1.1", "200", "5")]


def test_who_reads_a_response_too_slowly_is_no_fault_of_the_application(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send, b"")
        sending = send({"type": "http.response.body", "body": bytes(64 << 20), "more_body": True})
        server.notes.put("waiting")
        try:
            await sending
        except asyncio.CancelledError:
            server.notes.put("cancelled")

    caplog.set_level(logging.INFO, "litmus.server")
    with serve(app, timeouts__request="3s") as server, server.connect() as client:
        client.send(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        assert server.note() == "waiting"
        server.tick(3.2)
        assert server.note() == "cancelled"
        assert server.engine.board.last_error == ""
        assert server.counter(scoreboard.RESPONSES_UNREAD) == 1
    words = "GET /endless was not read by 127.0.0.1:"
    assert [record.levelno for record in caplog.records if record.getMessage().startswith(words)] == [logging.INFO]
    assert all(record.levelno < logging.ERROR for record in caplog.records)


def test_a_request_whose_body_takes_too_long() -> None:
    serving, app = slow(timeouts__request="3s", timeouts__body_rate="0 B")
    with serving as server:
        client = asked(server, app, "/reading", "POST", "Content-Length: 10")
        server.tick(3.2)
        assert client.response().status == 503
        assert server.note() == "cancelled"


def test_an_application_that_answers_when_it_is_cancelled_has_nobody_to_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    serving, app = slow(timeouts__request="3s")
    with serving as server:
        client = asked(server, app, "/stubborn")
        server.tick(3.2)
        assert client.response().status == 503
        assert [server.note(), server.note()] == ["cancelled", "nobody is there"]
        assert len(caplog.records) == 1, "which is no error of the application's"


def test_what_an_application_does_behind_its_response_may_take_longer() -> None:
    serving, app = slow(timeouts__request="3s")
    with serving as server:
        client = asked(server, app, "/afterwards")
        assert client.response().status == 200
        server.tick(10)
        assert server.notes.empty()
        assert server.call(len, server.engine.exchanges) == 1


def test_a_client_that_leaves_does_not_save_its_request() -> None:
    serving, app = slow(timeouts__request="3s")
    with serving as server:
        client = asked(server, app, "/")
        client.reset()
        wait_until(lambda: not server.engine.connections, "the end of the connection")
        server.tick(3.2)
        assert server.note() == "cancelled"
        server.idle()


def test_without_that_limit_a_request_may_take_for_ever() -> None:
    serving, app = slow()
    with serving as server:
        client = asked(server, app, "/")
        server.tick(200)
        assert server.notes.empty()
        assert server.call(len, server.engine.exchanges) == 1
        client.close()


def test_the_wheel_lets_go_of_a_request_that_was_answered() -> None:
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put("called")
        await gate.wait()
        await respond(send)

    with serve(app, timeouts__request="1h") as server, server.connect() as client:
        client.send(GET)
        server.note()
        (exchange,) = server.call(list, server.engine.exchanges)
        assert exchange.due > 0
        server.call(gate.set)
        client.response()
        server.call(lambda: None)
        assert (exchange.due, exchange.spoke) == (0, 0)
