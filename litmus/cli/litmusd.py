"""litmusd: start the server."""

import functools
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

import litmus
from litmus.arbiter import logfiles, signals
from litmus.cli import banner, checking, streams
from litmus.cli.terminal import Terminal
from litmus.configuration import InvalidSettings, load
from litmus.loading import ConfigError, Override
from litmus.settings import Settings

_PROGRAM = "litmusd"

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        Terminal(sys.stdout).print(f"{_PROGRAM} {litmus.__version__} ({banner.implementation()})")
        raise typer.Exit


@app.command()
def litmusd(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET",
            show_default=False,
            help='The application: "module:attribute", or "module:factory()". Looked up from the current directory.',
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", metavar="FILE", readable=False, help="The configuration file (TOML)."),
    ] = None,
    bind: Annotated[
        list[str] | None,
        typer.Option(
            "-b",
            "--bind",
            metavar="ADDR",
            help='Listen here instead of where the file says: "host:port", "[v6]:port", ":port", "unix:/path", "fd:3". '
            "May be repeated.",
        ),
    ] = None,
    workers: Annotated[
        str | None, typer.Option("-w", "--workers", metavar="N|auto", help="How many workers serve.")
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Set any option of the file. May be repeated."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Do not serve: check the configuration, load the application once, and tell."),
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Serve a Python web application.

    Without any argument, the welcome application is served at http://127.0.0.1:8000.

    Every option can be set in the file, in the environment (LITMUS_ARBITER__WORKERS=4) or with --set
    (--set arbiter.workers=4); the latter wins over the former. litmusctl talks to the running server.

    \b
    Signals: TERM and INT drain and stop, a second one stops at once, as QUIT does;
    HUP reloads, TTIN and TTOU start and stop a worker, USR1 reopens the logs.
    Other signals, USR2 among them, do nothing; workers take no orders by signal.

    \b
    Exit codes:
      0  served and stopped as told, or checked and found good
      1  the configuration or the application can't be used, or the server failed: the reason is printed
      2  the command line is wrong
    """
    if not check:
        signals.hold()
    environ = dict(os.environ)
    overrides = _overrides(target, config, bind or [], workers, options or [])
    reload_settings = functools.partial(load, config, environ=environ, overrides=overrides)
    terminal = Terminal(sys.stderr)
    try:
        settings = reload_settings()
    except ConfigError as error:
        for problem in error.problems:
            terminal.fail(_PROGRAM, problem)
        if isinstance(error, InvalidSettings) and not check:
            logfiles.note_failure(error.rest, f"litmusd cannot start: {error}")
        raise typer.Exit(1) from error
    if check:
        raise typer.Exit(0 if checking.check(settings, Terminal(sys.stdout), terminal) else 1)
    raise typer.Exit(_serve(settings, reload_settings, terminal))


def main() -> None:
    """The command ``litmusd``."""
    streams.reserve()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the arbiter handles it: Ctrl-C ends it, without a traceback
    app(prog_name=_PROGRAM)


def _serve(settings: Settings, reload_settings: Callable[[], Settings], terminal: Terminal) -> int:
    # Only now: a check, or a mistake in the configuration, need not wait for the import of the server.
    from litmus.arbiter.arbiter import Arbiter
    from litmus.arbiter.errors import StartupError

    arbiter = Arbiter(settings, reload_settings)
    try:
        arbiter.prepare()
        try:
            banner.show(settings, terminal, arbiter.addresses, arbiter.workers, os.environ)
        except OSError:
            streams.silence_stderr()  # that nobody reads it is no reason not to serve
        return arbiter.run()
    except StartupError as error:
        logfiles.note_failure(settings, f"litmusd cannot start: {error}")
        message, _, detail = str(error).partition("\n")
        terminal.fail(_PROGRAM, message, detail)
        return 1
    except Exception:
        logfiles.note_failure(settings, f"litmusd failed\n{traceback.format_exc()}")
        raise
    finally:
        arbiter.close()


def _overrides(
    target: str | None, config: Path | None, bind: Sequence[str], workers: str | None, options: Sequence[str]
) -> list[Override]:
    """What the command line says, as options; --set comes last, so that it can change what the others imply."""
    overrides = [Override("listen.bind", address, "--bind") for address in bind]
    if target is not None:
        overrides.append(Override("app.target", target, "TARGET"))
        if config is not None:
            overrides.append(Override("app.chdir", str(Path.cwd()), "TARGET"))
    if workers is not None:
        overrides.append(Override("arbiter.workers", workers, "--workers"))
    for option in options:
        key, equals, value = option.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"{option!r} is not SECTION.KEY=VALUE", param_hint="'--set'")
        overrides.append(Override(key.strip(), value, "--set"))
    return overrides


if __name__ == "__main__":
    main()
