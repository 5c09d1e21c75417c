"""What can be wrong with a connection of HTTP/2, or with one of its streams."""

from __future__ import annotations

from enum import IntEnum

from litmus.protocols.errors import ProtocolError
from litmus.units import count


class HpackError(Exception):
    """A field block that cannot be decoded.

    Nobody knows any more what the peer's encoder refers to, so this is the end of the connection: an error of type
    COMPRESSION_ERROR (RFC 9113, section 4.3). The message says what was wrong.
    """


class HeaderListTooLarge(ProtocolError):
    """A field block that was decoded, and says more than is taken: its request gets 431, and the connection goes on.

    Args:
        limit: bytes that are taken.
        fields: what is within them.
    """

    def __init__(self, limit: int, fields: list[tuple[bytes, bytes]]) -> None:
        super().__init__(431, f"the header section is longer than {count(limit, 'byte')}")
        self.fields = fields


class ErrorCode(IntEnum):
    """Error codes (RFC 9113, section 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class Http2ConnectionError(Exception):
    """A connection error (RFC 9113, section 5.4.1): the peer gets GOAWAY, and the connection is over."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Http2StreamError(Exception):
    """A stream error (RFC 9113, section 5.4.2): the peer gets RST_STREAM, and the connection goes on."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Flooded(Http2ConnectionError):
    """The peer has sent more than anybody has use for (RFC 9113, section 10.5)."""

    def __init__(self, reason: str) -> None:
        super().__init__(ErrorCode.ENHANCE_YOUR_CALM, reason)
