"""Litmus, uvicorn and granian side by side: processor time for each request, and requests per second.

Run as ``python -m loadtest.compare`` in the root of the project. README.md tells how it is measured.
"""

from __future__ import annotations

import argparse
import datetime
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtest import machine, report, servers, wrk
from loadtest.apps import BODY
from loadtest.errors import MeasurementError
from loadtest.machine import Processors
from loadtest.report import Result, Sample
from loadtest.servers import Server

BASELINE = "uvicorn"
WARM_UP_SECONDS = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code: 0 measured, 1 could not measure, 130 interrupted."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: with nothing left running
    try:
        _compare(options)
    except MeasurementError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("compare: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="compare", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=_positive, default=5, metavar="N", help="rounds for each server (5)")
    parser.add_argument("--seconds", type=_positive, default=5, metavar="N", help="length of a round (5)")
    parser.add_argument("--connections", type=_positive, default=64, metavar="N", help="open connections (64)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results, with every round, to this file")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _compare(options: argparse.Namespace) -> None:
    generator = wrk.version()
    processors = machine.processors()
    contenders = [servers.litmus(), *servers.peers()]
    facts = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "load_generator": generator,
        "workload": f"GET /, {len(BODY)} bytes",
        "rounds": options.rounds,
        "seconds": options.seconds,
        "connections": options.connections,
        "processors": processors._asdict(),
    }
    print(headline(facts), flush=True)
    samples = _measure(contenders, processors, options)
    results = [Result.of(each.name, each.version, samples[each.name]) for each in contenders]
    print(f"\n{report.table(results, BASELINE)}\n")
    for remark in report.remarks(results):
        print(f"Note: {remark}.\n")
    if options.json is not None:
        document = {**facts, "baseline": BASELINE, "servers": report.as_json(results, BASELINE, samples)}
        options.json.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def headline(facts: dict[str, Any]) -> str:
    """What is measured, and where."""
    on, processors = facts["machine"], facts["processors"]
    lines = [
        f"{facts['workload']}; one worker on processor {processors['server']},"
        f" {facts['load_generator']} with {facts['connections']} connections on processor {processors['load']};"
        f" {facts['rounds']} rounds of {facts['seconds']} s each",
        f"{on['cpu']}, {on['processors']} processors, {on['kernel']}, {on['python']},"
        f" load average {on['load_average']:.2f}, {facts['date']}",
    ]
    if not processors["apart"]:
        lines.append("Note: both processors are threads of one core, so the load generator slows the server down.")
    return "\n".join(lines)


def _measure(
    contenders: Sequence[Server], processors: Processors, options: argparse.Namespace
) -> dict[str, list[Sample]]:
    """All rounds, interleaved, so that what changes on the machine meanwhile meets all servers alike."""
    samples: dict[str, list[Sample]] = {each.name: [] for each in contenders}
    for number in range(1, options.rounds + 1):
        for each in contenders:
            sample = measure(each, processors, options.connections, options.seconds)
            samples[each.name].append(sample)
            progress = f"round {number}/{options.rounds}  {each.name:8}  {sample.microseconds:6.1f} µs/request"
            print(f"{progress}  {sample.per_second:9,.0f} requests/s", file=sys.stderr, flush=True)
    return samples


def measure(server: Server, processors: Processors, connections: int, seconds: int) -> Sample:
    """One round of one server: started anew, its answer checked, warmed up, measured, ended."""
    used = (processors.server, processors.load)
    with servers.running(server, processors.server) as started:
        wrk.run(started.url, connections=connections, seconds=WARM_UP_SECONDS, cpu=processors.load)
        before, work_before = started.processor_time(), machine.work_done(used)
        load = wrk.run(started.url, connections=connections, seconds=seconds, cpu=processors.load)
        after, work_after = started.processor_time(), machine.work_done(used)
        if before.keys() != after.keys():
            raise MeasurementError("started or lost a process while it was measured")
    own = sum(after.values()) - sum(before.values())
    foreign = max(0.0, work_after - work_before - own - load.processor_seconds)
    return Sample(load.requests, load.per_second, own, load.busy, foreign / load.elapsed)


if __name__ == "__main__":
    sys.exit(main())
