"""The shop in FastAPI. The three shops have the same routes."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

import goods
from fastapi import BackgroundTasks, FastAPI, File, Form, Query, Request, Response, UploadFile
from fastapi.responses import PlainTextResponse, RedirectResponse, StreamingResponse
from pydantic import BaseModel


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
    goods.log.warning("opening")
    yield {"stock": {"apples": 3}}
    goods.log.warning("closing")


app = FastAPI(lifespan=lifespan)


class Order(BaseModel):
    """What somebody wants to buy."""

    fruit: str
    count: int


@app.get("/hello/{name}")
async def hello(name: str, request: Request, greeting: Annotated[list[str] | None, Query()] = None) -> dict[str, Any]:
    return {
        "name": name,
        "greetings": greeting or [],
        "root_path": request.scope["root_path"],
        "url": str(request.url_for("hello", name="again")),
        "client": request.client.host if request.client else None,
    }


@app.post("/order")
async def order(order: Order) -> dict[str, Any]:
    return {"total": order.count * 2, "fruit": order.fruit}


@app.get("/thread")
def in_a_thread(number: int) -> dict[str, int]:
    """A plain function: FastAPI calls it in a thread of its pool."""
    return {"square": number * number}


@app.post("/form")
async def form(name: Annotated[str, Form()], town: Annotated[str, Form()]) -> dict[str, str]:
    return {"name": name, "town": town}


@app.post("/file")
async def file(file: Annotated[UploadFile, File()], note: Annotated[str, Form()]) -> dict[str, Any]:
    return goods.receipt(file.filename, file.content_type, await file.read(), note)


@app.post("/digest")
async def digest(request: Request) -> dict[str, Any]:
    size, sha256 = 0, hashlib.sha256()
    async for piece in request.stream():
        size += len(piece)
        sha256.update(piece)
    return {"size": size, "sha256": sha256.hexdigest()}


@app.get("/stream/{count}")
async def stream(count: int) -> Response:
    return StreamingResponse(goods.lines(count), media_type="text/plain")


@app.get("/endless/{tag}")
async def endless(request: Request) -> Response:
    return StreamingResponse(goods.endless_pieces(request.url.path))


@app.get("/download/{count}")
async def download(count: int) -> Response:
    return StreamingResponse(goods.pieces(count), headers={"content-length": str(count * len(goods.PIECE))})


@app.get("/state")
async def state(request: Request) -> Any:
    return request.state.stock


@app.post("/background/{tag}", status_code=202)
async def background(request: Request, tasks: BackgroundTasks) -> str:
    tasks.add_task(goods.sweep, request.url.path)
    return "accepted"


@app.post("/release")
async def release() -> str:
    goods.released.set()
    return "released"


@app.get("/boom")
async def boom() -> None:
    raise ValueError("no good")


@app.get("/boom-late")
async def boom_late() -> Response:
    return StreamingResponse(goods.spoilt_pieces())


@app.api_route("/page", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    if request.headers.get("if-none-match") == '"1"':
        return Response(status_code=304, headers={"etag": '"1"'})
    return PlainTextResponse("the page", headers={"etag": '"1"'})


@app.post("/old")
async def old() -> Response:
    return RedirectResponse("/hello/moved", 307)


@app.get("/cookies")
async def cookies() -> Response:
    response = PlainTextResponse("sweet")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


@app.delete("/nothing", status_code=204)
async def nothing() -> None:
    return
