"""Connections that are accepted only to be told that there is no room for them."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Final

from litmus.protocols.response import error_response
from litmus.server.deadlines import ticks
from litmus.server.engine import LINGER_SECONDS, Engine

RETRY_AFTER: Final = 5
"""Seconds after which who was refused may try again."""

MOST: Final = 32
"""Connections that are given time to read their refusal. They live on the reserve of descriptors."""

_LINE_SHOWN: Final = 256
_READ: Final = 16 << 10


class Refusals:
    """Answers with 503, then reads and drops what comes: a close with bytes unread would destroy the answer.

    Args:
        engine: the worker's means.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._farewells: dict[_Farewell, None] = {}
        self._linger = ticks(LINGER_SECONDS)

    def refuse(self, accepted: socket.socket, host: str, answer: str, note: Callable[[], object]) -> None:
        """Answer on a socket that was just accepted, and close it before long.

        ``answer`` is what the peer is told, and ``host`` who it is in the access log. ``note`` is called before that,
        unless the peer is gone already.
        """
        engine = self._engine
        accepted.setblocking(False)
        try:
            beginning = _peek(accepted)
        except ConnectionError:  # nobody waits for an answer any more
            accepted.close()
            return
        response = error_response(503, answer, engine.date, b"retry-after: %d\r\n" % RETRY_AFTER)
        engine.refused(host, beginning.partition(b"\r")[0][:_LINE_SHOWN], 503, len(response.partition(b"\r\n\r\n")[2]))
        note()
        with contextlib.suppress(OSError):
            engine.counters.sent(accepted.send(response))
            accepted.shutdown(socket.SHUT_WR)
        if len(self._farewells) >= MOST:
            self.end(next(iter(self._farewells)))
        farewell = _Farewell(self, accepted)
        self._farewells[farewell] = None
        engine.loop.add_reader(accepted.fileno(), self.drop, farewell)
        engine.wheel.arm(farewell, self._linger)

    def hurry(self) -> bool:
        """There are no descriptors left: close those that have had their answer. Returns whether there were any."""
        farewells = list(self._farewells)
        for farewell in farewells:
            self.end(farewell)
        return bool(farewells)

    def drop(self, farewell: _Farewell) -> None:
        """Drop what has come; its end is the peer's end."""
        try:
            over = not farewell.socket.recv(_READ)
        except BlockingIOError:
            over = False
        except OSError:
            over = True
        if over:
            self.end(farewell)

    def end(self, farewell: _Farewell) -> None:
        """Close it: it has read its answer, or has had its time."""
        del self._farewells[farewell]
        self._engine.wheel.remove(farewell)
        self._engine.loop.remove_reader(farewell.socket.fileno())
        farewell.socket.close()


class _Farewell:
    """A socket that has had its answer.

    Attributes:
        due, spoke: see ``machine.Expiring``.
    """

    __slots__ = ("_refusals", "due", "socket", "spoke")

    def __init__(self, refusals: Refusals, accepted: socket.socket) -> None:
        self._refusals = refusals
        self.socket = accepted
        self.due = 0
        self.spoke = 0

    def expire(self) -> None:
        """See ``machine.Expiring``."""
        self._refusals.end(self)


def _peek(accepted: socket.socket) -> bytes:
    """What has come of a request. Raises ConnectionError when the peer is gone."""
    try:
        data = accepted.recv(_READ)
    except BlockingIOError:
        return b""
    if not data:
        raise ConnectionResetError
    return data
