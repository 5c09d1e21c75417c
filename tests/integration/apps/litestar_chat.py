"""The chat in Litestar. The four chats have the same routes."""

from collections import defaultdict
from typing import Any

from litestar import Litestar, MediaType, WebSocket, get, websocket
from litestar.exceptions import WebSocketDisconnect

rooms: defaultdict[str, set[Any]] = defaultdict(set)


@get("/page", media_type=MediaType.TEXT)
async def page() -> str:
    return "the page"


@websocket("/echo")
async def echo(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    while (message := await socket.receive())["type"] == "websocket.receive":
        if message.get("text") is not None:
            await socket.send_text(message["text"])
        else:
            await socket.send_bytes(message["bytes"])


@websocket("/room/{name:str}")
async def room(socket: WebSocket[Any, Any, Any], name: str) -> None:
    members = rooms[name]
    await socket.accept()
    members.add(socket)
    await socket.send_json({"members": len(members)})
    try:
        while True:
            line = await socket.receive_json()
            for each in list(members):
                await each.send_json(line)
    except WebSocketDisconnect:
        members.remove(socket)


@websocket("/deny")
async def deny(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.close()


@websocket("/boom")
async def boom(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    raise ValueError("no good")


app = Litestar([page, echo, room, deny, boom])
