"""The example site, imported anew: each test has its own application, list of files and folder of uploads."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, NamedTuple

import examples.site

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from examples.site import Kept
    from toolkit import App

__all__ = ["Site", "fresh_site"]


class Site(NamedTuple):
    """What a test wants of the program."""

    web: App
    kept: dict[str, Kept]
    uploads: Path


def fresh_site(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The program as if it had been started in `folder`, without its lines on standard error."""
    monkeypatch.chdir(folder)
    spec = importlib.util.spec_from_file_location("fresh_site", examples.site.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.web.access_log = None
    return Site(module.web, module.kept, folder / "uploads")
