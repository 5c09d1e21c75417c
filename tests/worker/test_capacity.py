"""How many connections a worker may have open."""

import resource

import pytest

from litmus.worker.capacity import HOW_TO_RAISE, capacity


@pytest.mark.parametrize("descriptors", [256, 1024, 65536, 1 << 20])
def test_descriptors_bound_it_with_a_reserve(descriptors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (descriptors, descriptors))
    room = capacity(0)
    assert 64 <= descriptors - room.most <= 1024
    assert room.bound == f"a descriptor limit of {descriptors} allows ({HOW_TO_RAISE})"
    assert capacity(room.most + 1) == room, "a limit beyond the descriptors is one that would fail clients"
    for limit in (1, 100, room.most):
        assert capacity(limit) == (limit, "limits.connections allows")


def test_there_is_always_room_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (32, 32))
    assert capacity(0).most == 1
