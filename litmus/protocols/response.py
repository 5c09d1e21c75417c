"""HTTP/1 response heads and bodies on their way out (RFC 9112)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from litmus.protocols.errors import ResponseError
from litmus.protocols.machine import Headers
from litmus.protocols.remembering import remember

LAST_CHUNK: Final = b"0\r\n\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

UNKNOWN: Final = -1
"""Length of a body that the application did not announce."""

_UNKNOWN: Final = UNKNOWN


class Head:
    """A response head in the making: the application's header section and what it says about framing.

    Attributes:
        length: the announced Content-Length, or ``UNKNOWN``.
        close: the application asked for ``Connection: close``.
    """

    __slots__ = ("_has_date", "_parts", "close", "length", "status")

    def __init__(self, status: int, headers: Headers) -> None:
        self.status = status
        self.length = UNKNOWN
        self.close = False
        self._has_date = False
        self._collect(headers)

    def _collect(self, headers: Headers) -> None:
        status = self.status
        parts = [_status_line(status)]
        for header in headers:
            try:
                field = _FIELDS.get(header)
            except TypeError:  # a list in place of a tuple, or of bytes something that has no hash
                field = None
            if field is None:
                field = _field(header)
            kind = field.kind
            if kind == _PLAIN:
                parts.append(field.line)
            elif kind == _LENGTH:
                if status == 204:  # RFC 9110, section 8.6
                    continue
                if self.length == _UNKNOWN:
                    self.length = field.length
                    parts.append(field.line)
                elif self.length != field.length:
                    raise ResponseError("two different Content-Length headers")
            elif kind == _DATE:
                self._has_date = True
                parts.append(field.line)
            elif kind == _CLOSE:
                self.close = True
        self._parts = parts

    def add(self, line: bytes) -> None:
        """Append a header line of the server's own, CRLF included."""
        self._parts.append(line)

    def encode(self, date: bytes, body: bytes) -> bytes:
        """The head on the wire, blank line included, and ``body`` behind it."""
        parts = self._parts
        if not self._has_date:
            parts.append(date)
        parts.append(b"\r\n")
        parts.append(body)
        return b"".join(parts)


def bodiless(status: int, method: bytes) -> bool:
    """Whether the response has no body whatever its headers say (RFC 9112, section 6.3)."""
    return method == b"HEAD" or status == 204 or status == 304


def error_response(status: int, reason: str, date: bytes, *lines: bytes) -> bytes:
    """A whole plain-text error response that ends the connection. ``lines`` are more header lines, CRLF included."""
    body = error_body(status, reason)
    head = Head(status, [*ERROR_HEADERS, (b"content-length", b"%d" % len(body))])
    for line in (*lines, b"connection: close\r\n"):
        head.add(line)
    return head.encode(date, body)


ERROR_HEADERS: Final = [(b"content-type", b"text/plain; charset=utf-8")]
"""The header section of an error response of the server's own, apart from framing."""


def error_body(status: int, reason: str) -> bytes:
    """The content of an error response of the server's own: status code, reason phrase, and ``reason``."""
    return f"{status} {PHRASES[status]}: {reason}\n".encode("ascii", "backslashreplace")


def chunk(data: bytes) -> bytes:
    """A chunk (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


_PLAIN, _LENGTH, _DATE, _CONNECTION, _CLOSE, _DROPPED = range(6)
_SPECIAL: Final = {
    b"content-length": _LENGTH,
    b"date": _DATE,
    b"connection": _CONNECTION,
    b"keep-alive": _DROPPED,
    b"transfer-encoding": _DROPPED,  # framing is the server's: the application sends content
}
_TOKEN: Final = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class _Field:
    """A header that was found well-formed: what it is to the server, its line on the wire, the length it announces."""

    __slots__ = ("kind", "length", "line")

    def __init__(self, kind: int, line: bytes, length: int) -> None:
        self.kind = kind
        self.line = line
        self.length = length


# What has been found out about names, and about whole fields: applications send the same ones again and again.
_KINDS: Final[dict[bytes, int]] = {}
_FIELDS: Final[dict[tuple[bytes, bytes], _Field]] = {}
_REMEMBERED: Final = 1024
_REMEMBERED_LINE: Final = 256


def _field(header: tuple[bytes, bytes]) -> _Field:
    """Look at a header. Raises ResponseError when it breaks out of its line, or is none."""
    name, value = header
    known = _KINDS.get(name)
    kind = _classify(name) if known is None else known
    line = b"".join((name, b": ", value, b"\r\n"))
    if line.count(b"\n") != 1 or line.count(b"\r") != 1 or line.find(b"\0") >= 0:
        raise ResponseError(f"a response header contains CR, LF or NUL: {name!r}")
    length = UNKNOWN
    if kind == _LENGTH:
        if not value.isdigit():
            raise ResponseError(f"Content-Length is not a number: {value!r}")
        length = int(value)
    elif kind == _CONNECTION:
        kind = _CLOSE if b"close" in value.lower() else _DROPPED
    field = _Field(kind, line, length)
    if len(line) <= _REMEMBERED_LINE and type(header) is tuple and type(value) is bytes:
        remember(_FIELDS, header, field, _REMEMBERED)
    return field


def _classify(name: bytes) -> int:
    """What a header of this name is to the server."""
    if not isinstance(name, bytes):
        raise ResponseError(f"a header name must be bytes, not {type(name).__name__}: {name!r}")
    if not name or not _TOKEN.issuperset(name):
        raise ResponseError(f"not a header name: {name!r}")
    kind = _SPECIAL.get(name.lower(), _PLAIN)
    if len(_KINDS) < _REMEMBERED:
        _KINDS[name] = kind
    return kind


PHRASES: Final = {status.value: status.phrase for status in HTTPStatus} | {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
"""Reason phrases by status code (RFC 9110, section 15). Python before 3.13 has older ones of these four."""

_STATUS_LINES: Final = {
    status: f"HTTP/1.1 {status} {phrase}\r\n".encode("ascii") for status, phrase in PHRASES.items() if status >= 200
}


def _status_line(status: int) -> bytes:
    line = _STATUS_LINES.get(status)
    if line is not None:
        return line
    if not 200 <= status <= 999:
        raise ResponseError(f"not the status code of a final response: {status}")
    return b"HTTP/1.1 %d \r\n" % status
