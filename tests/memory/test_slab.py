"""The slab allocator: leases, exhaustion, queue and counters."""

from mmap import mmap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.memory import make_board, make_slab

from litmus.memory.lease import Lease, LeaseError
from litmus.memory.scoreboard import CLASSES
from litmus.memory.slab import CLASS_SHARES, CLASS_SIZES, Slab


@pytest.mark.parametrize("arena", [memoryview(mmap(-1, Slab.MINIMUM)), memoryview(bytearray(Slab.MINIMUM + 7))[7:]])
def test_a_lease_gives_what_was_put_into_its_view(arena: memoryview) -> None:
    """A memory map is read past the views of it."""
    slab = Slab(arena, make_board())
    leases = take_all(slab)
    for number, lease in enumerate(leases):
        lease.view[:8] = b"%08d" % number
        lease.end = 8
    for number, lease in enumerate(leases):
        assert lease.take(3) == (b"%08d" % number)[:3]
        assert lease.peek(100) == (b"%08d" % number)[3:]
        assert lease.unread_size() == 5
    slab.release(leases[0])


class Customer:
    """Waits for a buffer; ``wants`` bytes, asked for again when it is told that there is one."""

    def __init__(self, slab: Slab, wants: int = 1) -> None:
        self.slab = slab
        self.wants = wants
        self.lease: Lease | None = None
        self.told = 0

    def lease_available(self) -> bool:
        self.told += 1
        self.lease = self.slab.acquire(self.wants)
        return self.lease is not None


def take_all(slab: Slab, size: int = 1) -> list[Lease]:
    """Lease every buffer that holds ``size`` bytes."""
    leases = []
    while (lease := slab.acquire(size)) is not None:
        leases.append(lease)
    return leases


# -- how the arena is cut ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [Slab.MINIMUM, Slab.MINIMUM + 12345, 16 << 20])
def test_classes_ascend_and_fit_into_the_arena(size: int) -> None:
    slab, _ = make_slab(size)
    assert [each.size for each in slab.classes] == sorted(CLASS_SIZES)
    assert all(each.total > 0 for each in slab.classes)
    assert sum(each.size * each.total for each in slab.classes) <= size
    assert slab.largest == max(CLASS_SIZES)


def test_the_smallest_arena_has_several_of_the_largest_buffers() -> None:
    """One is the window that every connection reads into: there must be more to live by."""
    slab, _ = make_slab(Slab.MINIMUM)
    assert slab.classes[-1].total >= 4


def test_the_classes_share_the_whole_arena_and_have_a_place_on_the_scoreboard() -> None:
    assert len(CLASS_SHARES) == len(CLASS_SIZES) <= CLASSES
    slab, _ = make_slab(16 << 20)
    used = sum(each.size * each.total for each in slab.classes)
    assert used > 0.99 * (16 << 20)


def test_an_arena_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match=r"too small.*1048576"):
        make_slab(Slab.MINIMUM - 1)


def test_no_two_buffers_overlap() -> None:
    slab, _ = make_slab()
    leases = [lease for size in reversed(CLASS_SIZES) for lease in take_all(slab, size)]
    assert len(leases) == sum(each.total for each in slab.classes)
    for index, lease in enumerate(leases):
        assert len(lease.view) == lease.size
        lease.view[:2] = lease.view[-2:] = index.to_bytes(2, "big")
    for index, lease in enumerate(leases):
        assert bytes(lease.view[:2]) == bytes(lease.view[-2:]) == index.to_bytes(2, "big")


# -- leasing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 1024, 1025, 4096, 4097, 16384, 16385, 65536])
def test_the_smallest_class_that_holds_it(size: int) -> None:
    slab, _ = make_slab()
    lease = slab.acquire(size)
    assert lease is not None
    assert lease.held
    assert lease.size == min(each for each in CLASS_SIZES if each >= size)


def test_an_empty_class_is_made_up_for_by_a_larger_one() -> None:
    slab, board = make_slab()
    smallest = slab.classes[0]
    for _ in range(smallest.total):
        slab.acquire(1)
    lease = slab.acquire(1)
    assert lease is not None
    assert lease.size == CLASS_SIZES[1]
    rows = board.slab_classes()
    assert [row["failed"] for row in rows] == [1, 0, 0, 0]
    assert [row["in_use"] for row in rows] == [smallest.total, 1, 0, 0]


def test_exhaustion_returns_none_and_counts_every_class_that_was_asked() -> None:
    slab, board = make_slab()
    take_all(slab)
    before = [row["failed"] for row in board.slab_classes()]
    assert slab.acquire(5000) is None
    after = [row["failed"] for row in board.slab_classes()]
    assert [b - a for a, b in zip(before, after, strict=True)] == [0, 0, 1, 1]
    assert slab.available == 0


def test_more_than_the_largest_buffer_is_never_to_be_had() -> None:
    slab, _ = make_slab()
    assert slab.acquire(slab.largest + 1) is None
    assert slab.in_use() == 0


def test_a_lease_comes_empty_however_it_was_left() -> None:
    slab, _ = make_slab()
    lease = slab.acquire(1)
    assert lease is not None
    lease.start, lease.end = 7, 9
    slab.release(lease)
    again = slab.acquire(1)
    assert again is lease, "the last one released is handed out first: its pages are warm"
    assert (again.start, again.end) == (0, 0)


def test_releasing_twice_raises_and_changes_nothing() -> None:
    slab, board = make_slab()
    lease = slab.acquire(1)
    assert lease is not None
    slab.release(lease)
    with pytest.raises(LeaseError, match="released already"):
        slab.release(lease)
    assert slab.in_use() == 0
    assert board.slab_classes()[0]["in_use"] == 0


def test_a_lease_that_was_never_handed_out_cannot_be_released() -> None:
    slab, _ = make_slab()
    with pytest.raises(LeaseError):
        slab.release(Lease(memoryview(bytearray(CLASS_SIZES[0])), 0))


def test_a_held_lease_of_another_size_is_refused() -> None:
    slab, _ = make_slab()
    stranger = Lease(memoryview(bytearray(100)), 0)
    stranger.held = True
    with pytest.raises(LeaseError, match="another slab"):
        slab.release(stranger)


def test_a_lease_of_another_slab_is_refused() -> None:
    slab, board = make_slab()
    other, _ = make_slab()
    lease = other.acquire(1)
    assert lease is not None
    with pytest.raises(LeaseError, match="another slab"):
        slab.release(lease)
    assert board.slab_classes()[0]["in_use"] == 0


# -- waiting -----------------------------------------------------------------------------------------------------------


def test_first_come_first_served() -> None:
    slab, _ = make_slab()
    leases = take_all(slab)
    customers = [Customer(slab) for _ in range(3)]
    for customer in customers:
        slab.wait(customer)
    slab.release(leases.pop())
    assert [customer.told for customer in customers] == [1, 0, 0]
    slab.release(leases.pop())
    assert [customer.told for customer in customers] == [1, 1, 0]
    assert customers[0].lease is not None
    assert customers[1].lease is not None


def test_who_has_left_the_queue_is_not_told() -> None:
    slab, _ = make_slab()
    leases = take_all(slab)
    first, second = Customer(slab), Customer(slab)
    slab.wait(first)
    slab.wait(second)
    slab.forget(first)
    slab.release(leases.pop())
    assert (first.told, second.told) == (0, 1)


def test_a_buffer_that_is_too_small_for_the_first_is_offered_to_the_next() -> None:
    slab, _ = make_slab()
    large = take_all(slab, 1025)
    small = take_all(slab)
    greedy, modest = Customer(slab, wants=slab.largest), Customer(slab)
    slab.wait(greedy)
    slab.wait(modest)
    slab.release(small.pop())
    assert greedy.lease is None
    assert modest.lease is not None
    slab.release(next(lease for lease in large if lease.size == slab.largest))
    assert greedy.lease is not None


# -- invariants --------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.integers(1, 1 << 16), st.integers(-400, -1)), max_size=300), st.booleans())
def test_counters_and_available_are_always_right(steps: list[int], drained: bool) -> None:
    """A positive step acquires that many bytes, a negative one releases one of the leases that are held."""
    slab, board = make_slab()
    held = take_all(slab) if drained else []
    acquired = len(held)
    for step in steps:
        if step > 0:
            lease = slab.acquire(step)
            if lease is not None:
                assert lease.size >= step
                held.append(lease)
                acquired += 1
        elif held:
            slab.release(held.pop(step % len(held)))
        free = [each.size for each in slab.classes if each.free]
        assert slab.available == max(free, default=0)
        assert slab.in_use() == len(held)
        rows = board.slab_classes()
        assert sum(row["in_use"] for row in rows) == len(held)
        assert sum(row["acquired"] for row in rows) == acquired
        assert all(row["in_use"] <= row["total"] for row in rows)
