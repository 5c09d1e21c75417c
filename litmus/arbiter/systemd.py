"""What systemd is told about this service (sd_notify(3)) and the sockets it hands over (sd_listen_fds(3)).

Without systemd there is nothing to tell and nothing to inherit, and everything here does nothing.
"""

import os
import socket
import time
from collections.abc import Mapping, MutableMapping

FIRST_DESCRIPTOR = 3
"""Descriptors handed over start here (``SD_LISTEN_FDS_START``)."""


class Notifier:
    """Tells the service manager at ``$NOTIFY_SOCKET`` how things are.

    It never blocks and never raises: a manager that is gone or overwhelmed must not take the server with it. Of the
    messages that were refused because the manager's queue was full, the last change of state is sent again in front of
    the next one: a READY=1 that gets lost would have the service killed when its start-up time is over.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None
        if self._address.startswith(("/", "\0")):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._late = ""
        self._watchdog_interval = _watchdog_interval(environ) if self._socket else None

    @property
    def watchdog_interval(self) -> float | None:
        """Seconds between two calls of :meth:`watchdog`, half of what systemd allows; None if it does not watch us."""
        return self._watchdog_interval

    def ready(self, status: str) -> None:
        """The service serves: after start-up, and after a reload however it ended.

        ``status`` is a line for people, shown by ``systemctl status``.
        """
        self._change(f"READY=1\nSTATUS={_one_line(status)}")

    def reloading(self) -> None:
        """A reload has begun; :meth:`ready` ends it."""
        self._change(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The service drains and will stop."""
        self._change("STOPPING=1")

    def watchdog(self) -> None:
        """The arbiter's loop is alive."""
        self._send("WATCHDOG=1")

    def close(self) -> None:
        """Let go of the socket; further messages go nowhere."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _change(self, message: str) -> None:
        self._late = ""  # what was late is out of date now
        if not self._send(message):
            self._late = message

    def _send(self, message: str) -> bool:
        """Send one datagram; False if the manager's queue is full, so that it makes sense to try again."""
        if self._socket is None:
            return True
        if self._late:
            message = f"{self._late}\n{message}"
        try:
            self._socket.sendto(message.encode(), self._address)
        except BlockingIOError:
            return False
        except OSError:
            pass  # nobody is there: the service goes on without being watched
        self._late = ""
        return True


def inherited_sockets(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """Return the sockets handed over to this process, in descriptor order, and remove them from ``environ``.

    They are closed on exec from now on, and the variables are gone, so that no child takes them for its own. Raises
    :class:`ValueError` if the variables make no sense or a descriptor is not a socket.
    """
    pid = environ.pop("LISTEN_PID", "")
    count = environ.pop("LISTEN_FDS", "")
    environ.pop("LISTEN_FDNAMES", "")
    if not count or pid != str(os.getpid()):
        return []
    if not (count.isascii() and count.isdigit()):
        raise ValueError(f"LISTEN_FDS={count!r} in the environment is not a number of descriptors")
    inherited = []
    for index in range(int(count)):
        descriptor = FIRST_DESCRIPTOR + index
        try:
            os.set_inheritable(descriptor, False)
            inherited.append(socket.socket(fileno=descriptor))
        except OSError as error:
            raise ValueError(
                f"LISTEN_FDS={count} in the environment: descriptor {descriptor} is not a socket ({error.strerror})"
            ) from error
    return inherited


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    microseconds = environ.get("WATCHDOG_USEC", "")
    if not (microseconds.isascii() and microseconds.isdigit()) or int(microseconds) == 0:
        return None
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(microseconds) / 2 / 1_000_000


def _one_line(text: str) -> str:
    return " ".join(text.split())
