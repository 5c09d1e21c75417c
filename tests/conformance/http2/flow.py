"""Flow control: what the server may send, and what it may be sent."""

from conformance.http2.runners import BIG
from conformance.http2.table import (
    EARLY,
    GET,
    MALFORMED,
    OK,
    UNTOUCHED,
    WAITING,
    Asked,
    Await,
    Outcome,
    Step,
    acknowledged,
    begun,
    either,
    fatal,
    has,
    over,
    ponged,
    refused,
    reset,
    served,
)
from support.http2 import (
    MAX_WINDOW,
    WINDOW,
    Error,
    Referee,
    Setting,
    Type,
    data,
    frame,
    get,
    ping,
    post,
    rst_stream,
    settings,
    window_update,
)

WINDOWS = "RFC 9113, section 6.9.1"
INITIAL = "RFC 9113, section 6.9.2"
UPDATE = "RFC 9113, section 6.9"
PRINCIPLES = "RFC 9113, section 5.2.1"

ALL = {1: BIG}
BIGGEST = (Asked(path="/big"),)
FLOW = (Error.FLOW_CONTROL_ERROR,)
OVERFLOWN = reset(*FLOW, behind=(None, 200))


def fill(stream: int, left: int = 0) -> Step:
    """DATA that leaves so much of the stream's window, and of the connection's."""

    def make(referee: Referee) -> bytes:
        size, largest = max(referee.room(stream) - left, 0), referee.frame_size
        return b"".join(data(stream, bytes(min(largest, size - at))) for at in range(0, size, largest))

    return make


def full(stream: int, left: int = 0) -> tuple[Step, ...]:
    """Fill the windows, however much a server may take beyond them before it waits for its application to read."""
    rounds = [(fill(stream, left), ping(b"round %2d" % each), ponged(b"round %2d" % each)) for each in range(8)]
    return tuple(step for each in rounds for step in each)


def initial(size: int) -> bytes:
    return settings({Setting.INITIAL_WINDOW_SIZE: size})


STREAMS = range(1, 41, 2)
SIZE = 8_192
"""So much on each of them, which is more than a connection's initial window in all."""


def content(stream: int) -> bytes:
    return data(stream, bytes(SIZE))


def padding(stream: int) -> bytes:
    return data(stream, b"", pad=255) * (SIZE // 256)


def room(size: int) -> Step:
    """Wait until so much may be sent on the connection."""
    return Await(f"room for {size} bytes", lambda referee: referee.allowance >= size)


def dribble(window: int, increment: int, times: int) -> tuple[Step, ...]:
    """Credit for a response, little by little; each time the server has to use it up."""
    steps: list[Step] = []
    for number in range(times):
        steps += [has(1, window + number * increment), window_update(1, increment)]
    return tuple(steps)


TABLE = [
    # What the server sends: the referee counts.
    served("a response of more than a window", WINDOWS,
           get(1, path="/big") + window_update(0, BIG) + window_update(1, BIG),
           sizes=ALL, asked=BIGGEST),
    served("a response stops at the stream's window", WINDOWS, get(1, path="/big") + window_update(0, BIG),
           has(1, WINDOW),
           ping(), ponged(b"litmus 0"), window_update(1, BIG), sizes=ALL, asked=BIGGEST),
    served("a response stops at the connection's window", WINDOWS, get(1, path="/big") + window_update(1, BIG),
           has(1, WINDOW), ping(), ponged(b"litmus 0"), window_update(0, BIG), sizes=ALL, asked=BIGGEST),
    served("two responses share the connection's window", WINDOWS, get(1, path="/big") + get(3, path="/big"),
           window_update(1, BIG) + window_update(3, BIG) + window_update(0, BIG) + window_update(0, BIG),
           streams={1: OK, 3: OK}, sizes={1: BIG, 3: BIG}, asked=BIGGEST * 2),
    served("no window at all", INITIAL, get(1), begun(1), window_update(1, 1_000), window=0),
    served("no window, opened by SETTINGS", INITIAL, get(1), begun(1), initial(1_000), window=0),
    served("a window of one byte", WINDOWS, get(1, path="/big"), *dribble(1, 1, 20),
           window_update(0, BIG) + window_update(1, BIG),
           window=1, sizes=ALL, asked=BIGGEST),
    served("a window in steps of 1,000", WINDOWS, get(1, path="/big") + window_update(0, BIG),
           *dribble(1_000, 1_000, 99),
           window=1_000, sizes=ALL, asked=BIGGEST),
    served("a window that SETTINGS make smaller is negative", INITIAL, get(1, path="/big") + window_update(0, BIG),
           has(1, 50_000), initial(10), acknowledged(2), window_update(1, 49_990), ping(), ponged(b"litmus 0"),
           window_update(1, BIG), window=50_000, sizes=ALL, asked=BIGGEST),
    served("SETTINGS do not touch the connection's window", INITIAL, get(1, path="/big"), has(1, WINDOW),
           initial(1 << 20), acknowledged(2), ping(), ponged(b"litmus 0"), window_update(0, BIG), sizes=ALL,
           asked=BIGGEST),
    served("the largest window", INITIAL, get(1, path="/big") + window_update(0, MAX_WINDOW - WINDOW),
           window=MAX_WINDOW,
           sizes=ALL, asked=BIGGEST),
    served("no window is needed where there is no content", PRINCIPLES, get(1, method="HEAD"), window=0,
           asked=(Asked("HEAD", "/"),)),
    served("the window for streams that are to come", INITIAL, initial(0), acknowledged(2), get(1), begun(1),
           window_update(1, 100)),
    served("a request that waits holds up no other", PRINCIPLES, get(1) + get(3), begun(1), begun(3),
           window_update(3, 100),
           window=0, streams={1: WAITING, 3: OK}, asked=GET * 2),
    served("RST_STREAM gives nothing back to the connection", WINDOWS, get(1, path="/big"), has(1, WINDOW),
           rst_stream(1),
           get(3, path="/big"), ping(), ponged(b"litmus 0"), window_update(0, BIG * 2) + window_update(3, BIG),
           streams={3: OK}, sizes={3: BIG}, asked=BIGGEST * 2),
    # WINDOW_UPDATE
    served("WINDOW_UPDATE of one", UPDATE, window_update(0, 1) + get(1) + window_update(1, 1)),
    served("WINDOW_UPDATE behind the end of the response", UPDATE, get(1), over(1), window_update(1, 1)),
    refused("WINDOW_UPDATE of 0 on a stream", UPDATE, get(1) + window_update(1, 0), window=0, asked=GET,
            outcomes=reset(Error.PROTOCOL_ERROR, behind=(None, 200))),
    refused("WINDOW_UPDATE of 0 on a stream, open", UPDATE, post(1) + window_update(1, 0),
            outcomes=reset(Error.PROTOCOL_ERROR)),
    refused("WINDOW_UPDATE of 0, with the reserved bit", UPDATE, post(1) + window_update(1, 0, reserved=True),
            outcomes=reset(Error.PROTOCOL_ERROR)),
    fatal("WINDOW_UPDATE of 0 on the connection", UPDATE, window_update(0, 0)),
    *(
        fatal(f"WINDOW_UPDATE of {size} bytes on {stream}", UPDATE,
              post(1) + frame(Type.WINDOW_UPDATE, 0, stream, bytes(size)),
              codes=(Error.FRAME_SIZE_ERROR,))
        for size in (0, 3, 5, 8)
        for stream in (0, 1)
    ),
    fatal("the connection's window overflows", WINDOWS, window_update(0, MAX_WINDOW - WINDOW + 1), codes=FLOW),
    fatal("the connection's window overflows, in two steps", WINDOWS,
          window_update(0, MAX_WINDOW - WINDOW) + window_update(0, 1), codes=FLOW),
    refused("a stream's window overflows", WINDOWS, post(1) + window_update(1, MAX_WINDOW), outcomes=OVERFLOWN),
    refused("a stream's window overflows, in two steps", WINDOWS,
            post(1) + window_update(1, MAX_WINDOW - WINDOW) + window_update(1, 1), outcomes=OVERFLOWN),
    refused("the window of a response overflows", WINDOWS, get(1), begun(1),
            window_update(1, MAX_WINDOW) + window_update(1, MAX_WINDOW), window=0, asked=GET,
            outcomes=OVERFLOWN | {Outcome(200, True), Outcome(200, True, Error.FLOW_CONTROL_ERROR)}),
    served("a stream's window as large as can be", WINDOWS,
           post(1) + window_update(1, MAX_WINDOW - WINDOW) + data(1, b"hello", end=True),
           asked=(Asked("POST", "/post", b"hello"),)),
    fatal("SETTINGS make a stream's window overflow", INITIAL,
          post(1) + window_update(1, MAX_WINDOW - WINDOW) + initial(WINDOW + 1), codes=FLOW),
    # What the server is sent
    served("a request's whole window at once", WINDOWS, post(1, path="/hold"), fill(1), streams={1: UNTOUCHED},
           asked=(),
           application=True),
    either(
        refused("more than a stream's window", WINDOWS, post(1, path="/hold"), *full(1), data(1, b"x"),
                outcomes=OVERFLOWN,
                application=True),
        fatal("more than a stream's window", WINDOWS, post(1, path="/hold"), *full(1), data(1, b"x"), codes=FLOW,
              application=True),
    ),
    either(
        refused("padding counts", "RFC 9113, section 6.1", post(1, path="/hold"), *full(1, left=5), data(1, b"", pad=5),
                outcomes=OVERFLOWN, application=True),
        fatal("padding counts", "RFC 9113, section 6.1", post(1, path="/hold"), *full(1, left=5), data(1, b"", pad=5),
              codes=FLOW, application=True),
    ),
    served("padding fits to the byte", "RFC 9113, section 6.1", post(1, path="/hold"), fill(1, left=6),
           data(1, b"", pad=5),
           streams={1: UNTOUCHED}, asked=(), application=True),
    served("empty DATA fits always", PRINCIPLES, post(1, path="/hold"), *full(1), data(1) + data(1, end=True),
           streams={1: UNTOUCHED}, asked=(), application=True),
    # The window of the connection comes back, whatever becomes of what was in it: more goes through than fits at once.
    *(
        served(f"the window is given back: {name}", WINDOWS, *(
            step
            for stream in STREAMS
            for step in (room(2 * SIZE), post(stream, path=path) + filling(stream), *([over(stream)] if waits else []),
            last(stream))
        ), streams=dict.fromkeys(STREAMS, outcomes), asked=None, application=path != "/post")
        for name, path, filling, waits, last, outcomes in (
            ("of requests that are read", "/post", content, False, lambda stream: data(stream, end=True), OK),
            ("of padding", "/post", padding, False, lambda stream: data(stream, end=True), OK),
            ("of streams that the client resets", "/post", content, False, rst_stream, UNTOUCHED),
            ("of streams that the client resets, unread", "/hold", content, False, rst_stream, UNTOUCHED),
            ("of content that comes behind the answer", "/early", content, True,
             lambda stream: content(stream) + data(stream, end=True), EARLY),
            ("of content that was never read", "/early", lambda stream: content(stream) + data(stream, end=True), True,
             lambda stream: b"", EARLY),
        )
    ),
    served("the window is given back: of a malformed request", WINDOWS, *(
        step
        for stream in STREAMS
        for step in (room(2 * SIZE), post(stream, ("content-length", "1")) + content(stream))
    ), streams=dict.fromkeys(STREAMS, MALFORMED), asked=()),
    served("the window is given back: of streams that the server has reset", WINDOWS,
           post(1, ("content-length", "1")) + data(1, b"12"), over(1),
           *(step for _ in STREAMS for step in (room(2 * SIZE), content(1))), streams={1: MALFORMED}, asked=()),
]  # fmt: skip
