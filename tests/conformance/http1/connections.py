"""Several requests on one connection: which of them are served, in which order, and who closes."""

from conformance.asked import Asked
from conformance.http1.table import PROBE, Row, Seen, get, last, message, post, taken, unfinished

PERSISTENCE = "RFC 9112, section 9.3"
PIPELINING = "RFC 9112, section 9.3.2"
TEAR_DOWN = "RFC 9112, section 9.6"
INCOMPLETE = "RFC 9112, section 8"

HELLO = post("Content-Length: 5", body=b"hello")
CHUNKS = post("Transfer-Encoding: chunked", body=b"2\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n")
POSTED = Asked("POST", "/post", b"hello")
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
OLD = "HTTP/1.0"
KEEP = "Connection: keep-alive"


def numbered(number: int) -> bytes:
    return get(target=f"/{number}")


def after(good: bytes, bad: bytes, name: str, rfc: str, *asked: Asked, status: int = 400) -> Row:
    """Requests that are served, and one behind them that is refused."""
    return Row(name, rfc, good + bad, Seen(asked, 0, (*(200 for _ in asked), status), True))


TABLE = [
    taken("one after the other", PIPELINING, b"".join(map(numbered, range(20))),
          *(Asked("GET", f"/{number}") for number in range(20))),
    taken("bodies between them", PIPELINING, HELLO + get() + CHUNKS + HELLO + get(),
          POSTED, Asked("GET", "/"), POSTED, POSTED, Asked("GET", "/")),
    taken("a request in a body is content", PIPELINING,
          post(f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED), Asked("POST", "/post", SMUGGLED)),
    taken("a request in a chunk is content", PIPELINING,
          post("Transfer-Encoding: chunked", body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)),
          Asked("POST", "/post", SMUGGLED)),
    taken("an announced length is the whole body", "RFC 9112, section 6.3",
          post("Content-Length: 3", body=b"hel") + get(), Asked("POST", "/post", b"hel"), Asked("GET", "/")),
    after(post("Content-Length: 3", body=b"hel"), b"lo" + get(), "what is behind a body is no part of it",
          "RFC 9112, section 6.3", Asked("POST", "/post", b"hel"), status=501),
    after(post(), CHUNKS[-30:], "what is behind a request without a body is none", "RFC 9112, section 6.3",
          Asked("POST", "/post")),
    after(HELLO + get(), message("GET /bad HTTP/1.1"), "a bad one behind good ones", TEAR_DOWN,
          POSTED, Asked("GET", "/")),
    # Who stays
    taken("HTTP/1.1 that says that it stays", PERSISTENCE, get(KEEP), Asked("GET", "/")),
    taken("HTTP/1.0 that stays", PERSISTENCE, message(f"GET / {OLD}", KEEP) * 2, *[Asked("GET", "/")] * 2),
    taken("HTTP/1.0 that stays, with a body", PERSISTENCE,
          message(f"POST / {OLD}", KEEP, "Content-Length: 2", body=b"hi"), Asked("POST", "/", b"hi")),
    last("HTTP/1.0", PERSISTENCE, message(f"GET / {OLD}"), Asked("GET", "/")),
    last("HTTP/1.0 that says that it does not stay", PERSISTENCE, message(f"GET / {OLD}", "Connection: close"),
         Asked("GET", "/")),
    last("close", TEAR_DOWN, get("Connection: close") + SMUGGLED, Asked("GET", "/")),
    last("Close", "RFC 9110, section 7.6.1", get("Connection: Close") + SMUGGLED, Asked("GET", "/")),
    last("close in a list", "RFC 9110, section 7.6.1", get("Connection: x, ,close ,y"), Asked("GET", "/")),
    last("close and keep-alive", TEAR_DOWN, get("Connection: keep-alive, close"), Asked("GET", "/")),
    last("close in a second line", "RFC 9110, section 7.6.1", get(KEEP, "Connection: close"), Asked("GET", "/")),
    last("close behind a body", TEAR_DOWN, post("Connection: close", "Content-Length: 5", body=b"hello"), POSTED),
    taken("words that have close in them", "RFC 9110, section 7.6.1", get("Connection: closed, not-close"),
          Asked("GET", "/")),
    taken("an upgrade that nobody takes", "RFC 9110, section 7.8",
          get("Connection: Upgrade", "Upgrade: h2c") + HELLO, Asked("GET", "/"), POSTED),
    taken("an upgrade that nobody takes, with a body", "RFC 9110, section 7.8",
          post("Connection: Upgrade", "Upgrade: websocket", "Content-Length: 5", body=b"hello"), POSTED),
    # The end of the connection
    *(
        unfinished(f"the end {size} bytes into a head", INCOMPLETE, PROBE[:size], calls=0)
        for size in range(len(PROBE))
    ),
]  # fmt: skip
