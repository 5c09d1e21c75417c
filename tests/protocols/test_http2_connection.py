"""A connection of HTTP/2 as a whole: its phases, the deadlines and timers, what is forgiven, and how it ends."""

import gc
from collections.abc import Callable

import pytest
from support.http2 import (
    PREFACE,
    Error,
    Flag,
    Type,
    continuation,
    data,
    get,
    goaway,
    headers,
    ping,
    post,
    priority,
    priority_update,
    request,
    rst_stream,
    settings,
    window_update,
)
from support.wire import Call, Handler, echo, ignore, ok
from support.wire2 import Wire2, kinds

from litmus.protocols.http2 import allowance
from litmus.protocols.http2.allowance import ALLOWANCE, Allowance
from litmus.protocols.http2.connection import FRAGMENTS, Http2, Phase
from litmus.protocols.http2.errors import Flooded
from litmus.protocols.http2.streams import PATIENCE, PROGRESS, READING
from litmus.protocols.limits import Limits
from litmus.protocols.machine import Deadline, Expiring, Host

SLOW = Limits(16 << 10, 48 << 10, body_progress=100)
DRAIN = b"draining"


def opened(handler: Handler = ignore, limits: Limits | None = None) -> Wire2:
    return (Wire2(handler) if limits is None else Wire2(handler, limits)).open()


def draining(wire: Wire2) -> Wire2:
    wire.machine.drain()
    wire.check()
    return wire


def agreed(wire: Wire2) -> Wire2:
    """Who drains has been told that its client knows."""
    return draining(wire).feed(ping(DRAIN, ack=True))


IN_PHASE: dict[Phase, Callable[[], Wire2]] = {
    Phase.PREFACE: lambda: Wire2(),
    Phase.SETTINGS: lambda: Wire2().feed(PREFACE),
    Phase.OPEN: lambda: opened(),
    Phase.CLOSING: lambda: agreed(opened().feed(get(1))),
    Phase.LINGER: lambda: opened().feed(ping(b"short")),
    Phase.CLOSED: lambda: opened().eof(),
}


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_can_be_reached_and_left(phase: Phase) -> None:
    wire = IN_PHASE[phase]()
    assert wire.phase == phase
    if not wire.closed:
        wire.lose()
    assert wire.phase == Phase.CLOSED


@pytest.mark.parametrize(
    ("deadline", "wire"),
    [
        (Deadline.FIRST_BYTE, lambda: Wire2()),
        (Deadline.HEAD, lambda: Wire2().feed(PREFACE[:10])),
        (Deadline.HEAD, lambda: Wire2().feed(PREFACE)),
        (Deadline.FIRST_BYTE, lambda: opened()),
        (Deadline.FIRST_BYTE, lambda: opened().feed(get(1)[:5])),
        (Deadline.HEAD, lambda: opened().feed(headers(1, request(), done=False))),
        (Deadline.NONE, lambda: opened().feed(get(1))),
        (Deadline.NONE, lambda: opened().feed(get(1) + get(3)[:5])),
        (Deadline.HEAD, lambda: opened().feed(get(1) + headers(3, b"", done=False))),
        (Deadline.KEEP_ALIVE, lambda: opened(ok).feed(get(1))),
        (Deadline.KEEP_ALIVE, lambda: opened(ok).feed(get(1) + get(3)[:5])),
        (Deadline.WRITE, lambda: opened().block()),
        (Deadline.WRITE, lambda: opened().feed(get(1)).block()),
        (Deadline.WRITE, lambda: opened().feed(headers(1, b"", done=False)).block()),
        (Deadline.KEEP_ALIVE, lambda: opened(ok).block().feed(get(1)).unblock()),
        (Deadline.DRAIN, lambda: draining(opened())),
        (Deadline.DRAIN, lambda: draining(opened(ok).feed(get(1)))),
        (Deadline.NONE, lambda: draining(opened().feed(get(1)))),
        (Deadline.DRAIN, lambda: draining(Wire2())),
        (Deadline.HEAD, lambda: draining(Wire2().feed(PREFACE[:10]))),
        (Deadline.NONE, lambda: agreed(opened().feed(get(1)))),
        (Deadline.LINGER, lambda: agreed(opened())),
        (Deadline.LINGER, lambda: opened().feed(ping(b"short"))),
        (Deadline.NONE, lambda: opened().eof()),
    ],
)
def test_the_deadline(deadline: int, wire: Callable[[], Wire2]) -> None:
    assert wire().machine.deadline == deadline


@pytest.mark.parametrize("begun", [b"", PREFACE[:10], PREFACE])
def test_who_does_not_begin_is_cut(begun: bytes) -> None:
    wire = Wire2().feed(begun) if begun else Wire2()
    wire.expire()
    assert wire.closed
    assert Type.GOAWAY not in kinds(wire.frames())


def test_who_is_idle_is_told() -> None:
    wire = opened(ok).feed(get(1))
    wire.frames()
    wire.expire()
    (frame,) = wire.frames()
    assert (frame.kind, frame.payload) == (Type.GOAWAY, bytes([0, 0, 0, 1, 0, 0, 0, 0]) + b"nothing is under way")
    assert wire.closed


@pytest.mark.parametrize("part", [get(1)[:5], headers(1, request(), done=False)])
def test_what_does_not_end_is_a_flood(part: bytes) -> None:
    wire = opened().feed(part).expire()
    assert wire.referee.goaways == [(0, Error.ENHANCE_YOUR_CALM)]
    assert wire.floods == ["a frame or a field block that does not end"]
    assert wire.phase == Phase.LINGER
    wire.expire()
    assert wire.closed


def test_a_field_block_does_not_come_in_any_number_of_frames() -> None:
    wire = opened(ok).feed(headers(1, request(), done=False, end=True))
    wire.feed(continuation(1, done=False) * (FRAGMENTS - 2) + continuation(1))
    assert wire.referee.response(1).status == 200
    wire.feed(headers(3, request(), done=False, end=True) + continuation(3, done=False) * FRAGMENTS)
    assert wire.floods == ["a field block that does not end"]


def test_who_has_just_read_everything_goes_on() -> None:
    wire = opened().feed(get(1)).block().expire()
    assert not wire.closed


def test_who_streams_has_no_deadline_to_pass() -> None:
    wire = opened().feed(get(1)).expire()
    assert not wire.closed
    assert not wire.calls[0].gone


# Timers


def test_settings_are_to_be_acknowledged() -> None:
    wire = Wire2().feed(PREFACE[:1])
    assert set(wire.timers.values()) == {Deadline.HEAD}
    wire.feed(PREFACE[1:] + settings() + get(1))
    wire.lapse(Deadline.HEAD)
    assert wire.referee.goaways == [(1, Error.SETTINGS_TIMEOUT)]
    assert wire.breaks == ["SETTINGS were not acknowledged (SETTINGS_TIMEOUT)"]
    assert wire.calls[0].told == ["unwanted"]
    assert wire.phase == Phase.LINGER


def test_who_acknowledges_them_is_not_asked_again() -> None:
    wire = Wire2().feed(PREFACE + settings() + settings(ack=True))
    assert Deadline.HEAD not in wire.timers.values()


def waiting(limits: Limits = SLOW) -> tuple[Wire2, Call]:
    wire = opened(limits=limits).feed(post(1))
    (call,) = wire.calls
    assert wire.armed(call) == Deadline.NONE
    assert call.read() == b""
    assert wire.armed(call) == Deadline.BODY
    return wire, call


def test_a_body_that_does_not_come() -> None:
    wire, call = waiting()
    wire.lapse(Deadline.BODY)
    response = wire.referee.response(1)
    assert (response.status, response.ended, response.reset) == (408, True, Error.NO_ERROR)
    assert call.told[-1] == "unwanted"
    assert call.told[0].startswith("refused with 408")


def test_a_body_that_comes_too_slowly() -> None:
    wire, call = waiting()
    for size, told in ((100, False), (150, False), (99, True)):
        wire.feed(data(1, bytes(size)))
        call.read()
        call.read()
        wire.lapse(Deadline.BODY)
        assert call.gone == told


def test_a_body_that_comes_too_slowly_behind_the_head_of_the_response() -> None:
    wire, call = waiting()
    call.respond(b"begun", end=False)
    wire.lapse(Deadline.BODY)
    assert wire.referee.response(1).reset == Error.CANCEL
    assert call.told == ["cut", "unwanted"]


def test_nobody_has_to_send_what_nobody_waits_for() -> None:
    wire, call = waiting()
    wire.feed(data(1, b"some"))
    assert call.read() == b"some"
    wire.lapse(Deadline.BODY)
    assert not call.gone
    assert wire.armed(call) == Deadline.NONE


def stalled() -> tuple[Wire2, Call]:
    wire = opened().feed(get(1))
    (call,) = wire.calls
    call.respond(bytes(65_535), end=False)
    assert wire.armed(call) == Deadline.NONE
    call.send(bytes(4 * PROGRESS))
    assert wire.armed(call) == Deadline.STALL
    return wire, call


def more_room(size: int, *streams: int) -> bytes:
    return b"".join(window_update(stream, size) for stream in streams)


def has_read(wire: Wire2) -> Wire2:
    """The client answers when it is asked whether it has read what was sent."""
    assert wire.referee.replies.endswith(ping(READING, ack=True))
    wire.referee.replies = b""
    return wire.feed(ping(READING, ack=True))


def test_a_window_that_stays_shut() -> None:
    wire, call = stalled()
    has_read(wire.lapse(Deadline.STALL))
    wire.lapse(Deadline.STALL)
    assert wire.referee.response(1).reset == Error.CANCEL
    assert call.told == ["cut", "disconnected"]
    assert wire.unread_streams == 1
    assert not wire.closed


def test_a_window_that_stays_shut_since_the_client_is_still_reading() -> None:
    wire, call = stalled()
    for _ in range(PATIENCE):
        wire.lapse(Deadline.STALL)
    assert not call.gone
    wire.feed(more_room(4 * PROGRESS, 0, 1))
    assert wire.armed(call) == Deadline.NONE, "nothing waits any more"
    wire, call = stalled()
    for _ in range(PATIENCE + 2):
        wire.lapse(Deadline.STALL)
    assert call.gone
    assert len([each for each in wire.frames() if each.kind == Type.PING]) == 1


def test_a_window_that_opens_a_little() -> None:
    wire, call = stalled()
    wire.feed(more_room(PROGRESS, 0, 1))
    wire.lapse(Deadline.STALL)
    assert not call.gone
    assert wire.armed(call) == Deadline.STALL
    wire.feed(more_room(PROGRESS - 1, 0, 1))
    has_read(wire.lapse(Deadline.STALL)).lapse(Deadline.STALL)
    assert call.gone


def test_a_window_that_opens() -> None:
    wire, call = stalled()
    wire.feed(more_room(4 * PROGRESS, 0, 1))
    assert not call.gone
    assert wire.armed(call) == Deadline.NONE


def test_who_waits_behind_others_is_not_stuck() -> None:
    wire = opened()
    wire.feed(get(1) + get(3))
    first, second = wire.calls
    first.respond(bytes(65_535 + 4 * PROGRESS), end=False)
    second.respond(bytes(2 * PROGRESS))
    assert wire.armed(second) == Deadline.STALL
    wire.feed(more_room(2 * PROGRESS, 0, 1))
    wire.lapse(Deadline.STALL)
    assert not first.gone
    assert not second.gone, "the connection goes on, and it is not its turn"
    wire.feed(more_room(1, 0, 1))
    has_read(wire.lapse(Deadline.STALL)).lapse(Deadline.STALL)
    assert first.gone
    assert second.gone, "the connection does not"


def test_who_has_its_own_window_shut_is_stuck_although_the_connection_goes_on() -> None:
    wire, call = stalled()
    wire.feed(more_room(2 * PROGRESS, 0) + get(3))
    wire.calls[1].respond(bytes(PROGRESS))
    has_read(wire.lapse(Deadline.STALL)).lapse(Deadline.STALL)
    assert call.gone
    assert not wire.referee.response(1).ended
    assert wire.referee.response(3).ended


def test_who_gets_room_of_its_own_and_waits_for_that_of_the_connection_is_not_stuck() -> None:
    wire, call = stalled()
    wire.feed(get(3))
    wire.calls[1].respond(bytes(4 * PROGRESS))
    wire.feed(more_room(100_000, 1))
    # The other one is more urgent, and takes all the room there is.
    wire.feed(priority_update(3, "u=0") + more_room(2 * PROGRESS, 0))
    wire.lapse(Deadline.STALL)
    assert not call.gone
    assert wire.armed(call) == Deadline.STALL


def test_a_shut_window_and_a_slow_body_have_a_deadline_each() -> None:
    wire = opened(limits=SLOW).feed(post(1))
    (call,) = wire.calls
    call.read()
    call.respond(bytes(65_535 + 1000), end=False)
    assert {Deadline.BODY, Deadline.STALL} <= set(wire.timers.values())
    wire.feed(data(1, bytes(SLOW.body_progress)))
    wire.lapse(Deadline.BODY)
    assert not call.gone, "what has come is enough, whatever has gone"
    has_read(wire.lapse(Deadline.STALL)).lapse(Deadline.STALL)
    assert wire.referee.response(1).reset == Error.CANCEL
    assert not set(wire.timers.values()) & {Deadline.BODY, Deadline.STALL}


def test_the_rest_of_a_request_that_is_answered() -> None:
    wire = opened(ok).feed(post(1))
    assert wire.armed(wire.calls[0]) == Deadline.LINGER
    wire.feed(data(1, b"more"))
    wire.lapse(Deadline.LINGER)
    assert wire.referee.response(1).reset == Error.NO_ERROR
    assert not wire.timers.keys() & {wire.calls[0].stream}


# The allowance


class Calm(Host):
    """A host that notes what is armed."""

    def __init__(self) -> None:
        self.armed: list[int] = []

    def arm(self, timer: Expiring, deadline: int) -> None:
        timer.due = 1
        self.armed.append(deadline)


def test_what_is_spent_and_earned() -> None:
    host = Calm()
    left = Allowance(host)
    assert host.armed == []
    left.spend(ALLOWANCE - 1, "first")
    left.spend(1, "second")
    assert host.armed == [Deadline.CALM]
    with pytest.raises(Flooded, match="too many of one kind: third"):
        left.spend(1, "third")


def test_what_is_earned_is_worth_something_soon_only() -> None:
    left = Allowance(Calm())
    left.earn(1000)
    assert left.left == ALLOWANCE
    left.spend(5, "something")
    left.earn(10)
    left.earn(10)
    assert left.left == ALLOWANCE + 5


def test_what_is_forgiven() -> None:
    host = Calm()
    left = Allowance(host)
    left.spend(ALLOWANCE, "all")
    left.due = 0
    left.expire()
    left.spend(ALLOWANCE, "all again")
    assert host.armed == [Deadline.CALM, Deadline.CALM]


def test_a_calm_connection_is_forgiven() -> None:
    wire = opened()
    wire.feed(ping() * 1900)
    wire.lapse(Deadline.CALM)
    wire.feed(ping() * 1900)
    assert not wire.floods
    wire.feed(ping() * 200)
    assert wire.floods == ["too many of one kind: PING"]
    assert wire.referee.goaways[-1][1] == Error.ENHANCE_YOUR_CALM


def test_who_asks_and_gets_is_never_out_of_it() -> None:
    """Each pair costs less than its response earns."""
    wire = opened(ok)
    for stream in range(1, 4001, 2):
        wire.feed(get(stream) + ping() * 5 + priority(stream))
    assert not wire.floods


@pytest.mark.parametrize("piece", [1, 90, 1000, 4 << 10, 16 << 10, (16 << 10) + 1])
@pytest.mark.parametrize("streams", [1, 3])
def test_who_gives_back_what_it_reads_piece_by_piece_is_no_flood(piece: int, streams: int) -> None:
    """As some clients do, for both windows, with a PING to measure the way."""
    wire = Wire2(judged=False).open().feed(b"".join(get(stream) for stream in range(1, 2 * streams, 2)))
    for call in wire.calls:
        call.respond(b"", end=False)
    for _ in range(3000):
        for call in wire.calls:
            call.send(bytes(piece))
            wire.feed(more_room(piece, 0, call.stream.id) + (ping() if piece >= 16 << 10 else b"")).take_output()
    assert not wire.floods
    assert not any(call.gone for call in wire.calls)


@pytest.mark.parametrize("which", ["stream", "connection"])
def test_who_opens_a_window_byte_by_byte_is_a_flood(which: str) -> None:
    """Although it answers each frame: those are as small as they are because of it."""
    wire = Wire2(judged=False).open().feed(get(1) + more_room(1 << 20, 0 if which == "stream" else 1))
    (call,) = wire.calls
    call.respond(bytes(1 << 20), end=False)
    opened = 0
    while not wire.floods:
        wire.feed(more_room(1, 1 if which == "stream" else 0)).take_output()
        opened += 1
        assert opened <= 2 * ALLOWANCE
    assert wire.floods == ["too many of one kind: WINDOW_UPDATE"]


def test_content_that_is_too_long_is_dear() -> None:
    wire = Wire2(limits=Limits(16 << 10, 48 << 10, body=10), judged=False).open()
    stream = 1
    while not wire.floods:
        wire.feed(post(stream) + data(stream, bytes(11)))
        stream += 2
    assert stream / 2 <= ALLOWANCE / allowance.LOST + 2


def test_resets_are_dear() -> None:
    wire = opened(ok)
    stream = 1
    while not wire.floods:
        wire.feed(get(stream) + rst_stream(stream))
        stream += 2
    assert stream / 2 <= ALLOWANCE / allowance.CHEAP
    held = opened()
    stream = 1
    while not held.floods:
        held.feed(get(stream) + rst_stream(stream))
        stream += 2
    assert stream / 2 <= ALLOWANCE / allowance.LOST


# The end


def test_draining_takes_two_steps() -> None:
    """RFC 9113, section 6.8: what is on its way when GOAWAY is sent is served."""
    wire = opened()
    wire.feed(get(1)).frames()
    draining(wire)
    first, asked = wire.frames()
    assert (first.kind, first.payload[:8]) == (Type.GOAWAY, b"\x7f\xff\xff\xff\0\0\0\0")
    assert (asked.kind, asked.payload) == (Type.PING, DRAIN)
    wire.feed(get(3))
    wire.feed(ping(DRAIN, ack=True))
    assert wire.referee.goaways[-1] == (3, Error.NO_ERROR)
    assert wire.phase == Phase.CLOSING
    wire.feed(get(5))
    assert [call.stream.id for call in wire.calls] == [1, 3]
    for call in wire.calls:
        call.respond(b"ok")
    wire.settle()
    assert wire.phase == Phase.LINGER
    assert wire.referee.response(3).ended


def test_draining_before_the_connection_has_begun() -> None:
    wire = draining(Wire2())
    assert Type.GOAWAY not in kinds(wire.frames())
    wire.feed(PREFACE + settings() + settings(ack=True))
    assert [each.kind for each in wire.frames()][-3:] == [Type.GOAWAY, Type.PING, Type.SETTINGS]


def test_draining_is_over_when_its_time_is() -> None:
    wire = draining(opened(ok).feed(get(1)))
    wire.expire()
    assert wire.closed
    assert wire.referee.goaways[-1] == (1, Error.NO_ERROR)


def test_a_connection_that_is_over_is_not_held_by_its_alarms() -> None:
    gc.disable()
    try:
        before = sum(type(each) is Http2 for each in gc.get_objects())
        wire = draining(opened())
        wire.lose()
        wire.machine = None
        assert sum(type(each) is Http2 for each in gc.get_objects()) == before
    finally:
        gc.enable()


def test_who_does_not_acknowledge_the_drain_is_served_no_longer_than_who_does() -> None:
    wire = draining(opened().feed(get(1)))
    wire.feed(get(3))
    wire.lapse(Deadline.DRAIN)
    assert wire.referee.goaways[-1] == (3, Error.NO_ERROR)
    wire.feed(get(5))
    assert [call.stream.id for call in wire.calls] == [1, 3]
    for call in wire.calls:
        call.respond(b"ok")
    wire.settle()
    assert wire.phase == Phase.LINGER


def test_requests_behind_goaway_are_a_flood_in_the_end() -> None:
    wire = draining(opened().feed(get(1))).feed(ping(DRAIN, ack=True))
    stream = 3
    while not wire.floods:
        wire.feed(get(stream))
        stream += 2
    assert 100 <= stream / 2 <= ALLOWANCE / allowance.CHEAP + 2
    assert wire.floods == ["too many of one kind: requests behind GOAWAY"]


def test_another_ping_says_nothing() -> None:
    wire = draining(opened()).feed(ping(b"whatever", ack=True))
    assert wire.phase == Phase.OPEN


LATE = {
    "a request": get(5),
    "one with content": post(5) + data(5, b"content") + data(5, end=True),
    "one with trailers": post(5) + headers(5, [("x", "y")], end=True),
    "one that is reset": get(5) + rst_stream(5),
    "room for its response": get(5) + window_update(5, 10),
    "a large one": headers(5, request(("x", "y" * 15_000)), done=False, end=True)
    + continuation(5, headers(5, [("x", "y" * 15_000)])[9:], done=False)
    + continuation(5, headers(5, [("x", "y" * 15_000)])[9:], done=False)
    + continuation(5, headers(5, [("x", "y" * 3_000)])[9:]),
    "one in many fields": headers(5, request(*[("a", "")] * 1400), end=True),
    "a malformed one": headers(5, [("x", "y")], end=True),
}


@pytest.mark.parametrize("late", LATE)
def test_what_comes_behind_goaway_breaks_nothing(late: str) -> None:
    """The last requests are on their way when the connection has had as many as it may."""
    wire = opened(limits=Limits(16 << 10, 48 << 10, requests=2)).feed(get(1) + get(3))
    assert wire.referee.goaways == [(3, Error.NO_ERROR)]
    wire.frames()
    wire.feed(LATE[late])
    assert not wire.frames()
    assert wire.phase == Phase.CLOSING
    for call in wire.calls:
        call.respond(b"ok")
    wire.settle()
    assert wire.referee.response(1).ended
    assert wire.referee.response(3).ended
    assert wire.phase == Phase.LINGER


def test_a_peer_that_goes_away_gets_its_answers() -> None:
    wire = opened().feed(get(1) + goaway())
    wire.calls[0].respond(b"ok")
    assert wire.settle().referee.response(1).body == b"ok"


def test_who_has_finished_sending_gets_its_answers() -> None:
    wire = opened().feed(get(1) + get(3) + post(5))
    wire.eof()
    assert [call.told for call in wire.calls] == [["finished"], ["finished"], ["disconnected"]]
    for call in wire.calls:
        call.respond(b"ok")
    wire.settle()
    assert wire.closed
    assert wire.referee.response(3).body == b"ok"


def test_who_has_finished_sending_can_give_no_more_room() -> None:
    wire = opened().feed(get(1) + get(3))
    first, second = wire.calls
    first.respond(bytes(70_000), end=False)
    wire.eof()
    assert first.gone
    second.respond(b"there is no room left on the connection")
    wire.settle()
    assert second.gone
    assert wire.closed


@pytest.mark.parametrize("pipelined", [1, 2, 3])
def test_others_get_their_turn(pipelined: int) -> None:
    wire = opened(ok, Limits(16 << 10, 48 << 10, pipelined=pipelined))
    wire.feed(b"".join(get(stream) for stream in range(1, 15, 2)), settle=False)
    assert len(wire.calls) == pipelined
    assert wire.woken
    assert len(wire.settle().calls) == 7


@pytest.mark.parametrize("pipelined", [1, 2, 3])
def test_large_requests_count_as_well(pipelined: int) -> None:
    wire = opened(ok, Limits(16 << 10, 48 << 10, pipelined=pipelined))
    large = [get(stream, ("x", "y" * 5000)) for stream in range(1, 15, 2)]
    wire.feed(b"".join(large[:1] + [get(stream) for stream in (15, 17, 19)]), settle=False)
    assert len(wire.calls) == pipelined
    wire = opened(ok, Limits(16 << 10, 48 << 10, pipelined=pipelined)).feed(b"".join(large), settle=False)
    assert len(wire.calls) == pipelined
    assert len(wire.settle().calls) == 7


def test_what_has_come_before_the_end_is_served() -> None:
    wire = opened(ok, Limits(16 << 10, 48 << 10, pipelined=2))
    wire.feed(b"".join(get(stream) for stream in range(1, 15, 2)), settle=False)
    wire.eof()
    assert len(wire.calls) == 7
    assert wire.closed


def test_a_refused_request_that_has_come_whole_is_closed_by_both_ends() -> None:
    wire = opened(limits=Limits(128, 512)).feed(get(1, ("x", "y" * 600)))
    assert wire.referee.response(1).status == 431
    assert wire.referee.response(1).reset is None
    wire.feed(data(1, b"more"))
    assert [each.payload for each in wire.frames() if each.kind == Type.RST_STREAM] == [
        Error.STREAM_CLOSED.to_bytes(4, "big")
    ]


def test_only_so_many_streams_at_once() -> None:
    wire = opened(limits=Limits(16 << 10, 48 << 10, streams=2)).feed(get(1) + get(3) + get(5))
    assert wire.referee.response(5).reset == Error.REFUSED_STREAM
    assert wire.refused_streams == 1
    wire.calls[0].respond(b"ok")
    wire.settle().feed(get(7))
    assert [call.stream.id for call in wire.calls] == [1, 3, 7]


@pytest.mark.parametrize("payload", [b"", b"1234", b"123456"])
def test_an_idle_stream_is_not_reset(payload: bytes) -> None:
    """Section 5.1: nothing but PRIORITY may be sent on it; a client never opens those with even numbers."""
    wire = opened().feed(get(5))
    frame = bytes([0, 0, len(payload), Type.PRIORITY, Flag.NONE, 0, 0, 0, 2]) + payload
    wire.feed(frame)
    assert wire.referee.goaways == [(5, Error.FRAME_SIZE_ERROR)]


def test_losing_the_connection_tells_everybody() -> None:
    wire = opened(echo).feed(post(1) + post(3) + get(5))
    wire.lose()
    assert [call.told[-1:] for call in wire.calls] == [["disconnected"], ["disconnected"], []]
