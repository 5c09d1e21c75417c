"""Bodies that nobody reads, and answers that come late: what follows stays in order, and begins where it should."""

import asyncio
from typing import NamedTuple

import pytest
from conformance.http1.runners import statuses
from conformance.http1.table import PROBE, get, message, post
from support.apps import respond
from support.server import serve
from support.wire import Wire, bytewise, ignore, ok, splits

from litmus.asgi import Receive, Scope, Send
from litmus.protocols.http1 import DISCARD_LIMIT

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
IN_CHUNKS = b"%x\r\n%b\r\n0\r\nA: b\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
LENGTH = f"Content-Length: {len(SMUGGLED)}"
CHUNKED = "Transfer-Encoding: chunked"
EXPECT = "Expect: 100-continue"

PERSISTENCE = "RFC 9112, section 9.3"
EXPECTATION = "RFC 9110, section 10.1.1"


class Unread(NamedTuple):
    """A request that is answered without a look at its body; whether the probe behind it is served."""

    rfc: str
    sent: bytes
    persists: bool


UNREAD = {
    "no body": Unread(PERSISTENCE, get(), True),
    "a length": Unread(PERSISTENCE, post(LENGTH, body=SMUGGLED), True),
    "chunks": Unread(PERSISTENCE, post(CHUNKED, body=IN_CHUNKS), True),
    "the last request": Unread("RFC 9112, section 9.6", post(LENGTH, "Connection: close", body=SMUGGLED), False),
    "HTTP/1.0": Unread(PERSISTENCE, message("POST / HTTP/1.0", LENGTH, body=SMUGGLED), False),
    "too much": Unread(PERSISTENCE, post(f"Content-Length: {DISCARD_LIMIT + 1}", body=SMUGGLED), False),
    "bad chunks": Unread("RFC 9112, section 7.1", post(CHUNKED, body=b"x\r\n" + SMUGGLED), False),
    "endless chunks": Unread("RFC 9112, section 7.1", post(CHUNKED, body=b"5\r\nhello" + SMUGGLED), False),
    "a length, expected": Unread(EXPECTATION, post(LENGTH, EXPECT, body=SMUGGLED), False),
    "chunks, expected": Unread(EXPECTATION, post(CHUNKED, EXPECT, body=IN_CHUNKS), False),
    "nothing, expected": Unread(EXPECTATION, post(LENGTH, EXPECT), False),
}

rows = pytest.mark.parametrize("name", UNREAD)
late = pytest.mark.parametrize("late", [False, True])


@rows
@late
def test_in_the_machine(name: str, late: bool) -> None:
    row = UNREAD[name]
    for pieces in ([row.sent + PROBE], bytewise(row.sent + PROBE)):
        wire = Wire(ignore if late else ok).feed_all(pieces)
        if late:
            for call in wire.calls:  # to which the answer may add another
                call.respond(b"ok")
                wire.settle()
        assert len(wire.calls) == 1 + row.persists, row.rfc
        assert wire.calls[-1].request.line.target == b"/probe" or not row.persists
        assert statuses(wire.out, ()) == (200,) * len(wire.calls)
        assert wire.ended or wire.closed


@rows
@late
def test_over_a_socket(name: str, late: bool) -> None:
    row = UNREAD[name]
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put(scope["path"])
        if late:
            await gate.wait()
        await respond(send, b"ok")

    with serve(app) as server, server.connect() as client:
        client.send(row.sent + PROBE)
        server.note()
        if late:
            assert server.notes.empty(), "one at a time"
            server.call(gate.set)
        assert statuses(client.rest(), ()) == (200,) * (1 + row.persists), row.rfc
        assert [server.notes.get_nowait() for _ in range(server.notes.qsize())] == ["/probe"][: row.persists], row.rfc


CHUNK = b"1000\r\n%b\r\n" % (b"x" * 0x1000)


@pytest.mark.parametrize(
    ("chunks", "persists"), [(DISCARD_LIMIT // len(CHUNK), True), (DISCARD_LIMIT // len(CHUNK) + 20, False)]
)
def test_chunks_are_dropped_up_to_a_cap(chunks: int, persists: bool) -> None:
    """Nobody knows before how many will come. What is over the cap is noticed with the next read."""
    data = post(CHUNKED, body=CHUNK * chunks + b"0\r\n\r\n") + PROBE
    wire = Wire(ok).feed_all(splits(data, range(0, len(data), len(CHUNK))))
    assert statuses(wire.out, ()) == (200,) * (1 + persists), PERSISTENCE
    with serve(answer_at_once) as server, server.connect() as client:
        client.send(data)
        assert statuses(client.rest(), ()) == (200,) * (1 + persists), PERSISTENCE


async def answer_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, b"ok")
