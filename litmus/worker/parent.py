"""Not to outlive the arbiter."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # from linux/prctl.h

_libc = ctypes.CDLL(None)


def die_with(arbiter: int) -> None:
    """Have the kernel kill this process when its parent ``arbiter`` ends, or end now if that has happened already.

    The end of the control pipe says the same, but only to an event loop that runs. A worker that is stuck (in a
    blocking call, in an import) would live on without an arbiter and keep the port from the next one. The signal is
    SIGKILL because nothing else is sure to reach a process that is stuck in C. The price: an arbiter that is killed, or
    crashes, takes with it what the access log has collected since the last tick, a tenth of a second.

    The kernel forgets it with every change of user or group, so this has to be called again after one. It means the
    *thread* that forked, and the arbiter has only one. Processes that the application starts don't inherit it.
    """
    if hasattr(_libc, "prctl"):  # elsewhere than on Linux there is only the pipe
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != arbiter:
        os.kill(os.getpid(), signal.SIGKILL)  # it ended before the kernel knew that we want to hear of it
