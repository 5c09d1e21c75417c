"""What all WebSockets of one worker share: their settings in the form that they are used in, and who is open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from litmus.memory.counters import Counters
from litmus.protocols.request import Request
from litmus.protocols.websocket.deflate import DeflateSettings
from litmus.protocols.websocket.handshake import HandshakeError
from litmus.protocols.websocket.limits import WebSocketLimits
from litmus.server.deadlines import ticks
from litmus.settings import WebSocketSettings

if TYPE_CHECKING:
    from litmus.server.established import Established


class Sockets:
    """The WebSockets of a worker.

    Args:
        settings: theirs.
        drain: seconds that a drain may take.
        counters: the worker's.

    Attributes:
        limits: what the peers may send.
        queue: messages that may wait for the application.
        handshake_ticks, ping_ticks, pong_ticks, idle_ticks, close_ticks: deadlines; 0: there is none.
    """

    __slots__ = (
        "_counters",
        "_most",
        "_open",
        "_origins",
        "_taken",
        "_turn",
        "_window",
        "close_ticks",
        "handshake_ticks",
        "idle_ticks",
        "limits",
        "ping_ticks",
        "pong_ticks",
        "queue",
    )

    def __init__(self, settings: WebSocketSettings, drain: float, counters: Counters) -> None:
        self._counters = counters
        self._open: set[Established] = set()
        self._most = settings.sockets
        self._taken = 0  # by those that are open, and by those of which it is not decided
        self._origins = frozenset(settings.origins.encode("ascii").split())
        self._window = max(1, round(drain * 10 * _SPREAD))
        self._turn = 0
        self.limits = WebSocketLimits(settings.message, settings.frame, settings.fragments)
        self.queue = settings.queue
        self.handshake_ticks = ticks(settings.handshake)
        self.ping_ticks = ticks(settings.ping_interval) if settings.ping_interval else 0
        self.pong_ticks = ticks(settings.ping_timeout)
        self.idle_ticks = ticks(settings.idle) if settings.idle else 0
        self.close_ticks = ticks(settings.close)

    def admit(self, request: Request) -> None:
        """Take a place for one more, which this request asks for, until ``release``. Raises HandshakeError."""
        if self._origins:
            origins = [value for name, value in request.headers if name == b"origin"]
            if origins and not (len(origins) == 1 and origins[0].lower() in self._origins):
                raise HandshakeError(403, "WebSockets are not for pages of this origin")
        if 0 < self._most <= self._taken:
            raise HandshakeError(503, "too many WebSockets are open", [(b"retry-after", b"1")])
        self._taken += 1

    def release(self) -> None:
        """One that was admitted is over, or was never accepted, and its application has left it."""
        self._taken -= 1

    def opened(self, socket: Established) -> None:
        """A WebSocket was accepted."""
        self._open.add(socket)
        self._counters.socket_opened()

    def closed(self, socket: Established) -> None:
        """It is over, and its application has left it."""
        if socket in self._open:
            self._open.remove(socket)
            self._counters.socket_closed()

    def drain(self) -> None:
        """Close them one after the other: all at once, their clients would come back so."""
        sockets = list(self._open)
        for number, socket in enumerate(sockets):
            socket.drain(1 + self._window * number // len(sockets))

    def jitter(self) -> int:
        """Ticks after which one that is accepted during a drain is closed."""
        self._turn = (self._turn + 1) % self._window
        return 1 + self._turn


def deflate_settings(settings: WebSocketSettings) -> DeflateSettings | None:
    """How messages are compressed by these settings; None: they are not."""
    if not settings.compression:
        return None
    return DeflateSettings(
        settings.server_window_bits,
        settings.client_window_bits,
        settings.server_context_takeover,
        settings.client_context_takeover,
        settings.compression_memory,
        settings.compression_level,
        settings.compression_least,
    )


_SPREAD: Final = 0.5
"""The part of a drain's time in which they are closed: what they still do takes some of it as well."""
