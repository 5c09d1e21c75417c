"""Workers that die or go mad, and what the arbiter makes of it."""

import os
import re
import signal
import socket

import pytest
from support.arbiter import ArbiterProcess, greet, hear


def test_a_killed_worker_is_replaced_and_what_was_queued_is_served(arbiter: ArbiterProcess) -> None:
    arbiter.configure(workers=1)
    arbiter.start().wait_until_up()
    address = arbiter.address()
    (pid,) = arbiter.worker_pids()
    os.kill(pid, signal.SIGSTOP)
    queued = [socket.create_connection(address) for _ in range(20)]
    os.kill(pid, signal.SIGKILL)
    arbiter.wait_for(
        rf"worker 0\[{pid}\] \[gen 1\] was killed by SIGKILL "
        r"\(perhaps by the kernel's out-of-memory killer: see dmesg\) after \d+\.\d s; the next one starts in 0\.1 s"
    )
    queued += [socket.create_connection(address) for _ in range(5)]  # nobody is there to accept
    greetings = [hear(connection) for connection in queued]
    assert len({greeting.pid for greeting in greetings}) == 1
    assert greetings[0].pid != pid
    assert [(greeting.slot, greeting.generation) for greeting in greetings] == [(0, 1)] * 25
    for connection in queued:
        connection.close()
    assert arbiter.stats()["totals"]["connections_accepted"] == 25


def test_the_log_names_the_requests_on_board(arbiter: ArbiterProcess) -> None:
    arbiter.configure("crash_on_connection", workers=1)
    arbiter.start().wait_until_up()
    with socket.create_connection(arbiter.address()):
        arbiter.wait_for(
            r"was killed by SIGKILL .*; its last error: out of luck \(\d\.\d s before the end\); the next one starts in"
        )
        arbiter.wait_for(r"^    on board: 25 requests$")
        for number in range(20):
            line = rf"^    GET /{number}\\x1b\[31m from 192\.0\.2\.1:5000, for \d+\.\d s: no response yet$"
            arbiter.wait_for(line)
        arbiter.wait_for(r"^    … and 5 more$")


def test_the_pauses_grow_and_a_worker_that_serves_again_is_back(arbiter: ArbiterProcess) -> None:
    arbiter.configure("crash_while_marked", workers=2)
    arbiter.start({"backoff_first": 0.02, "backoff_cap": 0.1}).wait_until_up()
    (arbiter.folder / "crash").touch()
    os.kill(arbiter.worker_pids()[0], signal.SIGTERM)
    os.kill(arbiter.worker_pids()[0], signal.SIGKILL)
    for pause in ("0.02", "0.04", "0.08", "0.1", "0.1"):
        arbiter.wait_for(rf"worker 0\[\d+\] .*the next one starts in {re.escape(pause)} s$")
    assert arbiter.status()["workers_wanted"] == 2, "whoever counts the workers sees that one is missing"
    (arbiter.folder / "crash").unlink()
    arbiter.wait_for(r"worker 0\[\d+\] \[gen 1\] is ready")
    assert {greet(arbiter.address()).slot for _ in range(40)} == {0, 1}


def test_a_healthy_one_is_replaced_at_once(arbiter: ArbiterProcess) -> None:
    arbiter.configure(workers=1)
    arbiter.start({"healthy": 0.0}).wait_until_up()
    for _ in range(5):
        os.kill(arbiter.worker_pids()[0], signal.SIGKILL)
        arbiter.wait_for(r"was killed by SIGKILL .*; the next one starts$")
        arbiter.wait_for("is ready")


def test_a_boot_that_fails_later_is_tried_again_and_explained(arbiter: ArbiterProcess) -> None:
    arbiter.configure("fail_while_marked", workers=1)
    arbiter.start().wait_until_up()
    (arbiter.folder / "crash").touch()
    os.kill(arbiter.worker_pids()[0], signal.SIGKILL)
    story = (
        r"worker 0\[\d+\] \[gen 1\] exited with code 3 after .* s: it failed to boot: import: ModuleNotFoundError: "
        r"no module named 'shop'; the next one starts in "
    )
    arbiter.wait_for(rf"{story}0\.2 s$")
    arbiter.wait_for("^    Traceback …")
    arbiter.wait_for("^      the last line")
    for pause in ("0.4", "0.8"):
        arbiter.wait_for(rf"{story}{pause} s; the traceback is the same as at \d{{4}}-\S+ \S+$")
    assert arbiter.log.count("    Traceback …") == 1


@pytest.mark.parametrize(
    ("manner", "line"),
    [
        ("babble", r"is killed: it sent something else than a message"),
        ("stutter", r"is killed: half a message came"),
        ("close_pipe", r"is killed: it closed its control pipe, but did not exit"),
        ("leave", r"exited with code 0, although nobody told it to after"),
        ("deface", r"left counters that can't be added up"),
    ],
)
def test_the_arbiter_survives(arbiter: ArbiterProcess, manner: str, line: str) -> None:
    arbiter.configure(manner, workers=1)
    arbiter.start({"stop_grace": 0.2, "backoff_first": 0.01})
    arbiter.wait_for(line)
    arbiter.wait_for("the next one starts in")
    arbiter.wait_for("booting slot=0 gen=1")
    assert arbiter.status()["pid"] == arbiter.pid
    assert "a callback of the arbiter failed" not in arbiter.log
    arbiter.signal(signal.SIGQUIT)
    assert arbiter.end() == 0
