"""Which form of the hot modules runs, and what their compiler is told about a class.

The same sources run as they are, or compiled by mypyc to C (`hatch_build.py` has the list of modules). Nothing in them
asks which; this module is never compiled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from toolkit.protocol import states

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr
else:

    def mypyc_attr(**options: bool):  # noqa: ANN201 - the type checker sees the other one
        """A word to the compiler; without one, nothing."""
        return lambda cls: cls


__all__ = ["compiled", "mypyc_attr"]

compiled: Final = not states.__file__.endswith(".py")
