"""What an operator, and what bad clients do to a server with open WebSockets."""

import asyncio
import os
import random
import re
import signal
import zlib
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import websockets.exceptions
from support.deployment import Deployment, Serve
from support.waiting import DEADLINE, wait_until
from websockets.asyncio.client import connect as connect_async
from websockets.sync.client import ClientConnection, connect

MIB = 1 << 20
SEED = 20_261_121
RESTARTED = (1012, "the server restarts")


def url(server: Deployment, path: str) -> str:
    return f"ws{server.base.removeprefix('http')}{path}"


def dial(server: Deployment, path: str, **options: Any) -> ClientConnection:
    options.setdefault("compression", None)
    return connect(url(server, path), max_size=None, proxy=None, open_timeout=DEADLINE, **options)


def end(client: ClientConnection) -> tuple[int | None, str | None]:
    """Read to the end. Returns the code and the reason with which the server has closed it; 1006 if it has not."""
    with suppress(websockets.exceptions.ConnectionClosed):
        while True:
            client.recv(DEADLINE)
    return client.close_code, client.close_reason


def open_sockets(server: Deployment) -> int:
    return int(server.stats()["totals"]["websockets_open"])


def dial_each(server: Deployment, stack: ExitStack, count: int) -> dict[int, list[ClientConnection]]:
    """At least so many WebSockets at each worker, by pid."""
    found: dict[int, list[ClientConnection]] = {pid: [] for pid in server.workers()}

    def enough() -> bool:
        client = stack.enter_context(dial(server, "/who"))
        found[int(client.recv(DEADLINE))].append(client)
        return all(len(clients) >= count for clients in found.values())

    wait_until(enough, "a WebSocket at each worker")
    return found


def test_a_worker_that_is_killed_takes_its_own_with_it(serve: Serve) -> None:
    server = serve("sockets:app", workers=2)
    with ExitStack() as stack:
        (victim, lost), (other, kept) = dial_each(server, stack, 3).items()
        os.kill(victim, signal.SIGKILL)
        for client in lost:
            assert end(client) == (1006, "")
        server.wait_for_line(rf"worker \d\[{victim}\] .* was killed by SIGKILL")
        server.wait_for_line(rf"open: {len(lost)} WebSockets")
        wait_until(lambda: open_sockets(server) == len(kept), lambda: f"{len(kept)} WebSockets: {server.stats()}")
        for client in kept:
            assert client.ping().wait(DEADLINE)
        # Who comes back finds somebody.
        for _ in lost:
            assert stack.enter_context(dial(server, "/echo/again")).ping().wait(DEADLINE)
        assert server.worker_stats(other)["websockets_open"] >= len(kept)
    server.wait_until_idle()
    assert open_sockets(server) == 0


def test_a_reload_closes_them_so_that_they_come_back(serve: Serve) -> None:
    server = serve("sockets:app", workers=1, timeouts={"drain": "4s"})
    with ExitStack() as stack:
        clients = [stack.enter_context(dial(server, path)) for path in ("/who", "/chat", "/broadcast", "/echo/x") * 5]
        assert open_sockets(server) == len(clients)
        assert server.reload() == 2
        for client in clients:
            assert end(client) == RESTARTED
            stack.enter_context(dial(server, "/echo/back"))
        server.wait_for_leavers()
        assert open_sockets(server) == len(clients)
    assert "cut after" not in server.errors
    assert "Traceback" not in server.errors, server.errors
    server.wait_until_idle()
    assert server.stop() == 0


def test_reloads_under_load(serve: Serve) -> None:
    """Clients that speak all the time, and come back when they are told to: they are never told anything else."""
    server = serve("sockets:app", workers=2, timeouts={"drain": "2s"})
    address = url(server, "/echo/load")
    done = False
    heard = 0
    ends: list[tuple[int | None, str | None]] = []

    async def speak(name: int) -> None:
        nonlocal heard
        while not done:
            async with connect_async(address, proxy=None, open_timeout=DEADLINE) as client:
                with suppress(websockets.exceptions.ConnectionClosed):
                    while not done:
                        await client.send(f"{name}: {heard}")
                        assert (await client.recv()).startswith(f"{name}: ")
                        heard += 1
                if not done:
                    await client.wait_closed()
                    ends.append((client.close_code, client.close_reason))

    async def run() -> None:
        nonlocal done
        async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as group:
            for name in range(20):
                group.create_task(speak(name))
            for generation in (2, 3, 4):
                assert await asyncio.to_thread(server.reload) == generation
                await asyncio.to_thread(server.wait_for_leavers)
            done = True

    asyncio.run(run())
    assert set(ends) == {RESTARTED}
    assert len(ends) >= 60
    assert heard > len(ends)
    assert "Traceback" not in server.errors, server.errors
    assert "cut after" not in server.errors
    server.wait_until_idle()
    assert server.stop() == 0


def test_a_drain_ends_although_the_application_does_not_listen(serve: Serve) -> None:
    server = serve("sockets:app", workers=1, timeouts={"drain": "1s"})
    with dial(server, "/ignore/1") as client:
        [worker] = server.workers()
        assert int(client.recv(DEADLINE)) == worker
        server.reload()
        assert end(client) == RESTARTED
    server.wait_for_line(r"cut after 1 s of draining: WebSocket GET /ignore/1 from 127\.0\.0\.1:\d+, after \d\.\d s")
    server.wait_for_line("/ignore/1 was cancelled")
    server.wait_for_leavers()
    assert "killed" not in server.errors


def test_a_drain_ends_although_the_client_does_not_answer(serve: Serve) -> None:
    """Its Close frame is waited for as long as ``websocket.close`` says, and no longer."""
    server = serve("sockets:app", workers=1, timeouts={"drain": "60s"}, websocket={"close": "100ms"})
    with server.connect() as client:
        client.send(UPGRADE)
        assert client.head()[0] == 101
        assert server.stop() == 0
        assert client.rest() == b"\x88\x15" + (1012).to_bytes(2, "big") + b"the server restarts"
    assert "cut after" not in server.errors


def test_the_operator_sees_how_many_there_are(serve: Serve) -> None:
    server = serve("sockets:app", workers=2)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(dial(server, "/echo/x")).ping().wait(DEADLINE)
        assert re.search(r"^ *websockets open +3$", server.litmusctl("status").stdout, re.MULTILINE)
        assert ", 3 WebSockets" in server.litmusctl("stats").stdout
        assert sum(row["websockets_open"] for row in server.stats()["workers"]) == 3
        assert server.stats()["totals"]["responses_by_class"]["1xx"] == 3
    server.wait_until_idle()
    assert "WebSocket" not in server.litmusctl("stats").stdout


def test_who_does_not_read_is_cut_and_holds_up_nobody(serve: Serve) -> None:
    server = serve("sockets:app", workers=1, timeouts={"write": "1s"})
    [worker] = server.workers()
    with server.connect(receive_buffer=4096) as idler, dial(server, "/echo/other") as other:
        before = peak(worker)
        idler.send(UPGRADE.replace(b"/echo/raw", b"/pour/1"))
        for number in range(200):
            other.send(str(number))
            assert other.recv(DEADLINE) == str(number)
        server.wait_for_line(r"127\.0\.0\.1:\d+ does not read: \d+ bytes of its response given up")
        server.wait_for_line("/pour/1: the WebSocket is closed")
        assert peak(worker) - before < 8 * MIB
        assert other.ping().wait(DEADLINE)


def test_garbage_instead_of_frames(serve: Serve) -> None:
    print(f"seed {SEED}")  # noqa: T201 (shown when the test fails)
    noise = random.Random(SEED)
    server = serve("sockets:app", workers=1)
    with dial(server, "/echo/other") as other:
        with dial(server, "/echo/unmasked") as client:
            client.socket.sendall(b"\x81\x01x")
            assert end(client) == (1002, "a frame without a mask")
        server.wait_for_line(
            r"closed the WebSocket GET /echo/unmasked from 127\.0\.0\.1:\d+: 1002, a frame without a mask"
        )
        for _ in range(100):
            with server.connect() as client:
                client.send(UPGRADE)
                assert client.head()[0] == 101
                client.send(noise.randbytes(noise.randint(1, 5000))).half_close()
                client.rest()  # there is an end
        other.send("still here")
        assert other.recv(DEADLINE) == "still here"
    server.wait_until_idle()
    assert "Traceback" not in server.errors, server.errors
    assert " error " not in server.errors, server.errors


def test_a_deflate_bomb(serve: Serve) -> None:
    """A gibibyte of nothing in a megabyte: no more of it is inflated than the largest message may have."""
    server = serve("sockets:app", workers=1)
    [worker] = server.workers()
    deflate = zlib.compressobj(9, zlib.DEFLATED, -12)
    first, more = (deflate.compress(bytes(MIB)) + deflate.flush(zlib.Z_SYNC_FLUSH) for _ in range(2))
    bomb = (first + 1023 * more)[:-4]
    with dial(server, "/echo/other") as other, dial(server, "/echo/bomb", compression="deflate") as client:
        assert "client_max_window_bits=12" in client.response.headers["Sec-WebSocket-Extensions"]
        client.send("x" * 1000)
        assert client.recv(DEADLINE) == "x" * 1000
        before = peak(worker)
        client.socket.sendall(b"\xc2\xff" + len(bomb).to_bytes(8, "big") + bytes(4) + bomb)
        assert end(client) == (1009, "a compressed message that is too long")
        assert peak(worker) - before < 64 * MIB
        assert other.ping().wait(DEADLINE)
    server.wait_until_idle()


def test_a_thousand_at_once(serve: Serve) -> None:
    """They all come at once, speak, and go at once: half of them without a word."""
    server = serve("sockets:app", workers=2)

    async def crowd() -> None:
        async with asyncio.timeout(DEADLINE):
            address = url(server, "/echo/crowd")
            options: dict[str, Any] = {"proxy": None, "open_timeout": DEADLINE, "ping_interval": None}
            clients = await asyncio.gather(*(connect_async(address, **options) for _ in range(1000)))
            assert await asyncio.to_thread(open_sockets, server) == 1000
            await asyncio.gather(*(client.send(f"number {number}") for number, client in enumerate(clients)))
            heard = await asyncio.gather(*(client.recv() for client in clients))
            assert heard == [f"number {number}" for number in range(1000)]
            for client in clients[::2]:
                client.transport.abort()
            await asyncio.gather(*(client.close() for client in clients[1::2]))
            await asyncio.gather(*(client.wait_closed() for client in clients))

    asyncio.run(crowd())
    server.wait_until_idle()
    assert open_sockets(server) == 0
    assert server.stats()["totals"]["connections_accepted"] == 1000
    assert server.stop() == 0
    assert server.errors.count("/echo/crowd: left with 1000 ''") == 500
    assert server.errors.count("/echo/crowd: left with 1006 ''") == 500


UPGRADE = (
    b"GET /echo/raw HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def peak(pid: int) -> int:
    """The most resident memory that a process has had, in bytes."""
    [size] = re.findall(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(size) << 10
