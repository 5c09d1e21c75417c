"""Leases: the cursor over a buffer."""

import pytest
from support.memory import make_lease


def test_a_new_lease_is_empty_and_all_room() -> None:
    lease = make_lease(8)
    assert lease.unread_size() == 0
    assert len(lease.room()) == 8
    assert bytes(lease.unread()) == b""


def test_room_lies_behind_what_was_read() -> None:
    lease = make_lease(8, b"abc")
    lease.room()[:2] = b"de"
    lease.end += 2
    assert bytes(lease.unread()) == b"abcde"
    assert len(lease.room()) == 3


def test_a_full_lease_has_no_room() -> None:
    assert len(make_lease(4, b"abcd").room()) == 0


@pytest.mark.parametrize(
    ("size", "taken", "left"), [(0, b"", b"abc"), (2, b"ab", b"c"), (3, b"abc", b""), (99, b"abc", b"")]
)
def test_take_consumes(size: int, taken: bytes, left: bytes) -> None:
    lease = make_lease(8, b"abc")
    assert lease.take(size) == taken
    assert bytes(lease.unread()) == left


def test_what_was_taken_is_a_copy() -> None:
    lease = make_lease(8, b"abc")
    taken = lease.take(3)
    lease.view[:3] = b"xyz"
    assert taken == b"abc"


def test_compact_moves_the_unread_to_the_front() -> None:
    lease = make_lease(8, b"abcdefgh")
    lease.take(3)
    lease.compact()
    assert (lease.start, lease.end) == (0, 5)
    assert bytes(lease.unread()) == b"defgh"
    assert len(lease.room()) == 3


def test_compact_of_what_lies_at_the_front_changes_nothing() -> None:
    lease = make_lease(8, b"abc")
    lease.compact()
    assert (lease.start, lease.end) == (0, 3)
    assert bytes(lease.unread()) == b"abc"


def test_unread_is_a_view_without_a_copy() -> None:
    lease = make_lease(8, b"abc")
    unread = lease.unread()
    lease.view[0] = ord("z")
    assert bytes(unread) == b"zbc"
