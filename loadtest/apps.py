"""The applications that all servers serve. Plain ASGI, so that only the servers differ."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = dict[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY = b"Hello, world!"
PART = bytes(range(256)) * 4
"""1 KiB that is no text, so that a server that changes anything is found out."""
LARGE = PART * 10
STREAMED = 10
PIECE = PART * 64

_HEADERS = [(b"content-type", b"text/plain"), (b"content-length", str(len(BODY)).encode("ascii"))]
_LARGE_HEADERS = [(b"content-type", b"application/octet-stream"), (b"content-length", str(len(LARGE)).encode("ascii"))]
_STREAM_HEADERS = [(b"content-type", b"application/octet-stream")]


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer every request with ``BODY``."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": BODY})


async def large(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer every request with ``LARGE``."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": _LARGE_HEADERS})
    await send({"type": "http.response.body", "body": LARGE})


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer every request with ``PART``, over and over, without telling how long that will be."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
    for _ in range(STREAMED):
        await send({"type": "http.response.body", "body": PART, "more_body": True})
    await send({"type": "http.response.body"})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Parse the request's JSON, and answer with it written anew."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await _answer(send, b"application/json", json.dumps(json.loads(body)).encode("ascii"))


async def upload(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the number of bytes that came."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await _answer(send, b"text/plain", str(size).encode("ascii"))


async def download(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with as many bytes as the path says, ``PIECE`` over and over."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    size = int(scope["path"].removeprefix("/"))
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", str(size).encode("ascii"))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for left in range(size, 0, -len(PIECE)):
        piece = PIECE if left >= len(PIECE) else PIECE[:left]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


async def mixed(scope: Scope, receive: Receive, send: Send) -> None:
    """All of them behind one door, for clients that differ: ``GET /``, ``GET /SIZE`` and ``POST``."""
    if scope["type"] == "http" and scope["method"] == "POST":
        await upload(scope, receive, send)
    elif scope["type"] == "http" and scope["path"] != "/":
        await download(scope, receive, send)
    else:
        await hello(scope, receive, send)


async def ws_echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Send back every message of a WebSocket."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


_listeners: set[Send] = set()


async def ws_broadcast(scope: Scope, receive: Receive, send: Send) -> None:
    """Send every message of a WebSocket to all that are open."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    await receive()
    await send({"type": "websocket.accept"})
    _listeners.add(send)
    try:
        while (message := await receive())["type"] == "websocket.receive":
            for listener in list(_listeners):
                await listener({"type": "websocket.send", "text": message["text"]})
    finally:
        _listeners.discard(send)


async def _answer(send: Send, kind: bytes, body: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode("ascii"))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    """The application's life: there is nothing to start, and nothing to stop."""
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})
