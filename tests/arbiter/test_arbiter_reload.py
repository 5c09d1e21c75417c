"""Reloads of a real arbiter with fake workers."""

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.arbiter import ArbiterProcess, Asking, greet, hear, load
from support.waiting import wait_until

from litmus.control.messages import Done, Refused, Reload, Reply, Scale


def reason(reply: Reply) -> str:
    assert isinstance(reply, Refused)
    return reply.error


def test_all_workers_are_replaced_and_no_connection_is_lost(arbiter: ArbiterProcess) -> None:
    arbiter.configure(workers=3)
    arbiter.start().wait_until_up()
    old = arbiter.worker_pids()
    with load(arbiter.address()) as greetings:
        for generation in (2, 3, 4):
            assert arbiter.ask(Reload()) == Done({"generation": generation, "workers": 3})
            arbiter.wait_for(rf"generation {generation} serves with 3 workers")
    assert {greeting.generation for greeting in greetings} >= {1, 4}
    assert set(arbiter.worker_pids()).isdisjoint(old)
    last = arbiter.status()["last_reload"]
    assert last == {"generation": 4, "ok": True, "at": last["at"]}
    assert arbiter.stats()["arbiter"]["generation"] == 4
    assert {row["generation"] for row in arbiter.status()["workers"] if row["state"] == "ready"} == {4}
    title = Path(f"/proc/{arbiter.pid}/cmdline").read_text().rstrip("\0")
    assert title == "litmus: arbiter [litmus.toml] gen 4, 3 workers"
    assert arbiter.log.count("draining sweep=False timeout=5") == 9


def test_hup_does_the_same(arbiter: ArbiterProcess) -> None:
    arbiter.configure()
    arbiter.start().wait_until_up()
    arbiter.signal(signal.SIGHUP)
    arbiter.wait_for("generation 2 serves with 2 workers")


def test_the_old_ones_go_only_when_all_new_ones_are_ready(arbiter: ArbiterProcess) -> None:
    arbiter.configure(workers=2)
    arbiter.start().wait_until_up()
    old = arbiter.worker_pids()
    arbiter.configure("boot_until_told", workers=2)
    gate = arbiter.folder / "boot.fifo"
    os.mkfifo(gate)
    asking = Asking(arbiter, Reload())
    arbiter.wait_for("booting slot=1 gen=2")
    assert arbiter.status()["state"] == "reloading"
    assert {greet(arbiter.address()).pid for _ in range(40)} == set(old)
    with gate.open("w"):
        pass
    assert asking.answer() == Done({"generation": 2, "workers": 2})
    arbiter.wait_for("draining sweep=False")
    assert arbiter.log.index("draining sweep=False") > arbiter.log.rindex("[gen 2] is ready")


class TestRefused:
    """Whatever goes wrong, the old generation keeps serving: same processes, same sockets, same descriptors."""

    @pytest.fixture
    def up(self, arbiter: ArbiterProcess) -> Iterator[ArbiterProcess]:
        arbiter.configure(workers=2)
        arbiter.start({"boot": 20.0}).wait_until_up()
        before = (arbiter.worker_pids(), arbiter.status()["addresses"], arbiter.descriptors())
        yield arbiter
        greet(arbiter.address())
        arbiter.wait_for_leavers()
        assert (arbiter.worker_pids(), arbiter.status()["addresses"], arbiter.descriptors()) == before
        assert arbiter.status()["generation"] == 1
        arbiter.configure(workers=2)
        assert isinstance(arbiter.ask(Reload()), Done)

    def test_a_broken_file(self, up: ArbiterProcess) -> None:
        up.config.write_text("[arbiter]\nwokers = 3\n")
        reply = up.ask(Reload())
        assert reason(reply) == "the configuration is refused"
        assert isinstance(reply, Refused)
        assert "did you mean arbiter.workers?" in reply.detail
        up.wait_for("reload refused, generation 1 keeps serving: the configuration is refused")
        up.wait_for("^    .*did you mean arbiter.workers")
        last = up.status()["last_reload"]
        assert abs(time.mktime(time.strptime(last.pop("at"), "%Y-%m-%d %H:%M:%S")) - time.time()) < 60
        assert last == {
            "generation": 2,
            "ok": False,
            "error": f"the configuration is refused: {up.config}: arbiter.wokers = 3: unknown key; "
            "did you mean arbiter.workers?",
        }
        up.config.write_text("[arbiter]\nwokers = 3\n[app]\nx = 1\ny = 2\n")
        up.ask(Reload())
        assert up.status()["last_reload"]["error"].endswith("did you mean arbiter.workers? (and 2 more problems)")

    def test_no_file_at_all(self, up: ArbiterProcess) -> None:
        up.config.unlink()
        up.signal(signal.SIGHUP)
        up.wait_for("reload refused")
        up.wait_for("there is no such file")

    @pytest.mark.parametrize(("key", "value"), [("control", "other.sock"), ("pidfile", "litmus.pid")])
    def test_what_cannot_change_without_a_restart(self, up: ArbiterProcess, key: str, value: str) -> None:
        up.configure(workers=2)
        text = "".join(line for line in up.config.read_text().splitlines(True) if not line.startswith(key))
        up.config.write_text(text.replace("[arbiter]\n", f'[arbiter]\n{key} = "{value}"\n'))
        reply = up.ask(Reload())
        assert isinstance(reply, Refused)
        assert re.search(
            rf'litmus\.toml: arbiter\.{key} = ".*{value}": changes only with a restart; it is ".*" now', reply.detail
        )

    def test_an_application_that_does_not_start(self, up: ArbiterProcess) -> None:
        up.configure("fail", workers=2)
        reply = up.ask(Reload())
        assert re.fullmatch(
            r"the new generation did not start: worker [01]: import: ModuleNotFoundError: no module named 'shop'",
            reason(reply),
        )
        assert isinstance(reply, Refused)
        assert reply.detail == "Traceback …\n  the last line"
        up.wait_for("reload refused, generation 1 keeps serving: the new generation did not start")
        up.wait_for("^    Traceback")
        assert up.log.count("the last line") == 1

    def test_one_that_starts_in_one_slot_only(self, up: ArbiterProcess) -> None:
        up.configure("fail_in_second_slot", workers=2)
        assert "worker 1: import" in reason(up.ask(Reload()))

    def test_one_that_crashes(self, up: ArbiterProcess) -> None:
        up.configure("crash", workers=2)
        assert "was killed by SIGSEGV" in reason(up.ask(Reload()))

    def test_one_that_is_killed_while_it_boots(self, up: ArbiterProcess) -> None:
        up.configure("hang", workers=2)
        asking = Asking(up, Reload())
        up.wait_for("booting slot=1 gen=2")
        os.kill(up.status()["workers"][1]["pid"], signal.SIGKILL)
        assert "was killed by SIGKILL" in reason(asking.answer())

    def test_a_port_that_is_in_use(self, up: ArbiterProcess) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            up.configure(workers=2, binds=("127.0.0.1:0", f"unix:{up.folder}/b.sock", f"127.0.0.1:{port}"))
            assert f'listen.2.bind = "127.0.0.1:{port}": port {port} is in use' in reason(up.ask(Reload()))
        assert not (up.folder / "b.sock").exists()

    def test_new_listeners_are_closed_again(self, up: ArbiterProcess) -> None:
        up.configure("fail_in_second_slot", workers=2, binds=("127.0.0.1:0", f"unix:{up.folder}/b.sock", "[::1]:0"))
        assert "worker 1: import" in reason(up.ask(Reload()))
        assert not (up.folder / "b.sock").exists()

    def test_more_workers_that_do_not_start(self, up: ArbiterProcess) -> None:
        up.configure("fail_in_second_slot", workers=5)
        assert "worker 1: import" in reason(up.ask(Reload()))

    def test_a_log_that_cannot_be_opened(self, up: ArbiterProcess) -> None:
        (up.folder / "dangling").symlink_to(up.folder / "not/there")
        up.configure(log=f'file = "{up.folder}/dangling"')
        assert "log.file" in reason(up.ask(Reload()))
        up.wait_for("reload refused")

    def test_the_log_goes_where_it_went(self, up: ArbiterProcess) -> None:
        up.configure("fail", workers=2, log=f'file = "{up.folder}/other.log"')
        assert "did not start" in reason(up.ask(Reload()))
        up.wait_for("reload refused")
        assert "reload refused" not in (up.folder / "other.log").read_text()


class TestConfiguration:
    def test_more_and_fewer_workers(self, arbiter: ArbiterProcess) -> None:
        arbiter.configure(workers=2)
        arbiter.start().wait_until_up()
        before = arbiter.descriptors()
        with load(arbiter.address()):
            arbiter.configure(workers=5)
            assert arbiter.ask(Reload()) == Done({"generation": 2, "workers": 5})
            assert {greet(arbiter.address()).slot for _ in range(100)} == {0, 1, 2, 3, 4}
            arbiter.configure(workers=1)
            assert arbiter.ask(Reload()) == Done({"generation": 3, "workers": 1})
            arbiter.configure(workers=2)
            assert arbiter.ask(Reload()) == Done({"generation": 4, "workers": 2})
        while len(arbiter.status()["workers"]) > 2:  # those of slots that are still settling, too
            arbiter.wait_for("has left after")
        assert arbiter.descriptors() == before

    def test_what_scale_set_lasts_until_the_next_reload(self, arbiter: ArbiterProcess) -> None:
        arbiter.configure(workers=2)
        arbiter.start().wait_until_up()
        arbiter.ask(Scale(4))
        assert arbiter.ask(Reload()) == Done({"generation": 2, "workers": 2})

    def test_addresses_come_and_go_without_losing_what_is_queued(self, arbiter: ArbiterProcess) -> None:
        path = f"{arbiter.folder}/http.sock"
        arbiter.configure(workers=1, binds=("127.0.0.1:0", "[::1]:0"))
        arbiter.start().wait_until_up()
        kept, removed = arbiter.address(0), arbiter.address(1)
        (old,) = arbiter.worker_pids()
        os.kill(old, signal.SIGSTOP)
        queued = [socket.create_connection(removed) for _ in range(5)]
        arbiter.configure(workers=1, binds=("127.0.0.1:0", f"unix:{path}"))
        assert isinstance(arbiter.ask(Reload()), Done)
        os.kill(old, signal.SIGCONT)
        assert [hear(connection).pid for connection in queued] == [old] * 5
        for connection in queued:
            connection.close()
        assert greet(kept).generation == greet(path).generation == 2
        arbiter.wait_for("draining sweep=True")
        arbiter.wait_for(rf"worker 0\[{old}\] \[gen 1\] has left")
        with pytest.raises(ConnectionRefusedError):
            greet(removed)
        assert arbiter.status()["addresses"] == [f"127.0.0.1:{kept[1]}", f"unix:{path}"]
        assert arbiter.stop() == 0
        assert not Path(path).exists()

    def test_the_log_moves(self, arbiter: ArbiterProcess) -> None:
        arbiter.configure()
        arbiter.start().wait_until_up()
        arbiter.configure(log=f'file = "{arbiter.folder}/litmus.log"')
        assert isinstance(arbiter.ask(Reload()), Done)
        assert "generation 2 serves" in (arbiter.folder / "litmus.log").read_text()


class TestOneAtATime:
    @pytest.fixture
    def gate(self, arbiter: ArbiterProcess) -> Path:
        """The arbiter is in the middle of a reload, which goes on when the gate is opened."""
        arbiter.configure(workers=1)
        arbiter.start().wait_until_up()
        arbiter.configure("boot_until_told", workers=1)
        os.mkfifo(arbiter.folder / "boot.fifo")
        return arbiter.folder / "boot.fifo"

    def test_other_changes_are_refused(self, arbiter: ArbiterProcess, gate: Path) -> None:
        asking = Asking(arbiter, Reload())
        arbiter.wait_for("booting slot=0 gen=2")
        assert reason(arbiter.ask(Reload())) == (
            "the server is reloading: a reload is not possible before that is over"
        )
        assert "scaling is not possible" in reason(arbiter.ask(Scale(3)))
        with gate.open("w"):
            pass
        assert asking.answer() == Done({"generation": 2, "workers": 1})

    def test_signals_are_remembered(self, arbiter: ArbiterProcess, gate: Path) -> None:
        arbiter.signal(signal.SIGHUP)
        arbiter.wait_for("booting slot=0 gen=2")
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTTIN, signal.SIGHUP):
            arbiter.signal(number)
            arbiter.wait_for(f"received {number.name}")
        arbiter.configure(workers=1)
        with gate.open("w"):
            pass
        arbiter.wait_for("generation 2 serves with 1 worker")
        arbiter.wait_for("generation 3 serves with 1 worker")
        arbiter.wait_for("generation 3 serves with 2 workers")
        assert arbiter.status()["generation"] == 3

    def test_an_old_worker_that_dies_meanwhile_is_replaced_by_an_old_one(
        self, arbiter: ArbiterProcess, gate: Path
    ) -> None:
        asking = Asking(arbiter, Reload())
        arbiter.wait_for("booting slot=0 gen=2")
        os.kill(arbiter.status()["workers"][0]["pid"], signal.SIGKILL)
        arbiter.wait_for(r"booting slot=0 gen=1")
        arbiter.wait_for(r"\[gen 1\] is ready")
        assert greet(arbiter.address()).generation == 1
        with gate.open("w"):
            pass
        assert isinstance(asking.answer(), Done)

    def test_stopping_gives_it_up(self, arbiter: ArbiterProcess, gate: Path) -> None:
        asking = Asking(arbiter, Reload())
        arbiter.wait_for("booting slot=0 gen=2")
        arbiter.signal(signal.SIGTERM)
        assert "the server is stopping" in reason(asking.answer())
        assert arbiter.end() == 0
        assert "keeps serving" not in arbiter.log


def test_old_workers_that_do_not_leave_are_made_to(arbiter: ArbiterProcess) -> None:
    arbiter.configure("stay", workers=2, drain="0s")
    arbiter.start({"drain_grace": 0.2}).wait_until_up()
    with load(arbiter.address()):
        assert isinstance(arbiter.ask(Reload()), Done)
        for _ in range(2):  # one may have left before the other one's time is over
            arbiter.wait_for(r"worker \d\[\d+\] has not drained 0.2 s after its time was over: stopping it")
        wait_until(lambda: arbiter.log.count("[gen 1] has left") == 2, "both to leave")


@pytest.mark.parametrize(
    ("broken", "change"),
    [
        ("plan", Reload()),
        ("grow", Reload()),
        ("spawn", Reload()),
        ("grow", Scale(4)),
        ("spawn", Scale(4)),
    ],
)
def test_a_change_that_fails_as_nobody_foresaw_is_refused_and_does_not_forbid_the_next_one(
    arbiter: ArbiterProcess, broken: str, change: Reload | Scale
) -> None:
    arbiter.configure(workers=2)
    arbiter.start(environ={"BREAKABLE": broken}).wait_until_up()

    def possessions() -> object:
        return arbiter.worker_pids(), arbiter.status()["addresses"], arbiter.descriptors()

    before = possessions()
    mark = arbiter.folder / "broken"
    mark.touch()
    for _ in range(2):
        reply = arbiter.ask(change)
        assert f"RuntimeError: {broken} is broken" in reason(reply)
        assert isinstance(reply, Refused)
        assert "Traceback (most recent call last)" in reply.detail
        arbiter.wait_for("refused, .*(keeps serving|serving goes on).*is broken")
        arbiter.wait_for("Traceback")
    wait_until(lambda: possessions() == before, lambda: f"all to be as before, {before}: it is {possessions()}")
    greet(arbiter.address())
    mark.unlink()
    assert isinstance(arbiter.ask(change), Done)
