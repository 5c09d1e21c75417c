"""What this process has open."""

import gc
from pathlib import Path


def open_descriptors() -> set[str]:
    """The numbers of all descriptors.

    What an earlier test left in a cycle (epoll objects and mappings have descriptors of their own) must not be closed
    between two looks.
    """
    gc.collect()
    return {entry.name for entry in Path("/proc/self/fd").iterdir() if entry.exists()}  # but the one for looking


def count_descriptors() -> int:
    """How many there are."""
    return len(open_descriptors())
