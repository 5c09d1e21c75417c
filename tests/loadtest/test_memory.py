"""Idle connections and slow ones, from end to end."""

import json
import os
from pathlib import Path

import pytest

from loadtest import crowd, idle, servers, slow
from loadtest.errors import MeasurementError


def test_idle_connections(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "idle.json"
    assert idle.main(["--connections=300", "--servers=litmus", f"--json={file}"]) == 0
    assert capsys.readouterr().out.startswith("300 idle keep-alive connections; 1 rounds\n")
    document = json.loads(file.read_text())
    (litmus,) = document["servers"]
    assert (document["connections"], document["compared"]) == (300, ["kib_per_connection"])
    assert litmus["mib_after"]["median"] >= litmus["mib_before"]["median"] > 0


def test_fewer_are_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(crowd, "possible", lambda _: 300)
    assert idle.main(["--connections=5000", "--servers=litmus"]) == 0
    assert capsys.readouterr().out.startswith(
        "300 idle keep-alive connections, not 5,000: no more descriptors are allowed here (`ulimit -n`); 1 rounds\n"
    )


def test_connections_that_are_closed_are_not_idle(monkeypatch: pytest.MonkeyPatch, cpu: int) -> None:
    monkeypatch.setattr(crowd, "lost", lambda members: len(members))
    with pytest.raises(MeasurementError, match="closed 2 of 2 idle connections"):
        idle.measure(servers.find(["litmus"])[0], 2, cpu)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one processor only")
def test_slow_clients(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "slow.json"
    assert slow.main(["--connections=6", "--seconds=1", f"--json={file}"]) == 0
    (litmus,) = json.loads(file.read_text())["servers"]
    assert {key: litmus[key]["median"] for key in litmus if key.endswith(("_held", "_cut"))} == {
        "heads_held": 2,
        "bodies_held": 2,
        "reads_held": 2,
        "heads_cut": 0,
        "bodies_cut": 0,
        "reads_cut": 0,
    }
    assert litmus["p99_attacked_ms"]["median"] > 0
    assert "\nlitmus " in capsys.readouterr().out
