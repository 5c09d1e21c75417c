"""The control socket as a file: how it comes to be, whose it is, and when it may be taken away."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from litmus import unixsockets
from litmus.control import place
from litmus.control.place import PlaceError
from litmus.unixsockets import AnsweredError, OccupiedError

_BACKLOG = 16


class Endpoint:
    """A listening Unix socket and its file. Made by :func:`bind`; the process that made it owns the file."""

    def __init__(self, path: Path, listener: socket.socket) -> None:
        self.path = path
        self.listener = listener
        status = path.lstat()
        self._identity = (status.st_dev, status.st_ino)

    def close(self) -> None:
        """Stop listening and remove the file, unless somebody has put another one in its place."""
        self.listener.close()
        try:
            status = self.path.lstat()
            if (status.st_dev, status.st_ino) == self._identity:
                self.path.unlink()
        except OSError:
            return  # the file is gone already, or its folder is out of reach: nothing of ours is left to remove

    def detach(self) -> None:
        """Let go of the descriptor and leave the file: for a forked child, which has no business with either."""
        self.listener.close()


def bind(path: Path) -> Endpoint:
    """Listen at ``path``: non-blocking, mode 0600 from the first moment, in a folder made (0700) if it is missing.

    A socket file left behind by a process that died is replaced, but only when nobody answers on it; anything that is
    not a socket is never touched. Raises :class:`~litmus.control.place.PlaceError` with what is in the way.
    """
    place.prepare(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        os.fchmod(listener.fileno(), 0o600)  # Linux gives the file the mode of the socket: no moment with a wider one
        with _start_lock(path):
            _remove_stale(path)
            listener.bind(os.fspath(path))
            listener.listen(_BACKLOG)
            return Endpoint(path, listener)
    except OSError as error:
        listener.close()
        raise PlaceError(
            f"cannot listen on the control socket {path}: {error.strerror}; "
            "set arbiter.control to a path this user may write to"
        ) from error
    except PlaceError:
        listener.close()
        raise


def _remove_stale(path: Path) -> None:
    """Remove a socket file on which nobody answers; raise :class:`PlaceError` for everything else that is there."""
    try:
        unixsockets.remove_stale(path)
    except AnsweredError as error:
        raise PlaceError(
            f"another litmusd answers on {path}{f', as process {error.pid}' if error.pid else ''}; stop it first "
            f"(litmusctl -s {path} stop), or give this one a control socket of its own (--set arbiter.control=PATH)"
        ) from error
    except OccupiedError as error:
        raise PlaceError(
            f"the control socket can't be made at {path}: {error}; move it away, or set arbiter.control to another path"
        ) from error


@contextmanager
def _start_lock(path: Path) -> Iterator[None]:
    """Keep two that start at once from taking each other's new socket for a stale one.

    The lock is a file beside the socket, there only for this moment. It may have been removed by its previous holder
    between our opening and locking it; then it excludes nobody, and a new one is opened.
    """
    lock_path = path.with_name(f".{path.name}.lock")
    while True:
        lock = os.open(lock_path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _names(lock_path, lock):
                break
        except BlockingIOError:
            os.close(lock)
            raise PlaceError(f"another litmusd is just starting on {path}") from None
        os.close(lock)
    try:
        yield
    finally:
        lock_path.unlink(missing_ok=True)
        os.close(lock)


def _names(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
