"""The welcome page: one document, filled from a report of the server's state.

Every element that shows a number says so itself: ``data-field`` is the path of the value in the report and ``data-as``
the way it is written; a ``template`` with ``data-each`` is repeated for each item of a list. They are filled here, so
that the page is complete without JavaScript, and again each second in the browser by page.js, which reads the same
attributes: what the page shows is stated once, in page.html.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections import Counter
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any, Final

from litmus.units import rough_duration

NOTHING: Final = "–"  # noqa: RUF001 (an en dash stands for a value that is not there)

_STALLED_MS: Final = 1000  # the loop of a healthy worker ticks ten times a second
_LEVELS: Final = {"ready": "good", "booting": "warn", "draining": "warn", "stopped": "bad"}

_PART: Final = re.compile(
    r'<template data-each="(?P<list>\w+)">(?P<row>.*?)</template>'
    r'|<(?P<tag>\w+) (?P<attributes>[^>]*?data-field="(?P<path>[\w.]+)" data-as="(?P<form>\w+)"[^>]*)>',
    re.DOTALL,
)


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """A source of a Content-Security-Policy: this very text and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


_STYLE: Final = _read("page.css")
_SCRIPT: Final = _read("page.js")
_DOCUMENT: Final = (
    _read("page.html")
    .replace("<style></style>", f"<style>{_STYLE}</style>")
    .replace("<script></script>", f"<script>{_SCRIPT}</script>")
)

CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; connect-src 'self';"
    " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The policy under which the page works: its own style and script, and requests to where it came from."""


def render(report: Mapping[str, Any]) -> bytes:
    """The page, showing what ``litmus.stats()`` reported."""
    return _fill(_DOCUMENT, {**report, "responses": responses(report), "slabs": slabs(report)}).encode()


def responses(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``[{class, count, share}]`` of the responses; ``share`` is of all of them, from 0 to 1."""
    counts: Mapping[str, int] = report["totals"]["responses_by_class"]
    total = sum(counts.values())
    return [{"class": name, "count": count, "share": _share(count, total)} for name, count in counts.items()]


def slabs(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The slab's size classes, ascending, all workers taken together; ``share`` is what is in use, from 0 to 1."""
    classes: dict[int, Counter[str]] = {}
    for worker in report["workers"]:
        for each in worker["slab"]:
            fields = {name: count for name, count in each.items() if name != "size"}
            classes.setdefault(each["size"], Counter()).update(fields)
    return [
        {"size": size, **counts, "share": _share(counts["in_use"], counts["total"])}
        for size, counts in sorted(classes.items())
    ]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _fill(text: str, data: Mapping[str, Any]) -> str:
    """The text with its fields filled, and its templates followed by their rows."""

    def part(match: re.Match[str]) -> str:
        if match["list"]:
            return match[0] + "".join(_fill(match["row"], item) for item in data[match["list"]])
        value = find(data, match["path"])
        attributes, content = FORMS[match["form"]](value) if value is not None else ("", NOTHING)
        return f"<{match['tag']} {match['attributes']}{attributes}>{html.escape(content)}"

    return _PART.sub(part, text)


def find(data: Any, path: str) -> Any:
    """The value at a dotted path; through a list it is the sum over the items, and None where there is nothing."""
    name, _, rest = path.partition(".")
    value = data.get(name)
    if not rest or value is None:
        return value
    if isinstance(value, list):
        return sum(find(item, rest) or 0 for item in value)
    return find(value, rest)


# How a value is written. Each form returns attributes for the element, and its text.


def _text(value: Any) -> tuple[str, str]:
    return "", str(value)


def _count(value: float) -> tuple[str, str]:
    return "", f"{value:,.0f}"


def _failures(value: int) -> tuple[str, str]:
    return _level("warn") if value else "", _count(value)[1]


def _build(compiled: bool) -> tuple[str, str]:
    return "", "compiled" if compiled else "pure Python"


def _state(value: str) -> tuple[str, str]:
    return _level(_LEVELS.get(value, "warn")), value


def _tick(milliseconds: int) -> tuple[str, str]:
    return _level("bad") if milliseconds > _STALLED_MS else "", rough_duration(milliseconds / 1000, " ")


def _cpu(seconds: float) -> tuple[str, str]:
    return "", f"{seconds:.1f} s" if seconds < 60 else rough_duration(seconds, " ")


def _bar(share: float) -> tuple[str, str]:
    return f' width="{share * 100:.2f}%"', ""


def _level(name: str) -> str:
    return f' data-level="{name}"'


def size(count: float) -> str:
    """A number of bytes in the unit that leaves one to four digits: "512 B", "4 KiB", "41.3 MiB"."""
    unit = "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if count < 1024:
            break
        count, unit = count / 1024, larger
    return f"{count:.1f}".removesuffix(".0") + f" {unit}"


FORMS: Final[dict[str, Callable[[Any], tuple[str, str]]]] = {
    "text": _text,
    "count": _count,
    "failures": _failures,
    "build": _build,
    "state": _state,
    "tick": _tick,
    "cpu": _cpu,
    "bar": _bar,
    "duration": lambda seconds: ("", rough_duration(seconds, " ")),
    "size": lambda count: ("", size(count)),
}
"""The values of ``data-as``; page.js has its own of the same names."""
