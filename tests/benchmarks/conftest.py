"""Contestants run with the interpreter that runs the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.core.environment import here

if TYPE_CHECKING:
    from benchmarks.core.environment import Environment


@pytest.fixture(scope="session")
def environment() -> Environment:
    """What is installed here."""
    return here()
