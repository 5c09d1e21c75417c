"""The clients of our own: a fixed rate, large bodies, slow ones."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from loadtest import answers, asking, attack, crowd, openloop, servers, transfer
from loadtest.apps import BODY
from loadtest.attack import Attacker
from loadtest.errors import MeasurementError
from loadtest.running import Running, running
from loadtest.workloads import WORKLOADS, Kind

SIZE = 600_001
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n" + BODY


@contextlib.contextmanager
def answering(answer: bytes, connections: int = 1) -> Iterator[int]:
    """A server that answers so, whatever it is asked, and then closes; yields its port."""

    def serve() -> None:
        for _ in range(connections):
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(10)


@pytest.fixture
def started(request: pytest.FixtureRequest, cpu: int) -> Iterator[Running]:
    (litmus,) = servers.find(["litmus"])
    with running(litmus, WORKLOADS[request.param], cpu) as started:
        yield started


# A fixed rate


@pytest.mark.parametrize("started", ["hello"], indirect=True)
def test_requests_at_a_fixed_rate(started: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert openloop.main([str(started.port), "latency", "500", "0.1", "3"]) == 0
    timed = json.loads(capsys.readouterr().out)
    assert timed["requests"] == 50
    assert 0 < timed["p50"] <= timed["p99"] <= timed["p999"] <= timed["worst"]
    assert timed["late"] >= 0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 13\r\n\r\n" + BODY, "answered b'HTTP/1.1 503"),
        (b"", "closed a connection"),
    ],
)
def test_a_wrong_answer_ends_it(answer: bytes, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(answer) as port:
        assert openloop.main([str(port), "latency", "500", "0.1", "1"]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("answer", [GOOD[:-1], GOOD[:5]])
def test_half_an_answer_is_none(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(answer) as port, pytest.raises(ConnectionError, match="closed a connection"):
        openloop.run(port, WORKLOADS["latency"], 500, 0.1, 1)


def test_waiting_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openloop, "PATIENCE_SECONDS", 0.01)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(MeasurementError, match="left 2 of 2 requests unanswered"),
    ):
        openloop.run(listener.getsockname()[1], WORKLOADS["latency"], 500, 0.1, 2)


def test_a_latency_has_the_time_before_a_connection_was_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two requests are due at once, and one connection has to do for both."""
    client, server = socket.socketpair()
    with client, server:
        schedule = openloop.Schedule([client], WORKLOADS["latency"])
        now = iter(range(100))
        monkeypatch.setattr("time.perf_counter", lambda: float(next(now)))
        receive = schedule._receive

        def answered(timeout: float) -> None:
            server.recv(1 << 16)
            server.sendall(GOOD)
            receive(timeout)

        monkeypatch.setattr(schedule, "_receive", answered)
        schedule.keep(rate=1e9, requests=2)
    first, second = schedule.latencies
    assert second > first
    assert len(schedule.lateness) == 1, "that the second one was sent late is the server's fault"


def test_percentiles() -> None:
    values = [float(number) for number in range(1, 1001)]
    assert openloop.percentile(values, 0.5) == 500
    assert openloop.percentile(values, 0.99) == 990
    assert openloop.percentile(values, 0.999) == 999
    assert openloop.percentile([7.0], 0.5) == 7


# Large bodies


@pytest.mark.parametrize(("started", "name"), [("upload", "upload"), ("download", "download")], indirect=["started"])
@pytest.mark.parametrize("seconds", ["0", "0.01"])
def test_large_bodies(started: Running, name: str, seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert transfer.main([str(started.port), name, str(SIZE), seconds]) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["bytes"] >= SIZE
    assert done["bytes"] % SIZE == 0
    assert done["elapsed"] > 0


@pytest.mark.parametrize(
    ("kind", "answer", "words"),
    [
        (Kind.UPLOAD, b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n", "answered 413 b'' to an upload"),
        (Kind.DOWNLOAD, b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", "length 3 where 4 is right"),
        (Kind.DOWNLOAD, b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabcd", "other bytes"),
        (Kind.DOWNLOAD, b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab", "closed when 4 bytes of 4 were left"),
    ],
)
def test_a_transfer_that_goes_wrong(kind: Kind, answer: bytes, words: str) -> None:
    with answering(answer) as port, pytest.raises((MeasurementError, ConnectionError), match=words):
        transfer.run(port, kind, 4, 0)


def test_an_upload_that_nobody_wants() -> None:
    size = 1 << 30  # more than any buffer on the way holds

    def refuse() -> None:
        connection, _ = listener.accept()
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(
            MeasurementError, match=r"closed the connection when [\d,]+ of 1,073,741,824 bytes were to come"
        ):
            transfer.run(listener.getsockname()[1], Kind.UPLOAD, size, 0)
        thread.join(10)


# Slow ones


@pytest.mark.parametrize("number", range(3))
def test_a_slow_client_comes_dribbles_and_comes_back(number: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        attacker = Attacker(listener.getsockname()[1], number)
        attacker.turn()
        first, _ = listener.accept()
        with first:
            opening = first.recv(1 << 16)
            assert opening.startswith((b"GET /", b"POST /"))
            attacker.turn()
            if attacker.kind != attack.READS:
                assert first.recv(1 << 16) == b"x"
            assert attack.summary([attacker])[attacker.kind] == {"connected": 1, "cut": 0}
        attacker.turn()
        assert attack.summary([attacker])[attacker.kind] == {"connected": 0, "cut": 1}
        attacker.turn()
        second, _ = listener.accept()
        with second:
            assert second.recv(1 << 16) == opening
        attacker.leave()
        assert not attacker.connected


def test_a_slow_reader_reads_byte_by_byte() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        attacker = Attacker(listener.getsockname()[1], attack.KINDS.index(attack.READS))
        attacker.turn()
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"ab")
            connection.shutdown(socket.SHUT_WR)
            for _ in range(2):
                attacker.turn()
                assert attacker.connected
            attacker.turn()
            assert not attacker.connected


# Crowds


@pytest.mark.parametrize(("limit", "possible"), [(20_000, 10_000), (10_000, 10_000 - crowd.RESERVE), (-1, 10_000)])
def test_no_more_connections_than_descriptors(limit: int, possible: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, limit))
    assert crowd.possible(10_000) == possible


def test_a_server_that_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "PATIENCE_SECONDS", 0.1)
    with answering(GOOD) as port, contextlib.ExitStack() as stack:
        with pytest.raises(MeasurementError, match="took 1 connections and not one more: timed out"):
            crowd.gather(stack, port, 2, partial(asking.ask_on, workload=WORKLOADS["hello"]))
        stack.close()


def test_a_server_that_answers_one_of_many_wrongly() -> None:
    busy = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
    with answering(busy) as port, contextlib.ExitStack() as stack:
        with pytest.raises(MeasurementError, match="on connection 1 it answered 503 b'' where 200 "):
            crowd.gather(stack, port, 2, partial(asking.ask_on, workload=WORKLOADS["hello"]))
        stack.close()
