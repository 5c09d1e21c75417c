"""Sizes and durations, both ways."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litmus.units import count, format_duration, format_size, parse_duration, parse_size, rough_duration


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("65536", 65536),
        (65536, 65536),
        ("1 B", 1),
        ("64KiB", 65536),
        ("64 KiB", 65536),
        ("64 kib", 65536),
        (" 64 KB ", 64_000),
        ("16 MiB", 16 * 2**20),
        ("2MB", 2_000_000),
        ("1.5 GiB", 3 * 2**29),
        ("1 GB", 10**9),
    ],
)
def test_sizes(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "KiB", "64 K", "64 Kx", "64  KiB", "-1", "1e3", "٣ KiB", "1 KiB 2", "0x10", "9" * 21]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="must be a size: a number and one of B, KB, KiB"):
        parse_size(text)


@pytest.mark.parametrize("value", [True, 1.5, None, []])
def test_a_size_is_text_or_a_whole_number(value: object) -> None:
    with pytest.raises(ValueError, match="must be a size"):
        parse_size(value)  # type: ignore[arg-type]


def test_sizes_are_whole_and_not_negative() -> None:
    with pytest.raises(ValueError, match="whole bytes"):
        parse_size("1.5 B")
    with pytest.raises(ValueError, match="never negative"):
        parse_size(-1)
    with pytest.raises(ValueError, match="never negative"):
        format_size(-1)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1000, "1 KB"),
        (1024, "1 KiB"),
        (1500, "1500 B"),
        (2**24, "16 MiB"),
        (3 * 2**30, "3 GiB"),
    ],
)
def test_sizes_are_spelled_short_and_exact(size: int, text: str) -> None:
    assert format_size(size) == text


@given(st.integers(min_value=0, max_value=2**60))
def test_a_spelled_size_reads_back(size: int) -> None:
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("75s", 75.0),
        ("75", 75.0),
        (75, 75.0),
        (0.5, 0.5),
        ("500ms", 0.5),
        ("300ms", 0.3),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("1m30s", 90.0),
        ("1h2m3s4ms", 3723.004),
        ("1.5h", 5400.0),
        ("0s", 0.0),
        (" 10s ", 10.0),
    ],
)
def test_durations(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "5 s", "5x", "-5s", "30s1m", "1s1s", "1d", "inf", "nan", "1e3", "5S"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration: numbers with h, m, s or ms"):
        parse_duration(text)


@pytest.mark.parametrize("value", [-1, -0.5, math.inf, math.nan])
def test_durations_are_finite_and_not_negative(value: float) -> None:
    with pytest.raises(ValueError, match="finite and never negative"):
        parse_duration(value)
    with pytest.raises(ValueError, match="finite and never negative"):
        format_duration(value)


@pytest.mark.parametrize("value", [True, None, []])
def test_a_duration_is_text_or_a_number(value: object) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        parse_duration(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0005, "0.5ms"),
        (0.3, "300ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (75, "75s"),
        (120, "2m"),
        (150, "2m30s"),
        (3600, "1h"),
        (3723.5, "1h2m3.5s"),
        (360000, "100h"),
    ],
)
def test_durations_are_spelled_plainly(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(min_value=0, max_value=1e9).filter(lambda seconds: seconds == 0 or seconds > 1e-12))
def test_a_spelled_duration_reads_back(seconds: float) -> None:
    seconds = round(seconds, 9)
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.0434, "43ms"),
        (1, "1s"),
        (59.9, "59s"),
        (60, "1m 0s"),
        (3_599, "59m 59s"),
        (7_440, "2h 4m"),
        (86_400, "1d 0h"),
        (790_000, "9d 3h"),
    ],
)
def test_rough_durations(seconds: float, text: str) -> None:
    assert rough_duration(seconds) == text


def test_a_rough_duration_may_have_space_before_its_unit() -> None:
    assert [rough_duration(seconds, " ") for seconds in (0.0434, 1, 61, 3_600)] == ["43 ms", "1 s", "1m 1s", "1h 0m"]


def test_counts_in_words() -> None:
    assert [count(number, "worker") for number in (0, 1, 2)] == ["0 workers", "1 worker", "2 workers"]
