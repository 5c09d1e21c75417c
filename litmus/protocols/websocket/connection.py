"""One WebSocket (RFC 6455), from the end of the opening handshake on: both directions, without I/O.

Four parties meet here, as they do in ``protocols/machine.py``::

    Wire       what a WebSocket asks of what carries it: a connection of HTTP/1.1, or a stream of HTTP/2
    WebSocket  what that one tells it, and what the application sends
    Receiver   what a WebSocket tells the application's side

Who carries it feeds it what has come, and keeps what is not taken: ``feed`` stops where ``paused`` was set, which the
receiver does when it has enough. That is all there is of back-pressure towards the peer; no message waits in here.
``TRANSITIONS`` is the whole truth about states. When the state is CLOSED, nothing more is written or read.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from litmus.native import joined
from litmus.protocols.websocket.closing import CloseCode, WebSocketError, close_payload, parse_close
from litmus.protocols.websocket.deflate import Agreement, Deflater
from litmus.protocols.websocket.frames import CONTROL_LIMIT, FIN, RSV1, Opcode, frame, header
from litmus.protocols.websocket.limits import WebSocketLimits
from litmus.protocols.websocket.reading import FrameReader


class State(IntEnum):
    """Where a WebSocket stands."""

    OPEN = 0
    CLOSING = 1  # we have sent a Close frame, and wait for the peer's; messages that still come are dropped
    CLOSED = 2


class Event(IntEnum):
    """What can happen to a WebSocket."""

    OUR_CLOSE = 0  # we send a Close frame
    PEER_CLOSE = 1  # one has come, and is answered if it is the first
    BREACH = 2  # the peer broke the protocol, or a limit, and is told so if it was open
    LOST = 3  # nothing more will come


_S, _E = State, Event
TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (_S.OPEN, _E.OUR_CLOSE): _S.CLOSING,
    (_S.OPEN, _E.PEER_CLOSE): _S.CLOSED,
    (_S.CLOSING, _E.PEER_CLOSE): _S.CLOSED,
    (_S.OPEN, _E.BREACH): _S.CLOSED,
    (_S.CLOSING, _E.BREACH): _S.CLOSED,
    (_S.OPEN, _E.LOST): _S.CLOSED,
    (_S.CLOSING, _E.LOST): _S.CLOSED,
}

# The same as plain numbers and tuples, for the code below.
_OPEN, _CLOSING, _CLOSED = map(int, State)
_OUR_CLOSE, _PEER_CLOSE, _BREACH, _LOST = map(int, Event)
_ILLEGAL: Final = -1
_NEXT: Final = tuple(tuple(int(TRANSITIONS.get((state, event), _ILLEGAL)) for event in Event) for state in State)

JOIN_LIMIT: Final = 16 << 10
"""Bytes of payload that are cheaper to copy behind their header than to write on their own."""


class Wire:
    """What a WebSocket asks of what carries it."""

    __slots__ = ()

    def write(self, data: bytes) -> None:
        """Send bytes to the peer. They may be part of a frame; the rest follows at once."""
        raise NotImplementedError

    def end(self) -> None:
        """The WebSocket is CLOSED: nothing more will be written, so let the peer see our end behind what was.

        What still comes is to be dropped, for a while: a close with bytes unread would destroy our last words.
        """
        raise NotImplementedError


class Receiver:
    """Receives what happens on a WebSocket. ``closed`` or ``failed`` comes once, and last.

    It may send, close and pause from within, but neither feed nor raise.
    """

    __slots__ = ()

    def message(self, message: str | bytes) -> None:
        """A message has come: a str if it is text. Set ``WebSocket.paused`` when it is to be the last for now."""
        raise NotImplementedError

    def ponged(self, payload: bytes) -> None:
        """A Pong frame has come, asked for or not."""
        raise NotImplementedError

    def unblocked(self) -> None:
        """``WebSocket.blocked`` is over."""
        raise NotImplementedError

    def closed(self, code: int, reason: str) -> None:
        """The WebSocket is over, with what the peer's Close frame says: code 1005 if it says none.

        Without a Close frame, code 1006.
        """
        raise NotImplementedError

    def failed(self, code: int, reason: str) -> None:
        """The WebSocket is over: the peer broke the protocol, or a limit, and was sent this if it was still open."""
        raise NotImplementedError


class WebSocket(FrameReader):
    """One WebSocket.

    Args:
        wire: what carries it.
        receiver: who is told what happens.
        limits: what the peer may send.
        agreement: how messages are compressed; None: they are not.

    Attributes:
        state: its ``State``.
        paused: set by the receiver: ``feed`` stops. Whoever takes it back feeds what was left. Set for good when the
            state is CLOSED.
        blocked: the peer does not read, see ``output_blocked``.
    """

    __slots__ = ("_deflater", "_pong", "_receiver", "_threshold", "_wire", "blocked", "state")

    def __init__(
        self, wire: Wire, receiver: Receiver, limits: WebSocketLimits, agreement: Agreement | None = None
    ) -> None:
        super().__init__(limits, None if agreement is None else agreement.inflater())
        self._wire = wire
        self._receiver = receiver
        self._deflater: Deflater | None = None
        self._threshold = 0
        if agreement is not None:
            self._deflater = agreement.deflater()
            self._threshold = max(1, agreement.settings.threshold)  # nothing cannot be deflated
        self.state: int = _OPEN
        self.blocked = False
        self._pong: bytes | None = None

    # What the carrier calls

    def feed(self, data: bytes, at: int) -> int:
        """Read what is in ``data`` from ``at`` on. Returns where it stopped; from there on it is to be fed again.

        It stops before the end only if it was ``paused``. When it is CLOSED it takes everything. What the peer does
        wrong is dealt with in here.
        """
        if self.state == _CLOSED:
            return len(data)
        try:
            at = self.read(data, at)
        except WebSocketError as error:
            self._fail(error)
        return at if self.state != _CLOSED else len(data)

    def eof(self) -> None:
        """The peer has sent its last byte, and everything was fed: without a Close frame, that is the end."""
        if self.state != _CLOSED:
            self._move(_LOST)
            self._wire.end()
            self._receiver.closed(_ABNORMAL_CLOSURE, "")

    def lost(self) -> None:
        """The carrier is gone, or gives up waiting for the peer's Close frame: nothing is written any more."""
        if self.state != _CLOSED:
            self._move(_LOST)
            self._receiver.closed(_ABNORMAL_CLOSURE, "")

    def output_blocked(self) -> None:
        """The peer does not read: more is waiting to be sent than should be. Pings are answered later."""
        self.blocked = True

    def output_unblocked(self) -> None:
        """The peer has read enough for more to be sent: the latest ping is answered (section 5.5.3)."""
        self.blocked = False
        pong, self._pong = self._pong, None
        if pong is not None and self.state == _OPEN:
            self._wire.write(frame(_PONG, pong))
        self._receiver.unblocked()

    # What the application's side calls

    def send_text(self, text: str) -> None:
        """Send a text message. Raises UnicodeEncodeError when it is no text that can be sent.

        What is sent when the state is not OPEN is dropped.
        """
        if text is _last_message and self._deflater is None:
            self._send_again()
        else:
            self._send(_TEXT, text.encode("utf-8"), text)

    def send_bytes(self, data: bytes) -> None:
        """Send a binary message. What is sent when the state is not OPEN is dropped."""
        if data is _last_message and self._deflater is None:
            self._send_again()
        else:
            self._send(_BINARY, data, data)

    def ping(self, payload: bytes = b"") -> None:
        """Send a Ping frame. Raises ValueError when ``payload`` has more than 125 bytes."""
        if len(payload) > CONTROL_LIMIT:
            raise ValueError(f"the payload of a ping has {CONTROL_LIMIT} bytes at most")
        if self.state == _OPEN:
            self._wire.write(frame(_PING, payload))

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Begin to close; ``Receiver.closed`` tells how it ended. Without effect when the state is not OPEN.

        It is not ``paused`` any more: what was left has to be fed, until the peer's Close frame comes. With code 1005,
        there is none in the frame. Raises ValueError when it is not one that may be sent.
        """
        payload = close_payload(code, reason)
        if self.state == _OPEN:
            self._move(_OUR_CLOSE)
            self.drop()
            self.paused = False  # there is nothing more to have enough of, and the peer's Close frame to be read
            self._wire.write(frame(_CLOSE, payload))

    def _send_again(self) -> None:
        """Send what was sent last, to this peer or another one."""
        if self.state == _OPEN:
            self._wire.write(_last_frame)

    def _send(self, opcode: int, payload: bytes, message: str | bytes) -> None:
        global _last_message, _last_frame
        if self.state != _OPEN:
            return
        first = _FIN | opcode
        if self._deflater is not None and len(payload) >= self._threshold:
            payload = self._deflater.deflate(payload)
            first |= _RSV1
        size = len(payload)
        if size < _JOIN_LIMIT:
            whole = joined(header(first, size), payload)
            if self._deflater is None:
                _last_message, _last_frame = message, whole
            self._wire.write(whole)
        else:
            self._wire.write(header(first, size))
            self._wire.write(payload)

    # What the reader calls

    def message_arrived(self, message: str | bytes) -> None:
        """See ``FrameReader``."""
        self._receiver.message(message)

    def control_arrived(self, opcode: int, payload: bytes) -> None:
        """See ``FrameReader``."""
        if opcode == _CLOSE:
            code, reason = parse_close(payload)
            answer = self.state == _OPEN
            self._move(_PEER_CLOSE)
            if answer:
                self._wire.write(frame(_CLOSE, close_payload(code, "")))
            self._wire.end()
            self._receiver.closed(code, reason)
        elif opcode == _PONG:
            self._receiver.ponged(payload)
        elif self.state == _OPEN:
            if self.blocked:
                self._pong = payload
            else:
                self._wire.write(frame(_PONG, payload))

    def _fail(self, error: WebSocketError) -> None:
        """The peer broke the protocol (section 7.1.7)."""
        told = self.state == _OPEN
        self._move(_BREACH)
        if told:
            self._wire.write(frame(_CLOSE, close_payload(error.code, error.reason)))
        self._wire.end()
        self._receiver.failed(error.code, error.reason)

    def _move(self, event: int) -> None:
        """Change the state."""
        state = _NEXT[self.state][event]
        assert state != _ILLEGAL, f"{Event(event).name} in state {State(self.state).name}"
        self.state = state
        if state == _CLOSED:
            self.drop()
            self.paused = True  # what lies behind is not read, even where an answer found the carrier gone
            self._pong = None
            # Who still knows this may be known by it, and so stay until the garbage collector comes: not with these.
            self._deflater = None
            self._inflater = None


_FIN, _RSV1 = FIN, RSV1
_TEXT, _BINARY, _CLOSE = int(Opcode.TEXT), int(Opcode.BINARY), int(Opcode.CLOSE)
_PING, _PONG = int(Opcode.PING), int(Opcode.PONG)
_ABNORMAL_CLOSURE: Final = int(CloseCode.ABNORMAL_CLOSURE)
_JOIN_LIMIT: Final = JOIN_LIMIT

# What was sent last without compression, and its frame: what goes to many peers is encoded and framed once.
_last_message: str | bytes | None = None
_last_frame = b""
