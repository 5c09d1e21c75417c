"""What can be wrong with a message: the peer's fault or the application's."""

from __future__ import annotations


class ProtocolError(Exception):
    """The peer broke the protocol.

    Attributes:
        status: the response it gets, where a response is still possible.
        reason: what was wrong, in words for the log and the response body.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class ResponseError(Exception):
    """The application's response cannot be sent as it asked: the message says why."""
