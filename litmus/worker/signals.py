"""The signals that somebody may send to the server, and that would end or stop a process which doesn't handle them.

Those that tell of a fault in the process (SEGV, ABRT, …), of a limit, or of job control are not among them.
"""

from signal import Signals
from typing import Final

ORDERS: Final = (
    Signals.SIGTERM,
    Signals.SIGINT,
    Signals.SIGQUIT,
    Signals.SIGHUP,
    Signals.SIGTTIN,
    Signals.SIGTTOU,
    Signals.SIGUSR1,
)
"""What the arbiter obeys."""

OTHERS: Final = (
    Signals.SIGUSR2,
    Signals.SIGALRM,
    Signals.SIGVTALRM,
    Signals.SIGPROF,
    Signals.SIGIO,
    Signals.SIGPWR,
)
"""What means nothing here. USR2 does elsewhere: it comes from people who are used to another server."""
