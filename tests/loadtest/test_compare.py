import json
import os
import shutil
import sysconfig
from pathlib import Path
from xml.etree import ElementTree

import pytest

from loadtest import compare, installed, machine, measures, processes, servers
from loadtest.errors import MeasurementError
from loadtest.workloads import OVER, WORKLOADS, Protocol

WORDS = {"hello": "processor_seconds", "latency": "latency_p99_ms"}

needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="there is no wrk: apt-get install wrk")
needs_h2load = pytest.mark.skipif(
    shutil.which("h2load") is None, reason="there is no h2load: apt-get install nghttp2-client"
)
needs_two = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one processor only")


# From end to end


@needs_wrk
@needs_two
@pytest.mark.usefixtures("small_bodies")
def test_each_kind_of_workload(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measures, "SATURATION_SECONDS", 1)
    file, picture = tmp_path / "results" / "all.json", tmp_path / "results" / "all.svg"
    options = ["--quick", "--servers=litmus", "--workloads=logged,upload,download,latency", "--connections=4"]
    assert compare.main([*options, f"--json={file}", f"--plot={picture}"]) == 0
    printed = capsys.readouterr()
    assert "1 rounds of 1 s each" in printed.out
    assert machine.python_build() in printed.out
    assert printed.out.count("\nlitmus  ") == 4
    assert [line.split()[2] for line in printed.err.splitlines()] == ["litmus"] * 4
    document = json.loads(file.read_text())
    assert document["versions"]["litmus"].split(" ")[1] in ("(pure,", "(compiled,")
    assert [workload["compared"] for workload in document["workloads"]] == [
        ["microseconds_per_request"],
        ["processor_seconds_per_gib"],
        ["processor_seconds_per_gib"],
        ["latency_p99_ms"],
    ]
    assert "logged: µs/request" in "".join(ElementTree.parse(picture).getroot().itertext())


@needs_h2load
@needs_two
def test_each_kind_of_workload_over_http2(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measures, "HALF_WARM_SECONDS", 0.01)
    monkeypatch.setattr(compare, "RESULTS", tmp_path)
    options = ["--http2", "--quick", "--servers=litmus", "--workloads=h2,h2-upload,h2-download"]
    assert compare.main(options) == 0
    first, *_ = capsys.readouterr().out.splitlines()
    assert "(h2load nghttp2/" in first
    assert "connections" not in first
    document = json.loads((tmp_path / "http2.json").read_text())
    assert [workload["compared"] for workload in document["workloads"]] == [
        ["microseconds_per_request"],
        ["processor_seconds_per_gib"],
        ["processor_seconds_per_gib"],
    ]
    assert "h2: µs/request" in "".join(ElementTree.parse(tmp_path / "http2.svg").getroot().itertext())


def test_what_is_measured_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[tuple[str, ...]] = []
    monkeypatch.setattr(compare, "_compare", lambda options: measured.append((*options.workloads, options.json.name)))
    for arguments in ([], ["--http2"], ["--http2", "--workloads=h2"], ["--websocket"]):
        assert compare.main(arguments) == 0
    assert measured == [
        (*OVER[Protocol.HTTP1], "compare.json"),
        (*OVER[Protocol.HTTP2], "http2.json"),
        ("h2", "http2.json"),
        (*OVER[Protocol.WEBSOCKET], "websocket.json"),
    ]


@needs_wrk
@needs_two
def test_one_that_fails_does_not_end_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object) -> None:
        raise MeasurementError("failed some requests")

    monkeypatch.setattr(measures, "measure", failing)
    file, picture = tmp_path / "all.json", tmp_path / "all.svg"
    options = ["--servers=litmus", "--workloads=hello,browser"]
    assert compare.main([*options, f"--json={file}", f"--plot={picture}"]) == 1
    printed = capsys.readouterr()
    assert printed.out.count("\nlitmus: failed") == 2
    assert printed.err.endswith("compare: could not measure litmus\n")
    assert [workload["name"] for workload in json.loads(file.read_text())["workloads"]] == ["hello", "browser"]


@pytest.mark.parametrize(
    "arguments",
    [["--rounds", "0"], ["--seconds", "x"], ["--connections", "-1"], ["--workloads=a"], ["--servers=apache"], ["more"]],
)
def test_mistakes_on_the_command_line(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        compare.main(arguments)
    assert raised.value.code == 2


# What is told


def test_the_headline() -> None:
    facts = {
        "date": "2026-11-21T02:00:00+00:00",
        "machine": {**machine.describe(), "load_average": 0.1},
        "commit": "1234abc-dirty",
        "versions": {"litmus": "0.1.0 (pure, uvloop 1)", "nginx": "1.22.1"},
        "load_generator": "wrk 4.1.0, 64 connections",
        "rounds": 5,
        "seconds": 4,
        "processors": {"server": 1, "load": 0, "apart": False},
    }
    first, second, third, note = compare.headline(facts).splitlines()
    assert first.startswith("One worker on processor 1, the load on processor 0 (wrk 4.1.0, 64 connections)")
    assert second.endswith("load average 0.10, 2026-11-21T02:00:00+00:00, commit 1234abc-dirty")
    assert third == "litmus 0.1.0 (pure, uvloop 1), nginx 1.22.1"
    assert note.startswith("Note: both processors are threads of one core")


def test_the_builds_of_litmus() -> None:
    builds = installed.litmus()
    assert builds["litmus"].variables == {}
    if "litmus-pure" in builds:
        assert "(compiled, " in builds["litmus"].version
        assert builds["litmus-pure"].version == builds["litmus"].version.replace("compiled", "pure")


def test_a_version_that_is_not_understood() -> None:
    with pytest.raises(MeasurementError, match="not understood: litmusd 9"):
        installed.build("litmusd 9", "uvloop 1")


def test_the_commit_where_there_is_a_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processes, "ROOT", tmp_path)
    assert installed.commit() is None


# Workloads


def test_the_browser_sends_twelve_headers() -> None:
    _, *headers = WORKLOADS["browser"].request.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert len({header.partition(b": ")[0] for header in headers}) == 12


def test_varied_requests_differ() -> None:
    varied = WORKLOADS["varied"]
    assert varied.numbered(1) != varied.numbered(2)
    assert b"{" not in varied.numbered(1)
    assert WORKLOADS["browser"].numbered(1) == WORKLOADS["browser"].request


def test_the_echo_is_a_kib() -> None:
    echo = WORKLOADS["echo"]
    assert len(echo.answer) == 1024
    assert json.dumps(json.loads(echo.answer)).encode("ascii") == echo.answer
    assert echo.request.endswith(b"\r\nContent-Length: 1024\r\n\r\n" + echo.answer)


# The machine


@pytest.mark.parametrize(("text", "cpus"), [("0\n", {0}), ("0,4\n", {0, 4}), ("2-4,7", {2, 3, 4, 7})])
def test_the_kernel_s_lists_of_processors(text: str, cpus: set[int]) -> None:
    assert machine.parse_list(text) == cpus


def test_server_and_load_generator_are_kept_on_different_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(machine, "siblings", lambda cpu: {cpu, cpu ^ 1})
    assert machine.processors() == (3, 0, True)
    monkeypatch.setattr(machine, "siblings", lambda _: {0, 1, 2, 3})
    assert machine.processors() == (3, 0, False)


def test_one_processor_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5})
    with pytest.raises(MeasurementError, match="one processor only"):
        machine.processors()


@pytest.mark.parametrize(
    ("arguments", "slow"), [("'--enable-optimizations' '--with-lto'", False), ("", True), (None, True)]
)
def test_a_slowly_built_python_is_told(arguments: str | None, slow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_config_var", lambda _: arguments)
    assert ("configured without --enable-optimizations" in machine.python_build()) is slow


def test_all_servers_are_known() -> None:
    assert servers.NAMES[:2] == ("litmus", "litmus-pure")
