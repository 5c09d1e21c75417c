"""Ways to put a row to the test: a play that knows no transport, and a runner that plays it over a socket.

``Play`` is all that a row needs of a client. Whoever carries its bytes, from ``outgoing`` to the server and from there
to ``incoming``, runs the table: a socket here, a wire into the machine elsewhere.
"""

import asyncio
import queue
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from conformance.asked import Asked
from conformance.http2.table import Await, Row, Seen
from support.apps import begin, read_body, respond
from support.http2 import Foul, Referee
from support.server import Server

from litmus.asgi import Receive, Scope, Send

Cut = Callable[[bytes], Sequence[bytes]]

PATIENCE = 5.0
"""How long a row may take, in seconds: two hundred times what it needs."""
SINGLY = 2_000
"""From this size on, bytes are not sent one by one."""
BIG = 100_000
"""How much content there is at ``/big``."""
RUDE = [
    (b"Connection", b"keep-alive, X-Upper"),
    (b"Keep-Alive", b"timeout=5"),
    (b"Proxy-Connection", b"keep-alive"),
    (b"TE", b"trailers"),
    (b"Transfer-Encoding", b"chunked"),
    (b"Upgrade", b"h3"),
    (b"X-Upper", b"Y"),
]
"""What an application may say, and HTTP/2 must not."""


def whole(data: bytes) -> Sequence[bytes]:
    return [data]


def bytewise(data: bytes) -> Sequence[bytes]:
    """In single bytes; what is long, in as many pieces, none of which ends where a frame does but by accident."""
    size = 1 if len(data) <= SINGLY else -(-len(data) // SINGLY) | 1
    return [data[at : at + size] for at in range(0, len(data), size)]


class Play:
    """A row as it is played.

    Attributes:
        closed: the server has closed, or broken a rule: nothing more is to be done.
    """

    def __init__(self, row: Row) -> None:
        self.referee = Referee()
        self.closed = False
        self._steps = deque(row.steps)
        self._foul = ""

    @property
    def finished(self) -> bool:
        """Nothing more is to be done."""
        return self.closed or not self._steps or bool(self._foul)

    def outgoing(self) -> bytes:
        """What can be sent with what has come until now."""
        out = b""
        while self._steps and not self.finished:
            if self.referee.replies and not self.referee.in_block:
                out += self.referee.replies
                self.referee.replies = b""
            step = self._steps[0]
            if isinstance(step, Await):
                if not step.met(self.referee):
                    break
            else:
                out += self.referee.sent(step if isinstance(step, bytes) else step(self.referee))
            self._steps.popleft()
        return out

    def incoming(self, data: bytes) -> None:
        """The server has sent this."""
        self._judge(lambda: self.referee.received(data))

    def end(self) -> None:
        """The server has closed."""
        self.closed = True
        self._judge(self.referee.ended)

    def _judge(self, look: Callable[[], object]) -> None:
        try:
            look()
        except Foul as foul:
            self._foul = self._foul or str(foul)

    def seen(self, asked: tuple[Asked, ...] | None) -> Seen:
        """What has come of it. ``asked`` is what the application got."""
        waiting = "" if self.finished else str(getattr(self._steps[0], "what", "its turn"))
        last, goaway = self.referee.goaways[-1] if self.referee.goaways else (0, None)
        log = tuple(self.referee.log)
        return Seen(
            self.referee.streams, asked, goaway, last, self.closed, waiting, self._foul, self.referee.http1, log
        )


def run(row: Row, address: Any, cut: Cut = whole, patience: float = PATIENCE) -> Seen:
    """What comes of a row at the server of this address, apart from what its application sees."""
    play = Play(row)
    deadline = time.monotonic() + patience
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    with socket.socket(family) as client:
        client.settimeout(patience)
        client.connect(address)
        if family == socket.AF_INET:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        writable = True
        while not play.finished:
            data = play.outgoing()
            if data and writable:
                writable = _send(client, cut(data))
            if play.finished:
                break
            client.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                got = client.recv(1 << 18)
            except TimeoutError:
                break
            except ConnectionError:
                got = b""
            if got:
                play.incoming(got)
            else:
                play.end()
    return play.seen(None)


def _send(client: socket.socket, pieces: Sequence[bytes]) -> bool:
    """Whether the server takes it. Where it does not, what it has said before it closed can still be read."""
    try:
        for piece in pieces:
            client.sendall(piece)
    except (ConnectionError, TimeoutError):
        return False
    return True


class Application:
    """What the rows are addressed to.

    ``/hold`` answers when the row is over and never reads, ``/early`` answers without reading, ``/big`` has much to
    say, ``/rude`` sends what HTTP/2 has no place for; everything else reads the body, and answers.
    """

    def __init__(self) -> None:
        self.notes: queue.SimpleQueue[Asked] = queue.SimpleQueue()
        self.gate = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        assert scope["http_version"] == "2"
        handler: Any = getattr(self, scope["path"].strip("/").replace("*", "") or "index", self.index)
        await handler(scope, receive, send)

    async def index(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(receive)
        except ConnectionError:
            return
        self._note(scope, body)
        await respond(send, b"ok", headers=[(b"content-length", b"2")])

    async def hold(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.gate.wait()
        await respond(send)

    async def early(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send)

    async def big(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._note(scope, await read_body(receive))
        await begin(send, bytes(BIG // 2))
        await send({"type": "http.response.body", "body": bytes(BIG // 2)})

    async def rude(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._note(scope, await read_body(receive))
        await respond(
            send,
            headers=RUDE,
        )

    def _note(self, scope: Scope, body: bytes) -> None:
        self.notes.put(Asked(scope["method"], scope["path"], body, scope["query_string"], tuple(scope["headers"])))

    def asked(self) -> tuple[Asked, ...]:
        """What has come since the last look."""
        found = []
        while not self.notes.empty():
            found.append(self.notes.get())
        return tuple(found)


def over_socket(row: Row, server: Server, application: Application, cut: Cut = whole) -> Seen:
    """What comes of a row at a server that runs ``application``."""
    seen = run(row, server.address, cut)
    server.call(application.gate.set)
    server.idle()
    server.call(application.gate.clear)
    return seen._replace(asked=application.asked())


class Machine(Protocol):
    """What a sans-I/O server needs to have for a row to be played in it.

    Attributes:
        closed: the connection is over.
    """

    @property
    def closed(self) -> bool: ...

    def feed(self, data: bytes) -> object:
        """Bytes arrive."""

    def take_output(self) -> bytes:
        """What has been written since the last time."""


def on_machine(row: Row, machine: Machine, asked: Callable[[], tuple[Asked, ...] | None], cut: Cut = whole) -> Seen:
    """What comes of a row in a machine: no time passes, so that what has not come at once will not come."""
    play = Play(row)
    while not play.finished:
        sent = play.outgoing()
        for piece in cut(sent):
            if machine.closed:
                break
            machine.feed(piece)
        came = machine.take_output()
        play.incoming(came)
        if machine.closed:
            play.end()
        elif not came and not sent:
            break
    return play.seen(asked())
