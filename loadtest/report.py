"""Samples, what they come to, and how that is shown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

DISTURBED = 0.05
"""From this share of a processor on, what others did on those that are used makes the numbers doubtful."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One server in one round.

    Attributes:
        requests: how many it answered.
        processor_seconds: processor time, user and system, that it took.
        disturbance: how much others took of the processors that are used, where 1 is the whole of one.
    """

    requests: int
    processor_seconds: float
    disturbance: float

    @property
    def microseconds(self) -> float:
        """Processor time for each request."""
        return self.processor_seconds / self.requests * 1e6

    def __str__(self) -> str:
        return f"{self.microseconds:6.1f} µs/request"


class Quantity(NamedTuple):
    """Something that is measured.

    Attributes:
        title: the head of its column.
        key: its name in JSON.
        spelling: how its numbers are written in the table.
    """

    title: str
    key: str
    spelling: str


COST = Quantity("µs/request", "microseconds_per_request", ".1f")
RATE = Quantity("requests/s", "requests_per_second", ",.0f")


@dataclass(frozen=True)
class Figure:
    """The rounds' median, and between what they lay."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        """Sum up the rounds."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Result:
    """What was measured of one server.

    Attributes:
        name, version: which.
        rounds: the values of each quantity by round.
        disturbance: that of the worst round.
    """

    name: str
    version: str
    rounds: Mapping[Quantity, Sequence[float]]
    disturbance: float

    def figure(self, quantity: Quantity) -> Figure:
        """What the rounds come to."""
        return Figure.of(self.rounds[quantity])

    def ratio(self, quantity: Quantity, base: Result) -> float:
        """This one's median to that of ``base``."""
        return self.figure(quantity).median / base.figure(quantity).median


def table(results: Sequence[Result], baseline: str) -> str:
    """The results in aligned columns, with ratios to the server that ``baseline`` names."""
    base = _named(results, baseline)
    head = ["server"]
    for quantity in base.rounds:
        head += [quantity.title, "min-max", "ratio"]
    rows = [head, *(_row(result, base) for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *cells in rows:
        numbers = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join([name.ljust(widths[0]), *numbers]))
    return "\n".join(lines)


def _row(result: Result, base: Result) -> list[str]:
    cells = [f"{result.name} {result.version}"]
    for quantity in result.rounds:
        figure = result.figure(quantity)
        median, low, high = (format(value, quantity.spelling) for value in (figure.median, figure.low, figure.high))
        cells += [median, f"{low}-{high}", f"{result.ratio(quantity, base):.2f}"]
    return cells


def remarks(results: Sequence[Result]) -> list[str]:
    """What a reader must not overlook."""
    disturbance = max(result.disturbance for result in results)
    if disturbance < DISTURBED:
        return []
    return [
        f"the machine was not idle: others took up to {disturbance:.0%} of a processor meanwhile; measure again,"
        " and publish nothing of this"
    ]


def as_json(results: Sequence[Result], baseline: str) -> list[dict[str, Any]]:
    """The results with all their rounds, for JSON."""
    base = _named(results, baseline)
    return [
        {
            "name": result.name,
            "version": result.version,
            **{quantity.key: _figure(result, quantity, base) for quantity in result.rounds},
            "disturbance": round(result.disturbance, 3),
        }
        for result in results
    ]


def _figure(result: Result, quantity: Quantity, base: Result) -> dict[str, Any]:
    figure = result.figure(quantity)
    return {
        "median": round(figure.median, 3),
        "min": round(figure.low, 3),
        "max": round(figure.high, 3),
        "ratio": round(result.ratio(quantity, base), 3),
        "rounds": [round(value, 3) for value in result.rounds[quantity]],
    }


def _named(results: Sequence[Result], name: str) -> Result:
    return next(result for result in results if result.name == name)
