import contextlib
import re
import shutil
import socket
import threading
from pathlib import Path

import pytest

from loadtest import compare, wrk
from loadtest.apps import BODY
from loadtest.errors import MeasurementError
from loadtest.workloads import WORKLOADS

WRK = """\
Running 2s test @ http://127.0.0.1:8000/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.15ms  312.11us   9.02ms   89.12%
    Req/Sec    55.73k     3.58k   61.11k    70.00%
  110876 requests in 2.00s, 12.16MB read
Requests/sec:  55391.64
Transfer/sec:      6.08MB
"""
SOCKET_ERRORS = "  Socket errors: connect 0, read 3, write 0, timeout 1\n"
BAD_STATUS = "  Non-2xx or 3xx responses: 17\n"


def test_what_wrk_prints_is_understood() -> None:
    assert wrk.parse(WRK) == (110876, 55391.64)


@pytest.mark.parametrize("line", [SOCKET_ERRORS, BAD_STATUS])
def test_failed_requests_are_not_counted_as_fast_ones(line: str) -> None:
    with pytest.raises(MeasurementError, match=r"failed some requests \(.* \d+\)"):
        wrk.parse(WRK.replace("Requests/sec", f"{line}Requests/sec"))


def test_no_request_is_no_measurement() -> None:
    with pytest.raises(MeasurementError, match="answered no request"):
        wrk.parse(WRK.replace("110876 requests", "0 requests"))


def test_an_unknown_output_is_shown() -> None:
    with pytest.raises(MeasurementError, match="not understood:\nwrk 9"):
        wrk.parse("wrk 9\n")


def test_a_missing_load_generator(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compare.main([]) == 1
    assert capsys.readouterr().err == "compare: the load generator is missing: apt-get install wrk\n"


def served(connection: socket.socket, answers: int) -> bytes:
    """Answer so many requests at a time until the client leaves. Returns all that it sent."""
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
    received = b""
    with contextlib.suppress(ConnectionError):  # it leaves without a word
        while data := connection.recv(1 << 16):
            received += data
            if data.endswith(b"\r\n\r\n"):
                connection.sendall(answer * answers)
    return received


@pytest.mark.skipif(shutil.which("wrk") is None, reason="there is no wrk: apt-get install wrk")
@pytest.mark.parametrize("name", ["browser", "varied", "pipelined"])
def test_wrk_sends_the_very_bytes(name: str, cpu: int) -> None:
    workload = WORKLOADS[name]
    received: list[bytes] = []

    def serve() -> None:
        while True:  # wrk tries whether it can connect, before it does so for good
            connection, _ = listener.accept()
            with connection:
                received.append(served(connection, workload.pipelined))
            if received[-1]:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        load = wrk.run(url, workload.sent, connections=1, seconds=1, cpu=cpu)
        thread.join(10)
    requests = received[-1].split(b"\r\n\r\n")[:-1]
    assert len(requests) >= load.requests > 0
    pattern = re.escape(workload.request.removesuffix(b"\r\n\r\n")).replace(re.escape(b"{id}"), b"[0-9a-f]{16}")
    assert all(re.fullmatch(pattern, request) for request in requests)
    assert len(set(requests)) == (len(requests) if name == "varied" else 1)
