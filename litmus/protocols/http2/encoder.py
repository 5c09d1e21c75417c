"""Encoding field blocks of HTTP/2: HPACK (RFC 7541), as RFC 9113, section 4.3 has it."""

from __future__ import annotations

from typing import Final

from litmus.protocols.http2 import huffman
from litmus.protocols.http2.static_table import ENTRY_OVERHEAD, FIRST_DYNAMIC, INDICES, NAME_INDICES
from litmus.protocols.remembering import remember

TABLE_SIZE: Final = 4096
"""The largest dynamic table that is made use of, which is what every peer allows at first (RFC 9113, section 6.5.2)."""


class EncodedField:
    """A field and its representations, which are the same on all connections.

    Whoever sends a field again and again keeps it, because a field is known by its identity: another one of the same
    name and value is new.

    Args:
        name: in lower case. Name and value have been found well-formed.

    Attributes:
        size: what it takes of a dynamic table (RFC 7541, section 4.1).
        literal: the representation that leaves the dynamic table alone. If the field is in the static table, its index.
        indexing: the representation that enters it into the dynamic table; empty if it is better left out.
        recurs: it was sent before, by whatever connection. What is sent once is not entered into any table.
    """

    __slots__ = ("indexing", "literal", "recurs", "size")

    def __init__(self, name: bytes, value: bytes) -> None:
        self.size = len(name) + len(value) + ENTRY_OVERHEAD
        self.indexing = b""
        self.recurs = False
        index = _NAME_INDICES.get(name, 0)
        rest = encode_string(value) if index else encode_string(name) + encode_string(value)
        if name in _SENSITIVE:
            self.literal = encode_integer(index, 4, _NEVER_INDEXED) + rest
        elif index and (name, value) in _INDICES:
            self.literal = encode_integer(_INDICES[name, value], 7, _INDEXED)
        else:
            self.literal = encode_integer(index, 4, _NOT_INDEXED) + rest
            if name not in _CHANGING:
                self.indexing = encode_integer(index, 6, _INCREMENTAL) + rest


def status_field(status: int) -> EncodedField:
    """The field that a response begins with (RFC 9113, section 8.3.2)."""
    field = _STATUS_FIELDS.get(status)
    if field is None:
        field = EncodedField(b":status", b"%d" % status)
        remember(_STATUS_FIELDS, status, field, _REMEMBERED_STATUSES)
    return field


class Encoder:
    """Encodes field blocks for one connection. Each has to be sent, in this order: the peer's table follows them.

    A field that has been sent before is entered into the dynamic table, and is one octet from then on. When all fields
    of a block are, or are such as are never entered, then the block is remembered: it is the same until the table
    changes.

    Attributes:
        size: of the dynamic table (RFC 7541, section 4.1).
        capacity: its maximum size.
    """

    __slots__ = ("_entered", "_known", "_numbers", "_signalled", "_smallest", "capacity", "size")

    def __init__(self) -> None:
        self.size = 0
        self.capacity = TABLE_SIZE
        self._signalled = TABLE_SIZE
        self._smallest = TABLE_SIZE
        self._numbers: dict[
            EncodedField, int
        ] = {}  # the table: how many had been entered before each; the oldest first
        self._entered = 0
        self._known: dict[tuple[EncodedField, ...], bytes] = {}

    def resize(self, size: int) -> None:
        """The peer's SETTINGS_HEADER_TABLE_SIZE is ``size`` from now on."""
        self.capacity = min(size, TABLE_SIZE)
        self._smallest = min(self._smallest, self.capacity)
        self._evict(self.capacity)
        self._known.clear()

    def encode(self, fields: tuple[EncodedField, ...]) -> bytes:
        """The field block of these fields: of a response's, behind ``status_field``, or of trailers."""
        block = self._known.get(fields)
        return self._encode(fields) if block is None else block

    def _encode(self, fields: tuple[EncodedField, ...]) -> bytes:
        parts = self._updates()
        settled = not parts
        for field in fields:
            part = field.literal
            if field.indexing and field.size <= self.capacity:
                number = self._numbers.get(field)
                if number is not None:
                    part = _DYNAMIC[self._entered - 1 - number]
                else:
                    settled = False
                    if field.recurs:
                        part = field.indexing
                        self._enter(field)
                    field.recurs = True
            parts.append(part)
        block = b"".join(parts)
        if settled and len(block) <= _REMEMBERED_SIZE:
            remember(self._known, fields, block, _REMEMBERED)
        return block

    def _updates(self) -> list[bytes]:
        """The updates that the next block begins with.

        They tell the smallest size that the table has had since the last block, and what it has now (RFC 7541, section
        4.2).
        """
        updates = []
        if self._smallest < min(self._signalled, self.capacity):
            updates.append(encode_integer(self._smallest, 5, _UPDATE))
            self._signalled = self._smallest
        if self.capacity != self._signalled:
            updates.append(encode_integer(self.capacity, 5, _UPDATE))
        self._smallest = self._signalled = self.capacity
        return updates

    def _enter(self, field: EncodedField) -> None:
        """Enter a field that is not larger than the dynamic table (RFC 7541, section 4.4)."""
        self._known.clear()
        self._evict(self.capacity - field.size)
        self._numbers[field] = self._entered
        self._entered += 1
        self.size += field.size

    def _evict(self, size: int) -> None:
        """Remove the oldest entries until the dynamic table has at most ``size`` (RFC 7541, section 4.3)."""
        while self.size > size:
            oldest = next(iter(self._numbers))
            del self._numbers[oldest]
            self.size -= oldest.size


def encode_integer(number: int, bits: int, first: int) -> bytes:
    """An integer with a prefix of so many bits, below the other bits of its ``first`` octet (RFC 7541, section 5.1)."""
    most = (1 << bits) - 1
    if number < most:
        return _OCTETS[first | number]
    octets = [first | most]
    number -= most
    while number >= 0x80:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def encode_string(data: bytes) -> bytes:
    """A string, in the Huffman code if that is shorter (RFC 7541, section 5.2)."""
    size = huffman.encoded_size(data)
    if size < len(data):
        return encode_integer(size, 7, _HUFFMAN) + huffman.encode(data)
    return encode_integer(len(data), 7, 0) + data


# The first octet of each representation (RFC 7541, section 6).
_INDEXED: Final = 0x80
_INCREMENTAL: Final = 0x40
_UPDATE: Final = 0x20
_NEVER_INDEXED: Final = 0x10
_NOT_INDEXED: Final = 0x00

_HUFFMAN: Final = 0x80

_OCTETS: Final = [bytes((octet,)) for octet in range(0x100)]

_DYNAMIC: Final = [encode_integer(FIRST_DYNAMIC + place, 7, _INDEXED) for place in range(TABLE_SIZE // ENTRY_OVERHEAD)]
"""References to the entries of a dynamic table, the newest first."""

_SENSITIVE: Final = frozenset(
    b"authentication-info authorization cookie proxy-authenticate proxy-authentication-info proxy-authorization "
    b"set-cookie www-authenticate x-api-key x-auth-token x-csrf-token".split()
)
"""What nobody may guess from the sizes of what is sent, nor those who send it further (RFC 7541, section 7.1.3)."""

_CHANGING: Final = frozenset(
    b"age content-length content-range date etag expires last-modified location ratelimit ratelimit-remaining "
    b"ratelimit-reset request-id retry-after server-timing traceparent tracestate x-correlation-id x-process-time "
    b"x-ratelimit-remaining x-ratelimit-reset x-request-id x-response-time x-runtime x-trace-id".split()
)
"""What says something else each time, and would only drive out what does not."""

_INDICES: Final = INDICES
_NAME_INDICES: Final = NAME_INDICES

_STATUS_FIELDS: Final[dict[int, EncodedField]] = {}
_REMEMBERED_STATUSES: Final = 100

_REMEMBERED: Final = 16
"""Blocks: each connection has its own, so they are few."""

_REMEMBERED_SIZE: Final = 512
