"""Floods end with GOAWAY, and nobody else notices them; who merely does a lot is not taken for one."""

import select
from collections.abc import Iterator

import pytest
from conformance.http2.clients import NO_WINDOW, Neighbour, dial
from conformance.http2.floods import (
    BOMB,
    DRIBBLED,
    FLOODS,
    MANY,
    NEVER_ENDED,
    UNREAD,
    WITHOUT_WINDOW,
    exhausted,
)
from conformance.http2.runners import Application
from support.http2 import PREFACE, Error, Referee, Type, ping, settings
from support.server import Server, serve

from litmus.memory.scoreboard import CLOSED_AS_FLOOD

LIMITED = {"timeouts__head": "1s", "timeouts__write": "1s"}


@pytest.fixture
def neighbour(server: Server, application: Application) -> Iterator[Neighbour]:
    with Neighbour(server.address) as neighbour:
        yield neighbour
    server.call(application.gate.set)
    server.idle()
    server.call(application.gate.clear)
    application.asked()


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends(name: str, server: Server, neighbour: Neighbour) -> None:
    flood = FLOODS[name]
    before = server.counter(CLOSED_AS_FLOOD)
    verdict = flood.run(server.address, neighbour)
    assert verdict.code in flood.codes, f"{flood.known}: {verdict}"
    assert verdict.closed
    assert server.counter(CLOSED_AS_FLOOD) - before == (verdict.code == Error.ENHANCE_YOUR_CALM)


@pytest.mark.parametrize("name", UNREAD)
def test_answers_that_nobody_reads_are_not_hoarded(name: str, server: Server, neighbour: Neighbour) -> None:
    verdict = UNREAD[name].run(server.address, neighbour)
    assert verdict.stalled or verdict.closed, f"{UNREAD[name].known}: {verdict}"


def test_a_response_byte_by_byte(server: Server, neighbour: Neighbour) -> None:
    """A server may be patient with tiny windows if it does not fill each of them with a frame of its own."""
    verdict = DRIBBLED.run(server.address, neighbour)
    assert verdict.code == Error.ENHANCE_YOUR_CALM or verdict.frames[Type.DATA] < MANY // 10, verdict


def test_a_bomb_is_no_request(server: Server, neighbour: Neighbour, application: Application) -> None:
    """A few bytes that are decompressed into 64 MB: the limit of the header section is that of what comes out."""
    verdict = BOMB.run(server.address, neighbour)
    assert verdict.code == Error.ENHANCE_YOUR_CALM or verdict.frames[Type.HEADERS] + verdict.resets.total() >= 50
    assert all(asked.fields is not None and len(asked.fields) <= 2 for asked in application.asked())


def test_the_last_streams_are_served(server: Server) -> None:
    verdict = exhausted(server.address)
    assert verdict.code in (None, Error.NO_ERROR)
    assert verdict.frames[Type.HEADERS] == 10


def test_a_block_that_is_never_ended_has_its_time() -> None:
    with serve(Application(), **LIMITED) as server:
        assert until_closed(server, PREFACE + settings() + NEVER_ENDED)


def test_responses_that_nobody_makes_room_for_have_their_time() -> None:
    with serve(Application(), **LIMITED) as server:
        assert until_closed(server, PREFACE + settings(NO_WINDOW) + WITHOUT_WINDOW)


def until_closed(server: Server, sent: bytes) -> bool:
    """Whether the server gives up on who sends this, and then nothing more; time passes until it does."""
    referee = Referee()
    with dial(server.address) as client, Neighbour(server.address) as neighbour:
        client.sendall(referee.sent(sent))
        for _ in range(100):
            while select.select([client], [], [], 0.01)[0]:
                try:
                    data = client.recv(1 << 16)
                except ConnectionError:
                    data = b""
                if not data:
                    return referee.announced
                referee.received(data)
            neighbour.is_served()
            server.tick(0.5)
    return False


def test_an_honest_client_is_not_taken_for_a_flood(server: Server, neighbour: Neighbour) -> None:
    for number in range(300):
        neighbour.is_served()
        if number % 3 == 0:
            neighbour.cancel()
        if number % 5 == 0:
            neighbour.send(ping(b"%08d" % number))
        if number % 20 == 0:
            neighbour.send(settings())
    assert neighbour.upload([b"12345"] * 2_000).status == 200
    assert neighbour.upload([b"", *[b"1"] * 500, b""]).status == 200
    neighbour.is_served()
