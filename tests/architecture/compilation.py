"""The modules that `hatch_build.py` compiles, by the list in pyproject.toml."""

from __future__ import annotations

import tomllib
from functools import cache

from .package import REPOSITORY

__all__ = ["compiled_modules"]


@cache
def compiled_modules() -> tuple[str, ...]:
    """Their dotted names, in the order of the list."""
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        hook = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]
    return tuple(path.removesuffix(".py").replace("/", ".") for path in hook["compile"])
