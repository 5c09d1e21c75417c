"""Samples, what they come to, and how that is shown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SATURATED = 0.95
"""From this share of its processor on, the load generator was the bottleneck, not the server."""

DISTURBED = 0.05
"""From this share of a processor on, what others did on the two that are used makes the numbers doubtful."""

_HEAD = ("server", "µs/request", "min-max", "ratio", "requests/s", "min-max", "ratio")


@dataclass(frozen=True)
class Sample:
    """One server in one round.

    Attributes:
        requests: how many it answered.
        per_second: the same for each second.
        processor_seconds: processor time, user and system, of all its processes.
        load_busy: how much of its processor the load generator took, from 0 to 1.
        disturbance: how much others took of the two processors, where 1 is the whole of one.
    """

    requests: int
    per_second: float
    processor_seconds: float
    load_busy: float
    disturbance: float

    @property
    def microseconds(self) -> float:
        """Processor time for each request."""
        return self.processor_seconds / self.requests * 1e6


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
    """What the rounds of one server come to; of ``load_busy`` and ``disturbance`` the worst round counts."""

    name: str
    version: str
    microseconds: Figure
    per_second: Figure
    load_busy: float
    disturbance: float

    @classmethod
    def of(cls, name: str, version: str, samples: Sequence[Sample]) -> Result:
        """Sum up a server's samples."""
        return cls(
            name,
            version,
            Figure.of([sample.microseconds for sample in samples]),
            Figure.of([sample.per_second for sample in samples]),
            max(sample.load_busy for sample in samples),
            max(sample.disturbance for sample in samples),
        )


def table(results: Sequence[Result], baseline: str) -> str:
    """The results in aligned columns, with ratios to the server that ``baseline`` names."""
    base = _named(results, baseline)
    rows = [_HEAD, *(_row(result, base) for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *cells in rows:
        numbers = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join([name.ljust(widths[0]), *numbers]))
    return "\n".join(lines)


def _row(result: Result, base: Result) -> tuple[str, ...]:
    cost, rate = result.microseconds, result.per_second
    return (
        f"{result.name} {result.version}",
        f"{cost.median:.1f}",
        f"{cost.low:.1f}-{cost.high:.1f}",
        f"{cost.median / base.microseconds.median:.2f}",
        f"{rate.median:,.0f}",
        f"{rate.low:,.0f}-{rate.high:,.0f}",
        f"{rate.median / base.per_second.median:.2f}",
    )


def remarks(results: Sequence[Result]) -> list[str]:
    """What a reader must not overlook."""
    found = [
        f"{result.name}: the load generator was the bottleneck ({result.load_busy:.0%} of its processor), so the server"
        " can answer more requests per second than the table says; its processor time per request holds"
        for result in results
        if result.load_busy >= SATURATED
    ]
    disturbance = max(result.disturbance for result in results)
    if disturbance >= DISTURBED:
        found.append(
            f"the machine was not idle: others took up to {disturbance:.0%} of a processor meanwhile; measure again,"
            " and publish nothing of this"
        )
    return found


def as_json(results: Sequence[Result], baseline: str, samples: Mapping[str, Sequence[Sample]]) -> list[dict[str, Any]]:
    """The results with all their rounds, for JSON."""
    base = _named(results, baseline)
    return [
        {
            "name": result.name,
            "version": result.version,
            "microseconds_per_request": {
                **_figure(result.microseconds),
                "ratio": round(result.microseconds.median / base.microseconds.median, 3),
                "rounds": [round(sample.microseconds, 3) for sample in samples[result.name]],
            },
            "requests_per_second": {
                **_figure(result.per_second),
                "ratio": round(result.per_second.median / base.per_second.median, 3),
                "rounds": [round(sample.per_second, 1) for sample in samples[result.name]],
            },
            "load_generator_busy": round(result.load_busy, 3),
            "disturbance": round(result.disturbance, 3),
        }
        for result in results
    ]


def _figure(figure: Figure) -> dict[str, float]:
    return {"median": round(figure.median, 3), "min": round(figure.low, 3), "max": round(figure.high, 3)}


def _named(results: Sequence[Result], name: str) -> Result:
    return next(result for result in results if result.name == name)
