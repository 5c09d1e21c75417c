"""Two ways to put a row to the test: bytes into the machine, and bytes over a real socket."""

import queue
from collections.abc import Callable, Sequence
from typing import Any

import h11
from conformance.asked import Asked
from conformance.http1.table import Row, Seen
from support.apps import read_body, respond
from support.server import Server
from support.wire import Call, Wire

from litmus.asgi import Receive, Scope, Send
from litmus.server.scope import Client, http_scope

CLIENT = Client(("192.0.2.1", 4711), ("192.0.2.2", 80), "http", "")


def on_machine(row: Row, cut: Callable[[bytes], Sequence[bytes]]) -> Seen:
    """What comes of a row's bytes, in pieces, in the machine under an application that waits for each body."""
    reader = Reader()
    wire = Wire(reader).feed_all(cut(row.data))
    if row.finishes and not wire.closed:
        wire.eof()
    whole = tuple(_asked(http_scope(CLIENT, call.request, {}), call.body) for call in reader.whole)
    told = [call for call in wire.calls if call.gone]
    return Seen(whole, len(told), statuses(wire.out, whole), wire.ended or wire.closed)


class Reader:
    """An application in the machine that waits for each body, and answers.

    Attributes:
        whole: the requests that have come whole.
    """

    def __init__(self) -> None:
        self.whole: list[Call] = []

    def __call__(self, call: Call) -> None:
        def read() -> None:
            while call.read():
                pass
            if call.complete and not call.gone:
                call.on_body = None
                self.whole.append(call)
                call.respond(b"ok")

        call.on_body = read
        read()


def over_socket(row: Row, server: Server) -> Seen:
    """What comes of a row's bytes over a socket; the server runs ``application``."""
    with server.connect() as client:
        client.send(row.data)
        if row.finishes:
            client.half_close()
        out = client.rest()
    server.idle()
    whole, cut = [], 0
    while True:
        try:
            note = server.notes.get_nowait()
        except queue.Empty:
            break
        if note is None:
            cut += 1
        else:
            whole.append(note)
    return Seen(tuple(whole), cut, statuses(out, whole), True)


def application(server: Callable[[], Server]) -> Any:
    """Notes each request that arrives whole, and None for one that does not."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(receive)
        except ConnectionError:
            server().notes.put(None)
        else:
            server().notes.put(_asked(scope, body))
            await respond(send, b"ok")

    return app


def _asked(scope: Scope, body: bytes) -> Asked:
    return Asked(scope["method"], scope["path"], body, scope["query_string"], tuple(scope["headers"]))


def statuses(out: bytes, asked: Sequence[Asked]) -> tuple[int, ...]:
    """The statuses of the responses to ``asked``, and of a refusal behind them; each must be one to h11."""
    found = []
    methods = [each.method for each in asked]
    while out:
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method=methods.pop(0) if methods else "GET", target="/", headers=[("host", "a")]))
        client.send(h11.EndOfMessage())
        client.receive_data(out)
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            assert isinstance(event, h11.InformationalResponse | h11.Response | h11.Data), event
            if isinstance(event, h11.Response):
                found.append(event.status_code)
        out = client.trailing_data[0]
        if client.their_state is h11.MUST_CLOSE:
            assert out == b"", "more behind the last response"
    return tuple(found)
