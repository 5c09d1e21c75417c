"""What wsproto says of the same: as the client that talks to us, and as another server in our place."""

from random import Random

import pytest
from conformance.websocket.rows import ROWS
from conformance.websocket.table import DEFAULT_LIMITS, Row
from support.websocket import Closed, Failed, Line, Ponged, Told, echo
from support.wire import splits
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate

from litmus.protocols.websocket.deflate import Agreement, DeflateSettings

DIFFERENT = {
    "closing: with 1014": "it was registered later",
    "compression: a ping between its fragments": "to wsproto, the rest is not compressed then",
    "compression: the example with BFINAL twice": "wsproto does not begin anew behind BFINAL",
    "compression: the example with BFINAL, and one without": "the same",
    "compression: a block with BFINAL, and garbage": "the same",
    "compression: many blocks with BFINAL": "the same",
    "compression: too many blocks with BFINAL": "the same",
}
"""Rows that wsproto is of another opinion about, and where it is wrong."""


class Client:
    """wsproto's client.

    Attributes:
        told: what it was told, with messages put together.
    """

    def __init__(self, agreement: Agreement | None) -> None:
        extensions = []
        if agreement is not None:
            extension = PerMessageDeflate()
            extension.finalize(agreement.element())
            extensions.append(extension)
        self.connection = Connection(ConnectionType.CLIENT, extensions)
        self.told: list[Told] = []
        self._parts: list[str | bytes] = []

    def send(self, *events: Event) -> bytes:
        return b"".join(map(self.connection.send, events))

    def feed(self, data: bytes) -> None:
        self.connection.receive_data(data)
        note(self.connection, self.told, self._parts)


def note(connection: Connection, told: list[Told], parts: list[str | bytes]) -> None:
    """Note the events of a connection as ``Line`` does."""
    for event in connection.events():
        if isinstance(event, Message):
            parts.append(event.data)
            if event.message_finished:
                told.append("".join(parts) if isinstance(event, TextMessage) else b"".join(map(bytes, parts)))  # type: ignore[arg-type]
                parts.clear()
        elif isinstance(event, Pong):
            told.append(Ponged(bytes(event.payload)))
        elif isinstance(event, CloseConnection) and connection.state is ConnectionState.OPEN:
            told.append(Failed(int(event.code)))  # what it would send
        elif isinstance(event, CloseConnection):
            told.append(Closed(int(event.code), event.reason or ""))


AGREEMENTS = {
    "plain": None,
    "deflate": DeflateSettings(threshold=1).agree([]),
    "small windows": DeflateSettings(9, 9, threshold=50).agree([("client_max_window_bits", None)]),
    "no takeover": DeflateSettings(server_takeover=False, client_takeover=False, threshold=1).agree([]),
    "ours alone": DeflateSettings(server_takeover=False, threshold=1).agree([]),
    "theirs alone": DeflateSettings(client_takeover=False, threshold=1).agree([]),
}


def some_message(random: Random) -> str | bytes:
    size = random.choice((0, 1, 10, 125, 126, 127, 1000, 20_000, 70_000))
    if random.random() < 0.5:
        return "".join(random.choice("abc \u00e9\u2603\U0001f600") for _ in range(size))
    return bytes(random.choice(b"abcdefgh\0\xff") for _ in range(size)) if size < 9999 else random.randbytes(size)


def in_fragments(random: Random, message: str | bytes) -> list[Event]:
    kind = TextMessage if isinstance(message, str) else BytesMessage
    points = sorted(random.randrange(len(message) + 1) for _ in range(random.choice((0, 0, 1, 5))))
    parts = [message[a:b] for a, b in zip([0, *points], [*points, len(message)], strict=True)]
    events: list[Event] = []
    for at, part in enumerate(parts):
        events.append(kind(part, message_finished=at == len(parts) - 1))  # type: ignore[arg-type]
        if random.random() < 0.2:
            events.append(random.choice((Ping(b"ping"), Pong(b"pong"))))
    return events


@pytest.mark.parametrize("name", AGREEMENTS)
def test_a_client_is_understood_and_understands(name: str) -> None:
    """It sends what we echo, in fragments and with control frames between, all cut at random."""
    agreement = AGREEMENTS[name]
    for seed in range(15):
        random = Random(seed)
        client, line = Client(agreement), Line(agreement=agreement, react=echo)
        messages = [some_message(random) for _ in range(random.randrange(12))]
        if agreement is not None:
            messages = [message or "a" for message in messages]  # wsproto cannot compress what is empty
        events = [event for message in messages for event in in_fragments(random, message)]
        data = client.send(*events, CloseConnection(1000, "bye"))
        line.feed_all(splits(data, [random.randrange(len(data)) for _ in range(random.randrange(30))]))
        assert line.messages == messages
        assert line.told[-1] == Closed(1000, "bye")
        for piece in splits(line.out, [random.randrange(len(line.out)) for _ in range(random.randrange(10))]):
            client.feed(piece)
        assert [each for each in client.told if isinstance(each, str | bytes)] == messages
        assert client.told[-1] == Closed(1000)
        assert client.connection.state is ConnectionState.CLOSED
        assert client.told.count(Ponged(b"ping")) == sum(isinstance(event, Ping) for event in events)


def other_server(row: Row) -> list[Told]:
    """What wsproto is told, as a server, of a row's bytes."""
    extensions = []
    if row.offer is not None:
        extension = PerMessageDeflate(client_no_context_takeover=("client_no_context_takeover", None) in row.offer)
        extension.finalize("permessage-deflate")
        extensions.append(extension)
    connection = Connection(ConnectionType.SERVER, extensions)
    told: list[Told] = []
    connection.receive_data(row.data)
    note(connection, told, [])
    return told


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.limits is DEFAULT_LIMITS])
def test_another_server_is_told_the_same(name: str) -> None:
    expected = list(ROWS[name].expected)
    other = other_server(ROWS[name])
    if name in DIFFERENT:
        assert other != expected, "wsproto has come round"
    else:
        assert other == expected
