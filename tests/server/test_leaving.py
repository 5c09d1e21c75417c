"""Clients that leave before their response is complete: who is told, who is cancelled, and who goes on."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.apps import Routes, begin, respond
from support.http2 import WINDOW, ping, rst_stream, window_update
from support.http2_client import Http2Client
from support.server import Server, serve
from support.waiting import wait_until

from litmus.asgi import Receive, Scope, Send
from litmus.server.channel import ClientDisconnected


class Left(Routes):
    """What its clients leave while it waits, for what the path says. It puts down how that ended."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.server: Server

    async def elsewhere(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.wait()

    async def elsewhere_begun(self, scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send, b"begun")
        await self.wait()

    async def afterwards(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send)
        await self.wait()

    async def afterwards_unread(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, bytes(200_000))
        await self.wait()

    async def wait(self) -> None:
        self.server.notes.put("waiting")
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.server.notes.put("cancelled")
            raise
        self.server.notes.put("went on")

    async def wrapped(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.wait()
        except asyncio.CancelledError as error:
            raise RuntimeError("a framework's own") from error

    async def receive(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        self.server.notes.put("waiting")
        message = await receive()
        await asyncio.sleep(0)
        self.server.notes.put(message["type"])

    async def send(self, scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send)
        sending = send({"type": "http.response.body", "body": bytes(32 << 20), "more_body": True})
        self.server.notes.put("waiting")
        try:
            await sending
        except ClientDisconnected:
            self.server.notes.put("raised")

    async def beside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Works on, while another task of its own waits in ``receive``: as frameworks do that cancel by themselves."""
        listening = asyncio.ensure_future(self.receive(scope, receive, send))
        await self.gate.wait()
        await listening


@contextmanager
def left(path: str, how: str, **options: Any) -> Iterator[Server]:
    """A server that a client has left in the middle of a request, and that knows so."""
    app = Left()
    with serve(app, access=True, **options) as server:
        app.server = server
        if how == "reset":
            with Http2Client(server.connect(), WINDOW) as client:
                stream = client.ask(path)
                assert server.note() == "waiting"
                client.send(rst_stream(stream))
                client.settled()
                server.call(app.gate.set)
                yield server
        elif how == "closed":
            with server.connect() as client:
                client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                assert server.note() == "waiting"
                client.half_close()
                yield server
        else:
            leaving = server.connect()
            if how == "lost":
                leaving.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            else:
                Http2Client(leaving, WINDOW).ask(path)
            assert server.note() == "waiting"
            leaving.reset()
            wait_until(lambda: not server.call(len, server.engine.connections), "the connection to be gone")
            server.call(app.gate.set)
            yield server
        server.idle()


@pytest.mark.parametrize(
    ("cancel", "how", "end"),
    [
        ("reset", "reset", "cancelled"),
        ("reset", "lost", "went on"),
        ("reset", "lost with its streams", "went on"),
        ("disconnected", "reset", "cancelled"),
        ("disconnected", "lost", "cancelled"),
        ("disconnected", "lost with its streams", "cancelled"),
        ("never", "reset", "went on"),
        ("never", "lost", "went on"),
    ],
)
@pytest.mark.parametrize("path", ["/elsewhere", "/elsewhere_begun"])
def test_who_waits_elsewhere(path: str, cancel: str, how: str, end: str, caplog: pytest.LogCaptureFixture) -> None:
    with left(path, how, http__cancel=cancel) as server:
        assert server.note() == end
        assert len(server.log()) == 1
    assert caplog.messages == []


def test_a_reset_cancels_if_nothing_else_is_said() -> None:
    with left("/elsewhere", "reset") as server:
        assert server.note() == "cancelled"


@pytest.mark.parametrize("how", ["reset", "lost", "lost with its streams"])
@pytest.mark.parametrize(
    ("path", "end"), [("/receive", "http.disconnect"), ("/send", "raised"), ("/beside", "http.disconnect")]
)
def test_who_waits_here_is_told_and_not_cancelled(
    path: str, end: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    with left(path, how, http__cancel="disconnected") as server:
        assert server.note() == end
    assert caplog.messages == []


@pytest.mark.parametrize("how", ["reset", "lost", "lost with its streams"])
@pytest.mark.parametrize("path", ["/afterwards", "/afterwards_unread"])
def test_whose_response_is_complete_goes_on(path: str, how: str) -> None:
    with left(path, how, http__cancel="disconnected") as server:
        assert server.note() == "went on"


def test_what_frameworks_make_of_a_cancellation_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    with left("/wrapped", "reset") as server:
        assert server.note() == "cancelled"
    assert server.engine.board.last_error == ""
    assert [record.levelname for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def test_who_closes_has_left_if_lost_connections_cancel() -> None:
    with left("/elsewhere", "closed", http__cancel="disconnected") as server:
        assert server.note() == "cancelled"


def test_who_is_told_that_the_client_has_finished_and_leaves_has_not_failed(caplog: pytest.LogCaptureFixture) -> None:
    with left("/receive", "closed") as server:
        assert server.note() == "http.disconnect"
        server.idle()
    assert caplog.messages == []
    assert server.engine.board.last_error == ""


def test_who_breaks_http2_cancels_as_if_it_had_reset() -> None:
    app = Left()
    with serve(app) as server:
        app.server = server
        with Http2Client(server.connect(), WINDOW) as client:
            client.ask("/elsewhere")
            assert server.note() == "waiting"
            stream = client.ask("/elsewhere")
            assert server.note() == "waiting"
            client.client.send(window_update(stream, 0))
            assert server.note() == "cancelled"
            client.client.send(ping(b"short"))
            assert server.note() == "cancelled"


def test_who_finds_out_by_sending_is_not_cancelled_as_well() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send)
        server.notes.put("waiting")
        await gate.wait()
        try:
            while True:
                await send({"type": "http.response.body", "body": bytes(1 << 16), "more_body": True})
        except ClientDisconnected:
            await asyncio.sleep(0)
            server.notes.put("raised")

    gate = asyncio.Event()
    with serve(app, http__cancel="disconnected") as server:
        with server.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert server.note() == "waiting"
            server.call(lambda: (client.reset(), gate.set()))
        assert server.note() == "raised"
