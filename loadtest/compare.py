"""Litmus, uvicorn and granian side by side: processor time for each request, and requests per second.

Run as ``python -m loadtest.compare`` in the root of the project. README.md tells how it is measured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from loadtest import command, machine, report, servers, wrk
from loadtest.apps import BODY
from loadtest.errors import MeasurementError
from loadtest.machine import Processors
from loadtest.report import COST, RATE, Result
from loadtest.servers import Server

WARM_UP_SECONDS = 1

SATURATED = 0.95
"""From this share of its processor on, the load generator was the bottleneck, not the server."""


@dataclass(frozen=True, kw_only=True)
class Sample(report.Sample):
    """One server, all its processes, under a load generator's load in one round.

    Attributes:
        per_second: the requests that it answered in a second.
        load_busy: how much of its processor the load generator took, from 0 to 1.
    """

    per_second: float
    load_busy: float

    def __str__(self) -> str:
        return f"{super().__str__()}  {self.per_second:9,.0f} requests/s"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code."""
    options = _parser().parse_args(arguments)
    return command.run("compare", lambda: _compare(options))


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("compare", __doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=command.positive, default=5, metavar="N", help="length of a round (5)")
    return parser


def _compare(options: argparse.Namespace) -> None:
    generator = wrk.version()
    processors = machine.processors()
    contenders = [servers.litmus(), *servers.peers()]
    facts = {
        **command.facts(),
        "load_generator": generator,
        "workload": f"GET /, {len(BODY)} bytes",
        "rounds": options.rounds,
        "seconds": options.seconds,
        "connections": options.connections,
        "processors": processors._asdict(),
    }
    print(headline(facts), flush=True)
    samples = command.in_rounds(
        contenders, options.rounds, lambda each: measure(each, processors, options.connections, options.seconds)
    )
    results = [result(each.name, each.version, samples[each.name]) for each in contenders]
    command.show(results, [*bottlenecks(samples), *report.remarks(results)])
    command.write(options.json, facts, as_json(results, samples))


def headline(facts: dict[str, Any]) -> str:
    """What is measured, and where."""
    processors = facts["processors"]
    lines = [
        f"{facts['workload']}; one worker on processor {processors['server']},"
        f" {facts['load_generator']} with {facts['connections']} connections on processor {processors['load']};"
        f" {facts['rounds']} rounds of {facts['seconds']} s each",
        command.place(facts),
    ]
    if not processors["apart"]:
        lines.append("Note: both processors are threads of one core, so the load generator slows the server down.")
    return "\n".join(lines)


def measure(server: Server, processors: Processors, connections: int, seconds: int) -> Sample:
    """One round of one server: started anew, its answer checked, warmed up, measured, ended."""
    used = (processors.server, processors.load)
    with servers.running(server, processors.server) as started:
        wrk.run(started.url, connections=connections, seconds=WARM_UP_SECONDS, cpu=processors.load)
        before, work_before = started.processor_time(), work_done(used)
        load = wrk.run(started.url, connections=connections, seconds=seconds, cpu=processors.load)
        after, work_after = started.processor_time(), work_done(used)
        if before.keys() != after.keys():
            raise MeasurementError("started or lost a process while it was measured")
    own = sum(after.values()) - sum(before.values())
    foreign = max(0.0, work_after - work_before - own - load.processor_seconds)
    return Sample(
        requests=load.requests,
        processor_seconds=own,
        disturbance=foreign / load.elapsed,
        per_second=load.per_second,
        load_busy=load.busy,
    )


def work_done(cpus: Iterable[int]) -> float:
    """Seconds that these processors have worked, for whomever, or were taken away by the hypervisor."""
    times = psutil.cpu_times(percpu=True)
    return sum(sum(times[cpu]) - _unworked(times[cpu]) for cpu in cpus)


def _unworked(times: Any) -> float:
    """What is not work; a guest's time is counted among the user's already."""
    return float(times.idle + times.iowait + times.guest + times.guest_nice)


def result(name: str, version: str, samples: Sequence[Sample]) -> Result:
    """Sum up a server's samples."""
    rounds = {COST: [each.microseconds for each in samples], RATE: [each.per_second for each in samples]}
    return Result(name, version, rounds, max(each.disturbance for each in samples))


def bottlenecks(samples: Mapping[str, Sequence[Sample]]) -> list[str]:
    """What a reader must not overlook where the load generator was the bottleneck."""
    return [
        f"{name}: the load generator was the bottleneck ({busy:.0%} of its processor), so the server"
        " can answer more requests per second than the table says; its processor time per request holds"
        for name, busy in _busiest(samples).items()
        if busy >= SATURATED
    ]


def as_json(results: Sequence[Result], samples: Mapping[str, Sequence[Sample]]) -> list[dict[str, Any]]:
    """The results with all their rounds, for JSON."""
    busiest = _busiest(samples)
    servers = report.as_json(results, command.BASELINE)
    return [{**each, "load_generator_busy": round(busiest[each["name"]], 3)} for each in servers]


def _busiest(samples: Mapping[str, Sequence[Sample]]) -> dict[str, float]:
    """Of each server the round in which the load generator took most of its processor."""
    return {name: max(each.load_busy for each in rounds) for name, rounds in samples.items()}


if __name__ == "__main__":
    sys.exit(main())
