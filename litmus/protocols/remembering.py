"""Remembering what was found out about bytes that come again and again."""

from __future__ import annotations

from typing import TypeVar

Key = TypeVar("Key")
Found = TypeVar("Found")


def remember(known: dict[Key, Found], key: Key, found: Found, most: int) -> None:
    """Enter what was ``found`` out about ``key`` among what is ``known``, ``most`` entries at most.

    A full memory is emptied: to find out anew what is still asked for takes less than to know, each time, what is.
    How long the keys may be is the caller's to say. Together they bound the memory that clients can make it take.
    """
    if len(known) >= most:
        known.clear()
    known[key] = found
