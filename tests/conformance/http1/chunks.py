"""Bodies in chunks: what is not exactly one is refused, and never passes for complete."""

from conformance.asked import Asked
from conformance.http1.table import post, refused_body, taken, unfinished

from litmus.protocols.body import EXTENSION_LIMIT, LINE_LIMIT, TRAILER_LIMIT

CHUNKED = "RFC 9112, section 7.1"
EXTENSIONS = "RFC 9112, section 7.1.1"
TRAILERS = "RFC 9110, section 6.5.1"
TRAILER_SYNTAX = "RFC 9112, section 7.1.2"
INCOMPLETE = "RFC 9112, section 8"

FIELDS = ((b"host", b"a"), (b"transfer-encoding", b"chunked"))
HELLO = Asked("POST", "/post", b"hello", fields=FIELDS)
END = b"0\r\n\r\n"


def chunked(body: bytes) -> bytes:
    return post("Transfer-Encoding: chunked", body=body)


GOOD = {
    "one": b"5\r\nhello\r\n" + END,
    "several": b"2\r\nhe\r\n3\r\nllo\r\n" + END,
    "leading zeros": b"0000005\r\nhello\r\n000\r\n\r\n",
    "an extension": b"5;a=b\r\nhello\r\n0;c\r\n\r\n",
    "an extension in quotes": b'5;a="b;c";d="\\""\r\nhello\r\n' + END,
    "bytes outside ASCII in an extension": b'5;a="\xff"\r\nhello\r\n' + END,
    "white space around an extension": b"5 \t;\ta = b\r\nhello\r\n" + END,
}

BAD_SIZES = {
    "hexadecimal as in C": b"0x5",
    "an underscore": b"0_5",
    "a plus": b"+5",
    "a minus": b"-5",
    "a minus zero": b"-0",
    "a space before": b" 5",
    "a space behind": b"5 ",
    "a tab behind": b"5\t",
    "a vertical tab before": b"\x0b5",
    "NUL behind": b"5\0",
    "NUL before": b"\x005",
    "a comma": b"5,5",
    "a fraction": b"5.0",
    "h": b"5h",
    "a digit of another script": b"\xd9\xa5",
    "nothing": b"",
    "nothing, and an extension": b";a",
    "white space": b" ",
    "64 bits": b"10000000000000005",
    "all of 64 bits": b"ffffffffffffffff",
    "all of 63 bits": b"7fffffffffffffff",
    "endless zeros": b"0" * 100 + b"5",
}

BAD_LINES = {
    "a bare LF behind a size": b"5\nhello\r\n" + END,
    "a bare CR behind a size": b"5\rhello\r\n" + END,
    "CR CR LF behind a size": b"5\r\r\nhello\r\n" + END,
    "LF CR behind a size": b"5\n\rhello\r\n" + END,
    "a bare LF in an extension": b"5;a\nb\r\nhello\r\n" + END,
    "a bare LF behind an extension": b"5;\nhello\r\n" + END,
    "a bare CR in an extension": b"5;a\rb\r\nhello\r\n" + END,
    "NUL in an extension": b"5;a\0b\r\nhello\r\n" + END,
    "DEL in an extension": b"5;a\x7f\r\nhello\r\n" + END,
    "data ended by LF": b"5\r\nhello\n" + END,
    "data ended by CR": b"5\r\nhello\r" + END,
    "data ended by nothing": b"5\r\nhello" + END,
    "data ended by two other bytes": b"5\r\nhelloXX" + END,
    "data that is too long": b"5\r\nhello!\r\n" + END,
    "data that is too short": b"5\r\nhell\r\n" + END,
    "a last chunk ended by LF": b"5\r\nhello\r\n0\n\r\n",
    "an empty line before a size": b"5\r\nhello\r\n\r\n" + END,
    "an endless extension": b"5;" + b"a" * LINE_LIMIT + b"\r\nhello\r\n" + END,
    "extensions that outweigh the content": (b"1;" + b"a" * 400 + b"\r\nx\r\n") * (EXTENSION_LIMIT // 400 + 1) + END,
}

FORBIDDEN_TRAILERS = (
    "Content-Length: 3",
    "Transfer-Encoding: chunked",
    "Host: evil",
    "Authorization: Basic eDp5",
    "Cookie: session=1",
    "X-Forwarded-For: 127.0.0.1",
    "Connection: close",
    "Content-Type: text/html",
    "Expect: 100-continue",
    "X_Underscore: 1",
)

BAD_TRAILERS = {
    "a bare LF": b"A: b\n",
    "a bare CR": b"A: b\rc\r\n",
    "NUL": b"A: \0\r\n",
    "DEL": b"A: \x7f\r\n",
    "no colon": b"A\r\n",
    "no name": b": b\r\n",
    "a space before the colon": b"A : b\r\n",
    "a name that is none": b"A(b): c\r\n",
    "a folded one": b"A: b\r\n c\r\n",
    "white space first": b" A: b\r\n",
    "a request line": b"GET /smuggled HTTP/1.1\r\n",
}

PARTS = (
    b"",
    b"5",
    b"5\r",
    b"5\r\n",
    b"5\r\nhel",
    b"5\r\nhello",
    b"5\r\nhello\r",
    b"5\r\nhello\r\n",
    b"5\r\nhello\r\n0",
    b"5\r\nhello\r\n0\r",
    b"5\r\nhello\r\n0\r\n",
    b"5\r\nhello\r\n0\r\n\r",
    b"5\r\nhello\r\n0\r\nA: b",
    b"5\r\nhello\r\n0\r\nA: b\r\n",
    b"0",
    b"0\r\n",
    b"0\r\n\r",
)

TABLE = [
    taken("no chunk", CHUNKED, chunked(END), HELLO._replace(body=b"")),
    taken("upper case", CHUNKED, chunked(b"A\r\n0123456789\r\n" + END), HELLO._replace(body=b"0123456789")),
    taken("line ends", CHUNKED, chunked(b"7\r\n\r\n0\r\n\r\n\r\n" + END), HELLO._replace(body=b"\r\n0\r\n\r\n")),
    *(taken(name, CHUNKED, chunked(body), HELLO) for name, body in GOOD.items()),
    *(
        refused_body(f"{which} size: {name}", CHUNKED, chunked(before + size + b"\r\nhello\r\n" + END))
        for which, before in (("first", b""), ("second", b"5\r\nhello\r\n"))
        for name, size in BAD_SIZES.items()
    ),
    *(refused_body(name, CHUNKED, chunked(body)) for name, body in BAD_LINES.items()),
    # Trailers: all of them are dropped, so none can pass for a header.
    taken("trailers", TRAILERS, chunked(b"5\r\nhello\r\n0\r\nA: b\r\nC: \xff\r\nD:\r\n\r\n"), HELLO),
    *(
        taken(f"trailer {trailer}", TRAILERS, chunked(b"5\r\nhello\r\n0\r\n" + trailer.encode() + b"\r\n\r\n"), HELLO)
        for trailer in FORBIDDEN_TRAILERS
    ),
    *(
        refused_body(f"trailer: {name}", TRAILER_SYNTAX, chunked(b"5\r\nhello\r\n0\r\n" + line + b"\r\n"))
        for name, line in BAD_TRAILERS.items()
    ),
    refused_body("an endless trailer", EXTENSIONS, chunked(b"0\r\nA: " + b"b" * LINE_LIMIT), 431),
    refused_body("endless trailers", EXTENSIONS, chunked(b"0\r\n" + b"A: b\r\n" * (TRAILER_LIMIT // 6 + 1)), 431),
    # The end of the connection is not the end of the body.
    *(unfinished(f"the end behind {part!r}", INCOMPLETE, chunked(part)) for part in PARTS),
    *(
        unfinished(f"the end {size} bytes into a body", INCOMPLETE, post("Content-Length: 5", body=b"hello"[:size]))
        for size in range(5)
    ),
]  # fmt: skip
