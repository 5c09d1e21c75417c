"""Masking, in every size around the blocks it goes by, from every place."""

import pytest
from support.websocket import KEY, masked

from litmus import build
from litmus.protocols.websocket import masking
from litmus.protocols.websocket.masking import rotate, unmask, unmask_text

NUMBER = int.from_bytes(KEY, "little")
SIZES = (*range(70), 125, 126, 4095, 4096, 65_535, 65_536, 65_537, 200_003)

DATA = bytes(at * 73 >> 3 & 0xFF for at in range(max(SIZES) + 8))


@pytest.mark.parametrize("size", SIZES)
def test_octets(size: int) -> None:
    for start in range(4):
        assert unmask(DATA, start, start + size, NUMBER) == masked(DATA[start : start + size])


@pytest.mark.parametrize("size", SIZES)
def test_text(size: int) -> None:
    text = "a\u2603" * (size // 4) + "b" * (size % 4)
    hidden = b"\xff" + masked(text.encode()) + b"\xff"
    assert unmask_text(hidden, 1, 1 + size, NUMBER) == text


def test_text_that_is_none() -> None:
    with pytest.raises(UnicodeDecodeError):
        unmask_text(masked(b"\xff"), 0, 1, NUMBER)


@pytest.mark.parametrize("size", [*range(9), 16, 100, 65_537])
def test_in_two_pieces(size: int) -> None:
    data = DATA[: size + 50]
    first, second = unmask(data, 0, size, NUMBER), unmask(data, size, size + 50, rotate(NUMBER, size))
    assert first + second == masked(data)


@pytest.mark.parametrize("key", [0, 1, 0xFFFFFFFF, 0x80000000, 0x12345678])
def test_keys(key: int) -> None:
    octets = key.to_bytes(4, "little")
    assert unmask(DATA, 0, 100, key) == masked(DATA[:100], octets)
    assert rotate(key, 1).to_bytes(4, "little") == octets[1:] + octets[:1]


@pytest.mark.skipif(build.compiled(), reason="then it is what the others have tested")
@pytest.mark.parametrize("size", [*range(40), 1000])
def test_what_is_compiled_does_the_same_when_it_is_not(size: int) -> None:
    out = bytearray(size)
    masking.apply(out, DATA, 3, size, NUMBER)
    assert out == masked(DATA[3 : 3 + size])
