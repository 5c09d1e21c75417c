"""Several addresses, Unix sockets, a prefix, and a client that everybody has."""

import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.deployment import Deployment, Serve
from support.marks import needs_root
from support.processes import in_child

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

MIB = 1 << 20
LOOPBACK = "127.0.0.1:0"


def curl(*arguments: object) -> "subprocess.CompletedProcess[bytes]":
    """Run curl, which must succeed."""
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, timeout=90, check=False)
    assert result.returncode == 0, result.stderr.decode()
    return result


def over(unix: Path) -> httpx.Client:
    """A client through a Unix socket. To be closed."""
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(unix)), base_url="http://shop", timeout=60)


def urls(server: Deployment) -> list[str]:
    return [f"http://{address}" for address in server.status()["addresses"] if not address.startswith("unix:")]


# Addresses


def test_several_addresses(serve: Serve) -> None:
    binds = [LOOPBACK, LOOPBACK, "localhost:0", "unix:shop.sock"]
    server = serve("starlette_shop:app", binds=binds)
    found = urls(server)
    assert len(found) >= 3
    for url in found:
        response = httpx.get(f"{url}/hello/x", trust_env=False)
        assert response.json()["url"] == f"{url}/hello/again"
    unix = server.folder / "shop.sock"
    with over(unix) as http:
        answer = http.get("/hello/x").json()
        assert (answer["client"], answer["url"]) == (None, "http://shop/hello/again")
        content = os.urandom(3 * MIB)
        digest = http.post("/digest", content=content).json()["sha256"]
        assert digest == hashlib.sha256(content).hexdigest()
    server.wait_for_access(r'^unix - - .*"POST /digest HTTP/1\.1" 200 ')
    assert server.stop() == 0
    assert not unix.exists()


@pytest.mark.parametrize("framework", ["starlette", "fastapi", "django"])
def test_the_prefix_of_a_proxy(serve: Serve, framework: str) -> None:
    server = serve(f"{framework}_shop:app", workers=1, app={"root_path": "/fruit"})
    with server.http() as http:
        answer = http.get("/hello/x").json()
    assert answer["root_path"] == "/fruit"
    assert answer["url"] == f"{server.base}/fruit/hello/again"


def test_a_unix_socket_through_reloads_and_deaths(serve: Serve) -> None:
    server = serve(workers=2, binds=["unix:shop.sock"])
    unix = server.folder / "shop.sock"
    with over(unix) as http:
        assert http.get("/work").text.split()[1] == "/work"
        server.reload()
        assert http.get("/work").status_code == 200
        before = server.workers()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        with over(unix) as other:
            assert int(other.get("/work").text.split()[0]) not in before


@needs_root
@pytest.mark.parametrize(
    ("options", "admitted"),
    [({}, True), ({"MODE": "0660"}, False), ({"MODE": "0660", "GROUP": "daemon"}, True)],
    ids=["by default", "not in the group", "in the group"],
)
def test_a_proxy_that_is_another_user(serve: Serve, open_folder: Path, options: dict[str, str], admitted: bool) -> None:
    """Whatever the umask, and whoever the workers are."""
    unix = open_folder / "shop.sock"
    environ = {f"LITMUS_LISTEN__0__{name}": value for name, value in options.items()}
    umask = os.umask(0o077)
    try:
        serve(workers=1, binds=[f"unix:{unix}"], environ=environ)
    finally:
        os.umask(umask)

    def connect_as_the_proxy() -> None:
        daemon = pwd.getpwnam("daemon")
        os.setgroups([])
        os.setgid(daemon.pw_gid)
        os.setuid(daemon.pw_uid)
        with over(unix) as http:
            if admitted:
                assert http.get("/work").status_code == 200
            else:
                with pytest.raises(httpx.ConnectError, match="Permission denied"):
                    http.get("/work")

    in_child(connect_as_the_proxy)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that every user may look into; the folders above tmp_path are for this one alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_reload_adds_and_removes_addresses(serve: Serve) -> None:
    server = serve(workers=2)
    kept = server.address
    server.configure(binds=[LOOPBACK, "unix:shop.sock", "[::1]:0"] if socket.has_ipv6 else [LOOPBACK, "unix:shop.sock"])
    server.reload()
    assert server.address == kept
    unix = server.folder / "shop.sock"
    with over(unix) as http:
        assert http.get("/work").status_code == 200
    added = urls(server)[-1]
    assert httpx.get(f"{added}/work", trust_env=False).status_code == 200
    server.configure(binds=[LOOPBACK])
    server.reload()
    assert len(server.status()["addresses"]) == 1
    server.wait_for_leavers()
    assert not unix.exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{added}/work", trust_env=False)
    with server.connect() as client:
        assert client.get("/work").status == 200


# curl


@needs_curl
def test_curl(serve: Serve, tmp_path: Path) -> None:
    server = serve("fastapi_shop:app", binds=[LOOPBACK, "unix:shop.sock"])
    base = server.base
    unix = server.folder / "shop.sock"
    assert b'"name":"x y"' in curl(f"{base}/hello/x%20y?greeting=a").stdout
    head = curl("--head", f"{base}/page").stdout
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\netag: " in head
    assert b'"root_path":""' in curl("--unix-socket", unix, "http://shop/hello/x").stdout
    assert curl("--data-urlencode", "name=Ann & Bob", "--data", "town=Ulm", f"{base}/form").stdout == (
        b'{"name":"Ann & Bob","town":"Ulm"}'
    )
    content = os.urandom(3 * MIB)
    file = tmp_path / "fruit.bin"
    file.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest().encode()
    assert digest in curl("--form", f"file=@{file}", "--form", "note=ripe", f"{base}/file").stdout
    chunked = ("--header", "Transfer-Encoding: chunked", "--request", "POST", "--upload-file", file)
    assert digest in curl(*chunked, f"{base}/digest").stdout
    for version in ("--http1.0", "--http1.1"):
        assert len(curl(version, f"{base}/download/160").stdout) == 10 * MIB
        assert curl(version, f"{base}/stream/3").stdout == b"line 0\nline 1\nline 2\n"
    # Many on one connection.
    verbose = curl("--verbose", *[f"{base}/hello/{number}" for number in range(5)])
    assert verbose.stderr.count(b"Established connection" if b"Established" in verbose.stderr else b"Connected to") == 1


@needs_curl
def test_curl_is_asked_for_the_body_that_it_announces(serve: Serve, tmp_path: Path) -> None:
    server = serve("starlette_shop:app")
    file = tmp_path / "fruit.bin"
    file.write_bytes(os.urandom(2 * MIB))
    expect = ("--header", "Expect: 100-continue", "--expect100-timeout", 60, "--verbose", "--data-binary", f"@{file}")
    wanted = curl(*expect, f"{server.base}/digest")
    assert b"< HTTP/1.1 100 Continue" in wanted.stderr
    assert b'"size":2097152' in wanted.stdout
    # Whoever doesn't want it says so at once, and it is not sent.
    unwanted = curl(*expect, f"{server.base}/hello/x")
    assert b"100 Continue" not in unwanted.stderr
    assert b"< HTTP/1.1 405" in unwanted.stderr
    assert server.stats()["totals"]["bytes_in"] < 3 * MIB
