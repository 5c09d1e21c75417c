"""Which connections are closed to make room, and in which order."""

import random
from types import SimpleNamespace
from typing import Any

import pytest

from litmus.server.deadlines import ticks
from litmus.worker.room import LOOK, YOUNG_SECONDS, Room

YOUNG = ticks(YOUNG_SECONDS)


class Guest:
    """A connection, as far as it matters who gives way.

    Args:
        idleness: what the connection says of itself.
        stays: a request has just come.
    """

    def __init__(self, house: "House", idleness: tuple[bool, int] | None, stays: bool = False) -> None:
        self._house = house
        self._stays = stays
        self._idleness = idleness
        self.asked = 0

    def idleness(self) -> tuple[bool, int] | None:
        self.asked += 1
        return self._idleness if self in self._house.connections else None

    def give_way(self) -> bool:
        if self._stays:
            self._idleness = None
            return False
        self._house.connections.remove(self)
        self._house.gone.append(self._idleness)
        return True

    def get_busy(self) -> None:
        self._idleness = None


class House:
    """An engine, as far as it matters who gives way: there are guests, and time passes."""

    def __init__(self, now: int = 1000) -> None:
        self.wheel = SimpleNamespace(now=now)
        self.connections: set[Guest] = set()
        self.gone: list[Any] = []
        self.room = Room(self)  # type: ignore[arg-type]

    def enter(self, *idleness: tuple[bool, int] | None, stays: bool = False) -> list[Guest]:
        guests = [Guest(self, each, stays) for each in idleness]
        self.connections.update(guests)
        return guests


def test_those_who_never_asked_go_first_and_of_each_who_has_been_idle_for_longest() -> None:
    house = House()
    idle = [(asked, since) for asked in (False, True) for since in range(900, 950)]
    house.enter(*random.Random(1).sample(idle, len(idle)))
    for places in (1, 9, 60, 30):
        assert house.room.make(places) == places
        assert house.gone == idle[: len(house.gone)]
    assert house.connections == set()


def test_neither_busy_nor_young_ones_go() -> None:
    house = House(now=1000)
    house.enter(None, (True, 1000), (False, 1000 - YOUNG + 1), (True, 1000 - YOUNG))
    assert house.room.make(4) == 1
    assert house.gone == [(True, 1000 - YOUNG)]
    house.wheel.now += 1
    assert house.room.make(4) == 1
    assert house.gone[1:] == [(False, 1000 - YOUNG + 1)]


def test_one_that_stays_leaves_it_to_the_next() -> None:
    house = House()
    house.enter((False, 1), stays=True)
    house.enter((False, 2), (False, 3))
    assert house.room.make(1) == 1
    assert house.gone == [(False, 2)]


def test_so_many_are_looked_at_in_one_call() -> None:
    house = House()
    guests = house.enter(*[None] * (3 * LOOK))
    for rounds in range(2):
        for calls in range(3):
            assert house.room.make(10) == 0
            assert sum(guest.asked for guest in guests) == (3 * rounds + calls + 1) * LOOK
        assert {guest.asked for guest in guests} == {rounds + 1}


def test_the_best_that_were_seen_are_kept_in_mind() -> None:
    """Unless they have become busy meanwhile."""
    house = House()
    guests = house.enter(*[(True, number) for number in range(2 * LOOK)])
    house.room.make(0)
    seen = [guest for guest in guests if guest.asked]
    seen[0].get_busy()
    house.room.make(3)
    assert seen[0] in house.connections
    asked = [guest for guest in guests if guest.asked == 2]
    assert asked[:2] == seen[:2], "with all of the second look"
    assert house.gone == [(True, number) for number in range(4) if guests[number] is not seen[0]][:3]


@pytest.mark.parametrize("count", [5, LOOK, LOOK + 1, 3 * LOOK])
def test_it_is_exhausted_when_all_were_looked_at_in_vain(count: int) -> None:
    house = House()
    house.enter(*[None] * count)
    for _ in range(-(-count // LOOK)):
        assert not house.room.exhausted
        assert house.room.make(1) == 0
    assert house.room.exhausted
    house.enter((True, 1))
    while house.room.make(1) == 0:
        pass
    assert not house.room.exhausted


def test_it_lets_go_of_connections_when_no_more_room_is_needed() -> None:
    house = House()
    house.enter(*[(True, 1)] * (LOOK + 10))
    house.room.make(1)
    house.room.forget()
    assert house.room._ahead == house.room._kept == []
