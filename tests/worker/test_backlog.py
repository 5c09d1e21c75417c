"""What is taken off the queue of a listening socket: a descriptor with one owner at a time."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from litmus.worker import backlog
from litmus.worker.backlog import Accepted, queued, take


@pytest.fixture(params=["tcp", "unix"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    if request.param == "tcp":
        made = socket.create_server(("127.0.0.1", 0))
    else:
        made = socket.socket(socket.AF_UNIX)
        made.bind(str(tmp_path / "s"))
        made.listen()
    made.setblocking(False)
    with made:
        yield made


@pytest.fixture
def client(listener: socket.socket) -> Iterator[socket.socket]:
    with socket.socket(listener.family) as made:
        made.settimeout(20)
        made.connect(listener.getsockname())
        yield made


def taken(listener: socket.socket) -> Accepted:
    accepted = take(listener)
    assert accepted is not None
    return accepted


def test_an_empty_queue(listener: socket.socket) -> None:
    assert take(listener) is None
    assert queued(listener) == 0


def test_what_it_is(listener: socket.socket, client: socket.socket) -> None:
    assert queued(listener) == 1
    accepted = taken(listener)
    assert type(accepted.family) is int
    assert (accepted.family, accepted.type) == (listener.family, socket.SOCK_STREAM)
    assert accepted.peer == client.getsockname()
    assert accepted.getsockname() == listener.getsockname()
    assert not os.get_inheritable(accepted.fileno())
    assert take(listener) is None


def test_how_many_wait(listener: socket.socket) -> None:
    clients = [socket.socket(listener.family) for _ in range(5)]
    for number, client in enumerate(clients, start=1):
        client.connect(listener.getsockname())
        assert queued(listener) == number
    taken(listener)
    assert queued(listener) == 4
    for client in clients:
        client.close()


@pytest.mark.parametrize("protocol", ["unknown", "without an answer", "another"])
def test_a_kernel_that_does_not_tell_of_unix_sockets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, protocol: str
) -> None:
    names = {"unknown": ("_NETLINK_SOCK_DIAG", 31), "without an answer": ("_SHOW_QUEUE", 0), "another": ("_ANY", 7)}
    monkeypatch.setattr(backlog, *names[protocol])
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        assert queued(listener) == 0
        client.connect(str(tmp_path / "s"))
        assert queued(listener) == 1


def test_who_nobody_takes_over_is_closed(listener: socket.socket, client: socket.socket) -> None:
    accepted = taken(listener)
    del accepted
    assert client.recv(1) == b""


def test_what_the_loop_has_closed_is_not_closed_again(listener: socket.socket, client: socket.socket) -> None:
    accepted = taken(listener)
    descriptor = accepted.fileno()
    accepted.close()
    del accepted
    with socket.socket(fileno=descriptor) as still_open:
        still_open.sendall(b"x")
    assert client.recv(1) == b"x"


def test_a_socket_in_its_place_owns_the_descriptor(listener: socket.socket, client: socket.socket) -> None:
    accepted = taken(listener)
    with accepted.as_socket() as made:
        assert accepted.fileno() == -1
        del accepted
        made.sendall(b"x")
        assert client.recv(1) == b"x"
    assert client.recv(1) == b""
