"""The file with the arbiter's process id, for init scripts and operators."""

import contextlib
import os
from pathlib import Path

import psutil

from litmus.arbiter.errors import StartupError
from litmus.kinds import spell
from litmus.loading import describe


class PidFile:
    """Checked at start, written when the server is ready, removed at the end if it is still ours."""

    def __init__(self, path: Path, origin: str = "default") -> None:
        """``origin`` is where the path was configured, for messages."""
        self.path = path
        self._origin = origin

    def check(self) -> None:
        """Raise StartupError if the file names another litmusd that lives, or can't be written."""
        pid = self._read()
        if pid is not None and pid != os.getpid() and _is_litmus(pid):
            raise self._error(f"litmusd runs already, as process {pid}; stop it, or choose another file")
        if not os.access(self.path.parent, os.W_OK | os.X_OK):
            raise self._error(
                f"user {os.geteuid()} cannot write in {self.path.parent}; make it writable, or move the file"
            )

    def write(self) -> None:
        """Write it, complete from the first moment. Raises OSError."""
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        temporary.write_text(f"{os.getpid()}\n")
        temporary.replace(self.path)

    def remove(self) -> None:
        """Remove it, unless another process has written its own id there."""
        if self._read() == os.getpid():
            with contextlib.suppress(OSError):
                self.path.unlink()

    def _read(self) -> int | None:
        try:
            return int(self.path.read_text(errors="replace")[:32])
        except (OSError, ValueError):
            return None

    def _error(self, sentence: str) -> StartupError:
        return StartupError(describe(self._origin, "arbiter.pidfile", spell(str(self.path)), sentence))


def _is_litmus(pid: int) -> bool:
    """Whether a process is a litmusd: the id may have been given to somebody else since the file was written."""
    try:
        return any("litmus" in part for part in psutil.Process(pid).cmdline())
    except (psutil.Error, ValueError, OverflowError):
        return False
