"""What an operator does to a running server, whether its workers are true ones or not."""

import signal
from pathlib import Path
from typing import Any

import psutil
from support.waiting import DEADLINE, wait_until

from litmus.control.client import Client, call
from litmus.control.messages import Done, Reply, Request, Stats, Status

IN_CHARGE = ("booting", "ready")
"""The states of workers that were not told to go."""


class Operator:
    """To be mixed into what has started a server.

    Attributes:
        process: the arbiter.
        control: its control socket.
    """

    process: Any
    control: Path

    @property
    def pid(self) -> int:
        return int(self.process.pid)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ask(self, request: Request, timeout: float = DEADLINE) -> Reply:
        """What litmusctl does, without the time that a new interpreter takes."""
        return call(self.control, request, timeout)

    def status(self) -> dict[str, Any]:
        return self._done(Status())

    def stats(self) -> dict[str, Any]:
        return self._done(Stats())

    def _done(self, request: Request) -> dict[str, Any]:
        reply = self.ask(request)
        assert isinstance(reply, Done), reply
        return reply.result

    def tcp_address(self, index: int = 0) -> tuple[str, int]:
        """One of its addresses, for a client."""
        host, _, port = self.status()["addresses"][index].rpartition(":")
        return host.strip("[]"), int(port)

    def wait_for_leavers(self) -> None:
        """Wait until nobody is left that was told to go."""
        wait_until(
            lambda: all(row["state"] in IN_CHARGE for row in self.status()["workers"]),
            lambda: f"the end of those who leave: {self.status()['workers']}",
        )

    def descriptors(self) -> int:
        """How many the arbiter has open, not counting clients of its control socket."""
        with Client(self.control) as client:
            # By the time of the answer, all who hung up before have been noticed.
            assert isinstance(client.call(Status(), DEADLINE), Done)
            return psutil.Process(self.pid).num_fds() - 1
