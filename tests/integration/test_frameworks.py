"""Applications in Starlette, FastAPI and Django under litmusd, as a client meets them."""

import hashlib
import os
from collections.abc import Iterator

import httpx
import pytest
from support.deployment import Deployment
from support.waiting import wait_until

FRAMEWORKS = ("starlette", "fastapi", "django")
MIB = 1 << 20


class Shop:
    """One of the shops, and a client of it."""

    def __init__(self, framework: str, server: Deployment) -> None:
        self.framework = framework
        self.server = server
        self.http = server.http()


@pytest.fixture(scope="module", params=FRAMEWORKS)
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    server = Deployment(tmp_path_factory.mktemp(request.param), f"{request.param}_shop:app")
    try:
        server.wait_until_up()
        shop = Shop(request.param, server)
        with shop.http:
            yield shop
        assert server.stop() == 0, server.errors
        assert server.errors.count("\nclosing") == server.errors.count("\nopening")
    finally:
        server.close()


def test_routing_and_query(shop: Shop) -> None:
    response = shop.http.get("/hello/J%C3%BCrgen%20M", params=[("greeting", "hé & ho"), ("greeting", "")])
    assert response.status_code == 200
    assert response.json() == {
        "name": "Jürgen M",
        "greetings": ["hé & ho", ""],
        "root_path": "",
        "url": f"{shop.server.base}/hello/again",
        "client": "127.0.0.1",
    }
    assert shop.http.get("/nowhere").status_code == 404


def test_form(shop: Shop) -> None:
    response = shop.http.post("/form", data={"name": "Ann Ö", "town": "a=b&c"})
    assert response.json() == {"name": "Ann Ö", "town": "a=b&c"}


@pytest.mark.parametrize("size", [0, 10, 3 * MIB])
def test_file_upload(shop: Shop, size: int) -> None:
    content = os.urandom(size)
    response = shop.http.post(
        "/file", data={"note": "ripe"}, files={"file": ("äpfel.bin", content, "application/x-apple")}
    )
    assert response.json() == {
        "filename": "äpfel.bin",
        "content_type": "application/x-apple",
        "size": size,
        "sha256": hashlib.sha256(content).hexdigest(),
        "note": "ripe",
    }


@pytest.mark.parametrize("chunked", [False, True])
def test_body_as_a_stream(shop: Shop, chunked: bool) -> None:
    pieces = [os.urandom(size) for size in (1, 100_000, 7, 2 * MIB)]
    whole = b"".join(pieces)
    if chunked:
        response = shop.http.post("/digest", content=iter(pieces))
        assert response.request.headers["transfer-encoding"] == "chunked"
    else:
        response = shop.http.post("/digest", content=whole)
    assert response.json() == {"size": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}


def test_streaming_response(shop: Shop) -> None:
    with shop.http.stream("GET", "/stream/100") as response:
        assert response.headers["transfer-encoding"] == "chunked"
        assert list(response.iter_lines()) == [f"line {number}" for number in range(100)]


def test_download(shop: Shop) -> None:
    digest = hashlib.sha256()
    with shop.http.stream("GET", "/download/160") as response:
        assert response.headers["content-length"] == str(10 * MIB)
        for piece in response.iter_raw():
            digest.update(piece)
    assert digest.digest() == hashlib.sha256(bytes(range(256)) * 256 * 160).digest()


def test_client_that_leaves_in_the_middle_of_a_response(shop: Shop) -> None:
    with shop.http.stream("GET", "/endless/early") as response:
        assert len(next(response.iter_raw())) > 0

    def noticed() -> bool:
        # Django keeps the response in a cycle of references, until a collection: that needs some traffic.
        assert httpx.get(f"{shop.server.base}/hello/x", trust_env=False).status_code == 200
        return "left /endless/early" in shop.server.errors

    wait_until(noticed, "the end of the response's generator")


@pytest.mark.parametrize("shop", ["django"], indirect=True)
def test_a_framework_without_lifespan(shop: Shop) -> None:
    assert "lifespan" not in shop.server.errors


@pytest.mark.parametrize("shop", ["starlette", "fastapi"], indirect=True)
def test_lifespan_state(shop: Shop) -> None:
    assert shop.server.errors.count("\nopening") == 2
    assert shop.http.get("/state").json() == {"apples": 3}


@pytest.mark.parametrize("shop", ["starlette", "fastapi"], indirect=True)
def test_background_task(shop: Shop) -> None:
    with shop.server.http() as http:  # one connection, and so one worker
        assert http.post("/background/sweep").status_code == 202
        assert "done /background/sweep" not in shop.server.errors
        assert http.post("/release").status_code == 200
    shop.server.wait_for_line("done /background/sweep")


def test_exception(shop: Shop) -> None:
    response = shop.http.get("/boom")
    assert response.status_code == 500
    assert "no good" not in response.text
    shop.server.wait_for_line(r"Traceback \(most recent call last\):\n(.*\n)+? *ValueError: no good")
    assert shop.http.get("/hello/x").status_code == 200


def test_exception_in_the_middle_of_a_response(shop: Shop) -> None:
    with shop.http.stream("GET", "/boom-late") as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|without sending complete"):
            response.read()
    shop.server.wait_for_line("the application failed: GET /boom-late")
    shop.server.wait_for_line(r"Traceback \(most recent call last\):\n(.*\n)+?.* ValueError: too late")


def test_answers_without_a_body(shop: Shop) -> None:
    whole = shop.http.get("/page")
    assert whole.text == "the page"
    head = shop.http.head("/page")
    assert (head.status_code, head.content) == (200, b"")
    said = {**whole.headers, "date": head.headers["date"]}
    assert said.items() >= dict(head.headers).items()  # a HEAD may leave out what only a body would tell
    fresh = shop.http.get("/page", headers={"If-None-Match": '"1"'})
    assert (fresh.status_code, fresh.content, fresh.headers["etag"]) == (304, b"", '"1"')
    nothing = shop.http.delete("/nothing")
    assert (nothing.status_code, nothing.content) == (204, b"")
    assert "content-length" not in nothing.headers
    assert "transfer-encoding" not in nothing.headers
    # None of them has spoilt the connection for the next.
    assert shop.http.get("/page").text == "the page"


def test_redirect_with_a_body(shop: Shop) -> None:
    response = shop.http.post("/old", content=os.urandom(MIB))
    assert (response.status_code, response.headers["location"]) == (307, "/hello/moved")
    assert shop.http.get("/hello/x").status_code == 200  # whatever has become of the body


def test_two_cookies(shop: Shop) -> None:
    cookies = shop.http.get("/cookies").headers.get_list("set-cookie")
    assert [cookie.partition(";")[0] for cookie in cookies] == ["a=1", "b=2"]


@pytest.mark.parametrize("shop", ["fastapi"], indirect=True)
def test_validation_and_threads(shop: Shop) -> None:
    assert shop.http.post("/order", json={"fruit": "apple", "count": 4}).json() == {"fruit": "apple", "total": 8}
    assert shop.http.post("/order", json={"fruit": "apple"}).status_code == 422
    assert shop.http.post("/order", content=b"{").status_code == 422
    assert shop.http.get("/thread", params={"number": 7}).json() == {"square": 49}
    assert shop.http.get("/openapi.json").json()["info"]["title"] == "FastAPI"
