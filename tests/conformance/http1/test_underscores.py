"""Headers with an underscore in their names, by ``http.underscores``: CGI's variables can't tell them from others."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from conformance.asked import Asked
from conformance.http1.runners import application
from conformance.http1.table import PROBE, get, post
from support.http import Client
from support.server import Server, serve

LOOK_ALIKES = ("X_Forwarded_For: 127.0.0.1", "Content_Length: 5", "Transfer_Encoding: chunked", "Host_: b")
NAMES = (b"x_forwarded_for", b"content_length", b"transfer_encoding", b"host_")


@contextmanager
def policy(word: str) -> Iterator[tuple[Server, Client]]:
    with serve(application(lambda: server), http__underscores=word) as server, server.connect() as client:
        yield server, client


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_drop(caplog: pytest.LogCaptureFixture) -> None:
    with policy("drop") as (server, client):
        for _ in range(3):  # the second time the header section is known
            client.send(post(*LOOK_ALIKES, "X-Fine: 1"))
            assert client.response().status == 200
            assert server.note() == Asked("POST", "/post", fields=((b"host", b"a"), (b"x-fine", b"1")))
    lines = told(caplog)
    assert len(lines) == len(NAMES), "each is told once"
    for name, line in zip(NAMES, lines, strict=True):
        assert name.decode() in line
        assert "http.underscores" in line


def test_drop_is_the_default() -> None:
    with serve(application(lambda: server)) as server, server.connect() as client:
        client.get("/", "X_Y: z")
        assert server.note().fields == ((b"host", b"a"),)


def test_what_is_told_of_dropped_headers_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    with policy("drop") as (_, client):
        for number in range(50):
            client.get("/", f"X_{number}" + "x" * 1000 + ": y")
    lines = told(caplog)
    assert 1 < len(lines) < 50
    assert max(map(len, lines)) < 300
    assert "no more" in lines[-1]


def test_allow(caplog: pytest.LogCaptureFixture) -> None:
    with policy("allow") as (server, client):
        client.send(post(*LOOK_ALIKES) + PROBE)
        assert client.response().status == 200
        asked = server.note()
        assert [name for name, _ in asked.fields] == [b"host", *NAMES]
        assert asked.body == b"", "they only look like framing"
        assert client.response().status == 200
    assert told(caplog) == []


@pytest.mark.parametrize("line", LOOK_ALIKES)
def test_refuse(line: str) -> None:
    with policy("refuse") as (server, client):
        client.send(get("X-Fine: 1"))
        assert client.response().status == 200
        assert server.note().fields == ((b"host", b"a"), (b"x-fine", b"1"))
        client.send(post(line) + PROBE)
        assert client.response().status == 400
        assert client.rest() == b""
        assert server.notes.empty()
