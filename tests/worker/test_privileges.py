"""Giving up root, in children: it is for good."""

import grp
import os
import pwd
from collections.abc import Callable

import pytest
from support.processes import in_child

from litmus.worker.privileges import drop, ids

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root")

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
        with pytest.raises(PermissionError):
            drop("root", "")

    in_a_child_that(lambda: drop("nobody", ""), come_back)


@needs_root
def test_who_is_that_user_already_needs_no_rights() -> None:
    in_a_child_that(lambda: drop("nobody", ""), lambda: drop("nobody", ""))


@needs_root
def test_the_environment_says_who_it_is() -> None:
    def check() -> None:
        assert os.environ["USER"] == os.environ["LOGNAME"] == "nobody"
        assert os.environ["HOME"] == NOBODY.pw_dir

    in_a_child_that(lambda: drop("nobody", ""), check)


@pytest.mark.parametrize(("user", "group"), [("no-such-user-here", ""), ("", "no-such-group-here")])
def test_unknown_names(user: str, group: str) -> None:
    with pytest.raises(KeyError, match="no-such"):
        drop(user, group)
