"""More and fewer workers, on a real arbiter with fake ones."""

import os
import signal
import socket

from support.arbiter import ArbiterProcess, Asking, greet, hear, load
from support.waiting import wait_until

from litmus.control.messages import Done, Refused, Scale


def test_up_and_down_without_losing_a_connection(arbiter: ArbiterProcess) -> None:
    arbiter.configure(workers=2)
    arbiter.start({"settle": 0.05}).wait_until_up()
    before = arbiter.descriptors()
    with load(arbiter.address(), clients=6) as greetings:
        for n in (5, 1, 3, 2, 6, 1, 2):
            assert arbiter.ask(Scale(n)) == Done({"workers": n})
            assert len(arbiter.status()["workers"]) == n
            begun = len(greetings)
            wait_until(
                lambda begun=begun, n=n: {greeting.slot for greeting in greetings[begun:]} >= set(range(n)),
                f"each of {n} workers to be greeted",
            )
    assert arbiter.descriptors() == before
    assert arbiter.log.count("draining sweep=True") == 4 + 1 + 5
    assert {greet(arbiter.address()).slot for _ in range(40)} == {0, 1}


def test_the_newcomers_get_connections_only_when_all_of_them_are_ready(arbiter: ArbiterProcess) -> None:
    arbiter.configure("boot_until_told", workers=1)
    gate = arbiter.folder / "boot.fifo"
    os.mkfifo(gate)
    arbiter.start()
    arbiter.wait_for("booting slot=0")
    with gate.open("w"):
        pass
    arbiter.wait_until_up()
    asking = Asking(arbiter, Scale(3))
    arbiter.wait_for("booting slot=[12]")
    arbiter.wait_for("booting slot=[12]")
    assert arbiter.status()["state"] == "scaling"
    assert {greet(arbiter.address()).slot for _ in range(40)} == {0}
    with gate.open("w"):
        pass
    assert asking.answer() == Done({"workers": 3})
    assert {greet(arbiter.address()).slot for _ in range(60)} == {0, 1, 2}


def test_by_signals(arbiter: ArbiterProcess) -> None:
    arbiter.configure(workers=1)
    arbiter.start({"settle": 0.0}).wait_until_up()
    arbiter.signal(signal.SIGTTIN)
    arbiter.wait_for("generation 1 serves with 2 workers")
    arbiter.signal(signal.SIGTTOU)
    arbiter.wait_for("generation 1 serves with 1 worker at")
    arbiter.signal(signal.SIGTTOU)
    arbiter.wait_for("warning .* 0 workers cannot be: 1 is the least, and 64 are the most$")
    arbiter.signal(signal.SIGTTIN)
    arbiter.wait_for("generation 1 serves with 2 workers")


def test_out_of_bounds(arbiter: ArbiterProcess) -> None:
    arbiter.configure(workers=1)
    arbiter.start().wait_until_up()
    reply = arbiter.ask(Scale(65))
    assert isinstance(reply, Refused)
    assert reply.error == "65 workers cannot be: 1 is the least, and 64 are the most"
    assert isinstance(arbiter.ask(Scale(0)), Refused)
    assert arbiter.ask(Scale(1)) == Done({"workers": 1})


def test_newcomers_that_do_not_start_leave_everything_as_it_was(arbiter: ArbiterProcess) -> None:
    arbiter.configure("fail_in_second_slot", workers=1)
    arbiter.start().wait_until_up()
    pids, before = arbiter.worker_pids(), arbiter.descriptors()
    reply = arbiter.ask(Scale(4))
    assert isinstance(reply, Refused)
    assert reply.error.startswith("the new workers did not start: worker 1: import: ModuleNotFoundError")
    assert reply.detail == "Traceback …\n  the last line"
    arbiter.wait_for("scaling refused, serving goes on with 1 worker: ")
    assert {greet(arbiter.address()).slot for _ in range(20)} == {0}
    arbiter.wait_for_leavers()
    assert (arbiter.worker_pids(), arbiter.descriptors()) == (pids, before)
    assert arbiter.status()["state"] == "running"


def test_slots_that_are_leaving_can_be_taken_back(arbiter: ArbiterProcess) -> None:
    arbiter.configure("stay", workers=3, drain="24h")
    arbiter.start({"settle": 0.0}).wait_until_up()
    pids = arbiter.worker_pids()
    asking = Asking(arbiter, Scale(1))
    arbiter.wait_for("scaling from 3 to 1 worker$")
    arbiter.wait_for("not draining")
    arbiter.wait_for("not draining")
    assert arbiter.ask(Scale(3)) == Done({"workers": 3})
    reply = asking.answer()
    assert isinstance(reply, Refused)
    assert reply.error == "3 workers asked for before the surplus over 1 had left"
    assert {greet(arbiter.address()).slot for _ in range(60)} == {0, 1, 2}
    assert arbiter.worker_pids()[0] == pids[0]
    assert set(arbiter.worker_pids()).isdisjoint(pids[1:])


def test_taken_back_before_they_were_told_to_go_they_simply_stay(arbiter: ArbiterProcess) -> None:
    arbiter.configure(workers=3)
    arbiter.start({"settle": 3600.0}).wait_until_up()
    pids = arbiter.worker_pids()
    asking = Asking(arbiter, Scale(1))
    arbiter.wait_for("serves with 1 worker at")
    assert {greet(arbiter.address()).slot for _ in range(40)} == {0}
    assert arbiter.ask(Scale(3)) == Done({"workers": 3})
    assert isinstance(asking.answer(), Refused)
    assert arbiter.worker_pids() == pids
    assert {greet(arbiter.address()).slot for _ in range(60)} == {0, 1, 2}


def test_stopping_ends_the_wait(arbiter: ArbiterProcess) -> None:
    arbiter.configure(workers=2)
    arbiter.start({"settle": 3600.0}).wait_until_up()
    asking = Asking(arbiter, Scale(1))
    arbiter.wait_for("serves with 1 worker at")
    assert arbiter.stop() == 0
    assert asking.answer() == Refused("the server is stopping")


def test_what_is_queued_on_a_leaving_slot_whose_worker_dies_is_served(arbiter: ArbiterProcess) -> None:
    arbiter.configure(workers=2)
    arbiter.start({"settle": 0.0}).wait_until_up()
    stopped = arbiter.worker_pids()[1]
    os.kill(stopped, signal.SIGSTOP)
    connections = [socket.create_connection(arbiter.address()) for _ in range(40)]
    asking = Asking(arbiter, Scale(1))
    arbiter.wait_for("serves with 1 worker at")
    os.kill(stopped, signal.SIGKILL)
    slots = [hear(connection).slot for connection in connections]
    assert set(slots) == {0, 1}
    assert asking.answer() == Done({"workers": 1})
    for connection in connections:
        connection.close()
    assert [row["slot"] for row in arbiter.status()["workers"]] == [0]


def test_a_leaving_slot_with_nobody_and_nothing_is_closed(arbiter: ArbiterProcess) -> None:
    arbiter.configure("crash_while_marked", workers=2)
    arbiter.start({"settle": 0.0, "backoff_first": 3600.0, "backoff_cap": 3600.0}).wait_until_up()
    os.kill(arbiter.worker_pids()[1], signal.SIGKILL)
    arbiter.wait_for("the next one starts in 3600 s")
    assert arbiter.ask(Scale(1)) == Done({"workers": 1})


def test_those_who_cannot_be_swept_are_given_up_in_the_end(arbiter: ArbiterProcess) -> None:
    arbiter.configure("crash_while_marked", workers=2)
    arbiter.start({"settle": 0.0, "backoff_first": 3600.0, "backoff_cap": 3600.0}).wait_until_up()
    os.kill(arbiter.worker_pids()[1], signal.SIGSTOP)
    connections = [socket.create_connection(arbiter.address()) for _ in range(40)]
    (arbiter.folder / "crash").touch()
    os.kill(arbiter.worker_pids()[1], signal.SIGKILL)
    arbiter.wait_for("the next one starts in 3600 s")
    assert arbiter.ask(Scale(1)) == Done({"workers": 1})
    arbiter.rewind()
    for _ in range(4):
        arbiter.wait_for(r"worker 1\[\d+\] \[gen 1\] was killed by SIG(KILL|SEGV)")
    arbiter.wait_for(r"slot 1 is closed with (1 connection|\d+ connections) queued")
    for connection in connections:
        connection.close()
    assert {greet(arbiter.address()).slot for _ in range(20)} == {0}
