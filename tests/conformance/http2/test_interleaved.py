"""A hundred streams at once, ten mebibytes up and down on each, through the windows that a connection begins with."""

import hashlib
import select
from collections.abc import Iterator
from typing import Any

import pytest
from conformance.http2.clients import PATIENCE, dial
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes
from support.server import Server, serve

from litmus.asgi import Receive, Scope, Send

STREAMS = range(1, 201, 2)
SIZE = 10 << 20
FRAME = 1 << 16
PATTERN = hashlib.shake_256(b"litmus").digest((1 << 16) + 997)
"""What the streams carry, each from a place of its own on, so that bytes that go astray are noticed."""


def slices(stream: int) -> Iterator[bytes]:
    """A stream's content, in slices."""
    at, left = stream * 31 % len(PATTERN), SIZE
    while left:
        piece = PATTERN[at : at + min(left, FRAME)]
        at = (at + len(piece)) % len(PATTERN)
        left -= len(piece)
        yield piece


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends back what comes, as it comes."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


class Transfer:
    """One stream: what is still to be sent, and what has been received."""

    def __init__(self, stream: int) -> None:
        self.stream = stream
        self.sent, self.received = hashlib.sha1(), hashlib.sha1()
        self.size = 0
        self.ended = False
        self._slices = slices(stream)
        self._rest = memoryview(next(self._slices))

    def take(self, size: int) -> tuple[bytes, bool]:
        """At most so many bytes to send, and whether they are the last."""
        piece = bytes(self._rest[:size])
        self.sent.update(piece)
        self._rest = self._rest[len(piece) :]
        if not self._rest:
            self._rest = memoryview(next(self._slices, b""))
        return piece, not self._rest


class Client:
    """Sends on all streams in turn, as the windows allow, and reads."""

    def __init__(self, address: Any) -> None:
        self.socket = dial(address)
        self.h2 = H2Connection(H2Configuration(header_encoding=None, validate_inbound_headers=True))
        self.transfers = {stream: Transfer(stream) for stream in STREAMS}
        self._unsent = list(STREAMS)

    def run(self) -> None:
        """Fails when nothing moves for longer than one is patient."""
        self.h2.local_settings[SettingCodes.MAX_FRAME_SIZE] = FRAME
        self.h2.initiate_connection()
        for stream in STREAMS:
            pseudo = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")]
            self.h2.send_headers(stream, [*pseudo, (b"content-length", b"%d" % SIZE)])
        self.socket.setblocking(False)
        out = memoryview(self.h2.data_to_send())
        while not all(transfer.ended for transfer in self.transfers.values()):
            if not out:
                self._fill()
                out = memoryview(self.h2.data_to_send())
            readable, writable, _ = select.select([self.socket], [self.socket] if out else [], [], PATIENCE)
            assert readable or writable, "nothing moves"
            if readable:
                data = self.socket.recv(1 << 20)
                assert data, "the server has closed"
                for event in self.h2.receive_data(data):
                    self._handle(event)
            if writable:
                out = out[self.socket.send(out) :]

    def _fill(self) -> None:
        """A frame on each stream that has room, the one after the other in turn."""
        waiting = []
        for stream in self._unsent:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if room <= 0:
                waiting.append(stream)
                continue
            piece, last = self.transfers[stream].take(room)
            self.h2.send_data(stream, piece, end_stream=last)
            if not last:
                waiting.append(stream)
        turn = len(waiting) // 2
        self._unsent = waiting[turn:] + waiting[:turn]

    def _handle(self, event: Event) -> None:
        assert not isinstance(event, StreamReset), event
        if isinstance(event, DataReceived):
            transfer = self.transfers[event.stream_id]
            transfer.received.update(event.data)
            transfer.size += len(event.data)
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, ResponseReceived):
            assert dict(event.headers)[b":status"] == b"200"
        elif isinstance(event, StreamEnded):
            self.transfers[event.stream_id].ended = True


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(echo) as running:
        yield running


def test_a_hundred_streams_at_once(server: Server) -> None:
    client = Client(server.address)
    with client.socket:
        client.run()
    for transfer in client.transfers.values():
        assert transfer.size == SIZE
        assert transfer.received.digest() == transfer.sent.digest()
