"""Children of the test process: forked, watched, and never left behind."""

import gc
import os
import select
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

DEADLINE = 20.0


def fork() -> int:
    """``os.fork``; that the tests have threads elsewhere (as pytest plugins may) is no concern of the child.

    What pytest has gathered by now is none of its garbage collector's: to look at it all would take half a second, and
    a copy of its memory.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        gc.freeze()
    return pid


def start(work: Callable[[], None]) -> int:
    """Run ``work`` in a child. Returns its pid; it exits with 0, or with 70 when ``work`` raised."""
    pid = fork()
    if pid:
        return pid
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(70)
    os._exit(0)


def wait(pid: int, deadline: float = DEADLINE) -> int:
    """Wait for a child's end. Returns its exit code, or minus the signal that ended it."""
    fd = os.pidfd_open(pid)
    try:
        if not select.select([fd], [], [], deadline)[0]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise AssertionError(f"process {pid} did not end within {deadline} s")
    finally:
        os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def in_child(work: Callable[[], None]) -> int:
    """Run ``work`` in a child to its end, and well. Returns the child's pid."""
    with child(work) as pid:
        return pid


@contextmanager
def child(work: Callable[[], None]) -> Iterator[int]:
    """Run ``work`` in a child meanwhile, which must come to a good end by itself."""
    pid = start(work)
    try:
        yield pid
    finally:
        code = wait(pid)
    assert code == 0
