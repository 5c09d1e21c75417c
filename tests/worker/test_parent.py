"""A worker does not outlive the process that forked it, not even when it is stuck."""

import contextlib
import os
import select
import signal
import tempfile
from pathlib import Path

import pytest
from support import processes
from support.marks import needs_root
from support.worker import WorkerProcess

from litmus.worker.parent import die_with

STUCK = """
import os, time

os.write({writer}, b"%d\\n" % os.getpid())
time.sleep(3600)  # for good: nobody waits for its end
"""


def next_line(reader: int) -> bytes:
    """What the other end of a pipe writes next; nothing when all of them are closed."""
    assert select.select([reader], [], [], processes.DEADLINE)[0], "the other end says nothing, and is still there"
    return os.read(reader, 100)


@pytest.mark.parametrize("user", ["", pytest.param("nobody", marks=needs_root)])
def test_a_worker_that_is_stuck_in_an_import(user: str) -> None:
    """With a user it has forgotten what it told the kernel as root."""
    reader, writer = os.pipe()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        options = {"arbiter.user": user} if user else {}

        def be_the_arbiter() -> None:
            os.close(reader)
            arbiter = WorkerProcess(Path(folder), STUCK.format(writer=writer), 1, options)
            arbiter.wait()

        arbiter = processes.start(be_the_arbiter)
        os.close(writer)
        stuck = int(next_line(reader))
        try:
            os.kill(arbiter, signal.SIGKILL)
            assert processes.wait(arbiter) == -signal.SIGKILL
            assert next_line(reader) == b""
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(stuck, signal.SIGKILL)
            os.close(reader)


def test_a_worker_whose_arbiter_was_gone_before_it_could_ask() -> None:
    """Its parent is somebody else by then."""
    child = processes.start(lambda: die_with(os.getpid()))
    assert processes.wait(child) == -signal.SIGKILL
