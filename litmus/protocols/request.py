"""A request's head, and how HTTP/1 heads are parsed."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from itertools import product
from typing import Final

from litmus.protocols.errors import ProtocolError
from litmus.protocols.fields import (
    AUTHORITY,
    CLOSE,
    CONNECTION,
    CONTENT_LENGTH,
    DROPPED,
    EXPECT,
    HOST,
    KEEP_ALIVE,
    PLAIN,
    FieldParser,
)

NO_BODY: Final = 0
CHUNKED: Final = -1


class Request:
    """A request as it came over the wire, whatever the protocol.

    Attributes:
        method: as sent, upper case in all methods that exist.
        target: the request target as sent: ``/path?query``, ``http://host/path``, ``*``.
        version: "1.0", "1.1" or "2".
        headers: names in lower case, in the order sent. Host is that of the target, if it has one.
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
        other = Request.__new__(Request)
        other.method = method
        other.target = target
        other.version = self.version
        other.headers = self.headers.copy()
        other.body = self.body
        other.keep_alive = self.keep_alive
        other.expects_continue = self.expects_continue
        return other


class HeadParser:
    """Parses HTTP/1 heads, one whole head at a time, so one parser serves all connections of a worker.

    What a client says about itself and its wishes is the same in all its requests, so header sections that have been
    parsed are remembered: the same bytes below a request line of the plain sort mean the same again.

    Args:
        underscores: what becomes of fields with an underscore in their names: "drop", "allow" or "refuse". Who makes
            variables of names, as CGI and WSGI do, cannot tell X_Forwarded_For from X-Forwarded-For, which a proxy in
            front has checked.
        on_dropped: told the name of a field that is dropped, though not again while its line is remembered.
        fields: how many a header section may have.
    """

    __slots__ = ("_fields", "_known", "_most")

    def __init__(
        self,
        underscores: str = "drop",
        on_dropped: Callable[[bytes], object] | None = None,
        fields: int = sys.maxsize,
    ) -> None:
        self._fields = FieldParser(underscores, on_dropped)
        self._most = fields
        self._known: dict[bytes, Request] = {}

    def parse(self, head: bytes) -> Request:
        """Parse a head, blank line included (RFC 9112, sections 2 to 6).

        Raises ProtocolError when it is malformed or its framing is in doubt.
        """
        request_line, _, section = head.partition(b"\r\n")
        line = request_line.split(b" ")
        version = _plain_version(line)
        if version == "1.1":
            known = self._known.get(section)
            if known is None:
                news = self._fields.news
                request = self._read(section, line[0], line[1], version)
                if self._fields.news == news:  # what has something new in each request is not worth it
                    self._remember(section, request)
                return request
            return known.asked_for(line[0], line[1])
        authority = b""
        if not version:
            version, authority = _check_line(line)
        request = self._read(section, line[0], line[1], version)
        if authority:
            _set_host(request.headers, authority)
        return request

    def _read(self, section: bytes, method: bytes, target: bytes, version: str) -> Request:
        """Parse a header section."""
        lines = section.split(b"\n")
        del lines[-2:]  # the empty line, and what is behind it
        if len(lines) > self._most:
            raise ProtocolError(431, f"the header section has more than {self._most} fields")
        request = Request(method, target, version, [])
        headers = request.headers
        hosts = framings = connection = 0
        expects_continue = False
        for line in lines:
            field = self._fields.parse(line)
            kind = field.kind
            if kind == _DROPPED:
                continue
            headers.append(field.pair)
            if kind == _PLAIN:
                continue
            if kind == _HOST:
                hosts += 1
                if hosts > 1:
                    raise ProtocolError(400, "more than one Host header")  # RFC 9112, section 3.2
            elif kind == _CONNECTION:
                connection |= field.number
            elif kind == _EXPECT:
                expects_continue = expects_continue or field.number == 1
            else:
                framings += 1
                if framings > 1:
                    raise ProtocolError(400, "more than one Content-Length or Transfer-Encoding")
                request.body = field.number if kind == _CONTENT_LENGTH else CHUNKED
        if version == "1.1":
            if not hosts:
                raise ProtocolError(400, "no Host header")  # RFC 9112, section 3.2
            request.keep_alive = not connection & _CLOSE
            request.expects_continue = expects_continue and request.body != NO_BODY
        else:
            if request.body == CHUNKED:
                raise ProtocolError(400, "Transfer-Encoding in an HTTP/1.0 request")  # RFC 9112, section 6.1
            request.keep_alive = connection == _KEEP_ALIVE
        return request

    def _remember(self, section: bytes, request: Request) -> None:
        if len(section) <= _REMEMBERED_SIZE:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[section] = request.asked_for(b"", b"")  # the application may change the list of the other one


def _plain_version(line: list[bytes]) -> str:
    """The version of a request line that needs no closer look: a usual method, a path that can be decoded; else ""."""
    if len(line) != 3 or line[0] not in _USUAL:
        return ""
    target = line[1]
    # What _PATH has, in less time.
    if (
        not target
        or target[0] != _SLASH
        or not target.isascii()
        or not target.decode("ascii").isprintable()
        or _HASH in target
    ):
        return ""
    if _PERCENT in target and not _is_decodable(target):
        return ""
    return _VERSIONS.get(line[2], "")


def _is_decodable(target: bytes) -> bool:
    """Whether every percent sign in the path of a target encodes a byte, other than NUL (RFC 3986, section 7.3)."""
    path = target.partition(b"?")[0]
    if _PERCENT in path:
        parts = path.split(b"%")
        for part in parts[1:]:
            if part[:2] not in _ESCAPES:
                return False
    return True


def _check_line(line: list[bytes]) -> tuple[str, bytes]:
    """Look closer at a request line (RFC 9112, section 3).

    Returns the version of HTTP that it is taken for, and the authority of an absolute target. Raises ProtocolError.
    """
    if len(line) != 3:
        raise ProtocolError(400, "not a request line: method, target and version, one space apart")
    method, target, version = line
    _check_method(method)
    if _VERSION.fullmatch(version) is None:
        raise ProtocolError(400, "not a version of HTTP")
    if not version.startswith(b"HTTP/1."):
        raise ProtocolError(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
    if method == b"PRI":
        raise ProtocolError(400, "the preface of HTTP/2 with another version")  # RFC 9113, section 3.4
    # A later minor version is taken for the last that is known (RFC 9110, section 2.5).
    return _VERSIONS.get(version, "1.1"), _check_target(method, target)


def _check_method(method: bytes) -> None:
    if method in _METHODS:
        return
    if not method or not _TOKEN.issuperset(method):
        raise ProtocolError(400, "not a request")
    if method == b"CONNECT":
        raise ProtocolError(501, "CONNECT: this is not a proxy")
    raise ProtocolError(501, "a method that is not known here")  # RFC 9110, section 9.1


def _check_target(method: bytes, target: bytes) -> bytes:
    """RFC 9112, section 3.2. What is no target, or cannot be decoded, is refused: nobody knows what it stands for.

    Returns the authority of an absolute one.
    """
    path, authority = target, b""
    if target == b"*":
        if method != b"OPTIONS":
            raise ProtocolError(400, "the request target * is for OPTIONS only")
    elif target[:1] != b"/":
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None:
            raise ProtocolError(400, "the request target is neither a path nor an http URI")
        authority, path = absolute.groups()
    elif _PATH.fullmatch(target) is None:
        raise ProtocolError(400, "a character in the request target that must be encoded")
    if not _is_decodable(path):
        raise ProtocolError(400, "a percent sign in the path that encodes nothing, or NUL")
    return authority


def _set_host(headers: list[tuple[bytes, bytes]], authority: bytes) -> None:
    """Put the authority of an absolute target in the place of Host (RFC 9112, section 3.2.2)."""
    for index, (name, _) in enumerate(headers):
        if name == b"host":
            headers[index] = (name, authority)
            return
    headers.insert(0, (b"host", authority))


def check_beginning(head: bytes) -> None:
    """Refuse what can't become a request head any more, before its peer has us wait for the rest.

    What is wrong with a head is the same in however many pieces it comes. Raises ProtocolError.
    """
    if head[0] == _TLS_HANDSHAKE:
        raise ProtocolError(400, "this is TLS, and plain HTTP is spoken here")
    method, space, _ = head[: _LONGEST_METHOD + 1].partition(b" ")
    if space or len(method) > _LONGEST_METHOD or not _TOKEN.issuperset(method):
        _check_method(method)
    if head.count(b"\n") != head.count(b"\r\n"):
        raise ProtocolError(400, "a line that ends without CR")


_TLS_HANDSHAKE: Final = 0x16

_USUAL: Final = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"))

_METHODS: Final = _USUAL.union(
    b"TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND UNBIND ACL REPORT MKACTIVITY CHECKOUT "
    b"MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PURGE MKCALENDAR LINK UNLINK SOURCE QUERY PRI".split()
)
"""Those of the IANA registry that applications use, and PRI, with which HTTP/2 begins (RFC 9113, section 3.4)."""

_LONGEST_METHOD: Final = max(map(len, _METHODS))

_REMEMBERED: Final = 128
"""Header sections: too few to take much memory, enough for the clients that are at it."""

_REMEMBERED_SIZE: Final = 1024

# What another module has is an object: these are numbers, for the code above.
_PLAIN, _DROPPED, _HOST, _CONTENT_LENGTH = PLAIN, DROPPED, HOST, CONTENT_LENGTH
_CONNECTION, _EXPECT, _CLOSE, _KEEP_ALIVE = CONNECTION, EXPECT, CLOSE, KEEP_ALIVE

_HASH, _PERCENT, _SLASH = b"#%/"
_TOKEN: Final = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_VERSIONS: Final = {b"HTTP/1.1": "1.1", b"HTTP/1.0": "1.0"}
_VERSION: Final = re.compile(rb"HTTP/[0-9]\.[0-9]")

_DIGITS: Final = b"0123456789ABCDEFabcdef"
_ESCAPES: Final = frozenset(bytes(pair) for pair in product(_DIGITS, _DIGITS)) - {b"00"}

# Browsers send more characters in a path than RFC 3986, section 3.3 has, so all that are visible do, but for # (RFC
# 9112, section 3.2).
_PATH: Final = re.compile(rb'/[!"$-~]*')
_ABSOLUTE: Final = re.compile(rb"(?i:https?)://(%b)((?:[/?][!\"$-~]*)?)" % AUTHORITY)
