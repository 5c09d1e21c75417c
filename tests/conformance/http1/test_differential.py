"""A second opinion: random and mutated requests, read by Litmus's machine and by h11.

What both take must be the same to the byte: method, target, headers, body, and where the next request begins. Where
only one of them takes a request, this has to be one of the differences that are listed and explained here.
"""

import os
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

import h11
import pytest
from conformance.http1.runners import Reader
from conformance.http1.table import PROBE, get, message, post
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wire import Wire

from litmus.protocols.request import HeadParser

# -- opinions ----------------------------------------------------------------------------------------------------------


class Request(NamedTuple):
    """A request that was taken whole."""

    method: bytes
    target: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Opinion(NamedTuple):
    """What somebody makes of the bytes on a connection: the requests, and why it went no further ("" if it would)."""

    requests: tuple[Request, ...]
    refusal: str


def litmus_opinion(data: bytes) -> Opinion:
    reader = Reader()
    wire = Wire(reader, parser=HeadParser("allow")).feed(data)
    requests = tuple(
        Request(call.request.line.method, call.request.line.target, comparable(call.request.headers), call.body)
        for call in reader.whole
    )
    return Opinion(requests, wire.refusals[0].reason if wire.refusals else "")


def h11_opinion(data: bytes) -> Opinion:
    server = h11.Connection(h11.SERVER)
    server.receive_data(data)
    requests: list[Request] = []
    try:
        while server.our_state is h11.IDLE:
            head, body = server.next_event(), b""
            if not isinstance(head, h11.Request):
                break
            while isinstance(event := server.next_event(), h11.Data):
                body += event.data
            if not isinstance(event, h11.EndOfMessage):
                break
            requests.append(Request(head.method, head.target, comparable(head.headers), body))
            # Not 200, which would turn the connection of a CONNECT into something else.
            server.send(h11.Response(status_code=404, headers=[("content-length", "0")]))
            server.send(h11.EndOfMessage())
            if server.our_state is h11.DONE:
                server.start_next_cycle()
    except h11.RemoteProtocolError as error:
        return Opinion(tuple(requests), str(error))
    return Opinion(tuple(requests), "")


def comparable(fields: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """Without Host, which an absolute target replaces, and with codings as h11 spells them."""
    return tuple(
        (name, value.lower() if name == b"transfer-encoding" else value) for name, value in fields if name != b"host"
    )


# -- differences -------------------------------------------------------------------------------------------------------


class Difference(NamedTuple):
    """One way in which the opinions differ.

    Attributes:
        why: what is to be said for ours.
        example: bytes in which it shows.
        shows: whether it is this, by the bytes and the two opinions.
    """

    why: str
    example: bytes
    shows: Callable[[bytes, Opinion, Opinion], bool]


def stricter(why: str, example: bytes, refusal: str, pattern: bytes = rb"") -> Difference:
    """Litmus refuses, in words that have ``refusal`` in them, what h11 takes: what ``pattern`` finds in the bytes."""
    words, found = re.compile(refusal), re.compile(pattern, re.DOTALL)

    def shows(data: bytes, ours: Opinion, theirs: Opinion) -> bool:
        refused = words.search(ours.refusal) is not None and len(ours.requests) <= len(theirs.requests)
        return refused and found.search(data) is not None

    return Difference(why, example, shows)


def looser(why: str, example: bytes, refusal: str, pattern: bytes) -> Difference:
    """h11 refuses, in words that have ``refusal`` in them, what Litmus takes: what ``pattern`` finds in the bytes."""
    words, found = re.compile(refusal), re.compile(pattern, re.DOTALL)

    def shows(data: bytes, ours: Opinion, theirs: Opinion) -> bool:
        refused = words.search(theirs.refusal) is not None and len(theirs.requests) <= len(ours.requests)
        return refused and found.search(data) is not None

    return Difference(why, example, shows)


def stays(data: bytes, ours: Opinion, theirs: Opinion) -> bool:
    """h11 has closed a connection on which Litmus goes on."""
    closed = not theirs.refusal and len(theirs.requests) <= len(ours.requests)
    return closed and re.search(rb"HTTP/1\.0\r?\n.*keep-alive", data, re.DOTALL) is not None


def chunked(body: bytes) -> bytes:
    return post("Transfer-Encoding: chunked", body=body)


BARE_LF = rb"(?<!\r)\n"
BARE_CR = rb"\r(?!\n)"
CONTROL = rb"[\x00-\x08\x0b-\x1f\x7f]"
FOLD = rb"\r?\n[ \t]"
LENGTHS = rb"(?i)content-length:[^\n]*(,|\n.*content-length:)"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"

DIFFERENCES = {
    "methods": stricter(
        "RFC 9110, section 9.1 has 501 for what a server does not know; h11 leaves methods to its caller",
        message("FOO / HTTP/1.1", "Host: a"),
        "a method that is not known|CONNECT|the preface of HTTP/2",
    ),
    "versions": stricter(
        "RFC 9110, section 15.6.6 has 505 for them; h11 leaves them to its caller",
        message("GET / HTTP/2.0", "Host: a"),
        "only HTTP/1.0 and HTTP/1.1",
        rb"HTTP/[02-9]\.[0-9]",
    ),
    "targets": stricter(
        "RFC 9112, section 3.2 has four forms; h11 takes anything visible",
        get(target="a"),
        "request target",
    ),
    "escapes": stricter(
        "RFC 3986, section 2.1: what cannot be decoded is no path; h11 decodes nothing",
        get(target="/%zz"),
        "percent sign",
        rb"%",
    ),
    "Host": stricter(
        "RFC 9112, section 3.2: an invalid value is 400; h11 only counts Host headers",
        message("GET / HTTP/1.1", "Host: a b"),
        "Host is not a host",
        rb"(?i)host:",
    ),
    "no Host in a later version": stricter(
        "RFC 9110, section 2.5: HTTP/1.2 is taken for HTTP/1.1; h11 asks for Host in HTTP/1.1 alone",
        message("GET / HTTP/1.2"),
        "no Host",
        rb"HTTP/1\.[2-9]",
    ),
    "bare LF": stricter(
        "RFC 9112, section 2.2: may be taken for a line's end, and need not; requests are smuggled by it",
        b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        "ends without CR|not ended by CRLF|not a request|a control character in a header|trailer field|chunk extension",
        BARE_LF,
    ),
    "bare CR in a chunk extension": stricter(
        "RFC 9112, section 2.2: is invalid, or is replaced by a space",
        chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
        "not ended by CRLF",
        BARE_CR,
    ),
    "folding": stricter(
        "RFC 9112, section 5.2: is refused, or replaced by spaces",
        get("A: b", " c"),
        "begins with white space",
        FOLD,
    ),
    "control characters": stricter(
        "RFC 9110, section 5.5: no field value has them; h11 finds fault with NUL and white space",
        get(b"A: \x01"),
        "a control character in a header",
        CONTROL,
    ),
    "control characters in a chunk extension": stricter(
        "RFC 9112, section 7.1.1: it is made of tokens and quoted strings, which don't have them",
        chunked(b"5;a=\x01\r\nhello\r\n0\r\n\r\n"),
        "in a chunk extension",
        CONTROL,
    ),
    "trailers": stricter(
        "The same, and folding, in the trailer section",
        chunked(b"0\r\nA: b\r\n c\r\n\r\n"),
        "not a trailer field",
        CONTROL + rb"|" + FOLD,
    ),
    "white space behind a chunk size": stricter(
        "RFC 9112, section 7.1 has none there",
        chunked(b"5 \r\nhello\r\n0\r\n\r\n"),
        "chunk size",
        rb"[0-9a-fA-F][ \t]+\r?\n",
    ),
    "a list of lengths": stricter(
        "RFC 9112, section 6.3: an invalid value, or replaced by one that is repeated; nobody sends it in good faith",
        post("Content-Length: 5, 5", body=b"hello"),
        "Content-Length",
        LENGTHS,
    ),
    "large numbers": stricter(
        "18 digits for a length, or 15 for a chunk's, are more than anybody has to send; h11 takes 20",
        post("Content-Length: 1000000000000000000"),
        "Content-Length|chunk size",
        rb"[0-9a-fA-F]{16}",
    ),
    "length and coding": stricter(
        "RFC 9112, section 6.3: ought to be handled as an error; h11 takes the coding",
        post("Content-Length: 15", "Transfer-Encoding: chunked", body=CHUNKS),
        "Content-Length",
        rb"(?i)transfer-encoding:",
    ),
    "a coding in HTTP/1.0": stricter(
        "RFC 9112, section 6.1: its framing is faulty",
        message("POST / HTTP/1.0", "Transfer-Encoding: chunked", body=CHUNKS),
        "Transfer-Encoding",
        rb"HTTP/1\.0",
    ),
    "empty lines": looser(
        "RFC 9112, section 2.2: one at least is to be ignored before a request line",
        b"\r\n" + get(),
        "no request line",
        rb"\r\n",
    ),
    "what trailers say about framing": looser(
        "RFC 9110, section 6.5.1: trailers may be dropped, so it does not matter; h11 looks into them as into headers",
        chunked(b"0\r\nTransfer-Encoding: gzip\r\n\r\n"),
        "Transfer-Encoding|Content-Length",
        rb"(?i)chunked.*\n0",
    ),
    "HTTP/1.0 that stays": Difference(
        "RFC 9112, section 9.3: the connection may persist; h11 closes it",
        message("GET / HTTP/1.0", "Connection: keep-alive"),
        stays,
    ),
}


def differ(ours: Opinion, theirs: Opinion) -> bool:
    """Whether one takes what the other refuses. What both take has to be the same."""
    both = min(len(ours.requests), len(theirs.requests))
    assert ours.requests[:both] == theirs.requests[:both]
    return (len(ours.requests), bool(ours.refusal)) != (len(theirs.requests), bool(theirs.refusal))


def explanations(data: bytes, ours: Opinion, theirs: Opinion) -> list[str]:
    return [name for name, difference in DIFFERENCES.items() if difference.shows(data, ours, theirs)]


def check(sent: bytes) -> None:
    data = sent + PROBE
    ours, theirs = litmus_opinion(data), h11_opinion(data)
    if differ(ours, theirs):
        assert explanations(data, ours, theirs), f"{data!r}\nLitmus: {ours}\nh11: {theirs}"


@pytest.mark.parametrize("name", DIFFERENCES)
def test_every_difference_is_one(name: str) -> None:
    data = DIFFERENCES[name].example + PROBE
    ours, theirs = litmus_opinion(data), h11_opinion(data)
    assert differ(ours, theirs), "the two agree: this is no difference any more"
    assert explanations(data, ours, theirs) == [name]


# -- requests ----------------------------------------------------------------------------------------------------------

METHODS = b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"M-SEARCH", b"get", b"FOO", b"CONNECT", b"PRI"
TARGETS = (
    b"/", b"/a?b", b"//x", b"/%2f", b"http://b/c", b"http://b?c", b"*", b"a:80", b"/%zz", b"/a#b", b"/\xff", b"http://u@b/",
)  # fmt: skip
VERSIONS = b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/1.10", b"http/1.1", b"HTTP/0.9"
HEADS = (
    b"Host: a", b"Host: a\r\nContent-Length: 5", b"Host: a\r\nTransfer-Encoding: chunked",
    b"Host: a\r\nConnection: keep-alive", b"A: b",
)  # fmt: skip
NAMES = (
    b"Content-Length", b"Transfer-Encoding", b"TRANSFER-ENCODING", b"Host", b"Connection", b"Expect", b"Upgrade", b"X",
    b"X_Y", b"X-\xe4", b"", b" X", b"X ",
)  # fmt: skip
VALUES = (
    b"5", b"05", b"0", b"5, 5", b"+5", b"5 ", b"", b"999999999999999999", b"99999999999999999999",
    b"chunked", b"Chunked", b"chunked ", b"chunked\t", b"\tchunked", b",chunked", b"xchunked", b"chunked, chunked",
    b"gzip, chunked", b"identity", b"a", b"a:80", b"a b", b"close", b"keep-alive", b"upgrade", b"h2c", b"100-continue",
    b"y\x80", b"y\x01", b"y\tz",
)  # fmt: skip
BODIES = (
    b"", b"hello", CHUNKS, b"5;x\r\nhello\r\n0\r\nA: b\r\n\r\n", b"05\r\nhello\r\n000\r\n\r\n", b"0\r\n\r\n",
    b"0;x\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n", b"0x5\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n", b"5;a=\x01\r\nhello\r\n0\r\n\r\n", b"0\r\nContent-Length: 5\r\n\r\n",
    b"0\r\nTransfer-Encoding: gzip\r\n\r\n", b"0\r\nA : b\r\n\r\n", b"0\r\nA: b\r\n c\r\n\r\n", b"0\r\nA\r\n\r\n",
)  # fmt: skip
PIECES = (
    b"", b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b";", b",", b"0", b"1", b"-", b"+", b"_", b"x", b"\xff", b"%",
    b"#", b"/", b"\x0b", b"\x7f", b"\r\n ", b"\r\n\r\n", b"HTTP/1.0", b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
)  # fmt: skip


def usually(value: bytes, others: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    return st.one_of(st.just(value), st.sampled_from(others))


COLONS = b": ", b":", b":\t"
FIELDS = st.tuples(st.sampled_from(NAMES), st.sampled_from(COLONS), st.sampled_from(VALUES)).map(b"".join)
LINES = st.tuples(usually(b"POST", METHODS), usually(b"/", TARGETS), usually(b"HTTP/1.1", VERSIONS)).map(b" ".join)
REQUESTS = st.builds(
    lambda line, head, fields, body: b"\r\n".join([line, head, *fields, b"", body]),
    LINES,
    st.sampled_from(HEADS),
    st.lists(FIELDS, max_size=3),
    st.sampled_from(BODIES),
)
MUTATIONS = st.one_of(
    st.sampled_from(PIECES), st.binary(min_size=1, max_size=2), st.sampled_from(NAMES + VALUES + TARGETS + VERSIONS)
)
CUTS = st.tuples(st.integers(0, 300), st.integers(0, 8), MUTATIONS)


@settings(max_examples=1000, deadline=None, derandomize="CI" in os.environ)
@given(st.lists(REQUESTS, min_size=1, max_size=3), st.lists(CUTS, max_size=5))
def test_whatever_is_sent_the_two_agree_or_it_is_known_why_not(
    requests: list[bytes], cuts: list[tuple[int, int, bytes]]
) -> None:
    sent = b"".join(requests)
    for at, size, piece in cuts:
        sent = sent[:at] + piece + sent[at + size :]
    check(sent)
