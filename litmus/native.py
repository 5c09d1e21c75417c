"""What takes C a few instructions and Python a call or several: the only code of this project that is written twice.

This is what the interpreted modules use. The compiled ones take in the functions of the same names from native.pxd,
where they are inline, so this module is not compiled. There is nothing to be told apart from outside but the time that
they take.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context
from sys import getrefcount as refcount
from time import monotonic_ns as now_ns
from types import MethodType
from typing import Any, TypeVar

__all__ = ["advance", "bound", "copied", "finish", "iterator", "joined", "now_ns", "put", "refcount", "resize", "run"]

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def copied(cells: memoryview, start: int, stop: int) -> bytes:
    """The bytes from ``start`` to ``stop``, which must lie within ``cells`` in this order."""
    return cells[start:stop].tobytes()


def bound(function: Callable[..., Any], instance: object) -> MethodType:
    """The method that a function of a class is of its instance."""
    return MethodType(function, instance)


def joined(first: bytes, second: bytes) -> bytes:
    """Both, one behind the other."""
    return first + second


def resize(data: bytearray, size: int) -> None:
    """Make it ``size`` bytes long. What is new in it may be anything."""
    del data[size:]
    data.extend(bytes(size - len(data)))


def put(cells: memoryview, start: int, data: bytes, size: int) -> None:
    """Copy the first ``size`` bytes of ``data`` to ``start`` in ``cells``. There must be so many, and room for them."""
    cells[start : start + size] = data if len(data) == size else data[:size]


def finish(value: object) -> None:
    """End a ``__next__`` with a value, no tuple and no exception. ``raise StopIteration`` has to follow.

    To raise it with the value takes longer than all else that such a method does.
    """
    raise StopIteration(value)


def iterator(coroutine: Coroutine[Any, Any, object]) -> Iterator[object]:
    """What ``advance`` takes to step through a plain coroutine. It has the coroutine's ``throw`` and ``close``."""
    return coroutine.__await__()


def advance(awaited: Iterator[object], end: object) -> object:
    """The next thing that it waits for, or ``end`` when it has come to its end."""
    return next(awaited, end)


def run(context: Context, function: Callable[[Argument], Result], argument: Argument) -> Result:
    """Call ``function`` in ``context``."""
    return context.run(function, argument)
