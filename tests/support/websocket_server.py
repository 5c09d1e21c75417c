"""A server of WebSocket, by wsproto, for what speaks to one: ``python websocket_server.py PORT echo|broadcast``."""

import asyncio
import sys
from typing import ClassVar

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Message, Ping, Request
from wsproto.extensions import PerMessageDeflate


class Conversation(asyncio.Protocol):
    """One connection; what comes on it is sent back, or to all that are open."""

    broadcasts = False
    all_open: ClassVar[set["Conversation"]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.websocket = WSConnection(ConnectionType.SERVER)
        self.parts: list[str] = []

    def connection_lost(self, error: Exception | None) -> None:
        self.all_open.discard(self)
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        self.websocket.receive_data(data)
        for event in self.websocket.events():
            if isinstance(event, Request):
                answer = AcceptConnection(extensions=[PerMessageDeflate()])
                self.transport.write(self.websocket.send(answer))
                self.all_open.add(self)
            elif isinstance(event, Message):
                self._heard(event)
            elif isinstance(event, Ping | CloseConnection):
                self.transport.write(self.websocket.send(event.response()))

    def _heard(self, message: Message[str]) -> None:
        self.parts.append(message.data)
        if message.message_finished:
            text = "".join(self.parts)
            self.parts.clear()
            for each in list(self.all_open) if self.broadcasts else [self]:
                each.transport.write(each.websocket.send(Message(text)))


async def main(port: int, manner: str) -> None:
    Conversation.broadcasts = manner == "broadcast"
    server = await asyncio.get_running_loop().create_server(Conversation, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
