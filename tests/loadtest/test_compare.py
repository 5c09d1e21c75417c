import json
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from loadtest import compare, machine, processes, report, servers, wrk
from loadtest.apps import BODY
from loadtest.compare import Sample
from loadtest.errors import MeasurementError
from loadtest.report import COST, RATE, Figure, Result
from loadtest.servers import Server

WRK = """\
Running 2s test @ http://127.0.0.1:8000/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.15ms  312.11us   9.02ms   89.12%
    Req/Sec    55.73k     3.58k   61.11k    70.00%
  110876 requests in 2.00s, 12.16MB read
Requests/sec:  55391.64
Transfer/sec:      6.08MB
"""
SOCKET_ERRORS = "  Socket errors: connect 0, read 3, write 0, timeout 1\n"
BAD_STATUS = "  Non-2xx or 3xx responses: 17\n"


def sample(microseconds: float, per_second: float = 1000.0, load_busy: float = 0.5, disturbance: float = 0.0) -> Sample:
    return Sample(
        requests=100_000,
        processor_seconds=microseconds / 10,
        disturbance=disturbance,
        per_second=per_second,
        load_busy=load_busy,
    )


# The load generator


def test_what_wrk_prints_is_understood() -> None:
    assert wrk.parse(WRK) == (110876, 55391.64)


@pytest.mark.parametrize("line", [SOCKET_ERRORS, BAD_STATUS])
def test_failed_requests_are_not_counted_as_fast_ones(line: str) -> None:
    with pytest.raises(MeasurementError, match=r"failed some requests \(.* \d+\)"):
        wrk.parse(WRK.replace("Requests/sec", f"{line}Requests/sec"))


def test_no_request_is_no_measurement() -> None:
    with pytest.raises(MeasurementError, match="answered no request"):
        wrk.parse(WRK.replace("110876 requests", "0 requests"))


def test_an_unknown_output_is_shown() -> None:
    with pytest.raises(MeasurementError, match="not understood:\nwrk 9"):
        wrk.parse("wrk 9\n")


def test_a_missing_load_generator(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert compare.main([]) == 1
    assert capsys.readouterr().err == "compare: the load generator is missing: apt-get install wrk\n"


def test_the_load_generator_s_own_share() -> None:
    assert wrk.Load(requests=1, per_second=1.0, processor_seconds=1.9, elapsed=2.0).busy == pytest.approx(0.95)


# Figures


def test_processor_time_per_request() -> None:
    assert report.Sample(requests=50_000, processor_seconds=1.5, disturbance=0.0).microseconds == pytest.approx(30.0)


def test_a_round_in_words() -> None:
    assert str(sample(12.34, per_second=80_123.4)) == "  12.3 µs/request     80,123 requests/s"


def test_median_and_range_over_the_rounds() -> None:
    assert Figure.of([30.0, 10.0, 11.0]) == Figure(11.0, 10.0, 30.0)
    assert Figure.of([10.0, 20.0]).median == 15.0


def test_the_worst_round_speaks_for_the_machine() -> None:
    result = compare.result("litmus", "1", [sample(10), sample(12, disturbance=0.2)])
    assert result.disturbance == 0.2
    assert result.figure(COST).median == pytest.approx(11)


RESULTS = [
    Result(
        "litmus",
        "0.1.0 (pure, uvloop 1)",
        {COST: [11.5, 12.04, 13.0], RATE: [81000.0, 79000.0, 80000.0]},
        disturbance=0.01,
    ),
    Result("uvicorn", "0.54.0", {COST: [30.1, 29.0, 33.25], RATE: [32000.0, 30000.4, 33000.0]}, disturbance=0.0),
]


def test_the_table() -> None:
    assert report.table(RESULTS, "uvicorn").splitlines() == [
        "server                         µs/request    min-max  ratio  requests/s        min-max  ratio",
        "litmus 0.1.0 (pure, uvloop 1)        12.0  11.5-13.0   0.40      80,000  79,000-81,000   2.50",
        "uvicorn 0.54.0                       30.1  29.0-33.2   1.00      32,000  30,000-33,000   1.00",
    ]
    assert report.remarks(RESULTS) == []


def test_it_is_said_when_the_load_generator_was_the_bottleneck() -> None:
    (remark,) = compare.bottlenecks({"litmus": [sample(12, load_busy=0.97), sample(12)], "uvicorn": [sample(30)]})
    assert remark.startswith("litmus: the load generator was the bottleneck (97% of its processor)")


def test_it_is_said_when_the_machine_was_not_idle() -> None:
    result = compare.result("litmus", "1", [sample(10), sample(10, disturbance=0.31)])
    (remark,) = report.remarks([result])
    assert "others took up to 31% of a processor" in remark


def test_the_results_for_machines() -> None:
    samples = {
        "litmus": [sample(12.0), sample(14.0, load_busy=0.75)],
        "uvicorn": [sample(26.0, 500.0), sample(26.0, 500.0)],
    }
    results = [compare.result(name, "1", rounds) for name, rounds in samples.items()]
    litmus, uvicorn = json.loads(json.dumps(compare.as_json(results, samples)))
    assert litmus["name"] == "litmus"
    assert litmus["microseconds_per_request"] == {
        "median": 13.0,
        "min": 12.0,
        "max": 14.0,
        "ratio": 0.5,
        "rounds": [12.0, 14.0],
    }
    assert litmus["requests_per_second"]["ratio"] == 2.0
    assert (litmus["load_generator_busy"], litmus["disturbance"]) == (0.75, 0.0)
    assert uvicorn["microseconds_per_request"]["ratio"] == 1.0


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
    assert ("built without --enable-optimizations" in machine.python_build()) is slow


def test_the_headline() -> None:
    facts = {
        "date": "2026-11-21T02:00:00+00:00",
        "machine": {**machine.describe(), "load_average": 0.1},
        "load_generator": "wrk 4.1.0",
        "workload": "GET /, 13 bytes",
        "rounds": 5,
        "seconds": 4,
        "connections": 64,
        "processors": {"server": 1, "load": 0, "apart": False},
    }
    first, second, note = compare.headline(facts).splitlines()
    assert first.startswith("GET /, 13 bytes; one worker on processor 1, wrk 4.1.0 with 64 connections on processor 0")
    assert "load average 0.10, 2026-11-21" in second
    assert note.startswith("Note: both processors are threads of one core")


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--seconds", "x"], ["--connections", "-1"], ["more"]])
def test_mistakes_on_the_command_line(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        compare.main(arguments)
    assert raised.value.code == 2


# The servers


@pytest.fixture
def cpu() -> int:
    return max(os.sched_getaffinity(0))


def test_litmus_is_started_on_its_processor_asked_and_ended(cpu: int) -> None:
    litmus = servers.litmus()
    assert litmus.version.split(" ")[1] in ("(pure,", "(compiled,")
    with servers.running(litmus, cpu) as started:
        assert servers.ask(started.port) == (200, BODY)
        arbiter, worker = started.processor_time()
        assert {*os.sched_getaffinity(arbiter), *os.sched_getaffinity(worker)} == {cpu}
    assert not psutil.pid_exists(arbiter)
    assert not psutil.pid_exists(worker)


def test_a_server_that_does_not_start_shows_what_it_printed(cpu: int) -> None:
    server = Server("broken", "1", lambda port, folder: [sys.executable, "-c", "raise SystemExit('no port for me')"])
    with (
        pytest.raises(MeasurementError, match=r"broken: ended at its start: .*\nno port for me"),
        servers.running(server, cpu),
    ):
        pass


WRONG = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'something else')
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_a_server_that_answers_something_else_is_not_measured(cpu: int) -> None:
    server = Server("liar", "1", lambda port, folder: [sys.executable, "-c", WRONG, str(port)])
    with pytest.raises(MeasurementError, match="liar: answered 200 b'something else'"), servers.running(server, cpu):
        pass


def test_what_fails_while_it_runs_is_told_with_its_name(cpu: int) -> None:
    with pytest.raises(MeasurementError, match=r"litmus: failed some requests: .*loadtest\.apps:hello"):  # noqa: SIM117
        with servers.running(servers.litmus(), cpu):
            raise MeasurementError("failed some requests")


STUBBORN = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if child := os.fork():
    print(child, flush=True)
signal.pause()
"""


@pytest.fixture
def stubborn() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE)
    yield process
    assert process.stdout is not None
    process.stdout.close()


def test_a_server_that_does_not_want_to_end_is_ended_with_its_children(
    stubborn: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "_STOP_SECONDS", 0.1)
    assert stubborn.stdout is not None
    child = psutil.Process(int(stubborn.stdout.readline()))
    servers.end(stubborn)
    assert stubborn.returncode == -signal.SIGKILL
    child.wait(10)


def test_nothing_is_left_when_it_is_interrupted(cpu: int) -> None:
    family: list[psutil.Process] = []

    def interrupted() -> None:
        with servers.running(servers.litmus(), cpu) as started:
            family.extend([started.process, *started.process.children()])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(family) == 2
    assert not any(process.is_running() for process in family)


def test_options_of_the_caller_do_not_reach_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LITMUS_LOG__LEVEL", "UVICORN_WORKERS", "WEB_CONCURRENCY", "GRANIAN_WORKERS", "NOTIFY_SOCKET"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("LITMUS_PURE", "1")
    environment = processes.environment()
    assert [name for name in environment if name.startswith(("LITMUS", "UVICORN", "WEB", "GRANIAN", "NOTIFY"))] == [
        "LITMUS_PURE"
    ]
