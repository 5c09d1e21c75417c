"""WebSockets of Starlette, FastAPI, Django Channels and Litestar under litmusd: echo, and rooms where all hear all."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import websockets.exceptions
from support.deployment import Deployment
from support.waiting import DEADLINE
from websockets.sync.client import ClientConnection, connect

FRAMEWORKS = ("starlette", "fastapi", "channels", "litestar")


class Chat:
    """One of the chats."""

    def __init__(self, framework: str, server: Deployment) -> None:
        self.framework = framework
        self.server = server

    def connect(self, path: str, **options: Any) -> ClientConnection:
        url = f"ws{self.server.base.removeprefix('http')}{path}"
        return connect(url, proxy=None, max_size=None, open_timeout=DEADLINE, **options)


@pytest.fixture(scope="module", params=FRAMEWORKS)
def chat(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chat]:
    server = Deployment(tmp_path_factory.mktemp(request.param), f"{request.param}_chat:app", workers=1)
    try:
        yield Chat(request.param, server.wait_until_up())
        server.wait_until_idle()
        assert server.stop() == 0, server.errors
    finally:
        server.close()


def say(client: ClientConnection, line: dict[str, Any]) -> None:
    client.send(json.dumps(line))


def hear(client: ClientConnection) -> Any:
    """The next line; one framework sends them as text, another as bytes."""
    return json.loads(client.recv(DEADLINE))


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_echo(chat: Chat, compression: str | None) -> None:
    with chat.connect("/echo", compression=compression) as client:
        for message in ("", "x", "größer " * 100_000, b"\0", os.urandom(1 << 20)):
            client.send(message)
            assert client.recv(DEADLINE) == message


def test_broadcast(chat: Chat) -> None:
    with ExitStack() as stack:
        members = []
        for number in range(1, 31):
            members.append(stack.enter_context(chat.connect("/room/one")))
            assert hear(members[-1]) == {"members": number}
        other = stack.enter_context(chat.connect("/room/two"))
        assert hear(other) == {"members": 1}
        for number in range(10):
            say(members[number], {"line": number})
            assert [hear(member) for member in members] == [{"line": number}] * len(members)
        # Who leaves is not missed by those who stay.
        members.pop().close()
        members.pop().socket.close()
        say(members[0], {"line": "after"})
        assert [hear(member) for member in members] == [{"line": "after"}] * len(members)
        say(other, {"line": "other"})
        assert hear(other) == {"line": "other"}


def test_who_leaves_is_no_error(chat: Chat) -> None:
    before = chat.server.errors.count("Traceback")
    with chat.connect("/echo") as client:
        client.send("x")
        assert client.recv(DEADLINE) == "x"
    with chat.connect("/room/rude") as client:
        hear(client)
        client.socket.close()
    chat.server.wait_until_idle()
    assert chat.server.errors.count("Traceback") == before, chat.server.errors


def test_denied(chat: Chat) -> None:
    with pytest.raises(websockets.exceptions.InvalidStatus) as denied, chat.connect("/deny"):
        pass
    assert denied.value.response.status_code == 403
    with chat.server.http() as http:
        assert http.get("/page").status_code == 200


def test_an_application_that_fails(chat: Chat) -> None:
    with chat.connect("/boom") as client:
        with pytest.raises(websockets.exceptions.ConnectionClosedError):
            client.recv(DEADLINE)
        if chat.framework == "litestar":  # which closes by itself, and keeps the error to itself
            assert client.close_code == 4500
        else:
            assert client.close_code == 1011
            chat.server.wait_for_line("ValueError: no good")
    with chat.connect("/echo") as client:
        client.send("still here")
        assert client.recv(DEADLINE) == "still here"
