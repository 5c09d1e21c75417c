"""Pages and slabs of a worker, over memory that is nobody else's."""

from litmus.memory.lease import Lease
from litmus.memory.scoreboard import PAGE, Scoreboard
from litmus.memory.slab import Slab


def make_board() -> Scoreboard:
    """An empty scoreboard."""
    return Scoreboard(memoryview(bytearray(PAGE)))


def make_slab(size: int = Slab.MINIMUM) -> tuple[Slab, Scoreboard]:
    """A slab over fresh memory, and the scoreboard on which it keeps its counters."""
    board = make_board()
    return Slab(memoryview(bytearray(size)), board), board


def make_lease(size: int, content: bytes = b"") -> Lease:
    """A lease of ``size`` bytes, in which ``content`` has arrived."""
    lease = Lease(memoryview(bytearray(size)), 0)
    lease.view[: len(content)] = content
    lease.end = len(content)
    return lease
