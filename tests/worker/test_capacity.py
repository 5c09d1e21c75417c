"""How many connections a worker may have open."""

import resource

import pytest

from litmus.worker.accept import capacity


@pytest.mark.parametrize("descriptors", [256, 1024, 65536, 1 << 20])
def test_descriptors_bound_it_with_a_reserve(descriptors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (descriptors, descriptors))
    assert 64 <= descriptors - capacity(0) <= 1024
    assert capacity(descriptors * 2) == capacity(0), "a limit beyond the descriptors is one that would fail clients"
    assert capacity(100) == 100
    assert capacity(1) == 1


def test_there_is_always_room_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (32, 32))
    assert capacity(0) == 1
