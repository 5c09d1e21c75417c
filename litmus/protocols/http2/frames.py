"""The frames of HTTP/2 on the wire (RFC 9113, sections 4 and 6)."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

from litmus.protocols.http2.errors import ErrorCode, Http2ConnectionError

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client sends first (section 3.4)."""

HEADER_SIZE: Final = 9
"""Bytes in a frame header (section 4.1)."""

FRAME_SIZE: Final = 16_384
"""Bytes of payload in the largest frame that everybody takes (section 4.2); we take no larger one."""

LARGEST_FRAME_SIZE: Final = 16_777_215
WINDOW: Final = 65_535
"""Bytes in a flow-control window to begin with (section 6.9.2)."""

LARGEST_WINDOW: Final = 0x7FFFFFFF
LARGEST_STREAM: Final = 0x7FFFFFFF


class Type(IntEnum):
    """Frame types (sections 6 and 11.2; PRIORITY_UPDATE: RFC 9218, section 7.1)."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9
    PRIORITY_UPDATE = 16


class Setting(IntEnum):
    """Parameters of SETTINGS (section 6.5.2; RFC 8441, section 3; RFC 9218, section 2.1)."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6
    ENABLE_CONNECT_PROTOCOL = 8
    NO_RFC7540_PRIORITIES = 9


ACK: Final = 0x1
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITY: Final = 0x20
"""Flags."""

_HEADER: Final = struct.Struct(">IBI").pack
_BEGINNING: Final = struct.Struct(">IB").pack
_WORD: Final = struct.Struct(">I").pack


def header(size: int, kind: int, flags: int, stream: int) -> bytes:
    """The header of a frame with ``size`` bytes of payload."""
    return _HEADER(size << 8 | kind, flags, stream)


def headers_beginning(size: int) -> bytes:
    """The header of a HEADERS frame with a whole block of ``size`` bytes, but for its stream: the last four bytes."""
    return _SHORT_HEADERS[size] if size < _SHORT else _BEGINNING(size << 8 | _HEADERS, END_HEADERS)


def data_beginning(size: int, end: bool) -> bytes:
    """The header of a DATA frame with ``size`` bytes of payload, but for its stream."""
    if end and size < _SHORT:
        return _SHORT_DATA[size]
    return _BEGINNING(size << 8 | _DATA, END_STREAM if end else 0)


def word(number: int) -> bytes:
    """A number of 32 bits, as the identifiers of streams are."""
    return _WORD(number)


def settings(values: dict[Setting, int]) -> bytes:
    """A SETTINGS frame."""
    payload = b"".join(struct.pack(">HI", setting, value) for setting, value in values.items())
    return header(len(payload), Type.SETTINGS, 0, 0) + payload


def parameters(payload: bytes) -> list[tuple[int, int]]:
    """The parameters in the payload of a SETTINGS frame, each within its bounds (section 6.5.2).

    Raises Http2ConnectionError. Those that are not known may have any value.
    """
    if len(payload) % 6:
        raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS of a wrong size")
    values = list(struct.iter_unpack(">HI", payload))
    for setting, value in values:
        if setting in _FLAGS and value > 1:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, f"SETTINGS_{_FLAGS[setting]} is neither 0 nor 1")
        if setting == Setting.INITIAL_WINDOW_SIZE and value > LARGEST_WINDOW:
            raise Http2ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE too large")
        if setting == Setting.MAX_FRAME_SIZE and not FRAME_SIZE <= value <= LARGEST_FRAME_SIZE:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "SETTINGS_MAX_FRAME_SIZE out of its bounds")
    return values


_FLAGS: Final = {int(each): each.name for each in (Setting.ENABLE_PUSH, Setting.NO_RFC7540_PRIORITIES)}

SETTINGS_ACK: Final = header(0, Type.SETTINGS, ACK, 0)


def rst_stream(stream: int, code: int) -> bytes:
    """A RST_STREAM frame."""
    return header(4, _RST_STREAM, 0, stream) + _WORD(code)


def ping(payload: bytes, flags: int = 0) -> bytes:
    """A PING frame; the payload has 8 bytes."""
    return header(8, Type.PING, flags, 0) + payload


def goaway(last: int, code: int, reason: str) -> bytes:
    """A GOAWAY frame: ``last`` is the last stream that is served, ``reason`` for who debugs."""
    words = reason.encode("ascii", "backslashreplace")
    return header(8 + len(words), Type.GOAWAY, 0, 0) + _WORD(last) + _WORD(code) + words


def window_update(stream: int, size: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return header(4, _WINDOW_UPDATE, 0, stream) + _WORD(size)


def field_block(block: bytes, flags: int, stream: int, size: int) -> bytes:
    """A field block in a HEADERS frame with the ``flags`` and, where it is too long for ``size``, CONTINUATIONs."""
    if len(block) <= size:
        return header(len(block), _HEADERS, flags | _END_HEADERS, stream) + block
    parts = [header(size, _HEADERS, flags, stream), block[:size]]
    start = size
    while start < len(block):
        part = block[start : start + size]
        start += size
        parts += [header(len(part), Type.CONTINUATION, _END_HEADERS if start >= len(block) else 0, stream), part]
    return b"".join(parts)


# As plain numbers: looking up a member of an enumeration takes time.
_DATA, _HEADERS = int(Type.DATA), int(Type.HEADERS)
_RST_STREAM, _WINDOW_UPDATE = int(Type.RST_STREAM), int(Type.WINDOW_UPDATE)
_END_HEADERS: Final = END_HEADERS

# Most frames of a response are short, and to make their headers takes longer than to look them up.
_SHORT: Final = 1024
_SHORT_HEADERS: Final = [_BEGINNING(size << 8 | Type.HEADERS, END_HEADERS) for size in range(_SHORT)]
_SHORT_DATA: Final = [_BEGINNING(size << 8 | Type.DATA, END_STREAM) for size in range(_SHORT)]
