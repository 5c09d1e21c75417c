"""What a peer may send that costs it next to nothing, and is of no use (RFC 9113, section 10.5)."""

from __future__ import annotations

from typing import Final

from litmus.protocols.http2.errors import Flooded
from litmus.protocols.machine import Deadline, Host, Timer

ALLOWANCE: Final = 2000
"""What may be spent in each ``Deadline.CALM``, over and above what is earned in it."""

CHEAP: Final = 1
"""A frame that asks for nothing, or for next to it."""

WASTED: Final = 5
"""A frame without any use."""

LOST: Final = 10
"""A request whose work was for nothing: reset by its client, refused, or broken (CVE-2023-44487, CVE-2025-8671)."""

RESPONSE: Final = 10
"""Earned by a response that was completed."""

_ALLOWANCE: Final = ALLOWANCE


class Allowance(Timer):
    """One connection's.

    Args:
        host: the connection.

    Attributes:
        left: what may still be spent.
    """

    __slots__ = ("_host", "left")

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host
        self.left = ALLOWANCE

    def spend(self, cost: int, what: str) -> None:
        """The peer has sent something cheap. Raises Flooded when that is more than it may."""
        if not self.due:
            self._host.arm(self, Deadline.CALM)
        self.left -= cost
        if self.left < 0:
            raise Flooded(f"too many of one kind: {what}")

    def earn(self, amount: int) -> None:
        """There was work of use."""
        if self.left < _ALLOWANCE:
            self.left += amount

    def expire(self) -> None:
        """What was spent is forgiven."""
        self.left = _ALLOWANCE
