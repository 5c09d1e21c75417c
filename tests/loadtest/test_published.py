"""The published result is what was measured."""

import json

import pytest

from loadtest import published
from loadtest.processes import ROOT
from loadtest.workloads import OVER, Protocol

README = ROOT / "README.md"


ALL = {
    "compare": OVER[Protocol.HTTP1],
    "http2": OVER[Protocol.HTTP2],
    "websocket": OVER[Protocol.WEBSOCKET],
}


@pytest.mark.parametrize("name", sorted(file.stem for file in published.RESULTS.glob("*.json")))
def test_the_readme_shows_the_published_results(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert published.main([name]) == 0
    shown = capsys.readouterr().out
    assert shown in README.read_text()
    assert f"(loadtest/results/{name}.svg)" in README.read_text()
    document = json.loads((published.RESULTS / f"{name}.json").read_text())
    assert tuple(workload["name"] for workload in document["workloads"]) == ALL[name]
    assert shown.count("\n| `") == len(ALL[name])


def test_what_was_not_measured_is_left_blank_and_disturbed_rounds_are_told() -> None:
    def server(name: str, median: float, disturbance: float) -> dict[str, object]:
        figure = {"median": median, "ratio": {"median": median / 10}}
        return {"name": name, "microseconds_per_request": figure, "disturbance": disturbance}

    workloads = [
        {
            "name": "hello",
            "compared": ["microseconds_per_request"],
            "servers": [server("litmus", 4.0, 0.04), server("uvicorn", 10.0, 0.25)],
        },
        {
            "name": "browser",
            "compared": ["microseconds_per_request"],
            "servers": [server("uvicorn", 10.0, 0.04), {"name": "litmus", "failure": "failed some requests"}],
        },
        {
            "name": "large",
            "compared": ["microseconds_per_request"],
            "servers": [server("uvicorn", 10.0, 0.04)],
        },
    ]
    machine = {"python": "CPython 3.11.2", "kernel": "Linux 6.1", "cpu": "Some", "processors": 2}
    versions = {"litmus": "0.1.0 (compiled)", "uvicorn": "0.54.0 (uvloop)"}
    facts = {"date": "2026-11-21T13:00:00", "commit": "abc", "rounds": 3, "seconds": 2}
    lines = published.markdown({**facts, "machine": machine, "versions": versions, "workloads": workloads}).splitlines()
    assert lines[0].startswith("2026-11-21, commit abc: litmus 0.1.0, uvicorn 0.54.0; CPython 3.11.2, Linux 6.1, Some")
    assert lines[2:] == [
        "| workload | litmus | uvicorn |",
        "| --- | --: | --: |",
        "| `hello`, µs/request | 4.0 (0.40) | 10.0 (1.00) |",
        "| `browser`, µs/request | failed | 10.0 (1.00) |",
        "| `large`, µs/request |  | 10.0 (1.00) |",
        "",
        "The machine was not idle: others took up to 25% of a processor in a round,"
        " 4% in the median of the worst rounds. Trust ratios more than times, and latencies least.",
    ]
