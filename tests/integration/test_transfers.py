"""Large bodies, both ways: whole, in bounded memory, and no faster than the other side takes them."""

import hashlib
import json
import select
from collections.abc import Iterator
from typing import Any

import pytest
from support.deployment import Deployment, Serve
from support.http import Client
from support.http2_client import Http2Client
from support.waiting import wait_until, wait_until_steady

MIB = 1 << 20
BOUND = 64 * MIB
"""How much memory arbiter and workers may take in addition, whatever clients send and don't read."""

QUIET = 1.0
"""So many seconds without room for more mean that the other side has stopped reading: there is no event for that."""

BLOCK = bytes(range(256)) * (MIB // 256)


class Memory:
    """How much more memory the server has taken than at the start, at most."""

    def __init__(self, server: Deployment) -> None:
        self._server = server
        self._before = server.memory()
        self.growth = 0

    def look(self) -> None:
        self.growth = max(self.growth, self._server.memory() - self._before)


def blocks(count: int, memory: Memory) -> Iterator[bytes]:
    """``count`` MiB, each different from the others."""
    for number in range(count):
        yield BLOCK[8:] + number.to_bytes(8, "big")
        if number % 16 == 0:
            memory.look()


def pour(client: Client, limit: int, memory: Memory) -> int:
    """Send until nothing more is taken, or it were ``limit`` bytes. Returns how many were taken."""
    client.socket.setblocking(False)
    sent = 0
    try:
        while sent < limit:
            try:
                sent += client.socket.send(BLOCK[: limit - sent])
            except BlockingIOError:
                memory.look()
                if not select.select([], [client.socket], [], QUIET)[1]:
                    break
    finally:
        client.socket.settimeout(60)
    return sent


# Uploads


@pytest.mark.parametrize("framework", ["starlette", "fastapi", "django"])
@pytest.mark.parametrize("framed", ["length", "chunks"])
def test_big_upload(serve: Serve, framework: str, framed: str) -> None:
    size = 200 if framed == "length" else 20
    server = serve(f"{framework}_shop:app", workers=1)
    memory = Memory(server)
    digest = hashlib.sha256()

    def content() -> Iterator[bytes]:
        for block in blocks(size, memory):
            digest.update(block)
            yield block

    headers = {"content-length": str(size * MIB)} if framed == "length" else {}
    with server.http() as http:
        response = http.post("/digest", content=content(), headers=headers)
        assert ("transfer-encoding" in response.request.headers) == (framed == "chunks")
        assert response.json() == {"size": size * MIB, "sha256": digest.hexdigest()}
    assert memory.growth < BOUND
    server.wait_until_idle()


def test_a_gibibyte_over_http2(serve: Serve) -> None:
    """As fast as the server makes room for it, which is never much more than the application has not read yet."""
    size, digest = 1024, hashlib.sha256()
    server = serve("starlette_shop:app", workers=1)
    memory = Memory(server)
    with Http2Client(server.connect()) as client:
        stream = client.ask("/digest", end=False, method="POST")
        for block in blocks(size, memory):
            digest.update(block)
            client.content(stream, block, end=False)
        client.content(stream, b"")
        answer = json.loads(client.response(stream).body)
    assert answer == {"size": size * MIB, "sha256": digest.hexdigest()}
    assert memory.growth < BOUND
    server.wait_until_idle()


def test_an_upload_that_nobody_reads_waits_at_the_sender(serve: Serve) -> None:
    server = serve(workers=1)
    memory = Memory(server)
    with server.connect() as client:
        client.send(b"POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (1 << 30))
        sent = pour(client, 1 << 30, memory)
        assert sent < BOUND  # and most of that is in the kernel's buffers
        assert memory.growth < BOUND
        # The worker is not held up by it.
        with server.connect() as other:
            assert other.get("/release").status == 200
        # The answer comes although nothing was read, and it is the last.
        assert client.response().body.endswith(b" unread")
        assert client.ends()
    server.wait_until_idle()


def test_an_answer_that_leaves_an_upload_unread_tells_that_it_is_the_last(serve: Serve) -> None:
    server = serve(workers=1)
    with server.connect() as client:
        client.send(b"POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (1 << 30))
        response = client.response()
        assert client.ends()
    assert response.header(b"connection") == b"close"


def test_an_upload_that_is_read_late_is_whole(serve: Serve) -> None:
    server = serve(workers=1)
    memory = Memory(server)
    with server.connect() as client, server.connect() as other:
        client.send(b"POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (100 * MIB))
        sent = pour(client, 100 * MIB, memory)
        assert sent < BOUND
        assert other.get("/release").status == 200
        rest = 100 * MIB - sent
        client.send((BLOCK * (rest // MIB + 2))[sent % MIB :][:rest])
        size, digest = client.response().body.decode().split()[-2:]
        memory.look()
    assert size == str(100 * MIB)
    assert digest == hashlib.sha256(BLOCK * 100).hexdigest()
    assert memory.growth < BOUND
    server.wait_until_idle()


def test_more_waiting_uploads_than_there_are_buffers(serve: Serve) -> None:
    server = serve(workers=1, memory={"arena": "1 MiB"})
    memory = Memory(server)
    address = server.address
    [worker] = server.workers()

    def slab(name: str) -> int:
        return sum(each[name] for each in server.worker_stats(worker)["slab"])

    clients = [server.connect(address) for _ in range(60)]
    for client in clients:
        client.send(b"POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n" + BLOCK[:200_000])
    wait_until(lambda: server.worker_stats(worker)["in_flight"] == 60, "all requests to be under way")
    wait_until(lambda: slab("failed"), "somebody to ask for a buffer in vain")
    with server.connect(address) as other, server.connect(address) as late:
        # Who needs no buffer is served all the same; who needs one waits until there is one.
        assert other.get("/work").status == 200
        late.send(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % MIB + BLOCK)
        assert other.get("/release").status == 200
        assert late.response().body.decode().split()[-1] == hashlib.sha256(BLOCK).hexdigest()
        memory.look()
        assert all(client.response().body.endswith(b" unread") for client in clients)
    assert memory.growth < BOUND
    for client in clients:
        client.close()
    server.wait_until_idle()


# Downloads


@pytest.mark.parametrize("framework", ["starlette", "fastapi", "django"])
def test_big_download(serve: Serve, framework: str) -> None:
    server = serve(f"{framework}_shop:app", workers=1)
    memory = Memory(server)
    digest, size = hashlib.sha256(), 0
    with server.http() as http, http.stream("GET", "/download/3200") as response:
        assert response.headers["content-length"] == str(200 * MIB)
        for number, piece in enumerate(response.iter_raw()):
            size += len(piece)
            digest.update(piece)
            if number % 256 == 0:
                memory.look()
    assert size == 200 * MIB
    assert digest.hexdigest() == hashlib.sha256(BLOCK * 200).hexdigest()
    assert memory.growth < BOUND


@pytest.mark.parametrize("path", ["/download/endless", "/flood"])
def test_a_response_waits_for_a_client_that_does_not_read(serve: Serve, path: str) -> None:
    server = serve(workers=1)
    memory = Memory(server)

    def sent() -> Any:
        memory.look()
        return server.stats()["totals"]["bytes_out"]

    with server.connect(receive_buffer=10_000) as client:
        client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        status, _ = client.head()
        assert status == 200
        before = wait_until_steady(sent)
        assert before < BOUND
        with server.connect() as other:
            assert other.get("/work").status == 200
        client.exactly(4 * MIB)
        assert wait_until_steady(sent) > before
        assert memory.growth < BOUND
        client.reset()
    server.wait_until_idle()


def test_a_flood_ends_when_the_client_has_left(serve: Serve) -> None:
    server = serve(workers=1)
    for _ in range(4):
        with server.connect() as client:
            client.send(b"GET /flood HTTP/1.1\r\nHost: a\r\n\r\n")
            client.exactly(MIB)
            client.reset()
        with server.connect() as other:
            assert other.get("/work").status == 200
    server.wait_until_idle()
