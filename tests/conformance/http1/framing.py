"""Which body a head announces: where it is in doubt, nothing is taken, and the connection is over."""

from conformance.asked import Asked
from conformance.http1.table import get, last, message, post, refused, taken

HELLO = Asked("POST", "/post", b"hello")
EMPTY = Asked("POST", "/post")
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"

LENGTH = "RFC 9110, section 8.6"
PRECEDENCE = "RFC 9112, section 6.3"
CODINGS = "RFC 9112, section 6.1"
CHUNKED = "RFC 9112, section 7.1"


def length(value: str | bytes) -> bytes:
    text = value.encode("latin-1") if isinstance(value, str) else value
    return post(b"Content-Length:" + text, body=b"hello")


def coding(*values: str) -> bytes:
    return post(*(f"Transfer-Encoding:{value}" for value in values), body=CHUNKS)


BAD_LENGTHS = {
    "a list": " 5, 5",
    "a list without space": " 5,5",
    "a list of different ones": " 5,6",
    "a list with an empty element": " 5,",
    "a plus": " +5",
    "a minus": " -5",
    "a minus zero": " -0",
    "an underscore": " 0_5",
    "hexadecimal": " 0x5",
    "octal": " 0o5",
    "a letter": " 5b",
    "nothing": "",
    "white space": " \t ",
    "two numbers": " 5 5",
    "a fraction": " 5.0",
    "an exponent": " 5e0",
    "a parameter": " 5;x",
    "quotes": ' "5"',
    "a number of 64 bits": " 18446744073709551621",  # 5, for who counts modulo 2**64
    "a number of 63 bits": " 9223372036854775808",
    "a number of 19 digits": " 9999999999999999999",
    "a number of 100 digits": " " + "9" * 100,
    "digits of another script": b" \xd9\xa5",
    "a superscript digit": " \xb2",
    "a vertical tab": " \x0b5",
    "NUL": " 5\0",
    "a non-breaking space": " \xa05",
}

BAD_CODINGS = {
    "an empty element before": " ,chunked",
    "an empty element behind": " chunked,",
    "an empty element between": " gzip,,chunked",
    "nearly chunked": " xchunked",
    "more than chunked": " chunkedx",
    "chunked and a word": " chunked x",
    "chunked with a parameter": " chunked;q=1",
    "chunked in quotes": ' "chunked"',
    "chunked in single quotes": " 'chunked'",
    "chunked behind a vertical tab": " \x0bchunked",
    "chunked and NUL": " chunked\0",
    "chunked behind a non-breaking space": " \xa0chunked",
    "a long s": " chun\u017fked".encode().decode("latin-1"),
    "not final": " chunked, identity",
    "not final, gzip": " chunked, gzip",
    "twice chunked": " chunked, chunked",
    "twice chunked without space": " chunked,chunked",
    "no chunked": " gzip",
    "identity": " identity",
    "nothing": "",
    "chunked with a line end": "\r\n chunked",
}

TABLE = [
    # Content-Length
    taken("length", LENGTH, length(" 5"), HELLO),
    taken("length, no space", LENGTH, length("5"), HELLO),
    taken("length, white space around it", "RFC 9112, section 5.1", length(" \t5 \t"), HELLO),
    taken("length, leading zeros", LENGTH, length(" 0005"), HELLO),
    taken("length, zero", LENGTH, post("Content-Length: 0"), EMPTY),
    taken("length, in a GET", "RFC 9110, section 9.3.1", get("Content-Length: 2") + b"hi", Asked("GET", "/", b"hi")),
    taken("no length: no body", PRECEDENCE, post(), EMPTY),
    last("length in HTTP/1.0", PRECEDENCE, message("POST / HTTP/1.0", "Content-Length: 2", body=b"hi"),
         Asked("POST", "/", b"hi")),
    last("no length in HTTP/1.0: no body", PRECEDENCE, message("POST / HTTP/1.0"), Asked("POST", "/")),
    *(refused(f"length: {name}", PRECEDENCE, length(value)) for name, value in BAD_LENGTHS.items()),
    refused("two lengths, the same", PRECEDENCE, post("Content-Length: 5", "Content-Length: 5", body=b"hello")),
    refused("two lengths", PRECEDENCE, post("Content-Length: 5", "Content-Length: 6", body=b"hello!")),
    refused("two lengths, one of them bad", PRECEDENCE, post("Content-Length: 5", "Content-Length: x", body=b"hello")),
    refused("length, a space before the colon", "RFC 9112, section 5.1", post("Content-Length : 5", body=b"hello")),
    # Transfer-Encoding
    taken("chunked", CHUNKED, coding(" chunked"), HELLO),
    taken("chunked, no space", CHUNKED, coding("chunked"), HELLO),
    taken("chunked, upper case", "RFC 9112, section 7", coding(" CHUNKED"), HELLO),
    taken("chunked, white space around it", "RFC 9112, section 5.1", coding(" \t chunked \t"), HELLO),
    taken("chunked, in a GET", CHUNKED, get("Transfer-Encoding: chunked") + CHUNKS, Asked("GET", "/", b"hello")),
    *(refused(f"coding: {name}", PRECEDENCE, coding(value)) for name, value in BAD_CODINGS.items()),
    refused("gzip, then chunked", CODINGS, coding(" gzip, chunked"), 501),
    refused("identity, then chunked", CODINGS, coding(" identity, chunked"), 501),
    refused("two lines of chunked", PRECEDENCE, coding(" chunked", " chunked")),
    refused("chunked, then gzip in a line of its own", PRECEDENCE, coding(" chunked", " gzip")),
    refused("gzip, then chunked in a line of its own", PRECEDENCE, coding(" gzip", " chunked")),
    refused("chunked, and a line of nothing", PRECEDENCE, coding(" chunked", "")),
    refused("chunked, a space before the colon", "RFC 9112, section 5.1",
            post("Transfer-Encoding : chunked", body=CHUNKS)),
    refused("chunked in HTTP/1.0", CODINGS, message("POST / HTTP/1.0", "Transfer-Encoding: chunked", body=CHUNKS)),
    refused("chunked in HTTP/1.0 that stays", CODINGS,
            message("POST / HTTP/1.0", "Connection: keep-alive", "Transfer-Encoding: chunked", body=CHUNKS)),
    # Both
    refused("length, then chunked", PRECEDENCE,
            post("Content-Length: 15", "Transfer-Encoding: chunked", body=CHUNKS)),
    refused("chunked, then length", PRECEDENCE,
            post("Transfer-Encoding: chunked", "Content-Length: 15", body=CHUNKS)),
    refused("zero length, then chunked", PRECEDENCE,
            post("Content-Length: 0", "Transfer-Encoding: chunked", body=CHUNKS)),
    refused("bad length, then chunked", PRECEDENCE,
            post("Content-Length: x", "Transfer-Encoding: chunked", body=CHUNKS)),
    refused("length and an unknown coding", PRECEDENCE,
            post("Content-Length: 15", "Transfer-Encoding: xchunked", body=CHUNKS)),
    refused("both in HTTP/1.0", PRECEDENCE,
            message("POST / HTTP/1.0", "Content-Length: 15", "Transfer-Encoding: chunked", body=CHUNKS)),
]  # fmt: skip
