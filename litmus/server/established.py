"""A WebSocket that was accepted, between its tunnel and its session: what waits for the application, signs of life, and
the end (RFC 6455, sections 5.5 and 7).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from litmus.asgi import Message
from litmus.protocols.websocket.connection import Receiver, State, WebSocket
from litmus.protocols.websocket.deflate import Agreement
from litmus.protocols.websocket.tunnels import Tunnel
from litmus.server.channel import as_bytes
from litmus.server.engine import Engine
from litmus.server.noise import BROKEN

if TYPE_CHECKING:
    from litmus.server.session import Session

QUEUED: Final = 64 << 10
"""Bytes of messages that wait for the application before no more are read."""

_GOING_AWAY, _RESTART = 1001, 1012


class Established(Receiver):
    """An accepted WebSocket. It is ``open`` until either side has begun to close it.

    Args:
        engine: the worker's means.
        session: whose it is; it is told once how the WebSocket ended.
        tunnel: what carries it.
        agreement: how messages are compressed; None: they are not.

    Attributes:
        dismissed: it was closed by us, and the application has not asked for it.
        due, spoke: see ``machine.Expiring``.
        open: neither side has begun to close it.
        queued: bytes of messages that wait for the application; of text, characters.
        socket, tunnel: the WebSocket, and what carries it.
    """

    __slots__ = (
        "_awaiting",
        "_draining",
        "_engine",
        "_outstanding",
        "_queue",
        "_quiet_since",
        "_session",
        "dismissed",
        "due",
        "open",
        "queued",
        "socket",
        "spoke",
        "tunnel",
    )

    def __init__(self, engine: Engine, session: Session, tunnel: Tunnel, agreement: Agreement | None) -> None:
        self._engine = engine
        self._session = session
        self._awaiting = False  # an answer to a ping
        self._draining = False
        self._outstanding = _UNKNOWN  # what the client had still to read when it was last looked at
        self._queue: deque[str | bytes] | None = None  # until a message has to wait
        self.queued = 0
        self._quiet_since = engine.wheel.now
        self.socket = tunnel.socket = WebSocket(tunnel, self, engine.sockets.limits, agreement)
        self.tunnel = tunnel
        self.open = True
        self.dismissed = False
        self.due = 0
        self.spoke = 0

    # What the session calls

    def begin(self) -> None:
        """The handshake is over: wait for the first deadline."""
        engine = self._engine
        if engine.draining:
            self.drain(engine.sockets.jitter())
        else:
            self._rest()

    def send(self, message: Message) -> None:
        """Send what is in a ``websocket.send``."""
        self._quiet_since = self._engine.wheel.now
        text = message.get("text")
        if text is not None:
            # Template engines mark safe text by a class of its own, which compiled code does not take for a str.
            self.socket.send_text(text if type(text) is str else str.__str__(text))
        else:
            self.socket.send_bytes(as_bytes(message["bytes"]))

    def next_message(self) -> Message | None:
        """The message that has waited longest, None if none has."""
        queue = self._queue
        if not queue:
            return None
        message = queue.popleft()
        self.queued -= len(message)
        if self.socket.paused and not self._session.left:
            self._go_on()
        return _received(message)

    def close(self, code: int, reason: str) -> None:
        """Begin to close, and wait for the client's Close frame for a while."""
        self._outstanding = _UNKNOWN
        self.socket.close(code, reason)
        if self._session.left:
            return  # writing found the connection gone
        self.open = False
        self._engine.wheel.arm(self, self._engine.sockets.close_ticks)
        if self.socket.state == _CLOSING:
            self.tunnel.go_on()

    def left(self) -> None:
        """It is over, and the application has left: what still waits is for nobody."""
        self._queue = None
        self.queued = 0

    # What the worker calls

    def drain(self, ticks: int) -> None:
        """The worker is going to stop: close the WebSocket after so many ticks (RFC 6455, section 7.4.1; code 1012).

        One that is being closed already has its own deadline.
        """
        if self.open:
            self._draining = True
            self._engine.wheel.arm(self, ticks)

    def expire(self) -> None:
        """The deadline has passed: that of a ping's answer, of a Close frame, or the next one's."""
        if self.open:
            self._look_after()
        elif not self._session.left:
            self._wait_no_longer()

    # What the WebSocket calls (see Receiver)

    def message(self, message: str | bytes) -> None:
        """See ``Receiver.message``."""
        self._quiet_since = self._engine.wheel.now
        if self._session.give(_received(message)):
            return
        queue = self._queue
        if queue is None:
            queue = self._queue = deque()
        queue.append(message)
        self.queued += len(message)
        if self.queued >= _QUEUED or len(queue) >= self._engine.sockets.queue:
            self.socket.paused = True

    def ponged(self, payload: bytes) -> None:
        """See ``Receiver.ponged``. That it has been heard is enough."""

    def unblocked(self) -> None:
        """See ``Receiver.unblocked``."""
        self._session.unblocked()

    def closed(self, code: int, reason: str) -> None:
        """See ``Receiver.closed``."""
        self.open = False
        if self.due:
            self._engine.wheel.remove(self)
            self.due = 0
        self._session.leave(code, reason)

    def failed(self, code: int, reason: str) -> None:
        """See ``Receiver.failed``."""
        words, name = self._session.named(), self._session.client.name
        self._engine.noise.tell(BROKEN, "closed the %s from %s: %d, %s", words, name, code, reason)
        self.closed(code, reason)

    # Inside

    def _go_on(self) -> None:
        """Read again, if there is room for what may come."""
        assert self._queue is not None
        if self.queued < _QUEUED // 2 and len(self._queue) <= self._engine.sockets.queue // 2:
            self.socket.paused = False
            self.tunnel.go_on()

    def _rest(self) -> None:
        """Arm the next deadline of an open WebSocket, if it has one."""
        sockets = self._engine.sockets
        ticks = sockets.ping_ticks
        self._awaiting = False
        if sockets.idle_ticks:
            left = max(1, self._quiet_since + sockets.idle_ticks - self._engine.wheel.now)
            ticks = min(ticks, left) if ticks else left
        if ticks:
            self._engine.wheel.arm(self, ticks)

    def _look_after(self) -> None:
        """See whether somebody is still there, and wants something."""
        engine = self._engine
        sockets = engine.sockets
        tunnel = self.tunnel
        socket = self.socket
        if socket.paused or socket.blocked or (tunnel.heard and socket.under_way()):
            self._quiet_since = engine.wheel.now  # a message waits to be taken, or is on its way
        if self._draining:
            self._dismiss(_RESTART, "the server restarts")
        elif sockets.idle_ticks and engine.wheel.now - self._quiet_since >= sockets.idle_ticks:
            self._dismiss(_GOING_AWAY, "nothing was said for too long")
        elif tunnel.heard or socket.paused or socket.blocked or not sockets.ping_ticks:
            # While it is paused, the answer to a ping would lie unread. While it is blocked, the ping would wait behind
            # what the client still has to read; what carries it sees whether the client does.
            tunnel.heard = False
            self._rest()
        elif self._awaiting and self._reads():
            engine.wheel.arm(self, sockets.pong_ticks)
        elif self._awaiting:
            words, name = self._session.named(), self._session.client.name
            engine.noise.tell(BROKEN, "cut the %s from %s: a ping was not answered", words, name)
            tunnel.give_up()
        else:
            self._awaiting = True
            self._outstanding = _UNKNOWN
            socket.ping()
            engine.wheel.arm(self, sockets.pong_ticks)

    def _dismiss(self, code: int, reason: str) -> None:
        """Close what the application has not closed: there is nobody for what it still sends."""
        self.dismissed = True
        self.close(code, reason)

    def _wait_no_longer(self) -> None:
        """The client has not answered our Close frame; unless it has yet to read what is before that."""
        if self.socket.blocked or self._reads():
            self._engine.wheel.arm(self, self._engine.sockets.close_ticks)
        else:
            self.tunnel.give_up()

    def _reads(self) -> bool:
        """Whether the client is still reading what is before a ping, or a Close frame: it has since the last look."""
        before, self._outstanding = self._outstanding, self.tunnel.outstanding()
        return self._outstanding > 0 if before == _UNKNOWN else self._outstanding < before


def _received(message: str | bytes) -> Message:
    """The message of ASGI for one of WebSocket."""
    if type(message) is str:
        return {"type": "websocket.receive", "text": message}
    return {"type": "websocket.receive", "bytes": message}


_CLOSING: Final = int(State.CLOSING)
_UNKNOWN: Final = 1 << 62
_QUEUED: Final = QUEUED
