"""Caching: `web.cache`, which makes decorators, and speaks for what is kept.

A store may fail, and then there is no cache: the handler runs, one line in the log says so, and for a while nobody
tries again, so that a server that does not answer holds up one visitor in so many seconds and not each of them. To
forget something is another matter: who asks for that is told if it could not be done.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, Unpack, overload

from toolkit.errors import UseError
from toolkit.server.cache.cached import Cached
from toolkit.server.cache.flights import Flights
from toolkit.server.cache.keys import normal_path
from toolkit.server.cache.memory import MemoryCache
from toolkit.server.cache.rules import CacheOptions, CacheRule
from toolkit.server.cache.store import CacheStore
from toolkit.server.handlers import Handler

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from toolkit.server.cache.entry import Entry
    from toolkit.server.cache.keys import Key
    from toolkit.server.request import Request

__all__ = ["Caching", "check_store"]

log = logging.getLogger("toolkit.server")

G = TypeVar("G", bound=Handler)
H = TypeVar("H", bound=Handler)
T = TypeVar("T")

PAUSE: Final = 5.0  #: seconds, for which a store that failed is not asked


def check_store(cache: object) -> None:
    """Raises `UseError` for what `App(cache=...)` does not take."""
    if not isinstance(cache, (bool, CacheStore)):
        raise UseError(
            f"App(cache={cache!r}): expected a store, MemoryCache(), FolderCache(directory) or RedisCache(url); False "
            "keeps nothing"
        )


class Keep(Protocol):
    """A decorator that knows how."""

    def __call__(self, handler: G, /) -> Cached[G]:
        """The handler with a cache before it."""


class Caching:
    """The cache of one application, or a router's name for that of the application which serves it."""

    def __init__(self, given: CacheStore | bool | None) -> None:
        self._given = given  # True: one of its own, in memory; None: it is a router's
        self.flights = Flights()
        self._silent_until = 0.0
        self._failing = False

    @property
    def store(self) -> CacheStore | None:
        """Where answers are kept; None where none are. Of an application alone."""
        given = self._given
        if given is True:
            given = self._given = MemoryCache()
        return given if isinstance(given, CacheStore) else None

    def serving(self, r: Request) -> Caching:
        """The one that a request is the business of."""
        return self if self._given is not None else r.app.cache

    # -- the decorator -----------------------------------------------------------------------------------------

    @overload
    def __call__(self, seconds: H) -> Cached[H]: ...

    @overload
    def __call__(self, seconds: float | None = None, **options: Unpack[CacheOptions]) -> Keep: ...

    def __call__(self, seconds: float | H | None = None, **options: Unpack[CacheOptions]) -> Cached[H] | Keep:
        """Decorator, below the one that makes a route: keep what the handler answers for so many seconds.

        Without `seconds`, what the store says. It is a middleware as well: `web.group("/api", middlewares=[
        web.cache(60)])`. What stands outside of it runs each time, what stands inside does not.

        `query` names the parameters that matter, all of them if not given; `vary` the request fields that do, beside
        those that an answer's own Vary names; `key(r)` gives a str or int that tells answers apart; `host=False` shares
        them between hosts. `unless(r)` true: this request has nothing to do with the cache; `only_if(answer)` false:
        this answer is not kept. `statuses` that are, bodies up to `largest` bytes that are. `with_credentials`: also
        for requests with an authorization or a session, which are all answered alike then; put into `key` what tells
        them apart. `refresh`: whether a request's own `no-cache` is obeyed, or whose. Past its time an answer is given
        for `stale_while_revalidate` seconds to those who come while it is made anew, and for `stale_if_error` seconds
        where that fails. `cache_control` is said to clients, unless the handler says it.

        Raises `UseError` for options that are none.
        """
        if callable(seconds):
            return Cached(seconds, CacheRule(), self)
        rule = CacheRule(seconds=seconds, **options)

        def keep(handler: G, /) -> Cached[G]:
            return Cached(handler, rule, self)

        return keep

    # -- what is kept ------------------------------------------------------------------------------------------

    async def forget(self, *paths: str) -> None:
        """Drop what is kept of these paths, with every query and for every visitor; what is being made is not kept.

        Paths are whole, with the prefixes of their groups: `web.url_for(...)` gives them. Raises what the store raises
        where it could not be done, `UseError` for what is no path.
        """
        store = self._own("forget()")
        for path in paths:
            if not isinstance(path, str) or not path.startswith("/") or "?" in path:
                raise UseError(f"cache.forget({path!r}): expected a path, '/' and what follows, without a query")
        for path in map(normal_path, paths):
            self.flights.forget(path)
            if store is not None:
                await store.forget(path)

    async def clear(self) -> None:
        """Drop everything that is kept. Raises what the store raises."""
        store = self._own("clear()")
        self.flights.forget(None)
        if store is not None:
            await store.clear()

    async def close(self) -> None:
        """Give back what the store had opened; the application does so at its end."""
        if isinstance(self._given, CacheStore):
            await self._within(self._given.close(), "close")

    def _own(self, call: str) -> CacheStore | None:
        if self._given is None:
            raise UseError(f"cache.{call} of a router: what is kept is the application's, so it is web.cache.{call}")
        return self.store

    # -- the store, which may fail -----------------------------------------------------------------------------

    async def get(self, store: CacheStore, key: Key, r: Request) -> tuple[Key, Entry | None]:
        """What is kept for this request, and at which key: that of a variant, where there are some."""
        entry = await self._one(store, key)
        if entry is not None and not entry.is_answer:
            key = key.with_fields(r._head.fields, entry.vary)
            entry = await self._one(store, key)
        return key, entry if entry is not None and entry.is_answer else None

    async def put(self, store: CacheStore, key: Key, entry: Entry) -> None:
        """Keep it, if that can be done."""
        if not store.waits:
            await store.put(key, entry)
        elif not self._is_silent(store):
            await self._within(store.put(key, entry), "put")

    async def take_back(self, store: CacheStore, path: str) -> None:
        """Drop what was put too late, if that can be done."""
        await self._within(store.forget(path), "forget")

    async def _one(self, store: CacheStore, key: Key) -> Entry | None:
        if not store.waits:
            return store.look(key)
        return None if self._is_silent(store) else await self._within(store.get(key), "get")

    def _is_silent(self, store: CacheStore) -> bool:
        return self._failing and store.clock() < self._silent_until

    async def _within(self, call: Awaitable[T], what: str) -> T | None:
        try:
            result = await call
        except Exception as error:
            if isinstance(self._given, CacheStore):
                self._silent_until = self._given.clock() + PAUSE
            if not self._failing:
                self._failing = True
                log.warning("the cache of answers failed, handlers run without it: %s: %r", what, error)
            return None
        if self._failing:
            self._failing = False
            log.info("the cache of answers works again")
        return result
