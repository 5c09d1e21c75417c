"""The chat in Starlette. The four chats have the same routes."""

from collections import defaultdict

from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

rooms: defaultdict[str, set[WebSocket]] = defaultdict(set)


async def page(request: Request) -> Response:
    return PlainTextResponse("the page")


class Echo(WebSocketEndpoint):
    """Text or bytes, as they come."""

    async def on_receive(self, websocket: WebSocket, data: str | bytes) -> None:
        await (websocket.send_text(data) if isinstance(data, str) else websocket.send_bytes(data))

    async def decode(self, websocket: WebSocket, message: dict[str, str | bytes]) -> str | bytes:
        text = message.get("text")
        return message["bytes"] if text is None else text


async def room(websocket: WebSocket) -> None:
    members = rooms[websocket.path_params["name"]]
    await websocket.accept()
    members.add(websocket)
    await websocket.send_json({"members": len(members)})
    try:
        async for line in websocket.iter_json():
            for each in list(members):
                await each.send_json(line)
    finally:
        members.remove(websocket)


async def deny(websocket: WebSocket) -> None:
    await websocket.close()


async def boom(websocket: WebSocket) -> None:
    await websocket.accept()
    raise ValueError("no good")


app = Starlette(
    routes=[
        Route("/page", page),
        WebSocketRoute("/echo", Echo),
        WebSocketRoute("/room/{name}", room),
        WebSocketRoute("/deny", deny),
        WebSocketRoute("/boom", boom),
    ]
)
