"""The version, in a leaf of its own: anyone may import it, and so nobody has to import the package root for it."""

from __future__ import annotations

__version__ = "0.1.0"
