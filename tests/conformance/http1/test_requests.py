"""Every row of the tables, in the machine and over a socket."""

from collections.abc import Iterator

import pytest
from conformance.http1 import chunks, connections, fields, framing, lines
from conformance.http1.runners import application, on_machine, over_socket
from conformance.http1.table import HOST, by_name, message
from support.server import Server, serve
from support.wire import Wire, bytewise, echo

ROWS = {
    f"{table.__name__.rpartition('.')[2]}: {name}": row
    for table in (framing, chunks, fields, lines, connections)
    for name, row in by_name(table.TABLE).items()
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(application(lambda: running)) as running:
        yield running


@pytest.mark.parametrize("name", ROWS)
def test_in_the_machine(name: str) -> None:
    row = ROWS[name]
    row.check(on_machine(row, lambda data: [data]))
    row.check(on_machine(row, bytewise))


@pytest.mark.parametrize("name", ROWS)
def test_over_a_socket(name: str, server: Server) -> None:
    row = ROWS[name]
    row.check(over_socket(row, server))


REFUSED_HEADS = [
    message("HEAD / HTTP/1.1"),
    message("HEAD /%zz HTTP/1.1", HOST),
    message("HEAD / HTTP/2.0", HOST),
    message("HEAD / HTTP/1.1", HOST, "X: \n"),
    message("HEAD / HTTP/1.1", HOST, "Transfer-Encoding: chunked", body=b"x\r\n"),
]


@pytest.mark.parametrize("sent", REFUSED_HEADS)
def test_a_refusal_of_head_has_no_content(sent: bytes, server: Server) -> None:
    """RFC 9110, section 9.3.2."""
    for pieces in ([sent], bytewise(sent)):
        wire = Wire(echo).feed_all(pieces)
        assert wire.refusals
        assert wire.out.endswith(b"\r\n\r\n")
        assert b"content-length: " in wire.out
    with server.connect() as client:
        assert client.send(sent).response("HEAD").status in (400, 505)
        assert client.rest() == b""
    server.idle()
    while not server.notes.empty():
        server.notes.get()
