"""Starting a task at once: its first step runs before ``start_task`` returns, not one turn of the loop later.

What runs is a true ``asyncio.Task`` with a context of its own, because ``asyncio.timeout``, ``current_task`` and anyio
depend on one. Python 3.12 can do it; on 3.11 the task's first step is caught on its way to ``loop.call_soon``.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import Task
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Final, TypeVar

T = TypeVar("T")

NAME: Final = "request"
"""The name of the tasks. asyncio would number them, which costs more than it tells."""

_EAGER: Final = sys.version_info >= (3, 12)


_caught: list[tuple[Callable[..., object], tuple[Any, ...], Context | None]] = []


def _catch(callback: Callable[..., object], *arguments: Any, context: Context | None = None) -> None:
    """Stands in for ``loop.call_soon`` while a task is constructed, and keeps what the task wanted to schedule."""
    _caught.append((callback, arguments, context))


def start_task(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> Task[T]:
    """Run ``coroutine`` in a new task, the first step right now. Must not be called from within another task."""
    if _EAGER:
        return Task(coroutine, loop=loop, name=NAME, eager_start=True)  # type: ignore[call-arg, unused-ignore]
    shadow = loop.__dict__
    shadow["call_soon"] = _catch
    try:
        task = Task(coroutine, loop=loop, name=NAME)
    finally:
        del shadow["call_soon"]
    step, arguments, context = _caught.pop()
    while _caught:
        # The collector ran meanwhile, and a finalizer of somebody's used the loop: only the task's step is for us.
        other, others, elsewhere = _caught.pop()
        if getattr(other, "__self__", None) is task:
            step, other, arguments, others, context, elsewhere = other, step, others, arguments, elsewhere, context
        loop.call_soon(other, *others, context=elsewhere)
    assert context is not None
    context.run(step)
    return task
