"""Workers that have as many connections as they may have: nobody waits for one while another has room."""

from collections import Counter

from support.deployment import Serve
from support.http import Client
from support.plain import pid_in

ROOM = 6


def test_who_comes_to_a_full_worker_is_served_by_the_other_one(serve: Serve) -> None:
    server = serve(workers=2, limits={"connections": ROOM})
    address, staying = server.address, list[Client]()
    served: Counter[int] = Counter()
    for _ in range(2 * ROOM):
        staying.append(server.connect(address))
        served[pid_in(staying[-1].get("/work"))] += 1
    assert served == dict.fromkeys(server.workers(), ROOM)
