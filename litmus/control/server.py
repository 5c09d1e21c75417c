"""The arbiter's end of the control socket.

It lives on the arbiter's loop and never blocks it: sockets are non-blocking, a client may have one request at work and
a few waiting, a reply waits in a bounded buffer, and whoever keeps the server waiting is dropped after a deadline. What
the requests do is the arbiter's matter; it is known here only as :class:`Operations`.
"""

import errno
import functools
import logging
import os
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, assert_never

from litmus import log
from litmus.control import endpoint, framing, messages
from litmus.control.messages import Done, Refused, Reply, Request
from litmus.unixsockets import Credentials, peer_credentials

ReplyCallback = Callable[[Reply], None]

_READ_SIZE = 64 * 1024
_WAITING_LIMIT = 16
_EXCERPT = 60
_ACCEPT_PAUSE = 1.0
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Operations(Protocol):
    """What a client may ask of the arbiter: all that the control socket knows about it.

    ``status`` and ``stats`` answer at once. The others take the time they need and then call ``reply``, exactly once.
    """

    def status(self) -> dict[str, Any]: ...
    def stats(self) -> dict[str, Any]: ...
    def reload(self, reply: ReplyCallback) -> None: ...
    def scale(self, n: int, reply: ReplyCallback) -> None: ...
    def stop(self, reply: ReplyCallback) -> None: ...


class Timer(Protocol):
    """A callback that has been put off."""

    def cancel(self) -> None: ...


class Reactor(Protocol):
    """The loop, as far as it is needed here. Readiness is level-triggered; ``watch`` again changes the callbacks."""

    def watch(
        self, fileobj: socket.socket, on_readable: Callable[[], None], on_writable: Callable[[], None] | None = None
    ) -> None: ...
    def unwatch(self, fileobj: socket.socket) -> None: ...
    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer: ...


class ControlServer:
    """Listens at ``path`` from construction until :meth:`close`, for root and the user of this process.

    ``idle_timeout`` (seconds) is how long a client may take to send a whole request, or to take its reply. No deadline
    runs while an operation is at work: that one is the arbiter's own. Raises :class:`~litmus.control.place.PlaceError`.
    """

    def __init__(
        self,
        path: Path,
        operations: Operations,
        reactor: Reactor,
        logger: logging.Logger | None = None,
        *,
        client_limit: int = 16,
        idle_timeout: float = 10.0,
        credentials: Callable[[socket.socket], Credentials] = peer_credentials,
    ) -> None:
        self.operations = operations
        self.reactor = reactor
        self.logger = logger or logging.getLogger("litmus")
        self.idle_timeout = idle_timeout
        self._client_limit = client_limit
        self._credentials = credentials
        self._clients: set[_Client] = set()
        self._pause: Timer | None = None
        self._endpoint = endpoint.bind(path)
        reactor.watch(self._endpoint.listener, self._accept)

    @property
    def path(self) -> Path:
        """Where the socket is."""
        return self._endpoint.path

    def close(self) -> None:
        """Hang up on every client, stop listening and remove the socket's file. Harmless when repeated."""
        for client in list(self._clients):
            client.abandon()
        self._stop_accepting()
        self._endpoint.close()

    def detach(self) -> None:
        """Close the descriptors and nothing else: for a worker just forked.

        The file stays, and the reactor is not told, because its selector is shared with the arbiter.
        """
        for client in self._clients:
            client.connection.close()
        self._endpoint.detach()

    def remove(self, client: "_Client") -> None:
        """A client is gone; its place is free."""
        self._clients.discard(client)

    def _accept(self) -> None:
        try:
            connection, _ = self._endpoint.listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in _NO_DESCRIPTORS:
                raise
            self.logger.error("control socket: cannot accept: %s", error.strerror)
            self._stop_accepting()
            self._pause = self.reactor.call_later(_ACCEPT_PAUSE, self._resume)
            return
        connection.setblocking(False)
        peer = self._credentials(connection)
        if peer.uid not in (0, os.geteuid()):
            self.logger.warning("control socket: user %d (process %d) was refused", peer.uid, peer.pid)
            _refuse(connection, f"user {peer.uid} may not control this server: only root and user {os.geteuid()} may")
        elif len(self._clients) >= self._client_limit:
            self.logger.warning("control socket: process %d was refused: too many clients", peer.pid)
            _refuse(connection, f"{len(self._clients)} clients are connected to the control socket already: try later")
        else:
            self._clients.add(_Client(self, connection, peer))

    def _stop_accepting(self) -> None:
        if self._pause is not None:  # then the listener is not being watched
            self._pause.cancel()
            self._pause = None
        elif self._endpoint.listener.fileno() >= 0:
            self.reactor.unwatch(self._endpoint.listener)

    def _resume(self) -> None:
        self._pause = None
        self.reactor.watch(self._endpoint.listener, self._accept)


class _Client:
    """One connection: requests in, one at work at a time, replies out in the same order.

    While an operation is at work the connection is not watched at all, so that more requests wait in the kernel. A
    client that hangs up meanwhile is noticed when its reply is written; the operation is not undone.
    """

    def __init__(self, server: ControlServer, connection: socket.socket, peer: Credentials) -> None:
        self.connection = connection
        self._server = server
        self._peer = peer
        self._deframer = framing.Deframer(messages.REQUEST_LIMIT)
        self._waiting: deque[bytes] = deque()
        self._output = bytearray()
        self._served = 0
        self._at_work = False
        self._watched = False
        self._closed = False
        self._deadline: Timer | None = None
        self._listen()

    def abandon(self) -> None:
        """The server closes: whoever waits for an operation is told so, as far as that goes without waiting."""
        if self._at_work:
            self._at_work = False
            self._send(Refused("litmusd stopped before this was done"))
        self._close()

    def _listen(self) -> None:
        """Wait for the client: for its next request, or until it has taken its reply."""
        if self._deadline is None:
            self._deadline = self._server.reactor.call_later(self._server.idle_timeout, self._expire)
        self._server.reactor.watch(self.connection, self._receive, self._flush if self._output else None)
        self._watched = True

    def _rest(self) -> None:
        """Do not wait for the client: it is waiting for us."""
        self._stop_deadline()
        if self._watched:
            self._server.reactor.unwatch(self.connection)
            self._watched = False

    def _receive(self) -> None:
        try:
            data = self.connection.recv(_READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close()
            return
        try:
            self._waiting += self._deframer.feed(data)
        except framing.FramingError as error:
            self._reject(str(error), data)
            return
        if len(self._waiting) > _WAITING_LIMIT:
            self._reject(f"more than {_WAITING_LIMIT} requests were sent without waiting for replies", data)
            return
        self._work()

    def _work(self) -> None:
        """Take up what waits, unless something is at work or a reply is still to be taken by the client."""
        while self._waiting and not (self._at_work or self._output or self._closed):
            payload = self._waiting.popleft()
            try:
                request = messages.decode_request(payload)
            except messages.MessageError as error:
                self._reject(str(error), payload)
                return
            self._perform(request)

    def _perform(self, request: Request) -> None:
        self._at_work = True
        self._served += 1
        self._rest()
        reply = functools.partial(self._answer, self._served)
        try:
            self._call(request, reply)
        except Exception as error:
            # The arbiter outlives a mistake in an operation; the one who asked learns of it, and so does the log.
            self._server.logger.exception("control socket: %s failed", type(request).__name__.lower())
            reply(Refused(f"litmusd failed at this: {type(error).__name__}: {error}"))

    def _call(self, request: Request, reply: ReplyCallback) -> None:
        operations = self._server.operations
        match request:
            case messages.Status():
                reply(Done(operations.status()))
            case messages.Stats():
                reply(Done(operations.stats()))
            case messages.Reload():
                self._note("reload")
                operations.reload(reply)
            case messages.Scale(workers):
                self._note(f"scaling to {workers}")
                operations.scale(workers, reply)
            case messages.StopServer():
                self._note("stop")
                operations.stop(reply)
            case _:
                assert_never(request)

    def _note(self, what: str) -> None:
        self._server.logger.info("%s asked for by user %d (process %d)", what, self._peer.uid, self._peer.pid)

    def _answer(self, number: int, reply: Reply) -> None:
        """Operation ``number`` is done. Called at once or much later; by then the server may have hung up."""
        if not self._at_work or number != self._served:
            return
        self._at_work = False
        self._send(reply)
        if not self._closed:
            self._listen()
            self._work()

    def _send(self, reply: Reply) -> None:
        frame = messages.encode(reply)
        if len(frame) - framing.HEADER_SIZE > messages.REPLY_LIMIT:
            frame = messages.encode(Refused(f"the reply has {len(frame)} bytes, more than the protocol allows"))
        self._output += frame
        self._write()

    def _flush(self) -> None:
        """The client takes data again."""
        self._write()
        if not self._output and not self._closed:
            self._stop_deadline()
            self._listen()
            self._work()

    def _write(self) -> None:
        try:
            sent = self.connection.send(self._output)
        except BlockingIOError:
            return
        except OSError:
            self._close()
            return
        del self._output[:sent]

    def _reject(self, reason: str, data: bytes) -> None:
        """What came can't be followed: say so, and hang up."""
        self._server.logger.warning(
            "control socket: user %d (process %d) sent something else than a request: %s: %s",
            self._peer.uid,
            self._peer.pid,
            reason,
            log.escape(data[:_EXCERPT]),
        )
        self._send(Refused(f"this is not a request: {reason}"))
        self._close()

    def _expire(self) -> None:
        self._deadline = None
        if self._output or self._waiting or self._deframer.pending:
            self._server.logger.warning(
                "control socket: user %d (process %d) kept the server waiting for %g s and was disconnected",
                self._peer.uid,
                self._peer.pid,
                self._server.idle_timeout,
            )
        self._close()

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._rest()
        self.connection.close()
        self._server.remove(self)


def _refuse(connection: socket.socket, error: str) -> None:
    """Tell somebody who won't be served why, as far as that goes without waiting, and hang up."""
    with connection:
        try:
            connection.send(messages.encode(Refused(error)))
        except OSError:
            return  # gone already: nobody is left to tell
