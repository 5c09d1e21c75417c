"""The files of Unix sockets: what is removed, what is never touched, and whose they become."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.descriptors import count_descriptors
from support.marks import needs_root

from litmus import unixsockets
from litmus.unixsockets import AnsweredError, OccupiedError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "http.sock"


@pytest.fixture
def bound(path: Path) -> Iterator[socket.socket]:
    """A socket at ``path`` that does not listen."""
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        yield bound


def test_the_peer_is_known() -> None:
    left, right = socket.socketpair()
    with left, right:
        assert unixsockets.peer_credentials(left) == (os.getpid(), os.geteuid(), os.getegid())


def test_nothing_there_is_fine(path: Path) -> None:
    unixsockets.remove_stale(path)


def test_what_nobody_listens_on_is_removed(path: Path, bound: socket.socket) -> None:
    bound.close()
    unixsockets.remove_stale(path)
    assert not path.exists()


def test_who_listens_is_named_and_left_alone(path: Path, bound: socket.socket) -> None:
    bound.listen()
    with pytest.raises(AnsweredError, match=rf"^process {os.getpid()} listens there$"):
        unixsockets.remove_stale(path)
    assert path.exists()


def test_who_is_too_busy_to_tell_is_left_alone(path: Path, bound: socket.socket) -> None:
    bound.listen(0)
    with socket.socket(socket.AF_UNIX) as queued:
        queued.connect(str(path))
        with pytest.raises(AnsweredError, match=r"^another process listens there$"):
            unixsockets.remove_stale(path)
    assert path.exists()


def test_a_socket_of_another_kind_is_left_alone(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(str(path))
        with pytest.raises(OccupiedError, match="can't be told"):
            unixsockets.remove_stale(path)
    assert path.exists()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_left_alone(path: Path, kind: str, tmp_path: Path) -> None:
    if kind == "file":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(OccupiedError, match="something that is not a socket is there"):
        unixsockets.remove_stale(path)
    assert path.is_symlink() or path.exists()


def test_a_place_that_cannot_be_looked_at(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(NotADirectoryError):
        unixsockets.remove_stale(tmp_path / "run" / "http.sock")


@pytest.mark.usefixtures("bound")
@pytest.mark.parametrize("mode", [0o600, 0o660, 0o777])
def test_a_mode(path: Path, mode: int) -> None:
    before = path.stat().st_gid
    unixsockets.permit(path, mode, -1)
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_gid) == (mode, before)


@needs_root
@pytest.mark.usefixtures("bound")
def test_a_group(path: Path) -> None:
    unixsockets.permit(path, 0o660, 12345)
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_gid, path.stat().st_uid) == (0o660, 12345, os.geteuid())


@pytest.mark.parametrize("kind", ["file", "link to a file", "link to a socket"])
def test_nothing_but_a_socket_is_given_away(path: Path, kind: str, tmp_path: Path) -> None:
    precious = path if kind == "file" else tmp_path / "precious"
    if kind == "link to a socket":
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(precious))
        precious.chmod(0o600)
    else:
        precious.touch(0o600)
    if precious != path:
        path.symlink_to(precious)
    with pytest.raises(FileExistsError, match="something that is not a socket is there"):
        unixsockets.permit(path, 0o777, os.getegid())
    assert stat.S_IMODE(precious.stat().st_mode) == 0o600


@pytest.mark.usefixtures("bound")
def test_no_descriptor_is_left_open(path: Path) -> None:
    before = count_descriptors()
    unixsockets.permit(path, 0o600, -1)
    assert count_descriptors() == before
