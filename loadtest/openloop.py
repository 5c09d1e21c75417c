"""A client that sends requests at a fixed rate, whether or not the answers to those before have come.

``python -m loadtest.openloop PORT WORKLOAD RATE SECONDS CONNECTIONS`` prints the latencies as JSON.

A request has a time at which it is due. Its latency counts from then until its answer has come in full, so it also has
the time that it waits because all connections still wait for answers: clients that send only when they were answered
leave that out, and call a server that stands still for a second a quick one. The client never sleeps near a due time.
How late it is by its own fault is counted as well.
"""

from __future__ import annotations

import gc
import json
import math
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack

from loadtest import answers
from loadtest.errors import MeasurementError
from loadtest.workloads import WORKLOADS, Workload

PATIENCE_SECONDS = 10.0

_GOOD = b"HTTP/1.1 200 "

_SPIN_SECONDS = 0.002
"""What is due so soon is waited for with open eyes: the kernel counts a sleep in milliseconds and makes it longer."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code: 0 measured, 1 could not measure."""
    port, workload, rate, seconds, connections = sys.argv[1:] if arguments is None else arguments
    try:
        timed = run(int(port), WORKLOADS[workload], float(rate), float(seconds), int(connections))
    except (MeasurementError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(timed))
    return 0


def run(port: int, workload: Workload, rate: float, seconds: float, connections: int) -> dict[str, float]:
    """Send ``rate`` requests a second for so many seconds.

    Returns how many they were, the percentiles of their latencies in milliseconds, and that of the client's own
    lateness. Raises MeasurementError when an answer is wrong or does not come, and OSError when a connection breaks.
    """
    with ExitStack() as stack:
        line = [
            stack.enter_context(socket.create_connection((answers.HOST, port), PATIENCE_SECONDS))
            for _ in range(connections)
        ]
        schedule = Schedule(line, workload)
        schedule.keep(rate=1e9, requests=connections)  # each connection once, so that no server makes it ready later
        schedule = Schedule(line, workload)
        gc.collect()
        gc.disable()
        schedule.keep(rate=rate, requests=max(1, round(rate * seconds)))
    latencies, lateness = sorted(schedule.latencies), sorted(schedule.lateness)
    return {
        "requests": len(latencies),
        "p50": percentile(latencies, 0.5) * 1e3,
        "p99": percentile(latencies, 0.99) * 1e3,
        "p999": percentile(latencies, 0.999) * 1e3,
        "worst": latencies[-1] * 1e3,
        "late": percentile(lateness, 0.99) * 1e3,
    }


def percentile(ascending: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]


class Schedule:
    """Requests and when they are due.

    Attributes:
        latencies: seconds from when each was due until it was answered.
        lateness: seconds by which the client sent after its time, where it had a connection to send on.
    """

    def __init__(self, connections: Sequence[socket.socket], workload: Workload) -> None:
        self.latencies: list[float] = []
        self.lateness: list[float] = []
        self._free = deque(connections)
        self._connections = {each.fileno(): each for each in connections}
        self._asked: dict[int, float] = {}  # the connections that wait for answers: when the request was due
        self._parts: dict[int, bytes] = {}  # of answers that have not come in full
        self._workload = workload
        self._poller = select.epoll(len(connections))
        for each in connections:
            each.setblocking(False)
            self._poller.register(each, select.EPOLLIN)

    def keep(self, *, rate: float, requests: int) -> None:
        """Send so many requests at this rate, and read their answers."""
        start = time.perf_counter()
        deadline = start + requests / rate + PATIENCE_SECONDS
        sent, starved = 0, False
        with self._poller:
            while len(self.latencies) < requests:
                now = time.perf_counter()
                if now > deadline:
                    raise MeasurementError(f"left {requests - len(self.latencies)} of {requests} requests unanswered")
                while sent < requests and self._free and (due := start + sent / rate) <= now:
                    if not starved:
                        self.lateness.append(now - due)
                    self._send(due)
                    sent += 1
                due = start + sent / rate if sent < requests else deadline
                starved = due <= now
                rest = due - now - _SPIN_SECONDS
                self._receive(PATIENCE_SECONDS if starved else max(0.0, rest))

    def _send(self, due: float) -> None:
        connection = self._free.popleft()
        connection.send(self._workload.request)
        self._asked[connection.fileno()] = due

    def _receive(self, timeout: float) -> None:
        ready = self._poller.poll(timeout)
        now = time.perf_counter()  # of all that have come: reading one must not make the next one late
        for descriptor, _ in ready:
            self._read(descriptor, now)

    def _read(self, descriptor: int, now: float) -> None:
        connection = self._connections[descriptor]
        data = connection.recv(1 << 16)
        if not data:
            raise ConnectionError("closed a connection")
        answer = self._parts.pop(descriptor, b"") + data
        if not answer.startswith(_GOOD[: len(answer)]):
            raise MeasurementError(f"answered {answer[:200]!r}")
        if not answer.endswith(self._workload.answer):
            self._parts[descriptor] = answer
            return
        self.latencies.append(now - self._asked.pop(descriptor))
        self._free.append(connection)


if __name__ == "__main__":
    sys.exit(main())
