"""Two thousand clients that are slow on purpose, with heads, bodies and reading, and others that are not."""

import resource
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from support.deployment import Serve, resident
from support.load import load
from support.waiting import wait_until

CLIENTS = 2_000
DESCRIPTORS = 3 * CLIENTS
SECONDS = 3.0
"""What each timeout is set to."""

LATEST = 30.0
"""When the last one has to be gone. Who reads slowly is slow only when the kernel's buffers are full, and to fill them
takes a while."""

MIB = 1 << 20

PER_CONNECTION = 64 << 10
"""What each may cost on average. Those that have something to read cost the most: what is on its way to them."""

SLACK = 8 * MIB


class Kind(NamedTuple):
    """A way to be slow.

    Attributes:
        begin: what is sent at once.
        dribble: what is sent, or else a byte is read, again and again.
        answer: what the client is told in the end, as far as it reads that.
    """

    begin: bytes
    dribble: bytes
    answer: bytes


KINDS = (
    Kind(b"GET /work HTTP/1.1\r\nHost: slow\r\n", b"X: y\r\n", b"408"),
    Kind(b"POST /upload HTTP/1.1\r\nHost: slow\r\nContent-Length: 100000\r\n\r\n", b"x", b"408"),
    Kind(b"POST /upload HTTP/1.1\r\nHost: slow\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", b"408"),
    Kind(b"GET /download/endless HTTP/1.1\r\nHost: slow\r\n\r\n", b"", b""),
)


class Dribblers:
    """So many clients, of all kinds, each of which does something once in a while until it is thrown out.

    Attributes:
        ended: those that were thrown out, and after how many seconds.
        wrong: those that were told something else than they should be, and what.
    """

    def __init__(self, address: tuple[str, int], count: int) -> None:
        self.ended: list[tuple[Kind, float]] = []
        self.wrong: list[tuple[Kind, bytes]] = []
        self._epoll = select.epoll()
        self._open: dict[int, tuple[Kind, float, socket.socket]] = {}
        for number in range(count):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(address)
            client.setblocking(False)
            kind = KINDS[number % len(KINDS)]
            client.sendall(kind.begin)
            self._open[client.fileno()] = kind, time.monotonic(), client
            self._epoll.register(client, select.EPOLLRDHUP)  # and what cannot be left out: errors and hang-ups

    @property
    def left(self) -> int:
        return len(self._open)

    def torment(self) -> None:
        """Go on until nobody is left, or should be."""
        end = time.monotonic() + LATEST
        while self._open and time.monotonic() < end:
            self._dribble()
        self.close()

    def _dribble(self) -> None:
        """Let everybody do something once, then watch for a moment who is thrown out."""
        for kind, _, client in self._open.values():
            try:
                if kind.dribble:
                    client.send(kind.dribble)
                else:
                    client.recv(1)
            except OSError:
                continue  # it is watched
        end = time.monotonic() + SECONDS / 10
        while self._open and (left := end - time.monotonic()) > 0:
            for descriptor, _ in self._epoll.poll(left):
                self._end(descriptor)

    def _end(self, descriptor: int) -> None:
        kind, began, client = self._open.pop(descriptor)
        self.ended.append((kind, time.monotonic() - began))
        self._epoll.unregister(client)
        if kind.answer:
            try:
                told = client.recv(4096)
            except OSError as error:
                told = repr(error).encode()
            if not told.startswith(b"HTTP/1.1 " + kind.answer):
                self.wrong.append((kind, told))
        client.close()

    def close(self) -> None:
        """Close what is left."""
        while self._open:
            _, _, client = self._open.popitem()[1]
            client.close()
        self._epoll.close()


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Enough of them, here and in the server, which inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        pytest.skip(f"{DESCRIPTORS} descriptors are needed, and {hard} is the most that is allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def meanwhile(work: Callable[[], None]) -> Iterator[None]:
    """Do something in a thread, which must come to a good end by itself."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="dribblers", daemon=True)
    thread.start()
    yield
    thread.join(10 * LATEST)
    assert not thread.is_alive()
    assert errors == []


@pytest.mark.usefixtures("descriptors")
def test_slow_clients_are_thrown_out_and_others_are_served(serve: Serve) -> None:
    slow = dict.fromkeys(("first_byte", "head", "body_grace", "write", "keep_alive"), f"{SECONDS:g}s")
    server = serve(workers=1, timeouts={**slow, "body_rate": "1 KiB"})
    [pid] = server.workers()
    most, afterwards = [], []
    with load(server.address) as seen:
        before = resident(pid)
        for _ in range(2):
            dribblers = Dribblers(server.address, CLIENTS)
            most.append(before)
            with meanwhile(dribblers.torment):
                wait_until(lambda: server.worker_stats(pid)["connections_open"] > CLIENTS / 2, "most of them at once")
                while dribblers.left:
                    began = time.monotonic()
                    seen.wait_for_more(10)
                    assert time.monotonic() - began < SECONDS, "others are served all the time"
                    most[-1] = max(most[-1], resident(pid))
            afterwards.append(resident(pid))
            assert dribblers.wrong == []
            assert Counter(kind for kind, _ in dribblers.ended) == {kind: CLIENTS // len(KINDS) for kind in KINDS}
            for kind in KINDS:
                times = [seconds for each, seconds in dribblers.ended if each == kind]
                assert min(times) >= SECONDS, kind
                assert max(times) <= LATEST, kind
    assert seen.failures == []
    server.wait_until_idle()
    assert server.workers() == [pid]
    print(f"resident, in MiB: {[size // MIB for size in (before, *most, *afterwards)]}")  # noqa: T201
    assert most[0] - before < CLIENTS * PER_CONNECTION
    assert max(most[1], *afterwards) - most[0] < SLACK, "the second crowd lives on what the first one needed"
