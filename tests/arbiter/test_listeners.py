"""The listening sockets, on the real kernel; and what is said when they can't be had."""

import errno
import grp
import os
import re
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from setproctitle import setproctitle
from support.descriptors import count_descriptors
from support.marks import needs_root
from support.processes import in_child
from support.waiting import wait_until

from litmus import unixsockets
from litmus.addresses import Address
from litmus.arbiter import binding
from litmus.arbiter.binding import Endpoint, Place
from litmus.arbiter.errors import StartupError
from litmus.arbiter.listeners import Listeners, Plan
from litmus.settings import ListenSettings

Open = Callable[..., Listeners]


def settings(binds: Sequence[str], backlog: int = 32) -> list[ListenSettings]:
    return [ListenSettings(bind=bind, backlog=backlog) for bind in binds]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Open listeners for ``binds``, to be closed at the end."""
    made: list[Listeners] = []

    def open_(*binds: str, width: int = 2, inherited: Sequence[socket.socket] = ()) -> Listeners:
        listeners = Listeners(inherited)
        made.append(listeners)
        listeners.adopt(listeners.plan(settings(binds), {}, width))
        return listeners

    yield open_
    for listeners in made:
        listeners.close()


def port_of(listeners: Listeners, index: int = 0) -> int:
    return int(listeners.current.addresses[index].rpartition(":")[2])


def refusal(listen: Sequence[str], listeners: Listeners | None = None, origins: dict[str, str] | None = None) -> str:
    listeners = listeners or Listeners()
    with pytest.raises(StartupError) as caught:
        listeners.plan(settings(listen), origins or {}, 2)
    return str(caught.value)


@pytest.fixture
def foreign() -> Iterator[socket.socket]:
    """Somebody else's listener, of the worst kind: same user, SO_REUSEPORT set."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    with listener:
        yield listener


def test_a_socket_for_each_slot_on_the_port_the_kernel_chose(opened: Open) -> None:
    listeners = opened("127.0.0.1:0", "[::1]:0", width=3)
    sockets = [[each.socket for each in listeners.current.of_slot(slot)] for slot in range(3)]
    assert len({each.fileno() for row in sockets for each in row}) == 6
    assert len({row[0].getsockname() for row in sockets}) == 1
    assert len({row[1].getsockname() for row in sockets}) == 1
    for row in sockets:
        for each in row:
            assert each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
            assert each.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 1
            assert not each.getblocking()
            assert not each.get_inheritable()
        assert row[1].getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    v4, v6 = listeners.current.addresses
    assert re.fullmatch(r"127\.0\.0\.1:\d+", v4)
    assert re.fullmatch(r"\[::1\]:\d+", v6)


def test_what_a_slot_inherits_names_its_settings(opened: Open) -> None:
    listeners = opened("127.0.0.1:0", "127.0.0.1:0")
    assert [each.settings.bind for each in listeners.current.of_slot(1)] == ["127.0.0.1:0"] * 2
    assert port_of(listeners, 0) != port_of(listeners, 1)


def test_no_host_means_every_interface_of_both_kinds(opened: Open) -> None:
    listeners = opened(":0")
    v4, v6 = listeners.current.addresses
    assert v4.startswith("0.0.0.0:")
    assert v6 == f"[::]:{v4.rpartition(':')[2]}"


def test_a_name_stands_for_all_its_addresses_that_this_machine_has(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(address: Address, place: Place) -> list[Endpoint]:
        return [Endpoint(socket.AF_INET6, ("2001:db8::1", 0, 0, 0)), Endpoint(socket.AF_INET, ("127.0.0.1", 0))]

    monkeypatch.setattr(binding, "resolve", resolve)
    listeners = opened("two.example:0")
    assert listeners.current.addresses == [f"127.0.0.1:{port_of(listeners)}"]


def test_localhost(opened: Open) -> None:
    assert all(re.match(r"127\.0\.0\.1|\[::1\]", each) for each in opened("localhost:0").current.addresses)


def test_a_port_in_use_is_noticed_even_where_the_kernel_would_share_it(foreign: socket.socket) -> None:
    bind = f"127.0.0.1:{foreign.getsockname()[1]}"
    said = refusal([bind], origins={"listen.0.bind": "litmus.toml"})
    assert said.startswith(
        f'litmus.toml: listen.0.bind = "{bind}": port {foreign.getsockname()[1]} is in use by process '
    )
    assert f"process {os.getpid()} (" in said


def test_a_port_in_use_by_a_worker_without_an_arbiter(foreign: socket.socket) -> None:
    """Its parent is process 1, or whoever else takes in orphans, and that is not the one to stop."""
    reader, writer = os.pipe()

    def leave_an_orphan() -> None:
        if (orphan := os.fork()) == 0:
            os.close(writer)
            setproctitle("litmus: worker 0 [gen 1]")
            while os.read(reader, 1):
                pass
            os._exit(0)
        os.write(told, b"%d" % orphan)

    listening, told = os.pipe()
    try:
        in_child(leave_an_orphan)
        orphan = int(os.read(listening, 20))
        port = foreign.getsockname()[1]
        foreign.close()
        title = Path(f"/proc/{orphan}/comm")
        wait_until(lambda: title.read_text().startswith("litmus: worker"), "the orphan to have its title")
        assert f"port {port} is in use by process {orphan} (litmus: worker" in refusal([f"127.0.0.1:{port}"])
    finally:
        for descriptor in (reader, writer, listening, told):
            os.close(descriptor)


def test_a_port_in_use_on_every_interface(foreign: socket.socket) -> None:
    assert "is in use" in refusal([f":{foreign.getsockname()[1]}"])


def test_when_one_address_fails_none_stays_open(foreign: socket.socket, opened: Open, tmp_path: Path) -> None:
    listeners = opened("127.0.0.1:0")
    before = count_descriptors()
    path = tmp_path / "http.sock"
    said = refusal([f"unix:{path}", "127.0.0.1:0", f"127.0.0.1:{foreign.getsockname()[1]}"], listeners)
    assert "listen.2.bind" in said
    assert count_descriptors() == before
    assert not path.exists()


def test_a_restart_is_not_stopped_by_connections_in_time_wait(opened: Open) -> None:
    listeners = opened("127.0.0.1:0", width=1)
    address = ("127.0.0.1", port_of(listeners))
    client = socket.create_connection(address)
    accepted, _ = listeners.current.of_slot(0)[0].socket.accept()
    accepted.close()  # the server closes first, and so it is its end that stays in TIME_WAIT
    client.recv(1)
    client.close()
    listeners.close()
    assert port_of(opened(f"127.0.0.1:{address[1]}")) == address[1]


def test_messages_of_addresses_that_do_not_exist() -> None:
    assert "this machine has no address 192.0.2.1" in refusal(["192.0.2.1:0"])
    assert 'the name "nowhere.invalid" has no address' in refusal(["nowhere.invalid:80"])


def test_the_message_of_a_privileged_port(monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(endpoint: Endpoint) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(binding, "probe", deny)
    said = refusal(["127.0.0.1:80"])
    assert "may not use port 80" in said
    assert "CAP_NET_BIND_SERVICE" in said


def test_when_there_are_no_descriptors_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Exhausted(socket.socket):
        def __init__(self, *_: object) -> None:
            raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socket", Exhausted)
    assert "cannot listen there: Too many open files" in refusal([f"unix:{tmp_path}/s"])
    assert "cannot listen there: Too many open files" in refusal(["127.0.0.1:0"])


def test_grow_and_shrink(opened: Open, tmp_path: Path) -> None:
    listeners = opened("127.0.0.1:0", f"unix:{tmp_path}/s", width=1)
    before = count_descriptors()
    listeners.grow(4)
    listeners.grow(4)
    assert count_descriptors() == before + 3
    tcp, unix = listeners.current.of_slot(3)
    assert tcp.socket.getsockname()[1] == port_of(listeners)
    assert unix.socket is listeners.current.of_slot(0)[1].socket
    listeners.shrink(1)
    assert count_descriptors() == before


def test_steering_and_the_length_of_the_queue(opened: Open, tmp_path: Path) -> None:
    listeners = opened("127.0.0.1:0", f"unix:{tmp_path}/s", width=3)
    address = ("127.0.0.1", port_of(listeners))
    listeners.steer([0])
    clients = [socket.create_connection(address) for _ in range(5)]
    assert [listeners.queued(slot) for slot in range(3)] == [5, 0, 0]
    listeners.release()
    clients += [socket.create_connection(address) for _ in range(25)]
    assert sum(listeners.queued(slot) for slot in range(3)) == 30
    assert listeners.queued(2) > 0
    for client in clients:
        client.close()


class TestUnix:
    def test_one_socket_for_all_and_its_file_goes_at_the_end(self, opened: Open, tmp_path: Path) -> None:
        path = tmp_path / "http.sock"
        listeners = opened(f"unix:{path}")
        assert listeners.current.addresses == [f"unix:{path}"]
        assert listeners.current.of_slot(0)[0].socket is listeners.current.of_slot(1)[0].socket
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
        listeners.close()
        assert not path.exists()

    @pytest.mark.parametrize("umask", [0o077, 0])
    def test_its_mode_is_the_configured_one_whatever_the_umask(self, tmp_path: Path, umask: int) -> None:
        paths = [tmp_path / name for name in ("default", "given")]
        listeners = Listeners()
        before = os.umask(umask)
        try:
            binds = [f"unix:{path}" for path in paths]
            listen = [ListenSettings(bind=binds[0]), ListenSettings(bind=binds[1], mode=0o620)]
            listeners.adopt(listeners.plan(listen, {}, 1))
        finally:
            os.umask(before)
        assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o666, 0o620]
        listeners.close()

    def test_it_does_not_listen_for_those_whom_it_cannot_let_in(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(path: Path, mode: int, gid: int) -> None:
            with socket.socket(socket.AF_UNIX) as early, pytest.raises(ConnectionRefusedError):
                early.connect(str(path))
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(unixsockets, "permit", refuse)
        assert "cannot listen there: Operation not permitted" in refusal([f"unix:{tmp_path}/http.sock"])
        assert list(tmp_path.iterdir()) == []

    @needs_root
    def test_a_reload_changes_who_may_connect(self, tmp_path: Path) -> None:
        path = tmp_path / "http.sock"
        listeners = Listeners()

        def reload(**options: Any) -> tuple[int, str]:
            listeners.adopt(listeners.plan([ListenSettings(bind=f"unix:{path}", **options)], {}, 1))
            status = path.stat()
            return stat.S_IMODE(status.st_mode), grp.getgrgid(status.st_gid).gr_name

        assert reload(mode=0o660, group="daemon") == (0o660, "daemon")
        number = path.stat().st_ino
        assert reload(mode=0o600, group="nogroup") == (0o600, "nogroup")
        assert reload(mode=0o600) == (0o600, grp.getgrgid(os.getegid()).gr_name)
        path.chmod(0o640)
        assert reload(mode=0o600)[0] == 0o640, "what the administrator did has been undone without need"
        assert path.stat().st_ino == number
        listeners.close()

    def test_permissions_that_cannot_be_changed_stay_and_the_log_says_so(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "http.sock"
        bind = f"unix:{path}"
        listeners = Listeners()
        listeners.adopt(listeners.plan([ListenSettings(bind=bind)], {}, 1))
        before = path.stat().st_mode
        plan = listeners.plan([ListenSettings(bind=bind, mode=0o600)], {}, 1)
        path.unlink()
        path.write_text("somebody else's")  # in the very moment between plan and adoption
        path.chmod(before & 0o777)
        with caplog.at_level("ERROR", "litmus"):
            listeners.adopt(plan)
        assert f"the permissions of {bind} cannot be changed: something that is not a socket is there" in caplog.text
        assert path.stat().st_mode & 0o777 == before & 0o777
        listeners.close()

    def test_a_file_that_is_not_ours_any_more_stays(self, opened: Open, tmp_path: Path) -> None:
        path = tmp_path / "http.sock"
        listeners = opened(f"unix:{path}")
        path.unlink()
        path.write_text("somebody else's")
        listeners.close()
        assert path.read_text() == "somebody else's"

    def test_what_a_dead_process_left_behind_is_replaced(self, opened: Open, tmp_path: Path) -> None:
        path = tmp_path / "http.sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        assert opened(f"unix:{path}").current.addresses == [f"unix:{path}"]

    @pytest.mark.parametrize("backlog", [16, 0])
    def test_somebody_who_answers_is_left_alone(self, tmp_path: Path, backlog: int) -> None:
        path = tmp_path / "http.sock"
        with socket.socket(socket.AF_UNIX) as other, socket.socket(socket.AF_UNIX) as client:
            other.bind(str(path))
            other.listen(backlog)
            client.connect(str(path))  # with no backlog, the queue is full now
            who = f"process {os.getpid()}" if backlog else "another process"
            assert f"{who} listens there; stop it, or choose another path" in refusal([f"unix:{path}"])
        assert path.exists()

    def test_anything_else_is_never_touched(self, tmp_path: Path) -> None:
        path = tmp_path / "precious"
        path.write_text("data")
        assert "something that is not a socket is there" in refusal([f"unix:{path}"])
        assert path.read_text() == "data"

    def test_no_folder(self, tmp_path: Path) -> None:
        assert f"there is no folder {tmp_path}/run" in refusal([f"unix:{tmp_path}/run/s"])

    def test_a_folder_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "run").touch()
        assert "Not a directory" in refusal([f"unix:{tmp_path}/run/s"])


class TestInherited:
    def test_it_takes_the_place_of_the_listen_with_its_address(self, opened: Open, foreign: socket.socket) -> None:
        bind = f"127.0.0.1:{foreign.getsockname()[1]}"
        listeners = opened(bind, inherited=[foreign])
        assert [[each.socket for each in listeners.current.of_slot(slot)] for slot in (0, 1)] == [[foreign]] * 2
        assert listeners.current.of_slot(0)[0].settings.bind == bind
        assert not foreign.getblocking()

    def test_one_that_nobody_asked_for_is_served_as_well(
        self, opened: Open, foreign: socket.socket, caplog: pytest.LogCaptureFixture
    ) -> None:
        bind = f"127.0.0.1:{foreign.getsockname()[1]}"
        with caplog.at_level("INFO", "litmus"):
            listeners = opened("127.0.0.1:0", inherited=[foreign])
            assert [each.settings.bind for each in listeners.current.of_slot(0)] == ["127.0.0.1:0", bind]
            assert listeners.current.of_slot(0)[1].socket is foreign
            listeners.adopt(listeners.plan(settings(["127.0.0.1:0"]), {}, 2))
        assert caplog.text.count(f"serving the inherited socket {bind}") == 1

    def test_it_stays_open_when_a_reload_stops_asking_for_it(self, opened: Open, foreign: socket.socket) -> None:
        bind = f"127.0.0.1:{foreign.getsockname()[1]}"
        listeners = opened(bind, inherited=[foreign])
        listeners.adopt(listeners.plan(settings(["127.0.0.1:0"]), {}, 2))
        assert foreign in [each.socket for each in listeners.current.of_slot(0)]

    def test_a_unix_socket_of_the_manager_keeps_its_file(self, opened: Open, tmp_path: Path) -> None:
        path = tmp_path / "http.sock"
        handed_over = socket.socket(socket.AF_UNIX)
        handed_over.bind(str(path))
        listeners = opened(f"unix:{path}", inherited=[handed_over])
        assert [each.socket for each in listeners.current.of_slot(0)] == [handed_over]
        listeners.close()
        assert path.exists()

    def test_by_descriptor(self, opened: Open, foreign: socket.socket) -> None:
        fd = os.dup(foreign.fileno())
        listeners = opened(f"fd:{fd}")
        assert listeners.current.of_slot(1)[0].socket.getsockname() == foreign.getsockname()
        assert listeners.current.of_slot(1)[0].settings.bind == f"fd:{fd}"
        listeners.adopt(listeners.plan(settings([f"fd:{fd}"]), {}, 2))
        assert listeners.current.of_slot(1)[0].socket.fileno() == fd

    def test_by_descriptor_and_from_the_manager_at_once(self, opened: Open, foreign: socket.socket) -> None:
        listeners = opened(f"fd:{foreign.fileno()}", inherited=[foreign])
        assert [each.socket for each in listeners.current.of_slot(0)] == [foreign]

    def test_descriptors_that_will_not_do(self) -> None:
        assert "no such descriptor was inherited" in refusal(["fd:1000"])
        reader, writer = os.pipe()
        assert "is not a socket" in refusal([f"fd:{reader}"])
        with socket.socket() as unbound, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            assert "not a stream socket bound to an address" in refusal([f"fd:{unbound.fileno()}"])
            assert "not a stream socket bound to an address" in refusal([f"fd:{datagrams.fileno()}"])
        os.close(reader)
        os.close(writer)


class TestChange:
    def plan(self, listeners: Listeners, *binds: str, backlog: int = 32) -> Plan:
        return listeners.plan(settings(binds, backlog), {}, 2)

    def test_what_stays_keeps_its_sockets_and_ports(self, opened: Open, tmp_path: Path) -> None:
        listeners = opened("127.0.0.1:0", f"unix:{tmp_path}/a")
        before = [each.socket for each in listeners.current.of_slot(1)]
        plan = self.plan(listeners, f"unix:{tmp_path}/a", "127.0.0.1:0", f"unix:{tmp_path}/b")
        assert not listeners.removed_by(plan)
        listeners.adopt(plan)
        assert [each.socket for each in listeners.current.of_slot(1)][:2] == before[::-1]
        assert (tmp_path / "b").exists()

    def test_what_is_gone_is_closed_when_the_change_is_adopted(self, opened: Open, tmp_path: Path) -> None:
        listeners = opened("127.0.0.1:0", f"unix:{tmp_path}/a")
        tcp = listeners.current.of_slot(1)[0].socket
        plan = self.plan(listeners, f"unix:{tmp_path}/b")
        assert listeners.removed_by(plan)
        assert tcp.fileno() != -1
        assert (tmp_path / "a").exists()
        listeners.adopt(plan)
        assert tcp.fileno() == -1
        assert not (tmp_path / "a").exists()
        assert listeners.current.addresses == [f"unix:{tmp_path}/b"]

    def test_discarded_it_leaves_no_trace(self, opened: Open, tmp_path: Path) -> None:
        listeners = opened("127.0.0.1:0")
        before = count_descriptors()
        plan = self.plan(listeners, "127.0.0.1:0", f"unix:{tmp_path}/b", "[::1]:0")
        listeners.grow(3)
        assert plan.of_slot(2)[2].socket.fileno() != -1
        listeners.discard(plan)
        listeners.shrink(2)
        assert count_descriptors() == before
        assert len(listeners.current.addresses) == 1

    def test_a_wider_address_on_a_port_of_ours_is_no_conflict(self, opened: Open) -> None:
        listeners = opened("127.0.0.1:0")
        wider = f"0.0.0.0:{port_of(listeners)}"
        listeners.adopt(self.plan(listeners, wider))
        assert listeners.current.addresses == [wider]

    def test_a_unix_socket_whose_file_was_taken_away_is_made_anew(self, opened: Open, tmp_path: Path) -> None:
        listeners = opened(f"unix:{tmp_path}/a")
        before = listeners.current.of_slot(0)[0].socket
        (tmp_path / "a").unlink()
        listeners.adopt(self.plan(listeners, f"unix:{tmp_path}/a"))
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "a"))
        assert before.fileno() == -1

    def test_an_address_in_other_words_keeps_its_sockets(self, opened: Open) -> None:
        """New ones would join the old ones' group in the kernel, and be given connections, at once."""
        listeners = opened("127.0.0.1:0")
        before = [each.socket for each in listeners.current.of_slot(1)]
        for words in ("localhost:{}", "LOCALHOST:{}", "127.0.0.1:{}"):
            plan = self.plan(listeners, words.format(port_of(listeners)))
            assert [each.socket for each in plan.of_slot(1) if each.socket.family == socket.AF_INET] == before
            listeners.discard(plan)
            assert before[0].fileno() != -1
        listeners.adopt(self.plan(listeners, f"localhost:{port_of(listeners)}"))
        assert before[0] in [each.socket for each in listeners.current.of_slot(1)]

    def test_an_address_twice_in_other_words_is_refused(self, opened: Open) -> None:
        listeners = opened("127.0.0.1:0")
        port = port_of(listeners)
        before = count_descriptors()
        said = refusal([f"127.0.0.1:{port}", f"localhost:{port}"], listeners)
        assert "another [[listen]] has this address" in said
        assert f'listen.1.bind = "localhost:{port}"' in said
        assert count_descriptors() == before

    def test_the_backlog_may_change(self, opened: Open) -> None:
        listeners = opened("127.0.0.1:0", width=2)
        listeners.adopt(self.plan(listeners, "127.0.0.1:0", backlog=1))
        listeners.steer([0])
        # A queue of n takes n + 1.
        clients = [socket.create_connection(("127.0.0.1", port_of(listeners))) for _ in range(2)]
        late = socket.socket()
        late.setblocking(False)
        late.connect_ex(("127.0.0.1", port_of(listeners)))
        assert listeners.queued(0) == 2
        for client in (*clients, late):
            client.close()


def test_a_child_keeps_only_its_own(opened: Open, tmp_path: Path) -> None:
    listeners = opened("127.0.0.1:0", f"unix:{tmp_path}/a", width=3)
    pid = os.fork()
    if pid == 0:
        mine = listeners.current.of_slot(1)
        listeners.keep_only(mine)
        others = [each.socket for slot in (0, 2) for each in listeners.current.of_slot(slot)]
        closed = [each.fileno() == -1 for each in others]
        good = closed == [True, False] * 2 and all(each.socket.fileno() != -1 for each in mine)
        os._exit(0 if good and (tmp_path / "a").exists() else 1)
    assert os.waitpid(pid, 0)[1] == 0
