"""An exhausted slab slows clients down; it fails nobody, and everything comes back."""

import asyncio
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from support.apps import Routes, read_body, respond
from support.bench import bench
from support.http import Client
from support.server import Server, serve

from litmus.asgi import Receive, Scope, Send
from litmus.memory.slab import Slab
from litmus.server.connection import SPILL


class App(Routes):
    """``/hold`` reads its body only when the gate opens; ``/echo`` at once."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.called = threading.Semaphore(0)

    async def hold(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.called.release()
        await self.gate.wait()
        await respond(send, await read_body(receive))

    async def echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, await read_body(receive))


def body_of(number: int, size: int) -> bytes:
    return b"%08d" % number + b"x" * (size - 8)


def post(path: bytes, body: bytes) -> bytes:
    return b"POST /%b HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (path, len(body), body)


def chunked(path: bytes, body: bytes) -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(body[i : i + 700]), body[i : i + 700]) for i in range(0, len(body), 700))
    return b"POST /%b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % (path, chunks)


def failures(server: Server) -> int:
    return sum(row["failed"] for row in server.engine.board.slab_classes())


def buffers(server: Server) -> int:
    return sum(each.total for each in server.engine.slab.classes)


def exhaust(server: Server, app: App) -> list[Client]:
    """Hold every buffer of the slab with the unread body of a request."""
    clients = []
    while server.call(lambda: server.engine.slab.available):
        client = server.connect()
        client.send(post(b"hold", body_of(len(clients), 100)))
        assert app.called.acquire(timeout=20)
        clients.append(client)
    assert server.slab_in_use() == buffers(server)
    return clients


def release(server: Server, app: App, clients: list[Client]) -> None:
    server.call(app.gate.set)
    for number, client in enumerate(clients):
        assert client.response().body == body_of(number, 100)
        client.close()


@pytest.mark.parametrize("encode", [post, chunked])
@pytest.mark.parametrize("size", [100, 5_000, 40_000])
def test_many_unread_bodies_are_all_served_in_the_end(encode: Callable[[bytes, bytes], bytes], size: int) -> None:
    app = App()
    count = 200
    with serve(app, arena=Slab.MINIMUM) as server:
        assert count > buffers(server)
        clients = [server.connect() for _ in range(count)]
        for number, client in enumerate(clients):
            client.send(encode(b"hold", body_of(number, size)))
            assert app.called.acquire(timeout=20), "the application is called before there is room for the body"
        assert failures(server) > 0
        server.call(app.gate.set)
        for number, client in enumerate(clients):
            response = client.response()
            assert (response.status, response.body) == (200, body_of(number, size))
        assert server.slab_in_use() == 1
        for client in clients:
            client.close()


def test_who_needs_no_buffer_is_served_from_an_exhausted_slab() -> None:
    app = App()
    with serve(app) as server:
        held = exhaust(server, app)
        with server.connect() as client:
            assert client.get().status == 200
            for size in (10, 1000, 100_000):
                assert client.post(body_of(1, size), "/echo").body == body_of(1, size)
        release(server, app, held)


def test_chunks_whose_lines_need_keeping_wait_for_a_buffer() -> None:
    app = App()
    with serve(app) as server:
        held = exhaust(server, app)
        with server.connect() as client:
            client.send(chunked(b"echo", body_of(1, 50_000)))
            with server.connect() as other:
                assert other.get().status == 200
            release(server, app, held)
            assert client.response().body == body_of(1, 50_000)


@pytest.mark.parametrize(
    "part", [b"GET / HT", b"GET / HTTP/1.1\r\nX: " + b"x" * 900, b"GET / HTTP/1.1\r\nX: " + b"x" * 3000]
)
def test_part_of_a_head_waits_for_a_buffer_and_is_served_then(part: bytes) -> None:
    app = App()
    rest = b"TP/1.1\r\n\r\n" if part.endswith(b"HT") else b"\r\n\r\n"
    with serve(app) as server:
        held = exhaust(server, app)
        with server.connect() as client:
            client.send(part)
            with server.connect() as other:
                assert other.get().status == 200, "the one before has been read"
            client.send(rest)
            release(server, app, held)
            assert client.response().status == 200
            assert client.get().status == 200


def test_what_is_kept_outside_the_slab_is_little() -> None:
    app = App()
    with bench(app) as on:
        taken = []
        while (lease := on.engine.slab.acquire(1)) is not None:
            taken.append(lease)
        assert len(on.connection.get_buffer(-1)) == SPILL
        on.feed(b"POST /hold HTTP/1.1\r\nContent-Length: 5000\r\n\r\n" + b"x" * 100)
        assert not on.transport.reading, "no more is read before there is a buffer"
        on.do(lambda: on.engine.slab.release(taken.pop()))
        assert on.transport.reading
        for lease in taken:
            on.engine.slab.release(lease)
        on.do(app.gate.set)
        on.feed(b"x" * 4900)
        assert on.out.endswith(b"x" * 5000)


def test_the_deadline_of_a_head_holds_while_it_waits_for_a_buffer() -> None:
    app = App()
    with serve(app, timeouts__keep_alive="5s") as server:
        held = exhaust(server, app)
        with server.connect() as client:
            client.send(b"GET / HT")
            with server.connect() as other:
                other.get()
            server.tick(5.3)
            assert client.ends()
        release(server, app, held)


@pytest.mark.parametrize("reset", [False, True])
def test_who_leaves_while_waiting_for_a_buffer_is_not_in_the_way(reset: bool) -> None:
    app = App()
    with serve(app) as server:
        held = exhaust(server, app)
        leaving, staying = [server.connect() for _ in range(5)], [server.connect() for _ in range(5)]
        for client in (*leaving, *staying):
            client.send(b"POST /hold HTTP/1.1\r\nContent-Length: 3000\r\n\r\n" + b"x" * 500)
            assert app.called.acquire(timeout=20)
        for client in leaving:
            if reset:
                client.reset()
            else:
                client.close()
        release(server, app, held)
        for client in staying:
            client.send(b"x" * 2500)
            assert client.response().body == b"x" * 3000
            client.close()
        server.idle()


def test_a_client_that_resets_gives_its_buffer_to_who_waits() -> None:
    app = App()
    with serve(app) as server:
        held = exhaust(server, app)
        with server.connect() as client:
            client.send(b"GET / HT")
            with server.connect() as other:
                other.get()
            held.pop().reset()
            client.send(b"TP/1.1\r\n\r\n")
            assert client.response().status == 200
        release(server, app, held)


def test_an_application_that_reads_what_was_kept_outside_the_slab() -> None:
    """While the slab is still exhausted."""
    app = App()
    go = asyncio.Event()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/late":
            await app(scope, receive, send)
            return
        app.called.release()
        await go.wait()
        await respond(send, await read_body(receive))

    with serve(application) as server:
        held = exhaust(server, app)
        with server.connect() as client:
            client.send(post(b"late", body_of(7, 30_000)))
            assert app.called.acquire(timeout=20)
            assert server.slab_in_use() == buffers(server)
            server.call(go.set)
            assert client.response().body == body_of(7, 30_000)
        release(server, app, held)


def test_everything_at_once() -> None:
    """Slow and fast applications, small and large bodies, clients that leave: on an arena that is far too small."""
    generator = random.Random(5)
    count = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(generator.randrange(30)):
            await asyncio.sleep(0)
        if generator.random() < 0.2:
            await respond(send, b"early")
            return
        body = await read_body(receive)
        for _ in range(generator.randrange(10)):
            await asyncio.sleep(0)
        await respond(send, body)

    def client_life(server: Server, seed: int, problems: list[Any]) -> None:
        nonlocal count
        random_here = random.Random(seed)
        try:
            for _ in range(6):
                with server.connect() as client:
                    for _ in range(random_here.randrange(1, 5)):
                        body = body_of(seed, random_here.choice([8, 500, 2_000, 20_000, 100_000]))
                        data = random_here.choice([post, chunked])(b"x", body)
                        if random_here.random() < 0.1:
                            client.send(data[: random_here.randrange(len(data))])
                            break
                        client.send(data)
                        response = client.response()
                        assert response.body in (body, b"early")
                        count += 1
                        if response.header(b"connection") == b"close":
                            break
        except BaseException as error:
            problems.append(error)
            raise

    problems: list[Any] = []
    with serve(app, arena=Slab.MINIMUM) as server:
        threads = [
            threading.Thread(target=client_life, args=(server, seed, problems), daemon=True) for seed in range(40)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert problems == []
        server.idle()
        assert server.slab_in_use() == 1
    assert count > 100
