"""Whom the arbiter gives its log files to."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from litmus import log
from litmus.arbiter import logfiles
from litmus.log import LogError
from litmus.settings import ArbiterSettings, LogSettings, Settings


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "litmus.log"
    log.configure(LogSettings(access=False), "nobody")  # lets the file go


def settings(file: Path, user: str = "", group: str = "") -> Settings:
    return Settings(arbiter=ArbiterSettings(user=user, group=group), log=LogSettings(file=file, access=False))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize(
    ("user", "group", "owner"),
    [("nobody", "", (65534, 65534)), ("nobody", "daemon", (65534, 1)), ("", "daemon", (0, 1)), ("", "", (0, 0))],
)
def test_whose_they_are(file: Path, user: str, group: str, owner: tuple[int, int]) -> None:
    logfiles.configure(settings(file, user, group))
    status = file.stat()
    assert (status.st_uid, status.st_gid) == owner


def test_without_root_they_stay_its_own(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    logfiles.configure(settings(file, "nobody"))
    assert file.stat().st_uid == os.getuid()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_user_who_is_gone_by_now(file: Path) -> None:
    with pytest.raises(LogError, match=r"the log files have no owner: .*no-such-user-here"):
        logfiles.configure(settings(file, "no-such-user-here"))
    assert not file.exists()


# -- why the server does not run ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["debug", "error"])
def test_a_failure_is_noted_whatever_the_level(file: Path, level: str) -> None:
    logfiles.note_failure(Settings(log=LogSettings(file=file, level=level)), "it broke\nhere")
    first, second = file.read_text().splitlines()
    assert first.endswith("  it broke")
    assert " critical arbiter[" in first
    assert second == "    here"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_that_is_made_for_a_failure_belongs_to_the_workers_user(file: Path) -> None:
    logfiles.note_failure(settings(file, "nobody"), "it broke")
    assert file.stat().st_uid == 65534


def test_a_failure_that_cannot_be_noted_is_not_another_failure(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logfiles.note_failure(settings(file / "not-there"), "it broke")
    logfiles.note_failure(Settings(log=LogSettings(access=False)), "it broke")  # standard error has it already
    assert capfd.readouterr().err == ""
