"""Every row of the tables, its bytes whole and one by one, and cut at random; and wsproto's opinion of each."""

from collections.abc import Callable, Sequence
from random import Random

import pytest
from conformance.websocket.rows import ROWS
from conformance.websocket.table import SETTINGS, Row
from support.websocket import CLOSE, Failed, Line
from support.wire import bytewise, splits

Cut = Callable[[bytes], Sequence[bytes]]


def line(row: Row) -> Line:
    return Line(row.limits, None if row.offer is None else SETTINGS.agree(row.offer))


def whole(data: bytes) -> Sequence[bytes]:
    return [data]


def check(row: Row, on: Line) -> None:
    assert tuple(on.told) == row.expected, row.rfc
    frames = on.frames
    if row.ends and isinstance(row.told[-1], Failed):
        frames[-1] = frames[-1]._replace(payload=frames[-1].payload[:2])  # the rest are words
    assert tuple(frames) == row.answers
    assert on.ended == row.ends
    assert on.unread == b""


@pytest.mark.parametrize("cut", [whole, bytewise])
@pytest.mark.parametrize("name", ROWS)
def test_rows(name: str, cut: Cut) -> None:
    row = ROWS[name]
    if len(row.data) > 20_000 and cut is bytewise:
        cut = in_pieces
    check(row, line(row).feed_all(cut(row.data)))


def in_pieces(data: bytes) -> Sequence[bytes]:
    return splits(data, [*range(20), *range(0, len(data), 997), *range(len(data) - 20, len(data))])


def test_rows_cut_at_random() -> None:
    random = Random(6455)
    for name, row in ROWS.items():
        for _ in range(3):
            points = [random.randrange(len(row.data)) for _ in range(random.randrange(1, 12))]
            try:
                check(row, line(row).feed_all(splits(row.data, points)))
            except AssertionError as error:
                error.add_note(f"{name}, cut at {sorted(points)}")
                raise


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.needs is not None])
def test_breaches_are_found_as_soon_as_they_can_be(name: str) -> None:
    row = ROWS[name]
    assert row.needs is not None
    early = line(row).feed_all(bytewise(row.sent[: row.needs - 1]))
    assert not early.ended
    assert early.feed(row.sent[row.needs - 1 : row.needs]).ended


def test_each_breach_is_told_to_the_peer_in_words() -> None:
    for name, row in ROWS.items():
        if row.ends and isinstance(row.told[-1], Failed):
            close = line(row).feed(row.data).frames[-1]
            assert close.opcode == CLOSE
            assert close.payload[2:].decode().isprintable(), name
            assert len(close.payload) > 2, name
