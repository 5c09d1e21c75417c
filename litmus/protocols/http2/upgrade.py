"""Going over to HTTP/2 from a request of HTTP/1.1 with ``Upgrade: h2c`` (RFC 7540, section 3.2).

RFC 9113 has done away with it, but clients that cannot know what a server speaks still ask for it.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from litmus.protocols.fields import elements
from litmus.protocols.http2 import priority
from litmus.protocols.http2.connection import Http2
from litmus.protocols.http2.errors import Http2ConnectionError
from litmus.protocols.http2.frames import parameters
from litmus.protocols.http2.request import RequestReader
from litmus.protocols.limits import Limits
from litmus.protocols.lines import RequestLine
from litmus.protocols.machine import Host
from litmus.protocols.request import Request

_SWITCHING: Final = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n"


class H2c:
    """HTTP/2, as ``http1.Upgrade`` has it.

    Args:
        reader, extended: see ``Http2``.
    """

    __slots__ = ("_extended", "_reader")

    def __init__(self, reader: RequestReader, extended: bool = False) -> None:
        self._reader = reader
        self._extended = extended

    def wanted(self, request: Request) -> bool:
        """See ``Upgrade.wanted``. Who does not ask for it as it has to is not heard (section 3.2.1)."""
        return _settings(request) is not None

    def machine(self, host: Host, limits: Limits, request: Request, content: bytes) -> Http2:
        """See ``Upgrade.machine``. The request is answered on stream 1."""
        settings = _settings(request)
        assert settings is not None, "it is wanted"
        host.write(_SWITCHING)
        host.interim(101)
        machine = Http2(host, self._reader, limits, self._extended)
        machine.adopt(_as_http2(request), settings, content)
        return machine


def _settings(request: Request) -> list[tuple[int, int]] | None:
    """The client's parameters; None: it is not asked for, or not as it has to be (section 3.2.1)."""
    if b"h2c" not in elements(request.protocol or b""):
        return None
    values = [value for name, value in request.headers if name == b"http2-settings"]
    options = b",".join(value for name, value in request.headers if name == b"connection")
    if len(values) != 1 or b"http2-settings" not in elements(options):
        return None
    try:
        payload = base64.b64decode(values[0] + b"=" * (-len(values[0]) % 4), altchars=b"-_", validate=True)
        return parameters(payload)
    except (binascii.Error, Http2ConnectionError):
        return None


def _as_http2(request: Request) -> Request:
    """The request as if it had come over HTTP/2."""
    line = request.line
    origin = line.raw_path + b"?" + line.query if b"?" in line.target else line.raw_path
    other = request.below(RequestLine(line.method, line.target, "2", line.authority, origin))
    other.headers = [field for field in request.headers if field[0] not in _CONNECTION_SPECIFIC or field == _TRAILERS]
    other.expects_continue = False
    wanted = [value for name, value in request.headers if name == b"priority"]
    other.priority = priority.parse(wanted[-1]) if wanted else priority.DEFAULT
    other.protocol = None
    return other


_TRAILERS: Final = (b"te", b"trailers")
_CONNECTION_SPECIFIC: Final = frozenset(
    {b"connection", b"http2-settings", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"}
)
