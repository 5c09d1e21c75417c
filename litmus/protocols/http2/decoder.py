"""Decoding field blocks of HTTP/2: HPACK (RFC 7541), as RFC 9113, section 4.3 has it."""

from __future__ import annotations

from typing import Any, Final

from litmus.protocols.http2.errors import HeaderListTooLarge, HpackError
from litmus.protocols.http2.huffman import SHORTEST, decode, decoded_size
from litmus.protocols.http2.static_table import ENTRY_OVERHEAD, FIRST_DYNAMIC, STATIC_TABLE, Entry
from litmus.protocols.remembering import remember

DEFAULT_TABLE_SIZE: Final = 4096
"""What SETTINGS_HEADER_TABLE_SIZE is before anybody says something else (RFC 9113, section 6.5.2)."""


class Decoder:
    """Decodes the field blocks that the peer sends over one connection, in the order sent.

    A client's first request enters what it says in each one into the dynamic table, and the next are a few references
    to it. A block whose decoding leaves the table alone means the same until one does not: so whoever decodes can have
    remembered what became of it. One look-up is all that a request takes which comes again::

        request = decoder.recall(block)
        if request is None:
            request = make_request(decoder.decode(block, limit))
            decoder.remember(block, request)

    Args:
        table_size: our SETTINGS_HEADER_TABLE_SIZE, if the peer knows it from the beginning.

    Attributes:
        size: of the dynamic table (RFC 7541, section 4.1).
        capacity: the maximum size that the peer uses, of those that are allowed to it (section 4.2).
    """

    __slots__ = (
        "_allowed",
        "_block",
        "_entries",
        "_known",
        "_list_size",
        "_position",
        "_repeatable",
        "_smallest",
        "capacity",
        "size",
    )

    def __init__(self, table_size: int = DEFAULT_TABLE_SIZE) -> None:
        self.size = 0
        self.capacity = table_size
        self._allowed = table_size
        self._smallest = table_size
        self._entries: list[Entry] = []  # the newest last
        self._known: dict[bytes, object] = {}
        self._repeatable = False
        self._list_size = 0
        self._block = b""
        self._position = 0

    def resize(self, size: int) -> None:
        """The peer has acknowledged ``size`` as our SETTINGS_HEADER_TABLE_SIZE."""
        self._allowed = size
        self._smallest = min(self._smallest, size)
        self._known.clear()  # the next block may have to begin with an update

    def table(self) -> list[Entry]:
        """The entries of the dynamic table, the newest first, as they are indexed."""
        return self._entries[::-1]

    def recall(self, block: bytes) -> Any:
        """What was remembered of this very block; None: it has to be decoded."""
        return self._known.get(block)

    def remember(self, block: bytes, found: object) -> None:
        """Have ``found`` recalled when the block, the last that was decoded, comes again. Not all are worth it."""
        if self._repeatable and len(block) <= _REMEMBERED_SIZE and self._list_size <= _REMEMBERED_LIST:
            remember(self._known, block, found, _REMEMBERED)

    def decode(self, block: bytes, limit: int) -> list[Entry]:
        """The header list of a whole field block.

        A list whose size (RFC 9113, section 6.5.2) exceeds ``limit`` raises HeaderListTooLarge. Its block is decoded to
        its end, because the next ones refer to what it enters into the table, and nothing beyond the limit is kept.
        What cannot be decoded raises HpackError.
        """
        self._block = block
        self._position = 0
        self._repeatable = True
        try:
            self._read_updates()
            return self._read_fields(limit)
        finally:
            self._block = b""

    def _read_updates(self) -> None:
        """The dynamic table size updates at the beginning of a block (RFC 7541, section 4.2)."""
        while self._position < len(self._block) and self._block[self._position] & 0xE0 == _UPDATE:
            size = self._integer(0x1F)
            # The first one has to be as small as the smallest maximum that there was since the last block.
            if size > self._allowed or (self._smallest < self.capacity and size > self._smallest):
                raise HpackError("a dynamic table larger than was allowed")
            self._smallest = self._allowed
            self.capacity = size
            self._evict(size)
            self._has_changed()
        if self._smallest < self.capacity:
            raise HpackError("no size update after the dynamic table has to be smaller")
        self._smallest = self._allowed

    def _read_fields(self, limit: int) -> list[Entry]:
        """The field representations of a block (RFC 7541, section 6)."""
        block, end = self._block, len(self._block)
        fields: list[Entry] = []
        field: Entry | None
        size = 0
        while self._position < end:
            octet = block[self._position]
            if octet & _INDEXED:
                field = self._entry(self._integer(0x7F))
            elif octet & _INCREMENTAL:
                field = self._literal(self._integer(0x3F), limit - size)
                self._enter(field)
            elif octet & _UPDATE:
                raise HpackError("a dynamic table size update that is not at the beginning of a block")
            else:  # not to be indexed: now, or anywhere; it makes no difference to who sends it no further
                field = self._literal(self._integer(0x0F), limit - size)
            if field is None:
                size = max(size, limit + 1)
            else:
                name, value = field
                size += len(name) + len(value) + _ENTRY_OVERHEAD
                if size <= limit:
                    fields.append(field)
        self._list_size = size
        if size > limit:
            raise HeaderListTooLarge(limit, fields)
        return fields

    def _entry(self, index: int) -> Entry:
        """The entry of either table with this index (RFC 7541, section 2.3.3)."""
        if 0 < index < _FIRST_DYNAMIC:
            return _STATIC_TABLE[index]
        place = len(self._entries) - 1 - (index - _FIRST_DYNAMIC)
        if not index or place < 0:
            raise HpackError("an index that is in no table")
        return self._entries[place]

    def _literal(self, index: int, left: int) -> Entry | None:
        """The field of a literal representation whose first integer has been read (RFC 7541, section 6.2).

        None: it fits neither into what is ``left`` of the header list's limit, nor into the dynamic table. Nothing of
        it is needed, and nothing of it is made.
        """
        room = max(left, self.capacity) - _ENTRY_OVERHEAD
        name = self._entry(index)[0] if index else self._string(room)
        value = self._string(-1 if name is None else room - len(name))
        return None if name is None or value is None else (name, value)

    def _integer(self, mask: int) -> int:
        """An integer whose prefix is the bits of the ``mask`` (RFC 7541, section 5.1)."""
        block, position, end = self._block, self._position, len(self._block)
        if position >= end:
            raise HpackError("a field block that ends too soon")
        number = block[position] & mask
        position += 1
        if number == mask:
            shift = 0
            octet = _CONTINUES
            while octet & _CONTINUES:
                if position >= end:
                    raise HpackError("a field block that ends in an integer")
                if shift > _LAST_SHIFT:
                    raise HpackError("an integer of too many octets")
                octet = block[position]
                position += 1
                number += (octet & 0x7F) << shift
                shift += 7
            if number > _LARGEST:
                raise HpackError("an integer too large")
        self._position = position
        return number

    def _string(self, room: int) -> bytes | None:
        """A string (RFC 7541, section 5.2). None: it is longer than ``room``."""
        block = self._block
        huffman = self._position < len(block) and block[self._position] & _HUFFMAN
        length = self._integer(0x7F)
        start = self._position
        if length > len(block) - start:
            raise HpackError("a string that is longer than the rest of its block")
        self._position = start + length
        if not huffman:
            return block[start : start + length] if length <= room else None
        data = block[start : start + length]
        # How long it is going to be is counted first, if it may be too long.
        if length * 8 // _SHORTEST > room and decoded_size(data) > room:
            return None
        return decode(data)

    def _enter(self, field: Entry | None) -> None:
        """Enter a field into the dynamic table. One that is too large for it empties it (RFC 7541, section 4.4)."""
        self._has_changed()
        if field is None:
            self._evict(0)
            return
        name, value = field
        size = len(name) + len(value) + _ENTRY_OVERHEAD
        self._evict(max(self.capacity - size, 0))
        if size <= self.capacity:
            self._entries.append(field)
            self.size += size

    def _evict(self, size: int) -> None:
        """Remove the oldest entries until the dynamic table has at most ``size`` (RFC 7541, section 4.3)."""
        while self.size > size:
            name, value = self._entries.pop(0)
            self.size -= len(name) + len(value) + _ENTRY_OVERHEAD

    def _has_changed(self) -> None:
        """The dynamic table is no more what it was before this block."""
        self._repeatable = False
        self._known.clear()


# The first octet of each representation (RFC 7541, section 6).
_INDEXED: Final = 0x80
_INCREMENTAL: Final = 0x40
_UPDATE: Final = 0x20

_HUFFMAN: Final = 0x80
_CONTINUES: Final = 0x80

_LARGEST: Final = 0x7FFFFFFF
_LAST_SHIFT: Final = 28
"""Five octets behind the prefix are more than enough for it."""

_REMEMBERED: Final = 16
"""Blocks: each connection has its own, so they are few."""

_REMEMBERED_SIZE: Final = 256

_REMEMBERED_LIST: Final = 4 << 10
"""Bytes in their header lists, as section 6.5.2 of RFC 9113 counts: a small block may stand for much."""

# What another module has is an object: these are numbers, for the code above.
_ENTRY_OVERHEAD, _FIRST_DYNAMIC, _SHORTEST = ENTRY_OVERHEAD, FIRST_DYNAMIC, SHORTEST
_STATIC_TABLE: Final = STATIC_TABLE
