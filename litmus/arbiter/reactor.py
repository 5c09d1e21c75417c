"""The arbiter's only loop: readiness of descriptors, and timers. One thread, nothing that blocks."""

import heapq
import itertools
import logging
import os
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

FileObject = int | socket.socket
Callback = Callable[[], object]

_logger = logging.getLogger("litmus")


class Timer:
    """A callback that has been put off; made by :meth:`Reactor.call_later`."""

    __slots__ = ("_callback", "when")

    def __init__(self, when: float, callback: Callback) -> None:
        self.when = when
        self._callback: Callback | None = callback

    def cancel(self) -> None:
        """Don't call any more. Harmless when repeated, or when it is too late."""
        self._callback = None  # what the callback holds is let go now, not when the time has come

    @property
    def active(self) -> bool:
        """Whether the callback is still to be called."""
        return self._callback is not None

    def fire(self) -> None:
        """Call, once."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


@dataclass(frozen=True, eq=False)
class _Watch:
    """Equal to nothing but itself: a selector keeps the old one when told of another that is equal to it."""

    fileobj: FileObject
    on_readable: Callback
    on_writable: Callback | None


class Reactor:
    """Calls back when a descriptor is ready or a delay is over, one callback at a time.

    A callback that raises is logged with its traceback, and the loop goes on: the arbiter outlives its own mistakes.
    ``clock`` (seconds, monotonic) and ``selector`` are there for tests.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, selector: selectors.BaseSelector | None = None
    ) -> None:
        self.clock = clock
        self._selector = selector if selector is not None else selectors.DefaultSelector()
        self._watches: dict[int, _Watch] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()  # timers of the same moment fire in the order they were set
        self._stopped = False

    def watch(self, fileobj: FileObject, on_readable: Callback, on_writable: Callback | None = None) -> None:
        """Call back whenever ``fileobj`` is readable (or at its end) or, if asked for, writable: level-triggered.

        Called again for the same descriptor, it changes the callbacks.
        """
        watch = _Watch(fileobj, on_readable, on_writable)
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if on_writable is not None else 0)
        fd = _number(fileobj)
        if fd in self._watches:
            self._selector.modify(fd, events, watch)
        else:
            self._selector.register(fd, events, watch)
        self._watches[fd] = watch

    def unwatch(self, fileobj: FileObject) -> None:
        """Stop watching; to be called before ``fileobj`` is closed. One that isn't watched is left alone."""
        fd = _number(fileobj)
        if self._watches.pop(fd, None) is not None:
            self._selector.unregister(fd)

    def call_later(self, delay: float, callback: Callback) -> Timer:
        """Call back once, ``delay`` seconds from now; with 0, in the next turn of the loop."""
        timer = Timer(self.clock() + delay, callback)
        heapq.heappush(self._timers, (timer.when, next(self._order), timer))
        return timer

    def run(self) -> None:
        """Turn until :meth:`stop`; not at all if that was called before."""
        while not self._stopped:
            self.turn()

    def stop(self) -> None:
        """Let :meth:`run` return once the callbacks of this turn are done."""
        self._stopped = True

    def turn(self) -> None:
        """Wait for the next readiness or timer, and call everybody whose turn has come."""
        for key, events in self._selector.select(self._patience()):
            # An earlier callback of this turn may have stopped this watch, or closed the descriptor and watched
            # another one that got its number: what was reported then isn't for the one who watches now.
            watch: _Watch = key.data
            if events & selectors.EVENT_READ and self._watches.get(key.fd) is watch:
                _call(watch.on_readable)
            if events & selectors.EVENT_WRITE and watch.on_writable and self._watches.get(key.fd) is watch:
                _call(watch.on_writable)
        now = self.clock()
        due = []
        while self._timers and self._timers[0][0] <= now:
            due.append(heapq.heappop(self._timers)[2])
        for timer in due:  # one set meanwhile waits for the next turn, so that timers can't keep descriptors waiting
            _call(timer.fire)

    def abandon(self) -> None:
        """In a forked child: close every watched descriptor and the selector, and forget them.

        Nothing is unregistered, because the parent shares the kernel's side of the selector.
        """
        self._selector.close()
        for watch in self._watches.values():
            if isinstance(watch.fileobj, int):
                os.close(watch.fileobj)
            else:
                watch.fileobj.close()
        self._watches.clear()
        self._timers.clear()

    def close(self) -> None:
        """Free the selector. Watched descriptors stay open: they belong to those who watch them."""
        self._watches.clear()
        self._timers.clear()
        self._selector.close()

    def _patience(self) -> float | None:
        """How long the selector may wait: until the next timer that hasn't been cancelled."""
        while self._timers and not self._timers[0][2].active:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - self.clock()) if self._timers else None


def _number(fileobj: FileObject) -> int:
    return fileobj if isinstance(fileobj, int) else fileobj.fileno()


def _call(callback: Callback) -> None:
    try:
        callback()
    except Exception:
        _logger.exception("a callback of the arbiter failed; it goes on")
