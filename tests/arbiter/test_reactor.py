"""The loop: readiness, timers, and callbacks that go wrong."""

import logging
import os
import socket
from collections.abc import Iterator

import pytest
from support.clock import Clock, JumpingSelector

from litmus.arbiter.reactor import Reactor


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reactor(clock: Clock) -> Iterator[Reactor]:
    reactor = Reactor(clock, JumpingSelector(clock))
    yield reactor
    reactor.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def test_timers_fire_in_the_order_of_their_time_and_then_of_their_setting(reactor: Reactor, clock: Clock) -> None:
    fired: list[tuple[str, float]] = []

    def note(name: str) -> None:
        fired.append((name, clock.now - 1000))

    reactor.call_later(3, lambda: note("late"))
    reactor.call_later(1, lambda: note("first"))
    reactor.call_later(1, lambda: note("second"))
    reactor.call_later(3, reactor.stop)
    reactor.run()
    assert fired == [("first", 1), ("second", 1), ("late", 3)]


def test_a_cancelled_timer_neither_fires_nor_wakes_the_loop(reactor: Reactor, clock: Clock) -> None:
    timer = reactor.call_later(1, lambda: pytest.fail("it was cancelled"))
    reactor.call_later(5, reactor.stop)
    timer.cancel()
    timer.cancel()
    assert not timer.active
    reactor.turn()
    assert clock.now == 1005


def test_a_timer_may_cancel_another_that_is_due_in_the_same_turn(reactor: Reactor) -> None:
    reactor.call_later(1, lambda: second.cancel())
    second = reactor.call_later(1, lambda: pytest.fail("it was cancelled"))
    reactor.turn()


def test_a_timer_set_by_a_timer_waits_for_the_next_turn(reactor: Reactor) -> None:
    count = 0

    def again() -> None:
        nonlocal count
        count += 1
        reactor.call_later(0, again)

    reactor.call_later(0, again)
    reactor.turn()
    assert count == 1
    reactor.turn()
    assert count == 2


def test_readable_writable_and_at_its_end(reactor: Reactor, pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    events: list[str] = []
    reactor.watch(ours, lambda: events.append(f"read {ours.recv(100)!r}"), lambda: events.append("writable"))
    reactor.turn()
    assert events == ["writable"]
    theirs.send(b"hello")
    reactor.turn()
    assert events[1:] == ["read b'hello'", "writable"]
    reactor.watch(ours, lambda: events.append(f"now {ours.recv(100)!r}"))
    theirs.close()
    reactor.turn()
    assert events[3:] == ["now b''"]


def test_after_unwatch_nothing_is_called(reactor: Reactor, pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    reactor.watch(ours, lambda: pytest.fail("it is not watched any more"))
    reactor.unwatch(ours)
    reactor.unwatch(ours)
    theirs.send(b"hello")
    reactor.call_later(1, reactor.stop)
    reactor.run()


def test_a_watch_ended_by_an_earlier_callback_of_the_turn_is_not_called(reactor: Reactor) -> None:
    first, second = os.pipe(), os.pipe()
    called: list[int] = []

    def only_me(fd: int, other: int) -> None:
        called.append(fd)
        reactor.unwatch(other)

    reactor.watch(first[0], lambda: only_me(first[0], second[0]))
    reactor.watch(second[0], lambda: only_me(second[0], first[0]))
    os.write(first[1], b"x")
    os.write(second[1], b"x")
    reactor.turn()
    assert len(called) == 1
    for fd in (*first, *second):
        os.close(fd)


def test_a_new_watch_under_an_old_number_does_not_get_the_old_event(reactor: Reactor) -> None:
    first, second = os.pipe(), os.pipe()
    recycled: list[tuple[int, int]] = []

    def replace(other: tuple[int, int]) -> None:
        reactor.unwatch(first[0])
        reactor.unwatch(second[0])
        os.close(other[0])
        pipe = os.pipe()
        assert pipe[0] == other[0]
        recycled.append(pipe)
        reactor.watch(pipe[0], lambda: pytest.fail("nothing was written here"))

    reactor.watch(first[0], lambda: replace(second))
    reactor.watch(second[0], lambda: replace(first))
    os.write(first[1], b"x")
    os.write(second[1], b"x")
    reactor.turn()
    for fd in {*first, *second, *recycled[0]}:
        os.close(fd)


def test_a_callback_that_raises_is_logged_and_the_loop_goes_on(
    reactor: Reactor, pair: tuple[socket.socket, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = pair

    def fail() -> None:
        ours.recv(100)
        raise RuntimeError("in a reader")

    reactor.watch(ours, fail)
    theirs.send(b"x")
    reactor.call_later(1, lambda: dict[str, int]()["in a timer"])
    reactor.call_later(2, reactor.stop)
    with caplog.at_level(logging.ERROR, "litmus"):
        reactor.run()
    assert "RuntimeError: in a reader" in caplog.text
    assert "KeyError: 'in a timer'" in caplog.text


def test_stopped_before_it_runs_it_does_not_run(reactor: Reactor) -> None:
    reactor.call_later(0, lambda: pytest.fail("it was stopped"))
    reactor.stop()
    reactor.run()


def test_a_child_closes_what_was_watched_and_the_parent_keeps_it(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    reactor = Reactor()
    pidfd = os.pidfd_open(os.getpid())
    got: list[bytes] = []
    reactor.watch(ours, lambda: got.append(ours.recv(100)))
    reactor.watch(pidfd, lambda: None)
    pid = os.fork()
    if pid == 0:
        reactor.abandon()
        os._exit(0 if ours.fileno() == -1 and not os.path.exists(f"/proc/self/fd/{pidfd}") else 1)  # noqa: PTH110
    assert os.waitpid(pid, 0)[1] == 0
    theirs.send(b"still here")
    reactor.turn()
    assert got == [b"still here"]
    reactor.close()
    os.close(pidfd)


def test_who_watches_again_with_the_same_callbacks_is_called_as_before(
    reactor: Reactor, pair: tuple[socket.socket, socket.socket]
) -> None:
    class Reader:
        heard = b""

        def read(self) -> None:
            self.heard += pair[0].recv(100)

    reader = Reader()
    for message in (b"one ", b"two ", b"three"):
        reactor.watch(pair[0], reader.read)  # a bound method is made anew each time, and equal to the one before
        pair[1].send(message)
        reactor.call_later(0, lambda: None)
        reactor.turn()
    assert reader.heard == b"one two three"
