"""Messages in fragments (RFC 6455, section 5.4)."""

from conformance.websocket.table import failed, taken
from support.websocket import BINARY, CONTINUATION, TEXT, fragments, sent

FRAGMENTS = "RFC 6455, section 5.4"
EXAMPLES = "RFC 6455, section 5.7"

ONE, TWO = sent(TEXT, b"one", False), sent(CONTINUATION, b"two")
LONG = bytes(at * 11 & 0xFF for at in range(70_000))

TABLE = [
    taken("the example, masked", EXAMPLES, fragments(TEXT, b"Hel", b"lo"), "Hello"),
    taken("binary", FRAGMENTS, fragments(BINARY, b"one", b"two", b"three"), b"onetwothree"),
    taken("single octets", FRAGMENTS, fragments(BINARY, *(bytes((octet,)) for octet in range(256))), bytes(range(256))),
    taken("an empty one first", FRAGMENTS, fragments(TEXT, b"", b"two"), "two"),
    taken("an empty one last", FRAGMENTS, fragments(TEXT, b"one", b""), "one"),
    taken("empty ones between", FRAGMENTS, fragments(TEXT, b"one", b"", b"", b"two"), "onetwo"),
    taken("nothing but empty ones", FRAGMENTS, fragments(TEXT, b"", b"", b""), ""),
    taken("nothing but empty ones, binary", FRAGMENTS, fragments(BINARY, b"", b"", b""), b""),
    taken("two messages", FRAGMENTS, fragments(TEXT, b"a", b"b") + fragments(BINARY, b"c", b"d"), "ab", b"cd"),
    taken("a whole message behind", FRAGMENTS, fragments(TEXT, b"a", b"b") + sent(BINARY, b"c"), "ab", b"c"),
    taken("long ones", FRAGMENTS, fragments(BINARY, LONG, b"", LONG, b"end"), LONG + LONG + b"end"),
    taken("long ones of text", FRAGMENTS, fragments(TEXT, b"a" * 70_000, b"b" * 300), "a" * 70_000 + "b" * 300),
    failed("the continuation of nothing", FRAGMENTS, sent(CONTINUATION, b"two"), needs=1),
    failed("the continuation of nothing, and not the last", FRAGMENTS, sent(CONTINUATION, b"two", False), needs=1),
    failed("the continuation of a whole message", FRAGMENTS, sent(TEXT, b"one") + TWO, "one", needs=10),
    failed("a continuation behind the last", FRAGMENTS, ONE + TWO + TWO, "onetwo", needs=len(ONE + TWO) + 1),
    failed("a text inside a text", FRAGMENTS, ONE + sent(TEXT, b"two"), needs=len(ONE) + 1),
    failed("a binary message inside a text", FRAGMENTS, ONE + sent(BINARY, b"two"), needs=len(ONE) + 1),
    failed("the first fragment twice", FRAGMENTS, ONE + ONE, needs=len(ONE) + 1),
    failed("a text inside a binary message", FRAGMENTS, sent(BINARY, b"", False) + sent(TEXT), needs=7),
    failed("a message inside another one of nothing", FRAGMENTS, fragments(TEXT, b"", b"")[:6] + sent(TEXT), needs=7),
]
