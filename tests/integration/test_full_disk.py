"""Logs that cannot be written: the server serves on, says so where somebody can read it, and counts what is lost."""

import contextlib
import json
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

from support.deployment import Serve
from support.waiting import wait_until


def wait_for(path: Path, text: str) -> None:
    wait_until(lambda: text in path.read_text(), lambda: f"{text!r} in {path}:\n{path.read_text()}")


@contextlib.contextmanager
def full_disk(pid: int, path: Path) -> Iterator[None]:
    """Let no file of another process become larger than ``path`` is now."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (path.stat().st_size, hard))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


def test_lost_lines_are_told_and_counted(serve: Serve, tmp_path: Path) -> None:
    log, access = tmp_path / "litmus.log", tmp_path / "access.log"
    # The limits hold for all files of a process: what is to be written must be smaller than what is to fail.
    log.write_text("before\n" * 10_000)
    access.write_text("before\n" * 20_000)
    server = serve(workers=1, log={"file": str(log), "access_file": str(access)})
    [worker] = server.workers()
    client = server.connect()

    def lost() -> int:
        return int(server.stats()["totals"]["log_lines_lost"])

    with full_disk(server.pid, log):
        server.signal(signal.SIGUSR1)
        wait_until(lambda: "cannot be written" in server.errors, lambda: server.errors)
        assert f'log.file = "{log}": cannot be written, lines are lost: File too large' in server.errors
        assert lost() == 1
        server.signal(signal.SIGUSR1)
        wait_until(lambda: lost() == 2, "a second lost line")
        assert server.errors.count("cannot be written") == 1
    server.signal(signal.SIGUSR1)
    wait_for(log, f'log.file = "{log}": 2 lines lost within ')

    with full_disk(worker, access):
        client.get("/work/lost")
        wait_for(log, f'log.access_file = "{access}": cannot be written, lines are lost: File too large')
        assert lost() == 3
        assert server.worker_stats(worker)["log_lines_lost"] == 1
    client.get("/work/found")
    wait_for(log, f'log.access_file = "{access}": 1 line lost within ')
    wait_for(access, " /work/found ")
    assert " /work/lost " not in access.read_text()
    # Those of workers that are gone stay in the sum.
    server.reload()
    server.wait_for_leavers()
    assert json.loads(server.litmusctl("stats", "--json").stdout)["totals"]["log_lines_lost"] == 3
    assert "\n  log          3 lines lost\n" in server.litmusctl("stats").stdout


def test_a_device_that_is_full_from_the_start(serve: Serve) -> None:
    server = serve(workers=2, log={"file": "/dev/full", "access_file": "/dev/full"})
    for client in server.connect_to_each().values():
        assert client.get("/work/unseen").status == 200
    told = 'log.file = "/dev/full": cannot be written, lines are lost: No space left on device'
    # Once by the arbiter, and once by each worker: that its access log fails is a line for the log.
    wait_until(lambda: server.errors.count(told) == 3, lambda: server.errors)

    def all_have_lost() -> bool:
        return all(row["log_lines_lost"] >= 2 for row in server.stats()["workers"])

    wait_until(all_have_lost, lambda: f"lost lines of each worker: {server.stats()}")
    stats = server.stats()
    assert stats["totals"]["log_lines_lost"] > sum(row["log_lines_lost"] for row in stats["workers"])
    assert server.stop() == 0
    assert server.errors.count(told) == 3
