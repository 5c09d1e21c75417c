"""The result that README.md shows, in Markdown.

``python -m loadtest.published`` prints it from ``results/compare.json``, which ``loadtest.compare`` has written, and
with ``http2`` or ``websocket`` from those of ``--http2`` and ``--websocket``, ``results/http2.json`` and
``results/websocket.json``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final

from loadtest import measures, processes, report

RESULTS: Final = processes.ROOT / "loadtest" / "results"

_COMPARED: Final = (report.COST, measures.PER_GIB, measures.P99, measures.PER_MESSAGE, measures.EACH)
_QUANTITIES: Final = {each.key: each for each in _COMPARED}


def markdown(document: Mapping[str, Any]) -> str:
    """Where and what was measured, and a table: for each workload and server what is compared, and its ratio."""
    workloads = document["workloads"]
    names = list(dict.fromkeys(server["name"] for workload in workloads for server in workload["servers"]))
    rows = [["workload", *names], ["---", *["--:"] * len(names)]]
    for workload in workloads:
        quantity = _QUANTITIES[workload["compared"][0]]
        servers = {server["name"]: server for server in workload["servers"]}
        title = f"`{workload['name']}`, {quantity.title}"
        rows.append([title, *(_cell(servers.get(name, {}), quantity) for name in names)])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{_place(document)}\n\n{table}\n{_notes(workloads)}"


def _cell(server: Mapping[str, Any], quantity: report.Quantity) -> str:
    if "failure" in server:
        return "failed"
    if quantity.key not in server:
        return ""
    figure = server[quantity.key]
    return f"{figure['median']:{quantity.spelling}} ({figure['ratio']['median']:.2f})"


def _place(document: Mapping[str, Any]) -> str:
    machine = document["machine"]
    versions = ", ".join(f"{name} {version.partition(' ')[0]}" for name, version in document["versions"].items())
    return (
        f"{document['date'][:10]}, commit {document['commit']}: {versions}; {machine['python']}, {machine['kernel']},"
        f" {machine['cpu']} with {machine['processors']} processors; the median of {document['rounds']} rounds of"
        f" {document['seconds']} s, in brackets the ratio to {report.BASELINE}."
    )


def _notes(workloads: list[Mapping[str, Any]]) -> str:
    disturbances = [server.get("disturbance", 0.0) for workload in workloads for server in workload["servers"]]
    worst = max(disturbances)
    if worst < report.DISTURBED:
        return ""
    return (
        f"\nThe machine was not idle: others took up to {worst:.0%} of a processor in a round,"
        f" {median(disturbances):.0%} in the median of the worst rounds."
        " Trust ratios more than times, and latencies least.\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code."""
    name, *_ = [*(sys.argv[1:] if arguments is None else arguments), "compare"]
    print(markdown(json.loads((RESULTS / f"{name}.json").read_text())), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
