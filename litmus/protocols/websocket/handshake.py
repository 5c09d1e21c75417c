"""The opening handshake (RFC 6455, section 4.2), over HTTP/1.1 and over HTTP/2 (RFC 8441, section 5).

It reads a request that was parsed already, and nothing is parsed twice. wsproto, which the tests ask for a second
opinion, is not asked here: it has the handshake as events of a connection of h11 that it would have to be fed, and of
its functions, the one for ``Sec-WebSocket-Accept`` is a line, while the one for extensions takes the last of several
offers instead of the first, and parameters that nobody knows, and fails on windows that are no numbers.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final

from litmus.protocols.errors import ProtocolError, ResponseError
from litmus.protocols.machine import Headers
from litmus.protocols.request import NO_BODY, Request
from litmus.protocols.response import trailer_lines
from litmus.protocols.websocket.deflate import NAME, Agreement, DeflateSettings, Parameters

VERSION: Final = b"13"


class HandshakeError(ProtocolError):
    """A handshake that is none, or one of another version.

    Attributes:
        headers: what the response has to say besides.
    """

    def __init__(self, status: int, reason: str, headers: Headers = ()) -> None:
        super().__init__(status, reason)
        self.headers = list(headers)


class Handshake:
    """A client's opening handshake that was found right.

    Attributes:
        subprotocols: those that the client speaks, the one that it likes best first.
        offers: the extensions that it offers, by name, with their parameters, in the order of its preference.
    """

    __slots__ = ("_accept", "offers", "subprotocols")

    def __init__(self, accept: bytes, subprotocols: list[str], offers: list[tuple[str, Parameters]]) -> None:
        """``accept`` is the value of Sec-WebSocket-Accept; empty where there is none."""
        self._accept = accept
        self.subprotocols = subprotocols
        self.offers = offers

    def agree(self, settings: DeflateSettings) -> Agreement | None:
        """What to agree on about compression: the first offer that can be accepted (RFC 7692, section 5)."""
        for name, parameters in self.offers:
            if name == NAME and (agreement := settings.agree(parameters)) is not None:
                return agreement
        return None

    def fields(self, subprotocol: str | None, agreement: Agreement | None, headers: Headers) -> Headers:
        """The header section of the response that accepts, over HTTP/2 (there with 200): ours, and ``headers`` behind.

        Raises ResponseError when the client has not asked for the subprotocol, or ``headers`` have something that is
        not theirs to say.
        """
        fields = []
        if subprotocol is not None:
            if subprotocol not in self.subprotocols:
                raise ResponseError(f"the client has not asked for the subprotocol {subprotocol!r}")
            fields.append((b"sec-websocket-protocol", subprotocol.encode("ascii")))
        if agreement is not None:
            fields.append((b"sec-websocket-extensions", agreement.element().encode("ascii")))
        for name, value in headers:
            if name.lower() in _OURS:
                raise ResponseError(f"{name.lower().decode('ascii')} is for the server to send")
            fields.append((name, value))
        return fields

    def response(self, subprotocol: str | None, agreement: Agreement | None, headers: Headers) -> bytes:
        """The whole response that accepts, over HTTP/1.1. Raises ResponseError as ``fields`` does."""
        lines = trailer_lines(self.fields(subprotocol, agreement, headers))
        return b"".join((_SWITCHING, self._accept, b"\r\n", *lines, b"\r\n"))


def wanted(request: Request) -> bool:
    """Whether the request asks for a WebSocket.

    Over HTTP/1.1 whoever does so with another method than GET is not heard, as RFC 9110 allows (section 7.8).
    """
    if request.protocol is None:
        return False
    line = request.line
    if line.version == "2":
        return line.method == b"CONNECT" and request.protocol == b"websocket"
    return line.method == b"GET" and b"websocket" in _elements(request.protocol.lower())


def read_handshake(request: Request) -> Handshake:
    """Read a handshake that is ``wanted`` (section 4.2.1). Raises HandshakeError."""
    if request.line.version != "2" and request.body != NO_BODY:
        raise HandshakeError(400, "a WebSocket handshake with content")
    fields: dict[bytes, list[bytes]] = {name: [] for name in _READ}
    for name, value in request.headers:
        if name in fields:
            fields[name].append(value)
    versions = fields[b"sec-websocket-version"]
    if versions != [VERSION]:
        if not versions:
            raise HandshakeError(400, "a WebSocket handshake without Sec-WebSocket-Version")
        raise HandshakeError(426, "only version 13 of WebSocket is spoken here", _SPOKEN)  # section 4.4
    accept = b"" if request.line.version == "2" else _accept(fields[b"sec-websocket-key"])
    return Handshake(
        accept,
        _subprotocols(fields[b"sec-websocket-protocol"]),
        _offers(fields[b"sec-websocket-extensions"]),
    )


def _accept(keys: list[bytes]) -> bytes:
    """The value of Sec-WebSocket-Accept."""
    try:
        nonces = [base64.b64decode(key, validate=True) for key in keys]
    except binascii.Error:
        nonces = []
    if list(map(len, nonces)) != [16]:
        raise HandshakeError(400, "Sec-WebSocket-Key is not 16 bytes in Base64, once")
    return base64.b64encode(hashlib.sha1(keys[0] + _GUID, usedforsecurity=False).digest())


def _subprotocols(values: list[bytes]) -> list[str]:
    """The elements of Sec-WebSocket-Protocol."""
    elements = [element for value in values for element in _elements(value)]
    if not all(map(_TOKEN.fullmatch, elements)):
        raise HandshakeError(400, "Sec-WebSocket-Protocol is not a list of tokens")
    return [element.decode("ascii") for element in elements]


def _offers(values: list[bytes]) -> list[tuple[str, Parameters]]:
    """The elements of Sec-WebSocket-Extensions (section 9.1). What is in quotes has to be a token all the same."""
    offers = []
    for element in (element for value in values for element in _elements(value)):
        if _EXTENSION.fullmatch(element) is None:
            raise HandshakeError(400, "Sec-WebSocket-Extensions is not a list of extensions")
        name, *parameters = (part.strip(" \t") for part in element.decode("ascii").split(";"))
        offers.append((name, [_parameter(each) for each in parameters]))
    return offers


def _parameter(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    return name.rstrip(" \t"), value.strip(' \t"') if equals else None


def _elements(value: bytes) -> list[bytes]:
    """The elements of a list; empty ones do not count (RFC 9110, section 5.6.1)."""
    return [element for each in value.split(b",") if (element := each.strip(b" \t"))]


_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3
_SWITCHING: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: "
)
_SPOKEN: Final = ((b"sec-websocket-version", VERSION), (b"upgrade", b"websocket"), (b"connection", b"upgrade"))

_READ: Final = (
    b"sec-websocket-version",
    b"sec-websocket-key",
    b"sec-websocket-protocol",
    b"sec-websocket-extensions",
)
_OURS: Final = frozenset((*_READ, b"sec-websocket-accept"))

_CHARACTERS: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TOKEN: Final = re.compile(_CHARACTERS)
_PARAMETER: Final = rb'[ \t]*;[ \t]*%b(?:[ \t]*=[ \t]*(?:%b|"%b"))?' % (_CHARACTERS, _CHARACTERS, _CHARACTERS)
_EXTENSION: Final = re.compile(rb"%b(?:%b)*" % (_CHARACTERS, _PARAMETER))
