"""Where the control socket is when the configuration does not say: the one rule that litmusd and litmusctl share."""

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from litmus.addresses import MAX_UNIX_PATH

SYSTEM_CONFIG = Path("/etc/litmus/litmus.toml")
"""The configuration of the system service and of the container image …"""

SYSTEM_SOCKET = Path("/run/litmus/ctl.sock")
"""… and where its control socket is, so that ``litmusctl -c /etc/litmus/litmus.toml`` finds it from any shell."""


class PlaceError(Exception):
    """The control socket can't be where it should be; the text names the path and what to do."""


def default_path(settings_source: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the control socket's path for a configuration file, or for the working directory if there is none.

    - ``$RUNTIME_DIRECTORY/ctl.sock`` where systemd (or the container) made a folder for this service;
    - :data:`SYSTEM_SOCKET` for :data:`SYSTEM_CONFIG`;
    - ``$XDG_RUNTIME_DIR/litmus/<key>.sock``, if that folder is this user's (after ``su`` it is often somebody else's,
      and goes away with his session);
    - ``$TMPDIR/litmus-<uid>/<key>.sock`` (``/tmp`` without ``$TMPDIR``).

    The key is made of the file's absolute path. Links in it are not followed: ``/srv/shop/current/litmus.toml`` must
    name the same server after ``current`` has been pointed elsewhere. Nothing is created.
    """
    runtime_directory = environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    if runtime_directory:
        return Path(runtime_directory, "ctl.sock")
    subject = Path(os.path.abspath(settings_source)) if settings_source else Path.cwd()  # noqa: PTH100 - keeps links
    if subject == SYSTEM_CONFIG:
        return SYSTEM_SOCKET
    name = f"{_key(subject, is_file=settings_source is not None)}.sock"
    user_directory = environ.get("XDG_RUNTIME_DIR")
    if user_directory and _is_mine(Path(user_directory)):
        folder = Path(user_directory, "litmus")
    else:
        folder = Path(environ.get("TMPDIR") or "/tmp", _shared_folder_name())
    if len(os.fsencode(folder / name)) > MAX_UNIX_PATH:
        name = name.rpartition("-")[2]  # the digest alone is as good, if less of a help to people
    return folder / name


def prepare(path: Path) -> None:
    """Make the folder for the control socket at ``path`` if it is missing (mode 0700), and :func:`check` it.

    Raises :class:`PlaceError`.
    """
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise PlaceError(
            f"cannot make the folder for the control socket {path}: {error.strerror}; "
            "create it, or set arbiter.control to a path this user may write to"
        ) from error
    check(path)


def check(path: Path) -> None:
    """Refuse a socket path that is too long for the kernel, or in a folder that somebody else could have prepared.

    The folder ``litmus-<uid>`` in the shared temporary folder must be a true folder of this user which nobody else can
    write to; elsewhere the administrator's choice holds. A missing folder is fine here. Raises :class:`PlaceError`.
    """
    if len(os.fsencode(path)) > MAX_UNIX_PATH:
        raise PlaceError(
            f"the control socket's path is longer than the {MAX_UNIX_PATH} bytes a Unix socket may have: {path}; "
            "set arbiter.control to a shorter one"
        )
    folder = path.parent
    if folder.name != _shared_folder_name():
        return
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise PlaceError(f"cannot look at the control socket's folder {folder}: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PlaceError(
            f"{folder} is not safe for the control socket: it must be a folder that belongs to user {os.geteuid()} and "
            "that nobody else can write to; remove it, or set arbiter.control to another path"
        )


def _key(subject: Path, *, is_file: bool) -> str:
    """Name a configuration shortly: the folder's name for people, a digest of the whole path to be unique."""
    folder = subject.parent.name if is_file else subject.name
    readable = re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")[:20] or "litmus"
    return f"{readable}-{hashlib.sha256(os.fsencode(subject)).hexdigest()[:10]}"


def _shared_folder_name() -> str:
    return f"litmus-{os.geteuid()}"


def _is_mine(folder: Path) -> bool:
    try:
        status = folder.stat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
