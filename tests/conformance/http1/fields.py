"""Header fields: their names, their values and the lines that they are in."""

from conformance.asked import Asked
from conformance.http1.table import Row, get, message, refused, taken

NAMES = "RFC 9110, section 5.1"
VALUES = "RFC 9110, section 5.5"
LINES = "RFC 9112, section 5.1"
FOLDING = "RFC 9112, section 5.2"
LINE_ENDS = "RFC 9112, section 2.2"

TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
HTAB, COLON = b"\t:"
CONTROLS = (*range(0x20), 0x7F)
NO_TOKEN = [byte for byte in range(0x100) if byte not in TOKEN and byte != COLON]
BLANK = (*CONTROLS, 0x20, 0x85, 0xA0)


def with_value(name: str, rfc: str, line: bytes, value: bytes) -> Row:
    """The application gets a field ``x`` of this value."""
    return taken(name, rfc, get(line), Asked("GET", "/", fields=((b"host", b"a"), (b"x", value))))


def without_value(name: str, rfc: str, *lines: bytes) -> Row:
    """The application gets none of these fields."""
    return taken(name, rfc, get(*lines), Asked("GET", "/", fields=((b"host", b"a"),)))


TABLE = [
    # Values
    with_value("a value", VALUES, b"X: y", b"y"),
    with_value("an empty value", VALUES, b"X:", b""),
    with_value("a value of white space", VALUES, b"X: \t ", b""),
    with_value("white space around a value", LINES, b"X: \t y \t", b"y"),
    with_value("white space in a value", VALUES, b"X: y \tz", b"y \tz"),
    with_value("all visible ASCII", VALUES, b"X: " + bytes(range(0x21, 0x7F)), bytes(range(0x21, 0x7F))),
    with_value("all bytes from 0x80 on", VALUES, b"X: " + bytes(range(0x80, 0x100)), bytes(range(0x80, 0x100))),
    *(
        with_value(f"0x{byte:02x} is no white space", VALUES, b"X: %c" % byte + b" %c" % byte, b"%c %c" % (byte, byte))
        for byte in (0x85, 0xA0, 0xAD, 0xFF)
    ),
    *(
        refused(f"0x{byte:02x} {place} a value", VALUES, get(b"X: " + value % byte))
        for byte in CONTROLS
        if byte != HTAB
        for place, value in (("before", b"%cy"), ("in", b"y%cz"), ("behind", b"y%c"))
        if (byte, place) != (0x0D, "behind")  # where it is the CR of the line's end, and the next one is left over
    ),
    refused("CR CR LF behind a value", LINE_ENDS, get(b"X: y\r")),
    # Names
    with_value("a name in upper case", NAMES, b"x: y", b"y"),
    taken("all characters of a token in a name", NAMES, get(TOKEN.replace(b"_", b"") + b": y"),
          Asked("GET", "/", fields=((b"host", b"a"), (TOKEN.replace(b"_", b"").lower(), b"y")))),
    *(refused(f"0x{byte:02x} in a name", NAMES, get(b"X%cY: z" % byte)) for byte in NO_TOKEN),
    *(refused(f"0x{byte:02x} before a name", NAMES, get(b"%cX: y" % byte)) for byte in BLANK),
    *(refused(f"0x{byte:02x} behind a name", NAMES, get(b"X%c: y" % byte)) for byte in BLANK),
    refused("an empty name", NAMES, get(b": y")),
    refused("a second colon first", NAMES, get(b":X: y")),
    refused("no colon", LINES, get(b"X")),
    refused("no colon, with a space", LINES, get(b"X y")),
    # Lines
    refused("a folded value", FOLDING, get(b"X: y", b" z")),
    refused("a value folded with a tab", FOLDING, get(b"X: y", b"\tz")),
    refused("a value folded into an empty line", FOLDING, get(b"X: y", b" ")),
    refused("a value folded from the beginning", FOLDING, get(b"X:", b" y")),
    refused("a folded Host", FOLDING, message("GET / HTTP/1.1", "Host:", " a")),
    refused("a space before the first field", LINE_ENDS, message("GET / HTTP/1.1", " Host: a")),
    refused("a tab before the first field", LINE_ENDS, message("GET / HTTP/1.1", "\tHost: a")),
    refused("a line of a space before the first field", LINE_ENDS, message("GET / HTTP/1.1", " ", "Host: a")),
    refused("a bare LF behind the request line", LINE_ENDS, b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    refused("a bare LF behind a field", LINE_ENDS, b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
    refused("a bare LF as the last line", LINE_ENDS, b"GET / HTTP/1.1\r\nHost: a\r\n\nX: y\r\n\r\n"),
    refused("bare LFs only", LINE_ENDS, b"GET / HTTP/1.1\nHost: a\n\n"),
    refused("bare CRs only", LINE_ENDS, b"GET / HTTP/1.1\rHost: a\r\r"),
    refused("CR CR LF as the last line", LINE_ENDS, b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n\r\n"),
    # Underscores: in a CGI variable X_Forwarded_For is X-Forwarded-For.
    without_value("X_Forwarded_For", "RFC 3875, section 4.1.18", b"X_Forwarded_For: 127.0.0.1"),
    without_value("Content_Length", "RFC 3875, section 4.1.18", b"Content_Length: 5"),
    without_value("Transfer_Encoding", "RFC 3875, section 4.1.18", b"Transfer_Encoding: chunked"),
    without_value("a second Host_", "RFC 3875, section 4.1.18", b"Host_: b", b"_Host: b", b"_: b"),
]  # fmt: skip
