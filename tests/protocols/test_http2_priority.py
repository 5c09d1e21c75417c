"""Priorities (RFC 9218): what is asked for, whose turn it is, and what goes out first."""

import pytest
from support.http2 import Type, get, priority_update, window_update
from support.wire import LIMITS, Call
from support.wire2 import Wire2, sized

from litmus.protocols.http2.frames import FRAME_SIZE
from litmus.protocols.http2.priority import DEFAULT, parse


@pytest.mark.parametrize(
    ("value", "urgency", "incremental"),
    [
        (b"", 3, False),
        (b"u=0", 0, False),
        (b"u=7", 7, False),
        (b"i", 3, True),
        (b"i=?1", 3, True),
        (b"i=?0", 3, False),
        (b"u=1, i", 1, True),
        (b"u=1,i", 1, True),
        (b"i,u=1", 1, True),
        (b"i , \tu=1", 1, True),
        (b" u=5 ", 5, False),
        (b"u=5;x=1;y, i;z=?0", 5, True),
        (b"u=1, u=2", 2, False),
        (b"i, i=?0", 3, False),
        # of a kind or a size that is not known
        (b"u=8", 3, False),
        (b"u=-1", 3, False),
        (b"u=1.5", 3, False),
        (b"u=?1", 3, False),
        (b"u", 3, False),
        (b'u="1"', 3, False),
        (b"i=1", 3, False),
        (b"i=yes", 3, False),
        # others beside them
        (b"x=1, u=2, y=:AAA=:, z", 2, False),
        (b'x="a, u=1", u=2', 2, False),
        (b"*a=b/c, u=2", 2, False),
        # no dictionary
        (b"u=1,", 3, False),
        (b",u=1", 3, False),
        (b"u=1 i", 3, False),
        (b"u =1", 3, False),
        (b"u= 1", 3, False),
        (b"U=1", 3, False),
        (b"u=1;", 3, False),
        (b"u=1, i=", 3, False),
        (b'u=1, x="', 3, False),
        (b"u=1, \xff", 3, False),
        (b"u=1\0", 3, False),
        (b"u=1\n", 3, False),
        (b"\t", 3, False),
        (b"u=1, x=" + b"9" * 16, 3, False),
    ],
)
def test_what_is_asked_for(value: bytes, urgency: int, incremental: bool) -> None:
    assert parse(value) == 2 * urgency + incremental


def test_the_default() -> None:
    assert parse(b"") == DEFAULT == 2 * 3


def blocked(*requests: bytes, size: int = 3 * FRAME_SIZE) -> list[int]:
    """On which streams frames of content go out, one after another, when the peer reads that did not."""
    wire = Wire2(sized(size)).open().feed(window_update(0, 1 << 20)).block()
    wire.feed(b"".join(requests))
    wire.frames()
    wire.unblock()
    return [each.stream for each in wire.frames() if each.kind == Type.DATA]


def asking(stream: int, value: str) -> bytes:
    return get(stream, ("priority", value))


def test_the_more_urgent_goes_first() -> None:
    assert blocked(asking(1, "u=5"), asking(3, "u=0"), asking(5, "u=3")) == [3] * 3 + [5] * 3 + [1] * 3


def test_of_the_same_urgency_the_older_goes_first() -> None:
    assert blocked(get(1), get(3), get(5)) == [1] * 3 + [3] * 3 + [5] * 3


def test_incremental_ones_take_turns_frame_by_frame() -> None:
    assert blocked(asking(1, "i"), asking(3, "i"), asking(5, "i")) == [1, 3, 5] * 3


def test_incremental_ones_wait_for_the_others_of_their_urgency() -> None:
    assert blocked(asking(1, "i"), asking(3, "u=3"), asking(5, "i")) == [3] * 3 + [1, 5] * 3


def test_an_update_behind_the_request() -> None:
    assert blocked(get(1), get(3), priority_update(3, "u=0")) == [3] * 3 + [1] * 3


def test_an_update_before_the_request() -> None:
    assert blocked(priority_update(3, "u=0"), get(1), get(3)) == [3] * 3 + [1] * 3


def test_an_update_before_the_request_overrides_its_field() -> None:
    """RFC 9218, section 7."""
    assert blocked(priority_update(3, "u=0"), get(1), asking(3, "u=7")) == [3] * 3 + [1] * 3


def test_the_last_update_counts() -> None:
    updates = priority_update(3, "u=0"), priority_update(3, "u=7")
    assert blocked(*updates, get(1), get(3)) == [1] * 3 + [3] * 3
    assert blocked(get(1), get(3), *updates) == [1] * 3 + [3] * 3


def test_the_priority_is_that_of_a_request_that_is_known() -> None:
    """The same field block again, which is not looked into."""
    urgent = asking(1, "u=1")
    again = [urgent, asking(3, "u=6"), asking(5, "u=1")]
    assert blocked(*again, size=FRAME_SIZE) == [1, 5, 3]


def test_an_update_while_it_waits_for_a_window() -> None:
    wire = Wire2(sized(100_000)).open()
    wire.feed(get(1) + get(3) + get(5))
    wire.frames()
    wire.feed(priority_update(5, "u=0") + window_update(0, FRAME_SIZE))
    assert [each.stream for each in wire.frames()] == [5]


def test_what_is_remembered_of_streams_to_come_is_bounded() -> None:
    """There may be as many updates ahead of their requests as there may be streams; then, none is known."""
    first = [priority_update(stream, "u=0") for stream in range(3, 3 + 2 * LIMITS.streams, 2)]
    assert blocked(*first, get(1), get(3)) == [3] * 3 + [1] * 3
    one_more = priority_update(2001, "u=0")
    assert blocked(*first, one_more, get(1), get(3)) == [1] * 3 + [3] * 3


def test_a_stream_without_room_lets_others_go() -> None:
    wire = Wire2(sized(70_000)).open().feed(window_update(0, 1 << 20))
    wire.feed(asking(1, "u=0") + asking(3, "u=7"))
    sent = {1: 0, 3: 0}
    for each in wire.frames():
        if each.kind == Type.DATA:
            sent[each.stream] += len(each.payload)
    assert sent == {1: 65_535, 3: 65_535}


def test_what_one_sends_small_does_not_overtake() -> None:
    """Content that would fit goes behind what has waited."""
    calls: list[Call] = []

    def handler(call: Call) -> None:
        calls.append(call)
        call.respond(bytes(65_535) if call.request.line.path == "/big" else b"", end=False)

    wire = Wire2(handler).open().feed(get(1, path="/big") + get(3))
    calls[0].send(b"waits", True)
    calls[1].send(b"small", True)
    wire.frames()
    wire.feed(window_update(1, 100) + window_update(0, 100))
    assert [(each.stream, each.payload) for each in wire.frames()] == [(1, b"waits"), (3, b"small")]
