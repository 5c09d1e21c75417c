"""What a valid configuration may still ask for in vain: of this user, or of a server that runs already."""

import grp
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from litmus.arbiter.errors import StartupError
from litmus.kinds import spell
from litmus.loading import describe
from litmus.settings import Settings
from litmus.worker import privileges
from litmus.worker.capacity import capacity

_CAPABILITIES = {"CAP_SETGID": 6, "CAP_SETUID": 7}
"""What root needs to become somebody else, and may have been denied in a container: the bits, see capability.h."""


_FEW: Final = 64
"""With room for fewer connections a worker is full at once, and nobody can have wanted that who set no limit."""


def check_privileges(settings: Settings) -> None:
    """Raise StartupError if workers, or socket files, are to belong to whom this process can't give them."""
    user, group = settings.arbiter.user, settings.arbiter.group
    uid, gid = privileges.ids(user, group)
    if uid != -1:
        _check_change(settings, "user", user, ["CAP_SETUID", "CAP_SETGID"])
    elif gid != -1:
        _check_change(settings, "group", group, ["CAP_SETGID"])
    mine = {os.getegid(), *os.getgroups()}
    for index, listen in enumerate(settings.listen):
        if listen.group and os.geteuid() != 0 and grp.getgrnam(listen.group).gr_gid not in mine:
            sentence = f"user {os.geteuid()} is not in this group; start litmusd as root, or as one who is"
            raise StartupError(_describe(settings, f"listen.{index}.group", listen.group, sentence))


def _check_change(settings: Settings, key: str, value: str, needed: list[str]) -> None:
    if os.geteuid() != 0:
        sentence = f"only root can change it, and this is user {os.geteuid()}; start litmusd as root, or leave it empty"
    elif lacking := [name for name in needed if not _capabilities() >> _CAPABILITIES[name] & 1]:
        sentence = f"root can't change it without {' and '.join(lacking)}; let litmusd have that, or leave it empty"
    else:
        return
    raise StartupError(_describe(settings, f"arbiter.{key}", value, sentence))


def _capabilities() -> int:
    """What this process may do, as the kernel's bits."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1], 16) if found else -1


def shortcomings(settings: Settings) -> list[str]:
    """What this process can't give in full, and serves without: a sentence for each."""
    key, wanted = "limits.connections", settings.limits.connections
    room = capacity(wanted)
    if room.most >= (wanted or _FEW):
        return []
    sentence = f"workers will have {room.most}, the most that {room.bound}"
    return [describe(settings.origins.get(key, "default"), key, str(wanted), sentence)]


def unchangeable(old: Settings, new: Settings) -> list[str]:
    """What is different in ``new`` and can't be changed while the server runs: a sentence for each."""
    options: dict[str, Callable[[Settings], object]] = {
        "arbiter.control": lambda settings: settings.arbiter.control,
        "arbiter.pidfile": lambda settings: settings.arbiter.pidfile,
    }
    return [
        _describe(
            new, key, str(value(new) or ""), f"changes only with a restart; it is {spell(str(value(old) or ''))} now"
        )
        for key, value in options.items()
        if value(new) != value(old)
    ]


def _describe(settings: Settings, key: str, value: str, sentence: str) -> str:
    return describe(settings.origins.get(key, "default"), key, spell(value), sentence)
