"""Giving up root in a worker."""

from __future__ import annotations

import grp
import os
import pwd


def ids(user: str, group: str) -> tuple[int, int]:
    """The ids of the user and the group that `drop` makes of these names; -1 for what stays as it is."""
    account = pwd.getpwnam(user) if user else None
    uid, gid = (account.pw_uid, account.pw_gid) if account is not None else (-1, -1)
    return uid, grp.getgrnam(group).gr_gid if group else gid


def drop(user: str, group: str) -> None:
    """Become ``user`` and ``group`` for good; an empty name changes nothing. Raises PermissionError when not root.

    Without a ``group`` the user's own is taken, supplementary groups included.
    """
    if not user and not group:
        return
    account = pwd.getpwnam(user) if user else None
    _, gid = ids(user, group)
    if account is not None and account.pw_uid == os.geteuid() and gid == os.getegid():
        return
    if account is not None:
        os.initgroups(account.pw_name, gid)
    else:
        os.setgroups([gid])
    os.setgid(gid)
    if account is not None:
        os.setuid(account.pw_uid)
        os.environ.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)
