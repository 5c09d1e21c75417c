"""Every row of the table of responses, on a bench and over a socket, as a strict client sees it."""

import logging
from collections.abc import Iterator
from typing import Any

import h11
import pytest
from conformance.http1.responses import BROKEN, FRAMING, PLAYS, Answer, Play
from conformance.http1.table import PROBE
from support.apps import respond
from support.bench import bench
from support.server import Server, serve

from litmus.asgi import Receive, Scope, Send
from litmus.server.channel import ClientDisconnected

TABLE = {play.name: play for play in PLAYS}


class Actor:
    """An application that does what a play says when it is asked for ``/play``."""

    def __init__(self) -> None:
        self.play: Play

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/probe":
            await respond(send, b"probe")
            return
        for deed in self.play.does:
            if isinstance(deed, Exception):
                raise deed
            await send(deed)


def test_no_two_plays_have_the_same_name() -> None:
    assert len(TABLE) == len(PLAYS)


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[Server, Actor]]:
    actor = Actor()
    with serve(actor) as server:
        yield server, actor


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    """Most plays end in a traceback in the log."""
    logging.getLogger("litmus").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("litmus").setLevel(logging.NOTSET)


@pytest.mark.parametrize("name", TABLE)
def test_on_a_bench(name: str) -> None:
    actor, play = Actor(), TABLE[name]
    actor.play = play
    with bench(actor) as on:
        on.feed(play.asks)
        if not (on.transport.ended or on.transport.closing):
            on.feed(PROBE)
        assert on.transport.aborted == on.transport.broken
        check(play, on.out, on.transport.broken)


@pytest.mark.parametrize("name", TABLE)
def test_over_a_socket(name: str, stage: tuple[Server, Actor]) -> None:
    server, actor = stage
    play = actor.play = TABLE[name]
    out, broken = b"", False
    with server.connect() as client:
        client.send(play.asks + PROBE)
        try:
            while data := client.more():
                out += data
        except ConnectionResetError:
            broken = True
    check(play, out, broken)


def check(play: Play, out: bytes, broken: bool) -> None:
    """Read what a client has got, up to an end of the connection that is in good order unless ``broken``."""
    if broken:
        assert play.answer == BROKEN
        return
    response, body, whole, rest = read(out, play.method)
    kept = False
    if rest:
        probe, probe_body, kept, rest = read(rest, "GET")
        assert (probe.status_code, probe_body, rest) == (200, b"probe", b"")
    assert Answer(response.status_code, body, whole, kept) == play.answer, play.rfc
    if play.framing is not None:
        fields = tuple((name, value) for name, value in response.headers if name in FRAMING)
        assert fields == play.framing, play.rfc
    assert b"evil" not in out


def read(out: bytes, method: str) -> tuple[h11.Response, bytes, bool, bytes]:
    """A response: its head, its content, whether it is complete, and what comes behind it."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(out)
    response: Any = client.next_event()
    assert isinstance(response, h11.Response)
    body, ended = b"", False
    while True:
        try:
            event = client.next_event()
        except h11.RemoteProtocolError:
            return response, body, False, b""
        if isinstance(event, h11.Data):
            body += event.data
        elif event is h11.NEED_DATA:
            if ended:
                return response, body, False, b""
            ended = True
            client.receive_data(b"")
        else:
            assert isinstance(event, h11.EndOfMessage)
            return response, body, True, client.trailing_data[0]


def test_what_is_sent_when_the_client_has_gone() -> None:
    """ASGI, "Disconnected Client - send exception"."""
    errors: list[OSError] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        for _ in range(2):
            try:
                await send({"type": "http.response.body", "body": b"late", "more_body": True})
            except OSError as error:
                errors.append(error)

    with bench(app) as on:
        on.feed(PROBE)
        on.do(on.lose)
        assert [type(error) for error in errors] == [ClientDisconnected] * 2
        assert on.out == b""
