"""A client that sends or fetches large bodies, one after the other on one connection.

``python -m loadtest.transfer PORT WORKLOAD SIZE SECONDS`` does so for that long, at least once, and prints what it did
as JSON. With 0 seconds it is once, and what is fetched is compared, byte by byte.
"""

from __future__ import annotations

import io
import json
import socket
import sys
import time
from collections.abc import Sequence

from loadtest import answers
from loadtest.answers import Answer
from loadtest.apps import PIECE
from loadtest.errors import MeasurementError
from loadtest.workloads import WORKLOADS, Kind, get, post

_PATIENCE_SECONDS = 60.0

_FILLED = PIECE * 4
"""What is sent at once, and what fills the buffer that is read into."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code: 0 measured, 1 could not measure."""
    port, workload, size, seconds = sys.argv[1:] if arguments is None else arguments
    try:
        print(json.dumps(run(int(port), WORKLOADS[workload].kind, int(size), float(seconds))))
    except (MeasurementError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def run(port: int, kind: Kind, size: int, seconds: float) -> dict[str, float]:
    """Send or fetch bodies of so many bytes until the time is over.

    Returns how many bytes that were in all, and the seconds that passed. Raises MeasurementError when an answer is
    wrong, and OSError when the connection breaks.
    """
    with (
        socket.create_connection((answers.HOST, port), _PATIENCE_SECONDS) as connection,
        connection.makefile("rb") as stream,
    ):
        done = 0
        start = time.monotonic()
        while done == 0 or time.monotonic() < start + seconds:
            if kind is Kind.UPLOAD:
                _upload(connection, stream, size)
            else:
                _download(connection, stream, size, compared=seconds == 0)
            done += size
        return {"bytes": done, "elapsed": time.monotonic() - start}


def _upload(connection: socket.socket, stream: io.BufferedReader, size: int) -> None:
    filled, left = memoryview(_FILLED), size
    try:
        connection.sendall(post(b"application/octet-stream", size))
        for left in range(size, 0, -len(filled)):
            connection.sendall(filled[:left])
    except ConnectionError as error:
        raise MeasurementError(f"closed the connection when {left:,} of {size:,} bytes were to come") from error
    answer, right = answers.read(stream), Answer(200, str(size).encode("ascii"))
    if answer != right:
        raise MeasurementError(f"answered {answer.status} {answer.body[:200]!r} to an upload of {size:,} bytes")


def _download(connection: socket.socket, stream: io.BufferedReader, size: int, *, compared: bool) -> None:
    connection.sendall(get(f"/{size}"))
    status, headers = answers.read_head(stream)
    if (status, headers["content-length"]) != (200, str(size)):
        raise MeasurementError(f"answered {status} with length {headers['content-length']} where {size} is right")
    buffer = memoryview(bytearray(len(_FILLED)))
    for left in range(size, 0, -len(buffer)):
        part = buffer[:left]
        if stream.readinto(part) != len(part):
            raise ConnectionError(f"the connection was closed when {left:,} bytes of {size:,} were left")
        if compared and bytes(part) != _FILLED[: len(part)]:
            raise MeasurementError("answered with other bytes than the application gave")


if __name__ == "__main__":
    sys.exit(main())
