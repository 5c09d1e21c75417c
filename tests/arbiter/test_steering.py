"""Steering on this very kernel: where do connections go?"""

import errno
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from litmus.arbiter import binding
from litmus.arbiter.binding import Endpoint
from litmus.arbiter.steering import Steering


class Group:
    """A SO_REUSEPORT group, and clients."""

    def __init__(self, family: socket.AddressFamily, host: str) -> None:
        self.endpoint = Endpoint(family, (host, 0) if family == socket.AF_INET else (host, 0, 0, 0))
        self.members: list[socket.socket] = []
        self.steering = Steering()

    def grow(self, count: int) -> None:
        while len(self.members) < count:
            member = binding.bind_tcp(self.endpoint)
            member.listen(1024)
            self.members.append(member)
            self.endpoint = self.endpoint.with_port(member.getsockname()[1])

    def count(self, connections: int = 120) -> list[int]:
        """Connect so often, and return how many connections each member got."""
        clients = [socket.create_connection(self.endpoint.address[:2]) for _ in range(connections)]
        counts = [self.accept(member) for member in self.members]
        for client in clients:
            client.close()
        assert sum(counts) == connections
        return counts

    def accept(self, member: socket.socket) -> int:
        """Accept what is queued on a member, and return how much that was."""
        count = 0
        while True:
            try:
                member.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1

    def close(self) -> None:
        for member in self.members:
            member.close()


@pytest.fixture(params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["v4", "v6"])
def group(request: pytest.FixtureRequest) -> Iterator[Group]:
    group = Group(*request.param)
    group.grow(4)
    yield group
    group.close()


def test_without_steering_everybody_gets_some(group: Group) -> None:
    assert all(group.count())


def test_only_the_first_ones_get_new_connections_in_the_order_they_began_to_listen(group: Group) -> None:
    group.steering.keep(group.members[0], [0, 1])
    first, second, *others = group.count()
    assert min(first, second) > 0
    assert others == [0, 0]
    group.steering.keep(group.members[0], [0])
    assert group.count() == [120, 0, 0, 0]
    group.steering.release(group.members[0])
    assert all(group.count())
    group.steering.release(group.members[0])


@pytest.mark.parametrize("kept", [[1], [0, 2], [1, 3], [2, 3], [0, 1, 3], [0, 1, 2, 3]])
def test_any_of_them_can_be_left_out_and_the_others_share_evenly(group: Group, kept: list[int]) -> None:
    group.steering.keep(group.members[0], kept)
    counts = group.count(240)
    assert [index for index, count in enumerate(counts) if count] == kept
    assert min(counts[index] for index in kept) > 240 / len(kept) / 3


def test_a_newcomer_gets_nothing_until_it_is_let_in(group: Group) -> None:
    group.steering.keep(group.members[0], range(4))
    group.grow(6)
    assert group.count()[4:] == [0, 0]
    group.steering.keep(group.members[0], range(5))
    counts = group.count()
    assert all(counts[:5])
    assert counts[5] == 0


@pytest.mark.parametrize("order", [(3, 2), (2, 3)])
def test_when_the_last_ones_close_in_any_order_the_first_ones_keep_their_index(
    group: Group, order: tuple[int, int]
) -> None:
    group.steering.keep(group.members[0], [0, 1])
    for index in order:
        group.members[index].close()
    group.members = group.members[:2]
    assert all(group.count())
    group.grow(3)
    assert group.count()[2] == 0


def test_what_was_queued_before_stays_queued(group: Group) -> None:
    clients = [socket.create_connection(group.endpoint.address[:2]) for _ in range(80)]
    group.steering.keep(group.members[0], [0])
    assert sum(group.accept(member) for member in group.members[1:]) > 0
    for client in clients:
        client.close()


def test_nobody_new_is_let_in_and_who_was_queued_stays_queued(group: Group) -> None:
    clients = [socket.create_connection(group.endpoint.address[:2]) for _ in range(40)]
    for member in group.members:
        group.steering.turn_away(member)
    with socket.socket(group.endpoint.family) as late:
        late.settimeout(0.2)
        with pytest.raises(TimeoutError):
            late.connect(group.endpoint.address[:2])
    assert sum(group.accept(member) for member in group.members) == 40
    for client in clients:
        client.close()


class Stubborn:
    """A listener on a kernel that doesn't know of steering."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.calls = 0

    def setsockopt(self, *_: Any) -> None:
        self.calls += 1
        raise OSError(self.number, "no")


def test_a_kernel_that_refuses_is_asked_once_and_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    steering, listener = Steering(), Stubborn(errno.ENOPROTOOPT)
    for _ in range(3):
        steering.keep(listener, [0])  # type: ignore[arg-type]
        steering.release(listener)  # type: ignore[arg-type]
    assert not steering.works
    assert listener.calls == 1
    assert len(caplog.records) == 1
    assert "SO_ATTACH_REUSEPORT_CBPF" in caplog.text


def test_a_kernel_that_lets_everybody_in_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "litmus")
    Steering().turn_away(Stubborn(errno.ENOPROTOOPT))  # type: ignore[arg-type]
    assert "SO_ATTACH_FILTER" in caplog.text


def test_a_program_that_cannot_be_taken_away_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    Steering().release(Stubborn(errno.EPERM))  # type: ignore[arg-type]
    assert "SO_DETACH_REUSEPORT_BPF" in caplog.text
