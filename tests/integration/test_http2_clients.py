"""Clients that others have written speak HTTP/2 with litmusd: curl, nghttp and h2load, httpx, Node."""

import asyncio
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.deployment import Deployment, Serve
from support.http2 import get, rst_stream
from support.http2_client import Http2Client
from support.waiting import DEADLINE, wait_until

MIB = 1 << 20
SCRIPT = Path(__file__).with_name("clients") / "http2.mjs"
PIECE = bytes(range(256)) * 256


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def run(*command: object, data: bytes = b"", code: int = 0) -> str:
    """Run a client, which has to exit with ``code``, and return what it prints."""
    words = [str(word) for word in command]
    done = subprocess.run(words, input=data, capture_output=True, timeout=DEADLINE, check=False)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout.decode("latin-1")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    server = Deployment(tmp_path_factory.mktemp("plain"), workers=1)
    try:
        yield server.wait_until_up()
        server.wait_until_idle()
        assert server.stop() == 0, server.errors
        assert re.findall(r" error +worker 0\[\d+\]  (?!the application failed: GET /boom).*", server.errors) == []
    finally:
        server.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    server = Deployment(tmp_path_factory.mktemp("shop"), "fastapi_shop:app", workers=1, timeouts={"write": "2s"})
    try:
        yield server.wait_until_up()
        server.wait_until_idle()
        assert server.stop() == 0, server.errors
    finally:
        server.close()


def digest(path: str, body: bytes) -> str:
    """What ``/upload`` says, behind the pid."""
    return f"{path} {len(body)} {hashlib.sha256(body).hexdigest()}"


# curl


def curl(*arguments: object, data: bytes = b"") -> str:
    return run("curl", "-sS", "--http2-prior-knowledge", *arguments, data=data)


@needs("curl")
def test_curl_gets(plain: Deployment) -> None:
    said = curl("-w", "\n%{http_version} %{http_code} %{size_download}", f"{plain.base}/work/a%20b?c")
    body, written = said.split("\n")
    assert re.fullmatch(r"\d+ /work/a b", body)
    assert written == f"2 200 {len(body)}"
    plain.wait_for_access(r'"GET /work/a%20b\?c HTTP/2" 200 ')


@needs("curl")
def test_curl_asks_for_the_head_alone(plain: Deployment) -> None:
    said = curl("-I", f"{plain.base}/work")
    assert said.startswith("HTTP/2 200 \r\n")
    assert "content-type: text/plain\r\n" in said
    assert said.endswith("\r\n\r\n")


@needs("curl")
@pytest.mark.parametrize("expects", [False, True])
def test_curl_uploads(plain: Deployment, tmp_path: Path, expects: bool) -> None:
    body = os.urandom(5 * MIB)
    (tmp_path / "body").write_bytes(body)
    asked = ["-H", "Expect: 100-continue", "--expect100-timeout", DEADLINE] if expects else ["-H", "Expect:"]
    said = curl(*asked, "-D", tmp_path / "head", "--data-binary", f"@{tmp_path / 'body'}", f"{plain.base}/upload/curl")
    assert said.partition(" ")[2] == digest("/upload/curl", body)
    assert (tmp_path / "head").read_text().startswith("HTTP/2 100 " if expects else "HTTP/2 200 ")


@needs("curl")
def test_curl_uploads_what_it_does_not_know_the_length_of(plain: Deployment) -> None:
    body = os.urandom(3 * MIB)
    said = curl("-T", "-", f"{plain.base}/upload/stdin", data=body)
    assert said.partition(" ")[2] == digest("/upload/stdin", body)


@needs("curl")
def test_curl_asks_for_many_at_once(plain: Deployment, tmp_path: Path) -> None:
    """Over as many connections: curl 7.88 cannot use one that is begun with prior knowledge for a second request."""
    how = ["-Z", "--parallel-immediate", "--parallel-max", 50, "-o", f"{tmp_path}/#1"]
    said = curl(*how, "-w", "%{http_version} %{http_code}\n", f"{plain.base}/work/[1-50]")
    assert said.splitlines() == ["2 200"] * 50
    for number in range(1, 51):
        assert (tmp_path / str(number)).read_text().endswith(f" /work/{number}")


@needs("curl")
def test_curl_downloads(plain: Deployment, tmp_path: Path) -> None:
    curl("-o", tmp_path / "download", f"{plain.base}/download/160")
    assert (tmp_path / "download").read_bytes() == PIECE * 160


@needs("curl")
def test_curl_notices_that_a_response_was_cut(plain: Deployment) -> None:
    assert run("curl", "-sS", "--http2-prior-knowledge", f"{plain.base}/boom-late", code=92) == ""
    assert " 500 " in curl("-i", f"{plain.base}/boom").splitlines()[0]


@needs("curl")
def test_curl_over_a_unix_socket(serve: Serve, tmp_path: Path) -> None:
    serve(workers=1, binds=[f"unix:{tmp_path}/litmus.sock"])
    assert curl("--unix-socket", tmp_path / "litmus.sock", "http://a/work").endswith(" /work")


@needs("curl")
def test_curl_sends_more_than_a_small_window_before_it_knows_of_it(serve: Serve, tmp_path: Path) -> None:
    body = os.urandom(MIB)
    (tmp_path / "body").write_bytes(body)
    server = serve(workers=1, http2={"window": "1 KiB"})
    said = curl("--data-binary", f"@{tmp_path / 'body'}", f"{server.base}/upload/small")
    assert said.partition(" ")[2] == digest("/upload/small", body)


@needs("curl")
def test_curl_is_told_that_its_fields_are_too_large(plain: Deployment) -> None:
    said = curl("-i", "-H", f"X-Large: {'x' * (40 << 10)}", f"{plain.base}/work")
    assert said.startswith("HTTP/2 431 ")
    assert said.endswith("431 Request Header Fields Too Large: the header section is longer than 32768 bytes\n")


# nghttp, h2load


@needs("nghttp")
def test_nghttp_gets_trailers(plain: Deployment) -> None:
    said = run("nghttp", "-v", "-n", "-H", "te: trailers", f"{plain.base}/trailers")
    assert ":status: 200" in said
    assert f"x-sha256: {hashlib.sha256(PIECE).hexdigest()}" in said
    assert "GOAWAY" not in re.sub(r"send GOAWAY[^\[]*", "", said)
    assert "x-sha256" not in run("nghttp", "-v", "-n", f"{plain.base}/trailers")


@needs("nghttp")
def test_nghttp_gets_early_hints(plain: Deployment) -> None:
    said = run("nghttp", "-v", "-n", f"{plain.base}/hints")
    assert said.index(":status: 103") < said.index("link: </style.css>; rel=preload; as=style")
    assert said.index("link: </style.css>") < said.index(":status: 200")


@needs("nghttp")
def test_nghttp_uploads(plain: Deployment, tmp_path: Path) -> None:
    body = os.urandom(5 * MIB)
    (tmp_path / "body").write_bytes(body)
    said = run("nghttp", "-d", tmp_path / "body", f"{plain.base}/upload/nghttp")
    assert said.partition(" ")[2] == digest("/upload/nghttp", body)


@needs("nghttp")
def test_nghttp_with_small_windows(plain: Deployment) -> None:
    """Of 2**10-1 bytes on a stream, and of 2**12-1 on the connection."""
    said = run("nghttp", "-w", 10, "-W", 12, f"{plain.base}/download/16")
    assert said.encode("latin-1") == PIECE * 16


@needs("h2load")
@pytest.mark.parametrize("path", ["/work", "/download/1", "/upload"])
def test_h2load_succeeds(plain: Deployment, tmp_path: Path, path: str) -> None:
    (tmp_path / "body").write_bytes(PIECE)
    upload = ["-d", tmp_path / "body"] if path == "/upload" else []
    said = run("h2load", "-n", 2000, "-c", 8, "-m", 16, *upload, f"{plain.base}{path}")
    assert "2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout" in said
    assert "status codes: 2000 2xx, 0 3xx, 0 4xx, 0 5xx" in said


# httpx


def test_httpx_echoes_json(shop: Deployment) -> None:
    with shop.http(http2=True, http1=False) as http:
        response = http.post("/order", json={"fruit": "apple", "count": 4})
        assert response.http_version == "HTTP/2"
        assert response.json() == {"fruit": "apple", "total": 8}
        assert http.post("/order", json={"fruit": "apple"}).status_code == 422
        assert http.get("/thread", params={"number": 7}).json() == {"square": 49}
        hello = http.get("/hello/J%C3%BCrgen", params={"greeting": "hé"}).json()
        assert (hello["name"], hello["greetings"]) == ("Jürgen", ["hé"])
        assert hello["url"] == f"{shop.base}/hello/again"


def test_httpx_uploads(shop: Deployment) -> None:
    content = os.urandom(3 * MIB)
    sha256 = hashlib.sha256(content).hexdigest()
    with shop.http(http2=True, http1=False) as http:
        receipt = http.post("/file", data={"note": "ripe"}, files={"file": ("a.bin", content)}).json()
        assert (receipt["size"], receipt["sha256"], receipt["note"]) == (len(content), sha256, "ripe")
        pieces = (content[at : at + 100_000] for at in range(0, len(content), 100_000))
        assert http.post("/digest", content=pieces).json() == {"size": len(content), "sha256": sha256}


def test_httpx_streams(shop: Deployment) -> None:
    with shop.http(http2=True, http1=False) as http:
        with http.stream("GET", "/stream/100") as response:
            assert "transfer-encoding" not in response.headers
            assert list(response.iter_lines()) == [f"line {number}" for number in range(100)]
        with http.stream("GET", "/download/160") as response:
            assert b"".join(response.iter_raw()) == PIECE * 160
        with pytest.raises(httpx.RemoteProtocolError), http.stream("GET", "/boom-late") as response:
            response.read()
        assert http.get("/page").text == "the page"
        assert http.get("/page", headers={"if-none-match": '"1"'}).status_code == 304
        assert http.delete("/nothing").status_code == 204
        assert http.head("/page").status_code == 200


def test_httpx_leaves_in_the_middle_of_a_response(shop: Deployment) -> None:
    """It sends no RST_STREAM, but gives no more room: that is noticed after ``timeouts.write``."""
    with shop.http(http2=True, http1=False) as http:
        with http.stream("GET", "/endless/early") as response:
            assert next(response.iter_raw())
        shop.wait_for_line("left /endless/early")


def test_httpx_asks_for_much_at_once_over_one_connection(shop: Deployment) -> None:
    async def ask() -> list[Any]:
        options: dict[str, Any] = {"base_url": shop.base, "timeout": DEADLINE, "trust_env": False}
        async with httpx.AsyncClient(**options, http2=True, http1=False) as http:
            await http.get("/page")
            body = os.urandom(60_000)  # with more, who waits for a window may miss the news of it (httpcore 1.0)
            asked = [http.get("/thread", params={"number": number}) for number in range(40)]
            asked += [http.post("/digest", content=body) for _ in range(5)]
            asked += [http.get("/stream/50") for _ in range(5)]
            answers = await asyncio.gather(*asked)
            assert [answer.json()["square"] for answer in answers[:40]] == [number**2 for number in range(40)]
            assert [answer.json()["sha256"] for answer in answers[40:45]] == [hashlib.sha256(body).hexdigest()] * 5
            assert [len(answer.text.splitlines()) for answer in answers[45:]] == [50] * 5
            return answers

    def connections() -> int:
        return int(shop.stats()["totals"]["connections_accepted"])

    before = connections()
    assert len(asyncio.run(ask())) == 50
    assert connections() - before == 1


# Node


def node(server: Deployment, task: str) -> Any:
    return json.loads(run("node", SCRIPT, server.base, task))


@needs("node")
def test_node_asks_for_many_at_once(plain: Deployment) -> None:
    assert node(plain, "many") == [f"/work/{number}" for number in range(100)]


@needs("node")
def test_node_uploads(plain: Deployment) -> None:
    body = (b"litmus" * MIB)[: 5 * MIB]
    said = [each.partition(" ")[2] for each in node(plain, "upload")]
    assert said == [digest(f"/upload/{number}", body) for number in range(3)]


@needs("node")
def test_node_downloads(plain: Deployment) -> None:
    assert node(plain, "download") == [80 << 16, 160 << 16]


@needs("node")
def test_node_gets_trailers_and_hints(plain: Deployment) -> None:
    got = node(plain, "trailers")
    assert (got["status"], got["body"]) == (200, 1 << 16)
    assert got["trailers"] == {"x-sha256": hashlib.sha256(PIECE).hexdigest()}
    got = node(plain, "hints")
    assert got["hints"] == [{"status": 103, "link": "</style.css>; rel=preload; as=style"}]
    assert got["status"] == 200


@needs("node")
def test_node_notices_that_a_response_was_cut(plain: Deployment) -> None:
    assert node(plain, "failing") == [500, "ERR_HTTP2_STREAM_ERROR", 200]


@needs("node")
def test_node_finishes_what_is_under_way_when_the_server_goes(serve: Serve) -> None:
    server = serve(workers=1)
    words = ["node", str(SCRIPT), server.base, "goaway"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as client:
        try:
            assert client.stdout is not None
            assert json.loads(client.stdout.readline()) == "held"
            assert server.reload() == 2
            assert json.loads(client.stdout.readline()) == {"goaway": [0, (1 << 31) - 1]}
            assert json.loads(client.stdout.readline()) == {"body": "done", "closed": True}
            assert client.wait(DEADLINE) == 0
        finally:
            client.kill()
    server.wait_for_leavers()


# All of them


def test_a_process_tells_what_was_spoken(serve: Serve) -> None:
    """The operator's side: the access log, the statistics, who is on board."""
    server = serve(workers=1)
    with server.http(http2=True, http1=False) as http:
        assert http.get("/work/seen").status_code == 200
        server.wait_for_access(r'"GET /work/seen HTTP/2" 200 \d+ "-" "python-httpx/')
        totals = server.stats()["totals"]
        assert (totals["requests"], totals["connections_accepted"]) == (1, 1)
        assert totals["connections_closed_as_flood"] == 0
    with Http2Client(server.connect()) as client:
        client.send(b"".join(get(stream, path="/forever") + rst_stream(stream) for stream in range(1, 401, 2)))
        client.until(lambda: client.referee.goaways)
    assert server.stats()["totals"]["connections_closed_as_flood"] == 1
    server.wait_for_line(r"closed the connection from 127\.0\.0\.1:\d+, a flood: ")
    wait_until(lambda: server.worker_stats(server.workers()[0])["connections_open"] == 0, "the end of the connection")
