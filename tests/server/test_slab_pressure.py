"""An exhausted slab slows clients down; it fails nobody, and everything comes back."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.apps import Gated, echo, read_body, respond
from support.bench import bench
from support.http import Client
from support.server import Server, serve
from support.turns import next_turn

from litmus.asgi import Receive, Scope, Send
from litmus.memory.slab import Slab
from litmus.server.connection import SPILL


class App(Gated):
    """``/hold`` reads its body only when the gate opens; ``/echo`` at once."""

    async def hold(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.pass_gate()
        await echo(scope, receive, send)

    async def echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        await echo(scope, receive, send)


def body_of(number: int, size: int) -> bytes:
    return b"%08d" % number + b"x" * (size - 8)


def post(path: bytes, body: bytes) -> bytes:
    return b"POST /%b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (path, len(body), body)


def chunked(path: bytes, body: bytes) -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(body[i : i + 700]), body[i : i + 700]) for i in range(0, len(body), 700))
    return b"POST /%b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % (path, chunks)


def failures(server: Server) -> int:
    return sum(row["failed"] for row in server.engine.board.slab_classes())


def buffers(server: Server) -> int:
    return sum(each.total for each in server.engine.slab.classes)


class Holders:
    """Clients that hold every buffer of the slab, each by the unread body of its request."""

    def __init__(self, server: Server, app: App) -> None:
        self.server, self.app = server, app
        self.clients: list[Client] = []
        while server.call(lambda: server.engine.slab.available):
            client = server.connect()
            client.send(post(b"hold", body_of(len(self.clients), 100)))
            app.wait_until_reached()
            self.clients.append(client)
        assert server.slab_in_use() == buffers(server)

    def release(self) -> None:
        """Let the application read what they have sent: they are answered, and leave."""
        self.server.call(self.app.gate.set)
        for number, client in enumerate(self.clients):
            assert client.response().body == body_of(number, 100)
            client.close()
        self.clients.clear()


def see_that_all_was_read(server: Server) -> None:
    """What was sent before a request that is answered was read before it, too, whoever sent it."""
    with server.connect() as other:
        assert other.get().status == 200


@contextmanager
def exhausted(app: App | None = None, **options: Any) -> Iterator[tuple[Server, Holders]]:
    """A server without a free buffer, until the holders release theirs: at the end of the block, or when told to."""
    app = app or App()
    with serve(app, **options) as server:
        holders = Holders(server, app)
        yield server, holders
        holders.release()


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
            app.wait_until_reached()  # the application is called before there is room for the body
        assert failures(server) > 0
        server.call(app.gate.set)
        for number, client in enumerate(clients):
            response = client.response()
            assert (response.status, response.body) == (200, body_of(number, size))
        assert server.slab_in_use() == 1
        for client in clients:
            client.close()


def test_who_needs_no_buffer_is_served_from_an_exhausted_slab() -> None:
    with exhausted() as (server, _), server.connect() as client:
        assert client.get().status == 200
        for size in (10, 1000, 100_000):
            assert client.post(body_of(1, size), "/echo").body == body_of(1, size)


def test_chunks_whose_lines_need_keeping_wait_for_a_buffer() -> None:
    with exhausted() as (server, holders), server.connect() as client:
        client.send(chunked(b"echo", body_of(1, 50_000)))
        see_that_all_was_read(server)
        holders.release()
        assert client.response().body == body_of(1, 50_000)


@pytest.mark.parametrize(
    "part",
    [b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 900, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 3000],
)
def test_part_of_a_head_waits_for_a_buffer_and_is_served_then(part: bytes) -> None:
    rest = b"TP/1.1\r\nHost: a\r\n\r\n" if part.endswith(b"HT") else b"\r\n\r\n"
    with exhausted() as (server, holders), server.connect() as client:
        client.send(part)
        see_that_all_was_read(server)
        client.send(rest)
        holders.release()
        assert client.response().status == 200
        assert client.get().status == 200


def test_what_is_kept_outside_the_slab_is_little() -> None:
    app = App()
    with bench(app) as on:
        taken = []
        while (lease := on.engine.slab.acquire(1)) is not None:
            taken.append(lease)
        assert len(on.connection.get_buffer(-1)) == SPILL
        on.feed(b"POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n" + b"x" * 100)
        assert not on.transport.reading, "no more is read before there is a buffer"
        on.do(lambda: on.engine.slab.release(taken.pop()))
        assert on.transport.reading
        for lease in taken:
            on.engine.slab.release(lease)
        on.do(app.gate.set)
        on.feed(b"x" * 4900)
        assert on.out.endswith(b"x" * 5000)


def test_who_is_found_gone_while_writing_leaves_nothing_in_the_window() -> None:
    """On a loop that says so at once, in the middle of the read; the window is the next connection's."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, b"x" * (128 << 10))

    def write(data: bytes) -> None:
        on.transport.closing = True
        on.connection.connection_lost(None)

    with bench(app) as on:
        on.transport.write = write  # type: ignore[method-assign]
        on.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + b"GET /secret HTTP/1.1\r\nHost: a\r\n\r\n")
        assert on.engine.window.unread_size() == 0
        assert on.engine.window.end == 0


def test_the_deadline_of_a_head_holds_while_it_waits_for_a_buffer() -> None:
    with exhausted(timeouts__head="5s") as (server, _), server.connect() as client:
        client.send(b"GET / HT")
        see_that_all_was_read(server)
        server.tick(5.3)
        assert client.response().status == 408
        assert client.ends()


@pytest.mark.parametrize("reset", [False, True])
def test_who_leaves_while_waiting_for_a_buffer_is_not_in_the_way(reset: bool) -> None:
    app = App()
    with exhausted(app) as (server, holders):
        leaving, staying = [server.connect() for _ in range(5)], [server.connect() for _ in range(5)]
        for client in (*leaving, *staying):
            client.send(b"POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n" + b"x" * 500)
            app.wait_until_reached()
        for client in leaving:
            if reset:
                client.reset()
            else:
                client.close()
        holders.release()
        for client in staying:
            client.send(b"x" * 2500)
            assert client.response().body == b"x" * 3000
            client.close()
        server.idle()


def test_a_client_that_resets_gives_its_buffer_to_who_waits() -> None:
    with exhausted() as (server, holders), server.connect() as client:
        client.send(b"GET / HT")
        see_that_all_was_read(server)
        holders.clients.pop().reset()
        client.send(b"TP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().status == 200


def test_an_application_that_reads_what_was_kept_outside_the_slab() -> None:
    """While the slab is still exhausted."""
    late = App()  # with a gate of its own

    class Both(App):
        async def late(self, scope: Scope, receive: Receive, send: Send) -> None:
            await late.hold(scope, receive, send)

    with exhausted(Both()) as (server, _), server.connect() as client:
        client.send(post(b"late", body_of(7, 30_000)))
        late.wait_until_reached()
        assert server.slab_in_use() == buffers(server)
        server.call(late.gate.set)
        assert client.response().body == body_of(7, 30_000)


def test_everything_at_once() -> None:
    """Slow and fast applications, small and large bodies, clients that leave: on an arena that is far too small."""
    generator = random.Random(5)
    count = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(generator.randrange(30)):
            await next_turn()
        if generator.random() < 0.2:
            await respond(send, b"early")
            return
        body = await read_body(receive)
        for _ in range(generator.randrange(10)):
            await next_turn()
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
