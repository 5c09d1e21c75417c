"""Which protocol a connection speaks: the preface of HTTP/2 split everywhere, and what only begins like it."""

import pytest
from support.http2 import PREFACE, Type, get, settings
from support.wire import LIMITS, Wire, ok
from support.wire2 import Wire2

from litmus.protocols.http1 import Http1
from litmus.protocols.http2.connection import Http2
from litmus.protocols.http2.request import RequestReader
from litmus.protocols.http2.upgrade import H2c
from litmus.protocols.machine import Deadline
from litmus.protocols.request import HeadParser
from litmus.protocols.sniff import Protocols, Sniffer

TELLS = len(b"PRI * HTTP/2.0\r\n")
REST = b" / HTTP/1.1\r\nHost: a\r\n\r\n"
GOING_OVER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n\r\n"


def sniffing(offered: bool = True) -> Wire2:
    return Wire2(ok, sniffing=True, offered=offered, judged=False)


@pytest.mark.parametrize("size", range(1, len(PREFACE) + 1))
def test_the_preface_split_in_two(size: int) -> None:
    wire = sniffing().feed(PREFACE[:size])
    assert isinstance(wire.machine, Sniffer if size < TELLS else Http2)
    assert wire.machine.deadline == Deadline.HEAD
    wire.feed(PREFACE[size:] + settings() + settings(ack=True) + get(1))
    assert len(wire.calls) == 1


def test_the_preface_byte_by_byte() -> None:
    sent = PREFACE + settings() + settings(ack=True) + get(1)
    wire = sniffing().feed_all([bytes([byte]) for byte in sent])
    assert len(wire.calls) == 1


@pytest.mark.parametrize("method", [b"P", b"POST", b"PUT", b"PRI", b"PR", b"PROPFIND", b"PATCH", b"GET", b"get"])
def test_what_only_begins_like_it(method: bytes) -> None:
    sent = method + REST
    whole = Wire(ok).feed(sent).out
    for size in range(1, len(sent)):
        wire = sniffing().feed(sent[:size])
        assert isinstance(wire.machine, Sniffer if PREFACE.startswith(sent[:size]) else Http1)
        if not wire.closed:
            wire.feed(sent[size:])
        assert isinstance(wire.machine, Http1)
        assert wire.out == whole


@pytest.mark.parametrize("size", range(1, TELLS))
def test_what_has_not_told_is_http1(size: int) -> None:
    late = sniffing().feed(PREFACE[:size])
    late.expire()
    assert late.closed or late.ended
    assert late.out == Wire().feed(PREFACE[:size]).expire().out
    gone = sniffing().feed(PREFACE[:size]).eof()
    assert gone.out == Wire().feed(PREFACE[:size]).eof().out


def test_nothing_is_nothing() -> None:
    assert sniffing().machine.deadline == Deadline.FIRST_BYTE
    for wire in (sniffing(), sniffing()):
        wire.machine.output_blocked()
        wire.machine.output_unblocked()
    late, gone = sniffing(), sniffing()
    assert late.machine.expired() is None
    assert gone.eof().closed
    assert not gone.out
    sniffing().lose()


@pytest.mark.parametrize(("negotiated", "kind"), [("h2", Http2), ("http/1.1", Http1), (None, Sniffer)])
def test_what_was_negotiated_is_spoken(negotiated: str | None, kind: type) -> None:
    """RFC 9113, section 3.2: with "h2" there is nothing to sniff, and the preface of the client all the same."""
    parser = HeadParser()
    protocols = Protocols(parser, RequestReader(parser.fields))
    wire = Wire2(ok)
    wire.machine = protocols.first(wire, wire.limits, negotiated)
    assert isinstance(wire.machine, kind)
    assert wire.machine.deadline == Deadline.FIRST_BYTE
    assert not wire.out, "the client is asked for nothing before it says something"
    wire.feed(b"GET" + REST)
    assert wire.out.startswith(b"HTTP/1.1 200 " if kind is not Http2 else b"\0\0\x12\4")
    assert wire.ended == (kind is Http2)


def test_who_negotiated_http1_cannot_go_over() -> None:
    """RFC 7540, section 3.2: h2c is for connections without TLS."""
    wire = Wire(ok)
    parser = HeadParser()
    wire.machine = Protocols(parser, RequestReader(parser.fields)).first(wire, LIMITS, "http/1.1")
    wire.feed(b"GET / HTTP/1.1\r\nHost: a\r\n" + GOING_OVER)
    assert wire.out.startswith(b"HTTP/1.1 200 ")


def test_where_http2_is_not_offered() -> None:
    wire = sniffing(offered=False).feed(PREFACE)
    assert isinstance(wire.machine, Http1)
    assert wire.out == Wire().feed(PREFACE).out
    assert wire.out.startswith(b"HTTP/1.1 505 ")


@pytest.mark.parametrize("size", [0, 3, TELLS, len(PREFACE)])
def test_draining(size: int) -> None:
    wire = sniffing()
    if size:
        wire.feed(PREFACE[:size])
    wire.machine.drain()
    assert wire.machine.deadline == (Deadline.DRAIN if size < TELLS else Deadline.HEAD)
    wire.take_output()
    wire.feed(PREFACE[size:] + settings() + settings(ack=True))
    assert Type.GOAWAY in [frame.kind for frame in wire.frames()]


def test_draining_before_http1() -> None:
    wire = sniffing()
    wire.machine.drain()
    wire.feed(b"GET" + REST)
    assert b"connection: close" in wire.out.lower()


def test_who_has_finished_sending_cannot_go_over() -> None:
    """Nothing of what HTTP/2 begins with can come any more."""
    parser = HeadParser()
    wire = Wire()
    wire.machine = Http1(wire, parser, LIMITS, H2c(RequestReader(parser.fields)))
    wire.feed(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n" + GOING_OVER).eof()
    for call in wire.calls:
        call.respond(b"ok")
        wire.settle()
    assert [call.request.line.target for call in wire.calls] == [b"/1", b"/2"]
    assert wire.out.count(b"HTTP/1.1 200 OK") == 2
    assert wire.closed
