"""The pidfile: who counts as running, and what can't be done to others by way of it."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import processes
from support.descriptors import count_descriptors

from litmus.arbiter.errors import StartupError
from litmus.arbiter.pidfile import PidFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "litmus.pid"


@contextmanager
def another(path: Path) -> Iterator[int]:
    """Another process that has written the file, and lives as long as the block."""
    (written, tell), (end, finish) = os.pipe(), os.pipe()

    def work() -> None:
        os.close(finish)
        PidFile(path).write()
        os.write(tell, b"!")
        os.read(end, 1)

    try:
        with processes.child(work) as pid:
            os.close(tell)
            assert os.read(written, 1) == b"!"
            try:
                yield pid
            finally:
                os.close(finish)
    finally:
        os.close(written)
        os.close(end)


def test_it_is_written_whole_and_removed(path: Path) -> None:
    pidfile = PidFile(path)
    pidfile.check()
    pidfile.write()
    assert path.read_text() == f"{os.getpid()}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [entry.name for entry in path.parent.iterdir()] == ["litmus.pid"]
    pidfile.remove()
    assert list(path.parent.iterdir()) == []


def test_the_one_who_wrote_it_and_lives_is_named(path: Path) -> None:
    with another(path) as pid:
        with pytest.raises(StartupError) as caught:
            PidFile(path, "litmus.toml").check()
        assert str(caught.value) == (
            f'litmus.toml: arbiter.pidfile = "{path}": litmusd runs already, as process {pid}; '
            "stop it, or choose another file"
        )
    assert path.exists()
    PidFile(path).check()  # it is dead now, and has left it behind


@pytest.mark.parametrize("content", ["1", f"{os.getpid()}\n", f"{os.getppid()}\n", "99999999999\n", "nobody", ""])
def test_an_id_alone_is_no_reason_not_to_start(path: Path, content: str) -> None:
    """Whoever has that id now, be it a process with litmus in its command line such as this one."""
    path.write_text(content)
    PidFile(path).check()


def test_the_children_of_the_one_who_wrote_it_do_not_count(path: Path) -> None:
    """A worker that is left behind, or a program that the application has started."""
    (end, finish) = os.pipe()

    def write_and_leave_a_child() -> None:
        PidFile(path).write()
        if os.fork() == 0:
            os.close(finish)
            os.read(end, 1)
            os._exit(0)

    try:
        processes.in_child(write_and_leave_a_child)
        PidFile(path).check()
    finally:
        os.close(finish)
        os.close(end)


def test_a_child_lets_go_of_it(path: Path) -> None:
    pidfile = PidFile(path)
    before = count_descriptors()
    pidfile.write()
    pidfile.let_go()
    assert count_descriptors() == before


def test_somebody_else_s_is_left_alone(path: Path) -> None:
    pidfile = PidFile(path)
    pidfile.write()
    path.write_text("1\n")
    pidfile.remove()
    assert path.read_text() == "1\n"


def test_links_in_a_folder_that_others_write_in_are_not_followed(path: Path, tmp_path: Path) -> None:
    """Neither one at the path nor one at a name that could be guessed."""
    precious = tmp_path / "precious"
    precious.write_text("data")
    for link in (path, path.with_name(f".{path.name}.{os.getpid()}")):
        link.symlink_to(precious)
    pidfile = PidFile(path)
    pidfile.check()
    pidfile.write()
    assert not path.is_symlink()
    assert path.read_text() == f"{os.getpid()}\n"
    assert precious.read_text() == "data"
    pidfile.remove()


def test_a_pipe_at_the_path_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    pidfile = PidFile(path)
    pidfile.check()
    pidfile.write()
    assert path.is_file()
    pidfile.remove()


def test_a_folder_that_cannot_be_written_in(tmp_path: Path) -> None:
    pidfile = PidFile(tmp_path / "no" / "litmus.pid")
    with pytest.raises(StartupError, match="cannot write in"):
        pidfile.check()
    with pytest.raises(FileNotFoundError):
        pidfile.write()


def test_what_cannot_be_put_in_place_leaves_nothing(path: Path) -> None:
    path.mkdir()
    pidfile = PidFile(path)
    before = count_descriptors()
    with pytest.raises(IsADirectoryError):
        pidfile.write()
    assert [entry.name for entry in path.parent.iterdir()] == ["litmus.pid"]
    assert count_descriptors() == before
