"""How one server is measured in one round: one way for each kind of workload."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

import psutil

from loadtest import asking, crowd, h2load, processes, wrk
from loadtest.errors import MeasurementError
from loadtest.generators import Load
from loadtest.machine import Processors
from loadtest.metering import Usage, metered
from loadtest.report import COST, RATE, Quantity, Sample
from loadtest.running import Running, running
from loadtest.servers import Server
from loadtest.workloads import Kind, Streams, Workload

WARM_UP_SECONDS = 1
SATURATION_SECONDS = 2

HALF_WARM_SECONDS = 0.5
"""Over HTTP/2 each warming up has twice the requests of the one before, until one takes so long."""

LOAD_SHARE = 0.5
"""Of the rate that saturates a server, what it gets when latencies are measured."""

SATURATED = 0.95
"""From this share of its processor on, the load generator was the bottleneck, not the server."""

LATE_SHARE = 0.1
"""From this share of the server's p99 on, the client's own is told of."""

WARM_UP_CONNECTIONS = 64
"""Opened and closed before idle ones are: what a server sets up once is no cost of a connection."""

_SLACK_SECONDS = 60.0

PER_GIB = Quantity("s/GiB", "processor_seconds_per_gib", ".3f", compared=True)
SPEED = Quantity("MB/s", "megabytes_per_second", ",.0f")

PER_MESSAGE = Quantity("µs/message", "microseconds_per_message", ".1f", compared=True)
MESSAGES = Quantity("messages/s", "messages_per_second", ",.0f")

EACH = Quantity("KiB/connection", "kib_per_connection", ".2f", compared=True)
BEFORE = Quantity("MiB before", "mib_before", ".1f")
AFTER = Quantity("MiB after", "mib_after", ".1f")

MEDIAN = Quantity("p50 ms", "latency_p50_ms", ".2f")
P99 = Quantity("p99 ms", "latency_p99_ms", ".2f", compared=True)
P999 = Quantity("p99.9 ms", "latency_p999_ms", ".2f")
SENT = Quantity("requests/s", "requests_per_second_sent", ",.0f")
LATE = Quantity("client late ms", "client_late_p99_ms", ".2f")


class Plan(NamedTuple):
    """How it is measured.

    Attributes:
        seconds: the length of a round.
        connections: how many are open; up- and downloads have one, and workloads over HTTP/2 and WebSocket have their
            own number.
        processors: which are used.
    """

    seconds: int
    connections: int
    processors: Processors


def measure(server: Server, workload: Workload, plan: Plan) -> Sample:
    """One round: the server is started anew, its answer checked, warmed up, measured, ended.

    Raises MeasurementError when it does not answer rightly.
    """
    with running(server, workload, plan.processors.server, crowded=workload.crowded) as started:
        if workload.streams is not None:
            return _streams(started, workload, workload.streams, plan)
        return _MEASURES[workload.kind](started, workload, plan)


def _requests(started: Running, workload: Workload, plan: Plan) -> Sample:
    """As many requests as it answers: what one costs."""
    _load(started, workload, plan, WARM_UP_SECONDS)
    load, usage = metered(started, plan.processors, lambda: _load(started, workload, plan, plan.seconds))
    if workload.logged and (lines := started.log_lines()) < load.requests:
        raise MeasurementError(f"wrote {lines:,} lines of access log for {load.requests:,} requests")
    return _sample(_by_number(usage, load), usage, bottleneck(usage.load_busy))


def _by_number(usage: Usage, load: Load) -> dict[Quantity, float]:
    return {COST: usage.server / load.requests * 1e6, RATE: load.per_second}


def _transfer(started: Running, workload: Workload, plan: Plan) -> Sample:
    """Large bodies, one after the other: what a GiB costs."""
    _transferred(started, workload, plan, 0)
    done, usage = metered(started, plan.processors, lambda: _transferred(started, workload, plan, plan.seconds))
    return _sample(_by_size(usage, done["bytes"], done["elapsed"]), usage, bottleneck(usage.load_busy))


def _by_size(usage: Usage, size: float, elapsed: float) -> dict[Quantity, float]:
    return {PER_GIB: usage.server / size * (1 << 30), SPEED: size / elapsed / 1e6}


def _latency(started: Running, workload: Workload, plan: Plan) -> Sample:
    """Half of what it can: how long an answer takes."""
    _load(started, workload, plan, WARM_UP_SECONDS)
    rate = _load(started, workload, plan, SATURATION_SECONDS).per_second * LOAD_SHARE
    timed, usage = metered(started, plan.processors, lambda: at_rate(started, workload, rate, plan))
    values = {MEDIAN: timed["p50"], P99: timed["p99"], P999: timed["p999"], SENT: rate, LATE: timed["late"]}
    return _sample(values, usage, lateness(timed["late"], timed["p99"]))


def _streams(started: Running, workload: Workload, streams: Streams, plan: Plan) -> Sample:
    """As many requests over HTTP/2 as should fill the round; none of them is cut off at its end."""

    def load(requests: int) -> Load:
        cpu = plan.processors.load
        return h2load.run(started.port, workload, streams, requests=requests, seconds=plan.seconds, cpu=cpu)

    fewest = streams.connections * streams.each
    warm = load(fewest)
    while warm.requests < warm.per_second * HALF_WARM_SECONDS:
        warm = load(warm.requests * 2)
    requests = max(fewest, round(warm.per_second * plan.seconds))
    done, usage = metered(started, plan.processors, lambda: load(requests))
    if workload.size:
        values = _by_size(usage, done.requests * workload.size, done.requests / done.per_second)
    else:
        values = _by_number(usage, done)
    return _sample(values, usage, bottleneck(usage.load_busy))


def _messages(started: Running, workload: Workload, plan: Plan) -> Sample:
    """As many messages as it answers: what one costs. The connections are open before, and until it is done."""
    timeout = plan.seconds + _SLACK_SECONDS
    arguments = (started.port, workload.name, WARM_UP_SECONDS, plan.seconds)
    with processes.ready("wsload", *arguments, cpu=plan.processors.load, timeout=timeout) as client:

        def load() -> dict[str, float]:
            done: dict[str, float] = json.loads(processes.answer(client, timeout))
            return done

        done, usage = metered(started, plan.processors, load, [psutil.Process(client.pid)])
    values = {PER_MESSAGE: usage.server / done["messages"] * 1e6, MESSAGES: done["messages"] / done["elapsed"]}
    return _sample(values, usage, bottleneck(usage.load_busy))


def _idle(started: Running, workload: Workload, plan: Plan) -> Sample:
    assert workload.messages is not None
    return idle(started, workload, workload.messages.connections)


def idle(started: Running, workload: Workload, connections: int) -> Sample:
    """What a server's processes have in memory, before and with so many connections, each of which was answered.

    Raises MeasurementError when it does not take them all, or does not keep them.
    """
    greet = partial(asking.ask_on, workload=workload)
    with ExitStack() as stack:
        crowd.gather(stack, started.port, WARM_UP_CONNECTIONS, greet)
    before = started.resident()
    with ExitStack() as stack:
        members = crowd.gather(stack, started.port, connections, greet)
        after = started.resident()
        if gone := crowd.lost(members):
            raise MeasurementError(f"closed {gone:,} of {connections:,} idle connections")
    values = {EACH: (after - before) / connections / 1024, BEFORE: before / 2**20, AFTER: after / 2**20}
    return Sample(values=values, disturbance=0.0)


_MEASURES: dict[Kind, Callable[[Running, Workload, Plan], Sample]] = {
    Kind.REQUESTS: _requests,
    Kind.UPLOAD: _transfer,
    Kind.DOWNLOAD: _transfer,
    Kind.LATENCY: _latency,
    Kind.MESSAGES: _messages,
    Kind.IDLE: _idle,
}


def bottleneck(busy: float) -> str:
    """What is to be said when the load generator took so much of its processor; empty if there is nothing."""
    if busy < SATURATED:
        return ""
    return (
        f"the load generator was the bottleneck ({SATURATED:.0%} of its processor or more), so the server can do more"
        " in a second than the table says; its processor time holds"
    )


def lateness(late: float, p99: float) -> str:
    """What is to be said when the client was late by so much; empty if there is nothing."""
    if late < LATE_SHARE * p99:
        return ""
    return "the client that measures was late itself, so the server is quicker than the table says"


# The clients


def at_rate(started: Running, workload: Workload, rate: float, plan: Plan) -> dict[str, float]:
    """Send so many requests a second. Returns what openloop.py prints."""
    return _client("openloop", started.port, workload.name, rate, plan.seconds, plan.connections, plan=plan)


def _load(started: Running, workload: Workload, plan: Plan, seconds: int) -> Load:
    """Send as many requests as are answered."""
    return wrk.run(started.url, workload.sent, connections=plan.connections, seconds=seconds, cpu=plan.processors.load)


def _transferred(started: Running, workload: Workload, plan: Plan, seconds: int) -> dict[str, float]:
    """Send or fetch as much as is possible. Returns what transfer.py prints."""
    return _client("transfer", started.port, workload.name, workload.size, seconds, plan=plan)


def _client(module: str, *arguments: object, plan: Plan) -> dict[str, float]:
    """Run one of our own clients to its end. Raises MeasurementError when it fails."""
    command = [sys.executable, "-m", f"loadtest.{module}", *map(str, arguments)]
    done = processes.run(command, timeout=plan.seconds + _SLACK_SECONDS, cpu=plan.processors.load)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _sample(values: dict[Quantity, float], usage: Usage, remark: str) -> Sample:
    return Sample(values=values, disturbance=usage.disturbance, load_busy=usage.load_busy, remark=remark)
