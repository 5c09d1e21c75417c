"""What is asked of the servers where the requests are ours."""

from __future__ import annotations

from typing import NamedTuple


class Workload(NamedTuple):
    """A request, sent again and again.

    Attributes:
        description: in words.
        request: in bytes.
    """

    description: str
    request: bytes


_GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n"

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

WORKLOADS = {
    "hello": Workload("GET / with a Host header only", _GET + b"\r\n"),
    "browser": Workload("GET / with a browser's 12 headers", _GET + _BROWSER + b"\r\n"),
}
