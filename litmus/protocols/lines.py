"""Request lines, and what they say (RFC 9112, section 3)."""

from __future__ import annotations

import re
from itertools import product
from typing import Final
from urllib.parse import unquote_to_bytes

from litmus.protocols.errors import ProtocolError
from litmus.protocols.fields import AUTHORITY
from litmus.protocols.remembering import remember


class RequestLine:
    """A request line that was found well-formed, taken apart.

    Attributes:
        method: as sent, upper case in all methods that exist.
        verb: the same as text.
        target: the request target as sent: ``/path?query``, ``http://host/path``, ``*``.
        version: "1.0", "1.1" or "2".
        old: it is 1.0.
        authority: that of an absolute target, else empty.
        path: the path, decoded. What is not UTF-8 in it has been replaced.
        raw_path: the path as sent.
        query: what is behind the question mark, as sent.
    """

    __slots__ = ("authority", "method", "old", "path", "query", "raw_path", "target", "verb", "version")

    def __init__(self, method: bytes, target: bytes, version: str, authority: bytes, origin: bytes) -> None:
        """``origin`` is the target in origin-form. Raises ProtocolError when its path cannot be decoded."""
        self.method = method
        self.verb = method.decode("ascii")
        self.target = target
        self.version = version
        self.old = version == "1.0"
        self.authority = authority
        self.raw_path, _, self.query = origin.partition(b"?")
        self.path = _decoded(self.raw_path) if _PERCENT in self.raw_path else self.raw_path.decode("ascii")


class LineParser:
    """Parses request lines. Many come again and again, so those that were well-formed are remembered."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, RequestLine] = {}

    def parse(self, line: bytes) -> RequestLine:
        """Parse a line, given without its CRLF. Raises ProtocolError."""
        known = self._known.get(line)
        if known is None:
            known = _look_at(line)
            if len(line) <= _REMEMBERED_SIZE:
                remember(self._known, line, known, _REMEMBERED)
        return known


def _look_at(line: bytes) -> RequestLine:
    parts = line.split(b" ")
    if len(parts) != 3:
        raise ProtocolError(400, "not a request line: method, target and version, one space apart")
    method, target, digits = parts
    check_method(method)
    version = _VERSIONS.get(digits)
    if version is None:
        version = _other_version(digits)
    if method == b"PRI":
        raise ProtocolError(400, "the preface of HTTP/2 with another version")  # RFC 9113, section 3.4
    authority, origin = b"", target
    if target[:1] != b"/":
        authority, origin = _origin_form(method, target)
    # What a path may have, see _REST, in less time.
    elif not (target.isascii() and target.decode("ascii").isprintable()) or _HASH in target:
        raise ProtocolError(400, "a character in the request target that must be encoded")
    return RequestLine(method, target, version, authority, origin)


def _other_version(digits: bytes) -> str:
    """The version that one which is not spoken here is taken for."""
    if _VERSION.fullmatch(digits) is None:
        raise ProtocolError(400, "not a version of HTTP")
    if not digits.startswith(b"HTTP/1."):
        raise ProtocolError(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
    return "1.1"  # a later minor version is taken for the last that is known (RFC 9110, section 2.5)


def check_method(method: bytes, tunnels: bool = False) -> None:
    """Refuse a method that is not served here; CONNECT is one unless ``tunnels``. Raises ProtocolError."""
    if method in METHODS or (tunnels and method == b"CONNECT"):
        return
    if not method or not _TOKEN.issuperset(method):
        raise ProtocolError(400, "not a request")
    if method == b"CONNECT":
        raise ProtocolError(501, "CONNECT: this is not a proxy")
    raise ProtocolError(501, "a method that is not known here")  # RFC 9110, section 9.1


def _origin_form(method: bytes, target: bytes) -> tuple[bytes, bytes]:
    """The authority, and the origin-form, of a target that is not in it (RFC 9112, section 3.2)."""
    if target == b"*":
        if method != b"OPTIONS":
            raise ProtocolError(400, "the request target * is for OPTIONS only")
        return b"", target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise ProtocolError(400, "the request target is neither a path nor an http URI")
    authority, rest = absolute.groups()
    return authority, rest if rest[:1] == b"/" else b"/" + rest


def _decoded(raw_path: bytes) -> str:
    """A path without its escapes. One that encodes nothing, or NUL, is refused: nobody knows what it stands for."""
    for part in raw_path.split(b"%")[1:]:
        if part[:2] not in _ESCAPES:
            raise ProtocolError(400, "a percent sign in the path that encodes nothing, or NUL")
    return unquote_to_bytes(raw_path).decode("utf-8", "replace")


def check_beginning(head: bytes) -> None:
    """Refuse what can't become a request head any more, before its peer has us wait for the rest.

    What is wrong with a head is the same in however many pieces it comes. Raises ProtocolError.
    """
    if head[0] == _TLS_HANDSHAKE:
        raise ProtocolError(400, "this is TLS, and plain HTTP is spoken here")
    method, space, _ = head[: _LONGEST_METHOD + 1].partition(b" ")
    if space or len(method) > _LONGEST_METHOD or not _TOKEN.issuperset(method):
        check_method(method)
    line, end, _ = head.partition(b"\n")
    if end and line.endswith(b"\r"):
        _look_at(line[:-1])
    if head.count(b"\n") != head.count(b"\r\n"):
        raise ProtocolError(400, "a line that ends without CR")


_TLS_HANDSHAKE: Final = 0x16

METHODS: Final = frozenset(
    b"GET HEAD POST PUT PATCH DELETE OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND "
    b"UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PURGE MKCALENDAR LINK UNLINK "
    b"SOURCE QUERY PRI".split()
)
"""Those of the IANA registry that applications use, and PRI, with which HTTP/2 begins (RFC 9113, section 3.4)."""

_LONGEST_METHOD: Final = max(map(len, METHODS))

_REMEMBERED: Final = 1024
"""Lines: too few to take much memory, enough for the resources that are asked for all the time."""

_REMEMBERED_SIZE: Final = 256

_HASH, _PERCENT = b"#%"
_TOKEN: Final = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_VERSIONS: Final = {b"HTTP/1.1": "1.1", b"HTTP/1.0": "1.0"}
_VERSION: Final = re.compile(rb"HTTP/[0-9]\.[0-9]")

_DIGITS: Final = b"0123456789ABCDEFabcdef"
_ESCAPES: Final = frozenset(bytes(pair) for pair in product(_DIGITS, _DIGITS)) - {b"00"}

# Browsers send more characters in a path than RFC 3986, section 3.3 has, so all that are visible do, but for # (RFC
# 9112, section 3.2).
_REST: Final = rb'(?:[/?][!"$-~]*)?'
_ABSOLUTE: Final = re.compile(rb"(?i:https?)://(%b)(%b)" % (AUTHORITY, _REST))
