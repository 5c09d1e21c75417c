"""litmusctl: ask a running litmusd how it is, and tell it what to do."""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

import litmus
from litmus.cli import reports, streams
from litmus.cli.terminal import Terminal
from litmus.control import client, place
from litmus.control.client import Client
from litmus.control.messages import Refused, Reload, Reply, Request, Scale, Stats, Status, StopServer
from litmus.loading import ConfigError, Reader
from litmus.settings import SECTIONS
from litmus.units import rough_duration

FAILED = 1
USAGE = 2
NOBODY = 3
DENIED = 4
UNSERVED = 5

_PROGRAM = "litmusctl"
_SOON = 5.0
_WATCH_INTERVAL = 1.0

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        Terminal(sys.stdout).print(f"{_PROGRAM} {litmus.__version__}")
        raise typer.Exit


# readable=False: whether a path can be used is found out by using it, and told with what to do about it.
SocketOption = Annotated[
    Path | None,
    typer.Option("-s", "--socket", metavar="SOCKET", readable=False, help="The control socket of the server."),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "-c",
        "--config",
        metavar="FILE",
        readable=False,
        help="The configuration file that the server was started with.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
TimeoutOption = Annotated[
    float,
    typer.Option("--timeout", min=0.1, metavar="SECONDS", help="How long to wait for the end of it; litmusd goes on."),
]
VersionOption = Annotated[
    bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
]


@app.callback()
def connection(
    context: typer.Context,
    socket: SocketOption = None,
    config: ConfigOption = None,
    version: VersionOption = False,
) -> None:
    """Ask a running litmusd how it is, and tell it what to do.

    The server is found by -s SOCKET or by -c FILE, before or after the command; else by $LITMUS_CONTROL, the path of
    its socket; else it is the one that was started in this directory without a configuration file.

    \b
    Exit codes:
      0  done
      1  the server refused or failed, or did not answer in time: the reason is printed
      2  the command line is wrong
      3  nothing listens at the socket
      4  this user may not use the socket
      5  (status) the server runs, and no worker is ready: nothing is served
    """
    context.obj = (socket, config)


@app.command()
def status(
    context: typer.Context,
    socket: SocketOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what runs: a summary. The exit code is 5 if no worker is ready, so that nothing is served."""
    result = _ask(_find(context, socket, config), Status(), _SOON)
    _show(result, as_json, reports.print_status)
    workers = result.get("workers")  # a server of another version may not tell
    if workers is not None and not any(worker.get("state") == "ready" for worker in workers):
        if result.get("state") == "stopping":
            raise _failure("the server is stopping: no new connections are accepted", UNSERVED)
        raise _failure("no worker is ready: nothing is served", UNSERVED, "the log of the server says why")


@app.command()
def stats(
    context: typer.Context,
    socket: SocketOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, once a second, until Ctrl-C.")] = False,
) -> None:
    """Show every worker: requests, connections, memory.

    It works while all of them are busy, or stuck.
    """
    path = _find(context, socket, config)
    if watch:
        _watch(path, as_json)
    else:
        _show(_ask(path, Stats(), _SOON), as_json, reports.print_stats)


@app.command(short_help="Replace the workers, with a new configuration and application.")
def reload(
    context: typer.Context,
    socket: SocketOption = None,
    config: ConfigOption = None,
    timeout: TimeoutOption = 300.0,
) -> None:
    """Read the configuration and the application again and replace the workers by new ones.

    If the configuration is wrong or the new workers do not start, the old ones keep serving, and the reason is printed.
    """
    result = _ask(_find(context, socket, config), Reload(), timeout)
    reports.print_result(Terminal(sys.stdout), "reloaded", result)


@app.command()
def scale(
    context: typer.Context,
    workers: Annotated[int, typer.Argument(min=1, metavar="N", help="How many workers shall run.")],
    socket: SocketOption = None,
    config: ConfigOption = None,
    timeout: TimeoutOption = 300.0,
) -> None:
    """Run N workers, until the next start or reload."""
    result = _ask(_find(context, socket, config), Scale(workers), timeout)
    reports.print_result(Terminal(sys.stdout), "scaled", result)


@app.command(short_help="Let the workers finish, and stop the server.")
def stop(
    context: typer.Context,
    socket: SocketOption = None,
    config: ConfigOption = None,
    timeout: TimeoutOption = 300.0,
) -> None:
    """Let the workers finish what they have, stop the server, and wait for its end."""
    path = _find(context, socket, config)
    started = time.monotonic()
    with _connect(path) as server:
        process = _process_of(server)
        _result(_call(server, StopServer(), timeout), "stop")
    if process is None:
        Terminal(sys.stdout).print("stopping")
        return
    ended, _, _ = select.select([process], [], [], max(0.0, started + timeout - time.monotonic()))
    if not ended:
        raise _failure(f"the server is stopping, and has not ended within {rough_duration(timeout)}", FAILED)
    Terminal(sys.stdout).print(f"stopped after {rough_duration(time.monotonic() - started)}")


def main() -> None:
    """The command ``litmusctl``."""
    streams.reserve()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it, without a traceback
    app(prog_name=_PROGRAM)


def find_socket(socket: Path | None, config: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the path of the control socket that the options, the environment or the default place name.

    Of a configuration file nothing but ``arbiter.control`` matters: a server runs on while its file is being mended,
    and has to be found by it. Raises :class:`~litmus.loading.ConfigError` if it can't be read as TOML at all.
    """
    if socket is not None:
        return socket
    if config is None and environ.get("LITMUS_CONTROL"):
        return Path(environ["LITMUS_CONTROL"])
    reader = Reader(SECTIONS, Path.cwd())
    if config is not None:
        reader.read_file(config)
    reader.read_environment(environ)
    given = reader.single["arbiter"].get("control")
    if given is not None and isinstance(given.setting, Path):
        return given.setting
    return place.default_path(config, environ)


def _find(context: typer.Context, socket: Path | None, config: Path | None) -> Path:
    """The socket by the options given after the command, or else before it."""
    if socket is None and config is None:
        socket, config = context.obj
    try:
        return find_socket(socket, config, os.environ)
    except ConfigError as error:
        raise _failure(str(error), USAGE, "-s SOCKET finds the server without its configuration") from error


def _connect(path: Path) -> Client:
    try:
        return Client(path)
    except client.NothingListensError as error:
        raise _failure(f"nothing answers at {path}: is litmusd running? ({error})", NOBODY, _hint(path)) from error
    except client.AccessDeniedError as error:
        raise _failure(f"{error}: be root, or the user who runs litmusd", DENIED) from error
    except client.ClientError as error:
        raise _failure(str(error), FAILED) from error


def _call(server: Client, request: Request, timeout: float) -> Reply:
    try:
        return server.call(request, timeout)
    except client.ClientError as error:
        raise _failure(str(error), FAILED) from error


def _result(reply: Reply, what: str) -> dict[str, Any]:
    if isinstance(reply, Refused):
        raise _failure(f"{what} refused: {reply.error}", FAILED, reply.detail)
    return reply.result


def _ask(path: Path, request: Request, timeout: float) -> dict[str, Any]:
    with _connect(path) as server:
        return _result(_call(server, request, timeout), type(request).__name__.lower())


def _failure(message: str, code: int, detail: str = "") -> typer.Exit:
    Terminal(sys.stderr).fail(_PROGRAM, message, detail)
    return typer.Exit(code)


def _hint(path: Path) -> str:
    """What else the operator may have meant, when he named no server and there is none at the default place."""
    if path != place.default_path(None, os.environ):
        return ""
    if Path("litmus.toml").is_file():
        return "there is a litmus.toml here: a server started with it is found by litmusctl -c litmus.toml"
    if place.SYSTEM_SOCKET.exists():
        return f"the system's own litmusd is found by litmusctl -c {place.SYSTEM_CONFIG}"
    return ""


def _process_of(server: Client) -> int | None:
    """A descriptor that becomes readable when the server's process ends; None if it can't be seen from here."""
    try:
        return os.pidfd_open(server.server_pid)
    except OSError:
        return None


def _show(result: dict[str, Any], as_json: bool, show: Callable[[Terminal, dict[str, Any]], None]) -> None:
    terminal = Terminal(sys.stdout)
    if as_json:
        terminal.print(json.dumps(result, indent=2))
    else:
        show(terminal, result)


def _watch(path: Path, as_json: bool) -> None:
    """Show the statistics every second. Ctrl-C is the way out, and no failure."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    terminal = Terminal(sys.stdout)
    rate = reports.Rate()
    due = time.monotonic()
    try:
        while True:
            result = _ask(path, Stats(), _SOON)
            if as_json:
                terminal.print(json.dumps(result))
            else:
                if terminal.interactive:
                    terminal.clear()
                reports.print_stats(terminal, result, rate.of(result, time.monotonic()))
                terminal.print()
            due = max(due + _WATCH_INTERVAL, time.monotonic())
            select.select([], [], [], max(0.0, due - time.monotonic()))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
