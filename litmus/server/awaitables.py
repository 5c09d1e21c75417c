"""What ``receive`` and ``send`` return when nothing has to wait: ready-made awaitables, cheaper than coroutines.

They have the methods of a coroutine, so ``asyncio.create_task(receive())`` works as it does with one.
"""

from __future__ import annotations

from typing import Any, Self


class Ready:
    """An awaitable whose result is there already.

    Args:
        value: what ``await`` gives.
    """

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Self:
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        raise StopIteration(self._value)

    def send(self, value: Any) -> Any:
        """Finish with the value, as a coroutine that never suspends would."""
        raise StopIteration(self._value)

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> Any:
        """Raise what is thrown in, as a coroutine that has not started would."""
        raise kind if value is None else value

    def close(self) -> None:
        """There is nothing to clean up."""


DONE = Ready(None)
"""The awaitable of a ``send`` that had to wait for nothing. It has no state, so one serves all."""
