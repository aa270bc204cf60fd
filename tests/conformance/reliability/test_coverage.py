"""Every number of sections 3a and 3b is a test, or says why it is none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from . import test_client_and_output, test_files, test_server_framing, test_server_resources, test_traps, test_uploads

if TYPE_CHECKING:
    from types import ModuleType

NOT_TOUCHED = {**test_server_framing.NOT_TOUCHED, **test_server_resources.NOT_TOUCHED}


def _numbers(module: ModuleType) -> set[int]:
    """The numbers in a module's table and in the names of its tests (`test_34_...`)."""
    rows = {row.number for row in getattr(module, "ROWS", ())}
    named = {int(match[1]) for name in vars(module) if (match := re.match(r"test_(\d\d)_", name))}
    return rows | named


SERVER = _numbers(test_server_framing) | _numbers(test_server_resources) | _numbers(test_traps)
SERVER |= _numbers(test_uploads) | _numbers(test_files)


@pytest.mark.parametrize("number", range(1, 59))
def test_every_number_of_3a_and_3b(number: int) -> None:
    assert (number in SERVER) is (number not in NOT_TOUCHED), "a row, or a reason in NOT_TOUCHED, but not both"


@pytest.mark.parametrize("number", [59, 60, 62, 63, 69, 80, 81, 82, 83, 84, 85])
def test_every_number_of_3c_and_3d_that_applies(number: int) -> None:
    assert number in _numbers(test_client_and_output)


@pytest.mark.parametrize("number", [61, 66])
def test_every_number_of_3c_on_cookies_and_pages(number: int) -> None:
    assert number in _numbers(test_uploads)


@pytest.mark.parametrize("number", [64, 65, 66, 68])
def test_every_number_of_3c_on_files_and_codings(number: int) -> None:
    assert number in _numbers(test_files)


def test_reasons_are_reasons() -> None:
    assert all(len(reason.split()) > 4 for reason in NOT_TOUCHED.values())
