"""The wheel, with a clock that a test turns by hand; and deadlines of connections over real sockets."""

import asyncio
import gc
import weakref
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.apps import Routes, hello, respond
from support.bench import bench
from support.server import serve

from litmus.asgi import Receive, Scope, Send
from litmus.server.deadlines import TICK, Wheel, ticks
from litmus.server.engine import DRAIN_SECONDS, LINGER_SECONDS, STALL_SECONDS


class Entry:
    def __init__(self, wheel: Wheel) -> None:
        self.wheel = wheel
        self.due = 0
        self.spoke = 0
        self.expired: list[int] = []
        self.then: Any = None

    def expire(self) -> None:
        self.expired.append(self.wheel.now)
        if self.then is not None:
            self.then()


def turn(wheel: Wheel, count: int) -> None:
    for _ in range(count):
        wheel.tick()


# -- the wheel ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [1, 2, 5, 1023, 1024, 1025, 5000, 10240])
def test_an_entry_expires_once_at_its_tick(after: int) -> None:
    wheel = Wheel()
    entry = Entry(wheel)
    start = wheel.now
    wheel.arm(entry, after)
    turn(wheel, after - 1)
    assert entry.expired == []
    turn(wheel, 1)
    assert entry.expired == [start + after]
    turn(wheel, 3000)
    assert len(entry.expired) == 1
    assert (entry.due, entry.spoke) == (0, 0)


def test_an_entry_can_be_put_off_by_one_assignment() -> None:
    wheel = Wheel()
    entry = Entry(wheel)
    wheel.arm(entry, 5)
    turn(wheel, 3)
    entry.due = wheel.now + 10
    turn(wheel, 9)
    assert entry.expired == []
    turn(wheel, 1)
    assert entry.expired == [wheel.now]


def test_an_entry_can_be_put_forward() -> None:
    wheel = Wheel()
    entry = Entry(wheel)
    wheel.arm(entry, 2000)
    wheel.arm(entry, 3)
    turn(wheel, 3)
    assert entry.expired == [wheel.now]


def test_an_entry_can_be_called_off() -> None:
    wheel = Wheel()
    off, removed, other = Entry(wheel), Entry(wheel), Entry(wheel)
    for entry in (off, removed, other):
        wheel.arm(entry, 3)
    off.due = 0
    wheel.remove(removed)
    wheel.remove(removed)
    turn(wheel, 5000)
    assert (off.expired, removed.expired, len(other.expired)) == ([], [], 1)


def test_an_entry_that_was_called_off_can_be_armed_again() -> None:
    wheel = Wheel()
    entry = Entry(wheel)
    wheel.arm(entry, 3)
    entry.due = 0
    turn(wheel, 1)
    wheel.arm(entry, 1)
    turn(wheel, 1)
    assert entry.expired == [wheel.now]


def test_an_entry_may_arm_itself_again_when_it_expires() -> None:
    wheel = Wheel()
    entry = Entry(wheel)
    entry.then = lambda: wheel.arm(entry, 7)
    wheel.arm(entry, 7)
    turn(wheel, 21)
    assert entry.expired == [8, 15, 22]


def test_entries_may_touch_each_other_when_they_expire() -> None:
    wheel = Wheel()
    entries = [Entry(wheel) for _ in range(10)]

    def interfere() -> None:
        for other in entries:
            wheel.remove(other)
            other.due = 0

    for entry in entries:
        entry.then = interfere
        wheel.arm(entry, 3)
    turn(wheel, 2000)
    assert sum(len(entry.expired) for entry in entries) == 1


def test_the_wheel_lets_go_of_what_has_expired_or_was_removed() -> None:
    class Weak(Entry):
        pass

    wheel = Wheel()
    expired, removed = Weak(wheel), Weak(wheel)
    wheel.arm(expired, 1)
    wheel.arm(removed, 100)
    turn(wheel, 1)
    wheel.remove(removed)
    references = [weakref.ref(expired), weakref.ref(removed)]
    del expired, removed
    gc.collect()
    assert [reference() for reference in references] == [None, None]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4), st.sampled_from(["arm", "off", "remove", "turn", "turn far"]), st.integers(1, 1500)
        ),
        max_size=60,
    )
)
def test_every_entry_expires_when_it_is_due(steps: list[tuple[int, str, int]]) -> None:
    wheel = Wheel()
    entries = [Entry(wheel) for _ in range(5)]
    due = [0] * 5
    expected: list[list[int]] = [[] for _ in range(5)]
    for index, step, number in steps:
        entry = entries[index]
        if step == "arm":
            wheel.arm(entry, number)
            due[index] = wheel.now + number
        elif step in ("off", "remove"):
            if step == "remove":
                wheel.remove(entry)
            entry.due = 0
            due[index] = 0
        else:
            turn(wheel, number if step == "turn far" else number % 20)
            for each in range(5):
                if 0 < due[each] <= wheel.now:
                    expected[each].append(due[each])
                    due[each] = 0
        assert [entry.expired for entry in entries] == expected


@pytest.mark.parametrize(("seconds", "number"), [(75.0, 750), (0.001, 1), (0.0, 1), (1.0, 10)])
def test_ticks(seconds: float, number: int) -> None:
    assert number <= ticks(seconds) <= number + 2


@pytest.mark.parametrize("seconds", [0.1, 0.14, 0.5, 1.0])
def test_a_deadline_is_never_met_early(seconds: float) -> None:
    """It may be armed just before a tick, which then counts for one."""
    assert (ticks(seconds) - 1) * TICK >= seconds - 1e-9


# -- connections -------------------------------------------------------------------------------------------------------


def test_an_idle_connection_is_closed_after_keep_alive() -> None:
    with serve(hello, timeouts__keep_alive="5s") as server, server.connect() as client:
        for _ in range(5):
            client.get()
            server.tick(4)
        server.tick(1.2)
        assert client.ends()
        server.idle()


def test_a_connection_that_never_asks_is_closed_too() -> None:
    with serve(hello, timeouts__keep_alive="5s") as server, server.connect() as client:
        with server.connect() as later:
            later.get()
        server.tick(5.2)
        assert client.ends()
        server.idle()


def test_dribbling_earns_no_time() -> None:
    with serve(hello, timeouts__keep_alive="5s") as server, server.connect() as client, server.connect() as other:
        for byte in b"GET /":
            client.send(bytes([byte]))
            other.get()
            server.tick(1)
        server.tick(0.2)
        assert client.ends()


def test_empty_lines_earn_no_time() -> None:
    with bench(hello, timeouts__keep_alive="5s") as on:
        for _ in range(5):
            on.feed(b"\r\n")
            for _ in range(10):
                on.engine.tick()
        on.do(on.engine.tick, on.engine.tick)
        assert on.transport.aborted


@pytest.mark.parametrize("request_bytes", [b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"])
def test_a_request_with_the_application_is_under_no_deadline(request_bytes: bytes) -> None:
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put("called")
        await gate.wait()
        await respond(send)

    with serve(app, timeouts__keep_alive="5s") as server, server.connect() as client:
        client.send(request_bytes)
        server.note()
        server.tick(60)
        server.call(gate.set)
        assert client.response().status == 200


def test_the_clock_starts_when_the_response_is_complete() -> None:
    gate = asyncio.Event()

    class App(Routes):
        async def slow(self, scope: Scope, receive: Receive, send: Send) -> None:
            server.notes.put("called")
            await gate.wait()
            await respond(send)

    with serve(App(), timeouts__keep_alive="5s") as server, server.connect() as client:
        client.send(b"GET /slow HTTP/1.1\r\n\r\n")
        server.note()
        server.tick(20)
        server.call(gate.set)
        client.response()
        server.tick(4)
        assert client.get().status == 200
        server.tick(5.2)
        assert client.ends()


def test_a_body_that_is_dropped_must_come_in_time() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send)

    with serve(app) as server, server.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n01234")
        client.response()
        server.tick(LINGER_SECONDS + 0.2)
        assert client.ends()


def stall(server: Any) -> None:
    """Let enough time pass for a peer that takes nothing, whatever the kernel still moved while the clock ran ahead."""
    for _ in range(5):
        server.tick(STALL_SECONDS)


def test_who_reads_slowly_what_was_sent_gets_more_time_and_who_does_not_read_is_given_up() -> None:
    body = b"x" * (16 << 20)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, body)

    with serve(app, timeouts__keep_alive="5s") as server, server.connect(receive_buffer=1 << 16) as client:
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        client.head()
        for _ in range(5):
            client.exactly(2 << 20)
            server.tick(5)
        client.exactly(6 << 20)
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        client.head()
        stall(server)
        with pytest.raises((ConnectionError, AssertionError)):
            client.exactly(16 << 20)
        server.idle()


STEADY_READS = 20


def closing_with_unsent(server: Any) -> Any:
    """A client that does not read the last response of its connection."""
    client = server.connect(receive_buffer=1 << 16)
    client.send(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    client.head()
    return client


async def large(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, b"x" * (16 << 20))


def test_a_last_response_that_nobody_reads_is_given_up() -> None:
    with serve(large) as server, closing_with_unsent(server):
        server.tick(LINGER_SECONDS + STALL_SECONDS)
        assert server.call(len, server.engine.connections) == 1
        stall(server)
        server.idle()


def test_a_drain_does_not_save_a_last_response_that_nobody_reads() -> None:
    with serve(large) as server, closing_with_unsent(server):
        server.call(server.engine.drain)
        stall(server)
        server.idle()


def test_a_last_response_is_not_taken_from_who_reads_steadily() -> None:
    """However slowly: it takes long until the kernel asks the transport for more, and looks as if nobody read."""
    with serve(large) as server, closing_with_unsent(server) as client:
        for _ in range(STEADY_READS):
            client.exactly(128 << 10)
            server.tick(LINGER_SECONDS)
        assert len(client.rest()) == (16 << 20) - STEADY_READS * (128 << 10)
        server.idle()


# -- draining ----------------------------------------------------------------------------------------------------------


def test_draining_an_idle_connection_gives_it_a_moment() -> None:
    with serve(hello) as server, server.connect() as client, server.connect() as busy:
        client.get()
        busy.get()
        server.call(server.engine.drain)
        server.tick(DRAIN_SECONDS - 0.3)
        assert busy.get().header(b"connection") == b"close"
        assert busy.ends()
        server.tick(0.5)
        assert client.ends()
        server.idle()


def test_draining_lets_requests_under_way_finish() -> None:
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put("called")
        await gate.wait()
        await respond(send)

    with serve(app) as server, server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        server.note()
        server.call(server.engine.drain)
        server.tick(10)
        server.call(gate.set)
        assert client.response().header(b"connection") == b"close"
        assert client.ends()
        server.idle()


def test_who_connects_during_a_drain_is_served_once() -> None:
    with serve(hello) as server:
        server.call(server.engine.drain)
        with server.connect() as client:
            assert client.get().header(b"connection") == b"close"
            assert client.ends()
        with server.connect() as silent, server.connect() as later:
            assert later.get().status == 200, "so the one before it was accepted as well"
            server.tick(DRAIN_SECONDS + 0.2)
            assert silent.ends()
        server.idle()
