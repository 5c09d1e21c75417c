"""Workers that have as many connections as they may have: nobody waits for one while another has room, or could."""

from collections import Counter

import pytest
from support.deployment import Deployment, Serve
from support.http import Client
from support.plain import hold, let_go, pid_in
from support.waiting import wait_until

from litmus.worker.room import YOUNG_SECONDS

ROOM = 6
GET = b"GET /work HTTP/1.1\r\nHost: a\r\n\r\n"


def test_who_comes_to_a_full_worker_is_served_by_the_other_one(serve: Serve) -> None:
    server = serve(workers=2, limits={"connections": ROOM})
    address, staying = server.address, list[Client]()
    served: Counter[int] = Counter()
    for _ in range(2 * ROOM):
        staying.append(server.connect(address))
        served[pid_in(staying[-1].get("/work"))] += 1
    assert served == dict.fromkeys(server.workers(), ROOM)


def idle(server: Deployment, count: int) -> list[Client]:
    """So many connections that were served once. They are old enough to give way a little later."""
    address = server.address
    clients = [server.connect(address) for _ in range(count)]
    for client in clients:
        assert client.get("/work").status == 200
    return clients


def closed_for_room(server: Deployment) -> int:
    return int(server.stats()["totals"]["connections_closed_for_room"])


@pytest.mark.parametrize("workers", [1, 2])
def test_a_client_that_holds_all_connections_locks_nobody_out(serve: Serve, workers: int) -> None:
    """Those that are idle give way at once; those with a request under way stay."""
    server = serve(workers=workers, limits={"connections": ROOM}, timeouts={"queue": "1h"})
    address = server.address
    busy = [server.connect(address) for _ in range(2)]
    for client in busy:
        hold(client, "/held")
    holding = idle(server, workers * ROOM - len(busy))
    assert all(row["full"] for row in server.status()["workers"])
    assert server.litmusctl("status").stdout.count("ready, full") == workers
    newcomers = [server.connect(address).send(GET) for _ in range(4)]
    for client in newcomers:
        assert client.response().status == 200
    for client in busy:
        let_go(client)
        assert client.chunks() == b"done"
    assert len(newcomers) <= closed_for_room(server) <= len(holding)
    assert f"{closed_for_room(server)} closed to make room" in server.litmusctl("stats").stdout
    most = r"6 connections open, the most that limits\.connections allows"
    server.wait_for_line(rf"full: {most}; new ones go to other workers, or wait$")
    server.wait_for_line(rf"\d idle connections? closed to make room: {most}$")


def test_nobody_is_thrown_out_while_another_worker_has_room(serve: Serve) -> None:
    server = serve(workers=2, limits={"connections": ROOM})
    full = server.workers()[0]
    holding = []
    while server.worker_stats(full)["connections_open"] < ROOM:
        client = server.connect()
        (holding if pid_in(client.get("/work")) == full else [client]).append(client)
        if client not in holding:
            client.close()
    old_enough = server.worker_stats(full)["uptime_s"] + YOUNG_SECONDS + 0.3
    wait_until(
        lambda: server.worker_stats(full)["uptime_s"] > old_enough, "the connections to be old enough to give way"
    )
    for _ in range(ROOM):
        assert pid_in(server.connect().get("/work")) != full
    assert closed_for_room(server) == 0
    for client in holding:
        assert pid_in(client.get("/work")) == full
