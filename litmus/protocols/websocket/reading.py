"""Reads the frames that a client sends (RFC 6455, section 5), and makes messages of them.

Nothing is kept of what was read but the beginning of a frame whose header has not come whole, and what has come of the
message under way, in one piece of memory: so that a message in a thousand fragments takes no more than one in a single
frame. Sizes are checked when a header tells them, before there is anything of that size.
"""

from __future__ import annotations

from codecs import utf_8_decode
from typing import Final

from litmus.native import resize
from litmus.protocols.websocket.closing import CloseCode, WebSocketError
from litmus.protocols.websocket.deflate import Inflater
from litmus.protocols.websocket.frames import CONTROL_LIMIT, FIN, RSV1, RSV2, RSV3, Opcode
from litmus.protocols.websocket.limits import WebSocketLimits
from litmus.protocols.websocket.masking import rotate, unmask, unmask_onto, unmask_text
from litmus.units import count


class FrameReader:
    """Reads frames, whatever the pieces are in which they come.

    Args:
        limits: what the peer may send.
        inflater: for messages that are compressed; None: there are none.

    Attributes:
        paused: nothing more is read. Whoever gets a message may set it, and has the rest read later.
        dropping: messages are of no use any more, and are passed over.
    """

    __slots__ = (
        "_checked",
        "_compressed",
        "_fin",
        "_fragments",
        "_held",
        "_inflater",
        "_inside",
        "_key",
        "_limits",
        "_opcode",
        "_partial",
        "_remaining",
        "_size",
        "_tail",
        "dropping",
        "paused",
    )

    def __init__(self, limits: WebSocketLimits, inflater: Inflater | None) -> None:
        self._limits = limits
        self._inflater = inflater
        self.paused = False
        self.dropping = False
        self._partial = b""  # of a header, or of a control frame
        # The frame whose payload comes.
        self._inside = False
        self._fin = False
        self._key = 0
        self._remaining = 0
        # The message under way.
        self._opcode = _CONTINUATION  # while there is none
        self._compressed = False
        self._fragments = 0
        self._held: bytearray | None = None
        self._size = 0  # bytes of it that have come; there is room for more behind them
        self._tail = b""  # of its text: a character that has not come whole

    def read(self, data: bytes, at: int) -> int:
        """Read what is in ``data`` from ``at`` on. Returns where it stopped: at the end, or where it was paused.

        Raises WebSocketError when the peer broke the protocol: then there is nothing more to be read.
        """
        end = len(data)
        while at < end and not self.paused:
            if self._inside:
                at = self._read_payload(data, at, end)
            elif self._partial:
                at = self._complete(data, at)
            else:
                at = self._read_frame(data, at, end)
        return at

    def drop(self) -> None:
        """Pass over messages from now on."""
        self.dropping = True
        self._held = None
        self._size = 0

    def under_way(self) -> bool:
        """Whether some of a message has come, and not all of it."""
        return self._opcode != _CONTINUATION

    def message_arrived(self, message: str | bytes) -> None:
        """A message has come whole: a str if it is text."""
        raise NotImplementedError

    def control_arrived(self, opcode: int, payload: bytes) -> None:
        """A control frame has come. May raise WebSocketError."""
        raise NotImplementedError

    def _read_frame(self, data: bytes, at: int, end: int) -> int:
        """Read a frame's header, and what there is of its payload (section 5.2). Returns where that ends."""
        octets = data
        left = end - at
        first = octets[at]
        opcode = first & _OPCODE
        if first & _RESERVED or opcode > _BINARY or (opcode == _CONTINUATION) != (self._opcode != _CONTINUATION):
            self._check(first)
        if left < 2:
            return self._keep(data, at, end)
        second = octets[at + 1]
        if second < _MASKED:
            raise WebSocketError(_PROTOCOL_ERROR, "a frame without a mask")
        size = second - _MASKED
        start = at + 6
        if size > _CONTROL_LIMIT:
            if opcode > _BINARY:
                raise WebSocketError(_PROTOCOL_ERROR, "a control frame that is too long")
            wide = 2 if size == _CONTROL_LIMIT + 1 else 8
            if left < 2 + wide:
                return self._keep(data, at, end)
            size = self._long_size(data, at + 2, wide)
            start += wide
        if opcode <= _BINARY:
            self._admit(first, size)
        elif end - start < size:
            return self._keep(data, at, end)
        if end < start:
            return self._keep(data, at, end)
        key = octets[start - 4] | octets[start - 3] << 8 | octets[start - 2] << 16 | octets[start - 1] << 24
        if opcode > _BINARY:
            self.control_arrived(opcode, unmask(data, start, start + size, key))
            return start + size
        if opcode:
            self._opcode = opcode
            self._compressed = first & _RSV1 != 0
            self._fragments = 0
        self._fragments += 1
        self._fin = first & _FIN != 0
        self._key = key
        self._remaining = size
        self._inside = True
        return self._read_payload(data, start, end)

    def _check(self, first: int) -> None:
        """Refuse a frame that may not come now, by its first octet."""
        opcode = first & _OPCODE
        if opcode > _PONG or _BINARY < opcode < _CLOSE:
            raise WebSocketError(_PROTOCOL_ERROR, "a frame of a kind that is not known")
        allowed = _RSV1 if self._inflater is not None and 0 < opcode <= _BINARY else 0
        if first & _RESERVED & ~allowed:
            raise WebSocketError(_PROTOCOL_ERROR, "a reserved bit that means nothing here")
        if opcode > _BINARY:
            if not first & _FIN:
                raise WebSocketError(_PROTOCOL_ERROR, "a control frame in fragments")
        elif opcode and self._opcode:
            raise WebSocketError(_PROTOCOL_ERROR, "a message inside another one")
        elif not opcode and not self._opcode:
            raise WebSocketError(_PROTOCOL_ERROR, "the continuation of nothing")

    def _long_size(self, data: bytes, at: int, wide: int) -> int:
        """The length in two or eight octets at ``at``. It has to be in as few as possible."""
        size = int.from_bytes(data[at : at + wide], "big")
        if size >> 63:
            raise WebSocketError(_PROTOCOL_ERROR, "a frame's length of 64 bits")
        if size <= (_CONTROL_LIMIT if wide == 2 else 0xFFFF):
            raise WebSocketError(_PROTOCOL_ERROR, "a frame's length in more octets than it takes")
        return size

    def _admit(self, first: int, size: int) -> None:
        """Refuse a frame of a message that would be beyond a limit."""
        limits = self._limits
        if size > limits.frame:
            raise WebSocketError(_TOO_BIG, f"a frame of more than {count(limits.frame, 'byte')}")
        held = 0
        compressed = first & _RSV1 != 0
        if not first & _OPCODE:
            if self._fragments >= limits.fragments:
                raise WebSocketError(_TOO_BIG, f"a message of more than {count(limits.fragments, 'fragment')}")
            compressed = self._compressed
            held = self._size
        if size > limits.message - held and not compressed:
            raise WebSocketError(_TOO_BIG, f"a message of more than {count(limits.message, 'byte')}")

    def _keep(self, data: bytes, at: int, end: int) -> int:
        """Keep the beginning of a frame until more of it has come."""
        self._partial = data[at:end]
        return end

    def _complete(self, data: bytes, at: int) -> int:
        """Read a frame whose beginning was kept."""
        kept = self._partial
        beginning = kept + data[at : at + _LONGEST_BEGINNING]
        self._partial = b""
        return at + self._read_frame(beginning, 0, len(beginning)) - len(kept)

    def _read_payload(self, data: bytes, at: int, end: int) -> int:
        """Read what there is of the payload of a frame of a message. Returns where that ends.

        A message that is there as a whole is taken from where it lies.
        """
        remaining = self._remaining
        if at == end and remaining:
            return at  # the header has come alone
        whole = remaining <= end - at
        stop = at + remaining if whole else end
        last = whole and self._fin
        if whole:
            self._inside = False
        else:
            self._remaining -= stop - at
        if self.dropping:
            if last:
                self._opcode = _CONTINUATION
            return stop
        key = self._key
        if not whole:
            self._key = rotate(key, stop - at)
        if last and self._held is None and not self._compressed:
            text = self._opcode == _TEXT
            self._opcode = _CONTINUATION
            if text:
                self._deliver_text(data, at, stop, key)
            else:
                self.message_arrived(unmask(data, at, stop, key))
        elif self._compressed:
            self._add_compressed(unmask(data, at, stop, key), last)
        else:
            self._add(data, at, stop, key, last)
        return stop

    def _deliver_text(self, data: bytes, at: int, stop: int, key: int) -> None:
        try:
            text = unmask_text(data, at, stop, key)
        except UnicodeDecodeError:
            raise WebSocketError(_INVALID_PAYLOAD, _NOT_UTF_8) from None
        self.message_arrived(text)

    def _add(self, data: bytes, at: int, stop: int, key: int, last: bool) -> None:
        """Another piece of a message has come: it is unmasked to where it is to be."""
        start = self._size
        self._make_room(stop - at)
        held = self._held
        assert held is not None
        plain = unmask_onto(held, start, data, at, stop, key)
        if last:
            self._finish()
        elif self._opcode == _TEXT and not (plain and not self._tail):
            self._check_text(bytes(held[start : self._size]))

    def _add_compressed(self, piece: bytes, last: bool) -> None:
        """The same for one that is compressed."""
        assert self._inflater is not None
        piece = self._inflater.inflate(piece, last, self._limits.message - self._size)
        if last and self._held is None:
            text = self._opcode == _TEXT
            self._opcode = _CONTINUATION
            self.message_arrived(_decode(piece) if text else piece)
            return
        start = self._size
        self._make_room(len(piece))
        held = self._held
        assert held is not None
        held[start : self._size] = piece
        if last:
            self._finish()
        elif self._opcode == _TEXT:
            self._check_text(piece)

    def _make_room(self, size: int) -> None:
        """Make room for a piece of the message under way, and, with a view to the next ones, for as much again.

        But for no more than the frame still brings: its length alone must not cost anything.
        """
        held = self._held
        if held is None:
            held = self._held = bytearray()
        self._size += size
        if self._size > len(held):
            more = min(self._remaining, self._size) if self._inside and not self._compressed else 0
            resize(held, self._size + more)

    def _finish(self) -> None:
        """The message under way has come whole."""
        held = self._held
        assert held is not None
        resize(held, self._size)
        text = self._opcode == _TEXT
        self._opcode = _CONTINUATION
        self._held = None
        self._size = 0
        self._tail = b""
        self.message_arrived(_decode(held) if text else bytes(held))

    def _check_text(self, piece: bytes) -> None:
        """Refuse a message as soon as it cannot become UTF-8 any more (section 8.1)."""
        if self._tail:
            piece = self._tail + piece
        try:
            size = utf_8_decode(piece, "strict", False)[1]
        except UnicodeDecodeError:
            raise WebSocketError(_INVALID_PAYLOAD, _NOT_UTF_8) from None
        self._tail = piece[size:]
        if self._tail[:1] == _SURROGATE and self._tail[1:2] > _BEFORE_SURROGATES:
            raise WebSocketError(_INVALID_PAYLOAD, _NOT_UTF_8)  # for which the decoder waits for the third octet


def _decode(data: bytes | bytearray) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise WebSocketError(_INVALID_PAYLOAD, _NOT_UTF_8) from None


_NOT_UTF_8: Final = "text that is not UTF-8"
_SURROGATE: Final = b"\xed"
_BEFORE_SURROGATES: Final = b"\x9f"

_LONGEST_BEGINNING: Final = 6 + CONTROL_LIMIT
"""Bytes in the longest header, or control frame."""

# What another module has is an object, and looking up a member of an enumeration takes time.
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _, _PONG = map(int, Opcode)
_FIN, _RSV1 = FIN, RSV1
_RESERVED: Final = RSV1 | RSV2 | RSV3
_OPCODE: Final = 0x0F
_MASKED: Final = 0x80
_CONTROL_LIMIT: Final = CONTROL_LIMIT
_PROTOCOL_ERROR: Final = int(CloseCode.PROTOCOL_ERROR)
_INVALID_PAYLOAD: Final = int(CloseCode.INVALID_PAYLOAD)
_TOO_BIG: Final = int(CloseCode.MESSAGE_TOO_BIG)
