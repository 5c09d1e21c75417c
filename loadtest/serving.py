"""The floor, Litmus and uvicorn side by side: processor time that serving a request takes, and nothing else.

Run as ``python -m loadtest.serving`` in the root of the project. README.md tells how it is measured.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from collections.abc import Sequence
from typing import Any

from loadtest import command, installed, machine, processes, report
from loadtest.errors import MeasurementError
from loadtest.installed import Installed
from loadtest.report import COST, Sample
from loadtest.workloads import ALONE, WORKLOADS

_START_SECONDS = 60.0
_REQUEST_SECONDS = 0.001  # many times what a request takes
_OTHER_DESCRIPTORS = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code."""
    options = _parser().parse_args(arguments)
    return command.run("serving", lambda: _compare(options))


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("serving", __doc__.partition("\n")[0])
    parser.add_argument(
        "--requests", type=command.positive, default=30_000, metavar="N", help="requests in a round (30000)"
    )
    parser.add_argument("--workload", choices=ALONE, default="hello", help="what is asked for (hello)")
    parser.set_defaults(rounds=5, connections=64)
    return parser


def _compare(options: argparse.Namespace) -> None:
    _check_descriptors(options.connections)
    litmus = installed.litmus()
    floor = Installed("floor", f"({installed.uvloop()})", sys.executable)
    contenders = [floor, *litmus.values(), installed.peers()["uvicorn"]]
    cpu = machine.usable_processors()[-1]
    facts = {
        **command.facts(contenders),
        "workload": options.workload,
        "description": WORKLOADS[options.workload].description,
        "rounds": options.rounds,
        "requests": options.requests,
        "connections": options.connections,
        "processor": cpu,
    }
    print(headline(facts), flush=True)
    results = command.in_rounds(
        contenders,
        options.rounds,
        lambda each: measure(each, options.workload, options.connections, options.requests, cpu),
    )
    command.show(results)
    command.write(options.json, {**facts, **report.as_json(results)})
    command.insist(results)


def _check_descriptors(connections: int) -> None:
    """Raise MeasurementError when so many connections, with both their ends, cannot be open."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * connections + _OTHER_DESCRIPTORS
    if limit != resource.RLIM_INFINITY and limit < needed:
        raise MeasurementError(
            f"{connections} connections need {needed} descriptors, {limit} are allowed; raise that with"
            f" `ulimit -n {needed}`"
        )


def headline(facts: dict[str, Any]) -> str:
    """What is measured, and where."""
    return (
        f"{facts['workload']}: {facts['description']}; server and client by turns in one thread on processor"
        f" {facts['processor']}, {facts['connections']} connections;"
        f" {facts['rounds']} rounds of {facts['requests']:,} requests each\n"
        f"{command.place(facts)}"
    )


def measure(server: Installed, workload: str, connections: int, requests: int, cpu: int) -> Sample:
    """One round of one server, in a process of its own. Raises MeasurementError when it does not answer rightly."""
    inside = [server.program, "-m", "loadtest.inside", server.name, workload, str(connections), str(requests)]
    timeout = _START_SECONDS + requests * _REQUEST_SECONDS
    return sample(json.loads(processes.run(inside, timeout=timeout, cpu=cpu, variables=server.variables).stdout))


def sample(measured: dict[str, Any]) -> Sample:
    """What inside.py has printed. It never waits, so all the time that it did not work others had its processor."""
    taken = 1 - measured["processor_seconds"] / measured["elapsed"]
    cost = measured["processor_seconds"] / measured["requests"] * 1e6
    return Sample(values={COST: cost}, disturbance=max(0.0, taken))


if __name__ == "__main__":
    sys.exit(main())
