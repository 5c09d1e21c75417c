"""The crew's decisions where the kernel gives nothing: with a fleet that forks on paper only."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.clock import Clock, JumpingSelector

from litmus.arbiter.crew import Crew
from litmus.arbiter.errors import SpawnError, StartupError
from litmus.arbiter.listeners import Plan
from litmus.arbiter.reactor import Reactor
from litmus.arbiter.rollout import Growth, Reload
from litmus.arbiter.slots import Death, Owner, Phase, Slot, WorkerState
from litmus.arbiter.timings import Timings
from litmus.control.messages import BootFailed, Done, Refused, Reply
from litmus.memory.segment import Segment
from litmus.settings import Settings

Act = Callable[["Actor"], None]


class Actor:
    """A worker that does what the test says."""

    def __init__(self, slot: Slot, generation: int, owner: Owner) -> None:
        self.slot = slot
        self.generation = generation
        self.owner = owner
        self.state = WorkerState.BOOTING
        self.uptime = 0.0
        self.told: list[Any] = []
        self.standing_in: set[Slot] = set()
        self.seat = slot.index

    def ready(self) -> None:
        self.state = WorkerState.READY
        self.owner.worker_ready(self)  # type: ignore[arg-type]

    def die(self, served: float = 0.0, boot_failed: BootFailed | None = None) -> None:
        self.owner.worker_gone(self, Death("died", False, served, boot_failed))  # type: ignore[arg-type]

    def stand_in(self, slot: Slot, listeners: list[str]) -> None:
        self.standing_in.add(slot)
        self.told.append(("stand in", *listeners))

    def stand_down(self, slot: Slot) -> None:
        self.standing_in.discard(slot)
        self.told.append(("stand down", slot.index))

    def drain(self, timeout: float, *, sweep: bool) -> None:
        self.state = WorkerState.DRAINING
        self.told.append(("drain", sweep))

    def stop(self, grace: float) -> None:
        self.state = WorkerState.STOPPING
        self.told.append("stop")


class PaperFleet:
    """Forks actors; fails as often as ``failures`` says."""

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self.timings = Timings(settle=1.0, backoff_first=1.0, backoff_cap=8.0, look=1e6)
        self.segment = Segment(seats=8)
        self.failures = 0
        self.free_seats = 128
        self.actors: list[Actor] = []

    def spawn(self, slot: Slot, settings: Settings, generation: int, plan: Plan, owner: Owner) -> Actor:
        if self.failures:
            self.failures -= 1
            raise SpawnError("cannot fork a worker: no more processes")
        actor = Actor(slot, generation, owner)
        self.actors.append(actor)
        return actor


class PaperListeners:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.current = Plan()
        self.calls: list[Any] = []
        self.queue = 0
        self.full = False

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self.calls.append((name, *arguments))

    def plan(self, *_: Any) -> Plan:
        if self.full:
            raise StartupError("no port for you")
        return Plan()

    def reserved(self, slot: int) -> list[str]:
        return [f"socket {slot}"]

    def removed_by(self, plan: Plan) -> bool:
        return False

    def queued(self, slot: int) -> int:
        return self.queue

    def grow(self, width: int) -> None:
        self.calls.append(("grow", width))
        if self.full:
            raise StartupError("no socket for you")


class House:
    def __init__(self, count: int) -> None:
        self.clock = Clock()
        self.reactor = Reactor(self.clock, JumpingSelector(self.clock))
        self.fleet = PaperFleet(self.reactor)
        self.listeners = PaperListeners()
        self.events: list[str] = []
        self.replies: list[Reply] = []
        self.crew = Crew(
            self.fleet,  # type: ignore[arg-type]
            self.listeners,  # type: ignore[arg-type]
            Settings(),
            on_proven=lambda: self.events.append("proven"),
            on_complete=lambda: self.events.append("complete"),
            on_fatal=self.events.append,
            on_trimmed=lambda: self.events.append("trimmed"),
        )
        self.count = count

    def up(self) -> "House":
        self.crew.start(self.count)
        for actor in list(self.fleet.actors):
            actor.ready()
        assert self.events == ["proven", "complete"]
        self.listeners.calls.clear()
        for actor in self.fleet.actors:
            assert not actor.standing_in
            actor.told.clear()
        return self

    @property
    def actors(self) -> list[Actor]:
        return self.fleet.actors


def test_where_no_worker_can_be_forked_the_start_fails() -> None:
    house = House(1)
    house.fleet.failures = 100
    house.crew.start(1)
    while not house.events:
        house.reactor.turn()
    assert house.events == ["cannot fork a worker: no more processes"]
    assert house.fleet.failures == 97


def test_where_no_successor_can_be_forked_it_is_tried_again_later() -> None:
    house = House(1).up()
    house.actors[0].die(served=100)
    house.fleet.failures = 6
    begin = house.clock.now
    while len(house.actors) < 2:
        house.reactor.turn()
    assert house.clock.now - begin == 1 + 2 + 4 + 8 + 8 + 8
    assert house.events == ["proven", "complete"]


def test_a_reload_that_cannot_fork_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    house = House(2).up()
    reload = Reload(house.crew, 8, house.replies.append)
    house.fleet.failures = 1
    reload.begin(Settings(), 2, 2)
    assert house.replies == [Refused("the new generation did not start: cannot fork a worker: no more processes")]
    assert house.crew.generation == 1
    assert [actor.told for actor in house.actors] == [[], []]


def test_the_second_fork_that_fails_takes_the_first_successor_with_it() -> None:
    house = House(2).up()
    reload = Reload(house.crew, 1, house.replies.append)
    reload.begin(Settings(), 2, 2)
    house.fleet.failures = 1
    first = house.actors[2]
    first.ready()
    assert first.told == [("drain", True)]
    assert len(house.replies) == 1
    first.die()
    assert [id(slot.worker) for slot in house.crew.slots] == [id(actor) for actor in house.actors[:2]]


def test_only_so_many_boot_side_by_side() -> None:
    house = House(5).up()
    Reload(house.crew, 2, house.replies.append).begin(Settings(), 5, 2)
    for ready in range(5):
        assert len(house.actors) == 5 + min(5, ready + 2)
        house.actors[5 + ready].ready()
    assert house.replies == [Done({"generation": 2, "workers": 5})]
    assert [actor.told for actor in house.actors[:5]] == [[("drain", False)]] * 5


def test_without_enough_seats_nothing_begins() -> None:
    house = House(3).up()
    house.fleet.free_seats = 2
    Reload(house.crew, 8, house.replies.append).begin(Settings(), 3, 2)
    Growth(house.crew, 8, house.replies.append).begin(6)
    for reply in house.replies:
        assert isinstance(reply, Refused)
        assert "3 new workers need as many seats, and only 2 are free" in reply.error
    assert len(house.replies) == 2
    assert len(house.actors) == 3
    assert house.listeners.calls == []


def test_where_no_socket_can_be_bound_nothing_changes() -> None:
    house = House(2).up()
    house.listeners.full = True
    Growth(house.crew, 8, house.replies.append).begin(4)
    Reload(house.crew, 8, house.replies.append).begin(Settings(), 4, 2)
    assert house.replies == [Refused("no socket for you"), Refused("no port for you")]
    house.reactor.turn()
    assert len(house.crew.slots) == 2
    assert len(house.actors) == 2


def test_connections_are_steered_before_the_new_socket_is_there_and_after_the_last_one_is_gone() -> None:
    house = House(2).up()
    Growth(house.crew, 8, house.replies.append).begin(4)
    assert house.listeners.calls == [("steer", [0, 1]), ("grow", 4)]
    for actor in house.actors[2:]:
        actor.ready()
    assert house.listeners.calls[2:] == [("release",)]
    house.listeners.calls.clear()
    house.crew.retire(1)
    assert house.listeners.calls == [("steer", [0])]
    assert [actor.told for actor in house.actors] == [[]] * 4
    house.reactor.turn()
    assert house.clock.now == 1001
    assert [actor.told for actor in house.actors] == [[]] + [[("drain", True)]] * 3
    for index in (1, 3):
        house.actors[index].die()
    assert house.listeners.calls == [("steer", [0]), ("shrink", 3), ("steer", [0])]
    house.actors[2].die()
    assert house.listeners.calls[3:] == [("shrink", 1), ("release",)]
    assert house.events == ["proven", "complete", "trimmed", "trimmed"]


def test_a_worker_that_boots_on_a_leaving_slot_sweeps_it_if_anything_is_queued() -> None:
    house = House(2).up()
    house.actors[1].die(served=100)
    house.reactor.turn()
    house.listeners.queue = 3
    house.crew.retire(1)
    house.reactor.turn()
    assert house.actors[2].told == []
    house.actors[2].ready()
    assert house.actors[2].told == [("drain", True)]


def test_and_is_let_go_at_once_if_nothing_is() -> None:
    house = House(2).up()
    house.actors[1].die(served=100)
    house.reactor.turn()
    house.crew.retire(1)
    house.reactor.turn()
    assert house.actors[2].told == [("drain", True)]


def test_a_queue_that_nobody_can_be_forked_for_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    house = House(2).up()
    house.listeners.queue = 3
    house.crew.retire(1)
    house.reactor.turn()
    house.fleet.failures = 1
    house.actors[1].die()
    assert len(house.crew.slots) == 1
    assert "slot 1 is closed with connections queued: cannot fork a worker" in caplog.text


def test_after_the_shutdown_nobody_is_forked_any_more() -> None:
    house = House(2).up()
    house.actors[0].die()
    house.actors[1].told.clear()
    house.crew.shut_down(drain=True)
    assert house.actors[1].told == [("drain", True)]
    assert [slot.timer for slot in house.crew.slots] == [None, None]
    house.actors[1].die()
    assert len(house.actors) == 2


def test_while_a_slot_has_no_worker_that_is_ready_the_others_stand_in_and_get_what_is_new() -> None:
    house = House(3)
    house.crew.start(3)
    first, second, third = house.actors
    first.ready()
    assert first.told == [("stand in", "socket 1"), ("stand in", "socket 2")] or first.told == [
        ("stand in", "socket 2"),
        ("stand in", "socket 1"),
    ]
    third.ready()
    assert first.told[2:] == [("stand down", 2)]
    assert third.told == [("stand in", "socket 1")]
    second.ready()
    assert [call for call in house.listeners.calls if call[0] in ("steer", "release")] == [
        ("steer", [0]),
        ("steer", [0, 2]),
        ("release",),
    ]
    house.listeners.calls.clear()
    for actor in house.actors:
        assert not actor.standing_in
        actor.told.clear()
    second.die()
    assert first.told == third.told == [("stand in", "socket 1")]
    house.reactor.turn()
    successor = house.actors[3]
    successor.die(boot_failed=BootFailed("import", "no shop", ""))
    house.reactor.turn()
    assert first.told == third.told == [("stand in", "socket 1")]
    house.actors[4].ready()
    assert first.told == third.told == [("stand in", "socket 1"), ("stand down", 1)]
    assert house.actors[4].told == []
    assert house.listeners.calls[-1] == ("release",)
    assert ("steer", [0, 2]) in house.listeners.calls


def test_a_reload_fills_a_slot_without_a_worker() -> None:
    house = House(2).up()
    house.actors[0].die()
    Reload(house.crew, 8, house.replies.append).begin(Settings(), 2, 2)
    for successor in house.actors[2:]:
        successor.ready()
    assert house.listeners.calls[-1] == ("release",)
    assert [successor.told for successor in house.actors[2:]] == [[], []]


def test_one_that_was_killed_while_it_booted_counts_as_missing_before_it_is_reaped() -> None:
    house = House(2).up()
    Reload(house.crew, 8, house.replies.append).begin(Settings(), 2, 2)
    late, ready = house.actors[2:]
    late.state = WorkerState.KILLED
    ready.ready()
    assert house.replies == []
    late.die()
    [refused] = house.replies
    assert isinstance(refused, Refused)
    assert house.crew.generation == 1


def test_where_nobody_is_left_nothing_is_steered_away() -> None:
    house = House(2).up()
    house.actors[0].die()
    house.actors[1].die()
    assert house.listeners.calls == [("steer", [1]), ("release",)]


def test_a_successor_that_cannot_be_forked_for_an_unforeseen_reason_ends_the_reload() -> None:
    house = House(2).up()
    Reload(house.crew, 1, house.replies.append).begin(Settings(), 2, 2)
    house.fleet.spawn = None  # type: ignore[assignment, method-assign]
    house.actors[2].ready()
    [refused] = house.replies
    assert isinstance(refused, Refused)
    assert "unexpected TypeError" in refused.error
    assert "Traceback" in refused.detail
    assert house.crew.generation == 1
    assert [actor.told for actor in house.actors[:2]] == [[], []]
    assert house.actors[2].told == [("drain", True)]


def test_who_is_stuck_gets_nothing_new_and_the_others_stand_in(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "litmus")
    house = House(2).up()
    boards = [house.fleet.segment.seat(slot).scoreboard for slot in (0, 1)]
    seat = house.fleet.segment.seat(1)
    seat.flight.open()
    seat.flight.begin(1, 1, b"GET", b"192.0.2.1:5", b"/blocking")

    def look(silence: float) -> None:
        boards[0].tick_ns = time.monotonic_ns()
        boards[1].tick_ns = time.monotonic_ns() - int(silence * 1e9)
        house.reactor.turn()

    look(0.5)
    assert house.listeners.calls == []
    look(3.0)
    look(4.0)
    assert house.listeners.calls == [("steer", [0])]
    assert house.actors[0].told == [("stand in", "socket 1")]
    look(0.0)
    assert house.listeners.calls == [("steer", [0]), ("release",)]
    assert house.actors[0].told == [("stand in", "socket 1"), ("stand down", 1)]
    assert [actor.state for actor in house.actors] == [WorkerState.READY] * 2
    stuck, over = caplog.messages[-2:]
    assert "is stuck: its loop has not turned for 3.0 s\non board: 1 request\nGET /blocking from 192.0.2.1:5" in stuck
    assert "is not stuck any more, after at least 4.0 s" in over


def test_who_is_full_gets_nothing_new_as_long_as_others_have_room() -> None:
    house = House(2).up()
    boards = [house.fleet.segment.seat(slot).scoreboard for slot in (0, 1)]

    def look(*full: int) -> None:
        for board, value in zip(boards, full, strict=True):
            board.full = value
        house.reactor.turn()

    look(0, 1)
    look(0, 1)
    assert house.listeners.calls == [("steer", [0])]
    assert house.actors[0].told == [("stand in", "socket 1")]
    look(1, 1)
    assert house.listeners.calls == [("steer", [0]), ("release",)], "all of them may as well wait for anybody"
    look(1, 0)
    assert house.listeners.calls[2:] == [("steer", [1])]
    assert house.actors[1].told == [("stand in", "socket 0")]
    look(0, 0)
    assert house.listeners.calls[3:] == [("release",)]
    assert [actor.standing_in for actor in house.actors] == [set(), set()]


def test_while_slots_join_the_crew_they_do_not_count() -> None:
    house = House(1).up()
    growth = Growth(house.crew, 8, house.replies.append)
    growth.begin(2)
    assert house.crew.width == 1
    assert [slot.phase for slot in house.crew.slots] == [Phase.OPEN, Phase.JOINING]
    growth.abort("enough")
    assert house.replies == [Refused("the new workers did not start: enough")]
    growth.abort("again")
    assert len(house.replies) == 1


def test_a_reload_dismisses_with_the_new_drain_time() -> None:
    house = House(1).up()
    settings = Settings()
    settings = dataclasses.replace(settings, timeouts=dataclasses.replace(settings.timeouts, drain=1.5))
    given: list[float] = []
    house.actors[0].drain = lambda timeout, *, sweep: given.append(timeout)  # type: ignore[method-assign]
    Reload(house.crew, 8, house.replies.append).begin(settings, 1, 2)
    house.actors[1].ready()
    assert given == [1.5]


def test_where_one_slot_is_never_served_the_start_is_not_complete_until_a_reload_or_without_the_slot() -> None:
    for remedy in ("reload", "scale"):
        house = House(2)
        house.crew.start(2)
        house.actors[0].ready()
        house.actors[1].die()
        assert house.events == ["proven"]
        if remedy == "reload":
            Reload(house.crew, 8, house.replies.append).begin(Settings(), 2, 2)
            for actor in house.actors[2:]:
                actor.ready()
            assert house.replies == [Done({"generation": 2, "workers": 2})]
        else:
            house.crew.retire(1)
        assert house.events == ["proven", "complete"]
