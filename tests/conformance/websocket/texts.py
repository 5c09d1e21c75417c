"""UTF-8 (RFC 6455, sections 5.6 and 8.1; RFC 3629; the Unicode Standard, table 3-7).

What is not UTF-8 is found with the octet after which nothing could make it so again, wherever frames begin and end.
"""

from conformance.websocket.table import INVALID_PAYLOAD, failed, pong, taken
from support.websocket import BINARY, PING, TEXT, fragments, sent

UTF_8 = "RFC 6455, section 8.1"
MESSAGES = "RFC 6455, section 5.6"

EDGES = (
    0, 0x7F, 0x80, 0x7FF, 0x800, 0xFFF, 0x1000, 0xCFFF, 0xD000, 0xD7FF, 0xE000, 0xFDD0, 0xFEFF, 0xFFFD, 0xFFFE, 0xFFFF,
    0x10000, 0x1FFFE, 0x3FFFF, 0x40000, 0xFFFFF, 0x100000, 0x10FFFE, 0x10FFFF,
)  # fmt: skip

GREEK = "κόσμε"
MIXED = "a\u00e9\u2603\U0001f600" + "".join(map(chr, EDGES))

BAD: dict[str, tuple[bytes, int]] = {
    # name: what is wrong, and how many octets of it it takes to know
    "a continuation": (b"\x80", 1),
    "the last continuation": (b"\xbf", 1),
    "FE": (b"\xfe", 1),
    "FF": (b"\xff", 1),
    "C0 80": (b"\xc0\x80", 1),
    "C1 BF": (b"\xc1\xbf", 1),
    "F5": (b"\xf5\x80\x80\x80", 1),
    "five octets": (b"\xf8\x88\x80\x80\x80", 1),
    "six octets": (b"\xfc\x84\x80\x80\x80\x80", 1),
    "a solidus in three octets": (b"\xe0\x80\xaf", 2),
    "a solidus in four octets": (b"\xf0\x80\x80\xaf", 2),
    "the longest overlong one of three": (b"\xe0\x9f\xbf", 2),
    "the longest overlong one of four": (b"\xf0\x8f\xbf\xbf", 2),
    "U+D800": (b"\xed\xa0\x80", 2),
    "U+DBFF": (b"\xed\xaf\xbf", 2),
    "U+DC00": (b"\xed\xb0\x80", 2),
    "U+DFFF": (b"\xed\xbf\xbf", 2),
    "a pair of surrogates": (b"\xed\xa0\xbd\xed\xb8\x80", 2),
    "U+110000": (b"\xf4\x90\x80\x80", 2),
    "U+13FFFF": (b"\xf4\xbf\xbf\xbf", 2),
    "two octets, and a letter": (b"\xc3a", 2),
    "three octets, and a letter": (b"\xe2\x98a", 3),
    "three octets, and a letter too early": (b"\xe2a", 2),
    "four octets, and a letter": (b"\xf0\x9f\x98a", 4),
    "four octets, and another lead": (b"\xf0\x9f\xf0", 3),
    "a lead, and a lead": (b"\xc3\xc3", 2),
}

CUT = {
    "two": b"\xc3",
    "three": b"\xe2",
    "three, but one": b"\xe2\x98",
    "four": b"\xf0",
    "four, but one": b"\xf0\x9f\x98",
}

BEFORE = {"nothing": b"", "letters": b"letters", "greek": GREEK.encode(), "much": b"m" * 300}


def octets(text: str | bytes) -> list[bytes]:
    data = text.encode() if isinstance(text, str) else text
    return [bytes((octet,)) for octet in data]


def header(payload: bytes) -> int:
    return 6 if len(payload) < 126 else 8


TABLE = [
    taken("greek", MESSAGES, sent(TEXT, GREEK.encode()), GREEK),
    taken("empty", MESSAGES, sent(TEXT), ""),
    taken("everything at the edges", MESSAGES, sent(TEXT, MIXED.encode()), MIXED),
    *(taken(f"U+{code:04X}", UTF_8, sent(TEXT, chr(code).encode()), chr(code)) for code in EDGES),
    *(
        taken(f"U+{code:04X} in fragments of one octet", UTF_8, fragments(TEXT, *octets(chr(code))), chr(code))
        for code in EDGES
    ),
    *(
        taken(f"everything, in fragments cut at {at}", UTF_8, fragments(TEXT, all_[:at], all_[at:]), MIXED)
        for all_ in (MIXED.encode(),)
        for at in range(len(all_) + 1)
    ),
    taken("everything, in fragments of one octet", UTF_8, fragments(TEXT, *octets(MIXED)), MIXED),
    taken(
        "a character with a ping inside",
        UTF_8,
        sent(TEXT, b"\xf0\x9f", False) + sent(PING, b"\xff") + sent(0, b"\x98\x80"),
        "\U0001f600",
        answers=[pong(b"\xff")],
    ),
    *(taken(f"{name}, in a binary message", MESSAGES, sent(BINARY, bad), bad) for name, (bad, _) in BAD.items()),
    # All at once: what is wrong is in the middle of a frame, and more of it is to come.
    *(
        failed(
            f"{name} behind {which}",
            UTF_8,
            sent(TEXT, before + bad + b" and more"),
            code=INVALID_PAYLOAD,
            needs=header(before + bad + b" and more") + len(before) + size,
        )
        for name, (bad, size) in BAD.items()
        for which, before in BEFORE.items()
    ),
    # In the middle of a fragment that is not the last one.
    *(
        failed(
            f"{name} in a fragment behind {which}",
            UTF_8,
            sent(TEXT, before, False) + sent(0, bad + b" and more", False) + sent(0, b"end"),
            code=INVALID_PAYLOAD,
            needs=header(before) + len(before) + 6 + size,
        )
        for name, (bad, size) in BAD.items()
        for which, before in BEFORE.items()
    ),
    # Each octet in a fragment of its own.
    *(
        failed(
            f"{name} in fragments of one octet",
            UTF_8,
            fragments(TEXT, *octets(bad + b" and more")),
            code=INVALID_PAYLOAD,
            needs=7 * size,
        )
        for name, (bad, size) in BAD.items()
    ),
    # The end of the message in the middle of a character.
    *(
        failed(f"the end in {name} behind {which}", UTF_8, sent(TEXT, before + bad), code=INVALID_PAYLOAD)
        for name, bad in CUT.items()
        for which, before in BEFORE.items()
    ),
    *(
        failed(
            f"the end in {name}, in a fragment of nothing",
            UTF_8,
            sent(TEXT, bad, False) + sent(0),
            code=INVALID_PAYLOAD,
        )
        for name, bad in CUT.items()
    ),
    *(
        failed(
            f"half of a character in {name}, and a message of the rest",
            UTF_8,
            sent(TEXT, bad) + sent(TEXT, b"\x98"),
            code=INVALID_PAYLOAD,
            needs=6 + len(bad),
        )
        for name, bad in CUT.items()
    ),
]
