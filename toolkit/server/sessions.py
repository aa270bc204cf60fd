"""Sessions in a signed cookie: `r.session`, a dict that a visitor brings along.

The server keeps nothing, so workers and restarts do not matter, and neither does a full disk. What that means: the
visitor can read what is in it (nothing is encrypted), an old cookie stays good until `max_age` is over, and there is
room for some 3 KB.

The cookie is read when `r.session` is first used, and written when an answer's head is formed, if the dict is not what
it was; so it goes out with streamed answers and with errors, too. After the head it is too late: what is changed then
is lost, and a line in the log says so.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import orjson

from toolkit.errors import LocalProtocolError, UseError
from toolkit.protocol.cookies import SIZE, Cookie, SameSite, serialize_cookie
from toolkit.server.added import extra_of
from toolkit.server.signing import Signer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from toolkit.protocol.readable import Json
    from toolkit.server.incoming import Incoming
    from toolkit.server.request import Request

__all__ = ["CookieSessions", "is_used", "session_of"]

log = logging.getLogger("toolkit.server")

WEEK: Final = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class CookieSessions:
    """A middleware that gives requests their `r.session`: `App(middlewares=[CookieSessions(secret)])`.

    `secret` has at least 16 bytes; of several the first one signs, the others are still good: that is how to change it.
    `max_age` in seconds, counted from the last change; a session in use is renewed when half of it is over. `secure`
    None: by the request's scheme, which `samesite="None"` does not leave open. Raises `UseError` for a short secret,
    and for a cookie that no agent would keep.
    """

    secret: str | bytes | Sequence[str | bytes] = field(repr=False)
    cookie: str = "session"
    max_age: int = 2 * WEEK
    path: str = "/"
    domain: str | None = None
    secure: bool | None = None
    httponly: bool = True
    samesite: SameSite = "Lax"
    partitioned: bool = False
    signer: Signer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        secrets = [self.secret] if isinstance(self.secret, (str, bytes)) else list(self.secret)
        object.__setattr__(self, "signer", Signer(*secrets, purpose=f"session:{self.cookie}"))
        if self.secure is None and str(self.samesite).lower() == "none":
            raise UseError(
                "CookieSessions(samesite='None') without secure=True: a browser keeps such a cookie over https alone, "
                "and behind a proxy the request's scheme does not tell"
            )
        try:
            serialize_cookie(self.baked("", secure=self.secure is not False))
        except LocalProtocolError as error:
            raise UseError(f"CookieSessions(): {error}") from None

    async def __call__(self, handler: Callable[[Request], Awaitable[object]], r: Request) -> object:
        """Around a handler."""
        visit = extra_of(r).session = Visit(self, r)
        value = await handler(r)
        visit.check_saved()
        return value

    def baked(self, value: str, *, secure: bool, max_age: int | None = None) -> Cookie:
        """The cookie with this value."""
        return Cookie(
            self.cookie,
            value,
            max_age=self.max_age if max_age is None else max_age,
            domain=self.domain,
            path=self.path,
            secure=secure,
            httponly=self.httponly,
            samesite=self.samesite,
            partitioned=self.partitioned,
        )


class Visit:
    """The session of one request."""

    __slots__ = ("_before", "_came", "_options", "_r", "_saved", "data")

    def __init__(self, options: CookieSessions, r: Request) -> None:
        self._options = options
        self._r = r
        self._came = False
        self._before = b"{}"
        self._saved: bytes | None = None  # what it was when the answer's head was formed
        self.data: dict[str, Json] | None = None

    @property
    def is_used(self) -> bool:
        """It was read, or there is something to be read."""
        return self.data is not None or self._options.cookie in self._r.cookies

    def open(self) -> dict[str, Json]:
        """Read the cookie, once."""
        if self.data is None:
            options, extra = self._options, extra_of(self._r)
            signed = self._r.cookies.get(options.cookie)
            self._came = signed is not None
            found = options.signer.unsign_with_age(signed)
            self.data = {}
            if found is not None and found[1] <= options.max_age:
                self.data = orjson.loads(found[0])
                fresh = found[1] <= options.max_age / 2
                self._before = (
                    orjson.dumps(self.data) if fresh else b""
                )  # b"" is what no session looks like: sent again
            extra.fields.append((b"vary", b"cookie"))
            extra.before_head.append(self.save)
        return self.data

    def save(self) -> None:
        """Send it if it is not what it was; an empty one is deleted."""
        data, r = self.data, self._r
        try:
            after = orjson.dumps(data)
        except TypeError as error:
            raise UseError(r._say(f"r.session: {error}; expected what JSON can say")) from None
        self._saved = after
        options = self._options
        secure = options.secure if options.secure is not None else r.scheme == "https"
        if not data:
            if self._came:
                self._send(options.baked("", secure=secure, max_age=0))
        elif after != self._before:
            self._send(options.baked(options.signer.sign(after.decode()), secure=secure))

    def check_saved(self) -> None:
        """Behind a handler that sent its answer itself: tell of changes that came after the head."""
        if self._saved is not None and orjson.dumps(self.data, default=repr) != self._saved:
            log.warning(self._r._say("r.session was changed behind the answer's head: that change is lost"))

    def _send(self, cookie: Cookie) -> None:
        size = len(cookie.name) + len(cookie.value)
        if size > SIZE:
            text = (
                f"r.session: {size} bytes when signed, a cookie holds {SIZE}; keep an id in it and the rest elsewhere"
            )
            raise UseError(self._r._say(text))
        extra_of(self._r).fields.append((b"set-cookie", serialize_cookie(cookie)))


def session_of(r: Incoming) -> dict[str, Json]:
    """See `Request.session`."""
    visit = None if r._extra is None else r._extra.session
    if not isinstance(visit, Visit):
        raise UseError(r._say("r.session without sessions; add the middleware CookieSessions(secret)"))
    return visit.open()


def is_used(r: Incoming) -> bool:
    """Whether this visitor has a session: one was read in this request, or there is a cookie for it."""
    visit = None if r._extra is None else r._extra.session
    return isinstance(visit, Visit) and visit.is_used
