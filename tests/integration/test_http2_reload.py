"""Reloads under clients of HTTP/2: no request may be lost, but those that the server says it has not looked at."""

import asyncio
import hashlib
import re
import signal
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from support.deployment import Serve
from support.http2 import (
    MAX_STREAM,
    PREFACE,
    Error,
    Referee,
    Response,
    Setting,
    data,
    headers,
    request,
    settings,
    window_update,
)
from support.http2_client import Http2Client
from support.load import Clients
from support.waiting import DEADLINE, wait_until

RELOADS = 5
CONNECTIONS = 3
AT_ONCE = 6
"""Requests of a connection that are under way at any time."""
PAUSE = 0.005
"""Between two of them, so that few clients are a steady load and not a flood. Nothing is waited for."""
UPLOAD = bytes(range(256)) * 100


class Unprocessed(Exception):
    """The server says that it has not looked at a request: it may be asked again (RFC 9113, section 8.7)."""


class Lost(Exception):
    """A request that got no answer, and nobody knows what has become of it."""


class Connection:
    """One connection. All that comes goes by a referee.

    Attributes:
        open: the server takes more requests.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open = True
        self.ended = False
        self.referee = Referee()
        self._reader = reader
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[Response]] = {}
        self._next = 1
        self.write(PREFACE + settings({Setting.INITIAL_WINDOW_SIZE: 1 << 20}) + window_update(0, 1 << 30))
        self._task = asyncio.ensure_future(self._read())

    def write(self, sent: bytes) -> None:
        self._writer.write(self.referee.sent(sent))

    async def ask(self, path: str, body: bytes) -> bytes:
        """Returns the response's body. Raises Unprocessed, or Lost."""
        stream, self._next = self._next, self._next + 2
        answer = self._waiting[stream] = asyncio.get_running_loop().create_future()
        sent = headers(stream, request(method="POST" if body else "GET", path=path), end=not body)
        pieces = [body[at : at + 16_000] for at in range(0, len(body), 16_000)]
        sent += b"".join(data(stream, piece, end=piece is pieces[-1]) for piece in pieces)
        self.write(sent)
        response = await answer
        if response.reset == Error.REFUSED_STREAM:
            raise Unprocessed
        if not response.ended or response.status != 200:
            raise Lost(str(response))
        return response.body

    async def _read(self) -> None:
        try:
            with suppress(ConnectionError):
                while came := await self._reader.read(1 << 16):
                    self._received(came)
            self.referee.ended()
        except AssertionError as foul:
            self._end(foul)
        else:
            self._end(Lost(f"the connection ended, after {self.referee.log[-5:]}"))

    def _received(self, came: bytes) -> None:
        self.referee.received(came)
        replies, self.referee.replies = self.referee.replies, b""
        self.write(replies)
        last = MAX_STREAM
        if self.referee.goaways:
            self.open = False
            last, _ = self.referee.goaways[-1]
        for stream in list(self._waiting):
            if self.referee.over(stream):
                self._waiting.pop(stream).set_result(self.referee.response(stream))
            elif stream > last:
                self._waiting.pop(stream).set_exception(Unprocessed())

    def _end(self, error: Exception) -> None:
        self.open = False
        self.ended = True
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            answer.set_exception(error)
        self._writer.close()

    async def close(self) -> None:
        """Leave, when everything was answered."""
        self._writer.close()
        await self._task


@dataclass
class Load(Clients[Exception]):
    """Clients of HTTP/2.

    Attributes:
        unprocessed: how many requests had to be sent again.
        left: the connections that are over.
    """

    unprocessed: int = 0
    left: list[Connection] = field(default_factory=list)
    _number: int = 0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(self.connection())

    async def connection(self) -> None:
        """Ask over one connection after the other; each is left when the server says so."""
        while not self.over:
            connection = Connection(*await asyncio.open_connection(*self.address))
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(self.requests(connection))
            self.left.append(connection)
            if self.over:
                await connection.close()

    async def requests(self, connection: Connection) -> None:
        """Ask over one connection, one after the other."""
        while connection.open and not self.over:
            self._number += 1
            kind = ("work", "work", "download/1", "upload")[self._number % 4]
            try:
                async with asyncio.timeout(DEADLINE):
                    await self.ask(connection, f"/{kind}/{self._number}", UPLOAD if kind == "upload" else b"")
            except Unprocessed:
                self.unprocessed += 1
            except Exception as error:
                self.failures.append(error)
            await asyncio.sleep(PAUSE)

    async def ask(self, connection: Connection, path: str, body: bytes) -> None:
        answer = await connection.ask(path, body)
        if path.startswith("/download"):
            assert len(answer) == 1 << 16
            self.answered()
        else:
            pid, *rest = answer.decode().split()
            assert rest == [path, *([str(len(body)), hashlib.sha256(body).hexdigest()] if body else [])]
            self.answered(int(pid))


@pytest.mark.parametrize("by", ["litmusctl", "SIGHUP"])
def test_reloads_go_unnoticed(serve: Serve, by: str) -> None:
    server = serve(workers=2)
    known = set(server.workers())
    with Load(server.address).asking() as seen:
        for generation in range(2, RELOADS + 2):
            if by == "litmusctl":
                assert server.litmusctl("reload").returncode == 0
            else:
                server.signal(signal.SIGHUP)
            server.wait_for_line(rf"generation {generation} serves with 2 workers")
            assert not known & set(server.workers())
            known.update(server.workers())
            seen.wait_for_more()
        server.wait_for_leavers()
        seen.wait_for_more()
    assert seen.failures == []
    assert seen.unprocessed < seen.served / 10
    assert len(seen.workers) > RELOADS
    assert seen.workers <= known
    assert " error " not in server.errors
    # Each connection that a worker had at its end was told twice, the second time to the point, and closed.
    told = [connection for connection in seen.left if connection.referee.goaways]
    assert len(told) >= RELOADS
    for connection in told:
        assert [code for _, code in connection.referee.goaways] == [Error.NO_ERROR] * len(connection.referee.goaways)
        assert connection.referee.goaways[0][0] == MAX_STREAM


def test_a_request_outlives_the_reload_that_comes_in_its_middle(serve: Serve) -> None:
    server = serve(workers=1)
    with Http2Client(server.connect()) as client:
        stream = client.ask("/held/long", end=False, method="POST")
        client.until(lambda: client.referee.size(stream))
        [old] = server.workers()
        assert server.reload() == 2
        [new] = server.workers()
        assert old != new
        client.until(lambda: len(client.referee.goaways) == 2)
        assert client.referee.goaways == [(MAX_STREAM, Error.NO_ERROR), (stream, Error.NO_ERROR)]
        with Http2Client(server.connect()) as other:
            assert int(other.get("/work").body.split()[0]) == new
        client.content(stream, b"2")
        response = client.response(stream)
        assert (response.body, response.ended) == (b"%d\ndone" % old, True)
        assert client.ends()
    server.wait_for_leavers()
    assert "on board" not in server.errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_in_flight_at_the_end_is_completed(serve: Serve, number: signal.Signals) -> None:
    server = serve(workers=1)
    with Http2Client(server.connect()) as client:
        streams = [client.ask(f"/held/{index}", end=False, method="POST") for index in range(5)]
        client.until(lambda: all(client.referee.size(stream) for stream in streams))
        server.signal(number)
        client.until(lambda: len(client.referee.goaways) == 2)
        for stream in streams:
            client.content(stream, b"2")
        assert all(client.response(stream).body.endswith(b"\ndone") for stream in streams)
        assert client.ends()
    assert server.process.wait(30) == 0
    assert "cut after" not in server.errors


def test_what_takes_longer_than_the_drain_is_cut_and_named(serve: Serve) -> None:
    server = serve(workers=1, timeouts={"drain": "1s"})
    with Http2Client(server.connect()) as client:
        begun = client.ask("/held/begun", end=False, method="POST")
        client.until(lambda: client.referee.size(begun))
        waiting = client.ask("/forever/waiting")
        wait_until(lambda: server.stats()["workers"][0]["in_flight"] == 2, "both requests")
        server.signal(signal.SIGTERM)
        assert client.response(waiting).status == 503
        response = client.response(begun)
        assert (response.status, response.ended, response.reset) == (200, False, Error.INTERNAL_ERROR)
        assert client.ends()
    assert server.process.wait(30) == 0
    assert "GET /forever/waiting from 127.0.0.1:" in server.errors


def test_what_waits_for_room_at_the_client_when_the_drain_ends_is_reset_and_named(serve: Serve) -> None:
    """Each once: those that were given whole, those that were not, and those that are answered for being cut."""
    server = serve(workers=1, timeouts={"drain": "1s"})
    with Http2Client(server.connect(), window=0) as client:
        given, endless = [client.ask("/work/1"), client.ask("/work/22")], client.ask("/download/endless")
        for stream in (*given, endless):
            client.until(lambda: client.seen(stream).status)  # noqa: B023
        waiting = client.ask("/forever")
        wait_until(lambda: server.stats()["workers"][0]["in_flight"] == 2, "those that are not over")
        server.signal(signal.SIGTERM)
        for stream, status in [*((stream, 200) for stream in given), (endless, 200), (waiting, 503)]:
            response = client.response(stream)
            assert (response.status, response.body, response.reset) == (status, b"", Error.INTERNAL_ERROR)
        assert client.ends()
        name = f"127.0.0.1:{client.client.name[1]}"
    assert server.process.wait(30) == 0
    named = re.findall(r"cut after 1 s of draining: (.*)", server.errors)
    assert len(named) == 4
    for path in ("/download/endless", "/forever"):
        assert any(words.startswith(f"GET {path} from {name}, after ") for words in named)
    for stream in given:
        size = dict(client.seen(stream).headers)[b"content-length"].decode()
        assert f"a response to {name}, which had {size} bytes of it still to read" in named
    assert "it had to cut 4 requests" in server.errors
