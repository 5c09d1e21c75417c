"""The results as a picture: bars, in SVG, written by hand so that it needs nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from loadtest import report
from loadtest.report import Figure, Result

_OURS = "#0f766e"
_OURS_PURE = "#5fb3a8"
_PEER = "#9aa5b4"
_YARDSTICK = "#d5dbe3"
_INK = "#1f2933"
_FAINT = "#6b7785"

_STYLE = f"""
    text {{ font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; fill: {_INK}; }}
    .title {{ font-size: 20px; font-weight: 600; }}
    .name {{ font-size: 15px; font-weight: 600; }}
    .faint {{ fill: {_FAINT}; font-size: 12px; }}
    .ours {{ font-weight: 600; }}
    .range {{ stroke: {_INK}; stroke-width: 1; opacity: 0.55; }}
    .axis {{ stroke: {_YARDSTICK}; stroke-width: 1; }}
    .break {{ stroke: #ffffff; stroke-width: 3; }}
"""

_MARGIN = 28
_COLUMNS = 2
_PANEL_WIDTH = 532
_LABELS_WIDTH = 114
_BARS_WIDTH = 270
_BAR = 16
_STEP = 24
_PANEL_HEAD = 46
_HEAD = 64
_LINE = 18
_LINE_LENGTH = 160

_LONGEST = 3.0
"""How many times the baseline's bar is drawn; a longer one is broken off, or the others could not be told apart."""


@dataclass(frozen=True)
class Panel:
    """One workload.

    Attributes:
        name, description: of the workload.
        results: of the servers.
    """

    name: str
    description: str
    results: Sequence[Result]


def svg(title: str, lines: Sequence[str], panels: Sequence[Panel]) -> str:
    """The whole picture. Panels of which nothing could be measured are left out."""
    lines = [part for line in lines for part in textwrap.wrap(line, _LINE_LENGTH)]
    drawn = [panel for panel in panels if report.baseline(panel.results) is not None]
    parts: list[str] = []
    top = _MARGIN + _HEAD + _LINE * len(lines)
    for start in range(0, len(drawn), _COLUMNS):
        row = drawn[start : start + _COLUMNS]
        for column, panel in enumerate(row):
            parts.append(f'<g transform="translate({_MARGIN + column * _PANEL_WIDTH} {top})">')
            parts += _panel(panel)
            parts.append("</g>")
        top += max(_PANEL_HEAD + _STEP * len(panel.results) for panel in row) + _MARGIN
    width = 2 * _MARGIN + _COLUMNS * _PANEL_WIDTH
    head = [_text(_MARGIN, _MARGIN + 14, title, "title")]
    head += [_text(_MARGIN, _MARGIN + 40 + number * _LINE, line, "faint") for number, line in enumerate(lines)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}" viewBox="0 0 {width} {top}">',
            f"<style>{_STYLE}</style>",
            f'<rect width="{width}" height="{top}" fill="#ffffff"/>',
            *head,
            *parts,
            "</svg>\n",
        ]
    )


def _panel(panel: Panel) -> Iterator[str]:
    base = report.baseline(panel.results)
    assert base is not None
    quantity = next(each for each in report.quantities(panel.results) if each.compared)
    highest = max(result.figure(quantity).high for result in report.measured(panel.results))
    scale = _BARS_WIDTH / min(highest, _LONGEST * base.figure(quantity).median)
    yield _text(0, 12, f"{panel.name}: {quantity.title}", "name")
    yield _text(0, 30, panel.description, "faint")
    for number, result in enumerate(panel.results):
        top = _PANEL_HEAD + number * _STEP
        kind = "ours" if result.name.startswith("litmus") else ""
        yield _text(_LABELS_WIDTH - 8, top + 13, result.name, kind, anchor="end")
        if result.failure is not None:
            yield _text(_LABELS_WIDTH + 7, top + 13, "failed", "faint")
            continue
        end = yield from _bar(top, result.figure(quantity), scale, _colour(result.name))
        value, ratio = result.figure(quantity).median, result.ratio(quantity, base).median
        yield (
            f'<text x="{end + 7:.1f}" y="{top + 13}" class="{kind}">{value:{quantity.spelling}}'
            f'<tspan class="faint" dx="8">{ratio:.2f}</tspan></text>'
        )
    bottom = _PANEL_HEAD + _STEP * len(panel.results) - _STEP + _BAR + 4
    yield f'<line class="axis" x1="{_LABELS_WIDTH}" y1="{_PANEL_HEAD - 4}" x2="{_LABELS_WIDTH}" y2="{bottom}"/>'


def _bar(top: int, figure: Figure, scale: float, colour: str) -> Generator[str, None, float]:
    """A bar and the range of its rounds. Returns where it ends."""
    median, low, high = (_LABELS_WIDTH + min(_BARS_WIDTH, value * scale) for value in figure)
    width = median - _LABELS_WIDTH
    yield f'<rect x="{_LABELS_WIDTH}" y="{top}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>'
    if figure.median * scale > _BARS_WIDTH:
        for x in (median - 16, median - 10):
            yield f'<line class="break" x1="{x - 3:.1f}" y1="{top + _BAR + 2}" x2="{x + 3:.1f}" y2="{top - 2}"/>'
        return median
    if figure.high > figure.low:
        middle = top + _BAR / 2
        yield f'<line class="range" x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}"/>'
    return high


def _colour(name: str) -> str:
    return {"litmus": _OURS, "litmus-pure": _OURS_PURE, "nginx": _YARDSTICK}.get(name, _PEER)


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
