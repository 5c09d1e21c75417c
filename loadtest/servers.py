"""The servers: which there are, and how each is started. One worker and uvloop; otherwise each has its defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from loadtest import installed, nginx
from loadtest.answers import HOST
from loadtest.errors import MeasurementError
from loadtest.installed import Installed
from loadtest.workloads import Protocol, Workload

NAMES = ("litmus", "litmus-pure", "uvicorn", "uvicorn-wsproto", "granian", "gunicorn", "hypercorn", "nginx")

IDLE_SECONDS = 600
"""How long idle connections are kept where that is asked for."""


@dataclass(frozen=True)
class Setup:
    """What a server is to do.

    Attributes:
        application: the name of the one in apps.py.
        port: where to listen.
        folder: for its files.
        logged: whether to write an access log, to its standard output.
        crowded: whether to keep any number of idle connections for long, rather than as its defaults say.
        protocol: what it is spoken to in; HTTP/2 is by prior knowledge.
    """

    application: str
    port: int
    folder: Path
    logged: bool = False
    crowded: bool = False
    protocol: Protocol = Protocol.HTTP1

    @property
    def target(self) -> str:
        """The application, as servers want it to be named."""
        return f"loadtest.apps:{self.application}"


@dataclass(frozen=True)
class Server:
    """One of those that are compared.

    Attributes:
        name: what it is called.
        version: its version, and what else tells builds apart.
        command: makes the command line.
        variables: what its environment needs.
        serves: whether it can be asked what a workload asks.
    """

    name: str
    version: str
    command: Callable[[Setup], list[str]]
    variables: Mapping[str, str] = field(default_factory=dict)
    serves: Callable[[Workload], bool] = lambda _: True


def find(names: Sequence[str] | None) -> list[Server]:
    """The servers of these names, in the order of ``NAMES``; all that there are, when none are named.

    The peers are installed when one of them is wanted. Raises MeasurementError when one that was named is not there.
    """
    wanted = NAMES if names is None else names
    there: dict[str, Installed] = {}
    if any(name.startswith("litmus") for name in wanted):
        there |= installed.litmus()
    if any(name not in ("litmus", "litmus-pure", "nginx") for name in wanted):
        there |= installed.peers()
    if "nginx" in wanted and (found := installed.nginx()) is not None:
        there[found.name] = found
    if names is not None and (missing := [name for name in names if name not in there]):
        raise MeasurementError(f"not here: {', '.join(f'{name} ({_MISSING[name]})' for name in missing)}")
    return [_server(there[name]) for name in NAMES if name in wanted and name in there]


_MISSING = {
    "litmus-pure": "litmus is interpreted already: it has not been compiled",
    "nginx": "apt-get install nginx",
}


def _server(found: Installed) -> Server:
    command = partial(_COMMANDS[found.name], found.program)
    return Server(found.name, found.version, command, found.variables, _SERVES.get(found.name, Server.serves))


_SERVES: dict[str, Callable[[Workload], bool]] = {
    "uvicorn-wsproto": lambda workload: workload.protocol is Protocol.WEBSOCKET,  # else it is uvicorn once more
    "granian": lambda workload: not workload.compressed,
    "gunicorn": lambda workload: not workload.compressed,
    "nginx": lambda workload: workload.application == "hello",  # it has no applications, but can answer that itself
}


def _litmus(python: str, setup: Setup) -> list[str]:
    options = {
        "arbiter.control": setup.folder / "ctl.sock",
        "log.access": "true" if setup.logged else "false",
        "log.level": "warning",
    }
    if setup.crowded:
        options["timeouts.keep_alive"] = options["websocket.ping_interval"] = f"{IDLE_SECONDS}s"
    settings = [f"--set={key}={value}" for key, value in options.items()]
    return [
        *(python, "-m", "litmus.cli.litmusd", setup.target),
        *(f"--bind={HOST}:{setup.port}", "--workers=1"),
        *settings,
    ]


def _uvicorn(python: str, setup: Setup, websocket: str = "websockets-sansio") -> list[str]:
    http = ["--http=zttp", "--http2"] if setup.protocol is Protocol.HTTP2 else ["--http=httptools"]
    return [
        *(python, "-m", "uvicorn", setup.target, f"--host={HOST}", f"--port={setup.port}", "--workers=1"),
        *("--loop=uvloop", *http, f"--ws={websocket}"),
        *(["--access-log"] if setup.logged else ["--no-access-log", "--log-level=warning"]),
        *([f"--timeout-keep-alive={IDLE_SECONDS}", f"--ws-ping-interval={IDLE_SECONDS}"] if setup.crowded else []),
    ]


def _granian(python: str, setup: Setup) -> list[str]:
    return [
        *(python, "-m", "granian", setup.target, f"--host={HOST}", f"--port={setup.port}", "--workers=1"),
        *("--interface=asgi", "--loop=uvloop"),
        *(["--access-log"] if setup.logged else ["--no-access-log", "--log-level=warning"]),
        *(["--backpressure=1000000"] if setup.crowded else []),
    ]


def _gunicorn(python: str, setup: Setup) -> list[str]:
    return [
        *(python, "-m", "gunicorn", setup.target, f"--bind={HOST}:{setup.port}", "--workers=1"),
        *("--worker-class=asgi", "--asgi-loop=uvloop", "--log-level=warning", "--no-control-socket"),
        *(["--http-protocols=h2", "--http2-cleartext=prior-knowledge"] if setup.protocol is Protocol.HTTP2 else []),
        *(["--access-logfile=-"] if setup.logged else []),
        *([f"--keep-alive={IDLE_SECONDS}", "--worker-connections=1000000"] if setup.crowded else []),
    ]


def _hypercorn(python: str, setup: Setup) -> list[str]:
    return [
        *(python, "-m", "hypercorn", setup.target, f"--bind={HOST}:{setup.port}", "--workers=1"),
        "--worker-class=uvloop",
        *(["--access-logfile=-"] if setup.logged else ["--log-level=warning"]),
        *([f"--keep-alive={IDLE_SECONDS}"] if setup.crowded else []),
    ]


def _nginx(program: str, setup: Setup) -> list[str]:
    file = setup.folder / "nginx.conf"
    http2 = setup.protocol is Protocol.HTTP2
    file.write_text(nginx.configuration(setup.port, setup.folder, logged=setup.logged, http2=http2))
    return [program, "-p", str(setup.folder), "-c", str(file)]


_COMMANDS: dict[str, Callable[[str, Setup], list[str]]] = {
    "litmus": _litmus,
    "litmus-pure": _litmus,
    "uvicorn": _uvicorn,
    "uvicorn-wsproto": partial(_uvicorn, websocket="wsproto"),
    "granian": _granian,
    "gunicorn": _gunicorn,
    "hypercorn": _hypercorn,
    "nginx": _nginx,
}
