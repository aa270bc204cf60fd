"""One line that says what goes on, on a terminal; nothing at all in a pipe."""

from __future__ import annotations

import sys

__all__ = ["progress"]


def progress(line: str) -> None:
    """Show `line` in place of the one before; empty: take it away."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line[:110]}", end="", file=sys.stderr, flush=True)
