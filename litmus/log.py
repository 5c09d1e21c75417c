"""The log of the server's own doings, and the files that the log and the access log are written to.

Built on the standard `logging` with one logger, "litmus"; the application's loggers and the root logger are left alone.
A line looks like this, and the further lines of a message are indented, so that no message can pose as another:

    2026-11-21 01:20:33.123 info    worker 2[1234]  message

Writing never raises and never waits long: what cannot be written is dropped and counted (`LogFile.lost`), because a
full disk or a reader that fell asleep must not stop the serving of requests. That lines are lost is told where it can
be read: of the access log in the log, of the log's file on standard error. When writing works again, the log says how
many they were.
"""

import contextlib
import logging
import os
import re
import select
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from litmus.kinds import spell
from litmus.settings import LogSettings
from litmus.units import count

# How long one write may wait for a pipe, socket or terminal whose reader is behind. After a wait in vain the writes
# that follow do not wait at all until the reader is back.
PATIENCE_SECONDS: Final = 0.1
# How long after a report of lost lines the next one has to wait: a reader that falls behind again and again must not
# fill the log.
QUIET_SECONDS: Final = 10.0
# The most that goes into a pipe in one piece, unmixed with what other processes write (PIPE_BUF, pipe(7)).
_PIECE: Final = select.PIPE_BUF

_STANDARD_OUTPUT: Final = 1
_STANDARD_ERROR: Final = 2
_LOG: Final = "log.file"
_ACCESS: Final = "log.access_file"
_FALLBACKS: Final = {_LOG: "standard error", _ACCESS: "standard output"}

Owner = tuple[int, int]
"""The ids of the user and the group that a new file is given to; -1 for either leaves it as it is."""

_UNSAFE = re.compile(r"[^ !#-\[\]-~]")  # all but printable ASCII, and of that the quote and the backslash
_UNUSUAL = re.compile(r"[^\n\t -~]")


class LogError(Exception):
    """A log file that cannot be opened; the message names the option, the path and the reason."""


def escape(value: str | bytes) -> str:
    r"""`value`, which came from outside, made harmless for a log line: one line, unambiguous, without terminal codes.

    Quotes, backslashes and whatever is not printable become \xNN (\uNNNN beyond). Printable text outside ASCII stays;
    of bytes only ASCII does.
    """
    if isinstance(value, bytes):
        return _UNSAFE.sub(_code, value.decode("latin-1"))
    return _UNSAFE.sub(_code_unless_printable, value)


def _code(match: re.Match[str]) -> str:
    number = ord(match[0])
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _code_unless_printable(match: re.Match[str]) -> str:
    return match[0] if match[0].isprintable() and match[0] not in '"\\' else _code(match)


def _code_control(match: re.Match[str]) -> str:
    return match[0] if match[0].isprintable() else _code(match)


class Witness:
    """Who is told when a LogFile loses lines. This one makes nothing of it."""

    def lost(self, lines: int) -> None:
        """So many more lines were dropped."""

    def failing(self, error: OSError) -> None:
        """Lines are being lost. Told once, and again only after `gap`."""

    def gap(self, lines: int, seconds: float) -> None:
        """Writing works again, or will not be tried any more; so many lines were lost within so many seconds."""


_NOBODY: Final = Witness()


class LogFile:
    """A file that lines are appended to, or without a `path` the inherited descriptor `fallback_fd`.

    Opening raises OSError. `write` never raises. The file is this object's to close; the inherited descriptor is not.
    """

    def __init__(
        self, path: Path | None, fallback_fd: int, owner: Owner | None = None, witness: Witness = _NOBODY
    ) -> None:
        self.path = path
        self.owner = owner
        """Who is given the file if opening it, now or again, makes a new one."""
        self.lost = 0
        """How many lines were dropped, wholly or from some point on."""
        self._witness = witness
        self._losing = False  # lines were lost of which it was not told yet how many
        self._untold = 0  # how many
        self._since = 0.0  # from when on
        self._quiet_until = 0.0
        self._left = 0  # bytes of the last write that did not go out
        self._torn = False  # the last line written lacks its end
        self._stuck = False  # the last write waited in vain
        self._owned = path is not None
        self._fd = fallback_fd if path is None else _open(path, owner)
        if path is None and (fd := _open_pipe_again(fallback_fd)) is not None:
            self._fd, self._owned = fd, True
        self._regular, self._may_wait = _nature(self._fd)

    def write(self, data: bytes) -> None:
        """Append `data`, one or more whole lines. Lines of up to 4 KiB don't mix with those of other processes."""
        try:
            self._write(data)
        except OSError as error:
            self._drop(data, error)
        else:
            if self._losing:
                self._stuck = False
                if time.monotonic() >= self._quiet_until:
                    self._tell_gap()

    def _drop(self, data: bytes, error: OSError) -> None:
        lines = data[-self._left :].count(b"\n")
        self.lost += lines
        self._untold += lines
        self._witness.lost(lines)
        if not self._losing:
            self._losing, self._since = True, time.monotonic()
            self._witness.failing(error)

    def _tell_gap(self) -> None:
        now, lines = time.monotonic(), self._untold
        self._losing, self._untold, self._quiet_until = False, 0, now + QUIET_SECONDS
        self._witness.gap(lines, now - self._since)

    def forget(self) -> None:
        """In a forked child: what was lost so far is for the parent to tell."""
        self._losing, self._untold, self._quiet_until, self._stuck = False, 0, 0.0, False

    def _write(self, data: bytes) -> None:
        if self._torn:
            data = b"\n" + data
        self._left = len(data)
        deadline = time.monotonic() + (0 if self._stuck else PATIENCE_SECONDS)
        for piece in [data] if self._regular else _pieces(data):
            self._write_piece(piece, deadline)

    def _write_piece(self, piece: bytes, deadline: float) -> None:
        while piece:
            if self._may_wait:
                self._await_room(deadline)
            try:
                written = os.write(self._fd, piece)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    self._stuck = True
                    raise
                self._await_room(deadline)
            else:
                piece = piece[written:]
                self._left -= written
                self._torn = bool(piece)

    def _await_room(self, deadline: float) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        # An error or a hang-up counts as room as well: the write then says what is the matter.
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            self._stuck = True
            raise TimeoutError

    def reopen(self) -> None:
        """Open the path again, after it was rotated away. OSError when that fails; the old file is then kept."""
        if self.path is None or self._fd < 0:
            return
        fd = _open(self.path, self.owner)
        try:
            # In place, so that a thread that is just writing has either the old file or the new.
            os.dup2(fd, self._fd, inheritable=False)
        finally:
            os.close(fd)
        self._regular, self._may_wait = _nature(self._fd)
        self._torn = self._stuck = False

    def close(self) -> None:
        """Let the file go. What is written from now on is dropped."""
        self._may_wait = False
        fd, self._fd = self._fd, -1
        if self._owned and fd >= 0:
            os.close(fd)
        if self._untold:
            self._tell_gap()
        self._witness = _NOBODY


def _open(path: Path, owner: Owner | None) -> int:
    # Non-blocking for the sake of named pipes: to open one that nobody reads is an error then, and not an endless wait.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
    if owner is not None:
        # Only what did not exist is given away: of anything else (a link above all) nobody knows whose it is, and who
        # may write in the folder could have root make them a present of any file.
        with contextlib.suppress(FileExistsError):
            fd = os.open(path, flags | os.O_EXCL, 0o640)
            with contextlib.suppress(OSError):  # a file system without owners; who can't open the file will say so
                os.fchown(fd, *owner)
            return fd
    return os.open(path, flags, 0o640)


def _open_pipe_again(fd: int) -> int | None:
    """A non-blocking descriptor of our own for an inherited pipe, whose mode is shared with other processes.

    None when `fd` is not a pipe, or belongs to somebody else; it is then written to as it is, when poll says so.
    """
    try:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    return None


def _nature(fd: int) -> tuple[bool, bool]:
    """Whether `fd` is a regular file, and whether writing to it could wait for a reader: neither if it is closed."""
    try:
        regular = stat.S_ISREG(os.fstat(fd).st_mode)
        return regular, not regular and os.get_blocking(fd)
    except OSError:
        return False, False


def _pieces(data: bytes) -> Iterator[bytes]:
    """`data`, cut after line ends into pieces that a pipe takes whole, as far as the lines allow."""
    start = 0
    while len(data) - start > _PIECE:
        end = data.rfind(b"\n", start, start + _PIECE) + 1 or start + _PIECE
        yield data[start:end]
        start = end
    yield data[start:]


class LineFormatter(logging.Formatter):
    """Makes a record into the text of a line; `role` says who speaks ("arbiter", "worker 2")."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self.role = role
        self._second = (-1, "")

    def format(self, record: logging.LogRecord) -> str:
        """The line of `record`, with its traceback if it has one, without the final newline."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        if record.stack_info:
            text += "\n" + self.formatStack(record.stack_info)
        text = _UNUSUAL.sub(_code_control, text.replace("\r\n", "\n")).rstrip("\n").replace("\n", "\n    ")
        level = record.levelname.lower()
        return f"{self._time(record.created)} {level:<7} {self.role}[{os.getpid()}]  {text}"

    def _time(self, created: float) -> str:
        second = int(created)
        if self._second[0] != second:
            self._second = (second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second)))
        return f"{self._second[1]}.{int((created - second) * 1000):03d}"


class _Handler(logging.Handler):
    """Writes lines to a LogFile.

    `close` does not close that: every logging.config.dictConfig() of an application closes all handlers there are.
    """

    def __init__(self, file: LogFile) -> None:
        super().__init__()
        self.file = file

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # a message that does not fit its arguments must not fail the code that logs it
            place = f"{record.module}:{record.lineno}"
            text = f"a message from {place} cannot be formatted: {type(error).__name__}"
            line = self.format(logging.makeLogRecord({"levelname": record.levelname, "msg": text}))
        self.file.write(line.encode("utf-8", "backslashreplace") + b"\n")


class _SteadyLogger(logging.Logger):
    """A logger that cannot be disabled.

    logging.config disables every logger it was not told of unless asked not to, so the configuration of an application
    would silence the server.
    """

    @property
    def disabled(self) -> bool:
        return False

    @disabled.setter
    def disabled(self, value: bool) -> None:
        pass


_logger = logging.getLogger("litmus")
_files: dict[str, LogFile] = {}


def _ignore(lines: int) -> None:
    pass


_count_loss: Callable[[int], None] = _ignore


def count_losses(counter: Callable[[int], None]) -> None:
    """From now on, call `counter` with the number of lines whenever some are lost, of either log, by this process."""
    global _count_loss
    _count_loss = counter


def _forget_losses() -> None:
    """In a forked child: what its parent lost is for the parent to count and to tell."""
    count_losses(_ignore)
    for file in _files.values():
        file.forget()


os.register_at_fork(after_in_child=_forget_losses)


class _Teller(Witness):
    """Sees that somebody hears of the lines that a file loses: the log or, of the log's own file, standard error."""

    def __init__(self, key: str, path: Path | None) -> None:
        self._own = key == _LOG
        self._has_path = path is not None
        self._name = f"{key} = {spell(str(path))}" if path else f"{key} ({_FALLBACKS[key]})"
        self._reason = ""

    def lost(self, lines: int) -> None:
        _count_loss(lines)

    def failing(self, error: OSError) -> None:
        behind = isinstance(error, TimeoutError | BlockingIOError)
        self._reason = "its reader is behind" if behind else error.strerror or type(error).__name__
        text = f"{self._name}: cannot be written, lines are lost: {self._reason}"
        if not self._own:
            _logger.error("%s", text)
        elif self._has_path and (handler := _handler()) is not None:
            line = handler.format(logging.makeLogRecord({"levelname": "ERROR", "msg": text}))
            with contextlib.closing(LogFile(None, _STANDARD_ERROR)) as errors:
                errors.write(line.encode("utf-8", "backslashreplace") + b"\n")

    def gap(self, lines: int, seconds: float) -> None:
        _logger.error("%s: %s lost within %.1f s: %s", self._name, count(lines, "line"), seconds, self._reason)


def configure(settings: LogSettings, role: str, owner: Owner | None = None) -> None:
    """Send the "litmus" logger to where `settings` say, in the name of `role` ("arbiter", "worker 2").

    Files that are made on the way, or by `reopen` later, are given to `owner`, so that those who gave up root can open
    them again after a rotation. One that exists keeps the owner it has.

    May be called again: at a reload, and in a forked worker, which then keeps the files its parent opened, perhaps as
    root. LogError when a file cannot be opened; everything then stays as it was.
    """
    wanted = {_LOG: (settings.file, _STANDARD_ERROR)}
    if settings.access:
        wanted[_ACCESS] = (settings.access_file, _STANDARD_OUTPUT)
    files: dict[str, LogFile] = {}
    for key, (path, fallback_fd) in wanted.items():
        current = _files.get(key)
        if current is not None and current.path == path:
            files[key] = current
            continue
        try:
            files[key] = LogFile(path, fallback_fd, owner, _Teller(key, path))
        except OSError as error:
            _close_others(files, _files)
            raise LogError(f"{key} = {spell(str(path))}: cannot be opened for writing: {error.strerror}") from error
    for file in files.values():
        file.owner = owner
    _attach(files[_LOG], role, settings.level)
    _close_others(_files, files)
    _files.clear()
    _files.update(files)


def _attach(file: LogFile, role: str, level: str) -> None:
    for name, logger in _logger.manager.loggerDict.items():
        if isinstance(logger, logging.Logger) and (name + ".").startswith("litmus."):
            logger.__class__ = _SteadyLogger
    _logger.propagate = False  # the application's root handlers are for the application
    _logger.setLevel(level.upper())
    handler = _handler()
    if handler is None:
        _logger.addHandler(handler := _Handler(file))
    handler.file = file
    handler.setFormatter(LineFormatter(role))


def _handler() -> _Handler | None:
    return next((handler for handler in _logger.handlers if isinstance(handler, _Handler)), None)


def _close_others(files: dict[str, LogFile], kept: dict[str, LogFile]) -> None:
    for key, file in files.items():
        if kept.get(key) is not file:
            file.close()


def access_file() -> LogFile | None:
    """Where the access log goes by the last `configure`; None when it is off. The lines are the caller's to make."""
    return _files.get(_ACCESS)


def reopen() -> None:
    """Open the files again after a rotation. One that cannot be opened is kept as it is, and the log says so."""
    for key, file in list(_files.items()):
        try:
            file.reopen()
        except OSError as error:
            path, reason = spell(str(file.path)), error.strerror
            _logger.error("%s = %s: cannot be reopened, the old file is kept: %s", key, path, reason)
