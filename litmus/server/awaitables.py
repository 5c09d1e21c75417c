"""What ``send`` returns when nothing has to wait: a ready-made awaitable, cheaper than a coroutine.

It has the methods of a coroutine, so ``asyncio.create_task(send(message))`` works as it does with one.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final, cast

_NOTHING: Final = cast(Generator[Any, Any, None], iter(()))
"""An iterator at its end, and so at its end for everybody: awaiting it finishes at once with None."""


class Done:
    """An awaitable that has nothing to give and nothing to wait for."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        return _NOTHING

    def send(self, value: Any) -> Any:
        """Finish, as a coroutine that never suspends would."""
        raise StopIteration

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> Any:
        """Raise what is thrown in, as a coroutine that has not started would."""
        raise kind if value is None else value

    def close(self) -> None:
        """There is nothing to clean up."""


DONE: Final = Done()
"""It has no state, so one serves all."""
