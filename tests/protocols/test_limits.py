"""What a peer may demand: each limit at its edge and one beyond it, in one piece and byte by byte; and deadlines."""

import re
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wire import Handler, Wire, bytewise, echo, ignore, ok, splits

from litmus.protocols.http1 import State
from litmus.protocols.limits import Limits
from litmus.protocols.machine import Deadline
from litmus.protocols.request import HeadParser

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SMALL = Limits(request_line=128, header_section=256, body=10)
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = pytest.mark.parametrize("cut", [lambda data: [data], bytewise], ids=["whole", "bytewise"])

Cut = Callable[[bytes], list[bytes]]


def statuses(wire: Wire) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", wire.out)]


def head(line: int, section: int) -> bytes:
    """A head with a request line and a header section of so many bytes, line ends included."""
    start, end = b"GET /", b" HTTP/1.1\r\n"
    first, last = b"Host: a\r\nX: ", b"\r\n\r\n"
    return start + b"x" * (line - len(start + end)) + end + first + b"y" * (section - len(first + last)) + last


def fed(data: bytes, cut: Cut, handler: Handler = ok, limits: Limits = SMALL, fields: int = 3) -> Wire:
    return Wire(handler, parser=HeadParser(fields=fields), limits=limits).feed_all(cut(data))


def refused(wire: Wire, status: int) -> bool:
    """Whether the peer was told so, once, as its last word."""
    return statuses(wire)[-1] == status and [each.status for each in wire.refusals] == [status] and wire.ended


# -- heads -------------------------------------------------------------------------------------------------------------


@WHOLE
@pytest.mark.parametrize(("line", "section"), [(128, 256), (128, 40), (40, 256)])
def test_a_head_at_its_limits_is_served(line: int, section: int, cut: Cut) -> None:
    wire = fed(head(line, section), cut)
    assert statuses(wire) == [200]
    assert wire.refusals == []


@WHOLE
@pytest.mark.parametrize("section", [40, 257])
def test_a_longer_request_line_is_refused(section: int, cut: Cut) -> None:
    wire = fed(head(129, section), cut)
    assert refused(wire, 414)
    assert wire.lines == [head(129, 40)[:127]]
    assert wire.calls == []


@WHOLE
@pytest.mark.parametrize("line", [40, 128])
def test_a_longer_header_section_is_refused(line: int, cut: Cut) -> None:
    wire = fed(head(line, 257), cut)
    assert refused(wire, 431)
    assert wire.lines == [head(line, 40).partition(b"\r\n")[0]]
    assert wire.calls == []


def test_what_is_too_long_is_refused_with_its_first_byte_too_much() -> None:
    for data, limit in ((b"GET /" + b"x" * 200, 128), (head(40, 300), 40 + 256)):
        wire = Wire(limits=SMALL)
        fed_bytes = next(number for number in count(1) if wire.feed(data[number - 1 : number]).ended)
        assert fed_bytes == limit


@WHOLE
def test_the_most_that_can_be_configured_fits_into_the_largest_buffer(cut: Cut) -> None:
    limits = Limits(request_line=16 << 10, header_section=48 << 10)
    data = head(16 << 10, 48 << 10)
    if cut is bytewise:
        data = data[:-10]  # as byte by byte would take long
    wire = Wire(ok, size=64 << 10, limits=limits).feed(data)
    if cut is bytewise:
        wire.feed_all(bytewise(head(16 << 10, 48 << 10)[-10:]))
    assert statuses(wire) == [200]


@WHOLE
@pytest.mark.parametrize("plain", [True, False])
def test_the_number_of_fields(plain: bool, cut: Cut) -> None:
    def asked(fields: int) -> bytes:
        target = b"/" if plain else b"http://a/"
        return b"GET %b HTTP/1.1\r\nHost: a\r\n%b\r\n" % (target, b"A: b\r\n" * (fields - 1))

    parser = HeadParser(fields=3)
    for fields in (1, 3, 3):
        assert statuses(Wire(ok, parser=parser).feed_all(cut(asked(fields)))) == [200]
    for _ in range(2):
        wire = Wire(ok, parser=parser).feed_all(cut(asked(4)))
        assert refused(wire, 431)
        assert wire.calls == []


LONG = [b"x" * 60, b"c:" + b"d" * 100]
PARTS = [GET, b"GET /", b" HTTP/1.1", b"Host: a\r\n", b"a: b\r\n", b"\r\n", b"\n", b"\x16", *LONG]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=14), st.data())
def test_however_a_head_is_cut_the_same_is_wrong_with_it(parts: list[bytes], draw: st.DataObject) -> None:
    data = b"".join(parts)
    points = draw.draw(st.lists(st.integers(0, len(data)), max_size=5))

    def outcome(pieces: list[bytes]) -> tuple[list[int], list[str], int]:
        wire = Wire(ok, parser=HeadParser(fields=3), limits=SMALL).feed_all(pieces)
        return statuses(wire), [each.reason for each in wire.refusals], len(wire.calls)

    whole = outcome([data])
    assert outcome(bytewise(data)) == whole
    assert outcome(splits(data, points)) == whole


# -- bodies ------------------------------------------------------------------------------------------------------------


@WHOLE
@pytest.mark.parametrize("size", [0, 9, 10])
def test_a_body_within_its_limit(size: int, cut: Cut) -> None:
    assert fed(POST % (size, b"x" * size), cut, echo).out.endswith(b"POST / [%b]" % (b"x" * size))


def test_a_limit_is_told_in_words() -> None:
    one = Limits(request_line=128, header_section=256, body=1)
    told = [
        *fed(POST % (11, b""), lambda data: [data]).refusals,
        *fed(POST % (2, b""), lambda data: [data], limits=one).refusals,
        *fed(CHUNKED + b"2\r\nxy\r\n", lambda data: [data], echo, limits=one).refusals,
        *fed(POST % (0, b""), lambda data: [data], fields=1).refusals,
    ]
    assert [error.reason for error in told] == [
        "the body is longer than 10 bytes",
        "the body is longer than 1 byte",
        "the body is longer than 1 byte",
        "the header section has more than 1 field",
    ]


@WHOLE
@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_a_longer_body_is_refused_before_it_comes(expect: bytes, cut: Cut) -> None:
    data = (POST % (11, b"")).replace(b"Host: a\r\n", b"Host: a\r\n" + expect)
    wire = fed(data, cut, echo)
    assert refused(wire, 413)
    assert statuses(wire) == [413], "and is not asked for"
    assert wire.heads == [data.partition(b"\r\n\r\n")[0]]
    assert wire.calls == []


@WHOLE
@pytest.mark.parametrize("chunks", [b"a\r\n0123456789\r\n", b"5\r\n01234\r\n5\r\n56789\r\n", b"1\r\n0\r\n" * 10])
def test_a_body_in_chunks_within_its_limit(chunks: bytes, cut: Cut) -> None:
    wire = fed(CHUNKED + chunks + b"0\r\n\r\n", cut, echo)
    assert statuses(wire) == [200]
    assert len(wire.calls[0].body) == 10


@WHOLE
@pytest.mark.parametrize("chunks", [b"b\r\n", b"ffffffffff\r\n", b"5\r\n01234\r\n6\r\n", b"1\r\n0\r\n" * 11])
def test_a_longer_body_in_chunks_is_refused_as_soon_as_that_is_known(chunks: bytes, cut: Cut) -> None:
    wire = fed(CHUNKED + chunks, cut, echo)
    assert refused(wire, 413)
    (call,) = wire.calls
    assert call.gone
    assert not call.complete
    body = wire.out.partition(b"\r\n\r\n")[2]
    assert call.told[-2:] == [f"refused with 413, {len(body)} bytes", "disconnected"]
    assert wire.heads == [None], "the exchange keeps record of it"


def test_a_response_that_has_begun_is_cut_instead() -> None:
    wire = Wire(limits=SMALL).feed(CHUNKED)
    (call,) = wire.calls
    call.respond(b"begun", end=False)
    wire.feed(b"b\r\n")
    call.read()
    wire.settle()
    assert wire.closed
    assert statuses(wire) == [200]
    assert call.told[-2:] == ["cut", "disconnected"]
    assert wire.heads == [None]


def test_a_body_that_nobody_reads_has_the_same_limit() -> None:
    wire = Wire(ok, limits=SMALL).feed(CHUNKED + b"b\r\n")
    assert statuses(wire) == [200]
    assert wire.state == State.LINGER
    assert wire.heads == [None], "the request was answered"
    assert wire.calls[0].told == []


def test_what_is_on_record_of_a_head_that_is_refused_has_a_bound() -> None:
    asked = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 8000 + b"\r\n: z\r\n\r\n"
    wire = Wire().feed(asked)
    assert statuses(wire) == [400]
    assert wire.heads == [asked[: 4 << 10]]


HOSTS = Limits(128, 256, body=10, hosts={b"large.example": 20, b"small.example": 5, b"free.example": 0, b"[::1]": 20})


@WHOLE
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("host", "limit"),
    [
        (b"a", 10),
        (b"", 10),
        (b"a.large.example", 10),
        (b"large.example", 20),
        (b"LARGE.example:80", 20),
        (b"large.example.", 20),
        (b"large.example.:", 20),
        (b"small.example", 5),
        (b"free.example", 1000),
        (b"[::1]", 20),
        (b"[::1]:80", 20),
        (b"[::2]", 10),
    ],
)
def test_a_host_may_have_a_limit_of_its_own(host: bytes, limit: int, chunked: bool, cut: Cut) -> None:
    def asked(size: int) -> bytes:
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size) if chunked else b"x" * size
        return b"POST / HTTP/1.1\r\nX: y\r\nHost: %b\r\n%b\r\n\r\n%b" % (host, framing, body)

    assert statuses(fed(asked(limit), cut, echo, HOSTS)) == [200]
    if limit <= 20:
        assert refused(fed(asked(limit + 1), cut, echo, HOSTS), 413)


def test_the_host_of_an_absolute_target_has_the_limit() -> None:
    data = (POST % (11, b"")).replace(b" / ", b" http://large.example/ ")
    assert fed(data, lambda data: [data], echo, HOSTS).calls
    data = (POST % (11, b"")).replace(b" / ", b" http://a/ ").replace(b"Host: a", b"Host: large.example")
    assert refused(fed(data, lambda data: [data], echo, HOSTS), 413)


def test_who_names_no_host_has_the_limit_of_all() -> None:
    for size, status in ((10, 200), (11, 413)):
        wire = fed(b"POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n%b" % (size, b"x" * size), bytewise, echo, HOSTS)
        assert statuses(wire) == [status]


# -- requests ----------------------------------------------------------------------------------------------------------


@WHOLE
def test_the_last_request_of_a_connection(cut: Cut) -> None:
    wire = fed(GET * 5, cut, limits=Limits(128, 256, requests=3))
    assert statuses(wire) == [200] * 3
    assert wire.out.count(b"connection: close") == 1
    assert wire.out.rindex(b"connection: close") > wire.out.rindex(b"HTTP/1.1 200")
    assert wire.ended or wire.closed


PIPELINE = Limits(128, 256, pipelined=5)


def test_a_long_pipeline_lets_others_have_their_turn() -> None:
    wire = Wire(ok, limits=PIPELINE).feed(GET * 11, settle=False)
    assert len(wire.calls) == 5
    assert not wire.machine.hungry, "what lies unread needs no larger buffer"
    wire.eof(settle=False)
    assert not wire.closed, "all of it is answered"
    wire.settle()
    assert statuses(wire) == [200] * 11
    assert wire.closed


@pytest.mark.parametrize(("limits", "ahead"), [(PIPELINE, 4), (PIPELINE, 5), (SMALL, 1000)])
def test_a_pipeline_up_to_the_limit_is_answered_at_once(limits: Limits, ahead: int) -> None:
    """Or any, if there is none."""
    wire = Wire(ok, limits=limits).feed(GET * ahead, settle=False)
    assert len(wire.calls) == ahead
    assert wire.unread == b""


def test_the_limit_of_a_pipeline_starts_anew_in_each_turn() -> None:
    wire = Wire(ok, limits=PIPELINE)
    for turn in range(1, 4):
        wire.feed(GET * 4, settle=False)
        assert len(wire.calls) == 4 * turn


# -- deadlines ---------------------------------------------------------------------------------------------------------


def test_the_deadlines_of_a_connection_in_order() -> None:
    wire = Wire(echo)
    seen = [wire.machine.deadline]
    for data in (b"\r\n", b"POST / HT", b"TP/1.1\r\nHost: a\r\n", b"Content-Length: 2\r\n\r\n", b"x", b"y", b"GET"):
        wire.feed(data)
        seen.append(wire.machine.deadline)
    assert seen == [
        Deadline.FIRST_BYTE,
        Deadline.FIRST_BYTE,
        Deadline.HEAD,
        Deadline.HEAD,
        Deadline.BODY,
        Deadline.BODY,
        Deadline.KEEP_ALIVE,
        Deadline.HEAD,
    ]


@pytest.mark.parametrize("before", [b"", GET])
def test_who_asks_for_nothing_is_told_nothing(before: bytes) -> None:
    wire = Wire(ok).feed(before + b"\r\n")
    wire.take_output()
    assert wire.expire().closed
    assert wire.out == b""
    assert wire.refusals == []


@pytest.mark.parametrize("before", [b"", GET])
@pytest.mark.parametrize("draining", [False, True])
def test_a_head_that_takes_too_long(before: bytes, draining: bool) -> None:
    wire = Wire(ok).feed(before + b"GET /slow HTTP/1.1\r\nHo")
    if draining:
        wire.machine.drain()
    wire.expire()
    assert refused(wire, 408)
    assert wire.lines == [b"GET /slow HTTP/1.1"]
    assert wire.state == State.LINGER
    assert wire.expire().closed


RATED = Limits(16 << 10, 48 << 10, body_progress=4)


@pytest.mark.parametrize("handler", [echo, ignore])
def test_a_body_that_comes_as_fast_as_it_must(handler: Handler) -> None:
    """When nobody waits for it, any speed will do."""
    wire = Wire(handler, limits=RATED).feed(POST % (12, b""))
    for part in (b"0123", b"45678") if handler is echo else (b"0", b"", b"1"):
        wire.feed(part)
        assert wire.expire().state == State.BODY
    assert wire.refusals == []


@pytest.mark.parametrize("part", [b"", b"567"])
def test_a_body_that_comes_too_slowly(part: bytes) -> None:
    wire = Wire(echo, limits=RATED).feed(POST % (12, b"01234"))
    wire.expire()
    wire.feed(part)
    wire.expire()
    assert refused(wire, 408)
    (call,) = wire.calls
    assert call.told[-1] == "disconnected"
    assert not call.complete


def test_what_one_body_brought_does_not_count_for_the_next() -> None:
    wire = Wire(echo, limits=RATED).feed(POST % (8, b"01234567") + POST % (8, b"0"))
    wire.expire()
    assert refused(wire, 408)


def test_a_body_that_is_too_slow_when_the_response_has_begun() -> None:
    wire = Wire(limits=RATED).feed(POST % (12, b"0"))
    (call,) = wire.calls
    call.respond(b"begun", end=False)
    call.read()
    call.read()
    assert wire.expire().closed
    assert statuses(wire) == [200]
    assert call.told[-1] == "disconnected"


def test_who_waits_for_100_is_under_no_deadline_before_that() -> None:
    wire = Wire(limits=RATED).feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert wire.machine.deadline == Deadline.NONE
    wire.calls[0].read()
    assert wire.machine.deadline == Deadline.BODY
    wire.settle().expire()
    assert refused(wire, 408)


@pytest.mark.parametrize("data", [GET, GET[:10], POST % (5, b"a"), b""])
def test_who_does_not_read_is_under_that_deadline_alone(data: bytes) -> None:
    wire = Wire().feed(data)
    wire.machine.output_blocked()
    assert wire.machine.deadline == Deadline.WRITE
    state = wire.state
    assert wire.expire().state == state, "the connection knows better whether the peer reads"
    wire.machine.output_unblocked()
    assert wire.machine.deadline != Deadline.WRITE
