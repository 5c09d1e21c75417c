"""A lease: one slab buffer in the hands of one owner, with a cursor over the bytes in it."""

from __future__ import annotations

from litmus.native import copied


class LeaseError(Exception):
    """A lease was used against its rules: released twice, or given to a slab that it is not from."""


class Lease:
    """One buffer of a slab, owned by exactly one holder until it is released.

    The bytes that were read and not yet consumed are ``view[start:end]``: a reader appends behind ``end``, a machine
    consumes by moving ``start`` on. Leases are made once, when the slab is cut, and handed out again and again.

    Args:
        view: the whole buffer, writable.
        size_class: index of the size class in its slab.

    Attributes:
        view: the whole buffer, ``size`` bytes, writable.
        size: bytes in the buffer.
        start: offset of the first byte that nobody has consumed.
        end: offset behind the last byte that was read.
        size_class: index of the size class in its slab.
        held: True between ``Slab.acquire`` and ``Slab.release``.
    """

    __slots__ = ("_cells", "end", "held", "size", "size_class", "start", "view")

    def __init__(self, view: memoryview, size_class: int) -> None:
        self.view = view
        self._cells = view
        self.size = len(view)
        self.size_class = size_class
        self.start = 0
        self.end = 0
        self.held = False

    def unread_size(self) -> int:
        """Bytes that are read and not yet consumed."""
        return self.end - self.start

    def room(self) -> memoryview:
        """The free part behind ``end``; empty when the buffer is full."""
        return self.view[self.end :] if self.end else self.view

    def unread(self) -> memoryview:
        """The bytes that nobody has consumed, without a copy; valid only while the lease is held."""
        return self.view[self.start : self.end]

    def peek(self, size: int) -> bytes:
        """A copy of up to ``size`` of the bytes that nobody has consumed."""
        start = self.start
        return copied(self._cells, start, min(start + size, self.end))

    def take(self, size: int) -> bytes:
        """Consume and return up to ``size`` bytes. ASGI asks for ``bytes``: this is where the one copy is made."""
        taken = self.peek(size)
        self.start += len(taken)
        return taken

    def compact(self) -> None:
        """Move the unread bytes to the front, so that all free room lies behind them."""
        start, end = self.start, self.end
        if start:
            self.view[: end - start] = self.view[start:end]
            self.start = 0
            self.end = end - start
