"""The access log: one line for each response, harmless whatever the client has sent."""

import asyncio
import re
import time

import pytest
from support.apps import Routes, begin, respond
from support.bench import bench
from support.server import Lines, serve

from litmus.asgi import Receive, Scope, Send
from litmus.server.access import AccessLog

LINE = re.compile(
    r'(?P<host>\S+) - - \[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "(?P<request>[^"]*)"'
    r' (?P<status>\d{3}|-) (?P<size>\d+) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)" (?P<seconds>\d+\.\d{6}|-)'
)


def parse(line: str) -> dict[str, str]:
    match = LINE.fullmatch(line)
    assert match, line
    return match.groupdict()


class App(Routes):
    async def stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send, b"x" * 10)
        await send({"type": "http.response.body", "body": b"y" * 5})

    async def missing(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, b"none", 404)

    async def fail(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError

    async def cut(self, scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send, b"x" * 7)
        raise ValueError


def test_a_line() -> None:
    with serve(App(), access=True) as server, server.connect() as client:
        client.get("/?a=b", "User-Agent: curl/8.0", "Referer: http://example.org/x")
        (line,) = map(parse, server.log())
        assert line["host"] == "127.0.0.1", "bare, as readers of the format expect it"
        assert line["request"] == "GET /?a=b HTTP/1.1"
        assert (line["status"], line["size"]) == ("200", "13")
        assert (line["referer"], line["agent"]) == ("http://example.org/x", "curl/8.0")
        logged = time.mktime(time.strptime(line["time"][:20], "%d/%b/%Y:%H:%M:%S"))
        assert abs(logged - time.time()) < 60
        assert 0 <= float(line["seconds"]) < 60


def test_what_was_not_sent_is_a_dash() -> None:
    with serve(App(), access=True) as server, server.connect() as client:
        client.get()
        (line,) = map(parse, server.log())
        assert (line["referer"], line["agent"]) == ("-", "-")


@pytest.mark.parametrize(
    ("path", "status", "size"),
    [
        ("/", "200", "13"),
        ("/missing", "404", "4"),
        ("/stream", "200", "15"),
        ("/fail", "500", "50"),
        ("/cut", "200", "7"),
    ],
)
def test_status_and_size(path: str, status: str, size: str) -> None:
    with serve(App(), access=True) as server, server.connect() as client:
        client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        client.rest()
        (line,) = map(parse, server.log())
        assert (line["status"], line["size"]) == (status, size)


def test_a_response_without_a_body_has_size_0() -> None:
    with serve(App(), access=True) as server, server.connect() as client:
        client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.response("HEAD")
        (line,) = map(parse, server.log())
        assert (line["request"], line["size"]) == ("HEAD / HTTP/1.1", "0")


def test_one_line_for_each_response_in_order() -> None:
    with serve(App(), access=True) as server, server.connect() as client:
        for i in range(5):
            client.get(f"/?{i}")
        client.send(b"GET /?5 HTTP/1.0\r\n\r\n")
        client.response()
        requests = [parse(line)["request"] for line in server.log()]
        assert requests == [*(f"GET /?{i} HTTP/1.1" for i in range(5)), "GET /?5 HTTP/1.0"]


@pytest.mark.parametrize(
    ("line", "field", "logged"),
    [
        (b'User-Agent: a"b\\c', "agent", r"a\x22b\x5cc"),
        (b"User-Agent: \xff\x80caf\xc3\xa9", "agent", r"\xff\x80caf\xc3\xa9"),
        (b"User-Agent: a\tb", "agent", r"a\x09b"),
        (b'Referer: x" 200 0 "', "referer", r"x\x22 200 0 \x22"),
    ],
)
def test_headers_cannot_forge_lines(line: bytes, field: str, logged: str) -> None:
    with serve(App(), access=True) as server, server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n\r\n")
        client.response()
        (entry,) = map(parse, server.log())
        assert entry[field] == logged


@pytest.mark.parametrize("evil", [b'"', b"\\", b"\x1b[31m", b"\n", b"\r\n", b"\x7f", b"\0", b"\x9b", b"\xe2\x80\xae"])
def test_nothing_that_comes_from_outside_breaks_out_of_its_place(evil: bytes) -> None:
    lines = Lines()
    log = AccessLog(lines)
    headers = [(b"user-agent", b"a" + evil + b"b"), (b"referer", evil)]
    log.record("192.0.2.1", b"G" + evil, b"/" + evil, "1.1", 200, 5, 0.25, headers)
    assert lines.lines == [], "collected, not written yet"
    log.flush()
    (line,) = lines.lines
    assert line.isascii()
    assert line.isprintable()
    assert parse(line)["seconds"] == "0.250000"


@pytest.mark.parametrize(
    ("sent", "status", "referer", "agent"),
    [
        (b"GET /%ZZ HTTP/1.1\r\nREFERER: http://b/ \r\nUser-Agent:\ta/8\r\n\r\n", "400", "http://b/", "a/8"),
        (b'GET /%ZZ HTTP/1.1\r\nHost: a\r\nUser-Agent: a"\xff\r\n\r\n', "400", "-", r"a\x22\xff"),
        (b"BREW /pot HTTP/1.1\r\nUser-Agent: a\r\n\r\nUser-Agent: b\r\n", "501", "-", "a"),
        (b"GET / HTTP/1.1\r\nX-User-Agent: a\r\n\r\n", "400", "-", "-"),
        (b"GET /" + b"x" * 20_000, "414", "-", "-"),
    ],
)
def test_of_what_is_refused_there_is_as_much_as_is_known(sent: bytes, status: str, referer: str, agent: str) -> None:
    with serve(App(), access=True) as server, server.connect() as client:
        client.send(sent)
        assert str(client.response().status) == status
        (entry,) = map(parse, server.log())
        assert (entry["status"], entry["referer"], entry["agent"]) == (status, referer, agent)
        assert entry["request"] == sent[:256].partition(b"\r")[0].decode()
        assert entry["seconds"] == "-", "nobody has looked at the clock when it began"


def test_lines_are_written_in_batches() -> None:
    writes: list[bytes] = []

    class Sink:
        def write(self, data: bytes) -> None:
            writes.append(data)

    log = AccessLog(Sink())
    for _ in range(10_000):
        log.record("unix", b"GET", b"/", "1.1", 200, 0, 0.0, [])
    assert 1 < len(writes) < 100, "not one by one, and not without bound"
    log.flush()
    assert b"".join(writes).count(b"\n") == 10_000
    count = len(writes)
    log.flush()
    assert len(writes) == count, "nothing is written when there is nothing to say"


def test_the_tick_flushes() -> None:
    with serve(App(), access=True) as server, server.connect() as client:
        client.get()
        assert server.access.lines == []
        server.tick()
        assert len(server.access.lines) == 1


def test_a_client_that_leaves_before_the_response_has_no_status() -> None:
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()

    with bench(app, access=True) as on:
        on.feed(b"GET /gone HTTP/1.1\r\nHost: a\r\n\r\n")
        on.do(on.lose)
        on.do(gate.set)
        on.engine.close()
        (line,) = map(parse, on.access.lines)
        assert (line["request"], line["status"], line["size"]) == ("GET /gone HTTP/1.1", "-", "0")


def test_without_an_access_log_nothing_is_collected() -> None:
    with serve(App()) as server, server.connect() as client:
        client.get()
        assert server.log() == []
