"""Two hundred rounds of everything that can happen, in random order, under load: what is left behind?"""

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import psutil
from support.deployment import Deployment, Serve, resident
from support.load import Load, load
from support.waiting import wait_until

from litmus.control.messages import Done, Refused, Reload, Scale

SEED = 20_261_121
ROUNDS = 200
WARM_UP = 60
SECONDS = 75.0
MOST_KILLS = 3
WORKERS = 2
MIB = 1 << 20


def test_nothing_is_left_behind(serve: Serve) -> None:
    print(f"seed {SEED}")  # noqa: T201 (shown when the test fails)
    server = serve(workers=WORKERS, timeouts={"drain": "2s"})
    disturbances = Disturbances(server, random.Random(SEED))
    descriptors, memory = server.descriptors(), 0
    for client in server.connect_to_each().values():  # with its first connection, a loop opens what it keeps
        client.close()
    server.wait_until_idle()
    open_at_first = {len(files): files for files in map(open_files, server.workers())}
    end = time.monotonic() + SECONDS
    with load(server.address, keep_alive=1, fresh=1, uploads=1, rude=1) as seen:
        for number in range(ROUNDS):
            assert time.monotonic() < end, f"only {number} rounds in {SECONDS:g} s"
            disturbances.next()
            # Whatever happened, somebody answers.
            seen.wait_for_more(20)
            if number == WARM_UP:
                memory = resident(server.pid)
        disturbances.reload_at_last()
        workers = server.wait_until_settled(WORKERS)
        seen.wait_for_more(50)
    check_failures(seen)
    server.wait_until_idle()
    # A slot that is leaving may have no worker any more, and a socket for a moment longer.
    wait_until(lambda: server.descriptors() == descriptors, lambda: f"{descriptors} files: {open_files(server.pid)}")
    assert resident(server.pid) - memory < 2 * MIB
    assert server.workers() == workers
    family = psutil.Process(server.pid).children(recursive=True)
    assert sorted(child.pid for child in family) == sorted(workers)
    assert not any(child.status() == psutil.STATUS_ZOMBIE for child in family)
    assert [row["pid"] for row in server.stats()["workers"]] == workers
    for pid in workers:
        assert len(open_files(pid)) in open_at_first, f"{open_files(pid)}, and at first {open_at_first}"
    assert "a callback of the arbiter failed" not in server.errors
    assert server.stop() == 0


class Disturbances:
    """What may happen to a server, in the order that ``choose`` wants."""

    def __init__(self, server: Deployment, choose: random.Random) -> None:
        self._server = server
        self._choose = choose
        self._kills = 0

    def next(self) -> None:
        """The next one."""
        server, choose = self._server, self._choose
        match choose.choice(("kill", "kill", "kill all", "hup", "reload", "step", "step twice", "scale", "nothing")):
            case "kill":
                self._kill(choose.choice(server.status()["workers"])["pid"])
            case "kill all":
                self._kill(*(row["pid"] for row in server.status()["workers"]))
            case "hup":
                server.signal(signal.SIGHUP)
            case "reload":
                self._reload()
            case "step":
                server.signal(choose.choice((signal.SIGTTIN, signal.SIGTTOU)))
            case "step twice":
                server.signal(choose.choice((signal.SIGTTIN, signal.SIGTTOU)))
                server.signal(choose.choice((signal.SIGTTIN, signal.SIGTTOU)))
            case "scale":
                # To be refused is in order: something else may be under way, or take it back.
                assert isinstance(server.ask(Scale(choose.randint(1, 4))), Done | Refused)
            case _:
                return

    def reload_at_last(self) -> None:
        """Reload; again if need be, because a death among the newcomers, or another change, is in the way."""
        wait_until(self._reload, lambda: f"a reload that isn't refused: {self._server.status()}")

    def _reload(self) -> bool:
        done = isinstance(self._server.ask(Reload()), Done)
        if done:
            self._kills = 0
        return done

    def _kill(self, *pids: int) -> None:
        """Kill some. A slot whose workers keep dying has to wait for longer and longer; a reload ends that."""
        if self._kills >= MOST_KILLS:
            self.reload_at_last()
            return
        self._kills += 1
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # it may have left in between
                os.kill(pid, signal.SIGKILL)


def check_failures(seen: Load) -> None:
    """A killed worker takes its own requests with it; nobody is turned away, and nobody waits in vain."""
    for failure in seen.failures:
        assert failure.connected, failure
        assert isinstance(failure.error, ConnectionError | EOFError), failure


def open_files(pid: int) -> list[str]:
    return sorted(str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir())
