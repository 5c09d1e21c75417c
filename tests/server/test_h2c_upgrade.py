"""Going over from HTTP/1.1 to HTTP/2 (RFC 7540, section 3.2)."""

from collections.abc import Iterator

import h2.config
import h2.connection
import h2.events
import pytest
from support.apps import read_body, respond
from support.http import Client
from support.server import Server, serve

from litmus.asgi import Receive, Scope, Send
from litmus.memory.scoreboard import RESPONSES_1XX
from litmus.protocols.http1 import GO_OVER_LIMIT

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Says what it was asked, and what for."""
    body = await read_body(receive)
    names = b",".join(sorted(name for name, _ in scope["headers"]))
    text = f"{scope['http_version']} {scope['method']} {scope['path']}?{scope['query_string'].decode()} {len(body)} "
    await respond(send, text.encode() + names)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(app) as running:
        yield running


def asking(*fields: str, body: bytes = b"", settings: str | None = None, method: str = "GET") -> bytes:
    """A request that asks for HTTP/2."""
    lines = [
        f"{method} /a%20b?c=d HTTP/1.1",
        "Host: a",
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        f"HTTP2-Settings: {preface()[1] if settings is None else settings}",
        *fields,
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + body


def preface() -> tuple[h2.connection.H2Connection, str]:
    """A client that goes over, and its first settings."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    settings = client.initiate_upgrade_connection()
    assert settings is not None
    return client, settings.decode()


def over_http2(client: Client, sent: bytes) -> bytes:
    """Send a request that asks for HTTP/2. Returns the body of its response, and that of one more behind it."""
    speaker, _ = preface()
    client.send(sent)
    assert client.exactly(len(SWITCHING)) == SWITCHING
    client.send(speaker.data_to_send())
    speaker.send_headers(
        3, [(":method", "GET"), (":path", "/next"), (":scheme", "http"), (":authority", "a")], end_stream=True
    )
    client.send(speaker.data_to_send())
    bodies = {1: b"", 3: b""}
    open_streams = {1, 3}
    while open_streams:
        for event in speaker.receive_data(client.more()):
            if isinstance(event, h2.events.DataReceived):
                assert event.data is not None
                bodies[event.stream_id] += event.data
            elif isinstance(event, h2.events.StreamEnded):
                open_streams.discard(event.stream_id)
        client.send(speaker.data_to_send())
    assert bodies[3] == b"2 GET /next? 0 host"
    return bodies[1]


def test_without_content(server: Server) -> None:
    before = server.call(lambda: server.engine.board.cells[RESPONSES_1XX])
    with server.connect() as client:
        assert over_http2(client, asking("Accept: */*")) == b"2 GET /a b?c=d 0 accept,host"
    assert server.call(lambda: server.engine.board.cells[RESPONSES_1XX]) == before + 1


@pytest.mark.parametrize("offered", [True, False])
def test_websockets_are_offered_as_elsewhere(offered: bool) -> None:
    """RFC 8441, section 3."""
    speaker, _ = preface()
    with serve(app, websocket__enabled=str(offered).lower()) as server, server.connect() as client:
        client.send(asking())
        assert client.exactly(len(SWITCHING)) == SWITCHING
        client.send(speaker.data_to_send())
        events: list[h2.events.Event] = []
        while not any(isinstance(event, h2.events.StreamEnded) for event in events):
            events += speaker.receive_data(client.more())
        assert speaker.remote_settings.enable_connect_protocol == int(offered)


@pytest.mark.parametrize("size", [1, 10_000])
def test_with_content(server: Server, size: int) -> None:
    body = bytes(size)
    sent = asking(f"Content-Length: {size}", "TE: trailers", method="POST", body=body)
    with server.connect() as client:
        assert over_http2(client, sent) == b"2 POST /a b?c=d %d content-length,host,te" % size


def test_content_that_comes_later(server: Server) -> None:
    sent = asking("Content-Length: 5", method="PUT", body=b"hello")
    with server.connect() as client:
        for piece in (sent[:20], sent[20:-5], sent[-5:-1]):
            client.send(piece)
        assert over_http2(client, sent[-1:]) == b"2 PUT /a b?c=d 5 content-length,host"


def test_100_continue_goes_first(server: Server) -> None:
    """RFC 9110, section 7.8."""
    sent = asking("Content-Length: 5", "Expect: 100-continue", method="POST", body=b"hello")
    with server.connect() as client:
        client.send(sent[:-5])
        assert client.exactly(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert over_http2(client, b"hello") == b"2 POST /a b?c=d 5 content-length,expect,host"


NOT_HEARD = {
    "another protocol": asking().replace(b"Upgrade: h2c", b"Upgrade: h2"),
    "no settings": asking().replace(b"HTTP2-Settings: ", b"Other: "),
    "two settings": asking("HTTP2-Settings: AAMAAABk"),
    "settings that Connection does not name": asking().replace(b"Upgrade, HTTP2-Settings", b"Upgrade"),
    "Upgrade that Connection does not name": asking().replace(b"Upgrade, HTTP2-Settings", b"HTTP2-Settings"),
    "settings that are not base64": asking(settings="AAM*AABk"),
    "settings of a wrong size": asking(settings="AAMAAAA"),
    "a setting out of its bounds": asking(settings="AAT_____"),
    "HTTP/1.0": asking().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "content of unknown length": asking("Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "much content": asking(f"Content-Length: {GO_OVER_LIMIT}", body=bytes(GO_OVER_LIMIT)),
}


@pytest.mark.parametrize("name", NOT_HEARD)
def test_who_does_not_ask_as_it_has_to_is_not_heard(server: Server, name: str) -> None:
    with server.connect() as client:
        response = client.send(NOT_HEARD[name]).response()
    assert response.status == 200
    assert response.body.startswith(b"1.")


def test_who_asks_during_a_drain_is_not_heard() -> None:
    with serve(app) as server, server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()
        server.call(server.engine.drain)
        response = client.send(asking()).response()
        assert response.body.startswith(b"1.1 ")
        assert response.header(b"connection") == b"close"


def test_a_list_of_protocols(server: Server) -> None:
    with server.connect() as client:
        body = over_http2(client, asking().replace(b"Upgrade: h2c", b"Upgrade: foo/2, h2c"))
    assert body == b"2 GET /a b?c=d 0 host"


def test_the_request_that_it_begins_with_counts() -> None:
    with serve(app, limits__requests_per_connection="1") as server, server.connect() as client:
        speaker, _ = preface()
        client.send(asking())
        assert client.exactly(len(SWITCHING)) == SWITCHING
        client.send(speaker.data_to_send())
        events = speaker.receive_data(client.rest())
    assert [event.last_stream_id for event in events if isinstance(event, h2.events.ConnectionTerminated)] == [1]


def test_http2_can_be_off() -> None:
    with serve(app, http2__enabled="false") as server, server.connect() as client:
        assert client.send(asking()).response().body.startswith(b"1.1 GET")
        assert client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").response().status == 505
