import asyncio
import base64
import hashlib
import json
import re
import urllib.request
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from support.litmusd import Litmusd

import litmus
from litmus.memory import segment as segments
from litmus.memory.scoreboard import REQUESTS_TOTAL, RESPONSES_1XX, State
from litmus.welcome import app, page

WORKER = {
    "slot": 0,
    "pid": 4711,
    "generation": 2,
    "state": "ready",
    "uptime_s": 185.2,
    "tick_age_ms": 43,
    "connections_open": 3,
    "requests": 1234,
    "in_flight": 1,
    "rss_bytes": 41 << 20,
    "cpu_s": 1.24,
    "slab": [
        {"size": 1024, "total": 100, "in_use": 25, "acquired": 60, "failed": 0},
        {"size": 65536, "total": 10, "in_use": 10, "acquired": 90, "failed": 7},
    ],
}
REPORT: dict[str, Any] = {
    "arbiter": {"pid": 99, "uptime_s": 7500.0, "version": "1.2.3", "generation": 2, "compiled": True},
    "workers": [WORKER, {**WORKER, "slot": 1, "pid": 4712, "state": "booting", "tick_age_ms": None}],
    "totals": {
        "requests": 1234567,
        "connections_accepted": 40,
        "connections_open": 6,
        "websockets_open": 2,
        "responses_by_class": {"1xx": 0, "2xx": 30, "3xx": 0, "4xx": 10, "5xx": 0},
        "bytes_in": 2048,
        "bytes_out": 1536,
    },
}


class Response:
    def __init__(self, messages: list[dict[str, Any]]) -> None:
        start, body = messages
        self.status: int = start["status"]
        self.headers = {name.decode(): value.decode() for name, value in start["headers"]}
        self.body: bytes = body["body"]

    @property
    def text(self) -> str:
        return self.body.decode()


def request(method: str, path: str, root_path: str = "") -> Response:
    """Call the application the way a server does."""
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    scope = {"type": "http", "method": method, "path": root_path + path, "root_path": root_path}
    asyncio.run(app(scope, receive, send))
    return Response(messages)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> segments.Segment:
    """This process as a worker: a real segment with one seat taken."""
    segment = segments.Segment(2)
    board = segment.seat(0).scoreboard
    board.state, board.pid, board.generation = State.READY, 4711, 1
    board.cells[REQUESTS_TOTAL] = 12345
    board.cells[RESPONSES_1XX + 1] = 12340
    board.describe_class(0, 4096, 512)
    monkeypatch.setattr(segments, "current", segment)
    return segment


class Document(HTMLParser):
    """The texts of the page's fields by path, top level and rows apart, and the attributes of all elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.rows: dict[str, list[dict[str, str]]] = {}
        self.levels: dict[str, list[str | None]] = {}
        self.widths: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._list: list[dict[str, str]] | None = None
        self._template = False
        self._at: tuple[dict[str, str], str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag == "template":
            self._template = True
            self._list = self.rows.setdefault(attributes["data-each"] or "", [])
        elif tag == "tr" and self._list is not None and not self._template:
            self._list.append({})
        path = attributes.get("data-field")
        if path and not self._template:
            target = self.fields if self._list is None else self._list[-1]
            target[path] = ""
            self._at = (target, path)
            self.levels.setdefault(path, []).append(attributes.get("data-level"))
            if attributes["data-as"] == "bar":
                self.widths.append(attributes["width"] or "")

    def handle_data(self, data: str) -> None:
        if self._at is not None:
            self._at[0][self._at[1]] += data

    def handle_endtag(self, tag: str) -> None:
        self._at = None
        if tag == "template":
            self._template = False
        elif tag == "tbody":
            self._list = None


def rendered(report: dict[str, Any] = REPORT) -> Document:
    return Document(page.render(report).decode())


# What the page shows


def test_the_totals() -> None:
    assert rendered().fields == {
        "arbiter.version": "1.2.3",
        "arbiter.compiled": "compiled",
        "arbiter.uptime_s": "2h 5m",
        "arbiter.generation": "2",
        "arbiter.pid": "99",
        "totals.requests": "1,234,567",
        "workers.in_flight": "2",
        "workers.connections_open": "6",
        "totals.connections_accepted": "40",
        "totals.websockets_open": "2",
        "totals.bytes_out": "1.5 KiB",
        "totals.bytes_in": "2 KiB",
    }


def test_a_row_for_each_worker() -> None:
    first, second = rendered().rows["workers"]
    assert first == {
        "slot": "0",
        "pid": "4711",
        "generation": "2",
        "state": "ready",
        "uptime_s": "3m 5s",
        "tick_age_ms": "43 ms",
        "connections_open": "3",
        "requests": "1,234",
        "in_flight": "1",
        "rss_bytes": "41 MiB",
        "cpu_s": "1.2 s",
    }
    assert (second["pid"], second["state"]) == ("4712", "booting")


def test_what_is_not_known_is_a_dash() -> None:
    assert rendered().rows["workers"][1]["tick_age_ms"] == page.NOTHING


def test_responses_and_slab_classes_have_bars() -> None:
    document = rendered()
    assert [(row["class"], row["count"]) for row in document.rows["responses"]] == [
        ("1xx", "0"),
        ("2xx", "30"),
        ("3xx", "0"),
        ("4xx", "10"),
        ("5xx", "0"),
    ]
    assert [
        (row["size"], row["in_use"], row["total"], row["acquired"], row["failed"]) for row in document.rows["slabs"]
    ] == [
        ("1 KiB", "50", "200", "120", "0"),
        ("64 KiB", "20", "20", "180", "14"),
    ]
    assert document.widths == ["0.00%", "75.00%", "0.00%", "25.00%", "0.00%", "25.00%", "100.00%"]


def test_what_needs_a_look_is_marked() -> None:
    stalled = {**WORKER, "tick_age_ms": 1500, "state": "draining"}
    levels = rendered({**REPORT, "workers": [WORKER, stalled]}).levels
    assert levels["state"] == ["good", "warn"]
    assert levels["tick_age_ms"] == [None, "bad"]
    assert levels["failed"] == [None, "warn"]


def test_no_worker_and_no_request_yet() -> None:
    totals = {**REPORT["totals"], "responses_by_class": dict.fromkeys(("1xx", "2xx"), 0)}
    document = rendered({**REPORT, "workers": [], "totals": totals})
    assert document.rows["workers"] == document.rows["slabs"] == []
    assert document.fields["workers.connections_open"] == "0"
    assert document.widths == ["0.00%", "0.00%"]


def test_values_are_escaped() -> None:
    text = page.render({**REPORT, "arbiter": {**REPORT["arbiter"], "version": "<script>&"}}).decode()
    assert ">&lt;script&gt;&amp;</b>" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.043, "43 ms"), (1, "1 s"), (59.9, "59 s"), (185, "3m 5s"), (7500, "2h 5m"), (788400, "9d 3h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert page.FORMS["duration"](seconds) == ("", text)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (43_306_189, "41.3 MiB"),
        (5 << 40, "5 TiB"),
        (5 << 50, "5120 TiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert page.size(count) == text


def test_processor_time() -> None:
    assert page.FORMS["cpu"](59.94) == ("", "59.9 s")
    assert page.FORMS["cpu"](185.0) == ("", "3m 5s")


# The page as a document


def test_the_script_knows_the_same_forms() -> None:
    script = Path(page.__file__).with_name("page.js").read_text()
    table = re.search(r"const FORMS = \{(.*?)^\};", script, re.DOTALL | re.MULTILINE)
    assert table is not None
    assert set(re.findall(r"^  (\w+):", table[1], re.MULTILINE)) == set(page.FORMS)
    assert {attributes["data-as"] for _, attributes in rendered().elements if "data-as" in attributes} == set(
        page.FORMS
    )


def test_the_page_refers_to_nothing_outside_itself() -> None:
    for tag, attributes in rendered().elements:
        for name in ("src", "href", "action", "style", "onclick"):
            value = attributes.get(name)
            assert value is None or (tag, name, value) == ("a", "href", "stats") or value.startswith("data:image/"), tag


def test_the_policy_allows_this_style_and_this_script_alone(worker: segments.Segment) -> None:
    response = request("GET", "/")
    policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
    for tag in ("style", "script"):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", response.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[f"{tag}-src"] == f"'sha256-{digest}'"
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"


# HTTP


def test_the_page(worker: segments.Segment) -> None:
    response = request("GET", "/")
    assert response.status == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-length"] == str(len(response.body))
    assert response.headers["cache-control"] == "no-store"
    document = Document(response.text)
    assert document.fields["totals.requests"] == "12,345"
    assert document.fields["arbiter.version"] == litmus.__version__
    assert [row["pid"] for row in document.rows["workers"]] == ["4711"]


def test_the_numbers_as_json(worker: segments.Segment) -> None:
    response = request("GET", "/stats")
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    report = json.loads(response.body)
    assert report.keys() == {"arbiter", "workers", "totals"}
    assert report["totals"]["responses_by_class"]["2xx"] == 12340
    assert report["workers"][0]["slab"] == [{"size": 4096, "total": 512, "in_use": 0, "acquired": 0, "failed": 0}]


def test_health_is_told_outside_of_a_worker_too() -> None:
    response = request("GET", "/healthz")
    assert (response.status, response.body) == (200, b"ok\n")


@pytest.mark.parametrize("path", ["/", "/stats"])
def test_outside_of_a_worker_there_is_nothing_to_show(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "current", None)
    response = request("GET", path)
    assert response.status == 503
    assert "litmusd litmus.welcome:app" in response.text
    if path == "/stats":
        assert json.loads(response.body).keys() == {"error"}


@pytest.mark.parametrize("path", ["/", "/stats", "/healthz", "/nothing"])
def test_head_is_get_without_the_body(path: str, worker: segments.Segment) -> None:
    got, head = request("GET", path), request("HEAD", path)
    assert head.status == got.status
    assert head.headers.keys() == got.headers.keys()
    assert int(head.headers["content-length"]) > 0
    assert head.body == b""


@pytest.mark.parametrize("path", ["", "/favicon.ico", "/stats/", "*"])
def test_other_paths_are_not_found(path: str) -> None:
    assert request("GET", path).status == request("POST", path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get"])
def test_other_methods_are_not_allowed(method: str) -> None:
    response = request(method, "/stats")
    assert (response.status, response.headers["allow"]) == (405, "GET, HEAD")


def test_under_a_prefix(worker: segments.Segment) -> None:
    assert request("GET", "/", root_path="/status").status == 200
    assert request("GET", "/healthz", root_path="/status").body == b"ok\n"


@pytest.mark.parametrize("path", ["/", "/stats", "/healthz", "/nothing"])
def test_every_response_is_guarded(path: str) -> None:
    headers = request("GET", path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "content-security-policy" in headers


# The WebSocket


def socket(path: str, *headers: tuple[bytes, bytes], root_path: str = "") -> list[dict[str, Any]]:
    """Open a WebSocket, send a message and leave. Returns what the application sends."""
    incoming = iter(
        [
            {"type": "websocket.connect"},
            {"type": "websocket.receive", "text": "stats"},
            {"type": "websocket.disconnect", "code": 1001, "reason": ""},
        ]
    )
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(incoming)

    async def send(message: Any) -> None:
        sent.append(message)

    fields = [(b"host", b"a:8000"), *headers]
    scope = {"type": "websocket", "path": root_path + path, "root_path": root_path, "headers": fields}
    asyncio.run(app(scope, receive, send))
    return sent


@pytest.mark.parametrize("headers", [[], [(b"origin", b"http://a:8000")], [(b"origin", b"https://a:8000")]])
def test_the_numbers_over_a_websocket(worker: segments.Segment, headers: list[tuple[bytes, bytes]]) -> None:
    for root_path in ("", "/status"):
        accepted, told = socket("/live", *headers, root_path=root_path)
        assert accepted == {"type": "websocket.accept"}
        assert told["type"] == "websocket.send"
        assert json.loads(told["text"])["totals"]["requests"] == 12345


@pytest.mark.parametrize("origin", [b"http://b:8000", b"http://a", b"null", b"http://b/://a:8000", b""])
def test_pages_of_others_are_told_nothing(worker: segments.Segment, origin: bytes) -> None:
    assert socket("/live", (b"origin", origin)) == [{"type": "websocket.close"}]


def test_there_is_only_one_websocket() -> None:
    assert socket("/stats") == [{"type": "websocket.close"}]


# The other scopes


def test_lifespan() -> None:
    incoming = iter(["lifespan.startup", "lifespan.shutdown"])
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": next(incoming)}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(app({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_what_it_does_not_speak_it_refuses() -> None:
    async def never(*_: Any) -> Any:
        raise AssertionError("nothing is received or sent")

    with pytest.raises(ValueError, match="gopher"):
        asyncio.run(app({"type": "gopher"}, never, never))


# Served


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Litmusd]:
    server = Litmusd(tmp_path, "--bind", "127.0.0.1:0", "--workers", 2)
    try:
        server.wait_for("READY=1")
        yield server
    finally:
        server.close()


def test_served_by_litmusd(server: Litmusd) -> None:
    document = Document(server.get())
    assert document.fields["arbiter.pid"] == str(server.process.pid)
    assert [(row["slot"], row["state"]) for row in document.rows["workers"]] == [("0", "ready"), ("1", "ready")]
    assert document.rows["slabs"]
    with urllib.request.urlopen(f"{server.url}/stats", timeout=30) as response:
        report = json.load(response)
    assert [worker["slot"] for worker in report["workers"]] == [0, 1]
    assert report["totals"]["requests"] >= 2
