"""A worker's life: boot, serving, drain, stop, and that nothing but its control pipe commands it."""

import contextlib
import json
import os
import select
import signal
import socket
import threading
import time
from pathlib import Path

import psutil
import pytest
from support.http import Client
from support.marks import needs_root
from support.waiting import wait_until
from support.worker import APP, WorkerProcess, worker

from litmus.control import messages
from litmus.control.messages import Drain, Drained, ReopenLogs, Stop
from litmus.memory.scoreboard import RESPONSES_5XX, State
from litmus.worker.signals import ORDERS, OTHERS

SLOW = """
import asyncio

started = asyncio.Event()

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError
    path = scope["path"]
    if path == "/release":
        started.set()
    elif path == "/wait":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
        await started.wait()
    elif path == "/silent":
        await started.wait()
    elif path == "/stubborn":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass
    if path != "/wait":
        await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": path.encode()})
"""

RELAY = """
import asyncio
import os

latest = asyncio.Event()
over = False

def end():
    global over
    over = True
    latest.set()
    asyncio.get_running_loop().remove_reader(pipe)

async def app(scope, receive, send):
    global latest
    assert scope["type"] == "http"
    latest.set()
    mine = latest = asyncio.Event()
    if not over:
        asyncio.get_running_loop().add_reader(pipe, end)
        await mine.wait()
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"done"})

pipe = os.open(PIPE, os.O_RDONLY | os.O_NONBLOCK)
"""
"""Answers a request when the next one has come, or something to the named pipe PIPE: then there will be none."""

LIFESPAN = """
import asyncio

log = open("lifespan.log", "a", buffering=1)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        assert (await receive()) == {"type": "lifespan.startup"}
        print("startup", scope["asgi"], file=log)
        scope["state"]["number"] = 42
        await send({"type": "lifespan.startup.complete"})
        assert (await receive()) == {"type": "lifespan.shutdown"}
        print("shutdown", file=log)
        await send({"type": "lifespan.shutdown.complete"})
        print("over", file=log)
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": str(scope["state"]).encode()})
"""


def begin(process: WorkerProcess, path: str) -> Client:
    """Send a request and wait until its response has begun."""
    client = process.connect()
    client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    client.until(b"begun \r\n")
    return client


# -- boot --------------------------------------------------------------------------------------------------------------


def test_it_takes_its_seat_and_serves() -> None:
    with worker() as process:
        process.ready()
        board = process.board
        assert (board.pid, board.slot, board.generation) == (process.pid, process.SLOT, process.GENERATION)
        assert board.state == State.READY
        assert board.started_ns > 0
        assert board.tick_ns >= board.started_ns
        assert psutil.Process(process.pid).cmdline()[0] == "litmus: worker 1 [gen 7]"
        assert process.connect().get().body == str(process.pid).encode()
        assert board.requests_total == 1
        assert [each.index for each in process.segment.occupied()] == [process.SEAT]


def test_it_ticks_while_it_lives() -> None:
    with worker() as process:
        process.ready()
        for _ in range(3):
            before = process.board.tick_ns
            wait_until(lambda: process.board.tick_ns > before, "a tick")  # noqa: B023


def test_it_accepts_from_all_its_listeners() -> None:
    with worker(binds=3) as process:
        process.ready()
        for listener in range(3):
            assert process.connect(listener).get().status == 200


def test_what_queued_up_before_it_was_ready_is_served() -> None:
    source = "import time\n" + APP
    with worker(source) as process:
        clients = [process.connect() for _ in range(20)]
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        process.ready()
        for client in clients:
            assert client.response().status == 200


def test_the_access_log_is_written() -> None:
    with worker() as process:
        process.ready()
        with process.connect() as client:
            client.get("/logged?x", "User-Agent: test")
        process.drain()
        (line,) = process.access_log
        assert '"GET /logged?x HTTP/1.1" 200 ' in line


def test_logs_are_reopened() -> None:
    with worker() as process:
        process.ready()
        with process.connect() as client:
            client.get("/first")
            wait_until(lambda: process.access_log, "the first line")
            rotated = process.access_file.with_suffix(".1")
            process.access_file.rename(rotated)
            process.tell(ReopenLogs())
            wait_until(process.access_file.exists, "a new file")
            client.get("/second")
        process.drain()
        assert " /first " in rotated.read_text()
        assert " /second " in process.access_log[-1]


def test_stats_are_for_the_application_as_well() -> None:
    source = """
import json, litmus

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": json.dumps(litmus.stats()).encode()})
"""
    with worker(source) as process:
        process.ready()
        assert f'"pid": {process.pid}'.encode() in process.connect().get().body


# -- boot that fails ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "reason", "trace"),
    [
        ("import no_such_library_anywhere\n", "no_such_library_anywhere", "import no_such_library"),
        ("raise SystemExit(5)\n", "SystemExit", "raise SystemExit"),
        ("app = 5\n", "int, which is not an application", ""),
    ],
    ids=["an import that fails", "an exit", "not an application"],
)
def test_an_application_that_cannot_be_loaded(source: str, reason: str, trace: str) -> None:
    """All that may be wrong with one is in the tests of ``litmus.interfaces``; here, that the arbiter hears of it."""
    with worker(source) as process:
        message = process.failed()
        assert message.stage == "import"
        assert "application:app" in message.reason
        assert reason in message.reason
        assert "\n" not in message.reason
        assert trace in message.traceback
        assert bool(message.traceback) == bool(trace)


def test_a_target_that_does_not_exist() -> None:
    with worker(app__target="no_such_module:app") as process:
        message = process.failed()
        assert message.stage == "import"
        assert "there is no module 'no_such_module'" in message.reason
        assert "app.chdir" in message.reason


LIFESPAN_FAILURES = {
    "raises": ("raise ValueError('no database')", "ValueError: no database", "raise ValueError"),
    "says so": (
        'await receive(); await send({"type": "lifespan.startup.failed", "message": "no database"})',
        "no database",
        "",
    ),
    "says so without a reason": ('await receive(); await send({"type": "lifespan.startup.failed"})', "no reason", ""),
    "returns": ("return", "without answering", ""),
}


@pytest.mark.parametrize("name", LIFESPAN_FAILURES)
def test_a_lifespan_that_fails(name: str) -> None:
    body, reason, trace = LIFESPAN_FAILURES[name]
    with worker(f"async def app(scope, receive, send):\n    {body}\n", app__lifespan="on") as process:
        message = process.failed()
        assert message.stage == "lifespan"
        assert reason in message.reason
        assert "\n" not in message.reason
        assert trace in message.traceback
        assert process.board.state != State.READY


def test_lifespan_auto_tells_of_a_startup_that_was_begun_and_failed() -> None:
    """ASGI has the server go on; who reads the log should know."""
    source = "async def app(scope, receive, send):\n    await receive()\n    raise ValueError('no database')\n"
    with worker(source) as process:
        process.ready()
        assert "lifespan.startup failed, and it is served all the same" in process.log
        assert "ValueError: no database" in process.log


def test_a_reason_that_is_endless_is_cut() -> None:
    source = f"raise ValueError('x' * {2 << 20})\n"
    with worker(source) as process:
        message = process.failed()
        assert len(message.reason) + len(message.traceback) < messages.PIPE_LIMIT // 2


@pytest.mark.parametrize("reason", ["\\n", "  ", "\\n \\n"])
def test_a_lifespan_that_fails_with_an_empty_reason(reason: str) -> None:
    source = f"""
async def app(scope, receive, send):
    await receive()
    await send({{"type": "lifespan.startup.failed", "message": "{reason}"}})
"""
    with worker(source) as process:
        assert process.failed().stage == "lifespan"


# -- lifespan ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_lifespan(mode: str) -> None:
    with worker(LIFESPAN, app__lifespan=mode) as process:
        process.ready()
        with process.connect() as client:
            assert client.get().body == b"{'number': 42}"
        log = process.folder / "lifespan.log"
        assert log.read_text() == "startup {'version': '3.0', 'spec_version': '2.0'}\n"
        process.drain()
        assert log.read_text().splitlines()[1:] == ["shutdown", "over"]


def test_lifespan_off() -> None:
    with worker(LIFESPAN, app__lifespan="off") as process:
        process.ready()
        with process.connect() as client:
            assert client.get().body == b"{}"
        process.drain()
        assert (process.folder / "lifespan.log").read_text() == ""


@pytest.mark.parametrize("body", ["raise ValueError", "return", "assert scope['type'] == 'http'"])
def test_lifespan_auto_does_without(body: str) -> None:
    source = APP.replace('raise RuntimeError("no lifespan here")', body)
    with worker(source) as process:
        process.ready()
        with process.connect() as client:
            assert client.get().status == 200
        process.drain()


def test_ready_comes_after_the_startup() -> None:
    """The start-up reads a named pipe to its end, which the test holds open."""
    startup = 'await asyncio.to_thread(lambda: open("gate").read()); await send({"type": "lifespan.startup.complete"})'
    source = LIFESPAN.replace('await send({"type": "lifespan.startup.complete"})', startup)
    with worker("import os; os.mkfifo('gate')\n" + source) as process:
        client = process.connect().send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        gate = process.folder / "gate"
        wait_until(gate.exists, "the named pipe")
        with gate.open("w"):
            assert process.board.state == State.BOOTING
            assert select.select([process.pipe], [], [], 0)[0] == []
        process.ready()
        assert client.response().status == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('await send({"type": "lifespan.shutdown.failed", "message": "stuck"})', "stuck"),
        ("raise ValueError('stuck')", "ValueError: stuck"),
        ("return", "without answering lifespan.shutdown"),
    ],
)
def test_a_shutdown_that_fails_is_logged(body: str, said: str) -> None:
    source = LIFESPAN.replace('await send({"type": "lifespan.shutdown.complete"})', body)
    with worker(source) as process:
        process.ready()
        process.drain()
        assert said in process.log


def test_a_shutdown_that_hangs_is_given_up() -> None:
    source = LIFESPAN.replace('await send({"type": "lifespan.shutdown.complete"})', "await asyncio.Event().wait()")
    with worker(source) as process:
        process.ready()
        process.drain(timeout=0.1)
        assert "was given up" in process.log


def test_a_lifespan_that_fails_while_serving_is_logged() -> None:
    source = LIFESPAN.replace(
        'assert (await receive()) == {"type": "lifespan.shutdown"}', "raise ValueError('in between')"
    )
    with worker(source) as process:
        process.ready()
        with process.connect() as client:
            assert client.get().status == 200
        process.drain()
        assert "in between" in process.log


# -- drain -------------------------------------------------------------------------------------------------------------


def test_drain_when_idle() -> None:
    with worker() as process:
        process.ready()
        assert process.drain() == 0
        assert process.board.state == State.STOPPED
        assert process.board.connections == 0


def test_drain_closes_idle_connections_and_finishes_busy_ones() -> None:
    with worker(SLOW) as process:
        process.ready()
        idle, helper = process.connect(), process.connect()
        idle.get("/")
        helper.get("/")
        busy = begin(process, "/wait")
        process.tell(Drain(20.0, False))
        wait_until(lambda: process.board.state == State.DRAINING, "the drain")
        assert helper.get("/release").header(b"connection") == b"close"
        assert busy.until(b"0\r\n\r\n") == b"5\r\n/wait\r\n0\r\n\r\n"
        assert busy.ends()
        assert idle.ends()
        assert process.drained() == 0


def test_drain_leaves_the_queue_to_a_successor() -> None:
    with worker() as process:
        process.ready()
        assert process.drain(sweep=False) == 0
        late = process.connect()
        late.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        accepted, _ = process.listeners[0].accept()
        with accepted:
            assert accepted.recv(1000).startswith(b"GET / ")


def test_drain_with_a_sweep_serves_the_queue() -> None:
    """The worker is stopped while clients queue up and the order to drain comes."""
    with worker() as process:
        process.ready()
        os.kill(process.pid, signal.SIGSTOP)
        clients = [process.connect() for _ in range(50)]
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        process.tell(Drain(10.0, True))
        os.kill(process.pid, signal.SIGCONT)
        for client in clients:
            assert client.response().status == 200
        assert process.drained() == 0


def test_a_sweep_of_a_full_worker_serves_the_queue_as_well() -> None:
    """As soon as those that are idle have gone."""
    with worker(limits__connections=3) as process:
        process.ready()
        for _ in range(3):
            process.connect().get()
        clients = [process.connect() for _ in range(5)]
        process.listeners[0].close()  # the worker's is the last
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        process.tell(Drain(10.0, True))
        for client in clients:
            assert client.response().header(b"connection") == b"close"
        assert process.drained() == 0


def test_a_sweep_under_steady_load_leaves_time_for_those_who_came_last(tmp_path: Path) -> None:
    """Somebody new always comes, until the worker closes its listener; who came last is answered only then."""
    os.mkfifo(tmp_path / "over")
    over = os.open(tmp_path / "over", os.O_RDWR)
    with worker(RELAY.replace("PIPE", repr(str(tmp_path / "over")))) as process:
        process.ready()
        address = process.listeners[0].getsockname()
        process.listeners[0].close()  # the worker's is the last
        statuses: list[int] = []

        def ask_again_and_again() -> None:
            with contextlib.suppress(ConnectionError):  # refused, or reset while it was queued when the listener closed
                while True:
                    with Client(socket.AF_INET, address) as client:
                        statuses.append(client.get("/").status)
            os.write(over, b"!")

        threads = [threading.Thread(target=ask_again_and_again) for _ in range(8)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(statuses) > 20, "some load")
        assert process.drain(timeout=2.0, sweep=True) == 0
        for thread in threads:
            thread.join()
        assert set(statuses) == {200}
    os.close(over)


def test_many_requests_may_be_cut_at_once() -> None:
    """What the arbiter is told of them is small, however many they are and whatever they ask for."""
    with worker(SLOW) as process:
        process.ready()
        for _ in range(40):
            process.connect().send(b"GET /silent?%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 8_000))
        wait_until(lambda: process.board.in_flight == 40, "all of them")
        assert process.drain(timeout=0.1) == 40


def test_requests_that_run_out_of_time_are_cut_and_named() -> None:
    with worker(SLOW) as process:
        process.ready()
        begun = begin(process, "/wait")
        silent = process.connect()
        silent.send(b"PUT /silent?x HTTP/1.1\r\nHost: a\r\n\r\n")
        name = "{}:{}".format(*silent.name)
        wait_until(lambda: process.board.in_flight == 2, "two requests")
        assert process.drain(timeout=0.2) == 2
        assert f"cut after 0.2 s of draining: PUT /silent?x from {name}, after " in process.log
        assert "cut after 0.2 s of draining: GET /wait from " in process.log
        assert silent.response().status == 503
        assert begun.rest() == b"", "cut, without the last chunk"
        assert " error " not in process.log, "the application is not to blame"
        assert process.board.last_error == ""


POURING = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": bytes(32 << 20), "more_body": True})
    await send({"type": "http.response.body"})
"""


def test_a_request_that_is_cut_counts_once_even_if_its_client_had_more_to_read() -> None:
    with worker(POURING) as process:
        process.ready()
        client = process.connect()
        client.send(b"GET /pouring HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        assert process.drain(timeout=0.2) == 1
        (line,) = [line for line in process.log.splitlines() if "cut after 0.2 s of draining" in line]
        assert "GET /pouring from {}:{}, after ".format(*client.name) in line


LARGE = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": bytes(32 << 20)})
"""


def test_responses_that_are_still_being_read_when_the_time_is_over_are_named() -> None:
    """Their exchanges have ended long before: what is left of them is in the transport."""
    with worker(LARGE) as process:
        process.ready()
        client = process.connect()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        wait_until(lambda: process.board.in_flight == 0, "the end of the exchange")
        assert process.drain(timeout=0.2) == 1
        assert "cut after 0.2 s of draining: a response to {}:{}, which had ".format(*client.name) in process.log


def test_stopping_at_once_names_what_was_under_way() -> None:
    with worker(SLOW) as process:
        process.ready()
        client = process.connect()
        client.send(b"GET /silent HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: process.board.in_flight == 1, "the request")
        process.tell(Stop())
        assert client.ends()
        process.wait()
        assert "stopped in the middle of GET /silent from {}:{}, after ".format(*client.name) in process.log


def test_an_application_that_does_not_let_go_is_left_behind() -> None:
    with worker(SLOW) as process:
        process.ready()
        client = begin(process, "/stubborn")
        process.tell(Drain(0.1, False))
        assert process.hear() == Drained(1)
        assert "cut after 0.1 s of draining: GET /stubborn from " in process.log
        assert client.ends()
        process.pipe.settimeout(4)
        assert process.hear() is None


def test_a_thread_that_does_not_come_to_an_end_does_not_keep_the_worker() -> None:
    source = """
import asyncio, threading

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError
    asyncio.get_running_loop().run_in_executor(None, threading.Event().wait, 8)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})
"""
    with worker(source) as process:
        process.ready()
        process.connect().get("/", "Connection: close")
        process.tell(Drain(0.5, False))
        process.hear()
        process.pipe.settimeout(4)
        assert process.hear() is None


def test_drain_before_it_is_ready_ends_it() -> None:
    source = LIFESPAN.replace('await send({"type": "lifespan.startup.complete"})', "await asyncio.Event().wait()")
    with worker(source) as process:
        wait_until(lambda: process.board.tick_ns > process.board.started_ns > 0, "the loop to run")
        process.tell(Drain(5.0, False))
        assert process.hear() is None
        assert process.wait() == 0


def test_a_second_drain_changes_nothing() -> None:
    with worker() as process:
        process.ready()
        process.tell(Drain(10.0, False))
        process.tell(Drain(0.0, False))
        assert process.drained() == 0


# -- stop --------------------------------------------------------------------------------------------------------------


def test_stop_is_at_once_and_writes_the_access_log() -> None:
    with worker(SLOW) as process:
        process.ready()
        client = begin(process, "/wait")
        process.connect().get("/done")
        process.tell(Stop())
        assert process.wait() == 0
        assert client.ends()
        assert any(" /done " in line for line in process.access_log)


def test_stop_while_it_starts() -> None:
    source = LIFESPAN.replace('await send({"type": "lifespan.startup.complete"})', "await asyncio.Event().wait()")
    with worker(source) as process:
        process.tell(Stop())
        assert process.wait() == 0


def test_it_dies_with_the_arbiter() -> None:
    with worker(SLOW) as process:
        process.ready()
        begin(process, "/wait")
        process.pipe.shutdown(socket.SHUT_WR)
        assert process.wait() == 0
        assert "the arbiter is gone" in process.log


def test_it_dies_with_an_arbiter_that_was_killed() -> None:
    """The other end is closed with a message unread in it."""
    with worker() as process:
        process.ready()
        process.tell(ReopenLogs())
        process.pipe.close()
        assert process.wait() == 0


@pytest.mark.parametrize("number", [*ORDERS, *OTHERS], ids=lambda number: number.name)
def test_signals_are_for_the_arbiter(number: signal.Signals) -> None:
    with worker(SLOW) as process:
        process.ready()
        client = process.connect()
        client.get()
        busy = begin(process, "/wait")
        os.kill(process.pid, number)
        assert client.get("/release").header(b"connection") is None
        assert busy.until(b"0\r\n\r\n").endswith(b"/wait\r\n0\r\n\r\n")
        assert process.board.state == State.READY


def test_programs_that_the_application_starts_can_be_terminated() -> None:
    source = """
import asyncio, signal, subprocess, sys

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError
    process = await asyncio.create_subprocess_exec("sleep", "60")
    process.terminate()
    code = await process.wait()
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": str(code).encode()})
"""
    with worker(source) as process:
        process.ready()
        assert process.connect().get().body == b"-15"


DEADLY = """
import os, signal

async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"done"})
"""


def test_a_response_that_has_not_left_when_the_worker_dies_leaves_its_request_on_board() -> None:
    with worker(DEADLY) as process:
        process.ready()
        request = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"
        process.connect().send(request % b"harmless" + request % b"deadly")  # both are served in one turn of the loop
        assert process.wait() == -signal.SIGKILL
        assert {flight.path for flight in process.seat.flight.entries()} == {"/harmless", "/deadly"}


def test_a_killed_worker_leaves_its_requests_behind_for_the_arbiter() -> None:
    with worker(SLOW) as process:
        process.ready()
        client = begin(process, "/wait")
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        (entry,) = process.seat.flight.entries()
        assert (entry.method, entry.path, entry.phase.name) == ("GET", "/wait", "RESPONDING")
        assert entry.peer == "{}:{}".format(*client.name)
        assert process.board.in_flight == 1


# -- capacity ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("binds", [1, 2])
def test_a_full_worker_stops_accepting_and_goes_on_when_there_is_room(binds: int) -> None:
    with worker(binds=binds, limits__connections=3) as process:
        process.ready()
        clients = [process.connect(i % binds) for i in range(3)]
        for client in clients:
            assert client.get().status == 200
        waiting = process.connect()
        waiting.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        for client in clients:
            assert client.get().status == 200
        assert process.board.connections == 3
        assert "full: 3 connections open, the most that limits.connections allows" in process.log
        clients.pop().close()
        assert waiting.response().status == 200
        assert waiting.get().status == 200
        for client in (*clients, waiting):
            client.close()
        for number in range(10):
            with process.connect(number % binds) as client:
                assert client.get().status == 200


def test_nobody_waits_for_ever_for_a_worker_that_stays_full() -> None:
    with worker(SLOW, limits__connections=1, timeouts__queue="200ms") as process:
        process.ready()
        begin(process, "/wait")
        waiting = process.connect()
        waiting.send(b"GET /waiting HTTP/1.1\r\nHost: a\r\n\r\n")
        response = waiting.response()
        assert response.status == 503
        assert response.header(b"retry-after") == b"5"
        assert waiting.ends()
        assert (process.board.requests_total, process.board.cells[RESPONSES_5XX]) == (2, 1)
        assert process.board.refused_full == 1
        assert process.drain(timeout=0.1) == 1
        assert [line.split('"')[1] for line in process.access_log] == ["GET /waiting HTTP/1.1", "GET /wait HTTP/1.1"]


def test_idle_connections_give_way_in_a_full_worker() -> None:
    """At once, though who waits would be refused only after an hour; to be seen from outside."""
    with worker(limits__connections=3, timeouts__queue="1h") as process:
        process.ready()
        idle = [process.connect() for _ in range(3)]
        for client in idle:
            assert client.get().status == 200
        newcomers = [process.connect() for _ in range(3)]
        for client in newcomers:
            assert client.get().status == 200
        for client in idle:
            assert client.ends()
        assert process.board.closed_for_room == 3
        assert "closed to make room: 3 connections open, the most that limits.connections allows" in process.log


def test_nobody_is_refused_while_another_worker_has_room() -> None:
    with worker(SLOW, limits__connections=1, timeouts__queue="100ms") as process:
        other = process.segment.seat(process.SEAT - 1).scoreboard
        other.state = State.READY
        other.tick_ns = time.monotonic_ns() + int(3600e9)
        process.ready()
        begin(process, "/wait")
        waiting = process.connect()
        for _ in range(5):
            before = process.board.tick_ns
            wait_until(lambda: process.board.tick_ns > before, "a tick")  # noqa: B023
        assert process.board.full == 1
        assert process.board.requests_total == 1
        for name, value in (("full", 1), ("tick_ns", 1), ("state", State.DRAINING)):
            before = getattr(other, name)
            setattr(other, name, value)
            assert waiting.response().status == 503, name
            setattr(other, name, before)
            waiting = process.connect()


def test_a_burst_does_not_exceed_the_limit() -> None:
    with worker(limits__connections=3) as process:
        clients = [process.connect() for _ in range(30)]
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        process.ready()
        assert clients[0].response().status == 200
        assert clients[0].get().status == 200
        assert process.board.connections <= 3


# -- privileges --------------------------------------------------------------------------------------------------------

WHO = """
import json, os

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError
    who = (os.getresuid(), os.getresgid(), os.getgroups(), os.environ.get("USER"), os.environ.get("HOME"))
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": json.dumps(who).encode()})
"""


@needs_root
def test_privileges_are_given_up_before_the_application_is_imported() -> None:
    source = "import os\nassert os.geteuid() != 0\n" + WHO
    with worker(source, arbiter__user="nobody") as process:
        process.ready()
        with process.connect() as client:
            uid, gid, groups, user, home = json.loads(client.get().body)
        assert uid == [65534] * 3
        assert gid == [65534] * 3
        assert set(groups) == {65534}
        assert user == "nobody"
        assert home
        process.drain()
        assert len(process.access_log) == 1


@needs_root
def test_a_group_of_its_own() -> None:
    with worker(WHO, arbiter__user="nobody", arbiter__group="daemon") as process:
        process.ready()
        uid, gid, _, _, _ = json.loads(process.connect().get().body)
        assert uid == [65534] * 3
        assert gid == [1] * 3


@needs_root
def test_an_application_that_its_user_cannot_read() -> None:
    with worker(arbiter__user="nobody") as process:
        process.ready()
    source = "import os\nopen('/etc/shadow')\n" + APP
    with worker(source, arbiter__user="nobody") as process:
        message = process.failed()
        assert "PermissionError" in message.reason
