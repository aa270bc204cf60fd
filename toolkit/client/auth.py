"""Who asks: Basic (RFC 7617), Bearer (RFC 6750), Digest (RFC 7616), and a function of the program's own.

All of them are an `Auth` (see `policies.py`): asked before a request is sent, and shown every answer. One object may
serve any number of requests at a time, and it sends what it holds to whatever origin it is asked for: which requests
those are is decided by who asks it. Nothing secret is in any repr, message or log line.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Final, TypeAlias

from toolkit.client.digest import DigestChallenge, Login, authorization, choose
from toolkit.client.pool import Origin
from toolkit.client.url import join_url
from toolkit.errors import UseError
from toolkit.protocol.challenges import Challenge, parse_challenges

if TYPE_CHECKING:
    from collections.abc import Callable

    from yarl import URL

    from toolkit.client.policies import Auth, Outgoing
    from toolkit.client.response import Response
    from toolkit.protocol.headers import Headers, HeadersLike

__all__ = ["AuthFunction", "AuthLike", "Basic", "Bearer", "ByFunction", "Digest", "OnlyFor", "origin_of"]

#: Called with the request and None before it is sent, and with the answer when that is a 401; either may be awaited.
AuthFunction: TypeAlias = "Callable[[Outgoing, Response | None], HeadersLike | Awaitable[HeadersLike | None] | None]"
AuthLike: TypeAlias = "Auth | tuple[str, str] | AuthFunction"

ORIGINS: Final = 100  #: whose nonces a Digest remembers; who comes after them is challenged anew
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
TOKEN68: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")  # RFC 6750 2.1

_Answer: TypeAlias = "HeadersLike | None"


def origin_of(url: URL) -> Origin:
    """Scheme, host and port."""
    return Origin(url.scheme, url.raw_host or "", url.port or 0)


def _login(kind: str, user: object, password: object) -> Login:
    """Checked; says what is wrong without saying what it is."""
    if not isinstance(user, str) or not isinstance(password, str):
        given = f"{type(user).__name__}, {type(password).__name__}"
        raise UseError(f"{kind}({given}): expected the user's name and the password as str")
    if ":" in user:
        raise UseError(f"{kind}(): the user's name has a ':', which would end it (RFC 7617 2)")
    for what, text in (("user's name", user), ("password", password)):
        if CONTROL.search(text) is not None:
            raise UseError(f"{kind}(): the {what} has a control character (a newline read along from a file?)")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UseError(f"{kind}(): the {what} has lone surrogates, which UTF-8 cannot say") from None
    return Login(user, password)


class Basic:
    """A name and a password with every request, in UTF-8, not encrypted: over TLS, or anybody on the way has both.

    Raises `UseError` for a name with a colon and for control characters.
    """

    def __init__(self, user: str, password: str = "") -> None:
        login = _login("Basic", user, password)
        self._user = login.user
        self._field = b"Basic " + b64encode(f"{login.user}:{login.password}".encode())

    def __repr__(self) -> str:
        return f"Basic({self._user!r}, '***')"

    def prepare(self, request: Outgoing) -> _Answer:
        """The Authorization field."""
        return [("authorization", self._field)]

    def answer(self, request: Outgoing, answer: Response) -> _Answer:
        """There is nothing else to say."""
        return None


class Bearer:
    """A token with every request; over TLS, or anybody on the way has it. Raises `UseError` for what is no token."""

    def __init__(self, token: str) -> None:
        if not isinstance(token, str) or TOKEN68.fullmatch(token) is None:
            what = "a str" if not isinstance(token, str) else "letters, digits and -._~+/, then =, and no newline"
            raise UseError(f"Bearer(): the token is no bearer token (RFC 6750 2.1): expected {what}")
        self._field = f"Bearer {token}"

    def __repr__(self) -> str:
        return "Bearer('***')"

    def prepare(self, request: Outgoing) -> _Answer:
        """The Authorization field."""
        return [("authorization", self._field)]

    def answer(self, request: Outgoing, answer: Response) -> _Answer:
        """There is nothing else to say."""
        return None


@dataclass(slots=True)
class _Space:
    """What one origin is answered with: section 3.3's protection space, one for each origin."""

    challenge: DigestChallenge
    cnonce: str
    count: int = 0  # requests with this nonce


class Digest:
    """A name and a password that are proved and never sent (RFC 7616): MD5, SHA-256, SHA-512-256, and their `-sess`.

    The first request to an origin is answered by 401, and sent again with the proof; later ones bring it along,
    counted, for as long as the server takes its nonce. A body that can be read only once is spent by then, which is an
    error: ask for something without a body first. `client_nonce` makes our nonces.
    """

    def __init__(
        self, user: str, password: str, *, client_nonce: Callable[[], str] = lambda: token_urlsafe(24)
    ) -> None:
        self._who = _login("Digest", user, password)
        self._client_nonce = client_nonce
        self._spaces: OrderedDict[Origin, _Space] = OrderedDict()

    def __repr__(self) -> str:
        return f"Digest({self._who.user!r}, '***')"

    def prepare(self, request: Outgoing) -> _Answer:
        """The Authorization field, where the origin has said what it asks for."""
        space = self._spaces.get(origin_of(request.url))
        if space is None or not _covers(space.challenge, request.url):
            return None
        return self._field(space, request)

    def answer(self, request: Outgoing, answer: Response) -> _Answer:
        """The Authorization field for a challenge, unless it is one that was answered and refused."""
        origin = origin_of(request.url)
        used = _used(answer.request_headers)
        if answer.status != 401:
            self._learn(origin, used, answer.headers)
            return None
        challenge = choose(_challenges(answer.headers), body_at_hand=request.body is not None)
        if challenge is None:
            return None
        if _refused(used, challenge, answer):
            space = self._spaces.get(origin)
            if space is not None and used == (space.challenge.realm, space.challenge.nonce):
                del self._spaces[origin]  # the password is wrong: what comes next does not bring it along
            return None
        return self._field(self._remember(origin, challenge), request)

    def _remember(self, origin: Origin, challenge: DigestChallenge) -> _Space:
        space = self._spaces[origin] = _Space(challenge, self._client_nonce())
        self._spaces.move_to_end(origin)
        if len(self._spaces) > ORIGINS:
            self._spaces.popitem(last=False)
        return space

    def _field(self, space: _Space, request: Outgoing) -> _Answer:
        count = space.count + 1
        made = authorization(
            self._who, space.challenge, request.method, request.target, request.body, count, space.cnonce
        )
        if made is None:
            return None
        space.count = count
        return [("authorization", made)]

    def _learn(self, origin: Origin, used: tuple[str, str] | None, headers: Headers) -> None:
        """Section 3.5: the server may name the next nonce with any answer."""
        space = self._spaces.get(origin)
        info = headers.get("authentication-info")
        if info is None or space is None or used != (space.challenge.realm, space.challenge.nonce):
            return
        named = parse_challenges(f"info {info}")
        nonce = named[0].parameters.get("nextnonce") if named else None
        if nonce:
            self._remember(origin, replace(space.challenge, nonce=nonce))


def _challenges(headers: Headers) -> list[Challenge]:
    return parse_challenges(", ".join(headers.get_all("www-authenticate")))


def _used(headers: Headers) -> tuple[str, str] | None:
    """Realm and nonce that a request's Authorization was made with."""
    for one in parse_challenges(headers.get("authorization", "")):
        if one.scheme == "digest":
            return one.parameters.get("realm", ""), one.parameters.get("nonce", "")
    return None


def _refused(used: tuple[str, str] | None, challenge: DigestChallenge, answer: Response) -> bool:
    """Whether a challenge of this exchange, or this one, was answered, and the server says that it was not the nonce.

    A nonce from an earlier exchange says nothing, as servers forget them; and another realm asks for the first time.
    """
    if used is None or challenge.stale or used[0] != challenge.realm:
        return False
    before = [past for past in answer.history if past.status == 401]
    nonces = {one.parameters.get("nonce") for past in before for one in _challenges(past.headers)}
    return used[1] == challenge.nonce or used[1] in nonces


def _covers(challenge: DigestChallenge, url: URL) -> bool:
    """Whether the URL is in the challenge's domain (section 3.3): a list of prefixes, none for all of the origin."""
    if not challenge.domain:
        return True
    for each in challenge.domain:
        try:
            place = join_url(url, each)
            if origin_of(place) == origin_of(url) and url.raw_path.startswith(place.raw_path):
                return True
        except ValueError:
            continue
    return False


class ByFunction:
    """A program's own function as an `Auth`."""

    def __init__(self, function: AuthFunction) -> None:
        self._function = function

    def __repr__(self) -> str:
        return f"auth={self._name}"

    @property
    def _name(self) -> str:
        return getattr(self._function, "__qualname__", type(self._function).__name__)

    async def prepare(self, request: Outgoing) -> _Answer:
        """What the function says without an answer."""
        return await self._ask(request, None)

    async def answer(self, request: Outgoing, answer: Response) -> _Answer:
        """What the function says to a 401; other answers are none of its business."""
        return await self._ask(request, answer) if answer.status == 401 else None

    async def _ask(self, request: Outgoing, answer: Response | None) -> _Answer:
        given = self._function(request, answer)
        if isinstance(given, Awaitable):
            given = await given
        if given is not None and not isinstance(given, (Mapping, list, tuple)):
            what = f"{self._name}() returned a value of type {type(given).__name__}"
            raise UseError(f"auth: {what}: expected headers, such as {{'authorization': '...'}}, or None")
        return given


class OnlyFor:
    """An `Auth` for one origin: a session's own is for its `base_url`."""

    def __init__(self, auth: Auth, url: URL) -> None:
        self._auth = auth
        self._origin = origin_of(url)

    def __repr__(self) -> str:
        return repr(self._auth)

    def prepare(self, request: Outgoing) -> _Answer | Awaitable[_Answer]:
        """As the other, or nothing."""
        return self._auth.prepare(request) if origin_of(request.url) == self._origin else None

    def answer(self, request: Outgoing, answer: Response) -> _Answer | Awaitable[_Answer]:
        """As the other, or nothing."""
        return self._auth.answer(request, answer) if origin_of(request.url) == self._origin else None
