"""Fields of a request's header section, their lines (RFC 9112, section 5), and what each means to the server."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from litmus.protocols.errors import ProtocolError
from litmus.protocols.remembering import remember

# What a field is to the server.
PLAIN, DROPPED, HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, EXPECT, UPGRADE = range(8)

CLOSE, KEEP_ALIVE, SWITCH = 1, 2, 4
"""What a ``Connection`` field can ask for, together or alone; ``SWITCH`` is its ``upgrade``."""


class Field:
    """A well-formed field line.

    Attributes:
        pair: the name in lower case, and the value without the white space around it.
        kind: what it is to the server: one of the constants of this module.
        number: of ``Content-Length`` the length, of ``Connection`` the sum of what it asks for, of ``Expect`` whether
            it is 100-continue; else 0.
    """

    __slots__ = ("kind", "number", "pair")

    def __init__(self, name: bytes, value: bytes, kind: int, number: int) -> None:
        self.pair = (name, value)
        self.kind = kind
        self.number = number


class FieldParser:
    """Parses field lines. A client sends most of them again and again, so those that were well-formed are remembered.

    Args:
        underscores: see ``HeadParser``.
        on_dropped: told the name of a field that is dropped, though not again while its line is remembered.

    Attributes:
        news: how many lines there were that it did not know.
    """

    __slots__ = ("_known", "_on_dropped", "_underscores", "news")

    def __init__(
        self,
        underscores: str,
        on_dropped: Callable[[bytes], object] | None,
    ) -> None:
        self._underscores = underscores
        self._on_dropped = on_dropped
        self.news = 0
        self._known: dict[bytes, Field] = {}

    def parse(self, line: bytes) -> Field:
        """Parse a line, given with the CR at its end, without the LF. Raises ProtocolError."""
        field = self._known.get(line)
        if field is None:
            self.news += 1
            field = self._look_at(line)
            if len(line) <= _REMEMBERED_SIZE:
                remember(self._known, line, field, _REMEMBERED)
        return field

    def _look_at(self, line: bytes) -> Field:
        if _is_line(line) is None:
            raise ProtocolError(400, _what_is_wrong(line))
        name, _, value = line.partition(b":")
        return self.field(name.lower(), value.strip(b" \t\r"))

    def field(self, name: bytes, value: bytes) -> Field:
        """What a well-formed field is to the server: ``name`` in lower case, ``value`` without white space around it.

        Raises ProtocolError.
        """
        if b"_" in name and self._underscores != "allow":
            if self._underscores == "refuse":
                raise ProtocolError(400, "a header name with an underscore")
            if self._on_dropped is not None:
                self._on_dropped(name)
            return Field(name, value, DROPPED, 0)
        kind = _KINDS.get(name, PLAIN)
        return Field(name, value, kind, _number(kind, value) if kind != PLAIN else 0)


_REMEMBERED: Final = 1024
"""Lines: too few to take much memory, enough for the clients that are at it."""

_REMEMBERED_SIZE: Final = 256

_KINDS: Final = {
    b"host": HOST,
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"connection": CONNECTION,
    b"expect": EXPECT,
    b"upgrade": UPGRADE,
}

# No white space in front of the colon, none in front of the name (a folded line), no control character but the tab.
_NAME: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_LINE: Final = re.compile(_NAME + rb":[\t\x20-\x7e\x80-\xff]*\r")
_is_line = _LINE.fullmatch

# RFC 3986, section 3.2.2.
_REGISTERED_NAME: Final = rb"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
_LITERAL: Final = rb"\[(?:[0-9A-Fa-f:.]+|[Vv][0-9A-Fa-f]+\.[A-Za-z0-9._~!$&'()*+,;=:-]+)\]"
AUTHORITY: Final = rb"(?:%b|%b+)(?::[0-9]*)?" % (_LITERAL, _REGISTERED_NAME)
"""What a host and a port may look like, as a regular expression."""

_HOST: Final = re.compile(rb"(?:%b)?" % AUTHORITY)


def _what_is_wrong(line: bytes) -> str:
    if line[:1] in (b" ", b"\t"):
        return "a header line that begins with white space"
    name, colon, _ = line.partition(b":")
    if not colon:
        return "a header line without a colon"
    if re.fullmatch(_NAME, name) is None:
        return "not a header name"
    return "a control character in a header"


def _number(kind: int, value: bytes) -> int:
    """See ``Field.number``. Raises ProtocolError when the value is not one that this kind of field can have."""
    if kind == HOST:
        if _HOST.fullmatch(value) is None:
            raise ProtocolError(400, "Host is not a host")
    elif kind == CONTENT_LENGTH:
        if not value.isdigit() or len(value) > 18:
            raise ProtocolError(400, "Content-Length is not a number")
        return int(value)
    elif kind == TRANSFER_ENCODING:
        _check_codings(elements(value))
    elif kind == CONNECTION:
        options = elements(value)
        asked = ((b"close", CLOSE), (b"keep-alive", KEEP_ALIVE), (b"upgrade", SWITCH))
        return sum(number for option, number in asked if option in options)
    elif kind == EXPECT:
        return int(value.lower() == b"100-continue")
    return 0


def set_host(headers: list[tuple[bytes, bytes]], authority: bytes) -> None:
    """Put an authority in the place of Host (RFC 9112, section 3.2.2; ASGI, "HTTP connection scope", on :authority)."""
    for index, (name, _) in enumerate(headers):
        if name == b"host":
            headers[index] = (name, authority)
            return
    headers.insert(0, (b"host", authority))


def elements(value: bytes) -> list[bytes]:
    """The elements of a list, in lower case (RFC 9110, section 5.6.1)."""
    return [element.strip(b" \t").lower() for element in value.split(b",")]


def _check_codings(codings: list[bytes]) -> None:
    """RFC 9112, section 6.3: without chunked, once and last, nobody knows where the body ends."""
    if codings[-1] != b"chunked" or codings.count(b"chunked") > 1 or b"" in codings:
        raise ProtocolError(400, "Transfer-Encoding does not end with chunked, once")
    if len(codings) > 1:
        raise ProtocolError(501, "a transfer coding other than chunked")  # RFC 9112, section 6.1
