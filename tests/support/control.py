"""A loop and an arbiter for the control socket's tests."""

import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from litmus.control import framing, messages
from litmus.control.messages import Done, Refused, Reply
from litmus.control.server import ControlServer, ReplyCallback

DEADLINE = 30.0


class FakeTimer:
    def __init__(self, delay: float, callback: Callable[[], None]) -> None:
        self.delay = delay
        self.callback = callback
        self.active = True

    def cancel(self) -> None:
        self.active = False


class FakeReactor:
    """Real readiness, and time that passes when a test says so."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.timers: list[FakeTimer] = []
        self.turns = 0

    def watch(
        self, fileobj: socket.socket, on_readable: Callable[[], None], on_writable: Callable[[], None] | None = None
    ) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if on_writable else 0)
        callbacks = (on_readable, on_writable)
        if fileobj in self.selector.get_map():
            self.selector.modify(fileobj, events, callbacks)
        else:
            self.selector.register(fileobj, events, callbacks)

    def unwatch(self, fileobj: socket.socket) -> None:
        self.selector.unregister(fileobj)

    def call_later(self, delay: float, callback: Callable[[], None]) -> FakeTimer:
        timer = FakeTimer(delay, callback)
        self.timers.append(timer)
        return timer

    @property
    def armed(self) -> list[FakeTimer]:
        return [timer for timer in self.timers if timer.active]

    @property
    def watched(self) -> int:
        return len(self.selector.get_map())

    def expire(self) -> None:
        """Let every deadline that is armed now come to pass."""
        due, self.timers = self.armed, []
        for timer in due:
            timer.active = False
            timer.callback()

    def turn(self, timeout: float) -> None:
        """Wait for events for at most ``timeout`` seconds and hand them out."""
        self.turns += 1
        for key, ready in self.selector.select(timeout):
            on_readable, on_writable = key.data
            if ready & selectors.EVENT_READ:
                on_readable()
            if ready & selectors.EVENT_WRITE and on_writable and key.fileobj in self.selector.get_map():
                on_writable()

    def run_until(self, condition: Callable[[], bool]) -> None:
        """Run until ``condition`` holds after some event; fail after :data:`DEADLINE` seconds."""
        end = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < end, "the condition did not come true in time"
            self.turn(end - time.monotonic())

    def settle(self) -> None:
        """Handle everything that is ready now. A loop that is never done with it is a loop that spins."""
        for _ in range(1000):
            if not self.selector.select(0):
                return
            self.turn(0)
        raise AssertionError("the loop spins")


class FakeArbiter:
    """Answers at once; a reload without an ``outcome`` is kept in ``pending`` until the test answers it."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.pending: list[ReplyCallback] = []
        self.summary: dict[str, Any] = {"state": "running"}
        self.statistics: dict[str, Any] = {"workers": []}
        self.outcome: Reply | None = None
        self.stopping: Reply = Done({"workers": 0})

    def status(self) -> dict[str, Any]:
        self.calls.append("status")
        return self.summary

    def stats(self) -> dict[str, Any]:
        self.calls.append("stats")
        return self.statistics

    def reload(self, reply: ReplyCallback) -> None:
        self.calls.append("reload")
        if self.outcome is not None:
            reply(self.outcome)
        else:
            self.pending.append(reply)

    def scale(self, n: int, reply: ReplyCallback) -> None:
        self.calls.append(("scale", n))
        if n > 128:
            reply(Refused(f"cannot run {n} workers: at most 128 fit"))
        else:
            reply(Done({"workers": n}))

    def stop(self, reply: ReplyCallback) -> None:
        self.calls.append("stop")
        reply(self.stopping)


class Peer:
    """A client without manners: sends what it is told to, reads when it is told to."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.socket.setblocking(False)
        self.replies: list[Reply] = []
        self.closed = False
        self._deframer = framing.Deframer(messages.REPLY_LIMIT)

    def send(self, *requests: messages.Request) -> None:
        self.send_bytes(b"".join(messages.encode(request) for request in requests))

    def send_bytes(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self) -> None:
        """Take what is there."""
        try:
            while data := self.socket.recv(65536):
                self.replies += [messages.decode_reply(payload) for payload in self._deframer.feed(data)]
            self.closed = True
        except BlockingIOError:
            pass
        except ConnectionResetError:  # hung up with something of ours unread
            self.closed = True

    def got(self, count: int) -> Callable[[], bool]:
        def enough() -> bool:
            self.read()
            return len(self.replies) >= count

        return enough

    def hung_up(self) -> bool:
        self.read()
        return self.closed


@contextmanager
def serving(path: Path, arbiter: FakeArbiter) -> Iterator[ControlServer]:
    """A control server that runs in a thread of its own, for clients that block."""
    reactor = FakeReactor()
    server = ControlServer(path, arbiter, reactor)
    ours, theirs = socket.socketpair()
    over: list[bool] = []
    reactor.watch(theirs, lambda: over.append(True))
    thread = threading.Thread(target=lambda: reactor.run_until(lambda: bool(over)))
    thread.start()
    try:
        yield server
    finally:
        ours.close()
        thread.join()
        reactor.unwatch(theirs)
        theirs.close()
        server.close()
        reactor.selector.close()


@contextmanager
def scripted(path: Path, *acts: bytes) -> Iterator[None]:
    """A server that is not one: for each connection it takes one request, sends the next of ``acts`` and hangs up."""

    def play() -> None:
        for act in acts:
            connection, _ = listener.accept()
            with connection:
                if not connection.recv(65536):
                    return  # the test is over
                connection.sendall(act)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=play)
        thread.start()
        try:
            yield
        finally:
            if thread.is_alive():
                with socket.socket(socket.AF_UNIX) as last:
                    last.connect_ex(str(path))
            thread.join()
