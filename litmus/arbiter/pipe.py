"""The arbiter's end of a worker's control pipe: typed messages both ways, never blocking, bounded everywhere."""

import contextlib
import logging
import socket
from collections.abc import Callable, Sequence

from litmus.arbiter.reactor import Reactor, Timer
from litmus.control import framing, messages
from litmus.control.messages import ArbiterMessage, WorkerMessage

OUTPUT_LIMIT = 64 * 1024
"""Bytes that may wait for a worker which doesn't read; the few messages it is ever sent are far smaller."""

FRAME_DEADLINE = 5.0
"""Seconds a worker has for the rest of a message that it began."""

_READ_SIZE = 64 * 1024
_LAST_READS = 64

_logger = logging.getLogger("litmus")


class Pipe:
    """Watches one socket. A worker is not trusted: it may send anything, and stop anywhere.

    Args:
        name: the worker's, for the log.
        on_message: called with each message.
        on_broken: called once, with what is wrong, when the worker can't be understood any more.
        on_end: called once when the worker has closed its end.
    """

    def __init__(
        self,
        name: str,
        connection: socket.socket,
        reactor: Reactor,
        on_message: Callable[[WorkerMessage], None],
        on_broken: Callable[[str], None],
        on_end: Callable[[], None],
    ) -> None:
        connection.setblocking(False)
        self._name = name
        self._connection = connection
        self._reactor = reactor
        self._on_message = on_message
        self._on_broken = on_broken
        self._on_end = on_end
        self._deframer = framing.Deframer(messages.PIPE_LIMIT)
        self._output = bytearray()
        self._patience: Timer | None = None
        self._open = True
        reactor.watch(connection, self._read)

    def send(self, message: ArbiterMessage) -> None:
        """Send, now or when the worker reads. To one that is gone nothing is sent: that is noticed elsewhere."""
        if not self._open:
            return
        self._output += messages.encode(message)
        self._write()
        if len(self._output) > OUTPUT_LIMIT:
            self._break("it does not read what it is told")

    def hand_over(self, message: ArbiterMessage, sockets: Sequence[socket.socket]) -> None:
        """Send a message with copies of ``sockets``, if the worker can take both now: else neither is sent.

        Sockets can't wait with the rest of the output, and a worker that doesn't read is of no use to who needs help.
        """
        if self._open and not self._output:
            with contextlib.suppress(OSError):  # as in _write; small as it is, the message goes whole or not at all
                socket.send_fds(self._connection, [messages.encode(message)], [each.fileno() for each in sockets])

    def finish(self) -> None:
        """Take what a worker that is dead has left in the pipe, and close."""
        for _ in range(_LAST_READS):  # a process that it started may have inherited its end, and write for ever
            if not self._open or not self._read():
                break
        self.close()

    def close(self) -> None:
        """Stop watching, and close."""
        if self._open:
            self._open = False
            self._stop_patience()
            self._reactor.unwatch(self._connection)
            self._connection.close()

    def _read(self) -> bool:
        """Take what is there; False if there is nothing more for now, or at all."""
        try:
            data = self._connection.recv(_READ_SIZE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            if self._deframer.pending:
                _logger.warning("worker %s left in the middle of a message", self._name)
            self.close()
            self._on_end()
            return False
        try:
            for payload in self._deframer.feed(data):
                self._on_message(messages.decode_worker_message(payload))
                if not self._open:
                    return False
        except (framing.FramingError, messages.MessageError) as error:
            self._break(f"it sent something else than a message: {error}")
            return False
        self._expect_rest()
        return True

    def _expect_rest(self) -> None:
        if not self._deframer.pending:
            self._stop_patience()
        elif self._patience is None:
            self._patience = self._reactor.call_later(FRAME_DEADLINE, lambda: self._break("half a message came"))

    def _stop_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _write(self) -> None:
        try:
            sent = self._connection.send(self._output)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = len(self._output)  # nobody is there to read it; the end is noticed when reading
        del self._output[:sent]
        self._reactor.watch(self._connection, self._read, self._write if self._output else None)

    def _break(self, reason: str) -> None:
        if self._open:
            self.close()
            self._on_broken(reason)
