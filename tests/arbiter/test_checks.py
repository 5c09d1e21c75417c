"""What is checked beyond the configuration itself."""

import dataclasses
import grp
import os
import pwd
from pathlib import Path

import pytest

from litmus.arbiter.checks import check_privileges, unchangeable
from litmus.arbiter.errors import StartupError
from litmus.settings import ArbiterSettings, Settings


def settings(**options: object) -> Settings:
    return dataclasses.replace(
        Settings(),
        arbiter=dataclasses.replace(ArbiterSettings(), **options),  # type: ignore[arg-type]
        origins={f"arbiter.{key}": "litmus.toml" for key in options},
    )


@pytest.fixture
def not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    monkeypatch.setattr(os, "getegid", lambda: pwd.getpwuid(65534).pw_gid)


@pytest.mark.usefixtures("not_root")
def test_only_root_makes_workers_somebody_else() -> None:
    with pytest.raises(StartupError) as caught:
        check_privileges(settings(user="root"))
    assert str(caught.value).startswith('litmus.toml: arbiter.user = "root": only root can change it, and this is user')
    with pytest.raises(StartupError, match=r"arbiter\.group = "):
        check_privileges(settings(group="root"))


@pytest.mark.usefixtures("not_root")
def test_to_stay_who_one_is_takes_no_root() -> None:
    me = pwd.getpwuid(65534)
    check_privileges(settings(user=me.pw_name, group=grp.getgrgid(me.pw_gid).gr_name))
    check_privileges(Settings())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_may() -> None:
    check_privileges(settings(user="nobody"))


def test_what_is_fixed_while_the_server_runs() -> None:
    assert unchangeable(Settings(), settings(workers=3, user="nobody")) == []
    problems = unchangeable(settings(pidfile=Path("/a")), settings(control=Path("/run/b")))
    assert problems == [
        'litmus.toml: arbiter.control = "/run/b": changes only with a restart; it is "" now',
        'default: arbiter.pidfile = "": changes only with a restart; it is "/a" now',
    ]
