"""What an operator does to a server while clients keep asking: those clients may not notice."""

import os
import signal
import socket

import psutil
import pytest
from support.deployment import Serve, kill
from support.http import Client
from support.load import load
from support.plain import hold, let_go, pid_in
from support.waiting import wait_until

RELOADS = 10


def completes(client: Client) -> bool:
    """Send the rest of a request for ``/held``. Returns whether its response was completed."""
    try:
        let_go(client)
        return client.chunks() == b"done"
    except (OSError, AssertionError):
        return False


# A worker dies


def test_a_dying_worker_takes_only_its_own_requests_with_it(serve: Serve) -> None:
    server = serve(workers=2)
    held: dict[str, tuple[int, Client]] = {}
    with load(server.address) as seen:
        wait_until(lambda: len(seen.workers) == 2, "answers from both workers")
        for number in range(8):
            client, path = server.connect(), f"/held/{number}?with=query"
            held[path] = hold(client, path), client
        victim = held["/held/0?with=query"][0]
        before = seen.served
        os.kill(victim, signal.SIGKILL)
        seen.wait_for_more(200)
        fates = {path: (pid, completes(client)) for path, (pid, client) in held.items()}
        server.wait_for_line(r"worker \d\[\d+\] \[gen 1\] is ready")
        seen.wait_for_more(200)
    assert before > 0
    for path, (pid, completed) in fates.items():
        assert completed == (pid != victim), path
    # In the log, all that it had on board, and nothing else.
    told = server.wait_for_line(
        rf"worker \d\[{victim}\] \[gen 1\] was killed by SIGKILL.*\n +on board: (\d+) requests?\n((?: {{4}}\w+ /.*\n)*)"
    )
    lines = told[2].splitlines()
    assert len(lines) == int(told[1])
    for path, (pid, _) in fates.items():
        assert any(f"POST {path} from 127.0.0.1:" in line for line in lines) == (pid == victim), told[0]
    # Of the steady clients, only those are hit that were connected with it; at most once each.
    assert len(seen.failures) <= 7
    for failure in seen.failures:
        assert failure.connected, failure
        assert failure.worker in (0, victim), failure
        assert isinstance(failure.error, ConnectionError | EOFError), failure


def test_connections_that_are_queued_wait_for_the_successor(serve: Serve) -> None:
    server = serve(workers=1)
    [victim] = server.workers()
    address = server.address
    with server.connect(address) as stuck:
        assert hold(stuck, "/sleep/deep") == victim
        let_go(stuck)
        wait_until(lambda: server.worker_stats(victim)["tick_age_ms"] > 300, "the worker to be stuck")
        queued = [server.connect(address) for _ in range(30)]
        for client in queued[:20]:
            client.send(b"GET /work HTTP/1.1\r\nHost: a\r\n\r\n")
        os.kill(victim, signal.SIGKILL)
        for client in queued[20:]:
            client.send(b"GET /work HTTP/1.1\r\nHost: a\r\n\r\n")
        answers = {pid_in(client.response()) for client in queued}
        assert stuck.ends()
    assert answers == set(server.workers())
    assert victim not in answers
    server.wait_for_line(rf"worker 0\[{victim}\].* was killed by SIGKILL")
    server.wait_for_line(r"on board: 1 request\n +POST /sleep/deep from 127\.0\.0\.1:\d+, for \d+\.\d s")


# Reloads


def test_reloads_go_unnoticed(serve: Serve) -> None:
    server = serve(workers=2)
    known = set(server.workers())
    with load(server.address) as seen:
        for generation in range(2, RELOADS + 2):
            server.signal(signal.SIGHUP)
            server.wait_for_line(rf"generation {generation} serves with 2 workers")
            seen.wait_for_more(100)
            assert not known & set(server.workers())
            known.update(server.workers())
        server.wait_for_leavers()
        seen.wait_for_more(100)
    assert seen.failures == []
    assert seen.workers == known
    assert " error " not in server.errors


def test_reloads_lose_no_new_connection(serve: Serve) -> None:
    server = serve(workers=2)
    with load(server.address, keep_alive=0, uploads=0, fresh=32) as seen:
        for _ in range(RELOADS):
            server.reload()
            seen.wait_for_more(50)
    assert seen.failures == []


def test_what_a_worker_accepts_last_is_answered(serve: Serve) -> None:
    """Whether the old worker takes a connection in its last moments, or leaves it to the new one: somebody answers."""
    server = serve(workers=1, app={"lifespan": "off"})  # nothing else to do at the end
    [old] = server.workers()
    address = server.address
    os.kill(old, signal.SIGSTOP)
    server.reload()
    [new] = server.workers()
    os.kill(new, signal.SIGSTOP)
    # When the old one wakes up, it finds at the same time that it has to go, and a queue of connections.
    clients = [server.connect(address).send(b"GET /work HTTP/1.1\r\nHost: a\r\n\r\n") for _ in range(20)]
    os.kill(old, signal.SIGCONT)
    server.wait_for_line(rf"worker 0\[{old}\] \[gen 1\] has left")
    os.kill(new, signal.SIGCONT)
    assert all(client.response().status == 200 for client in clients)


def test_a_request_outlives_the_reload_that_comes_in_its_middle(serve: Serve) -> None:
    server = serve(workers=1)
    with server.connect() as client, server.connect() as idle:
        idle.get("/work")
        old = hold(client, "/held/long")
        assert server.reload() == 2
        [new] = server.workers()
        assert old != new
        assert idle.ends()
        with server.connect() as other:
            assert pid_in(other.get("/work")) == new
        assert [row["state"] for row in server.status()["workers"] if row["pid"] == old] == ["draining"]
        assert completes(client)
        assert client.ends()
    assert server.wait_until_settled(1) == [new]
    server.wait_for_line(rf"worker 0\[{old}\] \[gen 1\] has left")
    assert "on board" not in server.errors


# Scaling


def test_scaling_goes_unnoticed(serve: Serve) -> None:
    server = serve(workers=1)
    with load(server.address) as seen:
        for workers in (3, 1, 4, 2, 3):
            server.scale(workers)
            assert len(server.workers()) == workers
            seen.wait_for_more(200)
            wait_until(
                lambda: set(server.workers()) <= seen.workers,
                lambda: f"answers from each of {server.workers()}, only {seen.workers} did",
            )
    assert seen.failures == []
    assert " error " not in server.errors


def test_scaling_by_signals(serve: Serve) -> None:
    server = serve(workers=2)
    with load(server.address, keep_alive=1, fresh=1, uploads=0) as seen:
        server.signal(signal.SIGTTIN)
        server.wait_for_line("received SIGTTIN")
        server.wait_until_settled(3)
        server.signal(signal.SIGTTOU)
        server.wait_until_settled(2)
        for _ in range(4):
            server.signal(signal.SIGTTOU)
        server.wait_until_settled(1)
        seen.wait_for_more()
    assert seen.failures == []


# The end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_in_flight_at_the_end_is_completed(serve: Serve, number: signal.Signals) -> None:
    server = serve(workers=2)
    address = server.address
    held = [server.connect(address) for _ in range(6)]
    with load(address) as seen:
        for index, client in enumerate(held):
            hold(client, f"/held/{index}")
        before = seen.served
        server.signal(number)
        wait_until(lambda: any(failure.turned_away for failure in seen.failures), "new connections to be turned away")
        assert server.process.poll() is None
        assert all(completes(client) for client in held)
        assert server.process.wait(30) == 0
    for client in held:
        assert client.ends()
    assert before > 0
    # Who comes too late is refused. Whoever had a connection that worked is answered, and told that it ends.
    assert [failure for failure in seen.failures if failure.worker] == []
    assert server.errors.count("\nshutdown of ") == 2
    assert "cut after" not in server.errors
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address).close()


def test_newcomers_at_the_end_are_answered_or_turned_away(serve: Serve) -> None:
    server = serve(workers=8)
    with load(server.address, keep_alive=0, uploads=0, fresh=32) as seen:
        server.signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        wait_until(lambda: any(failure.turned_away for failure in seen.failures), "new connections to be turned away")
    assert [failure for failure in seen.failures if not failure.turned_away] == []


def test_a_second_signal_does_not_wait(serve: Serve) -> None:
    server = serve(workers=1, timeouts={"drain": "10m"})
    with server.connect() as client:
        hold(client, "/held/long")
        server.signal(signal.SIGTERM)
        server.wait_for_line("stopping: 1 worker to drain")
        server.signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        assert client.ends()


def test_sigquit_does_not_wait(serve: Serve) -> None:
    server = serve(workers=1, timeouts={"drain": "10m"})
    with server.connect() as client:
        hold(client, "/held/long")
        assert server.stop(signal.SIGQUIT) == 0
        assert client.ends()


@pytest.mark.parametrize("stuck", [False, True])
def test_workers_do_not_outlive_an_arbiter_that_is_killed(serve: Serve, stuck: bool) -> None:
    server = serve(workers=2)
    clients = server.connect_to_each()
    workers = [psutil.Process(pid) for pid in clients]
    if stuck:
        for pid, client in clients.items():
            assert hold(client, f"/sleep/{pid}") == pid
            let_go(client)
        wait_until(
            lambda: all(row["tick_age_ms"] > 300 for row in server.stats()["workers"]), "all workers to be blocked"
        )
    host, port = server.address
    try:
        server.process.kill()
        gone, alive = psutil.wait_procs(workers, 30)
        assert alive == []
        assert len(gone) == 2
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, port))
    finally:
        kill(workers)
