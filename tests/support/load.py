"""Steady load: clients that ask all the time, know what they were promised, and remember every broken promise."""

import asyncio
import contextlib
import hashlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

import uvloop
from support.waiting import DEADLINE

from litmus.server.engine import DRAIN_SECONDS

F = TypeVar("F")

PATIENCE = 0.9 * DRAIN_SECONDS
"""An idle connection may be closed; but not, the server says, as long as a client pauses for less than this."""

PAUSE = 0.003
"""Between two requests of one client, so that few clients are a steady load and not a flood. Nothing is waited for."""

UPLOAD = bytes(range(256)) * 800


@dataclass(frozen=True)
class Failure:
    """A request that was not answered.

    Attributes:
        path: of the request.
        worker: who answered the request before on this connection; 0 on a new one.
        connected: whether there was a connection.
        error: what happened.
    """

    path: str
    worker: int
    connected: bool
    error: Exception

    @property
    def turned_away(self) -> bool:
        """Whether no connection came about: the client knows that it was not heard, and can try elsewhere."""
        return not self.connected and isinstance(self.error, ConnectionError)


@dataclass
class Connection:
    """A client's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    worker: int = 0
    spoke: float = 0.0

    async def ask(self, method: str, path: str, *headers: str, body: bytes = b"") -> tuple[bytes, bool]:
        """Returns the response's body, and whether the connection stays open."""
        lines = [f"{method} {path} HTTP/1.1", "Host: load", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = await self.reader.readuntil(b"\r\n\r\n")
        status, *fields = head[:-4].lower().split(b"\r\n")
        if not status.startswith(b"http/1.1 200 "):
            raise ValueError(f"not a good answer: {head!r}")
        values = dict(line.split(b": ", 1) for line in fields)
        answer = await self.reader.readexactly(int(values[b"content-length"]))
        return answer, values.get(b"connection") != b"close"

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        self.writer.transport.abort()


@dataclass
class Clients(Generic[F]):
    """Clients that ask in a thread of their own, and what they have seen so far.

    Attributes:
        served: how many requests were answered.
        failures: what has become of those that were not.
        workers: who has answered.
        over: they are to end.
    """

    address: tuple[str, int]
    served: int = 0
    failures: list[F] = field(default_factory=list)
    workers: set[int] = field(default_factory=set)
    over: bool = False
    _news: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def asking(self) -> Iterator[Self]:
        """Ask for as long as the block runs. What they saw is for the caller to judge."""
        errors: list[BaseException] = []

        def run() -> None:
            try:
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    runner.run(self.run())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run, name="load", daemon=True)
        thread.start()
        try:
            self.wait_for_more(20)
            yield self
        finally:
            self.over = True
            thread.join(2 * DEADLINE)
        assert not thread.is_alive()
        assert errors == []

    def wait_for_more(self, count: int = 50) -> None:
        """Wait until ``count`` more requests were answered."""
        with self._news:
            wanted = self.served + count
            assert self._news.wait_for(lambda: self.served >= wanted, DEADLINE), f"no answers: {self.failures[-3:]}"

    # In the clients' thread

    async def run(self) -> None:
        """Ask until it is ``over``."""
        raise NotImplementedError

    def answered(self, worker: int | None = None) -> None:
        """A request was, by this worker if it has said so."""
        with self._news:
            self.served += 1
            if worker is not None:
                self.workers.add(worker)
            self._news.notify_all()


@dataclass
class Load(Clients[Failure]):
    """Clients of several kinds. Use ``load``."""

    clients: list[Callable[["Load"], Coroutine[Any, Any, None]]] = field(default_factory=list)
    _number: int = 0

    def path(self, kind: str) -> str:
        """One that was not asked for before."""
        self._number += 1
        return f"/{kind}/{self._number}"

    async def connect(self) -> Connection:
        return Connection(*await asyncio.open_connection(*self.address))

    async def ask(self, connection: Connection | None, path: str, *headers: str, body: bytes = b"") -> Connection:
        """One request: on ``connection`` if there is one, and it wasn't closed meanwhile with good reason. Returns the
        connection. Raises whatever happens, after noting it."""
        now = asyncio.get_running_loop().time
        worker = connection.worker if connection else 0
        connected = connection is not None
        try:
            async with asyncio.timeout(DEADLINE):
                if connection is None:
                    connection = await self.connect()
                    connected = True
                method = "POST" if body else "GET"
                answer, stays = await connection.ask(method, path, *headers, body=body)
                pid, echoed, *rest = answer.decode().split()
                wanted = [str(len(body)), hashlib.sha256(body).hexdigest()] if body else []
                if echoed != path or rest != wanted:
                    raise ValueError(f"the answer to another request: {answer!r}")
        except Exception as error:
            if connection is not None:
                connection.reset()
            if worker and now() - connection.spoke > PATIENCE and isinstance(error, OSError | EOFError):
                return await self.ask(None, path, *headers, body=body)
            self.failures.append(Failure(path, worker, connected, error))
            raise
        connection.worker, connection.spoke = int(pid), now()
        self.answered(connection.worker)
        if not stays:
            connection.close()
            connection.worker = 0
        return connection

    async def keep_alive(self, body: bytes = b"") -> None:
        """Asks again and again on one connection, until the server says that it closes it."""
        connection: Connection | None = None
        kind = "upload" if body else "work"
        try:
            while not self.over:
                try:
                    connection = await self.ask(connection, self.path(kind), body=body)
                except Exception:
                    connection = None
                if connection is not None and not connection.worker:
                    connection = None
                await asyncio.sleep(PAUSE)
        finally:
            if connection is not None:
                connection.close()

    async def uploads(self) -> None:
        """The same with a body."""
        await self.keep_alive(UPLOAD)

    async def fresh(self) -> None:
        """A new connection for each request."""
        headers: tuple[str, ...] = ()
        while not self.over:
            try:
                connection = await self.ask(None, self.path("work"), *headers)
            except Exception:
                connection = None
            if connection is not None:
                connection.close()
            headers = () if headers else ("Connection: close",)
            await asyncio.sleep(PAUSE)

    async def rude(self) -> None:
        """Leaves in the middle of whatever it began."""
        beginnings = (
            b"GET /work/rude HT",
            b"POST /upload/rude HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + UPLOAD,
            b"POST /held/rude HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n" + bytes(40_000),
            b"GET /download/endless HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /work/rude HTTP/1.1\r\nHost: a\r\n\r\n" * 50,
        )
        while not self.over:
            for data in beginnings:
                with contextlib.suppress(OSError, TimeoutError):
                    await self.leave_after(data)
                await asyncio.sleep(PAUSE)

    async def leave_after(self, data: bytes) -> None:
        """Send something, and break the connection when an answer begins, or none does for a moment."""
        connection = await self.connect()
        try:
            connection.writer.write(data)
            async with asyncio.timeout(0.02):
                await connection.reader.read(1000)
        finally:
            connection.reset()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for client in self.clients:
                group.create_task(client(self))


def load(
    address: tuple[str, int], *, keep_alive: int = 3, fresh: int = 3, uploads: int = 1, rude: int = 0
) -> AbstractContextManager[Load]:
    """So many clients of each kind, for as long as the block runs. What they saw is for the caller to judge."""
    clients = [Load.keep_alive] * keep_alive + [Load.fresh] * fresh + [Load.uploads] * uploads + [Load.rude] * rude
    return Load(address, clients=clients).asking()
