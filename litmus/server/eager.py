"""Tasks whose first step is taken at once, and not one turn of the loop later.

What runs is in a true ``asyncio.Task`` with a context of its own, because ``asyncio.timeout``, ``current_task`` and
anyio depend on one. To have its first step in hand, it is caught on its way to ``loop.call_soon``.

To make a task and to let it go costs more than most of what else a request needs, and many applications answer in their
first step. So ``Starter`` has a task in stock. While a coroutine takes its first step, that is the current task; when
the coroutine comes to its end in it, and nobody has kept or changed the task, it goes back into stock as if it had
never been used. A coroutine that waits for something takes the task with it.
"""

from __future__ import annotations

import asyncio
from asyncio import Task
from asyncio.tasks import _enter_task, _leave_task, _register_task, _unregister_task
from collections.abc import Awaitable, Callable, Iterator
from contextvars import Context, ContextVar
from gc import get_referents
from types import CoroutineType
from typing import Any, Final, Protocol
from weakref import getweakrefcount

from litmus.native import advance, iterator, refcount, run

NAME: Final = "request"
"""The name of the tasks. asyncio would number them, which costs more than it tells."""


class Caller(Protocol):
    """Whose coroutine a ``Starter`` runs."""

    def call(self) -> Awaitable[object]:
        """Call what is to run. Called in its task and context."""

    def ended(self, error: BaseException | None) -> None:
        """It has returned, or raised ``error``. Called in its task and context, once."""


class Starter:
    """Starts coroutines, each in a task and a context of its own, and takes their first steps at once.

    Args:
        loop: theirs.
        context: what their contexts are copies of.
    """

    __slots__ = ("_context", "_loop", "_spare", "_variables")

    def __init__(self, loop: asyncio.AbstractEventLoop, context: Context) -> None:
        self._loop = loop
        self._context = context
        self._variables = list(context.items())
        self._spare: _Spare | None = None

    def start(self, caller: Caller) -> Task[None] | None:
        """Run what ``caller`` calls. Must not be called from within a task.

        Returns the task in which it goes on, None when it has ended already.
        """
        spare = self._spare
        if spare is None:
            spare = _Spare(self._loop, self._context)
        self._spare = None  # until it is known what has become of it
        loop = self._loop
        _enter_task(loop, spare.task)
        try:
            over = run(spare.context, spare.begin, caller)
        finally:
            _leave_task(loop, spare.task)
        if over and spare.is_unchanged(self._variables):
            self._spare = spare
            return None
        task = spare.task  # not before: who keeps it shows by the number of references
        _register_task(task)
        task._log_destroy_pending = True  # type: ignore[attr-defined]
        spare.context.run(spare.step)
        return None if over else task


class _Spare:
    """A task that has not taken its first step, and of which nobody knows.

    Attributes:
        task, context: the task, and what it runs in.
        step: its first step.
        relay: its coroutine.
        begin: ``relay.begin``. To take a method off its object costs as much as to call it.
    """

    __slots__ = ("_attributes", "_get_name", "_references", "begin", "context", "relay", "step", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop, context: Context) -> None:
        self.context = context.copy()
        self.relay = _Relay()
        self.task, self.step = _prepared(loop, self.relay, self.context)
        task = self.task
        _unregister_task(task)  # who waits for all tasks would wait for it for ever
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        self.begin = self.relay.begin
        self._get_name = task.get_name
        copy = self.context
        relay = self.relay
        self._references = refcount(task) + refcount(copy) + refcount(relay)
        self._attributes: dict[str, object] | None = None  # until it is looked for

    def is_unchanged(self, variables: list[tuple[ContextVar[Any], object]]) -> bool:
        """Whether what has run in this task has left no trace of its own: then the next may run in it.

        ``variables`` are those of the context that this one is a copy of.
        """
        task = self.task
        copy = self.context
        relay = self.relay
        if (
            refcount(task) + refcount(copy) + refcount(relay) != self._references
            or getweakrefcount(task)
            or len(copy) != len(variables)
            or self._get_name() is not NAME
            or task._must_cancel  # type: ignore[attr-defined]
            or task._callbacks is not None
        ):
            return False
        for variable, value in variables:
            if copy.get(variable, _END) is not value:  # one that is equal may be somebody's all the same
                return False
        if self._attributes is None:
            self._attributes = _attributes(task)
        return not self._attributes


def _attributes(task: Task[None]) -> dict[str, object]:
    """What has been set on a task: tasks have a dictionary, but no ``__dict__`` that tells it."""
    task._litmus = None  # type: ignore[attr-defined]
    del task._litmus  # type: ignore[attr-defined]
    dictionaries = [each for each in get_referents(task) if type(each) is dict]
    return dictionaries[0] if len(dictionaries) == 1 else {"unknown": dictionaries}


class _Relay:
    """The coroutine of a task: passes on what goes to and fro between the task and what ``Caller.call`` returned."""

    __slots__ = ("_awaitable", "_caller", "_cancellation", "_inner", "_over", "_started", "_waits_for")

    def __init__(self) -> None:
        self._awaitable: Any = None
        self._caller: Any = None
        self._cancellation: BaseException | None = None
        self._inner: Any = None
        self._over = False
        self._started = False
        self._waits_for: object = None

    def begin(self, caller: Caller) -> bool:
        """Run until it waits for something. Returns whether it has come to its end."""
        self._caller = caller
        self._over = False
        try:
            self._awaitable = caller.call()
            self._inner = _iterator(self._awaitable)
            self._waits_for = advance(self._inner, _END)
        except BaseException as error:
            self._end(error)
        else:
            if self._waits_for is _END:
                self._end(None)
        return self._over

    def __await__(self) -> _Relay:
        return self

    def __iter__(self) -> _Relay:
        return self

    def __next__(self) -> object:
        """The task goes on. What it waits for in its first step is known already."""
        if not self._started:
            self._started = True
            waits_for, self._waits_for = self._waits_for, None
        elif self._cancellation is not None:
            return self.throw(self._cancellation)
        else:
            try:
                waits_for = advance(self._inner, _END)
            except BaseException as error:
                self._end(error)
            else:
                if waits_for is _END:
                    self._end(None)
        if self._over:
            raise StopIteration
        return waits_for

    def send(self, value: None) -> object:
        """The same: what tasks send is always None."""
        return self.__next__()

    def throw(self, error: BaseException) -> object:
        """Something is thrown into the task: CancelledError, as a rule."""
        if not self._started:
            return self._cancelled_at_once(error)
        if self._cancellation is not None:
            error, self._cancellation = self._cancellation, None
        if not self._over:
            throw = getattr(self._inner, "throw", None)
            try:
                if throw is None:  # any iterator will do for ``__await__``
                    raise error
                return throw(error)
            except StopIteration:
                self._end(None)
            except BaseException as raised:
                self._end(raised)
        raise StopIteration

    def close(self) -> None:
        """The task is given up."""
        close = getattr(self._inner, "close", None)
        if close is not None:
            close()

    def __getattr__(self, name: str) -> Any:
        """What coroutines have for those who show or inspect tasks: frame, state and name are the application's."""
        return getattr(self._awaitable, name)

    def _cancelled_at_once(self, error: BaseException) -> object:
        """The task was cancelled in its first step. It goes on like any other: what it waits for is cancelled first."""
        self._started = True
        if self._over:
            raise error
        waits_for, self._waits_for = self._waits_for, None
        is_future = getattr(waits_for, "_asyncio_future_blocking", False)
        if not (is_future and waits_for.cancel(*error.args)):  # type: ignore[attr-defined]
            self._cancellation = error
        return waits_for

    def _end(self, error: BaseException | None) -> None:
        caller, self._caller = self._caller, None
        self._awaitable = self._inner = None
        self._over = True
        caller.ended(error)


_END: Final = object()
"""What an iterator gives at its end."""


def _iterator(awaitable: Any) -> Iterator[object]:
    """What steps through an awaitable."""
    if type(awaitable) is CoroutineType:
        return iterator(awaitable)
    method = getattr(awaitable, "__await__", None)
    stepped: Iterator[object] = _wait_for(awaitable).__await__() if method is None else method()
    return stepped


async def _wait_for(awaitable: Awaitable[object]) -> None:
    """For what has no ``__await__``: generators may be awaited by what their function was decorated with."""
    await awaitable


_caught: list[tuple[Callable[..., object], tuple[Any, ...], Context | None]] = []


def _catch(callback: Callable[..., object], *arguments: Any, context: Context | None = None) -> None:
    """Stands in for ``loop.call_soon`` while a task is constructed, and keeps what the task wanted to schedule."""
    _caught.append((callback, arguments, context))


Step = Callable[[], object]


def _prepared(loop: asyncio.AbstractEventLoop, coroutine: Any, context: Context) -> tuple[Task[Any], Step]:
    """A new task, and its first step, which it has not taken."""
    shadow = loop.__dict__
    shadow["call_soon"] = _catch
    try:
        task: Task[Any] = Task(coroutine, loop=loop, name=NAME, context=context)
    finally:
        del shadow["call_soon"]
    caught = _caught.pop()
    while _caught:
        # The collector ran meanwhile, and a finalizer of somebody's used the loop: only the task's step is for us.
        other = _caught.pop()
        if getattr(other[0], "__self__", None) is task:
            caught, other = other, caught
        callback, arguments, elsewhere = other
        loop.call_soon(callback, *arguments, context=elsewhere)
    return task, caught[0]
