"""The slab allocator of one worker: its arena cut into buffers of a few sizes, handed out as leases.

The arena never grows. Whoever finds it empty queues up with ``wait`` and is served when a buffer comes back;
meanwhile it does not read from its peer. So memory is bounded by the arena, and a full arena slows clients down instead
of failing them.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from litmus.memory.lease import Lease, LeaseError
from litmus.memory.scoreboard import Scoreboard

CLASS_SIZES = (1 << 10, 4 << 10, 16 << 10, 64 << 10)
"""Buffer sizes in bytes, ascending. The largest is what one read may bring."""

CLASS_SHARES = (1, 2, 3, 10)
"""How the arena is divided among the classes, in sixteenths."""


class Waiter(Protocol):
    """Who waits for a buffer."""

    def lease_available(self) -> bool:
        """A buffer came back: ask again. Returns whether that was enough; if not, the waiter keeps its place."""


class SizeClass:
    """The buffers of one size.

    Attributes:
        size: bytes in each buffer.
        total: buffers in the class.
        free: the leases that nobody holds, last released first (its pages are warm).
    """

    __slots__ = ("free", "index", "size", "total")

    def __init__(self, index: int, size: int, arena: memoryview, offset: int, length: int) -> None:
        """The class gets the ``length`` bytes of the arena from ``offset`` on."""
        self.index = index
        self.size = size
        self.total = length // size
        starts = (offset + i * size for i in reversed(range(self.total)))
        self.free = [Lease(arena[start : start + size], index) for start in starts]


class Slab:
    """Size classes over one arena.

    Args:
        arena: writable memory, at least ``MINIMUM`` bytes; what does not divide evenly stays unused.
        scoreboard: where the counters of each class are kept, for others to read.

    Attributes:
        available: size in bytes of the largest buffer that is free now; 0 when there is none.
    """

    MINIMUM = 1 << 20

    __slots__ = ("_board", "_memory", "_serving", "_waiters", "available", "classes")

    def __init__(self, arena: memoryview, scoreboard: Scoreboard) -> None:
        if len(arena) < self.MINIMUM:
            raise ValueError(f"an arena of {len(arena)} bytes is too small: at least {self.MINIMUM} are needed")
        self._memory = arena.obj
        self.classes = _cut(arena)
        self.available = self.largest
        self._board = scoreboard
        self._waiters: deque[Waiter] = deque()
        self._serving = False
        for each in self.classes:
            scoreboard.describe_class(each.index, each.size, each.total)

    @property
    def largest(self) -> int:
        """Size in bytes of the largest buffers."""
        return self.classes[-1].size

    def acquire(self, size: int) -> Lease | None:
        """Lease the smallest free buffer that holds ``size`` bytes.

        Returns None when there is none; each class that was asked in vain counts a failure. The lease comes empty
        (``start == end == 0``) and belongs to the caller until ``release``.
        """
        board = self._board
        for each in self.classes:
            if each.size < size:
                continue
            if not each.free:
                board.class_failed(each.index)
                continue
            lease = each.free.pop()
            lease.held = True
            lease.start = lease.end = 0
            board.class_acquired(each.index)
            if not each.free and each.size == self.available:
                self.available = self._largest_free()
            return lease
        return None

    def release(self, lease: Lease) -> None:
        """Take a lease back. Raises LeaseError when nobody holds it, or when it was cut from another slab."""
        if not lease.held:
            raise LeaseError("this lease was released already")
        each = self.classes[lease.size_class]
        if lease.size != each.size or lease.view.obj is not self._memory:
            raise LeaseError("this lease is from another slab")
        lease.held = False
        each.free.append(lease)
        self._board.class_released(each.index)
        if each.size > self.available:
            self.available = each.size
        if self._waiters and not self._serving:
            self._serve()

    def wait(self, waiter: Waiter) -> None:
        """Queue up for a buffer. First come, first served, but who can't use what there is blocks nobody."""
        self._waiters.append(waiter)

    def forget(self, waiter: Waiter) -> None:
        """Leave the queue."""
        self._waiters.remove(waiter)

    def _serve(self) -> None:
        """Offer what is free to those who wait, in order. A waiter may release a buffer while it takes another."""
        self._serving = True
        queue, self._waiters = self._waiters, deque()
        while queue and self.available:
            waiter = queue.popleft()
            if not waiter.lease_available():
                self._waiters.append(waiter)
        self._waiters.extend(queue)
        self._serving = False

    def _largest_free(self) -> int:
        return max((each.size for each in self.classes if each.free), default=0)

    def in_use(self) -> int:
        """Leases that are held now, over all classes."""
        return sum(each.total - len(each.free) for each in self.classes)


def _cut(arena: memoryview) -> list[SizeClass]:
    """Divide an arena among the size classes by ``CLASS_SHARES``."""
    classes = []
    offset = 0
    unit = len(arena) // sum(CLASS_SHARES)
    for index, (size, share) in enumerate(zip(CLASS_SIZES, CLASS_SHARES, strict=True)):
        length = unit * share // size * size
        classes.append(SizeClass(index, size, arena, offset, length))
        offset += length
    return classes
