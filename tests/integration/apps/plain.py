"""An ASGI application without a framework, for what an operator does to a server and clients do to each other.

Every answer begins with the pid of the worker that gave it.
"""

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

log = logging.getLogger("plain")

PIECE = bytes(range(256)) * 256  # 64 KiB

released = asyncio.Event()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    routes = {
        "work": work,
        "upload": upload,
        "held": held,
        "ignore": ignore,
        "late": late,
        "release": release,
        "download": download,
        "flood": flood,
        "forever": forever,
        "stubborn": stubborn,
        "block": block,
        "sleep": sleep,
        "boom": boom,
        "boom-late": boom_late,
        "silence": silence,
        "trailers": trailers,
        "hints": hints,
    }
    name = scope["path"].split("/")[1]
    await routes.get(name, work)(scope, receive, send)


async def lifespan(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    log.warning("shutdown of %d", os.getpid())
    await send({"type": "lifespan.shutdown.complete"})


async def start(send: Any, status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})


async def answer(send: Any, *words: object) -> None:
    await start(send)
    await send({"type": "http.response.body", "body": " ".join(map(str, (os.getpid(), *words))).encode()})


async def begin(send: Any) -> None:
    """The head and the pid."""
    await start(send)
    await send({"type": "http.response.body", "body": b"%d\n" % os.getpid(), "more_body": True})


async def hold(receive: Any, send: Any) -> None:
    """Begin to answer, and wait until the client has sent all of its body: when it has seen the beginning, it says."""
    await begin(send)
    async for _ in pieces(receive):
        pass


async def pieces(receive: Any) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client went away")
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


async def work(scope: Any, receive: Any, send: Any) -> None:
    """Answers at once, with the path."""
    await answer(send, scope["path"])


async def upload(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body, and answers with its size and hash."""
    size, digest = 0, hashlib.sha256()
    async for piece in pieces(receive):
        size += len(piece)
        digest.update(piece)
    await answer(send, scope["path"], size, digest.hexdigest())


async def held(scope: Any, receive: Any, send: Any) -> None:
    """Begins to answer at once, and finishes when the client wants it to."""
    await hold(receive, send)
    await send({"type": "http.response.body", "body": b"done"})


async def ignore(scope: Any, receive: Any, send: Any) -> None:
    """Never reads the body, and answers when told to."""
    await released.wait()
    await answer(send, "unread")


async def late(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body when told to, not before."""
    await released.wait()
    await upload(scope, receive, send)


async def release(scope: Any, receive: Any, send: Any) -> None:
    """Lets ``ignore`` and ``late`` go on, now and ever after."""
    released.set()
    await answer(send)


async def download(scope: Any, receive: Any, send: Any) -> None:
    """As many pieces of 64 KiB as the path says, or endlessly; says in the log when the client leaves before."""
    count = scope["path"].split("/")[2]
    sent = 0
    await start(send)
    try:
        while count == "endless" or sent < int(count):
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
            sent += 1
            await asyncio.sleep(0)  # others have their turn, too; not so in ``flood``
    except OSError:
        log.warning("%s: the client left", scope["path"])
        raise
    await send({"type": "http.response.body"})


async def flood(scope: Any, receive: Any, send: Any) -> None:
    """An endless response, which waits for nothing but ``send``."""
    await start(send)
    while True:
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})


async def forever(scope: Any, receive: Any, send: Any) -> None:
    """Waits for what never comes; notes that it was cancelled."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        log.warning("%s was cancelled", scope["path"])
        raise


async def stubborn(scope: Any, receive: Any, send: Any) -> None:
    """Doesn't let itself be cancelled."""
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.warning("%s refuses to be cancelled", scope["path"])


async def block(scope: Any, receive: Any, send: Any) -> None:
    """Blocks the whole worker, when the client wants it to, until somebody writes to the query string's named pipe."""
    await hold(receive, send)
    Path(scope["query_string"].decode()).read_bytes()
    await send({"type": "http.response.body", "body": b"unblocked"})


async def sleep(scope: Any, receive: Any, send: Any) -> None:
    """Blocks the whole worker for good, when the client wants it to."""
    await hold(receive, send)
    time.sleep(3600)


async def boom(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("no good")


async def boom_late(scope: Any, receive: Any, send: Any) -> None:
    await begin(send)
    raise ValueError("too late")


async def silence(scope: Any, receive: Any, send: Any) -> None:
    """Returns without a response."""


async def trailers(scope: Any, receive: Any, send: Any) -> None:
    """A body, and the hash of it behind."""
    await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
    await send({"type": "http.response.body", "body": PIECE})
    digest = hashlib.sha256(PIECE).hexdigest().encode()
    await send({"type": "http.response.trailers", "headers": [(b"x-sha256", digest)]})


async def hints(scope: Any, receive: Any, send: Any) -> None:
    """Early hints, and an answer."""
    await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload; as=style"]})
    await answer(send, scope["path"])
