"""The targets: each takes any bytes, and raises when something happens that must not."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from struct import pack

import hpack
from support import apps
from support.bench import Bench, bench
from support.http2 import Cutter, Error, Type
from support.websocket import CLOSE, Closed, Failed, Line, Told, Zlib
from support.websocket import echo as websocket_echo
from support.websocket_peers import server as websocket_server
from support.wire import LIMITS, Call, Handler, Wire, described, echo, ignore, ok, splits, watch
from support.wire2 import Wire2

from litmus.asgi import Application, Receive, Scope, Send
from litmus.configuration import load
from litmus.loading import ConfigError
from litmus.protocols.http2.connection import Http2
from litmus.protocols.http2.decoder import Decoder
from litmus.protocols.http2.errors import HeaderListTooLarge, HpackError
from litmus.protocols.limits import Limits
from litmus.protocols.websocket.deflate import Agreement, DeflateSettings, Parameters
from litmus.protocols.websocket.limits import WebSocketLimits


def http1(data: bytes) -> None:
    """What a peer sends to the HTTP/1.1 machine; the first two bytes choose the application, limits and the cuts.

    No exception leaves the machine, and however the bytes are cut the same happens. When the connection breaks instead,
    an application that has not got its whole body is told so.
    """
    if len(data) < 2:
        return
    choice, sent, pieces = data[0], data[2:], cut(data)
    handler, eof, limits = HANDLERS[choice % len(HANDLERS)], choice >= 128, TIGHT if choice & 64 else LIMITS
    whole, divided = (outcome(each, handler, eof, limits) for each in ([sent], pieces))
    assert whole == divided, f"{whole}\nin pieces: {divided}"
    wire = Wire(handler, limits=limits).feed_all(pieces)
    if not wire.closed:
        wire.lose()
    if handler in (echo, ignore) and wire.calls:  # the others don't wait for what comes
        last = wire.calls[-1]  # those before were answered
        assert last.gone or last.complete


def cut(data: bytes) -> list[bytes]:
    """What is behind the first two bytes, cut as the second one says."""
    random = Random(data[1])
    sent = data[2:]
    return splits(sent, [random.randrange(len(sent) + 1) for _ in range(random.randrange(8))])


def outcome(pieces: list[bytes], handler: Handler, eof: bool, limits: Limits) -> list[object]:
    """What ``watch`` tells, but for two things that depend on the cuts.

    How much of a body the application has before a breach in it is found; and whether the connection closes behind the
    last response at once, or lingers because more has come already.
    """
    calls, out, refusals, ended, closed, _ = watch(pieces, handler, eof, limits)
    told = [(request, body if complete else b"", complete, gone) for request, body, complete, gone in calls]
    return [told, out, refusals, ended or closed]


def faulty(call: Call) -> None:
    """An application that begins a response and gives up."""
    call.stream.respond(200, [(b"content-length", b"100")], b"some of it", False)
    call.stream.abort()


HANDLERS: tuple[Handler, ...] = (echo, ok, ignore, faulty)
TIGHT = Limits(64, 128, body=8, requests=5, pipelined=2, hosts={b"b": 3, b"[::1]": 0})


def connection(data: bytes) -> None:
    """The same on a connection, with a true application: whatever comes, every buffer is given back in the end, and
    every request has ended."""
    if len(data) < 2:
        return
    choice, tight = data[0], {"limits__body": "8 B", "limits__pipelined_requests": 2} if data[0] & 64 else {}
    with bench(APPLICATIONS[choice % len(APPLICATIONS)], access=True, **tight) as on:
        for piece in cut(data):
            on.do(partial(arrive, on, piece), turns=3)
        if choice >= 128:
            on.do(lambda: None if on.transport.closing else on.finish(), turns=3)
        on.do(lambda: None if on.transport.closing else on.lose())


def arrive(on: Bench, piece: bytes) -> None:
    """Bytes arrive as long as they are read."""
    while piece and on.transport.reading and not on.transport.closing:
        size = min(len(on.connection.get_buffer(-1)), len(piece))
        on.arrive(piece[:size])()
        piece = piece[size:]


async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
    """Waits until the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    """Begins a response, and reads the body before it gives up."""
    await apps.begin(send, b"some of it")
    await apps.read_body(receive)
    raise LookupError


APPLICATIONS: tuple[Application, ...] = (apps.echo, apps.hello, waiting, failing)


def settings(data: bytes) -> None:
    """A configuration file; behind a NUL, a variable of the environment. What is wrong is told as ConfigError."""
    text, _, variable = data.partition(b"\0")
    name, _, value = variable.decode("utf-8", "replace").replace("\0", "").partition("=")
    environ = {f"LITMUS_{name}": value} if name else {}
    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(text)
        file.flush()
        with suppress(ConfigError):
            load(Path(file.name), environ=environ)


def field_blocks(data: bytes) -> None:
    """The field blocks of a connection of HTTP/2, each behind an octet with its length, which may be one of ``SIZES``.

    Whatever comes, the dynamic table keeps within its bounds. What is taken is what the hpack package takes it for, and
    what that one refuses is refused: here, more is. What has been remembered is right.
    """
    decoder, other = Decoder(), hpack.Decoder(max_header_list_size=LIST_LIMIT)
    allowed = decoder.capacity
    while data:
        length, data = data[0], data[1:]
        if length >= 0x100 - len(SIZES):
            allowed = other.max_allowed_table_size = SIZES[length - 0x100]
            decoder.resize(allowed)
            continue
        block, data = data[:length], data[length:]
        known = decoder.recall(block)
        try:
            fields = decoder.decode(block, LIST_LIMIT)
        except HpackError:
            assert known is None
            return
        except HeaderListTooLarge:
            assert known is None
            return  # the other one gives up
        finally:
            assert decoder.size <= decoder.capacity
            assert decoder.size == sum(len(name) + len(value) + 32 for name, value in decoder.table())
        assert decoder.capacity <= allowed
        assert known is None or known == fields
        decoder.remember(block, fields)
        assert [tuple(field) for field in other.decode(block, raw=True)] == fields
        assert [tuple(entry) for entry in other.header_table.dynamic_entries] == decoder.table()


def http2(data: bytes) -> None:
    """What a peer sends to whoever finds out that it speaks HTTP/2; the first two bytes choose the limits and the cuts.

    No exception leaves the machine; ``Wire2`` looks at it after each piece. What goes wrong is told by GOAWAY. However
    the bytes are cut, requests are the same. When the connection breaks, everybody is told, and nothing is left.
    """
    if len(data) < 2:
        return
    limits = TIGHT2 if data[0] & 64 else LIMITS
    known = []
    for pieces in ([data[2:]], cut(data)):
        wire = Wire2(busy, limits, sniffing=True, judged=False)
        for at, piece in enumerate(pieces):
            if wire.closed:
                break
            if data[0] & 1 << at % 6:
                wire.block().feed(piece)
                if not wire.closed:
                    wire.unblock()
            else:
                wire.feed(piece)
        if isinstance(wire.machine, Http2):
            told = [frame.payload[4:8] for frame in Cutter().feed(wire.out) if frame.kind == Type.GOAWAY]
            assert not wire.ended or told, "the end without a word"
            assert not wire.floods or told[-1] == pack(">I", Error.ENHANCE_YOUR_CALM)
            known.append([described(call.request) for call in wire.calls])
        finish(wire, data[0] >= 128)
    assert len(known) != 2 or data[0] & 63 or known[0] == known[1], f"{known[0]}\nin pieces: {known[1]}"


def finish(wire: Wire2, politely: bool) -> None:
    """The connection ends, politely or not: everybody is told, and nothing is left."""
    if not wire.closed and politely:
        wire.eof()
    if not wire.closed:
        wire.lose()
    if isinstance(wire.machine, Http2):
        for call in wire.calls:
            assert call.stream.sink is None
            call.read()
            call.stream.send_interim(103, [])
            call.stream.abort()
        assert not wire.timers


def busy(call: Call) -> None:
    """An application that does something else at each path: /e echoes, /s streams, /i ignores, /f fails, /t sends
    trailers; at all others it answers at once."""
    does = call.request.line.path[:2]
    if does == "/e":
        echo(call)
    elif does == "/s":
        call.respond(bytes(20_000), end=False)
        call.send(bytes(20_000))
        call.send(b"", end=True)
    elif does == "/f":
        faulty(call)
    elif does == "/t":
        call.stream.send_interim(103, [(b"link", b"a")])
        call.respond(b"some of it", end=False)
        call.stream.send_trailers([(b"x-trailer", b"t")])
    elif does != "/i":
        ok(call)


TIGHT2 = Limits(64, 512, body=50, requests=5, pipelined=2, streams=2, window=100, hosts={b"b": 3})


def websocket(data: bytes) -> None:
    """What a client sends over a WebSocket; the first two bytes choose what was agreed on, limits and the cuts.

    No exception leaves it, and however the bytes are cut the same happens, with a receiver that has enough now and then
    as well; but for what is wrong where a compressed message is wrong in two ways. What is sent in return consists of
    whole frames. wsproto is told the same, up to where one of the two finds something wrong; what it finds wrong is.
    """
    if len(data) < 2:
        return
    choice, sent, pieces = data[0], data[2:], cut(data)
    offer = OFFERS[choice % len(OFFERS)]
    agreement = None if offer is None else AGREED_TO.agree(offer)
    limits = FEW if choice & 64 else WebSocketLimits()
    whole = Line(limits, agreement, react=websocket_echo).feed(sent)
    divided = Line(limits, agreement, react=websocket_echo).feed_all(pieces)
    slow = Line(limits, agreement, room=1, react=websocket_echo).feed_all(pieces)
    while slow.unread:
        slow.resume(1)
    for other in (divided, slow):
        assert told(other, agreement) == told(whole, agreement)
    frames = whole.frames
    assert whole.ended == bool(whole.told and isinstance(whole.told[-1], Closed | Failed))
    assert whole.ended == bool(frames and frames[-1].opcode == CLOSE)
    assert zlib_of(agreement).messages(frames) == whole.messages
    if offer is None and not choice & 64:
        theirs, ours = websocket_server(None).feed(sent).told, whole.told
        assert agree(ours, theirs), f"{ours}\nto wsproto: {theirs}"
    if not whole.ended:
        if choice >= 128:
            whole.socket.close(1001)
            whole.feed(sent)
        whole.socket.eof()
        assert isinstance(whole.told[-1], Closed | Failed)


def told(line: Line, agreement: Agreement | None) -> list[object]:
    """What came of a line; what was wrong, if there is one answer."""
    if agreement is not None and line.told and isinstance(line.told[-1], Failed):
        return [*line.told[:-1], line.frames[:-1], line.ended]
    return [*line.told, line.frames, line.ended]


def agree(ours: list[Told], theirs: list[Told]) -> bool:
    """Whether wsproto is of our opinion, but for a code that it does not know."""
    if ours == theirs:
        return True
    found, before = ours[-1], ours[:-1]
    if isinstance(found, Failed):  # it has no limits, and waits for more: it may find something else, or nothing yet
        return theirs[: len(before)] == before and not any(
            isinstance(each, str | bytes) for each in theirs[len(before) :]
        )
    return isinstance(found, Closed) and found.code == 1014


def zlib_of(agreement: Agreement | None) -> Zlib:
    """What a client inflates with."""
    return Zlib() if agreement is None else Zlib(15, True, agreement.server_bits, agreement.server_takeover)


OFFERS: tuple[Parameters | None, ...] = (
    None,
    [],
    [("client_no_context_takeover", None)],
    [("server_no_context_takeover", None), ("server_max_window_bits", "9"), ("client_max_window_bits", None)],
)
AGREED_TO = DeflateSettings(threshold=4)
FEW = WebSocketLimits(message=60, frame=40, fragments=4)

LIST_LIMIT = 2048
SIZES = (0, 40, 100, 4096, 8192)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "http1": http1,
    "connection": connection,
    "settings": settings,
    "hpack": field_blocks,
    "http2": http2,
    "websocket": websocket,
}
