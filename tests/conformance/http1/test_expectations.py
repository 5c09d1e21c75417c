"""``Expect: 100-continue``: to whom 100 is sent, and to whom not (RFC 9110, section 10.1.1)."""

from typing import NamedTuple

import pytest
from conformance.http1.table import message, post
from support.apps import read_body, respond
from support.server import serve
from support.wire import Call, Wire, echo, ok

from litmus.asgi import Receive, Scope, Send
from litmus.protocols.limits import Limits

EXPECT = "Expect: 100-continue"
FIVE = "Content-Length: 5"
CHUNKED = "Transfer-Encoding: chunked"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Expectation(NamedTuple):
    """A head, and whether 100 is the answer to it when the application waits for the body, which then comes."""

    head: bytes
    continues: bool
    body: bytes = b"hello"
    status: int = 200


EXPECTATIONS = {
    "a length": Expectation(post(EXPECT, FIVE), True),
    "chunks": Expectation(post(EXPECT, CHUNKED), True, CHUNKS),
    "upper case": Expectation(post("EXPECT: 100-CONTINUE", FIVE), True),
    "with a head of its own": Expectation(post(EXPECT, FIVE, "Connection: close"), True),
    "HTTP/1.0": Expectation(message("POST / HTTP/1.0", EXPECT, FIVE), False),
    "HTTP/1.0 that stays": Expectation(message("POST / HTTP/1.0", "Connection: keep-alive", EXPECT, FIVE), False),
    "HTTP/1.2": Expectation(message("POST / HTTP/1.2", "Host: a", EXPECT, FIVE), True),
    "not expected": Expectation(post(FIVE), False),
    "something else is expected": Expectation(post("Expect: the-spanish-inquisition", FIVE), False),
    "a bad chunk": Expectation(post(EXPECT, CHUNKED), True, b"x\r\n", 400),
}
REFUSED = {
    "a length and a coding": (post(EXPECT, FIVE, CHUNKED), 400),
    "a bad length": (post(EXPECT, "Content-Length: 5, 5"), 400),
    "an unknown coding": (post(EXPECT, "Transfer-Encoding: gzip, chunked"), 501),
    "no Host": (message("POST / HTTP/1.1", EXPECT, FIVE), 400),
    "HTTP/2.0": (message("POST / HTTP/2.0", "Host: a", EXPECT, FIVE), 505),
}


@pytest.mark.parametrize("name", EXPECTATIONS)
def test_in_the_machine(name: str) -> None:
    row = EXPECTATIONS[name]
    wire = Wire(echo).feed(row.head)
    assert wire.take_output() == (CONTINUE if row.continues else b"")
    wire.feed(row.body)
    assert wire.out.startswith(b"HTTP/1.1 %d " % row.status)


@pytest.mark.parametrize("name", EXPECTATIONS)
def test_over_a_socket(name: str) -> None:
    row = EXPECTATIONS[name]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.notes.put("called")
        try:
            await respond(send, await read_body(receive))
        except ConnectionError:
            return

    with serve(app) as server, server.connect() as client:
        client.send(row.head)
        if row.continues:
            assert client.head() == (100, [])
        assert server.note() == "called"
        response = client.send(row.body).response()
        assert response.status == row.status
        assert response.body == b"hello" or row.status == 400


@pytest.mark.parametrize("name", REFUSED)
def test_who_is_refused_is_not_told_to_go_on(name: str) -> None:
    head, status = REFUSED[name]
    wire = Wire(echo).feed(head)
    assert wire.out.startswith(b"HTTP/1.1 %d " % status)
    assert wire.ended
    with serve(ok_app) as server, server.connect() as client:
        response = client.send(head).response()
        assert (response.status, response.header(b"connection")) == (status, b"close")
        assert client.rest() == b""


async def ok_app(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, b"ok")


def test_whose_body_is_too_long_is_not_told_to_go_on() -> None:
    head = post(EXPECT, FIVE)
    assert Wire(echo, limits=Limits(128, 128, body=4)).feed(head).out.startswith(b"HTTP/1.1 413 ")
    with serve(ok_app, limits__body="4 B") as server, server.connect() as client:
        response = client.send(head).response()
        assert (response.status, response.header(b"connection")) == (413, b"close")
        assert client.rest() == b""


def test_whose_body_is_not_wanted_gets_the_final_answer_and_the_end() -> None:
    head = post(EXPECT, FIVE)
    wire = Wire(ok).feed(head)
    assert wire.out.startswith(b"HTTP/1.1 200 ")
    assert wire.ended, "nobody can tell whether the body will come"
    with serve(ok_app) as server, server.connect() as client:
        response = client.send(head).response()
        assert (response.status, response.header(b"connection")) == (200, b"close")
        client.send(b"hello" + post())
        assert client.rest() == b"", "what comes now is nothing"


def test_who_sends_the_body_without_waiting_is_not_told_to_go_on() -> None:
    assert Wire(echo).feed(post(EXPECT, FIVE, body=b"hello")).out.startswith(b"HTTP/1.1 200 ")


def test_nobody_is_told_to_go_on_behind_the_beginning_of_the_final_answer() -> None:
    def early(call: Call) -> None:
        call.respond(b"early", end=False)
        call.read()

    assert CONTINUE not in Wire(early).feed(post(EXPECT, FIVE)).out
