"""What a well-behaved client notices while many others are slow on purpose, and what that costs in memory.

Run as ``python -m loadtest.slow`` in the root of the project. README.md tells how it is measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
from collections.abc import Sequence
from functools import partial

import psutil

from loadtest import command, crowd, machine, measures, processes, report, servers
from loadtest.attack import KINDS
from loadtest.machine import Processors
from loadtest.measures import Plan
from loadtest.metering import metered
from loadtest.report import Quantity, Sample
from loadtest.running import running
from loadtest.servers import Server
from loadtest.workloads import WORKLOADS

ATTACKERS = 2_000
SECONDS = 40

RATE = 200
"""Requests a second of the well-behaved client: so few that it notices what the others do, and nothing of itself."""

CONNECTIONS = 8

_READY_SECONDS = 30.0
_SETTLE_SECONDS = 1
"""What the server gets, with the well-behaved client's requests, to notice that the others have left."""

_WORKLOAD = dataclasses.replace(WORKLOADS["hello"], application="mixed")

QUIET_P50 = Quantity("p50 quiet", "p50_quiet_ms", ".2f")
QUIET_P99 = Quantity("p99 quiet", "p99_quiet_ms", ".2f")
P50 = Quantity("p50 attacked", "p50_attacked_ms", ".2f")
P99 = Quantity("p99 attacked", "p99_attacked_ms", ".2f", compared=True)
BEFORE = Quantity("MiB before", "mib_before", ".1f")
DURING = Quantity("MiB attacked", "mib_attacked", ".1f")
AFTER = Quantity("MiB after", "mib_after", ".1f")
HELD = {kind: Quantity(f"{kind} held", f"{kind}_held", ",.0f") for kind in KINDS}
CUT = {kind: Quantity(f"{kind} cut", f"{kind}_cut", ",.0f") for kind in KINDS}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code."""
    options = _parser().parse_args(arguments)
    return command.run("slow", lambda: _compare(options))


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("slow", __doc__.partition("\n")[0])
    parser.add_argument(
        "--seconds", type=command.positive, metavar="N", help="how long is quiet, and how long is attack (%(default)s)"
    )
    command.add_servers(parser, "litmus")
    parser.set_defaults(rounds=1, connections=ATTACKERS, seconds=SECONDS, servers=["litmus"])
    return parser


def _compare(options: argparse.Namespace) -> None:
    processors = machine.processors()
    attackers = crowd.possible(options.connections)
    contenders = servers.find(options.servers)
    facts = {
        **command.facts(contenders),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "connections": attackers,
        "rate": RATE,
        "processors": processors._asdict(),
    }
    print(
        f"{RATE} requests a second on {CONNECTIONS} connections, {options.seconds} s quiet and {options.seconds} s"
        f" while {attackers:,} others send heads, send bodies or read answers a byte at a time; latencies in ms\n"
        f"{command.place(facts)}",
        flush=True,
    )
    results = command.in_rounds(
        contenders, options.rounds, lambda each: measure(each, attackers, options.seconds, processors)
    )
    command.show(results)
    command.write(options.json, {**facts, **report.as_json(results)})
    command.insist(results)


def measure(server: Server, attackers: int, seconds: int, processors: Processors) -> Sample:
    """One round: quiet, and attacked. Raises MeasurementError when the well-behaved client is not served."""
    with running(server, _WORKLOAD, processors.server) as started:
        polite = partial(measures.at_rate, started, _WORKLOAD, RATE)
        plan = Plan(seconds, CONNECTIONS, processors)
        quiet, usage_quiet = metered(started, processors, lambda: polite(plan))
        before = started.resident()
        with processes.ready("attack", started.port, attackers, cpu=processors.load, timeout=_READY_SECONDS) as attack:
            busy, usage = metered(started, processors, lambda: polite(plan), [psutil.Process(attack.pid)])
            during = started.resident()
            outcome = dismiss(attack)
        polite(plan._replace(seconds=_SETTLE_SECONDS))
        after = started.resident()
    values = {
        QUIET_P50: quiet["p50"],
        P50: busy["p50"],
        QUIET_P99: quiet["p99"],
        P99: busy["p99"],
        BEFORE: before / 2**20,
        DURING: during / 2**20,
        AFTER: after / 2**20,
        **{HELD[kind]: outcome[kind]["connected"] for kind in KINDS},
        **{CUT[kind]: outcome[kind]["cut"] for kind in KINDS},
    }
    return Sample(
        values=values,
        disturbance=max(usage_quiet.disturbance, usage.disturbance),
        remark=measures.lateness(busy["late"], busy["p99"]),
    )


def dismiss(attack: subprocess.Popen[str]) -> dict[str, dict[str, int]]:
    """Have the slow clients leave. Returns what became of each kind."""
    output, _ = attack.communicate(timeout=_READY_SECONDS)
    outcome: dict[str, dict[str, int]] = json.loads(output)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
