"""What is asked of the servers, and what is the right answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from loadtest import apps

MARK = b"{id}"
"""Becomes another number in each request."""

MIB = 1 << 20


class Kind(Enum):
    """How a workload is measured, see measures.py."""

    REQUESTS = "requests"
    UPLOAD = "upload"
    DOWNLOAD = "download"
    LATENCY = "latency"


class Streams(NamedTuple):
    """How HTTP/2 is spoken: on how many connections, and how many requests are under way on each."""

    connections: int
    each: int


@dataclass(frozen=True)
class Workload:
    """A request, sent again and again.

    Attributes:
        name: what it is called.
        description: in words.
        application: the name of the one in apps.py that answers.
        request: in bytes, as they are sent; of an up- or download, a short one that shows whether it works. Over
            HTTP/2 it is this very one, translated.
        answer: the body that is right.
        kind: how it is measured.
        pipelined: how many requests are sent at once, before their answers come.
        logged: whether the server writes an access log.
        size: of an up- or download in bytes.
        streams: how HTTP/2 is spoken; None: it is HTTP/1.1.
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
)

WORKLOADS = {each.name: each for each in _ALL}

HTTP1 = tuple(each.name for each in _ALL if each.streams is None)
HTTP2 = tuple(each.name for each in _ALL if each.streams is not None)

ALONE = ("hello", "browser", "varied")
"""Those that serving.py measures too."""
