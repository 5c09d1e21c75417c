"""Commands that are run to their end, or side by side with others, and what they inherit."""

from __future__ import annotations

import contextlib
import functools
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from loadtest.errors import MeasurementError

ROOT = Path(__file__).resolve().parents[1]

# Only what is set here counts: nothing of the caller's may turn options on or off.
_HIDDEN = (
    "LITMUS_",
    "UVICORN_",
    "GRANIAN_",
    "GUNICORN_",
    "WEB_CONCURRENCY",
    "NOTIFY_SOCKET",
    "WATCHDOG_",
    "LISTEN_",
    "PYTHON",
)


def run(
    command: Sequence[str],
    *,
    timeout: float = 60.0,
    cpu: int | None = None,
    check: bool = True,
    variables: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, on one processor if told so; it is killed when it takes too long, or when this process
    is interrupted.

    Raises MeasurementError when it fails (unless ``check`` is off) or takes too long, and FileNotFoundError when there
    is no such program.
    """
    try:
        return subprocess.run(
            command,
            cwd=ROOT,
            env=environment(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=check,
            preexec_fn=pinned(cpu) if cpu is not None else None,
        )
    except subprocess.CalledProcessError as error:
        raise MeasurementError(f"{spelled(command)} failed:\n{error.stdout}{error.stderr}".rstrip()) from error
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"{spelled(command)} did not end within {timeout:.0f} s") from error


def spelled(command: Sequence[str]) -> str:
    """A command for people to read, and for results that others see: from the root of the project."""
    return " ".join(command).replace(f"{ROOT}/", "")


READY = "ready"
"""What a client prints when it is."""


@contextlib.contextmanager
def ready(module: str, *arguments: object, cpu: int, timeout: float) -> Iterator[subprocess.Popen[str]]:
    """One of our own clients, on one processor, which is ready; it ends whatever happens.

    Raises MeasurementError when it says something else, or nothing for so many seconds.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", f"loadtest.{module}", *map(str, arguments)],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # the terminal's Ctrl-C is for us alone
        preexec_fn=pinned(cpu),
    )
    with process:
        try:
            if (said := told(process, timeout)) != READY:
                raise MeasurementError(f"{module} said {said!r} where {READY!r} is right")
            yield process
        finally:
            process.kill()


def answer(process: subprocess.Popen[str], timeout: float) -> str:
    """Tell a client that was ready to go on. Returns what it prints then. Raises what :func:`told` does."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # why it has ended is told below
        os.write(process.stdin.fileno(), b"\n")
    return told(process, timeout)


def told(process: subprocess.Popen[str], timeout: float) -> str:
    """What a client prints next, in one line. Raises MeasurementError when it ends, or that takes too long."""
    assert process.stdout is not None
    assert process.stderr is not None
    if not select.select([process.stdout], [], [], timeout)[0]:
        raise MeasurementError(f"the client said nothing within {timeout:.0f} s")
    if line := process.stdout.readline():
        return line.strip()
    raise MeasurementError(process.stderr.read().strip() or "the client has ended")


def pinned(cpu: int) -> functools.partial[None]:
    """For ``preexec_fn``: the process may use this processor only."""
    return functools.partial(os.sched_setaffinity, 0, {cpu})


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment that servers and clients run in: the caller's without options, and these variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_HIDDEN)}
    return {**inherited, **(variables or {})}
