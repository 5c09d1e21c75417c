"""Samples, what they come to, and how that is shown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from loadtest.errors import MeasurementError

BASELINE = "uvicorn"
"""Ratios are to this one where it was measured, else to the first that was."""

NO_PEERS = ("litmus", "litmus-pure", "nginx", "floor")
"""Litmus itself, and what serves no applications."""

DISTURBED = 0.05
"""From this share of a processor on, what others did on those that are used makes the numbers doubtful."""


class Quantity(NamedTuple):
    """Something that is measured.

    Attributes:
        title: the head of its column.
        key: its name in JSON.
        spelling: how its numbers are written in the table.
        compared: whether the ratio to the baseline is told; less is better then.
    """

    title: str
    key: str
    spelling: str
    compared: bool = False


COST = Quantity("µs/request", "microseconds_per_request", ".1f", compared=True)
RATE = Quantity("requests/s", "requests_per_second", ",.0f")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One server in one round.

    Attributes:
        values: what was measured.
        disturbance: how much others took of the processors that are used, where 1 is the whole of one.
        load_busy: how much of its processor the load generator took, from 0 to 1.
        remark: what a reader must not overlook; empty if there is nothing.
    """

    values: Mapping[Quantity, float]
    disturbance: float
    load_busy: float = 0.0
    remark: str = ""

    def __str__(self) -> str:
        return "  ".join(f"{value:{quantity.spelling}} {quantity.title}" for quantity, value in self.values.items())


def check(sample: Sample) -> None:
    """Raise MeasurementError when something that is compared came to nothing: there is no ratio to that."""
    for quantity, value in sample.values.items():
        if quantity.compared and value <= 0:
            raise MeasurementError(f"{value:{quantity.spelling}} {quantity.title}: too little was done to measure it")


class Figure(NamedTuple):
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
        name: which.
        samples: one for each round.
        failure: why it could not be measured; None if it could.
    """

    name: str
    samples: Sequence[Sample]
    failure: str | None = None

    @property
    def disturbance(self) -> float:
        """That of the worst round."""
        return max((sample.disturbance for sample in self.samples), default=0.0)

    @property
    def load_busy(self) -> float:
        """That of the round with most of it."""
        return max((sample.load_busy for sample in self.samples), default=0.0)

    def rounds(self, quantity: Quantity) -> list[float]:
        """The values in each round."""
        return [sample.values[quantity] for sample in self.samples]

    def figure(self, quantity: Quantity) -> Figure:
        """What the rounds come to."""
        return Figure.of(self.rounds(quantity))

    def ratio(self, quantity: Quantity, base: Result) -> Figure:
        """This one to ``base``, round by round: what changes from one round to the next meets both alike."""
        pairs = zip(self.rounds(quantity), base.rounds(quantity), strict=True)
        return Figure.of([value / of_base for value, of_base in pairs])


def measured(results: Sequence[Result]) -> list[Result]:
    """Those that could be measured."""
    return [result for result in results if result.failure is None]


def baseline(results: Sequence[Result]) -> Result | None:
    """The one that the others are compared with; None when nothing could be measured."""
    good = measured(results)
    return next((result for result in good if result.name == BASELINE), good[0] if good else None)


class Standing(NamedTuple):
    """Litmus beside the best of its peers.

    Attributes:
        best: the name of the peer that takes least of what is compared.
        ratio: of Litmus to it.
    """

    best: str
    ratio: Figure


def standing(results: Sequence[Result]) -> Standing | None:
    """How Litmus stands; None where it, or every peer, could not be measured."""
    litmus = next((result for result in measured(results) if result.name == "litmus"), None)
    peers = [result for result in measured(results) if result.name not in NO_PEERS]
    if litmus is None or not peers:
        return None
    compared = next(quantity for quantity in quantities(results) if quantity.compared)
    best = min(peers, key=lambda peer: peer.figure(compared).median)
    return Standing(best.name, litmus.ratio(compared, best))


def quantities(results: Sequence[Result]) -> list[Quantity]:
    """What was measured."""
    good = measured(results)
    return list(good[0].samples[0].values) if good else []


# For people


def table(results: Sequence[Result]) -> str:
    """The results in aligned columns. With one round only there is no range to tell."""
    base, ranged = baseline(results), any(len(result.samples) > 1 for result in results)
    head = ["server"]
    for quantity in quantities(results):
        head += [quantity.title, *(["min-max"] if ranged else [])]
        head += ["ratio", *(["min-max"] if ranged else [])] if quantity.compared else []
    rows = [head, *(_row(result, base, ranged) for result in measured(results) if base is not None)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *cells in rows:
        numbers = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join([name.ljust(widths[0]), *numbers]))
    failed = [f"{result.name}: failed" for result in results if result.failure is not None]
    found = standing(results)
    last = [f"litmus takes {found.ratio.median:.2f} of what {found.best} does, the best of its peers"] if found else []
    return "\n".join(lines + failed + last)


def _row(result: Result, base: Result, ranged: bool) -> list[str]:
    cells = [result.name]
    for quantity in result.samples[0].values:
        cells += _cells(result.figure(quantity), quantity.spelling, ranged)
        if quantity.compared:
            cells += _cells(result.ratio(quantity, base), ".2f", ranged)
    return cells


def _cells(figure: Figure, spelling: str, ranged: bool) -> list[str]:
    median, low, high = (format(value, spelling) for value in figure)
    return [median, f"{low}-{high}"] if ranged else [median]


def remarks(results: Sequence[Result]) -> list[str]:
    """What a reader must not overlook."""
    about: dict[str, list[str]] = {}
    for result in measured(results):
        for remark in sorted({sample.remark for sample in result.samples if sample.remark}):
            about.setdefault(remark, []).append(result.name)
    found = [f"{', '.join(names)}: {remark}" for remark, names in about.items()]
    return found + disturbances(results)


def disturbances(results: Sequence[Result]) -> list[str]:
    """What is to be said when others worked on the processors that were used."""
    disturbance = max((result.disturbance for result in results), default=0.0)
    if disturbance < DISTURBED:
        return []
    return [
        f"the machine was not idle: others took up to {disturbance:.0%} of a processor meanwhile; trust ratios more"
        " than times, and latencies least"
    ]


# For machines


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """The results with all their rounds."""
    base, found = baseline(results), standing(results)
    return {
        "baseline": base.name if base is not None else None,
        "compared": [quantity.key for quantity in quantities(results) if quantity.compared],
        "servers": [_result(result, base) for result in results],
        "standing": None if found is None else {"best_peer": found.best, "ratio": _rounded(found.ratio)},
        "notes": remarks(results),
    }


def _result(result: Result, base: Result | None) -> dict[str, Any]:
    if result.failure is not None or base is None:
        return {"name": result.name, "failure": result.failure}
    return {
        "name": result.name,
        **{quantity.key: _figure(result, quantity, base) for quantity in result.samples[0].values},
        "disturbance": round(result.disturbance, 3),
        "load_generator_busy": round(result.load_busy, 3),
    }


def _figure(result: Result, quantity: Quantity, base: Result) -> dict[str, Any]:
    of_rounds = {"rounds": [round(value, 3) for value in result.rounds(quantity)]}
    if quantity.compared:
        return {**_rounded(result.figure(quantity)), "ratio": _rounded(result.ratio(quantity, base)), **of_rounds}
    return {**_rounded(result.figure(quantity)), **of_rounds}


def _rounded(figure: Figure) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figure._asdict().items()}
