"""Clients that others have written open WebSockets at litmusd: websockets, wsproto, aiohttp, Node's ws."""

import asyncio
import os
import re
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest
import websockets.exceptions
from support import node
from support.deployment import Deployment
from support.waiting import DEADLINE
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import ClientConnection, connect
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.events import Ping as PingEvent
from wsproto.extensions import PerMessageDeflate

MIB = 1 << 20
TEXT = "größer, " * 150_000
BYTES = bytes(number * number % 251 for number in range(4 * MIB))
COMPRESSED = pytest.mark.parametrize("compressed", [False, True], ids=["plain", "deflate"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    server = Deployment(tmp_path_factory.mktemp("sockets"), "sockets:app", workers=1)
    try:
        yield server.wait_until_up()
        server.wait_until_idle()
        assert server.stats()["totals"]["websockets_open"] == 0
        assert server.stop() == 0, server.errors
        assert re.findall(r" error .*", server.errors) == []
    finally:
        server.close()


def url(server: Deployment, path: str) -> str:
    return f"ws{server.base.removeprefix('http')}{path}"


# websockets


def websockets_client(server: Deployment, path: str, **options: Any) -> ClientConnection:
    options.setdefault("compression", None)
    return connect(url(server, path), max_size=None, proxy=None, open_timeout=DEADLINE, **options)


@COMPRESSED
def test_websockets_echoes(server: Deployment, compressed: bool) -> None:
    with websockets_client(server, "/echo/websockets", compression="deflate" if compressed else None) as client:
        assert ("Sec-WebSocket-Extensions" in client.response.headers) is compressed
        for message in ("", "x", b"", b"\0", TEXT, BYTES, os.urandom(MIB), "again " * 100):
            client.send(message)
            assert client.recv(DEADLINE) == message
        client.send(["in ", "several ", "fragments"])
        assert client.recv(DEADLINE) == "in several fragments"
        client.send([BYTES[:1000], b"", BYTES[1000:]])
        assert client.recv(DEADLINE) == BYTES


@pytest.mark.parametrize("no_takeover", [False, True])
@pytest.mark.parametrize("bits", [9, 12, 15])
def test_websockets_agrees_on_compression(server: Deployment, bits: int, no_takeover: bool) -> None:
    offer = ClientPerMessageDeflateFactory(no_takeover, no_takeover, bits, bits)
    with websockets_client(server, "/echo/agreed", extensions=[offer]) as client:
        agreed = client.response.headers["Sec-WebSocket-Extensions"]
        assert ("server_no_context_takeover" in agreed, "client_no_context_takeover" in agreed) == (no_takeover,) * 2
        assert f"server_max_window_bits={min(bits, 12)}" in agreed
        for message in (TEXT, BYTES, "x" * 1000, TEXT):
            client.send(message)
            assert client.recv(DEADLINE) == message


@COMPRESSED
def test_websockets_sends_ahead(server: Deployment, compressed: bool) -> None:
    """Without waiting for an echo: the messages come back in their order."""
    messages = [f"message {number} " * (1 + number % 30) for number in range(500)]
    with websockets_client(server, "/echo/ahead", compression="deflate" if compressed else None) as client:
        for message in messages:
            client.send(message)
        assert [client.recv(DEADLINE) for _ in messages] == messages


def test_websockets_pings(server: Deployment) -> None:
    with websockets_client(server, "/echo/ping") as client:
        pongs = [client.ping(f"ping {number}") for number in range(3)]
        assert all(pong.wait(DEADLINE) for pong in pongs)


def test_websockets_closes(server: Deployment) -> None:
    with websockets_client(server, "/echo/closing") as client:
        client.close(4000, "I have to go")
        assert (client.close_code, client.close_reason) == (4000, "")
    server.wait_for_line("/echo/closing: left with 4000 'I have to go'")
    server.wait_for_access(r'"GET /echo/closing HTTP/1\.1" 101 ')


def test_websockets_leaves_without_a_word(server: Deployment) -> None:
    with websockets_client(server, "/echo/rude") as client:
        client.socket.shutdown(socket.SHUT_RDWR)
        server.wait_for_line("/echo/rude: left with 1006 ''")


def test_websockets_is_closed(server: Deployment) -> None:
    with websockets_client(server, "/close/3456/enough") as client:
        with pytest.raises(websockets.exceptions.ConnectionClosedError):
            client.recv(DEADLINE)
        assert (client.close_code, client.close_reason) == (3456, "enough")


def test_websockets_agrees_on_a_subprotocol(server: Deployment) -> None:
    protocols: Any = ["one", "two"]
    with websockets_client(server, "/echo/protocol", subprotocols=protocols) as client:
        assert client.subprotocol == "two"


@pytest.mark.parametrize(("path", "status", "body"), [("/deny", 403, None), ("/answer", 401, b"not you\n")])
def test_websockets_is_denied(server: Deployment, path: str, status: int, body: bytes | None) -> None:
    with pytest.raises(websockets.exceptions.InvalidStatus) as denied, websockets_client(server, path):
        pass
    response = denied.value.response
    assert response.status_code == status
    assert body is None or response.body == body


# wsproto


class Wsproto:
    """A client made of wsproto and a socket."""

    def __init__(self, server: Deployment, path: str, compressed: bool = False, **more: Any) -> None:
        self._socket = socket.create_connection(server.address, timeout=DEADLINE)
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []
        extensions: Any = [PerMessageDeflate()] if compressed else []
        self.send(Request(host="litmus", target=path, extensions=extensions, **more))

    def __enter__(self) -> "Wsproto":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, event: Event) -> None:
        self._socket.sendall(self._connection.send(event))

    def event(self) -> Any:
        while not self._events:
            self._connection.receive_data(self._socket.recv(1 << 16) or None)
            self._events += self._connection.events()
        return self._events.pop(0)

    def message(self) -> str | bytes:
        parts = [self.event()]
        while not parts[-1].message_finished:
            parts.append(self.event())
        if isinstance(parts[0], TextMessage):
            return "".join(part.data for part in parts)
        return b"".join(bytes(part.data) for part in parts)


@COMPRESSED
def test_wsproto_echoes(server: Deployment, compressed: bool) -> None:
    with Wsproto(server, "/echo/wsproto", compressed) as client:
        accepted = client.event()
        assert isinstance(accepted, AcceptConnection)
        assert len(accepted.extensions) == compressed
        for text in ("", "x", TEXT):
            client.send(TextMessage(data=text))
            assert client.message() == text
        for data in (b"\0", BYTES):
            client.send(BytesMessage(data=data))
            assert client.message() == data
        client.send(TextMessage(data="in ", message_finished=False))
        client.send(PingEvent(payload=b"between"))
        client.send(TextMessage(data="parts", message_finished=True))
        assert client.event() == Pong(payload=bytearray(b"between"))
        assert client.message() == "in parts"
        client.send(CloseConnection(code=1000, reason="done"))
        assert client.event() == CloseConnection(code=1000, reason="")


def test_wsproto_is_closed(server: Deployment) -> None:
    with Wsproto(server, "/close/1001/later") as client:
        assert isinstance(client.event(), AcceptConnection)
        closing = client.event()
        assert closing == CloseConnection(code=1001, reason="later")
        client.send(closing.response())


def test_wsproto_agrees_on_a_subprotocol(server: Deployment) -> None:
    with Wsproto(server, "/echo/protocol", subprotocols=["one", "two"]) as client:
        assert client.event().subprotocol == "two"


def test_wsproto_is_denied(server: Deployment) -> None:
    with Wsproto(server, "/answer") as client:
        rejected = client.event()
        assert isinstance(rejected, RejectConnection)
        assert rejected.status_code == 401
        assert client.event() == RejectData(data=b"not you\n", body_finished=False)


# aiohttp


def aiohttp_client(
    server: Deployment, use: Callable[[aiohttp.ClientWebSocketResponse], Awaitable[None]], path: str, **options: Any
) -> None:
    """Open a WebSocket, and use it."""

    async def client() -> None:
        async with (
            asyncio.timeout(DEADLINE),
            aiohttp.ClientSession() as session,
            session.ws_connect(url(server, path), max_msg_size=0, **options) as socket,
        ):
            await use(socket)

    asyncio.run(client())


@COMPRESSED
def test_aiohttp_echoes(server: Deployment, compressed: bool) -> None:
    async def echo(client: aiohttp.ClientWebSocketResponse) -> None:
        assert bool(client.compress) is compressed
        for text in ("", "x", TEXT):
            await client.send_str(text)
            assert await client.receive_str() == text
        for data in (b"", b"\0", BYTES):
            await client.send_bytes(data)
            assert await client.receive_bytes() == data
        await client.close(code=4002, message=b"bye")
        assert client.close_code == 4002

    aiohttp_client(server, echo, "/echo/aiohttp", compress=15 if compressed else 0)
    server.wait_for_line("/echo/aiohttp: left with 4002 'bye'")


def test_aiohttp_pings(server: Deployment) -> None:
    async def ping(client: aiohttp.ClientWebSocketResponse) -> None:
        await client.ping(b"are you there?")
        message = await client.receive()
        assert (message.type, bytes(message.data)) == (aiohttp.WSMsgType.PONG, b"are you there?")

    aiohttp_client(server, ping, "/echo/ping", autoping=False)


def test_aiohttp_is_closed(server: Deployment) -> None:
    async def read(client: aiohttp.ClientWebSocketResponse) -> None:
        message = await client.receive()
        assert (message.type, message.data, message.extra) == (aiohttp.WSMsgType.CLOSE, 3456, "enough")

    aiohttp_client(server, read, "/close/3456/enough")


def test_aiohttp_agrees_on_a_subprotocol(server: Deployment) -> None:
    async def look(client: aiohttp.ClientWebSocketResponse) -> None:
        assert client.protocol == "two"

    aiohttp_client(server, look, "/echo/protocol", protocols=["one", "two"])


@pytest.mark.parametrize(("path", "status"), [("/deny", 403), ("/answer", 401)])
def test_aiohttp_is_denied(server: Deployment, path: str, status: int) -> None:
    async def nothing(_: aiohttp.ClientWebSocketResponse) -> None:
        raise AssertionError("it was accepted")

    with pytest.raises(aiohttp.WSServerHandshakeError) as denied:
        aiohttp_client(server, nothing, path)
    assert denied.value.status == status


# Node


@node.NEEDS_NODE
@COMPRESSED
def test_node_echoes(server: Deployment, compressed: bool) -> None:
    said = node.run("websocket.mjs", url(server, ""), "echo", *(["deflate"] if compressed else []))
    assert said == [True, True, True, True, "in three parts", "permessage-deflate" * compressed, [4001, ""]]
    server.wait_for_line("/echo/node: left with 4001 'bye'")


@node.NEEDS_NODE
@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("ping", "are you there?"),
        ("subprotocol", "two"),
        ("closed", [3456, "enough"]),
        ("denied", ["Unexpected server response: 403", "Unexpected server response: 401"]),
    ],
)
def test_node(server: Deployment, task: str, said: Any) -> None:
    assert node.run("websocket.mjs", url(server, ""), task) == [said]


@node.NEEDS_NODE
def test_node_over_http2(server: Deployment) -> None:
    said = node.run("websocket.mjs", url(server, ""), "http2")
    assert said == [True, [[200, True, True, "there?", 4003]] * 2, 401]
    for path in ("h2a", "h2b"):
        server.wait_for_access(rf'"CONNECT /echo/{path} HTTP/2" 200 ')
        assert f"/echo/{path}: left with 4003 'bye'" in server.errors
