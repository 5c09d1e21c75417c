"""Requests that don't come to an end, and workers that are busy with one: they are cut in time, and can be seen."""

import json
import os
import re
import signal

import pytest
from support.deployment import Deployment, Serve
from support.http import Client
from support.plain import hold, let_go, pid_in
from support.waiting import wait_until


def stick(server: Deployment) -> dict[int, Client]:
    """Let each worker run into a blocking call. Returns the clients, by pid."""
    clients = server.connect_to_each()
    for pid, client in clients.items():
        assert hold(client, f"/sleep/{pid}") == pid
        let_go(client)
    wait_until(lambda: all(row["tick_age_ms"] > 300 for row in server.stats()["workers"]), "all workers to be blocked")
    return clients


# A drain has an end


@pytest.mark.parametrize("how", ["reload", "stop", "SIGTERM", "scale"])
def test_a_drain_cuts_what_does_not_end(serve: Serve, how: str) -> None:
    server = serve(workers=1, timeouts={"drain": "400ms"})
    [worker] = server.workers()
    if how == "scale":
        # The second slot's worker has the requests, and has to go.
        server.scale(2)
        worker = server.workers()[1]
    waiting, streaming = (server.connect_to_each()[worker] for _ in range(2))
    waiting.send(b"GET /forever/1?why=%22not%22 HTTP/1.1\r\nHost: a\r\n\r\n")
    streaming.send(b"POST /held/2 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
    wait_until(lambda: server.worker_stats(worker)["in_flight"] == 2, "both requests to be under way")
    match how:
        case "reload":
            server.reload()
        case "stop":
            assert server.litmusctl("stop").returncode == 0
        case "SIGTERM":
            assert server.stop() == 0
        case "scale":
            server.scale(1)
    server.wait_for_line(rf"worker \d\[{worker}\] \[gen 1\] has left")
    for request in (r"GET /forever/1\?why=%22not%22", "POST /held/2"):
        assert re.search(
            rf"cut after 0\.4 s of draining: {request} from 127\.0\.0\.1:\d+, after \d+\.\d s\n", server.errors
        )
    assert "/forever/1 was cancelled" in server.errors
    # Before the response has begun there is an answer; after that, its end is missing.
    response = waiting.response()
    assert (response.status, response.header(b"connection")) == (503, b"close")
    assert waiting.ends()
    status, _ = streaming.head()
    assert status == 200
    assert b"0\r\n\r\n" not in streaming.rest()


def test_a_request_that_refuses_to_be_cancelled_does_not_hold_up_the_end(serve: Serve) -> None:
    server = serve(workers=1, timeouts={"drain": "100ms"})
    with server.connect() as client:
        client.send(b"GET /stubborn/1 HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: server.stats()["workers"][0]["in_flight"], "the request to be under way")
        assert server.stop() == 0
        assert client.ends()
    server.wait_for_line("cut after 0.1 s of draining: GET /stubborn/1 from")
    server.wait_for_line("/stubborn/1 refuses to be cancelled")
    assert "killed" not in server.errors


def test_a_blocked_worker_does_not_hold_up_the_end(serve: Serve) -> None:
    server = serve(workers=2, timeouts={"drain": "0s"})
    clients = stick(server)
    assert server.stop() == 0
    for pid, client in clients.items():
        assert f"[{pid}] is killed: it did not stop within" in server.errors
        assert f"    POST /sleep/{pid} from 127.0.0.1:" in server.errors
        assert client.ends()


# Being stuck is seen


def test_blocked_workers_are_seen_and_can_be_replaced(serve: Serve) -> None:
    server = serve(workers=2, timeouts={"drain": "0s"})
    clients = stick(server)
    blocked = set(clients)

    def ages() -> dict[int, int]:
        result = server.litmusctl("stats", "--json")
        assert result.returncode == 0, result.stderr
        report = json.loads(result.stdout)
        assert report["arbiter"]["pid"] == server.pid
        assert [row["in_flight"] for row in report["workers"]] == [1, 1]
        return {row["pid"]: row["tick_age_ms"] for row in report["workers"]}

    # Every worker is stuck, and everything that doesn't need one works.
    wait_until(lambda: min(ages().values()) > 500, lambda: f"the age of the ticks to grow: {ages()}")
    before = ages()
    assert set(before) == blocked
    wait_until(lambda: all(age > before[pid] for pid, age in ages().items()), "their age to go on growing")
    table = server.litmusctl("stats")
    assert table.returncode == 0
    assert all(str(pid) in table.stdout for pid in blocked)
    wait_until(lambda: server.litmusctl("status").stdout.count("ready, stuck") == 2, "both to be seen")
    assert table.stdout.count("ready") == 2
    # Those who wait in the queues of the blocked are served by the next generation.
    address = server.address
    waiting = [server.connect(address).send(b"GET /work HTTP/1.1\r\nHost: a\r\n\r\n") for _ in range(10)]
    assert server.litmusctl("reload").returncode == 0
    answered = {pid_in(client.response()) for client in waiting}
    assert not answered & blocked
    killed = r"worker \d\[(\d+)\] \[gen 1\] was killed by SIGKILL, sent by the arbiter because it did not stop within"
    assert {int(server.wait_for_line(killed)[1]) for _ in blocked} == blocked


def test_a_worker_that_comes_free_again_goes_on(serve: Serve) -> None:
    server = serve(workers=1)
    [worker] = server.workers()
    gate = server.folder / "gate"
    os.mkfifo(gate)
    address = server.address
    with server.connect() as client:
        assert hold(client, f"/block?{gate}") == worker
        let_go(client)
        wait_until(lambda: server.worker_stats(worker)["tick_age_ms"] > 300, "the worker to be blocked")
        others = [server.connect(address).send(b"GET /work HTTP/1.1\r\nHost: a\r\n\r\n") for _ in range(5)]
        gate.write_bytes(b"open")
        assert client.chunks() == b"unblocked"
        for other in others:
            assert other.response().status == 200
    assert server.workers() == [worker]


def test_a_stopped_worker_is_seen(serve: Serve) -> None:
    """A process that doesn't run at all looks the same."""
    server = serve(workers=2)
    victim = server.workers()[0]
    os.kill(victim, signal.SIGSTOP)
    wait_until(lambda: server.worker_stats(victim)["tick_age_ms"] > 500, "its tick to grow old")
    os.kill(victim, signal.SIGCONT)
    wait_until(lambda: server.worker_stats(victim)["tick_age_ms"] < 500, "its tick to be young again")
    assert server.stop() == 0


def test_nobody_new_waits_behind_a_stuck_worker(serve: Serve) -> None:
    server = serve(workers=2)
    clients = server.connect_to_each()
    victim, other = clients
    assert hold(clients[victim], "/sleep/long") == victim
    let_go(clients[victim])
    wait_until(lambda: server.worker_stats(victim)["tick_age_ms"] > 300, "it to be blocked")
    queued = [server.connect() for _ in range(20)]  # about half of them on the victim's socket
    server.wait_for_line(
        rf"worker \d\[{victim}\] is stuck: its loop has not turned for [123]\.\d s\n +on board: 1 request"
    )
    late = [server.connect() for _ in range(20)]
    assert {pid_in(client.get("/work")) for client in [*queued, *late]} == {other}
