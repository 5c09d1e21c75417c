"""Decoders of HTTP/1 request bodies (RFC 9112, sections 6 and 7).

A decoder takes bytes from a lease and returns content. It holds no bytes itself: what it cannot decode yet stays in the
lease. Where a body ends is known to the byte, so the next request on the connection starts there.
"""

from __future__ import annotations

import re
from typing import Final

from litmus.memory.lease import Lease
from litmus.protocols.errors import ProtocolError
from litmus.units import count

UNKNOWN: Final = -1
"""Length of a body that was not announced."""

LINE_LIMIT: Final = 512
"""Bytes in a chunk's size line with its extensions, or in a trailer line."""

TRAILER_LIMIT: Final = 8192
"""Bytes in the trailer section."""

EXTENSION_LIMIT: Final = 8192
"""Bytes by which chunk extensions may outweigh the chunks that they come with (RFC 9112, section 7.1.1)."""


class Decoder:
    """A body decoder. ``complete`` turns True with the last byte of the body."""

    __slots__ = ("complete",)

    def __init__(self) -> None:
        self.complete = False

    def decode(self, lease: Lease) -> bytes:
        """Consume what there is of the body and return its content, empty if that needs more bytes."""
        raise NotImplementedError


class LengthDecoder(Decoder):
    """A body of a known number of bytes."""

    __slots__ = ("remaining",)

    def __init__(self, length: int) -> None:
        super().__init__()
        self.remaining = length

    def decode(self, lease: Lease) -> bytes:
        data = lease.take(self.remaining)
        self.remaining -= len(data)
        self.complete = not self.remaining
        return data


class ChunkedDecoder(Decoder):
    """A body in chunks. Extensions are ignored, trailers are dropped (RFC 9110, section 6.5.1 allows it).

    Both have to be well-formed all the same: what is no trailer may be the beginning of a request.

    Args:
        limit: bytes of content that are taken; 0: any number.
    """

    __slots__ = ("_content", "_excess", "_limit", "_remaining", "_state", "_trailers")

    def __init__(self, limit: int = 0) -> None:
        super().__init__()
        self._limit = limit
        self._content = 0
        self._state = _SIZE
        self._remaining = 0
        self._excess = 0
        self._trailers = 0

    def decode(self, lease: Lease) -> bytes:
        parts = []
        while lease.start < lease.end and not self.complete:
            if self._state == _DATA:
                data = lease.take(self._remaining)
                self._remaining -= len(data)
                parts.append(data)
                if self._remaining:
                    break
                self._state = _DATA_END
            line = _line(lease, 431 if self._state == _TRAILER else 400)
            if line is None:
                break
            self._line(line)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _line(self, line: bytes) -> None:
        if self._state == _DATA_END:
            if line:
                raise ProtocolError(400, "chunk data longer than the chunk's size")
            self._state = _SIZE
        elif self._state == _SIZE:
            size, semicolon, extension = line.partition(b";")
            self._remaining = _chunk_size(size.rstrip(b" \t") if semicolon else size)
            if semicolon:
                self._extend(extension)
            self._content += self._remaining
            if self._content > self._limit > 0:
                raise ProtocolError(413, f"the body is longer than {count(self._limit, 'byte')}")
            self._state = _DATA if self._remaining else _TRAILER
        elif line:
            if _FIELD.fullmatch(line) is None:
                raise ProtocolError(400, "not a trailer field")
            self._trailers += len(line) + 2
            if self._trailers > TRAILER_LIMIT:
                raise ProtocolError(431, "trailer section too large")
        else:
            self.complete = True

    def _extend(self, extension: bytes) -> None:
        """A chunk has extensions."""
        if _VISIBLE.fullmatch(extension) is None:
            raise ProtocolError(400, "a control character in a chunk extension")
        self._excess = max(0, self._excess + len(extension) - self._remaining)
        if self._excess > EXTENSION_LIMIT:
            raise ProtocolError(400, "chunk extensions too large")


_SIZE, _DATA, _DATA_END, _TRAILER = range(4)
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")
_VISIBLE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_FIELD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")


def _line(lease: Lease, too_long: int) -> bytes | None:
    """Consume a line and return it without its CRLF, or None when its end has not arrived.

    ``too_long`` is the status for one whose end is out of reach.
    """
    start = lease.start
    window = lease.peek(LINE_LIMIT)
    length = window.find(b"\n")
    if length < 0:
        if len(window) == LINE_LIMIT:
            raise ProtocolError(too_long, "line too long in a chunked body")
        return None
    lease.start = start + length + 1
    if not length or window[length - 1] != 13 or window.find(b"\r") != length - 1:
        raise ProtocolError(400, "line not ended by CRLF in a chunked body")
    return window[: length - 1]


def _chunk_size(digits: bytes) -> int:
    """The size of a chunk in bytes (RFC 9112, section 7.1)."""
    if not digits or len(digits) > 15 or not _HEX.issuperset(digits):
        raise ProtocolError(400, "chunk size is not a hexadecimal number")
    return int(digits, 16)
