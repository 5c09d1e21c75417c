"""The queue of a listening socket: connections that the kernel has completed, and nobody has accepted yet."""

from __future__ import annotations

import select
import socket
import struct
from typing import Any, Final

_TCPI_UNACKED: Final = 24  # struct tcp_info, linux/tcp.h: on a listening socket, the length of its accept queue
_TCP_INFO_SIZE: Final = 104


def queued(listener: socket.socket) -> int:
    """How many connections wait to be accepted. A Unix socket only tells whether any do: 1 or 0."""
    if listener.family == socket.AF_UNIX:
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        return len(poll.poll(0))
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
    return int(struct.unpack_from("=I", info, _TCPI_UNACKED)[0])


class Accepted(socket.socket):
    """An accepted socket whose family and type are plain numbers.

    ``socket.socket`` makes members of enumerations of them each time they are looked at, and the event loop looks at
    both. That took longer than all else in accepting a connection.
    """

    __slots__ = ()

    family = socket.SocketType.family  # type: ignore[assignment]
    type = socket.SocketType.type  # type: ignore[assignment]


def take(listener: socket.socket) -> tuple[Accepted, Any] | None:
    """Take one connection off the queue of a listener, if there is one.

    Returns its socket, which inherits nothing of the listener's but what it is, and the peer's address. Raises OSError
    without descriptors or memory for it.
    """
    try:
        descriptor, peer = listener._accept()  # type: ignore[attr-defined]
    except (BlockingIOError, ConnectionAbortedError):
        return None
    return Accepted(_family(listener), _type(listener), listener.proto, descriptor), peer


_family: Final = socket.SocketType.family.__get__
_type: Final = socket.SocketType.type.__get__
