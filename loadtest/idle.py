"""What an idle keep-alive connection costs each server in memory.

Run as ``python -m loadtest.idle`` in the root of the project. README.md tells how it is measured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from loadtest import command, crowd, machine, measures, report, servers
from loadtest.report import Sample
from loadtest.running import running
from loadtest.servers import Server
from loadtest.workloads import WORKLOADS

CONNECTIONS = 10_000
SERVERS = ["litmus", "uvicorn", "granian"]

_WORKLOAD = WORKLOADS["hello"]


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
        return measures.idle(started, _WORKLOAD, connections)


if __name__ == "__main__":
    sys.exit(main())
