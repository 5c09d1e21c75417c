"""The decoders of request bodies: all splits, exact ends, bad chunks."""

from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wire import bytewise, splits

from litmus.memory.lease import Lease
from litmus.protocols.body import EXTENSION_LIMIT, LINE_LIMIT, TRAILER_LIMIT, ChunkedDecoder, LengthDecoder
from litmus.protocols.errors import ProtocolError

Decoder = ChunkedDecoder | LengthDecoder

NEXT = b"GET /next HTTP/1.1\r\n\r\n"


def decode(decoder: Decoder, pieces: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Feed ``pieces``. Returns the content, and what is left behind the end of the body."""
    lease = Lease(memoryview(bytearray(sum(map(len, pieces)) + 1)), 0)
    content = b""
    for piece in pieces:
        lease.view[lease.end : lease.end + len(piece)] = piece
        lease.end += len(piece)
        while not decoder.complete:
            data = decoder.decode(lease)
            content += data
            if not data:
                break
    return content, bytes(lease.unread())


def chunked(parts: Sequence[bytes], extension: bytes = b"", trailers: bytes = b"") -> bytes:
    chunks = (b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts if part)
    return b"".join(chunks) + b"0" + extension + b"\r\n" + trailers + b"\r\n"


# -- a known length ----------------------------------------------------------------------------------------------------


def test_length_in_every_split_of_two() -> None:
    data = b"0123456789"
    for count in range(3):
        for points in combinations(range(1, len(data)), count):
            decoder = LengthDecoder(len(data))
            assert decode(decoder, splits(data, points)) == (data, b"")
            assert decoder.complete


def test_length_leaves_the_next_request_alone() -> None:
    for pieces in ([b"01234" + NEXT], bytewise(b"01234" + NEXT)):
        decoder = LengthDecoder(5)
        assert decode(decoder, pieces) == (b"01234", NEXT)
        assert decoder.complete


def test_length_is_never_complete_before_its_last_byte() -> None:
    for size in range(10):
        decoder = LengthDecoder(10)
        decode(decoder, [b"0123456789"[:size]])
        assert not decoder.complete
        assert decoder.remaining == 10 - size


# -- chunks ------------------------------------------------------------------------------------------------------------

BODIES = {
    "empty": (chunked([]), b""),
    "one": (chunked([b"hello"]), b"hello"),
    "three": (chunked([b"a", b"bc", b"def" * 10]), b"abc" + b"def" * 10),
    "line ends in the data": (chunked([b"\r\n", b"0\r\n\r\n"]), b"\r\n0\r\n\r\n"),
    "extensions": (chunked([b"hello"], b';name="value"'), b"hello"),
    "white space before an extension": (chunked([b"hello"], b" \t;x"), b"hello"),
    "trailers": (chunked([b"hello"], trailers=b"X-Sum: 1\r\nX-Time: 2\r\n"), b"hello"),
    "upper case": (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    "leading zeros": (b"0005\r\nhello\r\n000\r\n\r\n", b"hello"),
}


@pytest.mark.parametrize("name", BODIES)
def test_chunks_in_every_split_of_one_and_byte_by_byte(name: str) -> None:
    wire, content = BODIES[name]
    ways = [bytewise(wire + NEXT), [wire + NEXT]]
    ways += [splits(wire + NEXT, [point]) for point in range(1, len(wire + NEXT))]
    for pieces in ways:
        decoder = ChunkedDecoder()
        got, left = decode(decoder, pieces)
        assert decoder.complete
        assert (got, left) == (content, NEXT)


@pytest.mark.parametrize("name", BODIES)
def test_chunks_are_never_complete_before_their_last_byte(name: str) -> None:
    wire, content = BODIES[name]
    for size in range(len(wire)):
        decoder = ChunkedDecoder()
        got, _ = decode(decoder, [wire[:size]])
        assert not decoder.complete
        assert content.startswith(got)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(0, 500), max_size=12))
def test_chunks_in_random_splits(parts: list[bytes], points: list[int]) -> None:
    decoder = ChunkedDecoder()
    got, left = decode(decoder, splits(chunked(parts) + NEXT, points))
    assert decoder.complete
    assert (got, left) == (b"".join(parts), NEXT)


BAD = {
    "no size": b"\r\nhello\r\n",
    "not a number": b"xyz\r\n",
    "a sign": b"+5\r\nhello\r\n",
    "minus": b"-1\r\n",
    "a prefix": b"0x5\r\nhello\r\n",
    "an underscore": b"1_0\r\n",
    "a space before": b" 5\r\nhello\r\n",
    "a space behind": b"5 \r\nhello\r\n",
    "a size out of bounds": b"1" * 16 + b"\r\n",
    "a bare line feed": b"5\nhello\r\n",
    "a bare carriage return": b"5\rhello\r\n",
    "a carriage return in an extension": b"5;a\rb\r\nhello\r\n",
    "two carriage returns": b"5\r\r\nhello\r\n",
    "only an extension": b";x\r\nhello\r\n",
    "data longer than its size": b"5\r\nhello!\r\n",
    "data ended by a bare line feed": b"5\r\nhello\n0\r\n\r\n",
    "an endless size line": b"5;" + b"x" * LINE_LIMIT,
    "an extension with a control character": b"5;a\0b\r\nhello\r\n",
    "a trailer ended by a bare line feed": b"0\r\nX: y\n\r\n",
    "a request in place of a trailer": b"0\r\nGET / HTTP/1.1\r\n\r\n",
    "a trailer without a name": b"0\r\n: y\r\n\r\n",
    "a folded trailer": b"0\r\nX: y\r\n z\r\n\r\n",
    "a space in a trailer's name": b"0\r\nX : y\r\n\r\n",
    "a control character in a trailer": b"0\r\nX: y\0\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_chunks_are_a_bad_request_however_they_arrive(name: str) -> None:
    good = b"3\r\nabc\r\n" if not BAD[name].startswith(b"0") else b""
    for pieces in ([good + BAD[name]], bytewise(good + BAD[name])):
        decoder = ChunkedDecoder()
        with pytest.raises(ProtocolError) as caught:
            decode(decoder, pieces)
        assert caught.value.status == 400
        assert not decoder.complete


def test_the_trailer_section_is_bounded() -> None:
    line = b"X-Trailer: " + b"x" * 400 + b"\r\n"
    count = TRAILER_LIMIT // len(line)
    decoder = ChunkedDecoder()
    decode(decoder, [b"0\r\n" + line * count + b"\r\n"])
    assert decoder.complete
    endless = b"0\r\nX: " + b"x" * LINE_LIMIT
    for pieces in ([b"0\r\n" + line * (count + 1)], bytewise(b"0\r\n" + line * (count + 1)), [endless]):
        with pytest.raises(ProtocolError) as caught:
            decode(ChunkedDecoder(), pieces)
        assert caught.value.status == 431


def test_extensions_may_not_outweigh_the_chunks() -> None:
    small, large = b"1;%b\r\nx\r\n" % (b"e" * 101), b"200;%b\r\n%b\r\n" % (b"e" * 101, b"x" * 0x200)
    most = EXTENSION_LIMIT // 100
    assert decode(ChunkedDecoder(), [small * most]) == (b"x" * most, b"")
    assert len(decode(ChunkedDecoder(), [large * 10 * most])[0]) == 0x200 * 10 * most
    with pytest.raises(ProtocolError, match="extensions too large"):
        decode(ChunkedDecoder(), [small * (most + 1)])


def test_the_longest_line_that_is_allowed() -> None:
    extension = b";" + b"x" * (LINE_LIMIT - 4)
    line = b"5" + extension + b"\r\n"
    assert len(line) == LINE_LIMIT
    decoder = ChunkedDecoder()
    assert decode(decoder, bytewise(line + b"hello\r\n0\r\n\r\n"))[0] == b"hello"
    assert decoder.complete


def test_nothing_is_read_before_it_is_there() -> None:
    """The lease may hold old bytes behind its end."""
    lease = Lease(memoryview(bytearray(b"5\r\nhello\r\n0\r\n\r\n")), 0)
    lease.end = 1
    decoder = ChunkedDecoder()
    assert decoder.decode(lease) == b""
    assert not decoder.complete
    lease.end = 5
    assert decoder.decode(lease) == b"he"
