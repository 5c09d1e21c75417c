"""The log and the access log: complete, in their files, and rotated without a loss."""

import re
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

from support.deployment import Serve
from support.load import load
from support.marks import needs_root
from support.plain import pid_in
from support.waiting import wait_until


def read(*paths: Path) -> str:
    return "".join(path.read_text() for path in paths if path.exists())


def wait_for(path: Path, text: str) -> None:
    wait_until(lambda: text in read(path), lambda: f"{text!r} in {path}:\n{read(path)}")


def test_rotated_logs_are_reopened(serve: Serve) -> None:
    server = serve(workers=2, log={"file": "litmus.log"})
    log, access = server.folder / "litmus.log", server.access_log
    old_log, old_access = log.with_suffix(".1"), access.with_suffix(".1")
    clients = server.connect_to_each()

    def ask_each(path: str) -> None:
        for pid, client in clients.items():
            assert pid_in(client.get(f"{path}?{pid}")) == pid

    def written(path: str) -> bool:
        return all(f'"GET {path}?{pid} HTTP/1.1" 200 ' in read(access) for pid in clients)

    def reopened() -> bool:
        ask_each("/work/meanwhile")
        return written("/work/meanwhile")

    ask_each("/work/before")
    wait_until(lambda: written("/work/before"), "the access log's lines")
    with load(server.address) as seen:
        log.rename(old_log)
        access.rename(old_access)
        server.signal(signal.SIGUSR1)
        wait_until(reopened, "lines of both workers in the new file")
        seen.wait_for_more(50)
    ask_each("/work/after")
    wait_until(lambda: written("/work/after"), "more of them")
    assert "/work/before" in read(old_access)
    assert "/work/before" not in read(access)
    assert "/work/after" not in read(old_access)
    # Nothing was lost in between, and nothing torn.
    wait_until(lambda: read(old_access, access).count('/1.1" 200 ') >= seen.served, "the last lines")
    lines = read(old_access, access).splitlines()
    assert (
        len([line for line in lines if re.search(r'"(GET|POST) /(work|upload)/\d+ HTTP/1\.1" 200 ', line)])
        == seen.served
    )
    assert all(re.fullmatch(r'127\.0\.0\.1 - - \[.*\] ".*" 200 \d+ "-" "-" \d\.\d{6}', line) for line in lines)
    server.reload()
    wait_for(log, "generation 2 serves")
    assert "generation 1 serves" in read(old_log)
    assert "received SIGUSR1" in read(old_log)
    assert "generation 2" not in read(old_log)
    assert server.errors.startswith("litmus ")
    assert "generation" not in server.errors  # what the operator sees at the start is not the log


@needs_root
def test_workers_that_gave_up_root_reopen_rotated_logs(serve: Serve) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)  # pytest's own are for root alone
        folder.chmod(0o755)
        log, access = folder / "litmus.log", folder / "access.log"
        files = {"file": str(log), "access_file": str(access)}
        server = serve(workers=2, arbiter={"user": "nobody"}, log=files)
        clients = server.connect_to_each()

        def reopened() -> bool:
            for pid, client in clients.items():
                client.get(f"/work/meanwhile?{pid}")
            return all(f"/work/meanwhile?{pid} " in read(access) for pid in clients)

        for number in (1, 2):
            old_log, old_access = log.with_suffix(f".{number}"), access.with_suffix(f".{number}")
            log.rename(old_log)
            access.rename(old_access)
            server.signal(signal.SIGUSR1)
            wait_until(reopened, lambda: f"lines of both workers in the new file:\n{read(log, access)}")
            assert "received SIGUSR1" in read(old_log)
            assert {path.stat().st_uid for path in (log, access, old_log, old_access)} == {65534}
        for client in clients.values():
            client.get("/silence")
        wait_until(lambda: len(set(re.findall(r"worker \d", read(log)))) == 2, lambda: f"both workers:\n{read(log)}")
        assert "cannot be reopened" not in "".join(map(read, folder.iterdir()))
        assert server.stop() == 0


def test_each_request_is_logged_once_whatever_happens_to_the_workers(serve: Serve) -> None:
    server = serve(workers=2)
    with load(server.address) as seen:
        server.reload()
        seen.wait_for_more()
        server.scale(3)
        seen.wait_for_more()
        server.scale(1)
        seen.wait_for_more()
    assert seen.failures == []
    assert server.stop() == 0
    logged = re.findall(r'"(?:GET|POST) (/(?:work|upload)/\d+) HTTP/1\.1" 200 ', read(server.access_log))
    assert len(logged) == len(set(logged)) == seen.served


def test_a_reload_moves_the_logs(serve: Serve) -> None:
    server = serve(workers=1, log={"file": "litmus.log"})
    log = server.folder / "litmus.log"
    server.configure(
        log={"file": "other.log", "access_file": str(server.folder / "other-access.log"), "level": "debug"}
    )
    server.reload()
    wait_for(server.folder / "other.log", "generation 2 serves")
    assert "generation 2 serves" not in read(log)
    with server.connect() as client:
        client.get("/work/moved")
    wait_for(server.folder / "other-access.log", "/work/moved")
    assert "/work/moved" not in read(server.access_log)
    server.configure(log={"access": False, "file": str(log)})
    server.reload()
    wait_for(log, "generation 3 serves")
    with server.connect() as client:
        client.get("/work/unseen")
    assert server.stop() == 0
    assert not any("/work/unseen" in read(path) for path in server.folder.glob("*.log"))


def test_what_an_application_logs_and_how_it_fails(serve: Serve) -> None:
    server = serve(workers=1, log={"file": "litmus.log"})
    log = server.folder / "litmus.log"
    with server.connect() as client:
        assert client.get("/boom").status == 500
        # The connection is still good.
        assert client.get("/silence").status == 500
        client.send(b"GET /boom-late HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.head()[0] == 200
        assert not client.rest().endswith(b"0\r\n\r\n")
    text = read(log)
    frame = rf'  File "{re.escape(str(Path(__file__).parent))}/apps/plain\.py", line \d+, in '
    for pattern in (
        r"error   worker 0\[\d+\]  the application failed: GET /boom\n    Traceback .*\n",
        rf"{frame}boom\n.*\n    ValueError: no good\n",
        r"error   worker 0\[\d+\]  the application returned without a response: GET /silence\n",
        r"the application failed: GET /boom-late\n    Traceback .*\n",
        rf"{frame}boom_late\n.*\n    ValueError: too late\n",
    ):
        assert re.search(pattern, text), text
    wait_for(server.access_log, '"GET /boom HTTP/1.1" 500 ')
    wait_for(server.access_log, '"GET /boom-late HTTP/1.1" 200 ')
    assert server.stats()["totals"]["responses_by_class"] == {"1xx": 0, "2xx": 1, "3xx": 0, "4xx": 0, "5xx": 2}
    # What the application itself says goes where it wants: to standard error, here.
    assert server.stop() == 0
    assert "shutdown of " in server.errors
    assert "shutdown of " not in read(log)
