"""``send`` and what becomes of applications that fail, leave early, or send what they should not."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from support.apps import Gated, Routes, begin, read_body, respond
from support.bench import bench
from support.server import serve
from support.turns import next_turn
from support.waiting import wait_until

from litmus.asgi import Receive, Scope, Send
from litmus.memory.scoreboard import IN_FLIGHT, RESPONSES_5XX
from litmus.server.channel import ClientDisconnected
from litmus.server.noise import TARGET_SHOWN

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
START = {"type": "http.response.start", "status": 200, "headers": []}
PART = {"type": "http.response.body", "body": b"part", "more_body": True}
END = {"type": "http.response.body", "body": b"end"}


class Bytes(bytes):
    """Bytes of somebody's own, as numpy's are."""


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


# -- what can be sent --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "body"),
    [
        ([START, END], b"end"),
        ([START, PART, PART, END], b"partpartend"),
        ([START, {"type": "http.response.body"}], b""),
        ([START, PART, {"type": "http.response.body"}], b"part"),
        ([{"type": "http.response.start", "status": 200}, END], b"end"),
        ([START, {"type": "http.response.body", "body": bytearray(b"array")}], b"array"),
        ([START, {"type": "http.response.body", "body": memoryview(b"view")}], b"view"),
        ([START, {"type": "http.response.body", "body": Bytes(b"sub")}], b"sub"),
        ([START, PART, {"type": "http.response.body", "body": Bytes(b"sub")}], b"partsub"),
        ([START, {"type": "http.response.body", "body": bytearray(b"a"), "more_body": True}, END], b"aend"),
        ([{"type": "http.response.start", "status": 200, "headers": iter([(b"x", b"y")])}, END], b"end"),
        ([{"type": "http.response.start", "status": 200, "headers": ([b"x", b"y"],)}, END], b"end"),
        ([{**START, "trailers": False}, END], b"end"),
    ],
)
def test_messages_that_make_a_response(messages: Sequence[dict[str, Any]], body: bytes) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            assert await send(message) is None

    with serve(app) as server, server.connect() as client:
        for _ in range(2):
            response = client.get()
            assert (response.status, response.body) == (200, body)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
@pytest.mark.parametrize("messages", [[START, END], [START, PART, END], [START, {"type": "http.response.body"}]])
def test_responses_without_a_body(method: str, status: int, messages: list[dict[str, Any]]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send({**message, "status": status} if message is START else message)

    with serve(app) as server, server.connect() as client:
        for _ in range(3):
            client.send(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            response = client.response(method)
            assert response.status == status
            assert response.header(b"transfer-encoding") is None


def test_a_head_leaves_with_the_first_part_of_the_body_not_before() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await gate.wait()
        await send(PART)
        await gate_two.wait()
        await send(END)

    gate, gate_two = asyncio.Event(), asyncio.Event()
    with bench(app) as on:
        on.feed(GET)
        assert on.out == b""
        on.do(gate.set)
        assert on.out.endswith(b"4\r\npart\r\n")
        on.do(gate_two.set)
        assert on.out.endswith(b"3\r\nend\r\n0\r\n\r\n")


def test_head_and_body_leave_in_one_piece() -> None:
    writes: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send)

    with bench(app) as on:
        write = on.transport.write
        on.transport.write = lambda data: (writes.append(bytes(data)), write(data))[1]  # type: ignore[method-assign]
        on.feed(GET)
        assert len(writes) == 1
        on.feed(GET * 3)
        assert len(writes) == 2, "so do the responses to what came together"


# -- what cannot -------------------------------------------------------------------------------------------------------

BAD_ORDER = {
    "a body before the start": [END],
    "two starts": [START, START],
    "a start after the body has begun": [START, PART, START],
    "a body after the end": [START, END, END],
    "a start after the end": [START, END, START],
    "an unknown message": [{"type": "http.response.what"}],
    "a lifespan message": [{"type": "lifespan.startup.complete"}],
    "a WebSocket message": [{"type": "websocket.accept"}],
}


@pytest.mark.parametrize("name", BAD_ORDER)
def test_messages_out_of_order_are_refused(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caught: list[Exception] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        *good, bad = BAD_ORDER[name]
        for message in good:
            await send(message)
        try:
            await send(bad)
        except RuntimeError as error:
            caught.append(error)
            raise

    with serve(app) as server, server.connect() as client:
        client.send(GET)
        messages = BAD_ORDER[name]
        if END in messages[:-1]:
            assert client.response().body == b"end", "the response is complete: nothing can spoil it"
        elif PART in messages:
            assert client.until(b"part\r\n")
            assert client.rest() == b"", "cut, without the last chunk"
        else:
            assert client.response().status == 500
        client.close()
        server.idle()
    assert len(caught) == 1
    (record,) = errors(caplog)
    assert record.exc_info is not None
    assert record.exc_info[1] is caught[0]
    assert "GET /" in record.getMessage()


@pytest.mark.parametrize(
    "message",
    [
        {"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nset-cookie: evil")]},
        {"type": "http.response.start", "status": 200, "headers": [("x", "y")]},
        {"type": "http.response.start", "status": 200, "headers": [(b"x", "y")]},
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]},
        {"type": "http.response.start", "status": 200, "headers": [(b"x",)]},
        {"type": "http.response.start", "status": 101},
        {"type": "http.response.start", "status": "200"},
        {"type": "http.response.start"},
        {"status": 200},
    ],
)
def test_a_start_that_cannot_be_sent_is_a_500(message: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(message)
        await send(END)

    with serve(app) as server, server.connect() as client:
        response = client.get()
        assert response.status == 500
        assert b"evil" not in b"".join(value for _, value in response.headers)
        assert client.get().status == 500, "the connection goes on"
    assert len(errors(caplog)) == 2
    assert all(record.exc_info for record in errors(caplog))


@pytest.mark.parametrize("body", ["text", None, 5, ["x"]])
def test_a_body_that_is_not_bytes_is_a_500(body: object) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": body})

    with serve(app) as server, server.connect() as client:
        assert client.get().status == 500


@pytest.mark.parametrize("length", [b"3", b"10"])
def test_a_length_that_turns_out_wrong_cuts_the_response(length: bytes) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send, b"ab", [(b"content-length", length)])
        await send({"type": "http.response.body", "body": b"cd"})

    with serve(app) as server, server.connect() as client:
        client.send(GET)
        client.until(b"\r\n\r\n")
        assert client.rest() == b"ab"


# -- applications that fail --------------------------------------------------------------------------------------------


class Boom(Exception):
    pass


@pytest.mark.parametrize(
    "error", [Boom("it broke"), SystemExit(1), KeyboardInterrupt(), RecursionError(), MemoryError()]
)
@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("later", [False, True])
def test_an_error_before_the_response_is_a_500(
    error: BaseException, started: bool, later: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class App(Routes):
        async def fail(self, scope: Scope, receive: Receive, send: Send) -> None:
            if later:
                await next_turn()
            if started:
                await send(START)
            raise error

    with serve(App()) as server, server.connect() as client:
        response = client.get("/fail?x")
        assert (response.status, response.body) == (500, b"500 Internal Server Error: the application failed\n")
        assert response.header(b"content-type") == b"text/plain; charset=utf-8"
        assert client.get("/").status == 200
        assert server.engine.board.last_error.startswith("the application failed: GET /fail?x")
        assert type(error).__name__ in server.engine.board.last_error
        assert server.counter(RESPONSES_5XX) == 1
    (record,) = errors(caplog)
    assert record.getMessage() == "the application failed: GET /fail?x"
    assert record.exc_info is not None
    assert record.exc_info[1] is error


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"10")]])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("later", [False, True])
def test_an_error_in_the_response_cuts_it(
    headers: list[tuple[bytes, bytes]], version: str, later: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send, b"part", headers)
        if later:
            await gate.wait()
        raise Boom

    gate = asyncio.Event()
    until_close = version == "1.0" and not headers
    with serve(app) as server, server.connect() as client:
        client.send(f"GET / HTTP/{version}\r\nHost: a\r\n\r\n".encode())
        if later:
            client.until(b"part")
            server.call(gate.set)
        if until_close:
            with pytest.raises(ConnectionResetError):
                client.rest()
        else:
            if not later:
                client.until(b"part")
            assert client.rest() == (b"" if headers else b"\r\n"), "neither the rest nor a last chunk"
        client.close()
        server.idle()
        assert server.counter(IN_FLIGHT) == 0
    (record,) = errors(caplog)
    assert record.exc_info is not None


def test_an_error_after_the_response_is_logged_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send)
        raise Boom

    with serve(app) as server, server.connect() as client:
        assert client.get().status == 200
        assert client.get().status == 200
    assert len(errors(caplog)) == 2


@pytest.mark.parametrize(
    ("messages", "words"),
    [([], "returned without a response"), ([START], ""), ([START, PART], "returned before its response was complete")],
)
def test_an_application_that_returns_early(
    messages: list[dict[str, Any]], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    with serve(app) as server, server.connect() as client:
        client.send(b"GET /early HTTP/1.1\r\nHost: a\r\n\r\n")
        if PART in messages:
            client.until(b"part\r\n")
            assert client.rest() == b""
        else:
            assert client.response().status == 500
    (record,) = errors(caplog)
    assert words in record.getMessage()
    assert "GET /early" in record.getMessage()


@pytest.mark.parametrize("application", [lambda scope, receive, send: None, lambda: None, lambda s, r, x: 5])
def test_an_application_that_is_not_one(application: Any, caplog: pytest.LogCaptureFixture) -> None:
    with serve(application) as server, server.connect() as client:
        assert client.get().status == 500
        assert client.get().status == 500
    assert len(errors(caplog)) == 2


def test_what_is_logged_of_a_request_is_escaped(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise Boom

    with serve(app) as server, server.connect() as client:
        client.send(b'GET /"x" HTTP/1.1\r\nHost: a\r\n\r\n')
        client.response()
    assert errors(caplog)[0].getMessage() == r"the application failed: GET /\x22x\x22"


@pytest.mark.parametrize(("size", "logged"), [(TARGET_SHOWN, "x" * TARGET_SHOWN), (8_000, "x" * TARGET_SHOWN + "…")])
def test_what_is_logged_of_a_request_is_bounded(size: int, logged: str, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put("called")
        try:
            await asyncio.Event().wait()
        finally:
            raise Boom

    logged = "/" + logged[1:]
    with serve(app) as server, server.connect() as client:
        client.send(b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * (size - 1)))
        server.note()
        (exchange,) = server.call(lambda: list(server.engine.exchanges))  # once its first step is taken
        cut = server.call(exchange.cancel)
        assert cut.startswith(f"GET {logged} from 127.0.0.1:")
        client.response()
        assert errors(caplog)[0].getMessage() == f"the application failed: GET {logged}"
        assert server.engine.board.last_error == f"the application failed: GET {logged}: Boom()"


class Unspeakable(Exception):
    def __repr__(self) -> str:
        raise ValueError("no words")

    __str__ = __repr__


@pytest.mark.parametrize("begun", [False, True])
def test_an_error_whose_repr_fails_is_an_error_like_others(begun: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if begun:
            await begin(send, b"x")
        raise Unspeakable

    with bench(app) as on:
        on.feed(GET)
        try:
            assert on.transport.closing if begun else on.out.startswith(b"HTTP/1.1 500 ")
        finally:
            if not on.transport.closing:
                on.do(on.lose)
            on.errors.clear()


# -- clients that leave ------------------------------------------------------------------------------------------------


def test_send_raises_client_disconnected(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send, b"x")
        server.notes.put("begun")
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        for _ in range(2):
            try:
                await send(PART)
            except OSError as error:
                server.notes.put(error)
        await send(END)

    with serve(app) as server:
        client = server.connect().send(GET)
        client.head()
        assert server.note() == "begun"
        client.reset()
        for _ in range(2):
            assert isinstance(server.note(), ClientDisconnected)
        server.idle()
    assert errors(caplog) == [], "an application that gives up because the client has left has not failed"


def test_an_application_that_gives_up_when_it_is_told_of_the_disconnect_has_not_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send, b"x")
        server.notes.put("begun")
        while (await receive())["type"] != "http.disconnect":
            pass
        raise Boom

    caplog.set_level(logging.INFO, "litmus.server")
    with serve(app) as server:
        client = server.connect().send(b"POST /sent HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        client.head()
        assert server.note() == "begun"
        client.reset()
        server.idle()
        assert server.engine.board.last_error == ""
    (record,) = [record for record in caplog.records if "/sent" in record.getMessage()]
    assert record.levelno == logging.INFO
    assert record.getMessage().endswith("had left: POST /sent ended with Boom()")
    assert record.exc_info is None


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_disconnect_that_a_framework_wraps_is_no_error(wrapped: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        try:
            await respond(send)
        except OSError as error:
            if wrapped:
                raise Boom from error
            raise Boom  # noqa: B904

    gate = asyncio.Event()
    with bench(app) as on:
        on.feed(GET)
        on.do(on.lose)
        on.do(gate.set)
        assert on.engine.board.last_error == ""
    assert errors(caplog) == []


def test_an_error_of_its_own_after_the_client_has_left_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        raise Boom

    gate = asyncio.Event()
    with bench(app) as on:
        on.feed(GET)
        on.do(on.lose)
        on.do(gate.set)
    (record,) = errors(caplog)
    assert record.exc_info is not None


def test_an_application_that_returns_because_the_client_has_left_has_not_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        await receive()

    with bench(app) as on:
        on.feed(GET)
        on.do(on.lose)
        assert not on.engine.exchanges
    assert errors(caplog) == []


def test_a_client_that_leaves_a_request_behind_frees_everything() -> None:
    app = Gated()
    with serve(app) as server:
        clients = [server.connect() for _ in range(10)]
        for client in clients:
            client.send(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n" + b"x" * 50)
            app.wait_until_reached()
        assert server.slab_in_use() == 11
        for client in clients:
            client.reset()
        server.call(app.gate.set)
        server.idle()
        assert server.slab_in_use() == 1


# -- background work ---------------------------------------------------------------------------------------------------


def test_an_application_that_goes_on_after_its_response_does_not_hold_up_the_next_request() -> None:
    gate = asyncio.Event()

    class App(Routes):
        async def background(self, scope: Scope, receive: Receive, send: Send) -> None:
            await respond(send, b"first")
            await gate.wait()
            server.notes.put("done")

    with serve(App()) as server, server.connect() as client:
        assert client.get("/background").body == b"first"
        assert client.get("/").body == b"Hello, world!"
        wait_until(lambda: server.counter(IN_FLIGHT) == 1, "the second one to leave the records")
        assert [entry.path for entry in server.engine.flight.entries()] == ["/background"]
        server.call(gate.set)
        assert server.note() == "done"
        assert client.get("/").status == 200
        wait_until(lambda: server.counter(IN_FLIGHT) == 0, "all of them to leave the records")


def test_background_work_cannot_touch_the_next_response() -> None:
    class App(Routes):
        async def background(self, scope: Scope, receive: Receive, send: Send) -> None:
            await respond(send, b"first")
            await gate.wait()
            try:
                await send({"type": "http.response.body", "body": b"intruder"})
            except RuntimeError as error:
                server.notes.put(error)
            server.notes.put(await receive())

        async def slow(self, scope: Scope, receive: Receive, send: Send) -> None:
            await begin(send, b"a")
            server.notes.put("begun")
            await slow_gate.wait()
            await send({"type": "http.response.body", "body": b"b" + await read_body(receive)})

    gate, slow_gate = asyncio.Event(), asyncio.Event()
    with serve(App()) as server, server.connect() as client:
        assert client.get("/background").body == b"first"
        client.send(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
        assert server.note() == "begun"
        server.call(gate.set)
        assert isinstance(server.note(), RuntimeError)
        assert server.note() == {"type": "http.disconnect"}
        server.call(slow_gate.set)
        assert client.response().body == b"abbody"


def test_background_work_survives_its_client() -> None:
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send)
        await gate.wait()
        server.notes.put("done")

    with serve(app) as server:
        with server.connect() as client:
            client.get()
        server.call(gate.set)
        assert server.note() == "done"
        server.idle()
