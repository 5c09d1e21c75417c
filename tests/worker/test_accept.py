"""Accepting, one turn of the loop after the other."""

import asyncio
import contextlib
import resource
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from support.apps import echo, hello
from support.descriptors import count_descriptors
from support.http import DEADLINE
from support.server import make_engine
from support.turns import next_turn, turn
from support.waiting import wait_until

from litmus.asgi import Application, Receive, Scope, Send
from litmus.memory import scoreboard
from litmus.server.deadlines import ticks
from litmus.server.engine import LINGER_SECONDS
from litmus.settings import ListenSettings
from litmus.worker.accept import Acceptor
from litmus.worker.boot import Listener
from litmus.worker.capacity import Capacity
from litmus.worker.notices import QUIET_SECONDS
from litmus.worker.refusals import MOST, RETRY_AFTER
from litmus.worker.room import YOUNG_SECONDS

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)


class Door:
    """An acceptor on a loop that is turned by hand, and clients that come and go."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        room: int,
        listeners: int | Sequence[socket.socket],
        settings: ListenSettings | Sequence[ListenSettings],
        application: Application,
        others_have_room: Callable[[], bool],
        options: dict[str, Any],
    ) -> None:
        self.loop = loop
        self.errors: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda loop, context: self.errors.append(context))
        self.engine, self.access = make_engine(application, loop, access=True, **options)
        if isinstance(listeners, int):
            listeners = [socket.create_server(("127.0.0.1", 0), backlog=2048) for _ in range(listeners)]
        self.sockets = list(listeners)
        if isinstance(settings, ListenSettings):
            settings = [settings] * len(self.sockets)
        mine = [Listener(*each) for each in zip(settings, self.sockets, strict=True)]
        self.acceptor = Acceptor(self.engine, mine, Capacity(room, "limits.connections allows"), others_have_room)
        self.clients: list[socket.socket] = []

    @property
    def connections(self) -> int:
        return len(self.engine.connections)

    @property
    def refused(self) -> int:
        return self.engine.board.refused_full

    def open(self) -> None:
        self.loop.call_soon(self.acceptor.open)
        self.turn(5)

    def knock(self, count: int = 1, listener: int = 0, address: str = "127.0.0.1") -> None:
        """Somebody connects, from this ``address`` of the machine's own."""
        door = self.sockets[listener]
        for _ in range(count):
            client = socket.socket(door.family)
            client.settimeout(DEADLINE)
            if door.family == socket.AF_INET:
                client.bind((address, 0))
            client.connect(door.getsockname())
            self.clients.append(client)

    def leave(self) -> None:
        self.clients.pop(0).close()

    def turn(self, turns: int = 30) -> None:
        turn(self.loop, turns)

    def tick(self, seconds: float) -> None:
        """Let time pass for the wheel."""
        for _ in range(round(seconds / 0.1)):
            self.loop.call_soon(self.engine.tick)
            self.turn(3)

    def answer(self, client: socket.socket) -> bytes:
        """Everything up to the end of a connection that ends now."""
        data = b""
        while more := client.recv(1 << 16):
            data += more
        return data

    def answer_now(self, client: socket.socket) -> bytes:
        """What has come by now."""
        client.setblocking(False)
        return client.recv(1 << 16)

    def ask(self, client: socket.socket, request: bytes = GET) -> int:
        """Ask, and return the status."""
        client.sendall(request)
        self.turn()
        return int(self.answer_now(client).split(b" ")[1])

    def upgrade(self, listener: socket.socket) -> bytes:
        """What comes when somebody opens a WebSocket who can be talked into anything about compression."""
        self.knock(1, self.sockets.index(listener))
        self.clients[-1].sendall(UPGRADE)
        self.turn()
        return self.answer_now(self.clients[-1])

    def log(self) -> list[str]:
        self.engine.close()
        return self.access.lines


@contextmanager
def door(
    room: int,
    listeners: int | Sequence[socket.socket] = 1,
    settings: ListenSettings | Sequence[ListenSettings] = ListenSettings(),  # noqa: B008
    application: Application = hello,
    others_have_room: Callable[[], bool] = lambda: False,
    **options: Any,
) -> Iterator[Door]:
    """An acceptor with ``room`` for so many connections. ``options`` are those of the configuration."""
    loop = uvloop.new_event_loop()
    made = Door(loop, room, listeners, settings, application, others_have_room, options)
    try:
        yield made
        assert made.errors == []
    finally:
        loop.call_soon(made.acceptor.close)
        for connection in list(made.engine.connections):
            loop.call_soon(connection.abort)
        made.turn()
        made.tick(LINGER_SECONDS + 0.5)
        for each in (*made.sockets, *made.clients):
            each.close()
        loop.close()


def test_nothing_is_accepted_before_it_opens_and_after_it_closes() -> None:
    with door(room=10) as made:
        made.knock(2)
        made.turn()
        assert made.connections == 0
        made.open()
        made.turn()
        assert made.connections == 2
        made.loop.call_soon(made.acceptor.close)
        made.turn(3)
        made.knock()
        made.turn()
        assert made.connections == 2


@pytest.mark.parametrize(
    ("room", "listeners"),
    [
        (1, 1),
        (1, 3),
        (5, 1),
        (5, 3),
        (70, 1),
        (70, 3),
    ],
)
def test_never_more_than_there_is_room_for(room: int, listeners: int) -> None:
    with door(room, listeners) as made:
        for number in range(100):
            made.knock(listener=number % listeners)
        made.open()
        for _ in range(100):
            made.turn(1)
            assert made.connections <= room
        assert made.connections == room


@pytest.mark.parametrize("listeners", [1, 2])
def test_who_waits_comes_in_when_somebody_leaves(listeners: int) -> None:
    with door(2, listeners) as made:
        made.open()
        for number in range(8):
            made.knock(listener=number % listeners)
        made.turn()
        for left in range(6, -1, -1):
            made.leave()
            made.turn()
            assert made.connections == min(2, left + 1)
        assert made.connections == 1


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("room", [2, 3, 4])
def test_whenever_they_come_the_room_is_filled(room: int, turns: int) -> None:
    with door(room) as made:
        made.open()
        for _ in range(room):
            made.knock()
            made.turn(turns)
        made.turn()
        assert made.connections == room


# -- a full worker -----------------------------------------------------------------------------------------------------


def test_the_scoreboard_tells_whether_it_is_full() -> None:
    with door(2) as made:
        board = made.engine.board
        made.open()
        made.knock()
        made.turn()
        assert board.full == 0
        made.knock()
        made.turn()
        assert board.full == 1, "before anybody has to wait"
        made.leave()
        made.turn()
        assert board.full == 0
        made.knock(2)
        made.turn()
        assert board.full == 1
        made.leave()
        made.turn()
        assert board.full == 1, "who has waited has come in"


async def busy(scope: Scope, receive: Receive, send: Send) -> None:
    """Waits until the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass


@contextmanager
def full(
    room: int, listeners: int = 1, others_have_room: Callable[[], bool] = lambda: False, **options: Any
) -> Iterator[Door]:
    """An acceptor all of whose connections are taken: on each a request is under way."""
    with door(room, listeners, application=busy, others_have_room=others_have_room, **options) as made:
        made.open()
        made.knock(room)
        for client in made.clients:
            client.sendall(GET)
        made.turn()
        assert made.engine.board.in_flight == room
        yield made


def test_nobody_is_refused_while_others_have_room() -> None:
    """They accept from the same listeners."""
    others = [True]
    with full(1, others_have_room=lambda: others[0], timeouts__queue="1s") as made:
        made.knock()
        made.tick(5)
        assert made.refused == 0
        others[0] = False
        made.tick(0.7)
        assert made.refused == 0
        made.tick(0.7)
        assert refusal(made.answer(made.clients[-1]), b"busy")


def refusal(data: bytes, why: bytes) -> bool:
    """Whether the peer was told to come again later."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 503 Service Unavailable"
    assert b"connection: close" in lines
    return b"retry-after: %d" % RETRY_AFTER in lines and why in body


@pytest.mark.parametrize("listeners", [1, 2])
def test_who_waits_for_too_long_is_refused(listeners: int, caplog: pytest.LogCaptureFixture) -> None:
    with full(2, listeners, timeouts__queue="3s") as made:
        for number in range(4):
            made.knock(listener=number % listeners)
        made.clients[-1].sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        made.turn()
        made.tick(3)
        made.knock()
        made.turn()
        assert made.refused == 0
        made.tick(0.3)
        for client in made.clients[2:]:
            assert refusal(made.answer(client), b"the server is busy")
        assert made.connections == 2
        assert made.refused == 5
        assert made.engine.board.requests_total == 2 + 5
        assert made.engine.board.cells[scoreboard.RESPONSES_5XX] == 5
        asked = sorted(line.split('"')[1] for line in made.log())
        assert asked == ["-"] * 4 + ["GET /x HTTP/1.1"]
        assert {line.split()[0] for line in made.log()} == {"127.0.0.1"}
        most = "2 connections open, the most that limits.connections allows"
        assert [record.message for record in caplog.records] == [
            f"full: {most}; new ones go to other workers, or wait",
            f"1 new connection refused: {most}, and too few are idle",
        ]


def test_while_it_stays_full_nobody_waits_any_more() -> None:
    with full(1, timeouts__queue="3s") as made:
        made.knock()
        made.tick(5)
        made.knock()
        made.turn()
        made.tick(0.1)
        assert refusal(made.answer(made.clients[-1]), b"busy")


def test_who_comes_when_there_is_room_again_waits_as_long_as_the_first() -> None:
    """And the time in which it was not full does not count."""
    with full(1, timeouts__queue="3s") as made:
        made.knock()
        made.tick(2)
        made.leave()
        made.turn()
        made.leave()
        made.turn()
        assert made.connections == 0
        made.tick(2)
        made.knock(2)
        made.clients[0].sendall(GET)
        made.turn()
        made.tick(2.9)
        assert made.refused == 0
        made.tick(0.4)
        assert refusal(made.answer(made.clients[-1]), b"busy")


def test_a_place_that_is_free_for_a_moment_starts_no_new_time() -> None:
    """Somebody leaves and somebody comes in, over and over, and those behind wait."""
    with full(1, timeouts__queue="3s") as made:
        made.knock(50)
        for client in made.clients[1:]:
            client.sendall(GET)
        for _ in range(32):
            made.leave()
            made.turn()
            made.tick(0.1)
            if made.refused:
                break
        assert made.connections == 1
        for client in made.clients[1:]:
            assert refusal(made.answer(client), b"busy")


def test_so_many_are_refused_in_each_tick() -> None:
    with full(1, timeouts__queue="1s") as made:
        made.knock(150)
        made.tick(1.1)
        seen = []
        for _ in range(4):
            made.tick(0.1)
            seen.append(made.refused)
        assert seen == [64, 128, 150, 150]


def test_who_gave_up_waiting_gets_no_answer() -> None:
    with full(1, timeouts__queue="1s") as made:
        made.knock(2)
        made.clients.pop().close()
        made.tick(1.5)
        assert refusal(made.answer(made.clients[-1]), b"busy")
        assert made.refused == 1


def test_who_still_sends_can_read_that_it_was_refused() -> None:
    with full(1, timeouts__queue="1s") as made:
        made.knock()
        client = made.clients[-1]
        client.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        made.tick(1.2)
        for _ in range(5):
            client.sendall(b"x" * 20_000)
            made.turn()
        assert refusal(made.answer(client), b"busy")
        made.tick(LINGER_SECONDS + 0.3)
        with pytest.raises(ConnectionError):
            client.sendall(b"x" * (64 << 20))


@pytest.mark.parametrize("leaves", [True, False])
def test_who_was_refused_does_not_stay(leaves: bool) -> None:
    with full(1, timeouts__queue="1s") as made:
        made.knock(2 * MOST)
        before = count_descriptors()
        made.tick(1.2)
        assert count_descriptors() == before + MOST, "so many may read on"
        if leaves:
            while len(made.clients) > 1:
                made.clients.pop().close()
            made.turn()
            assert count_descriptors() == before - 2 * MOST
        else:
            made.tick(LINGER_SECONDS + 0.3)
            assert count_descriptors() == before


@pytest.mark.parametrize("others", [False, True])
def test_a_drain_refuses_those_who_wait_as_well(others: bool) -> None:
    """For a slot that is closed nobody stands in."""
    with full(1, others_have_room=lambda: others, timeouts__queue="1s") as made:
        made.knock()
        made.loop.call_soon(made.engine.drain)
        sweep = made.loop.create_task(made.acceptor.sweep(limit=30.0))
        made.tick(1.2)
        assert refusal(made.answer(made.clients[-1]), b"busy")
        made.leave()
        made.loop.run_until_complete(sweep)


def test_one_that_is_closed_refuses_nobody() -> None:
    with full(1, timeouts__queue="1s") as made:
        made.knock()
        made.loop.call_soon(made.acceptor.close)
        made.tick(2)
        assert made.refused == 0


# -- room for those who wait -------------------------------------------------------------------------------------------


def test_idle_connections_give_way_at_once_to_those_who_wait() -> None:
    """Long before ``timeouts.queue`` has passed."""
    with door(3, timeouts__queue="10s") as made:
        made.open()
        made.knock(3)
        made.turn()
        made.tick(5)
        made.knock(2)
        made.tick(0.1)
        made.turn()
        for client in made.clients[3:]:
            assert made.ask(client) == 200
        assert made.engine.board.closed_for_room == 2
        assert made.connections == 3
        assert made.refused == 0
        ended = [client for client in made.clients[:3] if gone(client)]
        assert len(ended) == 2, "no more than those who wait"


def gone(client: socket.socket) -> bool:
    """Whether the connection was closed in good order, with nothing said."""
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False


def test_nobody_gives_way_who_has_just_come() -> None:
    with door(2, timeouts__queue="10s") as made:
        made.open()
        made.knock(3)
        made.turn()
        made.tick(YOUNG_SECONDS)
        assert made.engine.board.closed_for_room == 0
        made.tick(0.3)
        assert made.engine.board.closed_for_room == 1
        assert made.connections == 2


def test_nobody_gives_way_who_has_just_been_served() -> None:
    with door(1, timeouts__queue="10s") as made:
        made.open()
        made.knock(1)
        made.turn()
        made.tick(5)
        assert made.ask(made.clients[0]) == 200
        made.knock()
        made.tick(YOUNG_SECONDS)
        assert made.engine.board.closed_for_room == 0
        made.tick(0.3)
        assert made.engine.board.closed_for_room == 1


def test_nobody_gives_way_on_whose_connection_something_is_under_way() -> None:
    with full(3, timeouts__queue="30s") as made:
        made.knock(3)
        made.tick(10)
        assert made.engine.board.closed_for_room == 0
        assert made.engine.board.in_flight == made.connections == 3


def test_nobody_gives_way_while_others_have_room() -> None:
    others = [True]
    with door(2, others_have_room=lambda: others[0]) as made:
        made.open()
        made.knock(3)
        made.turn()
        made.tick(20)
        assert made.engine.board.closed_for_room == 0
        others[0] = False
        made.tick(0.1)
        assert made.engine.board.closed_for_room == 1


def test_nobody_gives_way_while_nobody_waits() -> None:
    with door(2) as made:
        made.open()
        made.knock(2)
        made.turn()
        assert made.engine.board.full == 1
        made.tick(20)
        assert made.engine.board.closed_for_room == 0


@pytest.mark.parametrize("draining", [False, True])
def test_a_drain_leaves_idle_connections_the_time_it_gives_them(draining: bool) -> None:
    """They may still bring a request, which is on its way."""
    with door(2) as made:
        made.open()
        made.knock(2)
        made.turn()
        made.tick(5)
        if draining:
            made.loop.call_soon(made.engine.drain)
        made.knock()
        made.turn()
        made.tick(0.5)
        assert made.engine.board.closed_for_room == (not draining)


def test_idle_connections_give_way_on_a_unix_socket_as_well(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen(16)
    with door(4, [listener]) as made:
        made.open()
        made.knock(4)
        made.turn()
        made.tick(5)
        made.knock(3)
        made.tick(0.5)
        assert made.engine.board.closed_for_room == 3
        for client in made.clients[4:]:
            assert made.ask(client) == 200


def test_who_idles_gives_way_before_somebody_is_refused() -> None:
    """However long the worker has been full."""
    with door(2, application=busy, timeouts__queue="1s") as made:
        made.open()
        made.knock(2)
        made.clients[0].sendall(GET)
        made.turn()
        made.tick(20)
        made.knock()
        made.tick(0.1)
        made.turn()
        assert (made.engine.board.closed_for_room, made.refused) == (1, 0)
        assert gone(made.clients[1])
        made.knock()
        made.clients[2].sendall(GET)
        made.turn()
        made.tick(2)
        assert (made.engine.board.closed_for_room, made.refused) == (1, 1)
        assert refusal(made.answer(made.clients[3]), b"busy")


def test_the_one_that_idles_gives_way_to_one_and_the_others_who_wait_are_refused() -> None:
    """Those for whom there is no room don't wait for ever because there is some for others.

    Nor are they refused at once because the worker has been full, and idle, for long.
    """
    with door(10, application=busy, timeouts__queue="3s") as made:
        made.open()
        made.knock(10)
        for client in made.clients[:9]:
            client.sendall(GET)
        made.turn()
        made.tick(2)
        made.knock(20)
        for client in made.clients[10:]:
            client.sendall(GET)
        made.tick(2.5)
        assert (made.engine.board.closed_for_room, made.refused) == (1, 0)
        made.tick(1)
        assert (made.engine.board.closed_for_room, made.refused) == (1, 19)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_nobody_waits_for_longer_because_some_give_way(family: socket.AddressFamily, tmp_path: Path) -> None:
    """Two come in each second, who idle then; the others have no time for that."""
    listener = socket.socket(family)
    listener.bind(str(tmp_path / "s") if family == socket.AF_UNIX else ("127.0.0.1", 0))
    listener.listen(64)
    with door(2, [listener], timeouts__queue="2s") as made:
        made.open()
        made.knock(2)
        made.turn()
        made.knock(30)
        for _ in range(22):
            made.tick(0.1)
            made.turn()
        closed = made.engine.board.closed_for_room
        assert 2 <= closed <= 4
        assert made.refused == 30 - closed


def test_so_many_give_way_in_each_tick() -> None:
    with door(200, timeouts__queue="10s") as made:
        made.open()
        made.knock(200)
        made.turn()
        made.tick(5)
        made.knock(150)
        seen = []
        for _ in range(3):
            made.loop.call_soon(made.engine.tick)
            made.turn(8)
            seen.append(made.engine.board.closed_for_room)
        assert seen == [64, 128, 153], "and a few more than have to, so that the next ones need not wait"
        assert made.connections == 197


def test_a_request_that_has_come_with_the_one_who_wants_the_place_is_served() -> None:
    with door(1, timeouts__queue="10s") as made:
        made.open()
        made.knock(2)
        made.turn()
        made.tick(1.1)
        made.clients[0].sendall(GET)
        made.loop.call_soon(made.engine.tick)  # a loop that was busy serves its timers first
        made.turn()
        assert made.answer_now(made.clients[0]).startswith(b"HTTP/1.1 200 ")
        assert made.engine.board.closed_for_room == 0


def test_nobody_is_refused_before_all_connections_were_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litmus.worker.room.LOOK", 1)
    with door(20, application=busy, timeouts__queue="1s") as made:
        made.open()
        made.knock(20)
        for client in made.clients[1:]:
            client.sendall(GET)
        made.turn()
        made.tick(20)
        made.knock()
        made.tick(2.5)
        assert (made.engine.board.closed_for_room, made.refused) == (1, 0)


def test_the_log_is_told_the_last_of_it_when_the_worker_leaves(caplog: pytest.LogCaptureFixture) -> None:
    with full(1, timeouts__queue="1s") as made:
        made.knock()
        made.tick(1.5)
        made.knock(2)
        made.tick(0.5)
        assert [made.refused, caplog.text.count("refused")] == [3, 1]
        made.loop.call_soon(made.acceptor.close)
        made.turn()
        assert "2 new connections refused" in caplog.text
        made.tick(5 * QUIET_SECONDS)
        assert caplog.text.count("refused") == 2


def test_the_log_says_so_in_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    """How many, and what allows no more; the last of it, too; and once that there is room again."""
    caplog.set_level("INFO", "litmus.worker")
    most = "2 connections open, the most that limits.connections allows"
    with door(2) as made:
        made.open()
        made.knock(2)
        made.turn()
        made.tick(2)
        for _ in range(3):
            made.knock()
            made.turn()
            made.tick(2)
        assert [record.message for record in caplog.records] == [
            f"full: {most}; new ones go to other workers, or wait",
            f"1 idle connection closed to make room: {most}",
        ]
        caplog.clear()
        made.tick(QUIET_SECONDS)
        assert [record.message for record in caplog.records] == [
            f"2 idle connections closed to make room: {most}",
        ]
        caplog.clear()
        made.tick(3 * QUIET_SECONDS)
        assert caplog.records == []
        while made.clients:
            made.leave()
        made.turn()
        made.knock()
        made.turn()
        made.tick(3 * QUIET_SECONDS)
        assert [record.message for record in caplog.records] == ["there is room for new connections again"]


# -- too many from one address -----------------------------------------------------------------------------------------


def test_connections_of_one_address() -> None:
    with door(100, limits__connections_per_address=3) as made:
        made.open()
        made.knock(5)
        made.knock(3, address="127.0.0.2")
        made.turn()
        for client in made.clients[3:5]:
            assert refusal(made.answer(client), b"too many connections from this address")
        assert made.connections == 6
        assert made.engine.board.requests_total == 2
        assert (made.engine.board.refused_address, made.refused) == (2, 0)
        assert [line.split()[0] for line in made.log()] == ["127.0.0.1"] * 2
        for _ in range(2):
            made.leave()
        made.turn()
        made.knock(3)
        made.turn()
        assert refusal(made.answer(made.clients[-1]), b"too many")
        assert made.connections == 6


def test_those_that_nobody_has_open_are_forgotten() -> None:
    with door(100, limits__connections_per_address=3) as made:
        made.open()
        for _ in range(4):
            made.knock(3)
            made.turn()
            assert made.connections == 3
            while made.clients:
                made.leave()
            made.turn()
            assert made.connections == 0


def test_without_that_limit_an_address_may_have_all_there_are() -> None:
    with door(100) as made:
        made.open()
        made.knock(100)
        made.turn(100)
        assert made.connections == 100


def test_a_unix_socket_has_no_addresses(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen(16)
    with door(100, [listener], limits__connections_per_address=1) as made:
        made.open()
        made.knock(5)
        made.turn()
        assert made.connections == 5


def test_who_could_not_be_adopted_does_not_count(caplog: pytest.LogCaptureFixture) -> None:
    with door(100, limits__connections_per_address=1) as made:
        made.open()
        made.loop.connect_accepted_socket = fail  # type: ignore[method-assign]
        made.knock()
        made.turn()
        del made.loop.connect_accepted_socket
        assert "cannot open an accepted connection: no" in caplog.text
        made.knock()
        made.turn()
        assert made.connections == 1


async def fail(factory: Any, accepted: socket.socket) -> None:
    accepted.close()
    raise OSError("no")


# -- limits of an address to listen on ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("body", "status"), [(None, 413), (0, 200), (5, 413), (6, 200)])
def test_an_address_may_have_a_limit_of_its_own(body: int | None, status: int) -> None:
    """Which holds as well for a slot that is stood in for."""
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcdef"
    own = socket.create_server(("127.0.0.1", 0), reuse_port=True)
    with door(10, [own], ListenSettings(body=body), echo, limits__body="5 B") as made:
        made.open()
        made.knock()
        assert made.ask(made.clients[0], request) == status
        vacant = socket.create_server(own.getsockname(), reuse_port=True)
        made.loop.call_soon(made.acceptor.stand_in, 7, [vacant])
        made.turn()
        own.close()
        made.sockets[0] = vacant
        made.knock()
        assert made.ask(made.clients[1], request) == status


def test_an_address_may_compress_in_a_way_of_its_own() -> None:
    """Which holds as well for a slot that is stood in for."""
    own, other = (socket.create_server(("127.0.0.1", 0), reuse_port=True) for _ in range(2))
    plain = ListenSettings(websocket_compression=False)
    small = ListenSettings(
        websocket_server_window_bits=10,
        websocket_client_window_bits=9,
        websocket_server_context_takeover=False,
        websocket_client_context_takeover=False,
        websocket_compression_least=6,
    )
    with door(10, [own, other], [plain, small], greet) as made:
        made.open()
        assert b"permessage-deflate" not in made.upgrade(own)
        vacant = socket.create_server(other.getsockname(), reuse_port=True)
        made.loop.call_soon(made.acceptor.stand_in, 7, [vacant])
        made.turn()
        other.close()
        made.sockets[1] = vacant
        head, _, frames = made.upgrade(vacant).partition(b"\r\n\r\n")
        [agreed] = [line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-extensions: ")]
        assert set(agreed.partition(b": ")[2].split(b"; ")) == {
            b"permessage-deflate",
            b"server_max_window_bits=10",
            b"client_max_window_bits=9",
            b"server_no_context_takeover",
            b"client_no_context_takeover",
        }
        assert frames.startswith(b"\x81\x05hello\xc1"), "the short message as it is, the long one compressed"


async def greet(scope: Scope, receive: Receive, send: Send) -> None:
    """Accepts a WebSocket, and says something short and something long."""
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "hello"})
    await send({"type": "websocket.send", "text": "hello! " * 20})


def test_a_host_s_limit_goes_before_that_of_an_address() -> None:
    request = b"POST / HTTP/1.1\r\nHost: %b\r\nContent-Length: 6\r\n\r\nabcdef"
    with door(10, 1, ListenSettings(body=5), echo, host__0__name="a", host__0__body="6 B") as made:
        made.open()
        made.knock(2)
        assert made.ask(made.clients[0], request % b"a") == 200
        assert made.ask(made.clients[1], request % b"b") == 413


def late(made: Door) -> None:
    """Keep the loop from its timers and sockets for longer than a sweep takes for quiet."""
    made.loop.call_soon(time.sleep, 0.15)
    made.turn(1)


@pytest.mark.parametrize("full", [False, True])
def test_a_late_loop_does_not_take_its_own_lateness_for_quiet(full: bool) -> None:
    """The sweep's timer and what it waits for come in the same turn of the loop."""
    with door(room=1 if full else 3) as made:
        made.open()
        made.knock()
        made.turn()
        sweep = made.loop.create_task(made.acceptor.sweep(limit=30.0))
        made.turn(3)
        made.knock()
        if full:
            made.turn(3)
            made.leave()
        late(made)
        made.turn(5)
        assert not sweep.done()
        assert made.connections == (1 if full else 2)
        if full:
            made.leave()
        made.loop.run_until_complete(sweep)


def stand_in(made: Door) -> socket.socket:
    """Give it a listener of a slot that nobody serves, on which somebody waits. Returns the test's own handle on it."""
    vacant = socket.create_server(("127.0.0.1", 0), backlog=256)
    made.sockets.append(vacant)
    made.knock(3, listener=-1)
    made.loop.call_soon(made.acceptor.stand_in, 7, [vacant.dup()])
    made.turn()
    return vacant


def test_it_stands_in_for_another_slot_until_that_is_served_again() -> None:
    with door(room=100) as made:
        made.open()
        stand_in(made)
        assert made.connections == 3
        made.knock(2, listener=-1)
        made.turn()
        assert made.connections == 5
        made.loop.call_soon(made.acceptor.stand_down, 7)
        made.loop.call_soon(made.acceptor.stand_down, 8)
        made.turn()
        made.knock(2, listener=-1)
        made.knock(listener=0)
        made.turn()
        assert made.connections == 6


def test_a_full_one_stands_in_as_far_as_there_is_room() -> None:
    with door(room=2) as made:
        made.open()
        stand_in(made)
        assert made.connections == 2
        made.leave()
        made.turn()
        assert made.connections == 2


@pytest.mark.parametrize("before", [False, True])
def test_one_that_is_closed_lets_go_of_other_slots(before: bool) -> None:
    """Or a listener that nobody accepts from would stay open."""
    with door(room=100) as made:
        made.open()
        if before:
            made.loop.call_soon(made.acceptor.close)
            made.turn()
        vacant = stand_in(made)
        made.loop.call_soon(made.acceptor.close)
        made.turn()
        address = vacant.getsockname()
        vacant.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)


@contextmanager
def without_descriptors() -> Iterator[None]:
    """Every attempt to open one more fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as highest:
        limit = highest.fileno() + 20
    fillers: list[socket.socket] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                fillers.append(socket.socket())
        yield
    finally:
        for each in fillers:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_descriptors_the_queue_waits(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is lost, nothing fails, and nothing spins: it is tried again after a while, or when somebody leaves."""
    with door(room=1000) as made:
        made.open()
        made.knock()
        made.turn()
        made.knock(3)

        async def scenario() -> None:
            with without_descriptors():
                for _ in range(100):
                    await next_turn()
                assert made.connections == 1
                assert made.engine.board.full == 1, "somebody else may have some"
                assert len(caplog.records) == 1

        made.loop.run_until_complete(scenario())

        def all_in() -> bool:
            made.turn(3)
            return made.connections == 4

        wait_until(all_in, "the next try")
        assert made.engine.board.full == 0


def test_without_descriptors_nobody_can_be_refused_either(caplog: pytest.LogCaptureFixture) -> None:
    """That is tried again after a while as well."""
    with full(1, timeouts__queue="1s") as made:
        made.knock()

        async def scenario() -> None:
            with without_descriptors():
                for _ in range(ticks(5)):
                    made.engine.tick()
                    await next_turn()

        made.loop.run_until_complete(scenario())
        assert caplog.text.count("cannot accept a connection: ") == 1, "few lines, however often it is tried"
        assert made.refused == 0
        made.tick(1)
        assert refusal(made.answer(made.clients[-1]), b"busy")


def test_without_descriptors_those_who_had_their_answer_make_room() -> None:
    with full(1, timeouts__queue="1s") as made:
        made.knock(2)
        made.tick(1.2)
        assert made.refused == 2
        made.knock()

        async def scenario() -> None:
            with without_descriptors():
                for _ in range(3):
                    made.engine.tick()
                    await next_turn()

        made.loop.run_until_complete(scenario())
        assert made.refused == 3
        assert refusal(made.answer(made.clients[-1]), b"busy")
