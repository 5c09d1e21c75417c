"""The chat in Django Channels. The four chats have the same routes."""

from typing import Any

import django
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    DEBUG=False,
    SECRET_KEY="not one",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
)
django.setup()


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("the page")


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.send(text_data, bytes_data)


class Room(AsyncJsonWebsocketConsumer):
    """A room is a group of the channel layer."""

    members: dict[str, int] = {}

    async def connect(self) -> None:
        self.room = self.scope["url_route"]["kwargs"]["name"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        self.members[self.room] = self.members.get(self.room, 0) + 1
        await self.accept()
        await self.send_json({"members": self.members[self.room]})

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.channel_layer.group_send(self.room, {"type": "room.line", "line": content})

    async def room_line(self, event: dict[str, Any]) -> None:
        await self.send_json(event["line"])

    async def disconnect(self, code: int) -> None:
        self.members[self.room] -= 1
        await self.channel_layer.group_discard(self.room, self.channel_name)


class Deny(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.close()


class Boom(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.accept()
        raise ValueError("no good")


urlpatterns = [path("page", page)]

sockets = [
    path("echo", Echo.as_asgi()),
    path("room/<str:name>", Room.as_asgi()),
    path("deny", Deny.as_asgi()),
    path("boom", Boom.as_asgi()),
]

app = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": URLRouter(sockets)})
