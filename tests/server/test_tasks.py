"""The application runs in a true task whose first step is taken at once, whatever the version of Python."""

import asyncio
import contextlib
import contextvars
import gc
import inspect
import itertools
import sys
import types
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
import uvloop
from support.apps import read_body, respond
from support.bench import bench
from support.server import serve
from support.turns import next_turn, turn

from litmus.asgi import Receive, Scope, Send
from litmus.server import eager
from litmus.server.awaitables import DONE
from litmus.server.eager import Starter

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nothing")


def on_bench(steps: Callable[[Scope, Receive, Send], Awaitable[Any]], request: bytes = GET) -> Any:
    """Run an application on the bench, which must answer. Returns what it returned."""
    results: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        results.append(await steps(scope, receive, send))
        await respond(send)

    with bench(app) as on:
        on.feed(request)
        for _ in range(100):
            if on.out:
                break
            on.turn()
        assert on.out.startswith(b"HTTP/1.1 200 "), on.out
    return results[0]


@contextmanager
def serve_once(steps: Callable[[Scope, Receive, Send], Awaitable[Any]]) -> Iterator[Any]:
    """Run an application over a real socket, where time passes. Gives what it returned."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put(await steps(scope, receive, send))
        await respond(send)

    with serve(app) as server, server.connect() as client:
        assert client.get().status == 200
        yield server.note()


# -- Starter -----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["uvloop", "asyncio"])
def loop(request: pytest.FixtureRequest) -> Any:
    loop = uvloop.new_event_loop() if request.param == "uvloop" else asyncio.new_event_loop()
    yield loop
    loop.close()


def run_in(loop: asyncio.AbstractEventLoop, function: Callable[[], None], turns: int = 5) -> None:
    loop.call_soon(function)
    turn(loop, turns)


class Caller:
    """Calls a function, and notes how what it returned ended.

    Attributes:
        ends: None or the error, of each.
    """

    def __init__(self, function: Callable[[], Awaitable[Any]]) -> None:
        self.function = function
        self.ends: list[BaseException | None] = []

    def call(self) -> Awaitable[object]:
        return self.function()

    def ended(self, error: BaseException | None) -> None:
        assert asyncio.current_task() is not None
        self.ends.append(error)


@pytest.fixture
def starter(loop: asyncio.AbstractEventLoop) -> Starter:
    return Starter(loop, contextvars.copy_context())


def start_in(loop: asyncio.AbstractEventLoop, starter: Starter, *functions: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Start functions, one after the other. Returns what their callers noted, and the tasks."""
    callers = [Caller(function) for function in functions]
    tasks: list[asyncio.Task[None] | None] = []
    run_in(loop, lambda: tasks.extend(starter.start(caller) for caller in callers))
    return [(caller.ends, task) for caller, task in zip(callers, tasks, strict=True)]


def test_who_uses_the_loop_while_a_task_is_made_does_not_take_its_place(
    loop: asyncio.AbstractEventLoop, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a finalizer may, when the collector comes in between: before the task's own first step or behind it."""
    called: list[str] = []
    real = asyncio.Task

    async def work() -> None:
        called.append("step")

    def make(*arguments: Any, **options: Any) -> asyncio.Task[None]:
        loop.call_soon(called.append, "before")
        task = real(*arguments, **options)
        loop.call_soon(called.append, "behind")
        return task

    monkeypatch.setattr(eager, "Task", make)
    [(ends, task)] = start_in(loop, starter, work)
    assert (ends, task) == ([None], None)
    assert called[0] == "step"
    assert sorted(called) == ["before", "behind", "step"]


def test_what_waits_for_nothing_has_ended_when_it_is_started(loop: asyncio.AbstractEventLoop, starter: Starter) -> None:
    seen: list[Any] = []

    async def work() -> str:
        seen.append(type(asyncio.current_task()))
        seen.append(asyncio.current_task().get_name())  # type: ignore[union-attr]
        return "ignored"

    assert start_in(loop, starter, work) == [([None], None)]
    assert seen == [asyncio.Task, eager.NAME]
    assert asyncio.all_tasks(loop) == set(), "nobody is to wait for the one in stock"


def test_what_waits_goes_on_in_the_task_it_began_in(loop: asyncio.AbstractEventLoop, starter: Starter) -> None:
    seen: list[Any] = []

    async def work() -> None:
        seen.append(asyncio.current_task())
        VARIABLE.set("mine")
        await next_turn()
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        seen.append(VARIABLE.get())

    caller = Caller(work)

    def start() -> None:
        task = starter.start(caller)
        assert seen == [task]
        assert task in asyncio.all_tasks(loop)
        assert asyncio.current_task(loop) is None
        assert caller.ends == []

    run_in(loop, start)
    assert seen == [seen[0], seen[0], "mine"]
    assert caller.ends == [None]
    assert seen[0].done()
    assert asyncio.all_tasks(loop) == set()


def test_a_task_that_nobody_knows_of_is_used_again(loop: asyncio.AbstractEventLoop, starter: Starter) -> None:
    seen: list[int] = []

    async def work() -> None:
        async with asyncio.timeout(1):  # noqa: ASYNC100
            seen.append(id(asyncio.current_task()))

    start_in(loop, starter, work, work, work)
    assert len(set(seen)) == 1


KEPT: list[Any] = []


def rename(task: asyncio.Task[Any]) -> None:
    task.set_name("mine")


def set_a_variable(task: asyncio.Task[Any]) -> None:
    VARIABLE.set("mine")


def add_a_callback(task: asyncio.Task[Any]) -> None:
    task.add_done_callback(lambda task: KEPT.append("done"))


def cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()


def set_an_attribute(task: asyncio.Task[Any]) -> None:
    task.user = "mine"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "touch",
    [
        KEPT.append,
        lambda task: KEPT.append(weakref.ref(task)),
        lambda task: KEPT.append({task: "an entry"}),
        lambda task: weakref.finalize(task, KEPT.append, "gone"),
        set_a_variable,
        rename,
        add_a_callback,
        cancel,
        set_an_attribute,
    ],
)
def test_what_one_does_with_its_task_and_context_the_next_does_not_find(
    loop: asyncio.AbstractEventLoop, starter: Starter, touch: Callable[[asyncio.Task[Any]], object]
) -> None:
    KEPT.clear()
    found: list[object] = []

    async def one() -> None:
        touch(asyncio.current_task())  # type: ignore[arg-type]

    async def other() -> None:
        task = asyncio.current_task()
        assert task is not None
        known = [each() if isinstance(each, weakref.ref) else each for each in KEPT]
        assert not any(task is each or (isinstance(each, dict) and task in each) for each in known)
        assert not hasattr(task, "user")
        found.extend((task.get_name(), VARIABLE.get(), task.cancelling()))
        await next_turn()
        found.append("went on")

    (one_ends, _), (other_ends, _) = start_in(loop, starter, one, other)
    assert one_ends == other_ends == [None]
    assert found == [eager.NAME, "nothing", 0, "went on"]
    assert asyncio.all_tasks(loop) == set()
    if touch is KEPT.append:
        assert KEPT[0].done(), "who waits for it has not to wait for ever"
    if touch is add_a_callback:
        assert KEPT == ["done"]


def test_attributes_are_noticed_whenever_they_are_set(loop: asyncio.AbstractEventLoop, starter: Starter) -> None:
    found: list[object] = []

    async def look() -> None:
        found.append(getattr(asyncio.current_task(), "user", None))

    async def touch() -> None:
        await look()
        set_an_attribute(asyncio.current_task())  # type: ignore[arg-type]

    start_in(loop, starter, look, look, touch, touch, look)
    assert found == [None] * 5


class Incomparable:
    """As arrays are, and what makes queries of comparisons."""

    def __eq__(self, other: object) -> bool:
        raise ValueError

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("make", [list, Incomparable])
def test_a_variable_set_to_an_equal_value_is_set_all_the_same(
    loop: asyncio.AbstractEventLoop, make: Callable[[], Any]
) -> None:
    variable: contextvars.ContextVar[Any] = contextvars.ContextVar("variable")
    original = make()
    found: list[bool] = []

    async def work() -> None:
        found.append(variable.get() is original)
        variable.set(make())

    context = contextvars.copy_context()
    context.run(variable.set, original)
    assert [ends for ends, _ in start_in(loop, Starter(loop, context), work, work)] == [[None], [None]]
    assert found == [True, True]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks do not tell their context")
def test_a_context_that_somebody_has_is_not_used_again(loop: asyncio.AbstractEventLoop, starter: Starter) -> None:
    contexts: list[Any] = []

    async def work() -> None:
        contexts.append(asyncio.current_task().get_context())  # type: ignore[union-attr]

    start_in(loop, starter, work, work)
    assert contexts[0] is not contexts[1]


def test_who_keeps_its_coroutine_has_no_hold_on_the_next(loop: asyncio.AbstractEventLoop, starter: Starter) -> None:
    kept: list[Any] = []
    steps: list[str] = []

    async def one() -> None:
        kept.append(asyncio.current_task().get_coro())  # type: ignore[union-attr]

    async def other() -> None:
        await next_turn()
        steps.append("went on")

    start_in(loop, starter, one)
    caller = Caller(other)
    run_in(loop, lambda: (starter.start(caller), kept[0].close()))
    assert steps == ["went on"]


def raise_at_once() -> Awaitable[None]:
    raise ValueError


async def raise_in_the_first_step() -> None:
    raise ValueError


async def raise_later() -> None:
    await next_turn()
    raise ValueError


@pytest.mark.parametrize("function", [raise_at_once, raise_in_the_first_step, raise_later])
def test_an_error_reaches_the_caller(
    loop: asyncio.AbstractEventLoop, starter: Starter, function: Callable[[], Awaitable[None]]
) -> None:
    [(ends, task)] = start_in(loop, starter, function)
    assert [type(end) for end in ends] == [ValueError]
    assert task is None or (task.done() and task.exception() is None)
    assert start_in(loop, starter, raise_in_the_first_step)[0][1] is None


@types.coroutine
def generator() -> Iterator[None]:
    yield


def test_what_cannot_be_awaited_is_told_in_the_words_of_await(
    loop: asyncio.AbstractEventLoop, starter: Starter
) -> None:
    [(ends, _)] = start_in(loop, starter, lambda: None)  # type: ignore[arg-type, return-value]
    assert isinstance(ends[0], TypeError)
    assert "NoneType can't be used in 'await'" in str(ends[0])


class Custom:
    """An awaitable that is none of asyncio's: it lets one turn of the loop pass."""

    def __await__(self) -> Iterator[None]:
        return iter([None])


@pytest.mark.parametrize("function", [Custom, lambda: DONE, next_turn, generator])
def test_whatever_can_be_awaited_will_do(
    loop: asyncio.AbstractEventLoop, starter: Starter, function: Callable[[], Awaitable[Any]]
) -> None:
    assert start_in(loop, starter, function)[0][0] == [None]


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


class Endless:
    def __await__(self) -> Iterator[None]:
        return itertools.repeat(None)


@pytest.mark.parametrize("function", [wait_for_ever, Endless])
def test_cancellation_reaches_what_waits(
    loop: asyncio.AbstractEventLoop, starter: Starter, function: Callable[[], Awaitable[Any]]
) -> None:
    [(ends, task)] = start_in(loop, starter, function)
    assert ends == []
    run_in(loop, lambda: task.cancel("enough"))
    assert [(type(end), end.args) for end in ends] == [(asyncio.CancelledError, ("enough",))]
    assert task.done()


def test_who_survives_a_cancellation_goes_on(loop: asyncio.AbstractEventLoop, starter: Starter) -> None:
    async def stubborn() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await next_turn()

    [(ends, task)] = start_in(loop, starter, stubborn)
    run_in(loop, task.cancel)
    assert ends == [None]


async def cancel_and_wait_for_a_child() -> None:
    child = asyncio.create_task(wait_for_ever())
    asyncio.current_task().cancel("enough")  # type: ignore[union-attr]
    try:
        await child
    except asyncio.CancelledError as error:
        KEPT.append(f"child is cancelled: {child.cancelled()}, {error}")
        raise


async def cancel_and_go_on() -> None:
    asyncio.current_task().cancel("enough")  # type: ignore[union-attr]
    for _ in range(2):
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError as error:
            KEPT.append(f"woken: {error}")
    KEPT.append("at the end")


async def cancel_and_wait_for_what_is_done() -> None:
    asyncio.current_task().cancel("enough")  # type: ignore[union-attr]
    done = asyncio.get_running_loop().create_future()
    done.set_result(None)
    await done
    KEPT.append("waited")
    await Custom()
    KEPT.append("not reached")


async def cancel_and_wait_for_nothing() -> None:
    asyncio.current_task().cancel("enough")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "function",
    [
        cancel_and_wait_for_a_child,
        cancel_and_go_on,
        cancel_and_wait_for_what_is_done,
        cancel_and_wait_for_nothing,
    ],
)
def test_a_task_that_cancels_itself_goes_on_like_any_other(
    loop: asyncio.AbstractEventLoop, starter: Starter, function: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    async def watch() -> None:
        asyncio.current_task().add_done_callback(lambda task: KEPT.append(f"cancelled: {task.cancelled()}"))  # type: ignore[union-attr]
        await function()

    KEPT.clear()
    loop.create_task(watch())
    turn(loop, 5)
    expected = KEPT.copy()
    KEPT.clear()
    [(ends, task)] = start_in(loop, starter, watch)
    assert task is None or task.done()
    assert len(ends) == 1
    if ends[0] is not None:
        expected[-1] = "cancelled: False"  # the caller was told
    assert expected == KEPT
    assert asyncio.all_tasks(loop) == set()


def test_who_looks_at_a_task_sees_the_application(loop: asyncio.AbstractEventLoop, starter: Starter) -> None:
    seen: list[Any] = []

    def look(task: Any) -> None:
        seen.append((inspect.getcoroutinestate(task.get_coro()), "work()" in repr(task), len(task.get_stack()) > 0))

    async def work() -> None:
        look(asyncio.current_task())
        await next_turn()
        await next_turn()

    def start() -> None:
        look(starter.start(Caller(work)))

    run_in(loop, start)
    assert seen == [(inspect.CORO_RUNNING, True, True), (inspect.CORO_SUSPENDED, True, True)]


def test_a_starter_leaves_quietly(loop: asyncio.AbstractEventLoop) -> None:
    complaints: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda loop, context: complaints.append(context))
    starter = Starter(loop, contextvars.copy_context())
    start_in(loop, starter, next_turn, Custom)

    async def work() -> None:
        pass

    start_in(loop, starter, work)
    del starter
    gc.collect()
    assert complaints == []


def test_what_is_closed_while_it_waits_cleans_up(loop: asyncio.AbstractEventLoop, starter: Starter) -> None:
    steps: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("cleaned up")

    [(_, task)] = start_in(loop, starter, work)
    task.get_coro().close()
    assert steps == ["cleaned up"]
    run_in(loop, task.cancel)
    assert task.done()


# -- in the application ------------------------------------------------------------------------------------------------


def test_the_response_is_complete_before_the_read_callback_returns() -> None:
    ends: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await respond(send)
        ends.append("done")

    with bench(app) as on:
        seen: list[list[str]] = []
        on.do(on.arrive(GET), lambda: seen.append(list(ends)))
        assert seen == [["done"]]
        assert on.out.endswith(b"ok")


def test_all_who_ask_in_one_turn_are_served_before_anything_is_written() -> None:
    """In one piece each, at the end of the turn."""
    order: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send)
        order.append(f"served, {len(on.out)} written")

    with bench(app) as on:
        on.do(on.arrive(GET), on.arrive(GET))
        assert order == ["served, 0 written"] * 2
        assert on.out.count(b"200 OK") == 2
        assert len(on.transport.writes) == 1


def test_there_is_a_current_task_throughout() -> None:
    async def steps(scope: Scope, receive: Receive, send: Send) -> list[object]:
        tasks = [asyncio.current_task()]
        await receive()
        tasks.append(asyncio.current_task())
        await next_turn()
        tasks.append(asyncio.current_task())
        return tasks

    first, *others = on_bench(steps)
    assert isinstance(first, asyncio.Task)
    assert all(other is first for other in others)


@pytest.mark.parametrize("around", ["receive", "something else"])
def test_asyncio_timeout(around: str) -> None:
    async def steps(scope: Scope, receive: Receive, send: Send) -> str:
        await receive()
        try:
            async with asyncio.timeout(0):
                await (receive() if around == "receive" else asyncio.Event().wait())
        except TimeoutError:
            return "timeout"
        return "none"

    assert on_bench(steps) == "timeout"


def test_wait_for_receive() -> None:
    async def steps(scope: Scope, receive: Receive, send: Send) -> Any:
        message = await asyncio.wait_for(receive(), 5)
        try:
            await asyncio.wait_for(receive(), 0.001)
        except TimeoutError:
            return message
        return None

    with serve_once(steps) as result:
        assert result == {"type": "http.request", "body": b"", "more_body": False}


def test_a_task_group() -> None:
    async def steps(scope: Scope, receive: Receive, send: Send) -> list[int]:
        done: list[int] = []

        async def child(number: int) -> None:
            await next_turn()
            done.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(child(number))
        return done

    assert on_bench(steps) == [0, 1, 2]


def test_a_task_group_that_fails() -> None:
    async def steps(scope: Scope, receive: Receive, send: Send) -> list[str]:
        async def fail() -> None:
            raise ValueError

        async def wait() -> None:
            await receive()
            await receive()

        async def both() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(wait())
                group.create_task(fail())

        with pytest.raises(ExceptionGroup) as caught:
            await both()
        return [type(error).__name__ for error in caught.value.exceptions]

    assert on_bench(steps) == ["ValueError"]


def test_create_task_takes_what_receive_and_send_return() -> None:
    async def steps(scope: Scope, receive: Receive, send: Send) -> Any:
        ready = asyncio.create_task(receive())  # type: ignore[arg-type]
        waiting = asyncio.ensure_future(receive())
        message = await ready
        done, pending = await asyncio.wait([waiting], timeout=0)
        assert not done
        assert pending == {waiting}
        waiting.cancel()
        return message

    assert on_bench(steps) == {"type": "http.request", "body": b"", "more_body": False}


@pytest.mark.parametrize("way", ["create_task", "gather", "shield", "wait_for", "run_coroutine"])
def test_ways_to_send(way: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        def pass_on(awaitable: Any) -> Awaitable[Any]:
            if way == "create_task":
                return asyncio.create_task(awaitable)
            if way == "gather":
                return asyncio.gather(awaitable)
            if way == "shield":
                return asyncio.shield(awaitable)
            if way == "wait_for":
                return asyncio.wait_for(awaitable, 5)
            return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(awaitable, asyncio.get_running_loop()))

        await pass_on(send({"type": "http.response.start", "status": 200}))
        await pass_on(send({"type": "http.response.body", "body": b"a", "more_body": True}))
        await pass_on(send({"type": "http.response.body", "body": b"b"}))

    with serve(app) as server, server.connect() as client:
        assert client.get().body == b"ab"


def test_a_ready_awaitable_has_nothing_to_give() -> None:
    async def use() -> None:
        assert await DONE is None
        assert await DONE is None
        assert await asyncio.create_task(DONE) is None  # type: ignore[arg-type, func-returns-value, var-annotated]

    asyncio.run(use())


def test_a_ready_awaitable_behaves_like_a_coroutine() -> None:
    assert inspect.isawaitable(DONE)
    assert asyncio.iscoroutine(DONE)
    DONE.close()
    with pytest.raises(ZeroDivisionError):
        DONE.throw(ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        DONE.throw(ZeroDivisionError())
    with pytest.raises(StopIteration):
        DONE.send(None)


def test_who_cancels_itself_is_not_waited_for() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asyncio.current_task().cancel()  # type: ignore[union-attr]
        await asyncio.sleep(0)

    with serve(app) as server:
        with server.connect() as client:
            assert client.get().status == 503
        server.idle()
        assert not server.engine.exchanges


# -- anyio -------------------------------------------------------------------------------------------------------------


def test_anyio() -> None:
    async def steps(scope: Scope, receive: Receive, send: Send) -> list[Any]:
        seen: list[Any] = []

        async def child(number: int) -> None:
            await anyio.lowlevel.checkpoint()
            seen.append(number)

        async with anyio.create_task_group() as group:
            group.start_soon(child, 1)
            group.start_soon(child, 2)
        with anyio.move_on_after(0) as cancelled:
            await anyio.sleep_forever()
        seen.append(cancelled.cancelled_caught)
        with anyio.CancelScope() as outer:
            outer.cancel()
            await anyio.lowlevel.checkpoint()
        seen.append(outer.cancelled_caught)
        seen.append(await anyio.to_thread.run_sync(lambda: "thread"))
        return seen

    with serve_once(steps) as result:
        assert result == [1, 2, True, True, "thread"]


def test_anyio_starts_what_receive_and_send_return() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(receive)
        async with anyio.create_task_group() as group:
            group.start_soon(receive)
            await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        for message in (
            {"type": "http.response.start", "status": 200},
            {"type": "http.response.body", "body": b"sent"},
        ):
            async with anyio.create_task_group() as group:
                group.start_soon(send, message)

    with serve(app) as server, server.connect() as client:
        assert client.get().body == b"sent"


def test_listening_for_a_disconnect_beside_a_stream() -> None:
    """As Starlette's StreamingResponse does."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            server.notes.put("disconnect")
            group.cancel_scope.cancel()

        async def stream() -> None:
            await send({"type": "http.response.start", "status": 200})
            for _ in range(int(scope["path"][1:])):
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
                await anyio.lowlevel.checkpoint()
            if scope["path"] != "/5":
                await anyio.sleep_forever()
            await send({"type": "http.response.body", "body": b""})
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            await stream()

    with serve(app) as server:
        with server.connect() as client:
            assert client.get("/5").body == b"xxxxx"
            assert client.get("/5").body == b"xxxxx"
            client.send(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
            client.until(b"x\r\n1\r\nx\r\n")
            while not server.notes.empty():
                server.note()
        assert server.note() == "disconnect"
        server.idle()


# -- context variables -------------------------------------------------------------------------------------------------


def test_context_variables_do_not_leak_between_requests() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        before = VARIABLE.get()
        VARIABLE.set(scope["path"])
        body = await read_body(receive)
        await next_turn()
        await respond(send, f"{before} {VARIABLE.get()} {len(body)}".encode())

    with serve(app) as server, server.connect() as one, server.connect() as two:
        for _ in range(3):
            assert one.get("/one").body == b"nothing /one 0"
            assert two.post(b"body", "/two").body == b"nothing /two 4"
        assert server.call(VARIABLE.get) == "nothing"


def test_context_variables_do_not_leak_between_pipelined_requests() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        before = VARIABLE.get()
        VARIABLE.set(scope["path"])
        await next_turn()
        await respond(send, before.encode())

    with serve(app) as server, server.connect() as client:
        client.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        for _ in range(3):
            assert client.response().body == b"nothing"


def test_context_variables_reach_child_tasks() -> None:
    async def steps(scope: Scope, receive: Receive, send: Send) -> str:
        VARIABLE.set("mine")

        async def child() -> str:
            return VARIABLE.get()

        return await asyncio.create_task(child())

    assert on_bench(steps) == "mine"


def test_async_generators_and_context_managers_are_finished_in_the_task() -> None:
    finished: list[object] = []

    async def steps(scope: Scope, receive: Receive, send: Send) -> None:
        async def numbers() -> Any:
            try:
                yield 1
                yield 2
            finally:
                finished.append(asyncio.current_task())

        generator = numbers()
        async for _ in generator:
            break
        await generator.aclose()

    on_bench(steps)
    assert len(finished) == 1
    assert finished[0] is not None
