"""Clients that want a server to work, or to remember, without end (RFC 9113, section 10.5).

Each flood is bounded: it ends after as many frames as no honest client would send, and far more than it should take a
server to notice. What they are known by stands beside them.
"""

from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Any, NamedTuple

from conformance.http2.clients import NO_WINDOW, Neighbour, Pump, Verdict
from support.http2 import (
    MAX_STREAM,
    MAX_WINDOW,
    Error,
    Setting,
    Type,
    block,
    continuation,
    data,
    frame,
    get,
    headers,
    indexed,
    literal,
    ping,
    post,
    priority,
    priority_update,
    request,
    rst_stream,
    settings,
    window_update,
)

MANY = 20_000


class Flood(NamedTuple):
    """A flood.

    Attributes:
        known: how it is known.
        pieces: what is sent behind the beginning of the connection.
        values: our SETTINGS.
        reads: the client reads what the server answers.
        codes: what the server's GOAWAY has to say.
    """

    known: str
    pieces: Callable[[], Iterator[bytes]]
    values: dict[int, int] = {}
    reads: bool = True
    codes: frozenset[int] = frozenset({Error.ENHANCE_YOUR_CALM})

    def run(self, address: Any, neighbour: Neighbour) -> Verdict:
        """Flood a server; the neighbour has to be served all the while."""
        neighbour.is_served()
        verdict = Pump(address, self.values, self.reads).run(self.pieces(), neighbour.is_served)
        neighbour.is_served()
        return verdict


def repeated(*frames: bytes, first: bytes = b"", times: int = MANY) -> Callable[[], Iterator[bytes]]:
    def make() -> Iterator[bytes]:
        yield first
        for _ in range(times):
            yield from frames

    return make


def on_streams(sent: Callable[[int], bytes], times: int = MANY) -> Callable[[], Iterator[bytes]]:
    """The same on one stream after the other."""
    return lambda: (sent(stream) for stream in islice(count(1, 2), times))


def bomb() -> Iterator[bytes]:
    """A field of 4,000 bytes is stored once, and named 16,000 times in a frame: 64 MB of header section."""
    start = block(request())
    yield headers(1, start + literal("x", "y" * 4_000, store=True), end=True)
    for stream in islice(count(3, 2), 50):
        yield headers(stream, start + indexed(62) * 16_000, end=True)


def endless_block(piece: bytes, times: int) -> Callable[[], Iterator[bytes]]:
    def make() -> Iterator[bytes]:
        yield headers(1, block(request()), end=True, done=False)
        for _ in range(times):
            yield continuation(1, piece, done=False)

    return make


def dribbled() -> Iterator[bytes]:
    """Much is asked for, and taken byte by byte."""
    yield b"".join(get(stream, path="/big") for stream in range(1, 21, 2)) + window_update(0, MANY)
    for number in range(MANY):
        yield window_update(1 + 2 * (number % 10), 1)


def renewed() -> Iterator[bytes]:
    """Each change of the initial window changes every stream's."""
    yield b"".join(get(stream, path="/big") for stream in range(1, 101, 2))
    for number in range(MANY):
        yield settings({Setting.INITIAL_WINDOW_SIZE: number % 2})


FLOODS = {
    "rapid reset": Flood("CVE-2023-44487", on_streams(lambda stream: get(stream) + rst_stream(stream))),
    "rapid reset of what is unfinished": Flood(
        "CVE-2023-44487", on_streams(lambda stream: post(stream, path="/hold") + rst_stream(stream))
    ),
    "resets by the server: content too long": Flood(
        "CVE-2025-8671", on_streams(lambda stream: post(stream, ("content-length", "1")) + data(stream, b"12"))
    ),
    "resets by the server: window update of 0": Flood(
        "CVE-2025-8671", on_streams(lambda stream: get(stream) + window_update(stream, 0)), NO_WINDOW
    ),
    "resets by the server: window overflow": Flood(
        "CVE-2025-8671", on_streams(lambda stream: post(stream, path="/hold") + window_update(stream, MAX_WINDOW))
    ),
    "resets by the server: DATA on a half-closed stream": Flood(
        "CVE-2025-8671", on_streams(lambda stream: get(stream) + data(stream, b"x")), NO_WINDOW
    ),
    "resets by the server: HEADERS on a half-closed stream": Flood(
        "CVE-2025-8671", on_streams(lambda stream: get(stream) + headers(stream, literal("x", "y"), end=True)),
        NO_WINDOW
    ),
    "resets by the server: PRIORITY of 4 bytes": Flood(
        "CVE-2025-8671",
        on_streams(lambda stream: post(stream, path="/hold") + frame(Type.PRIORITY, 0, stream, bytes(4))),
        codes=frozenset({Error.ENHANCE_YOUR_CALM, Error.FRAME_SIZE_ERROR}),
    ),
    "malformed requests": Flood("CVE-2025-8671", on_streams(lambda stream: get(stream, ("X", "y")))),
    "too many streams": Flood("RFC 9113, section 5.1.2", on_streams(lambda stream: post(stream, path="/hold"))),
    "CONTINUATION": Flood("CVE-2024-27316", endless_block(literal("x", "y" * 50), MANY)),
    "CONTINUATION, empty": Flood("CVE-2024-27316", endless_block(b"", MANY)),
    "CONTINUATION, one byte each": Flood("CVE-2024-27316", endless_block(b"\x80", MANY),
                                         codes=frozenset({Error.ENHANCE_YOUR_CALM, Error.COMPRESSION_ERROR})),
    "CONTINUATION, large": Flood("CVE-2024-27316", endless_block(literal("x", "y" * 16_000), 2_000)),
    "empty DATA": Flood("CVE-2019-9518", repeated(data(1), first=post(1))),
    "empty DATA that nobody reads": Flood("CVE-2019-9518", repeated(data(1), first=post(1, path="/hold"))),
    "DATA of padding": Flood("CVE-2019-9518", repeated(data(1, b"", pad=0), first=post(1))),
    "requests of empty fields": Flood(
        "CVE-2019-9516", on_streams(lambda stream: headers(stream, request(*[("", "")] * 50), end=True), 2_000)
    ),
    "PING": Flood("CVE-2019-9512", repeated(ping())),
    "SETTINGS": Flood("CVE-2019-9515", repeated(settings())),
    "SETTINGS of many values": Flood(
        "CVE-2019-9515", repeated(settings([(Setting.INITIAL_WINDOW_SIZE, at) for at in range(2_700)]), times=1_000)
    ),
    "SETTINGS that change the windows": Flood("CVE-2019-9515", renewed, NO_WINDOW),
    "PRIORITY": Flood("CVE-2019-9513", repeated(priority(1, 3), priority(3, 5), priority(5, 1))),
    "PRIORITY of all streams": Flood("CVE-2019-9513", on_streams(lambda stream: priority(stream, stream + 2))),
    "PRIORITY_UPDATE": Flood("RFC 9218, section 13.1", on_streams(lambda stream: priority_update(stream, "u=0"))),
    "WINDOW_UPDATE of 1": Flood("RFC 9113, section 10.5", repeated(window_update(0, 1))),
    "RST_STREAM of a closed stream": Flood("CVE-2019-9514", repeated(rst_stream(1), first=get(1))),
    "unknown frames": Flood("RFC 9113, section 10.5", repeated(frame(0xFA))),
    "acknowledgements": Flood("RFC 9113, section 10.5", repeated(settings(ack=True)),
                              codes=frozenset({Error.ENHANCE_YOUR_CALM, Error.PROTOCOL_ERROR})),
    "answers to no PING": Flood("RFC 9113, section 10.5", repeated(ping(ack=True))),
}  # fmt: skip
"""Those that end with GOAWAY."""

DRIBBLED = Flood("CVE-2019-9511", dribbled, NO_WINDOW)
BOMB = Flood("RFC 7541, section 7.3", bomb)

UNREAD = {
    "PING, unread": Flood("CVE-2019-9512", repeated(ping(), times=MANY * 40), reads=False),
    "SETTINGS, unread": Flood("CVE-2019-9515", repeated(settings(), times=MANY * 40), reads=False),
    "requests, unread": Flood(
        "CVE-2019-9517",
        on_streams(lambda stream: get(stream, path="/big"), 5_000),
        {Setting.INITIAL_WINDOW_SIZE: MAX_WINDOW},
        reads=False,
    ),
    "malformed requests, unread": Flood(
        "CVE-2019-9514", on_streams(lambda stream: get(stream, ("X", "y")), MANY * 5), reads=False
    ),
}
"""Those whose client reads nothing: the server may end them, or wait for it, but must not hoard its answers."""


def exhausted(address: Any) -> Verdict:
    """Requests on the last ten streams that there are."""
    pieces = (get(stream) for stream in range(MAX_STREAM - 18, MAX_STREAM + 1, 2))
    return Pump(address).run(pieces, lambda: None)


NEVER_ENDED = headers(1, block(request())[:10], done=False)
"""The beginning of a header block."""

WITHOUT_WINDOW = b"".join(get(stream, path="/big") for stream in range(1, 101, 2))
"""Requests for much more than there is room for."""
