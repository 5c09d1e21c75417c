"""``receive``: what it says, in which order, to whom, and that nothing gets lost on the way."""

import asyncio
from typing import Any

import pytest
from support.apps import begin, read_body, respond
from support.bench import Bench, bench
from support.server import serve

from litmus.asgi import Message, Receive, Scope, Send

POST = b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\n\r\n"


class App:
    """An application that does nothing by itself: the test does it, through ``receive`` and ``send``."""

    def __init__(self) -> None:
        self.receive: Receive
        self.send: Send
        self.done: asyncio.Event

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.receive, self.send = receive, send
        self.done = asyncio.Event()
        await self.done.wait()


class Heard:
    """A task that has called ``receive``, and what it was given."""

    def __init__(self, on: Bench, receive: Receive) -> None:
        async def run() -> None:
            self.message = await receive()

        self.message: Message | None = None
        self.task = on.loop.create_task(run())

    @property
    def waiting(self) -> bool:
        return not self.task.done()


def request(body: bytes, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


DISCONNECT = {"type": "http.disconnect"}


def listen(on: Bench, app: App) -> Heard:
    """Start a task that waits in ``receive``."""
    heard: list[Heard] = []
    on.do(lambda: heard.append(Heard(on, app.receive)))
    return heard[0]


# -- messages ----------------------------------------------------------------------------------------------------------


def test_a_request_without_a_body() -> None:
    app = App()
    with bench(app) as on:
        on.feed(GET)
        assert listen(on, app).message == request(b"", False)
        second = listen(on, app)
        assert second.waiting, "there is nothing to say until the response is complete or the client gone"
        on.do(app.done.set)
        assert second.message == DISCONNECT


def test_a_body_as_it_comes() -> None:
    app = App()
    with bench(app) as on:
        on.feed(POST + b"01")
        assert listen(on, app).message == request(b"01", True)
        heard = listen(on, app)
        assert heard.waiting
        on.feed(b"2345")
        assert heard.message == request(b"2345", True)
        on.feed(b"678").feed(b"9")
        assert listen(on, app).message == request(b"6789", False)
        assert listen(on, app).waiting
        on.do(app.done.set)


def test_messages_are_made_of_plain_types() -> None:
    app = App()
    with bench(app) as on:
        on.feed(POST + b"0123456789")
        message = listen(on, app).message
        assert isinstance(message, dict)
        assert type(message["body"]) is bytes
        assert type(message["more_body"]) is bool
        on.do(app.done.set)


def test_the_end_of_a_chunked_body() -> None:
    app = App()
    with bench(app) as on:
        on.feed(CHUNKED + b"5\r\nhello\r\n")
        assert listen(on, app).message == request(b"hello", True)
        heard = listen(on, app)
        on.feed(b"0\r\n")
        assert heard.waiting
        on.feed(b"\r\n")
        assert heard.message == request(b"", False)
        on.do(app.done.set)


@pytest.mark.parametrize("read", [True, False])
def test_a_lost_connection_is_a_disconnect_again_and_again(read: bool) -> None:
    app = App()
    with bench(app) as on:
        on.feed(GET if read else POST + b"01234")
        if read:
            assert listen(on, app).message == request(b"", False)
        waiting = listen(on, app) if read else None
        on.do(on.lose)
        assert waiting is None or waiting.message == DISCONNECT
        for _ in range(3):
            assert listen(on, app).message == DISCONNECT
        on.do(app.done.set)


def test_half_a_body_is_a_disconnect() -> None:
    app = App()
    with bench(app) as on:
        on.feed(POST + b"01234")
        assert listen(on, app).message == request(b"01234", True)
        heard = listen(on, app)
        on.do(on.finish)
        assert heard.message == DISCONNECT
        on.do(app.done.set)


def test_a_client_that_finishes_sending_is_a_disconnect_but_gets_its_response() -> None:
    app = App()
    with bench(app) as on:
        on.feed(GET)
        assert listen(on, app).message == request(b"", False)
        heard = listen(on, app)
        on.do(on.finish)
        assert heard.message == DISCONNECT
        on.do(lambda: on.loop.create_task(respond(app.send, b"still here")))
        assert on.out.endswith(b"still here")
        on.do(app.done.set)


def test_after_the_response_there_is_only_disconnect() -> None:
    app = App()
    with bench(app) as on:
        on.feed(POST + b"01234")
        on.do(lambda: on.loop.create_task(respond(app.send)))
        for _ in range(2):
            assert listen(on, app).message == DISCONNECT
        on.feed(b"56789")
        assert listen(on, app).message == DISCONNECT
        on.do(app.done.set)


def test_a_bad_body_is_a_disconnect() -> None:
    app = App()
    with bench(app) as on:
        on.feed(CHUNKED + b"xyz\r\n")
        assert listen(on, app).message == DISCONNECT
        assert on.out.startswith(b"HTTP/1.1 400 ")
        on.do(app.done.set)


# -- several at once ---------------------------------------------------------------------------------------------------


def test_two_at_once_are_served_in_order() -> None:
    app = App()
    with bench(app) as on:
        on.feed(POST)
        first, second = listen(on, app), listen(on, app)
        on.feed(b"01234")
        assert first.message == request(b"01234", True)
        assert second.waiting
        on.feed(b"56789")
        assert second.message == request(b"56789", False)
        on.do(app.done.set)


def test_all_who_wait_hear_of_a_disconnect() -> None:
    app = App()
    with bench(app) as on:
        on.feed(POST)
        heard = [listen(on, app) for _ in range(3)]
        on.do(on.lose)
        assert [each.message for each in heard] == [DISCONNECT] * 3
        on.do(app.done.set)


def test_what_comes_before_a_task_has_begun_to_wait_is_not_missed() -> None:
    """``create_task(receive())``: the call comes first, the wait one turn of the loop later."""
    app = App()
    with bench(app) as on:
        on.feed(POST)
        tasks: list[asyncio.Task[Message]] = []

        def call() -> None:
            tasks.append(on.loop.create_task(app.receive()))  # type: ignore[arg-type]

        on.do(call, on.arrive(b"0123456789"))
        try:
            assert tasks[0].done()
            assert tasks[0].result() == request(b"0123456789", False)
        finally:
            on.do(tasks[0].cancel, app.done.set)


def test_a_disconnect_before_a_task_has_begun_to_wait_is_not_missed() -> None:
    app = App()
    with bench(app) as on:
        on.feed(POST)
        tasks: list[asyncio.Task[Message]] = []
        on.do(lambda: tasks.append(on.loop.create_task(app.receive())), on.lose)  # type: ignore[arg-type]
        try:
            assert tasks[0].done()
            assert tasks[0].result() == DISCONNECT
        finally:
            on.do(tasks[0].cancel, app.done.set)


# -- cancellation ------------------------------------------------------------------------------------------------------


def test_who_stops_waiting_takes_nothing_along() -> None:
    app = App()
    with bench(app) as on:
        on.feed(POST)
        gone = listen(on, app)
        on.do(gone.task.cancel)
        on.feed(b"0123456789")
        assert listen(on, app).message == request(b"0123456789", False)
        on.do(app.done.set)


@pytest.mark.parametrize("cancel_first", [True, False])
def test_a_message_that_meets_a_cancellation_is_kept(cancel_first: bool) -> None:
    app = App()
    with bench(app) as on:
        on.feed(POST)
        gone = listen(on, app)
        steps = [gone.task.cancel, on.arrive(b"01234")]
        on.do(*(steps if cancel_first else reversed(steps)))
        assert gone.message is None
        assert listen(on, app).message == request(b"01234", True)
        on.feed(b"56789")
        assert listen(on, app).message == request(b"56789", False)
        on.do(app.done.set)


def test_a_message_that_meets_a_cancellation_goes_to_who_waits_next() -> None:
    app = App()
    with bench(app) as on:
        on.feed(POST)
        gone, next_one = listen(on, app), listen(on, app)
        on.do(on.arrive(b"01234"), gone.task.cancel)
        try:
            assert next_one.message == request(b"01234", True)
        finally:
            on.do(next_one.task.cancel, app.done.set)


@pytest.mark.parametrize("size", [1, 3, 10])
def test_a_body_read_under_timeouts_is_whole(size: int) -> None:
    """Timeouts that expire again and again, in the middle of everything."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            task = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            if not task.done() and len(body) % 2:
                task.cancel()
            try:
                message = await task
            except asyncio.CancelledError:
                continue
            body += message["body"]
            if not message["more_body"]:
                break
        await respond(send, body)

    with bench(app) as on:
        on.feed(POST)
        for i in range(0, 10, size):
            on.feed(b"0123456789"[i : i + size])
        assert on.out.endswith(b"0123456789")


# -- over real sockets -------------------------------------------------------------------------------------------------


def test_http_disconnect_when_the_client_closes() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put(await receive())
        server.notes.put(await receive())

    with serve(app) as server:
        with server.connect() as client:
            client.send(GET)
            assert server.note() == request(b"", False)
        assert server.note() == DISCONNECT
        server.idle()


def test_http_disconnect_when_the_connection_breaks() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send, b"x")
        server.notes.put(await receive())
        server.notes.put(await receive())

    with serve(app) as server:
        client = server.connect()
        client.send(GET)
        client.head()
        assert server.note() == request(b"", False)
        client.reset()
        assert server.note() == DISCONNECT
        server.idle()


def test_http_disconnect_in_the_middle_of_a_body() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await read_body(receive)
        except ConnectionError:
            server.notes.put("disconnected")

    with serve(app) as server:
        with server.connect() as client:
            client.send(POST + b"01234")
        assert server.note() == "disconnected"
        server.idle()


def test_http_disconnect_in_the_middle_of_a_chunk_line() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put(await receive())
        try:
            async with asyncio.timeout(1):
                server.notes.put(await receive())
        except TimeoutError:
            server.notes.put("forgotten")

    with serve(app) as server:
        with server.connect() as client:
            client.send(CHUNKED + b"5\r\nhello\r\n0")
            assert server.note() == request(b"hello", True)
        assert server.note() == DISCONNECT


def test_continue_over_a_real_socket() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put("called")
        if scope["path"] == "/refuse":
            await respond(send, status=413)
        else:
            await respond(send, await read_body(receive))

    expect = b"POST /%b HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with serve(app) as server:
        with server.connect() as client:
            for _ in range(2):
                client.send(expect % b"take")
                assert client.head() == (100, [])
                assert client.send(b"hello").response().body == b"hello"
        with server.connect() as client:
            client.send(expect % b"refuse")
            response = client.response()
            assert response.status == 413
            assert response.header(b"connection") == b"close"
            assert client.rest() == b""
