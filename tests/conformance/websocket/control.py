"""Control frames: Ping and Pong, between fragments and elsewhere (RFC 6455, section 5.5)."""

from conformance.websocket.table import ended, failed, pong, taken
from support.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Ponged, close, sent

CONTROL = "RFC 6455, section 5.5"
PINGS = "RFC 6455, section 5.5.2"
PONGS = "RFC 6455, section 5.5.3"
INTERLEAVED = "RFC 6455, section 5.4"

ANY = bytes(range(0xF0, 0x100)) + b"\0\n\r"
FULL = bytes(125)
ONE, TWO, THREE = sent(TEXT, b"one, ", False), sent(CONTINUATION, b"two, ", False), sent(CONTINUATION, b"three")

TABLE = [
    taken("a ping without payload", PINGS, sent(PING), answers=[pong()]),
    taken("a ping", PINGS, sent(PING, b"Hello"), answers=[pong(b"Hello")]),
    taken("a ping that is not UTF-8", PINGS, sent(PING, ANY), answers=[pong(ANY)]),
    taken("a full ping", PINGS, sent(PING, FULL), answers=[pong(FULL)]),
    taken(
        "ten pings",
        PINGS,
        b"".join(sent(PING, b"%d" % n) for n in range(10)),
        answers=[pong(b"%d" % n) for n in range(10)],
    ),
    taken("a pong that nobody asked for", PONGS, sent(PONG, b"here"), Ponged(b"here")),
    taken("a pong without payload", PONGS, sent(PONG), Ponged(b"")),
    taken("a full pong", PONGS, sent(PONG, FULL), Ponged(FULL)),
    taken(
        "pongs and a ping",
        PONGS,
        sent(PONG, b"1") + sent(PING, b"2") + sent(PONG, b"3"),
        Ponged(b"1"),
        Ponged(b"3"),
        answers=[pong(b"2")],
    ),
    taken(
        "a ping between messages",
        PINGS,
        sent(TEXT, b"a") + sent(PING, b"b") + sent(BINARY, b"c"),
        "a",
        b"c",
        answers=[pong(b"b")],
    ),
    taken("a ping between fragments", INTERLEAVED, ONE + sent(PING, b"p") + THREE, "one, three", answers=[pong(b"p")]),
    taken(
        "a ping between all fragments",
        INTERLEAVED,
        ONE + sent(PING, b"p") + TWO + sent(PING, b"q") + THREE,
        "one, two, three",
        answers=[pong(b"p"), pong(b"q")],
    ),
    taken("a pong between fragments", INTERLEAVED, ONE + sent(PONG, b"p") + THREE, Ponged(b"p"), "one, three"),
    taken(
        "a full ping between fragments in a character",
        INTERLEAVED,
        sent(TEXT, b"\xe2", False) + sent(PING, FULL) + sent(CONTINUATION, b"\x98\x83"),
        "\u2603",
        answers=[pong(FULL)],
    ),
    ended("a close between fragments", INTERLEAVED, ONE + close(1000), code=1000),
    *(
        failed(f"{name} in fragments", CONTROL, sent(opcode, b"", False), needs=1)
        for name, opcode in (("a ping", PING), ("a pong", PONG), ("a close", CLOSE))
    ),
    *(
        failed(f"{name} of {size} bytes", CONTROL, sent(opcode, b"\x03\xe8" + bytes(size - 2)), needs=2)
        for name, opcode in (("a ping", PING), ("a pong", PONG), ("a close", CLOSE))
        for size in (126, 200, 70_000)
    ),
    *(
        failed(f"{name} of few bytes that is said to be long", CONTROL, sent(opcode, b"some", octets=2), needs=2)
        for name, opcode in (("a ping", PING), ("a pong", PONG), ("a close", CLOSE))
    ),
    failed("a long ping between fragments", CONTROL, ONE + sent(PING, bytes(126)) + THREE, needs=len(ONE) + 2),
    failed("a ping that is continued", CONTROL, sent(PING, b"a") + sent(CONTINUATION, b"b"), needs=8)._replace(
        answers=(pong(b"a"), *failed("", "", b"").answers)
    ),
]
