"""The scope of an HTTP request (ASGI HTTP & WebSocket message format 2.5, "HTTP connection scope")."""

from __future__ import annotations

from typing import Any, Final

from litmus.asgi import VERSIONS, Scope
from litmus.protocols.lines import RequestLine
from litmus.protocols.request import Request
from litmus.protocols.websocket.deflate import DeflateSettings

_VERSIONS = VERSIONS
_OFFERED: Final[dict[str, dict[str, Any]]] = {"http.response.trailers": {}, "http.response.early_hint": {}}

Address = tuple[str, int | None]

# All that is None here is set for each client or each request, and named so that a copy has its final size.
_TEMPLATE: Final[Scope] = {
    "type": "http",
    "asgi": None,
    "http_version": "1.1",
    "server": None,
    "client": None,
    "scheme": None,
    "root_path": None,
    "extensions": None,
    "method": None,
    "path": None,
    "raw_path": None,
    "query_string": None,
    "headers": None,
    "state": None,
}


class Client:
    """What all requests on one connection have in common.

    Attributes:
        host: the peer's address without a port: "192.0.2.1", "2001:db8::1", or "unix".
        name: the same with a port, for the log: "192.0.2.1:4711", "[2001:db8::1]:4711", or "unix".
        raw_name: the name as bytes.
        deflate: how messages of its WebSockets are compressed; None: they are not.
        template: the part of their scopes that is the same in all of them, and that of the last one's request line.
    """

    __slots__ = ("_line", "deflate", "host", "name", "raw_name", "template")

    def __init__(
        self,
        peer: Address | None,
        server: Address | None,
        scheme: str,
        root_path: str,
        deflate: DeflateSettings | None = None,
    ) -> None:
        if peer is None:
            self.host = self.name = "unix"
        else:
            self.host, port = peer
            self.name = f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"
        self.raw_name = self.name.encode()
        self.deflate = deflate
        self.template = _TEMPLATE.copy()
        self.template["server"] = server
        self.template["client"] = peer
        self.template["scheme"] = scheme
        self.template["root_path"] = root_path
        self._line: RequestLine | None = None

    def below(self, line: RequestLine) -> Scope:
        """The template, with what this request line says. It is the same for the client's next request, as a rule."""
        template = self.template
        if line is not self._line:
            path, raw_path = line.path, line.raw_path
            root_path = template["root_path"]
            if root_path:
                path = root_path + path
                raw_path = root_path.encode() + raw_path
            template["http_version"] = line.version
            template["method"] = line.verb
            template["path"] = path
            template["raw_path"] = raw_path
            template["query_string"] = line.query
            self._line = line
        return template


def address(name: Any) -> Address | None:
    """A socket's name as ASGI wants it: (host, port), or (path, None) for a Unix socket. None if it has no name."""
    if isinstance(name, tuple):
        return name[0], name[1]
    if isinstance(name, bytes):
        name = name.decode("utf-8", "surrogateescape")
    return (name, None) if name else None


def http_scope(client: Client, request: Request, state: dict[str, Any]) -> Scope:
    """The scope of one request.

    ``path`` is the decoded and ``raw_path`` the raw path, both with ``root_path`` in front as the specification has it;
    the target's query is in neither. Each scope has its own shallow copy of the lifespan ``state``, and of all else
    that an application might change.
    """
    scope = client.below(request.line).copy()
    scope["asgi"] = _VERSIONS.copy()
    scope["extensions"] = _OFFERED.copy()
    scope["headers"] = request.headers[:]  # in a third of the time that copy() takes
    scope["state"] = state.copy()
    return scope


def websocket_scope(client: Client, request: Request, state: dict[str, Any], subprotocols: list[str]) -> Scope:
    """The scope of one WebSocket (ASGI, "WebSocket connection scope"): that of its request, but for a few keys."""
    scope = http_scope(client, request, state)
    scope["type"] = "websocket"
    scope["scheme"] = "wss" if scope["scheme"] == "https" else "ws"
    scope["subprotocols"] = subprotocols
    scope["extensions"] = {"websocket.http.response": {}}
    del scope["method"]
    return scope
