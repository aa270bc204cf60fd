"""The options of static files, and the cache-control field that they make."""

from __future__ import annotations

import dataclasses

import pytest

from toolkit import StaticOptions
from toolkit.server.static_options import freshness_of


def test_the_field_is_made_of_directives() -> None:
    assert freshness_of("no-store") == "no-store"
    assert (
        freshness_of({"max-age": 1, "public": True, "private": False, "no-cache": None})
        == "max-age=1, public, no-cache"
    )
    assert freshness_of({}) == ""


def test_what_is_said_in_full_goes_first() -> None:
    assert StaticOptions(max_age=1, immutable=True, cache_control="no-cache").freshness == "no-cache"
    assert StaticOptions(max_age=0).freshness == "public, max-age=0"
    assert StaticOptions().freshness is None


def test_options_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        StaticOptions().max_age = 1  # type: ignore[misc]
