"""Slow clients, many of them: they send heads or bodies, or read answers, a byte at a time.

``python -m loadtest.attack PORT CONNECTIONS`` prints "ready" when each has begun, goes on until its standard input is
closed, and then prints what became of them as JSON. One that the server cuts off comes back a second later.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from loadtest import crowd
from loadtest.processes import READY
from loadtest.workloads import MIB, get, post

_BEAT_SECONDS = 1.0
"""How often each does something."""

_TICKS = 100
"""Parts of a beat; in each it is the turn of some, so that the work is spread evenly."""

_SENT = MIB
_READ = 10 * MIB
_SMALL_BUFFER = 4096

HEADS, BODIES, READS = KINDS = ("heads", "bodies", "reads")

_OPENINGS = {
    HEADS: get("/").removesuffix(b"\r\n") + b"X-Slow: ",
    BODIES: post(b"application/octet-stream", _SENT),
    READS: get(f"/{_READ}"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code."""
    port, connections = sys.argv[1:] if arguments is None else arguments
    attackers = [Attacker(int(port), number) for number in range(int(connections))]
    with ExitStack() as stack:
        for attacker in attackers:
            stack.callback(attacker.leave)
        for beat in _beats(sys.stdin.fileno(), attackers):
            if beat == 1:
                print(READY, flush=True)
        print(json.dumps(summary(attackers)), flush=True)
    return 0


def _beats(until: int, attackers: Sequence[Attacker]) -> Iterator[int]:
    """Let all take their turns, until there is something to read. Yields the number of beats that are done."""
    poller = select.poll()
    poller.register(until, select.POLLIN)
    start = time.monotonic()
    tick = 0
    while True:
        for attacker in attackers[tick % _TICKS :: _TICKS]:
            attacker.turn()
        tick += 1
        if tick % _TICKS == 0:
            yield tick // _TICKS
        wait = start + tick * _BEAT_SECONDS / _TICKS - time.monotonic()
        if poller.poll(max(0.0, wait) * 1000):
            return


def summary(attackers: Sequence[Attacker]) -> dict[str, dict[str, int]]:
    """What became of each kind: how many are connected, and how often one was cut off."""
    return {
        kind: {
            "connected": sum(each.connected for each in attackers if each.kind == kind),
            "cut": sum(each.cut for each in attackers if each.kind == kind),
        }
        for kind in KINDS
    }


class Attacker:
    """One slow client.

    Attributes:
        kind: what it is slow at.
        cut: how often the server has closed its connection.
    """

    def __init__(self, port: int, number: int) -> None:
        self.kind = KINDS[number % len(KINDS)]
        self.cut = 0
        self._port = port
        self._number = number
        self._connection: socket.socket | None = None
        self._unsent = b""

    @property
    def connected(self) -> bool:
        """Whether it has a connection that the server has not closed, as far as it knows."""
        return self._connection is not None

    def turn(self) -> None:
        """Come, or send or read one byte more."""
        connection = self._connection
        try:
            if connection is None:
                connection = self._connection = crowd.connect(self._port, self._number, _SMALL_BUFFER)
                self._unsent = _OPENINGS[self.kind]
            elif self.kind != READS and not self._unsent:
                self._unsent = b"x"
            if self._unsent:
                self._unsent = self._unsent[connection.send(self._unsent) :]
            if not connection.recv(1 if self.kind == READS else _SMALL_BUFFER):
                raise ConnectionError
        except BlockingIOError:
            pass  # the connection is not open yet, or there is nothing to read
        except OSError:
            self.cut += 1
            self.leave()

    def leave(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


if __name__ == "__main__":
    sys.exit(main())
