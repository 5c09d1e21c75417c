"""Clients of WebSocket, over HTTP/1.1 and over HTTP/2. wsproto speaks for both: what is wrong for it fails the test."""

import base64
from typing import Any

from support.http import Client
from support.http2_client import Http2Client
from support.server import Server
from wsproto.connection import CLIENT, Connection
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import generate_accept_token

KEY = base64.b64encode(bytes(range(16)))
ACCEPT = generate_accept_token(KEY)


class Socket:
    """One WebSocket, from the handshake on.

    Attributes:
        status: of the response to the handshake.
        fields: its header section.
        body: its content, if there is no WebSocket.
        closed: the Close frame that has come.
    """

    def __init__(self, offer: PerMessageDeflate | None) -> None:
        self.status = 0
        self.fields: dict[bytes, bytes] = {}
        self.body = b""
        self.closed: CloseConnection | None = None
        self._offer = offer
        self._connection: Any = None
        self._events: list[Event] = []

    def _begin(self) -> None:
        """The handshake is over: speak, with what was agreed on."""
        extensions = []
        accepted = self.fields.get(b"sec-websocket-extensions", b"").decode()
        if accepted:
            assert self._offer is not None, "not offered"
            self._offer.finalize(accepted)
            extensions.append(self._offer)
        self._connection = Connection(CLIENT, extensions)

    # What is sent

    def send(self, message: str | bytes) -> None:
        kind: Any = TextMessage if isinstance(message, str) else BytesMessage
        self.raw(self._connection.send(kind(data=message)))

    def ping(self, payload: bytes = b"") -> None:
        self.raw(self._connection.send(Ping(payload=payload)))

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        self.raw(self._connection.send(CloseConnection(code=code, reason=reason)))

    def raw(self, data: bytes) -> None:
        raise NotImplementedError

    # What comes

    def message(self) -> str | bytes:
        """The next message, whole. Pings are answered on the way."""
        parts: list[Any] = []
        while True:
            event = self.event()
            assert isinstance(event, Message), event
            parts.append(event.data)
            if event.message_finished:
                return b"".join(parts) if isinstance(event, BytesMessage) else "".join(parts)

    def pong(self) -> bytes:
        event = self.event()
        assert isinstance(event, Pong), event
        return bytes(event.payload)

    def pinged(self) -> Ping:
        """The next event, which is a ping, unanswered."""
        while not self._events:
            self._read()
        event = self._events.pop(0)
        assert isinstance(event, Ping), event
        return event

    def event(self) -> Event:
        """The next event but pings, which are answered."""
        while True:
            while not self._events:
                self._read()
            event = self._events.pop(0)
            if isinstance(event, Ping):
                self.raw(self._connection.send(event.response()))
            else:
                return event

    def close_frame(self) -> tuple[int, str]:
        """The Close frame that comes next; it is answered if it is the first."""
        event = self.event()
        assert isinstance(event, CloseConnection), event
        if str(self._connection.state) == "ConnectionState.REMOTE_CLOSING":
            self.raw(self._connection.send(event.response()))
        return int(event.code), event.reason or ""

    def ends(self) -> bool:
        """Wait until the server has ended its side. Nothing else may come."""
        raise NotImplementedError

    def leave(self) -> None:
        """Break the connection."""
        raise NotImplementedError

    def hang_up(self) -> None:
        """Close it."""
        raise NotImplementedError

    def _read(self) -> None:
        self._connection.receive_data(self._more())
        self._events += self._connection.events()

    def _more(self) -> bytes:
        raise NotImplementedError


class Socket1(Socket):
    """Over HTTP/1.1."""

    def __init__(self, client: Client, path: str, fields: dict[str, str], offer: PerMessageDeflate | None) -> None:
        super().__init__(offer)
        self.client = client
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: a",
            "Connection: Upgrade",
            "Upgrade: websocket",
            f"Sec-WebSocket-Key: {KEY.decode()}",
            "Sec-WebSocket-Version: 13",
            *(f"{name}: {value}" for name, value in fields.items()),
            "",
            "",
        ]
        client.send("\r\n".join(lines).encode())

    def answer(self) -> "Socket1":
        """Wait for the response to the handshake."""
        self.status, headers = self.client.head()
        self.fields = dict(headers)
        if self.status == 101:
            assert self.fields[b"sec-websocket-accept"] == ACCEPT
            assert self.fields[b"upgrade"].lower() == b"websocket"
            self._begin()
        elif b"content-length" in self.fields:
            self.body = self.client.exactly(int(self.fields[b"content-length"]))
        else:
            self.body = self.client.chunks()
        return self

    def raw(self, data: bytes) -> None:
        self.client.send(data)

    def ends(self) -> bool:
        assert not self._events
        return self.client.rest() == b""

    def leave(self) -> None:
        self.client.reset()

    def hang_up(self) -> None:
        self.client.close()

    def _more(self) -> bytes:
        data = self.client.more()
        assert data, "the server has closed the connection"
        return data


class Socket2(Socket):
    """Over a stream of HTTP/2 (RFC 8441)."""

    def __init__(self, client: Http2Client, path: str, fields: dict[str, str], offer: PerMessageDeflate | None) -> None:
        super().__init__(offer)
        self.client = client
        self._read_to = 0
        client.until(lambda: client.referee.acknowledged)
        lines = [(name.lower(), value) for name, value in fields.items()]
        asking = ((":protocol", "websocket"), ("sec-websocket-version", "13"), *lines)
        self.stream = client.ask(path, *asking, end=False, method="CONNECT")

    def answer(self) -> "Socket2":
        """Wait for the response to the handshake."""
        response = self.client.until(lambda: self._response())
        self.status, self.fields = response.status, dict(response.headers)
        if self.status == 200:
            self._begin()
        else:
            self.body = self.client.response(self.stream).body
        return self

    def _response(self) -> Any:
        response = self.client.seen(self.stream)
        return response if response.status else None

    def raw(self, data: bytes) -> None:
        self.client.content(self.stream, data, end=False)

    def ends(self) -> bool:
        self.client.until(lambda: self.client.referee.over(self.stream))
        return len(self.client.seen(self.stream).body) == self._read_to and self.client.seen(self.stream).reset is None

    def leave(self) -> None:
        self.client.client.reset()

    def hang_up(self) -> None:
        self.client.client.close()

    def _more(self) -> bytes:
        body = self.client.until(lambda: self._unread())
        self._read_to += len(body)
        return body

    def _unread(self) -> bytes:
        return self.client.seen(self.stream).body[self._read_to :]


def dial(
    server: Server, version: str = "1.1", path: str = "/", deflate: PerMessageDeflate | None = None, **fields: str
) -> Any:
    """Ask for a WebSocket; ``fields`` are header fields, with underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    if deflate is not None:
        offered = deflate.offer()
        named["Sec-WebSocket-Extensions"] = deflate.name if offered is True else f"{deflate.name}; {offered}"
    if version == "1.1":
        return Socket1(server.connect(), path, named, deflate)
    return Socket2(Http2Client(server.connect()), path, named, deflate)
