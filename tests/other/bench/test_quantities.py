"""Numbers as people read them and type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.other.bench.quantities import amount, read_seconds, read_size, size, span


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (999.6, "1.00 us"),
        (1_000, "1.00 us"),
        (12_345, "12.3 us"),
        (123_456, "123 us"),
        (999_600, "1.00 ms"),
        (1_300_000, "1.30 ms"),
        (59_990_000_000, "60.0 s"),
        (3_600_000_000_000, "3,600 s"),
    ],
)
def test_durations(nanoseconds: float, text: str) -> None:
    assert span(nanoseconds) == text


@given(st.floats(1, 3.6e12))
def test_a_duration_is_right_to_three_digits(nanoseconds: float) -> None:
    number, unit = span(nanoseconds).replace(",", "").split()
    factor = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}[unit]
    assert float(number) * factor == pytest.approx(nanoseconds, rel=0.006, abs=0.51)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (6_590_000, "6.59 MB"), (1.3e9, "1.30 GB"), (2e12, "2.00 TB")],
)
def test_sizes(number: float, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (7, "7"), (0.5, "0.50"), (12.34, "12.3"), (99.97, "100"), (1234567.8, "1,234,568")]
)
def test_amounts(number: float, text: str) -> None:
    assert amount(number) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10", 10.0), ("10s", 10.0), (".5", 0.5), ("500ms", 0.5), ("1.5 M", 90.0), ("250us", 0.00025), ("1h", 3600.0)],
)
def test_durations_that_are_typed(text: str, seconds: float) -> None:
    assert read_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "number"), [("100", 100), ("64k", 65536), ("1MiB", 1 << 20), ("1.5m", 3 << 19), ("2g", 2 << 30), ("7b", 7)]
)
def test_sizes_that_are_typed(text: str, number: int) -> None:
    assert read_size(text) == number


@pytest.mark.parametrize("text", ["", "x", "1 2", "-1", "1e3", "10 parsec", "1.2.3", "nan"])
def test_what_is_neither_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration such as"):
        read_seconds(text)
    with pytest.raises(ValueError, match="expected a size such as"):
        read_size(text)
