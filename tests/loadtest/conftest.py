import dataclasses
import os
import signal

import pytest

from loadtest.workloads import WORKLOADS


@pytest.fixture(autouse=True)
def keep_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands are run in the tests' own process, whose SIGTERM they must leave alone."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)


@pytest.fixture(autouse=True)
def keep_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of descriptors is the tests' own as well."""
    monkeypatch.setattr("resource.setrlimit", lambda *_: None)


@pytest.fixture
def small_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up- and downloads that are no work, and do not end where a buffer ends."""
    for name in ("upload", "download"):
        monkeypatch.setitem(WORKLOADS, name, dataclasses.replace(WORKLOADS[name], size=600_001))


@pytest.fixture
def cpu() -> int:
    return max(os.sched_getaffinity(0))
