"""What an idle keep-alive connection costs each server in memory.

Run as ``python -m loadtest.idle`` in the root of the project. README.md tells how it is measured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from loadtest import command, crowd, machine, report, servers
from loadtest.errors import MeasurementError
from loadtest.report import Quantity, Sample
from loadtest.running import running
from loadtest.servers import Server
from loadtest.workloads import WORKLOADS

CONNECTIONS = 10_000
SERVERS = ["litmus", "uvicorn", "granian"]

WARM_UP_CONNECTIONS = 64
"""Opened and closed before: what a server sets up once is no cost of a connection."""

_WORKLOAD = WORKLOADS["hello"]

EACH = Quantity("KiB/connection", "kib_per_connection", ".2f", compared=True)
BEFORE = Quantity("MiB before", "mib_before", ".1f")
AFTER = Quantity("MiB after", "mib_after", ".1f")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code."""
    options = _parser().parse_args(arguments)
    return command.run("idle", lambda: _compare(options))


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("idle", __doc__.partition("\n")[0])
    command.add_servers(parser, ", ".join(SERVERS))
    parser.set_defaults(rounds=1, connections=CONNECTIONS, servers=SERVERS)
    return parser


def _compare(options: argparse.Namespace) -> None:
    connections = crowd.possible(options.connections)
    contenders = servers.find(options.servers)
    facts = {**command.facts(contenders), "rounds": options.rounds, "connections": connections}
    fewer = f", not {options.connections:,}: no more descriptors are allowed here (`ulimit -n`)"
    print(
        f"{connections:,} idle keep-alive connections{fewer if connections < options.connections else ''};"
        f" {options.rounds} rounds\n{command.place(facts)}",
        flush=True,
    )
    cpu = machine.usable_processors()[-1]
    results = command.in_rounds(contenders, options.rounds, lambda each: measure(each, connections, cpu))
    command.show(results)
    command.write(options.json, {**facts, **report.as_json(results)})
    command.insist(results)


def measure(server: Server, connections: int, cpu: int) -> Sample:
    """One round: what a server's processes have in memory, before and with the connections.

    Raises MeasurementError when it does not take them all, or does not keep them.
    """
    with running(server, _WORKLOAD, cpu, crowded=True) as started:
        with ExitStack() as stack:
            crowd.gather(stack, started.port, WARM_UP_CONNECTIONS, _WORKLOAD)
        before = started.resident()
        with ExitStack() as stack:
            members = crowd.gather(stack, started.port, connections, _WORKLOAD)
            after = started.resident()
            if gone := crowd.lost(members):
                raise MeasurementError(f"closed {gone:,} of {connections:,} idle connections")
    values = {EACH: (after - before) / connections / 1024, BEFORE: before / 2**20, AFTER: after / 2**20}
    return Sample(values=values, disturbance=0.0)


if __name__ == "__main__":
    sys.exit(main())
