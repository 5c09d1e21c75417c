"""Many rounds of everything that can happen, in random order: what is left behind?"""

import contextlib
import os
import random
import signal

import psutil
import pytest
from support.arbiter import ArbiterProcess, greet

from litmus.control.messages import Done, Refused, Reload, Scale

ROUNDS = 80
WARM_UP = 20
GROWTH = 1 << 20


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_left_behind(arbiter: ArbiterProcess, seed: int) -> None:
    choose = random.Random(seed)
    arbiter.configure(workers=2, binds=("127.0.0.1:0", f"unix:{arbiter.folder}/http.sock"), drain="1s")
    arbiter.start({"settle": 0.01, "backoff_first": 0.01, "backoff_cap": 0.05}).wait_until_up()
    address = arbiter.address()
    descriptors, memory = arbiter.descriptors(), 0
    for number in range(ROUNDS):
        match choose.choice(["kill", "kill", "kill many", "reload", "bad reload", "scale", "hup", "signal scale"]):
            case "kill":
                kill(choose.choice(arbiter.status()["workers"])["pid"])
            case "kill many":
                for row in arbiter.status()["workers"]:
                    kill(row["pid"])
            case "reload":
                arbiter.configure(workers=choose.randint(1, 4), binds=binds(arbiter, choose), drain="1s")
                assert isinstance(arbiter.ask(Reload()), Done | Refused)  # refused if a kill met a newcomer, or by HUP
            case "bad reload":
                arbiter.configure(choose.choice(["fail", "crash", "fail_in_second_slot"]), workers=2)
                assert isinstance(arbiter.ask(Reload()), Refused | Done)
                arbiter.configure(workers=2, drain="1s")
                arbiter.signal(signal.SIGHUP)
            case "scale":
                assert isinstance(arbiter.ask(Scale(choose.randint(1, 5))), Done | Refused)
            case "hup":
                arbiter.signal(signal.SIGHUP)
            case "signal scale":
                arbiter.signal(choose.choice([signal.SIGTTIN, signal.SIGTTOU]))
        # Whatever happened, a connection is answered, by one that may be killed only in the next round ...
        try:
            greet(address)
        except ConnectionError:  # ... unless one that was dying already had taken it
            greet(address)
        if number == WARM_UP:
            memory = psutil.Process(arbiter.pid).memory_info().rss
    settle(arbiter)
    assert psutil.Process(arbiter.pid).memory_info().rss - memory < GROWTH
    assert arbiter.descriptors() == descriptors
    children = psutil.Process(arbiter.pid).children(recursive=True)
    assert sorted(child.pid for child in children) == sorted(arbiter.worker_pids())
    assert not any(child.status() == psutil.STATUS_ZOMBIE for child in children)
    assert [row["pid"] for row in arbiter.stats()["workers"]] == arbiter.worker_pids()
    assert "a callback of the arbiter failed" not in arbiter.log
    assert arbiter.stop() == 0


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it may have left in between
        os.kill(pid, signal.SIGKILL)


def binds(arbiter: ArbiterProcess, choose: random.Random) -> list[str]:
    """The first address always, and some of the others."""
    others = [f"unix:{arbiter.folder}/http.sock", "[::1]:0", f"unix:{arbiter.folder}/other.sock"]
    return ["127.0.0.1:0", *choose.sample(others, choose.randint(0, 3))]


def settle(arbiter: ArbiterProcess) -> None:
    """Come back to the first configuration, and wait until all is quiet."""
    arbiter.configure(workers=2, binds=("127.0.0.1:0", f"unix:{arbiter.folder}/http.sock"), drain="1s")
    while not (isinstance(arbiter.ask(Reload()), Done) and len(arbiter.worker_pids()) == 2):
        arbiter.wait_for("serves with|is ready")
    arbiter.wait_for_leavers()
