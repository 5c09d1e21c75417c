import contextlib
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

from loadtest import compare, h2load
from loadtest.answers import Answer
from loadtest.apps import BODY
from loadtest.errors import MeasurementError
from loadtest.workloads import WORKLOADS, Streams

Fields = list[tuple[bytes, bytes]]

H2LOAD = """\
starting benchmark...
spawning thread #0: 16 total client(s). 20000 total requests
Application protocol: h2c
progress: 50% done
progress: 100% done

finished in 819.41ms, 24407.95 req/s, 1.47MB/s
requests: 20000 total, 20000 started, 20000 done, 20000 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 20000 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 1.20MB (1261017) total, 625.13KB (640137) headers (space savings 60.49%), 253.91KB (260000) data
                     min         max         mean         sd        +/- sd
time for request:      272us     31.69ms      9.48ms      5.55ms    71.12%
time for connect:      224us      1.35ms       723us       327us    62.50%
time to 1st byte:     2.58ms     33.60ms     30.68ms      7.50ms    93.75%
req/s           :    1533.86     1634.68     1560.50       29.84    81.25%
"""
BAD_STATUS = """\
finished in 309.22ms, 3233.95 req/s, 319.62KB/s
requests: 1000 total, 1000 started, 1000 done, 0 succeeded, 1000 failed, 0 errored, 0 timeout
status codes: 0 2xx, 0 3xx, 0 4xx, 1000 5xx
traffic: 98.83KB (101204) total, 31.57KB (32324) headers (space savings 66.33%), 48.83KB (50000) data
"""
REFUSED = """\
finished in 12.24ms, 0.00 req/s, 300.06KB/s
requests: 1000 total, 256 started, 0 done, 0 succeeded, 1000 failed, 1000 errored, 0 timeout
status codes: 0 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 3.67KB (3760) total, 0B (0) headers (space savings 0.00%), 0B (0) data
"""

needs_h2load = pytest.mark.skipif(
    shutil.which("h2load") is None, reason="there is no h2load: apt-get install nghttp2-client"
)


def test_what_h2load_prints_is_understood() -> None:
    assert h2load.parse(H2LOAD, 13) == (20000, 24407.95)


@pytest.mark.parametrize("output", [BAD_STATUS, REFUSED, H2LOAD.replace("20000 2xx, 0 3xx", "19999 2xx, 1 3xx")])
def test_failed_requests_are_not_counted_as_fast_ones(output: str) -> None:
    with pytest.raises(MeasurementError, match=r"failed some requests \(requests: .* failed, .*; status codes: "):
        h2load.parse(output, 13)


def test_answers_of_another_length_are_not_counted() -> None:
    with pytest.raises(MeasurementError, match="answered 260,000 bytes where 20,000 x 14 are right"):
        h2load.parse(H2LOAD, 14)


def test_no_request_is_no_measurement() -> None:
    nothing = H2LOAD.replace("20000 succeeded", "0 succeeded").replace("20000 2xx", "0 2xx")
    with pytest.raises(MeasurementError, match="answered no request"):
        h2load.parse(nothing, 13)


def test_an_unknown_output_is_shown() -> None:
    with pytest.raises(MeasurementError, match="not understood:\nh2load 9"):
        h2load.parse("h2load 9\n", 13)


def test_a_missing_load_generator(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compare.main(["--http2"]) == 1
    assert capsys.readouterr().err == "compare: the load generator is missing: apt-get install nghttp2-client\n"


class Peer:
    """Answers whom it has accepted, over HTTP/2, and remembers what it was asked."""

    def __init__(self, listener: socket.socket) -> None:
        self.port: int = listener.getsockname()[1]
        self.requests: list[Fields] = []
        self.content = 0
        self._listener = listener

    def serve(self) -> None:
        with contextlib.suppress(OSError):  # until the listener is closed
            while True:
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(ConnectionError):
                    self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        protocol = H2Connection(H2Configuration(client_side=False, header_encoding=False))
        protocol.initiate_connection()
        while data := connection.recv(1 << 16):
            for event in protocol.receive_data(data):
                if isinstance(event, RequestReceived):
                    self.requests.append([(bytes(name), bytes(value)) for name, value in event.headers])
                if isinstance(event, DataReceived):
                    self.content += len(event.data)
                    protocol.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if isinstance(event, StreamEnded):
                    protocol.send_headers(event.stream_id, [(":status", "200")])
                    protocol.send_data(event.stream_id, BODY, end_stream=True)
            connection.sendall(protocol.data_to_send())


@pytest.fixture
def peer() -> Iterator[Peer]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = Peer(listener)
        thread = threading.Thread(target=peer.serve)
        thread.start()
        yield peer
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@needs_h2load
@pytest.mark.parametrize("name", ["h2", "h2-browser", "h2-post"])
def test_the_same_is_asked_once_and_under_load(name: str, peer: Peer, cpu: int) -> None:
    workload = WORKLOADS[name]
    assert h2load.ask(peer.port, workload) == Answer(200, BODY)
    with contextlib.suppress(MeasurementError):  # of h2-post, whose answer is another one
        load = h2load.run(peer.port, workload, Streams(1, 4), requests=9, seconds=1, cpu=cpu)
        assert load.requests == 9
    assert len(peer.requests) == 10
    head, _, content = workload.request.partition(b"\r\n\r\n")
    start, *lines = head.split(b"\r\n")
    pairs = [line.split(b": ", 1) for line in lines]
    wanted = {(key.lower(), value) for key, value in pairs if key not in (b"Host", b"Connection")}
    wanted |= {(b":method", start.split(b" ")[0]), (b":path", b"/"), (b":scheme", b"http")}
    assert all(wanted <= {*fields} for fields in peer.requests)
    assert all(len({key for key, _ in fields}) == len(fields) for fields in peer.requests)
    assert peer.content == len(content) * 10


@needs_h2load
def test_a_server_that_does_not_speak_it() -> None:
    def refuse() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(MeasurementError, match=r"did not answer over HTTP/2: .* processed=0"):
            h2load.ask(listener.getsockname()[1], WORKLOADS["h2"])
        thread.join(10)
