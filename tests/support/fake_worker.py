"""A worker without an HTTP stack, for the arbiter's tests: real process, pipe and sockets, and manners to choose.

The application's target says how it behaves ("serve:app"). Served connections are greeted with a line and closed:
"<slot> <pid> <generation> <its server's port or path>".
"""

import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable

from support.descriptors import count_descriptors

from litmus import log
from litmus.control import framing, messages
from litmus.control.messages import BootFailed, Drain, Drained, Ready, ReopenLogs, Stop
from litmus.memory.flight import WireProtocol
from litmus.memory.scoreboard import State
from litmus.worker.boot import Boot

_logger = logging.getLogger("litmus")


def main(boot: Boot) -> None:
    log.configure(boot.settings.log, f"worker {boot.slot}")
    board = boot.segment.seat(boot.seat).scoreboard
    board.pid, board.state = os.getpid(), State.BOOTING
    manner = boot.settings.app.target.partition(":")[0]
    _logger.info("booting slot=%d gen=%d fds=%d", boot.slot, boot.generation, count_descriptors())
    FakeWorker(boot).run(MANNERS[manner])


class FakeWorker:
    def __init__(self, boot: Boot) -> None:
        self.boot = boot
        self.seat = boot.segment.seat(boot.seat)
        self.deframer = framing.Deframer(messages.PIPE_LIMIT)
        self.selector = selectors.DefaultSelector()
        self.deaf_to_drain = False

    def run(self, manner: "Callable[[FakeWorker], None]") -> None:
        manner(self)

    def tell(self, message: messages.WorkerMessage) -> None:
        self.boot.pipe.setblocking(True)
        self.boot.pipe.sendall(messages.encode(message))

    def serve(self) -> None:
        """Accept and greet until told otherwise."""
        self.tell(Ready())
        self.seat.scoreboard.state = State.READY
        self.boot.pipe.setblocking(False)
        self.selector.register(self.boot.pipe, selectors.EVENT_READ, None)
        for listener in self.boot.listeners:
            self.selector.register(listener.socket, selectors.EVENT_READ, listener.socket)
        while True:
            for key, _ in self.selector.select():
                if key.data is None:
                    self.obey()
                else:
                    self.greet(key.data)

    def greet(self, listener: socket.socket) -> bool:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return False
        self.seat.scoreboard.connections_total += 1
        with connection:
            name = listener.getsockname()
            place = name if isinstance(name, str) else name[1]
            connection.sendall(f"{self.boot.slot} {os.getpid()} {self.boot.generation} {place}\n".encode())
        return True

    def obey(self) -> None:
        data = self.boot.pipe.recv(65536)
        if not data:
            _logger.info("orphaned")
            os._exit(0)
        for payload in self.deframer.feed(data):
            match messages.decode_arbiter_message(payload):
                case Drain(timeout, sweep) if not self.deaf_to_drain:
                    _logger.info("draining sweep=%s timeout=%g", sweep, timeout)
                    if sweep:
                        for listener in self.boot.listeners:
                            while self.greet(listener.socket):
                                pass
                    self.tell(Drained(0))
                    os._exit(0)
                case Drain():
                    _logger.info("not draining")
                case Stop():
                    os._exit(0)
                case ReopenLogs():
                    log.reopen()
                    _logger.info("reopened the logs")


def _fail(worker: FakeWorker) -> None:
    worker.tell(BootFailed("import", "ModuleNotFoundError: no module named 'shop'", "Traceback …\n  the last line"))
    sys.exit(3)


def _fail_in_second_slot(worker: FakeWorker) -> None:
    if worker.boot.slot == 1:
        _fail(worker)
    worker.serve()


def _crash(worker: FakeWorker) -> None:
    worker.seat.scoreboard.last_error = "it hurts"
    os.kill(os.getpid(), signal.SIGSEGV)


def _crash_while_marked(worker: FakeWorker) -> None:
    """Crashes as long as there is a file of that name."""
    if (worker.boot.settings.app.chdir / "crash").exists():
        _crash(worker)
    worker.serve()


def _fail_while_marked(worker: FakeWorker) -> None:
    if (worker.boot.settings.app.chdir / "crash").exists():
        _fail(worker)
    worker.serve()


def _crash_on_connection(worker: FakeWorker) -> None:
    """Dies with requests on board as soon as somebody connects, before accepting."""
    worker.tell(Ready())
    worker.seat.flight.open()
    for number in range(25):
        worker.seat.flight.begin(
            time.monotonic_ns(), WireProtocol.HTTP1, b"GET", b"192.0.2.1:5000", b"/%d\x1b[31m" % number
        )
    listeners = selectors.DefaultSelector()
    for listener in worker.boot.listeners:
        listeners.register(listener.socket, selectors.EVENT_READ)
    listeners.select()
    worker.seat.scoreboard.last_error = "out of luck"
    os.kill(os.getpid(), signal.SIGKILL)


def _raise(worker: FakeWorker) -> None:
    raise RuntimeError("unforeseen")


def _leave(worker: FakeWorker) -> None:
    worker.tell(Ready())


def _hang(worker: FakeWorker) -> None:
    signal.pause()


def _boot_until_told(worker: FakeWorker) -> None:
    """Boots until the file of that name is there: a named pipe that the test opens for writing."""
    (worker.boot.settings.app.chdir / "boot.fifo").read_text()
    worker.serve()


def _babble(worker: FakeWorker) -> None:
    worker.tell(Ready())
    worker.boot.pipe.sendall(os.urandom(3) + b"GET / HTTP/1.1\r\n\r\n" * 100)
    signal.pause()


def _stutter(worker: FakeWorker) -> None:
    worker.tell(Ready())
    worker.boot.pipe.sendall(messages.encode(BootFailed("import", "x" * 100, ""))[:50])
    signal.pause()


def _close_pipe(worker: FakeWorker) -> None:
    worker.tell(Ready())
    worker.boot.pipe.close()
    signal.pause()


def _deface(worker: FakeWorker) -> None:
    """Leaves numbers on its pages that nobody can add up, and dies."""
    worker.tell(Ready())
    worker.seat.scoreboard.page[8 * 16 : 3000] = b"\xff" * (3000 - 8 * 16)
    worker.boot.segment.seat(worker.boot.seat).flight._table[:] = b"\xff" * len(worker.seat.flight._table)
    os.kill(os.getpid(), signal.SIGKILL)


def _stay(worker: FakeWorker) -> None:
    """Serves, and does not leave when told to drain."""
    worker.deaf_to_drain = True
    worker.serve()


def _stay_for_good(worker: FakeWorker) -> None:
    """Is ready, and never reads its pipe again."""
    worker.tell(Ready())
    signal.pause()
    while True:
        signal.pause()


def _leave_an_orphan(worker: FakeWorker) -> None:
    """Starts a process that starts another one and dies: an orphan, which ends soon."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        if (orphan := os.fork()) == 0:
            os.close(writer)
            os.read(reader, 1)  # until the middle one is gone, too
            os._exit(0)
        _logger.info("orphan=%d", orphan)
        os._exit(0)
    os.wait()
    os.close(writer)
    worker.serve()


MANNERS: dict[str, Callable[[FakeWorker], None]] = {
    "serve": FakeWorker.serve,
    "fail": _fail,
    "fail_in_second_slot": _fail_in_second_slot,
    "crash": _crash,
    "crash_while_marked": _crash_while_marked,
    "fail_while_marked": _fail_while_marked,
    "crash_on_connection": _crash_on_connection,
    "raise_": _raise,
    "leave": _leave,
    "hang": _hang,
    "boot_until_told": _boot_until_told,
    "babble": _babble,
    "stutter": _stutter,
    "close_pipe": _close_pipe,
    "deface": _deface,
    "leave_an_orphan": _leave_an_orphan,
    "stay": _stay,
    "stay_for_good": _stay_for_good,
}
