"""An engine and its connections on a real uvloop loop in a thread, served over real sockets; time passes by hand."""

import asyncio
import queue
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from support.http import DEADLINE, Client

from litmus.asgi import Application
from litmus.configuration import load
from litmus.loading import Override
from litmus.memory import scoreboard
from litmus.memory.segment import Segment
from litmus.memory.slab import Slab
from litmus.server.access import AccessLog
from litmus.server.deadlines import TICK_NS
from litmus.server.engine import Engine
from litmus.settings import Settings
from litmus.worker.accept import Acceptor
from litmus.worker.boot import Listener
from litmus.worker.capacity import Capacity

T = TypeVar("T")

CAPACITY = Capacity(10_000, "the test allows")


@cache
def make_settings(**options: object) -> Settings:
    """Settings with some options set: ``make_settings(app__root_path="/x")``."""
    overrides = [Override(name.replace("__", "."), str(value), "test") for name, value in options.items()]
    return load(None, environ={}, overrides=overrides)


class Lines:
    """What the access log writes to."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    @property
    def lines(self) -> list[str]:
        return self.data.decode().splitlines()


def make_engine(
    application: Application,
    loop: asyncio.AbstractEventLoop,
    arena: int = Slab.MINIMUM,
    access: bool = False,
    clock: Callable[[], int] | None = None,
    **options: object,
) -> tuple[Engine, Lines]:
    """An engine over memory of its own.

    ``clock`` is the engine's; without, no time passes in it until ``engine.tick`` is called.
    """
    segment = Segment(seats=1)
    seat = segment.seat(0)
    seat.flight.open()
    slab = Slab(segment.arena(0, arena), seat.scoreboard)
    lines = Lines()
    log = AccessLog(lines) if access else None
    by_hand = partial(next, count(0, TICK_NS))  # goes on by one tick whenever the engine looks at it
    return Engine(make_settings(**options), loop, seat, slab, application, log, clock or by_hand), lines


class Server:
    """A server in a thread of its own. Use ``serve``.

    Attributes:
        engine: touch it through ``call`` only.
        errors: what the loop's exception handler was told of.
        notes: for the application to put things into, and the test to get them out (see ``note``).
    """

    def __init__(self, application: Application, unix: Path | None = None, ipv6: bool = False, **options: Any) -> None:
        self.application = application
        self.errors: list[dict[str, Any]] = []
        self.notes: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.access: Lines
        self.engine: Engine
        self.loop: asyncio.AbstractEventLoop
        self._options = options
        self._clients: weakref.WeakSet[Client] = weakref.WeakSet()
        self._listener = _listen(unix, ipv6)
        self.address: Any = self._listener.getsockname()
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._stop: asyncio.Event
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)
        self._thread.start()
        assert self._started.wait(DEADLINE)
        if self._failure is not None:
            raise self._failure

    # In the test's thread

    def connect(self, receive_buffer: int = 0) -> Client:
        """A client's connection. With a small ``receive_buffer`` the kernel takes little off the server's hands."""
        client = Client(self._listener.family, self.address, receive_buffer)
        self._clients.add(client)
        return client

    def hold_much(self, size: int) -> None:
        """Have the kernel hold so many bytes of what clients that connect from now on don't read, if it may."""
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function in the server's loop. Returns what it returns."""

        async def run() -> T:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(DEADLINE)

    def note(self) -> Any:
        """The next thing that the application has put into ``notes``."""
        return self.notes.get(timeout=DEADLINE)

    def tick(self, seconds: float = 0.1) -> None:
        """Let time pass for the server."""
        for _ in range(round(seconds / 0.1)):
            self.call(self.engine.tick)

    def idle(self) -> None:
        """Wait until no connection is open and no application is running."""
        asyncio.run_coroutine_threadsafe(self.engine.idle(), self.loop).result(DEADLINE)

    def counter(self, cell: int) -> int:
        return self.engine.board.cells[cell]

    def slab_in_use(self) -> int:
        return self.call(self.engine.slab.in_use)

    def log(self) -> list[str]:
        """The lines of the access log."""
        self.call(self.engine.close)
        return self.access.lines

    def close(self) -> None:
        """Cut what is still open, and stop. Everything that was taken must have come back."""
        for client in list(self._clients):
            client.close()
        if not self._thread.is_alive():
            return
        for connection in self.call(list, self.engine.connections):
            self.call(connection.abort)
        for exchange in self.call(list, self.engine.exchanges):
            self.call(exchange.cancel)
        self.idle()
        try:
            assert self.slab_in_use() == 1, "leases were lost (one is the window)"
            assert self.counter(scoreboard.CONNECTIONS) == 0
            assert self.counter(scoreboard.IN_FLIGHT) == 0
            assert self.counter(scoreboard.WEBSOCKETS) == 0
            assert self.engine.flight.entries() == []
        finally:
            self.call(self._stop.set)
            self._thread.join(DEADLINE)
            self._listener.close()
        assert not self._thread.is_alive()
        assert self.errors == []

    # In the server's thread

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._main())
        except BaseException as error:
            self._failure = error
            self._started.set()

    async def _main(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(lambda loop, context: self.errors.append(context))
        self._stop = asyncio.Event()
        self.engine, self.access = make_engine(self.application, self.loop, **self._options)
        listener = Listener(self.engine.settings.listen[0], self._listener)
        acceptor = Acceptor(self.engine, [listener], CAPACITY)
        acceptor.open()
        self._started.set()
        await self._stop.wait()
        acceptor.close()


@contextmanager
def serve(application: Application, **options: Any) -> Iterator[Server]:
    """Serve an application. ``unix`` is a socket's path, ``ipv6`` says which loopback; ``arena``, ``access`` and the
    options of the configuration (``timeouts__keep_alive="1s"``) go to the engine."""
    server = Server(application, **options)
    try:
        yield server
    finally:
        server.close()


def _listen(unix: Path | None, ipv6: bool) -> socket.socket:
    if unix is not None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(unix))
    else:
        listener = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET)
        listener.bind(("::1" if ipv6 else "127.0.0.1", 0))
    listener.listen(512)
    return listener
