"""Sizes and durations as people write them ("64 KiB", "1m30s"), and back.

The errors raised here say what would be right and leave naming the value to the caller, who knows where it came from.
"""

import math
import re
from decimal import Decimal
from fractions import Fraction

_SIZE_UNITS = {"b": 1, "kb": 10**3, "kib": 2**10, "mb": 10**6, "mib": 2**20, "gb": 10**9, "gib": 2**30}
_SIZE_NAMES = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3))
_SIZE = re.compile(r"(\d{1,20}(?:\.\d{1,9})?) ?([a-z]{1,3})?", re.ASCII | re.IGNORECASE)

_NUMBER = r"(\d{1,12}(?:\.\d{1,20})?)"
_DURATION = re.compile(rf"(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?", re.ASCII)
_SECONDS = re.compile(_NUMBER, re.ASCII)
_DURATION_UNITS = (Fraction(3600), Fraction(60), Fraction(1), Fraction(1, 1000))

_SIZE_HELP = 'must be a size: a number and one of B, KB, KiB, MB, MiB, GB, GiB, such as "64 KiB"'
_DURATION_HELP = 'must be a duration: numbers with h, m, s or ms, such as "75s", "500ms" or "1m30s"'


def parse_size(value: str | int) -> int:
    """Bytes of a size: a number with B, KB, KiB, MB, MiB, GB or GiB, or a bare number of bytes. Else ValueError."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(_SIZE_HELP)
    if isinstance(value, int):
        if value < 0:
            raise ValueError("must be a size, which is never negative")
        return value
    match = _SIZE.fullmatch(value.strip())
    unit = _SIZE_UNITS.get((match[2] or "B").lower()) if match else None
    if match is None or unit is None:
        raise ValueError(_SIZE_HELP)
    size = Fraction(match[1]) * unit
    if size.denominator != 1:
        raise ValueError("must be a size of whole bytes")
    return size.numerator


def format_size(size: int) -> str:
    """The shortest exact spelling of a number of bytes: `parse_size(format_size(size)) == size`."""
    if size < 0:
        raise ValueError("must be a size, which is never negative")
    for name, unit in _SIZE_NAMES:
        if size and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def parse_duration(value: str | float) -> float:
    """Seconds of a duration: "75s", "500ms", "2m", "1h", "1m30s", or a bare number of seconds. Else ValueError."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(_DURATION_HELP)
    if isinstance(value, int | float):
        if not math.isfinite(value) or value < 0:
            raise ValueError("must be a duration, which is finite and never negative")
        return float(value)
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError(_DURATION_HELP)
    # Fractions, so that "300ms" is the very float 0.3 and not the product of two rounded ones.
    parts = zip(match.groups(), _DURATION_UNITS, strict=True)
    return float(sum(Fraction(number) * unit for number, unit in parts if number is not None))


def format_duration(seconds: float) -> str:
    """The plain exact spelling of a duration in seconds: `parse_duration(format_duration(seconds)) == seconds`.

    Below a second in ms, below two minutes in s ("75s"), then in hours, minutes and seconds ("2m30s").
    """
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError("must be a duration, which is finite and never negative")
    exact = Decimal(repr(float(seconds)))  # the digits a person would write, not the binary ones behind them
    if exact < 1:
        return f"{_plain(exact * 1000)}ms" if exact else "0s"
    if exact < 120:
        return f"{_plain(exact)}s"
    minutes, rest = divmod(exact, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{_plain(number)}{unit}" for number, unit in parts if number)


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rough_duration(seconds: float, space: str = "") -> str:
    """A length of time in its two largest units: "43ms", "12s", "3m 5s", "2h 4m", "9d 3h".

    `space` goes between the number and the unit where there is one unit only.
    """
    if seconds < 1:
        return f"{seconds * 1000:.0f}{space}ms"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m {rest}s" if minutes else f"{rest}{space}s"


def count(number: int, noun: str) -> str:
    """A number of things in words: "1 worker", "2 workers"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
