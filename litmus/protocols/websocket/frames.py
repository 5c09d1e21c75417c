"""The frames of WebSocket on the wire (RFC 6455, section 5.2), as a server sends them: without a mask."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final


class Opcode(IntEnum):
    """Opcodes (section 11.8)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


FIN: Final = 0x80
RSV1: Final = 0x40
RSV2: Final = 0x20
RSV3: Final = 0x10
"""Bits beside the opcode. RSV1 marks a message that is compressed (RFC 7692, section 6)."""

CONTROL_LIMIT: Final = 125
"""Bytes of payload in the largest control frame (section 5.5)."""


def header(first: int, size: int) -> bytes:
    """The header of a frame with ``size`` bytes of payload; ``first`` is its first octet."""
    if size < _SHORT:
        if first == _TEXT:
            return _SHORT_TEXT[size]
        return _SHORT_BINARY[size] if first == _BINARY else _SHORT_HEADER(first, size)
    if size < _LONG:
        return _MEDIUM_HEADER(first, 126, size)
    return _LONG_HEADER(first, 127, size)


def frame(opcode: int, payload: bytes) -> bytes:
    """A whole frame that is a message, or a control frame."""
    return header(_FIN | opcode, len(payload)) + payload


_SHORT_HEADER: Final = struct.Struct(">BB").pack
_MEDIUM_HEADER: Final = struct.Struct(">BBH").pack
_LONG_HEADER: Final = struct.Struct(">BBQ").pack

_SHORT: Final = 126
_LONG: Final = 1 << 16
_FIN: Final = FIN
_TEXT: Final = FIN | int(Opcode.TEXT)
_BINARY: Final = FIN | int(Opcode.BINARY)

# Most frames are short messages, and to make their headers takes longer than to look them up.
_SHORT_TEXT: Final = [_SHORT_HEADER(_TEXT, size) for size in range(_SHORT)]
_SHORT_BINARY: Final = [_SHORT_HEADER(_BINARY, size) for size in range(_SHORT)]
