"""A client of HTTP/2 that sends what it is told to, and has a referee look at everything that comes back."""

from collections.abc import Callable
from typing import TypeVar

from support.http import Client
from support.http2 import (
    PREFACE,
    WINDOW,
    Field,
    Referee,
    Response,
    Setting,
    Text,
    data,
    headers,
    ping,
    request,
    settings,
    window_update,
)

T = TypeVar("T")

AMPLE = 1 << 24


class Http2Client:
    """One connection, on a socket that is open already.

    Args:
        client: the socket.
        window: what we have room for on each stream, and on all of them together.
        total: the same on all of them together, if that is something else.

    Attributes:
        referee: has seen everything.
        answers: acknowledge the server's SETTINGS and PINGs as they come.
        closed: the server has closed the connection.
    """

    def __init__(self, client: Client, window: int = AMPLE, total: int = 0) -> None:
        self.client = client
        self.referee = Referee()
        self.answers = True
        self.closed = False
        self._next = 1
        more = (total or window) - WINDOW
        self.send(PREFACE + settings({Setting.INITIAL_WINDOW_SIZE: window}))
        if more > 0:
            self.send(window_update(0, more))

    def __enter__(self) -> "Http2Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    # What we send

    def send(self, sent: bytes) -> None:
        self.client.send(self.referee.sent(sent))

    def ask(self, path: Text = "/", *extra: Field, end: bool = True, **pseudo: Text | None) -> int:
        """Send the head of a request. Returns its stream."""
        stream, self._next = self._next, self._next + 2
        self.send(headers(stream, request(*extra, **{"path": path, **pseudo}), end=end))
        return stream

    def content(self, stream: int, body: bytes, end: bool = True) -> None:
        """Send content, as the server has room for it."""
        left = memoryview(body)
        while left:
            self.until(lambda: self.referee.room(stream) > 0)
            part = left[: min(self.referee.room(stream), self.referee.frame_size)]
            left = left[len(part) :]
            self.send(data(stream, bytes(part), end=end and not left))
        if end and not body:
            self.send(data(stream, end=True))

    # What comes

    def until(self, look: Callable[[], T]) -> T:
        """Read until what is looked at is true, and return it. Only what is read can change it."""
        while not (seen := look()):
            assert not self.closed, f"the server has closed: {self.referee.log[-5:]}"
            self.read()
        return seen

    def read(self) -> None:
        """Read once."""
        try:
            came = self.client.more()
        except ConnectionError:
            came = b""
        if not came:
            self.closed = True
            self.referee.ended()
            return
        self.referee.received(came)
        if self.answers and self.referee.replies:
            replies, self.referee.replies = self.referee.replies, b""
            self.send(replies)

    def seen(self, stream: int) -> Response:
        """What has come on a stream until now."""
        return self.referee.response(stream)

    def response(self, stream: int) -> Response:
        """The whole response on a stream, or what there is of one that was reset."""
        self.until(lambda: self.referee.over(stream))
        return self.seen(stream)

    def get(self, path: Text = "/", *extra: Field, **pseudo: Text | None) -> Response:
        """Ask for something, and wait for the whole response."""
        return self.response(self.ask(path, *extra, **pseudo))

    def post(self, body: bytes, path: Text = "/", *extra: Field) -> Response:
        """Send a whole request, and wait for the whole response."""
        stream = self.ask(path, *extra, end=False, method="POST")
        self.content(stream, body)
        return self.response(stream)

    def settled(self) -> None:
        """Wait until the server has read everything that was sent up to now."""
        before = len(self.referee.pongs)
        self.send(ping())
        self.until(lambda: len(self.referee.pongs) > before)

    def ends(self) -> bool:
        """Wait until the server has closed. What comes before is looked at."""
        while not self.closed:
            self.read()
        return True
