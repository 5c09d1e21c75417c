"""One server and its clients in one thread of one process, by turns; what the server's turns take is measured.

``python -m loadtest.inside SERVER WORKLOAD CONNECTIONS REQUESTS`` prints it as JSON. serving.py runs this with the
Python that has the server, so it imports nothing else that has to be installed but uvloop.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import uvloop

from loadtest.apps import BODY, hello
from loadtest.errors import MeasurementError
from loadtest.workloads import WORKLOADS, Workload

Start = Callable[[socket.socket], AbstractAsyncContextManager[None]]
"""Starts a server, in the running loop, on a socket that listens; at the end of the context it is gone."""

TURNS = 2
"""Turns of the loop that each server gets to read the requests, run the application and write; more if it needs more.
What it leaves to be cleaned up falls into the turns of the next requests, and is measured all the same."""

WARM_UP_REQUESTS = 2000
PATIENCE_SECONDS = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code: 0 measured, 1 could not measure."""
    server, workload, connections, requests = sys.argv[1:] if arguments is None else arguments
    measured = measure(SERVERS[server], WORKLOADS[workload], int(connections), int(requests))
    try:
        print(json.dumps(uvloop.run(measured)))
    except (MeasurementError, ConnectionError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


async def measure(start: Start, workload: Workload, connections: int, requests: int) -> dict[str, float]:
    """Serve at least so many requests, one at a time on each connection.

    Returns how many they were, and in seconds the processor time that this process took to serve them and the time
    that passed. Raises MeasurementError when an answer is wrong or missing.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=connections) as listener:
        async with start(listener), _clients(listener, connections) as clients:
            warm_up = Meter(clients, workload)
            await warm_up.serve(WARM_UP_REQUESTS)
            meter = Meter(clients, workload, first=warm_up.requests)
            await meter.serve(requests)
    return {"requests": meter.requests, "processor_seconds": meter.processor, "elapsed": meter.elapsed}


@asynccontextmanager
async def _clients(listener: socket.socket, number: int) -> AsyncIterator[list[socket.socket]]:
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.socket()) for _ in range(number)]
        for client in clients:
            client.setblocking(False)
            await loop.sock_connect(client, listener.getsockname())
        yield clients


class Meter:
    """Has requests served, and counts what that takes.

    Attributes:
        requests: how many were served.
        processor: seconds of processor time that the server's turns took.
        elapsed: seconds that passed in them.
    """

    def __init__(self, clients: Sequence[socket.socket], workload: Workload, first: int = 0) -> None:
        self.requests = 0
        self.processor = 0.0
        self.elapsed = 0.0
        self._clients = clients
        self._workload = workload
        self._first = first  # the number of the first request, where they have numbers

    async def serve(self, requests: int) -> None:
        """Have at least so many served. Raises MeasurementError when one is not answered rightly."""
        while self.requests < requests:
            for number, client in enumerate(self._clients, self._first + self.requests):
                client.sendall(self._workload.numbered(number))
            await self._turn(TURNS)
            missing = collect(dict.fromkeys(self._clients, b""))
            deadline = time.monotonic() + PATIENCE_SECONDS
            while missing:  # the server has just been started, or the kernel brings a request late
                if time.monotonic() > deadline:
                    answer = next(iter(missing.values()))
                    raise MeasurementError(f"answered {answer[:200]!r} where 200 and {BODY!r} is right")
                await self._turn(1)
                missing = collect(missing)
            self.requests += len(self._clients)

    async def _turn(self, turns: int) -> None:
        """Let the loop turn, and with it the server."""
        elapsed, processor = time.perf_counter(), time.process_time()
        for _ in range(turns):
            await asyncio.sleep(0)
        self.processor += time.process_time() - processor
        self.elapsed += time.perf_counter() - elapsed


def collect(answers: dict[socket.socket, bytes]) -> dict[socket.socket, bytes]:
    """Add what has come to the answers. Returns those that are not right, yet."""
    missing = {}
    for client, so_far in answers.items():
        answer = so_far
        with suppress(BlockingIOError):
            data = client.recv(1 << 16)
            if not data:
                raise MeasurementError(f"closed a connection after {answer[:200]!r}")
            answer += data
        head, _, body = answer.partition(b"\r\n\r\n")
        if body != BODY or not head.startswith(b"HTTP/1.1 200 "):
            missing[client] = answer
    return missing


# The servers. Each is as its own command would start it, without an access log.


@asynccontextmanager
async def floor(listener: socket.socket) -> AsyncIterator[None]:
    """What no server in Python on this loop can be below: a constant answer to whatever is read, looking at nothing."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ndate: Sat, 21 Nov 2026 02:00:00 GMT\r\n"
    answer = b"%bcontent-length: %d\r\n\r\n%b" % (head, len(BODY), BODY)
    buffer = bytearray(1 << 16)

    class Constant(asyncio.BufferedProtocol):
        def connection_made(self, transport: Any) -> None:
            self._transport = transport

        def get_buffer(self, sizehint: int) -> bytearray:
            return buffer

        def buffer_updated(self, nbytes: int) -> None:
            self._transport.write(answer)

    server = await asyncio.get_running_loop().create_server(Constant, sock=listener)
    try:
        yield
    finally:
        server.close()


@asynccontextmanager
async def litmus(listener: socket.socket) -> AsyncIterator[None]:
    """Litmus's connections over an engine, with what its worker does around them."""
    from litmus.configuration import load
    from litmus.memory.segment import Segment
    from litmus.memory.slab import Slab
    from litmus.server.deadlines import TICK
    from litmus.server.engine import Engine
    from litmus.worker.accept import Acceptor
    from litmus.worker.boot import Listener
    from litmus.worker.capacity import Capacity

    loop = asyncio.get_running_loop()
    settings = load(None, environ={}, overrides=[])
    segment = Segment(seats=1)
    seat = segment.seat(0)
    seat.flight.open()
    slab = Slab(segment.arena(0, settings.memory.arena), seat.scoreboard)
    engine = Engine(settings, loop, seat, slab, hello, None)

    async def tick() -> None:
        while True:
            await asyncio.sleep(TICK)
            engine.tick()

    ticking = asyncio.create_task(tick())
    acceptor = Acceptor(engine, [Listener(settings.listen[0], listener)], Capacity(10_000, "the measurement allows"))
    acceptor.open()
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        acceptor.close()
        await engine.idle()
        ticking.cancel()


@asynccontextmanager
async def uvicorn(listener: socket.socket) -> AsyncIterator[None]:
    """uvicorn with httptools, in the loop that runs already."""
    from uvicorn import Config, Server

    server = Server(Config(hello, http="httptools", access_log=False, log_level="warning"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


SERVERS: dict[str, Start] = {"floor": floor, "litmus": litmus, "litmus-pure": litmus, "uvicorn": uvicorn}


if __name__ == "__main__":
    sys.exit(main())
