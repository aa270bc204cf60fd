"""What goes with the requests of a session, and what follows their answers: the two protocols, and all in one place.

A request without any of this knows nothing of it. With some of it, a request is a chain of turns (`turns.py`); for each

    1. `CookieStore.fields_for(url)`           the cookies of that URL, unless the caller named `cookie` himself
    2. `Auth.prepare(request)`                 or what `Auth.answer` gave for it
    3. `Hooks.on_request(request)`
    4. the request is sent, and its answer's head comes; or an error, which goes to step 8 at once
    5. `CookieStore.store(url, values)`        whatever the status, that is also of 3xx and 401
    6. `Hooks.on_answer(answer)`
    7. `Auth.answer(request, answer)`          fields: the request is sent again with them
    8. redirects, then retries                 the next request, or this answer or error is the one

What `Auth` adds is for the origin that the request began with, and not asked for again once a redirect has led away
from it. A request whose own headers name `authorization` does without `Auth`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from toolkit.client.redirects import Redirects
from toolkit.client.retries import Retries
from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from yarl import URL

    from toolkit.client.response import Response
    from toolkit.protocol.headers import Headers, HeadersLike

__all__ = ["Auth", "CookieStore", "Hooks", "Outgoing", "Policies", "make_policies"]


class Outgoing(NamedTuple):
    """A request about to be sent, or sent just now."""

    method: str
    url: URL  #: without fragment
    target: str  #: the request target as it is sent
    headers: Headers  #: its fields so far, without those of framing
    body: bytes | None  #: the body where it is at hand, b"" for none; None where it is streamed


class Auth(Protocol):
    """What proves to a server who asks. One object serves many requests, at the same time, too.

    Either method may be a coroutine function. What it raises ends the request.
    """

    def prepare(self, request: Outgoing) -> HeadersLike | Awaitable[HeadersLike | None] | None:
        """Fields to send with it; they take the place of a session's own headers."""

    def answer(self, request: Outgoing, answer: Response) -> HeadersLike | Awaitable[HeadersLike | None] | None:
        """See an answer's head, whatever its status; fields to send the request again with, None: let it be.

        `answer` is the exchange itself: `status` and `headers` are there, `await answer.read()` gives its body. After
        five times with fields the answer is the caller's.
        """


class CookieStore(Protocol):
    """Where cookies are kept between requests."""

    def fields_for(self, url: URL) -> HeadersLike | None:
        """The `cookie` field for a request to this URL, None without cookies."""

    def store(self, url: URL, values: Sequence[str]) -> None:
        """Take in the values of the Set-Cookie fields (never none of them), as they came, of an answer from this URL.

        Values are text as header values are, ISO-8859-1.
        """


class Hooks(Protocol):
    """Who is told of every request and every answer, redirects and repetitions included."""

    async def on_request(self, request: Outgoing) -> HeadersLike | None:
        """Before it is sent. Fields that are returned go with it, in place of those of the same name."""

    async def on_answer(self, answer: Response) -> None:
        """The head is here; redirects and the like have not been followed yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """What holds for every request of a session; a request's own options come first."""

    auth: Auth | None = None
    cookies: CookieStore | None = None
    redirects: Redirects | None = None
    retries: Retries | None = None
    hooks: Hooks | None = None
    raise_for_status: bool = False

    def __post_init__(self) -> None:
        """Raises `UseError` for what a policy was taken for."""
        for name, value, kind in (("redirects", self.redirects, Redirects), ("retries", self.retries, Retries)):
            if value is not None and not isinstance(value, kind):
                raise UseError(f"{name}={value!r}: expected {kind.__name__}(...) or None")

    def any(self) -> bool:
        """There is one."""
        ours = (self.auth, self.cookies, self.redirects, self.retries, self.hooks)
        return self.raise_for_status or any(policy is not None for policy in ours)


def make_policies(
    *,
    auth: Auth | None = None,
    cookies: CookieStore | None = None,
    redirects: Redirects | None = None,
    retries: Retries | None = None,
    hooks: Hooks | None = None,
    raise_for_status: bool = False,
) -> Policies | None:
    """All of them, None where there are none."""
    policies = Policies(
        auth=auth,
        cookies=cookies,
        redirects=redirects,
        retries=retries,
        hooks=hooks,
        raise_for_status=raise_for_status,
    )
    return policies if policies.any() else None
