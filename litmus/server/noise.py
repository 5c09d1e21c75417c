"""What clients can have the log say as often as they like: told one by one up to a bound, and as a number beyond it."""

from __future__ import annotations

import logging
from typing import Final

from litmus.log import escape
from litmus.server.deadlines import Wheel, ticks
from litmus.units import count

log = logging.getLogger("litmus.server")

MOST: Final = 10
"""Lines of a kind that a worker writes in ``SECONDS``."""

SECONDS: Final = 10.0

METHOD_SHOWN: Final = 16
TARGET_SHOWN: Final = 176
"""Bytes of a request's method and target that a line shows."""

# The kinds, as one of them is called.
REFUSED: Final = "refused request"
CUT: Final = "cut response"
UNREAD: Final = "unread response"
FLOODED: Final = "flood"
BROKEN: Final = "broken connection"
ABANDONED: Final = "abandoned request"
UNPREPARED: Final = "failed handshake"


class Noise:
    """The bound, for each kind of line by itself: what many do must not hide what one does.

    Args:
        wheel: what measures the time.

    Attributes:
        due, spoke: see ``machine.Expiring``. It is armed from the first line of a time until the time is over.
    """

    __slots__ = ("_told", "_wheel", "due", "spoke")

    def __init__(self, wheel: Wheel) -> None:
        self._wheel = wheel
        self._told: dict[str, int] = {}
        self.due = 0
        self.spoke = 0

    def tell(self, kind: str, message: str, *arguments: object) -> None:
        """Log a line of some kind, at level info, or count it when there were too many."""
        if self._counts(kind):
            log.info(message, *arguments)

    def accuse(self, kind: str, words: str, error: BaseException | None) -> None:
        """The same at level error, with the traceback of an ``error``."""
        if self._counts(kind):
            log.error("%s", words, exc_info=error)

    def _counts(self, kind: str) -> bool:
        """Count a line. Returns whether it is still told."""
        told = self._told[kind] = self._told.get(kind, 0) + 1
        if not self.due:
            self._wheel.arm(self, ticks(SECONDS))
        return told <= MOST

    def expire(self) -> None:
        """See ``machine.Expiring``."""
        self.flush()

    def flush(self) -> None:
        """Tell how many more there were, and begin anew."""
        told, self._told = self._told, {}
        for kind, number in told.items():
            if number > MOST:
                log.info("%s within %g s, not told one by one", count(number - MOST, f"more {kind}"), SECONDS)


def in_words(method: bytes, target: bytes) -> str:
    """A request for the log, as far as it is known and worth showing."""
    shown = [_cut(method, METHOD_SHOWN), _cut(target, TARGET_SHOWN)]
    return " ".join(filter(None, shown)) or "a request"


def _cut(value: bytes, size: int) -> str:
    return escape(value[:size]) + ("…" if len(value) > size else "")
