import contextlib
import gc
import logging
import os
import re
import resource
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.control import FakeArbiter, FakeReactor, Peer

from litmus.control import framing, messages
from litmus.control.messages import Done, Refused, Reload, Scale, Stats, Status, StopServer
from litmus.control.server import ControlServer
from litmus.unixsockets import Credentials, peer_credentials


class Stage:
    """A server on a fake reactor, and whoever connects to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reactor = FakeReactor()
        self.arbiter = FakeArbiter()
        self.peers: list[Peer] = []
        self.server = self.serve()

    def serve(self, credentials: Callable[[socket.socket], Credentials] = peer_credentials) -> ControlServer:
        return ControlServer(
            self.path, self.arbiter, self.reactor, logging.getLogger("litmus"), client_limit=3, credentials=credentials
        )

    def connect(self) -> Peer:
        peer = Peer(str(self.path))
        self.peers.append(peer)
        self.reactor.settle()
        return peer

    def ask(self, peer: Peer, *requests: messages.Request) -> None:
        peer.send(*requests)
        self.reactor.settle()
        peer.read()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path / "ctl.sock")
    yield stage
    stage.server.close()
    for peer in stage.peers:
        peer.socket.close()
    assert stage.reactor.watched == 0
    assert stage.reactor.armed == []
    stage.reactor.selector.close()
    gc.collect()  # a socket that was not closed is an error


def logged(caplog: pytest.LogCaptureFixture, pattern: str) -> bool:
    return any(re.search(pattern, record.getMessage()) for record in caplog.records)


def test_it_answers_what_it_can_at_once(stage: Stage) -> None:
    peer = stage.connect()
    stage.ask(peer, Status())
    stage.ask(peer, Stats())
    stage.ask(peer, Scale(4))
    assert peer.replies == [Done({"state": "running"}), Done({"workers": []}), Done({"workers": 4})]
    assert not peer.closed


def test_an_operation_may_take_its_time(stage: Stage) -> None:
    peer = stage.connect()
    stage.ask(peer, Reload())
    assert peer.replies == []
    assert stage.reactor.armed == []  # no deadline on the client while it is us who keep it waiting
    stage.arbiter.pending[0](Refused("the configuration is bad", "litmus.toml: …"))
    stage.reactor.run_until(peer.got(1))
    assert peer.replies == [Refused("the configuration is bad", "litmus.toml: …")]


def test_other_clients_do_not_wait_for_it(stage: Stage) -> None:
    patient, other = stage.connect(), stage.connect()
    stage.ask(patient, Reload())
    stage.ask(other, Status())
    assert other.replies == [Done({"state": "running"})]


def test_requests_sent_together_are_done_in_their_order(stage: Stage) -> None:
    peer = stage.connect()
    stage.ask(peer, Scale(2), Reload(), Status())
    stage.ask(peer, Stats())
    assert stage.arbiter.calls == [("scale", 2), "reload"]
    stage.arbiter.pending[0](Done({"generation": 2}))
    stage.reactor.settle()
    peer.read()
    assert stage.arbiter.calls == [("scale", 2), "reload", "status", "stats"]
    assert [type(reply) for reply in peer.replies] == [Done] * 4


def test_a_request_may_come_byte_by_byte(stage: Stage) -> None:
    peer = stage.connect()
    for byte in messages.encode(Scale(7)):
        peer.send_bytes(bytes([byte]))
        stage.reactor.settle()
    peer.read()
    assert peer.replies == [Done({"workers": 7})]


def test_a_second_answer_to_the_same_request_goes_nowhere(stage: Stage) -> None:
    peer = stage.connect()
    stage.ask(peer, Reload())
    stage.arbiter.pending[0](Done({"generation": 2}))
    stage.ask(peer, Reload())
    stage.arbiter.pending[0](Done({"generation": 99}))
    stage.arbiter.pending[1](Done({"generation": 3}))
    peer.read()
    assert peer.replies == [Done({"generation": 2}), Done({"generation": 3})]


def test_a_client_that_left_does_not_stop_the_operation(stage: Stage) -> None:
    peer = stage.connect()
    stage.ask(peer, Reload())
    peer.socket.close()
    stage.reactor.settle()
    stage.arbiter.pending[0](Done({"generation": 2}))
    stage.reactor.settle()
    assert stage.reactor.watched == 1  # the listener


def test_a_client_that_says_it_has_finished_still_gets_its_answer(stage: Stage) -> None:
    peer = stage.connect()
    peer.send(Reload())
    peer.socket.shutdown(socket.SHUT_WR)
    stage.reactor.settle()
    stage.arbiter.pending[0](Done({"generation": 2}))
    stage.reactor.run_until(peer.hung_up)
    assert peer.replies == [Done({"generation": 2})]


def test_a_mistake_in_an_operation_is_told_and_survived(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> dict[str, object]:
        raise KeyError("slot 3")

    monkeypatch.setattr(stage.arbiter, "stats", broken)
    peer = stage.connect()
    stage.ask(peer, Stats(), Status())
    assert peer.replies == [Refused("litmusd failed at this: KeyError: 'slot 3'"), Done({"state": "running"})]
    assert logged(caplog, "stats failed")


def test_what_changes_the_server_is_noted_with_who_asked(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "litmus")
    stage.ask(stage.connect(), Status(), Scale(2), StopServer())
    who = rf"asked for by user {os.geteuid()} \(process {os.getpid()}\)"
    assert logged(caplog, f"^scaling to 2 {who}$")
    assert logged(caplog, f"^stop {who}$")
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("garbage", "reason", "excerpt"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "a frame of 1195725856 bytes was announced", r"GET / HTTP/1\.1\\x0d\\x0a"),
        (b"\xff" * 70_000, "a frame of 4294967295 bytes was announced", r"\\xff\\xff"),
        (framing.encode(b"\x1b[2J"), "malformed", r"\\x1b\[2J"),
        (framing.encode(b'{"type":"format","disk":"c"}'), "Invalid value 'format'", "format"),
        (framing.encode(b'{"type":"scale","workers":0}'), "Expected `int` >= 1", "scale"),
        (framing.encode(b""), "truncated", ""),
    ],
)
def test_garbage_is_refused_and_logged_and_harmless(
    stage: Stage, caplog: pytest.LogCaptureFixture, garbage: bytes, reason: str, excerpt: str
) -> None:
    peer, neighbour = stage.connect(), stage.connect()
    peer.send_bytes(garbage)
    stage.reactor.run_until(peer.hung_up)
    [reply] = peer.replies
    assert isinstance(reply, Refused)
    assert reason in reply.error
    [record] = caplog.records
    assert re.search(f"user {os.geteuid()} .*{re.escape(reason)}.*{excerpt}", record.getMessage())
    assert record.getMessage().isprintable()
    assert stage.arbiter.calls == []
    stage.ask(neighbour, Status())
    assert neighbour.replies == [Done({"state": "running"})]


def test_requests_before_the_garbage_are_answered(stage: Stage) -> None:
    peer = stage.connect()
    peer.send_bytes(messages.encode(Status()) + framing.encode(b"?") + messages.encode(Scale(9)))
    stage.reactor.run_until(peer.hung_up)
    assert [type(reply) for reply in peer.replies] == [Done, Refused]
    assert stage.arbiter.calls == ["status"]


def test_a_flood_of_requests_is_refused(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    peer = stage.connect()
    peer.send(*[Status()] * 17)
    stage.reactor.run_until(peer.hung_up)
    [reply] = peer.replies
    assert isinstance(reply, Refused)
    assert "more than 16 requests" in reply.error
    assert stage.arbiter.calls == []


def test_too_many_clients_are_told_so(stage: Stage) -> None:
    welcome = [stage.connect() for _ in range(3)]
    surplus = stage.connect()
    stage.reactor.run_until(surplus.hung_up)
    assert surplus.replies == [Refused("3 clients are connected to the control socket already: try later")]
    welcome[0].socket.close()
    stage.reactor.settle()
    late = stage.connect()
    stage.ask(late, Status())
    assert late.replies == [Done({"state": "running"})]


def test_a_client_that_sends_nothing_is_disconnected_quietly(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    peer = stage.connect()
    assert [timer.delay for timer in stage.reactor.armed] == [10.0]
    stage.reactor.expire()
    assert peer.hung_up()
    assert caplog.records == []


def test_bytes_that_trickle_in_do_not_put_the_deadline_off(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    peer = stage.connect()
    [deadline] = stage.reactor.armed
    for byte in messages.encode(Status())[:-1]:
        peer.send_bytes(bytes([byte]))
        stage.reactor.settle()
    assert stage.reactor.armed == [deadline]
    stage.reactor.expire()
    assert peer.hung_up()
    assert logged(caplog, "kept the server waiting for 10 s")


def test_every_answer_starts_a_new_deadline(stage: Stage) -> None:
    peer = stage.connect()
    [first] = stage.reactor.armed
    stage.ask(peer, Status())
    [second] = stage.reactor.armed
    assert second is not first


def test_a_large_answer_waits_for_its_reader_and_later_requests_wait_for_it(stage: Stage) -> None:
    stage.arbiter.statistics = {"blob": "x" * 3_000_000}
    peer = stage.connect()
    peer.send(Stats(), Stats())
    stage.reactor.settle()
    assert stage.arbiter.calls == ["stats"]
    stage.reactor.run_until(peer.got(2))
    assert peer.replies == [Done(stage.arbiter.statistics)] * 2


def test_a_client_that_does_not_take_its_answer_is_disconnected(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.arbiter.statistics = {"blob": "x" * 3_000_000}
    peer = stage.connect()
    stage.ask(peer, *[Stats()] * 16)
    peer.replies.clear()
    assert stage.arbiter.calls == ["stats"]
    stage.reactor.expire()
    assert stage.reactor.watched == 1
    assert logged(caplog, "kept the server waiting")


def test_an_answer_that_is_too_large_is_said_instead_of_sent(stage: Stage) -> None:
    stage.arbiter.statistics = {"blob": "x" * messages.REPLY_LIMIT}
    peer = stage.connect()
    stage.ask(peer, Stats())
    [reply] = peer.replies
    assert isinstance(reply, Refused)
    assert "more than the protocol allows" in reply.error


@pytest.mark.parametrize(("uid", "served"), [(0, True), (os.geteuid(), True), (os.geteuid() + 1, False)])
def test_only_root_and_the_own_user_are_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, uid: int, served: bool
) -> None:
    reactor, arbiter = FakeReactor(), FakeArbiter()
    server = ControlServer(
        tmp_path / "ctl.sock", arbiter, reactor, credentials=lambda _: Credentials(pid=4321, uid=uid, gid=uid)
    )
    peer = Peer(str(server.path))
    peer.send(StopServer())
    reactor.run_until(peer.got(1))
    [reply] = peer.replies
    if served:
        assert arbiter.calls == ["stop"]
    else:
        assert isinstance(reply, Refused)
        assert f"user {uid} may not control this server" in reply.error
        assert arbiter.calls == []
        assert logged(caplog, rf"user {uid} \(process 4321\) was refused")
    peer.socket.close()
    server.close()
    reactor.selector.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_another_user_is_refused_by_the_kernels_word(caplog: pytest.LogCaptureFixture) -> None:
    """The mode of the file is opened up on purpose: the peer's credentials have to do alone."""
    folder = Path(tempfile.mkdtemp())  # every folder above pytest's own is closed to other users
    folder.chmod(0o755)
    reactor, arbiter = FakeReactor(), FakeArbiter()
    server = ControlServer(folder / "ctl.sock", arbiter, reactor)
    server.path.chmod(0o666)
    child = os.fork()
    if child == 0:
        os.setgid(65534)
        os.setuid(65534)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(server.path))
            with contextlib.suppress(BrokenPipeError):  # it may have been refused and closed already
                client.sendall(messages.encode(StopServer()))
            reply = client.recv(65536)
        os._exit(0 if b"user 65534 may not control this server" in reply else 1)
    reactor.run_until(lambda: bool(caplog.records))
    assert os.waitpid(child, 0)[1] == 0
    assert logged(caplog, rf"user 65534 \(process {child}\) was refused")
    assert arbiter.calls == []
    server.close()
    folder.rmdir()
    reactor.selector.close()


def test_closing_tells_those_who_wait(stage: Stage) -> None:
    waiting, idle = stage.connect(), stage.connect()
    stage.ask(waiting, Reload())
    stage.server.close()
    assert waiting.hung_up()
    assert idle.hung_up()
    assert waiting.replies == [Refused("litmusd stopped before this was done")]
    assert not stage.path.exists()
    stage.arbiter.pending[0](Done({"generation": 2}))
    stage.server.close()


def test_a_forked_worker_lets_go_of_everything_and_the_server_goes_on(stage: Stage) -> None:
    peer = stage.connect()
    told_read, told_write = os.pipe()
    hold_read, hold_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(hold_write)
        stage.server.detach()
        os.write(told_write, b"!")
        os.read(hold_read, 1)
        os._exit(0)
    os.read(told_read, 1)
    stage.ask(peer, Status())
    stage.server.close()
    assert peer.hung_up()  # the child does not hold the connection open
    for descriptor in (told_read, told_write, hold_read, hold_write):
        os.close(descriptor)
    assert os.waitpid(child, 0)[1] == 0
    assert peer.replies == [Done({"state": "running"})]


def test_without_descriptors_it_rests_and_tries_again(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    peer = Peer(str(stage.path))
    stage.peers.append(peer)
    peer.send(Status())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        stage.reactor.settle()  # fails if the listener, which stays ready, is watched on
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert logged(caplog, "cannot accept: Too many open files")
    assert stage.reactor.watched == 0
    stage.reactor.expire()
    stage.reactor.run_until(peer.got(1))
    assert peer.replies == [Done({"state": "running"})]


def test_it_can_be_closed_while_it_rests(stage: Stage) -> None:
    stage.peers.append(Peer(str(stage.path)))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        stage.reactor.settle()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    stage.server.close()
    assert stage.reactor.armed == []
