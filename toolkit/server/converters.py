"""Converters: from the text of a path's segment to a value, and back.

`parse` is given the decoded segment, never an empty one, and raises `ValueError` where it is not of this kind: the
next route that may fit is tried then. `format` gives the text for a value, which `url_for` encodes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CONVERTERS", "PATH", "Converter"]

PATH = "path"  # the one that takes the rest of the path, slashes and all

_INT = re.compile(r"-?[0-9]+", re.ASCII)
_FLOAT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Converter:
    """A kind of parameter: `parse` reads its text or raises `ValueError`, `format` writes it."""

    parse: Callable[[str], object]
    format: Callable[[object], str] = str


def _matching(pattern: re.Pattern[str], make: Callable[[str], object]) -> Callable[[str], object]:
    """A reader for exactly this form: int() and its like would take spaces, underscores and other scripts' digits."""

    def parse(text: str) -> object:
        if pattern.fullmatch(text) is None:
            raise ValueError(f"{text[:80]!r} is not of this form")
        return make(text)  # int() takes at most 4,300 digits, by a ValueError of its own

    return parse


def _rest(text: str) -> object:
    """The rest of a path. Not one that begins with a slash: joined to a directory it would leave it."""
    if text.startswith("/"):
        raise ValueError("the rest of a path does not begin with a slash")
    return text


def _format_float(value: object) -> str:
    if not isinstance(value, (int, float)):
        raise ValueError(f"expected a number, got {value!r}")
    return f"{float(value):f}".rstrip("0").removesuffix(".")


#: Those that are always there. A parameter without a converter is a segment's text.
CONVERTERS: dict[str, Converter] = {
    "int": Converter(_matching(_INT, int)),
    "float": Converter(_matching(_FLOAT, float), _format_float),
    "uuid": Converter(_matching(_UUID, UUID)),
    PATH: Converter(_rest),
}
