"""What a peer may demand of one connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Limits:
    """Bounds on what arrives over a connection. Those of bodies, requests and pipelines are off when they are 0.

    Attributes:
        request_line: bytes in a request line, its CRLF included.
        header_section: bytes in a header section, the empty line at its end included. A head that is within both must
            fit into the largest buffer.
        unquestioned: bytes in a head that can be beyond neither.
        body: bytes of content in a request's body.
        body_progress: bytes of content that must come under each ``Deadline.BODY`` while somebody waits for them.
        requests: how many requests the connection may bring.
        pipelined: how many of its requests are answered before others get their turn.
        streams: how many requests it may have under way at once, over HTTP/2.
        window: bytes of content that each of these may send ahead of the application, to begin with.
        hosts: bytes of content in a request's body, for hosts where that is not ``body``: in lower case, without port
            and without the dot of the root.
    """

    __slots__ = (
        "body",
        "body_progress",
        "header_section",
        "hosts",
        "pipelined",
        "request_line",
        "requests",
        "streams",
        "unquestioned",
        "window",
    )

    def __init__(
        self,
        request_line: int,
        header_section: int,
        body: int = 0,
        body_progress: int = 0,
        requests: int = 0,
        pipelined: int = 0,
        hosts: Mapping[bytes, int] | None = None,
        streams: int = 100,
        window: int = 65_535,
    ) -> None:
        self.request_line = request_line
        self.header_section = header_section
        self.unquestioned = min(request_line, header_section)
        self.body = body
        self.body_progress = body_progress
        self.requests = requests
        self.pipelined = pipelined
        self.hosts = dict(hosts or {})
        self.streams = streams
        self.window = window

    def body_with(self, headers: Iterable[tuple[bytes, bytes]]) -> int:
        """``body``, or what is in its place for the host that is asked for."""
        for name, value in headers:
            if name == b"host":
                host, colon, port = value.rpartition(b":")
                if not colon or b"]" in port:
                    host = value
                return self.hosts.get(host.lower().removesuffix(b"."), self.body)
        return self.body
