"""What wsproto says of the same: as the client that talks to us, and as another server in our place."""

from random import Random

import pytest
from conformance.websocket.rows import ROWS
from conformance.websocket.table import DEFAULT_LIMITS
from support.websocket import Closed, Line, Ponged, echo
from support.websocket_peers import client, server
from support.wire import splits
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from litmus.protocols.websocket.deflate import DeflateSettings

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
        peer, line = client(agreement), Line(agreement=agreement, react=echo)
        messages = [some_message(random) for _ in range(random.randrange(12))]
        if agreement is not None:
            messages = [message or "a" for message in messages]  # wsproto cannot compress what is empty
        events = [event for message in messages for event in in_fragments(random, message)]
        data = peer.send(*events, CloseConnection(1000, "bye"))
        line.feed_all(splits(data, [random.randrange(len(data)) for _ in range(random.randrange(30))]))
        assert line.messages == messages
        assert line.told[-1] == Closed(1000, "bye")
        for piece in splits(line.out, [random.randrange(len(line.out)) for _ in range(random.randrange(10))]):
            peer.feed(piece)
        assert [each for each in peer.told if isinstance(each, str | bytes)] == messages
        assert peer.told[-1] == Closed(1000)
        assert peer.connection.state is ConnectionState.CLOSED
        assert peer.told.count(Ponged(b"ping")) == sum(isinstance(event, Ping) for event in events)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.limits is DEFAULT_LIMITS])
def test_another_server_is_told_the_same(name: str) -> None:
    expected = list(ROWS[name].expected)
    other = server(ROWS[name].offer).feed(ROWS[name].data).told
    if name in DIFFERENT:
        assert other != expected, "wsproto has come round"
    else:
        assert other == expected
