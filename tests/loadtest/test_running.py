import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from loadtest import asking, installed, processes, running, servers, wsload
from loadtest.errors import MeasurementError
from loadtest.servers import Server
from loadtest.workloads import OVER, WORKLOADS, Protocol

HELLO = WORKLOADS["hello"]

needs_h2load = pytest.mark.skipif(
    shutil.which("h2load") is None, reason="there is no h2load: apt-get install nghttp2-client"
)

needs_peers = pytest.mark.skipif(
    not installed.peers_are_there(), reason="the peers are not installed: python -m loadtest.compare"
)


def litmus() -> Server:
    return servers.find(["litmus"])[0]


HTTP1_WORKLOADS = [WORKLOADS[name] for name in OVER[Protocol.HTTP1]]


@pytest.mark.parametrize(
    ("application", "logged"), sorted({(each.application, each.logged) for each in HTTP1_WORKLOADS})
)
def test_litmus_answers_each_workload_rightly(application: str, logged: bool, cpu: int) -> None:
    """Those that are served alike, by one server."""
    alike = [each for each in HTTP1_WORKLOADS if (each.application, each.logged) == (application, logged)]
    with running.running(litmus(), alike[0], cpu) as started:
        for workload in alike[1:]:
            running.await_answer(started.process, started.port, workload)


@needs_peers
@pytest.mark.parametrize("name", ["uvicorn", "granian", "gunicorn", "hypercorn"])
def test_each_peer_answers_rightly_and_logs(name: str, cpu: int) -> None:
    (peer,) = servers.find([name])
    assert "uvloop" in peer.version
    with running.running(peer, WORKLOADS["logged"], cpu) as started:
        asking.ask(started.port, replace(HELLO, pipelined=2))
        assert started.log_lines() >= 3


@needs_h2load
@pytest.mark.parametrize("name", OVER[Protocol.HTTP2])
def test_litmus_answers_rightly_over_http2(name: str, cpu: int) -> None:
    with running.running(litmus(), WORKLOADS[name], cpu):
        pass


@needs_h2load
@needs_peers
@pytest.mark.parametrize("name", ["uvicorn", "granian", "gunicorn", "hypercorn"])
def test_each_peer_answers_rightly_over_http2(name: str, cpu: int) -> None:
    (peer,) = servers.find([name])
    with running.running(peer, WORKLOADS["h2-upload"], cpu) as started:
        running.await_answer(started.process, started.port, WORKLOADS["h2-post"])


@pytest.mark.parametrize("name", OVER[Protocol.WEBSOCKET])
def test_litmus_answers_rightly_over_websocket(name: str, cpu: int) -> None:
    with running.running(litmus(), WORKLOADS[name], cpu, crowded=WORKLOADS[name].crowded):
        pass


@needs_peers
@pytest.mark.parametrize("name", ["uvicorn", "uvicorn-wsproto", "granian", "gunicorn", "hypercorn"])
def test_each_peer_answers_rightly_over_websocket_and_compresses_where_it_can(name: str, cpu: int) -> None:
    (peer,) = servers.find([name])
    plain, compressed = WORKLOADS["ws-1m"], WORKLOADS["ws-1m-deflate"]
    with running.running(peer, plain, cpu) as started:
        if peer.serves(compressed):
            asking.ask(started.port, compressed)
        else:
            with pytest.raises(MeasurementError, match="agreed on '' where 'permessage-deflate' was offered"):
                asking.ask(started.port, compressed)


@needs_peers
@pytest.mark.parametrize("name", ["uvicorn", "uvicorn-wsproto", "granian", "gunicorn", "hypercorn"])
def test_each_peer_broadcasts(name: str, cpu: int) -> None:
    (peer,) = servers.find([name])
    workload = WORKLOADS["ws-broadcast"]
    assert workload.messages is not None
    few = replace(workload, messages=workload.messages._replace(connections=5))
    with running.running(peer, workload, cpu, crowded=True) as started, contextlib.ExitStack() as stack:
        assert wsload.connected(stack, started.port, few).run(0)["messages"] == 5


@needs_peers
def test_uvicorn_is_measured_twice_over_websocket_only() -> None:
    (peer,) = servers.find(["uvicorn-wsproto"])
    assert [name for name, workload in WORKLOADS.items() if peer.serves(workload)] == [*OVER[Protocol.WEBSOCKET]]


@needs_h2load
def test_a_server_that_answers_something_else_over_http2_is_not_measured(cpu: int) -> None:
    wrong = replace(WORKLOADS["h2"], answer=b"something else")
    with (
        pytest.raises(MeasurementError, match="answered 200 b'Hello, world!' where 200 b'something else' is right"),
        running.running(litmus(), wrong, cpu),
    ):
        pass


@pytest.mark.skipif(shutil.which("nginx") is None, reason="there is no nginx: apt-get install nginx")
@pytest.mark.parametrize("name", ["pipelined", "logged", "reconnect", pytest.param("h2", marks=needs_h2load)])
def test_nginx_is_a_yardstick(name: str, cpu: int) -> None:
    (nginx,) = servers.find(["nginx"])
    assert [each.name for each in HTTP1_WORKLOADS if not nginx.serves(each)] == [
        "large",
        "stream",
        "echo",
        "upload",
        "download",
    ]
    with running.running(nginx, WORKLOADS[name], cpu) as started:
        if name == "logged":
            assert started.log_lines() == 1


@pytest.mark.parametrize("crowded", [False, True])
def test_litmus_is_started_on_its_processor_asked_and_ended(cpu: int, crowded: bool) -> None:
    with running.running(litmus(), HELLO, cpu, crowded=crowded) as started:
        asking.ask(started.port, HELLO)
        arbiter, worker = started.processor_time()
        assert {*os.sched_getaffinity(arbiter), *os.sched_getaffinity(worker)} == {cpu}
        assert started.resident() > 1 << 20
    assert not psutil.pid_exists(arbiter)
    assert not psutil.pid_exists(worker)


def test_a_server_gets_the_environment_that_it_needs(cpu: int) -> None:
    script = "import os; raise SystemExit('pure: ' + os.environ['LITMUS_PURE'])"
    server = Server("litmus-pure", "1", lambda setup: [sys.executable, "-c", script], {"LITMUS_PURE": "1"})
    with pytest.raises(MeasurementError, match=r"\npure: 1$"), running.running(server, HELLO, cpu):
        pass


def test_a_server_that_does_not_start_shows_what_it_printed(cpu: int) -> None:
    server = Server("broken", "1", lambda setup: [sys.executable, "-c", "raise SystemExit('no port for me')"])
    with (
        pytest.raises(MeasurementError, match=r"ended at its start: .*\nno port for me"),
        running.running(server, HELLO, cpu),
    ):
        pass


def test_a_server_that_answers_something_else_is_not_measured(cpu: int) -> None:
    wrong = replace(HELLO, answer=b"something else")
    with (
        pytest.raises(MeasurementError, match="answered 200 b'Hello, world!' where 200 b'something else' is right"),
        running.running(litmus(), wrong, cpu),
    ):
        pass


def test_what_fails_while_it_runs_is_told_with_its_command(cpu: int) -> None:
    with pytest.raises(MeasurementError, match=r"failed some requests: .*loadtest\.apps:hello"):  # noqa: SIM117
        with running.running(litmus(), HELLO, cpu):
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
    monkeypatch.setattr(running, "_STOP_SECONDS", 0.1)
    assert stubborn.stdout is not None
    child = psutil.Process(int(stubborn.stdout.readline()))
    running.end(stubborn)
    assert stubborn.returncode == -signal.SIGKILL
    child.wait(10)
    running.end(stubborn)  # is done already


def test_nothing_is_left_when_it_is_interrupted(cpu: int) -> None:
    family: list[psutil.Process] = []

    def interrupted() -> None:
        with running.running(litmus(), HELLO, cpu) as started:
            family.extend(started.family())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(family) == 2
    assert not any(process.is_running() for process in family)


def test_options_of_the_caller_do_not_reach_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LITMUS_LOG__LEVEL", "LITMUS_PURE", "UVICORN_WORKERS", "WEB_CONCURRENCY", "GUNICORN_CMD_ARGS"):
        monkeypatch.setenv(name, "1")
    environment = processes.environment({"LITMUS_PURE": "0"})
    assert {name: value for name, value in environment.items() if name.startswith(("LITMUS", "UV", "WEB", "GU"))} == {
        "LITMUS_PURE": "0"
    }


@pytest.mark.parametrize("missing", [["nginx"], ["nginx", "litmus-pure"]])
def test_a_server_that_is_asked_for_and_is_not_there(missing: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "nginx", lambda: None)
    monkeypatch.setattr(installed, "litmus", dict)
    with pytest.raises(MeasurementError, match=r"not here: nginx \(apt-get install nginx\)"):
        servers.find(missing)
