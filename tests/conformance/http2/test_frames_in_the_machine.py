"""Every row of the tables in the machine alone, its bytes whole and one by one, and cut at random."""

from random import Random

import pytest
from conformance.asked import Asked
from conformance.http2.rows import ROWS
from conformance.http2.runners import BIG, RUDE, Cut, bytewise, on_machine, whole
from conformance.http2.table import Row, Seen
from support.wire import Call, splits
from support.wire2 import Wire2


class Application:
    """What ``runners.Application`` is to a server."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    def __call__(self, call: Call) -> None:
        path = call.request.line.path
        if path == "/hold":
            return
        if path == "/early":
            call.respond()
            return

        def read() -> None:
            while call.read():
                pass
            if call.complete and not call.gone:
                call.on_body = None
                self._answer(call)

        call.on_body = read
        read()

    def _answer(self, call: Call) -> None:
        line = call.request.line
        headers = tuple(call.request.headers)
        self.asked.append(Asked(line.method.decode(), line.path, call.body, line.query, headers))
        if line.path == "/big":
            call.respond(bytes(BIG // 2), end=False)
            call.send(bytes(BIG // 2), end=True)
        elif line.path == "/rude":
            call.respond(headers=RUDE)
        else:
            call.respond(b"ok", headers=[(b"content-length", b"2")])


class Server:
    """A machine as a client sees it: that it closes is to be seen from the end of its output on."""

    def __init__(self, application: Application) -> None:
        self._wire = Wire2(application, judged=False, sniffing=True)
        self.feed = self._wire.feed
        self.take_output = self._wire.take_output

    @property
    def closed(self) -> bool:
        return self._wire.ended or self._wire.closed


def play(row: Row, cut: Cut) -> Seen:
    application = Application()
    return on_machine(row, Server(application), lambda: tuple(application.asked), cut)


@pytest.mark.parametrize("cut", [whole, bytewise])
@pytest.mark.parametrize("name", ROWS)
def test_in_the_machine(name: str, cut: Cut) -> None:
    ROWS[name].check(play(ROWS[name], cut))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", sorted(ROWS)[::7])
def test_however_it_is_cut(name: str, seed: int) -> None:
    random = Random(seed)

    def cut(data: bytes) -> list[bytes]:
        return splits(data, [random.randrange(len(data) + 1) for _ in range(random.randrange(9))])

    came, told = play(ROWS[name], cut), play(ROWS[name], whole)
    assert (came.streams, came.asked, came.goaway, came.last, came.closed, came.foul) == (
        told.streams,
        told.asked,
        told.goaway,
        told.last,
        told.closed,
        told.foul,
    )
