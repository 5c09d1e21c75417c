"""Streams: which frame is allowed in which state, their numbers, and how many there may be."""

from conformance.http2.table import (
    CLOSED,
    EARLY,
    GET,
    MALFORMED,
    OK,
    UNTOUCHED,
    WAITING,
    Asked,
    Await,
    Expected,
    Row,
    acknowledged,
    begun,
    either,
    fatal,
    over,
    reset,
    served,
)
from support.http2 import (
    Error,
    Referee,
    Setting,
    continuation,
    data,
    get,
    headers,
    literal,
    ping,
    post,
    priority,
    priority_update,
    rst_stream,
    settings,
    window_update,
)

STATES = "RFC 9113, section 5.1"
NUMBERS = "RFC 9113, section 5.1.1"
CONCURRENCY = "RFC 9113, section 5.1.2"
ERRORS = "RFC 9113, section 5.4.2"

HELLO = Asked("POST", "/post", b"hello")
ENDED = reset(Error.STREAM_CLOSED, behind=(None, 200))
TRAILERS = literal("x", "y")


def frames_on(stream: int) -> dict[str, bytes]:
    """A frame of each type that has a stream."""
    return {
        "DATA": data(stream, b"hello"),
        "empty DATA": data(stream),
        "DATA with END_STREAM": data(stream, b"hello", end=True),
        "HEADERS": headers(stream, TRAILERS, end=True),
        "HEADERS of a request": get(stream),
        "HEADERS with CONTINUATION": headers(stream, b"", end=True, done=False) + continuation(stream, TRAILERS),
        "CONTINUATION": continuation(stream, TRAILERS),
        "RST_STREAM": rst_stream(stream),
        "WINDOW_UPDATE": window_update(stream, 1),
        "PRIORITY": priority(stream),
    }


OPENING = ("HEADERS", "HEADERS of a request", "HEADERS with CONTINUATION")
PASSING = ("RST_STREAM", "WINDOW_UPDATE", "PRIORITY")


def in_idle(name: str, sent: bytes, stream: int) -> Row:
    return fatal(f"idle: {name} on {stream}", STATES, sent)


def in_half_closed(name: str, sent: bytes) -> Row:
    """The request has come whole, the response has no room in the window: half-closed (remote)."""
    label = f"half-closed: {name}"
    if name == "RST_STREAM":
        return served(label, STATES, get(1), sent, window=0, streams={1: WAITING})
    if name == "PRIORITY":
        return served(label, STATES, get(1), sent, window=0, streams={1: WAITING})
    if name == "WINDOW_UPDATE":
        return served(label, STATES, get(1), begun(1), window_update(1, 50_000), window=0)
    if name == "CONTINUATION":
        return fatal(label, STATES, get(1), sent, window=0, asked=GET)
    return served(label, STATES, get(1), sent, window=0, streams={1: ENDED})


def in_closed(name: str, sent: bytes) -> Row:
    """Both sides have ended the stream.

    Section 6.1 asks for a stream error where DATA comes, section 5.1.1 for a connection error where HEADERS would open
    the stream anew, and section 5.1 lets any frame but a few be a connection error.
    """
    label = f"closed: {name}"
    before = (get(1), over(1))
    if name in PASSING:
        return served(label, STATES, *before, sent)
    late = fatal(label, STATES, *before, sent, codes=(Error.STREAM_CLOSED, Error.PROTOCOL_ERROR), asked=GET)
    if name == "CONTINUATION":
        return late
    refusal = served(label, STATES, *before, sent, streams={1: CLOSED})
    return either(late, refusal) if name in OPENING else either(refusal, late)


def in_cancelled(name: str, sent: bytes) -> Row:
    """The client has reset the stream, and goes on: that may be ignored (section 5.1, "minimal processing")."""
    label = f"cancelled: {name}"
    before = (post(1), rst_stream(1), ping(b"litmus 3"))
    ignored = served(label, STATES, *before, sent, streams={1: UNTOUCHED}, asked=())
    if name in PASSING:
        return ignored
    late = fatal(label, STATES, *before, sent, codes=(Error.STREAM_CLOSED, Error.PROTOCOL_ERROR))
    if name == "CONTINUATION":
        return late
    return either(served(label, STATES, *before, sent, streams={1: ENDED | UNTOUCHED}, asked=()), late)


def in_refused(name: str, sent: bytes) -> Row:
    """The server has reset the stream; the client may not have heard of it: all that comes is discarded."""
    before = (post(1, ("content-length", "1")) + data(1, b"12"), over(1))
    if name == "CONTINUATION":
        return fatal(f"reset by the server: {name}", STATES, *before, sent)
    return served(f"reset by the server: {name}", STATES, *before, sent, streams={1: MALFORMED}, asked=())


def above(referee: Referee) -> int:
    """How many streams the server allows."""
    return referee.settings[Setting.MAX_CONCURRENT_STREAMS]


def as_many(referee: Referee) -> bytes:
    """Requests that stay open, as many as are allowed."""
    return b"".join(post(1 + 2 * number) for number in range(above(referee)))


def end_all(referee: Referee) -> bytes:
    return b"".join(data(1 + 2 * number, end=True) for number in range(above(referee)))


ALL_OVER = Await(
    "the end of all that are allowed",
    lambda referee: all(referee.response(1 + 2 * number).over for number in range(above(referee))),
)


def cancel_all(referee: Referee) -> bytes:
    return b"".join(rst_stream(1 + 2 * number) for number in range(above(referee)))


TABLE = [
    # Idle
    *(
        in_idle(name, sent, stream)
        for stream in (1, 7)
        for name, sent in frames_on(stream).items()
        if name not in (*OPENING, "PRIORITY")
    ),
    *(in_idle(name, sent, 2) for name, sent in frames_on(2).items() if name != "PRIORITY"),
    *(
        fatal(f"idle, above one that is open: {name}", STATES, post(1) + sent)
        for name, sent in frames_on(3).items()
        if name not in (*OPENING, "PRIORITY")
    ),
    served("idle: PRIORITY", STATES, priority(1) + get(1)),
    served("idle: PRIORITY above", STATES, priority(2**31 - 1) + get(1)),
    served("idle: PRIORITY on a stream of the server", STATES, priority(2) + get(1)),
    # Open
    served("open: PRIORITY", STATES, post(1) + priority(1) + data(1, b"hello", end=True), asked=(HELLO,)),
    served("open: WINDOW_UPDATE", STATES, post(1) + window_update(1, 1) + data(1, b"hello", end=True), asked=(HELLO,)),
    served("open: RST_STREAM", STATES, post(1) + rst_stream(1), streams={1: UNTOUCHED}, asked=()),
    served("open: RST_STREAM behind DATA", STATES, post(1) + data(1, b"he") + rst_stream(1), streams={1: UNTOUCHED},
           asked=()),
    served("open: the answer has ended", STATES, post(1, path="/early"), over(1), data(1, b"hello", end=True),
           streams={1: EARLY}, asked=(), application=True),
    served("open: the answer has ended, more follows", STATES, post(1, path="/early"), over(1),
           data(1, b"hello") * 3 + headers(1, TRAILERS, end=True), streams={1: EARLY}, asked=(), application=True),
    served("open: the answer has ended, then RST_STREAM", STATES, post(1, path="/early"), over(1), rst_stream(1, 0),
           streams={1: EARLY}, asked=(), application=True),
    # The states in which the client has finished
    *(in_half_closed(name, sent) for name, sent in frames_on(1).items()),
    *(in_closed(name, sent) for name, sent in frames_on(1).items()),
    *(in_cancelled(name, sent) for name, sent in frames_on(1).items()),
    *(in_refused(name, sent) for name, sent in frames_on(1).items()),
    served("half-closed: DATA, at once", STATES, get(1) + data(1, b"x"), window=0, streams={1: ENDED}),
    served("half-closed: two DATA are one error", ERRORS, get(1) + data(1, b"x") * 2, window=0, streams={1: ENDED}),
    served("half-closed behind DATA: DATA", STATES, post(1) + data(1, b"hello", end=True) + data(1, b"x"), window=0,
           streams={1: ENDED}, asked=None),
    served("half-closed behind trailers: DATA", STATES,
           post(1) + data(1, b"hello") + headers(1, TRAILERS, end=True) + data(1, b"x"), window=0,
           streams={1: ENDED}, asked=None),
    served("half-closed behind a block in pieces: DATA", STATES,
           headers(1, get(1)[9:], end=True, done=False) + continuation(1) + data(1, b"x"), window=0,
           streams={1: ENDED}),
    served("RST_STREAM of a code that nobody knows", "RFC 9113, section 7", post(1) + rst_stream(1, 0xFACE),
           streams={1: UNTOUCHED}, asked=()),
    served("RST_STREAM twice", STATES, post(1) + rst_stream(1) * 2, streams={1: UNTOUCHED}, asked=()),
    served("RST_STREAM while the response waits for the window", STATES, get(1), begun(1), rst_stream(1), window=0,
           streams={1: WAITING}),
    # Numbers
    served("numbers that skip", NUMBERS, get(1) + get(5) + get(101), streams={1: OK, 5: OK, 101: OK}, asked=GET * 3),
    served("a high number first", NUMBERS, get(999_997), streams={999_997: OK}),
    *(fatal(f"HEADERS on the even stream {stream}", NUMBERS, get(stream)) for stream in (2, 4, 2**31 - 2)),
    fatal("HEADERS on an even stream behind a good request", NUMBERS, get(1), over(1), get(2), asked=GET),
    fatal("a number below the last", NUMBERS, get(5), over(5), get(3), asked=GET),
    fatal("a number far below the last", NUMBERS, get(100_001), over(100_001), get(3), asked=GET),
    fatal("a number below an open one", NUMBERS, post(5) + get(3)),
    fatal("a number below a malformed request's", NUMBERS, get(5, method=None), over(5), get(3)),
    *(
        either(
            fatal(f"on a number that was skipped: {name}", NUMBERS, get(5), over(5), sent, asked=GET,
                  codes=(Error.PROTOCOL_ERROR, Error.STREAM_CLOSED)),
            served(f"on a number that was skipped: {name}", NUMBERS, get(5), over(5), sent, streams={5: OK}),
        )
        for name, sent in frames_on(3).items()
        if name in PASSING[:2]
    ),
    served("on a number that was skipped: PRIORITY", NUMBERS, get(5), over(5), priority(3), streams={5: OK}),
    # The last number there is; the probe cannot be above it.
    served("the last number", NUMBERS, get(2**31 - 1), streams={2**31 - 1: OK}, probed=False),
    fatal("behind the last number", NUMBERS, get(2**31 - 1), over(2**31 - 1), get(2**31 - 3), asked=GET, probed=False),
    # How many
    Row("as many as are allowed", CONCURRENCY, (as_many, end_all, ALL_OVER), (Expected({1: OK}, None),)),
    Row("one more than allowed", CONCURRENCY,
        (as_many, lambda referee: get(999_997), over(999_997), cancel_all),
        (Expected({999_997: reset(Error.REFUSED_STREAM, Error.PROTOCOL_ERROR)}, ()),)),
    Row("one more than allowed, behind one that was reset", CONCURRENCY,
        (as_many, rst_stream(1) + get(999_997), over(999_997), cancel_all),
        (Expected({999_997: OK, 1: UNTOUCHED}, (Asked(),)),)),
    Row("one more than allowed, behind one that was answered", CONCURRENCY,
        (as_many, data(1, b"hello", end=True), over(1), get(999_997), over(999_997), cancel_all),
        (Expected({999_997: OK, 1: OK}, (Asked(), HELLO)),)),
    Row("what waits for the window counts", CONCURRENCY,
        (lambda referee: b"".join(get(1 + 2 * number) for number in range(above(referee))), begun(1),
         get(999_997), over(999_997), lambda referee: window_update(1, 1000) + cancel_all(referee)[13:]),
        (Expected({999_997: reset(Error.REFUSED_STREAM, Error.PROTOCOL_ERROR), 1: OK}, None),), window=0),
    Row("one that was refused is decompressed", CONCURRENCY,
        (as_many, headers(999_995, get(1)[9:] + literal("x-stored", "kept", store=True), end=True), over(999_995),
         cancel_all, headers(999_997, get(1)[9:] + b"\xbe", end=True)),
        (Expected({999_995: reset(Error.REFUSED_STREAM, Error.PROTOCOL_ERROR), 999_997: OK},
                  (Asked(fields=((b"host", b"a"), (b"x-stored", b"kept"))),)),)),
    served("the client's limit is not the server's", "RFC 9113, section 6.5.2",
           settings({Setting.MAX_CONCURRENT_STREAMS: 0}), acknowledged(2), get(1) + get(3), streams={1: OK, 3: OK},
           asked=GET * 2),
    served("a stream that was reset is none of PRIORITY_UPDATE's errors", "RFC 9218, section 7.1",
           post(1) + rst_stream(1) + priority_update(1), streams={1: UNTOUCHED}, asked=()),
]  # fmt: skip
