"""What a peer may send over one WebSocket."""

from __future__ import annotations


class WebSocketLimits:
    """Bounds on messages, each of which ends in 1009 as soon as a frame's header tells that it is broken.

    Attributes:
        message: bytes in a message, after it has been inflated.
        frame: bytes of payload in a frame of a message, as it comes over the wire.
        fragments: frames in a message.
    """

    __slots__ = ("fragments", "frame", "message")

    def __init__(self, message: int = 16 << 20, frame: int = 16 << 20, fragments: int = 16 << 10) -> None:
        self.message = message
        self.frame = frame
        self.fragments = fragments
