"""What carries a WebSocket once it is accepted: a connection of HTTP/1.1 that has gone over, or a stream of HTTP/2.

Both are a ``Wire`` for the WebSocket, and a ``Tunnel`` for the application's side, to which they are the same.
"""

from __future__ import annotations

from typing import Final

from litmus.memory.lease import Lease
from litmus.protocols.errors import ProtocolError
from litmus.protocols.machine import Deadline, Host, Machine, Sink, Stream
from litmus.protocols.websocket.connection import WebSocket, Wire

_READ: Final = 64 << 10
"""Bytes that are read at once. What is left of them when the application has enough stays where it is."""


_NONE, _WRITE, _LINGER = Deadline.NONE, Deadline.WRITE, Deadline.LINGER


class Tunnel(Wire):
    """What carries a WebSocket, as the application's side sees it.

    Args:
        host: the connection at the bottom.

    Attributes:
        socket: the WebSocket. Whoever makes the tunnel makes this next.
        heard: something has come since somebody set this to False.
        sent: bytes that were written.
    """

    __slots__ = ("_host", "heard", "sent", "socket")

    def __init__(self, host: Host) -> None:
        self._host = host
        self.heard = False
        self.sent = 0
        self.socket: WebSocket

    def go_on(self) -> None:
        """The WebSocket is not paused any more, or its state has changed: read what was left."""
        raise NotImplementedError

    def give_up(self) -> None:
        """Cut it: the peer does not answer any more. ``Receiver.closed`` is told."""
        raise NotImplementedError

    def outstanding(self) -> int:
        """How many bytes are on their way: who reads, however slowly, has ever less of them."""
        return self._host.outstanding()


class ConnectionTunnel(Tunnel):
    """A connection that was one of HTTP/1.1: the machine that goes on with it.

    Args:
        host: the connection.

    Attributes:
        hungry, lease: see ``Machine``.
    """

    __slots__ = ("_ended", "_half_closed", "_over", "hungry", "lease")

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._ended = False
        self._half_closed = False
        self._over = False
        self.hungry = True
        self.lease: Lease | None = None

    # Machine

    @property
    def deadline(self) -> int:
        """See ``Machine.deadline``. An open WebSocket has those of the application's side."""
        if self._ended:
            return _LINGER
        return _WRITE if self.socket.blocked else _NONE

    def received(self, lease: Lease) -> Machine | None:
        """See ``Machine.received``."""
        self.lease = lease
        self._read(lease)
        return None if self._over else self

    def eof(self) -> Machine | None:
        """See ``Machine.eof``. What is unread is read first."""
        self._half_closed = True
        lease = self.lease
        if lease is None or lease.start == lease.end:
            self._finish()
        return None if self._over else self

    def lost(self) -> None:
        """See ``Machine.lost``."""
        self._over = True
        self.socket.lost()

    def drain(self) -> None:
        """See ``Machine.drain``. The application's side closes the WebSocket when it is its turn."""

    def drained(self) -> list[tuple[Sink | None, int]]:
        """See ``Machine.drained``. All that was sent is with the connection."""
        return []

    def output_blocked(self) -> None:
        """See ``Machine.output_blocked``."""
        self.socket.output_blocked()

    def output_unblocked(self) -> None:
        """See ``Machine.output_unblocked``."""
        self.socket.output_unblocked()

    def expired(self) -> Machine | None:
        """See ``Machine.expired``."""
        return None if self._ended else self

    # Wire

    def write(self, data: bytes) -> None:
        """See ``Wire.write``."""
        self.sent += len(data)
        self._host.write(data)

    def end(self) -> None:
        """See ``Wire.end``."""
        if self._half_closed:
            self._over = True
        else:
            self._ended = True
            self._host.end_output()
        self._host.wake()

    # Tunnel

    def go_on(self) -> None:
        """See ``Tunnel.go_on``."""
        lease = self.lease
        if lease is not None and lease.start < lease.end:
            self._read(lease)
            self._host.consumed()
        self._host.wake()

    def give_up(self) -> None:
        """See ``Tunnel.give_up``."""
        self._over = True
        self.socket.lost()
        self._host.wake()

    # Inside

    def _read(self, lease: Lease) -> None:
        """Feed what has come, as far as it is wanted."""
        socket = self.socket
        while lease.start < lease.end:
            if self._ended:
                lease.start = lease.end
                break
            if socket.paused:
                break
            self.heard = True
            data = lease.peek(_READ)
            lease.start += socket.feed(data, 0)
        self.hungry = not socket.paused
        if self._half_closed and lease.start == lease.end:
            self._finish()

    def _finish(self) -> None:
        """The peer has sent its last byte, and all was read."""
        self._over = True
        self.socket.eof()


class StreamTunnel(Tunnel):
    """A stream of HTTP/2 (RFC 8441), whose sink is a ``TunnelSink``.

    Args:
        host: the connection below the stream.
        stream: the stream.
    """

    __slots__ = ("_at", "_ended", "_left", "_stream")

    def __init__(self, host: Host, stream: Stream) -> None:
        super().__init__(host)
        self._stream = stream
        self._left = b""  # what was read of the stream, and not fed
        self._at = 0
        self._ended = False

    def arrived(self) -> None:
        """More has come, or the end of the stream."""
        socket = self.socket
        stream = self._stream
        while not socket.paused and not self._ended:
            if self._at == len(self._left):
                self._left = stream.read_body()
                self._at = 0
                if not self._left:
                    if stream.body_complete:
                        socket.eof()
                    return
            self.heard = True
            self._at = socket.feed(self._left, self._at)

    def lost(self) -> None:
        """The stream was reset, or its connection is gone."""
        self._ended = True
        self.socket.lost()

    def unblocked(self) -> None:
        """The peer has read enough for more to be sent."""
        self.socket.output_unblocked()

    def write(self, data: bytes) -> None:
        """See ``Wire.write``."""
        self.sent += self._stream.send_body(data, False)
        if self._stream.blocked and not self.socket.blocked:
            self.socket.output_blocked()

    def end(self) -> None:
        """See ``Wire.end``. What still comes is dropped by the stream."""
        if not self._ended:
            self._ended = True
            self._stream.send_body(b"", True)

    def go_on(self) -> None:
        """See ``Tunnel.go_on``."""
        self.arrived()

    def outstanding(self) -> int:
        """See ``Tunnel.outstanding``. Some may wait for the stream's window, before those of all its connection."""
        return self._stream.outstanding() + self._host.outstanding()

    def give_up(self) -> None:
        """See ``Tunnel.give_up``."""
        if not self._ended:
            self._ended = True
            self._stream.abort()
        self.socket.lost()


class TunnelSink(Sink):
    """The sink of a stream that carries a WebSocket.

    Args:
        tunnel: what the stream has become.
    """

    __slots__ = ("_tunnel",)

    def __init__(self, tunnel: StreamTunnel) -> None:
        self._tunnel = tunnel

    def body_arrived(self) -> None:
        """See ``Sink.body_arrived``."""
        self._tunnel.arrived()

    def unblocked(self) -> None:
        """See ``Sink.unblocked``."""
        self._tunnel.unblocked()

    def peer_finished(self) -> None:
        """See ``Sink.peer_finished``. Its Close frame, if there is one, has come before."""

    def refused(self, error: ProtocolError, size: int) -> None:
        """See ``Sink.refused``. ``disconnected`` follows."""

    def disconnected(self, unwanted: bool) -> None:
        """See ``Sink.disconnected``."""
        self._tunnel.lost()
