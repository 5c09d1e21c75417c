"""The types of frames, one after the other: what each of them has to look like. (HEADERS and CONTINUATION: blocks.py;
WINDOW_UPDATE: flow.py.)"""

from conformance.http2.table import (
    GET,
    OK,
    UNTOUCHED,
    WAITING,
    Asked,
    Expected,
    Row,
    acknowledged,
    begun,
    either,
    fatal,
    over,
    ponged,
    refused,
    reset,
    served,
)
from support.http2 import (
    FRAME_SIZE,
    MAX_FRAME_SIZE,
    MAX_STREAM,
    MAX_WINDOW,
    Error,
    Flag,
    Setting,
    Type,
    block,
    data,
    dependency,
    frame,
    get,
    goaway,
    headers,
    ping,
    post,
    priority,
    request,
    rst_stream,
    settings,
    window_update,
)

DATA = "RFC 9113, section 6.1"
PRIORITY = "RFC 9113, section 6.3"
RESET = "RFC 9113, section 6.4"
SETTINGS = "RFC 9113, section 6.5"
VALUES = "RFC 9113, section 6.5.2"
SYNCHRONIZATION = "RFC 9113, section 6.5.3"
PUSH = "RFC 9113, section 8.4"
PING = "RFC 9113, section 6.7"
GOAWAY = "RFC 9113, section 6.8"

SIZE = (Error.FRAME_SIZE_ERROR,)
HELLO = (Asked("POST", "/post", b"hello"),)
DEPENDS = reset(Error.PROTOCOL_ERROR)


def padded(payload: bytes, flags: int = 0) -> bytes:
    return frame(Type.DATA, Flag.PADDED | flags, 1, payload)


BAD_SETTINGS = {
    "push 2": (Setting.ENABLE_PUSH, 2, Error.PROTOCOL_ERROR),
    "push 2**32-1": (Setting.ENABLE_PUSH, 2**32 - 1, Error.PROTOCOL_ERROR),
    "window 2**31": (Setting.INITIAL_WINDOW_SIZE, MAX_WINDOW + 1, Error.FLOW_CONTROL_ERROR),
    "window 2**32-1": (Setting.INITIAL_WINDOW_SIZE, 2**32 - 1, Error.FLOW_CONTROL_ERROR),
    "frame size 0": (Setting.MAX_FRAME_SIZE, 0, Error.PROTOCOL_ERROR),
    "frame size 16,383": (Setting.MAX_FRAME_SIZE, 16_383, Error.PROTOCOL_ERROR),
    "frame size 2**24": (Setting.MAX_FRAME_SIZE, MAX_FRAME_SIZE + 1, Error.PROTOCOL_ERROR),
    "frame size 2**32-1": (Setting.MAX_FRAME_SIZE, 2**32 - 1, Error.PROTOCOL_ERROR),
}

GOOD_SETTINGS = {
    "table 0": (Setting.HEADER_TABLE_SIZE, 0),
    "table 2**32-1": (Setting.HEADER_TABLE_SIZE, 2**32 - 1),
    "push 0": (Setting.ENABLE_PUSH, 0),
    "push 1": (Setting.ENABLE_PUSH, 1),
    "streams 0": (Setting.MAX_CONCURRENT_STREAMS, 0),
    "streams 2**32-1": (Setting.MAX_CONCURRENT_STREAMS, 2**32 - 1),
    "window 2**31-1": (Setting.INITIAL_WINDOW_SIZE, MAX_WINDOW),
    "frame size 16,384": (Setting.MAX_FRAME_SIZE, 16_384),
    "frame size 2**24-1": (Setting.MAX_FRAME_SIZE, MAX_FRAME_SIZE),
    "header list 2**32-1": (Setting.MAX_HEADER_LIST_SIZE, 2**32 - 1),
    "extended CONNECT": (Setting.ENABLE_CONNECT_PROTOCOL, 1),
    "a reserved number": (0, 77),
    "an unknown number": (0x7777, 2**32 - 1),
    "a number kept for experiments": (0xF000, 1),
    "a number to grease with": (0x0A0A, 0xDEAD),
}

TABLE = [
    # DATA
    fatal("DATA on stream 0", DATA, data(0, b"x")),
    fatal("DATA on stream 0, with END_STREAM", DATA, data(0, b"x", end=True)),
    *(
        served(f"DATA with padding of {pad}", DATA, post(1) + data(1, b"hello", end=True, pad=pad), asked=HELLO)
        for pad in (0, 1, 2, 255)
    ),
    served("DATA of padding only", DATA,
           post(1) + data(1, b"", pad=10) + data(1, b"hello") + data(1, b"", pad=0, end=True),
           asked=HELLO),
    fatal("DATA with padding as long as the frame", DATA, post(1) + padded(b"\x06hello")),
    fatal("DATA with padding longer than the frame", DATA, post(1) + padded(b"\xffhello", Flag.END_STREAM)),
    fatal("DATA with padding of 1 and nothing else", DATA, post(1) + padded(b"\1")),
    fatal("DATA without the length of its padding", DATA, post(1) + padded(b""),
          codes=(Error.FRAME_SIZE_ERROR, Error.PROTOCOL_ERROR)),
    either(
        served("DATA with padding that is not zero", DATA, post(1) + padded(b"\3hello\1\2\3", Flag.END_STREAM),
               asked=HELLO),
        fatal("DATA with padding that is not zero", DATA, post(1) + padded(b"\3hello\1\2\3", Flag.END_STREAM)),
    ),
    served("DATA in many pieces", DATA, post(1) + b"".join(data(1, b"%c" % byte)
           for byte in b"hello") + data(1, end=True),
           asked=HELLO),
    # PRIORITY
    fatal("PRIORITY on stream 0", PRIORITY, priority(0)),
    *(
        either(
            refused(f"PRIORITY of {size} bytes", PRIORITY, post(1) + frame(Type.PRIORITY, 0, 1, bytes(size)),
                    outcomes=reset(*SIZE)),
            fatal(f"PRIORITY of {size} bytes", PRIORITY, post(1) + frame(Type.PRIORITY, 0, 1, bytes(size)), codes=SIZE),
        )
        for size in (0, 4, 6)
    ),
    # RST_STREAM on an idle stream breaks the protocol (section 6.4), so that here only the connection can end.
    fatal("PRIORITY of 4 bytes on an idle stream", PRIORITY, frame(Type.PRIORITY, 0, 1, bytes(4)), codes=SIZE),
    served("PRIORITY on what is open", PRIORITY, post(1) + priority(1, 0, 255) + data(1, b"hello", end=True),
           asked=HELLO),
    served("PRIORITY that depends on an idle stream", PRIORITY, priority(1, 99, exclusive=True) + get(1)),
    served("PRIORITY in a circle", PRIORITY, priority(3, 5) + priority(5, 7) + priority(7, 3) + get(1)),
    # Section 5.3.1 of RFC 7540 asked for a stream error; RFC 9113 has no such rule any more.
    either(
        served("PRIORITY that depends on itself", "RFC 9113, section 5.3.2", post(1) + priority(1, 1)
               + data(1, b"hello", end=True), asked=HELLO),
        refused("PRIORITY that depends on itself", "RFC 9113, section 5.3.2", post(1) + priority(1, 1)
                + data(1, b"hello", end=True), outcomes=DEPENDS),
        fatal("PRIORITY that depends on itself", "RFC 9113, section 5.3.2", post(1) + priority(1, 1)),
    ),
    either(
        served("HEADERS that depend on themselves", "RFC 9113, section 5.3.2",
               headers(1, request(), end=True, priority=dependency(1))),
        refused("HEADERS that depend on themselves", "RFC 9113, section 5.3.2",
                headers(1, request(), end=True, priority=dependency(1)), outcomes=DEPENDS),
        fatal("HEADERS that depend on themselves", "RFC 9113, section 5.3.2",
              headers(1, request(), end=True, priority=dependency(1))),
    ),
    # RST_STREAM
    fatal("RST_STREAM on stream 0", RESET, rst_stream(0)),
    *(
        fatal(f"RST_STREAM of {size} bytes", RESET, post(1) + frame(Type.RST_STREAM, 0, 1, bytes(size)), codes=SIZE)
        for size in (0, 3, 5, 8)
    ),
    served("RST_STREAM and another request", RESET, post(1) + rst_stream(1) + get(3), streams={1: UNTOUCHED, 3: OK}),
    served("RST_STREAM in the middle of a response", RESET, get(1, path="/big"), begun(1), rst_stream(1),
           streams={1: WAITING}, asked=(Asked(path="/big"),)),
    # SETTINGS
    *(
        served(f"SETTINGS: {name}", VALUES, settings([pair]), acknowledged(2), get(1))
        for name, pair in GOOD_SETTINGS.items()
    ),
    *(
        fatal(f"SETTINGS: {name}", VALUES, settings({key: value}), codes=(code,))
        for name, (key, value, code) in BAD_SETTINGS.items()
    ),
    fatal("SETTINGS: a bad value behind a good one", VALUES, settings([(4, 100), (4, MAX_WINDOW + 1)]),
          codes=(Error.FLOW_CONTROL_ERROR,)),
    fatal("SETTINGS: a bad value before a good one", VALUES, settings([(5, 0), (5, 16_384)])),
    served("SETTINGS: the last value counts", SYNCHRONIZATION, settings([(4, 0), (4, 100), (4, 65_535)]),
           acknowledged(2),
           get(1)),
    served("SETTINGS: empty", SETTINGS, settings(), acknowledged(2), get(1)),
    served("SETTINGS: 32 values", SETTINGS, settings([(0x1000 + key, key) for key in range(32)]), acknowledged(2),
           get(1)),
    served("SETTINGS: several, each acknowledged", SYNCHRONIZATION,
           settings({4: 1}) + settings({4: 2}) + settings({4: 65_535}),
           acknowledged(4), get(1)),
    # No rule for it: it may be ignored, or be a frame that is "not expressly permitted" (section 5.1).
    either(
        served("SETTINGS: acknowledged once more", SYNCHRONIZATION, settings(ack=True) + get(1)),
        fatal("SETTINGS: acknowledged once more", SYNCHRONIZATION, settings(ack=True) + get(1)),
    ),
    served("SETTINGS: applied before what is behind", SYNCHRONIZATION, settings({4: 0}) + get(1), acknowledged(2),
           begun(1),
           window_update(1, 100)),
    served("SETTINGS: applied in the middle of a response", SYNCHRONIZATION, get(1), begun(1), settings({4: 10}),
           window=0),
    fatal("SETTINGS on a stream", SETTINGS, frame(Type.SETTINGS, 0, 1)),
    fatal("SETTINGS on an open stream", SETTINGS, post(1) + frame(Type.SETTINGS, 0, 1)),
    fatal("an acknowledgement on a stream", SETTINGS, frame(Type.SETTINGS, Flag.ACK, 1)),
    *(
        fatal(f"SETTINGS of {size} bytes", SETTINGS, frame(Type.SETTINGS, 0, 0, bytes(size)), codes=SIZE)
        for size in (1, 5, 7, 13)
    ),
    *(
        fatal(f"an acknowledgement of {size} bytes", SETTINGS, frame(Type.SETTINGS, Flag.ACK, 0, bytes(size)),
              codes=SIZE)
        for size in (1, 6)
    ),
    # PUSH_PROMISE: a client has nothing to promise
    fatal("PUSH_PROMISE", PUSH,
          post(1) + frame(Type.PUSH_PROMISE, Flag.END_HEADERS, 1, b"\0\0\0\2" + block(request()))),
    fatal("PUSH_PROMISE of an odd stream", PUSH,
          post(1) + frame(Type.PUSH_PROMISE, Flag.END_HEADERS, 1, b"\0\0\0\3" + block(request()))),
    fatal("PUSH_PROMISE on an idle stream", PUSH,
          frame(Type.PUSH_PROMISE, Flag.END_HEADERS, 1, b"\0\0\0\2" + block(request()))),
    fatal("PUSH_PROMISE on stream 0", "RFC 9113, section 6.6",
          frame(Type.PUSH_PROMISE, Flag.END_HEADERS, 0, b"\0\0\0\2" + block(request()))),
    fatal("PUSH_PROMISE in pieces", PUSH, post(1) + frame(Type.PUSH_PROMISE, 0, 1, b"\0\0\0\2" + block(request()))),
    # PING
    served("PING", PING, ping(), ponged(b"litmus 0"), get(1)),
    served("PING in a request", PING, post(1) + ping() + data(1, b"hello", end=True), ponged(b"litmus 0"), asked=HELLO),
    served("PING, and another", PING, ping(b"12345678") + ping(b"\0" * 8) + ping(b"\xff" * 8), ponged(b"\xff" * 8),
           get(1)),
    served("an answer to no PING", PING, ping(ack=True) + get(1)),
    fatal("PING on a stream", PING, frame(Type.PING, 0, 1, bytes(8))),
    fatal("PING on an open stream", PING, post(1) + frame(Type.PING, 0, 1, bytes(8))),
    fatal("an answer to PING on a stream", PING, frame(Type.PING, Flag.ACK, 1, bytes(8))),
    *(fatal(f"PING of {size} bytes", PING, frame(Type.PING, 0, 0, bytes(size)), codes=SIZE) for size in (0, 7, 9, 16)),
    fatal("an answer to PING of 7 bytes", PING, frame(Type.PING, Flag.ACK, 0, bytes(7)), codes=SIZE),
    # GOAWAY
    fatal("GOAWAY on a stream", GOAWAY, post(1) + frame(Type.GOAWAY, 0, 1, bytes(8))),
    *(fatal(f"GOAWAY of {size} bytes", GOAWAY, frame(Type.GOAWAY, 0, 0, bytes(size)), codes=SIZE)
    for size in (0, 4, 7)),
    *(
        Row(f"GOAWAY: {name}", GOAWAY, (post(1) + sent + data(1, b"hello", end=True), over(1)),
            (Expected({1: OK}, HELLO), Expected({1: OK}, HELLO, frozenset({Error.NO_ERROR, None}))), probed=False)
        for name, sent in {
            "a request under way is answered": goaway(),
            "with words": goaway(debug=b"good bye"),
            "with the reserved bit": frame(Type.GOAWAY, 0, 0, b"\x80\0\0\0" + bytes(4)),
            "with an unknown code": goaway(0, 0xFACE),
            "of a stream that never was": goaway(MAX_STREAM - 1),
            "of 16,384 bytes": goaway(0, debug=bytes(FRAME_SIZE - 8)),
            "twice": goaway(MAX_STREAM - 1) + goaway(),
        }.items()
    ),
    Row("GOAWAY: a response under way is ended", GOAWAY, (get(1), begun(1), goaway() + window_update(1, 100)),
        (Expected({1: OK}, GET), Expected({1: OK}, GET, frozenset({Error.NO_ERROR, None}))), probed=False, window=0),
]  # fmt: skip
