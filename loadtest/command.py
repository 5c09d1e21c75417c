"""What the commands have in common: options, rounds, what they print, how they end."""

from __future__ import annotations

import argparse
import datetime
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from loadtest import machine, report
from loadtest.errors import MeasurementError
from loadtest.report import Result, Sample

BASELINE = "uvicorn"


class Named(Protocol):
    """One of those that are compared."""

    @property
    def name(self) -> str:
        """What it is called."""


N = TypeVar("N", bound=Named)
S = TypeVar("S", bound=Sample)


def run(program: str, measure: Callable[[], None]) -> int:
    """Measure. Returns the exit code: 0 measured, 1 could not measure, 130 interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: with nothing left running
    try:
        measure()
    except MeasurementError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return 130
    return 0


def parser(program: str, purpose: str) -> argparse.ArgumentParser:
    """A parser that knows the options of all commands."""
    parser = argparse.ArgumentParser(prog=program, description=purpose)
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="rounds for each server (5)")
    parser.add_argument("--connections", type=positive, default=64, metavar="N", help="open connections (64)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results, with every round, to this file")
    return parser


def positive(text: str) -> int:
    """The kind of an option that counts something."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def facts() -> dict[str, Any]:
    """What is to be told of every measurement."""
    return {"date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), "machine": machine.describe()}


def place(facts: dict[str, Any]) -> str:
    """:func:`facts` in words."""
    on = facts["machine"]
    return (
        f"{on['cpu']}, {on['processors']} processors, {on['kernel']}, {on['python']},"
        f" load average {on['load_average']:.2f}, {facts['date']}"
    )


def in_rounds(contenders: Sequence[N], rounds: int, measure: Callable[[N], S]) -> dict[str, list[S]]:
    """All rounds, interleaved, so that what changes on the machine meanwhile meets all servers alike."""
    samples: dict[str, list[S]] = {each.name: [] for each in contenders}
    for number in range(1, rounds + 1):
        for each in contenders:
            sample = measure(each)
            samples[each.name].append(sample)
            print(f"round {number}/{rounds}  {each.name:8}  {sample}", file=sys.stderr, flush=True)
    return samples


def show(results: Sequence[Result], remarks: Sequence[str]) -> None:
    """Print the table, and what a reader must not overlook."""
    print(f"\n{report.table(results, BASELINE)}\n")
    for remark in remarks:
        print(f"Note: {remark}.\n")


def write(file: Path | None, facts: dict[str, Any], servers: Sequence[dict[str, Any]]) -> None:
    """Write everything to the file that was asked for."""
    if file is not None:
        document = {**facts, "baseline": BASELINE, "servers": servers}
        file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
