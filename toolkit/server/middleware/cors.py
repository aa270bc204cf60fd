"""Cross-origin requests: which pages of other origins may read the answers (WHATWG Fetch 3.3, the CORS protocol).

A browser asks before it sends what a page could not send without scripts: a preflight, OPTIONS with the fields `origin`
and `access-control-request-method`. That is answered here and reaches no handler. Every other request goes on, and its
answer says who may read it. Nothing is refused here: a browser does that, and who is no browser is not asked.

The middleware belongs to the application or a group: a preflight is OPTIONS, which a single GET route never sees.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from toolkit.errors import UseError
from toolkit.protocol.fields import TOKEN
from toolkit.server.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolkit.protocol.headers import Fields
    from toolkit.server.handlers import Coroutine
    from toolkit.server.request import Request

__all__ = ["CORS"]

ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\sA-Z]+")
PREFLIGHT_VARY: Final = b"origin, access-control-request-method, access-control-request-headers"
SAFE_METHODS: Final = ("GET", "HEAD", "POST")  # CORS-safelisted (Fetch 2.2.1): allowed whatever the list says


@dataclass(frozen=True, slots=True, kw_only=True)
class CORS:
    """Pages of `origins` may read the answers.

    `origins`: "*" for any, a list of origins (`https://example.org`, without a slash at the end; "null" is a sandboxed
    page), or a function of an origin. `methods` and `headers` are those that may be asked for beyond what needs no
    asking; "*" for any. `expose` are the answer's fields that scripts may see. `credentials` lets cookies be sent along
    and needs named origins: any page at all could act in its visitor's name otherwise, and browsers refuse that.
    `max_age` is how long, in seconds, a browser need not ask again.
    """

    origins: Sequence[str] | str | Callable[[str], bool] = "*"
    methods: Sequence[str] | str = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    headers: Sequence[str] | str = "*"
    expose: Sequence[str] = ()
    credentials: bool = False
    max_age: int | None = 600

    def __post_init__(self) -> None:
        self._check_origins()
        for name in ("methods", "headers", "expose"):
            value = getattr(self, name)
            if isinstance(value, str):
                if value != "*" or name == "expose":
                    raise UseError(f"CORS({name}={value!r}): expected a list")
                continue
            for one in value:
                if TOKEN.fullmatch(one.encode("latin-1", "replace")) is None:
                    raise UseError(f"CORS({name}=...): {one!r} is no token")

    def _check_origins(self) -> None:
        if self.origins == "*":
            if self.credentials:
                raise UseError("CORS(credentials=True) with any origin; name the origins that are trusted with them")
            return
        if isinstance(self.origins, str):
            raise UseError(f"CORS(origins={self.origins!r}): expected '*', a list of origins, or a function")
        for origin in () if callable(self.origins) else self.origins:
            if origin == "*":
                raise UseError("CORS(origins=['*']): '*' is no origin; for any, expected origins='*'")
            if origin != "null" and ORIGIN.fullmatch(origin) is None:
                raise UseError(
                    f"CORS: {origin!r} is no origin; expected scheme and host in lower case, the port if it is not the "
                    "usual one, and no slash at the end: 'https://example.org'"
                )

    async def __call__(self, handler: Coroutine, r: Request) -> object:
        """Answer a preflight; add to any other answer what browsers want to know."""
        origin = r.headers.get("origin")
        wanted = r.headers.get("access-control-request-method")
        if r.method == "OPTIONS" and origin is not None and wanted is not None:
            asked = ", ".join(r.headers.get_all("access-control-request-headers"))
            return Answer(204, self.preflight(origin, wanted, asked), b"")
        for name, value in self.answer(origin):
            r.add_header(name.decode("ascii"), value)
        return await handler(r)

    # -- decisions, apart from requests ------------------------------------------------------------------------

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin may read."""
        if callable(self.origins):
            return self.origins(origin)
        return self.origins == "*" or origin in self.origins

    def answer(self, origin: str | None) -> Fields:
        """The fields of an answer (Fetch 3.3.3)."""
        fields: Fields = []
        if self.origins != "*":
            fields.append((b"vary", b"origin"))  # for all, or a cache would give one origin's answer to another
        if origin is None or not self.allows(origin):
            return fields
        fields += self._origin(origin)
        if self.expose:
            fields.append((b"access-control-expose-headers", ", ".join(self.expose).encode("ascii")))
        return fields

    def preflight(self, origin: str, method: str, headers: str) -> Fields:
        """The fields of a preflight's answer (Fetch 4.8). One that is refused says nothing but what it depends on."""
        fields: Fields = [(b"vary", PREFLIGHT_VARY)]
        names = [one for each in headers.split(",") if (one := each.strip(" \t"))]
        if not self.allows(origin) or not self._takes(method, names):
            return fields
        fields += self._origin(origin)
        fields.append((b"access-control-allow-methods", method.encode("ascii")))
        if names:
            fields.append((b"access-control-allow-headers", ", ".join(names).encode("ascii")))
        if self.max_age is not None:
            fields.append((b"access-control-max-age", b"%d" % self.max_age))
        return fields

    def _origin(self, origin: str) -> Fields:
        said = b"*" if self.origins == "*" else origin.encode("latin-1")
        fields: Fields = [(b"access-control-allow-origin", said)]
        if self.credentials:
            fields.append((b"access-control-allow-credentials", b"true"))
        return fields

    def _takes(self, method: str, names: list[str]) -> bool:
        """What is asked for is repeated in the answer, where it must be a token."""
        if any(TOKEN.fullmatch(one.encode("latin-1", "replace")) is None for one in (method, *names)):
            return False
        if self.methods != "*" and method not in self.methods and method not in SAFE_METHODS:
            return False
        if self.headers == "*":
            return True
        allowed = {name.lower() for name in self.headers}
        return all(name.lower() in allowed for name in names)
