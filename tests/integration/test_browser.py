"""The welcome page in a browser: headless Chromium, looked at through its DevTools protocol."""

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.deployment import Deployment, Serve
from support.waiting import DEADLINE, wait_until
from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


class Page:
    """A page that is open."""

    def __init__(self, devtools: ClientConnection) -> None:
        self._devtools = devtools
        self._calls = 0

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript has for its value, there and now."""
        self._calls += 1
        call = {"id": self._calls, "method": "Runtime.evaluate", "params": {"expression": expression}}
        self._devtools.send(json.dumps(call))
        while (reply := json.loads(self._devtools.recv(DEADLINE))).get("id") != self._calls:
            pass
        return reply["result"]["result"].get("value")

    def wait_for(self, expression: str, value: Any) -> None:
        wait_until(lambda: self.value(expression) == value, lambda: f"{value!r}, not {self.value(expression)!r}")


@pytest.fixture
def browse(tmp_path: Path) -> Iterator[Any]:
    """Opens a page in a browser of its own."""
    browsers: list[subprocess.Popen[bytes]] = []
    connections: list[ClientConnection] = []

    def page(url: str) -> Page:
        profile = tmp_path / f"profile{len(browsers)}"
        switches = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        switches += ["--remote-debugging-port=0", "--no-proxy-server", f"--user-data-dir={profile}"]
        browsers.append(
            subprocess.Popen([str(CHROMIUM), *switches, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
        told = profile / "DevToolsActivePort"
        port = wait_until(lambda: told.exists() and told.read_text().partition("\n")[0], "the browser's port")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=DEADLINE) as response:
            [target] = [each for each in json.load(response) if each["type"] == "page"]
        manager = connect(target["webSocketDebuggerUrl"], max_size=None, proxy=None)
        connections.append(manager.__enter__())
        return Page(connections[-1])

    yield page
    for connection in connections:
        connection.close()
    for browser in browsers:
        browser.terminate()
        browser.wait(DEADLINE)


def test_the_welcome_page_lives_by_a_websocket(serve: Serve, browse: Any) -> None:
    server: Deployment = serve("litmus.welcome:app", workers=1)
    page = browse(server.base)
    page.wait_for("document.getElementById('pulse')?.textContent", "live, by WebSocket")
    page.wait_for("document.querySelector('[data-field=\"totals.websockets_open\"]').textContent", "1")
    assert server.stats()["totals"]["websockets_open"] == 1
    # It stays open, from report to report, and comes back after a reload.
    page.wait_for("rates.length > 2", True)
    assert server.reload() == 2
    page.wait_for("document.querySelector('[data-field=\"arbiter.generation\"]').textContent", "2")
    page.wait_for("document.getElementById('pulse').textContent", "live, by WebSocket")
    server.wait_for_leavers()
    assert len(re.findall(r'"GET /live HTTP/1\.1" 101 .*HeadlessChrome', server.access_log.read_text())) == 1


def test_the_welcome_page_lives_without_a_websocket(serve: Serve, browse: Any) -> None:
    server = serve("litmus.welcome:app", workers=1, websocket={"enabled": False})
    page = browse(server.base)
    page.wait_for("rates.length > 1", True)
    assert page.value("document.getElementById('pulse').textContent") == "live"
    assert page.value("possible") is False
