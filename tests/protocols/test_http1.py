"""The HTTP/1 machine: requests in, responses out, and who stays connected."""

import re
from collections.abc import Sequence

import pytest
from support.wire import DATE, LIMITS, Call, Wire, bytewise, echo, ignore, ok

from litmus.memory.lease import Lease
from litmus.protocols.errors import ResponseError
from litmus.protocols.http1 import DISCARD_LIMIT, State
from litmus.protocols.machine import Deadline
from litmus.protocols.response import error_response

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"
OLD_GET = b"GET / HTTP/1.0\r\n\r\n"
OLD_KEPT_GET = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
EXPECT = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) ")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def post(body: bytes) -> bytes:
    return POST % (len(body), body)


def split_head(out: bytes) -> tuple[list[bytes], bytes]:
    """The lines of the first head in ``out``, and what comes behind it."""
    head, separator, rest = out.partition(b"\r\n\r\n")
    assert separator
    return head.split(b"\r\n"), rest


def statuses(out: bytes) -> list[int]:
    return [int(status) for status in STATUS_LINE.findall(out)]


# -- a connection that is gone -----------------------------------------------------------------------------------------


class GoneWire(Wire):
    """Writing finds the connection gone."""

    def write(self, data: bytes) -> None:
        self.machine.lost()


@pytest.mark.parametrize("chunked", [False, True])
def test_writing_finds_the_connection_gone(chunked: bool) -> None:
    def application(call: Call) -> None:
        call.respond(b"x" * (1 << 17), end=not chunked)
        if chunked:
            call.send(b"x", end=True)

    wire = GoneWire(application).feed(GET % b"")
    assert wire.state == State.CLOSED
    assert wire.calls[0].told == ["disconnected"]


def test_an_error_response_finds_the_connection_gone() -> None:
    wire = GoneWire(ok).feed(b"garbage\r\n\r\n")
    assert wire.state == State.CLOSED
    assert wire.calls == []


# -- beginnings that can't become a request ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (b"\x16", 400, "TLS"),
        (b"\x16\x03\x01\x02\x00", 400, "TLS"),
        (b"\x00", 400, "not a request"),
        (b"get / HT", 501, "a method"),
        (b"PROPPATCHING", 501, "a method"),
        (b"asdf\n", 400, "not a request"),
        (b"GET / HTTP/1.1\nHo", 400, "without CR"),
        (b"GET / HTTP/1.1\r\nHost: a\n\n", 400, "without CR"),
        (b"HEAD\r\n\r\n", 400, "not a request"),
        (b"GET /\r\n", 400, "not a request line"),
        (b"GET /\r\nHost: a\n", 400, "not a request line"),
        (b"GET / HTTP/3.0\r\n", 505, "only HTTP/1.0"),
        (b"GET /%zz HTTP/1.1\r\nHo", 400, "percent"),
        (b"\r\n\r\n\x00", 400, "not a request"),
        (b"\n", 400, "not a request"),
        (b"\rG", 400, "not a request"),
    ],
)
def test_what_cannot_become_a_request_is_refused_without_waiting_for_more(
    data: bytes, status: int, reason: str
) -> None:
    wire = Wire(ok).feed_all(bytewise(data))
    assert statuses(wire.out) == [status]
    assert wire.out == Wire(ok).feed(data).out
    assert wire.ended
    assert reason in wire.refusals[0].reason


# -- keep-alive and pipelining -----------------------------------------------------------------------------------------


def test_a_request_and_its_response() -> None:
    wire = Wire(ok).feed(GET % b"x")
    assert wire.out == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n" + DATE + b"\r\nok"
    assert wire.state == State.IDLE
    assert not wire.closed
    assert wire.calls[0].request.line.target == b"/x"


def test_many_requests_on_one_connection() -> None:
    wire = Wire(echo)
    for i in range(5):
        wire.feed(GET % b"%d" % i)
        wire.feed(post(b"body %d" % i))
    assert [call.body for call in wire.calls[1::2]] == [b"body %d" % i for i in range(5)]
    assert statuses(wire.out) == [200] * 10
    assert not wire.closed


def test_pipelined_requests_are_answered_in_order() -> None:
    wire = Wire(echo).feed(
        b"".join([GET % b"1", post(b"two"), GET % b"3", CHUNKED, b"4\r\nfour\r\n0\r\n\r\n", GET % b"5"])
    )
    assert len(wire.calls) == 5
    positions = [wire.out.index(b"[%b]" % call.body) for call in wire.calls if call.body]
    assert positions == sorted(positions)
    assert statuses(wire.out) == [200] * 5


class CountingLease(Lease):
    """A lease that is full, and counts the bytes which are copied out of it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(memoryview(bytearray(data)), 0)
        self.end = self.size
        self.copied = 0

    def peek(self, size: int) -> bytes:
        data = super().peek(size)
        self.copied += len(data)
        return data


def test_a_deep_pipeline_is_not_copied_again_for_each_of_its_heads() -> None:
    def copied(count: int) -> int:
        wire = Wire(ok)
        lease = CountingLease(GET % b"x" * count)
        while lease.start < lease.end:
            wire.machine.received(lease)
        assert len(wire.calls) == count
        return lease.copied

    assert copied(2000) < copied(1000) * 2.1
    assert copied(1) == len(GET % b"x"), "and one head alone not a byte more than it has"


@pytest.mark.parametrize("size", [*range(4090, 4102), 8190])
def test_heads_of_every_size_in_a_pipeline(size: int) -> None:
    """Where the end of a head is looked for first, it may be missed, or only be half there."""
    start, end = b"GET /%d HTTP/1.1\r\nHost: a\r\nX: ", b"\r\n\r\n"
    data = b"".join((start % i).ljust(size - len(end), b"x") + end for i in range(3))
    wire = Wire(ok).feed(b"\r\n" * 3000 + data)
    assert [call.request.line.target for call in wire.calls] == [b"/0", b"/1", b"/2"]
    assert wire.unread == b""


def test_a_pipelined_request_waits_for_the_response_before_it() -> None:
    wire = Wire(ignore).feed(GET % b"1" + GET % b"2" + GET % b"3")
    assert len(wire.calls) == 1
    assert wire.state == State.RESPONSE
    assert wire.unread == GET % b"2" + GET % b"3"
    for number in (1, 2, 3):
        assert wire.calls[-1].request.line.target == b"/%d" % number
        wire.calls[-1].respond(b"%d" % number)
        wire.settle()
    assert re.findall(rb"\r\n\r\n(\d)", wire.out) == [b"1", b"2", b"3"]
    assert len(wire.calls) == 3


def test_bytes_that_arrive_during_a_response_wait_unparsed() -> None:
    wire = Wire(ignore).feed(GET % b"1").feed(b"no request\r\n\r\n")
    assert wire.refusals == []
    wire.calls[0].respond(b"ok")
    wire.settle()
    assert statuses(wire.out) == [200, 501]


def test_empty_lines_before_a_request_are_ignored() -> None:
    wire = Wire(ok).feed(b"\r\n\r\n" + GET % b"1" + b"\r\n" + GET % b"2" + b"\r\n")
    assert len(wire.calls) == 2
    assert wire.state == State.IDLE
    assert wire.machine.deadline == Deadline.KEEP_ALIVE


def test_empty_lines_alone_are_nothing() -> None:
    wire = Wire(ok)
    for _ in range(10):
        wire.feed(b"\r\n")
    assert wire.state == State.IDLE
    assert wire.unread == b""
    assert wire.eof().closed


@pytest.mark.parametrize(
    "request_bytes",
    [
        OLD_GET,
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
    ],
)
def test_who_asks_for_the_end_gets_it(request_bytes: bytes) -> None:
    wire = Wire(echo).feed(request_bytes)
    lines, _ = split_head(wire.out)
    assert b"connection: close" in lines
    assert wire.closed


def test_what_follows_a_last_request_is_not_served() -> None:
    wire = Wire(echo).feed(b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET % b"more")
    assert len(wire.calls) == 1
    assert statuses(wire.out) == [200]
    assert wire.ended
    assert wire.state == State.LINGER, "a reset because of the unread bytes would destroy the response"
    wire.feed(GET % b"even more")
    assert len(wire.calls) == 1
    assert wire.unread == b""


def test_http_1_0_with_keep_alive() -> None:
    wire = Wire(ok).feed(OLD_KEPT_GET)
    lines, body = split_head(wire.take_output())
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert b"connection: keep-alive" in lines
    assert body == b"ok"
    assert not wire.closed
    assert statuses(wire.feed(OLD_KEPT_GET).out) == [200]


def test_the_application_ends_the_connection() -> None:
    wire = Wire(lambda call: call.respond(b"ok", headers=[(b"Connection", b"close")])).feed(GET % b"")
    lines, _ = split_head(wire.out)
    assert [line for line in lines if line.lower().startswith(b"connection")] == [b"connection: close"]
    assert wire.closed


# -- request bodies ----------------------------------------------------------------------------------------------------


def test_a_body_is_read_when_it_is_asked_for() -> None:
    wire = Wire(ignore).feed(post(b"hello")[:-3])
    call = wire.calls[0]
    assert wire.state == State.BODY
    assert wire.unread == b"he"
    assert call.read() == b"he"
    assert call.read() == b""
    assert not call.complete
    wire.feed(b"llo")
    assert "body" in call.told
    assert call.read() == b"llo"
    assert call.complete
    assert wire.state == State.RESPONSE
    assert call.read() == b""


def test_a_machine_is_hungry_when_it_needs_more_bytes() -> None:
    """The connection makes room for a hungry machine, and stops reading for one that is not."""
    wire = Wire(ignore)
    assert wire.machine.hungry
    wire.feed(b"POST / HT")
    assert wire.machine.hungry
    wire.feed(b"TP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234")
    assert not wire.machine.hungry, "nobody has asked for the body"
    call = wire.calls[0]
    call.read()
    assert not wire.machine.hungry
    call.read()
    assert wire.machine.hungry
    wire.feed(b"56789")
    call.read()
    assert not wire.machine.hungry
    call.respond(b"ok")
    assert wire.machine.hungry


def test_an_empty_body_is_complete_at_once() -> None:
    wire = Wire(ignore).feed(GET % b"")
    assert wire.calls[0].complete
    assert wire.calls[0].read() == b""


def test_chunks_are_joined_as_they_have_arrived() -> None:
    wire = Wire(ignore).feed(CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n4\r\nfg")
    call = wire.calls[0]
    assert call.read() == b"abcdefg"
    wire.feed(b"hi\r\n0\r\nTrailer: x\r\n\r\n" + GET % b"next")
    assert call.read() == b"hi"
    assert call.read() == b""
    assert call.complete
    assert wire.unread == GET % b"next"


def test_bad_chunks_while_the_application_waits_are_answered() -> None:
    wire = Wire(echo).feed(CHUNKED + b"3\r\nabc\r\n")
    wire.feed(b"xyz\r\n")
    assert statuses(wire.out) == [400]
    assert wire.calls[0].told[-1] == "disconnected"
    assert wire.ended
    assert wire.state == State.LINGER
    assert wire.refusals[0].status == 400


def test_what_comes_behind_a_bad_chunk_is_dropped() -> None:
    wire = Wire(echo).feed(CHUNKED)
    wire.feed(b"xyz\r\n" + GET % b"next", settle=False)
    assert wire.state == State.LINGER
    assert wire.unread == b""


def test_bad_chunks_that_lie_unread_are_found_when_they_are_asked_for() -> None:
    wire = Wire(ignore).feed(CHUNKED + b"xyz\r\n")
    assert wire.out == b""
    call = wire.calls[0]
    assert call.read() == b""
    wire.settle()
    assert statuses(wire.out) == [400]
    assert call.gone
    assert wire.ended


def test_bad_chunks_after_the_response_has_begun_cut_it() -> None:
    wire = Wire(ignore).feed(CHUNKED + b"xyz\r\n")
    call = wire.calls[0]
    call.respond(b"some", end=False)
    call.read()
    wire.settle()
    assert statuses(wire.out) == [200]
    assert not wire.out.endswith(b"0\r\n\r\n")
    assert call.gone
    assert wire.closed


# -- 100 (Continue) ----------------------------------------------------------------------------------------------------


def test_continue_is_sent_when_the_body_is_first_asked_for() -> None:
    wire = Wire(ignore).feed(EXPECT)
    assert wire.out == b""
    call = wire.calls[0]
    call.read()
    assert wire.take_output() == CONTINUE
    call.read()
    assert wire.out == b"", "once"
    wire.feed(b"hello")
    assert call.read() == b"hello"
    call.respond(b"ok")
    assert statuses(wire.out) == [200]
    assert not wire.settle().closed


def test_no_continue_when_the_body_has_begun_to_arrive() -> None:
    wire = Wire(ignore).feed(EXPECT + b"he")
    call = wire.calls[0]
    assert call.read() == b"he"
    call.read()
    assert wire.out == b""


def test_no_continue_for_who_did_not_ask() -> None:
    wire = Wire(echo).feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    assert wire.out == b""


def test_who_refuses_before_asking_for_the_body_closes() -> None:
    """Nobody can tell whether the client will send the body now (RFC 9110, section 10.1.1)."""
    wire = Wire(lambda call: call.respond(b"no", status=417)).feed(EXPECT)
    lines, _ = split_head(wire.out)
    assert b"connection: close" in lines
    assert statuses(wire.out) == [417]
    assert wire.ended
    assert wire.state == State.LINGER


def test_no_continue_after_the_response_has_begun() -> None:
    wire = Wire(ignore).feed(EXPECT)
    call = wire.calls[0]
    call.respond(b"part", end=False)
    call.read()
    assert CONTINUE not in wire.out


def test_continue_for_one_request_is_not_owed_to_the_next() -> None:
    wire = Wire(echo).feed(EXPECT)
    assert wire.take_output() == CONTINUE
    wire.feed(b"hello")
    wire.take_output()
    wire.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    assert wire.out == b""


# -- responses before the body is read ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", [b"", b"0123456789", b"0123456789" + GET % b"next"])
def test_a_small_unread_body_is_dropped_and_the_connection_kept(rest: bytes) -> None:
    wire = Wire(ok).feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n" + rest)
    if not rest:
        assert wire.state == State.DISCARD
        assert wire.machine.deadline == Deadline.LINGER
        wire.feed(b"0123456789")
    assert wire.state == State.IDLE
    wire.feed(GET % b"more")
    assert statuses(wire.out) == [200] * len(wire.calls)
    assert wire.calls[-1].request.line.target == b"/more"


def test_an_unread_chunked_body_is_dropped_and_the_connection_kept() -> None:
    wire = Wire(ok).feed(CHUNKED).feed(b"5\r\nhello\r\n").feed(b"0\r\n\r\n" + GET % b"next")
    assert [call.request.line.target for call in wire.calls] == [b"/", b"/next"]
    assert wire.state == State.IDLE


def test_a_partly_read_body_is_dropped_from_there() -> None:
    def peek(call: Call) -> None:
        call.read()
        call.respond(b"ok")

    wire = Wire(peek).feed(post(b"0123456789")[:-5]).feed(b"56789" + GET % b"next")
    assert wire.calls[0].body == b"01234"
    assert wire.calls[1].request.line.target == b"/next"


def test_a_body_that_is_not_worth_reading_ends_the_connection() -> None:
    wire = Wire(ok).feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (DISCARD_LIMIT + 1))
    assert statuses(wire.out) == [200]
    assert wire.ended
    assert wire.state == State.LINGER
    assert wire.machine.deadline == Deadline.LINGER
    wire.feed(b"x" * 10000)
    assert wire.unread == b""
    assert wire.eof().closed


def test_a_body_at_the_limit_is_dropped() -> None:
    body = b"x" * DISCARD_LIMIT
    wire = Wire(ok, size=2 * DISCARD_LIMIT).feed(post(body)[:-1])
    assert wire.state == State.DISCARD
    wire.feed(b"x")
    assert wire.state == State.IDLE


def test_an_endless_chunked_body_is_not_read_for_ever() -> None:
    wire = Wire(ok).feed(CHUNKED)
    for _ in range(DISCARD_LIMIT // 4096 + 2):
        wire.feed(b"1000\r\n" + b"x" * 4096 + b"\r\n")
    assert statuses(wire.out) == [200]
    assert wire.ended
    assert wire.state == State.LINGER


def test_a_bad_chunk_in_what_is_dropped_ends_the_connection() -> None:
    """But not at once: bytes that nobody has read would have the kernel reset it, and destroy the response."""
    wire = Wire(ok).feed(CHUNKED).feed(b"xyz\r\n")
    assert statuses(wire.out) == [200], "the request was answered already"
    assert wire.refusals[0].status == 400
    assert wire.ended
    assert wire.state == State.LINGER
    assert not wire.closed
    wire.feed(b"more" * 1000)
    assert wire.unread == b""
    assert wire.eof().closed


def test_the_response_is_complete_while_the_request_still_comes() -> None:
    """A stream in both directions."""
    wire = Wire(ignore).feed(CHUNKED)
    call = wire.calls[0]
    call.respond(b"a", end=False)
    wire.feed(b"1\r\nb\r\n")
    assert call.read() == b"b"
    call.send(b"c")
    call.send(b"", end=True)
    assert wire.settle().state == State.DISCARD
    wire.feed(b"0\r\n\r\n")
    assert wire.state == State.IDLE
    assert split_head(wire.out)[1] == b"1\r\na\r\n1\r\nc\r\n0\r\n\r\n"


# -- half-close and the end of the connection --------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", b"GET / HT", GET % b"1"])
def test_eof_between_requests_or_in_a_head_is_the_end(sent: bytes) -> None:
    wire = Wire(ok).feed(sent) if sent else Wire(ok)
    assert wire.eof().closed


def test_who_half_closes_gets_the_response() -> None:
    wire = Wire(ignore).feed(GET % b"1").eof()
    assert not wire.closed
    assert wire.calls[0].told == ["finished"]
    wire.calls[0].respond(b"a", end=False)
    wire.calls[0].send(b"b", end=True)
    assert wire.settle().closed
    assert split_head(wire.out)[1] == b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"


def test_who_pipelines_and_half_closes_gets_all_responses() -> None:
    wire = Wire(ignore).feed(GET % b"1" + post(b"two") + GET % b"3").eof()
    for _ in range(3):
        call = wire.calls[-1]
        call.read()
        call.respond(b"ok")
        wire.settle()
    assert len(wire.calls) == 3
    assert statuses(wire.out) == [200] * 3
    assert wire.calls[1].body == b"two"
    assert wire.closed


@pytest.mark.parametrize("first", [GET % b"1", post(b"x" * 10)])
def test_eof_just_after_a_response_loses_no_pipelined_request(first: bytes) -> None:
    wire = Wire(ignore).feed(first + GET % b"2")
    wire.calls[0].respond(b"ok")
    wire.eof()
    wire.settle()
    assert len(wire.calls) == 2


@pytest.mark.parametrize("first", [b"", GET % b"0"])
def test_every_stream_hears_that_the_peer_has_finished(first: bytes) -> None:
    """Whatever of the request is still unread when the peer finishes."""
    wire = Wire(ignore).feed(first + post(b"hello")).eof()
    if first:
        wire.calls[0].respond(b"ok")
        wire.settle()
    call = wire.calls[-1]
    assert call.read() == b"hello"
    wire.settle()
    assert call.complete
    assert call.told[-1] == "finished"


@pytest.mark.parametrize("body", [b"01234", b""])
def test_eof_in_a_body_that_is_waited_for_is_a_disconnect(body: bytes) -> None:
    wire = Wire(echo).feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n" + body).eof()
    call = wire.calls[0]
    assert call.gone
    assert not call.complete
    assert wire.closed
    assert wire.out == b""


@pytest.mark.parametrize(
    "start", [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234", CHUNKED + b"5\r\nhel"]
)
def test_eof_behind_unread_bytes_of_a_body_is_found_when_they_are_read(start: bytes) -> None:
    wire = Wire(ignore).feed(start).eof()
    call = wire.calls[0]
    assert not call.gone, "there is something to read"
    call.read()
    wire.settle()
    assert call.gone
    assert not call.complete
    assert wire.closed


PARTIAL_LINES = [b"5", b"5\r", b"5\r\nhello\r", b"5\r\nhello\r\n0", b"5\r\nhello\r\n0\r\nTrailer: x\r\n"]


@pytest.mark.parametrize("body", [p for p in PARTIAL_LINES if not p.endswith(b"\n")])
def test_eof_in_a_line_of_a_chunked_body_that_is_waited_for(body: bytes) -> None:
    wire = Wire(echo).feed(CHUNKED + body).eof()
    assert wire.calls[0].gone
    assert wire.closed


@pytest.mark.parametrize("body", PARTIAL_LINES)
def test_eof_in_a_line_of_a_chunked_body_that_is_read_later(body: bytes) -> None:
    wire = Wire(ignore).feed(CHUNKED + body).eof()
    call = wire.calls[0]
    for _ in range(3):
        if not call.gone:
            call.read()
    wire.settle()
    assert call.gone
    assert not call.complete
    assert wire.closed


def test_eof_in_what_is_dropped_is_the_end() -> None:
    wire = Wire(ok).feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n012").eof()
    assert statuses(wire.out) == [200]
    assert wire.closed


def test_a_body_never_seems_complete_when_it_was_cut_short() -> None:
    whole = CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n"
    for size in range(len(CHUNKED), len(whole)):
        wire = Wire(echo).feed(whole[:size]).eof()
        assert not wire.calls[0].complete
        assert wire.out == b""
    assert statuses(Wire(echo).feed(whole).eof().out) == [200]


@pytest.mark.parametrize("state", ["idle", "head", "body", "response", "sending", "discard", "linger"])
def test_a_lost_connection_is_told_once(state: str) -> None:
    wire = Wire(ignore)
    if state == "head":
        wire.feed(b"GET")
    elif state in ("body", "discard"):
        wire.feed(post(b"hello")[:-2])
    elif state == "linger":
        wire.feed(b"garbage\r\n\r\n")
    elif state != "idle":
        wire.feed(GET % b"")
    if state == "sending":
        wire.calls[0].respond(b"a", end=False)
    if state == "discard":
        wire.calls[0].respond(b"a")
    wire.lose()
    assert wire.state == State.CLOSED
    for call in wire.calls:
        assert call.told.count("disconnected") == (0 if state == "discard" else 1)
        assert call.read() == b""


# -- framing of responses ----------------------------------------------------------------------------------------------


def respond_in(parts: Sequence[bytes], headers: Sequence[tuple[bytes, bytes]] = (), status: int = 200) -> Wire:
    """The response to a GET, in parts, the last of which ends it."""
    wire = Wire(ignore).feed(GET % b"")
    answer(wire, parts, headers, status)
    return wire


def answer(wire: Wire, parts: Sequence[bytes], headers: Sequence[tuple[bytes, bytes]] = (), status: int = 200) -> None:
    call = wire.calls[-1]
    call.respond(parts[0], status, headers, end=len(parts) == 1)
    for index, part in enumerate(parts[1:], 2):
        call.send(part, end=index == len(parts))
    wire.settle()


def test_a_whole_body_gets_its_length() -> None:
    lines, body = split_head(respond_in([b"hello"]).out)
    assert b"content-length: 5" in lines
    assert body == b"hello"


def test_an_empty_body_gets_its_length() -> None:
    lines, body = split_head(respond_in([b""]).out)
    assert b"content-length: 0" in lines
    assert body == b""


def test_a_body_of_unknown_length_is_chunked() -> None:
    lines, body = split_head(respond_in([b"", b"hello", b"", b" world", b""]).out)
    assert b"transfer-encoding: chunked" in lines
    assert not any(line.startswith(b"content-length") for line in lines)
    assert body == b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"


def test_the_last_chunk_leaves_with_the_end() -> None:
    assert split_head(respond_in([b"a", b"b"]).out)[1] == b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"


def test_an_announced_length_is_kept_to() -> None:
    lines, body = split_head(respond_in([b"hel", b"lo", b""], [(b"Content-Length", b"5")]).out)
    assert b"Content-Length: 5" in lines
    assert b"transfer-encoding: chunked" not in lines
    assert body == b"hello"


def test_http_1_0_gets_a_body_of_unknown_length_until_the_close() -> None:
    wire = Wire(ignore).feed(OLD_KEPT_GET)
    answer(wire, [b"hello", b" world"])
    lines, body = split_head(wire.out)
    assert b"connection: close" in lines
    assert not any(line.startswith((b"transfer-encoding", b"content-length")) for line in lines)
    assert body == b"hello world"
    assert wire.closed
    assert not wire.broken


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        (GET % b"", 204),
        (GET % b"", 304),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    ],
)
@pytest.mark.parametrize("parts", [[b""], [b"hello"], [b"hel", b"lo"], [b"", b""]])
def test_responses_without_a_body(request_bytes: bytes, status: int, parts: list[bytes]) -> None:
    wire = Wire(ignore).feed(request_bytes)
    answer(wire, parts, status=status)
    lines, body = split_head(wire.out)
    assert body == b""
    assert not any(line.startswith(b"transfer-encoding") for line in lines)
    assert not wire.closed
    assert len(wire.feed(GET % b"next").calls) == 2


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 304)])
def test_a_length_that_describes_the_absent_body_is_passed_on(method: bytes, status: int) -> None:
    wire = Wire(ignore).feed(method + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
    answer(wire, [b""], [(b"content-length", b"12345")], status)
    lines, body = split_head(wire.out)
    assert b"content-length: 12345" in lines
    assert body == b""
    assert not wire.closed


def test_204_has_no_length() -> None:
    lines, _ = split_head(respond_in([b""], [(b"content-length", b"0")], 204).out)
    assert not any(line.startswith(b"content-length") for line in lines)


def test_framing_headers_of_the_application_are_the_servers_business() -> None:
    headers = [(b"Transfer-Encoding", b"chunked"), (b"Keep-Alive", b"timeout=5"), (b"Connection", b"keep-alive")]
    lines, body = split_head(respond_in([b"hello"], headers).out)
    assert [line.partition(b":")[0] for line in lines[1:]] == [b"content-length", b"date"]
    assert body == b"hello"


def test_headers_are_sent_as_given_and_in_order() -> None:
    headers = [(b"Set-Cookie", b"a=1"), (b"X-Name", "é".encode("latin-1")), (b"set-cookie", b"b=2"), (b"x-empty", b"")]
    lines, _ = split_head(respond_in([b""], headers).out)
    assert lines[1:5] == [b"Set-Cookie: a=1", b"X-Name: \xe9", b"set-cookie: b=2", b"x-empty: "]


def test_the_applications_date_counts() -> None:
    lines, _ = split_head(respond_in([b""], [(b"Date", b"yesterday")]).out)
    assert [line for line in lines if line.lower().startswith(b"date")] == [b"Date: yesterday"]


@pytest.mark.parametrize(
    ("status", "line"), [(200, b"200 OK"), (404, b"404 Not Found"), (299, b"299 "), (999, b"999 ")]
)
def test_status_lines(status: int, line: bytes) -> None:
    assert split_head(respond_in([b""], status=status).out)[0][0] == b"HTTP/1.1 " + line


BAD_HEADS = {
    "CR LF in a value": (200, [(b"x", b"a\r\nset-cookie: evil")]),
    "LF in a value": (200, [(b"x", b"a\nb")]),
    "CR in a value": (200, [(b"x", b"a\rb")]),
    "NUL in a value": (200, [(b"x", b"a\0b")]),
    "LF in a special value": (200, [(b"date", b"a\nb")]),
    "CR LF in a name": (200, [(b"x\r\ny", b"a")]),
    "a colon in a name": (200, [(b"x:y", b"a")]),
    "a space in a name": (200, [(b"x y", b"a")]),
    "an empty name": (200, [(b"", b"a")]),
    "a name outside ASCII": (200, [("é".encode(), b"a")]),
    "a name that is text": (200, [("x", b"a")]),
    "a length that is no number": (200, [(b"content-length", b"five")]),
    "a negative length": (200, [(b"content-length", b"-1")]),
    "two different lengths": (200, [(b"content-length", b"1"), (b"Content-Length", b"2")]),
    "an interim status": (100, []),
    "switching protocols": (101, []),
    "status 0": (0, []),
    "a status of four digits": (1000, []),
    "a body longer than its length": (200, [(b"content-length", b"1")]),
    "a body shorter than its length": (200, [(b"content-length", b"10")]),
}


@pytest.mark.parametrize("name", BAD_HEADS)
def test_a_bad_response_is_refused_before_anything_is_sent(name: str) -> None:
    status, headers = BAD_HEADS[name]
    wire = Wire(ignore).feed(GET % b"")
    with pytest.raises(ResponseError):
        wire.calls[0].respond(b"hello", status, headers)  # type: ignore[arg-type]
    assert wire.out == b""
    wire.calls[0].respond(b"sorry", 500)
    assert statuses(wire.out) == [500]
    assert wire.settle().state == State.IDLE


@pytest.mark.parametrize(
    ("parts", "fits"),
    [([b"hello", b"!"], False), ([b"hell", b""], False), ([b"hel", b"lo", b""], True), ([b"", b"hello"], True)],
)
def test_a_body_in_parts_must_match_its_length(parts: list[bytes], fits: bool) -> None:
    wire = Wire(ignore).feed(GET % b"")
    if fits:
        answer(wire, parts, [(b"content-length", b"5")])
        assert wire.state == State.IDLE
        return
    with pytest.raises(ResponseError, match="Content-Length"):
        answer(wire, parts, [(b"content-length", b"5")])
    assert split_head(wire.out)[1] == parts[0], "the part that does not fit is not sent"
    wire.calls[0].stream.abort()
    wire.settle()
    assert wire.closed


@pytest.mark.parametrize("request_bytes", [GET % b"", OLD_KEPT_GET])
@pytest.mark.parametrize("headers", [[], [(b"content-length", b"10")]])
def test_an_aborted_response_cannot_be_taken_for_complete(
    request_bytes: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    wire = Wire(ignore).feed(request_bytes)
    call = wire.calls[0]
    call.respond(b"part", headers=headers, end=False)
    call.stream.abort()
    wire.settle()
    assert wire.closed
    assert call.gone
    assert not wire.out.endswith(b"0\r\n\r\n")
    until_close = request_bytes is OLD_KEPT_GET and not headers
    assert wire.broken == until_close, "a plain close would look like the end of the body"


def test_the_application_is_told_of_a_peer_that_does_not_read() -> None:
    wire = Wire(ignore).feed(GET % b"")
    call = wire.calls[0]
    call.respond(b"a", end=False)
    assert not call.stream.blocked
    wire.machine.output_blocked()
    assert call.stream.blocked
    wire.machine.output_unblocked()
    assert not call.stream.blocked
    assert call.told == ["unblocked"]


def test_pipelined_requests_wait_while_the_peer_does_not_read() -> None:
    wire = Wire(ignore)

    def handler(call: Call) -> None:
        call.respond(b"x" * 100)
        wire.machine.output_blocked()

    wire.handler = handler
    wire.feed((GET % b"") * 10)
    assert len(wire.calls) == 1
    wire.machine.output_unblocked()
    wire.settle()
    assert len(wire.calls) == 2


@pytest.mark.parametrize("behind", [GET % b"2", post(b"two")])
@pytest.mark.parametrize("at_once", [True, False])
def test_what_arrives_while_the_peer_does_not_read_is_served_in_the_end_even_after_eof(
    behind: bytes, at_once: bool
) -> None:
    wire = Wire(echo).feed(GET % b"1")
    wire.machine.output_blocked()
    if at_once:
        wire.feed(behind)
    else:
        wire.feed(behind[:10]).feed(behind[10:])
    assert len(wire.calls) == 1
    wire.eof()
    assert not wire.closed
    wire.machine.output_unblocked()
    wire.settle()
    assert statuses(wire.out) == [200, 200]
    assert wire.closed


@pytest.mark.parametrize("part", [b"", b"GET / HT", b"\r\n"])
def test_eof_while_the_peer_does_not_read_ends_the_connection_when_nothing_is_left_to_serve(part: bytes) -> None:
    wire = Wire(ok).feed(GET % b"1")
    wire.machine.output_blocked()
    if part:
        wire.feed(part)
    wire.eof()
    if not wire.closed:
        wire.machine.output_unblocked()
        wire.settle()
    assert statuses(wire.out) == [200]
    assert wire.closed


# -- draining ----------------------------------------------------------------------------------------------------------


def test_draining_an_idle_connection_leaves_room_for_one_request() -> None:
    wire = Wire(ok).feed(GET % b"1")
    wire.take_output()
    wire.machine.drain()
    assert wire.machine.deadline == Deadline.DRAIN
    wire.feed(GET % b"2" + GET % b"3")
    lines, _ = split_head(wire.out)
    assert b"connection: close" in lines
    assert statuses(wire.out) == [200]
    assert wire.ended
    assert wire.state == State.LINGER, "the third request is there, and is not served"


def test_draining_a_partial_head_waits_for_the_rest() -> None:
    wire = Wire(ok).feed(b"GET / HT")
    wire.machine.drain()
    assert wire.machine.deadline == Deadline.DRAIN
    wire.feed(b"TP/1.1\r\nHost: a\r\n\r\n")
    assert b"connection: close" in split_head(wire.out)[0]
    assert wire.closed


@pytest.mark.parametrize("request_bytes", [GET % b"", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"])
def test_draining_a_busy_connection_finishes_the_response(request_bytes: bytes) -> None:
    wire = Wire(echo if b"POST" in request_bytes else ignore).feed(request_bytes)
    wire.machine.drain()
    assert wire.machine.deadline != Deadline.DRAIN
    if b"POST" in request_bytes:
        wire.feed(b"hi")
    else:
        wire.calls[0].respond(b"ok")
        wire.settle()
    assert b"connection: close" in split_head(wire.out)[0]
    assert wire.closed


def test_draining_a_response_that_has_begun_ends_the_connection_behind_it() -> None:
    wire = Wire(ignore).feed(GET % b"1" + GET % b"2")
    call = wire.calls[0]
    call.respond(b"a", end=False)
    wire.machine.drain()
    call.send(b"b", end=True)
    wire.settle()
    assert wire.out.endswith(b"1\r\nb\r\n0\r\n\r\n")
    assert len(wire.calls) == 1
    assert wire.ended


def test_draining_while_a_body_is_dropped() -> None:
    wire = Wire(ok).feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
    assert wire.state == State.DISCARD
    wire.machine.drain()
    wire.feed(b"0123456789")
    assert wire.closed


# -- breaches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"garbage\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nNo colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /?a=b# HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://example.org/#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * LIMITS.header_section, 431),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
    ],
)
@pytest.mark.parametrize("after", [b"", GET % b"before"])
def test_a_breach_is_answered_and_is_the_end(data: bytes, status: int, after: bytes) -> None:
    wire = Wire(ok).feed(after + data)
    assert statuses(wire.out) == ([200, status] if after else [status])
    lines, body = split_head(wire.out[wire.out.rindex(b"HTTP/1.1 %d" % status) :])
    assert b"connection: close" in lines
    assert b"content-length: %d" % len(body) in lines
    assert b"content-type: text/plain; charset=utf-8" in lines
    assert body.startswith(b"%d " % status)
    assert wire.ended
    assert wire.state == State.LINGER
    assert wire.refusals[0].status == status
    wire.feed(GET % b"more")
    assert len(wire.calls) == bool(after)
    assert wire.eof().closed


def test_a_reason_cannot_break_out_of_the_error_response() -> None:
    lines, body = split_head(error_response(400, "odd \r\n\r\n <b>é", DATE))
    assert b"content-length: %d" % len(body) in lines
    assert body.isascii()
