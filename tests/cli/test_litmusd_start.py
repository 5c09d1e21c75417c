"""The start of litmusd under odd circumstances, and what is left behind when it fails."""

import errno
import io
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from support.litmusd import APP, Litmusd, clean_environ, command
from support.waiting import wait_until

from litmus.arbiter import arbiter as arbiter_module
from litmus.arbiter.arbiter import Arbiter, StartupError
from litmus.cli import banner, litmusd
from litmus.cli.terminal import Terminal
from litmus.configuration import load
from litmus.loading import Override
from litmus.settings import Settings

ADDRESS = ("--bind", "127.0.0.1:0", "--workers", "1")

Start = Callable[..., Litmusd]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APP)
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Start a server."""
    servers: list[Litmusd] = []

    def started(*arguments: object, closed: Sequence[int] = (), environ: dict[str, str] | None = None) -> Litmusd:
        servers.append(Litmusd(folder, *arguments, closed=closed, environ=environ))
        return servers[-1]

    yield started
    for server in servers:
        server.close()


# Standard input, output and error


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_what_is_closed_is_nobody_elses(start: Start, folder: Path, closed: tuple[int, ...]) -> None:
    server = start("shop:app", *ADDRESS, "--set", "log.file=litmus.log", closed=closed)
    server.wait_for("READY=1")
    status = json.loads(server.ctl("status", "--json").stdout)
    for pid in (server.process.pid, *(worker["pid"] for worker in status["workers"])):
        assert {os.readlink(f"/proc/{pid}/fd/{number}") for number in closed} == {os.devnull}  # noqa: PTH115
    host, _, port = status["addresses"][0].rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as client, client.makefile("rb") as answer:
        client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
        assert answer.read().endswith(b"VERSION 1")
    assert server.stop() == 0
    assert "generation 1 serves" in (folder / "litmus.log").read_text()


def test_that_nobody_reads_the_first_lines_is_no_reason_not_to_serve(folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    files = ("--set", "log.file=litmus.log", "--set", "arbiter.control=ctl.sock")
    process = subprocess.Popen(
        command("litmusd", "shop:app", *ADDRESS, *files), cwd=folder, env=clean_environ(folder), stderr=writer
    )
    os.close(writer)
    log = folder / "litmus.log"
    wait_until(lambda: log.exists() and "generation 1 serves" in log.read_text(), "the server to serve")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert not (folder / "ctl.sock").exists()


# Signals that come before it is ready

GATE = """
import sys

class Gate:
    def find_spec(self, name, path, target=None):
        if name == "litmus.arbiter.arbiter":
            print("half way", flush=True)
            sys.stdin.readline()

sys.meta_path.insert(0, Gate())
"""
"""A sitecustomize that stops litmusd between the reading of the configuration and the listening."""


@pytest.fixture
def half_way(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    (folder / "sitecustomize.py").write_text(GATE)
    environ = clean_environ(folder)
    environ["PYTHONPATH"] = f"{folder}:{environ['PYTHONPATH']}"
    environ.pop("LITMUS_PURE", None)  # who finds the interpreted modules would stand in front of the gate
    options = ("--set", "log.file=litmus.log")
    process = subprocess.Popen(
        command("litmusd", "shop:app", *ADDRESS, *options),
        cwd=folder,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "half way\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_orders_that_come_too_early_are_obeyed_later(half_way: "subprocess.Popen[str]", folder: Path) -> None:
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGHUP):
        half_way.send_signal(number)
    assert half_way.stdin is not None
    half_way.stdin.write("\n")
    half_way.stdin.flush()
    log = folder / "litmus.log"
    wait_until(lambda: log.exists() and "generation 2 serves" in log.read_text(), "the reload")
    text = log.read_text()
    assert "received SIGUSR1\n" in text
    assert "received SIGHUP\n" in text
    assert len(re.findall("received SIG(?:USR2|ALRM), which has no meaning", text)) == 2
    half_way.send_signal(signal.SIGTERM)
    assert half_way.wait(30) == 0


def test_it_can_be_ended_at_any_time(half_way: "subprocess.Popen[str]") -> None:
    half_way.send_signal(signal.SIGTERM)
    assert half_way.wait(30) == -signal.SIGTERM


# What is left behind


def settings(folder: Path) -> Settings:
    values = {
        "arbiter.control": f"{folder}/ctl.sock",
        "arbiter.workers": "1",
        "listen.bind": f"unix:{folder}/http.sock",
    }
    return load(None, environ={}, overrides=[Override(key, value) for key, value in values.items()])


@pytest.mark.usefixtures("in_folder")
def test_a_failure_before_it_serves_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[bool] = []

    def fail(*_: object) -> None:
        there.extend((folder / name).exists() for name in ("ctl.sock", "http.sock"))
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(banner, "show", fail)
    chosen = settings(folder)
    with pytest.raises(RuntimeError, match="unforeseen"):
        litmusd._serve(chosen, lambda: chosen, Terminal(io.StringIO()))
    assert there == [True, True]
    assert not (folder / "ctl.sock").exists()
    assert not (folder / "http.sock").exists()


@pytest.mark.usefixtures("in_folder")
def test_what_the_kernel_refuses_is_told_and_leaves_nothing_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory() -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(arbiter_module, "Segment", no_memory)
    chosen = settings(folder)
    with pytest.raises(StartupError, match="Cannot allocate memory"):
        Arbiter(chosen, lambda: chosen, environ={}).prepare()
    assert not (folder / "ctl.sock").exists()
    assert not (folder / "http.sock").exists()


@pytest.fixture
def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


# What scripts can see


def test_a_server_without_a_ready_worker_has_an_exit_code_of_its_own(start: Start, folder: Path) -> None:
    os.mkfifo(folder / "gate")
    (folder / "shop.py").write_text(APP + "\nimport os\nif os.path.exists('closed'): open('gate').read()\n")
    server = start("shop:app", *ADDRESS)
    server.wait_for("READY=1")
    result = server.ctl("status", "--json")
    assert result.returncode == 0
    (folder / "closed").touch()  # from now on the application is not loaded before the gate is opened
    os.kill(json.loads(result.stdout)["workers"][0]["pid"], signal.SIGKILL)
    wait_until(lambda: server.ctl("status").returncode == 5, "an exit code of 5")
    assert server.ctl("status").stderr.startswith("litmusctl: no worker is ready: nothing is served\n")
    (folder / "gate").write_text("")
    wait_until(lambda: server.ctl("status").returncode == 0, "an exit code of 0")
