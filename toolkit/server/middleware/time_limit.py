"""An end to handlers that take too long."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.errors import UseError
from toolkit.server.abort import Abort

if TYPE_CHECKING:
    from toolkit.server.handlers import Coroutine
    from toolkit.server.request import Request

__all__ = ["TimeLimit"]


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """A handler that takes longer than `seconds` is cancelled and its request answered with `status`.

    503: this server could not do it in time. (504 would say that another one, behind it, did not answer; a gateway sets
    it here.) An answer that has begun is broken off instead. The sending of a returned stream comes behind the handler
    and does not count: `Timeouts` bounds it. A plain function cannot be cancelled.
    """

    seconds: float
    status: int = 503
    retry_after: int | None = None  #: seconds; None says nothing about it

    def __post_init__(self) -> None:
        if not isinstance(self.seconds, (int, float)) or self.seconds <= 0:
            raise UseError(f"TimeLimit({self.seconds!r}): expected seconds, more than 0")
        if not 500 <= self.status <= 599:
            raise UseError(f"TimeLimit(status={self.status}): expected 500 to 599, since it is no fault of the client")

    async def __call__(self, handler: Coroutine, r: Request) -> object:
        """Go on, but not for ever."""
        bound = asyncio.timeout(self.seconds)
        try:
            async with bound:
                return await handler(r)
        except TimeoutError:
            if not bound.expired():
                raise  # the handler's own
        raise Abort(f"not done within {self.seconds:g} s", self.status, {"retry-after": self.retry_after})
