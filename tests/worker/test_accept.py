"""Accepting, one turn of the loop after the other."""

import asyncio
import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvloop
from support.apps import hello
from support.server import make_engine
from support.turns import next_turn, turn
from support.waiting import wait_until

from litmus.settings import ListenSettings
from litmus.worker.accept import Acceptor
from litmus.worker.boot import Listener


class Door:
    """An acceptor on a loop that is turned by hand, and clients that come and go."""

    def __init__(self, loop: asyncio.AbstractEventLoop, room: int, listeners: int) -> None:
        self.loop = loop
        self.errors: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda loop, context: self.errors.append(context))
        self.engine, _ = make_engine(hello, loop)
        self.sockets = [socket.create_server(("127.0.0.1", 0), backlog=256) for _ in range(listeners)]
        self.acceptor = Acceptor(self.engine, [Listener(ListenSettings(), each) for each in self.sockets], room)
        self.clients: list[socket.socket] = []

    @property
    def connections(self) -> int:
        return len(self.engine.connections)

    def open(self) -> None:
        self.loop.call_soon(self.acceptor.open)
        self.turn(5)

    def knock(self, count: int = 1, listener: int = 0) -> None:
        for _ in range(count):
            self.clients.append(socket.create_connection(self.sockets[listener].getsockname()))

    def leave(self) -> None:
        self.clients.pop(0).close()

    def turn(self, turns: int = 30) -> None:
        turn(self.loop, turns)


@contextmanager
def door(room: int, listeners: int = 1) -> Iterator[Door]:
    loop = uvloop.new_event_loop()
    made = Door(loop, room, listeners)
    try:
        yield made
        assert made.errors == []
    finally:
        loop.call_soon(made.acceptor.close)
        for connection in list(made.engine.connections):
            loop.call_soon(connection.abort)
        made.turn()
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
                assert len(caplog.records) == 1

        made.loop.run_until_complete(scenario())

        def all_in() -> bool:
            made.turn(3)
            return made.connections == 4

        wait_until(all_in, "the next try")
