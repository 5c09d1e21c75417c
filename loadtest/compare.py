"""Litmus and its peers side by side, as whole servers: what a request costs each of them.

Run as ``python -m loadtest.compare`` in the root of the project. README.md tells how it is measured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loadtest import command, crowd, h2load, machine, measures, plot, processes, report, servers, wrk
from loadtest.errors import MeasurementError
from loadtest.measures import Plan
from loadtest.plot import Panel
from loadtest.servers import Server
from loadtest.workloads import OVER, WORKLOADS, Kind, Protocol, Workload

ROUNDS, SECONDS, AGAIN = 3, 2, 2

_AROUND_SECONDS = 1.7
"""What starting, warming up and ending a server takes, about."""

_IDLE_SECONDS = 8
"""What opening and closing idle connections takes, about."""

RESULTS = processes.ROOT / "build" / "loadtest"

_FILES = {Protocol.HTTP1: "compare", Protocol.HTTP2: "http2", Protocol.WEBSOCKET: "websocket"}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.rounds is None:
        options.rounds = 1 if options.quick else ROUNDS
    if options.again is None:
        options.again = 0 if options.quick else AGAIN
    if options.seconds is None:
        options.seconds = 1 if options.quick else SECONDS
    if options.workloads is None:
        options.workloads = OVER[options.protocol]
    name = _FILES[options.protocol]
    options.json = options.json or RESULTS / f"{name}.json"
    options.plot = options.plot or RESULTS / f"{name}.svg"
    return command.run("compare", lambda: _compare(options))


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("compare", __doc__.partition("\n")[0], rounds=f"{ROUNDS}; 1 if quick")
    parser.add_argument(
        "--seconds", type=command.positive, metavar="N", help=f"length of a round ({SECONDS}; 1 if quick)"
    )
    parser.add_argument(
        "--again",
        type=command.natural,
        metavar="N",
        help=f"how often a round is repeated in which others disturbed it ({AGAIN}; 0 if quick)",
    )
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it works, and no more")
    parser.add_argument(
        "--workloads",
        type=command.some_of(tuple(WORKLOADS)),
        metavar="A,B",
        help=f"some of {', '.join(OVER[Protocol.HTTP1])} (all), {', '.join(OVER[Protocol.HTTP2])} (all with --http2),"
        f" {', '.join(OVER[Protocol.WEBSOCKET])} (all with --websocket)",
    )
    protocol = parser.add_mutually_exclusive_group()
    for option, value, words in (
        ("--http2", Protocol.HTTP2, "the workloads over HTTP/2, without TLS"),
        ("--websocket", Protocol.WEBSOCKET, "the workloads over WebSocket"),
    ):
        protocol.add_argument(option, action="store_const", dest="protocol", const=value, help=words)
    command.add_servers(parser, "all that are there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the results, in SVG, into this file")
    parser.set_defaults(connections=64, protocol=Protocol.HTTP1)
    return parser


def _compare(options: argparse.Namespace) -> None:
    workloads = [WORKLOADS[name] for name in options.workloads]
    generators = _generators(workloads, options.connections)
    plan = Plan(options.seconds, options.connections, machine.processors())
    _have_descriptors(workloads)
    contenders = [each for each in servers.find(options.servers) if any(map(each.serves, workloads))]
    if not contenders:
        raise MeasurementError("none of these servers can be asked any of these workloads")
    facts = {
        **command.facts(contenders),
        "load_generator": generators,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "again": options.again,
        "processors": plan.processors._asdict(),
    }
    print(f"{headline(facts)}\nThis takes about {_minutes(facts, workloads, contenders):.0f} minutes.", flush=True)
    panels: list[Panel] = []
    for workload in workloads:
        panels.append(_measured(workload, contenders, options, plan))
        _write(options, facts, panels)  # after each, so that an interruption leaves what has been measured
    print(f"Written: {options.json}, {options.plot}", flush=True)
    command.insist([result for panel in panels for result in panel.results])


def _generators(workloads: Sequence[Workload], connections: int) -> str:
    """Those that are needed, in words. Raises MeasurementError when one is not there."""
    words: dict[Protocol, Callable[[], str]] = {
        Protocol.HTTP1: lambda: f"{wrk.version()}, {connections} connections",
        Protocol.HTTP2: h2load.version,
        Protocol.WEBSOCKET: lambda: "loadtest.wsload",
    }
    return ", ".join(words[protocol]() for protocol in dict.fromkeys(each.protocol for each in workloads))


def _have_descriptors(workloads: Sequence[Workload]) -> None:
    """Raise MeasurementError when a workload has more connections than may be open; the limit is raised if need be."""
    most = max((each.messages.connections for each in workloads if each.messages is not None), default=0)
    if most and (possible := crowd.possible(most)) < most:
        raise MeasurementError(
            f"{most:,} connections need more descriptors than are allowed, which are enough for {possible:,}; raise"
            f" that with `ulimit -n {most + crowd.RESERVE}`, or leave out workloads with --workloads"
        )


def _minutes(facts: Mapping[str, Any], workloads: Sequence[Workload], contenders: Sequence[Server]) -> float:
    """How long it will take, about, when nobody disturbs it."""
    seconds = {one.name: _IDLE_SECONDS if one.kind is Kind.IDLE else facts["seconds"] for one in workloads}
    samples = [seconds[one.name] + _AROUND_SECONDS for each in contenders for one in workloads if each.serves(one)]
    return float(facts["rounds"] * sum(samples) / 60)


def headline(facts: Mapping[str, Any]) -> str:
    """What is measured, and where."""
    processors = facts["processors"]
    lines = [
        f"One worker on processor {processors['server']}, the load on processor {processors['load']}"
        f" ({facts['load_generator']}); {facts['rounds']} rounds of {facts['seconds']} s each",
        command.place(facts),
    ]
    if not processors["apart"]:
        lines.append("Note: both processors are threads of one core, so the load generator slows the server down.")
    return "\n".join(lines)


def _measured(workload: Workload, contenders: Sequence[Server], options: argparse.Namespace, plan: Plan) -> Panel:
    """All rounds of one workload, and the table of it."""
    print(f"\n{workload.name}: {workload.description}", flush=True)
    able = [each for each in contenders if each.serves(workload)]
    measure = command.undisturbed(lambda each: measures.measure(each, workload, plan), options.again)
    results = command.in_rounds(able, options.rounds, measure)
    command.show(results)
    return Panel(workload.name, workload.description, results)


def _write(options: argparse.Namespace, facts: Mapping[str, Any], panels: Sequence[Panel]) -> None:
    workloads = [
        {"name": panel.name, "description": panel.description, **report.as_json(panel.results)} for panel in panels
    ]
    command.write(options.json, {**facts, "workloads": workloads})
    lines = [f"Less is better. In grey: the ratio to {report.BASELINE}.", *headline(facts).splitlines()]
    unit = "message" if options.protocol is Protocol.WEBSOCKET else "request"
    lines += report.disturbances([result for panel in panels for result in panel.results])
    picture = plot.svg(f"What a {unit} costs: processor time of the whole server", lines, panels)
    options.plot.parent.mkdir(parents=True, exist_ok=True)
    options.plot.write_text(picture)


if __name__ == "__main__":
    sys.exit(main())
