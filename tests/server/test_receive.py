"""``receive``: what it says, in which order, to whom, and that nothing gets lost on the way."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.apps import begin, read_body, respond
from support.bench import Bench, bench
from support.server import serve
from support.turns import next_turn

from litmus.asgi import Message, Receive, Scope, Send

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


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


@contextmanager
def asked(request: bytes) -> Iterator[tuple[Bench, App]]:
    """A connection on which ``request`` has arrived, and the application that has it, to the end of the block."""
    app = App()
    with bench(app) as on:
        on.feed(request)
        yield on, app
        on.do(app.done.set)


class Heard:
    """A task that has called ``receive``, and what it was given."""

    def __init__(self, on: Bench, receive: Receive) -> None:
        self.message: Message | None = None

        async def run() -> None:
            self.message = await receive()

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
    with asked(GET) as (on, app):
        assert listen(on, app).message == request(b"", False)
        second = listen(on, app)
        assert second.waiting, "there is nothing to say until the response is complete or the client gone"
        on.do(app.done.set)
        assert second.message == DISCONNECT


def test_a_body_as_it_comes() -> None:
    with asked(POST + b"01") as (on, app):
        assert listen(on, app).message == request(b"01", True)
        heard = listen(on, app)
        assert heard.waiting
        on.feed(b"2345")
        assert heard.message == request(b"2345", True)
        on.feed(b"678").feed(b"9")
        assert listen(on, app).message == request(b"6789", False)
        assert listen(on, app).waiting


def test_messages_are_made_of_plain_types() -> None:
    with asked(POST + b"0123456789") as (on, app):
        message = listen(on, app).message
        assert isinstance(message, dict)
        assert type(message["body"]) is bytes
        assert type(message["more_body"]) is bool


def test_the_end_of_a_chunked_body() -> None:
    with asked(CHUNKED + b"5\r\nhello\r\n") as (on, app):
        assert listen(on, app).message == request(b"hello", True)
        heard = listen(on, app)
        on.feed(b"0\r\n")
        assert heard.waiting
        on.feed(b"\r\n")
        assert heard.message == request(b"", False)


def test_who_waits_hears_of_a_lost_connection() -> None:
    with asked(GET) as (on, app):
        assert listen(on, app).message == request(b"", False)
        waiting = listen(on, app)
        on.do(on.lose)
        assert waiting.message == DISCONNECT


def test_a_lost_connection_is_a_disconnect_again_and_again_whatever_lies_unread() -> None:
    with asked(POST + b"01234") as (on, app):
        on.do(on.lose)
        for _ in range(3):
            assert listen(on, app).message == DISCONNECT


def test_half_a_body_is_a_disconnect() -> None:
    with asked(POST + b"01234") as (on, app):
        assert listen(on, app).message == request(b"01234", True)
        heard = listen(on, app)
        on.do(on.finish)
        assert heard.message == DISCONNECT


def test_a_client_that_finishes_sending_is_a_disconnect_but_gets_its_response() -> None:
    with asked(GET) as (on, app):
        assert listen(on, app).message == request(b"", False)
        heard = listen(on, app)
        on.do(on.finish)
        assert heard.message == DISCONNECT
        on.do(lambda: on.loop.create_task(respond(app.send, b"still here")))
        assert on.out.endswith(b"still here")


def test_after_the_response_there_is_only_disconnect() -> None:
    with asked(POST + b"01234") as (on, app):
        on.do(lambda: on.loop.create_task(respond(app.send)))
        for _ in range(2):
            assert listen(on, app).message == DISCONNECT
        on.feed(b"56789")
        assert listen(on, app).message == DISCONNECT


def test_a_bad_body_is_a_disconnect() -> None:
    with asked(CHUNKED + b"xyz\r\n") as (on, app):
        assert listen(on, app).message == DISCONNECT
        assert on.out.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "bad",
    [b"xyz\r\n", b"5\r\nhello!\r\n", b"5\nhello\r\n", b"5;" + b"y" * 600, b"5\r\nhello\r\n-1\r\n" + GET],
    ids=["no size", "too long", "no CR", "endless line", "a second chunk"],
)
def test_a_bad_body_gets_the_same_answer_however_it_arrives(bad: bytes) -> None:
    """Above all, while the application waits for it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] == "http.request":
            pass

    def answer(*pieces: bytes) -> tuple[bytes, bytes, bool, bool]:
        with bench(app) as on:
            for piece in pieces:
                on.feed(piece)
            assert on.engine.slab.in_use() == 1, "nothing of it is kept"
            head, body = on.out.split(b"\r\n\r\n")
            return head.split(b"\r\n")[0], body, on.transport.ended, on.transport.closing

    data = CHUNKED + bad
    whole = answer(data)
    assert whole[0] == b"HTTP/1.1 400 Bad Request"
    assert whole[2:] == (True, False), "in good order"
    for at in {*range(1, len(CHUNKED) + 50), *range(len(data) - 100, len(data))} & {*range(1, len(data))}:
        assert answer(data[:at], data[at:]) == whole, at


# -- several at once ---------------------------------------------------------------------------------------------------


def test_two_at_once_are_served_in_order() -> None:
    with asked(POST) as (on, app):
        first, second = listen(on, app), listen(on, app)
        on.feed(b"01234")
        assert first.message == request(b"01234", True)
        assert second.waiting
        on.feed(b"56789")
        assert second.message == request(b"56789", False)


def test_all_who_wait_hear_of_a_bad_body() -> None:
    with asked(CHUNKED) as (on, app):
        heard = [listen(on, app) for _ in range(3)]
        on.feed(b"xyz\r\n")
        assert [each.message for each in heard] == [DISCONNECT] * 3
        assert on.out.startswith(b"HTTP/1.1 400 ")


def test_all_who_wait_hear_of_a_disconnect() -> None:
    with asked(POST) as (on, app):
        heard = [listen(on, app) for _ in range(3)]
        on.do(on.lose)
        assert [each.message for each in heard] == [DISCONNECT] * 3


@pytest.mark.parametrize("lost", [False, True])
def test_what_happens_before_a_task_has_begun_to_wait_is_not_missed(lost: bool) -> None:
    """``create_task(receive())``: the call comes first, the wait one turn of the loop later."""
    with asked(POST) as (on, app):
        tasks: list[asyncio.Task[Message]] = []
        on.do(
            lambda: tasks.append(on.loop.create_task(app.receive())),  # type: ignore[arg-type]
            on.lose if lost else on.arrive(b"0123456789"),
        )
        assert tasks[0].done()
        assert tasks[0].result() == (DISCONNECT if lost else request(b"0123456789", False))


def test_a_call_does_nothing_before_it_is_awaited() -> None:
    with asked(POST + b"01234") as (on, app):
        calls = [app.receive() for _ in range(2)]
        assert all(map(asyncio.iscoroutine, calls))
        assert listen(on, app).message == request(b"01234", True)


# -- cancellation ------------------------------------------------------------------------------------------------------


def test_who_stops_waiting_takes_nothing_along() -> None:
    with asked(POST) as (on, app):
        gone = listen(on, app)
        on.do(gone.task.cancel)
        on.feed(b"0123456789")
        assert listen(on, app).message == request(b"0123456789", False)


@pytest.mark.parametrize("body", [b"", b"01234"])
def test_who_is_cancelled_before_its_first_step_takes_nothing_along(body: bytes) -> None:
    """As in ``wait_for(receive(), 0)``."""
    with asked(POST + body) as (on, app):
        on.do(lambda: on.loop.create_task(app.receive()).cancel())  # type: ignore[arg-type]
        on.feed(b"0123456789"[len(body) :])
        assert listen(on, app).message == request(b"0123456789", False)


def test_who_stops_waiting_is_forgotten() -> None:
    """Some ask again and again, with a timeout, and no message ever comes."""
    with asked(POST) as (on, app):
        gone = [listen(on, app) for _ in range(2)]
        futures = [weakref.ref(each.task._fut_waiter) for each in gone]  # type: ignore[attr-defined]
        assert all(future() is not None for future in futures)
        on.do(*(each.task.cancel for each in gone))
        gone.clear()
        gc.collect()  # tasks and their errors know each other
        assert [future() for future in futures] == [None, None]
        on.feed(b"0123456789")
        assert listen(on, app).message == request(b"0123456789", False)


def test_messages_that_meet_cancellations_stay_in_order() -> None:
    with asked(POST) as (on, app):
        gone = [listen(on, app) for _ in range(2)]
        on.do(on.arrive(b"01234"), on.arrive(b"56789"), *(each.task.cancel for each in gone))
        assert [each.message for each in gone] == [None, None]
        assert listen(on, app).message == request(b"01234", True)
        assert listen(on, app).message == request(b"56789", False)


def test_a_call_is_awaited_once() -> None:
    with asked(POST) as (on, app):
        errors: list[str] = []

        async def twice() -> None:
            call = app.receive()
            await call
            try:
                await call
            except RuntimeError as error:
                errors.append(str(error))

        on.do(lambda: on.loop.create_task(twice()))
        on.feed(b"0123456789")
        assert errors == ["a call of receive can be awaited once"]


@pytest.mark.parametrize("cancel_first", [True, False])
def test_a_message_that_meets_a_cancellation_is_kept(cancel_first: bool) -> None:
    with asked(POST) as (on, app):
        gone = listen(on, app)
        steps = [gone.task.cancel, on.arrive(b"01234")]
        on.do(*(steps if cancel_first else reversed(steps)))
        assert gone.message is None
        assert listen(on, app).message == request(b"01234", True)
        on.feed(b"56789")
        assert listen(on, app).message == request(b"56789", False)


def test_a_message_that_meets_a_cancellation_goes_to_who_waits_next() -> None:
    with asked(POST) as (on, app):
        gone, next_one = listen(on, app), listen(on, app)
        on.do(on.arrive(b"01234"), gone.task.cancel)
        assert next_one.message == request(b"01234", True)


@pytest.mark.parametrize("size", [1, 3, 10])
def test_a_body_read_under_timeouts_is_whole(size: int) -> None:
    """Timeouts that expire again and again, in the middle of everything."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            task = asyncio.ensure_future(receive())
            await next_turn()
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


@pytest.mark.parametrize(
    ("data", "first"),
    [(GET, request(b"", False)), (CHUNKED + b"5\r\nhello\r\n0", request(b"hello", True))],
    ids=["behind a request", "in the middle of a chunk line"],
)
def test_http_disconnect_when_the_client_closes(data: bytes, first: dict[str, Any]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put(await receive())
        server.notes.put(await receive())

    with serve(app) as server:
        with server.connect() as client:
            client.send(data)
            assert server.note() == first
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


def test_continue_over_a_real_socket() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put("called")
        if scope["path"] == "/refuse":
            await respond(send, status=413)
        else:
            await respond(send, await read_body(receive))

    expect = b"POST /%b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
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
