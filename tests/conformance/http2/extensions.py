"""Extensions: WebSockets over HTTP/2 (RFC 8441), and priorities (RFC 9218)."""

from conformance.http2.table import (
    MALFORMED,
    UNTOUCHED,
    Asked,
    Expected,
    Outcome,
    Row,
    acknowledged,
    answered,
    either,
    fatal,
    over,
    refused,
    served,
)
from support.http2 import (
    MAX_STREAM,
    PREFACE,
    Error,
    Field,
    Setting,
    Type,
    continuation,
    data,
    frame,
    get,
    headers,
    post,
    priority,
    priority_update,
    request,
    rst_stream,
    settings,
)

CONNECT = "RFC 8441, section 4"
SETTING = "RFC 8441, section 3"
UPDATE = "RFC 9218, section 7.1"
PRIORITIES = "RFC 9218, section 2.1"

SIZE = (Error.FRAME_SIZE_ERROR,)
HELLO = (Asked("POST", "/post", b"hello"),)
EXTENDED = [(":method", "CONNECT"), (":protocol", "x-unknown"), *request(method=None)]


def without(name: str) -> list[Field]:
    return [pair for pair in EXTENDED if pair[0] != name]


def raw(name: str, fields: list[Field]) -> Row:
    return refused(name, CONNECT, headers(1, fields, end=True))


TABLE = [
    # Extended CONNECT. Without the setting, :protocol is unknown, and malformed all the same.
    *(raw(f":protocol without {name}", without(name)) for name in (":method", ":scheme", ":path", ":authority")),
    raw(":protocol in a GET", [(":protocol", "websocket"), *request()]),
    raw(":protocol in a POST", [*request(method="POST"), (":protocol", "websocket")]),
    raw(":protocol twice", [*EXTENDED, (":protocol", "websocket")]),
    raw(":protocol behind a field", [*without(":protocol"), ("x", "y"), (":protocol", "websocket")]),
    refused(":protocol in trailers", CONNECT,
            post(1) + data(1, b"hello") + headers(1, [(":protocol", "websocket")], end=True)),
    Row("a protocol that nobody knows", CONNECT, (headers(1, EXTENDED), over(1)),
        (Expected({1: MALFORMED | answered(400, 404, 501) | {
            Outcome(status, True, code) for status in (400, 404, 501) for code in (Error.NO_ERROR, Error.CANCEL)
        }}),)),
    served("a client that announces extended CONNECT", SETTING, settings({Setting.ENABLE_CONNECT_PROTOCOL: 1}),
           acknowledged(2), get(1)),
    # PRIORITY_UPDATE
    served("PRIORITY_UPDATE on an idle stream", UPDATE, priority_update(1) + get(1)),
    served("PRIORITY_UPDATE on an open stream", UPDATE,
           post(1) + priority_update(1, "u=7, i") + data(1, b"hello", end=True),
           asked=HELLO),
    served("PRIORITY_UPDATE on a closed stream", UPDATE, get(1), over(1), priority_update(1)),
    served("PRIORITY_UPDATE on a stream that was reset", UPDATE, post(1) + rst_stream(1) + priority_update(1),
           streams={1: UNTOUCHED}, asked=()),
    served("PRIORITY_UPDATE on the last stream there is", UPDATE, priority_update(MAX_STREAM) + get(1)),
    served("PRIORITY_UPDATE twice", UPDATE, priority_update(1) + priority_update(1, "u=0") + get(1)),
    served("PRIORITY_UPDATE without words", UPDATE, priority_update(1, "") + get(1)),
    served("PRIORITY_UPDATE with the reserved bit", UPDATE,
           frame(Type.PRIORITY_UPDATE, 0, 0, b"\x80\0\0\1u=1") + get(1)),
    served("PRIORITY_UPDATE with flags", UPDATE, frame(Type.PRIORITY_UPDATE, 0xFF, 0, b"\0\0\0\1u=1") + get(1)),
    *(
        served(f"PRIORITY_UPDATE of {value!r}", "RFC 9218, section 4", priority_update(1, value) + get(1))
        for value in ("u=8", "u=-1", "u=x", "u", "i=?2", "\x00\xff", "u=1,", "=", "unknown=5, u=2", "i;x=y")
    ),
    fatal("PRIORITY_UPDATE on a stream of its own", UPDATE, priority_update(1, stream=1)),
    fatal("PRIORITY_UPDATE on an open stream of its own", UPDATE, post(1) + priority_update(1, stream=1)),
    fatal("PRIORITY_UPDATE of stream 0", UPDATE, priority_update(0)),
    *(
        fatal(f"PRIORITY_UPDATE of {size} bytes", UPDATE, frame(Type.PRIORITY_UPDATE, 0, 0, bytes(size)), codes=SIZE)
        for size in (0, 1, 3)
    ),
    # A promise of the server's that was never made: an idle push stream (RFC 9218, section 7.1).
    fatal("PRIORITY_UPDATE of a push that was never promised", UPDATE, priority_update(2)),
    fatal("PRIORITY_UPDATE in a header block", UPDATE,
          headers(1, request(), end=True, done=False) + priority_update(1) + continuation(1)),
    *(
        served(f"the field priority: {value!r}", "RFC 9218, section 5", get(1, ("priority", value)),
               asked=(Asked(fields=((b"host", b"a"), (b"priority", value.encode()))),))
        for value in ("u=0", "u=3, i", "u=99", "nonsense;;", "")
    ),
    # SETTINGS_NO_RFC7540_PRIORITIES
    served("no RFC 7540 priorities, from the beginning", PRIORITIES,
           PREFACE + settings({Setting.NO_RFC7540_PRIORITIES: 1}) + priority(1, 3) + get(1), opens=False),
    fatal("no RFC 7540 priorities: 2, from the beginning", PRIORITIES,
          PREFACE + settings({Setting.NO_RFC7540_PRIORITIES: 2}) + get(1), opens=False, asked=()),
    fatal("no RFC 7540 priorities: 2", PRIORITIES, settings({Setting.NO_RFC7540_PRIORITIES: 2})),
    either(
        served("no RFC 7540 priorities, changed", PRIORITIES, settings({Setting.NO_RFC7540_PRIORITIES: 1}) + get(1)),
        fatal("no RFC 7540 priorities, changed", PRIORITIES, settings({Setting.NO_RFC7540_PRIORITIES: 1}) + get(1)),
    ),
]  # fmt: skip
