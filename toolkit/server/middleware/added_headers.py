"""Fields for the answers of a group or route, errors included."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolkit.errors import UseError
from toolkit.protocol.headers import Headers

if TYPE_CHECKING:
    from toolkit.protocol.headers import HeadersLike
    from toolkit.server.handlers import Coroutine
    from toolkit.server.request import Request

__all__ = ["AddedHeaders", "SecurityHeaders"]


@dataclass(frozen=True, slots=True)
class AddedHeaders:
    """`headers` go with every answer below, whatever it is.

    For a whole application `App(headers=...)` does the same at no price, also where no middleware is asked.
    """

    headers: HeadersLike
    _pairs: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pairs", tuple(Headers(self.headers).items()))
        if not self._pairs:
            raise UseError("AddedHeaders without a header; give at least one")

    async def __call__(self, handler: Coroutine, r: Request) -> object:
        """Add them, then go on."""
        for name, value in self._pairs:
            r.add_header(name, value)
        return await handler(r)


@dataclass(frozen=True, slots=True)
class SecurityHeaders:
    """What a browser is asked not to do with the answers; None leaves a field out.

    `hsts` is the time in seconds for which a browser comes back by https alone. It is said over https only, as it has
    no meaning elsewhere (RFC 6797 7.2).

    An answer with a policy of its own has two, and a browser does what both allow (CSP 3, 4.1): where one route needs
    more, leave `content_security_policy` out here and say it route by route.
    """

    content_security_policy: str | None = "frame-ancestors 'none'; object-src 'none'; base-uri 'self'"
    referrer_policy: str | None = "strict-origin-when-cross-origin"
    opener_policy: str | None = "same-origin"
    nosniff: bool = True
    hsts: int | None = None

    async def __call__(self, handler: Coroutine, r: Request) -> object:
        """Add them, then go on."""
        if self.nosniff:
            r.add_header("x-content-type-options", "nosniff")
        r.add_header("content-security-policy", self.content_security_policy)
        r.add_header("referrer-policy", self.referrer_policy)
        r.add_header("cross-origin-opener-policy", self.opener_policy)
        if self.hsts is not None and r.scheme == "https":
            r.add_header("strict-transport-security", f"max-age={self.hsts}")
        return await handler(r)
