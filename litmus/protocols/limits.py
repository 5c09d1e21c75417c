"""What a peer may demand of one connection."""

from __future__ import annotations


class Limits:
    """Bounds on what arrives over a connection. Those of bodies and requests are off when they are 0.

    Attributes:
        request_line: bytes in a request line, its CRLF included.
        header_section: bytes in a header section, the empty line at its end included. A head that is within both must
            fit into the largest buffer.
        unquestioned: bytes in a head that can be beyond neither.
        body: bytes of content in a request's body.
        body_progress: bytes of content that must come under each ``Deadline.BODY`` while somebody waits for them.
        requests: how many requests the connection may bring.
    """

    __slots__ = ("body", "body_progress", "header_section", "request_line", "requests", "unquestioned")

    def __init__(
        self, request_line: int, header_section: int, body: int = 0, body_progress: int = 0, requests: int = 0
    ) -> None:
        self.request_line = request_line
        self.header_section = header_section
        self.unquestioned = min(request_line, header_section)
        self.body = body
        self.body_progress = body_progress
        self.requests = requests
