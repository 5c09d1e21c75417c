"""The HTTP/2 machine against the h2 package as its client, in one process and without sockets."""

from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wire import Call, splits
from support.wire2 import Wire2

Fields = list[tuple[bytes, bytes]]

TOKEN = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
FIELDS = st.lists(
    st.tuples(
        TOKEN.map(lambda name: b"x-" + name.encode()),
        st.text("".join(map(chr, range(0x21, 0x7F))), max_size=300).map(str.encode),
    ),
    max_size=8,
)
TURNS = 50_000
SIZES = st.one_of(st.integers(0, 20), st.integers(0, 3000), st.integers(0, 90_000))


class Exchange:
    """A request and its response, as they are meant to be.

    Attributes:
        frames: the content of the request, and how much padding each frame has.
        parts: the content of the response.
        reads: when the application reads: at the beginning, in the end, or never.
    """

    def __init__(self, draw: st.DataObject) -> None:
        self.method = draw.draw(st.sampled_from([b"GET", b"POST", b"PUT", b"HEAD", b"DELETE"]))
        self.path = b"/" + draw.draw(TOKEN).encode()
        self.fields: Fields = draw.draw(FIELDS)
        sizes = st.tuples(st.integers(0, 9000), st.one_of(st.none(), st.integers(0, 255)))
        self.frames: list[tuple[int, int | None]] = draw.draw(st.lists(sizes, max_size=8))
        self.status: int = draw.draw(st.sampled_from([200, 201, 204, 304, 404, 500]))
        self.answers: Fields = draw.draw(FIELDS)
        self.parts: list[int] = draw.draw(st.lists(SIZES, max_size=5))
        self.hints: bool = draw.draw(st.booleans())
        self.trailers: Fields = draw.draw(FIELDS)
        self.reads: bool = draw.draw(st.booleans())
        self.sent = b"".join(content(size) for size, _ in self.frames)
        self.bodiless = self.method == b"HEAD" or self.status in (204, 304)
        self.answered = b"" if self.bodiless else b"".join(content(size) for size in self.parts)


def content(size: int) -> bytes:
    return bytes(index * 7 % 251 for index in range(size % 251)) + b"c" * (size - size % 251)


class Application:
    """What goes on in one request: it moves on by a step at a time."""

    def __init__(self, call: Call, exchange: Exchange) -> None:
        self.call = call
        self.exchange = exchange
        self.left = list(exchange.parts)
        self.begun = self.done = False

    def step(self) -> bool:
        """Whether anything was done."""
        call, exchange = self.call, self.exchange
        if self.done or call.stream.blocked:
            return False
        if exchange.reads and not call.complete:
            return bool(call.read()) or call.complete
        if not self.begun:
            if exchange.hints:
                call.stream.send_interim(103, [(b"link", b"</a>")])
            self.begun = True
            self.done = not self.left and not exchange.trailers
            call.respond(b"", exchange.status, exchange.answers, self.done)
        elif self.left:
            self.done = len(self.left) == 1 and not exchange.trailers
            call.send(content(self.left.pop(0)), self.done)
        else:
            self.done = True
            call.stream.send_trailers(exchange.trailers)
        return True


class Client:
    """The h2 package, and what it has got on each stream."""

    def __init__(self, window: int, frame_size: int, table: int) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self.h2.initiate_connection()
        self.h2.update_settings(
            {
                SettingCodes.INITIAL_WINDOW_SIZE: window,
                SettingCodes.MAX_FRAME_SIZE: frame_size,
                SettingCodes.HEADER_TABLE_SIZE: table,
            }
        )
        self.got: dict[int, list[Any]] = {}
        self.owed: list[tuple[int, int]] = []

    def open(self, exchange: Exchange) -> int:
        stream: int = self.h2.get_next_available_stream_id()
        self.got[stream] = [None, [], b"", [], [], False, None]
        pseudo = [(b":method", exchange.method), (b":scheme", b"http"), (b":path", exchange.path)]
        fields = [*pseudo, (b":authority", b"a"), *exchange.fields]
        self.h2.send_headers(stream, fields, end_stream=not exchange.frames)
        return stream

    def take(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            if isinstance(event, InformationalResponseReceived):
                self.got[event.stream_id][4].append(dict(event.headers)[b":status"])
            elif isinstance(event, ResponseReceived):
                (_, status), *fields = event.headers
                self.got[event.stream_id][:2] = int(status), [tuple(field) for field in fields]
            elif isinstance(event, DataReceived):
                self.got[event.stream_id][2] += event.data
                if event.flow_controlled_length:
                    self.owed.append((event.stream_id, event.flow_controlled_length))
            elif isinstance(event, TrailersReceived):
                self.got[event.stream_id][3] = [tuple(field) for field in event.headers]
            elif isinstance(event, StreamEnded):
                self.got[event.stream_id][5] = True
            elif isinstance(event, StreamReset):
                self.got[event.stream_id][6] = int(event.error_code)

    def give_back(self) -> bool:
        owed, self.owed = self.owed, []
        for stream, size in owed:
            self.h2.acknowledge_received_data(size, stream)
        return bool(owed)


@settings(max_examples=60, deadline=None)
@given(
    st.data(),
    st.integers(1, 12),
    st.sampled_from([1000, 5000, 65_535, 200_000]),
    st.sampled_from([16_384, 20_000, 1 << 20]),
    st.sampled_from([0, 100, 4096, 65_536]),
)
def test_both_ends_get_what_the_other_has_sent(
    data: st.DataObject, count: int, window: int, frame_size: int, table: int
) -> None:
    exchanges = [Exchange(data) for _ in range(count)]
    random = data.draw(st.randoms(use_true_random=False))
    applications: dict[int, Application] = {}
    known: dict[int, Exchange] = {}
    wire = Wire2(lambda call: applications.update({call.stream.id: Application(call, known[call.stream.id])}))
    client = Client(window, frame_size, table)
    unopened = list(exchanges)
    sending: dict[int, list[tuple[int, int | None]]] = {}

    def carry() -> bool:
        sent = client.h2.data_to_send()
        if sent:
            wire.feed_all(splits(sent, [random.randrange(len(sent) + 1) for _ in range(random.randrange(4))]))
        came = wire.take_output()
        if came:
            client.take(came)
        return bool(sent or came)

    idle = turns = 0
    while idle < 2:
        turns += 1
        assert turns < TURNS, "they wait for each other"
        moved = carry()
        if unopened and random.random() < 0.5:
            exchange = unopened.pop(0)
            known[stream := client.open(exchange)] = exchange
            sending[stream] = list(exchange.frames)
            moved = True
        for stream in list(sending):
            moved = send(client, sending, stream) or moved
        for application in list(applications.values()):
            if random.random() < 0.7:
                moved = application.step() or moved
        if random.random() < 0.1:
            wire.block()
            moved = carry() or moved
            wire.unblock()
        wire.settle()
        moved = (random.random() < 0.5 and client.give_back()) or moved
        idle = 0 if moved or unopened else idle + client_is_done(client, applications)
    for stream, exchange in known.items():
        check(client.got[stream], applications[stream].call, exchange)
    assert not wire.streams()
    assert not wire.floods
    assert not wire.refusals


def client_is_done(client: Client, applications: dict[int, Application]) -> int:
    """1 if nothing more can happen, 0 if chance has only left out what can."""
    return int(not client.owed and all(application.done for application in applications.values()))


def send(client: Client, sending: dict[int, list[tuple[int, int | None]]], stream: int) -> bool:
    """Send a frame of a request, if there is one and room for it."""
    frames = sending[stream]
    over = client.got[stream][6] is not None
    if not frames or over:
        del sending[stream]
        return False
    size, pad = frames[0]
    if client.h2.local_flow_control_window(stream) < size + (0 if pad is None else pad + 1):
        return False
    frames.pop(0)
    client.h2.send_data(stream, content(size), end_stream=not frames, pad_length=pad)
    return True


def check(got: list[Any], call: Call, exchange: Exchange) -> None:
    status, fields, body, trailers, interim, ended, reset = got
    assert (call.request.line.method, call.request.line.raw_path) == (exchange.method, exchange.path)
    assert call.request.headers == [(b"host", b"a"), *exchange.fields]
    if exchange.reads:
        assert call.body == exchange.sent
    assert ended
    assert reset in (None, 0)
    assert status == exchange.status
    assert [field for field in fields if field[0] not in (b"date", b"content-length")] == exchange.answers
    assert body == exchange.answered
    assert trailers == ([] if exchange.bodiless else exchange.trailers)
    assert interim == ([b"103"] if exchange.hints else [])
