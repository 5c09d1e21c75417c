import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from litmus.arbiter.systemd import FIRST_DESCRIPTOR, Notifier, inherited_sockets


class Manager:
    """What systemd is for a service: a datagram socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(address.replace("@", "\0", 1))

    def heard(self) -> list[str]:
        """The datagrams that have come."""
        datagrams = []
        while True:
            try:
                datagrams.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return datagrams


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@litmus-test-{secrets.token_hex(8)}"


@pytest.fixture
def manager(address: str) -> Iterator[Manager]:
    manager = Manager(address)
    yield manager
    manager.socket.close()


@pytest.fixture
def notifier(address: str) -> Iterator[Notifier]:
    notifier = Notifier({"NOTIFY_SOCKET": address})
    yield notifier
    notifier.close()


def test_the_life_of_a_service(manager: Manager, notifier: Notifier) -> None:
    notifier.ready("2 workers serve at 127.0.0.1:8000")
    notifier.watchdog()
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    after = time.monotonic_ns() // 1000
    notifier.ready("generation 2")
    notifier.stopping()
    heard = manager.heard()
    moment = int(heard.pop(2).removeprefix("RELOADING=1\nMONOTONIC_USEC="))
    assert before <= moment <= after
    assert heard == [
        "READY=1\nSTATUS=2 workers serve at 127.0.0.1:8000",
        "WATCHDOG=1",
        "READY=1\nSTATUS=generation 2",
        "STOPPING=1",
    ]


def test_a_status_of_several_lines_cannot_set_other_fields(manager: Manager, notifier: Notifier) -> None:
    notifier.ready("bad\nMAINPID=1\r\n")
    assert manager.heard() == ["READY=1\nSTATUS=bad MAINPID=1"]


def test_a_manager_that_is_gone_is_no_trouble(manager: Manager, notifier: Notifier) -> None:
    manager.socket.close()
    notifier.ready("2 workers")
    notifier.stopping()


def test_a_manager_that_does_not_read_is_not_waited_for_and_learns_the_state_later(
    manager: Manager, notifier: Notifier
) -> None:
    for _ in range(10_000):
        notifier.watchdog()
    flood = len(manager.heard())
    assert flood < 10_000
    for _ in range(flood):
        notifier.watchdog()
    notifier.reloading()
    notifier.ready("generation 2")
    notifier.watchdog()
    assert set(manager.heard()) == {"WATCHDOG=1"}
    notifier.watchdog()
    notifier.watchdog()
    assert manager.heard() == ["READY=1\nSTATUS=generation 2\nWATCHDOG=1", "WATCHDOG=1"]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_systemd_nothing_happens(environ: dict[str, str]) -> None:
    notifier = Notifier({**environ, "WATCHDOG_USEC": "30000000"})
    assert notifier.watchdog_interval is None
    notifier.ready("2 workers")
    notifier.close()


def test_nothing_is_sent_after_close(manager: Manager, notifier: Notifier) -> None:
    notifier.close()
    notifier.stopping()
    assert manager.heard() == []


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "٣"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_it_asks(environ: dict[str, str], interval: float | None) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": "/run/nowhere", **environ})
    assert notifier.watchdog_interval == interval
    notifier.close()


INHERIT = """
import os, socket, sys
from litmus.arbiter.systemd import inherited_sockets
environ = {"LISTEN_PID": str(os.getpid()), **os.environ}
try:
    inherited = inherited_sockets(environ)
except ValueError as error:
    sys.exit(print(error))
for handed_over in inherited:
    print(handed_over.fileno(), handed_over.family.name, os.get_inheritable(handed_over.fileno()),
          handed_over.getsockname())
print(sorted(set(environ) & {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}))
"""


def run_with_descriptors(sockets: list[socket.socket], **variables: str) -> list[str]:
    """Run :data:`INHERIT` with ``sockets`` at descriptors 3, 4, …, as systemd leaves them."""
    actions = []
    spare = [os.dup(each.fileno()) for each in sockets]
    high = [os.dup2(fd, 100 + index) for index, fd in enumerate(spare)]
    for index, fd in enumerate(high):
        actions.append((os.POSIX_SPAWN_DUP2, fd, FIRST_DESCRIPTOR + index))
    read, write = os.pipe()
    actions.append((os.POSIX_SPAWN_DUP2, write, 1))
    child = os.posix_spawn(
        sys.executable, [sys.executable, "-c", INHERIT], {**os.environ, **variables}, file_actions=actions
    )
    for fd in (*spare, *high, write):
        os.close(fd)
    with os.fdopen(read) as output:
        lines = output.read().splitlines()
    assert os.waitpid(child, 0)[1] == 0
    return lines


def test_sockets_are_taken_over(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "http"))
        lines = run_with_descriptors([tcp, unix], LISTEN_FDS="2", LISTEN_FDNAMES="web:")
        port = tcp.getsockname()[1]
    assert lines == [
        f"3 AF_INET False ('127.0.0.1', {port})",
        f"4 AF_UNIX False {tmp_path}/http",
        "[]",
    ]


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="needs systemd-socket-activate")
def test_systemd_itself_hands_a_socket_over() -> None:
    """The tool waits for a connection and then becomes the program, which finds the socket."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    activator = subprocess.Popen(
        ["systemd-socket-activate", f"--listen=127.0.0.1:{port}", "--fdname=web", sys.executable, "-c", INHERIT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert activator.stderr is not None
    activator.stderr.readline()  # "Listening on 127.0.0.1:… as 3."
    with socket.create_connection(("127.0.0.1", port), timeout=30):
        output, _ = activator.communicate(timeout=30)
    assert output.splitlines() == [f"3 AF_INET False ('127.0.0.1', {port})", "[]"]


@pytest.mark.parametrize("pid", ["", "1", "someone"])
def test_sockets_for_another_process_are_left_alone(pid: str) -> None:
    environ = {"LISTEN_PID": pid, "LISTEN_FDS": "3", "LISTEN_FDNAMES": "a:b:c", "HOME": "/"}
    assert inherited_sockets(environ) == []
    assert environ == {"HOME": "/"}


def test_nothing_is_inherited_without_systemd() -> None:
    assert inherited_sockets({}) == []


def test_a_count_that_is_none() -> None:
    with pytest.raises(ValueError, match="LISTEN_FDS='two' in the environment is not a number"):
        inherited_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "two"})


@pytest.mark.parametrize(
    ("setup", "reason"),
    [
        ("", "Bad file descriptor"),
        ("import os\nos.dup2(0, 3)", "Socket operation on non-socket"),
    ],
)
def test_a_descriptor_that_is_no_socket(setup: str, reason: str) -> None:
    """In a process of its own, whose descriptor 3 is free."""
    result = subprocess.run(
        [sys.executable, "-c", setup + INHERIT],
        env={**os.environ, "LISTEN_FDS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == f"LISTEN_FDS=1 in the environment: descriptor 3 is not a socket ({reason})\n"
