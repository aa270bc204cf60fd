"""Numbers as people read them, and as they type them."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["amount", "percent", "read_seconds", "read_size", "size", "span"]

STEPS: Final = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"))
SECONDS: Final = {"": 1.0, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
BYTES: Final = {"": 1, "b": 1, "k": 1024, "kib": 1024, "m": 1024**2, "mib": 1024**2, "g": 1024**3, "gib": 1024**3}
QUANTITY: Final = re.compile(r"([0-9]*\.?[0-9]+)\s*([A-Za-z]*)")


def three_digits(number: float) -> str:
    """Three significant digits, and never an exponent."""
    if number >= 99.95:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 9.995 else f"{number:.2f}"


def span(nanoseconds: float) -> str:
    """A duration with its unit: 1.30 ms."""
    for factor, unit in STEPS:
        if nanoseconds >= 0.9995 * factor:
            return f"{three_digits(nanoseconds / factor)} {unit}"
    return f"{nanoseconds:.0f} ns"


def size(number: float) -> str:
    """Bytes with their decimal unit: 1.26 GB."""
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= 0.9995 * factor:
            return f"{three_digits(number / factor)} {unit}"
    return f"{number:.0f} B"


def amount(number: float) -> str:
    """A count, or a rate: whole from 100 up."""
    return f"{number:,.0f}" if number >= 99.95 or number == int(number) else three_digits(number)


def percent(text: str) -> str:
    """A percentage out of the document: 99.9 %."""
    return f"{text} %"


def read_seconds(text: str) -> float:
    """Seconds out of 10, 10s, 500ms, 2m. Raises ValueError."""
    match = QUANTITY.fullmatch(text.strip())
    if match is None or match[2].lower() not in SECONDS:
        raise ValueError(f"{text!r}: expected a duration such as 10, 10s, 500ms or 2m")
    return float(match[1]) * SECONDS[match[2].lower()]


def read_size(text: str) -> int:
    """Bytes out of 100, 64k, 1MiB (1024 each). Raises ValueError."""
    match = QUANTITY.fullmatch(text.strip())
    if match is None or match[2].lower() not in BYTES:
        raise ValueError(f"{text!r}: expected a size such as 100, 64k or 1MiB")
    return round(float(match[1]) * BYTES[match[2].lower()])
