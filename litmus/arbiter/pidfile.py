"""The file with the arbiter's process id, for init scripts and operators."""

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path
from typing import BinaryIO

from litmus.arbiter.errors import StartupError
from litmus.kinds import spell
from litmus.loading import describe


class PidFile:
    """Checked at start, written when the server is ready, removed at the end if it is still ours.

    As long as the process lives that wrote it, it holds a lock on it: an id that is left behind may have been given to
    somebody else since. It is a lock of fcntl(2), which a child does not have, and which takes the right to write.
    """

    def __init__(self, path: Path, origin: str = "default") -> None:
        """``origin`` is where the path was configured, for messages."""
        self.path = path
        self._origin = origin
        self._file: int | None = None

    def check(self) -> None:
        """Raise StartupError if the one who wrote the file lives, or if it can't be written."""
        if self._is_locked():
            pid = self._read()
            raise self._error(
                f"litmusd runs already{f', as process {pid}' if pid else ''}; stop it, or choose another file"
            )
        if not os.access(self.path.parent, os.W_OK | os.X_OK):
            raise self._error(
                f"user {os.geteuid()} cannot write in {self.path.parent}; make it writable, or move the file"
            )

    def write(self) -> None:
        """Write it, complete and locked from the first moment. Raises OSError.

        What is at the path is replaced, and never written to: who may write in the folder could have put a link there.
        """
        self._file, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            os.write(self._file, b"%d\n" % os.getpid())
            os.fchmod(self._file, 0o644)
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            Path(temporary).replace(self.path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            self.let_go()
            raise

    def remove(self) -> None:
        """Remove it, unless another process has written its own id there."""
        if self._read() == os.getpid():
            with contextlib.suppress(OSError):
                self.path.unlink()
        self.let_go()

    def let_go(self) -> None:
        """Close the descriptor: at the end, or in a forked child."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _is_locked(self) -> bool:
        try:
            with self._open() as file:
                fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def _read(self) -> int | None:
        try:
            with self._open() as file:
                return int(file.read(32))
        except (OSError, ValueError):
            return None

    def _open(self) -> BinaryIO:
        """Open it for reading, without waiting for a writer if it is a pipe. Raises OSError."""
        return os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")

    def _error(self, sentence: str) -> StartupError:
        return StartupError(describe(self._origin, "arbiter.pidfile", spell(str(self.path)), sentence))
