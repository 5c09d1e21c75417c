"""Frames as such: their sizes, their flags, the reserved bit, and types that nobody knows."""

from conformance.asked import Asked
from conformance.http2.table import EARLY, GET, OK, WAITING, Row, Step, either, fatal, refused, reset, served
from support.http2 import (
    FRAME_SIZE,
    Error,
    Flag,
    Referee,
    Type,
    block,
    continuation,
    data,
    frame,
    get,
    headers,
    literal,
    ping,
    post,
    request,
    settings,
    window_update,
)

FORMAT = "RFC 9113, section 4.1"
SIZE = "RFC 9113, section 4.2"
EXTENDING = "RFC 9113, section 5.5"

TOO_LARGE = (Error.FRAME_SIZE_ERROR,)
HELLO = (Asked("POST", "/post", b"hello"),)
UNKNOWN = (0xB, 0xD, 0x20, 0x42, 0x7F, 0xFF)
LARGEST = bytes(FRAME_SIZE)


def too_much(kind: int, stream: int, flags: int = 0) -> Step:
    """A frame of one byte more than the server allows."""
    return lambda referee: frame(kind, flags, stream, bytes(referee.frame_size + 1))


def fields_of(size: int) -> bytes:
    """The block of a request, of so many bytes."""
    start = block(request())
    overhead = len(literal("x", bytes(size))) - size
    return start + literal("x", b"y" * (size - len(start) - overhead))


def too_large_head(referee: Referee) -> bytes:
    return headers(1, fields_of(referee.frame_size + 1), end=True)


def too_large_rest(referee: Referee) -> bytes:
    whole = fields_of(referee.frame_size + 11)
    return headers(1, whole[:10], end=True, done=False) + continuation(1, whole[10:])


def either_scope(name: str, *sent: Step, asked: tuple[Asked, ...] = ()) -> Row:
    """DATA that is too large may end the stream only, or the connection (section 4.2)."""
    return either(
        refused(name, SIZE, *sent, outcomes=reset(*TOO_LARGE, behind=(None, 200)), asked=asked),
        fatal(name, SIZE, *sent, codes=TOO_LARGE, asked=asked),
    )


TABLE = [
    # Sizes
    served("DATA of 16,384 bytes", SIZE, post(1) + data(1, LARGEST, end=True),
           asked=(Asked("POST", "/post", LARGEST),)),
    served("DATA of 16,384 bytes with padding", SIZE, post(1) + data(1, bytes(16_384 - 256), pad=255, end=True),
           asked=(Asked("POST", "/post", bytes(16_384 - 256)),)),
    served("empty DATA", SIZE, post(1) + data(1) * 3 + data(1, b"hello") + data(1, end=True), asked=HELLO),
    either_scope("DATA larger than allowed", post(1), too_much(Type.DATA, 1)),
    either_scope("DATA larger than allowed, with END_STREAM", post(1), too_much(Type.DATA, 1, Flag.END_STREAM)),
    fatal("HEADERS larger than allowed", SIZE, too_much(Type.HEADERS, 1, Flag.END_HEADERS), codes=TOO_LARGE),
    fatal("HEADERS larger than allowed, of fields", SIZE, too_large_head, codes=TOO_LARGE),
    fatal("CONTINUATION larger than allowed", SIZE, too_large_rest, codes=TOO_LARGE),
    fatal("SETTINGS larger than allowed", SIZE, too_much(Type.SETTINGS, 0), codes=TOO_LARGE),
    fatal("PING larger than allowed", SIZE, too_much(Type.PING, 0), codes=TOO_LARGE),
    fatal("GOAWAY larger than allowed", SIZE, too_much(Type.GOAWAY, 0), codes=TOO_LARGE),
    fatal("trailers larger than allowed", SIZE, post(1), too_much(Type.HEADERS, 1, Flag.END_HEADERS | Flag.END_STREAM),
          codes=TOO_LARGE),
    fatal("an unknown type larger than allowed", SIZE, too_much(0xFA, 0), codes=TOO_LARGE),
    fatal("a length of 16 MiB, not sent", SIZE, frame(Type.SETTINGS, 0, 0, b"", length=0xFFFFFF) + bytes(64),
          codes=TOO_LARGE),
    served("an unknown type of 16,384 bytes", SIZE, frame(0xFA, 0, 0, LARGEST) + get(1)),
    # Types that are not known
    *(served(f"type {kind:#x} on the connection", EXTENDING, frame(kind, 0xFF, 0, b"hello") + get(1))
    for kind in UNKNOWN),
    *(
        served(f"type {kind:#x} in a request", EXTENDING,
               post(1) + frame(kind, 0, 1, b"x") + data(1, b"hello") + frame(kind, 1, 1) + data(1, end=True),
               asked=HELLO)
        for kind in UNKNOWN
    ),
    served("an unknown type on an idle stream", EXTENDING, frame(0xFA, 0, 101, b"x") + get(1)),
    served("an unknown type on an idle stream does not open it", EXTENDING, frame(0xFA, 5, 3, b"x") + get(1)),
    served("an unknown type on a stream of the server", EXTENDING, frame(0xFA, 0, 2, b"x") + get(1)),
    served("an unknown type on a half-closed stream", EXTENDING, get(1) + frame(0xFA, 0, 1, b"x"), window=0,
           streams={1: WAITING}),
    served("an unknown type without content", EXTENDING, frame(0xFA) + get(1)),
    served("ALTSVC from a client", "RFC 7838, section 4", frame(0xA, 0, 0, b"\0\1ah2=\":1\"") + get(1)),
    served("ORIGIN from a client", "RFC 8336, section 2.1", frame(0xC, 0, 0, b"\0\1a") + get(1)),
    fatal("an unknown type in a header block", EXTENDING,
          headers(1, request(), end=True, done=False) + frame(0xFA, 0, 1) + continuation(1)),
    fatal("an unknown type on the connection in a header block", EXTENDING,
          headers(1, request(), end=True, done=False) + frame(0xFA) + continuation(1)),
    # Flags and the reserved bit
    served("flags that SETTINGS do not have", FORMAT, frame(Type.SETTINGS, 0xFE) + get(1)),
    served("flags that PING does not have", FORMAT, frame(Type.PING, 0xFE, 0, b"litmus 0") + get(1)),
    served("flags that HEADERS do not have", FORMAT, headers(1, request(), end=True, flags=0xD2)),
    served("flags that DATA does not have", FORMAT, post(1) + data(1, b"hello", end=True, flags=0xF6), asked=HELLO),
    served("flags that WINDOW_UPDATE does not have", FORMAT, frame(Type.WINDOW_UPDATE, 0xFF, 0, b"\0\0\0\1") + get(1)),
    served("flags that PRIORITY does not have", FORMAT, frame(Type.PRIORITY, 0xFF, 1, bytes(5)) + get(1)),
    served("flags that CONTINUATION does not have", FORMAT,
           headers(1, request(), end=True, done=False) + continuation(1, flags=0xFB)),
    served("flags that RST_STREAM does not have", FORMAT, post(1) + frame(Type.RST_STREAM, 0xFF, 1, b"\0\0\0\x08"),
           streams={}, asked=()),
    served("the reserved bit in SETTINGS", FORMAT, frame(Type.SETTINGS, reserved=True) + get(1)),
    served("the reserved bit in PING", FORMAT, frame(Type.PING, 0, 0, b"litmus 0", reserved=True) + get(1)),
    served("the reserved bit in HEADERS and DATA", FORMAT,
           frame(Type.HEADERS, Flag.END_HEADERS, 1, post(1)[9:], reserved=True)
           + frame(Type.DATA, Flag.END_STREAM, 1, b"hello", reserved=True), asked=HELLO),
    served("the reserved bit in WINDOW_UPDATE", FORMAT, window_update(0, 1, reserved=True) + get(1)),
    served("the reserved bit in an increment's frame", FORMAT,
           frame(Type.WINDOW_UPDATE, 0, 0, b"\0\0\0\1", reserved=True) + get(1)),
    # One frame behind the other
    served("many frames at once", FORMAT,
           b"".join(ping(b"%08d" % number) + settings() + window_update(0, 1) for number in range(5)) + get(1)),
    served("two requests, their frames interleaved", FORMAT,
           post(1) + post(3, path="/three") + data(1, b"he") + data(3, b"th") + data(1, b"llo", end=True)
           + data(3, b"ree", end=True),
           streams={1: OK, 3: OK}, asked=(*HELLO, Asked("POST", "/three", b"three"))),
    served("an answer before the request's end", "RFC 9113, section 8.1", post(1, path="/early"),
           streams={1: EARLY}, asked=(), application=True),
    served("ten requests at once", FORMAT, b"".join(get(number) for number in range(1, 21, 2)),
           streams=dict.fromkeys(range(1, 21, 2), OK), asked=GET * 10),
]  # fmt: skip
