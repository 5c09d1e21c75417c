"""permessage-deflate (RFC 7692, sections 6 and 7.2.2) on the way in: what a client that has agreed on it sends."""

import zlib

from conformance.websocket.table import INVALID_PAYLOAD, TOO_BIG, Row, failed, pong, taken
from support.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, RSV1, RSV2, RSV3, TEXT, Zlib, fragments, sent

from litmus.protocols.websocket.limits import WebSocketLimits

BITS = "RFC 7692, section 6"
INFLATING = "RFC 7692, section 7.2.2"
EXAMPLES = "RFC 7692, section 7.2.3"
TAKEOVER = "RFC 7692, section 7.1.1"
LIMIT = "RFC 6455, section 7.4.1"

HELLO = bytes.fromhex("f248cdc9c90700")
HELLO_AGAIN = bytes.fromhex("f200110000")
STORED = bytes.fromhex("000500faff48656c6c6f00")
FINAL = bytes.fromhex("f348cdc9c9070000")
TWO_BLOCKS = bytes.fromhex("f248050000 00ffff cac9c90700".replace(" ", ""))

LETTERS = "".join(chr(97 + at * at % 26) for at in range(5000))
DEFLATED = Zlib().deflate(LETTERS.encode())
NOTHING = b"\x00"

TIGHT = WebSocketLimits(message=1000, frame=500, fragments=9)
ALL = WebSocketLimits(message=1 << 20)


def packed(opcode: int, payload: bytes, fin: bool = True) -> bytes:
    """A frame with the bit of a compressed message."""
    return sent(opcode, payload, fin, RSV1)


def zeros(size: int) -> bytes:
    return Zlib().deflate(bytes(size))


def finals(count: int) -> bytes:
    """A message in blocks that are all said to be the last one."""
    compressor = zlib.compressobj(wbits=-15)
    block = compressor.compress(b"a") + compressor.flush(zlib.Z_FINISH)
    return block * count + NOTHING


def broken(name: str, sent: bytes, *told: str, code: int = INVALID_PAYLOAD) -> Row:
    """A breach in what is inflated. It is for zlib to say when it has seen enough."""
    return failed(name, INFLATING, sent, *told, code=code).on(needs=None)


BOMB = zeros(100_000)

ONE = packed(TEXT, HELLO[:3], False)

TABLE = [
    row.on(offer=[]) if row.offer is None else row
    for row in (
        taken("the example", EXAMPLES, packed(TEXT, HELLO), "Hello"),
        taken("the example in fragments", EXAMPLES, fragments(TEXT, HELLO[:3], HELLO[3:], rsv=RSV1), "Hello"),
        taken(
            "the example with the window of the one before",
            EXAMPLES,
            packed(TEXT, HELLO) + packed(TEXT, HELLO_AGAIN),
            "Hello",
            "Hello",
        ),
        taken("the same message again", EXAMPLES, packed(TEXT, HELLO) * 2, "Hello", "Hello"),
        taken("the example without compression", EXAMPLES, packed(TEXT, STORED), "Hello"),
        taken("the example with BFINAL", EXAMPLES, packed(TEXT, FINAL), "Hello"),
        taken("the example with BFINAL twice", EXAMPLES, packed(TEXT, FINAL) * 2, "Hello", "Hello"),
        taken(
            "the example with BFINAL, and one without",
            EXAMPLES,
            packed(TEXT, FINAL) + packed(TEXT, HELLO),
            "Hello",
            "Hello",
        ),
        taken("the example in two blocks", EXAMPLES, packed(TEXT, TWO_BLOCKS), "Hello"),
        taken(
            "all of them",
            EXAMPLES,
            b"".join(packed(BINARY, each) for each in (HELLO, STORED, TWO_BLOCKS, HELLO, FINAL)),
            *[b"Hello"] * 5,
        ),
        # Compressed or not is for each message to say, by its first frame.
        taken("not compressed", BITS, sent(TEXT, b"Hello"), "Hello"),
        taken("not compressed, in fragments", BITS, fragments(TEXT, b"Hel", b"lo"), "Hello"),
        taken("by turns", BITS, packed(TEXT, HELLO) + sent(TEXT, b"Hello") + packed(TEXT, HELLO_AGAIN), *["Hello"] * 3),
        taken("nothing", INFLATING, packed(TEXT, NOTHING), ""),
        taken("nothing, twice", INFLATING, packed(BINARY, NOTHING) * 2, b"", b""),
        taken(
            "nothing between two",
            INFLATING,
            packed(TEXT, HELLO) + packed(TEXT, NOTHING) + packed(TEXT, HELLO_AGAIN),
            "Hello",
            "",
            "Hello",
        ),
        taken(
            "in fragments of one octet",
            INFLATING,
            fragments(TEXT, *(HELLO[at : at + 1] for at in range(7)), rsv=RSV1),
            "Hello",
        ),
        taken(
            "in fragments of nothing",
            INFLATING,
            fragments(TEXT, b"", HELLO[:4], b"", HELLO[4:], b"", rsv=RSV1),
            "Hello",
        ),
        taken("long", INFLATING, packed(TEXT, DEFLATED), LETTERS),
        taken(
            "long, in fragments",
            INFLATING,
            fragments(BINARY, *(DEFLATED[at : at + 100] for at in range(0, len(DEFLATED), 100)), rsv=RSV1),
            LETTERS.encode(),
        ),
        taken("very long", INFLATING, packed(BINARY, zeros(1 << 20)), bytes(1 << 20)).on(limits=ALL),
        taken(
            "a ping between its fragments",
            INFLATING,
            ONE + sent(PING, b"p") + sent(CONTINUATION, HELLO[3:]),
            "Hello",
            answers=[pong(b"p")],
        ),
        *(
            failed(f"{name} with the bit", BITS, packed(opcode, b""), needs=1)
            for name, opcode in (("a ping", PING), ("a pong", PONG), ("a close", CLOSE))
        ),
        failed("a continuation with the bit", BITS, ONE + packed(CONTINUATION, HELLO[3:]), needs=len(ONE) + 1),
        failed(
            "a continuation with the bit of a message without",
            BITS,
            sent(TEXT, b"a", False) + packed(CONTINUATION, HELLO),
            needs=8,
        ),
        *(
            failed(f"RSV {rsv >> 4:03b}", BITS, sent(TEXT, HELLO, rsv=rsv), needs=1)
            for rsv in range(RSV3, 0x80, RSV3)
            if rsv & (RSV2 | RSV3)
        ),
        failed("an opcode that nobody has defined, with the bit", BITS, packed(3, b""), needs=1),
        broken("a reserved kind of block", packed(TEXT, b"\x07")),
        broken("a stored block that contradicts itself", packed(TEXT, b"\x00\x05\x00\x00\x00Hello")),
        broken("a reference to before the beginning", packed(TEXT, HELLO_AGAIN)),
        broken("garbage", packed(BINARY, b"\xff" * 50)),
        broken("a message that was not compressed", packed(TEXT, b"Hello")),
        broken("text that is not UTF-8", packed(TEXT, Zlib().deflate(b"\xff"))),
        broken("text that ends in a character", packed(TEXT, Zlib().deflate(b"\xe2\x98"))),
        broken("a block with BFINAL, and garbage", packed(TEXT, finals(1)[:-1] + b"\x07")),
        broken("a reference to before a block with BFINAL", packed(TEXT, FINAL) + packed(TEXT, HELLO_AGAIN), "Hello"),
        # Where the client has said that it does not, messages cannot refer to others.
        taken("no takeover", TAKEOVER, packed(TEXT, HELLO) * 3, *["Hello"] * 3).on(
            offer=[("client_no_context_takeover", None)]
        ),
        broken(
            "no takeover, and a reference to the message before",
            packed(TEXT, HELLO) + packed(TEXT, HELLO_AGAIN),
            "Hello",
        ).on(offer=[("client_no_context_takeover", None)]),
        # Limits are those of what is inflated.
        taken("as long as it may be", LIMIT, packed(BINARY, zeros(1000)), bytes(1000)).on(limits=TIGHT),
        taken("as long as it may be, twice", LIMIT, packed(BINARY, zeros(1000)) * 2, bytes(1000), bytes(1000)).on(
            limits=TIGHT
        ),
        *(
            broken(name, sent, code=TOO_BIG).on(limits=TIGHT)
            for name, sent in {
                "one byte more": packed(BINARY, zeros(1001)),
                "a bomb": packed(BINARY, zeros(400_000)),
                "a bomb of text": packed(TEXT, zeros(400_000)),
                "a bomb in fragments": fragments(BINARY, *(BOMB[at : at + 30] for at in range(0, 150, 30)), rsv=RSV1),
                "a bomb in the last fragment": fragments(
                    BINARY, Zlib().deflate(bytes(900)) + b"\0\0\xff\xff", zeros(101), rsv=RSV1
                ),
            }.items()
        ),
        failed("a frame that is too large", LIMIT, packed(BINARY, bytes(501)), code=TOO_BIG, needs=4).on(limits=TIGHT),
        taken("many blocks with BFINAL", EXAMPLES, packed(TEXT, finals(64)), "a" * 64),
        broken("too many blocks with BFINAL", packed(TEXT, finals(65)), code=TOO_BIG),
    )
]
