"""What the commands have in common: options, rounds, what they print, how they end."""

from __future__ import annotations

import argparse
import datetime
import json
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from loadtest import installed, machine, report, servers
from loadtest.errors import MeasurementError
from loadtest.report import Result, Sample


class Named(Protocol):
    """One of those that are compared."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def version(self) -> str:
        """Its version, and what else tells builds apart."""


N = TypeVar("N", bound=Named)


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


def parser(program: str, purpose: str, *, rounds: str = "%(default)s") -> argparse.ArgumentParser:
    """A parser that knows the options of all commands."""
    parser = argparse.ArgumentParser(prog=program, description=purpose)
    parser.add_argument("--rounds", type=positive, metavar="N", help=f"rounds for each server ({rounds})")
    parser.add_argument("--connections", type=positive, metavar="N", help="open connections (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results, with every round, to this file")
    return parser


def add_servers(parser: argparse.ArgumentParser, default: str) -> None:
    """Add the option that picks the servers."""
    parser.add_argument(
        "--servers", type=some_of(servers.NAMES), metavar="A,B", help=f"some of {', '.join(servers.NAMES)} ({default})"
    )


def positive(text: str) -> int:
    """The kind of an option that counts something."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def natural(text: str) -> int:
    """The kind of an option that counts something of which there may be none."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must be at least 0")
    return number


def some_of(names: Sequence[str]) -> Callable[[str], list[str]]:
    """The kind of an option that picks from these, separated by commas."""

    def pick(text: str) -> list[str]:
        wanted = text.split(",")
        if unknown := [name for name in wanted if name not in names]:
            raise argparse.ArgumentTypeError(f"there is no {', '.join(map(repr, unknown))} among {', '.join(names)}")
        return [name for name in names if name in wanted]

    return pick


def facts(contenders: Sequence[Named]) -> dict[str, Any]:
    """What is to be told of every measurement."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "commit": installed.commit(),
        "versions": {each.name: each.version for each in contenders},
    }


def place(facts: Mapping[str, Any]) -> str:
    """:func:`facts` in words."""
    on, commit = facts["machine"], facts["commit"]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return (
        f"{on['cpu']}, {on['processors']} processors, {on['kernel']}, {on['python']},"
        f" load average {on['load_average']:.2f}, {facts['date']}{f', commit {commit}' if commit else ''}\n{versions}"
    )


def in_rounds(contenders: Sequence[N], rounds: int, measure: Callable[[N], Sample]) -> list[Result]:
    """All rounds, interleaved, so that what changes on the machine meanwhile meets all servers alike.

    One that fails is told of, and left out from then on.
    """
    samples: dict[str, list[Sample]] = {each.name: [] for each in contenders}
    failures: dict[str, str] = {}
    for number in range(1, rounds + 1):
        for each in contenders:
            if each.name in failures:
                continue
            try:
                sample = measure(each)
                report.check(sample)
            except MeasurementError as error:
                failures[each.name] = str(error)
                print(f"round {number}/{rounds}  {each.name}: {error}", file=sys.stderr, flush=True)
                continue
            samples[each.name].append(sample)
            print(f"round {number}/{rounds}  {each.name:11}  {sample}", file=sys.stderr, flush=True)
    return [Result(each.name, samples[each.name], failures.get(each.name)) for each in contenders]


def undisturbed(measure: Callable[[N], Sample], again: int) -> Callable[[N], Sample]:
    """Measures as ``measure`` does, and up to so many times ``again`` while others work on the same processors.

    The calmest sample is taken, whatever it says.
    """

    def measured(contender: N) -> Sample:
        samples = [measure(contender)]
        while samples[-1].disturbance >= report.DISTURBED and len(samples) <= again:
            samples.append(measure(contender))
        return min(samples, key=lambda sample: sample.disturbance)

    return measured


def show(results: Sequence[Result]) -> None:
    """Print the table, and what a reader must not overlook."""
    print(f"\n{report.table(results)}\n", flush=True)
    for remark in report.remarks(results):
        print(f"Note: {remark}.\n", flush=True)


def insist(results: Sequence[Result]) -> None:
    """Raise MeasurementError when one of them has failed."""
    if failed := dict.fromkeys(result.name for result in results if result.failure is not None):
        raise MeasurementError(f"could not measure {', '.join(failed)}")


def write(file: Path | None, document: Mapping[str, Any]) -> None:
    """Write everything to the file that was asked for."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
