"""Signals as something to read: a descriptor that the reactor watches, instead of code that interrupts other code."""

import os
import signal
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from litmus.worker.signals import ORDERS, OTHERS

HANDLED = (*ORDERS, *OTHERS, signal.SIGCHLD)

_END = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_READ_SIZE = 4096


def hold() -> None:
    """Put signals off until there is a :class:`SignalInbox` to take them: so early, they would end the process.

    Those that are meant to do so are not put off.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, [number for number in HANDLED if number not in _END])


class SignalInbox:
    """Collects the signals of :data:`HANDLED` from construction until :meth:`close`; SIGPIPE is ignored.

    What was put off by :func:`hold` comes first.

    The handlers do nothing: it is the interpreter's wakeup descriptor that tells of a signal. When it is full, more
    signals are dropped, as the kernel would do with those that come twice.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._previous_wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._previous: dict[signal.Signals, Any] = {number: signal.signal(number, _ignore) for number in HANDLED}
        self._previous[signal.SIGPIPE] = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self._previous_mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        for number in HANDLED:  # one by one: all at once, what has come would pile up on a stack that may be small
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])

    def fileno(self) -> int:
        """The descriptor that is readable when signals have come."""
        return self._reader

    def read(self) -> list[signal.Signals]:
        """The signals that have come, in order."""
        try:
            numbers = os.read(self._reader, _READ_SIZE)
        except BlockingIOError:
            return []
        return [signal.Signals(number) for number in numbers if number in HANDLED]

    def close(self) -> None:
        """Put back what was there before."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._previous_mask)
        signal.set_wakeup_fd(self._previous_wakeup)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)

    def abandon(self) -> None:
        """In a forked child, with signals still blocked: write nothing more to the parent's inbox.

        The handlers that do nothing stay, because Ctrl-C reaches every process of the terminal, and it is the arbiter
        that tells the workers what to do. SIG_IGN would do here too, but programs that the application starts would
        inherit it. SIGCHLD goes back to its default: the application may wait for children of its own.
        """
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self._writer)  # the reading end is watched, and closed with the reactor


def blocked(numbers: Iterable[signal.Signals]) -> Callable[[], object]:
    """Block signals, and return what unblocks them: around a fork, so that the child never hears for its parent."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    return lambda: signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _ignore(number: int, frame: FrameType | None) -> None:
    return
