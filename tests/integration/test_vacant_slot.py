"""A worker that cannot start again: its slot stays without one, and nobody waits for it."""

import os
import signal
from pathlib import Path

from support.deployment import Serve

APP = """
import os
from pathlib import Path

if Path(__file__).with_name("broken").exists():
    raise RuntimeError("no shop today")

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan here")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
    await send({"type": "http.response.body", "body": f"{os.getpid():8}".encode()})
"""


def test_while_a_worker_cannot_start_the_others_serve_everybody(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "fragile.py").write_text(APP)
    server = serve("fragile:app", workers=3, app={"chdir": str(tmp_path)})
    first, victim, last = server.workers()
    os.kill(victim, signal.SIGSTOP)
    queued = [server.connect() for _ in range(60)]  # a share of which waits on the victim's socket
    (tmp_path / "broken").touch()
    os.kill(victim, signal.SIGKILL)
    server.wait_for_line(r"worker 1\[\d+\] .*it failed to boot: .* RuntimeError: no shop today")
    answers = [int(client.get("/").body) for client in [*queued, *(server.connect() for _ in range(60))]]
    assert set(answers) == {first, last}
    assert [answers[60:].count(pid) > 10 for pid in (first, last)] == [True, True]
    (tmp_path / "broken").unlink()
    server.wait_for_line(r"worker 1\[\d+\] \[gen 1\] is ready")
    successor = server.workers()[1]
    assert successor in {int(server.connect().get("/").body) for _ in range(60)}


def test_while_a_worker_starts_slowly_the_others_serve_everybody(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        APP.replace("import os", f"import os\nopen({str(tmp_path / 'gate')!r}).close()", 1)
    )
    os.mkfifo(tmp_path / "gate")
    keep_open = os.open(tmp_path / "gate", os.O_RDWR)
    server = serve("slow:app", workers=2, app={"chdir": str(tmp_path)})
    victim, other = server.workers()
    os.close(keep_open)  # who opens the gate now waits until somebody holds the other end
    os.kill(victim, signal.SIGKILL)
    server.wait_for_line(rf"worker 0\[{victim}\] \[gen 1\] was killed by SIGKILL")
    assert {int(server.connect().get("/").body) for _ in range(30)} == {other}
    keep_open = os.open(tmp_path / "gate", os.O_RDWR)
    server.wait_for_line(r"worker 0\[\d+\] \[gen 1\] is ready")
    os.close(keep_open)
