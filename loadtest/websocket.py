"""The client's side of WebSocket (RFC 6455, RFC 7692), as far as asking and counting take it."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import zlib
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

from loadtest import answers
from loadtest.errors import MeasurementError
from loadtest.workloads import KEY, Messages, Workload

_ACCEPT = base64.b64encode(hashlib.sha1(KEY + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode("ascii")

_DEFLATE = "permessage-deflate"
_TAIL = b"\x00\x00\xff\xff"  # ends what is flushed, and is not sent (RFC 7692, section 7.2.1)
_LARGEST_WINDOW = 15

_MASK = bytes.fromhex("37fa213d")

_FINAL, _COMPRESSED = 0x80, 0x40
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_CONTROL = 0x8

_IN_TWO_BYTES, _IN_EIGHT_BYTES = 126, 127
_SIZE_BYTES = {_IN_TWO_BYTES: 2, _IN_EIGHT_BYTES: 8}


# The handshake


class Deflation(NamedTuple):
    """How the client is to compress, as the server has answered.

    Attributes:
        bits: of the window, as in its size of ``2 ** bits``.
        takeover: whether a message may refer to those before it.
    """

    bits: int
    takeover: bool


def shake_hands(connection: socket.socket, stream: BinaryIO | socket.SocketIO, workload: Workload) -> Deflation | None:
    """Make a connection, of which ``stream`` reads, a WebSocket. Returns how to compress; None: that is not to be done.

    Raises OSError when the connection breaks, and MeasurementError unless it is one then, with permessage-deflate where
    the workload wants it, and without where it does not.
    """
    connection.sendall(workload.request)
    status, headers = answers.read_head(stream)
    if status != 101:
        raise MeasurementError(f"did not answer over WebSocket, but with the status {status}")
    if (accept := headers.get("sec-websocket-accept")) != _ACCEPT:
        raise MeasurementError(f"accepted the handshake with {accept!r} where {_ACCEPT!r} is right")
    extensions = headers.get("sec-websocket-extensions")
    if workload.compressed:
        return deflation(extensions or "")
    if extensions is not None:
        raise MeasurementError(f"agreed on {extensions!r}, which nobody offered")
    return None


def deflation(extensions: str) -> Deflation:
    """What the server has agreed on: "permessage-deflate; client_max_window_bits=12".

    Raises MeasurementError when that is another extension.
    """
    name, *parameters = (part.strip() for part in extensions.split(";"))
    if name != _DEFLATE:
        raise MeasurementError(f"agreed on {extensions!r} where {_DEFLATE!r} was offered")
    told = dict(parameter.partition("=")[::2] for parameter in parameters)
    return Deflation(
        int(told.get("client_max_window_bits", _LARGEST_WINDOW)), takeover="client_no_context_takeover" not in told
    )


# What is sent


def frames(messages: Messages, agreed: Deflation | None) -> list[bytes]:
    """The messages as they are sent, each in one frame, in this order and over again.

    None refers to one that came before the first, so the first may follow the last.
    """
    if agreed is None:
        return [frame(_TEXT, text) for text in messages.texts]
    return [frame(_TEXT | _COMPRESSED, content) for content in _deflated(messages.texts, agreed)]


def _deflated(texts: Sequence[bytes], agreed: Deflation) -> list[bytes]:
    found = []
    compressor = zlib.compressobj(wbits=-agreed.bits)
    for text in texts:
        content = compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)
        found.append(content.removesuffix(_TAIL))
        if not agreed.takeover:
            compressor = zlib.compressobj(wbits=-agreed.bits)
    return found


def pong(content: bytes) -> bytes:
    """The answer to a ping."""
    return frame(_PONG, content)


def frame(first: int, content: bytes) -> bytes:
    """A final frame with these bits in its first byte, masked."""
    size = len(content)
    if size < _IN_TWO_BYTES:
        head = struct.pack("!BB", _FINAL | first, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", _FINAL | first, 0x80 | _IN_TWO_BYTES, size)
    else:
        head = struct.pack("!BBQ", _FINAL | first, 0x80 | _IN_EIGHT_BYTES, size)
    mask = (_MASK * (size // len(_MASK) + 1))[:size]
    masked = int.from_bytes(content, "little") ^ int.from_bytes(mask, "little")
    return head + _MASK + masked.to_bytes(size, "little")


# What comes


class Head(NamedTuple):
    """The head of a frame.

    Attributes:
        first: its first byte, with the opcode.
        size: of its content, in bytes.
        end: where in the data the content begins.
    """

    first: int
    size: int
    end: int

    @property
    def opcode(self) -> int:
        """What kind of frame it is."""
        return self.first & 0x0F

    @property
    def is_final(self) -> bool:
        """Whether a message ends with it."""
        return bool(self.first & _FINAL)

    @property
    def is_compressed(self) -> bool:
        """Whether a compressed message begins with it."""
        return bool(self.first & _COMPRESSED)


def head(data: bytes, start: int = 0) -> Head | None:
    """The head of the frame that starts there; None when the data ends before it does."""
    if len(data) < start + 2:
        return None
    first, size = data[start], data[start + 1]
    if size & 0x80:
        raise MeasurementError("sent a frame that is masked, as only a client's are")
    end = start + 2 + _SIZE_BYTES.get(size, 0)
    if len(data) < end:
        return None
    return Head(first, size if size < _IN_TWO_BYTES else int.from_bytes(data[start + 2 : end], "big"), end)


class Counter:
    """Counts the messages in what a server sends, by the heads of the frames, and skips what they contain.

    Attributes:
        messages: how many have ended.
        content: bytes of content in them, compressed ones as they are.
        pings: the contents of those that came, to be taken and answered.
    """

    __slots__ = ("_final", "_left", "_part", "content", "messages", "pings")

    def __init__(self) -> None:
        self.messages = 0
        self.content = 0
        self.pings: list[bytes] = []
        self._left = 0  # bytes of the frame's content that have not come
        self._final = False
        self._part = b""  # of a head or a control frame that has not come in full

    def count(self, buffer: memoryview, size: int) -> int:
        """Count in the first ``size`` bytes, which follow those before. Returns how many messages end there.

        Raises MeasurementError when the server closes, or sends something that is no frame.
        """
        # One short message in one frame, and nothing else: nearly all that comes where it matters how long this takes.
        if size == buffer[1] + 2 < _SHORT and buffer[0] in _WHOLE and not self._left and not self._part:
            self.messages += 1
            self.content += size - 2
            return 1
        before = self.messages
        at = self._skip(size) if self._left else 0
        if at < size:
            self._part = self._rest(self._part + bytes(buffer[at:size]))
        return self.messages - before

    def _skip(self, size: int) -> int:
        """Skip content, of which so many bytes could have come. Returns how many have."""
        here = min(self._left, size)
        self._left -= here
        if not self._left:
            self.messages += self._final
        return here

    def _rest(self, data: bytes) -> bytes:
        """Count in data that begins with a head. Returns what can't be understood before more has come."""
        at = 0
        while (found := head(data, at)) is not None:
            if found.opcode & _CONTROL:
                end = found.end + found.size
                if len(data) < end:
                    break
                self._control(found.opcode, data[found.end : end])
                at = end
            else:
                self.content += found.size
                self._left, self._final = found.size, found.is_final
                at = found.end + self._skip(len(data) - found.end)
        return data[at:]

    def _control(self, opcode: int, content: bytes) -> None:
        if opcode == _CLOSE:
            raise _closed(content)
        if opcode == _PING:
            self.pings.append(content)


_SHORT = 2 + _IN_TWO_BYTES
"""Bytes that a frame has fewer of when its size is in its second byte."""

_WHOLE = frozenset(_FINAL | compressed | opcode for compressed in (0, _COMPRESSED) for opcode in (_TEXT, _BINARY))


def _closed(content: bytes) -> MeasurementError:
    code, reason = int.from_bytes(content[:2], "big"), content[2:].decode(errors="replace")
    return MeasurementError(f"closed a WebSocket with the code {code} and the reason {reason!r}")


# Asking once


def converse(connection: socket.socket, workload: Workload) -> None:
    """Make a connection a WebSocket, send each message once, and compare what comes back.

    Raises OSError when the connection breaks, and MeasurementError when anything is not right.
    """
    assert workload.messages is not None
    inflater = zlib.decompressobj(-_LARGEST_WINDOW)
    with connection.makefile("rb") as stream:
        agreed = shake_hands(connection, stream, workload)
        for text, sent in zip(workload.messages.texts, frames(workload.messages, agreed), strict=True):
            connection.sendall(sent)
            compressed, content = _read(stream)
            if compressed and agreed is not None:
                content = inflater.decompress(content + _TAIL)
            if content != text:
                raise MeasurementError(f"sent {content[:200]!r} where {text[:200]!r} is right")


def _read(stream: BinaryIO) -> tuple[bool, bytes]:
    """Read a message: whether it is compressed, and its content."""
    compressed, content = False, b""
    while True:
        data = answers.exactly(stream, 2)
        found = head(data + answers.exactly(stream, _SIZE_BYTES.get(data[1], 0)))
        assert found is not None
        part = answers.exactly(stream, found.size)
        if found.opcode == _CLOSE:
            raise _closed(part)
        if found.opcode & _CONTROL:
            continue
        compressed |= found.is_compressed
        content += part
        if found.is_final:
            return compressed, content
