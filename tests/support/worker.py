"""A true worker, forked without an arbiter: the test holds the other end of its control pipe."""

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support import processes
from support.http import DEADLINE, Client

from litmus.configuration import load
from litmus.control import framing, messages
from litmus.control.messages import ArbiterMessage, BootFailed, Drain, Drained, Ready, Stop, WorkerMessage
from litmus.loading import Override
from litmus.memory.segment import Segment
from litmus.worker.boot import Boot, Listener
from litmus.worker.worker import main

APP = """
import asyncio, os

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan here")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""


class WorkerProcess:
    """Use ``worker``.

    Attributes:
        folder: where the application lives and the log is written.
        segment: the shared memory; the worker sits in seat 3, in slot 1.
        listeners: the test's own handles on what the worker accepts from.
    """

    SEAT, SLOT, GENERATION = 3, 1, 7

    def __init__(self, folder: Path, source: str, binds: int, options: dict[str, Any]) -> None:
        self.folder = folder
        self.log_file = folder / "worker.log"
        self.access_file = folder / "access.log"
        (folder / "application.py").write_text(source)
        values = {
            "app.target": "application:app",
            "app.chdir": folder,
            "memory.arena": "1 MiB",
            "log.file": self.log_file,
            "log.access_file": self.access_file,
            "log.level": "debug",
            **{name.replace("__", "."): value for name, value in options.items()},
        }
        overrides = [Override(name, str(value), "test") for name, value in values.items()]
        overrides += [Override("listen.bind", f"127.0.0.1:{port}", "test") for port in range(1, binds + 1)]
        settings = load(None, environ={}, overrides=overrides)
        self.listeners = [socket.create_server(("127.0.0.1", 0), backlog=256) for _ in range(binds)]
        self.segment = Segment(seats=4)
        self.seat = self.segment.seat(self.SEAT)
        self.board = self.seat.scoreboard
        self.deframer = framing.Deframer(messages.PIPE_LIMIT)
        self.heard: list[WorkerMessage] = []
        self.code: int | None = None
        self._clients: list[Client] = []
        arena = self.segment.arena(self.SEAT, settings.memory.arena)
        self.pipe, theirs = socket.socketpair()
        self.pipe.settimeout(DEADLINE)
        listeners = [Listener(each, made) for each, made in zip(settings.listen, self.listeners, strict=True)]
        boot = Boot(self.SLOT, self.SEAT, self.GENERATION, settings, listeners, theirs, self.segment, arena)
        self.pid = processes.fork()
        if self.pid == 0:
            try:
                self.pipe.close()
                main(boot)
            finally:
                os._exit(70)
        theirs.close()

    # The control pipe

    def tell(self, message: ArbiterMessage) -> None:
        self.pipe.sendall(messages.encode(message))

    def hear(self) -> WorkerMessage | None:
        """The worker's next message; None when it has closed its end."""
        while not self.heard:
            try:
                data = self.pipe.recv(1 << 16)
            except ConnectionResetError:
                return None  # it went without having read all that it was told
            if not data:
                return None
            self.heard += map(messages.decode_worker_message, self.deframer.feed(data))
        return self.heard.pop(0)

    def ready(self) -> "WorkerProcess":
        message = self.hear()
        assert message == Ready(), f"{message}\n{self.log}"
        return self

    def failed(self) -> BootFailed:
        """The worker must say that it failed to boot, and exit with the code for that."""
        message = self.hear()
        assert isinstance(message, BootFailed), message
        assert self.hear() is None
        assert self.wait() == 3
        return message

    def drain(self, timeout: float = 10.0, sweep: bool = False) -> int:
        """Tell it to drain, and wait for its end. Returns how much it had to cut. Idle clients take it a second."""
        self.tell(Drain(timeout, sweep))
        return self.drained()

    def drained(self) -> int:
        message = self.hear()
        assert isinstance(message, Drained), message
        assert self.hear() is None
        assert self.wait() == 0
        return message.cut

    def wait(self) -> int:
        """Wait for its end. Returns the exit code, or minus the signal."""
        if self.code is None:
            self.code = processes.wait(self.pid, DEADLINE)
        return self.code

    # What it serves

    def connect(self, listener: int = 0) -> Client:
        client = Client(socket.AF_INET, self.listeners[listener].getsockname())
        self._clients.append(client)
        return client

    @property
    def log(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    @property
    def access_log(self) -> list[str]:
        return self.access_file.read_text().splitlines()

    def close(self) -> None:
        """Stop it, if it still runs."""
        for client in self._clients:
            client.close()
        for listener in self.listeners:
            listener.close()
        with self.pipe, contextlib.suppress(OSError):
            self.tell(Stop())
            self.pipe.shutdown(socket.SHUT_WR)
        self.wait()


@contextmanager
def worker(source: str = APP, binds: int = 1, **options: Any) -> Iterator[WorkerProcess]:
    """Fork a worker that serves the application in ``source``; ``options`` are those of the configuration, with two
    underscores for the dot."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        process = WorkerProcess(Path(folder), source, binds, options)
        try:
            yield process
        finally:
            process.close()
