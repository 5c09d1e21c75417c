"""The queue of a listening socket: connections that the kernel has completed, and nobody has accepted yet."""

from __future__ import annotations

import select
import socket
import struct
from typing import Final

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
