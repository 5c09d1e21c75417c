"""Slabs of a worker, for tests that need no worker."""

from litmus.memory.scoreboard import PAGE, Scoreboard
from litmus.memory.slab import Slab


def make_slab(size: int = Slab.MINIMUM) -> tuple[Slab, Scoreboard]:
    """A slab over fresh memory, and the scoreboard on which it keeps its counters."""
    board = Scoreboard(memoryview(bytearray(PAGE)))
    return Slab(memoryview(bytearray(size)), board), board
