"""The shop in Starlette. The three shops have the same routes."""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

log = logging.getLogger("shop")

PIECE = bytes(range(256)) * 256  # 64 KiB


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
    log.warning("opening")
    yield {"stock": {"apples": 3}}
    log.warning("closing")


async def hello(request: Request) -> Response:
    return JSONResponse(
        {
            "name": request.path_params["name"],
            "greetings": request.query_params.getlist("greeting"),
            "root_path": request.scope["root_path"],
            "url": str(request.url_for("hello", name="again")),
            "client": request.client.host if request.client else None,
        }
    )


async def form(request: Request) -> Response:
    async with request.form() as fields:
        return JSONResponse(dict(fields))


async def file(request: Request) -> Response:
    async with request.form() as fields:
        upload = fields["file"]
        content = await upload.read()
        return JSONResponse(
            {
                "filename": upload.filename,
                "content_type": upload.content_type,
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "note": fields["note"],
            }
        )


async def digest(request: Request) -> Response:
    size, sha256 = 0, hashlib.sha256()
    async for piece in request.stream():
        size += len(piece)
        sha256.update(piece)
    return JSONResponse({"size": size, "sha256": sha256.hexdigest()})


async def stream(request: Request) -> Response:
    async def lines() -> AsyncIterator[str]:
        for number in range(request.path_params["count"]):
            yield f"line {number}\n"
            await asyncio.sleep(0)

    return StreamingResponse(lines(), media_type="text/plain")


async def endless(request: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        try:
            while True:
                yield PIECE
                await asyncio.sleep(0)
        finally:
            log.warning("left %s", request.url.path)

    return StreamingResponse(body())


async def download(request: Request) -> Response:
    count = request.path_params["count"]

    async def body() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield PIECE

    return StreamingResponse(body(), headers={"content-length": str(count * len(PIECE))})


async def state(request: Request) -> Response:
    return JSONResponse(request.state.stock)


async def background(request: Request) -> Response:
    async def work() -> None:
        await asyncio.sleep(0.3)
        log.warning("done %s", request.url.path)

    return PlainTextResponse("accepted", 202, background=BackgroundTask(work))


async def boom(request: Request) -> Response:
    raise ValueError("no good")


async def boom_late(request: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"so far so "
        await asyncio.sleep(0)
        raise ValueError("too late")

    return StreamingResponse(body())


async def page(request: Request) -> Response:
    if request.headers.get("if-none-match") == '"1"':
        return Response(status_code=304, headers={"etag": '"1"'})
    return PlainTextResponse("the page", headers={"etag": '"1"'})


async def old(request: Request) -> Response:
    return RedirectResponse("/hello/moved", 307)


async def cookies(request: Request) -> Response:
    response = PlainTextResponse("sweet")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


async def nothing(request: Request) -> Response:
    return Response(status_code=204)


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/hello/{name}", hello),
        Route("/form", form, methods=["POST"]),
        Route("/file", file, methods=["POST"]),
        Route("/digest", digest, methods=["POST"]),
        Route("/stream/{count:int}", stream),
        Route("/endless/{tag}", endless),
        Route("/download/{count:int}", download),
        Route("/state", state),
        Route("/background/{tag}", background, methods=["POST"]),
        Route("/boom", boom),
        Route("/boom-late", boom_late),
        Route("/page", page),
        Route("/old", old, methods=["POST"]),
        Route("/cookies", cookies),
        Route("/nothing", nothing, methods=["DELETE"]),
    ],
)
