import asyncio
import json
import re
import resource
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import uvloop

from loadtest import command, inside, installed, machine, serving
from loadtest.apps import BODY
from loadtest.errors import MeasurementError
from loadtest.installed import Installed
from loadtest.report import COST
from loadtest.workloads import ALONE, WORKLOADS

TINY = ["--rounds=2", "--requests=40", "--connections=4"]


# From end to end


@pytest.mark.skipif(not installed.peers_are_there(), reason="the peers are not installed: python -m loadtest.serving")
@pytest.mark.parametrize("workload", ALONE)
def test_all_side_by_side(workload: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "results.json"
    assert serving.main([*TINY, f"--workload={workload}", f"--json={file}"]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].startswith(f"{workload}: {WORKLOADS[workload].description}")
    assert machine.python_build() in lines[1]
    rows = [line for line in lines if re.fullmatch(r"\S+(  +[\d.]+  +[\d.]+-[\d.]+){2}", line)]
    names = ["floor", *installed.litmus(), "uvicorn"]
    assert [row.split(" ")[0] for row in rows] == names
    assert rows[-1].endswith("1.00-1.00")
    assert [line.split()[2] for line in printed.err.splitlines()] == names * 2
    document = json.loads(file.read_text())
    assert document["requests"] == 40
    assert [len(server["microseconds_per_request"]["rounds"]) for server in document["servers"]] == [2] * len(names)


@pytest.mark.parametrize("name", ["floor", "litmus"])
@pytest.mark.parametrize("workload", ALONE)
def test_one_round(name: str, workload: str) -> None:
    server = Installed(name, "1", sys.executable)
    sample = serving.measure(server, workload, connections=3, requests=10, cpu=machine.usable_processors()[-1])
    assert sample.values[COST] > 0


def test_requests_are_rounded_up_to_whole_turns(capsys: pytest.CaptureFixture[str]) -> None:
    assert inside.main(["floor", "varied", "3", "10"]) == 0
    assert json.loads(capsys.readouterr().out)["requests"] == 12


def test_a_failed_round_says_whose() -> None:
    server = Installed("nobody", "1", sys.executable)
    with pytest.raises(MeasurementError, match=r"(?s) failed:\n.*KeyError: 'nobody'"):
        serving.measure(server, "hello", connections=1, requests=1, cpu=machine.usable_processors()[-1])


# Servers that must not look fast


def liar(answer: bytes) -> inside.Start:
    """A server that answers something else, and nothing at all if that is empty."""

    class Liar(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(answer) if answer else self.transport.close()

    @asynccontextmanager
    async def start(listener: socket.socket) -> AsyncIterator[None]:
        server = await asyncio.get_running_loop().create_server(Liar, sock=listener)
        try:
            yield
        finally:
            server.close()

    return start


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n" + BODY, "answered b'HTTP/1.1 500 .* is right"),
        (b"HTTP/1.1 200 OK\r\n\r\nsomething else", "answered b'HTTP/1.1 200 OK.*something else' where 200"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + BODY + b"!", "answered b'HTTP/1.1 200 OK.*Hello, world!!' where 200"),
        (b"", "closed a connection after b''"),
    ],
)
def test_a_wrong_answer_ends_the_measurement(answer: bytes, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "PATIENCE_SECONDS", 0.01)
    with pytest.raises(MeasurementError, match=words):
        uvloop.run(inside.measure(liar(answer), WORKLOADS["hello"], connections=2, requests=2))


def test_inside_a_failure_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(inside.SERVERS, "liar", liar(b""))
    assert inside.main(["liar", "hello", "1", "1"]) == 1
    assert capsys.readouterr().err == "closed a connection after b''\n"


def test_an_answer_in_pieces() -> None:
    server, client = socket.socketpair()
    with server, client:
        client.setblocking(False)
        missing = inside.collect({client: b""})
        assert missing == {client: b""}
        server.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nHello")
        missing = inside.collect(missing)
        assert list(missing) == [client]
        server.sendall(b", world!")
        assert inside.collect(missing) == {}


# What is said


def test_time_without_the_processor_is_a_disturbance() -> None:
    sample = serving.sample({"requests": 1000, "processor_seconds": 0.018, "elapsed": 0.02})
    assert sample.values[COST] == pytest.approx(18)
    assert sample.disturbance == pytest.approx(0.1)


def test_clocks_that_differ_are_none() -> None:
    assert serving.sample({"requests": 1, "processor_seconds": 1.01, "elapsed": 1.0}).disturbance == 0


def test_too_many_connections(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    assert serving.main(["--connections=500"]) == 1
    assert capsys.readouterr().err == (
        "serving: 500 connections need 1064 descriptors, 1024 are allowed; raise that with `ulimit -n 1064`\n"
    )


def test_the_wrong_python(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert serving.main([]) == 1
    assert re.fullmatch(r"serving: \S+ has no uvloop; use the Python that .*\n", capsys.readouterr().err)


def test_an_interruption(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert command.run("serving", interrupted) == 130
    assert capsys.readouterr().err == "serving: interrupted\n"


@pytest.mark.parametrize("arguments", [["--rounds=0"], ["--requests=x"], ["--workload=nothing"], ["more"]])
def test_mistakes_on_the_command_line(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        serving.main(arguments)
    assert raised.value.code == 2
