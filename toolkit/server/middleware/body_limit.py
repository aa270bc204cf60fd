"""A smaller limit on request bodies, for the part of an application that needs no large ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.errors import UseError

if TYPE_CHECKING:
    from toolkit.server.handlers import Coroutine
    from toolkit.server.request import Request

__all__ = ["BodyLimit"]


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """Request bodies of more than `size` bytes, as they come over the wire, are answered 413.

    One that says its length is refused before a byte of it is read, one that does not as soon as it is too long.
    `Limits.body` is the same for a whole application, and the upper bound of this one.
    """

    size: int

    def __post_init__(self) -> None:
        if not isinstance(self.size, int) or self.size < 0:
            raise UseError(f"BodyLimit({self.size!r}): expected bytes, a whole number from 0 on")

    async def __call__(self, handler: Coroutine, r: Request) -> object:
        """Set the limit, then go on."""
        r.limit_body(self.size)
        return await handler(r)
