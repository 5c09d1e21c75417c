"""Back-pressure in both directions: whoever does not read makes the other side wait, and memory stays bounded."""

import asyncio
import threading

import psutil
import pytest
from support.apps import Gated, begin, hello, read_body, respond
from support.bench import bench
from support.http import Client
from support.server import serve
from support.turns import next_turn
from support.waiting import wait_until_steady

from litmus.asgi import Receive, Scope, Send
from litmus.memory.scoreboard import BYTES_IN
from litmus.server.channel import ClientDisconnected

MIB = 1 << 20


class Upload(threading.Thread):
    """Sends as fast as it can, and notes how much it got rid of."""

    def __init__(self, client: Client, data: bytes) -> None:
        super().__init__(daemon=True)
        self.client = client
        self.data = data
        self.sent = 0
        self.ended = threading.Event()
        self.start()

    def run(self) -> None:
        view = memoryview(self.data)
        try:
            while view:
                count = self.client.socket.send(view[: 1 << 16])
                self.sent += count
                view = view[count:]
        except OSError:
            pass
        self.ended.set()


# -- request bodies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_to_an_application_that_does_not_read_waits(chunked: bool) -> None:
    size = 64 * MIB
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put("called")
        await gate.wait()
        total = 0
        while True:
            message = await receive()
            total += len(message["body"])
            assert len(message["body"]) <= server.engine.slab.largest
            if not message["more_body"]:
                break
        await respond(send, b"%d" % total)

    if chunked:
        body = b"100000\r\n%b\r\n" % (b"x" * MIB) * 64 + b"0\r\n\r\n"
        data = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    else:
        data = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    with serve(app) as server, server.connect() as client:
        before = psutil.Process().memory_info().rss
        upload = Upload(client, data)
        assert server.note() == "called"
        read = wait_until_steady(lambda: server.counter(BYTES_IN))
        assert read <= 2 * server.engine.slab.largest, "what the slab's largest buffers hold, and no more"
        assert not upload.ended.is_set(), "the sender waits"
        assert upload.sent < size // 2
        assert server.slab_in_use() <= 3
        assert psutil.Process().memory_info().rss - before < 16 * MIB
        server.call(gate.set)
        assert client.response().body == b"%d" % size
        assert upload.ended.wait(20)
        assert server.slab_in_use() == 1


def test_other_connections_are_served_while_an_upload_waits() -> None:
    class App(Gated):
        async def upload(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.pass_gate()
            await respond(send, b"%d" % len(await read_body(receive)))

    app = App()
    with serve(app) as server, server.connect() as client, server.connect() as other:
        Upload(client, b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n" + b"x" * 4000000)
        app.wait_until_reached()
        for _ in range(5):
            assert other.get().status == 200
            assert other.post(b"x" * 50000).status == 200
        server.call(app.gate.set)
        assert client.response().body == b"4000000"


def test_a_slow_reader_of_a_body_gets_all_of_it() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        parts = []
        while True:
            message = await receive()
            parts.append(message["body"])
            for _ in range(3):
                await next_turn()
            if not message["more_body"]:
                break
        await respond(send, b"".join(parts))

    body = b"".join(b"%07d\n" % i for i in range(300_000))
    with serve(app) as server, server.connect() as client:
        Upload(client, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert client.response().body == body


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_who_refuses_an_upload_is_heard(framing: str) -> None:
    """The client first sends all that it has, and only then reads, as most do."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, b"too large", 413)

    chunk = b"100000\r\n%b\r\n" % (b"x" * MIB)
    data = {
        "length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (8 * MIB) + b"x" * (8 * MIB),
        "chunks": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 8 + b"0\r\n\r\n",
    }[framing]
    with serve(app) as server, server.connect() as client:
        client.send(data)
        assert client.response().status == 413
        assert client.rest() == b""


# -- responses ---------------------------------------------------------------------------------------------------------


class Flood:
    """Sends ``count`` parts of ``size`` bytes, from its first step on or one turn of the loop later."""

    def __init__(self, first_step: bool, size: int = 1 << 16, count: int = 1000) -> None:
        self.first_step, self.size, self.count = first_step, size, count
        self.sent = 0
        self.ended = threading.Event()
        self.end = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if not self.first_step:
                await next_turn()
            await send({"type": "http.response.start", "status": 200})
            part = b"x" * self.size
            for _ in range(self.count):
                await send({"type": "http.response.body", "body": part, "more_body": True})
                self.sent += 1
            await send({"type": "http.response.body", "body": b""})
            self.end = "complete"
        except ClientDisconnected:
            self.end = "disconnected"
            raise
        finally:
            self.ended.set()


@pytest.mark.parametrize("first_step", [False, True])
def test_send_waits_while_the_client_does_not_read(first_step: bool) -> None:
    app = Flood(first_step)
    with serve(app) as server, server.connect(receive_buffer=1 << 16) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.until(b"\r\n\r\n")
        sent = wait_until_steady(lambda: app.sent)
        assert sent * app.size < 16 * MIB, "the kernel's buffers, and little more"
        assert not app.ended.is_set()
        for _ in range(app.count):
            assert client.until(b"\r\n") == b"10000\r\n"
            assert len(client.exactly(app.size + 2)) == app.size + 2
        assert client.exactly(5) == b"0\r\n\r\n"
        assert app.ended.wait(20)
        assert app.end == "complete"


@pytest.mark.parametrize("first_step", [False, True])
def test_send_raises_when_the_client_leaves_while_it_waits(first_step: bool) -> None:
    app = Flood(first_step)
    with serve(app) as server:
        with server.connect(receive_buffer=1 << 16) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            client.until(b"\r\n\r\n")
            wait_until_steady(lambda: app.sent)
            assert not app.ended.is_set()
        assert app.ended.wait(20)
        assert app.end == "disconnected"
        server.idle()


def test_other_connections_are_served_while_a_response_waits() -> None:
    flooding = Flood(first_step=False)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (flooding if scope["path"] == "/flood" else hello)(scope, receive, send)

    with serve(app) as server, server.connect(receive_buffer=1 << 16) as client, server.connect() as other:
        client.send(b"GET /flood HTTP/1.1\r\nHost: a\r\n\r\n")
        client.until(b"\r\n\r\n")
        wait_until_steady(lambda: flooding.sent)
        assert other.get().status == 200


def test_pipelined_requests_wait_while_the_client_does_not_read() -> None:
    body = b"x" * MIB
    served = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal served
        served += 1
        await respond(send, body)

    with serve(app) as server, server.connect(receive_buffer=1 << 16) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 64)
        client.head()
        assert wait_until_steady(lambda: served) <= 16
        client.exactly(MIB)
        for _ in range(63):
            assert client.response().body == body


def test_a_whole_response_in_one_piece_does_not_wait() -> None:
    """There is nothing more to send: the application is free to go on."""
    done = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, b"x" * 16 * MIB)
        done.set()

    with serve(app) as server, server.connect(receive_buffer=1 << 16) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert done.wait(20)
        assert len(client.response().body) == 16 * MIB


# -- on the bench ------------------------------------------------------------------------------------------------------


LARGE = b"x" * (65 << 10)
"""More than a connection gathers before it writes in the middle of the loop's turn."""


def test_send_waits_from_the_moment_the_transport_is_full_until_it_is_not() -> None:
    steps: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await next_turn()
        await begin(send, LARGE)
        steps.append("begun")
        await send({"type": "http.response.body", "body": LARGE, "more_body": True})
        steps.append("sent")
        await send({"type": "http.response.body", "body": LARGE, "more_body": True})
        steps.append("sent again")
        await send({"type": "http.response.body", "body": b""})

    with bench(app) as on:
        on.do(lambda: setattr(on.transport, "full", True), on.arrive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
        assert steps == []
        on.do(on.connection.resume_writing)
        assert steps == ["begun"]
        on.do(on.connection.resume_writing)
        assert steps == ["begun", "sent"]
        on.do(lambda: setattr(on.transport, "full", False), on.connection.resume_writing)
        assert steps == ["begun", "sent", "sent again"]
        assert on.out.endswith(b"0\r\n\r\n")


def test_all_who_wait_to_send_go_on() -> None:
    sent: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def part(number: int) -> None:
            await send({"type": "http.response.body", "body": LARGE, "more_body": True})
            sent.append(number)

        await next_turn()
        await begin(send, LARGE)
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(part(number))
        await send({"type": "http.response.body", "body": b""})

    with bench(app) as on:
        on.do(lambda: setattr(on.transport, "full", True), on.arrive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
        on.do(on.connection.resume_writing)
        assert sent == []
        on.do(lambda: setattr(on.transport, "full", False), on.connection.resume_writing)
        assert sorted(sent) == [0, 1, 2]


def test_small_parts_are_gathered_until_the_turn_ends() -> None:
    """And only then is there anything the transport could be full of."""
    steps: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send, b"a")
        await send({"type": "http.response.body", "body": b"b", "more_body": True})
        steps.append("sent")
        await next_turn()
        await send({"type": "http.response.body", "body": b"c", "more_body": True})
        steps.append("sent in another turn")
        await send({"type": "http.response.body", "body": b""})

    with bench(app) as on:
        on.do(lambda: setattr(on.transport, "full", True), on.arrive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
        assert steps == ["sent"], "the third part went out behind the others, and waits"
        assert on.transport.writes[0].endswith(b"1\r\na\r\n1\r\nb\r\n")
        assert on.transport.writes[1:] == [b"1\r\nc\r\n"]
        on.do(lambda: setattr(on.transport, "full", False), on.connection.resume_writing)
        assert steps == ["sent", "sent in another turn"]
        assert on.transport.writes[2:] == [b"0\r\n\r\n"]


def test_who_reads_fast_gets_more_at_once_and_who_does_not_read_little() -> None:
    piece = b"x" * 32_768

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(100):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await next_turn()
        on.transport.full = True
        for _ in range(100):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    with bench(app) as on:
        on.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        sizes = [len(data) // len(piece) for data in on.transport.writes]
        assert sizes[0] == 2
        assert sizes == sorted(sizes[:-2]) + sizes[-2:], "more and more"
        assert max(sizes) == 16
        on.transport.writes.clear()
        for _ in range(4):
            on.do(on.connection.resume_writing)
        assert [len(data) // len(piece) for data in on.transport.writes] == [2] * 4


def test_who_waits_to_send_is_not_forgotten_when_the_response_is_complete() -> None:
    ends: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def part() -> None:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            ends.append(scope["path"])

        await next_turn()
        await send({"type": "http.response.start", "status": 200})
        task = asyncio.create_task(part())
        await next_turn()
        await send({"type": "http.response.body", "body": b""})
        await task

    with bench(app) as on:
        on.do(lambda: setattr(on.transport, "full", True), on.arrive(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"))
        assert on.out.endswith(b"0\r\n\r\n")
        assert ends == ["/1"]
