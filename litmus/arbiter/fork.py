"""The fork, and what the child must let go of before it becomes a worker."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable

from litmus.arbiter.signals import HANDLED, blocked
from litmus.worker.boot import Boot

WorkerMain = Callable[[Boot], object]

_logger = logging.getLogger("litmus")


def fork(boot: Boot, worker_main: WorkerMain, let_go: Callable[[], None]) -> int:
    """Fork; the child calls ``let_go``, then ``worker_main(boot)``, and exits whatever happens. Returns its pid.

    ``let_go`` closes what is the arbiter's own: a child that kept another worker's pipe would keep it from noticing
    that the arbiter died, and one that kept another slot's socket would keep connections waiting on it. Signals are
    blocked until the child doesn't tell its parent about them any more. Raises OSError.
    """
    _flush()  # else what is buffered would be written twice
    unblock = blocked(HANDLED)
    try:
        pid = os.fork()
    except OSError:
        unblock()
        raise
    if pid:
        unblock()
        return pid
    code = 1
    try:
        let_go()
        unblock()
        worker_main(boot)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        # Not to be raised any further: up there is the arbiter's own code, which must not run twice.
        _logger.exception("worker %d[%d] ended by an error that it did not handle", boot.slot, os.getpid())
    finally:
        _flush()
        os._exit(code)
    raise AssertionError("unreachable")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # it was closed when the interpreter started
            with contextlib.suppress(OSError, ValueError):  # whoever read it is gone, or the application has closed it
                stream.flush()
