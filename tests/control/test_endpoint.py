import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from litmus.control import endpoint
from litmus.control.place import PlaceError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ctl.sock"


@pytest.fixture
def stale(path: Path) -> Iterator[Path]:
    """A socket file whose owner is gone."""
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(path))
    yield path
    path.unlink(missing_ok=True)


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def test_the_file_is_for_its_user_alone_whatever_the_umask(path: Path) -> None:
    umask = os.umask(0)
    try:
        bound = endpoint.bind(path)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert connects(path)
    bound.close()


def test_close_removes_the_file_and_nothing_else_stays(path: Path) -> None:
    bound = endpoint.bind(path)
    assert [entry.name for entry in path.parent.iterdir()] == ["ctl.sock"]
    bound.close()
    assert list(path.parent.iterdir()) == []
    bound.close()


def test_a_file_that_was_put_in_its_place_is_left_alone(path: Path) -> None:
    bound = endpoint.bind(path)
    path.unlink()
    path.write_text("not ours")
    bound.close()
    assert path.read_text() == "not ours"


def test_a_child_lets_go_without_removing_the_file(path: Path) -> None:
    bound = endpoint.bind(path)
    child = os.fork()
    if child == 0:
        bound.detach()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert connects(path)
    bound.close()


def test_a_stale_socket_is_replaced(stale: Path) -> None:
    assert not connects(stale)
    bound = endpoint.bind(stale)
    assert connects(stale)
    bound.close()


def test_a_socket_that_somebody_answers_on_is_not(path: Path) -> None:
    bound = endpoint.bind(path)
    with pytest.raises(PlaceError) as caught:
        endpoint.bind(path)
    assert str(caught.value) == (
        f"another litmusd answers on {path}, as process {os.getpid()}; stop it first (litmusctl -s {path} stop), "
        "or give this one a control socket of its own (--set arbiter.control=PATH)"
    )
    assert connects(path)
    bound.close()


def test_nor_is_one_whose_owner_is_too_busy_to_accept(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as queued:
        busy.bind(str(path))
        busy.listen(0)
        queued.connect(str(path))
        with pytest.raises(PlaceError, match=f"another litmusd answers on {path}; stop it first"):
            endpoint.bind(path)
    assert path.exists()


def test_nor_is_one_of_another_kind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(str(path))
        with pytest.raises(PlaceError, match="who listens there can't be told"):
            endpoint.bind(path)
    assert path.exists()


@pytest.mark.parametrize("kind", ["file", "folder", "link to a socket"])
def test_what_is_not_a_socket_is_never_touched(path: Path, kind: str) -> None:
    other = path.with_name("other.sock")
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as abandoned:
            abandoned.bind(str(other))
        path.symlink_to(other)
    before = path.lstat()
    with pytest.raises(PlaceError, match="something that is not a socket is there; move it away"):
        endpoint.bind(path)
    assert os.path.samestat(path.lstat(), before)
    assert not path.is_file() or path.read_text() == "precious"


def test_two_that_start_at_once_do_not_take_each_other_for_dead(stale: Path) -> None:
    lock = os.open(stale.with_name(".ctl.sock.lock"), os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(PlaceError, match="another litmusd is just starting"):
        endpoint.bind(stale)
    assert stale.exists()
    os.close(lock)
    endpoint.bind(stale).close()


def test_many_that_start_at_once_leave_one_that_answers(stale: Path) -> None:
    """Eight processes set off at one signal, tell how it went, and stay until all have told."""
    (start, go), (outcome, tell), (end, finish) = os.pipe(), os.pipe(), os.pipe()
    children = []
    for _ in range(8):
        child = os.fork()
        if child == 0:
            os.close(go)
            os.close(finish)
            os.read(start, 1)
            try:
                bound = endpoint.bind(stale)  # noqa: F841 - kept, or it would be closed
                os.write(tell, b"+")
            except PlaceError:
                os.write(tell, b"-")
            os.read(end, 1)
            os._exit(0)
        children.append(child)
    os.close(go)
    outcomes = b"".join(os.read(outcome, 1) for _ in children)
    answered = connects(stale)
    os.close(finish)
    for child in children:
        os.waitpid(child, 0)
    for descriptor in (start, outcome, tell, end):
        os.close(descriptor)
    assert sorted(outcomes) == sorted(b"+-------")
    assert answered


def test_a_folder_this_user_may_not_write_to_is_named(path: Path) -> None:
    if os.geteuid() == 0:
        path = Path("/proc/ctl.sock")
    else:
        path.parent.chmod(0o500)
    with pytest.raises(PlaceError, match=f"cannot listen on the control socket {path}: .*; set arbiter.control"):
        endpoint.bind(path)
