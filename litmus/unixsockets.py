"""Unix sockets: who is at the other end, when the file of one may be replaced, and who may connect to it."""

import errno
import os
import socket
import stat
import struct
from pathlib import Path
from typing import NamedTuple


class Credentials(NamedTuple):
    """Who connected, or listens, as the kernel noted it then (unix(7), ``SO_PEERCRED``)."""

    pid: int
    uid: int
    gid: int


def peer_credentials(connection: socket.socket) -> Credentials:
    """Return the process at the other end of a Unix socket; its ``pid`` is 0 if it is in another container."""
    ucred = struct.Struct("3i")
    return Credentials(*ucred.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, ucred.size)))


class OccupiedError(Exception):
    """What is at a path must not be removed; the text says what it is."""


class AnsweredError(OccupiedError):
    """It is a socket, and somebody listens on it: process ``pid``, or 0 if that is not known."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"process {pid} listens there" if pid else "another process listens there")
        self.pid = pid


def remove_stale(path: Path) -> None:
    """Remove the socket file that a dead process left at ``path``, if there is one.

    Raises OccupiedError for everything else that is there, and OSError if it can't be looked at or removed.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise OccupiedError("something that is not a socket is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        refusal = probe.connect_ex(os.fspath(path))
        pid = 0 if refusal else peer_credentials(probe).pid
    if refusal == errno.ECONNREFUSED:
        path.unlink(missing_ok=True)
    elif refusal in (0, errno.EAGAIN):  # EAGAIN: somebody listens, and his queue is full
        raise AnsweredError(pid)
    elif refusal != errno.ENOENT:  # ENOENT: its owner took it away in this very moment
        raise OccupiedError(f"who listens there can't be told ({os.strerror(refusal)})")


def permit(path: Path, mode: int, gid: int) -> None:
    """Give a socket's file its mode and, unless ``gid`` is -1, its group. Raises OSError.

    The folder may be somebody else's, who could put a link in the file's place: nothing but a socket is touched.
    """
    file = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(file).st_mode):
            raise FileExistsError(errno.EEXIST, "something that is not a socket is there", str(path))
        itself = f"/proc/self/fd/{file}"  # chmod(2) takes no O_PATH descriptor
        os.chown(itself, -1, gid)  # first: it may be refused, and nothing has changed then
        os.chmod(itself, mode)  # noqa: PTH101 - a Path can't follow such a link any better
    finally:
        os.close(file)
