"""What an operator gets wrong: one clear message at the start, and at a reload as well, where nothing is lost by it."""

import contextlib
import os
import re
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support.deployment import APPS, Deployment, Serve, configuration
from support.litmusd import run
from support.load import load
from support.marks import needs_root
from support.plain import pid_in
from support.processes import in_child
from support.waiting import wait_until

from litmus.control import framing
from litmus.control.messages import Done, Refused, Status, decode_reply


class Mistake(NamedTuple):
    """A mistake in litmus.toml, and what is said about it.

    Attributes:
        changes: what :func:`support.deployment.configuration` is given; "FOLDER" stands for the folder.
        words: what the message has, besides the name of the file. A pattern where it has to be one.
        prepare: makes in the folder what the mistake needs.
    """

    changes: dict[str, object]
    words: tuple[str, ...]
    prepare: Callable[[Path], object] = lambda folder: None


def listen_at(folder: Path) -> None:
    """Somebody else's Unix socket, which stays open for as long as the process."""
    _others.append(socket.socket(socket.AF_UNIX))
    _others[-1].bind(str(folder / "taken.sock"))
    _others[-1].listen()


_others: list[socket.socket] = []

LONG = "x" * 120

MISTAKES = {
    "key": Mistake({"timeouts": {"drian": "5s"}}, ("timeouts.drian", '"5s"', "timeouts.drain")),
    "section": Mistake({"timeout": {"drain": "5s"}}, (r"timeout\b", "timeouts")),
    "type": Mistake({"log": {"access": "yes"}}, ("log.access", '"yes"')),
    "unit": Mistake({"timeouts": {"keep_alive": "5 parsecs"}}, ("timeouts.keep_alive", '"5 parsecs"')),
    "range": Mistake({"memory": {"arena": "10 KiB"}}, ("memory.arena", '"10 KiB"', "1 MiB")),
    "choice": Mistake({"log": {"level": "loud"}}, ("log.level", '"loud"', "debug")),
    "workers": Mistake({"workers": 0}, ("arbiter.workers", r"\b0\b")),
    "address": Mistake({"binds": ["127.0.0.1:http"]}, (r"listen\.0\.bind", '"127.0.0.1:http"')),
    "address twice": Mistake({"binds": ["127.0.0.1:9", "127.0.0.1:9"]}, (r"listen\.1\.bind", r"listen\.0\.bind")),
    "foreign address": Mistake({"binds": ["192.0.2.1:0"]}, (r"listen\.0\.bind", '"192.0.2.1:0"', "192.0.2.1")),
    "chdir": Mistake({"app": {"chdir": "nowhere"}}, ("app.chdir", "nowhere")),
    "user": Mistake({"arbiter": {"user": "nobody-at-all"}}, ("arbiter.user", "nobody-at-all")),
    "log file": Mistake({"log": {"file": "nowhere/litmus.log"}}, ("log.file", "nowhere/litmus.log")),
    "access log is a folder": Mistake({"log": {"access_file": "FOLDER"}}, ("log.access_file", "FOLDER")),
    "socket without a folder": Mistake(
        {"binds": ["127.0.0.1:0", "unix:nowhere/shop.sock"]}, (r"listen\.1\.bind", "nowhere/shop.sock", "no folder")
    ),
    "socket path too long": Mistake({"binds": [f"unix:{LONG}"]}, (r"listen\.0\.bind", LONG)),
    "socket is something else": Mistake(
        {"binds": ["unix:precious"]},
        (r"listen\.0\.bind", "precious", "not a socket"),
        lambda folder: (folder / "precious").write_text("gold"),
    ),
    "socket of another": Mistake(
        {"binds": ["unix:taken.sock"]}, (r"listen\.0\.bind", "taken.sock", r"process \d+ listens there"), listen_at
    ),
    "target": Mistake({"target": "shop.py"}, ("app.target", '"shop.py"')),
    "module": Mistake({"target": "no_such_shop:app"}, ("app.target", "no_such_shop", re.escape(str(APPS)))),
    "import": Mistake(
        {"target": "broken_import:app"},
        (
            "app.target",
            "No module named 'no_such_library'",
            rf"File \"{re.escape(str(APPS))}/broken_import.py\", line 1",
        ),
    ),
    "attribute": Mistake({"target": "broken:application"}, ("app.target", "broken", "no attribute 'application'")),
    "not an application": Mistake({"target": "broken:seven"}, ("app.target", "broken:seven", "int")),
    "factory": Mistake(
        {"target": "broken:factory()"}, ("app.target", "the factory has burnt down", r"broken.py\", line \d+")
    ),
    "wsgi": Mistake({"target": "broken:wsgi"}, ("app.target", "broken:wsgi", "WSGI")),
    "lifespan refused": Mistake(
        {"target": "broken:refuses_to_start"}, ("lifespan.startup", "there is no database at db:5432")
    ),
    "lifespan": Mistake(
        {"target": "broken:fails_to_start", "app": {"lifespan": "on"}},
        ("lifespan.startup", "RuntimeError: the cache is cold", r"broken.py\", line \d+"),
    ),
    "no lifespan": Mistake(
        {"target": "broken:without_lifespan", "app": {"lifespan": "on"}},
        ("lifespan.startup", "TypeError: only http here"),
    ),
}

OF_THE_APPLICATION = ("import", "factory", "lifespan", "no lifespan")
"""Those for which a traceback is shown."""

cases = pytest.mark.parametrize("name", MISTAKES)


def given(changes: dict[str, object], folder: Path) -> dict[str, object]:
    """``changes`` with the folder put in."""

    def put(value: object) -> object:
        if isinstance(value, dict):
            return {key: put(each) for key, each in value.items()}
        return str(folder) if value == "FOLDER" else value

    return {key: put(value) for key, value in changes.items()}


def check_words(name: str, said: str, folder: Path) -> None:
    for word in MISTAKES[name].words:
        assert re.search(word.replace("FOLDER", re.escape(str(folder))), said), said
    assert ("Traceback (most recent call last)" in said) == (name in OF_THE_APPLICATION), said


@pytest.fixture(autouse=True)
def close_others() -> Iterator[None]:
    yield
    while _others:
        _others.pop().close()


# At the start


def start(folder: Path, *arguments: object) -> str:
    """Start a litmusd that won't serve. Returns what it says on standard error."""
    result = run("litmusd", "-c", "litmus.toml", *arguments, cwd=folder)
    assert result.returncode == 1, result.stderr
    assert len(re.findall("^litmusd: ", result.stderr, re.MULTILINE)) == 1, result.stderr
    return result.stderr


def write(folder: Path, **changes: object) -> None:
    sections = {key: value for key, value in changes.items() if key not in ("target", "workers", "binds")}
    (folder / "litmus.toml").write_text(
        configuration(
            folder,
            str(changes.get("target", "plain:app")),
            changes.get("workers", 1),  # type: ignore[arg-type]
            changes.get("binds", ["127.0.0.1:0"]),  # type: ignore[arg-type]
            sections,  # type: ignore[arg-type]
        )
    )


@cases
def test_a_mistake_at_the_start(tmp_path: Path, name: str) -> None:
    mistake = MISTAKES[name]
    mistake.prepare(tmp_path)
    write(tmp_path, **given(mistake.changes, tmp_path))
    said = start(tmp_path)
    check_words(name, said, tmp_path)
    about_the_file = any(word.startswith(("listen", "timeout", "log", "memory", "arbiter")) for word in mistake.words)
    assert not about_the_file or "litmus.toml" in said
    assert not (tmp_path / "ctl.sock").exists()


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        write(tmp_path, binds=["127.0.0.1:0", address])
        said = start(tmp_path)
        assert f'litmus.toml: listen.1.bind = "{address}"' in said
        assert f"in use by process {os.getpid()}" in said


def test_a_port_in_use_by_another_litmusd(tmp_path: Path, serve: Serve) -> None:
    server = serve()
    host, port = server.address
    write(tmp_path, binds=[f"{host}:{port}"])
    assert f"port {port} is in use by process {server.pid} (litmus" in start(tmp_path)


def test_a_control_socket_in_use(tmp_path: Path, serve: Serve) -> None:
    server = serve()
    write(tmp_path, arbiter={"control": str(server.control)})
    assert f"another litmusd answers on {server.control}" in start(tmp_path)
    assert server.litmusctl("status").returncode == 0


@pytest.mark.parametrize("control", ["nowhere/deep/ctl.sock/x", f"{LONG}/ctl.sock", "litmus.toml"])
def test_an_impossible_control_socket(tmp_path: Path, control: str) -> None:
    write(tmp_path, arbiter={"control": control})
    (tmp_path / "nowhere").write_text("a file")
    assert control in start(tmp_path)
    assert (tmp_path / "litmus.toml").read_text().startswith("[app]")


def test_a_file_that_is_not_toml(tmp_path: Path) -> None:
    (tmp_path / "litmus.toml").write_text("[app]\ntarget = plain:app\n")
    assert re.search(r"litmus\.toml: .*line 2", start(tmp_path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    result = run("litmusd", "-c", "nowhere.toml", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(r"litmusd: nowhere\.toml: there is no such file.*\n", result.stderr)


# At a reload


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One server for all mistakes: it has to survive them anyway."""
    server = Deployment(tmp_path_factory.mktemp("running"), workers=1)
    try:
        yield server.wait_until_up()
        assert server.stop() == 0
        assert "a callback of the arbiter failed" not in server.errors
    finally:
        server.close()


@cases
def test_a_mistake_at_a_reload(running: Deployment, name: str) -> None:
    mistake, folder = MISTAKES[name], running.folder
    mistake.prepare(folder)
    [worker] = running.workers()
    descriptors, before = running.descriptors(), running.status()
    good = running.config.read_text()
    write(folder, **given(mistake.changes, folder))
    result = running.litmusctl("reload")
    running.config.write_text(good)
    assert (result.returncode, result.stdout) == (1, "")
    assert re.match(r"litmusctl: reload refused: ", result.stderr)
    check_words(name, result.stderr, folder)
    # The log has the same.
    running.wait_for_line(rf"error .* reload refused, generation {before['generation']} keeps serving: ")
    check_words(name, running.errors[running.errors.rindex("keeps serving: ") :], folder)
    # Nobody has noticed.
    with running.connect() as client:
        assert pid_in(client.get("/work")) == worker
    after = running.wait_until_settled(1)
    assert after == [worker]
    assert running.status()["addresses"] == before["addresses"]
    assert running.status()["last_reload"]["ok"] is False
    assert running.descriptors() == descriptors


def test_a_reload_with_a_missing_file(running: Deployment) -> None:
    good = running.config.read_text()
    running.config.unlink()
    # litmusctl can't find the server by a file that isn't there.
    result = running.litmusctl("reload")
    assert result.returncode == 2
    assert "-s SOCKET" in result.stderr
    result = running.ctl("-s", running.control, "reload")
    running.config.write_text(good)
    assert result.returncode == 1
    assert f"{running.config}: there is no such file" in result.stderr


def test_a_reload_by_signal_that_is_refused(running: Deployment) -> None:
    good = running.config.read_text()
    running.config.write_text("nonsense")
    running.signal(signal.SIGHUP)
    running.wait_for_line(r"reload refused, generation \d+ keeps serving: the configuration is refused\n.*litmus\.toml")
    running.config.write_text(good)
    with running.connect() as client:
        assert client.get("/work").status == 200


def test_a_good_reload_after_bad_ones(running: Deployment) -> None:
    before = running.status()["generation"]
    result = running.litmusctl("reload")
    assert (result.returncode, result.stderr) == (0, "")
    assert running.status()["generation"] > before
    assert running.status()["last_reload"]["ok"] is True


# Garbage on the control socket

GARBAGE = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "too much": struct.pack(">I", 1 << 31) + b"x",
    "not JSON": framing.encode(b"\xff\xfe{"),
    "not a request": framing.encode(b"[1, 2, 3]"),
    "unknown request": framing.encode(b'{"type": "SelfDestruct"}'),
    "wrong type": framing.encode(b'{"type": "Scale", "workers": "many"}'),
    "escape sequences": framing.encode(b"\x1b[2J\n\r\x00"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_on_the_control_socket(running: Deployment, name: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(running.control))
        client.sendall(GARBAGE[name])
        assert "this is not a request" in refusal(client)
    running.wait_for_line(
        rf"warning arbiter\[\d+\]  control socket: user {os.geteuid()} \(process {os.getpid()}\) sent something else"
    )
    assert "\x1b" not in running.errors
    assert running.litmusctl("status").returncode == 0


def refusal(client: socket.socket) -> str:
    """Why the server hangs up on a client."""
    with client.makefile("rb") as file:
        [payload] = framing.Deframer(1 << 20).feed(file.read())
    reply = decode_reply(payload)
    assert isinstance(reply, Refused)
    return reply.error


def test_a_crowd_at_the_control_socket(running: Deployment) -> None:
    descriptors, address = running.descriptors(), running.address
    crowd = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    try:
        for client in crowd:
            client.connect(str(running.control))
        assert all("16 clients are connected" in refusal(client) for client in crowd[16:])
        running.wait_for_line(r"control socket: process \d+ was refused: too many clients")
        with load(address, keep_alive=1, fresh=1, uploads=0) as seen:
            seen.wait_for_more(20)
        assert seen.failures == []
    finally:
        for client in crowd:
            client.close()
    wait_until(lambda: running.descriptors() == descriptors, "the arbiter to have closed what they left")


def test_a_queue_at_the_control_socket(running: Deployment) -> None:
    outcome: list[object] = []

    def ask() -> None:
        try:
            outcome.append(running.ask(Status()))
        except Exception as error:
            outcome.append(error)

    waiting: list[socket.socket] = []
    running.signal(signal.SIGSTOP)
    try:
        with contextlib.suppress(BlockingIOError):
            while True:
                waiting.append(socket.socket(socket.AF_UNIX))
                waiting[-1].setblocking(False)
                waiting[-1].connect(str(running.control))
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(1.0)  # an answer can't come, as the arbiter doesn't run; but neither should an error
    finally:
        for client in waiting:
            client.close()
        running.signal(signal.SIGCONT)
    thread.join()
    assert isinstance(outcome[0], Done), outcome


@needs_root
def test_another_user_at_the_control_socket(running: Deployment) -> None:
    nobody = 65534

    def ask(expected: type[Exception] | None) -> None:
        os.chdir(running.folder)
        os.setgroups([])
        os.setgid(nobody)
        os.setuid(nobody)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            if expected is not None:
                with pytest.raises(expected):
                    client.connect(running.control.name)
                return
            client.connect(running.control.name)
            assert "user 65534 may not control this server" in refusal(client)

    running.folder.chmod(0o755)
    in_child(lambda: ask(PermissionError))  # the file's mode forbids it
    running.control.chmod(0o666)
    in_child(lambda: ask(None))  # and if it didn't
    running.wait_for_line(r"warning .*control socket: user 65534 \(process \d+\) was refused")
    assert running.litmusctl("status").returncode == 0
