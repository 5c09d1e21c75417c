"""The writing side of a scoreboard: what a worker counts on its hot path."""

from __future__ import annotations

from litmus.memory import scoreboard
from litmus.memory.scoreboard import Scoreboard

# The cells as plain numbers, for the code below.
_REQUESTS_TOTAL, _IN_FLIGHT = int(scoreboard.REQUESTS_TOTAL), int(scoreboard.IN_FLIGHT)
_CONNECTIONS_TOTAL, _CONNECTIONS = int(scoreboard.CONNECTIONS_TOTAL), int(scoreboard.CONNECTIONS)
_RESPONSES = int(scoreboard.RESPONSES_1XX) - 1
_CLOSED_AS_FLOOD = int(scoreboard.CLOSED_AS_FLOOD)
_WEBSOCKETS = int(scoreboard.WEBSOCKETS)
_RESPONSES_UNREAD, _STREAMS_REFUSED = int(scoreboard.RESPONSES_UNREAD), int(scoreboard.STREAMS_REFUSED)
_BYTES_IN, _BYTES_OUT = int(scoreboard.BYTES_IN), int(scoreboard.BYTES_OUT)


class Counters:
    """Counts onto a scoreboard page, at once: the page is right even if the worker is stuck or dies.

    Args:
        board: the worker's own page.
    """

    __slots__ = ("_cells",)

    def __init__(self, board: Scoreboard) -> None:
        self._cells = board.cells

    def connection_opened(self) -> None:
        """A connection was accepted."""
        self._cells[_CONNECTIONS_TOTAL] += 1
        self._cells[_CONNECTIONS] += 1

    def connection_closed(self) -> None:
        """A connection is gone."""
        self._cells[_CONNECTIONS] -= 1

    def request_begun(self) -> None:
        """A request's head has arrived."""
        self._cells[_REQUESTS_TOTAL] += 1
        self._cells[_IN_FLIGHT] += 1

    def request_refused(self, status: int) -> None:
        """A request was answered with this status before any application saw it."""
        self._cells[_REQUESTS_TOTAL] += 1
        self.responded(status)

    def request_ended(self) -> None:
        """The application has left a request."""
        self._cells[_IN_FLIGHT] -= 1

    def responded(self, status: int) -> None:
        """A response with this status was begun."""
        self._cells[_RESPONSES + min(status // 100, 5)] += 1

    def flooded(self) -> None:
        """A connection is closed as a flood."""
        self._cells[_CLOSED_AS_FLOOD] += 1

    def response_unread(self) -> None:
        """A response is given up because the client makes no room for it."""
        self._cells[_RESPONSES_UNREAD] += 1

    def stream_refused(self) -> None:
        """A stream is refused because its connection has too many."""
        self._cells[_STREAMS_REFUSED] += 1

    def socket_opened(self) -> None:
        """A WebSocket was accepted."""
        self._cells[_WEBSOCKETS] += 1

    def socket_closed(self) -> None:
        """A WebSocket is over."""
        self._cells[_WEBSOCKETS] -= 1

    def received(self, size: int) -> None:
        """Bytes came from a client."""
        self._cells[_BYTES_IN] += size

    def sent(self, size: int) -> None:
        """Bytes go to a client."""
        self._cells[_BYTES_OUT] += size
