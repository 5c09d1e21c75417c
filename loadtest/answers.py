"""Reading what a server answers."""

from __future__ import annotations

import http.client
import socket
from typing import BinaryIO, NamedTuple

from loadtest.errors import MeasurementError

HOST = "127.0.0.1"

PATIENCE_SECONDS = 20.0


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    body: bytes

    def check(self, body: bytes) -> None:
        """Raise MeasurementError unless it is a good one with this body."""
        if self != (200, body):
            raise MeasurementError(f"answered {self.status} {self.body[:200]!r} where 200 {body[:200]!r} is right")


def read(stream: BinaryIO) -> Answer:
    """Read one answer.

    Raises OSError when the connection breaks or ends before it does, and MeasurementError when what comes is not HTTP.
    """
    status, headers = read_head(stream)
    if "chunked" in headers.get("transfer-encoding", ""):
        return Answer(status, _chunks(stream))
    length = headers.get("content-length")
    return Answer(status, stream.read() if length is None else exactly(stream, int(length)))


def read_head(stream: BinaryIO | socket.SocketIO) -> tuple[int, http.client.HTTPMessage]:
    """Read the head of an answer: its status and its headers."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise ConnectionError(f"the connection was closed after {line!r}")
    version, _, rest = line.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
        raise MeasurementError(f"answered something that is not HTTP: {line[:200]!r}")
    return int(rest[:3]), http.client.parse_headers(stream)


def _chunks(stream: BinaryIO) -> bytes:
    body = b""
    while size := _chunk_size(stream.readline()):
        body += exactly(stream, size)
        exactly(stream, 2)
    while stream.readline().strip():
        pass  # trailers
    return body


def _chunk_size(line: bytes) -> int:
    if not line.endswith(b"\n"):
        raise ConnectionError("the connection was closed before the last chunk")
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError as error:
        raise MeasurementError(f"answered with a chunk of unknown size: {line[:200]!r}") from error


def exactly(stream: BinaryIO, size: int) -> bytes:
    """Read so many bytes. Raises ConnectionError when the stream ends before."""
    data = stream.read(size)
    if len(data) < size:
        raise ConnectionError(f"the connection was closed {size - len(data)} bytes before the answer's end")
    return data
