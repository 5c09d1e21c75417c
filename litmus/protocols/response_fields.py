"""Header fields that applications send, and what each means to the server, whatever the protocol."""

from __future__ import annotations

from typing import Any, Final

from litmus.protocols.body import UNKNOWN
from litmus.protocols.errors import ResponseError
from litmus.protocols.remembering import remember

# What a field is to the server.
PLAIN, CONTENT_LENGTH, DATE, CLOSE, DROPPED, HTTP1_ONLY = range(6)


class ResponseField:
    """A field that was found well-formed.

    Attributes:
        kind: what it is to the server: one of the constants of this module.
        length: of ``Content-Length`` the number, else ``UNKNOWN``.
        line: its line in HTTP/1, CRLF included.
        pair: name and value as the application first sent them, if the field is remembered, else None.
        recurs: it was sent before. What is sent once is not worth remembering what it is part of.
        encoded: its representations in HTTP/2, an ``EncodedField``; None until they are asked for.
    """

    __slots__ = ("encoded", "kind", "length", "line", "pair", "recurs")

    def __init__(self, kind: int, line: bytes, length: int) -> None:
        self.kind = kind
        self.line = line
        self.length = length
        self.pair: tuple[bytes, bytes] | None = None
        self.recurs = False
        self.encoded: Any = None


def response_field(header: tuple[bytes, bytes]) -> ResponseField:
    """A field as an application sends it. Raises ResponseError when it breaks out of its line, or is none.

    Applications send the same ones again and again, so those that were well-formed are remembered.
    """
    try:
        field = _FIELDS.get(header)
    except TypeError:  # a list in place of a tuple, or of bytes something that has no hash
        field = None
    if field is None:
        return _look_at(header)
    field.recurs = True
    return field


_KINDS: Final[dict[bytes, int]] = {}
_FIELDS: Final[dict[tuple[bytes, bytes], ResponseField]] = {}
_REMEMBERED: Final = 1024
_REMEMBERED_LINE: Final = 256


def _look_at(header: tuple[bytes, bytes]) -> ResponseField:
    name, value = header
    known = _KINDS.get(name)
    kind = _classify(name) if known is None else known
    line = b"".join((name, b": ", value, b"\r\n"))
    if line.count(b"\n") != 1 or line.count(b"\r") != 1 or line.find(b"\0") >= 0:
        raise ResponseError(f"a response header contains CR, LF or NUL: {name!r}")
    length = UNKNOWN
    if kind == CONTENT_LENGTH:
        if not value.isdigit():
            raise ResponseError(f"Content-Length is not a number: {value!r}")
        length = int(value)
    elif kind == CLOSE and b"close" not in value.lower():
        kind = DROPPED
    field = ResponseField(kind, line, length)
    # Nothing else is sure to stay what it is.
    if len(line) <= _REMEMBERED_LINE and type(header) is tuple and type(name) is bytes and type(value) is bytes:
        field.pair = header
        remember(_FIELDS, header, field, _REMEMBERED)
    return field


def _classify(name: bytes) -> int:
    """What a header of this name is to the server, as far as the name tells."""
    if not isinstance(name, bytes):
        raise ResponseError(f"a header name must be bytes, not {type(name).__name__}: {name!r}")
    if not name or not _TOKEN.issuperset(name):
        raise ResponseError(f"not a header name: {name!r}")
    kind = _SPECIAL.get(name.lower(), PLAIN)
    if len(_KINDS) < _REMEMBERED:
        _KINDS[name] = kind
    return kind


_SPECIAL: Final = {
    b"content-length": CONTENT_LENGTH,
    b"date": DATE,
    b"connection": CLOSE,
    b"keep-alive": DROPPED,
    b"transfer-encoding": DROPPED,  # framing is the server's: the application sends content
    b"proxy-connection": HTTP1_ONLY,
    b"te": HTTP1_ONLY,
    b"upgrade": HTTP1_ONLY,
}
_TOKEN: Final = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
