"""Asking a server once, in bytes, and reading what it answers."""

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


def ask(port: int, sent: bytes, answers: int = 1) -> list[Answer]:
    """Send these bytes on a new connection and read so many answers.

    Raises OSError when there is no connection or it breaks, and MeasurementError when what comes is not HTTP.
    """
    with socket.create_connection((HOST, port), PATIENCE_SECONDS) as connection, connection.makefile("rb") as stream:
        connection.sendall(sent)
        return [read(stream) for _ in range(answers)]


def read(stream: BinaryIO) -> Answer:
    """Read one answer. Raises ConnectionError when the stream ends before it does."""
    status, headers = read_head(stream)
    if "chunked" in headers.get("transfer-encoding", ""):
        return Answer(status, _chunks(stream))
    length = headers.get("content-length")
    return Answer(status, stream.read() if length is None else _exactly(stream, int(length)))


def read_head(stream: BinaryIO) -> tuple[int, http.client.HTTPMessage]:
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
        body += _exactly(stream, size)
        _exactly(stream, 2)
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


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise ConnectionError(f"the connection was closed {size - len(data)} bytes before the answer's end")
    return data
