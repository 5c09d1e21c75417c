"""Requests: their control data, their fields, their content, and what an answer may hold."""

from itertools import permutations

from conformance.http2.table import (
    EARLY,
    GET,
    MALFORMED,
    OK,
    Asked,
    Expected,
    Outcome,
    Row,
    answered,
    either,
    interim,
    over,
    refused,
    reset,
    served,
)
from support.http2 import Error, Field, continuation, data, get, headers, literal, post, request

MESSAGES = "RFC 9113, section 8.1"
LENGTHS = "RFC 9113, section 8.1.1"
FIELDS = "RFC 9113, section 8.2.1"
LOWER = "RFC 9113, section 8.2"
SPECIFIC = "RFC 9113, section 8.2.2"
COOKIES = "RFC 9113, section 8.2.3"
PSEUDO = "RFC 9113, section 8.3"
CONTROL = "RFC 9113, section 8.3.1"
CONNECT = "RFC 9113, section 8.5"
ENCAPSULATION = "RFC 9113, section 10.3"
CONTINUE = "RFC 9110, section 10.1.1"

HELLO = Asked("POST", "/post", b"hello")
HOST = (b"host", b"a")
TOKEN = "!#$%&'*+-.^`|~0123456789abcdefghijklmnopqrstuvwxyz"
UPPER = range(0x41, 0x5B)
# What section 8.2.1 excludes from names, and what is left that is no character of a token (RFC 9110, section 5.6.2).
BAD_IN_NAMES = (*range(0x21), *UPPER, *range(0x7F, 0x100))
NO_TOKEN = b'"(),/;<=>?@[\\]{}'
FATAL_IN_VALUES = (0x00, 0x0A, 0x0D)
CONTROLS = tuple(byte for byte in (*range(0x20), 0x7F) if byte not in (*FATAL_IN_VALUES, 0x09))


def malformed(name: str, rfc: str, *fields: Field, **pseudo: str | bytes | None) -> Row:
    return refused(name, rfc, get(1, *fields, **pseudo))


def raw(name: str, rfc: str, fields: list[Field]) -> Row:
    """A request of exactly these fields."""
    return refused(name, rfc, headers(1, fields, end=True))


def with_fields(name: str, rfc: str, *fields: Field, gets: tuple[Field, ...] | None = None) -> Row:
    """The application gets these."""
    came = tuple((name.encode(), value.encode("latin-1")) for name, value in (fields if gets is None else gets))  # type: ignore[union-attr]
    return served(name, rfc, get(1, *fields), asked=(Asked(fields=(HOST, *came)),))


def content(name: str, length: str, *pieces: bytes, rfc: str = LENGTHS) -> Row:
    """A request whose content is not as long as it says; the application never sees its end."""
    sent = [data(1, piece, end=at == len(pieces) - 1) for at, piece in enumerate(pieces)]
    return refused(name, rfc, post(1, ("content-length", length)) + b"".join(sent))


def trailing(name: str, rfc: str, *fields: Field, end: bool = True) -> Row:
    return refused(name, rfc, post(1) + data(1, b"hello") + headers(1, fields, end=end))


def target(path: str, asked_path: str, query: bytes = b"", method: str = "GET") -> Row:
    return served(f"{method} {path}", CONTROL, get(1, path=path, method=method),
                  asked=(Asked(method, asked_path, query=query),), application=True)  # fmt: skip


PLAIN = request()
BAD_PATHS = (
    "a", "a/b", "?a", "http://a/", "http:", "\\a", "*a", "*?", "**", "/ a", "/a b", "/a ", " /", "/\t", "/a#b",
    "/#", "/\x00", "/\x7f", "/\r\n", "/\n", "/ HTTP/1.1\r\nx: y",
)  # fmt: skip
BAD_METHODS = (
    "",
    "GE T",
    "GET ",
    " GET",
    "G\x00T",
    "GET\r\n",
    "G:T",
    "G(T",
    "G\x7fT",
    "GET / HTTP/1.1\r\nx: y",
    "G\xcbT",
)
BAD_SCHEMES = ("", " ", "ht tp", "http:", "://", "1http", "http\n", "http://a/?x=", "h\x00")
BAD_AUTHORITIES = (
    "u@a",
    "u:p@a",
    "@a",
    "a b",
    "a/b",
    "a?b",
    "a#b",
    "a\x00",
    "a\r\nx: y",
    "a\\b",
    "http://a",
    "[::1",
    "a:b",
)
BAD_LENGTHS = (
    "",
    " ",
    "+5",
    "-5",
    "0x5",
    "5,5",
    "5, 5",
    "5;",
    "5.0",
    "5e0",
    "five",
    "5 5",
    "18446744073709551621",
    "9" * 100,
)
SPECIFIC_FIELDS = {
    "connection": "close", "connection: keep-alive": "keep-alive", "connection: x": "x", "connection: empty": "",
    "proxy-connection": "keep-alive", "keep-alive": "timeout=5", "transfer-encoding": "chunked",
    "transfer-encoding: identity": "identity", "upgrade": "h2c", "upgrade: websocket": "websocket", "te": "gzip",
    "te: chunked": "chunked", "te: two": "trailers, gzip", "te: weighted": "trailers;q=0.5", "te: empty": "",
    "te: twice": "trailers, trailers",
}  # fmt: skip

TABLE = [
    # Pseudo-header fields
    *(malformed(f"no :{name}", CONTROL, **{name: None}) for name in ("method", "scheme", "path")),
    *(
        malformed(f"no :{name}, with a host", CONTROL, ("host", "a"), authority=None, **{name: None})
        for name in ("method", "scheme", "path")
    ),
    raw("no fields at all", CONTROL, []),
    raw("no pseudo-header fields", CONTROL, [("host", "a"), ("x", "y")]),
    *(
        raw(f"two of {name}, {label}", PSEUDO, [*PLAIN, (name, value)])
        for label, values in (("alike", dict(PLAIN)),
        ("different", dict(request(method="PUT", scheme="https", authority="b", path="/b"))))
        for name, value in values.items()
    ),
    *(
        raw(f"{name} behind a field", PSEUDO, [*(pair for pair in PLAIN if pair[0] != name), ("x", "y"), (name, value)])
        for name, value in PLAIN
    ),
    raw("all pseudo-header fields behind a field", PSEUDO, [("x", "y"), *PLAIN]),
    raw("two of :path, one behind a field", PSEUDO, [*PLAIN, ("x", "y"), (":path", "/b")]),
    *(
        raw(f"a pseudo-header field {name}", PSEUDO, [(name, "200"), *PLAIN])
        for name in (":status", ":host", ":version", ":foo", ":", "::path", ":Path", ":METHOD", ":path ", ": path",
        ":method:")
    ),
    *(raw(f"a pseudo-header field {name} behind others", PSEUDO, [*PLAIN, (name, "200")])
    for name in (":status", ":x")),
    served("pseudo-header fields in another order", PSEUDO, headers(1, list(reversed(PLAIN)), end=True)),
    *(malformed(f"method {text!r}", ENCAPSULATION, method=text) for text in BAD_METHODS),
    *(malformed(f"scheme {text!r}", ENCAPSULATION, scheme=text) for text in BAD_SCHEMES),
    *(malformed(f"authority {text!r}", CONTROL, authority=text) for text in BAD_AUTHORITIES),
    malformed("path ''", CONTROL, path=""),
    malformed("path '' in OPTIONS", CONTROL, path="", method="OPTIONS"),
    *(malformed(f"path {text!r}", CONTROL, path=text) for text in BAD_PATHS),
    *(malformed(f"an asterisk in {method}", CONTROL, path="*", method=method) for method in ("GET", "POST", "HEAD")),
    target("*", "*", method="OPTIONS"),
    target("/", "/", method="OPTIONS"),
    target("/a/b?c=d&e", "/a/b", b"c=d&e"),
    target("/?", "/"),
    target("/?a?b", "/", b"a?b"),
    target("//a", "//a"),
    target("/%20%41", "/ A"),
    *(
        served(f"method {method}", CONTROL, get(1, method=method), asked=(Asked(method),))
        for method in ("PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "M-SEARCH")
    ),
    served("method HEAD", "RFC 9110, section 9.3.2", get(1, method="HEAD"), asked=(Asked("HEAD"),)),
    served("method HEAD of much", "RFC 9110, section 9.3.2", get(1, method="HEAD", path="/big"),
           asked=(Asked("HEAD", "/big"),)),
    # :authority and host
    served("no host, only :authority", CONTROL, get(1, authority="b:80"), asked=(Asked(fields=((b"host", b"b:80"),)),)),
    served("no :authority, only host", CONTROL, get(1, ("host", "b"), authority=None),
           asked=(Asked(fields=((b"host", b"b"),)),)),
    served("a host that is the same", CONTROL, get(1, ("host", "a")), asked=(Asked(fields=(HOST,)),)),
    malformed("a host that differs", CONTROL, ("host", "b")),
    malformed("a host that differs in its port", CONTROL, ("host", "a:81")),
    malformed("two hosts", "RFC 9110, section 7.2", ("host", "a"), ("host", "b"), authority=None),
    malformed("two hosts, one as :authority", "RFC 9110, section 7.2", ("host", "a"), ("host", "b")),
    malformed("a host that is none", "RFC 9110, section 7.2", ("host", "a b"), authority=None),
    # Names
    *(malformed(f"0x{byte:02x} in a name", FIELDS, (b"x%cy" % byte, "z")) for byte in BAD_IN_NAMES),
    *(malformed(f"0x{byte:02x} first in a name", FIELDS, (b"%cx" % byte, "z"))
    for byte in (0x00, 0x09, 0x0A, 0x20, 0x41)),
    *(malformed(f"0x{byte:02x} last in a name", FIELDS, (b"x%c" % byte, "z"))
    for byte in (0x00, 0x09, 0x0D, 0x20, 0x3A, 0x5A)),
    *(malformed(f"{byte:c} in a name", "RFC 9110, section 5.1", (b"x%cy" % byte, "z")) for byte in NO_TOKEN),
    malformed("a colon in a name", FIELDS, ("x:y", "z")),
    malformed("an empty name", "RFC 9110, section 5.1", ("", "z")),
    malformed("a name in upper case", LOWER, ("X", "y")),
    malformed("Host in upper case", LOWER, ("Host", "a")),
    malformed("Content-Length in upper case", LOWER, ("Content-Length", "0")),
    with_fields("all characters of a token in a name", FIELDS, (TOKEN, "y")),
    # Values
    *(
        malformed(f"0x{byte:02x} {place} a value", FIELDS, ("x", value % byte))
        for byte in FATAL_IN_VALUES
        for place, value in (("first in", b"%cy"), ("in", b"y%cz"), ("last in", b"y%c"), ("alone as", b"%c"))
    ),
    *(malformed(f"0x{byte:02x} in a value", "RFC 9110, section 5.5", ("x", b"y%cz" % byte)) for byte in CONTROLS),
    *(
        malformed(f"{label} {place} a value", FIELDS, ("x", value % byte))
        for label, byte in (("space", 0x20), ("tab", 0x09))
        for place, value in (("before", b"%cy"), ("behind", b"y%c"), ("alone as", b"%c"))
    ),
    malformed("CR LF in a value", FIELDS, ("x", "y\r\nz: a")),
    malformed("a request in a value", ENCAPSULATION, ("x", "y\r\n\r\nGET / HTTP/1.1\r\nhost: b\r\n\r\n")),
    with_fields("an empty value", FIELDS, ("x", "")),
    with_fields("white space in a value", FIELDS, ("x", "y \tz")),
    with_fields("all visible ASCII in a value", FIELDS, ("x", bytes(range(0x21, 0x7F)).decode())),
    with_fields("all bytes from 0x80 on in a value", FIELDS, ("x", bytes(range(0x80, 0x100)).decode("latin-1"))),
    with_fields("two fields of a name", FIELDS, ("x", "1"), ("y", "2"), ("x", "3")),
    # Connection-specific fields
    *(
        malformed(f"connection-specific: {name}", SPECIFIC, (name.partition(":")[0], value))
        for name, value in SPECIFIC_FIELDS.items()
    ),
    refused("connection-specific, with content", SPECIFIC,
            post(1, ("transfer-encoding", "chunked")) + data(1, b"5\r\nhello\r\n0\r\n\r\n", end=True)),
    with_fields("te: trailers", SPECIFIC, ("te", "trailers")),
    served("connection-specific fields in a response", SPECIFIC, get(1, path="/rude"), asked=(Asked(path="/rude"),),
           application=True),
    # Cookies
    with_fields("cookies are joined", COOKIES, ("cookie", "a=b"), ("cookie", "c=d"), ("cookie", "e=f"),
                gets=(("cookie", "a=b; c=d; e=f"),)),
    with_fields("one cookie", COOKIES, ("cookie", "a=b; c=d"), gets=(("cookie", "a=b; c=d"),)),
    with_fields("cookies of several crumbs are joined", COOKIES, ("cookie", "a=b; c=d"), ("cookie", "e=f"),
                gets=(("cookie", "a=b; c=d; e=f"),)),
    either(*(
        served("cookies with others between", COOKIES, get(1, ("cookie", "a=b"), ("x", "y"), ("cookie", "c=d")),
               asked=(Asked(fields=(HOST, *fields)),))
        for fields in permutations(((b"cookie", b"a=b; c=d"), (b"x", b"y")))
    )),
    # Content and its length
    served("content", MESSAGES, post(1) + data(1, b"hello", end=True), asked=(HELLO,)),
    served("no content", MESSAGES, post(1) + data(1, end=True), asked=(Asked("POST", "/post"),)),
    served("content in a GET", "RFC 9110, section 9.3.1", get(1, end=False) + data(1, b"hello", end=True),
           asked=(Asked(body=b"hello"),)),
    served("content and its length", LENGTHS, post(1, ("content-length", "5")) + data(1, b"hello", end=True),
           asked=(HELLO,)),
    served("content in pieces and its length", LENGTHS,
           post(1, ("content-length", "5")) + data(1, b"he") + data(1) + data(1, b"llo") + data(1, end=True),
           asked=(HELLO,)),
    served("padding is no content", LENGTHS, post(1, ("content-length", "5")) + data(1, b"hello", pad=5, end=True),
           asked=(HELLO,)),
    served("length 0 with END_STREAM", LENGTHS, get(1, ("content-length", "0"))),
    served("length 0 with empty DATA", LENGTHS, post(1, ("content-length", "0")) + data(1, end=True),
           asked=(Asked("POST", "/post"),)),
    served("length and trailers", LENGTHS,
           post(1, ("content-length", "5")) + data(1, b"hello") + headers(1, [("x", "y")], end=True), asked=(HELLO,)),
    content("content that is too long", "4", b"hello"),
    content("content that is too long by its second piece", "5", b"hello", b"!"),
    content("content where none was announced", "0", b"x"),
    content("content that is too short", "6", b"hello"),
    content("content that is too short, in pieces", "6", b"he", b"llo", b""),
    content("no content where some was announced", "1", b""),
    content("content that is much too short", "1000000", b"hello"),
    refused("content that is too long, and goes on", LENGTHS, post(1, ("content-length", "4")) + data(1, b"hello")),
    refused("content that is too short, with trailers", LENGTHS,
            post(1, ("content-length", "6")) + data(1, b"hello") + headers(1, [("x", "y")], end=True)),
    refused("a length in a request that ends with its head", LENGTHS, get(1, ("content-length", "5"))),
    refused("a length in a request that ends with its head, in pieces", LENGTHS,
            headers(1, request(("content-length", "5")), end=True, done=False) + continuation(1)),
    refused("padding in the place of content", LENGTHS,
            post(1, ("content-length", "5")) + data(1, b"", pad=4, end=True)),
    *(content(f"length {text[:24]!r}", text, b"hello", rfc="RFC 9110, section 8.6") for text in BAD_LENGTHS),
    either(
        refused("two lengths, the same", "RFC 9110, section 8.6",
                post(1, ("content-length", "5"), ("content-length", "5")) + data(1, b"hello", end=True)),
        served("two lengths, the same", "RFC 9110, section 8.6",
               post(1, ("content-length", "5"), ("content-length", "5")) + data(1, b"hello", end=True), asked=(HELLO,)),
    ),
    *(
        refused(f"two lengths, {first} and {second}", "RFC 9110, section 8.6",
                post(1, ("content-length", first), ("content-length", second)) + data(1, b"hello", end=True))
        for first, second in (("5", "6"), ("6", "5"), ("5", "x"), ("5", "05"))
    ),
    # Trailers
    served("trailers", MESSAGES, post(1) + data(1, b"hello") + headers(1, [("x", "y")], end=True), asked=(HELLO,)),
    served("trailers without content", MESSAGES, post(1) + headers(1, [("x", "y")], end=True),
           asked=(Asked("POST", "/post"),)),
    served("empty trailers", MESSAGES, post(1) + data(1, b"hello") + headers(1, b"", end=True), asked=(HELLO,)),
    trailing("trailers without END_STREAM", MESSAGES, ("x", "y"), end=False),
    trailing("a second head", MESSAGES, *PLAIN, end=False),
    refused("a head behind a head", MESSAGES, post(1) + headers(1, PLAIN)),
    refused("trailers, then content", MESSAGES,
            post(1) + headers(1, [("x", "y")]) + data(1, b"hello", end=True)),
    *(trailing(f"trailers with {name}", MESSAGES, (name, value))
    for name, value in (*PLAIN, (":status", "200"), (":x", "y"))),
    trailing("trailers with a pseudo-header field behind another", MESSAGES, ("x", "y"), (":path", "/")),
    trailing("trailers with a name in upper case", LOWER, ("X", "y")),
    trailing("trailers with NUL in a value", FIELDS, ("x", "y\0")),
    trailing("trailers with CR LF in a value", FIELDS, ("x", "y\r\nz")),
    trailing("trailers with white space behind a value", FIELDS, ("x", "y ")),
    trailing("trailers with connection", SPECIFIC, ("connection", "close")),
    trailing("trailers with transfer-encoding", SPECIFIC, ("transfer-encoding", "chunked")),
    # Expect
    served("expects to be told to go on", CONTINUE,
           post(1, ("expect", "100-continue"), ("content-length", "5")), interim(1), data(1, b"hello", end=True),
           asked=(HELLO,)),
    served("expects to be told to go on, and goes on", CONTINUE,
           post(1, ("expect", "100-continue")) + data(1, b"hello", end=True), asked=(HELLO,)),
    served("expects to be told to go on, with no content", CONTINUE, get(1, ("expect", "100-continue"))),
    served("expects to be told to go on, and is answered", CONTINUE,
           post(1, ("expect", "100-continue"), path="/early"), over(1), streams={1: EARLY}, asked=(), application=True),
    # CONNECT: this is no proxy, but it knows a malformed one
    Row("CONNECT", CONNECT, (headers(1, [(":method", "CONNECT"), (":authority", "a:80")], end=True),),
        (Expected({1: answered(400, 404, 405, 501) | MALFORMED | {Outcome(501, True, Error.NO_ERROR)}}),)),
    raw("CONNECT with :scheme", CONNECT, [(":method", "CONNECT"), (":scheme", "http"), (":authority", "a:80")]),
    raw("CONNECT with :path", CONNECT, [(":method", "CONNECT"), (":path", "/"), (":authority", "a:80")]),
    raw("CONNECT with :scheme and :path", CONNECT, request(method="CONNECT", authority="a:80")),
    raw("CONNECT without :authority", CONNECT, [(":method", "CONNECT")]),
    raw("CONNECT without :authority, with a host", CONNECT, [(":method", "CONNECT"), ("host", "a:80")]),
    # One refused request is no matter of the others
    served("a malformed request between good ones", LENGTHS, get(1) + get(3, ("X", "y")) + get(5),
           streams={1: OK, 3: MALFORMED, 5: OK}, asked=GET * 2),
    served("a malformed request while another sends", LENGTHS,
           post(1) + data(1, b"he") + get(3, method=None) + data(1, b"llo", end=True), streams={1: OK, 3: MALFORMED},
           asked=(HELLO,)),
    refused("a malformed request is one error", "RFC 9113, section 5.4", get(1, ("X", "y"), method=None, path="")),
    refused("DATA behind a malformed head", "RFC 9113, section 5.4.2",
            post(1, ("X", "y")) + data(1, b"hello") + data(1, end=True)),
    refused("trailers behind a malformed head", "RFC 9113, section 5.4.2",
            post(1, ("X", "y")) + headers(1, literal("x", "y"), end=True),
            outcomes=MALFORMED | reset(Error.PROTOCOL_ERROR, behind=(400,))),
]  # fmt: skip
