"""The load generator for WebSocket, and what is measured with it."""

import contextlib
import io
import itertools
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from loadtest import compare, crowd, measures, processes, servers, websocket, wsload
from loadtest.errors import MeasurementError
from loadtest.machine import Processors
from loadtest.measures import Plan
from loadtest.running import Running, running
from loadtest.servers import Server
from loadtest.workloads import WORKLOADS, Workload
from loadtest.wsload import Circle, Load, Member

TEXT = b"32 bytes of text, of no meaning."
FRAME = websocket.frame(1, TEXT)
BACK = b"\x81\x20" + TEXT

needs_two = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one processor only")


def serving(manner: str) -> Server:
    """A server that is in no hurry, but right."""
    file = processes.ROOT / "tests" / "support" / "websocket_server.py"
    return Server("uvicorn", "1", lambda setup: [sys.executable, str(file), str(setup.port), manner])


@pytest.fixture
def started(request: pytest.FixtureRequest, cpu: int) -> Iterator[Running]:
    with running(serving(request.param), WORKLOADS["ws-32"], cpu) as started:
        yield started


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workloads that have five connections each."""
    for name, workload in WORKLOADS.items():
        if workload.messages is not None:
            monkeypatch.setitem(WORKLOADS, name, with_connections(workload, 5))


def with_connections(workload: Workload, number: int) -> Workload:
    assert workload.messages is not None
    return replace(workload, messages=workload.messages._replace(connections=number))


# From end to end


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("started", "name", "together"),
    [
        *(("echo", name, 1) for name in ("ws-32", "ws-32-deflate", "ws-16k-deflate", "ws-1m", "ws-1m-deflate")),
        *(("broadcast", name, 5) for name in ("ws-broadcast", "ws-broadcast-deflate")),
    ],
    indirect=["started"],
)
def test_messages_are_sent_and_counted(
    started: Running, name: str, together: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    assert wsload.main([str(started.port), name, "0.01", "0.01"]) == 0
    ready, printed = capsys.readouterr().out.splitlines()
    assert ready == processes.READY
    done = json.loads(printed)
    assert done["messages"] >= 5
    assert done["messages"] % together == 0
    assert done["elapsed"] > 0


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("started", ["echo"], indirect=True)
def test_it_ends_when_nobody_tells_it_to_go_on(
    started: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert wsload.main([str(started.port), "ws-32", "0", "600"]) == 0
    assert capsys.readouterr().out == f"{processes.READY}\n"


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("started", ["echo"], indirect=True)
def test_an_echo_is_no_broadcast(started: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsload, "PATIENCE_SECONDS", 0.1)
    with contextlib.ExitStack() as stack:
        load = wsload.connected(stack, started.port, WORKLOADS["ws-broadcast"])
        with pytest.raises(MeasurementError, match="left 4 messages unanswered"):
            load.run(0)


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        assert wsload.main([str(probe.getsockname()[1]), "ws-32", "0", "0"]) == 1
    assert "took 0 connections and not one more" in capsys.readouterr().err


@needs_two
def test_each_kind_of_workload(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compare, "RESULTS", tmp_path)
    monkeypatch.setattr(servers, "find", lambda _: [serving("echo")])
    monkeypatch.setitem(WORKLOADS, "ws-idle", with_connections(WORKLOADS["ws-idle"], 100))
    options = ["--websocket", "--quick", "--workloads=ws-32,ws-16k-deflate,ws-idle"]
    assert compare.main(options) == 0
    first, *_ = capsys.readouterr().out.splitlines()
    assert "(loadtest.wsload)" in first
    document = json.loads((tmp_path / "websocket.json").read_text())
    assert [workload["compared"] for workload in document["workloads"]] == [
        ["microseconds_per_message"],
        ["microseconds_per_message"],
        ["kib_per_connection"],
    ]
    (server,) = document["workloads"][0]["servers"]
    assert server["messages_per_second"]["median"] > 0
    assert 0 < server["load_generator_busy"] < 1
    words = "".join(ElementTree.parse(tmp_path / "websocket.svg").getroot().itertext())
    assert "What a message costs" in words
    assert "ws-idle: KiB/connection" in words


@needs_two
def test_a_generator_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, cpu: int) -> None:
    """The server sends back; the workload wants a broadcast to 1,000."""
    workload = replace(WORKLOADS["ws-broadcast-deflate"], name="ws-unheard-of")
    plan = Plan(1, 64, Processors(cpu, cpu, apart=False))
    with pytest.raises(MeasurementError, match=r"KeyError: 'ws-unheard-of'"):
        measures.measure(serving("echo"), workload, plan)


def test_more_connections_than_descriptors(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(crowd, "possible", lambda _: 300)
    assert compare.main(["--websocket", "--servers=litmus"]) == 1
    assert (
        "10,000 connections need more descriptors than are allowed, which are enough for 300" in capsys.readouterr().err
    )


def test_no_server_is_left(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    able = Server("nginx", "1", lambda setup: [], serves=lambda workload: False)
    monkeypatch.setattr(servers, "find", lambda _: [able])
    assert compare.main(["--websocket", "--workloads=ws-32"]) == 1
    assert capsys.readouterr().err == "compare: none of these servers can be asked any of these workloads\n"


# Circles and members


class Pair:
    """A circle of one, and its other end."""

    def __init__(self, stack: contextlib.ExitStack, frames: list[bytes]) -> None:
        ours, theirs = map(stack.enter_context, socket.socketpair())
        self.theirs = theirs
        theirs.settimeout(10)
        self.member = Member(ours, itertools.cycle(frames))
        self.load = Load([Circle([self.member])], len(TEXT))


@pytest.fixture
def pair() -> Iterator[Pair]:
    with contextlib.ExitStack() as stack:
        yield Pair(stack, [FRAME])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (BACK + BACK, "sent 2 messages where 1 are right"),
        (b"\x81\x03abc", "sent 3 bytes where 1 x 32 are right"),
        (b"\x88\x02\x03\xe8", "closed a WebSocket with the code 1000"),
        (BACK[:-1], "left 1 messages unanswered"),
    ],
)
def test_a_wrong_answer_ends_it(pair: Pair, answer: bytes, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsload, "PATIENCE_SECONDS", 0.1)
    pair.theirs.sendall(answer)
    with pytest.raises(MeasurementError, match=words):
        pair.load.run(0)


def test_a_connection_that_is_closed_ends_it(pair: Pair) -> None:
    pair.theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionError, match="closed a connection"):
        pair.load.run(0)


def test_pings_are_answered(pair: Pair) -> None:
    pair.theirs.sendall(b"\x89\x02hi" + BACK)
    assert pair.load.run(0)["messages"] == 1
    assert pair.theirs.recv(1 << 16) == FRAME + websocket.pong(b"hi")
    pair.theirs.sendall(b"\x89\x02ho")
    assert pair.member.hear(memoryview(bytearray(64))) == 0
    assert pair.theirs.recv(1 << 16) == websocket.pong(b"ho")


def test_a_message_that_the_socket_has_no_room_for_is_sent_by_and_by() -> None:
    """And no pong gets amid it."""
    frame = websocket.frame(1, b"a" * (1 << 22))
    received: list[bytes] = []

    def serve(server: socket.socket) -> None:
        server.sendall(b"\x89\x00")
        left = len(frame)
        while left:
            received.append(server.recv(1 << 16))
            left -= len(received[-1])
        server.sendall(BACK)

    with contextlib.ExitStack() as stack:
        pair = Pair(stack, [frame])
        thread = threading.Thread(target=serve, args=[pair.theirs])
        thread.start()
        assert pair.load.run(0)["messages"] == 1
        thread.join(10)
    assert b"".join(received) == frame
