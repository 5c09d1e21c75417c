"""What all three shops have in store; how it is asked for and handed out is each framework's own."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator

log = logging.getLogger("shop")

PIECE = bytes(range(256)) * 256  # 64 KiB

released = asyncio.Event()
"""What background work waits for, so that a test can be sure that it goes on after the response."""


async def turn() -> None:
    """Let the event loop turn, as an application does that has to wait for what it sends next."""
    await asyncio.sleep(0)


async def lines(count: int) -> AsyncIterator[str]:
    for number in range(count):
        yield f"line {number}\n"
        await turn()


async def pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield PIECE


async def endless_pieces(path: str) -> AsyncIterator[bytes]:
    """Says in the log when nobody wants any more."""
    try:
        while True:
            yield PIECE
            await turn()
    finally:
        log.warning("left %s", path)


async def spoilt_pieces() -> AsyncIterator[bytes]:
    yield b"so far so "
    await turn()
    raise ValueError("too late")


async def sweep(path: str) -> None:
    """Background work."""
    await released.wait()
    log.warning("done %s", path)


def receipt(filename: str | None, content_type: str | None, content: bytes, note: object) -> dict[str, object]:
    """What was brought in as a file of a form."""
    return {
        "filename": filename,
        "content_type": content_type,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "note": note,
    }
