"""The end of a WebSocket (RFC 6455, sections 5.5.1 and 7)."""

from conformance.websocket.table import INVALID_PAYLOAD, ended, failed
from support.websocket import CLOSE, PING, TEXT, close, fragments, sent

CLOSING = "RFC 6455, section 5.5.1"
CODES = "RFC 6455, section 7.4"
BEHIND = "RFC 6455, section 1.4"

GOOD = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
BAD = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 9999, 65_535)

LONGEST = "r" * 123

TABLE = [
    ended("without a code", CLOSING, close()),
    *(ended(f"with {code}", CODES, close(code), code=code) for code in GOOD),
    ended("with a reason", CLOSING, close(1000, "that's it"), code=1000, reason="that's it"),
    ended("with a reason in Greek", CLOSING, close(3001, "κόσμε"), code=3001, reason="κόσμε"),
    ended("with the longest reason", CLOSING, close(1001, LONGEST), code=1001, reason=LONGEST),
    ended("behind a message", CLOSING, sent(TEXT, b"last") + close(1000), "last", code=1000),
    ended("in the middle of a message", CLOSING, sent(TEXT, b"la", False) + close(1000), code=1000),
    # What comes behind it is not looked at.
    ended("a message behind it", BEHIND, close(1000) + sent(TEXT, b"more"), code=1000),
    ended("a ping behind it", BEHIND, close(1000) + sent(PING, b"more"), code=1000),
    ended("another one behind it", BEHIND, close(1000) + close(1001), code=1000),
    ended("fragments behind it", BEHIND, close() + fragments(TEXT, b"a", b"b")),
    ended("garbage behind it", BEHIND, close(1000) + b"\xff" * 100, code=1000),
    ended("half a frame behind it", BEHIND, close(1000) + sent(TEXT, b"more")[:4], code=1000),
    failed("with one octet", CLOSING, sent(CLOSE, b"\x03")),
    *(failed(f"with {code}", CODES, close(code)) for code in BAD),
    *(failed(f"with {code} and a reason", CODES, close(code, "because")) for code in BAD),
    *(
        failed(f"with a reason that is {name}", CLOSING, close(1000, reason), code=INVALID_PAYLOAD)
        for name, reason in {
            "not UTF-8": b"\xff",
            "cut": b"caf\xc3",
            "overlong": b"\xc0\xaf",
            "a surrogate": b"\xed\xa0\x80",
        }.items()
    ),
    failed("a bad code and a bad reason", CLOSING, close(999, b"\xff")),
]
