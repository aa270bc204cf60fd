"""Blazeio as it can be imported."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import uvloop

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["load"]


def load() -> ModuleType:
    """The package, on uvloop.

    While it is imported it installs uvloop, asks for the current loop, in an order left to chance, and begins to log to
    whatever is standard output then, which is where a contestant talks to its parent.
    """
    uvloop.install()
    asyncio.set_event_loop(uvloop.new_event_loop())
    install, uvloop.install = uvloop.install, lambda: None
    output, sys.stdout = sys.stdout, sys.stderr
    try:
        import Blazeio
    finally:
        uvloop.install, sys.stdout = install, output
    found: ModuleType = Blazeio
    return found
