"""Clients that are told to go on once they are ready."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from loadtest import processes
from loadtest.errors import MeasurementError


@contextlib.contextmanager
def client(script: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_client_goes_on_when_it_is_told() -> None:
    with client("input(); print('done')") as process:
        assert processes.answer(process, 10) == "done"


def test_a_client_that_has_ended_says_why() -> None:
    with client("raise SystemExit('no port for me')") as process:
        process.wait(10)
        with pytest.raises(MeasurementError, match=r"^no port for me$"):
            processes.answer(process, 10)


def test_a_client_that_ends_without_a_word() -> None:
    with client("") as process, pytest.raises(MeasurementError, match="the client has ended"):
        processes.told(process, 10)


def test_waiting_for_a_client_has_an_end() -> None:
    with client("input()") as process, pytest.raises(MeasurementError, match="the client said nothing within 0 s"):
        processes.told(process, 0.01)


def test_a_client_that_is_not_ready_is_ended(cpu: int) -> None:
    """This one prints a table."""
    before = {*psutil.Process().children()}
    with (
        pytest.raises(MeasurementError, match="where 'ready' is right"),
        processes.ready("published", cpu=cpu, timeout=20),
    ):
        pass
    assert {*psutil.Process().children()} == before


def test_a_result_does_not_tell_where_the_project_lies() -> None:
    inside = str(processes.ROOT / "loadtest" / ".venv" / "bin" / "python")
    assert processes.spelled([inside, "-m", "hypercorn", "/etc"]) == "loadtest/.venv/bin/python -m hypercorn /etc"
