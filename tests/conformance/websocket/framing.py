"""Frames: lengths, masks, reserved bits, opcodes (RFC 6455, sections 5.1 to 5.3)."""

from conformance.websocket.table import failed, taken
from support.websocket import BINARY, CLOSE, CONTINUATION, PING, RSV1, RSV2, RSV3, TEXT, sent

FRAMING = "RFC 6455, section 5.2"
MASKING = "RFC 6455, section 5.3"
EXAMPLES = "RFC 6455, section 5.7"
MASKED = "RFC 6455, section 5.1"

SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 124, 125, 126, 127, 128, 255, 256, 1000, 4096)
LONG_SIZES = (65_534, 65_535, 65_536, 65_537, 70_000)
KEYS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\x80", b"\x01\x02\x03\x04", b"\xfe\xdc\xba\x98")

FRAMES = {"text": TEXT, "binary": BINARY, "continuation": CONTINUATION, "ping": PING, "close": CLOSE}


def payload(size: int) -> bytes:
    return bytes(at * 7 & 0xFF for at in range(size))


def letters(size: int) -> str:
    return "".join(chr(97 + at % 26) for at in range(size))


TABLE = [
    taken("the masked example", EXAMPLES, bytes.fromhex("818537fa213d7f9f4d5158"), "Hello"),
    *(taken(f"{size} bytes", FRAMING, sent(BINARY, payload(size)), payload(size)) for size in SIZES),
    *(taken(f"a text of {size}", FRAMING, sent(TEXT, letters(size).encode()), letters(size)) for size in SIZES),
    *(taken(f"{size} bytes", FRAMING, sent(BINARY, payload(size)), payload(size)) for size in LONG_SIZES),
    *(taken(f"a text of {size}", FRAMING, sent(TEXT, letters(size).encode()), letters(size)) for size in LONG_SIZES),
    # Masks
    *(taken(f"the key {key.hex()}", MASKING, sent(BINARY, payload(99), key=key), payload(99)) for key in KEYS),
    taken(
        "a key for each frame",
        MASKING,
        b"".join(sent(TEXT, b"the same", key=key) for key in KEYS),
        *["the same"] * len(KEYS),
    ),
    taken(
        "a key for each fragment",
        MASKING,
        sent(TEXT, b"one, ", False, key=KEYS[4]) + sent(CONTINUATION, b"two", key=KEYS[5]),
        "one, two",
    ),
    *(
        failed(f"{name} without a mask", MASKED, sent(opcode, b"\x03\xe8", key=None), needs=2)
        for name, opcode in FRAMES.items()
        if opcode != CONTINUATION
    ),
    failed("nothing without a mask", MASKED, sent(TEXT, key=None), needs=2),
    failed("a long text without a mask", MASKED, sent(TEXT, bytes(200), key=None), needs=2),
    failed(
        "a continuation without a mask",
        MASKED,
        sent(TEXT, b"one", False) + sent(CONTINUATION, b"two", key=None),
        needs=len(sent(TEXT, b"one")) + 2,
    ),
    # Lengths that take more octets than they have to
    *(
        failed(f"{size} in 2 octets", FRAMING, sent(BINARY, bytes(size), octets=2), needs=4)
        for size in (0, 1, 2, 124, 125)
    ),
    *(
        failed(f"{size} in 8 octets", FRAMING, sent(BINARY, bytes(size), octets=8), needs=10)
        for size in (0, 1, 125, 126, 127, 65_534, 65_535)
    ),
    *(
        failed(f"a length of {size:#x}", FRAMING, sent(BINARY, b"some", size=size), needs=10)
        for size in (1 << 63, (1 << 63) + 4, (1 << 64) - 1)
    ),
    # Reserved bits: nothing has been agreed on that would give them a meaning
    *(
        failed(f"{name} with RSV {rsv >> 4:03b}", FRAMING, sent(opcode, b"", rsv=rsv), needs=1)
        for name, opcode in FRAMES.items()
        if opcode != CONTINUATION
        for rsv in range(RSV3, 0x80, RSV3)
    ),
    *(
        failed(
            f"a continuation with RSV {rsv >> 4:03b}",
            FRAMING,
            sent(TEXT, b"one", False) + sent(CONTINUATION, b"two", rsv=rsv),
            needs=len(sent(TEXT, b"one")) + 1,
        )
        for rsv in (RSV1, RSV2, RSV3)
    ),
    failed(
        "a reserved bit behind a message", FRAMING, sent(TEXT, b"one") + sent(TEXT, b"two", rsv=RSV2), "one", needs=10
    ),
    # Opcodes that nobody has defined
    *(
        failed(f"opcode {opcode:#x}{name}", FRAMING, sent(opcode, each, fin), needs=1)
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
        for name, each, fin in (("", b"", True), (" with a payload", b"some", True), (" in fragments", b"", False))
    ),
    *(
        failed(
            f"opcode {opcode:#x} between fragments",
            FRAMING,
            sent(TEXT, b"one", False) + sent(opcode) + sent(CONTINUATION, b"two"),
            needs=len(sent(TEXT, b"one")) + 1,
        )
        for opcode in (3, 7, 11, 15)
    ),
    failed("garbage", FRAMING, b"GET / HTTP/1.1\r\n\r\n", needs=1),
    failed("a client's hello of TLS", FRAMING, b"\x16\x03\x01\x02\x00", needs=1),
]
