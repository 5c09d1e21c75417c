"""What goes out over HTTP/2: to peers that do not read, and to those who change their minds about what they take."""

import pytest
from hpack import Decoder
from support.http2 import (
    MAX_WINDOW,
    Error,
    Flag,
    Frame,
    Setting,
    Type,
    data,
    get,
    headers,
    post,
    request,
    rst_stream,
    settings,
    window_update,
)
from support.wire import Call, Handler, echo, ignore, ok
from support.wire2 import Wire2, sized

from litmus.protocols.errors import ResponseError
from litmus.protocols.http2.sending import QUEUED_LEAST, QUEUED_MOST, TURN
from litmus.protocols.limits import Limits
from litmus.protocols.machine import Deadline

LONG = [(b"x-%d" % index, b"y" * 4000) for index in range(10)]


def opened(handler: Handler = ignore, values: dict[int, int] | None = None) -> Wire2:
    wire = Wire2(handler).open(values)
    wire.frames()
    return wire


def asked(*requests: bytes, values: dict[int, int] | None = None) -> tuple[Wire2, list[Call]]:
    wire = opened(values=values).feed(b"".join(requests or (get(1),)))
    return wire, wire.calls


def shape(frames: list[Frame]) -> list[tuple[int, int, bool]]:
    """Type, stream, and whether the stream ends with it."""
    return [(each.kind, each.stream, bool(each.flags & Flag.END_STREAM)) for each in frames]


HEADERS, DATA = Type.HEADERS, Type.DATA


# When there is no more time


def test_what_waits_at_the_end_of_a_drain_is_reset() -> None:
    """Whether for a window or for a peer that reads, and be it nothing but an end; what has gone out is left alone."""
    wire, calls = asked(get(1), get(3), get(5), get(7), get(9), post(11), values={Setting.INITIAL_WINDOW_SIZE: 0})
    shut, part, ending, held, _, gone = calls
    shut.respond(b"shut")
    part.respond(b"part", end=False)
    ending.respond(end=False)
    gone.respond()
    wire.block()
    ending.send(b"", end=True)
    held.respond()
    assert wire.machine.drained() == [(shut, 4), (part, 4), (ending, 0), (held, 0)]
    assert [call.told for call in (shut, part, ending, held)] == [["disconnected"]] * 4
    resets = [(frame.stream, frame.payload) for frame in wire.frames() if frame.kind == Type.RST_STREAM]
    assert resets == [(stream, bytes([0, 0, 0, Error.INTERNAL_ERROR])) for stream in (1, 3, 5, 7)]
    assert set(wire.machine.streams) == {9, 11}
    assert wire.machine.drained() == []


def test_what_a_websocket_still_has_to_send_is_nobodys_response() -> None:
    wire = Wire2(ignore, extended=True).open({Setting.INITIAL_WINDOW_SIZE: 0})
    wire.feed(headers(1, [(":protocol", "websocket"), *request(method="CONNECT")]))
    wire.calls[0].respond(b"message", end=False)
    assert wire.machine.drained() == [(None, 7)]


# Who does not read


def test_what_is_held_goes_out_in_order() -> None:
    wire, (first, second, third) = asked(get(1), get(3), get(5))
    wire.block()
    second.respond(b"second")
    first.respond(b"fir", end=False)
    first.send(b"st", end=True)
    third.respond()
    assert not wire.out
    wire.unblock()
    assert shape(wire.frames()) == [
        (HEADERS, 3, False),
        (HEADERS, 1, False),
        (HEADERS, 5, True),
        (DATA, 1, True),
        (DATA, 3, True),
    ]
    assert wire.referee.response(1).body == b"first"


def test_what_was_begun_goes_on_and_ends_with_its_trailers() -> None:
    wire, (call,) = asked()
    call.respond(b"be", end=False)
    wire.block()
    call.send(b"gun")
    call.stream.send_trailers([(b"x-trailer", b"t")])
    wire.frames()
    wire.unblock()
    assert shape(wire.frames()) == [(DATA, 1, False), (HEADERS, 1, True)]
    assert wire.referee.response(1).trailers == ((b"x-trailer", b"t"),)


def test_header_compression_stays_in_step() -> None:
    """Fields are encoded when they go out, not when they are given."""
    wire, calls = asked(*(get(stream) for stream in range(1, 21, 2)))
    wire.block()
    for call in reversed(calls):
        call.respond(headers=[(b"x-same", b"v"), (b"x-own", b"%d" % call.stream.id)])
    wire.feed(headers(101, [], end=True))
    wire.unblock()
    wire.feed(get(103))
    wire.calls[-1].respond(headers=[(b"x-same", b"v")])
    decoder = Decoder()
    for frame in wire.frames():
        if frame.kind == HEADERS:
            fields = dict(decoder.decode(frame.payload, raw=True))
            assert fields[b"x-same"] == b"v"
            assert frame.stream == 103 or fields[b"x-own"] == b"%d" % frame.stream


def test_what_waits_is_bounded_by_the_application() -> None:
    wire, (call,) = asked()
    wire.block()
    call.respond(bytes(QUEUED_MOST), end=False)
    assert not call.stream.blocked
    call.send(b"a")
    assert call.stream.blocked
    wire.unblock()
    assert call.told == ["unblocked"]
    assert not call.stream.blocked


def test_who_waits_for_a_window_goes_on_at_half() -> None:
    wire, (call,) = asked(values={Setting.INITIAL_WINDOW_SIZE: 0})
    call.respond(bytes(QUEUED_MOST + 1), end=False)
    assert call.stream.blocked
    wire.feed(window_update(1, QUEUED_MOST - QUEUED_LEAST))
    assert call.stream.blocked
    wire.feed(window_update(1, 1))
    assert not call.stream.blocked
    assert call.told == ["unblocked"]


def test_interim_responses_are_not_worth_waiting() -> None:
    wire, (call,) = asked()
    wire.block()
    call.stream.send_interim(103, [(b"link", b"a")])
    wire.unblock()
    assert not wire.out
    assert not wire.interims


def test_who_is_reset_while_held_is_not_sent() -> None:
    wire, (first, second) = asked(get(1), get(3))
    wire.block()
    first.respond(b"first")
    second.respond(b"second")
    first.stream.abort()
    wire.unblock()
    assert wire.referee.response(1).reset == Error.INTERNAL_ERROR
    assert wire.referee.response(3).body == b"second"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (headers(3, request(*[("a", "")] * 1500), end=True), Error.CANCEL),
        (headers(3, request(method=None), end=True), Error.PROTOCOL_ERROR),
        (post(3, ("content-length", "101")), Error.CANCEL),
    ],
)
def test_who_does_not_read_and_is_refused_is_reset(sent: bytes, code: int) -> None:
    wire = Wire2(ignore, Limits(16 << 10, 48 << 10, body=100)).open().block().feed(sent)
    wire.unblock()
    assert wire.referee.response(3).reset == code
    assert wire.referee.response(3).status is None
    assert len(wire.refusals) == 1


def test_who_does_not_read_and_sends_too_much_is_reset() -> None:
    wire = Wire2(ignore, Limits(16 << 10, 48 << 10, body=100)).open().feed(post(1)).block()
    wire.feed(data(1, bytes(101)))
    assert wire.referee.response(1).reset == Error.CANCEL


# What the peer takes


def test_a_window_that_shrinks_while_content_waits() -> None:
    wire, (call,) = asked(values={Setting.INITIAL_WINDOW_SIZE: 1000})
    call.respond(bytes(3000))
    assert call.stream.window == 0
    wire.feed(settings({Setting.INITIAL_WINDOW_SIZE: 400}) + window_update(1, 500))
    assert call.stream.window == -100
    assert len(wire.referee.response(1).body) == 1000
    wire.feed(settings({Setting.INITIAL_WINDOW_SIZE: 600}))
    assert len(wire.referee.response(1).body) == 1100
    wire.feed(settings({Setting.INITIAL_WINDOW_SIZE: 65_535}))
    assert wire.referee.response(1).ended
    assert len(wire.referee.response(1).body) == 3000


def test_who_is_at_the_end_with_one_large_frame_waits_no_more() -> None:
    wire, (call,) = asked(values={Setting.MAX_FRAME_SIZE: 1 << 20})
    call.respond(b"x" * 8_304, end=False)
    call.send(bytes(90_000), end=True)
    assert call.stream.blocked
    wire.feed(window_update(1, 50_000) + window_update(0, 50_000))
    assert wire.referee.response(1).ended
    assert not call.stream.blocked


def test_a_refusal_that_there_is_no_room_for_has_no_content() -> None:
    """And does not say that it has some (RFC 9113, section 8.1.1)."""
    wire, _ = asked(get(1, method="BREW"), values={Setting.INITIAL_WINDOW_SIZE: 0})
    response = wire.referee.response(1)
    assert (response.status, response.ended, dict(response.headers)[b"content-length"]) == (501, True, b"0")


def test_of_several_initial_windows_the_last_counts() -> None:
    wire, (call,) = asked(values={Setting.INITIAL_WINDOW_SIZE: 1000})
    call.respond(bytes(3000))
    wire.feed(settings([(Setting.INITIAL_WINDOW_SIZE, size) for size in (65_535, 0, 1500)]))
    assert call.stream.window == 0
    assert len(wire.referee.response(1).body) == 1500


def test_of_several_initial_windows_none_may_be_too_large() -> None:
    wire, _ = asked(values={Setting.INITIAL_WINDOW_SIZE: 1000})
    wire.feed(window_update(1, 1000))
    wire.feed(settings([(Setting.INITIAL_WINDOW_SIZE, size) for size in (1000, MAX_WINDOW - 999, 0)]))
    assert wire.referee.goaways[-1][1] == Error.FLOW_CONTROL_ERROR


def test_a_window_that_changes_while_nobody_reads() -> None:
    wire, (call,) = asked()
    wire.block()
    call.respond(bytes(3000))
    wire.feed(settings({Setting.INITIAL_WINDOW_SIZE: 100}) + settings({Setting.INITIAL_WINDOW_SIZE: 2000}))
    wire.feed(window_update(1, 10))
    wire.unblock()
    assert len(wire.referee.response(1).body) == 2010
    assert wire.armed(call) == Deadline.STALL


@pytest.mark.parametrize(("taken", "largest"), [(16_384, 16_384), (20_000, 20_000), (1 << 20, 64 << 10)])
def test_the_size_of_frames(taken: int, largest: int) -> None:
    wire, (call,) = asked(values={Setting.MAX_FRAME_SIZE: taken, Setting.INITIAL_WINDOW_SIZE: 1 << 20})
    wire.feed(window_update(0, 1 << 20))
    wire.frames()
    call.respond(bytes(200_000))
    assert max(len(each.payload) for each in wire.settle().frames()) == largest


def test_field_blocks_that_are_larger_than_a_frame() -> None:
    wire, (call,) = asked()
    call.respond(b"content", headers=LONG)
    frames = wire.frames()
    assert [each.kind for each in frames] == [HEADERS, *[Type.CONTINUATION] * (len(frames) - 2), DATA]
    block = b"".join(each.payload for each in frames[:-1])
    assert [bool(each.flags & Flag.END_HEADERS) for each in frames[:-1]] == [False] * (len(frames) - 2) + [True]
    assert len(block) > 16_384
    assert set(LONG) <= {tuple(field) for field in Decoder(1 << 20).decode(block, raw=True)}


@pytest.mark.parametrize("table", [0, 100, 4096])
def test_the_table_of_the_peer(table: int) -> None:
    """A block begins with the new size, when that is smaller (RFC 7541, section 4.2)."""
    wire, (call,) = asked(values={Setting.HEADER_TABLE_SIZE: table})
    call.respond(headers=[(b"x-some", b"thing")])
    (frame,) = wire.frames()
    assert (frame.payload[0] & 0xE0 == 0x20) == (table < 4096)
    decoder = Decoder()
    decoder.max_allowed_table_size = table
    assert (b"x-some", b"thing") in [tuple(field) for field in decoder.decode(frame.payload, raw=True)]


def test_a_table_that_shrinks_while_heads_are_held() -> None:
    wire, (first, second) = asked(get(1), get(3))
    wire.block()
    first.respond(headers=[(b"x-some", b"thing")])
    wire.feed(settings({Setting.HEADER_TABLE_SIZE: 0}))
    second.respond(headers=[(b"x-some", b"thing")])
    wire.unblock()
    assert (b"x-some", b"thing") in wire.referee.response(1).headers
    assert (b"x-some", b"thing") in wire.referee.response(3).headers


def test_others_get_their_turn_behind_much_content() -> None:
    values = {Setting.INITIAL_WINDOW_SIZE: 1 << 30}
    wire = opened(values=values).feed(window_update(0, 1 << 30) + get(1))
    wire.calls[0].respond(bytes(2 * TURN))
    assert wire.woken
    assert len(wire.referee.response(1).body) == TURN
    wire.settle()
    assert wire.referee.response(1).ended


# Responses


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
@pytest.mark.parametrize("end", [True, False])
def test_responses_without_content(method: str, status: int, end: bool) -> None:
    wire, (call,) = asked(get(1, method=method))
    assert call.stream.respond(status, [(b"x", b"y")], b"content", end) == 0
    if not end:
        assert call.stream.send_body(b"more", True) == 0
    response = wire.settle().referee.response(1)
    assert (response.status, response.body, response.ended) == (status, b"", True)


def test_trailers_of_a_response_without_content_are_dropped() -> None:
    wire, (call,) = asked(get(1, method="HEAD"))
    call.respond(b"", end=False)
    call.stream.send_trailers([(b"x", b"y")])
    assert wire.referee.response(1).ended
    assert not wire.referee.response(1).trailers


def test_content_is_as_long_as_is_said() -> None:
    _, (call,) = asked()
    length = [(b"content-length", b"5")]
    for body, end in ((b"123456", False), (b"1234", True)):
        with pytest.raises(ResponseError):
            call.respond(body, headers=length, end=end)
    call.respond(b"123", headers=length, end=False)
    for body, end in ((b"456", False), (b"4", True)):
        with pytest.raises(ResponseError):
            call.send(body, end=end)
    with pytest.raises(ResponseError):
        call.stream.send_trailers([])
    call.send(b"45", end=True)


def test_interim_responses_go_before_the_final_one() -> None:
    wire, (call,) = asked(post(1, ("expect", "100-continue")))
    call.stream.send_interim(103, [(b"link", b"a")])
    call.read()
    call.respond(b"ok")
    response = wire.settle().referee.response(1)
    assert response.interim == (103, 100)
    assert wire.interims == [103, 100]
    assert response.body == b"ok"


def test_100_waits_until_its_client_reads() -> None:
    wire, (call,) = asked(post(1, ("expect", "100-continue")))
    wire.block()
    call.read()
    assert not wire.out
    wire.unblock()
    assert wire.referee.response(1).interim == (100,)
    wire.feed(data(1, b"some", end=True))
    assert call.read() == b"some"


def test_what_is_held_for_a_stream_that_is_reset_is_forgotten() -> None:
    wire, (first, second) = asked(get(1), get(3))
    wire.block()
    first.respond(b"first")
    second.respond(b"second")
    wire.feed(rst_stream(1))
    wire.unblock()
    assert shape(wire.frames()) == [(HEADERS, 3, False), (DATA, 3, True)]


def test_who_waits_for_100_and_is_answered_needs_send_nothing() -> None:
    wire = opened(ok).feed(post(1, ("expect", "100-continue")))
    response = wire.referee.response(1)
    assert (response.interim, response.ended, response.reset) == ((), True, Error.NO_ERROR)


def test_who_has_begun_to_send_is_not_told_to() -> None:
    wire, (call,) = asked(post(1, ("expect", "100-continue")) + data(1, b"some"))
    assert call.read() == b"some"
    assert call.read() == b""
    assert not wire.referee.response(1).interim


def test_nothing_is_sent_on_what_is_closed() -> None:
    wire, (call,) = asked()
    call.stream.abort()
    wire.frames()
    call.respond(b"late", end=False)
    call.send(b"later")
    call.stream.send_interim(103, [])
    call.stream.send_trailers([(b"x", b"y")])
    call.stream.abort()
    assert not wire.settle().frames()


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 65_535])
def test_an_answer_of_any_size(size: int) -> None:
    wire = opened(sized(size)).feed(get(1))
    assert wire.referee.response(1).body == bytes(size)
    assert wire.referee.response(1).ended
    again = opened(echo).feed(post(1) + b"".join(data(1, bytes(min(size, 16_384))) for _ in range(3)))
    again.feed(data(1, end=True))
    assert again.referee.response(1).ended


# Writing finds the connection gone


class Breaking(Wire2):
    """A wire that breaks with the write of a number."""

    left = 0

    def write(self, data: bytes) -> None:
        self.left -= 1
        if self.left:
            super().write(data)
        else:
            self.machine.lost()


def answered(call: Call) -> None:
    call.respond(bytes(20_000))


def answered_in_parts(call: Call) -> None:
    call.respond(b"some", end=False)
    call.send(bytes(100_000), end=True)


def reset(call: Call) -> None:
    call.stream.abort()


@pytest.mark.parametrize("handler", [answered, answered_in_parts, reset, ok, echo])
@pytest.mark.parametrize(
    "sent", [get(1), post(1), post(1) + data(1, b"some", end=True), post(1) + data(1, bytes(9), 5)]
)
@pytest.mark.parametrize("writes", range(1, 6))
def test_whatever_is_written_may_find_the_connection_gone(handler: Handler, sent: bytes, writes: int) -> None:
    wire = Breaking(handler, judged=False)
    wire.open()
    wire.left = writes
    wire.feed(sent + get(99, path="/neighbour") + post(101) + data(101, b"rest", end=True))
    if wire.left > 0:
        wire.lose()
    assert all(call.gone or call.stream.state == 4 for call in wire.calls)
    assert not wire.timers
