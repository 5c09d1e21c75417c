"""The load generator for WebSocket: sends messages and counts those that come, in one thread.

``python -m loadtest.wsload PORT WORKLOAD WARM_UP SECONDS`` opens the connections, has messages sent on them for as many
seconds as warming up takes, and prints "ready". Once it gets a line it goes on for so many seconds more, prints what it
did as JSON, and ends when its standard input does.

Frames are made before, masked and compressed. A message is under way on each connection, and the next is sent when it
has come back; in a broadcast one is under way on all, and the next is sent when everyone has it. What comes is counted
by the heads of its frames.
"""

from __future__ import annotations

import gc
import itertools
import json
import select
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from loadtest import crowd, websocket
from loadtest.errors import MeasurementError
from loadtest.processes import READY
from loadtest.websocket import Counter
from loadtest.workloads import WORKLOADS, Workload

PATIENCE_SECONDS = 10.0

_BUFFER_SIZE = 1 << 18


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code: 0 measured, 1 could not measure."""
    port, workload, warm_up, seconds = sys.argv[1:] if arguments is None else arguments
    try:
        with ExitStack() as stack:
            load = connected(stack, int(port), WORKLOADS[workload])
            gc.collect()
            gc.disable()
            load.run(float(warm_up))
            print(READY, flush=True)
            if sys.stdin.readline():
                print(json.dumps(load.run(float(seconds))), flush=True)
                sys.stdin.read()
    except (MeasurementError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def connected(stack: ExitStack, port: int, workload: Workload) -> Load:
    """Open all connections that a workload has; a server agrees on the same with each."""
    assert workload.messages is not None
    agreed: list[websocket.Deflation | None] = []

    def greet(connection: socket.socket) -> None:
        with connection.makefile("rb", buffering=0) as stream:  # what follows the head is not for this stream
            agreed.append(websocket.shake_hands(connection, stream, workload))

    connections = crowd.gather(stack, port, workload.messages.connections, greet)
    frames = websocket.frames(workload.messages, agreed[0])
    members = [Member(each, itertools.cycle(frames)) for each in connections]
    circles = [members] if workload.messages.broadcast else [[each] for each in members]
    return Load([Circle(each) for each in circles], 0 if workload.compressed else workload.messages.size)


class Member:
    """A connection: what is to be sent on it, and what has come.

    Attributes:
        connection: the socket.
        counter: of what has come.
        circle: it belongs to this one.
    """

    __slots__ = ("_count", "_frames", "_pings", "_receive", "_send", "_unsent", "circle", "connection", "counter")

    circle: Circle

    def __init__(self, connection: socket.socket, frames: Iterator[bytes]) -> None:
        self.connection = connection
        self.counter = Counter()
        self._frames = frames
        self._unsent = memoryview(b"")
        self._receive, self._send = connection.recv_into, connection.send
        self._count, self._pings = self.counter.count, self.counter.pings

    def speak(self) -> bool:
        """Send the next message. Returns whether the socket has taken all of it."""
        message = next(self._frames)
        if (sent := self._take(message)) == len(message):
            return True
        self._unsent = memoryview(message)[sent:]
        return False

    def go_on(self) -> bool:
        """Send what is left of the message. Returns whether the socket has taken all of it."""
        self._unsent = self._unsent[self._take(self._unsent) :]
        return not self._unsent

    def hear(self, buffer: memoryview) -> int:
        """Read what has come, by way of a buffer. Returns how many messages end there."""
        if not (size := self._receive(buffer)):
            raise ConnectionError("closed a connection")
        heard = self._count(buffer, size)
        if self._pings and not self._unsent:  # no frame can be amid another one
            self._take(b"".join(map(websocket.pong, self._pings)))
            self._pings.clear()
        return heard

    def _take(self, data: bytes | memoryview) -> int:
        """Have the socket take what it has room for. Returns how many bytes it took."""
        try:
            return self._send(data)
        except BlockingIOError:
            return 0


class Circle:
    """Connections of which the first one speaks, and all hear what it says.

    Attributes:
        speaker: the first one.
        size: how many there are.
        missing: how many of them have not heard the last message.
        said: how many messages were sent.
    """

    __slots__ = ("members", "missing", "said", "size", "speaker")

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        self.speaker = members[0]
        self.size = len(members)
        self.missing = 0
        self.said = 0
        for each in members:
            each.circle = self


class Load:
    """All circles, and what they do.

    Args:
        circles: their connections get to be ones that do not block.
        content: how many bytes each message that comes has; 0: nobody knows, because they are compressed.
    """

    def __init__(self, circles: Sequence[Circle], content: int) -> None:
        self._circles = circles
        self._content = content
        self._members = {each.connection.fileno(): each for circle in circles for each in circle.members}
        self._poller = select.epoll(len(self._members))
        for descriptor, member in self._members.items():
            member.connection.setblocking(False)
            self._poller.register(descriptor, select.EPOLLIN)
        self._buffer = memoryview(bytearray(_BUFFER_SIZE))

    def run(self, seconds: float) -> dict[str, float]:
        """Speak for so many seconds, and wait until all is heard.

        Returns how many messages have come, and the seconds that passed. Raises MeasurementError when one is missing or
        wrong, and OSError when a connection breaks.
        """
        start = now = time.monotonic()
        end = start + seconds
        heard, missing = 0, 0
        for circle in self._circles:
            missing += self._speak(circle)
        members, buffer, poll, writable = self._members, self._buffer, self._poller.poll, select.EPOLLOUT
        while missing > 0:
            ready = poll(PATIENCE_SECONDS)
            now = time.monotonic()
            if not ready or now > end + PATIENCE_SECONDS:
                raise MeasurementError(f"left {missing:,} messages unanswered")
            for descriptor, event in ready:
                member = members[descriptor]
                if event & writable and member.go_on():
                    self._poller.modify(descriptor, select.EPOLLIN)
                if event != writable and (count := member.hear(buffer)):
                    heard += count
                    missing -= count
                    circle = member.circle
                    circle.missing -= count
                    if not circle.missing and now < end:
                        missing += self._speak(circle)
        self._check()
        return {"messages": heard, "elapsed": now - start}

    def _speak(self, circle: Circle) -> int:
        """Have a circle's next message sent. Returns how many are to come of it."""
        speaker = circle.speaker
        if not speaker.speak():
            self._poller.modify(speaker.connection, select.EPOLLIN | select.EPOLLOUT)
        circle.said += 1
        circle.missing = circle.size
        return circle.size

    def _check(self) -> None:
        """Everyone has heard what was said, no more and no less."""
        for circle in self._circles:
            for each in circle.members:
                counter = each.counter
                if counter.messages != circle.said:
                    raise MeasurementError(f"sent {counter.messages:,} messages where {circle.said:,} are right")
                if self._content and counter.content != circle.said * self._content:
                    raise MeasurementError(
                        f"sent {counter.content:,} bytes where {circle.said:,} x {self._content:,} are right"
                    )


if __name__ == "__main__":
    sys.exit(main())
