"""The queue of a listening socket: connections that the kernel has completed, and nobody has accepted yet."""

from __future__ import annotations

import os
import select
import socket
import struct
from typing import Any, Final

_TCPI_UNACKED: Final = 24  # struct tcp_info, linux/tcp.h: on a listening socket, the length of its accept queue
_TCP_INFO_SIZE: Final = 104


# linux/sock_diag.h and linux/unix_diag.h: what ``ss`` asks for, one socket by its inode, and its answer.
_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_DIAG_REQUEST: Final = struct.Struct("=IHHII BBHIIIII")  # nlmsghdr; unix_diag_req
_DIAG_ATTRIBUTES: Final = 32  # behind nlmsghdr and unix_diag_msg
_NLM_F_REQUEST: Final = 1
_SHOW_QUEUE: Final = 0x10
_QUEUE: Final = 4
_ANY: Final = 0xFFFFFFFF


def queued(listener: socket.socket) -> int:
    """How many connections wait to be accepted.

    Of a Unix socket only whether any do, 1 or 0, where the kernel, or a sandbox, does not let us ask for more.
    """
    if listener.family == socket.AF_UNIX:
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        return (_queued_at_unix_socket(listener) or 1) if poll.poll(0) else 0
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
    return int(struct.unpack_from("=I", info, _TCPI_UNACKED)[0])


def _queued_at_unix_socket(listener: socket.socket) -> int | None:
    """The length of the queue, None if nobody tells."""
    inode = os.fstat(listener.fileno()).st_ino & _ANY
    which = (socket.AF_UNIX, 0, 0, _ANY, inode, _SHOW_QUEUE, _ANY, _ANY)  # in any state, and whatever its cookie
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
            kernel.setblocking(False)  # it answers while it is asked
            kernel.send(_DIAG_REQUEST.pack(_DIAG_REQUEST.size, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0, *which))
            answer = kernel.recv(4096)
    except OSError:
        return None
    if struct.unpack_from("=H", answer, 4)[0] != _SOCK_DIAG_BY_FAMILY:
        return None
    at = _DIAG_ATTRIBUTES
    while at + 8 <= len(answer):
        size, kind = struct.unpack_from("=HH", answer, at)
        if kind == _QUEUE:
            return int(struct.unpack_from("=I", answer, at + 4)[0])
        at += max(4, size + 3 & ~3)
    return None


class Accepted:
    """An accepted socket, as an event loop asks for one. It inherits nothing of the listener's but what it is.

    A ``socket.socket`` would ask the kernel for what is known, and make members of enumerations each time that somebody
    looks at its family and type, which the loop does.

    Args:
        descriptor: its own. It closes that when it goes and nobody has taken it over, as any socket does.
        family, type: plain numbers.
        peer: the address of its other end.
    """

    __slots__ = ("_descriptor", "family", "peer", "type")

    def __init__(self, descriptor: int, family: int, type: int, peer: Any) -> None:  # noqa: A002 - the loop's names
        self._descriptor = descriptor
        self.family = family
        self.type = type
        self.peer = peer

    def fileno(self) -> int:
        """Its descriptor."""
        return self._descriptor

    def close(self) -> None:
        """The loop has closed the descriptor, and says so."""
        self._descriptor = -1

    def getsockname(self) -> Any:
        """Its own address, see ``socket.socket.getsockname``."""
        borrowed = socket.SocketType(self.family, self.type, 0, self._descriptor)
        try:
            return borrowed.getsockname()
        finally:
            borrowed.detach()

    def as_socket(self) -> socket.socket:
        """A socket in its place, for who does not hand it to the loop."""
        descriptor, self._descriptor = self._descriptor, -1
        return socket.socket(self.family, self.type, fileno=descriptor)

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def take(listener: socket.socket) -> Accepted | None:
    """Take one connection off the queue of a listener, if there is one.

    Raises OSError without descriptors or memory for it.
    """
    try:
        descriptor, peer = listener._accept()  # type: ignore[attr-defined]
    except (BlockingIOError, ConnectionAbortedError):
        return None
    return Accepted(descriptor, _family(listener), _type(listener), peer)


_family: Final = socket.SocketType.family.__get__
_type: Final = socket.SocketType.type.__get__
"""Without members of enumerations, here as well."""
