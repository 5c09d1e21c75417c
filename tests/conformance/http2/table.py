"""What the rows of the tables are made of: what a client sends, and what has to come of it.

A row says what to send in steps. Between two of them it may wait for what the server says, so that the state of a
stream is what the row's name promises. Behind a row's steps comes one request more, the probe, on a stream far above.
Where the row is served, or refused on its stream, the probe has to be answered: the connection is whole, and header
compression is in step. Where the connection has to end, it must not be.

What is expected of a stream is a set of outcomes, which has a name. The first of a row's expectations is the strictest
reading of the RFC; others are what it allows beside that, in so many words.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from conformance.asked import Asked
from support.http2 import (
    PREFACE,
    WINDOW,
    Error,
    Referee,
    Response,
    Setting,
    headers,
    ping,
    request,
    settings,
)

PROBE_STREAM = 999_999
LAST_PINGS = (b"litmus 1", b"litmus 2")


class Await(NamedTuple):
    """A step that is to wait for something that the referee sees."""

    what: str
    met: Callable[[Referee], bool]


Step = bytes | Await | Callable[[Referee], bytes]
"""A step: bytes, what to wait for, or what makes bytes of what the server has announced."""

ANNOUNCED = Await("the server's SETTINGS", lambda referee: referee.announced)


def acknowledged(count: int) -> Await:
    return Await(f"{count} SETTINGS acknowledged", lambda referee: referee.acknowledged >= count)


def begun(stream: int) -> Await:
    return Await(f"the head of the response on {stream}", lambda referee: referee.response(stream).status is not None)


def interim(stream: int) -> Await:
    return Await(f"an interim response on {stream}", lambda referee: bool(referee.response(stream).interim))


def over(stream: int) -> Await:
    return Await(f"the end of stream {stream}", lambda referee: referee.response(stream).over)


def has(stream: int, size: int) -> Await:
    return Await(f"{size} bytes on stream {stream}", lambda referee: len(referee.response(stream).body) >= size)


def ponged(payload: bytes) -> Await:
    return Await(f"the answer to PING {payload!r}", lambda referee: payload in referee.pongs)


class Outcome(NamedTuple):
    """What came of a stream.

    Attributes:
        status: of the final response.
        ended: the server has ended the stream.
        reset: the code with which it has reset the stream.
    """

    status: int | None = None
    ended: bool = False
    reset: int | None = None

    @classmethod
    def of(cls, response: Response) -> "Outcome":
        return cls(response.status, response.ended, response.reset)


Outcomes = frozenset[Outcome]


def answered(*statuses: int) -> Outcomes:
    """A whole response of one of these."""
    return frozenset(Outcome(status, True) for status in statuses)


def reset(*codes: int, behind: Iterable[int | None] = (None,)) -> Outcomes:
    """A stream error of one of these codes, ``behind`` the head of a response that has already been sent."""
    return frozenset(Outcome(status, False, code) for status in behind for code in codes)


OK = answered(200)
UNTOUCHED = frozenset({Outcome()})
"""Nothing at all."""
WAITING = frozenset({Outcome(200), Outcome()})
"""The response has its head at most: there is no room in the window for its content."""
EARLY = OK | {Outcome(200, True, Error.NO_ERROR)}
"""A whole response to a request that has not come whole; the server may ask for no more of it (section 8.1)."""
MALFORMED = reset(Error.PROTOCOL_ERROR) | {
    Outcome(400, True, code) for code in (None, Error.NO_ERROR, Error.PROTOCOL_ERROR)
}
"""A stream error; before it, or in its place, there may be a response (sections 8.1.1 and 8.2.1)."""
CLOSED = reset(Error.STREAM_CLOSED, behind=(None, 200)) | {Outcome(200, True, Error.STREAM_CLOSED)}
"""More on a stream that the client has ended (section 5.1)."""


class Expected(NamedTuple):
    """What may come of a connection.

    Attributes:
        streams: what may come of each stream, apart from the probe.
        asked: the requests that the application gets whole; None where that is left open.
        goaway: the code of the connection error, one of these; None among them: the connection is closed without a
            word, or with a refusal in HTTP/1. Without any, it lives, and the probe is answered.
        sizes: how much content a stream's response has.
    """

    streams: Mapping[int, Outcomes]
    asked: tuple[Asked, ...] | None = ()
    goaway: frozenset[int | None] | None = None
    sizes: Mapping[int, int] = {}


class Seen(NamedTuple):
    """What came of a connection.

    Attributes:
        asked: what the application got whole, the probe included; None if there is no such application.
        goaway: the code of the last GOAWAY.
        last: the last stream that it says may have been processed.
        closed: the server has closed.
        waiting: what the row was still waiting for.
        foul: the rule that the server has broken, by the referee's word.
        http1: its answer in HTTP/1.
    """

    streams: Mapping[int, Response]
    asked: tuple[Asked, ...] | None
    goaway: int | None
    last: int
    closed: bool
    waiting: str
    foul: str
    http1: bytes = b""
    log: tuple[str, ...] = ()


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        rfc: the section that asks for this.
        sent: the steps, without the beginning of the connection where ``opens`` says so.
        expected: what may come of it, the strictest reading first.
        opens: an ordinary beginning goes before the steps.
        probed: the probe is sent behind the steps.
        window: what our SETTINGS say of the initial window.
        application: only an application that does as it is asked can tell; a server of files cannot.
    """

    name: str
    rfc: str
    sent: tuple[Step, ...]
    expected: tuple[Expected, ...]
    opens: bool = True
    probed: bool = True
    window: int = WINDOW
    application: bool = False

    @property
    def steps(self) -> tuple[Step, ...]:
        """All that is to be done, to the end of the connection or to where nothing more is to come."""
        beginning = opening({Setting.INITIAL_WINDOW_SIZE: self.window} if self.window != WINDOW else {})
        steps: list[Step] = [*(beginning if self.opens else ()), *self.sent]
        if self.probed:
            steps.append(PROBE)
        living = next((expected for expected in self.expected if expected.goaway is None), None)
        if living is not None:
            steps += [over(PROBE_STREAM)] if self.probed else []
            steps += [
                over(stream) for stream, outcomes in living.streams.items() if not outcomes & (WAITING | UNTOUCHED)
            ]
            steps += [has(stream, size) for stream, size in living.sizes.items()]
        # What is in flight has come when the server has answered twice.
        for payload in LAST_PINGS:
            steps += [ping(payload), ponged(payload)]
        return tuple(steps)

    def check(self, seen: Seen) -> None:
        """Fail unless what is seen is what may come of the row."""
        assert not seen.foul, f"{self.rfc}: {seen.foul}"
        faults = [self._fault(seen, expected) for expected in self.expected]
        if all(faults):
            came = {number: Outcome.of(response) for number, response in seen.streams.items()}
            said = (
                f"streams {came}, GOAWAY {seen.goaway!r}, closed {seen.closed}, waiting for {seen.waiting or 'nothing'}"
            )
            raise AssertionError("\n".join([f"{self.rfc}: {faults[0]}", said, *seen.log]))

    def _fault(self, seen: Seen, expected: Expected) -> str:
        outcomes = {number: Outcome.of(response) for number, response in seen.streams.items()}
        probe = outcomes.pop(PROBE_STREAM, Outcome())
        for number, allowed in expected.streams.items():
            if outcomes.get(number, Outcome()) not in allowed:
                return f"stream {number}: {outcomes.get(number, Outcome())} is none of {set(allowed)}"
        for number, size in expected.sizes.items():
            if len(seen.streams[number].body) != size:
                return f"stream {number}: {len(seen.streams[number].body)} bytes of {size}"
        served = ()
        if expected.goaway is None:
            if seen.goaway is not None or seen.closed or seen.waiting:
                return "the connection did not live"
            if self.probed and probe not in OK:
                return f"the probe: {probe}"
            served = (PROBED,) if self.probed else ()
        elif seen.http1 and (None not in expected.goaway or seen.http1[9:12] not in (b"400", b"505")):
            return f"an answer in HTTP/1: {seen.http1[:80]!r}"
        elif not seen.closed:
            return "the connection was not closed"
        elif seen.goaway not in expected.goaway:
            return f"GOAWAY {seen.goaway!r} is none of {set(expected.goaway)}"
        elif expected.asked and seen.goaway is not None and not seen.last:
            return "section 8.7: GOAWAY says that no stream was processed, and the application has got one"
        elif probe != Outcome():
            return f"the probe behind a connection error: {probe}"
        return self._wrong_requests(seen, expected, served)

    def _wrong_requests(self, seen: Seen, expected: Expected, served: tuple[Asked, ...]) -> str:
        if seen.asked is None or expected.asked is None:
            return ""
        wanted = sorted([*expected.asked, *served], key=str)
        came = sorted(seen.asked, key=str)
        if [each.like(row) for each, row in zip(came, wanted, strict=False)] + came[len(wanted) :] == wanted:
            return ""
        return f"the application got {came}, not {wanted}"


PROBE = headers(PROBE_STREAM, request(method="HEAD", path="/probe"), end=True)
"""HEAD: its response needs no window."""
PROBED = Asked("HEAD", "/probe")


def opening(values: dict[int, int]) -> tuple[Step, ...]:
    """The beginning of a connection, to where each side knows what the other has announced."""
    return (PREFACE + settings(values), ANNOUNCED, acknowledged(1))


GET = (Asked(),)


def served(name: str, rfc: str, *sent: Step, asked: tuple[Asked, ...] | None = GET, **more: object) -> Row:
    """Requests that are answered with 200; on stream 1, unless ``streams`` tells."""
    streams = more.pop("streams", {1: OK})
    sizes = more.pop("sizes", {})
    return Row(name, rfc, sent, (Expected(streams, asked, None, sizes),), **more)  # type: ignore[arg-type]


def refused(
    name: str,
    rfc: str,
    *sent: Step,
    outcomes: Outcomes = MALFORMED,
    asked: tuple[Asked, ...] | None = (),
    **more: object,
) -> Row:
    """A stream error, on stream 1 unless ``streams`` tells."""
    streams = more.pop("streams", {1: outcomes})
    return Row(name, rfc, sent, (Expected(streams, asked),), **more)  # type: ignore[arg-type]


def fatal(
    name: str,
    rfc: str,
    *sent: Step,
    codes: Iterable[int | None] = (),
    asked: tuple[Asked, ...] | None = (),
    **more: object,
) -> Row:
    """A connection error of one of these codes, PROTOCOL_ERROR unless they are given."""
    goaway = frozenset(codes) or frozenset({Error.PROTOCOL_ERROR})
    return Row(name, rfc, sent, (Expected({}, asked, goaway),), **more)  # type: ignore[arg-type]


def either(*rows: Row) -> Row:
    """The RFC leaves the choice: what the first row expects is asked for, what the others expect is allowed."""
    return rows[0]._replace(expected=tuple(expected for row in rows for expected in row.expected))


def by_name(rows: Iterable[Row]) -> dict[str, Row]:
    """The rows by their names, of which there are no two alike."""
    table: dict[str, Row] = {}
    for row in rows:
        assert row.name not in table, row.name
        table[row.name] = row
    return table
