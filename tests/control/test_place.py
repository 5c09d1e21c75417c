import os
from pathlib import Path

import pytest

from litmus.control import place
from litmus.control.place import PlaceError, default_path


@pytest.fixture
def temporary(tmp_path: Path) -> dict[str, str]:
    return {"TMPDIR": str(tmp_path)}


def shared_folder(tmp_path: Path) -> Path:
    return tmp_path / f"litmus-{os.geteuid()}"


def test_the_folder_of_the_service_comes_first(tmp_path: Path) -> None:
    environ = {"RUNTIME_DIRECTORY": "/run/shop:/run/other", "XDG_RUNTIME_DIR": str(tmp_path)}
    assert default_path(Path("/srv/shop/litmus.toml"), environ) == Path("/run/shop/ctl.sock")
    assert default_path(place.SYSTEM_CONFIG, environ) == Path("/run/shop/ctl.sock")


def test_the_system_configuration_has_a_place_that_every_shell_finds(tmp_path: Path) -> None:
    assert default_path(Path("/etc/litmus/litmus.toml"), {"XDG_RUNTIME_DIR": str(tmp_path)}) == place.SYSTEM_SOCKET


def test_then_the_folder_of_the_user(tmp_path: Path) -> None:
    path = default_path(Path("/srv/shop/litmus.toml"), {"XDG_RUNTIME_DIR": str(tmp_path)})
    assert path.parent == tmp_path / "litmus"
    assert path.name.startswith("shop-")
    assert path.suffix == ".sock"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder away")
def test_the_folder_of_another_user_is_not_taken(tmp_path: Path, temporary: dict[str, str]) -> None:
    foreign = tmp_path / "run-user-1000"
    foreign.mkdir()
    os.chown(foreign, 65534, 65534)
    path = default_path(None, {**temporary, "XDG_RUNTIME_DIR": str(foreign)})
    assert path.parent == shared_folder(tmp_path)


def test_a_folder_that_is_not_there_is_not_taken(tmp_path: Path, temporary: dict[str, str]) -> None:
    path = default_path(None, {**temporary, "XDG_RUNTIME_DIR": str(tmp_path / "gone")})
    assert path.parent == shared_folder(tmp_path)


def test_each_configuration_has_its_own_and_always_the_same(temporary: dict[str, str]) -> None:
    sources = [Path("/srv/shop/litmus.toml"), Path("/srv/shop/test.toml"), Path("/old/shop/litmus.toml"), None]
    paths = [default_path(source, temporary) for source in sources]
    assert len(set(paths)) == len(sources)
    assert paths == [default_path(source, temporary) for source in sources]


def test_without_a_file_the_working_directory_counts(
    tmp_path: Path, temporary: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "Héllo wörld", tmp_path / "..."
    paths = []
    for folder in (here, there):
        folder.mkdir()
        monkeypatch.chdir(folder)
        paths.append(default_path(None, temporary))
    assert [path.name.rpartition("-")[0] for path in paths] == ["h-llo-w-rld", "litmus"]


def test_a_relative_file_is_the_same_as_its_absolute_path(
    tmp_path: Path, temporary: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_path(Path("x/../litmus.toml"), temporary) == default_path(tmp_path / "litmus.toml", temporary)


def test_a_link_that_is_pointed_elsewhere_still_names_the_same_server(
    tmp_path: Path, temporary: dict[str, str]
) -> None:
    current = tmp_path / "current"
    paths = []
    for release in ("1", "2"):
        (tmp_path / release).mkdir()
        current.unlink(missing_ok=True)
        current.symlink_to(release)
        paths.append(default_path(current / "litmus.toml", temporary))
    assert paths[0] == paths[1]


def test_nothing_is_made_by_asking(tmp_path: Path, temporary: dict[str, str]) -> None:
    default_path(None, temporary)
    assert list(tmp_path.iterdir()) == []


def test_prepare_makes_the_folder_for_this_user_alone(tmp_path: Path, temporary: dict[str, str]) -> None:
    path = default_path(None, temporary)
    place.prepare(path)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    place.prepare(path)


def test_prepare_does_not_make_more_than_the_last_folder(tmp_path: Path) -> None:
    with pytest.raises(PlaceError, match=r"cannot make the folder .*/a/b/ctl\.sock: No such file .*arbiter\.control"):
        place.prepare(tmp_path / "a" / "b" / "ctl.sock")


def test_a_shared_folder_that_others_can_write_to_is_refused(tmp_path: Path, temporary: dict[str, str]) -> None:
    shared_folder(tmp_path).mkdir()
    shared_folder(tmp_path).chmod(0o777)
    with pytest.raises(PlaceError, match="not safe"):
        place.prepare(default_path(None, temporary))


def test_a_shared_folder_that_is_a_link_is_refused(tmp_path: Path, temporary: dict[str, str]) -> None:
    (tmp_path / "trap").mkdir(mode=0o700)
    shared_folder(tmp_path).symlink_to("trap")
    with pytest.raises(PlaceError, match="not safe"):
        place.prepare(default_path(None, temporary))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder away")
def test_a_shared_folder_of_another_user_is_refused(tmp_path: Path, temporary: dict[str, str]) -> None:
    shared_folder(tmp_path).mkdir(mode=0o700)
    os.chown(shared_folder(tmp_path), 65534, 65534)
    with pytest.raises(PlaceError, match=f"must be a folder that belongs to user {os.geteuid()}"):
        place.check(default_path(None, temporary))


def test_a_missing_folder_is_no_reason_to_worry_for_a_client(temporary: dict[str, str]) -> None:
    place.check(default_path(None, temporary))


def test_a_path_that_the_kernel_would_refuse_is_refused_with_the_reason() -> None:
    with pytest.raises(PlaceError, match="longer than the 107 bytes"):
        place.check(Path("/tmp", "x" * 110))
