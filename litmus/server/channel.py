"""What requests and WebSockets have in common on their way to the application and back: who waits in ``receive`` and
``send``, and the records.

Most of what ``receive`` and ``send`` are called for, nobody has to wait for. So what it takes to wait is made when
somebody does, for the first time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, Final

from litmus.asgi import Message
from litmus.native import finish, now_ns
from litmus.protocols.machine import Sink, Stream
from litmus.protocols.request import Request
from litmus.server.engine import Engine
from litmus.server.noise import in_words
from litmus.server.scope import Client

log = logging.getLogger("litmus.server")


class ClientDisconnected(OSError):
    """Raised by ``send`` when nothing that is sent can arrive (ASGI, "Disconnected Client - send exception")."""


class Channel(Sink):
    """One call of the application, at the end of a stream: an ``Exchange`` or a ``Session``.

    Attributes:
        client: who asks. One object for all requests of a connection.
        engine: the worker's means.
        due, spoke: see ``machine.Expiring``.
    """

    __slots__ = (
        "_began_ns",
        "_cut",
        "_entry",
        "_logged",
        "_request",
        "_size",
        "_status",
        "_stream",
        "_task",
        "_told",
        "_waiting",
        "client",
        "due",
        "engine",
        "spoke",
    )

    def enter(self, engine: Engine, request: Request, stream: Stream, client: Client, wire: int) -> None:
        """Enter the request into the records; ``wire`` is its ``WireProtocol``."""
        self.engine = engine
        self.client = client
        self.due = 0
        self.spoke = 0
        self._request = request
        self._stream = stream
        self._size = 0  # bytes of content that went out
        self._status = 0  # of what went out
        self._cut = False  # at the end of a drain
        self._logged = False
        self._told = False  # the application knows that the client has left
        self._task: asyncio.Task[None] | None = None
        self._waiting: Waiting | None = None
        line = request.line
        engine.counters.request_begun()
        self._began_ns = now_ns()
        self._entry = engine.flight.begin(self._began_ns, wire, line.method, client.raw_name, line.target)

    # What each kind of channel has its own way of

    def next_message(self) -> Message | None:
        """The message that ``receive`` can return now, None if there is none."""
        raise NotImplementedError

    def is_blocked(self) -> bool:
        """Whether ``send`` has to wait. Raises ClientDisconnected when nobody is there for what is sent."""
        raise NotImplementedError

    def expire(self) -> None:
        """See ``machine.Expiring``."""
        raise NotImplementedError

    def named(self) -> str:
        """The channel for the log."""
        return self.words()

    # What the worker calls

    def cancel(self) -> str:
        """Cancel the application's task at the end of a drain. Returns the channel in words, for the log."""
        self._cut = True
        if self._task is not None:
            self._task.cancel("the worker is shutting down")
        return f"{self.named()} from {self.client.name}, after {(now_ns() - self._began_ns) / 1e9:.1f} s"

    # Who waits in receive

    def receive(self) -> Awaitable[Message]:
        """ASGI ``receive``: the next message, when it is awaited."""
        receiving = Receiving.__new__(Receiving)  # to call the class takes three times as long
        receiving.begin(self)
        return receiving

    def take(self) -> Message | None:
        """The message for who asks for one now, None if there is none."""
        waiting = self._waiting
        if waiting is not None and waiting.returned:
            return waiting.returned.pop(0)
        return self.next_message()

    def await_message(self) -> asyncio.Future[Message]:
        """What will be the message for who waits for one from now on."""
        future: asyncio.Future[Message] = self.engine.loop.create_future()
        if self._waiting is None:
            self._waiting = Waiting()
        self._waiting.enter(future)
        return future

    def give(self, message: Message) -> bool:
        """Give a message to who has waited longest. Returns whether there is anybody."""
        waiting = self._waiting
        if waiting is None:
            return False
        future = waiting.first()
        if future is None:
            return False
        waiting.remove(future)
        future.set_result(message)
        return True

    def deliver(self) -> None:
        """Give what messages there are to those who wait for one."""
        waiting = self._waiting
        while waiting is not None and waiting.first() is not None:
            message = self.take()
            if message is None:
                return
            self.give(message)  # unless looking for it found the client gone, and all who wait were told so on the way

    def forget(self, future: asyncio.Future[Message]) -> None:
        """Who had this from ``await_message`` waits no more. What was delivered in that moment is the next one's."""
        waiting = self._waiting
        assert waiting is not None, "made by whoever waited first"
        if not future.done() or future.cancelled():
            waiting.remove(future)
        else:
            waiting.returned.append(future.result())
            self.deliver()

    # Who waits in send

    async def wait_unblocked(self) -> None:
        """Wait until there is room for more to be sent. Raises ClientDisconnected as ``is_blocked`` does."""
        while self.is_blocked():
            future: asyncio.Future[None] = self.engine.loop.create_future()
            if self._waiting is None:
                self._waiting = Waiting()
            self._waiting.senders.append(future)
            await future

    def unblocked(self) -> None:
        """See ``Sink.unblocked``."""
        waiting = self._waiting
        if waiting is None:
            return
        senders, waiting.senders = waiting.senders, []
        for future in senders:
            if not future.done():
                future.set_result(None)

    # The records

    def words(self) -> str:
        """The request for the log."""
        return in_words(self._request.line.method, self._request.line.target)

    def disarm(self) -> None:
        """There is no deadline any more."""
        if self.due:
            self.engine.wheel.remove(self)
            self.due = 0

    def accuse(self, what: str, error: BaseException | None, kind: str = "") -> None:
        """The application did what it should not, for instance "failed": tell the log and the statistics.

        ``kind``: of noise, if clients can bring it about as often as they like.
        """
        words = f"the application {what}: {self.named()}"
        self.engine.board.last_error = words if error is None else f"{words}: {describe(error)}"
        if kind:
            self.engine.noise.accuse(kind, words, error)
        else:
            log.error("%s", words, exc_info=error)

    def record(self) -> None:
        """Write the access log's line, once."""
        access = self.engine.access
        if self._logged or access is None:
            return
        self._logged = True
        request = self._request
        access.record(
            self.client.host,
            request.line.method,
            request.line.target,
            request.line.version,
            self._status,
            self._size,
            (now_ns() - self._began_ns) / 1e9,
            request.headers,
        )


class Waiting:
    """Who waits at a channel: as a rule, one in ``receive``.

    Attributes:
        returned: messages that were delivered to somebody who was cancelled in that moment.
        senders: futures of those who wait in ``send``.
    """

    __slots__ = ("_first", "_others", "returned", "senders")

    def __init__(self) -> None:
        self._first: asyncio.Future[Message] | None = None
        self._others: list[asyncio.Future[Message]] = []  # behind the first
        self.returned: list[Message] = []
        self.senders: list[asyncio.Future[None]] = []

    def enter(self, future: asyncio.Future[Message]) -> None:
        """Another one waits in ``receive``."""
        if self._first is None:
            self._first = future
        else:
            self._others.append(future)

    def first(self) -> asyncio.Future[Message] | None:
        """Who has waited in ``receive`` for longest, None if nobody does."""
        while self._first is not None and self._first.done():  # cancelled, and about to be told
            self.remove(self._first)
        return self._first

    def remove(self, future: asyncio.Future[Message]) -> None:
        """Who waited in ``receive`` with this future does no more."""
        if future is self._first:
            self._first = self._others.pop(0) if self._others else None
        elif future in self._others:
            self._others.remove(future)


class Receiving:
    """A call of ``receive``.

    It has the methods of a coroutine and does, as one would, nothing before it is awaited, which may be a turn of the
    loop later, or never: a task that is cancelled before its first step takes no message along. A coroutine of its own
    would take three objects more for each message that is waited for.
    """

    __slots__ = ("_channel", "_future")

    def begin(self, channel: Channel) -> None:
        """Get ready to take a message of ``channel``."""
        self._channel: Channel | None = channel  # until it is over
        self._future: asyncio.Future[Message] | None = None  # once it waits

    def __await__(self) -> Any:
        return self

    def __iter__(self) -> Receiving:
        return self

    def __next__(self) -> asyncio.Future[Message]:
        channel, future = self._channel, self._future
        if channel is None:
            raise RuntimeError(_OVER)
        if future is None:
            message = channel.take()
            if message is None:
                self._future = future = channel.await_message()
                future._asyncio_future_blocking = True  # what tells a task that it may wait for it
                return future
        else:
            message = future.result()
        self._channel = None
        finish(message)
        raise StopIteration

    def send(self, value: None) -> asyncio.Future[Message]:
        """Go on: what tasks send is always None."""
        return self.__next__()

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> Any:
        """Raise what is thrown in, CancelledError as a rule, and wait no more."""
        self.close()
        raise kind if value is None else value

    def close(self) -> None:
        """Wait no more."""
        channel, self._channel = self._channel, None
        if channel is not None and self._future is not None:
            channel.forget(self._future)


_OVER: Final = "a call of receive can be awaited once"


def as_bytes(data: Any) -> bytes:
    """What an application sends as ``bytes``, or as anything that holds some, which it may change afterwards.

    Raises TypeError for what holds none.
    """
    return data if type(data) is bytes else bytes(memoryview(data))


def describe(error: BaseException) -> str:
    """An exception in words, even if it has none to give."""
    try:
        return repr(error)
    except Exception:
        return type(error).__name__


def is_disconnect(error: BaseException | None) -> bool:
    """Whether an exception goes back to our own ClientDisconnected: frameworks wrap it in one of theirs."""
    while error is not None:
        if isinstance(error, ClientDisconnected):
            return True
        error = error.__cause__ or error.__context__
    return False
