"""Clients over a socket: one that behaves, and a pump for those that do not."""

import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from struct import unpack
from types import TracebackType
from typing import Any, NamedTuple

from support.http2 import (
    PREFACE,
    Cutter,
    Referee,
    Response,
    Setting,
    Type,
    data,
    get,
    ping,
    post,
    rst_stream,
    settings,
)

PATIENCE = 10.0
"""How long an answer may take, in seconds."""
STALLED = 0.5
"""A server that takes nothing for so long, in seconds, does not read: it waits until its answers are read."""


def dial(address: Any) -> socket.socket:
    client = socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX)
    client.settimeout(PATIENCE)
    client.connect(address)
    if client.family == socket.AF_INET:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


class Neighbour:
    """A good client on a connection of its own, who wants to be served whatever the others do."""

    def __init__(self, address: Any) -> None:
        self.socket = dial(address)
        self.referee = Referee()
        self._stream = -1
        self.send(PREFACE + settings())

    def __enter__(self) -> "Neighbour":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, sent: bytes) -> None:
        self.socket.sendall(self.referee.sent(sent))

    def get(self, path: str = "/probe") -> Response:
        """Ask for something, and wait for the whole answer."""
        self._stream += 2
        self.send(get(self._stream, path=path))
        return self._answer()

    def cancel(self) -> None:
        """Ask for something, and want it no more."""
        self._stream += 2
        self.send(get(self._stream) + rst_stream(self._stream))

    def upload(self, pieces: Iterable[bytes]) -> Response:
        """Send content in frames of these; it has to fit into the window."""
        self._stream += 2
        stream = self._stream
        self.send(post(stream) + b"".join(data(stream, piece) for piece in pieces) + data(stream, end=True))
        return self._answer()

    def _answer(self) -> Response:
        while not self.referee.response(self._stream).over:
            self.read()
        return self.referee.response(self._stream)

    def read(self) -> None:
        got = self.socket.recv(1 << 16)
        assert got, f"the connection was closed: {self.referee.log[-5:]}"
        self.referee.received(got)
        replies, self.referee.replies = self.referee.replies, b""
        self.send(replies)

    def is_served(self) -> None:
        """Fail unless an answer comes."""
        assert self.get().status == 200


class Verdict(NamedTuple):
    """What a flood has come to.

    Attributes:
        code: of the server's GOAWAY; None without one.
        closed: the server has closed the connection.
        stalled: the server has stopped reading, since its answers were not read.
        frames: how many frames of each type the server has sent.
        resets: how often it has reset a stream with which code.
    """

    code: int | None
    closed: bool
    stalled: bool
    frames: Counter[int]
    resets: Counter[int]
    sent: int


class Pump:
    """Sends what a generator makes, as fast as the server takes it, and counts what comes back."""

    LAST = b"the last"
    """The content of a PING behind all the rest."""

    def __init__(self, address: Any, values: dict[int, int] | None = None, reads: bool = True) -> None:
        self.socket = dial(address)
        self.socket.sendall(PREFACE + settings(values or {}))
        self.frames: Counter[int] = Counter()
        self.resets: Counter[int] = Counter()
        self.code: int | None = None
        self.closed = self.stalled = self.done = False
        self.sent = 0
        self._reads = reads
        self._cutter = Cutter()
        while not self.frames[Type.SETTINGS] and not self.closed:
            self._read()
        self.socket.sendall(settings(ack=True))

    @property
    def over(self) -> bool:
        return self.closed or self.code is not None

    def run(self, pieces: Iterable[bytes], between: Callable[[], None], every: int = 32 << 10) -> Verdict:
        """Send all of it, or until the server has had enough; ``between`` is called at least every so many bytes."""
        self.socket.setblocking(False)
        try:
            for chunk in _chunks(pieces, every):
                self._push(chunk)
                between()
                if self.over or self.stalled:
                    break
            if not self.over and not self.stalled:
                self._push(ping(self.LAST))
            self._drain()
        finally:
            self.socket.close()
        return Verdict(self.code, self.closed, self.stalled, self.frames, self.resets, self.sent)

    def _push(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view and not self.over:
            readable, writable, _ = select.select([self.socket] if self._reads else [], [self.socket], [], STALLED)
            if readable:
                self._read()
            if writable:
                try:
                    count = self.socket.send(view)
                except BlockingIOError:
                    continue
                except ConnectionError:
                    break
                self.sent += count
                view = view[count:]
            elif not readable:
                self.stalled = True
                break

    def _drain(self) -> None:
        """Read what there is, to the last PING's answer or the end."""
        end = time.monotonic() + PATIENCE
        while not self.closed and not self.done:
            quiet = STALLED if self.stalled else end - time.monotonic()
            if not select.select([self.socket], [], [], max(quiet, 0))[0]:
                assert self.stalled or self.code is not None, "the server neither answers nor closes"
                break
            self._read()

    def _read(self) -> None:
        try:
            came = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except ConnectionError:
            came = b""
        if not came:
            self.closed = True
            return
        for got in self._cutter.feed(came):
            self.frames[got.kind] += 1
            if got.kind == Type.GOAWAY:
                self.code = unpack(">I", got.payload[4:8])[0]
            elif got.kind == Type.RST_STREAM:
                self.resets[unpack(">I", got.payload)[0]] += 1
            elif got.kind == Type.PING and got.payload == self.LAST:
                self.done = True


def _chunks(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    held: list[bytes] = []
    length = 0
    for piece in pieces:
        held.append(piece)
        length += len(piece)
        if length >= size:
            yield b"".join(held)
            held, length = [], 0
    yield b"".join(held)


NO_WINDOW = {Setting.INITIAL_WINDOW_SIZE: 0}
