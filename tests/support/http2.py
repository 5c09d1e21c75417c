"""HTTP/2 byte by byte: frames, valid or broken, to send; and a referee over what a server sends.

Nothing here knows sockets. The functions make any frame, however wrong; a header block is made of raw literals, so that
it can hold what no encoder would let through. The referee is told of every byte in both directions, and fails as soon
as the server breaks a rule that holds whatever the test is about.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from enum import IntEnum, IntFlag
from struct import pack, unpack
from typing import NamedTuple

from hpack import Decoder
from hpack.exceptions import HPACKError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WINDOW = 65_535
MAX_WINDOW = (1 << 31) - 1
MAX_STREAM = (1 << 31) - 1
FRAME_SIZE = 16_384
MAX_FRAME_SIZE = (1 << 24) - 1


class Type(IntEnum):
    DATA = 0x0
    HEADERS = 0x1
    PRIORITY = 0x2
    RST_STREAM = 0x3
    SETTINGS = 0x4
    PUSH_PROMISE = 0x5
    PING = 0x6
    GOAWAY = 0x7
    WINDOW_UPDATE = 0x8
    CONTINUATION = 0x9
    PRIORITY_UPDATE = 0x10


class Flag(IntFlag):
    NONE = 0
    END_STREAM = 0x1
    ACK = 0x1
    END_HEADERS = 0x4
    PADDED = 0x8
    PRIORITY = 0x20


class Error(IntEnum):
    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


class Setting(IntEnum):
    HEADER_TABLE_SIZE = 0x1
    ENABLE_PUSH = 0x2
    MAX_CONCURRENT_STREAMS = 0x3
    INITIAL_WINDOW_SIZE = 0x4
    MAX_FRAME_SIZE = 0x5
    MAX_HEADER_LIST_SIZE = 0x6
    ENABLE_CONNECT_PROTOCOL = 0x8
    NO_RFC7540_PRIORITIES = 0x9


# Header blocks

Text = str | bytes
Field = tuple[Text, Text]
Fields = Iterable[Field]


def _octets(text: Text) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


def integer(value: int, bits: int, first: int = 0) -> bytes:
    """An integer with a prefix of so many bits (RFC 7541, section 5.1); ``first`` has the bits above the prefix."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([first | value])
    out = [first | limit]
    value -= limit
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def string(text: Text) -> bytes:
    """A string as it is, without Huffman code."""
    data = _octets(text)
    return integer(len(data), 7) + data


def indexed(index: int) -> bytes:
    return integer(index, 7, 0x80)


def literal(name: Text, value: Text, store: bool = False) -> bytes:
    """A field with both strings in full; with ``store``, it enters the dynamic table."""
    return (b"\x40" if store else b"\0") + string(name) + string(value)


def table_size(size: int) -> bytes:
    """A change of the dynamic table's size."""
    return integer(size, 5, 0x20)


def block(fields: Fields) -> bytes:
    return b"".join(literal(name, value) for name, value in fields)


def request(
    *extra: Field,
    method: Text | None = "GET",
    scheme: Text | None = "http",
    authority: Text | None = "a",
    path: Text | None = "/",
) -> list[Field]:
    """A request's fields; a pseudo-header field that is None is left out."""
    pseudo = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)]
    return [*((name, value) for name, value in pseudo if value is not None), *extra]


# Frames


def frame(
    kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"", reserved: bool = False, length: int | None = None
) -> bytes:
    """Any frame. ``length`` is what its header says, where that is not so."""
    size = len(payload) if length is None else length
    return pack(">I", size)[1:] + pack(">BBI", kind, flags, stream | reserved << 31) + payload


def _padded(payload: bytes, flags: int, pad: int | None) -> tuple[bytes, int]:
    if pad is None:
        return payload, flags
    return bytes([pad]) + payload + bytes(pad), flags | Flag.PADDED


def data(stream: int, payload: bytes = b"", end: bool = False, pad: int | None = None, flags: int = 0) -> bytes:
    payload, flags = _padded(payload, flags | (Flag.END_STREAM if end else 0), pad)
    return frame(Type.DATA, flags, stream, payload)


def headers(
    stream: int,
    fields: Fields | bytes,
    end: bool = False,
    done: bool = True,
    pad: int | None = None,
    priority: bytes | None = None,
    flags: int = 0,
) -> bytes:
    """A HEADERS frame of fields, or of bytes that are said to be a header block. Not ``done``: more is to come."""
    payload = fields if isinstance(fields, bytes) else block(fields)
    flags |= (Flag.END_STREAM if end else 0) | (Flag.END_HEADERS if done else 0)
    if priority is not None:
        payload, flags = priority + payload, flags | Flag.PRIORITY
    payload, flags = _padded(payload, flags, pad)
    return frame(Type.HEADERS, flags, stream, payload)


def continuation(stream: int, payload: bytes = b"", done: bool = True, flags: int = 0) -> bytes:
    return frame(Type.CONTINUATION, flags | (Flag.END_HEADERS if done else 0), stream, payload)


def get(stream: int, *extra: Field, end: bool = True, **pseudo: Text | None) -> bytes:
    """A request without content."""
    return headers(stream, request(*extra, **pseudo), end=end)


def post(stream: int, *extra: Field, **pseudo: Text | None) -> bytes:
    """The head of a request whose content is to come."""
    return headers(stream, request(*extra, **{"method": "POST", "path": "/post", **pseudo}))


def dependency(on: int, weight: int = 15, exclusive: bool = False) -> bytes:
    """What a PRIORITY frame says, or a HEADERS frame of its stream's priority."""
    return pack(">IB", on | exclusive << 31, weight)


def priority(stream: int, on: int = 0, weight: int = 15, exclusive: bool = False) -> bytes:
    return frame(Type.PRIORITY, 0, stream, dependency(on, weight, exclusive))


def rst_stream(stream: int, code: int = Error.CANCEL) -> bytes:
    return frame(Type.RST_STREAM, 0, stream, pack(">I", code))


def settings(values: dict[int, int] | Iterable[tuple[int, int]] = (), ack: bool = False) -> bytes:
    pairs = values.items() if isinstance(values, dict) else values
    return frame(Type.SETTINGS, Flag.ACK if ack else 0, 0, b"".join(pack(">HI", *pair) for pair in pairs))


def ping(payload: bytes = b"litmus 0", ack: bool = False) -> bytes:
    return frame(Type.PING, Flag.ACK if ack else 0, 0, payload)


def goaway(last: int = 0, code: int = Error.NO_ERROR, debug: bytes = b"") -> bytes:
    return frame(Type.GOAWAY, 0, 0, pack(">II", last, code) + debug)


def window_update(stream: int, increment: int, reserved: bool = False) -> bytes:
    return frame(Type.WINDOW_UPDATE, 0, stream, pack(">I", increment | reserved << 31))


def priority_update(prioritized: int, value: Text = "u=1", stream: int = 0) -> bytes:
    """RFC 9218, section 7.1."""
    return frame(Type.PRIORITY_UPDATE, 0, stream, pack(">I", prioritized) + _octets(value))


# What comes


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes
    reserved: bool = False

    def __str__(self) -> str:
        kind = Type(self.kind).name if self.kind in set(Type) else f"{self.kind:#x}"
        said = self.payload if len(self.payload) <= 40 else self.payload[:40] + b"..."
        return f"{kind} flags={self.flags:#x} stream={self.stream} {len(self.payload)} bytes {said!r}"


class Cutter:
    """Cuts bytes, as they arrive, into frames."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        buffer, at = self.rest + data, 0
        while len(buffer) - at >= 9:
            size = int.from_bytes(buffer[at : at + 3])
            if len(buffer) - at < 9 + size:
                break
            kind, flags, stream = unpack(">BBI", buffer[at + 3 : at + 9])
            yield Frame(kind, flags, stream & MAX_STREAM, buffer[at + 9 : at + 9 + size], bool(stream >> 31))
            at += 9 + size
        self.rest = buffer[at:]


class Response(NamedTuple):
    """What has come on a stream.

    Attributes:
        ended: the server has ended the stream.
        reset: the code by which it has reset it.
        interim: the informational statuses before the final one.
    """

    status: int | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    trailers: tuple[tuple[bytes, bytes], ...] = ()
    ended: bool = False
    reset: int | None = None
    interim: tuple[int, ...] = ()

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None


class Foul(AssertionError):
    """The server has broken a rule."""


HTTP1 = b"HTTP/1.1 "
"""How a server of both versions begins when it answers in the other; as a frame, it would be 4 MiB long."""

KNOWN_FLAGS = {
    Type.DATA: Flag.END_STREAM | Flag.PADDED,
    Type.HEADERS: Flag.END_STREAM | Flag.END_HEADERS | Flag.PADDED | Flag.PRIORITY,
    Type.PRIORITY: Flag.NONE,
    Type.RST_STREAM: Flag.NONE,
    Type.SETTINGS: Flag.ACK,
    Type.PING: Flag.ACK,
    Type.GOAWAY: Flag.NONE,
    Type.WINDOW_UPDATE: Flag.NONE,
    Type.CONTINUATION: Flag.END_HEADERS,
}
"""Of the frames that a server may send, the flags that are defined."""

ON_CONNECTION = {Type.SETTINGS, Type.PING, Type.GOAWAY}
FIELD_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
FIELD_VALUE = re.compile(rb"(?![ \t])[\t\x20-\x7e\x80-\xff]*(?<![ \t])")
CONNECTION_SPECIFIC = {b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"te"}


class _Stream:
    """A stream as the referee knows it.

    Attributes:
        credit: what the server may still send.
        allowance: what we may.
        cancelled: we have reset it.
        silent: the server knows that.
    """

    def __init__(self, credit: int, allowance: int) -> None:
        self.response = Response()
        self.parts: list[bytes] = []
        self.size = 0
        self.credit = credit
        self.allowance = allowance
        self.method = b""
        self.cancelled = False
        self.silent = False

    @property
    def seen(self) -> Response:
        return self.response._replace(body=b"".join(self.parts))


class Referee:
    """Watches a connection from the client's side.

    Attributes:
        log: the frames that came, for who has to find out what went wrong.
        http1: what the server has said in HTTP/1, to who it thinks has said something else than the preface.
        replies: what a client has to send in answer: acknowledgements of SETTINGS and PING.
        in_block: our last frame has left a header block unfinished: nothing else may be sent.
        settings: what the server has announced.
        announced: it has announced something.
        acknowledged: how many SETTINGS of ours it has acknowledged.
        pongs: the payloads of PINGs of ours that it has acknowledged.
        goaways: last stream and code of each of its GOAWAYs.
    """

    def __init__(self) -> None:
        self.log: list[str] = []
        self.http1 = b""
        self.replies = b""
        self.in_block = False
        self.settings: dict[int, int] = {}
        self.announced = False
        self.acknowledged = 0
        self.pongs: list[bytes] = []
        self.goaways: list[tuple[int, int]] = []
        self.credit = self.allowance = WINDOW
        self._streams: dict[int, _Stream] = {}
        self._theirs, self._ours = Cutter(), Cutter()
        self._preface = len(PREFACE)
        self._pings: deque[tuple[bytes, list[_Stream]]] = deque()
        self._pending: deque[dict[int, int]] = deque()
        self._applied: dict[int, int] = {Setting.INITIAL_WINDOW_SIZE: WINDOW, Setting.MAX_FRAME_SIZE: FRAME_SIZE}
        self._decoder = Decoder(max_header_list_size=1 << 24)
        self._own_decoder: Decoder | None = Decoder(max_header_list_size=1 << 24)
        self._block: tuple[int, int, bytes] | None = None
        self._own_block: tuple[int, bytes] | None = None

    # What a test asks

    def response(self, stream: int) -> Response:
        """What has come on a stream until now."""
        return self._streams[stream].seen if stream in self._streams else Response()

    def over(self, stream: int) -> bool:
        """Whether nothing more comes on a stream."""
        return stream in self._streams and self._streams[stream].response.over

    def size(self, stream: int) -> int:
        """How much content has come on a stream until now."""
        return self._streams[stream].size if stream in self._streams else 0

    @property
    def streams(self) -> dict[int, Response]:
        return {number: stream.seen for number, stream in self._streams.items()}

    def room(self, stream: int) -> int:
        """How much we may send on a stream, as far as we know."""
        allowance = self._streams[stream].allowance if stream in self._streams else self._their_window
        return min(allowance, self.allowance)

    @property
    def frame_size(self) -> int:
        """The size of the largest frame that we may send."""
        return self.settings.get(Setting.MAX_FRAME_SIZE, FRAME_SIZE)

    @property
    def _their_window(self) -> int:
        return self.settings.get(Setting.INITIAL_WINDOW_SIZE, WINDOW)

    # What we send

    def sent(self, data: bytes) -> bytes:
        """We send this. What makes no sense changes nothing. Returns it."""
        skipped = min(self._preface, len(data))
        self._preface -= skipped
        for each in self._ours.feed(data[skipped:]):
            self.in_block = each.kind in (Type.HEADERS, Type.CONTINUATION) and not each.flags & Flag.END_HEADERS
            self._sent(each)
        return data

    def _sent(self, sent: Frame) -> None:
        kind, flags, number, payload, _ = sent
        stream = self._streams.get(number)
        if kind == Type.HEADERS:
            if stream is None and number % 2:
                stream = self._streams[number] = _Stream(self._most(Setting.INITIAL_WINDOW_SIZE), self._their_window)
            self._own_block = (number, _content(sent))
        elif kind == Type.CONTINUATION and self._own_block is not None:
            self._own_block = (number, self._own_block[1] + payload)
        elif kind == Type.DATA and stream is not None:
            self.allowance -= len(payload)
            stream.allowance -= len(payload)
        elif kind == Type.RST_STREAM and stream is not None:
            stream.cancelled = True
        elif kind == Type.SETTINGS and not flags & Flag.ACK and len(payload) % 6 == 0:
            before = self._most(Setting.INITIAL_WINDOW_SIZE)
            self._pending.append(dict(_pairs(payload)))
            self._shift(before)
        elif kind == Type.PING and not flags & Flag.ACK:
            self._pings.append((payload, [each for each in self._streams.values() if each.cancelled]))
        elif kind == Type.WINDOW_UPDATE and len(payload) == 4:
            increment = int.from_bytes(payload) & MAX_WINDOW
            if number == 0:
                self.credit += increment
            elif stream is not None:
                stream.credit += increment
        if kind in (Type.HEADERS, Type.CONTINUATION) and flags & Flag.END_HEADERS and self._own_block is not None:
            self._note_method(*self._own_block)
            self._own_block = None

    def _note_method(self, number: int, fragment: bytes) -> None:
        """Which method a request has; what we cannot decode ourselves is broken on purpose, and the last."""
        if self._own_decoder is None:
            return
        try:
            fields = self._own_decoder.decode(fragment, raw=True)
        except HPACKError:
            self._own_decoder = None
            return
        stream = self._streams.get(number)
        if stream is not None and not stream.method:
            stream.method = {name: value for name, value, *_ in reversed(fields)}.get(b":method", b"")

    def _most(self, setting: int) -> int:
        """The most that a setting of ours may be to the server, who has not acknowledged all of them."""
        return max(self._applied[setting], *(each.get(setting, 0) for each in self._pending), 0)

    def _shift(self, before: int) -> None:
        """A change of the initial window changes that of each stream (section 6.9.2)."""
        difference = self._most(Setting.INITIAL_WINDOW_SIZE) - before
        for stream in self._streams.values():
            stream.credit += difference

    # What the server sends

    def received(self, data: bytes) -> None:
        """The server sends this. Foul if one of the frames that are complete breaks a rule."""
        if not self.announced and (self.http1 or (self._theirs.rest + data).startswith(HTTP1)):
            self.http1 += self._theirs.rest + data
            self._theirs.rest = b""
            return
        for each in self._theirs.feed(data):
            self.log.append(str(each))
            self._received(each)

    def ended(self) -> None:
        """The server closes: it must not be in the middle of a frame."""
        self._demand(not self._theirs.rest, f"the end in the middle of a frame: {self._theirs.rest[:80]!r}")
        self._demand(self._block is None, "the end in the middle of a header block")

    def _demand(self, condition: bool, rule: str) -> None:
        if not condition:
            raise Foul(rule + "\n" + "\n".join(self.log[-20:]))

    def _received(self, got: Frame) -> None:
        kind, flags, number, payload, reserved = got
        demand = self._demand
        demand(self.announced or (kind == Type.SETTINGS and not flags & Flag.ACK), "3.4: SETTINGS come first")
        demand(len(payload) <= self._most(Setting.MAX_FRAME_SIZE), "4.2: larger than SETTINGS_MAX_FRAME_SIZE")
        demand(not reserved, "4.1: the reserved bit is set")
        demand(kind != Type.PUSH_PROMISE, "8.4: pushed, without need")
        demand(kind != Type.PRIORITY_UPDATE, "RFC 9218, 7.1: a server must not send PRIORITY_UPDATE")
        demand(kind in KNOWN_FLAGS, f"5.5: type {kind:#x} was not negotiated")
        demand(not flags & ~KNOWN_FLAGS[Type(kind)], "4.1: a flag that is not defined")
        demand((number == 0) == (kind in ON_CONNECTION) or kind == Type.WINDOW_UPDATE, "6: a wrong stream")
        demand(number == 0 or number in self._streams, "5.1.1: a stream that we have not opened")
        demand(
            (self._block is not None and self._block[0] == number) == (kind == Type.CONTINUATION)
            and (self._block is None or kind == Type.CONTINUATION),
            "6.10: a header block in pieces, or CONTINUATION of nothing",
        )
        getattr(self, f"_{Type(kind).name.lower()}")(got)

    def _alive(self, number: int) -> _Stream:
        stream = self._streams[number]
        self._demand(stream.response.reset is None, "5.4.2: RST_STREAM was the last frame on this stream")
        self._demand(not stream.response.ended, "5.1: more on a stream that the server has ended")
        self._demand(not stream.silent, "6.4: more on a stream that we have reset, as the server knows")
        return stream

    def _data(self, got: Frame) -> None:
        stream = self._alive(got.stream)
        self._demand(stream.response.status is not None, "8.1: DATA before the head of a final response")
        self._demand(_well_padded(got), "6.1: padding that does not fit, or is not zero")
        content = _content(got)
        self.credit -= len(got.payload)
        stream.credit -= len(got.payload)
        self._demand(self.credit >= 0 or not got.payload, "6.9.1: more than the connection's window")
        self._demand(stream.credit >= 0 or not got.payload, "6.9.1: more than the stream's window")
        stream.parts.append(content)
        stream.size += len(content)
        if got.flags & Flag.END_STREAM:
            self._end(stream)

    def _headers(self, got: Frame) -> None:
        self._alive(got.stream)
        self._demand(_well_padded(got), "6.2: padding that does not fit, or is not zero")
        self._block = (got.stream, got.flags, _content(got))
        self._finish_block(got.flags)

    def _continuation(self, got: Frame) -> None:
        assert self._block is not None
        number, flags, fragment = self._block
        self._block = (number, flags, fragment + got.payload)
        self._finish_block(got.flags)

    def _finish_block(self, flags: int) -> None:
        if not flags & Flag.END_HEADERS:
            return
        assert self._block is not None
        number, opening, fragment = self._block
        self._block = None
        try:
            fields = tuple((name, value) for name, value, *_ in self._decoder.decode(fragment, raw=True))
        except HPACKError as error:
            raise Foul(f"4.3: a header block that cannot be decoded: {error!r}") from None
        self._head(self._streams[number], fields, bool(opening & Flag.END_STREAM))

    def _head(self, stream: _Stream, fields: tuple[tuple[bytes, bytes], ...], end: bool) -> None:
        demand, names = self._demand, [name for name, _ in fields]
        trailers = stream.response.status is not None
        pseudo = [name for name in names if name.startswith(b":")]
        demand(pseudo == ([] if trailers else [b":status"]), f"8.3.2: pseudo-header fields {pseudo}")
        demand(trailers or names[0] == b":status", "8.3: a pseudo-header field behind a field")
        for name, value in fields[len(pseudo) :]:
            demand(FIELD_NAME.fullmatch(name) is not None, f"8.2.1: the name {name!r}")
            demand(FIELD_VALUE.fullmatch(value) is not None, f"8.2.1: the value {value!r}")
            demand(name not in CONNECTION_SPECIFIC, f"8.2.2: {name!r} is connection-specific")
        if trailers:
            demand(end, "8.1: trailers that do not end the stream")
            stream.response = stream.response._replace(trailers=fields)
        else:
            demand(re.fullmatch(rb"[1-5]\d\d", fields[0][1]) is not None, f"8.3.2: the status {fields[0][1]!r}")
            status = int(fields[0][1])
            demand(status != 101, "8.6: 101 means nothing here")
            if status < 200:
                demand(not end, "8.1: an interim response that ends the stream")
                stream.response = stream.response._replace(interim=(*stream.response.interim, status))
            else:
                demand(names.count(b"date") == 1, "RFC 9110, 6.6.1: one date")
                demand(names.count(b"content-length") <= 1, "RFC 9110, 8.6: one content-length")
                stream.response = stream.response._replace(status=status, headers=fields[1:])
        if end:
            self._end(stream)

    def _end(self, stream: _Stream) -> None:
        status, length = stream.response.status, dict(stream.response.headers).get(b"content-length")
        empty = stream.method == b"HEAD" or status in (204, 304)
        self._demand(not (empty and stream.size), "RFC 9110, 6.4.1: content that this response cannot have")
        if length is not None and not empty:
            self._demand(int(length) == stream.size, f"8.1.1: content-length {length!r}, DATA {stream.size}")
        stream.response = stream.response._replace(ended=True)

    def _priority(self, got: Frame) -> None:
        self._demand(len(got.payload) == 5, "6.3: the length of PRIORITY")

    def _rst_stream(self, got: Frame) -> None:
        self._demand(len(got.payload) == 4, "6.4: the length of RST_STREAM")
        stream = self._streams[got.stream]
        self._demand(stream.response.reset is None, "5.4.2: a second RST_STREAM")
        code = int.from_bytes(got.payload)
        self._demand(code in set(Error), f"7: the error code {code:#x}")
        stream.response = stream.response._replace(reset=Error(code))

    def _settings(self, got: Frame) -> None:
        if got.flags & Flag.ACK:
            self._demand(not got.payload, "6.5: an acknowledgement with content")
            self._demand(bool(self._pending), "6.5.3: SETTINGS acknowledged that we have not sent")
            self.acknowledged += 1
            before = self._most(Setting.INITIAL_WINDOW_SIZE)
            self._applied |= self._pending.popleft()
            self._shift(before)
            if Setting.HEADER_TABLE_SIZE in self._applied:
                self._decoder.max_allowed_table_size = self._applied[Setting.HEADER_TABLE_SIZE]
            return
        self._demand(len(got.payload) % 6 == 0, "6.5: the length of SETTINGS")
        for key, value in _pairs(got.payload):
            self._demand(key != Setting.ENABLE_PUSH or value == 0, "6.5.2: a server that wants to be pushed to")
            self._demand(key != Setting.INITIAL_WINDOW_SIZE or value <= MAX_WINDOW, "6.5.2: the initial window")
            size = key != Setting.MAX_FRAME_SIZE or FRAME_SIZE <= value <= MAX_FRAME_SIZE
            self._demand(size, "6.5.2: the frame size")
            if key in (Setting.ENABLE_CONNECT_PROTOCOL, Setting.NO_RFC7540_PRIORITIES):
                self._demand(value in (0, 1), "RFC 8441, 3; RFC 9218, 2.1: a switch")
                first = not self.announced or self.settings.get(key, 0) <= value
                self._demand(first, "RFC 8441, 3; RFC 9218, 2.1: taken back")
            if key == Setting.INITIAL_WINDOW_SIZE:
                for stream in self._streams.values():
                    stream.allowance += value - self._their_window
            self.settings[key] = value
        self.announced = True
        self.replies += settings(ack=True)

    def _ping(self, got: Frame) -> None:
        self._demand(len(got.payload) == 8, "6.7: the length of PING")
        if not got.flags & Flag.ACK:
            self.replies += ping(got.payload, ack=True)
            return
        self._demand(bool(self._pings), "6.7: an answer to no PING")
        payload, cancelled = self._pings.popleft()
        self._demand(payload == got.payload, "6.7: an answer to another PING")
        self.pongs.append(payload)
        for stream in cancelled:
            stream.silent = True

    def _goaway(self, got: Frame) -> None:
        self._demand(len(got.payload) >= 8, "6.8: the length of GOAWAY")
        last, code = unpack(">II", got.payload[:8])
        self._demand(code in set(Error), f"7: the error code {code:#x}")
        self._demand(not last >> 31, "6.8: the reserved bit is set")
        self._demand(all(last <= before for before, _ in self.goaways), "6.8: the last stream has grown")
        if code != Error.NO_ERROR:
            highest = max(self._streams, default=0)
            self._demand(last <= highest, f"6.8: the last stream {last}, of which we have opened {highest}")
        self.goaways.append((last, Error(code)))

    def _window_update(self, got: Frame) -> None:
        self._demand(len(got.payload) == 4, "6.9: the length of WINDOW_UPDATE")
        increment = int.from_bytes(got.payload)
        self._demand(1 <= increment <= MAX_WINDOW, f"6.9: the increment {increment:#x}")
        if got.stream == 0:
            self.allowance += increment
            self._demand(self.allowance <= MAX_WINDOW, "6.9.1: the connection's window overflows")
        else:
            stream = self._streams[got.stream]
            self._demand(stream.response.reset is None, "5.4.2: RST_STREAM was the last frame on this stream")
            stream.allowance += increment
            self._demand(stream.allowance <= MAX_WINDOW, "6.9.1: the stream's window overflows")


def _pairs(payload: bytes) -> Iterator[tuple[int, int]]:
    for at in range(0, len(payload), 6):
        key, value = unpack(">HI", payload[at : at + 6])
        yield key, value


def _well_padded(got: Frame) -> bool:
    """Padding is shorter than the frame, and of zeros."""
    if not got.flags & Flag.PADDED:
        return True
    if not got.payload or got.payload[0] >= len(got.payload):
        return False
    return not any(got.payload[len(got.payload) - got.payload[0] :])


def _content(got: Frame) -> bytes:
    """What is in a frame of DATA or HEADERS, without padding and priority; nothing, if the padding does not fit."""
    content = got.payload
    if got.flags & Flag.PADDED:
        if not content or content[0] >= len(content):
            return b""
        content = content[1 : len(content) - content[0]]
    if got.kind == Type.HEADERS and got.flags & Flag.PRIORITY:
        content = content[5:]
    return content
