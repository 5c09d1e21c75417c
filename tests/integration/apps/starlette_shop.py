"""The shop in Starlette. The three shops have the same routes."""

import contextlib
import hashlib
from collections.abc import AsyncIterator

import goods
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
    goods.log.warning("opening")
    yield {"stock": {"apples": 3}}
    goods.log.warning("closing")


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
        return JSONResponse(goods.receipt(upload.filename, upload.content_type, await upload.read(), fields["note"]))


async def digest(request: Request) -> Response:
    size, sha256 = 0, hashlib.sha256()
    async for piece in request.stream():
        size += len(piece)
        sha256.update(piece)
    return JSONResponse({"size": size, "sha256": sha256.hexdigest()})


async def stream(request: Request) -> Response:
    return StreamingResponse(goods.lines(request.path_params["count"]), media_type="text/plain")


async def endless(request: Request) -> Response:
    return StreamingResponse(goods.endless_pieces(request.url.path))


async def download(request: Request) -> Response:
    count = request.path_params["count"]
    return StreamingResponse(goods.pieces(count), headers={"content-length": str(count * len(goods.PIECE))})


async def state(request: Request) -> Response:
    return JSONResponse(request.state.stock)


async def background(request: Request) -> Response:
    return PlainTextResponse("accepted", 202, background=BackgroundTask(goods.sweep, request.url.path))


async def release(request: Request) -> Response:
    goods.released.set()
    return PlainTextResponse("released")


async def boom(request: Request) -> Response:
    raise ValueError("no good")


async def boom_late(request: Request) -> Response:
    return StreamingResponse(goods.spoilt_pieces())


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
        Route("/release", release, methods=["POST"]),
        Route("/boom", boom),
        Route("/boom-late", boom_late),
        Route("/page", page),
        Route("/old", old, methods=["POST"]),
        Route("/cookies", cookies),
        Route("/nothing", nothing, methods=["DELETE"]),
    ],
)
