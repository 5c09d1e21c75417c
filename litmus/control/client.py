"""The other end of the control socket: blocking, one request and its reply, with a deadline on everything."""

import os
import socket
import struct
import time
from pathlib import Path
from types import TracebackType

from litmus.control import framing, messages, place
from litmus.control.messages import Reply, Request
from litmus.unixsockets import peer_credentials

_CONNECT_TIMEOUT = 5


class ClientError(Exception):
    """No reply could be had; the text names the socket and says why."""


class NothingListensError(ClientError):
    """Nobody answers at the path: no file, or a file left behind by a server that died."""


class AccessDeniedError(ClientError):
    """The kernel does not let this user connect."""


class NoReplyError(ClientError):
    """The server took the request and did not answer in time, or hung up."""


class Client:
    """A connection to the arbiter behind ``path``. Raises :class:`ClientError` when there is none to be had."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            place.check(path)
        except place.PlaceError as error:
            raise ClientError(str(error)) from error
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Not settimeout: a socket with a timeout does not wait in connect when the server's queue is full (EAGAIN).
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _CONNECT_TIMEOUT, 0))
            self._socket.connect(os.fspath(path))
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
            self._socket.close()
            raise NothingListensError(_why_nothing_listens(error)) from error
        except PermissionError as error:
            self._socket.close()
            raise AccessDeniedError(f"{path} may not be used by user {os.geteuid()}") from error
        except OSError as error:
            self._socket.close()
            raise ClientError(f"cannot connect to {path}: {error.strerror or error}") from error
        self._deframer = framing.Deframer(messages.REPLY_LIMIT)

    @property
    def server_pid(self) -> int:
        """The process that listens (unix(7): the one that called ``listen``); 0 if it is in another container."""
        return peer_credentials(self._socket).pid

    def call(self, request: Request, timeout: float) -> Reply:
        """Send ``request`` and return the reply, within ``timeout`` seconds. Raises :class:`ClientError`."""
        deadline = time.monotonic() + timeout
        self._socket.settimeout(timeout)
        try:
            self._socket.sendall(messages.encode(request))
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server has hung up, and may have said why before it did: read that
        except TimeoutError as error:
            raise self._too_late(timeout) from error
        return self._read_reply(deadline, timeout)

    def _read_reply(self, deadline: float, timeout: float) -> Reply:
        while True:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise self._too_late(timeout)
            self._socket.settimeout(remaining)
            try:
                data = self._socket.recv(64 * 1024)
            except TimeoutError as error:
                raise self._too_late(timeout) from error
            except ConnectionResetError:
                data = b""
            if not data:
                raise NoReplyError(f"the server at {self.path} hung up without a reply: see its log")
            try:
                for payload in self._deframer.feed(data):
                    return messages.decode_reply(payload)
            except (framing.FramingError, messages.MessageError) as error:
                raise ClientError(f"what answers at {self.path} is not litmusd: {error}") from error

    def _too_late(self, timeout: float) -> NoReplyError:
        return NoReplyError(f"the server at {self.path} took the request and did not answer within {timeout:g} s")

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def call(path: Path, request: Request, timeout: float) -> Reply:
    """Connect to ``path``, ask, return the reply, hang up. Raises :class:`ClientError`."""
    with Client(path) as client:
        return client.call(request, timeout)


def _why_nothing_listens(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "the socket was left behind by a server that is gone"
    return "there is no such socket"
