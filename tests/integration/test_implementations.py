"""Compiled or interpreted: what a client sees is the same."""

import hashlib
import json
import re
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from support.deployment import Deployment, Serve
from support.http import DEADLINE, Client
from support.litmusd import run

from litmus.protocols import http1

IMPLEMENTATIONS = {
    "pure": {"LITMUS_PURE": "1"},
    "compiled": {"LITMUS_PURE": ""},
}

BUILT = any(Path(http1.__file__).with_name(f"http1{suffix}").exists() for suffix in EXTENSION_SUFFIXES)
"""Whether there are compiled modules; whether the tests themselves run on them is another matter."""

BODY = bytes(range(256)) * 3000

CONVERSATION = {
    "plain": b"GET /work HTTP/1.1\r\nHost: a\r\n\r\n",
    "old": b"GET /work HTTP/1.0\r\n\r\n",
    "old, kept": b"GET /work HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /work/last HTTP/1.0\r\n\r\n",
    "pipelined": b"GET /work/1 HTTP/1.1\r\nHost: a\r\n\r\n" * 20 + b"HEAD /work/2 HTTP/1.1\r\nHost: a\r\n\r\n",
    "length": b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY),
    "chunks": b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"".join(b"%x;x=y\r\n%b\r\n" % (len(piece), piece) for piece in (b"a", BODY, b"c" * 70_000))
    + b"0\r\nTrailer: t\r\n\r\n",
    "unread": b"POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    b"GET /work/next HTTP/1.1\r\nHost: a\r\n\r\n",
    "continue": b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n",
    "streamed": b"GET /download/20 HTTP/1.1\r\nHost: a\r\n\r\n",
    "streamed, old": b"GET /download/20 HTTP/1.0\r\n\r\n",
    "full duplex": b"POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    "failing": b"GET /boom HTTP/1.1\r\nHost: a\r\n\r\n",
    "failing late": b"GET /boom-late HTTP/1.1\r\nHost: a\r\n\r\n",
    "silent": b"GET /silence HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute": b"GET http://a/work/x%20y?q HTTP/1.1\r\nHost: a\r\n\r\n",
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "bad version": b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    "bad chunk": b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "two lengths": b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "endless head": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200_000,
    "cut short": b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
    "nothing": b"",
}


def converse(client: Client, data: bytes) -> bytes:
    """All that comes back, without what differs from run to run."""
    client.send(data).half_close()
    client.socket.settimeout(DEADLINE)
    answer = client.rest()
    answer = re.sub(rb"date: [^\r]*", b"date: now", answer)
    return re.sub(rb"(?<=\n)\d{2,}(?= /|\n)", b"PID", answer)


@pytest.fixture
def servers(serve: Serve) -> dict[str, Deployment]:
    if not BUILT:
        pytest.skip("the hot modules are not compiled here")
    return {name: serve(workers=1, environ=environ) for name, environ in IMPLEMENTATIONS.items()}


def test_both_answer_the_same(servers: dict[str, Deployment]) -> None:
    for name, data in CONVERSATION.items():
        answers = {kind: converse(server.connect(), data) for kind, server in servers.items()}
        assert answers["pure"] == answers["compiled"], name
        if name not in ("cut short", "nothing"):
            assert answers["pure"].startswith(b"HTTP/1.1 "), name
    for server in servers.values():
        server.wait_until_idle()
    totals = {kind: server.stats()["totals"] for kind, server in servers.items()}
    for total in totals.values():
        del total["bytes_out"]  # has the pid's digits in it
    assert totals["pure"] == totals["compiled"]
    for server in servers.values():
        assert server.stop() == 0


def test_a_server_tells_which_it_is(serve: Serve) -> None:
    for kind, environ in IMPLEMENTATIONS.items():
        server = serve(workers=1, environ=environ)
        compiled = kind == "compiled" and BUILT
        assert server.stats()["arbiter"]["compiled"] is compiled
        assert f"({'compiled' if compiled else 'pure'}, CPython" in server.errors
        report = json.loads(server.litmusctl("stats", "--json").stdout)
        assert report["arbiter"]["compiled"] is compiled
        version = run("litmusd", "--version", cwd=server.folder, environ=environ).stdout
        assert f"({'compiled' if compiled else 'pure'}, CPython" in version


@pytest.mark.parametrize("kind", IMPLEMENTATIONS)
def test_each_carries_a_body_through(serve: Serve, kind: str) -> None:
    server = serve(workers=1, environ=IMPLEMENTATIONS[kind])
    with server.http() as http:
        response = http.post("/upload", content=BODY)
        assert response.text.split()[1:] == ["/upload", str(len(BODY)), hashlib.sha256(BODY).hexdigest()]
    server.wait_until_idle()
