import os
import socket
import tempfile
from pathlib import Path

import pytest
from support.control import FakeArbiter, scripted, serving

from litmus.control import client, framing, messages
from litmus.control.client import (
    AccessDeniedError,
    Client,
    ClientError,
    NoReplyError,
    NothingListensError,
)
from litmus.control.messages import Done, Refused, Reload, Scale, Stats, Status


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ctl.sock"


def test_ask_and_be_answered(path: Path) -> None:
    with serving(path, FakeArbiter()):
        assert client.call(path, Scale(4), 5.0) == Done({"workers": 4})
        assert client.call(path, Scale(400), 5.0) == Refused("cannot run 400 workers: at most 128 fit")


def test_one_connection_serves_for_many_questions(path: Path) -> None:
    with serving(path, FakeArbiter()), Client(path) as server:
        assert server.call(Status(), 5.0) == Done({"state": "running"})
        assert server.call(Stats(), 5.0) == Done({"workers": []})
        assert server.server_pid == os.getpid()


def test_an_answer_of_megabytes(path: Path) -> None:
    arbiter = FakeArbiter()
    arbiter.statistics = {"blob": "x" * 3_000_000}
    with serving(path, arbiter):
        assert client.call(path, Stats(), 5.0) == Done(arbiter.statistics)


def test_an_answer_that_does_not_come(path: Path) -> None:
    with serving(path, FakeArbiter()), pytest.raises(NoReplyError, match=r"did not answer within 0\.05 s"):
        client.call(path, Reload(), 0.05)


def test_nobody_there(path: Path) -> None:
    with pytest.raises(NothingListensError, match="there is no such socket"):
        Client(path)
    with pytest.raises(NothingListensError, match="there is no such socket"):
        Client(path / "below" / "a socket that is not there")


def test_nobody_there_any_more(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(path))
    with pytest.raises(NothingListensError, match="left behind by a server that is gone"):
        Client(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_not_for_this_user() -> None:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    path = folder / "ctl.sock"
    with serving(path, FakeArbiter()):
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            try:
                Client(path)
            except AccessDeniedError as error:
                os._exit(0 if str(error) == f"{path} may not be used by user 65534" else 2)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
    folder.rmdir()


def test_a_folder_that_another_user_may_have_prepared_is_not_trusted(tmp_path: Path) -> None:
    folder = tmp_path / f"litmus-{os.geteuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ClientError, match="not safe"):
        Client(folder / "ctl.sock")


def test_a_server_of_another_kind_cannot_be_connected_to(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(str(path))
        with pytest.raises(ClientError, match=f"cannot connect to {path}: Protocol wrong type"):
            Client(path)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"", "hung up without a reply"),
        (messages.encode(Done({}))[:-1], "hung up without a reply"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is not litmusd: a frame of 1213486160 bytes was announced"),
        (framing.encode(b'{"hello":"world"}'), "is not litmusd: .*`type`"),
    ],
)
def test_an_answer_that_is_none(path: Path, answer: bytes, complaint: str) -> None:
    with scripted(path, answer), pytest.raises(ClientError, match=complaint):
        client.call(path, Status(), 5.0)


def test_what_the_server_said_before_it_hung_up_is_heard(path: Path) -> None:
    """A server that is full answers without having read the request; writing it fails, and reading does not."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with Client(path) as server:
            connection, _ = listener.accept()
            connection.sendall(messages.encode(Refused("full")))
            connection.close()
            assert server.call(Status(), 5.0) == Refused("full")


def test_a_server_that_does_not_read_is_given_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with Client(path) as server:
            monkeypatch.setattr(messages, "encode", lambda _: b"x" * 10_000_000)
            with pytest.raises(NoReplyError, match=r"did not answer within 0\.05 s"):
                server.call(Status(), 0.05)
