import io

import pytest

from loadtest import answers
from loadtest.answers import Answer
from loadtest.errors import MeasurementError


def read(data: bytes) -> Answer:
    return answers.read(io.BytesIO(data))


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello, world!", Answer(200, b"Hello")),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", Answer(404, b"")),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", Answer(200, b"to the end")),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nHello\r\na\r\n, world!..\r\n0\r\n\r\n",
            Answer(200, b"Hello, world!.."),
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n!\r\n0\r\nX-Trailer: 1\r\n\r\n",
            Answer(200, b"!"),
        ),
    ],
)
def test_an_answer(data: bytes, answer: Answer) -> None:
    assert read(data) == answer


def test_one_answer_after_the_other() -> None:
    stream = io.BytesIO(
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\naHTTP/1.1 201 Created\r\ncontent-length: 1\r\n\r\nb"
    )
    assert [answers.read(stream), answers.read(stream)] == [Answer(200, b"a"), Answer(201, b"b")]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nHell",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHell",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHello\r\n",
    ],
)
def test_an_answer_that_breaks_off(data: bytes) -> None:
    with pytest.raises(ConnectionError, match="the connection was closed"):
        read(data)


@pytest.mark.parametrize(
    "data",
    [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n"],
)
def test_what_is_not_http(data: bytes) -> None:
    with pytest.raises(MeasurementError, match="answered"):
        read(data)
