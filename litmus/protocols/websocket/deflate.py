"""permessage-deflate (RFC 7692): what is agreed on, and the two directions.

Whoever inflates says how much room there is, and gets no more than that: a few bytes of DEFLATE can stand for a
thousand times as many.

Memory, by the formulas of zlib (zconf.h), for each connection on which a compressed message has gone that way. Nothing
is held before the first one, and nothing between messages where the context is not taken over.

    to deflate      2 ** (server_max_window_bits + 2) + 2 ** (memory_level + 9) bytes, and 6 KiB
    to inflate      2 ** client_max_window_bits bytes, and 7 KiB

With the defaults that is 38 KiB and 11 KiB; with windows of 15 bits and memory level 8, which zlib itself defaults to,
262 KiB and 39 KiB.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

from litmus.protocols.websocket.closing import CloseCode, WebSocketError

NAME: Final = "permessage-deflate"

Parameters = list[tuple[str, str | None]]
"""Of an extension, as offered: a parameter without a value has None."""

TAIL: Final = b"\x00\x00\xff\xff"
"""What a sender takes away from the end of a message (section 7.2.1): every flush ends with it."""

LEAST_BITS: Final = 9
"""Of windows. The RFC has 8 as well, which zlib does not deflate with."""

MOST_BITS: Final = 15


class DeflateSettings:
    """What a server agrees to.

    Attributes:
        server_bits, client_bits: the largest windows, as exponents of two, from 9 to 15. A client that does not offer
            ``client_max_window_bits`` can't be told, and uses 15.
        server_takeover, client_takeover: whether messages may refer to what was in those before them.
        memory_level: of zlib, from 1 to 9.
        level: of compression, from 1 (fast) to 9 (small).
        threshold: bytes below which a message is sent as it is.
    """

    __slots__ = (
        "client_bits",
        "client_takeover",
        "level",
        "memory_level",
        "server_bits",
        "server_takeover",
        "threshold",
    )

    def __init__(
        self,
        server_bits: int = 12,
        client_bits: int = 12,
        server_takeover: bool = True,
        client_takeover: bool = True,
        memory_level: int = 5,
        level: int = 1,
        threshold: int = 256,
    ) -> None:
        self.server_bits = server_bits
        self.client_bits = client_bits
        self.server_takeover = server_takeover
        self.client_takeover = client_takeover
        self.memory_level = memory_level
        self.level = level
        self.threshold = threshold

    def agree(self, parameters: Parameters) -> Agreement | None:
        """What to answer to an offer with these parameters (section 7.1). None: decline it.

        An offer is declined whose parameters are not those of the RFC, each once, or that asks for a window of 8 bits.
        """
        known = dict(parameters)
        if len(known) != len(parameters) or not known.keys() <= _VALUES.keys():
            return None
        if any(value not in _VALUES[name] for name, value in parameters):
            return None
        server_bits = self.server_bits
        if "server_max_window_bits" in known:
            server_bits = min(server_bits, int(known["server_max_window_bits"] or MOST_BITS))
            if server_bits < LEAST_BITS:
                return None
        client_bits = None
        if "client_max_window_bits" in known:
            client_bits = min(self.client_bits, int(known["client_max_window_bits"] or MOST_BITS))
        return Agreement(
            self,
            server_bits,
            client_bits,
            self.server_takeover and "server_no_context_takeover" not in known,
            self.client_takeover and "client_no_context_takeover" not in known,
        )


class Agreement:
    """What was agreed on for one connection.

    Attributes:
        settings: the server's.
        server_bits: our window.
        client_bits: the client's window; None: 15, and it was not told.
        server_takeover, client_takeover: see ``DeflateSettings``.
    """

    __slots__ = ("client_bits", "client_takeover", "server_bits", "server_takeover", "settings")

    def __init__(
        self,
        settings: DeflateSettings,
        server_bits: int,
        client_bits: int | None,
        server_takeover: bool,
        client_takeover: bool,
    ) -> None:
        self.settings = settings
        self.server_bits = server_bits
        self.client_bits = client_bits
        self.server_takeover = server_takeover
        self.client_takeover = client_takeover

    def inflater(self) -> Inflater:
        """What inflates the messages of one client."""
        return Inflater(MOST_BITS if self.client_bits is None else self.client_bits, self.client_takeover)

    def deflater(self) -> Deflater:
        """What deflates the messages to one client."""
        settings = self.settings
        parameters = (self.server_bits, settings.memory_level, settings.level)
        if self.server_takeover:
            return Deflater(*parameters)
        shared = _SHARED.get(parameters)
        if shared is None:
            shared = _SHARED[parameters] = SharedDeflater(*parameters)
        return shared

    def element(self) -> str:
        """The element of the response's Sec-WebSocket-Extensions."""
        parts = [NAME]
        if not self.server_takeover:
            parts.append("server_no_context_takeover")
        if not self.client_takeover:
            parts.append("client_no_context_takeover")
        if self.server_bits != MOST_BITS:
            parts.append(f"server_max_window_bits={self.server_bits}")
        if self.client_bits is not None and self.client_bits != MOST_BITS:
            parts.append(f"client_max_window_bits={self.client_bits}")
        return "; ".join(parts)


class Inflater:
    """What the client sends, inflated.

    Args:
        bits: the client's window.
        takeover: messages may refer to those before them.
    """

    __slots__ = ("_bits", "_ends", "_state", "_takeover")

    def __init__(self, bits: int, takeover: bool) -> None:
        self._bits = -max(bits, LEAST_BITS)  # a larger window does no harm, and peers with 8 bits have used 9
        self._takeover = takeover
        self._ends = 0
        self._state: Any = None

    def inflate(self, piece: bytes, last: bool, room: int) -> bytes:
        """Inflate a piece of a message, which is the last of it or not.

        Raises WebSocketError when it is not DEFLATE, or when it is more than ``room`` bytes, of which it does not take
        up more than one more.
        """
        if last:
            piece += TAIL
        if self._state is None:
            self._state = _inflater(self._bits)
        state = self._state
        try:
            data: bytes = state.decompress(piece, room + 1)  # 0 would be any number
            if state.eof:
                data = self._go_on(data, room)
        except zlib.error:
            raise WebSocketError(_INVALID_PAYLOAD, "a compressed message that is not DEFLATE") from None
        if len(data) > room:
            raise WebSocketError(_TOO_BIG, "a compressed message that is too long")
        if last:
            self._ends = 0
            if not self._takeover:
                self._state = None
        return data

    def _go_on(self, data: bytes, room: int) -> bytes:
        """Behind a block that says it is the last one (section 7.2.3.4): who flushes that way has begun anew."""
        while self._state.eof and len(data) <= room:
            self._ends += 1
            if self._ends > _ENDS:
                raise WebSocketError(_TOO_BIG, "a compressed message that ends too often")
            rest = self._state.unused_data
            self._state = _inflater(self._bits)
            data += self._state.decompress(rest, room + 1 - len(data))
        return data


class Deflater:
    """What we send to one client, deflated.

    Args:
        bits: our window.
        memory_level, level: see ``DeflateSettings``.
    """

    __slots__ = ("_bits", "_flush", "_level", "_memory_level", "_state")

    def __init__(self, bits: int, memory_level: int, level: int) -> None:
        self._bits = -bits
        self._memory_level = memory_level
        self._level = level
        self._flush = zlib.Z_SYNC_FLUSH
        self._state: Any = None

    def deflate(self, data: bytes) -> bytes:
        """Deflate a message, which is not empty (section 7.2.1)."""
        state = self._state
        if state is None:
            state = self._state = zlib.compressobj(self._level, zlib.DEFLATED, self._bits, self._memory_level)
        deflated: bytes = state.compress(data) + state.flush(self._flush)
        return deflated[:-4]


class SharedDeflater(Deflater):
    """What we send to all clients with which the same was agreed on, deflated without reference to earlier messages.

    What goes to many of them is deflated once: the last message is remembered, if it is not long.
    """

    __slots__ = ("_data", "_deflated")

    def __init__(self, bits: int, memory_level: int, level: int) -> None:
        super().__init__(bits, memory_level, level)
        self._flush = zlib.Z_FULL_FLUSH  # which leaves nothing behind that the next message could refer to
        self._data = b""
        self._deflated = b""

    def deflate(self, data: bytes) -> bytes:
        """See ``Deflater``."""
        if data == self._data:
            return self._deflated
        deflated = Deflater.deflate(self, data)  # compiled methods of this kind have no super()
        if len(data) <= _REMEMBERED_SIZE:
            self._data = data
            self._deflated = deflated
        return deflated


def _inflater(bits: int) -> Any:
    return zlib.decompressobj(bits)


_SHARED: Final[dict[tuple[int, int, int], SharedDeflater]] = {}
"""By window, memory level and level: there are as many as listeners and clients that differ."""

_REMEMBERED_SIZE: Final = 64 << 10

_ENDS: Final = 64
"""Blocks that say they are the last one, in one message: each costs an inflater."""

_INVALID_PAYLOAD: Final = int(CloseCode.INVALID_PAYLOAD)
_TOO_BIG: Final = int(CloseCode.MESSAGE_TOO_BIG)

_BITS: Final = frozenset(str(bits) for bits in range(8, MOST_BITS + 1))  # no leading zeros (section 7.1.2)
_VALUES: Final[dict[str, frozenset[str | None]]] = {
    "server_no_context_takeover": frozenset((None,)),
    "client_no_context_takeover": frozenset((None,)),
    "server_max_window_bits": _BITS,
    "client_max_window_bits": _BITS | {None},
}
"""The values that each parameter may have."""
