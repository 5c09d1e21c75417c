"""The control pipe with workers that can't be trusted."""

import socket
from collections.abc import Iterator

import pytest
from support.clock import Clock, JumpingSelector

from litmus.arbiter.pipe import FRAME_DEADLINE, OUTPUT_LIMIT, Pipe
from litmus.arbiter.reactor import Reactor
from litmus.control import framing, messages
from litmus.control.messages import BootFailed, Drain, Drained, Ready, ReopenLogs, StandIn, WorkerMessage


class Ear:
    """A pipe, and what it has reported."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.reactor = Reactor(self.clock, JumpingSelector(self.clock))
        self.worker, ours = socket.socketpair()
        self.worker.setblocking(False)
        self.heard: list[WorkerMessage] = []
        self.broken: list[str] = []
        self.ended = 0
        self.pipe = Pipe("0[1]", ours, self.reactor, self.heard.append, self.broken.append, self._end)

    def _end(self) -> None:
        self.ended += 1

    def settle(self) -> None:
        """Let everything happen that is ready, and no time pass."""
        self.reactor.call_later(0, lambda: None)
        self.reactor.turn()


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    yield ear
    ear.pipe.close()
    ear.worker.close()
    ear.reactor.close()


def test_messages_in_pieces_of_any_size(ear: Ear) -> None:
    for byte in messages.encode(Ready()) + messages.encode(Drained(1)):
        ear.worker.send(bytes([byte]))
        ear.settle()
    assert ear.heard == [Ready(), Drained(1)]
    assert ear.clock.now < 1000 + FRAME_DEADLINE


def test_the_other_way(ear: Ear) -> None:
    ear.pipe.send(Drain(1.5, sweep=True))
    payloads = framing.Deframer(1000).feed(ear.worker.recv(1000))
    assert [messages.decode_arbiter_message(payload) for payload in payloads] == [Drain(1.5, sweep=True)]


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, framing.encode(b"{}"), framing.encode(b'{"type":"drain"}'), b"\0\0\0\0"],
)
def test_garbage_breaks_the_pipe_once(ear: Ear, garbage: bytes) -> None:
    ear.worker.send(messages.encode(Ready()))
    ear.settle()
    ear.worker.send(garbage * 3)
    ear.settle()
    assert ear.heard == [Ready()]
    assert len(ear.broken) == 1
    assert "something else than a message" in ear.broken[0]
    assert ear.worker.recv(10) == b""
    ear.pipe.send(ReopenLogs())


def test_half_a_message_breaks_the_pipe_when_the_rest_does_not_come(ear: Ear) -> None:
    ear.worker.send(messages.encode(BootFailed("import", "x" * 100, ""))[:50])
    ear.settle()
    ear.worker.send(b"x")  # a byte now and then doesn't help
    ear.settle()
    ear.reactor.turn()
    assert ear.broken == ["half a message came"]
    assert ear.clock.now == 1000 + FRAME_DEADLINE


def test_a_message_completed_in_time_is_fine(ear: Ear) -> None:
    frame = messages.encode(Ready())
    ear.worker.send(frame[:3])
    ear.settle()
    ear.worker.send(frame[3:])
    ear.settle()
    ear.reactor.call_later(2 * FRAME_DEADLINE, lambda: None)
    ear.reactor.turn()
    assert ear.heard == [Ready()]
    assert ear.broken == []


def test_the_end(ear: Ear, caplog: pytest.LogCaptureFixture) -> None:
    ear.worker.send(messages.encode(Ready())[:5])
    ear.worker.close()
    ear.settle()
    ear.settle()
    assert ear.ended == 1
    assert "worker 0[1] left in the middle of a message" in caplog.text
    ear.pipe.send(ReopenLogs())


def test_the_last_words_of_a_dead_worker_are_heard(ear: Ear) -> None:
    ear.worker.send(messages.encode(Ready()))
    ear.worker.send(messages.encode(Drained(0)))
    ear.worker.close()
    ear.pipe.finish()
    assert ear.heard == [Ready(), Drained(0)]
    ear.pipe.finish()


def test_finish_does_not_wait_for_a_grandchild_that_holds_the_other_end(ear: Ear) -> None:
    ear.worker.send(messages.encode(Ready()))
    ear.pipe.finish()
    assert ear.heard == [Ready()]


def test_a_worker_that_does_not_read_costs_a_bounded_amount(ear: Ear) -> None:
    sent = 0
    while not ear.broken:
        ear.pipe.send(ReopenLogs())
        sent += len(messages.encode(ReopenLogs()))
        assert sent < OUTPUT_LIMIT + 2_000_000, "there is no bound"
    assert ear.broken == ["it does not read what it is told"]


def test_a_worker_that_reads_late_gets_everything(ear: Ear) -> None:
    count = 0
    while not ear.pipe._output:
        ear.pipe.send(ReopenLogs())
        count += 1
    deframer = framing.Deframer(1000)
    payloads: list[bytes] = []
    while len(payloads) < count:
        payloads += deframer.feed(ear.worker.recv(65536))
        ear.settle()
    assert {bytes(payload) for payload in payloads} == {b'{"type":"reopenlogs"}'}


def test_sockets_go_with_their_message(ear: Ear) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ear.pipe.send(ReopenLogs())
        ear.pipe.hand_over(StandIn(3, 1), [listener])
        first, none, *_ = socket.recv_fds(ear.worker, 1000, 10)
        deframer = framing.Deframer(1000)
        payloads = deframer.feed(first)
        if not none:  # the kernel may end a read before the frame with the descriptor, and does after it
            second, none, *_ = socket.recv_fds(ear.worker, 1000, 10)
            payloads += deframer.feed(second)
        assert [messages.decode_arbiter_message(each) for each in payloads] == [ReopenLogs(), StandIn(3, 1)]
        [descriptor] = none
        with socket.socket(fileno=descriptor) as copy:
            assert copy.getsockname() == listener.getsockname()


def test_to_a_worker_that_does_not_read_no_socket_is_sent_and_the_frames_stay_whole(ear: Ear) -> None:
    sent = 0
    while not ear.pipe._output:
        ear.pipe.send(Drain(sent, sweep=True))
        sent += 1
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ear.pipe.hand_over(StandIn(3, 1), [listener])
    deframer = framing.Deframer(1000)
    heard: list[object] = []
    while len(heard) < sent:
        data, descriptors, *_ = socket.recv_fds(ear.worker, 1 << 16, 10)
        assert not descriptors
        heard += map(messages.decode_arbiter_message, deframer.feed(data))
        ear.settle()
    assert heard == [Drain(number, sweep=True) for number in range(sent)]
    assert not ear.broken


def test_to_a_worker_that_is_gone_no_socket_is_sent_either(ear: Ear) -> None:
    ear.worker.close()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ear.pipe.hand_over(StandIn(3, 1), [listener])
        ear.settle()
        ear.pipe.hand_over(StandIn(3, 1), [listener])
    assert ear.ended == 1
