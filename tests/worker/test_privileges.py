"""Giving up root, in children: it is for good."""

import grp
import os
import pwd
from collections.abc import Callable

import pytest
from support.marks import needs_root
from support.processes import in_child

from litmus.worker.privileges import PrivilegeError, drop, ids

NOBODY = pwd.getpwnam("nobody")


def in_a_child_that(*steps: Callable[[], object]) -> None:
    def work() -> None:
        for step in steps:
            step()

    in_child(work)


def expect(uid: int, gid: int, groups: set[int]) -> Callable[[], None]:
    def check() -> None:
        assert os.getresuid() == (uid,) * 3
        assert os.getresgid() == (gid,) * 3
        assert set(os.getgroups()) == groups

    return check


def test_no_names_change_nothing() -> None:
    before = os.getresuid(), os.getresgid(), os.getgroups()
    drop("", "")
    assert (os.getresuid(), os.getresgid(), os.getgroups()) == before


def test_the_ids_of_names() -> None:
    daemon = grp.getgrnam("daemon").gr_gid
    assert ids("nobody", "") == (NOBODY.pw_uid, NOBODY.pw_gid)
    assert ids("nobody", "daemon") == (NOBODY.pw_uid, daemon)
    assert ids("", "daemon") == (-1, daemon)
    assert ids("", "") == (-1, -1)


@needs_root
def test_a_user_brings_its_groups_along() -> None:
    groups = set(os.getgrouplist("nobody", NOBODY.pw_gid))
    in_a_child_that(lambda: drop("nobody", ""), expect(NOBODY.pw_uid, NOBODY.pw_gid, groups))


@needs_root
def test_a_user_in_another_group() -> None:
    gid = grp.getgrnam("daemon").gr_gid
    groups = set(os.getgrouplist("nobody", gid))
    in_a_child_that(lambda: drop("nobody", "daemon"), expect(NOBODY.pw_uid, gid, groups))


@needs_root
def test_only_a_group() -> None:
    gid = grp.getgrnam("daemon").gr_gid
    in_a_child_that(lambda: drop("", "daemon"), expect(0, gid, {gid}))


@needs_root
def test_it_is_for_good() -> None:
    def come_back() -> None:
        with pytest.raises(PermissionError):
            os.setuid(0)
        with pytest.raises(PermissionError):
            os.setgid(0)
        with pytest.raises(PrivilegeError, match=r"arbiter\.user = 'root', .*: Operation not permitted"):
            drop("root", "")

    in_a_child_that(lambda: drop("nobody", ""), come_back)


@needs_root
@pytest.mark.parametrize(("user", "group"), [("nobody", ""), ("nobody", "daemon"), ("", "daemon")])
def test_who_is_that_already_needs_no_rights(user: str, group: str) -> None:
    """As under a service manager that gave its user another group than the user's own, and further ones."""
    daemon = grp.getgrnam("daemon").gr_gid

    def become_nobody() -> None:
        os.setgroups([daemon, 12345])
        os.setgid(daemon)
        os.setuid(NOBODY.pw_uid)

    def check() -> None:
        assert ids(user, group) == (-1, -1)

    stays = expect(NOBODY.pw_uid, daemon, {daemon, 12345})
    in_a_child_that(become_nobody, check, lambda: drop(user, group), stays)


@needs_root
def test_a_group_that_one_is_only_a_member_of_is_a_change() -> None:
    daemon = grp.getgrnam("daemon").gr_gid

    def become_nobody() -> None:
        os.setgroups([daemon])
        os.setgid(NOBODY.pw_gid)
        os.setuid(NOBODY.pw_uid)

    def check() -> None:
        assert ids("nobody", "daemon") == (-1, daemon)
        with pytest.raises(PrivilegeError, match=r"arbiter\.group = 'daemon': a worker cannot become that: Operation"):
            drop("nobody", "daemon")

    in_a_child_that(become_nobody, check)


@needs_root
def test_the_environment_says_who_it_is() -> None:
    def check() -> None:
        assert os.environ["USER"] == os.environ["LOGNAME"] == "nobody"
        assert os.environ["HOME"] == NOBODY.pw_dir

    in_a_child_that(lambda: drop("nobody", ""), check)


@pytest.mark.parametrize(("user", "group"), [("no-such-user-here", ""), ("", "no-such-group-here")])
def test_unknown_names(user: str, group: str) -> None:
    with pytest.raises(PrivilegeError, match=r"arbiter\.user = .*, arbiter\.group = .*: .*no-such"):
        drop(user, group)
