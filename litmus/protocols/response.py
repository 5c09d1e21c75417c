"""HTTP/1 response heads and bodies on their way out (RFC 9112)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from litmus.native import joined
from litmus.protocols.body import UNKNOWN
from litmus.protocols.errors import ResponseError
from litmus.protocols.machine import Headers
from litmus.protocols.remembering import remember
from litmus.protocols.response_fields import CLOSE, CONTENT_LENGTH, DATE, HTTP1_ONLY, PLAIN, response_field

LAST_CHUNK: Final = b"0\r\n\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

# What another module has is an object: these are numbers, for the code below.
_UNKNOWN, _PLAIN, _LENGTH, _DATE, _CLOSE, _HTTP1_ONLY = UNKNOWN, PLAIN, CONTENT_LENGTH, DATE, CLOSE, HTTP1_ONLY


class Head:
    """A response head: the application's header section, and what it says about framing. ``response_head`` makes them.

    Attributes:
        status: the status code.
        length: the announced Content-Length, or ``UNKNOWN``.
        close: the application asked for ``Connection: close``.
        recurs: all of its fields have been sent before.
        fields: those, as they were sent then; None for those that were not.
    """

    __slots__ = ("_date", "_has_date", "_lines", "_whole", "close", "fields", "length", "recurs", "status")

    def __init__(self, status: int, headers: Headers) -> None:
        self.status = status
        self.length = UNKNOWN
        self.close = False
        self.recurs = True
        self._has_date = False
        self._date: bytes | None = None
        self._whole = b""  # with that date
        self._collect(headers)

    def _collect(self, headers: Headers) -> None:
        status = self.status
        lines = [_status_line(status)]
        pairs = []
        for header in headers:
            field = response_field(header)
            kind = field.kind
            pairs.append(field.pair)
            if not field.recurs:
                self.recurs = False
            if kind == _PLAIN or kind == _HTTP1_ONLY:
                lines.append(field.line)
            elif kind == _LENGTH:
                if status == 204:  # RFC 9110, section 8.6
                    continue
                if self.length == _UNKNOWN:
                    self.length = field.length
                    lines.append(field.line)
                elif self.length != field.length:
                    raise ResponseError("two different Content-Length headers")
            elif kind == _DATE:
                self._has_date = True
                lines.append(field.line)
            elif kind == _CLOSE:
                self.close = True
        self._lines = lines
        self.fields = tuple(pairs)

    def is_of(self, status: int, headers: Headers) -> bool:
        """Whether this is the head of these very objects, which takes less than a look-up to find out."""
        fields = self.fields
        if status != self.status or type(headers) is not list or len(headers) != len(fields):
            return False
        for index in range(len(fields)):  # noqa: SIM110 - compiled, this is a loop in C
            if headers[index] is not fields[index]:
                return False
        return True

    def encode(self, added: bytes, date: bytes, body: bytes) -> bytes:
        """The head on the wire, blank line included, and ``body`` behind it.

        ``added`` are header lines of the server's own, and ``date`` is the one for heads without a Date, CRLF included.
        """
        if self._has_date:
            date = b""
        if added or not self.recurs:
            return b"".join([*self._lines, added, date, b"\r\n", body])
        if self._date is not date:  # it is another object once a second
            self._date = date
            self._whole = b"".join([*self._lines, date, b"\r\n"])
        return joined(self._whole, body)


def response_head(status: int, headers: Headers) -> Head:
    """The head of a final response. Raises ResponseError when it cannot go out like this.

    Most applications have few different ones, so those whose fields have all been sent before are remembered.
    """
    fields = tuple(headers)
    try:
        known = _HEADS.get(fields)
    except TypeError:  # a list in place of a tuple, or of bytes something that has no hash
        known = None
    if known is not None and known.status == status:
        return known
    head = Head(status, fields)
    if head.recurs:
        remember(_HEADS, head.fields, head, _REMEMBERED)
    return head


_HEADS: Final[dict[tuple[tuple[bytes, bytes] | None, ...], Head]] = {}
_REMEMBERED: Final = 128


def interim_response(status: int, headers: Headers) -> bytes:
    """A whole interim response (RFC 9110, section 15.2). Raises ResponseError."""
    line = f"HTTP/1.1 {status} {PHRASES.get(status, '')}\r\n".encode("ascii")
    return b"".join((line, *trailer_lines(headers), b"\r\n"))


def trailer_lines(headers: Headers) -> list[bytes]:
    """The lines of a section in which nothing may frame content (RFC 9110, section 6.5.1). Raises ResponseError."""
    return [field.line for field in map(response_field, headers) if field.kind == PLAIN]


def bodiless(status: int, method: bytes) -> bool:
    """Whether the response has no body whatever its headers say (RFC 9112, section 6.3)."""
    return method == b"HEAD" or status == 204 or status == 304


def error_response(status: int, reason: str, date: bytes, *lines: bytes) -> bytes:
    """A whole plain-text error response that ends the connection. ``lines`` are more header lines, CRLF included."""
    body = error_body(status, reason)
    head = Head(status, [*ERROR_HEADERS, (b"content-length", b"%d" % len(body))])
    return head.encode(b"".join((*lines, b"connection: close\r\n")), date, body)


ERROR_HEADERS: Final = [(b"content-type", b"text/plain; charset=utf-8")]
"""The header section of an error response of the server's own, apart from framing."""


def error_body(status: int, reason: str) -> bytes:
    """The content of an error response of the server's own: status code, reason phrase, and ``reason``."""
    return f"{status} {PHRASES[status]}: {reason}\n".encode("ascii", "backslashreplace")


def chunk(data: bytes) -> bytes:
    """A chunk (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


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
    check_status(status)
    return b"HTTP/1.1 %d \r\n" % status


def check_status(status: int) -> None:
    """Raises ResponseError when no final response has this status code (RFC 9110, section 15)."""
    if not 200 <= status <= 999:
        raise ResponseError(f"not the status code of a final response: {status}")
