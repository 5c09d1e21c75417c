"""Requests out of the header lists of HTTP/2 (RFC 9113, section 8.3)."""

from __future__ import annotations

import re
import sys
from typing import Final

from litmus.protocols.body import UNKNOWN
from litmus.protocols.errors import ProtocolError
from litmus.protocols.fields import (
    AUTHORITY,
    CONNECTION,
    CONTENT_LENGTH,
    DROPPED,
    EXPECT,
    HOST,
    PLAIN,
    Field,
    FieldParser,
    set_host,
)
from litmus.protocols.http2 import priority
from litmus.protocols.lines import RequestLine, check_method
from litmus.protocols.remembering import remember
from litmus.protocols.request import NO_BODY, Request
from litmus.units import count

# What a field is to HTTP/2 alone.
COOKIE, PRIORITY = 100, 101


class RequestReader:
    """Makes requests of header lists. One serves all connections of a worker.

    Args:
        parser: says what each field means. Its policy for underscores is that of HTTP/1.
        line: bytes in a request line, as HTTP/1 would have it.
        fields: how many a header section may have.
    """

    __slots__ = ("_fields", "_known", "_line", "_lines", "_most")

    def __init__(self, parser: FieldParser, line: int = sys.maxsize, fields: int = sys.maxsize) -> None:
        self._fields = parser
        self._line = line
        self._most = fields
        self._known: dict[tuple[bytes, bytes], Field] = {}
        self._lines: dict[tuple[bytes, bytes], RequestLine] = {}

    def read(self, fields: list[tuple[bytes, bytes]], ended: bool, extended: bool = False) -> Request:
        """The request of a header list.

        Args:
            fields: the list, pseudo-header fields included.
            ended: no content follows.
            extended: the extended CONNECT method is allowed (RFC 8441).

        Raises ProtocolError: of status 400 when the request is malformed (RFC 9113, section 8.1.1), and of another when
        it is well-formed and refused.
        """
        method = path = scheme = authority = protocol = None
        headers: list[tuple[bytes, bytes]] = []
        host = b""
        length = UNKNOWN
        cookie = -1
        expects_continue = False
        hosts = lengths = dropped = 0
        pseudo = True
        wanted = _DEFAULT
        for pair in fields:
            name, value = pair
            if name[:1] == b":":
                if not pseudo:
                    raise ProtocolError(400, "a pseudo-header field behind others")
                if name == b":method" and method is None:
                    method = value
                elif name == b":path" and path is None:
                    path = value
                elif name == b":scheme" and scheme is None:
                    scheme = value
                elif name == b":authority" and authority is None:
                    authority = value
                elif name == b":protocol" and protocol is None and extended:
                    protocol = value
                else:
                    raise ProtocolError(400, "a pseudo-header field that is unknown, or there already")
                continue
            pseudo = False
            field = self._field(pair)
            kind = field.kind
            if kind == _PLAIN:
                headers.append(pair)
            elif kind == _COOKIE:
                # RFC 9113, section 8.2.3
                if cookie < 0:
                    cookie = len(headers)
                    headers.append(pair)
                else:
                    headers[cookie] = (name, headers[cookie][1] + b"; " + value)
            elif kind == _HOST:
                hosts += 1
                host = value
                headers.append(pair)
            elif kind == _CONTENT_LENGTH:
                lengths += 1
                length = field.number
                headers.append(pair)
            elif kind == _EXPECT:
                expects_continue = expects_continue or field.number == 1
                headers.append(pair)
            elif kind == _PRIORITY:
                wanted = field.number
                headers.append(pair)
            elif kind == _DROPPED:
                dropped += 1
            else:
                raise ProtocolError(400, "a field that belongs to a connection of HTTP/1")
        if method is None:
            raise ProtocolError(400, "no :method")
        if hosts > 1 or lengths > 1:
            raise ProtocolError(400, "more than one Host or Content-Length")
        if method == b"CONNECT" and protocol is None:
            if path is not None or scheme is not None or not authority:
                raise ProtocolError(
                    400, "CONNECT with :path or :scheme, or without :authority"
                )  # RFC 9113, section 8.5
            check_method(method)
        if path is None or scheme is None or (protocol is not None and method != b"CONNECT"):
            raise ProtocolError(400, "no :path or no :scheme")
        if _SCHEME.fullmatch(scheme) is None:
            raise ProtocolError(400, ":scheme is not a scheme")
        if authority is not None:
            self._check_authority(authority, host, hosts)
            set_host(headers, authority)
        elif not host:
            raise ProtocolError(400, "neither :authority nor Host")
        if len(headers) + dropped > self._most:
            raise ProtocolError(431, f"the header section has more than {count(self._most, 'field')}")
        if ended and length > 0:
            raise ProtocolError(400, "Content-Length announces content that does not come")
        line = self._request_line(method, path)
        if protocol is not None and protocol != WEBSOCKET:
            raise ProtocolError(501, "CONNECT to a protocol that is not spoken")  # as RFC 9220, section 3, has it
        request = Request(line, headers)
        request.body = NO_BODY if ended else length
        request.expects_continue = expects_continue and not ended
        request.priority = wanted
        request.protocol = protocol
        return request

    def check_trailers(self, fields: list[tuple[bytes, bytes]]) -> None:
        """Check the fields of a trailer section. Raises ProtocolError when it is malformed."""
        for pair in fields:
            if pair[0][:1] == b":":
                raise ProtocolError(400, "a pseudo-header field in a trailer section")  # RFC 9113, section 8.1
            if self._field(pair).kind == _CONNECTION:
                raise ProtocolError(400, "a field that belongs to a connection of HTTP/1")

    def _field(self, pair: tuple[bytes, bytes]) -> Field:
        field = self._known.get(pair)
        if field is None:
            field = self._look_at(pair)
            if len(pair[0]) + len(pair[1]) <= _REMEMBERED_SIZE:
                remember(self._known, pair, field, _REMEMBERED)
        return field

    def _look_at(self, pair: tuple[bytes, bytes]) -> Field:
        name, value = pair
        if not name or not _NAME.issuperset(name):
            raise ProtocolError(400, "not a field name in lower case")  # RFC 9113, section 8.2.1
        if _VALUE.fullmatch(value) is None:
            raise ProtocolError(400, "a control character in a field, or white space around it")
        if name == b"te":
            if value.lower() != b"trailers":  # RFC 9113, section 8.2.2
                raise ProtocolError(400, "TE is something other than trailers")
        elif name == b"cookie":
            return Field(name, value, _COOKIE, 0)
        elif name == b"priority":
            return Field(name, value, _PRIORITY, priority.parse(value))
        elif name in _FORBIDDEN:
            return Field(name, value, _CONNECTION, 0)
        return self._fields.field(name, value)

    def _check_authority(self, authority: bytes, host: bytes, hosts: int) -> None:
        """RFC 9113, section 8.3.1. An empty one is as good as none, and all requests here need one."""
        if _AUTHORITY.fullmatch(authority) is None:
            raise ProtocolError(400, ":authority is not an authority")
        if hosts and host.lower() != authority.lower():
            raise ProtocolError(400, ":authority and Host are different")

    def _request_line(self, method: bytes, path: bytes) -> RequestLine:
        key = (method, path)
        line = self._lines.get(key)
        if line is None:
            if method == b"PRI":
                raise ProtocolError(400, "the beginning of HTTP/2 within it")
            check_method(method, tunnels=True)
            if len(method) + len(path) > self._line - _REST_OF_LINE:
                raise ProtocolError(414, f"the request line is longer than {count(self._line, 'byte')}")
            if (path[:1] != b"/" or _PATH.fullmatch(path) is None) and (path != b"*" or method != b"OPTIONS"):
                raise ProtocolError(400, ":path is not a path")
            line = RequestLine(method, path, "2", b"", path)
            if len(path) <= _REMEMBERED_SIZE:
                remember(self._lines, key, line, _REMEMBERED)
        return line


_REST_OF_LINE: Final = len(b"  HTTP/1.1\r\n")
_REMEMBERED: Final = 1024
_REMEMBERED_SIZE: Final = 256

WEBSOCKET: Final = b"websocket"
"""The one protocol of the extended CONNECT method that is spoken (RFC 8441, section 5)."""

_NAME: Final = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
_VALUE: Final = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_SCHEME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*")
_AUTHORITY: Final = re.compile(AUTHORITY)
_PATH: Final = re.compile(rb'[!"$-~]*')  # as lines.py has it
_FORBIDDEN: Final = frozenset({b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"})

# What another module has is an object: these are numbers, for the code above.
_PLAIN, _DROPPED, _HOST, _CONTENT_LENGTH, _EXPECT = PLAIN, DROPPED, HOST, CONTENT_LENGTH, EXPECT
_COOKIE, _PRIORITY, _CONNECTION, _DEFAULT = COOKIE, PRIORITY, CONNECTION, priority.DEFAULT
