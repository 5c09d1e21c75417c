"""An ASGI application without a framework, for WebSockets: by the first part of the path."""

import asyncio
import logging
import os
from typing import Any

log = logging.getLogger("sockets")

PIECE = bytes(range(256)) * 256  # 64 KiB

everybody: set[Any] = set()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"%d %s" % (os.getpid(), scope["path"].encode())})
        return
    routes = {
        "echo": echo,
        "who": who,
        "close": close,
        "deny": deny,
        "answer": answer,
        "broadcast": broadcast,
        "ignore": ignore,
        "pour": pour,
        "chat": chat,
        "large": large,
    }
    await routes[scope["path"].split("/")[1]](scope, receive, send)


async def accept(receive: Any, send: Any, **more: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept", **more})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """What comes goes back; says in the log how the client has left. It likes the last subprotocol best."""
    await accept(receive, send, subprotocol=(scope["subprotocols"] or [None])[-1])
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
    log.warning("%s: left with %d %r", scope["path"], message["code"], message["reason"])


async def who(scope: Any, receive: Any, send: Any) -> None:
    """Says the worker's pid, and waits."""
    await accept(receive, send)
    await send({"type": "websocket.send", "text": str(os.getpid())})
    while (await receive())["type"] == "websocket.receive":
        pass


async def close(scope: Any, receive: Any, send: Any) -> None:
    """Closes at once, with the code and the reason that the path says."""
    _, _, code, reason = scope["path"].split("/")
    await accept(receive, send)
    await send({"type": "websocket.close", "code": int(code), "reason": reason})


async def deny(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.close"})


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Denies in words of its own."""
    await receive()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"8")]
    await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": b"not you\n"})


async def broadcast(scope: Any, receive: Any, send: Any) -> None:
    """What one says, all hear."""
    await accept(receive, send)
    everybody.add(send)
    try:
        while (message := await receive())["type"] == "websocket.receive":
            await asyncio.gather(*(each({**message, "type": "websocket.send"}) for each in list(everybody)))
    finally:
        everybody.remove(send)


async def ignore(scope: Any, receive: Any, send: Any) -> None:
    """Never looks at what comes, and waits for ever."""
    await accept(receive, send)
    await send({"type": "websocket.send", "text": str(os.getpid())})
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        log.warning("%s was cancelled", scope["path"])
        raise


async def pour(scope: Any, receive: Any, send: Any) -> None:
    """Sends for ever, and says in the log when nobody is there any more."""
    await accept(receive, send)
    try:
        while True:
            await send({"type": "websocket.send", "bytes": PIECE})
    except OSError as error:
        log.warning("%s: %s", scope["path"], error)


async def chat(scope: Any, receive: Any, send: Any) -> None:
    """Sends a line now and again, without a look at what comes, until nobody is there any more."""
    await accept(receive, send)
    while True:
        await send({"type": "websocket.send", "text": str(os.getpid())})
        await asyncio.sleep(0.005)


async def large(scope: Any, receive: Any, send: Any) -> None:
    """One message of as many pieces as the path says, and no more."""
    await accept(receive, send)
    await send({"type": "websocket.send", "bytes": PIECE * int(scope["path"].split("/")[2])})
    while (await receive())["type"] == "websocket.receive":
        pass
