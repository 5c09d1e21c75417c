"""The wheel, with a clock that a test turns by hand; and deadlines of connections over real sockets."""

import fcntl
import gc
import struct
import termios
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.apps import Gated, begin, hello, respond
from support.bench import bench
from support.clock import Clock
from support.http import Client
from support.server import Server, serve
from support.turns import next_turn
from support.waiting import wait_until, wait_until_steady

from litmus.asgi import Application, Receive, Scope, Send
from litmus.memory import scoreboard
from litmus.memory.lease import Lease
from litmus.protocols.limits import Limits
from litmus.protocols.machine import Deadline
from litmus.protocols.request import HeadParser
from litmus.protocols.sniff import Protocols
from litmus.server.deadlines import TICK, TICK_NS, Wheel, ticks
from litmus.server.engine import DRAIN_SECONDS, LINGER_SECONDS
from litmus.settings import TimeoutsSettings

STALL_SECONDS = TimeoutsSettings().write


class Entry:
    def __init__(self, wheel: Wheel) -> None:
        self.wheel = wheel
        self.due = 0
        self.spoke = 0
        self.expired: list[int] = []
        self.then: Callable[[], object] | None = None

    def expire(self) -> None:
        self.expired.append(self.wheel.now)
        if self.then is not None:
            self.then()


def jump(wheel: Wheel, count: int) -> None:
    """Advance by ``count`` ticks at once, as in a loop that was busy all the while."""
    wheel.advance((wheel.now - 1 + count) * TICK_NS)


def turn(wheel: Wheel, count: int) -> None:
    for _ in range(count):
        jump(wheel, 1)


# -- the wheel ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [1, 2, 5, 1023, 1024, 1025, 5000, 10240])
def test_an_entry_expires_once_at_its_tick(after: int) -> None:
    wheel = Wheel(0)
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


def test_an_entry_can_be_put_off() -> None:
    wheel = Wheel(0)
    entry = Entry(wheel)
    wheel.arm(entry, 5)
    turn(wheel, 3)
    entry.due = wheel.now + 10
    turn(wheel, 9)
    assert entry.expired == []
    turn(wheel, 1)
    assert entry.expired == [wheel.now]


def test_who_was_put_off_while_the_loop_was_late_has_all_the_time() -> None:
    """As who was armed has: the wheel stood still behind the time."""
    wheel = Wheel(0)
    entry = Entry(wheel)
    wheel.arm(entry, 5)
    turn(wheel, 1)
    entry.due = wheel.now + 5
    wheel.put_off(entry)
    jump(wheel, 20)
    assert entry.expired == []
    turn(wheel, 4)
    assert entry.expired == [wheel.now]


def test_an_entry_can_be_put_forward() -> None:
    wheel = Wheel(0)
    entry = Entry(wheel)
    wheel.arm(entry, 2000)
    wheel.arm(entry, 3)
    turn(wheel, 3)
    assert entry.expired == [wheel.now]


def test_an_entry_can_be_called_off() -> None:
    wheel = Wheel(0)
    off, removed, other = Entry(wheel), Entry(wheel), Entry(wheel)
    for entry in (off, removed, other):
        wheel.arm(entry, 3)
    off.due = 0
    wheel.remove(removed)
    wheel.remove(removed)
    turn(wheel, 5000)
    assert (off.expired, removed.expired, len(other.expired)) == ([], [], 1)


def test_an_entry_that_was_called_off_can_be_armed_again() -> None:
    wheel = Wheel(0)
    entry = Entry(wheel)
    wheel.arm(entry, 3)
    entry.due = 0
    turn(wheel, 1)
    wheel.arm(entry, 1)
    turn(wheel, 1)
    assert entry.expired == [wheel.now]


def test_an_entry_may_arm_itself_again_when_it_expires() -> None:
    wheel = Wheel(0)
    entry = Entry(wheel)
    entry.then = lambda: wheel.arm(entry, 7)
    wheel.arm(entry, 7)
    turn(wheel, 21)
    assert entry.expired == [8, 15, 22]


def test_entries_may_touch_each_other_when_they_expire() -> None:
    wheel = Wheel(0)
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

    wheel = Wheel(0)
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
            st.integers(0, 4),
            st.sampled_from(["arm", "off", "remove", "turn", "turn far", "jump", "jump far"]),
            st.integers(1, 1500),
        ),
        max_size=60,
    )
)
def test_every_entry_expires_when_it_is_due(steps: list[tuple[int, str, int]]) -> None:
    wheel = Wheel(0)
    entries = [Entry(wheel) for _ in range(5)]
    due = [0] * 5
    expected: list[list[int]] = [[] for _ in range(5)]
    armed: set[int] = set()

    def advance(count: int) -> None:
        jump(wheel, count)
        for each in range(5):
            if due[each] and each in armed:
                due[each] += count - 1
            if 0 < due[each] <= wheel.now:
                expected[each].append(wheel.now)
                due[each] = 0
        armed.clear()

    for index, step, number in steps:
        entry = entries[index]
        if step == "arm":
            wheel.arm(entry, number)
            due[index] = wheel.now + number
            armed.add(index)
        elif step in ("off", "remove"):
            if step == "remove":
                wheel.remove(entry)
            entry.due = 0
            due[index] = 0
        else:
            number = number * 2 if step.endswith("far") else 1 + number % 20
            for count in [number] if step.startswith("jump") else [1] * number:
                advance(count)
        assert [entry.expired for entry in entries] == expected


SECOND = 10 * TICK_NS


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5 * SECOND)), max_size=30),
    st.sampled_from([0.1, 0.4, 1.0, 3.0]),
)
def test_however_late_the_loop_a_deadline_is_met_never_early_and_no_later_than_the_loop_was(
    moments: list[tuple[bool, int]], seconds: float
) -> None:
    """At each moment, so long after the one before, an entry is armed or the loop comes to its tick."""
    wheel = Wheel(0)
    now = 0
    waiting: list[tuple[Entry, int]] = []
    latest: dict[Entry, int] = {}
    for arms, pause in [*moments, *((False, TICK_NS + 1) for _ in range(60))]:
        now += pause
        if arms:
            entry = Entry(wheel)
            wheel.arm(entry, ticks(seconds))
            waiting.append((entry, now + round(seconds * SECOND)))
            continue
        for entry, _ in waiting:
            # Two ticks late, counted from the first tick that is not the one in which it was armed.
            if now // TICK_NS >= wheel.now:
                latest.setdefault(entry, now + round(seconds * SECOND) + 2 * TICK_NS)
        wheel.advance(now)
        for entry, earliest in waiting:
            assert not entry.expired or now >= earliest
            assert entry.expired or now < latest.get(entry, now + 1)
        waiting = [(entry, earliest) for entry, earliest in waiting if not entry.expired]
    assert waiting == []


def test_a_deadline_does_not_stretch_with_the_load() -> None:
    """A loop that needs 250 ms for each turn counts the time, not its turns."""
    wheel = Wheel(0)
    entry = Entry(wheel)
    wheel.arm(entry, ticks(3.0))
    turns = 0
    while not entry.expired:
        turns += 1
        wheel.advance(turns * SECOND // 4)
    assert 3.0 <= turns / 4 <= 3.0 + 2 * TICK + 2 * 0.25


def test_after_a_long_sleep_everything_is_looked_at_once() -> None:
    wheel = Wheel(0)
    due, later = [Entry(wheel) for _ in range(1500)], Entry(wheel)
    for after, entry in enumerate(due, start=1):
        wheel.arm(entry, after)
    wheel.arm(later, 100_000)
    turn(wheel, 1)
    jump(wheel, 50_000)
    assert {len(entry.expired) for entry in due} == {1}
    assert later.expired == []


def test_time_that_stands_still_expires_nothing() -> None:
    wheel = Wheel(5)
    entry = Entry(wheel)
    wheel.arm(entry, 1)
    for _ in range(3):
        wheel.advance(5 + TICK_NS - 1)
    assert entry.expired == []
    wheel.advance(5 + TICK_NS)
    assert entry.expired == [wheel.now]


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
    with serve(hello, timeouts__first_byte="5s") as server, server.connect() as client:
        with server.connect() as later:
            later.get()
        server.tick(5.2)
        assert client.ends()
        server.idle()


@pytest.mark.parametrize("before", [0, 1])
def test_dribbling_earns_no_time(before: int) -> None:
    with serve(hello, timeouts__head="5s") as server, server.connect() as client, server.connect() as other:
        for _ in range(before):
            client.get()
            server.tick(10)
        for byte in b"GET /":
            client.send(bytes([byte]))
            other.get()
            server.tick(1)
        server.tick(0.2)
        assert client.response().status == 408
        assert client.ends()
        assert server.counter(scoreboard.RESPONSES_1XX + 3) == 1
        client.close()
        other.close()
        server.idle()


def test_who_is_too_slow_may_go_on_sending_for_a_moment() -> None:
    """It reads its answer when it has finished, which a reset would destroy."""
    with serve(hello, timeouts__head="5s") as server, server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\n")
        wait_until(lambda: server.counter(scoreboard.BYTES_IN), "its bytes")
        server.tick(5.2)
        client.send(b"Host: a\r\n\r\n")
        assert client.response().status == 408
        server.tick(LINGER_SECONDS + 0.2)
        server.idle()


def test_empty_lines_earn_no_time() -> None:
    with serve(hello, timeouts__first_byte="5s") as server, server.connect() as client, server.connect() as other:
        for _ in range(5):
            client.send(b"\r\n")
            other.get()
            server.tick(1)
        server.tick(0.2)
        assert client.ends()


def on_its_way(client: Client) -> bool:
    """Whether something that the client has sent is not in the server's kernel yet."""
    return struct.unpack("i", fcntl.ioctl(client.socket.fileno(), termios.TIOCOUTQ, bytes(4))) != (0,)


def while_busy(server: Server, client: Client, data: bytes, ticks: int) -> None:
    """In one go, so that the loop cannot look at its sockets meanwhile: bytes arrive, and time passes."""

    def run() -> None:
        client.send(data)
        wait_until(lambda: not on_its_way(client), "the bytes on the server's side")
        for _ in range(ticks):
            server.engine.tick()

    server.call(run)


def test_what_arrived_while_the_loop_was_busy_is_served() -> None:
    with serve(hello, timeouts__keep_alive="5s") as server, server.connect() as client:
        client.get()
        while_busy(server, client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", ticks(5))
        assert client.response().status == 200
        server.tick(4)
        assert client.get().status == 200


def test_dribbling_into_a_busy_loop_earns_no_time_either() -> None:
    with serve(hello, timeouts__head="5s") as server, server.connect() as client, server.connect() as other:
        client.send(b"G")
        other.get()
        while_busy(server, client, b"E", ticks(5))
        with server.connect() as later:
            later.get()
        while_busy(server, client, b"T", 1)
        assert client.response().status == 408
        assert client.ends()


def test_what_counts_is_the_time_and_not_how_often_the_loop_comes_to_its_tick() -> None:
    clock = Clock()
    with (
        serve(hello, clock=lambda: round(clock.now * 1e9), timeouts__keep_alive="5s") as server,
        server.connect() as client,
    ):
        client.get()
        for _ in range(2):
            clock.now += 6
            server.call(server.engine.tick)
        assert client.ends()
        server.idle()


@pytest.mark.parametrize(
    "request_bytes",
    [b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"],
)
def test_a_request_with_the_application_is_under_no_deadline(request_bytes: bytes) -> None:
    app = Gated()
    with serve(app, timeouts__keep_alive="5s") as server, server.connect() as client:
        client.send(request_bytes)
        app.wait_until_reached()
        server.tick(60)
        server.call(app.gate.set)
        assert client.response().status == 200


def test_the_clock_starts_when_the_response_is_complete() -> None:
    app = Gated()
    with serve(app, timeouts__keep_alive="5s") as server, server.connect() as client:
        client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        app.wait_until_reached()
        server.tick(20)
        server.call(app.gate.set)
        client.response()
        server.tick(4)
        assert client.get().status == 200
        server.tick(5.2)
        assert client.ends()


def test_a_body_that_is_dropped_must_come_in_time() -> None:
    with serve(hello) as server, server.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234")
        client.response()
        server.tick(LINGER_SECONDS + 0.2)
        assert client.ends()


SIZE = 16 << 20
"""More than the kernel takes off the server's hands."""


async def large(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, b"x" * SIZE)


def stall(server: Server, seconds: float = STALL_SECONDS) -> None:
    """Let enough time pass for a peer that takes nothing, whatever the kernel still moved while the clock ran ahead."""
    for _ in range(5):
        server.tick(seconds)


def test_who_reads_slowly_what_was_sent_gets_more_time_and_who_does_not_read_is_given_up() -> None:
    with serve(large, timeouts__keep_alive="5s") as server, server.connect(receive_buffer=1 << 16) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        for _ in range(5):
            client.exactly(2 << 20)
            server.tick(5)
        client.exactly(SIZE - 5 * (2 << 20))
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        stall(server)
        with pytest.raises((ConnectionError, AssertionError)):
            client.exactly(SIZE)
        server.idle()


STEADY_READS = 20


def closing_with_unsent(server: Server) -> Client:
    """A client that does not read the last response of its connection."""
    client = server.connect(receive_buffer=1 << 16)
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    client.head()
    return client


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    """Waits in ``send`` for a client that does not read, but not from the first."""
    await begin(send)
    await next_turn()
    while True:
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})


@pytest.mark.parametrize("app", [large, endless])
def test_who_stops_reading_is_given_up_in_time_however_long_connections_are_kept(
    app: Application, caplog: pytest.LogCaptureFixture
) -> None:
    """The first look is two seconds later: from then on, nothing may move for so long."""
    caplog.set_level("INFO")
    with serve(app, timeouts__write="10s", access=True) as server, server.connect(receive_buffer=1 << 16) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        (connection,) = server.engine.connections
        assert wait_until_steady(lambda: server.call(connection.unsent)) > 1 << 16
        server.tick(10)
        assert server.call(len, server.engine.connections) == 1
        stall(server, 10)  # which is less than timeouts.keep_alive
        server.idle()
        with pytest.raises(ConnectionError):
            client.rest()
        assert "does not read" in caplog.text
        assert server.counter(scoreboard.RESPONSES_UNREAD) == 1
        (line,) = server.log()
        assert " 200 " in line, "what it asked for is on record"


def test_an_application_hears_that_its_client_was_given_up() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await endless(scope, receive, send)
        except OSError:
            server.notes.put("disconnected")

    with serve(app, timeouts__write="1s") as server, server.connect(receive_buffer=1 << 16) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        (connection,) = server.engine.connections
        wait_until_steady(lambda: server.call(connection.unsent))
        stall(server, 3)
        assert server.note() == "disconnected"
        server.idle()


def test_a_stream_that_is_read_slowly_is_not_given_up() -> None:
    with serve(endless, timeouts__write="5s") as server, server.connect(receive_buffer=1 << 16) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        for _ in range(10):
            server.tick(4)
            client.exactly(1 << 20)
        assert server.call(len, server.engine.connections) == 1


def idle_for_five_seconds(server: Server, client: Client) -> None:
    """The connection stays open for so long, and no longer; a request before that begins the time anew."""
    server.tick(4)
    client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.response("HEAD").status == 200
    server.tick(5.2)
    assert client.ends()


def test_who_reads_everything_has_the_whole_keep_alive_time_from_then_on() -> None:
    options = {"timeouts__keep_alive": "5s", "timeouts__write": "10s"}
    with serve(large, **options) as server, server.connect(receive_buffer=1 << 16) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        server.tick(8)
        client.exactly(SIZE)
        idle_for_five_seconds(server, client)


def test_who_has_read_all_of_a_response_has_its_time_before_it() -> None:
    """Even if so little is left to read that nobody had to wait for it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send)
        size = 0
        if scope["method"] == "GET":
            await next_turn()
            (connection,) = server.engine.connections
            while not connection.unsent():
                await send({"type": "http.response.body", "body": b"x" * 4096, "more_body": True})
                size += 4096
                await next_turn()
            server.notes.put(size)
        await send({"type": "http.response.body"})

    with serve(app, timeouts__keep_alive="5s") as server, server.connect(receive_buffer=1 << 16) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        size = server.note()
        server.tick(5.2)
        assert len(client.chunks()) == size
        server.tick(LINGER_SECONDS + 0.2)
        idle_for_five_seconds(server, client)


def test_a_last_response_that_nobody_reads_is_given_up() -> None:
    with serve(large) as server, closing_with_unsent(server):
        server.tick(LINGER_SECONDS + STALL_SECONDS)
        assert server.call(len, server.engine.connections) == 1
        stall(server)
        server.idle()


def test_a_last_response_that_nobody_reads_to_its_end_is_given_up_as_well() -> None:
    """The transport may say that it has little left to send when it is closing already."""
    with bench(hello) as on:
        on.transport.full = True
        on.transport.unsent = 100
        on.feed(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        due = on.connection.due
        assert on.transport.closing
        assert due > 0
        on.do(on.connection.resume_writing)
        assert on.connection.due == due
        on.do(lambda: on.connection.connection_lost(None))


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
        assert len(client.rest()) == SIZE - STEADY_READS * (128 << 10)
        server.idle()


# -- machines that go on -----------------------------------------------------------------------------------------------


class GoingOn:
    """A machine that consumes nothing, and says what is next when its deadline has passed.

    Args:
        host: its connection.
        notes: is told what happens.
    """

    hungry = True
    lease: Lease | None = None
    deadline = Deadline.KEEP_ALIVE

    def __init__(self, name: str, host: Any, notes: Any) -> None:
        self.name, self.host, self.notes = name, host, notes
        self.successors: list[GoingOn | None] = []

    def received(self, lease: Lease) -> "GoingOn":
        self.notes.put((self.name, bytes(lease.unread())))
        return self

    def expired(self) -> "GoingOn | None":
        self.host.write(self.name.encode())
        return self.successors.pop(0)

    def eof(self) -> None:
        """Close."""

    lost = eof


def test_a_machine_may_go_on_when_its_deadline_has_passed() -> None:
    """As it was, under the same deadline again, or with another one in charge: as when bytes have arrived."""

    class Going(Protocols):
        def first(self, host: Any, limits: Limits, negotiated: str | None) -> Any:
            first, second = GoingOn("first", host, server.notes), GoingOn("second", host, server.notes)
            first.successors = [first, second]
            second.successors = [None]
            return first

    with serve(hello, timeouts__keep_alive="5s") as server:
        server.call(setattr, server.engine, "protocols", Going(HeadParser(), None))
        client = server.connect()
        client.send(b"abc")
        assert server.note() == ("first", b"abc")
        server.tick(0.2)
        for in_charge in ("first", "second"):
            server.tick(5)
            assert client.exactly(len("first")) == b"first"
            assert server.note() == (in_charge, b"abc"), "what is unread is there for whoever is in charge"
            server.tick(0.2)
        assert server.call(len, server.engine.connections) == 1
        server.tick(5)
        assert client.rest() == b"second"
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
    app = Gated()
    with serve(app) as server, server.connect() as client:
        client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        app.wait_until_reached()
        server.call(server.engine.drain)
        server.tick(10)
        server.call(app.gate.set)
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
