"""Commands that are run to their end, and what they inherit."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Mapping, Sequence
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
        raise MeasurementError(f"{' '.join(command)} failed:\n{error.stdout}{error.stderr}".rstrip()) from error
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"{' '.join(command)} did not end within {timeout:.0f} s") from error


def pinned(cpu: int) -> functools.partial[None]:
    """For ``preexec_fn``: the process may use this processor only."""
    return functools.partial(os.sched_setaffinity, 0, {cpu})


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment that servers and clients run in: the caller's without options, and these variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_HIDDEN)}
    return {**inherited, **(variables or {})}
