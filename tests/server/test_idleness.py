"""What a connection says of its own idleness, and how it gives way, over real sockets; time passes by hand."""

import asyncio
from typing import Any

import pytest
from support.apps import Routes, hello, respond
from support.bench import bench
from support.http import Client
from support.server import Server, serve
from support.waiting import wait_until

from litmus.asgi import Receive, Scope, Send
from litmus.memory import scoreboard

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def connect(server: Server) -> Client:
    """The only client."""
    client = server.connect()
    wait_until(lambda: server.counter(scoreboard.CONNECTIONS) == 1, "the connection")
    return client


def idleness(server: Server) -> tuple[bool, int] | None:
    """Of the only connection: whether it has brought a request, and for how many ticks it has been idle."""

    def ask() -> tuple[bool, int] | None:
        [connection] = server.engine.connections
        found = connection.idleness()
        return None if found is None else (found[0], server.engine.wheel.now - found[1])

    return server.call(ask)


def give_way(server: Server) -> bool:
    """Whether the only connection closes."""
    return server.call(lambda: [connection.give_way() for connection in server.engine.connections]) == [True]


def test_it_counts_from_the_beginning_and_then_from_the_last_response() -> None:
    with serve(hello) as server, connect(server) as client:
        assert idleness(server) == (False, 0)
        server.tick(2)
        assert idleness(server) == (False, 20)
        client.get()
        assert idleness(server) == (True, 0)
        server.tick(3)
        assert idleness(server) == (True, 30)
        client.get()
        assert idleness(server) == (True, 0)


@pytest.mark.parametrize("timeouts", [{}, {"timeouts__keep_alive": "2s", "timeouts__first_byte": "2h"}])
def test_it_does_not_depend_on_timeouts(timeouts: dict[str, str]) -> None:
    """Nor on the time that is added to spread those that fall idle together."""
    with serve(hello, **timeouts) as server:
        clients = [server.connect() for _ in range(30)]
        for client in clients:
            client.get()
        server.tick(1)
        assert server.call(lambda: {each.idleness() for each in server.engine.connections}) == {
            (True, server.engine.wheel.now - 10)
        }


def test_a_task_that_answers_later_ends_in_idleness_as_well() -> None:
    async def later(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await asyncio.sleep(0)
            await respond(send, b"later")

    with serve(later) as server, connect(server) as client:
        server.tick(2)
        client.get()
        assert idleness(server) == (True, 0)


@pytest.mark.parametrize("sent", [b"G", GET[:-1], b"\r"], ids=["first byte", "head", "empty line"])
def test_what_lies_unread_is_no_idleness(sent: bytes) -> None:
    with serve(hello) as server, connect(server) as client:
        client.send(sent)
        wait_until(lambda: server.counter(scoreboard.BYTES_IN) == len(sent), "the bytes")
        server.tick(2)
        assert idleness(server) is None


class Slow(Routes):
    """Answers when it is told to, or with more than fits into the kernel's buffers."""

    def __init__(self) -> None:
        self.notes: Any = None
        self.told = asyncio.Event()

    async def index(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.told.wait()
        await respond(send, b"at last")

    async def large(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, bytes(16 << 20))


def test_a_request_under_way_is_no_idleness_whatever_comes_behind_it() -> None:
    application = Slow()
    with serve(application) as server, connect(server) as client:
        client.send(2 * GET)
        wait_until(lambda: server.counter(scoreboard.IN_FLIGHT) == 1, "the request")
        server.tick(5)
        assert idleness(server) is None
        server.call(application.told.set)
        assert [client.response().status for _ in range(2)] == [200, 200]
        wait_until(lambda: idleness(server) == (True, 0), "the end of the second one")


def test_a_response_that_is_not_read_is_no_idleness() -> None:
    """It begins when the response has been read."""
    with serve(Slow()) as server, connect(server) as client:
        client.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        server.tick(3)
        assert idleness(server) is None
        client.exactly(16 << 20)
        wait_until(lambda: idleness(server) == (True, 0), "the end of what was to be written")


def test_what_the_transport_still_holds_is_no_idleness() -> None:
    """However little it is. When the peer has it, its time begins anew."""
    with bench(hello, timeouts__keep_alive="3s") as made:
        connection, transport = made.connection, made.transport
        made.do(made.arrive(GET))
        made.do(*[made.engine.tick] * 20)
        assert connection.idleness() is not None
        transport.unsent = 10
        assert connection.idleness() is None
        made.do(*[made.engine.tick] * 20)  # the deadline has passed, and is put off
        transport.unsent = 0
        assert connection.idleness() is None, "since when is not known yet"
        made.do(*[made.engine.tick] * 25)
        asked, since = connection.idleness()
        assert asked
        assert made.engine.wheel.now - since < 25
        transport.closing = True
        assert connection.idleness() is None


def test_it_gives_way_in_good_order() -> None:
    with serve(hello) as server, connect(server) as client:
        client.get()
        assert give_way(server)
        assert client.rest() == b""
        server.idle()


def test_it_does_not_give_way_when_a_request_has_just_come() -> None:
    with serve(hello) as server, connect(server) as client:

        def send_and_ask() -> bool:
            client.send(GET)  # the loop has not looked at its sockets since
            [connection] = server.engine.connections
            return connection.give_way() or connection.idleness() is not None

        assert not server.call(send_and_ask)
        assert client.response().status == 200
        assert idleness(server) == (True, 0)
        server.tick(1)
        assert client.get().status == 200
