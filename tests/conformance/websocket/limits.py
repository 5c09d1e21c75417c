"""Limits: what is beyond one ends in 1009 with the header that tells so, before there is anything of that size."""

from conformance.websocket.table import TOO_BIG, failed, pong, taken
from support.websocket import BINARY, CONTINUATION, PING, TEXT, fragments, sent

from litmus.protocols.websocket.limits import WebSocketLimits

CODE = "RFC 6455, section 7.4.1"

TIGHT = WebSocketLimits(message=200, frame=150, fragments=5)

FIVE = (b"1", b"2", b"3", b"4", b"5")


def first(size: int) -> bytes:
    return sent(BINARY, bytes(size), False)


def more(size: int, fin: bool = True) -> bytes:
    return sent(CONTINUATION, bytes(size), fin)


TABLE = [
    row.on(limits=TIGHT)
    for row in (
        taken("the largest frame", CODE, sent(BINARY, bytes(150)), bytes(150)),
        taken("the largest frame of text", CODE, sent(TEXT, b"a" * 150), "a" * 150),
        taken("the largest message", CODE, first(150) + more(50), bytes(200)),
        taken("the largest message, twice", CODE, (first(100) + more(100)) * 2, bytes(200), bytes(200)),
        taken("the most fragments", CODE, fragments(TEXT, *FIVE), "12345"),
        taken("the most fragments, twice", CODE, fragments(TEXT, *FIVE) * 2, "12345", "12345"),
        taken(
            "control frames are no fragments",
            CODE,
            first(1) + sent(PING) * 9 + more(1),
            bytes(2),
            answers=[pong()] * 9,
        ),
        failed("a frame that is too large", CODE, sent(BINARY, bytes(151)), code=TOO_BIG, needs=4),
        failed("a text that is too large", CODE, sent(TEXT, b"a" * 151), code=TOO_BIG, needs=4),
        failed("a frame that is said to be too large", CODE, sent(BINARY, b"", size=1 << 40), code=TOO_BIG, needs=10),
        failed("the largest frame there can be", CODE, sent(BINARY, b"", size=(1 << 63) - 1), code=TOO_BIG, needs=10),
        failed(
            "the largest continuation there can be",
            CODE,
            first(9) + sent(CONTINUATION, size=(1 << 63) - 1),
            code=TOO_BIG,
            needs=len(first(9)) + 10,
        ),
        failed("a message that is too large", CODE, first(150) + more(51), code=TOO_BIG, needs=len(first(150)) + 2),
        failed(
            "a message that is too large with its third fragment",
            CODE,
            first(100) + more(100, False) + more(1),
            code=TOO_BIG,
            needs=len(first(100) + more(100)) + 2,
        ),
        failed(
            "a message that is too large behind one that is not",
            CODE,
            first(150) + more(50) + first(150) + more(51),
            bytes(200),
            code=TOO_BIG,
            needs=len(first(150) * 2 + more(50)) + 2,
        ),
        failed(
            "too many fragments",
            CODE,
            fragments(TEXT, *FIVE, b"6"),
            code=TOO_BIG,
            needs=len(fragments(TEXT, *FIVE)) + 2,
        ),
        failed(
            "too many fragments of nothing",
            CODE,
            fragments(TEXT, *[b""] * 6),
            code=TOO_BIG,
            needs=len(fragments(TEXT, *[b""] * 5)) + 2,
        ),
    )
]
