"""The chat in FastAPI. The four chats have the same routes."""

from collections import defaultdict

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()

rooms: defaultdict[str, set[WebSocket]] = defaultdict(set)


@app.get("/page")
async def page() -> str:
    return "the page"


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while (message := await websocket.receive())["type"] == "websocket.receive":
        if message.get("text") is not None:
            await websocket.send_text(message["text"])
        else:
            await websocket.send_bytes(message["bytes"])


@app.websocket("/room/{name}")
async def room(websocket: WebSocket, name: str) -> None:
    members = rooms[name]
    await websocket.accept()
    members.add(websocket)
    await websocket.send_json({"members": len(members)})
    try:
        while True:
            line = await websocket.receive_json()
            for each in list(members):
                await each.send_json(line)
    except WebSocketDisconnect:
        members.remove(websocket)


@app.websocket("/deny")
async def deny(websocket: WebSocket) -> None:
    await websocket.close()


@app.websocket("/boom")
async def boom(websocket: WebSocket) -> None:
    await websocket.accept()
    raise ValueError("no good")
