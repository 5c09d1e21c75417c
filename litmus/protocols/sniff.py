"""Which protocol a connection speaks, by its first bytes: HTTP/2 with prior knowledge begins with a preface (RFC 9113,
section 3.3), and everything else is HTTP/1.
"""

from __future__ import annotations

from typing import Final

from litmus.memory.lease import Lease
from litmus.protocols.http1 import Http1, Upgrade
from litmus.protocols.http2.connection import Http2
from litmus.protocols.http2.frames import PREFACE
from litmus.protocols.http2.request import RequestReader
from litmus.protocols.http2.upgrade import H2c
from litmus.protocols.limits import Limits
from litmus.protocols.machine import Deadline, Host, Machine, Sink
from litmus.protocols.request import HeadParser


class Protocols:
    """Those that are spoken: makes the machines of a worker's connections.

    Args:
        parser: the worker's, for HTTP/1.
        reader: the worker's, for HTTP/2; None: it is not spoken.
        websockets: those are offered over HTTP/2.
    """

    __slots__ = ("_parser", "_upgrade", "_websockets", "reader")

    def __init__(self, parser: HeadParser, reader: RequestReader | None, websockets: bool = False) -> None:
        self._parser = parser
        self._websockets = websockets
        self.reader = reader
        self._upgrade: Upgrade | None = None if reader is None else H2c(reader, websockets)

    def first(self, host: Host, limits: Limits, negotiated: str | None) -> Machine:
        """The machine that a connection begins with.

        ``negotiated`` is what was agreed upon in the TLS handshake: "h2", which must be spoken, "http/1.1" (RFC 7301;
        RFC 9113, section 3.2), or None where nothing was.
        """
        if negotiated is None:
            return Sniffer(host, self, limits)
        if negotiated == "h2":
            return self.http2(host, limits)
        return Http1(host, self._parser, limits, None)  # h2c is for who could not negotiate (RFC 7540, section 3.2)

    def http1(self, host: Host, limits: Limits) -> Http1:
        """The machine of a connection that speaks HTTP/1."""
        return Http1(host, self._parser, limits, self._upgrade)

    def http2(self, host: Host, limits: Limits) -> Http2:
        """The machine of a connection that speaks HTTP/2."""
        assert self.reader is not None, "it is spoken"
        return Http2(host, self.reader, limits, self._websockets)


class Sniffer:
    """The machine of a connection that has brought nothing yet. It hands over with the first bytes that tell.

    Args:
        host: the connection.
        protocols: those that it may turn out to speak.
        limits: what the peer may demand.
    """

    __slots__ = ("_draining", "_host", "_limits", "_protocols", "hungry", "lease")

    def __init__(self, host: Host, protocols: Protocols, limits: Limits) -> None:
        self._host = host
        self._protocols = protocols
        self._limits = limits
        self._draining = False
        self.hungry = True
        self.lease: Lease | None = None

    @property
    def deadline(self) -> int:
        """The deadline of the first byte, or of what follows it."""
        if self._draining:
            return Deadline.DRAIN
        return Deadline.HEAD if self.lease is not None else Deadline.FIRST_BYTE

    def received(self, lease: Lease) -> Machine | None:
        """See ``Machine.received``."""
        start = lease.peek(_ENOUGH)
        if not start:
            return self
        successor: Machine
        if self._protocols.reader is None or not _BEGINNING.startswith(start):
            successor = self._protocols.http1(self._host, self._limits)
        elif len(start) < _ENOUGH:
            return self
        else:
            successor = self._protocols.http2(self._host, self._limits)
        if self._draining:
            successor.drain()
        return successor

    def eof(self) -> Machine | None:
        """See ``Machine.eof``."""
        successor = self._as_http1()
        return None if successor is None else successor.eof()

    def lost(self) -> None:
        """See ``Machine.lost``."""

    def drain(self) -> None:
        """See ``Machine.drain``."""
        self._draining = True

    def drained(self) -> list[tuple[Sink | None, int]]:
        """See ``Machine.drained``."""
        return []

    def output_blocked(self) -> None:
        """See ``Machine.output_blocked``."""

    def output_unblocked(self) -> None:
        """See ``Machine.output_unblocked``."""

    def expired(self) -> Machine | None:
        """See ``Machine.expired``."""
        successor = self._as_http1()
        return None if successor is None else successor.expired()

    def _as_http1(self) -> Machine | None:
        """The machine that has something to say to bytes which did not tell, None if none have come."""
        lease = self.lease
        return None if lease is None else self._protocols.http1(self._host, self._limits).received(lease)


_ENOUGH: Final = len(b"PRI * HTTP/2.0\r\n")
_BEGINNING: Final = PREFACE[:_ENOUGH]
"""What nothing else begins with. An error in the rest of the preface is one of HTTP/2."""
