"""The Huffman code of HPACK (RFC 7541, section 5.2)."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import given
from hypothesis import strategies as st

from litmus.protocols.http2.errors import HpackError
from litmus.protocols.http2.huffman import EOS, decode, decoded_size, encode, encoded_size

STRINGS = st.binary(max_size=300) | st.text("aeiost012/.-", max_size=300).map(str.encode)


def bits(*codes: tuple[int, int]) -> bytes:
    """Codes, each given with its length, one behind the other; padded with ones."""
    text = "".join(f"{code:0{length}b}" for code, length in codes)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def code(symbol: int) -> tuple[int, int]:
    return REQUEST_CODES[symbol], REQUEST_CODES_LENGTH[symbol]


@pytest.mark.parametrize("octet", range(0x100))
def test_every_code(octet: int) -> None:
    """Appendix B, at every place that a code can have within an octet."""
    for before in range(8):
        string = b"0" * before + bytes((octet,)) + b"0"
        sent = bits(*map(code, string))
        assert encode(string) == sent
        assert decode(sent) == string


def test_the_empty_string() -> None:
    assert encode(b"") == decode(b"") == b""


@given(STRINGS)
def test_there_and_back(string: bytes) -> None:
    sent = encode(string)
    assert len(sent) == encoded_size(string)
    assert decode(sent) == string
    assert decoded_size(sent) == len(string)


def test_long_strings() -> None:
    for octet in (b"0", b"\n"):  # the shortest code and the longest
        string = octet * 100_000
        assert decode(encode(string)) == string


WRONG = {
    "EOS": bits(code(EOS)),
    "EOS behind a string": bits(code(ord("a")), code(EOS)),
    "EOS before a string": bits(code(EOS), code(ord("a"))),
    "padding of 8 bits": b"\xff",
    "padding of 11 bits": bits(code(ord("a")), (0x7FF, 11)),
    "padding of 29 bits": bits(code(ord("a")), code(ord("0")), code(ord("0")), (0x1FFFFFFF, 29)),
    "padding of zeros": bits(code(ord("a")), (0, 3)),
    "padding that ends in zero": bits(code(ord("a")), (0b110, 3)),
    "half of a code": bits(code(ord("\n")))[:2],
}


@pytest.mark.parametrize("name", WRONG)
def test_what_encodes_nothing(name: str) -> None:
    """Section 5.2: MUST be treated as a decoding error."""
    for function in (decode, decoded_size):
        with pytest.raises(HpackError):
            function(WRONG[name])


@given(st.binary(max_size=12))
def test_whatever_comes(data: bytes) -> None:
    """Who accepts it can encode it again, and that gives the same: there is one encoding of each string."""
    try:
        string = decode(data)
    except HpackError:
        with pytest.raises(HpackError):
            decoded_size(data)
    else:
        assert decoded_size(data) == len(string)
        assert encode(string) == data


def test_threads_do_not_disturb_one_another() -> None:
    strings = [b"%d" % number * 500 for number in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(len(strings)) as threads:
            for _ in range(5):
                sent = list(threads.map(encode, strings))
                assert list(threads.map(decode, sent)) == strings
    finally:
        sys.setswitchinterval(interval)
