"""A whole server as an operator has it: the true litmusd, a configuration file, a control socket, log files."""

import contextlib
import json
import re
import socket
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil
from support.http import Client
from support.litmusd import Litmusd
from support.operator import Operator
from support.plain import pid_in
from support.waiting import DEADLINE, wait_until

from litmus.control.messages import Done, Reload, Scale

APPS = Path(__file__).parents[1] / "integration" / "apps"


def configuration(
    folder: Path, target: str, workers: int, binds: Sequence[str], sections: Mapping[str, Mapping[str, object]]
) -> str:
    """A litmus.toml: an application of tests/integration/apps (or of ``app.chdir``), all files in ``folder``."""
    tables: dict[str, dict[str, object]] = {
        "app": {"target": target, "chdir": str(APPS)},
        "arbiter": {"workers": workers, "control": str(folder / "ctl.sock")},
        "log": {"access_file": str(folder / "access.log")},
    }
    for name, options in sections.items():
        tables.setdefault(name, {}).update(options)
    lines = []
    for name, table in tables.items():
        # A JSON string, number or boolean is a TOML one as well.
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    for bind in binds:
        lines += ["[[listen]]", f"bind = {json.dumps(bind)}"]
    return "\n".join(lines) + "\n"


class Deployment(Litmusd, Operator):
    """A running server in ``folder``, started from a litmus.toml there, and the clients that are made here.

    Args:
        sections: more of the configuration: ``timeouts={"drain": "1s"}``.
    """

    def __init__(
        self,
        folder: Path,
        target: str = "plain:app",
        workers: int = 2,
        binds: Sequence[str] = ("127.0.0.1:0",),
        environ: Mapping[str, str] | None = None,
        **sections: Mapping[str, object],
    ) -> None:
        self.config = folder / "litmus.toml"
        self.control = folder / "ctl.sock"
        self.access_log = folder / "access.log"
        self._given: dict[str, Any] = {"target": target, "workers": workers, "binds": binds, "sections": sections}
        self._read_log = 0
        self._clients: list[Client | httpx.Client] = []
        self.config.write_text(configuration(folder, **self._given))
        super().__init__(folder, "-c", self.config, environ=environ)

    def configure(
        self,
        target: str | None = None,
        workers: int | None = None,
        binds: Sequence[str] | None = None,
        **sections: Mapping[str, object],
    ) -> None:
        """Write the configuration anew, with some of it changed. It counts from the next reload on."""
        changes = {"target": target, "workers": workers, "binds": binds}
        self._given.update({name: value for name, value in changes.items() if value is not None})
        self._given["sections"] = {**self._given["sections"], **sections}
        self.config.write_text(configuration(self.folder, **self._given))

    def wait_until_up(self) -> "Deployment":
        self.wait_for("READY=1")
        return self

    # The operator's side

    def litmusctl(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        """Run litmusctl as an operator does: it finds the server by its configuration."""
        return self.ctl("-c", self.config, *arguments)

    def worker_stats(self, pid: int) -> dict[str, Any]:
        """The row of one worker."""
        [row] = [row for row in self.stats()["workers"] if row["pid"] == pid]
        assert isinstance(row, dict)
        return row

    def reload(self) -> int:
        """Reload, and return the new generation."""
        reply = self.ask(Reload())
        assert isinstance(reply, Done), reply
        return int(reply.result["generation"])

    def scale(self, workers: int) -> None:
        """Scale, and wait until it is done."""
        assert self.ask(Scale(workers)) == Done({"workers": workers})

    def workers(self) -> list[int]:
        """The processes that serve, by slot."""
        return [row["pid"] for row in self.status()["workers"] if row["state"] == "ready"]

    def wait_until_settled(self, workers: int) -> list[int]:
        """Wait until ``workers`` workers serve and nobody else is left. Returns their pids."""

        def settled() -> bool:
            rows = self.status()["workers"]
            return len(rows) == workers and all(row["state"] == "ready" for row in rows)

        wait_until(settled, lambda: f"{workers} ready workers, and no others: {self.status()['workers']}")
        return self.workers()

    # What it says

    def wait_for_line(self, pattern: str) -> re.Match[str]:
        """The next place in the log, behind the one found last, that matches ``pattern`` (``^``, ``$``: of a line)."""
        expression = re.compile(pattern, re.MULTILINE)
        match = wait_until(
            lambda: expression.search(self.errors, self._read_log),
            lambda: f"{pattern!r} in the log:\n{self.errors[self._read_log :]}",
        )
        self._read_log = match.end()
        return match

    def wait_for_access(self, pattern: str) -> None:
        """Wait for a line of the access log that matches ``pattern``."""
        wait_until(
            lambda: re.search(pattern, self.access_log.read_text(), re.MULTILINE),
            lambda: f"{pattern!r} in the access log:\n{self.access_log.read_text()}",
        )

    # The clients' side

    @property
    def address(self) -> tuple[str, int]:
        """The first TCP address."""
        return self.tcp_address()

    @property
    def base(self) -> str:
        """The URL of the first address."""
        host, port = self.address
        return f"http://{host}:{port}"

    def http(self, **options: Any) -> httpx.Client:
        """A client that keeps its connections."""
        http = httpx.Client(base_url=self.base, timeout=DEADLINE, trust_env=False, **options)
        self._clients.append(http)
        return http

    def connect(self, address: tuple[str, int] | None = None, receive_buffer: int = 0) -> Client:
        """A connection for bytes."""
        client = Client(socket.AF_INET, address or self.address, receive_buffer)
        self._clients.append(client)
        return client

    def connect_to_each(self) -> dict[int, Client]:
        """One connection to each worker that serves, by pid."""
        address, found = self.address, dict[int, Client]()
        wanted = set(self.workers())

        def knock() -> bool:
            client = self.connect(address)
            pid = pid_in(client.get("/work"))
            if pid in found or pid not in wanted:
                client.close()
            else:
                found[pid] = client
            return len(found) == len(wanted)

        wait_until(knock, lambda: f"a connection to each of {wanted}, only {set(found)} answered")
        return found

    # What it costs

    def memory(self) -> int:
        """Resident bytes of the arbiter and of all its workers."""
        return sum(resident(pid) for pid in [self.pid, *self.workers()])

    def leases(self) -> dict[int, int]:
        """How many slab leases each worker holds, by pid. An idle one has a single one: the shared read window."""
        return {row["pid"]: sum(each["in_use"] for each in row["slab"]) for row in self.stats()["workers"]}

    def wait_until_idle(self) -> None:
        """Wait until every worker has closed its connections and given back its memory."""

        def idle() -> bool:
            rows = self.stats()["workers"]
            return not any(row["connections_open"] or row["in_flight"] for row in rows) and set(
                self.leases().values()
            ) == {1}

        wait_until(idle, lambda: f"no connections and no leases but the window: {self.stats()['workers']}")

    # The end

    def close(self) -> None:
        """End it, whatever state it is in, and its workers: one that is stuck would not notice that it is alone.

        All clients are closed.
        """
        for client in self._clients:
            client.close()
        if self.process.poll() is None:
            kill(psutil.Process(self.pid).children(recursive=True))
        super().close()


Serve = Callable[..., Deployment]
"""The fixture ``serve``: starts a server and waits until it is up; takes what Deployment takes, but not the folder."""


def resident(pid: int) -> int:
    """A process's resident memory in bytes."""
    return int(psutil.Process(pid).memory_info().rss)


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kill those that are still there."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
