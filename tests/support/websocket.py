"""A line into a WebSocket: plays the carrier below it and the application above it, with nothing but bytes.

What a client sends is made here octet by octet, and what the server sends is taken apart in the same way, by a cutter
that takes no frame which a server must not send.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from litmus.protocols.websocket.connection import Receiver, State, WebSocket, Wire
from litmus.protocols.websocket.deflate import Agreement
from litmus.protocols.websocket.limits import WebSocketLimits

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10

KEY = b"\x37\xfa\x21\x3d"
"""The masking key of the examples (RFC 6455, section 5.7)."""


class Closed(NamedTuple):
    code: int
    reason: str = ""


class Failed(NamedTuple):
    code: int


class Ponged(NamedTuple):
    payload: bytes


Told = str | bytes | Closed | Failed | Ponged


class Frame(NamedTuple):
    """A frame that the server has sent."""

    opcode: int
    payload: bytes = b""
    compressed: bool = False
    fin: bool = True


def masked(payload: bytes, key: bytes = KEY) -> bytes:
    return bytes(octet ^ key[at % 4] for at, octet in enumerate(payload))


def sent(
    opcode: int,
    payload: bytes = b"",
    fin: bool = True,
    rsv: int = 0,
    key: bytes | None = KEY,
    size: int | None = None,
    octets: int | None = None,
) -> bytes:
    """A frame that a client sends; ``size`` and ``octets`` are what its header says, if not the truth."""
    size = len(payload) if size is None else size
    if octets is None:
        octets = 0 if size < 126 else 2 if size < 1 << 16 else 8
    length = {0: size, 2: 126, 8: 127}[octets]
    header = bytes(((FIN if fin else 0) | rsv | opcode, (0x80 if key is not None else 0) | length))
    header += size.to_bytes(octets, "big") if octets else b""
    return header + (payload if key is None else key + masked(payload, key))


def text(message: str, fin: bool = True, **options: int) -> bytes:
    return sent(TEXT, message.encode(), fin, **options)


def fragments(opcode: int, *payloads: bytes, rsv: int = 0) -> bytes:
    """A message in fragments."""
    last = len(payloads) - 1
    return b"".join(
        sent(opcode if at == 0 else CONTINUATION, payload, at == last, rsv if at == 0 else 0)
        for at, payload in enumerate(payloads)
    )


def close(code: int | None = None, reason: str | bytes = b"") -> bytes:
    words = reason.encode() if isinstance(reason, str) else reason
    return sent(CLOSE, b"" if code is None else code.to_bytes(2, "big") + words)


def cut(data: bytes) -> list[Frame]:
    """The frames of which ``data`` consists, all of them whole, and as a server may send them."""
    frames = []
    at = 0
    while at < len(data):
        first, second = data[at], data[at + 1]
        assert not first & (RSV2 | RSV3), "a reserved bit"
        assert second < 126 + 2, "masked by a server"
        octets = {126: 2, 127: 8}.get(second, 0)
        size = int.from_bytes(data[at + 2 : at + 2 + octets], "big") if octets else second
        assert octets == (0 if size < 126 else 2 if size < 1 << 16 else 8), "not the shortest length"
        at += 2 + octets
        opcode, fin, compressed = first & 15, bool(first & FIN), bool(first & RSV1)
        assert opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG), "an unknown opcode"
        assert opcode < CLOSE or (fin and size < 126 and not compressed), "not a control frame"
        payload = data[at : at + size]
        assert len(payload) == size, "a frame that is not whole"
        at += size
        frames.append(Frame(opcode, payload, compressed, fin))
    return frames


class Line(Wire):
    """A WebSocket and what came of it. It is what carries the WebSocket.

    Args:
        limits, agreement: see ``WebSocket``.
        room: messages after which it is paused.
        react: called for each message, as an application that answers at once.

    Attributes:
        out: what was written.
        writes: the same, piece by piece.
        ended: the output was ended.
        told: what the receiver was told, in order.
        unread: what was fed and not taken.
        unblocked: how often the receiver was told that the peer reads again.
    """

    def __init__(
        self,
        limits: WebSocketLimits | None = None,
        agreement: Agreement | None = None,
        room: int | None = None,
        react: Callable[["Line", str | bytes], object] | None = None,
    ) -> None:
        self.out = b""
        self.writes: list[bytes] = []
        self.ended = False
        self.told: list[Told] = []
        self.unread = b""
        self.unblocked = 0
        self.room = room
        self.react = react
        self.socket = WebSocket(self, Heard(self), limits or WebSocketLimits(), agreement)

    # Wire

    def write(self, data: bytes) -> None:
        assert not self.ended, f"written behind the end: {data!r}"
        self.out += data
        self.writes.append(data)

    def end(self) -> None:
        assert not self.ended, "ended twice"
        self.ended = True

    # What happens on the line

    @property
    def state(self) -> State:
        return State(self.socket.state)

    @property
    def frames(self) -> list[Frame]:
        return cut(self.out)

    @property
    def messages(self) -> list[str | bytes]:
        return [each for each in self.told if isinstance(each, str | bytes)]

    def feed(self, data: bytes) -> "Line":
        """Bytes arrive."""
        data = self.unread + data
        at = self.socket.feed(data, 0)
        assert at == len(data) or self.socket.paused
        self.unread = data[at:]
        return self

    def feed_all(self, pieces: Iterable[bytes]) -> "Line":
        for piece in pieces:
            self.feed(piece)
        return self

    def resume(self, room: int | None = None) -> "Line":
        """The receiver has had what it was told, and has room for more."""
        self.room = None if room is None else len(self.messages) + room
        self.socket.paused = False
        return self.feed(b"")


class Heard(Receiver):
    """Notes what it is told."""

    def __init__(self, line: Line) -> None:
        self.line = line

    def _note(self, told: Told) -> None:
        assert not isinstance((self.line.told or [""])[-1], Closed | Failed), f"{told} behind the end"
        self.line.told.append(told)

    def message(self, message: str | bytes) -> None:
        self._note(message)
        line = self.line
        if line.room is not None and len(line.messages) >= line.room:
            line.socket.paused = True
        if line.react is not None:
            line.react(line, message)

    def ponged(self, payload: bytes) -> None:
        self._note(Ponged(payload))

    def unblocked(self) -> None:
        self.line.unblocked += 1

    def closed(self, code: int, reason: str) -> None:
        self._note(Closed(code, reason))

    def failed(self, code: int, reason: str) -> None:
        assert reason, "an error without a word"
        self._note(Failed(code))


def echo(line: Line, message: str | bytes) -> None:
    """An application that sends back what it gets."""
    if isinstance(message, str):
        line.socket.send_text(message)
    else:
        line.socket.send_bytes(message)


class Zlib:
    """The other side's two directions of permessage-deflate, with zlib and nothing else (RFC 7692, section 7.2)."""

    def __init__(self, bits: int = 15, takeover: bool = True, peer_bits: int = 15, peer_takeover: bool = True) -> None:
        self._new_deflater = lambda: zlib.compressobj(wbits=-bits)
        self._new_inflater = lambda: zlib.decompressobj(-peer_bits)
        self._out = self._new_deflater()
        self._in = self._new_inflater()
        self._takeover, self._peer_takeover = takeover, peer_takeover

    def deflate(self, data: bytes) -> bytes:
        """A message as it is sent."""
        if not self._takeover:
            self._out = self._new_deflater()
        deflated = self._out.compress(data) + self._out.flush(zlib.Z_SYNC_FLUSH)
        assert deflated.endswith(b"\x00\x00\xff\xff")
        return deflated[:-4]

    def inflate(self, data: bytes) -> bytes:
        """A message that has come."""
        if not self._peer_takeover:
            self._in = self._new_inflater()
        return self._in.decompress(data + b"\x00\x00\xff\xff")

    def messages(self, frames: Sequence[Frame]) -> list[str | bytes]:
        """The messages in frames that a server has sent."""
        found: list[str | bytes] = []
        for frame in frames:
            if frame.opcode in (TEXT, BINARY):
                assert frame.fin
                data = self.inflate(frame.payload) if frame.compressed else frame.payload
                found.append(data.decode() if frame.opcode == TEXT else data)
        return found
