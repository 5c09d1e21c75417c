"""The rows can be played without a socket, and they can fail: what a reference does right, and what it does wrong."""

import pytest
from conformance.asked import Asked
from conformance.http2 import framing, starting
from conformance.http2.rows import ROWS
from conformance.http2.runners import Cut, bytewise, on_machine, whole
from conformance.http2.table import OK, UNTOUCHED, WAITING, Row, by_name
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError
from support.http2 import PREFACE, Cutter, Flag, Setting, Type, headers, ping, settings

PLAYED = {
    name: row
    for table in (starting, framing)
    for name, row in by_name(table.TABLE).items()
    if row.expected[0].goaway is None and not row.application and name.startswith(("preface", "type 0x", "many", "ten"))
}


class Reference:
    """A server made of h2, which answers every request when it has come whole.

    Attributes:
        deaf: it takes what it gets, and says nothing.
    """

    def __init__(self, deaf: bool = False) -> None:
        self.closed = False
        self.deaf = deaf
        self.asked: list[Asked] = []
        self._requests: dict[int, Asked] = {}
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._h2.initiate_connection()

    def feed(self, data: bytes) -> None:
        try:
            events = [] if self.deaf else self._h2.receive_data(data)
        except ProtocolError:
            self.closed = True
            return
        for event in events:
            if isinstance(event, RequestReceived):
                fields = dict(event.headers)
                method, path = fields[b":method"].decode(), fields[b":path"].decode()
                self._requests[event.stream_id] = Asked(method, path)
            elif isinstance(event, DataReceived):
                before = self._requests[event.stream_id]
                self._requests[event.stream_id] = before._replace(body=before.body + event.data)
            elif isinstance(event, StreamEnded):
                self.asked.append(self._requests[event.stream_id])
                answer = [(b":status", b"200"), (b"date", b"Thu, 01 Jan 1970 00:00:00 GMT")]
                self._h2.send_headers(event.stream_id, answer, end_stream=True)

    def take_output(self) -> bytes:
        return self._h2.data_to_send()


class Lax:
    """A server that takes everything, looks at nothing, and answers every stream that ends."""

    def __init__(self) -> None:
        self.closed = False
        self._cutter = Cutter()
        self._preface = len(PREFACE)
        self._answered: set[int] = set()
        self._out = settings({Setting.MAX_CONCURRENT_STREAMS: 100})

    def feed(self, data: bytes) -> None:
        skipped = min(self._preface, len(data))
        self._preface -= skipped
        for got in self._cutter.feed(data[skipped:]):
            if got.kind == Type.SETTINGS and not got.flags & Flag.ACK:
                self._out += settings(ack=True)
            elif got.kind == Type.PING and not got.flags & Flag.ACK and not got.stream:
                self._out += ping(got.payload, ack=True)
            elif got.kind in (Type.HEADERS, Type.DATA) and got.flags & Flag.END_STREAM:
                self._answer(got.stream)

    def take_output(self) -> bytes:
        out, self._out = self._out, b""
        return out

    def _answer(self, stream: int) -> None:
        if stream % 2 and stream not in self._answered:
            self._answered.add(stream)
            self._out += headers(stream, ANSWER, end=True)


ANSWER = [(":status", "200"), ("date", "Thu, 01 Jan 1970 00:00:00 GMT")]


def refuses(row: Row) -> bool:
    """Whether nothing that the row allows is an answer, or nothing at all."""
    fine = OK | UNTOUCHED | WAITING
    return not any(
        expected.goaway is None and all(outcomes & fine for outcomes in expected.streams.values())
        for expected in row.expected
    )


REFUSING = [name for name, row in ROWS.items() if refuses(row)]


def play(row: Row, reference: Reference, cut: Cut) -> None:
    row.check(on_machine(row, reference, lambda: tuple(reference.asked), cut))


@pytest.mark.parametrize("cut", [whole, bytewise])
@pytest.mark.parametrize("name", PLAYED)
def test_what_the_reference_does_right(name: str, cut: Cut) -> None:
    play(PLAYED[name], Reference(), cut)


@pytest.mark.parametrize("name", ROWS)
def test_every_row_notices_a_server_that_says_nothing(name: str) -> None:
    """As the row of a table that cannot fail would not."""
    with pytest.raises(AssertionError):
        play(ROWS[name], Reference(deaf=True), whole)


@pytest.mark.parametrize("name", REFUSING)
def test_what_has_to_be_refused_must_not_be_answered(name: str) -> None:
    seen = on_machine(ROWS[name], Lax(), lambda: None)
    with pytest.raises(AssertionError):
        ROWS[name].check(seen)


def test_a_request_that_differs_is_noticed() -> None:
    row = PLAYED["preface and a request with content at once"]
    reference = Reference()
    seen = on_machine(row, reference, lambda: tuple(each._replace(body=b"hallo") for each in reference.asked))
    with pytest.raises(AssertionError, match="the application got"):
        row.check(seen)


@pytest.mark.parametrize("data", [b"", b"x", bytes(1_999), bytes(2_000), bytes(2_001), bytes(100_000)])
def test_all_bytes_are_delivered(data: bytes) -> None:
    assert b"".join(bytewise(data)) == data
    assert len(bytewise(data)) <= 2_000
