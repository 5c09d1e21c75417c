"""Whatever a client sends: one printable line of the log tells of it, and nothing in it can be taken for another."""

import asyncio
import logging
import re

import pytest
from conformance.http1.table import message
from support.apps import respond
from support.server import Server, serve

from litmus.asgi import Receive, Scope, Send
from litmus.log import LineFormatter

EVIL = {
    "a line end": b"\r\n",
    "a line feed": b"\n",
    "a carriage return": b"\r",
    "a colour": b"\x1b[31m",
    "a title": b"\x1b]0;owned\x07",
    "a C1 control": b"\x9b31m",
    "NUL": b"\0",
    "DEL": b"\x7f",
    "a backspace": b"\x08\x08\x08",
    "a quote": b'" 200 0 "',
    "a backslash": b"\\",
    "a tab": b"\t",
    "UTF-8": "é".encode(),
    "an override of direction": "\u202e".encode(),
    "a line separator": "\u2028".encode(),
}
ENTRY = re.compile(r'127\.0\.0\.1 - - \[[^]]+\] "[^"]*" (\d{3}|-) \d+ "[^"]*" "[^"]*" (\d+\.\d{6}|-)')


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Fails as applications do, with what it was asked for in its words."""
    if scope["query_string"].startswith(b"fail"):
        values = " ".join(value.decode("latin-1") for _, value in scope["headers"])
        raise LookupError(f"there is no {scope['path']} for {values}")
    await respond(send)


def escaped(evil: bytes) -> bytes:
    """``evil`` as a good client would have it in a path."""
    return b"".join(b"%%%02x" % byte for byte in evil if byte)


def requests(evil: bytes) -> list[bytes]:
    """``evil`` in every place that a log might show."""
    return [
        message("GET /?ok HTTP/1.1", "Host: a", b"User-Agent: a" + evil + b"b", b"Referer: " + evil),
        message("GET /?fail HTTP/1.1", "Host: a", b"User-Agent: a" + evil + b"b", b"Referer: " + evil),
        message("GET /?ok HTTP/1.1", "Host: a", b"X" + evil + b"_y: z"),
        message("GET /?ok HTTP/1.1", b"Host: " + evil),
        message("GET /?ok HTTP/1.1", "Host: a", b"Content-Length: " + evil),
        message("GET /?ok HTTP/1.1", "Host: a", b"Transfer-Encoding: " + evil),
        b"GET /a" + evil + b"b?ok HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a" + evil + b"b?fail HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /?fail" + evil + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /" + escaped(evil) + b"?fail HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://a/" + evil + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"G" + evil + b"T / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1" + evil + b"\r\nHost: a\r\n\r\n",
        evil + b"\r\n\r\n",
    ]


@pytest.mark.parametrize("name", EVIL)
def test_every_line_of_every_log_is_what_it_seems(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "litmus")
    with serve(app, access=True) as server:
        for request in requests(EVIL[name]):
            with server.connect() as client:
                client.send(request).half_close()
                assert client.rest().count(b"HTTP/1.1 ") <= 1
            server.call(server.engine.noise.flush)  # so that all are told one by one
        check(server, caplog)
        assert server.log()


def test_also_what_is_said_of_a_request_that_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put("called")
        await asyncio.Event().wait()

    with serve(wait, access=True) as server, server.connect() as client:
        client.send(b'GET /a"\\%0d%0a%1b HTTP/1.1\r\nHost: a\r\n\r\n')
        server.note()
        (exchange,) = server.call(lambda: list(server.engine.exchanges))  # once its first step is taken
        words = server.call(exchange.cancel)
        assert words.startswith(r"GET /a\x22\x5c%0d%0a%1b from 127.0.0.1:")
        assert client.response().status == 503
        check(server, caplog)


def check(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    formatter = LineFormatter("worker 1")
    for record in caplog.records:
        assert record.name.startswith("litmus")
        first, *others = formatter.format(record).split("\n")
        assert all(line.replace("\t", "").isprintable() for line in (first, *others))
        assert all(line.startswith("    ") for line in others), "nothing poses as a line of its own"
    for line in server.log():
        assert line.isascii()
        assert line.isprintable()
        assert ENTRY.fullmatch(line), line
