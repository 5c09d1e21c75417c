"""What is checked beyond the configuration itself."""

import ctypes
import dataclasses
import grp
import os
import pwd
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from support.marks import needs_root
from support.processes import in_child

from litmus.arbiter.checks import check_privileges, shortcomings, unchangeable
from litmus.arbiter.errors import StartupError
from litmus.settings import ArbiterSettings, LimitsSettings, ListenSettings, Settings
from litmus.worker import privileges


def settings(**options: object) -> Settings:
    return dataclasses.replace(
        Settings(),
        arbiter=dataclasses.replace(ArbiterSettings(), **options),  # type: ignore[arg-type]
        origins={f"arbiter.{key}": "litmus.toml" for key in options},
    )


NOBODY = pwd.getpwnam("nobody")
DAEMON = grp.getgrnam("daemon")


def as_nobody(work: Callable[[], None], gid: int = NOBODY.pw_gid) -> None:
    """Do the work in a child that is another user."""

    def become_nobody_and_work() -> None:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(NOBODY.pw_uid)
        work()

    in_child(become_nobody_and_work)


@needs_root
def test_only_root_makes_workers_somebody_else() -> None:
    def work() -> None:
        for key in ("user", "group"):
            with pytest.raises(StartupError) as caught:
                check_privileges(settings(**{key: "root"}))
            assert str(caught.value) == (
                f'litmus.toml: arbiter.{key} = "root": only root can change it, and this is user {NOBODY.pw_uid}; '
                "start litmusd as root, or leave it empty"
            )
        with pytest.raises(StartupError, match=r'arbiter\.group = "daemon"'):
            check_privileges(settings(user="nobody", group="daemon"))

    as_nobody(work)


@needs_root
@pytest.mark.parametrize("gid", [NOBODY.pw_gid, DAEMON.gr_gid], ids=["in its group", "in another group"])
def test_to_stay_who_one_is_takes_no_root(gid: int) -> None:
    """What the check lets pass, a worker can do as well."""

    def work() -> None:
        own = grp.getgrgid(gid).gr_name
        for user, group in (("nobody", ""), ("nobody", own), ("", own), ("", "")):
            check_privileges(settings(user=user, group=group))
            privileges.drop(user, group)

    as_nobody(work, gid)


@needs_root
def test_root_may() -> None:
    check_privileges(settings(user="nobody"))


@needs_root
@pytest.mark.parametrize(
    ("options", "lacking"),
    [
        ({"user": "nobody"}, "CAP_SETUID and CAP_SETGID"),
        ({"group": "daemon"}, "CAP_SETGID"),
        ({"user": "root", "group": "daemon"}, "CAP_SETGID"),
    ],
)
def test_root_may_not_in_a_container_that_forbids_it(options: dict[str, str], lacking: str) -> None:
    def work() -> None:
        give_up_capabilities()
        with pytest.raises(StartupError, match=rf"root can't change it without {lacking}; let litmusd have that"):
            check_privileges(settings(**options))
        with pytest.raises(privileges.PrivilegeError):
            privileges.drop(options.get("user", ""), options.get("group", ""))
        check_privileges(settings(user="root", group="root"))

    in_child(work)


@needs_root
def test_a_socket_file_goes_to_a_group_one_is_in() -> None:
    def work() -> None:
        check_privileges(listening(grp.getgrgid(NOBODY.pw_gid).gr_name))
        with pytest.raises(StartupError) as caught:
            check_privileges(listening("daemon"))
        assert str(caught.value) == (
            f'litmus.toml: listen.0.group = "daemon": user {NOBODY.pw_uid} is not in this group; '
            "start litmusd as root, or as one who is"
        )

    check_privileges(listening("daemon"))
    as_nobody(work)


def listening(group: str) -> Settings:
    listen = (ListenSettings(bind="unix:/run/shop.sock", group=group),)
    return Settings(listen=listen, origins={"listen.0.group": "litmus.toml"})


def give_up_capabilities() -> None:
    """Keep user 0, and let it do nothing that another user may not: capset(2), version 3."""
    header, nothing = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None, use_errno=True).capset(header, nothing) == 0, os.strerror(ctypes.get_errno())


@pytest.mark.parametrize("origin", ["litmus.toml", "--set"])
def test_more_connections_than_descriptors_allow_are_told(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))

    def told(connections: int) -> list[str]:
        limits = dataclasses.replace(LimitsSettings(), connections=connections)
        return shortcomings(Settings(limits=limits, origins={"limits.connections": origin}))

    assert told(0) == told(1) == told(896) == []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (100, 4096))
    assert told(1) == told(36) == []
    assert "limits.connections = 0: workers will have 36, the most that a descriptor limit of 100 allows" in told(0)[0]
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))
    assert told(897) == [
        f"{origin}: limits.connections = 897: workers will have 896, the most that a descriptor limit of 1024 allows "
        "(raise it with ulimit -n, or LimitNOFILE= in a systemd unit)"
    ]


def test_what_is_fixed_while_the_server_runs() -> None:
    assert unchangeable(Settings(), settings(workers=3, user="nobody")) == []
    problems = unchangeable(settings(pidfile=Path("/a")), settings(control=Path("/run/b")))
    assert problems == [
        'litmus.toml: arbiter.control = "/run/b": changes only with a restart; it is "" now',
        'default: arbiter.pidfile = "": changes only with a restart; it is "/a" now',
    ]
