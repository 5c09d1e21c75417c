"""Giving up root in a worker."""

from __future__ import annotations

import grp
import os
import pwd


class PrivilegeError(Exception):
    """A worker cannot become who the configuration names; the text names the keys."""


def ids(user: str, group: str) -> tuple[int, int]:
    """The ids of the user and the group that `drop` changes to; -1 for what stays as it is.

    That is what is not named, and what this process is already: who is that user keeps his group unless another is
    named. A service manager may have given him one that is not his own. KeyError for a name that nobody has.
    """
    uid, gid = -1, -1
    if user and (account := pwd.getpwnam(user)).pw_uid != os.geteuid():
        uid, gid = account.pw_uid, account.pw_gid
    if group:
        gid = grp.getgrnam(group).gr_gid
    if uid == -1 and gid == os.getegid():
        gid = -1
    return uid, gid


def drop(user: str, group: str) -> None:
    """Become ``user`` and ``group`` for good, as far as that is a change. Raises PrivilegeError if it can't be.

    Without a ``group`` the user's own is taken. The user's supplementary groups come along.
    """
    try:
        uid, gid = ids(user, group)
        if uid == gid == -1:
            return
        if user:
            os.initgroups(user, gid)
        else:
            os.setgroups([gid])
        os.setgid(gid)
        if uid != -1:
            account = pwd.getpwnam(user)
            os.setuid(uid)
            os.environ.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)
    except KeyError as error:
        raise PrivilegeError(f"{_keys(user, group)}: {error.args[0]}") from error
    except OSError as error:
        raise PrivilegeError(f"{_keys(user, group)}: a worker cannot become that: {error.strerror}") from error


def _keys(user: str, group: str) -> str:
    return f"arbiter.user = '{user}', arbiter.group = '{group}'"
