"""Turns: what a request with policies does besides being sent once (see `policies.py` for the order of things).

A turn is a request that is sent, and its answer's head or the error that came instead. After each there is one place
that decides: `Turns._again` gives the next request, or None, and the exchange is its user's. What is decided is pure
and elsewhere (`redirects.py`, the protocols of `policies.py`); here it is carried out.

The exchange stays one and the same. Between two turns the answer is read off, so that its connection can carry the next
request, and the exchange is put back to where nothing was sent. Its `history` has the answers that were not the last.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from toolkit.client.heads import NO_BLOCK, Block, fields_of
from toolkit.client.options import OF_TURNS
from toolkit.client.policies import Outgoing, Policies
from toolkit.client.redirects import OF_THE_REQUEST, Redirects, next_hop, same_origin
from toolkit.client.retries import Try, retry_after
from toolkit.errors import BodyNotReplayable, RemoteProtocolError
from toolkit.protocol.fields import find_field
from toolkit.protocol.framing import LENGTH, NONE, split_framing
from toolkit.protocol.headers import Headers, encode_fields
from toolkit.protocol.states import DONE, IDLE

if TYPE_CHECKING:
    from yarl import URL

    from toolkit.client.options import RequestOptions
    from toolkit.client.policies import Auth
    from toolkit.client.response import Response
    from toolkit.client.retries import Retries
    from toolkit.protocol.head import ResponseHead
    from toolkit.protocol.headers import Fields, HeadersLike

__all__ = ["Again", "Turns", "make_turns"]

MOST_CHALLENGES: Final = 5  # a nonce may be stale, a token expired; who is refused five times will be a sixth time
NO_POLICIES: Final = Policies()
FOLLOWS: Final = Policies(redirects=Redirects())  # what is asked for most
ONLY_FOLLOWS: Final = frozenset(["follow_redirects"])
FRAMING: Final = frozenset([b"content-length", b"transfer-encoding"])

Sent: TypeAlias = tuple[str, str, tuple[tuple[bytes, bytes], ...]]  # method, URL and fields of a request


class Again(NamedTuple):
    """The next request of a chain."""

    method: str
    url: URL
    fields: Fields
    keeps_body: bool
    redirected: bool = False
    wait: float | None = None  #: seconds before it, where it is another try of the last one


def make_turns(
    shared: Policies | None,
    options: RequestOptions,
    login: tuple[str, str] | None = None,
    fields: Fields | None = None,
) -> Turns | None:
    """What a request's options, the login in its URL and its session's policies come to; None: to nothing.

    `fields` are its own. Raises `UseError` for options that are none.
    """
    own = OF_TURNS.intersection(options)
    if not own and login is None:
        return None if shared is None else Turns(shared)
    if shared is None:
        shared = NO_POLICIES
        if own == ONLY_FOLLOWS and login is None:
            return Turns(FOLLOWS) if options["follow_redirects"] else None
    redirects = options.get("redirects", shared.redirects)
    if "follow_redirects" in options:
        redirects = (redirects or Redirects()) if options["follow_redirects"] else None
    auth, cookies = shared.auth, shared.cookies
    if login is not None or "auth" in own or "cookies" in own:
        from toolkit.client.given import of_request

        auth, cookies = of_request(shared, options, login, fields or [])
    policies = Policies(
        auth=auth,
        cookies=cookies,
        redirects=redirects,
        retries=options.get("retries", shared.retries),
        hooks=shared.hooks,
        raise_for_status=options.get("raise_for_status", shared.raise_for_status),
    )
    return Turns(policies) if policies.any() or options.get("expect_continue", False) else None


class Turns:
    """The turns of one request."""

    __slots__ = (
        "_added",
        "_asked_for",
        "_attempt",
        "_auth",
        "_authorization",
        "_challenges",
        "_deadline",
        "_failed",
        "_free",
        "_heads",
        "_hops",
        "_owner",
        "_policies",
        "_request",
        "done",
        "tries",
    )

    def __init__(self, policies: Policies) -> None:
        self.done = False  # the answer's head is the one that the caller gets
        self._policies = policies
        self._asked_for: int | None = None  # a status above 400 that is no error
        self._auth = policies.auth  # None, too, once another origin was met
        self._authorization: Fields | None = None  # for the next turn, by `Auth.answer`
        self._added: set[bytes] | None = None  # names of what was sent by these policies alone, in lower case
        self._request: Outgoing | None = None  # as it was sent
        self._challenges = 0
        self._hops = 0
        self._attempt = 1  # of the request as it is now: a redirect's begins at 1
        self._deadline = math.inf  # by the loop's clock: the exchange's total time is over
        self._failed = False  # for good
        self.tries: list[Try] = []  # that failed
        self._heads: list[tuple[str, URL, bytes]] = []  # that were sent; of circles
        # Two tasks may wait for one head; the next request is sent once. Who decides may look at the answer meanwhile.
        self._owner: asyncio.Task[object] | None = None
        self._free: asyncio.Event | None = None  # somebody else waits for that

    def begin(self, x: Response, open_body: bool) -> Awaitable[None] | None:
        """The first turn's request; what there is to wait for."""
        own, session, policies = x._fields, x._session, self._policies
        block = session.defaults.block(session.headers, x._options.get("decode", True))
        if self._auth is None and policies.hooks is None and policies.retries is None:
            return self._start(x, own, self._cookies(x, own, block), block, open_body)
        if find_field(own, b"authorization") is not None:
            self._auth = None
        if policies.retries is not None:
            policies.retries.request()
            if x.timeouts.total is not None:
                self._deadline = asyncio.get_running_loop().time() + x.timeouts.total
        return self._send(x, own, block, open_body=open_body)

    async def head(self, x: Response) -> None:
        """Wait for the head of the last turn's answer, sending what has to be sent before."""
        me = asyncio.current_task()
        while self._owner is not None:
            if self._owner is me:
                return
            if self._free is None:
                self._free = asyncio.Event()
            await self._free.wait()
        self._owner = me
        try:
            while not self.done:
                again = await self._next(x)
                if again is None:
                    self.done = True
                else:
                    await self._repeat(x, again)
        finally:
            self._owner = None
            if self._free is not None:
                self._free.set()
                self._free = None

    async def _next(self, x: Response) -> Again | None:
        """Wait for the head, or what comes instead, and decide."""
        try:
            await x._wait_head()
        except Exception as error:
            again = self._after_failure(x, error)
            if again is None:
                raise
            return again
        return await self._again(x)

    def refuses(self, x: Response) -> bool:
        """The last answer's status is to be an error."""
        status = x.status
        return self._policies.raise_for_status and status is not None and status >= 400 and status != self._asked_for

    def take(self, status: int) -> None:
        """An answer with this status is no error, whatever `raise_for_status` says: who asks knows what to do then."""
        self._asked_for = status

    # -- what goes with a request ------------------------------------------------------------------------------

    def _start(self, x: Response, own: Fields, added: Fields, block: Block, open_body: bool) -> Awaitable[None] | None:
        if added:
            self._added = {name.lower() for name, _ in added}
            own = _replace(own, added)
        else:
            self._added = None
        pending = x._start(own, block, open_body)
        if self._policies.redirects is not None:
            self._heads.append((x.method, x._place.url, x._sent_head))
        return pending

    async def _send(
        self, x: Response, own: Fields, block: Block, *, open_body: bool = False, redirected: bool = False
    ) -> None:
        added = await self._add(x, own, block, _at_hand(x, own, open_body))
        if redirected:
            next_one = _sent(x.method, x._place.url, _replace(own, added))
            if any(_sent(method, url, fields_of(head)) == next_one for method, url, head in self._heads):
                raise RemoteProtocolError(x.history[-1]._say(f"redirected in a circle: {_circle(x)}"))
        pending = self._start(x, own, added, block, open_body)
        if pending is None:
            return
        try:
            await pending
        except Exception as error:  # no connection, most of the time: as good as a head that does not come
            again = self._after_failure(x, error)
            if again is None:
                raise
        else:
            return
        await self._repeat(x, again, open_body=open_body)

    def _cookies(self, x: Response, own: Fields, block: Block) -> Fields:
        cookies = self._policies.cookies
        if cookies is None or b"cookie" in block.names or find_field(own, b"cookie") is not None:
            return []
        return encode_fields(cookies.fields_for(x._place.url.with_fragment(None)))

    async def _add(self, x: Response, own: Fields, block: Block, body: bytes | None) -> Fields:
        """Cookies, then what `Auth` says, then hooks; what comes later takes the place of a field of the same name."""
        added, hooks = self._cookies(x, own, block), self._policies.hooks
        if self._auth is None and hooks is None:
            return added
        self._request = _outgoing(x, body, own, block, added)
        if self._auth is not None:
            given, self._authorization = self._authorization, None
            if given is None:
                given = encode_fields(await _now(self._auth.prepare(self._request)))
            added = _replace(added, given)
        if hooks is not None:
            self._request = _outgoing(x, body, own, block, added)
            added = _replace(added, encode_fields(await hooks.on_request(self._request)))
        return added

    # -- what follows an answer --------------------------------------------------------------------------------

    async def _again(self, x: Response) -> Again | None:
        """The one place where that is decided."""
        head, policies = x._head, self._policies
        assert head is not None
        if policies.cookies is not None:
            values = [value.decode("latin-1") for name, value in head.fields if name.lower() == b"set-cookie"]
            if values:
                policies.cookies.store(x._place.url.with_fragment(None), values)
        if policies.hooks is not None:
            await policies.hooks.on_answer(x)
        if head.status == 417 and x._options.get("expect_continue", False):
            return self._without_expectation(x)
        again = None
        if self._auth is not None:
            again = await self._after_challenge(x, self._auth)
        if again is None and policies.redirects is not None and 300 <= head.status < 400:
            again = self._after_redirect(x, head, policies.redirects)
        if again is None and policies.retries is not None:
            again = self._after_status(x, head, policies.retries)
        return again

    def _base(self, x: Response) -> Fields:
        """What was sent, without what these policies added."""
        fields = fields_of(x._sent_head)
        return fields if not self._added else [pair for pair in fields if pair[0].lower() not in self._added]

    def _without_expectation(self, x: Response) -> Again:
        """RFC 9110 10.1.1: who is told that it cannot be met asks again without it."""
        x._options = {**x._options, "expect_continue": False}
        fields = [pair for pair in self._base(x) if pair[0].lower() != b"expect"]
        return Again(x.method, x._place.url, fields, True)

    async def _after_challenge(self, x: Response, auth: Auth) -> Again | None:
        assert self._request is not None  # it was prepared for
        given = await _now(auth.answer(self._request, x))
        if given is None or self._challenges == MOST_CHALLENGES:
            return None
        self._challenges += 1
        self._authorization = encode_fields(given)
        return Again(x.method, x._place.url, self._base(x), True)

    def _after_redirect(self, x: Response, head: ResponseHead, redirects: Redirects) -> Again | None:
        here = x._place.url
        location = find_field(head.fields, b"location")
        where = None if location is None else _text(location)
        hop = next_hop(x.method, here, self._base(x), head.status, where, self._hops, redirects)
        if hop is None:
            return None
        self._hops += 1
        self._attempt = 1
        if not same_origin(here, hop.url):
            self._auth = None
        return Again(hop.method, hop.url, hop.fields, hop.keeps_body, redirected=True)

    # -- retries -----------------------------------------------------------------------------------------------

    def _after_status(self, x: Response, head: ResponseHead, retries: Retries) -> Again | None:
        if not retries.wants_status(x.method, head.status):
            return None
        asked = find_field(head.fields, b"retry-after")
        after = None if asked is None else retry_after(asked.decode("latin-1"), retries.clock.now())
        return self._retry(x, retries, Try(head.status, None, 0), after)

    def _after_failure(self, x: Response, error: Exception) -> Again | None:
        retries = self._policies.retries
        again = None
        if retries is not None and not self._failed and retries.wants_error(x.method, error):
            again = self._retry(x, retries, Try(None, error, 0), None)
        if again is None:
            self._failed = True
            self.tell(error)
        return again

    def tell(self, error: Exception) -> None:
        """Let an error say what was tried before."""
        for number, each in enumerate(self.tries, 1):
            error.add_note(f"attempt {number} before it: {each}")

    def _retry(self, x: Response, retries: Retries, failed: Try, after: float | None) -> Again | None:
        if not _can_send_again(x):
            return None
        wait = retries.wait(self._attempt, retries.clock.draw(), after)
        if wait is None or asyncio.get_running_loop().time() + wait >= self._deadline or not retries.pay():
            return None
        self._attempt += 1
        self.tries.append(failed._replace(waited=wait))
        return Again(x.method, x._place.url, self._base(x), True, wait=wait)

    # -- the next request --------------------------------------------------------------------------------------

    async def _repeat(self, x: Response, again: Again, open_body: bool = False) -> None:
        if again.keeps_body and not open_body and not _can_send_again(x):
            raise BodyNotReplayable(
                x._say(f"answered {x.status}, which wants the body again; give bytes, a file or a function"), x
            )
        await x._end_pump()
        if x._head is None or not await x._drained():  # read off if it is short, undecoded, as it is of no interest
            x._abort("the answer is not the last one, and not worth to be read off")
        if again.wait is None:
            x.history.append(_snapshot(x))
        x._again()
        x.method = again.method
        if again.url is not x._place.url:
            # The proxy is chosen anew; a login that a server wrote there is nobody's.
            x._place = x._session.place(again.url.with_user(None), x._options)
        x._request_headers = None
        own = again.fields
        if again.keeps_body:
            own = [*own, *(pair for pair in x._fields if pair[0].lower() in FRAMING)]
        else:
            x._body = None
        if again.wait and self._policies.retries is not None:
            await self._policies.retries.clock.sleep(again.wait)
        # What the session adds is among the fields already, without what was not meant for this origin.
        await self._send(x, own, NO_BLOCK, open_body=open_body, redirected=again.redirected)


def _replace(fields: Fields, others: Fields) -> Fields:
    """`fields`, with `others` in place of those of the same names."""
    if not others:
        return fields
    names = {name.lower() for name, _ in others}
    return [*(pair for pair in fields if pair[0].lower() not in names), *others]


async def _now(given: HeadersLike | Awaitable[HeadersLike | None] | None) -> HeadersLike | None:
    return await given if isinstance(given, Awaitable) else given


def _at_hand(x: Response, own: Fields, open_body: bool) -> bytes | None:
    """The body that will be sent; None where it is streamed."""
    if x._body is not None:
        return None if x._options.get("coding") else x._body.data  # coded as it goes
    length = find_field(own, b"content-length")
    promised = None if length is None else int(length)
    return None if open_body and x._may_have_open_body(promised, x._options.get("upgrade")) else b""


def _outgoing(x: Response, body: bytes | None, own: Fields, block: Block, added: Fields) -> Outgoing:
    fields = _replace(own, added)
    for more in (block.fields, x._body.fields if x._body is not None else []):
        names = {name.lower() for name, _ in fields}
        fields = [*fields, *(pair for pair in more if pair[0].lower() not in names)]
    headers = Headers.from_fields(split_framing(fields)[0])
    return Outgoing(x.method, x._place.url.with_fragment(None), x.target, headers, body)


def _sent(method: str, url: URL, fields: Fields) -> Sent:
    """A request, to be told from others."""
    said = sorted((name.lower(), value) for name, value in fields if name.lower() not in OF_THE_REQUEST)
    return method, str(url.with_fragment(None)), tuple(said)


def _circle(x: Response) -> str:
    """The URLs of the chain since it was last where it is to lead again."""
    there = x._place.url.with_fragment(None)
    chain = [past._place.url.with_fragment(None) for past in x.history]
    start = max((at for at, url in enumerate(chain) if url == there), default=0)
    return " -> ".join(str(url.with_user(None)) for url in [*chain[start:], there])


def _can_send_again(x: Response) -> bool:
    body = x._body
    if body is not None:
        return body.replayable or not body.begun
    if x._out is IDLE:  # no connection was there to begin on
        return True
    if x._framing is NONE or (x._framing is LENGTH and x._promised <= 0):
        return True
    return x._out is DONE and not x._sent  # an open body that was ended empty


def _snapshot(x: Response) -> Response:
    """The answer as it is now, for `history`."""
    past = type(x)(x._session, x.method, x._place, x._fields, {})
    past._turns = None
    past._sent_head = x._sent_head
    past._started = True
    past._head = x._head
    past._begun_at, past._answered_at = x._begun_at, x._answered_at
    past._out = DONE
    past._in = None
    past._whole = x._whole or b""
    past.interim = x.interim
    x.interim = []
    return past


def _text(value: bytes) -> str:
    """UTF-8, as browsers take a Location, where it is; ISO-8859-1 otherwise."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
