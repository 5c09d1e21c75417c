"""What is asked of the servers, and what is the right answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import NamedTuple

from loadtest import apps

MARK = b"{id}"
"""Becomes another number in each request."""

MIB = 1 << 20

_FEW = 64
"""Connections that any server takes."""


class Protocol(Enum):
    """What a workload is spoken in."""

    HTTP1 = "HTTP/1.1"
    HTTP2 = "HTTP/2"
    WEBSOCKET = "WebSocket"


class Kind(Enum):
    """How a workload is measured, see measures.py."""

    REQUESTS = "requests"
    UPLOAD = "upload"
    DOWNLOAD = "download"
    LATENCY = "latency"
    MESSAGES = "messages"
    IDLE = "idle"


class Streams(NamedTuple):
    """How HTTP/2 is spoken: on how many connections, and how many requests are under way on each."""

    connections: int
    each: int


class Messages(NamedTuple):
    """How WebSocket is spoken.

    Attributes:
        texts: what is said on a connection, one after the other and over again; all have the same size.
        connections: how many are open.
        compressed: whether permessage-deflate is agreed on, with which the client compresses all.
        broadcast: whether what the first connection says is sent to all; otherwise each gets back what it has said.
    """

    texts: tuple[bytes, ...]
    connections: int = 64
    compressed: bool = False
    broadcast: bool = False

    @property
    def size(self) -> int:
        """That of each message in bytes, before it is compressed."""
        return len(self.texts[0])


@dataclass(frozen=True)
class Workload:
    """A request, sent again and again.

    Attributes:
        name: what it is called.
        description: in words.
        application: the name of the one in apps.py that answers.
        request: in bytes, as they are sent; of an up- or download, a short one that shows whether it works. Over
            HTTP/2 it is this very one, translated. Of WebSocket it is the handshake, sent once on each connection.
        answer: the body that is right; none of WebSocket, where what was said is the answer.
        kind: how it is measured.
        pipelined: how many requests are sent at once, before their answers come.
        logged: whether the server writes an access log.
        size: of an up- or download in bytes.
        streams: how HTTP/2 is spoken, if it is.
        messages: how WebSocket is spoken, if it is.
    """

    name: str
    description: str
    application: str
    request: bytes
    answer: bytes
    kind: Kind = Kind.REQUESTS
    pipelined: int = 1
    logged: bool = False
    size: int = 0
    streams: Streams | None = None
    messages: Messages | None = None

    @property
    def protocol(self) -> Protocol:
        """What it is spoken in."""
        if self.messages is not None:
            return Protocol.WEBSOCKET
        return Protocol.HTTP1 if self.streams is None else Protocol.HTTP2

    @property
    def compressed(self) -> bool:
        """Whether it is WebSocket with permessage-deflate."""
        return self.messages is not None and self.messages.compressed

    @property
    def crowded(self) -> bool:
        """Whether it has more connections than servers take by default."""
        return self.messages is not None and self.messages.connections > _FEW

    @property
    def sent(self) -> bytes:
        """What a client sends at once."""
        return self.request * self.pipelined

    def numbered(self, number: int) -> bytes:
        """The request with its number; the request itself when it has none."""
        return self.request.replace(MARK, b"%016x" % number)


def get(path: str, headers: bytes = b"") -> bytes:
    """A GET request."""
    return b"GET %b HTTP/1.1\r\n%b%b\r\n" % (path.encode("ascii"), _HOST, headers)


def post(kind: bytes, size: int) -> bytes:
    """The head of a POST request."""
    return b"POST / HTTP/1.1\r\n%bContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (_HOST, kind, size)


def upgrade(*, compressed: bool) -> bytes:
    """The handshake of WebSocket, with the offer of permessage-deflate that browsers make if it is to be compressed."""
    offer = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" if compressed else b""
    version_and_key = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n" % KEY
    return get("/", b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + version_and_key + offer)


KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
"""The one that all clients have in their handshakes; it keeps caches from answering, of which there are none here."""

_HOST = b"Host: 127.0.0.1:8000\r\n"

_BROWSER = (
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Accept-Language: en-GB,en;q=0.8,de;q=0.5,fr;q=0.3\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Connection: keep-alive\r\n"
    b"Cookie: session=6f1ed002ab5595859014ebf0951522d9; theme=dark\r\n"
    b"Upgrade-Insecure-Requests: 1\r\n"
    b"Sec-Fetch-Dest: document\r\n"
    b"Sec-Fetch-Mode: navigate\r\n"
    b"Sec-Fetch-Site: same-origin\r\n"
    b"Priority: u=0, i\r\n"
)


def _document(size: int) -> bytes:
    """JSON of so many bytes, spelled as Python spells it, so that the echo is the very same."""
    document = {
        "id": 48213,
        "name": "Ada Lovelace",
        "active": True,
        "balance": 1234.56,
        "manager": None,
        "tags": ["mathematics", "engines", "poetry"],
        "address": {"street": "12 St James's Square", "city": "London", "postcode": "SW1Y 4JH"},
        "orders": [{"number": number, "quantity": number * 3, "price": number * 9.75} for number in range(1, 9)],
        "note": "",
    }
    document["note"] = "-" * (size - len(json.dumps(document)))
    return json.dumps(document).encode("ascii")


_JSON = _document(1024)


def _records(size: int) -> bytes:
    """Lines of JSON, so many bytes, that are no two alike; they compress to a fifth or so, as such do."""
    random = Random(size)
    lines, length = [], 0
    while length < size:
        name, city = random.choice((b"Ada", b"Edsger", b"Grace")), random.choice((b"Austin", b"London", b"Paris"))
        key, balance = random.randrange(1 << 40), random.random() * 10_000
        lines.append(b'{"key": "%x", "name": "%b", "city": "%b", "balance": %.2f}\n' % (key, name, city, balance))
        length += len(lines[-1])
    return b"".join(lines)[:size]


_WINDOW = 1 << 15
_TEXT = _records(2 * _WINDOW)
"""Over and over, it compresses as if it had no end: what comes again is out of a compressor's sight by then."""

_TICKS = tuple(b'{"item": %d, "price": %d.%02d}' % (1000 + n, 1000 + n * 37 % 9000, n * 53 % 100) for n in range(64))
"""Of 32 bytes each."""

_PAGES = tuple(_TEXT[start : start + (1 << 14)] for start in range(0, len(_TEXT), 1 << 14))
_FILE = (_TEXT * (MIB // len(_TEXT)),)


def _conversation(name: str, description: str, messages: Messages, kind: Kind = Kind.MESSAGES) -> Workload:
    """A workload over WebSocket."""
    application = "ws_broadcast" if messages.broadcast else "ws_echo"
    handshake = upgrade(compressed=messages.compressed)
    return Workload(name, description, application, handshake, b"", kind=kind, messages=messages)


def _conversations(name: str, description: str, messages: Messages) -> tuple[Workload, Workload]:
    """A workload over WebSocket, and the same compressed."""
    return (
        _conversation(name, description, messages),
        _conversation(f"{name}-deflate", f"{description}, compressed", messages._replace(compressed=True)),
    )


_HELLO = get("/")
_ANSWER = f"{len(apps.BODY)} bytes"

_ALL = (
    Workload("hello", f"GET / with a Host header only, {_ANSWER}", "hello", _HELLO, apps.BODY),
    Workload("browser", f"GET / with a browser's 12 headers, {_ANSWER}", "hello", get("/", _BROWSER), apps.BODY),
    Workload(
        "varied",
        f"GET with a browser's 12 headers, another path and request id in each, {_ANSWER}",
        "hello",
        get(f"/{MARK.decode()}", _BROWSER + b"X-Request-Id: %b\r\n" % MARK),
        apps.BODY,
    ),
    Workload(
        "logged",
        f"GET / with a Host header only and the access log on, to a file, {_ANSWER}",
        "hello",
        _HELLO,
        apps.BODY,
        logged=True,
    ),
    Workload("large", "GET / with a Host header only, 10 KiB", "large", _HELLO, apps.LARGE),
    Workload(
        "stream",
        "GET / with a Host header only, 10 KiB streamed in 10 parts of unannounced length",
        "stream",
        _HELLO,
        apps.PART * apps.STREAMED,
    ),
    Workload(
        "echo",
        "POST / of 1 KiB JSON, parsed and written anew by the application",
        "echo",
        post(b"application/json", len(_JSON)) + _JSON,
        _JSON,
    ),
    Workload(
        "reconnect",
        f"GET / on a new connection each time, {_ANSWER}",
        "hello",
        get("/", b"Connection: close\r\n"),
        apps.BODY,
    ),
    Workload(
        "pipelined",
        f"GET / with a Host header only, 16 sent at once, {_ANSWER}",
        "hello",
        _HELLO,
        apps.BODY,
        pipelined=16,
    ),
    Workload(
        "upload",
        "POST / of 100 MiB, one connection",
        "upload",
        post(b"application/octet-stream", len(apps.BODY)) + apps.BODY,
        str(len(apps.BODY)).encode("ascii"),
        kind=Kind.UPLOAD,
        size=100 * MIB,
    ),
    Workload(
        "download",
        "GET of 100 MiB in pieces of 64 KiB, one connection",
        "download",
        get(f"/{len(apps.PART)}"),
        apps.PART,
        kind=Kind.DOWNLOAD,
        size=100 * MIB,
    ),
    Workload(
        "latency",
        f"GET / with a Host header only, {_ANSWER}, at half the rate that saturates the server",
        "hello",
        _HELLO,
        apps.BODY,
        kind=Kind.LATENCY,
    ),
    Workload(
        "h2",
        f"GET / over HTTP/2, 16 connections with 16 streams each, {_ANSWER}",
        "hello",
        _HELLO,
        apps.BODY,
        streams=Streams(16, 16),
    ),
    Workload(
        "h2-single",
        f"GET / over HTTP/2, 64 connections with one stream each, {_ANSWER}",
        "hello",
        _HELLO,
        apps.BODY,
        streams=Streams(64, 1),
    ),
    Workload(
        "h2-browser",
        f"the same as h2 with a browser's headers, {_ANSWER}",
        "hello",
        get("/", _BROWSER),
        apps.BODY,
        streams=Streams(16, 16),
    ),
    Workload(
        "h2-single-browser",
        f"the same as h2-single with a browser's headers, {_ANSWER}",
        "hello",
        get("/", _BROWSER),
        apps.BODY,
        streams=Streams(64, 1),
    ),
    Workload(
        "h2-post",
        "POST / of 64 KiB over HTTP/2, 16 connections with 4 streams each",
        "upload",
        post(b"application/octet-stream", len(apps.PIECE)) + apps.PIECE,
        str(len(apps.PIECE)).encode("ascii"),
        streams=Streams(16, 4),
    ),
    Workload(
        "h2-upload",
        "POST / of 16 MiB over HTTP/2, one after the other on one connection",
        "upload",
        post(b"application/octet-stream", 16 * MIB) + apps.PIECE * (16 * MIB // len(apps.PIECE)),
        str(16 * MIB).encode("ascii"),
        kind=Kind.UPLOAD,
        size=16 * MIB,
        streams=Streams(1, 1),
    ),
    Workload(
        "h2-download",
        "GET of 1 MiB in pieces of 64 KiB over HTTP/2, one connection with 16 streams",
        "download",
        get(f"/{MIB}"),
        apps.PIECE * (MIB // len(apps.PIECE)),
        kind=Kind.DOWNLOAD,
        size=MIB,
        streams=Streams(1, 16),
    ),
    *_conversations("ws-32", "32 bytes of text over WebSocket, sent back, 64 connections", Messages(_TICKS)),
    *_conversations("ws-16k", "16 KiB of text over WebSocket, sent back, 64 connections", Messages(_PAGES)),
    *_conversations("ws-1m", "1 MiB of text over WebSocket, sent back, 8 connections", Messages(_FILE, connections=8)),
    *_conversations(
        "ws-broadcast",
        "32 bytes of text over WebSocket, sent to each of 1,000 connections",
        Messages(_TICKS, connections=1_000, broadcast=True),
    ),
    _conversation(
        "ws-idle",
        "10,000 open WebSockets, each of which has had 32 bytes sent back",
        Messages(_TICKS[:1], connections=10_000),
        kind=Kind.IDLE,
    ),
    _conversation(
        "ws-idle-deflate",
        "1,000 open WebSockets, each of which has had 32 bytes sent back, compressed",
        Messages(_TICKS[:1], connections=1_000, compressed=True),
        kind=Kind.IDLE,
    ),
)

WORKLOADS = {each.name: each for each in _ALL}

OVER = {protocol: tuple(each.name for each in _ALL if each.protocol is protocol) for protocol in Protocol}
"""Those that are spoken in each protocol."""

ALONE = ("hello", "browser", "varied")
"""Those that serving.py measures too."""
