"""However the bytes arrive, the same happens: whole, byte by byte, in random splits."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wire import Call, Wire, bytewise, described, echo, ok, splits, watch

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 60 + b"\r\n\r\n"
POST = b"POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world"
CHUNKED = (
    b"PUT /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;x=y\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nTrailer: t\r\n\r\n"
)
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
EXPECT = b"POST /expect HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"

STREAMS = {
    "get": GET % b"1",
    "head": b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    "post": POST,
    "chunks": CHUNKED,
    "empty body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "empty chunks": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "pipeline": GET % b"1" + POST + GET % b"2" + CHUNKED + POST + CHUNKED + GET % b"3",
    "last": POST + LAST,
    "HTTP/1.0": b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.0 kept": b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello" * 3,
    "upgrade": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + POST,
    "empty lines": b"\r\n\r\n" + GET % b"1" + b"\r\n" + POST + b"\r\n\r\n",
    "breach in a head": POST + b"GET / HTTP/1.1\r\nHost: a\r\nNo colon\r\n\r\n",
    "breach in a request line": GET % b"1" + b"garbage\r\n\r\n",
    "a length and a coding": CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n", 1),
    "half an empty line": GET % b"1" + b"\r\n\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a request in place of a trailer": CHUNKED.partition(b"5;")[0] + b"0\r\n" + GET % b"1",
    "breach in a chunk": b"PUT /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n" + POST,
    "HTTP/2.0": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("eof", [True, False])
@pytest.mark.parametrize("handler", [echo, ok])
def test_whole_and_byte_by_byte(name: str, eof: bool, handler: Any) -> None:
    whole = watch([STREAMS[name]], handler, eof)
    bytes_alone = watch(bytewise(STREAMS[name]), handler, eof)
    if handler is ok:  # whether the rest of a dropped body is there already decides on Call.body_complete only
        whole[0] = [call[0] for call in whole[0]]
        bytes_alone[0] = [call[0] for call in bytes_alone[0]]
    assert bytes_alone == whole
    assert whole[0] or whole[2], "no request and no refusal: nothing has happened"


@pytest.mark.parametrize("name", STREAMS)
def test_every_split_in_two(name: str) -> None:
    data = STREAMS[name][:400]
    whole = watch([data])
    for point in range(1, len(data)):
        assert watch(splits(data, [point])) == whole, point


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([GET % b"1", GET % b"2", POST, CHUNKED, b"\r\n"]), max_size=6),
    st.lists(st.integers(1, 1500), max_size=30),
)
def test_random_splits_of_random_pipelines(requests: list[bytes], points: list[int]) -> None:
    data = b"".join(requests)
    assert watch(splits(data, points)) == watch([data])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(STREAMS)), st.lists(st.integers(1, 1500), max_size=30))
def test_random_splits(name: str, points: list[int]) -> None:
    assert watch(splits(STREAMS[name], points)) == watch([STREAMS[name]])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, len(EXPECT) * 2), max_size=10))
def test_who_expects_100_is_served_however_the_bytes_arrive(points: list[int]) -> None:
    """Whether 100 is sent depends on whether the body has begun to arrive; nothing else does."""
    calls, out, *rest = watch(splits(EXPECT + EXPECT, points))
    whole_calls, whole_out, *whole_rest = watch([EXPECT + EXPECT])
    assert calls == whole_calls
    assert out.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"") == whole_out
    assert rest == whole_rest


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 1500), max_size=20), st.data())
def test_a_slow_application_gets_the_same(points: list[int], data: st.DataObject) -> None:
    """It reads and answers at its own times, not when bytes arrive."""
    stream = STREAMS["pipeline"]
    pieces = splits(stream, points)
    wire = Wire()
    while pieces or any(not call.complete or call.told[-1:] != ["answered"] for call in wire.calls):
        call = wire.calls[-1] if wire.calls else None
        busy = call is not None and call.told[-1:] != ["answered"]
        if pieces and (not busy or data.draw(st.booleans(), label="feed")):
            wire.feed(pieces.pop(0))
        elif call is not None and busy:
            advance(call)
            wire.settle()
    wire.eof()
    expected = watch([stream])
    assert [(described(call.request), call.body) for call in wire.calls] == [call[:2] for call in expected[0]]
    assert wire.out == expected[1]


def advance(call: Call) -> None:
    """One step of a slow application that does what ``echo`` does."""
    call.read()
    if call.complete:
        call.respond(b"%b %b [%b]" % (call.request.line.method, call.request.line.target, call.body))
        call.told.append("answered")
