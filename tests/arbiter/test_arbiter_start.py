"""Start, stop and signals of a real arbiter with fake workers."""

import contextlib
import os
import re
import select
import signal
import socket
from pathlib import Path

import psutil
import pytest
from support.arbiter import DEADLINE, ArbiterProcess, greet, hear

from litmus.control.messages import Done, Refused, Reload, Scale, StopServer


def test_it_serves_and_stops_when_told(arbiter: ArbiterProcess) -> None:
    arbiter.configure(workers=3)
    arbiter.start().wait_until_up()
    assert {greet(arbiter.address()).slot for _ in range(60)} == {0, 1, 2}
    workers = [psutil.Process(pid) for pid in arbiter.worker_pids()]
    assert arbiter.stop() == 0
    assert "stopped" in arbiter.lines[-1]
    assert not any(worker.is_running() for worker in workers)
    assert not arbiter.control.exists()
    assert arbiter.log.count("draining sweep=True timeout=5") == 3


def test_status_and_stats(arbiter: ArbiterProcess) -> None:
    arbiter.configure(workers=2)
    arbiter.start().wait_until_up()
    greet(arbiter.address())
    status = arbiter.status()
    assert status["state"] == "running"
    assert status["pid"] == arbiter.pid
    assert status["generation"] == 1
    assert status["config"] == str(arbiter.config)
    assert status["app"] == "serve:app"
    assert [(row["slot"], row["generation"], row["state"]) for row in status["workers"]] == [
        (0, 1, "ready"),
        (1, 1, "ready"),
    ]
    assert status["last_reload"] is None
    stats = arbiter.stats()
    assert stats["arbiter"]["pid"] == arbiter.pid
    assert stats["totals"]["connections_accepted"] == 1
    assert [row["pid"] for row in stats["workers"]] == arbiter.worker_pids()


def test_the_process_list_says_what_runs(arbiter: ArbiterProcess) -> None:
    arbiter.configure(workers=2)
    arbiter.start().wait_until_up()
    title = Path(f"/proc/{arbiter.pid}/cmdline").read_text().rstrip("\0")
    assert title == "litmus: arbiter [litmus.toml] gen 1, 2 workers"


def test_a_child_holds_nothing_but_its_own(arbiter: ArbiterProcess, tmp_path: Path) -> None:
    arbiter.configure(workers=6, binds=("127.0.0.1:0", "127.0.0.1:0"))
    arbiter.start().wait_until_up()
    arbiter.rewind()
    counts = {int(arbiter.wait_for(r"booting slot=\d gen=1 fds=(\d+)")[1]) for _ in range(6)}
    assert len(counts) == 1, "a later worker has inherited more than an earlier one"
    tcp = {pid: psutil.Process(pid).net_connections("tcp") for pid in arbiter.worker_pids()}
    assert {len(connections) for connections in tcp.values()} == {2}


@pytest.mark.parametrize("ending", ["again", "quit", "once more than needed"])
def test_at_once(arbiter: ArbiterProcess, ending: str) -> None:
    arbiter.configure("stay", workers=2, drain="24h")
    arbiter.start().wait_until_up()
    if ending == "quit":
        arbiter.signal(signal.SIGQUIT)
    else:
        arbiter.signal(signal.SIGTERM)
        arbiter.wait_for("not draining")
        arbiter.wait_for("not draining")
        arbiter.signal(signal.SIGINT)
    if ending.startswith("once more"):
        arbiter.signal(signal.SIGTERM)
        arbiter.signal(signal.SIGHUP)
        arbiter.signal(signal.SIGTTIN)
    assert arbiter.end() == 0


def test_at_once_even_with_workers_that_do_not_listen(arbiter: ArbiterProcess) -> None:
    arbiter.configure("stay_for_good")
    arbiter.start({"quit_grace": 0.2}).wait_until_up()
    arbiter.signal(signal.SIGQUIT)
    assert arbiter.end() == 0
    assert arbiter.log.count("did not stop within 0.2 s") >= 2


def test_a_worker_that_does_not_drain_is_stopped_and_then_killed(arbiter: ArbiterProcess) -> None:
    arbiter.configure("stay_for_good", workers=1, drain="0s")
    arbiter.start({"drain_grace": 0.1, "stop_grace": 0.1}).wait_until_up()
    assert arbiter.stop() == 0
    arbiter.wait_for(r"worker 0\[\d+\] has not drained 0.1 s after its time was over: stopping it")
    arbiter.wait_for(r"worker 0\[\d+\] is killed: it did not stop within 0.1 s")


def test_while_draining_new_connections_are_refused_and_queued_ones_served(arbiter: ArbiterProcess) -> None:
    arbiter.configure(workers=1)
    arbiter.start().wait_until_up()
    address = arbiter.address()
    (pid,) = arbiter.worker_pids()
    os.kill(pid, signal.SIGSTOP)
    queued = [socket.create_connection(address) for _ in range(10)]
    arbiter.signal(signal.SIGTERM)
    arbiter.wait_for("stopping: 1 worker to drain")
    os.kill(pid, signal.SIGCONT)
    assert [hear(connection).pid for connection in queued] == [pid] * 10
    for connection in queued:
        connection.close()
    assert arbiter.end() == 0
    with pytest.raises(ConnectionRefusedError):
        greet(address)


def test_stop_by_the_control_socket(arbiter: ArbiterProcess) -> None:
    arbiter.configure(workers=2)
    arbiter.start().wait_until_up()
    assert arbiter.ask(StopServer()) == Done({"workers": 2})
    assert arbiter.end() == 0


def test_changes_are_refused_while_it_stops(arbiter: ArbiterProcess) -> None:
    arbiter.configure("stay", drain="24h")
    arbiter.start().wait_until_up()
    arbiter.ask(StopServer())
    for request in (Reload(), Scale(5)):
        reply = arbiter.ask(request)
        assert isinstance(reply, Refused)
        assert "the server is stopping" in reply.error
    assert arbiter.status()["state"] == "stopping"
    arbiter.signal(signal.SIGTERM)
    assert arbiter.end() == 0


def test_workers_die_with_the_arbiter(arbiter: ArbiterProcess) -> None:
    arbiter.configure("stay", workers=3)
    arbiter.start().wait_until_up()
    workers = [psutil.Process(pid) for pid in arbiter.worker_pids()]
    arbiter.signal(signal.SIGKILL)
    gone, alive = psutil.wait_procs(workers, timeout=20)
    assert len(gone) == 3
    assert alive == []


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGALRM], ids=lambda number: number.name)
def test_signals_of_other_servers_are_answered_with_the_right_one(
    arbiter: ArbiterProcess, number: signal.Signals
) -> None:
    arbiter.configure(workers=2)
    arbiter.start().wait_until_up()
    before = arbiter.worker_pids()
    arbiter.signal(number)
    arbiter.wait_for(f"warning arbiter.* received {number.name}, which has no meaning here: HUP reloads")
    assert arbiter.log.count(number.name) == 1
    assert {greet(arbiter.address()).pid for _ in range(40)} == {*before}
    assert arbiter.stop() == 0


def test_usr1_reopens_the_logs_of_all(arbiter: ArbiterProcess, tmp_path: Path) -> None:
    log = tmp_path / "litmus.log"
    before = Tail(log)
    arbiter.configure(workers=2, log=f'file = "{log}"')
    arbiter.start()
    before.wait_for("generation 1 serves")
    log.rename(tmp_path / "litmus.log.1")
    after = Tail(log)
    arbiter.signal(signal.SIGUSR1)
    before.wait_for("received SIGUSR1")
    text = after.wait_for("reopened the logs") + after.wait_for("reopened the logs")
    assert re.search(r"worker 0\[\d+\]  reopened", text)
    assert re.search(r"worker 1\[\d+\]  reopened", text)
    before.close()
    after.close()


class Tail:
    """A log file that is a named pipe, so that a test can wait for what is written to it."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)  # a writer of our own keeps it from being at its end
        self._text = ""

    def wait_for(self, text: str) -> str:
        """What was written up to the end of the next line with ``text``."""
        while True:
            before, found, rest = self._text.partition(text)
            if found and "\n" in rest:
                end, _, self._text = rest.partition("\n")
                return before + found + end
            assert select.select([self._fd], [], [], DEADLINE)[0], f"{text!r} never came: {self._text}"
            self._text += os.read(self._fd, 65536).decode()

    def close(self) -> None:
        os.close(self._fd)


def test_as_the_parent_of_orphans_it_reaps_them(arbiter: ArbiterProcess) -> None:
    arbiter.configure("leave_an_orphan", workers=1)
    arbiter.start(environ={"SUBREAPER": "1"})
    orphan = int(arbiter.wait_for(r"orphan=(\d+)")[1])
    arbiter.wait_until_up()
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(orphan).wait(20)
    assert len(psutil.Process(arbiter.pid).children()) == 1


class TestFailures:
    def test_a_boot_that_fails_is_told_once(self, arbiter: ArbiterProcess) -> None:
        arbiter.configure("fail", workers=4)
        assert arbiter.start().end() == 1
        assert arbiter.log.count("no module named 'shop'") == 1
        index = next(i for i, line in enumerate(arbiter.lines) if line.startswith("StartupError"))
        assert arbiter.lines[index:] == [
            "StartupError: the application cannot be started: import: ModuleNotFoundError: no module named 'shop'",
            "Traceback …",
            "  the last line",
        ]

    def test_crash_after_crash_is_the_end_as_well(self, arbiter: ArbiterProcess) -> None:
        arbiter.configure("crash", workers=1)
        assert arbiter.start({"backoff_first": 0.01}).end() == 1
        assert arbiter.log.count("booting slot=0") == 3
        assert re.fullmatch(
            r"StartupError: no worker can be started: 3 times, one was killed by SIGSEGV \(a crash in native code\); "
            r"its last error: it hurts \(\d\.\d s before the end\)",
            arbiter.lines[-1],
        )

    def test_an_error_that_nobody_handled(self, arbiter: ArbiterProcess) -> None:
        arbiter.configure("raise_", workers=1)
        assert arbiter.start({"backoff_first": 0.01}).end() == 1
        assert "RuntimeError: unforeseen" in arbiter.log
        assert "no worker can be started: 3 times, one exited with code 1" in arbiter.log
        assert "litmus/arbiter/arbiter.py" not in arbiter.log.partition("StartupError")[2]

    def test_a_boot_that_never_ends(self, arbiter: ArbiterProcess) -> None:
        arbiter.configure("hang", workers=1)
        assert arbiter.start({"boot": 0.1, "backoff_first": 0.01}).end() == 1
        assert "sent by the arbiter because it was not ready within 0.1 s" in arbiter.lines[-1]

    def test_told_to_stop_before_anybody_is_ready(self, arbiter: ArbiterProcess) -> None:
        arbiter.configure("hang", workers=2)
        arbiter.start({"stop_grace": 0.1})
        arbiter.wait_for("booting slot=1")
        assert arbiter.stop() == 0

    def test_a_port_in_use(self, arbiter: ArbiterProcess) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            arbiter.configure(binds=(f"127.0.0.1:{port}",))
            assert arbiter.start().end() == 1
        assert len(arbiter.lines) == 1
        assert (
            f'StartupError: {arbiter.config}: listen.0.bind = "127.0.0.1:{port}": port {port} is in use by process'
            in (arbiter.lines[0])
        )
        assert not arbiter.control.exists()

    def test_a_control_socket_that_answers(self, arbiter: ArbiterProcess) -> None:
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(arbiter.control))
            other.listen()
            arbiter.configure(binds=(f"unix:{arbiter.folder}/http.sock",))
            assert arbiter.start().end() == 1
        assert "another litmusd answers" in arbiter.log
        assert not (arbiter.folder / "http.sock").exists()

    def test_a_log_that_cannot_be_written(self, arbiter: ArbiterProcess) -> None:
        (arbiter.folder / "dangling").symlink_to(arbiter.folder / "not/there")
        arbiter.configure(log=f'file = "{arbiter.folder}/dangling"')
        assert arbiter.start().end() == 1
        assert "StartupError: log.file = " in arbiter.log

    def test_sockets_that_the_manager_did_not_really_pass_on(self, arbiter: ArbiterProcess) -> None:
        arbiter.configure()
        assert arbiter.start(environ={"LISTEN_FDS": "9"}).end() == 1
        assert "StartupError: LISTEN_FDS" in arbiter.log


class TestPidFile:
    def test_it_is_there_while_the_server_is_up(self, arbiter: ArbiterProcess, tmp_path: Path) -> None:
        pidfile = tmp_path / "litmus.pid"
        pidfile.write_text("999999999\n")
        arbiter.configure(arbiter=f'pidfile = "{pidfile}"')
        arbiter.start().wait_until_up()
        assert pidfile.read_text() == f"{arbiter.pid}\n"
        assert arbiter.stop() == 0
        assert not pidfile.exists()
        assert list(tmp_path.glob(".litmus.pid*")) == []

    def test_a_worker_that_is_forked_later_has_nothing_of_it(self, arbiter: ArbiterProcess, tmp_path: Path) -> None:
        pidfile = tmp_path / "litmus.pid"
        arbiter.configure(workers=1, arbiter=f'pidfile = "{pidfile}"')
        arbiter.start().wait_until_up()
        os.kill(arbiter.worker_pids()[0], signal.SIGKILL)
        arbiter.wait_for(r"worker 0\[\d+\] \[gen 1\] is ready")

        def files(pid: int) -> list[str]:
            return [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]  # noqa: PTH115

        assert str(pidfile) in files(arbiter.pid)
        assert str(pidfile) not in files(arbiter.worker_pids()[0])
        assert arbiter.stop() == 0

    def test_somebody_else_s_is_left_alone(self, arbiter: ArbiterProcess, tmp_path: Path) -> None:
        pidfile = tmp_path / "litmus.pid"
        arbiter.configure(arbiter=f'pidfile = "{pidfile}"')
        arbiter.start().wait_until_up()
        pidfile.write_text("1\n")
        assert arbiter.stop() == 0
        assert pidfile.read_text() == "1\n"

    def test_a_second_server_does_not_start(self, arbiter: ArbiterProcess, tmp_path: Path) -> None:
        pidfile = tmp_path / "litmus.pid"
        arbiter.configure(arbiter=f'pidfile = "{pidfile}"')
        arbiter.start().wait_until_up()
        second = ArbiterProcess(tmp_path)
        second.start()
        assert second.end() == 1
        assert f'arbiter.pidfile = "{pidfile}": litmusd runs already, as process {arbiter.pid}' in second.log
        second.clean_up()
        assert arbiter.stop() == 0

    def test_an_id_that_belongs_to_another_program_now(self, arbiter: ArbiterProcess, tmp_path: Path) -> None:
        pidfile = tmp_path / "litmus.pid"
        pidfile.write_text(f"{os.getpid()}")  # alive, and with litmus in its command line or in its folder
        arbiter.configure(arbiter=f'pidfile = "{pidfile}"')
        arbiter.start().wait_until_up()
        assert arbiter.stop() == 0

    def test_a_folder_that_is_not_there(self, arbiter: ArbiterProcess, tmp_path: Path) -> None:
        arbiter.configure(arbiter=f'pidfile = "{tmp_path}/no/litmus.pid"')
        assert arbiter.start().end() == 1
        assert "StartupError: " in arbiter.log
        assert "cannot write in" in arbiter.log


class TestSystemd:
    @pytest.fixture
    def manager(self, tmp_path: Path) -> socket.socket:
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        return manager

    def told(self, manager: socket.socket, start: str) -> str:
        """The next message that starts so; WATCHDOG=1 may come at any time."""
        while True:
            message = manager.recv(4096).decode()
            if message.startswith(start):
                return message
            assert message == "WATCHDOG=1", message

    def test_the_manager_hears_of_everything(self, arbiter: ArbiterProcess, manager: socket.socket) -> None:
        arbiter.configure(workers=2)
        arbiter.start(environ={"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "200000"})
        assert "generation 1 serves with 2 workers at 127.0.0.1:" in self.told(manager, "READY=1\nSTATUS=")
        for _ in range(3):
            self.told(manager, "WATCHDOG=1")
        arbiter.ask(Reload())
        self.told(manager, "RELOADING=1\nMONOTONIC_USEC=")
        assert "generation 2 serves" in self.told(manager, "READY=1\nSTATUS=")
        arbiter.configure("fail", workers=2)
        arbiter.ask(Reload())
        self.told(manager, "RELOADING=1")
        assert "generation 2 serves" in self.told(manager, "READY=1\nSTATUS=")
        arbiter.configure(workers=3)
        arbiter.ask(Scale(1))
        assert "generation 2 serves with 1 worker at" in self.told(manager, "READY=1\nSTATUS=")
        arbiter.signal(signal.SIGTERM)
        self.told(manager, "STOPPING=1")
        assert arbiter.end() == 0
        manager.close()

    def test_a_socket_that_is_passed_on(self, arbiter: ArbiterProcess) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = listener.getsockname()
            saved = os.dup(3) if _is_open(3) else None
            os.dup2(listener.fileno(), 3, inheritable=True)
            try:
                arbiter.configure(binds=(f"127.0.0.1:{address[1]}",), workers=2)
                arbiter.start(environ={"LISTEN_FDS": "1"}, fds=[3])
            finally:
                os.close(3)
                if saved is not None:
                    os.dup2(saved, 3)
                    os.close(saved)
            arbiter.wait_until_up()
        pids = arbiter.worker_pids()
        assert greet(address).pid in pids
        os.kill(pids[0], signal.SIGSTOP)
        assert greet(address).pid == pids[1]
        os.kill(pids[0], signal.SIGCONT)
        assert arbiter.stop() == 0


def _is_open(fd: int) -> bool:
    return Path(f"/proc/self/fd/{fd}").exists()
