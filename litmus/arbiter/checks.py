"""What a valid configuration may still ask for in vain: of this user, or of a server that runs already."""

import grp
import os
import pwd
from collections.abc import Callable

from litmus.arbiter.errors import StartupError
from litmus.kinds import spell
from litmus.loading import describe
from litmus.settings import Settings


def check_privileges(settings: Settings) -> None:
    """Raise StartupError if the workers are to become a user or join a group, and this process can't make them."""
    if os.geteuid() == 0:
        return
    user, group = settings.arbiter.user, settings.arbiter.group
    if user and pwd.getpwnam(user).pw_uid != os.geteuid():
        raise _not_root(settings, "user", user)
    if group and grp.getgrnam(group).gr_gid != os.getegid():
        raise _not_root(settings, "group", group)


def _not_root(settings: Settings, key: str, value: str) -> StartupError:
    sentence = f"only root can change it, and this is user {os.geteuid()}; start litmusd as root, or leave it empty"
    return StartupError(_describe(settings, f"arbiter.{key}", value, sentence))


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
