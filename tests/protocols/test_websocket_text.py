"""Text that is and is not UTF-8, however it is cut: a table of the Unicode Standard says which."""

from random import Random

import pytest
from support.websocket import CONTINUATION, TEXT, Failed, Line, fragments, sent
from support.wire import bytewise, splits

WELL_FORMED = (
    ((0x00, 0x7F),),
    ((0xC2, 0xDF), (0x80, 0xBF)),
    ((0xE0, 0xE0), (0xA0, 0xBF), (0x80, 0xBF)),
    ((0xE1, 0xEC), (0x80, 0xBF), (0x80, 0xBF)),
    ((0xED, 0xED), (0x80, 0x9F), (0x80, 0xBF)),
    ((0xEE, 0xEF), (0x80, 0xBF), (0x80, 0xBF)),
    ((0xF0, 0xF0), (0x90, 0xBF), (0x80, 0xBF), (0x80, 0xBF)),
    ((0xF1, 0xF3), (0x80, 0xBF), (0x80, 0xBF), (0x80, 0xBF)),
    ((0xF4, 0xF4), (0x80, 0x8F), (0x80, 0xBF), (0x80, 0xBF)),
)
"""The Unicode Standard, table 3-7."""

INTERESTING = sorted(
    {edge for row in WELL_FORMED for low, high in row for edge in (low - 1, low, high, high + 1)} & {*range(256)}
)


def needed(data: bytes) -> int | None:
    """How many octets of ``data`` it takes to know that it is not UTF-8; None: it is, or may become it.

    All of them and one more if it ends too early.
    """
    begun: list[tuple[tuple[int, int], ...]] = []
    for at, octet in enumerate(data):
        rows = begun or list(WELL_FORMED)
        begun = [row[1:] for row in rows if row[0][0] <= octet <= row[0][1]]
        if not begun:
            return at + 1
        begun = [row for row in begun if row]
    return len(data) + 1 if begun else None


def judge(pieces: list[bytes]) -> tuple[int | None, list[object]]:
    """How many octets of a message in these fragments it took to find it wrong; and what was told."""
    line = Line()
    count = 0
    for at, piece in enumerate(pieces):
        frame = sent(CONTINUATION if at else TEXT, piece, at == len(pieces) - 1)
        header = len(frame) - len(piece)
        for place, octet in enumerate(bytewise(frame)):
            line.feed(octet)
            count += place >= header
            if line.ended:
                return count, list(line.told)
    return None, list(line.told)


def check(data: bytes, pieces: list[bytes]) -> None:
    count, told = judge(pieces)
    expected = needed(data)
    if expected is None:
        assert (count, told) == (None, [data.decode()])
    else:
        assert (count, told) == (min(expected, len(data)), [Failed(1007)]), (data, pieces)


@pytest.mark.parametrize("first", range(256))
def test_every_pair_of_octets_that_matters(first: int) -> None:
    for second in (*INTERESTING, ord("a")):
        for rest in (b"", b"\x80", b"\xbf\x80", b"\x80\x80", b"a"):
            data = bytes((first, second)) + rest
            check(data, [data])


def test_random_octets_in_random_fragments() -> None:
    random = Random(3629)
    for _ in range(4000):
        size = random.randrange(12)
        if random.random() < 0.5:
            data = bytes(random.choice(INTERESTING) for _ in range(size))
        else:
            characters = [
                chr(random.choice((0x61, 0xE9, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF)))
                for _ in range(size)
            ]
            data = "".join(characters).encode()
            if data and random.random() < 0.5:
                place = random.randrange(len(data))
                data = data[:place] + bytes((random.choice(INTERESTING),)) + data[place + random.randrange(2) :]
        check(data, splits(data, [random.randrange(len(data) + 1) for _ in range(random.randrange(4))]))


def test_a_long_text_in_random_fragments_fed_in_random_pieces() -> None:
    random = Random(6455)
    message = "".join(chr(random.choice((0x61, 0x3BA, 0x2603, 0x1F600))) for _ in range(50_000))
    data = message.encode()
    for _ in range(20):
        parts = splits(data, [random.randrange(len(data)) for _ in range(random.randrange(20))])
        stream = fragments(TEXT, *parts)
        line = Line().feed_all(splits(stream, [random.randrange(len(stream)) for _ in range(random.randrange(20))]))
        assert line.told == [message]
