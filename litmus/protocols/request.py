"""A request's head, and how HTTP/1 heads are parsed."""

from __future__ import annotations

from typing import Final

import httptools

from litmus.protocols.errors import ProtocolError

NO_BODY: Final = 0
CHUNKED: Final = -1


class Request:
    """A request as it came over the wire, whatever the protocol.

    Attributes:
        method: as sent, upper case in all methods that exist.
        target: the request target as sent: ``/path?query``, ``http://host/path``, ``*``.
        version: "1.0", "1.1" or "2".
        headers: names in lower case, in the order sent.
        body: bytes of body to come, or ``CHUNKED``.
        keep_alive: the connection may serve another request.
        expects_continue: the client waits for 100 (Continue) before it sends the body (RFC 9110, section 10.1.1).
    """

    __slots__ = ("body", "expects_continue", "headers", "keep_alive", "method", "target", "version")

    def __init__(self, method: bytes, target: bytes, version: str, headers: list[tuple[bytes, bytes]]) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.body = NO_BODY
        self.keep_alive = True
        self.expects_continue = False

    def asked_for(self, method: bytes, target: bytes) -> Request:
        """The request that has the same version and header section below another request line."""
        other = Request(method, target, self.version, self.headers.copy())
        other.body = self.body
        other.keep_alive = self.keep_alive
        other.expects_continue = self.expects_continue
        return other


class HeadParser:
    """Parses HTTP/1 heads, one whole head at a time, so one parser serves all connections of a worker.

    What a client says about itself and its wishes is the same in all its requests, so header sections that have been
    parsed are remembered: the same bytes below a request line of the plain sort mean the same again.

    httptools never sees a body: bodies are framed by ``body.py``, which keeps pipelined requests apart to the byte.
    """

    def __init__(self) -> None:
        self._keep_alive = False
        self._known: dict[bytes, Request] = {}
        self._reset()
        self._parser = httptools.HttpRequestParser(self)

    def parse(self, head: bytes) -> Request:
        """Parse a head, blank line included (RFC 9112, sections 2 to 6).

        Raises ProtocolError when it is malformed or its framing is in doubt.
        """
        request_line, section = head.split(b"\r\n", 1)
        line = request_line.split(b" ")
        known = self._known.get(section)
        if known is not None and _is_plain(line):
            return known.asked_for(line[0], line[1])
        request = self._parse(head, line)
        if len(section) <= _REMEMBERED_SIZE and _is_plain(line):
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[section] = request.asked_for(b"", b"")  # the application may change the list of the other one
        return request

    def _parse(self, head: bytes, line: list[bytes]) -> Request:
        self._reset()
        parser = self._parser
        try:
            parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            self._complete = False
        except httptools.HttpParserError as error:
            self._parser = httptools.HttpRequestParser(self)
            cause = error.__context__
            if isinstance(cause, ProtocolError):
                raise cause from None
            raise ProtocolError(400, str(error)) from None
        if not (self._complete and self._keep_alive):
            # httptools now waits for a body, or for nothing more: it can't be used again.
            if not self._complete:
                self._keep_alive = parser.should_keep_alive()
            self._parser = httptools.HttpRequestParser(self)
        # httptools has checked the request line; what is in it is had faster without it.
        if len(line) != 3:
            raise ProtocolError(400, "not a request line: method, target and version, one space apart")
        if _HASH in line[1]:
            raise ProtocolError(400, "a fragment in the request target")  # RFC 9112, section 3.2
        request = Request(line[0], line[1], _VERSIONS.get(line[2], ""), self._headers)
        request.body = self._body
        request.keep_alive = self._keep_alive
        if request.version == "1.1":
            request.expects_continue = self._expects_continue and self._body != NO_BODY
        elif request.version != "1.0":
            raise ProtocolError(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
        elif self._codings:
            raise ProtocolError(400, "Transfer-Encoding in an HTTP/1.0 request")  # RFC 9112, section 6.1
        if request.method == b"CONNECT":
            raise ProtocolError(501, "CONNECT: this is not a proxy")
        return request

    def _reset(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = NO_BODY
        self._lengths = 0
        self._codings = 0
        self._expects_continue = False
        self._complete = False
        self._keep_alive = False

    # What httptools calls

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if value and value[-1] <= _SPACE:
            value = value.rstrip(b" \t")  # httptools leaves what RFC 9112, section 5.1 excludes
        self._headers.append((name, value))
        if name in _FRAMING:
            self._framing(name, value)

    def on_message_complete(self) -> None:
        self._complete = True
        self._keep_alive = self._parser.should_keep_alive()  # later it would speak of the next message

    def _framing(self, name: bytes, value: bytes) -> None:
        if name == b"content-length":
            self._lengths += 1
            if not value.isdigit() or len(value) > 18:
                raise ProtocolError(400, "Content-Length is not a number")
            self._body = int(value)
        elif name == b"transfer-encoding":
            self._codings += 1
            if value.lower() != b"chunked":
                raise ProtocolError(501, "a transfer coding other than chunked")
            self._body = CHUNKED
        elif value.lower() == b"100-continue":
            self._expects_continue = True
        if self._lengths + self._codings > 1:
            raise ProtocolError(400, "more than one Content-Length or Transfer-Encoding")


def _is_plain(line: list[bytes]) -> bool:
    """Whether a request line needs no closer look: a usual method, a path that is visible ASCII, HTTP/1.1."""
    if len(line) != 3 or line[2] != b"HTTP/1.1" or line[0] not in _USUAL:
        return False
    target = line[1]
    return target[:1] == b"/" and target.isascii() and target.decode("ascii").isprintable() and _HASH not in target


def check_beginning(head: bytes) -> None:
    """Refuse what can't become a request head any more, before its peer has us wait for the rest.

    Raises ProtocolError.
    """
    if head == _TLS_HANDSHAKE[:1]:
        return  # the next byte tells what it is, and the same has to be said of it in however many pieces it comes
    if head.startswith(_TLS_HANDSHAKE):
        raise ProtocolError(400, "this is TLS, and plain HTTP is spoken here")
    if not _FIRST_LETTER <= head[0] <= _LAST_LETTER:
        raise ProtocolError(400, "not a request")
    if head.count(b"\n") != head.count(b"\r\n"):
        raise ProtocolError(400, "a line that ends without CR")


_TLS_HANDSHAKE: Final = b"\x16\x03"
_FIRST_LETTER: Final = ord("A")
_LAST_LETTER: Final = ord("Z")
"""All methods that httptools knows begin with one of these."""

_USUAL: Final = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"))

_REMEMBERED: Final = 128
"""Header sections: too few to take much memory, enough for the clients that are at it."""

_REMEMBERED_SIZE: Final = 1024

_VERSIONS: Final = {b"HTTP/1.1": "1.1", b"HTTP/1.0": "1.0"}
_SPACE, _HASH = b" #"
_FRAMING: Final = frozenset((b"content-length", b"transfer-encoding", b"expect"))
