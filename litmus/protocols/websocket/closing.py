"""How a WebSocket ends: close codes, and the payload of Close frames (RFC 6455, sections 5.5.1 and 7.4)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class CloseCode(IntEnum):
    """Close codes (section 7.4.1, and the registry that it has set up: section 11.7)."""

    NORMAL_CLOSURE = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS_RECEIVED = 1005  # never sent: a Close frame without a code has come
    ABNORMAL_CLOSURE = 1006  # never sent: the connection has ended without a Close frame
    INVALID_PAYLOAD = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015  # never sent


class WebSocketError(Exception):
    """The peer broke the protocol, or a limit: it gets a Close frame that says so, and the WebSocket is over.

    Attributes:
        code: the close code.
        reason: what was wrong, in words for the log and the Close frame.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def may_be_sent(code: int) -> bool:
    """Whether a Close frame may have this code (sections 7.4.1 and 7.4.2)."""
    return code in _SENT or 3000 <= code <= 4999


def close_payload(code: int, reason: str) -> bytes:
    """The payload of a Close frame; without a code if that is 1005. A reason that is too long is cut.

    Raises ValueError when the code may not be sent, UnicodeEncodeError when the reason is no text.
    """
    if code == CloseCode.NO_STATUS_RECEIVED:
        return b""
    if not may_be_sent(code):
        raise ValueError(f"not a close code that may be sent: {code}")
    words = reason.encode("utf-8")
    if len(words) > _LONGEST_REASON:
        words = words[:_LONGEST_REASON].decode("utf-8", "ignore").encode("utf-8")
    return code.to_bytes(2, "big") + words


def parse_close(payload: bytes) -> tuple[int, str]:
    """The code and the reason in a Close frame; 1005 if there is none. Raises WebSocketError."""
    if not payload:
        return int(CloseCode.NO_STATUS_RECEIVED), ""
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not may_be_sent(code):
        raise WebSocketError(CloseCode.PROTOCOL_ERROR, "a Close frame with a code that is none")
    try:
        return code, payload[2:].decode("utf-8")
    except UnicodeDecodeError:
        raise WebSocketError(CloseCode.INVALID_PAYLOAD, "a Close frame with a reason that is not UTF-8") from None


_SENT: Final = frozenset(int(code) for code in CloseCode) - {1005, 1006, 1015}

_LONGEST_REASON: Final = 123
"""Bytes: a control frame has room for 125, and two of them are the code."""
