"""Waiting for what announces itself to nobody: a line in another process's log, a number in its statistics."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE = 60.0
INTERVAL = 0.02
STEADY = 10
"""How many looks in a row have to show the same."""


def wait_until(look: Callable[[], T | None], what: Callable[[], object] | str, deadline: float = DEADLINE) -> T:
    """Look again and again until what is seen is true, and return it. ``what`` says what is missing at the deadline."""
    end = time.monotonic() + deadline
    while not (seen := look()):
        if time.monotonic() > end:
            missing = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {deadline:g} s: {missing}")
        time.sleep(INTERVAL)
    return seen


def wait_until_steady(look: Callable[[], T]) -> T:
    """Wait until what is seen stays as it is, and return it: where nothing more is to happen, there is no event."""
    seen: list[T] = []

    def steady() -> bool:
        seen.append(look())
        return seen[-STEADY:] == [seen[-1]] * STEADY

    wait_until(steady, lambda: f"a value that stays: {seen[-STEADY:]}")
    return seen[-1]
