"""The ASGI side of the welcome application.

``/`` is the page, ``/stats`` its numbers as JSON, ``/live`` a WebSocket that answers each message with them, and
``/healthz`` "ok".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import msgspec

import litmus
from litmus.asgi import Receive, Scope, Send
from litmus.welcome import page

_TEXT: Final = b"text/plain; charset=utf-8"
_HTML: Final = b"text/html; charset=utf-8"
_JSON: Final = b"application/json"

_METHODS: Final = ("GET", "HEAD")

_HEADERS: Final = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", page.CONTENT_SECURITY_POLICY.encode("ascii")),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
"""On every response: its numbers are of this moment, and nobody else's page may load or frame it."""

_NOT_A_WORKER: Final = (
    "The welcome application shows the state of the Litmus server that runs it, and this process is not a worker of"
    " one. Start it with: litmusd litmus.welcome:app"
)


class Response(NamedTuple):
    """A complete response; ``headers`` are those that only this one has."""

    status: int
    content_type: bytes
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application. Raises ValueError for a scope that it does not know, as the specification asks."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "http":
        path: str = scope["path"]
        response = respond(scope["method"], path.removeprefix(scope.get("root_path", "")))
        await _send(response, send, with_body=scope["method"] != "HEAD")
    elif scope["type"] == "websocket":
        await _report(scope, receive, send)
    else:
        raise ValueError(f"the welcome application does not speak {scope['type']!r}")


def respond(method: str, path: str) -> Response:
    """The response to a request, with the body that HEAD leaves out."""
    route = _ROUTES.get(path)
    if route is None:
        return Response(404, _TEXT, b"Not Found\n")
    if method not in _METHODS:
        return Response(405, _TEXT, b"Method Not Allowed\n", ((b"allow", ", ".join(_METHODS).encode("ascii")),))
    return route()


def _page() -> Response:
    try:
        report = litmus.stats()
    except RuntimeError:
        return Response(503, _TEXT, f"{_NOT_A_WORKER}\n".encode())
    return Response(200, _HTML, page.render(report))


def _stats() -> Response:
    try:
        report = litmus.stats()
    except RuntimeError:
        return Response(503, _JSON, msgspec.json.encode({"error": _NOT_A_WORKER}))
    return Response(200, _JSON, msgspec.json.encode(report))


def _health() -> Response:
    return Response(200, _TEXT, b"ok\n")


_ROUTES: Final[dict[str, Callable[[], Response]]] = {"/": _page, "/stats": _stats, "/healthz": _health}


async def _send(response: Response, send: Send, *, with_body: bool) -> None:
    headers = [
        (b"content-type", response.content_type),
        (b"content-length", str(len(response.body)).encode("ascii")),
        *response.headers,
        *_HEADERS,
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body if with_body else b""})


async def _report(scope: Scope, receive: Receive, send: Send) -> None:
    """``/live``: whatever comes is answered with the numbers of this moment."""
    await receive()
    path: str = scope["path"]
    if path.removeprefix(scope.get("root_path", "")) != "/live" or not _from_this_page(scope["headers"]):
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": _stats().body.decode()})


def _from_this_page(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether no browser asks, or one for a page of the same host: other pages' scripts may open WebSockets as well."""
    fields = dict(headers)
    origin = fields.get(b"origin")
    return origin is None or origin.partition(b"://")[2] == fields.get(b"host")


async def _live(receive: Receive, send: Send) -> None:
    """The lifespan: there is nothing to set up and nothing to close."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
