"""What an application sends, and what its client gets: framing, and faults, which must show."""

from typing import Any, NamedTuple

BODY = "RFC 9112, section 6.3"
LENGTH = "RFC 9110, section 8.6"
CODINGS = "RFC 9112, section 6.1"
HEAD = "RFC 9110, section 9.3.2"
INCOMPLETE = "RFC 9112, section 8"
FIELDS = "RFC 9110, section 5"
CLOSING = "RFC 9112, section 9.6"
ASGI = "ASGI, Response Start - send event"
ERROR = b"500 Internal Server Error: the application failed\n"


class Answer(NamedTuple):
    """A response as its client gets it.

    Attributes:
        whole: the client can take it for complete.
        kept: the next request on the connection is served.
    """

    status: int
    body: bytes
    whole: bool = True
    kept: bool = True


class Play(NamedTuple):
    """What an application does when it is asked for something, and what comes of it.

    Attributes:
        does: messages that it sends, and exceptions that it raises.
        framing: the response's fields of these names, exactly; names of them are in ``FRAMING``.
    """

    name: str
    rfc: str
    does: tuple[Any, ...]
    answer: Answer
    framing: tuple[tuple[bytes, bytes], ...] | None = None
    method: str = "GET"
    version: str = "1.1"

    @property
    def asks(self) -> bytes:
        keep = "Connection: keep-alive\r\n" if self.version == "1.0" else ""
        return f"{self.method} /play HTTP/{self.version}\r\nHost: a\r\n{keep}\r\n".encode()


FRAMING = (b"content-length", b"transfer-encoding", b"connection")


class Boom(Exception):
    pass


def start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def part(body: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}


def end(body: Any = b"") -> dict[str, Any]:
    return {"type": "http.response.body", "body": body}


def length(size: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % size


CHUNKED = (b"transfer-encoding", b"chunked")
CLOSE = (b"connection", b"close")
KEEP = (b"connection", b"keep-alive")
FAILED = Answer(500, ERROR)

BAD_FIELDS = {
    "CR LF in a value": (b"x", b"a\r\nset-cookie: evil"),
    "CR LF CR LF in a value": (b"x", b"a\r\n\r\n<html>"),
    "LF in a value": (b"x", b"a\nset-cookie: evil"),
    "CR in a value": (b"x", b"a\rset-cookie: evil"),
    "a folded value": (b"x", b"a\r\n b"),
    "NUL in a value": (b"x", b"a\0b"),
    "LF at the end of a value": (b"x", b"a\n"),
    "CR LF in a name": (b"x: a\r\nset-cookie", b"evil"),
    "LF in a name": (b"x\n", b"a"),
    "a colon in a name": (b"x: a", b"b"),
    "a space behind a name": (b"x ", b"a"),
    "a byte outside ASCII in a name": (b"x\xe4", b"a"),
    "an empty name": (b"", b"a"),
    "CR LF in Content-Length": (b"content-length", b"2\r\n"),
    "a list in Content-Length": (b"content-length", b"2, 2"),
    "a plus in Content-Length": (b"content-length", b"+2"),
    "an underscore in Content-Length": (b"content-length", b"0_2"),
    "white space in Content-Length": (b"content-length", b" 2"),
    "digits of another script in Content-Length": (b"content-length", b"\xd9\xa2"),
    "an empty Content-Length": (b"content-length", b""),
    "CR LF in Connection": (b"connection", b"close\r\nx: y"),
    "CR LF in what is dropped": (b"transfer-encoding", b"chunked\r\nx: y"),
    "text": ("x", "a"),
}

OK = Answer(200, b"ok")
EMPTY = Answer(200, b"")
CUT = Answer(200, b"ok", whole=False, kept=False)
BROKEN = Answer(0, b"", whole=False, kept=False)
"""A reset: a plain end of the connection would be that of the body. Of what it overtakes nothing is sure to arrive."""

FRAMED = [
    Play("a whole body", BODY, (start(), end(b"ok")), OK, (length(2),)),
    Play("an empty body", BODY, (start(), end()), EMPTY, (length(0),)),
    Play("a body in parts", CODINGS, (start(), part(b"o"), part(b""), part(b"k"), end()), OK, (CHUNKED,)),
    Play("an empty body in parts", CODINGS, (start(), part(b""), end()), EMPTY, (CHUNKED,)),
    Play("an announced length", LENGTH, (start(length(2)), end(b"ok")), OK, (length(2),)),
    Play("an announced length in parts", LENGTH, (start(length(2)), part(b"o"), end(b"k")), OK, (length(2),)),
    Play("the same length twice", LENGTH, (start(length(2), length(2)), end(b"ok")), OK, (length(2),)),
    Play("two lengths", LENGTH, (start(length(2), length(3)), end(b"ok")), FAILED),
    Play(
        "chunks of the application's own", CODINGS, (start(CHUNKED), end(b"2\r\nok\r\n0\r\n\r\n")),
        Answer(200, b"2\r\nok\r\n0\r\n\r\n"), (length(12),),
    ),
    Play("a coding beside a length", CODINGS, (start(CHUNKED, length(2)), end(b"ok")), OK, (length(2),)),
    Play("close", CLOSING, (start(CLOSE), end(b"ok")), Answer(200, b"ok", kept=False), (length(2), CLOSE)),
    Play("HTTP/1.0, a whole body", BODY, (start(), end(b"ok")), OK, (length(2), KEEP), version="1.0"),
    Play(
        "HTTP/1.0, a body in parts", CODINGS, (start(), part(b"o"), end(b"k")),
        Answer(200, b"ok", kept=False), (CLOSE,), version="1.0",
    ),
    Play("HTTP/1.0, a length", BODY, (start(length(2)), part(b"o"), end(b"k")), OK, (length(2), KEEP), version="1.0"),
]  # fmt: skip

WITHOUT_CONTENT = [
    Play("HEAD", HEAD, (start(), end(b"ok")), EMPTY, (), "HEAD"),
    Play("HEAD, in parts", HEAD, (start(), part(b"o"), end(b"k")), EMPTY, (), "HEAD"),
    Play("HEAD, a length", HEAD, (start(length(2)), end(b"ok")), EMPTY, (length(2),), "HEAD"),
    Play("HEAD, a length and no body", HEAD, (start(length(2)), end()), EMPTY, (length(2),), "HEAD"),
    Play("HEAD, another length", HEAD, (start(length(9)), end(b"ok")), EMPTY, (length(9),), "HEAD"),
    Play("HEAD in HTTP/1.0", HEAD, (start(), part(b"o"), end(b"k")), EMPTY, (KEEP,), "HEAD", "1.0"),
    *(
        Play(f"{name}{how}", BODY, (start(*fields, status=status), *body), Answer(status, b""), ())
        for name, status, fields in (
            ("204", 204, ()),
            ("204, a length", 204, (length(2),)),
            ("204, a coding", 204, (CHUNKED,)),
            ("304", 304, ()),
            ("304, a coding", 304, (CHUNKED,)),
        )
        for how, body in (("", (end(),)), (", a body", (end(b"ok"),)), (", in parts", (part(b"o"), end(b"k"))))
    ),
    Play("204 to HEAD", BODY, (start(status=204), end()), Answer(204, b""), (), "HEAD"),
    Play("304, a length", LENGTH, (start(length(5), status=304), end()), Answer(304, b""), (length(5),)),
    *(
        Play(f"status {status}", "RFC 9110, section 15", (start(status=status), end()), FAILED)
        for status in (-1, 0, 99, 100, 101, 103, 199, 1000)
    ),
]

# Nothing of a response is sent when its head, and what of the body comes with it, can't be.
FAULTY_HEADS = [
    *(Play(name, FIELDS, (start(field), end(b"ok")), FAILED) for name, field in BAD_FIELDS.items()),
    Play("a body longer than its length", INCOMPLETE, (start(length(1)), end(b"ok")), FAILED),
    Play("a body shorter than its length", INCOMPLETE, (start(length(3)), end(b"ok")), FAILED),
    Play("no body, and a length", INCOMPLETE, (start(length(3)), end()), FAILED),
    Play("a first part longer than the length", INCOMPLETE, (start(length(1)), part(b"ok"), end()), FAILED),
]

# What has been sent already stays incomplete.
FAULTY_BODIES = [
    Play("parts longer than their length", INCOMPLETE, (start(length(3)), part(b"ok"), end(b"ok")), CUT),
    Play("parts shorter than their length", INCOMPLETE, (start(length(5)), part(b"ok"), end(b"ok")), CUT),
    Play(
        "more behind a length that is reached", INCOMPLETE, (start(length(2)), part(b"ok"), end(b"!")),
        Answer(200, b"ok", kept=False),
    ),
    Play("an exception behind a part", INCOMPLETE, (start(), part(b"ok"), Boom()), CUT),
    Play("an exception behind a part of a length", INCOMPLETE, (start(length(3)), part(b"ok"), Boom()), CUT),
    Play("an exception behind a part in HTTP/1.0", INCOMPLETE, (start(), part(b"ok"), Boom()), BROKEN, version="1.0"),
    Play("an exception behind an empty part", INCOMPLETE, (start(), part(b""), Boom()), CUT._replace(body=b"")),
    Play("no end", INCOMPLETE, (start(), part(b"ok")), CUT),
    Play("no end of a length", INCOMPLETE, (start(length(3)), part(b"ok")), CUT),
    Play("no end in HTTP/1.0", INCOMPLETE, (start(), part(b"ok")), BROKEN, version="1.0"),
    Play("no end to HEAD", HEAD, (start(length(2)), part(b"ok")), Answer(200, b"", kept=False), method="HEAD"),
    Play("text behind a part", ASGI, (start(), part(b"ok"), end("ok")), CUT),
    Play("a start behind a part", ASGI, (start(), part(b"ok"), start()), CUT),
]  # fmt: skip

FAULTY_ORDERS = [
    Play("nothing", ASGI, (), FAILED),
    Play("only a start", ASGI, (start(),), FAILED),
    Play("an exception", ASGI, (Boom(),), FAILED),
    Play("an exception behind a start", ASGI, (start(), Boom()), FAILED),
    Play("an exception to HEAD", HEAD, (Boom(),), Answer(500, b""), method="HEAD"),
    Play("two starts", ASGI, (start(), start(), end(b"ok")), FAILED),
    Play("a body first", ASGI, (end(b"ok"),), FAILED),
    Play("text for a body", ASGI, (start(), end("ok")), FAILED),
    Play("an unknown message", ASGI, (start(), {"type": "http.response.what"}), FAILED),
    Play("more behind the end", ASGI, (start(), end(b"ok"), end(b"more")), OK),
    Play("a second response", ASGI, (start(), end(b"ok"), start(), end(b"more")), OK),
    Play("an exception behind the end", ASGI, (start(), end(b"ok"), Boom()), OK),
]

PLAYS = [*FRAMED, *WITHOUT_CONTENT, *FAULTY_HEADS, *FAULTY_BODIES, *FAULTY_ORDERS]
