"""The load generator for HTTP/2, h2load, and nghttp from the same package, which asks once and shows the answer.

Both speak it by prior knowledge, without TLS. They compress field blocks as clients do: from the second request on a
connection on, a field that is the same again takes one byte or two.
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import tempfile
from collections.abc import Iterator

from loadtest import generators, processes
from loadtest.answers import HOST, PATIENCE_SECONDS, Answer
from loadtest.errors import MeasurementError
from loadtest.generators import Load
from loadtest.workloads import Streams, Workload

_PACKAGE = "nghttp2-client"

_COUNTS = re.compile(r"^requests: \d+ total, .* (\d+) succeeded, (\d+) failed, .*$", re.MULTILINE)
_STATUS = re.compile(r"^status codes: (\d+) 2xx, .*$", re.MULTILINE)
_RATE = re.compile(r"^finished in \S+, ([\d.]+) req/s", re.MULTILINE)
_CONTENT = re.compile(r"^traffic: .*\((\d+)\) data$", re.MULTILINE)

_STATISTICS = b"***** Statistics *****"
_STATISTICS_ROW = re.compile(rb"\n *\d+ +\+\S+ +\+\S+ +\S+ +(\d{3}) +\S+ +\S+\n$")

_OWN = (b"host", b"connection", b"content-length")
"""Header fields that HTTP/2 has other means for, or that the programs add themselves."""


def version() -> str:
    """The version of the h2load that is installed. Raises MeasurementError when none is."""
    return generators.version("h2load", _PACKAGE)


def run(port: int, workload: Workload, streams: Streams, *, requests: int, seconds: int, cpu: int) -> Load:
    """Send so many requests, which should take so many seconds.

    Raises MeasurementError unless each was answered with 2xx, and with as many bytes as are right.
    """
    options = [f"--clients={streams.connections}", f"--max-concurrent-streams={streams.each}"]
    with _command("h2load", port, workload, [*options, f"--requests={requests}"]) as command:
        output = generators.run(command, _PACKAGE, seconds=seconds, cpu=cpu)
    return parse(output, len(workload.answer))


def parse(output: str, size: int) -> Load:
    """What h2load printed, where each answer should have so many bytes.

    Raises MeasurementError when it counted others: what failed fast must not count as fast.
    """
    counts, status = _COUNTS.search(output), _STATUS.search(output)
    rate, content = _RATE.search(output), _CONTENT.search(output)
    if counts is None or status is None or rate is None or content is None:
        raise MeasurementError(f"h2load printed something that is not understood:\n{output}")
    requests = int(counts[1])
    if int(counts[2]) or int(status[1]) != requests:
        raise MeasurementError(f"failed some requests ({counts[0]}; {status[0]})")
    if requests == 0:
        raise MeasurementError("answered no request")
    if int(content[1]) != requests * size:
        raise MeasurementError(f"answered {int(content[1]):,} bytes where {requests:,} x {size:,} are right")
    return Load(requests, float(rate[1]))


def ask(port: int, workload: Workload) -> Answer:
    """Ask once.

    Raises OSError when there is no connection, and MeasurementError when there is no answer, or nothing to ask with.
    """
    socket.create_connection((HOST, port), PATIENCE_SECONDS).close()  # nghttp does not tell by its exit code
    with _command("nghttp", port, workload, ["--stat"]) as command:
        try:
            done = subprocess.run(
                command,
                env=processes.environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PATIENCE_SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            raise generators.missing(_PACKAGE) from error
        except subprocess.TimeoutExpired as error:
            raise MeasurementError(f"did not answer over HTTP/2 within {PATIENCE_SECONDS:.0f} s") from error
    body, _, statistics = done.stdout.rpartition(_STATISTICS)
    if (row := _STATISTICS_ROW.search(statistics)) is None:
        raise MeasurementError(f"did not answer over HTTP/2: {done.stderr.decode(errors='replace').strip()}")
    return Answer(int(row[1]), body)


@contextlib.contextmanager
def _command(program: str, port: int, workload: Workload, options: list[str]) -> Iterator[list[str]]:
    """What sends a workload's request; its content, which is sent with POST, is in a file meanwhile."""
    head, _, content = workload.request.partition(b"\r\n\r\n")
    start, *fields = head.split(b"\r\n")
    headers = [f"--header={line.decode('ascii')}" for line in fields if line.partition(b":")[0].lower() not in _OWN]
    url = f"http://{HOST}:{port}{start.split(b' ')[1].decode('ascii')}"
    with tempfile.NamedTemporaryFile(prefix="litmus-loadtest-") as file:
        file.write(content)
        file.flush()
        yield [program, *options, *headers, *([f"--data={file.name}"] if content else []), url]
