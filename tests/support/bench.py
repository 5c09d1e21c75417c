"""One connection on a bench: a real loop, a transport of rubber, and every turn of the loop by hand."""

import asyncio
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import uvloop
from support.server import make_engine
from support.turns import turn

from litmus.asgi import Application
from litmus.server.connection import Connection
from litmus.server.scope import Client

CLIENT = Client(("192.0.2.1", 4711), ("192.0.2.2", 80), "http", "")


class RubberTransport:
    """Takes everything that is written, and is its own socket.

    Attributes:
        full: pauses its writer, as if the peer did not read.
        unsent: how many bytes it says that it has still to send.
        broken: its socket was told to reset the connection when it is closed.
    """

    def __init__(self, bench: "Bench") -> None:
        self.bench = bench
        self.writes: list[bytes] = []
        self.reading = True
        self.full = False
        self.unsent = 0
        self.ended = False
        self.closing = False
        self.aborted = False
        self.broken = False

    @property
    def out(self) -> bytes:
        return b"".join(self.writes)

    def get_extra_info(self, name: str) -> Any:
        assert name == "socket"
        return self

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER)
        self.broken = True

    def fileno(self) -> int:
        raise OSError("rubber has none")

    def write(self, data: bytes) -> None:
        assert not self.ended
        self.writes.append(data)
        if self.full:
            self.bench.connection.pause_writing()

    def writelines(self, lines: Iterable[bytes]) -> None:
        self.write(b"".join(lines))

    def write_eof(self) -> None:
        assert not self.ended
        self.ended = True

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            if self.unsent:
                return
            self.bench.loop.call_soon(self.bench.connection.connection_lost, None)

    def abort(self) -> None:
        self.aborted = True
        self.close()


class Bench:
    """Use ``bench``. What is done to the connection is done in callbacks of the loop, by ``do``."""

    def __init__(self, application: Application, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        self.loop = loop
        self.engine, self.access = make_engine(application, loop, **options)
        self.transport = RubberTransport(self)
        self.connection: Any = Connection(self.engine, self.engine.limits, CLIENT)
        self.errors: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda loop, context: self.errors.append(context))
        self.do(lambda: self.connection.connection_made(self.transport))

    @property
    def out(self) -> bytes:
        return self.transport.out

    def do(self, *steps: Callable[[], Any], turns: int = 10) -> "Bench":
        """Take ``steps`` in one callback, and then let the loop turn."""
        failures: list[BaseException] = []

        def run() -> None:
            try:
                for step in steps:
                    step()
            except BaseException as error:
                failures.append(error)

        self.loop.call_soon(run)
        self.turn(turns)
        if failures:
            raise failures[0]
        return self

    def turn(self, turns: int = 1) -> "Bench":
        turn(self.loop, turns)
        return self

    def arrive(self, data: bytes) -> Callable[[], None]:
        """A step: bytes arrive."""

        def step() -> None:
            rest = data
            while rest:
                assert self.transport.reading, f"nobody reads {rest!r}"
                buffer = self.connection.get_buffer(-1)
                size = min(len(buffer), len(rest))
                buffer[:size] = rest[:size]
                self.connection.buffer_updated(size)
                rest = rest[size:]

        return step

    def finish(self) -> None:
        """A step: the peer finishes sending."""
        if not self.connection.eof_received():
            self.transport.close()

    def lose(self) -> None:
        """A step: the connection breaks."""
        self.transport.closing = True
        self.connection.connection_lost(None)

    def feed(self, data: bytes) -> "Bench":
        return self.do(self.arrive(data))


@contextmanager
def bench(application: Application, **options: Any) -> Iterator[Bench]:
    """A bench with a connection, cleared up afterwards: nothing may be left behind."""
    loop = uvloop.new_event_loop()
    try:
        made = Bench(application, loop, **options)
        yield made
        if not made.transport.closing:
            made.do(made.transport.abort)
        for exchange in list(made.engine.exchanges):
            exchange.cancel()
        made.turn(10)
        assert not made.engine.exchanges
        assert made.engine.slab.in_use() == 1
        assert made.errors == []
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        turn(loop, 10)
        loop.close()
