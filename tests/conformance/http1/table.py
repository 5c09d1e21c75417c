"""What the rows of the tables are made of: bytes that a peer sends, and what has to come of them.

Behind the bytes of every row comes one request more, ``PROBE``. Where the row is taken, the probe has to be served:
framing is right to the byte. Where the row is refused, it must not be: nobody knows what it is then.
"""

from collections.abc import Iterable
from typing import NamedTuple

from conformance.asked import Asked

PROBE = b"GET /probe HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n"
HOST = "Host: a"


class Seen(NamedTuple):
    """What came of a connection.

    Attributes:
        asked: the requests that the application has got whole, in order.
        cut: how many others it was called for, and told of a disconnect in place of the body's end.
        statuses: the responses, each of them well-formed and complete.
        closed: we have ended the connection.
    """

    asked: tuple[Asked, ...]
    cut: int
    statuses: tuple[int, ...]
    closed: bool


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        rfc: the section that asks for this.
        finishes: the peer finishes sending behind ``sent``; no probe follows.
    """

    name: str
    rfc: str
    sent: bytes
    expected: Seen
    finishes: bool = False

    @property
    def data(self) -> bytes:
        return self.sent if self.finishes else self.sent + PROBE

    def check(self, seen: Seen) -> None:
        """Fail unless ``seen`` is what is expected."""
        asked = tuple(
            each.like(row) for each, row in zip(seen.asked, self.expected.asked, strict=False)
        ) + seen.asked[len(self.expected.asked) :]  # fmt: skip
        assert seen._replace(asked=asked) == self.expected, f"{self.rfc}: {self.sent!r}"


def taken(name: str, rfc: str, sent: bytes, *asked: Asked) -> Row:
    """Requests that are served, one after the other, and the probe behind them."""
    requests = (*asked, Asked("GET", "/probe"))
    return Row(name, rfc, sent, Seen(requests, 0, (200,) * len(requests), True))


def last(name: str, rfc: str, sent: bytes, *asked: Asked) -> Row:
    """Requests that are served, and then the connection is closed: the probe is not read."""
    return Row(name, rfc, sent, Seen(asked, 0, (200,) * len(asked), True))


def refused(name: str, rfc: str, sent: bytes, status: int = 400) -> Row:
    """A request that the application never sees."""
    return Row(name, rfc, sent, Seen((), 0, (status,), True))


def refused_body(name: str, rfc: str, sent: bytes, status: int = 400) -> Row:
    """A request whose body turns out bad: the application, which waits for it, is never told that it is complete."""
    return Row(name, rfc, sent, Seen((), 1, (status,), True))


def unfinished(name: str, rfc: str, sent: bytes, calls: int = 1) -> Row:
    """The peer finishes sending in the middle: no response, and for the application a disconnect."""
    return Row(name, rfc, sent, Seen((), calls, (), True), finishes=True)


def message(line: str, *fields: str | bytes, body: bytes = b"") -> bytes:
    """A request's bytes; text is Latin-1."""
    lines = [each.encode("latin-1") if isinstance(each, str) else each for each in (line, *fields, "", "")]
    return b"\r\n".join(lines) + body


def get(*fields: str | bytes, target: str = "/") -> bytes:
    """A GET with a Host header and ``fields``."""
    return message(f"GET {target} HTTP/1.1", HOST, *fields)


def post(*fields: str | bytes, body: bytes = b"") -> bytes:
    """A POST with a Host header, ``fields`` and a body that they may announce."""
    return message("POST /post HTTP/1.1", HOST, *fields, body=body)


def by_name(rows: Iterable[Row]) -> dict[str, Row]:
    """The rows by their names, of which there are no two alike."""
    table: dict[str, Row] = {}
    for row in rows:
        assert row.name not in table, row.name
        table[row.name] = row
    return table
