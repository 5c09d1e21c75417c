"""WebSockets over a stream (RFC 8441): for who was told that they are served, and malformed for everybody else."""

from collections.abc import Iterator
from typing import Any

import pytest
from conformance.http2.clients import Neighbour
from conformance.http2.table import MALFORMED, Outcome
from support.http2 import Referee, Setting, data, headers, request, window_update
from support.server import Server, serve

from litmus.asgi import Receive, Scope, Send

CONNECT = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    *request(("sec-websocket-version", "13"), method=None, path="/chat"),
]
TEXT = b"\x81\x85\0\0\0\0hello"
CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"


async def chat(scope: Scope, receive: Receive, send: Send) -> None:
    """Accepts a WebSocket, and sends back what it says."""
    if scope["type"] != "websocket":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    assert scope["path"] == "/chat"
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    message: Any = await receive()
    while message["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
        message = await receive()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(chat) as running:
        yield running


def announced(referee: Referee) -> bool:
    return bool(referee.settings.get(Setting.ENABLE_CONNECT_PROTOCOL))


def test_a_websocket(server: Server) -> None:
    with Neighbour(server.address) as client:
        client.is_served()
        stream, referee = 101, client.referee
        client.send(headers(stream, CONNECT))
        while referee.response(stream).status is None and not referee.response(stream).over:
            client.read()
        if not announced(referee):
            while not referee.response(stream).over:
                client.read()
            assert Outcome.of(referee.response(stream)) in MALFORMED
            return
        response = referee.response(stream)
        assert response.status == 200
        assert not {b"upgrade", b"connection", b"sec-websocket-accept"} & {name for name, _ in response.headers}
        client.send(data(stream, TEXT[:3]) + data(stream, TEXT[3:]))
        while len(referee.response(stream).body) < 7:
            client.read()
        assert referee.response(stream).body == b"\x81\x05hello"
        client.send(window_update(stream, 1) + data(stream, CLOSE, end=True))
        while not referee.response(stream).over:
            client.read()
        assert referee.response(stream).body[7:] == b"\x88\x02\x03\xe8"
        assert referee.response(stream).reset is None


@pytest.mark.parametrize("protocol", ["x-unknown", "WebSocket", "websocket2", ""])
def test_a_protocol_that_is_not_spoken(protocol: str, server: Server) -> None:
    """It is not implemented (RFC 9220, section 3), and no application takes it for a request."""
    fields = [(name, protocol if name == ":protocol" else value) for name, value in CONNECT]
    with Neighbour(server.address) as client:
        client.is_served()
        assert announced(client.referee)
        client.send(headers(101, fields))
        while not client.referee.response(101).over:
            client.read()
        assert client.referee.response(101).status == 501
