import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litmus.control.framing import HEADER_SIZE, Deframer, FramingError, encode


def test_a_frame_is_a_length_and_the_payload() -> None:
    assert encode(b"abc") == b"\x00\x00\x00\x03abc"
    assert encode(b"") == b"\x00\x00\x00\x00"


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(0, 400), max_size=12))
def test_payloads_come_out_the_same_however_the_stream_is_cut(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(encode, payloads))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    deframer = Deframer(40)
    received = [
        payload for start, end in itertools.pairwise(edges) for payload in deframer.feed(memoryview(stream)[start:end])
    ]
    assert received == payloads
    assert deframer.pending == 0


def test_an_unfinished_frame_waits_for_the_rest() -> None:
    deframer = Deframer(10)
    assert deframer.feed(encode(b"one") + encode(b"two")[:-1]) == [b"one"]
    assert deframer.pending == HEADER_SIZE + 2
    assert deframer.feed(b"o") == [b"two"]


def test_a_frame_may_be_as_large_as_the_limit_and_no_larger() -> None:
    assert Deframer(5).feed(encode(b"12345")) == [b"12345"]
    with pytest.raises(FramingError, match=r"a frame of 6 bytes was announced, at most 5 are taken"):
        Deframer(5).feed(encode(b"123456"))


def test_too_large_is_said_as_soon_as_the_header_is_there_and_from_then_on() -> None:
    deframer = Deframer(1000)
    assert deframer.feed(b"GET") == []
    with pytest.raises(FramingError, match="1195725856 bytes"):
        deframer.feed(b" ")
    with pytest.raises(FramingError):
        deframer.feed(encode(b"fine"))
    assert deframer.pending == 0
