"""Cached: a handler whose answers are kept.

How it works. Called, it looks at what is at hand without waiting; an answer found in memory is returned right there, as
a plain function returns one. Everything else is a coroutine: ask the store, join a flight or lead one (`flights.py`),
run the handler and keep what it answered (`making.py`). Who has an answer, out of the cache or not, holds the request's
conditions against it, so that a client who has it already gets 304.

Inside of another cache a cache does nothing: that one keeps what comes out of it, and asked for the same it would wait
for itself.

A successful request with a method that changes something (RFC 9111 4.4) has its path forgotten.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from toolkit.protocol.fields import find_field
from toolkit.protocol.headers import encode_fields
from toolkit.server.abort import Abort
from toolkit.server.answers import Answer, Streamed, encode_returned
from toolkit.server.cache.entry import Entry
from toolkit.server.cache.flights import Failure, Flight
from toolkit.server.cache.keys import normal_path
from toolkit.server.cache.making import Tee, entry_of, keeping_of, make
from toolkit.server.cache.rules import SAFE, sessions_are_used
from toolkit.server.handlers import Handler, in_thread
from toolkit.server.hooks import call
from toolkit.server.middleware.conditional import by_conditions

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.server.cache.caching import Caching
    from toolkit.server.cache.flights import Outcome
    from toolkit.server.cache.keys import Key
    from toolkit.server.cache.making import Made
    from toolkit.server.cache.rules import CacheRule, Keeping
    from toolkit.server.cache.store import CacheStore
    from toolkit.server.handlers import Coroutine
    from toolkit.server.request import Request

__all__ = ["Cached"]

log = logging.getLogger("toolkit.server")

H = TypeVar("H", bound=Handler)

#: What a handler says that looks at conditions and ranges itself: the next request has others.
OF_THE_REQUEST: Final = frozenset([206, 304, 412, 416])


class Cached(Generic[H]):
    """A handler with a cache before it; `uncached` is the function as it was written."""

    __name__: str
    __qualname__: str

    def __init__(self, function: H, rule: CacheRule, caching: Caching) -> None:
        functools.update_wrapper(self, function)
        self.uncached = function
        self.rule = rule
        self._function: Handler = function
        self._caching = caching

    def __repr__(self) -> str:
        return f"<Cached {self.uncached!r}>"

    def __get__(self, instance: object, owner: type[object] | None = None) -> Cached[H]:
        """As a method: with the function bound to its object."""
        bind: Callable[[object, object], H] | None = getattr(self.uncached, "__get__", None)
        return self if instance is None or bind is None else Cached(bind(instance, owner), self.rule, self._caching)

    def in_thread(self) -> Coroutine:
        """The same, with the function called in a thread; the cache stays on the loop."""
        return self.around(in_thread(self.uncached))

    def around(self, function: Handler) -> Coroutine:
        """The same cache before another way to call the function: in a thread, in a process."""
        other = Cached(self.uncached, self.rule, self._caching)
        other._function = function

        async def call_cached(r: Request, /, **parameters: object) -> object:
            return await call(other, r, **parameters)

        return call_cached

    def __call__(self, r: Request, /, **parameters: object) -> object:
        """The answer, or what is to be awaited for one."""
        caching = self._caching.serving(r)
        store = caching.store
        extra = r._extra
        if store is None or (extra is not None and extra.on_answer is not None):  # nowhere, or inside of another cache
            return self._function(r, **parameters)
        rule = self.rule
        names = r._head.block.lower()  # most requests have none of the fields that matter here: they are not cut for it
        why = rule.passes(r, names)
        if why:
            log.debug("%s %s: not out of the cache: %s", r.method, r.target, why)
            return self._function(r, **parameters) if r.method in SAFE else self._change(caching, r, parameters)
        key, fresh = rule.key_of(r), rule.refresh is not False and rule.wants_fresh(r)
        entry = None if fresh else store.look(key)
        if entry is not None and not entry.is_answer:
            entry = store.look(key.with_fields(r._head.fields, entry.vary))
        if entry is not None and entry.is_answer:
            now = store.clock()
            if now < entry.fresh_until:
                route = r._route
                if route is not None and route.chain is None and route.handler is self:
                    answer = entry.shared_answer(now)  # nobody is between here and the client
                else:
                    answer = entry.answer(now)  # a middleware may add a cookie to it
                return _given(r, answer) if b"\nif-" in names else answer
        visit = _Visit(self._function, rule, caching, store, r, parameters, key)
        return visit.answer(fresh)

    async def _change(self, caching: Caching, r: Request, parameters: dict[str, object]) -> object:
        """RFC 9111 4.4: what is kept of a path is of no use once something was changed there."""
        value = await call(self._function, r, **parameters)
        status = r.status
        if status is None:
            value = answer = encode_returned(value, r)
            status = answer.status
        if status < 400:
            try:
                await caching.forget(normal_path(r.raw_path))
            except Exception:
                log.exception("%s %s: what is kept of this path could not be forgotten", r.method, r.target)
        return value


def _given(r: Request, answer: Answer) -> Answer:
    return by_conditions(r, answer) if answer.status == 200 else answer


def _is_obsolete(flight: Flight) -> bool:
    """Asked anew behind each wait."""
    return flight.obsolete


class _Visit:
    """One request whose answer is not at hand."""

    __slots__ = ("caching", "entry", "function", "key", "parameters", "primary", "r", "read_cookies", "rule", "store")

    def __init__(
        self,
        function: Handler,
        rule: CacheRule,
        caching: Caching,
        store: CacheStore,
        r: Request,
        parameters: dict[str, object],
        key: Key,
    ) -> None:
        self.function = function
        self.rule = rule
        self.caching = caching
        self.store = store
        self.r = r
        self.parameters = parameters
        self.primary = key  # without the fields that answers say they depend on
        self.key = key
        self.entry: Entry | None = None  # what there is, fresh or not
        self.read_cookies = False  # the handler did

    async def answer(self, fresh: bool) -> object:
        """The answer, by whatever way; `fresh`: not one that is kept already."""
        if not fresh:
            await self._look()
        flights = self.caching.flights
        while True:
            now = self.store.clock()
            entry = self.entry
            if entry is not None and now < entry.fresh_until:
                return _given(self.r, entry.answer(now))
            if flights.is_passed(self.key, now):
                return await self._make_alone()
            flight = flights.find(self.key)
            if flight is None:
                return await self._lead(flights.begin(self.key))
            if entry is not None and now < entry.fresh_until + self.rule.stale_while_revalidate:
                return _given(self.r, entry.answer(now))
            outcome = await flights.wait(flight)
            if isinstance(outcome, Flight):
                return await self._lead(outcome)
            if outcome is None:
                return await self._make_alone()
            if isinstance(outcome, Failure):
                return self._failed(outcome.error.with_traceback(outcome.trace))
            key, entry = outcome
            if key == self._place(entry):
                return _given(self.r, entry.answer(self.store.clock()))
            await self._look()  # it was for others: what this one depends on is known by now

    async def _look(self) -> None:
        """What the store has for this request, and where that would be."""
        self.key, self.entry = await self.caching.get(self.store, self.primary, self.r)

    async def _lead(self, flight: Flight) -> object:
        """Run the handler for all who wait."""
        flights = self.caching.flights
        outcome: Outcome = None
        landed = False
        try:
            value = await self._make(flight, self.store.clock())
            landed = True
            return value
        except Exception as error:
            outcome, landed = None if self._is_personal() else Failure(error, error.__traceback__), True
            return self._failed(error, leads=True)
        finally:
            if landed:
                flights.end(flight, outcome)  # nothing new, where `_make` has told them already
            else:
                flights.abandon(flight)

    async def _make_alone(self) -> object:
        """Run the handler for this visitor, and nobody waits."""
        try:
            return await self._make(self.caching.flights.alone(self.key), self.store.clock())
        except Exception as error:
            return self._failed(error, leads=True)

    def _note_cookies(self) -> None:
        self.read_cookies = True

    def _is_personal(self) -> bool:
        """Whether what was raised may be about this visitor, by something that is in no key."""
        rule = self.rule
        if self.read_cookies and rule.key is None and "cookie" not in rule.vary:
            return True
        return not rule.with_credentials and sessions_are_used(self.r)

    def _stale(self) -> Entry | None:
        """An older answer that may stand in for a failure (RFC 5861 4)."""
        entry = self.entry
        if entry is None or self.store.clock() >= entry.fresh_until + self.rule.stale_if_error:
            return None
        return entry

    def _failed(self, error: Exception, *, leads: bool = False) -> object:
        """Raise it, unless it is the handler's fault and an older answer may stand in."""
        entry = self._stale()
        if entry is None or self.r.status is not None or (isinstance(error, Abort) and error.status < 500):
            raise error
        if leads:
            log.warning("%s: answered with what was kept: the handler raised %r", self.r.url, error, exc_info=error)
        return _given(self.r, entry.answer(self.store.clock()))

    async def _make(self, flight: Flight, now: float) -> object:
        """Run the handler, keep what can be kept, and tell those who wait if it is."""
        r, rule, flights = self.r, self.rule, self.caching.flights
        made = await make(self.function, r, self.parameters, self._note_cookies)
        answer = made.answer
        keeping = keeping_of(rule, r, made, self.store.seconds, now)
        if answer is None or keeping.why_not:
            log.debug("%s %s: not kept: %s", r.method, r.target, keeping.why_not)
            status = 0 if answer is None else answer.status
            stale = self._stale() if status >= 500 and not made.is_sent else None
            if stale is not None:
                log.warning("%s: answered with what was kept: the handler's status was %d", r.url, status)
                flights.end(flight, (self.key, stale))
                return _given(r, stale.answer(now))
            if status not in OF_THE_REQUEST:
                flights.pass_by(flight.key, now)
            return made.value
        flights.keep_watch(flight.key)
        if isinstance(answer, Streamed):
            self._tee(answer, flight, made, keeping, now)
            return answer
        entry = await entry_of(rule, made, answer.body, keeping, now)
        try:
            await self._keep(flight, entry)
        finally:
            flights.end(flight, (self._place(entry), entry))
        if made.is_sent:
            return made.value
        if made.added and r._extra is not None:
            r._extra.fields = made.others  # what the handler added is among the entry's own by now
        return _given(r, entry.first())

    def _tee(self, answer: Streamed, flight: Flight, made: Made, keeping: Keeping, now: float) -> None:
        """Have a stream kept when it has ended."""
        length = find_field(encode_fields(answer.headers), b"content-length")

        async def keep(body: bytes) -> None:
            if length is None or length == b"%d" % len(body):
                await self._keep(flight, await entry_of(self.rule, made, body, keeping, now))

        answer.source = Tee(answer.source, self.rule.largest, keep)

    async def _keep(self, flight: Flight, entry: Entry) -> None:
        if _is_obsolete(flight):
            return
        if entry.vary:
            where = Entry(0, [], b"", entry.born, entry.fresh_until, entry.keep_until, entry.vary)
            await self.caching.put(self.store, self.primary, where)
        await self.caching.put(self.store, self._place(entry), entry)
        if _is_obsolete(flight):  # the path was forgotten while the store was at it
            await self.caching.take_back(self.store, flight.key.path)

    def _place(self, entry: Entry) -> Key:
        """Where an answer belongs that was made for this request."""
        return self.primary.with_fields(self.r._head.fields, entry.vary) if entry.vary else self.primary
