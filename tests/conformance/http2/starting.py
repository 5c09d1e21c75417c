"""How a connection begins: the preface, and the SETTINGS that follow it on both sides."""

from conformance.asked import Asked
from conformance.http2.table import ANNOUNCED, GET, OK, Row, Step, acknowledged, fatal, served
from support.http2 import (
    PREFACE,
    Error,
    Flag,
    Type,
    data,
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

PREFACE_RULE = "RFC 9113, section 3.4"
PRIOR = "RFC 9113, section 3.3"

# Who does not send the preface speaks another protocol, and need not be told in this one (section 3.4). As far as it
# goes, it may be HTTP/1; from "SM" on it can be nothing else.
BAD_PREFACES = {
    "the last byte": PREFACE[:-1] + b"\r",
    "SM": PREFACE.replace(b"SM", b"SN"),
    "sm": PREFACE.replace(b"SM", b"sm"),
    "no empty line behind SM": PREFACE[:-4] + b"....",
    "a frame in the place of SM": PREFACE[:18] + settings(),
}

FIRST_FRAMES = {
    "HEADERS": get(1),
    "DATA": data(1, b"x"),
    "PING": ping(),
    "WINDOW_UPDATE": window_update(0, 1),
    "PRIORITY": priority(1),
    "RST_STREAM": rst_stream(1),
    "GOAWAY": goaway(),
    "an unknown type": frame(0xFA),
    "an acknowledgement of SETTINGS": settings(ack=True),
}


def begins(name: str, rfc: str, *sent: Step, **more: object) -> Row:
    """A connection that begins in its own way, and is served."""
    return served(name, rfc, *sent, opens=False, **more)


TABLE = [
    begins("preface and request at once", PREFACE_RULE, PREFACE + settings() + get(1)),
    begins("preface and a request with content at once", PREFACE_RULE,
           PREFACE + settings() + post(1) + data(1, b"hello", end=True), asked=(Asked("POST", "/post", b"hello"),)),
    begins("the preface by itself, then SETTINGS", PREFACE_RULE, PREFACE, settings() + get(1)),
    begins("the preface in two pieces", PREFACE_RULE, PREFACE[:10], PREFACE[10:] + settings() + get(1)),
    begins("the server's SETTINGS need no request", PRIOR, PREFACE + settings(), ANNOUNCED, acknowledged(1), get(1)),
    begins("SETTINGS are acknowledged behind requests", PREFACE_RULE,
           PREFACE + settings() + get(1), ANNOUNCED, get(3), streams={1: OK, 3: OK}, asked=GET * 2),
    begins("SETTINGS with values", PREFACE_RULE,
           PREFACE + settings({1: 4096, 2: 0, 3: 100, 4: 65535, 5: 16384}) + get(1)),
    *(
        fatal(f"bad preface: {name}", PREFACE_RULE, sent + settings() + get(1), opens=False,
              codes=(Error.PROTOCOL_ERROR, None))
        for name, sent in BAD_PREFACES.items()
    ),
    *(
        fatal(f"first frame: {name}", PREFACE_RULE, PREFACE + sent, opens=False)
        for name, sent in FIRST_FRAMES.items()
    ),
    fatal("first frame: SETTINGS on a stream", PREFACE_RULE, PREFACE + frame(Type.SETTINGS, 0, 1), opens=False),
    fatal("first frame: SETTINGS too large", "RFC 9113, section 4.2",
          PREFACE + frame(Type.SETTINGS, 0, 0, bytes(16_386)),
          opens=False, codes=(Error.FRAME_SIZE_ERROR,)),
    fatal("a second preface", PREFACE_RULE, PREFACE, codes=(Error.FRAME_SIZE_ERROR, Error.PROTOCOL_ERROR)),
    fatal("HTTP/1.1 behind the preface", PREFACE_RULE, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
          codes=(Error.FRAME_SIZE_ERROR, Error.PROTOCOL_ERROR)),
    fatal("a header block first, in pieces", PREFACE_RULE,
          PREFACE + headers(1, request(), end=True, done=False) + frame(Type.CONTINUATION, Flag.END_HEADERS, 1),
          opens=False),
]  # fmt: skip
