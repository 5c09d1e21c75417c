"""Applications that can't be served, each in its own way."""

from typing import Any

seven = 7


def factory() -> Any:
    raise ValueError("the factory has burnt down")


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


async def refuses_to_start(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "there is no database at db:5432"})


async def fails_to_start(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "lifespan"
    await receive()
    raise RuntimeError("the cache is cold")


async def without_lifespan(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise TypeError("only http here")
