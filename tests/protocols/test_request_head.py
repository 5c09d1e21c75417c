"""The parser of request heads: what it takes, what it refuses, and that one request has no effect on the next."""

from itertools import product

import pytest
from support.wire import described

from litmus.protocols.body import UNKNOWN
from litmus.protocols.errors import ProtocolError
from litmus.protocols.lines import METHODS, LineParser
from litmus.protocols.request import NO_BODY, HeadParser, Request


def head(line: str, *fields: str) -> bytes:
    """A head, with a Host header in front of ``fields``."""
    return bare_head(line, "Host: a", *fields)


def bare_head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


HOST = (b"host", b"a")


def parse(data: bytes, parser: HeadParser | None = None) -> Request:
    return (parser or HeadParser()).parse(data)


def outcome(data: bytes, parser: HeadParser) -> object:
    """All that becomes of a head."""
    try:
        return described(parser.parse(data))
    except ProtocolError as error:
        return error.status, error.reason


def test_a_head() -> None:
    request = parse(
        bare_head("POST /a/b?c=d HTTP/1.1", "Host: example.org", "X-Two: 1", "x-two: 2", "Content-Length: 12")
    )
    assert request.line.method == b"POST"
    assert request.line.target == b"/a/b?c=d"
    assert request.line.version == "1.1"
    assert request.headers == [
        (b"host", b"example.org"),
        (b"x-two", b"1"),
        (b"x-two", b"2"),
        (b"content-length", b"12"),
    ]
    assert request.body == 12
    assert request.keep_alive
    assert not request.expects_continue


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "PATCH", "PUT", "PROPFIND", "M-SEARCH"])
def test_methods(method: str) -> None:
    assert parse(head(f"{method} / HTTP/1.1")).line.method == method.encode()


@pytest.mark.parametrize("method", sorted(METHODS - {b"PRI"}))
def test_every_known_method_is_taken(method: bytes) -> None:
    assert parse(head(f"{method.decode()} / HTTP/1.1")).line.method == method


@pytest.mark.parametrize("target", ["/", "/a%20b?x=%ff", "*", "http://example.org/x?y", "http://example.org", "/a%23b"])
def test_targets_are_taken_as_sent(target: str) -> None:
    assert parse(head(f"OPTIONS {target} HTTP/1.1")).line.target == target.encode()


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ((), NO_BODY),
        (("Content-Length: 0",), 0),
        (("Content-Length: 007",), 7),
        (("Content-Length: 999999999999999999",), 10**18 - 1),
        (("Transfer-Encoding: chunked",), UNKNOWN),
        (("transfer-encoding: CHUNKED",), UNKNOWN),
    ],
)
def test_framing(lines: tuple[str, ...], body: int) -> None:
    assert parse(head("POST / HTTP/1.1", *lines)).body == body


KEEP_ALIVE = [
    ("1.1", (), True),
    ("1.1", ("Connection: keep-alive",), True),
    ("1.1", ("Connection: close",), False),
    ("1.1", ("Connection: Close",), False),
    ("1.1", ("Connection: keep-alive, close",), False),
    ("1.1", ("Connection: x-custom, close",), False),
    ("1.1", ("Content-Length: 0", "Connection: close"), False),
    ("1.1", ("Content-Length: 5", "Connection: close"), False),
    ("1.1", ("Transfer-Encoding: chunked", "Connection: close"), False),
    ("1.1", ("Connection: Upgrade", "Upgrade: websocket"), True),
    ("1.1", ("Connection: Upgrade, close", "Upgrade: websocket"), False),
    ("1.0", (), False),
    ("1.0", ("Connection: keep-alive",), True),
    ("1.0", ("Connection: Keep-Alive",), True),
    ("1.0", ("Connection: keep-alive", "Content-Length: 5"), True),
    ("1.0", ("Connection: close",), False),
]


@pytest.mark.parametrize(("version", "lines", "expected"), KEEP_ALIVE)
def test_keep_alive(version: str, lines: tuple[str, ...], expected: bool) -> None:
    assert parse(head(f"GET / HTTP/{version}", *lines)).keep_alive is expected


@pytest.mark.parametrize(
    ("version", "lines", "expected"),
    [
        ("1.1", ("Expect: 100-continue", "Content-Length: 5"), True),
        ("1.1", ("Expect: 100-CONTINUE", "Transfer-Encoding: chunked"), True),
        ("1.1", ("Content-Length: 5", "Expect: 100-continue"), True),
        ("1.1", ("Expect: 100-continue",), False),
        ("1.1", ("Expect: 100-continue", "Content-Length: 0"), False),
        ("1.1", ("Expect: something", "Content-Length: 5"), False),
        ("1.0", ("Expect: 100-continue", "Content-Length: 5"), False),
    ],
)
def test_who_waits_for_100_continue(version: str, lines: tuple[str, ...], expected: bool) -> None:
    assert parse(head(f"POST / HTTP/{version}", *lines)).expects_continue is expected


@pytest.mark.parametrize("line", ["X-Pad:   value", "X-Pad:\tvalue", "X-Pad:value"])
def test_white_space_before_a_value_is_not_part_of_it(line: str) -> None:
    assert parse(head("GET / HTTP/1.1", line)).headers == [HOST, (b"x-pad", b"value")]


@pytest.mark.parametrize("line", ["X-Pad: value  ", "X-Pad: value\t"])
def test_white_space_behind_a_value_is_not_part_of_it(line: str) -> None:
    assert parse(head("GET / HTTP/1.1", line)).headers == [HOST, (b"x-pad", b"value")]


def test_white_space_behind_a_length() -> None:
    assert parse(head("POST / HTTP/1.1", "Content-Length: 5 ")).body == 5


def test_an_empty_value() -> None:
    assert parse(head("GET / HTTP/1.1", "X-Empty:")).headers == [HOST, (b"x-empty", b"")]


def test_an_upgrade_that_nobody_takes_is_a_request() -> None:
    request = parse(head("GET /chat HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket"))
    assert (request.line.target, request.body) == (b"/chat", NO_BODY)
    request = parse(head("POST / HTTP/1.1", "Connection: Upgrade", "Upgrade: h2c", "Content-Length: 4"))
    assert request.body == 4


BAD = {
    "garbage": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "lower case method": (501, head("get / HTTP/1.1")),
    "an unknown method": (501, head("BREW / HTTP/1.1")),
    "an endless method": (501, head("A" * 1000 + " / HTTP/1.1")),
    "nearly a method": (501, head("GETT / HTTP/1.1")),
    "no method": (400, head(" / HTTP/1.1")),
    "not a method": (400, head("G:T / HTTP/1.1")),
    "a response": (400, head("HTTP/1.1 200 OK")),
    "a space in the target": (400, head("GET /a b HTTP/1.1")),
    "no target": (400, head("GET HTTP/1.1")),
    "bytes outside ASCII in the target": (400, head("GET /\xff HTTP/1.1")),
    "a fragment": (400, head("GET /a#b HTTP/1.1")),
    "an escape that is none": (400, head("GET /%zz HTTP/1.1")),
    "half an escape": (400, head("GET /%2 HTTP/1.1")),
    "NUL in the path": (400, head("GET /a%00b HTTP/1.1")),
    "a path without a slash": (400, head("GET a HTTP/1.1")),
    "an asterisk for other methods": (400, head("GET * HTTP/1.1")),
    "more than an asterisk": (400, head("OPTIONS *x HTTP/1.1")),
    "an authority": (400, head("GET a:80 HTTP/1.1")),
    "another scheme": (400, head("GET ftp://a/ HTTP/1.1")),
    "an URI without a host": (400, head("GET http:///a HTTP/1.1")),
    "an URI with a user": (400, head("GET http://user@a/ HTTP/1.1")),
    "an URI with a port that is none": (400, head("GET http://a:x/ HTTP/1.1")),
    "no Host": (400, bare_head("GET / HTTP/1.1")),
    "no Host below an URI": (400, bare_head("GET http://a/ HTTP/1.1")),
    "two Hosts": (400, head("GET / HTTP/1.1", "Host: a")),
    "two Hosts in HTTP/1.0": (400, head("GET / HTTP/1.0", "Host: a")),
    "a Host with a space": (400, bare_head("GET / HTTP/1.1", "Host: a b")),
    "a Host with a user": (400, bare_head("GET / HTTP/1.1", "Host: a@b")),
    "a Host with a path": (400, bare_head("GET / HTTP/1.1", "Host: a/b")),
    "bare line feeds": (400, b"GET / HTTP/1.1\nHost: a\n\nGET /smuggled HTTP/1.1\r\n\r\n"),
    "a bare line feed between heads": (400, b"GET / HTTP/1.1\r\nA: b\r\n\nGET /smuggled HTTP/1.1\r\n\r\n"),
    "a bare line feed behind a value": (400, b"GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n"),
    "a bare carriage return in a value": (400, b"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n"),
    "a folded header": (400, head("GET / HTTP/1.1", "A: b", " c")),
    "no colon": (400, head("GET / HTTP/1.1", "Host")),
    "no name": (400, head("GET / HTTP/1.1", ": x")),
    "a space before the colon": (400, head("GET / HTTP/1.1", "Transfer-Encoding : chunked")),
    "a NUL": (400, head("GET / HTTP/1.1", "A: \0b")),
    "a length that is no number": (400, head("POST / HTTP/1.1", "Content-Length: five")),
    "a length in hexadecimal": (400, head("POST / HTTP/1.1", "Content-Length: 0x5")),
    "a negative length": (400, head("POST / HTTP/1.1", "Content-Length: -5")),
    "a signed length": (400, head("POST / HTTP/1.1", "Content-Length: +5")),
    "an empty length": (400, head("POST / HTTP/1.1", "Content-Length:")),
    "a length list": (400, head("POST / HTTP/1.1", "Content-Length: 5, 5")),
    "a length out of bounds": (400, head("POST / HTTP/1.1", "Content-Length: 9999999999999999999")),
    "two lengths": (400, head("POST / HTTP/1.1", "Content-Length: 5", "Content-Length: 5")),
    "two different lengths": (400, head("POST / HTTP/1.1", "Content-Length: 5", "Content-Length: 6")),
    "a length and a coding": (400, head("POST / HTTP/1.1", "Content-Length: 5", "Transfer-Encoding: chunked")),
    "a coding and a length": (400, head("POST / HTTP/1.1", "Transfer-Encoding: chunked", "Content-Length: 5")),
    "a coding in HTTP/1.0": (400, head("POST / HTTP/1.0", "Transfer-Encoding: chunked")),
    "two codings": (501, head("POST / HTTP/1.1", "Transfer-Encoding: gzip, chunked")),
    "another coding": (400, head("POST / HTTP/1.1", "Transfer-Encoding: gzip")),
    "nearly chunked": (400, head("POST / HTTP/1.1", "Transfer-Encoding: xchunked")),
    "CONNECT": (501, head("CONNECT example.org:443 HTTP/1.1")),
    "HTTP/2.0": (505, head("GET / HTTP/2.0")),
    "HTTP/0.9": (505, head("GET / HTTP/0.9")),
    "no version": (400, head("GET /")),
    "Icecast": (400, head("SOURCE / ICE/1.0")),
    "RTSP": (400, head("OPTIONS * RTSP/1.0")),
    "a space behind the version": (400, head("GET / HTTP/1.1 ")),
    "a space before the method": (400, head(" GET / HTTP/1.1")),
    "a tab instead of a space": (400, head("GET\t/ HTTP/1.1")),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_heads_are_refused(name: str) -> None:
    status, data = BAD[name]
    with pytest.raises(ProtocolError) as caught:
        parse(data)
    assert caught.value.status == status
    assert caught.value.reason
    assert "\n" not in caught.value.reason


@pytest.mark.parametrize("line", ["GET  / HTTP/1.1", "GET   / HTTP/1.1"])
def test_more_than_one_space_is_refused_or_is_not_part_of_the_target(line: str) -> None:
    seen = outcome(head(line), HeadParser())
    assert isinstance(seen, tuple) or parse(head(line)).line.target == b"/"


GOOD = [
    head("GET /plain HTTP/1.1"),
    head("GET /old HTTP/1.0"),
    bare_head("GET /old HTTP/1.0"),
    head("GET http://b/c HTTP/1.1"),
    head("POST /body HTTP/1.1", "Content-Length: 5", "Expect: 100-continue"),
    head("POST /chunks HTTP/1.1", "Transfer-Encoding: chunked"),
    head("GET /upgrade HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket"),
    head("POST /old HTTP/1.0", "Connection: keep-alive", "Content-Length: 5"),
    head("POST /close HTTP/1.1", "Connection: close", "Content-Length: 5"),
]
CLOSING = [
    head("GET /close HTTP/1.1", "Connection: close"),
    head("POST /close HTTP/1.1", "Connection: close", "Content-Length: 0"),
    head("GET /old HTTP/1.0", "Connection: keep-alive"),
]


def test_one_request_has_no_effect_on_the_next() -> None:
    """One parser serves all connections of a worker."""
    parser = HeadParser()
    heads = [*GOOD, *(data for _, data in BAD.values())]
    alone = {data: outcome(data, HeadParser()) for data in heads}
    for first, second in product(heads, heads):
        outcome(first, parser)
        assert outcome(second, parser) == alone[second], f"{second!r} after {first!r}"


@pytest.mark.parametrize("first", CLOSING)
def test_a_last_request_has_no_effect_on_the_next_connections(first: bytes) -> None:
    parser = HeadParser()
    for second in GOOD:
        parse(first, parser)
        assert outcome(second, parser) == outcome(second, HeadParser())


SECTIONS = [
    (),
    ("X: \xff", "X_Y: z"),
    ("Content-Length: 3",),
    ("Transfer-Encoding: chunked", "Connection: close"),
    ("Expect: 100-continue", "Content-Length: 3"),
    ("Upgrade: websocket", "Connection: upgrade"),
]
LINES = [
    *(f"{method} /a?b HTTP/1.1" for method in ("GET", "POST", "OPTIONS", "CONNECT", "PRI", "get", "NO", "")),
    *(
        f"GET {target} HTTP/1.1"
        for target in ("*", "a", "http://b/c", "//a", "/\xe4", "/a#b", "/%20?%", "/%", "/%00", "")
    ),
    *(f"GET /a{chr(byte)}b HTTP/1.1" for byte in range(256)),
    *(f"GET / {version}" for version in ("HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", "HTTP/1.10")),
    "GET  / HTTP/1.1",
    " GET / HTTP/1.1",
    "GET /",
]


@pytest.mark.parametrize("section", SECTIONS)
def test_a_header_section_that_is_known_means_the_same_below_any_request_line(section: tuple[str, ...]) -> None:
    """Also as to what is refused."""
    knowing = HeadParser()
    for line in LINES:
        knowing.parse(head("PUT /known HTTP/1.1", *section))
        data = head(line, *section)
        assert outcome(data, knowing) == outcome(data, HeadParser()), line


def test_the_same_head_is_the_same_request_again() -> None:
    parser = HeadParser()
    data = head("POST / HTTP/1.1", "Content-Length: 3")
    requests = [parse(data, parser) for _ in range(4)]
    assert requests[0].headers == [HOST, (b"content-length", b"3")]
    assert requests[0].body == 3
    assert requests[1] is requests[2] is requests[3]
    assert described(requests[0]) == described(requests[3])


@pytest.mark.parametrize("section", SECTIONS)
def test_a_head_that_is_known_whole_means_the_same_again(section: tuple[str, ...]) -> None:
    knowing = HeadParser()
    for line in LINES:
        data = head(line, *section)
        fresh = outcome(data, HeadParser())
        for _ in range(3):
            recalled = knowing.recall(data)
            assert recalled is None or described(recalled) == fresh, line
            assert outcome(data, knowing) == fresh, line


def test_a_head_is_known_whole_when_it_came_below_a_header_section_that_was_known() -> None:
    """First its lines are, then the section: most heads come once."""
    parser = HeadParser()
    data = head("GET /health?a HTTP/1.1", "User-Agent: probe")
    for _ in range(3):
        assert parser.recall(data) is None
        parser.parse(data)
    for _ in range(2):
        request = parser.recall(data)
        assert request is not None
        assert described(request) == described(HeadParser().parse(data))
    assert parser.recall(data[:-1]) is None
    assert parser.recall(data + data) is None


def test_long_heads_are_not_known_whole() -> None:
    parser = HeadParser()
    data = head("GET / HTTP/1.1", "X: " + "x" * 256)
    for _ in range(3):
        parser.parse(data)
    assert parser.recall(data) is None


def test_more_heads_than_are_known_whole() -> None:
    parser = HeadParser()
    for _ in range(3):
        parser.parse(first := head("GET /0 HTTP/1.1"))
    assert parser.recall(first) is not None
    for number in range(1000):
        parser.parse(head(f"GET /{number} HTTP/1.1"))
    assert parser.recall(first) is None
    assert parser.recall(head("GET /999 HTTP/1.1")) is not None


def test_more_header_sections_than_are_remembered() -> None:
    parser = HeadParser()
    for _ in range(2):
        for number in range(1000):
            request = parse(head("GET / HTTP/1.1", f"X: {number}"), parser)
            assert request.headers == [HOST, (b"x", b"%d" % number)]


# -- Host and absolute targets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["", "a", "A.b-c_d~e", "a:80", "a:", "127.0.0.1:8000", "[::1]", "[::1]:80", "[v1.a:b]", "a%20b", "a!$&'()*+,;=b"],
)
def test_a_host_is_taken_as_sent(host: str) -> None:
    assert parse(bare_head("GET / HTTP/1.1", f"Host: {host}")).headers == [(b"host", host.encode())]


@pytest.mark.parametrize(
    "host", ["a b", "a,b c", ":80", "a:b", "a:80:80", "[::1", "::1", "[g]", "a%2", "a/b", "a?b", "\xe4", '"a"']
)
def test_a_host_that_is_none_is_refused(host: str) -> None:
    for version in ("1.0", "1.1"):
        assert outcome(bare_head(f"GET / HTTP/{version}", f"Host: {host}"), HeadParser()) == (400, "Host is not a host")


@pytest.mark.parametrize("target", ["http://b:8080/c?d", "HTTPS://b:8080", "http://b:8080?http://d/"])
def test_the_authority_of_an_absolute_target_takes_the_place_of_host(target: str) -> None:
    parser = HeadParser()
    for _ in range(2):
        request = parse(bare_head(f"GET {target} HTTP/1.1", "A: 1", "Host: a", "B: 2"), parser)
        assert request.headers == [(b"a", b"1"), (b"host", b"b:8080"), (b"b", b"2")]
        assert request.line.target == target.encode()
        plain = parse(bare_head("GET / HTTP/1.1", "A: 1", "Host: a", "B: 2"), parser)
        assert plain.headers == [(b"a", b"1"), HOST, (b"b", b"2")]
    old = parse(bare_head(f"GET {target} HTTP/1.0", "A: 1"), parser)
    assert old.headers == [(b"host", b"b:8080"), (b"a", b"1")]


# -- underscores -------------------------------------------------------------------------------------------------------

LOOK_ALIKES = ("X_Forwarded_For: 1", "Content_Length: 5", "Transfer_Encoding: chunked", "_: x", "X-Fine: 2")


def test_names_with_underscores_are_dropped_and_told() -> None:
    told: list[bytes] = []
    parser = HeadParser("drop", told.append)
    for _ in range(2):
        request = parse(head("POST / HTTP/1.1", *LOOK_ALIKES), parser)
        assert request.headers == [HOST, (b"x-fine", b"2")]
        assert request.body == NO_BODY
    assert told == [b"x_forwarded_for", b"content_length", b"transfer_encoding", b"_"]


def test_names_with_underscores_are_allowed() -> None:
    request = parse(head("POST / HTTP/1.1", *LOOK_ALIKES), HeadParser("allow"))
    assert [name for name, _ in request.headers][1:] == [
        b"x_forwarded_for",
        b"content_length",
        b"transfer_encoding",
        b"_",
        b"x-fine",
    ]
    assert request.body == NO_BODY, "they look like framing, and are not"


def test_names_with_underscores_are_refused() -> None:
    parser = HeadParser("refuse")
    for line in LOOK_ALIKES[:-1]:
        assert outcome(head("POST / HTTP/1.1", line), parser) == (400, "a header name with an underscore")
    assert parse(head("POST / HTTP/1.1", LOOK_ALIKES[-1]), parser).headers == [HOST, (b"x-fine", b"2")]


# -- versions ----------------------------------------------------------------------------------------------------------


def test_a_later_minor_version_is_the_last_that_is_known() -> None:
    parser = HeadParser()
    for number in range(2, 10):
        request = parse(head(f"POST /x HTTP/1.{number}", "Content-Length: 5", "Expect: 100-continue"), parser)
        assert (request.line.version, request.line.target, request.body) == ("1.1", b"/x", 5)
        assert request.keep_alive
        assert request.expects_continue


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("HTTP/0.9", 505),
        ("HTTP/2.0", 505),
        ("HTTP/9.9", 505),
        ("HTTP/1.10", 400),
        ("HTTP/01.1", 400),
        ("http/1.1", 400),
    ],
)
def test_other_versions(version: str, status: int) -> None:
    seen = outcome(head(f"GET / {version}"), HeadParser())
    assert isinstance(seen, tuple)
    assert seen[0] == status


# -- request lines -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        (b"/", "/", b"/", b""),
        (b"/a%20b?x=%zz?y", "/a b", b"/a%20b", b"x=%zz?y"),
        (b"/%c3%a4/%ff", "/ä/\N{REPLACEMENT CHARACTER}", b"/%c3%a4/%ff", b""),
        (b"*", "*", b"*", b""),
        (b"http://example.org", "/", b"/", b""),
        (b"http://example.org?q", "/", b"/", b"q"),
        (b"http://example.org/a%3Fb?q", "/a?b", b"/a%3Fb", b"q"),
    ],
)
def test_what_a_target_says(target: bytes, path: str, raw_path: bytes, query: bytes) -> None:
    line = LineParser().parse(b"OPTIONS %b HTTP/1.1" % target)
    assert (line.path, line.raw_path, line.query) == (path, raw_path, query)
    assert (line.target, line.method, line.verb, line.version) == (target, b"OPTIONS", "OPTIONS", "1.1")


def test_request_lines_are_remembered_and_forgotten_again() -> None:
    lines = LineParser()
    first = lines.parse(b"GET /first HTTP/1.1")
    assert lines.parse(b"GET /first HTTP/1.1") is first
    for number in range(2_000):
        assert lines.parse(b"GET /%d HTTP/1.0" % number).path == f"/{number}"
    again = lines.parse(b"GET /first HTTP/1.1")
    assert again is not first
    assert (again.path, again.version) == ("/first", "1.1")
    long = b"GET /%b HTTP/1.1" % (b"x" * 300)
    assert lines.parse(long) is not lines.parse(long), "long ones would take much memory"


def test_a_request_line_that_is_refused_is_refused_again() -> None:
    lines = LineParser()
    for _ in range(2):
        with pytest.raises(ProtocolError):
            lines.parse(b"GET /%zz HTTP/1.1")
