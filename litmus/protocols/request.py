"""A request's head, and how HTTP/1 heads are parsed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from litmus.protocols.body import UNKNOWN
from litmus.protocols.errors import ProtocolError
from litmus.protocols.fields import (
    CLOSE,
    CONNECTION,
    CONTENT_LENGTH,
    DROPPED,
    EXPECT,
    HOST,
    KEEP_ALIVE,
    PLAIN,
    SWITCH,
    UPGRADE,
    FieldParser,
    set_host,
)
from litmus.protocols.lines import LineParser, RequestLine
from litmus.protocols.remembering import remember
from litmus.units import count

NO_BODY: Final = 0


class Request:
    """A request as it came over the wire, whatever the protocol. The same one may be served again and again, so nothing
    in it is changed, and an application gets a copy of its headers.

    Attributes:
        line: method, target and version.
        headers: names in lower case, in the order sent. Host is that of the target, if it has one.
        body: bytes of body to come, or ``UNKNOWN``.
        keep_alive: the connection may serve another request.
        expects_continue: the client waits for 100 (Continue) before it sends the body (RFC 9110, section 10.1.1).
        priority: what it asks for over HTTP/2, see ``http2.priority``.
        protocol: what the client wants to speak from here on: the value of ``Upgrade`` (RFC 9110, section 7.8), or of
            ``:protocol`` in an extended CONNECT (RFC 8441, section 4). None: nothing else.
    """

    __slots__ = ("body", "expects_continue", "headers", "keep_alive", "line", "priority", "protocol")

    def __init__(self, line: RequestLine, headers: list[tuple[bytes, bytes]]) -> None:
        self.line = line
        self.headers = headers
        self.body = NO_BODY
        self.keep_alive = True
        self.expects_continue = False
        self.priority = 0
        self.protocol: bytes | None = None

    def below(self, line: RequestLine) -> Request:
        """The request that has the same header section below another request line."""
        other = Request.__new__(Request)
        other.line = line
        other.headers = self.headers
        other.body = self.body
        other.keep_alive = self.keep_alive
        other.expects_continue = self.expects_continue
        other.priority = self.priority
        other.protocol = self.protocol
        return other


class HeadParser:
    """Parses HTTP/1 heads, one whole head at a time, so one parser serves all connections of a worker.

    What a client says about itself and its wishes is the same in all its requests, so header sections that have been
    parsed are remembered: the same bytes below a request line of HTTP/1.1 mean the same again. What asks for the same
    thing over and over, a health check or another service, sends the same head each time; short ones are remembered
    whole.

    Args:
        underscores: what becomes of fields with an underscore in their names: "drop", "allow" or "refuse". Who makes
            variables of names, as CGI and WSGI do, cannot tell X_Forwarded_For from X-Forwarded-For, which a proxy in
            front has checked.
        on_dropped: see ``FieldParser``.
        fields: how many a header section may have.

    Attributes:
        fields: says what fields mean, for other protocols as well.
    """

    __slots__ = ("_heads", "_known", "_lines", "_most", "fields")

    def __init__(
        self,
        underscores: str = "drop",
        on_dropped: Callable[[bytes], object] | None = None,
        fields: int = sys.maxsize,
    ) -> None:
        self._lines = LineParser()
        self.fields = FieldParser(underscores, on_dropped)
        self._most = fields
        self._known: dict[bytes, Request] = {}
        self._heads: dict[bytes, Request] = {}

    def recall(self, head: bytes) -> Request | None:
        """The request of a head that is remembered whole: then ``head`` is one, and nothing else."""
        if len(head) > _REMEMBERED_HEAD:
            return None
        return self._heads.get(head)

    def parse(self, head: bytes) -> Request:
        """Parse a head, blank line included (RFC 9112, sections 2 to 6).

        Raises ProtocolError when it is malformed or its framing is in doubt.
        """
        request_line, _, section = head.partition(b"\r\n")
        line = self._lines.parse(request_line)
        if line.authority or line.version != "1.1":
            request = self._read(section, line)
            if line.authority:
                set_host(request.headers, line.authority)
            return request
        known = self._known.get(section)
        if known is not None:
            request = known if known.line is line else known.below(line)
            if len(head) <= _REMEMBERED_HEAD:  # not before its second time: most don't come again
                remember(self._heads, head, request, _REMEMBERED)
            return request
        news = self.fields.news
        request = self._read(section, line)
        # What has something new in each request is not worth it.
        if self.fields.news == news and len(section) <= _REMEMBERED_SIZE:
            remember(self._known, section, request, _REMEMBERED)
        return request

    def _read(self, section: bytes, line: RequestLine) -> Request:
        """Parse a header section."""
        lines = section.split(b"\n")
        del lines[-2:]  # the empty line, and what is behind it
        if len(lines) > self._most:
            raise ProtocolError(431, f"the header section has more than {count(self._most, 'field')}")
        request = Request(line, [])
        headers = request.headers
        hosts = framings = connection = 0
        expects_continue = False
        upgrade = None
        for each in lines:
            field = self.fields.parse(each)
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
            elif kind == _UPGRADE:
                upgrade = field.pair[1] if upgrade is None else upgrade + b", " + field.pair[1]
            elif kind == _EXPECT:
                expects_continue = expects_continue or field.number == 1
            else:
                framings += 1
                if framings > 1:
                    # RFC 9112, section 6.1 to 6.3: what was meant cannot be told
                    raise ProtocolError(400, "Content-Length or Transfer-Encoding more than once, or both of them")
                request.body = field.number if kind == _CONTENT_LENGTH else UNKNOWN
        if line.version == "1.1":
            if not hosts:
                raise ProtocolError(400, "no Host header")  # RFC 9112, section 3.2
            request.keep_alive = not connection & _CLOSE
            request.expects_continue = expects_continue and request.body != NO_BODY
            if connection & _SWITCH:
                request.protocol = upgrade
        else:
            if request.body == UNKNOWN:
                raise ProtocolError(400, "Transfer-Encoding in an HTTP/1.0 request")  # RFC 9112, section 6.1
            request.keep_alive = connection & ~_SWITCH == _KEEP_ALIVE
        return request


_REMEMBERED: Final = 128
"""Header sections: too few to take much memory, enough for the clients that are at it."""

_REMEMBERED_SIZE: Final = 1024

_REMEMBERED_HEAD: Final = 256
"""Bytes in a whole head: to look for a longer one that is not there costs more than it may save."""

# What another module has is an object: these are numbers, for the code above.
_PLAIN, _DROPPED, _HOST, _CONTENT_LENGTH = PLAIN, DROPPED, HOST, CONTENT_LENGTH
_CONNECTION, _EXPECT, _UPGRADE = CONNECTION, EXPECT, UPGRADE
_CLOSE, _KEEP_ALIVE, _SWITCH = CLOSE, KEEP_ALIVE, SWITCH
