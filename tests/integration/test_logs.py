"""The log and the access log, and their rotation."""

import re
import signal
from pathlib import Path

from support.deployment import Deployment, Serve
from support.load import load
from support.waiting import wait_until


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def wait_for(path: Path, text: str) -> None:
    wait_until(lambda: text in read(path), lambda: f"{text!r} in {path}:\n{read(path)}")


def ask_each(server: Deployment, path: str) -> None:
    """Ask every worker for the path, which carries the worker's pid in its query."""
    for pid, client in server.connect_to_each().items():
        assert int(client.get(f"{path}?{pid}").body.split()[0]) == pid
        client.close()


def test_rotated_logs_are_reopened(serve: Serve) -> None:
    server = serve(workers=2, log={"file": "litmus.log", "level": "info"})
    log, access = server.folder / "litmus.log", server.access_log
    ask_each(server, "/work/before")
    for pid in server.workers():
        wait_for(access, f"/work/before?{pid} ")
    with load(server.address, keep_alive=2, fresh=1, uploads=0) as seen:
        log.rename(f"{log}.1")
        access.rename(f"{access}.1")
        server.signal(signal.SIGUSR1)
        # Each process has opened the new files when it has written there; what it wrote before is in the old.
        wait_until(lambda: seen.workers <= workers_in(access), "lines of both workers in the new file")
        ask_each(server, "/work/after")
    for pid in server.workers():
        wait_for(access, f"/work/after?{pid} ")
    old_access = read(Path(f"{access}.1"))
    assert "/work/after" not in old_access
    assert "/work/before" in old_access
    assert "/work/before" not in read(access)
    # Nothing is lost in between.
    lines = old_access + read(access)
    assert lines.count('"GET /work/') == lines.count("\n")
    assert len(re.findall(r'"GET /work/\d+ HTTP/1.1" 200 ', lines)) == seen.served
    server.signal(signal.SIGHUP)
    wait_for(log, "generation 2 serves")
    assert "received SIGUSR1" in read(Path(f"{log}.1"))
    assert "received SIGHUP" in read(log)
    assert "generation 2" not in read(Path(f"{log}.1"))


def workers_in(access: Path) -> set[int]:
    raise NotImplementedError
