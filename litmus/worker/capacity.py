"""How many connections a worker may have open, and what it is that allows no more."""

from __future__ import annotations

import resource
from typing import Final, NamedTuple

_RESERVE: Final = 64
"""Descriptors kept for what is not a connection: logs, listeners, the application's files and sockets."""

HOW_TO_RAISE: Final = "raise it with ulimit -n, or LimitNOFILE= in a systemd unit"


class Capacity(NamedTuple):
    """A number of connections.

    Attributes:
        most: how many may be open.
        bound: what allows no more, in words that go on after "the most that".
    """

    most: int
    bound: str


def capacity(limit: int) -> Capacity:
    """What a worker has room for: ``limit`` connections, or what the descriptor limit leaves when that is 0 or less."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = max(1, descriptors - max(_RESERVE, min(1024, descriptors // 8)))
    if 0 < limit <= room:
        return Capacity(limit, "limits.connections allows")
    return Capacity(room, f"a descriptor limit of {descriptors} allows ({HOW_TO_RAISE})")
