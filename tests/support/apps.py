"""Small ASGI applications, and what they are made of."""

import asyncio
import threading
from collections.abc import Iterable
from typing import Any

from support.waiting import DEADLINE

from litmus.asgi import Receive, Scope, Send


async def respond(
    send: Send, body: bytes = b"ok", status: int = 200, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """A whole response."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def begin(send: Send, body: bytes = b"", headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """The head and the first part of a response."""
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def read_body(receive: Receive) -> bytes:
    """The whole request body; ConnectionError if it does not arrive."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("disconnected")
        assert message["type"] == "http.request", message
        parts.append(message["body"])
        if not message["more_body"]:
            return b"".join(parts)


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers without a look at the request."""
    await respond(send, b"Hello, world!")


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the request's body."""
    await respond(send, await read_body(receive))


class Routes:
    """An application of several: each path is served by the method of that name."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler: Any = getattr(self, scope["path"].strip("/") or "index")
        await handler(scope, receive, send)

    async def index(self, scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)


class Gated(Routes):
    """``/slow`` is answered when the test opens the gate; its body is not read.

    Attributes:
        gate: to be set in the server's loop.
    """

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self._reached = threading.Semaphore(0)

    async def slow(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.pass_gate()
        await respond(send)

    async def pass_gate(self) -> None:
        """Tell the test that a request has reached the gate, and wait until it is open."""
        self._reached.release()
        await self.gate.wait()

    def wait_until_reached(self) -> None:
        """In the test: wait until one more request has reached the gate."""
        assert self._reached.acquire(timeout=DEADLINE), "no request has reached the gate"
