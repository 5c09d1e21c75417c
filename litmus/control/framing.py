"""Frames on a byte stream: a length of four bytes, big-endian, and then the payload.

Sans I/O: bytes in, payloads out. The control pipe between arbiter and worker and the control socket of ``litmusctl``
both speak it. What a payload means is told in :mod:`litmus.control.messages`.
"""

HEADER_SIZE = 4


class FramingError(ValueError):
    """The peer announced a frame larger than the limit; the stream cannot be followed any further."""


def encode(message: bytes) -> bytes:
    """Return ``message`` as one frame."""
    return len(message).to_bytes(HEADER_SIZE, "big") + message


class Deframer:
    """Cuts a byte stream, in whatever pieces it arrives, into the payloads of its frames.

    It never holds more than one unfinished frame: at most ``max_size`` bytes and a header, whatever the peer sends.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._buffer = bytearray()
        self._broken: FramingError | None = None

    @property
    def pending(self) -> int:
        """Bytes received of a frame that is not complete yet."""
        return len(self._buffer)

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """Take what was read and return the payloads completed by it, in order.

        Raises :class:`FramingError` as soon as a header announces more than ``max_size`` bytes, and on every call after
        that: payloads that arrived in the same piece as the bad header are dropped with it.
        """
        if self._broken is not None:
            raise self._broken
        self._buffer += data
        payloads: list[bytes] = []
        start = 0
        while len(self._buffer) - start >= HEADER_SIZE:
            body = start + HEADER_SIZE
            size = int.from_bytes(self._buffer[start:body], "big")
            if size > self._max_size:
                self._buffer.clear()
                self._broken = FramingError(
                    f"a frame of {size} bytes was announced, at most {self._max_size} are taken"
                )
                raise self._broken
            if len(self._buffer) - body < size:
                break
            start = body + size
            payloads.append(bytes(self._buffer[body:start]))
        del self._buffer[:start]
        return payloads
