"""RedisCache: answers kept on a Redis server (7 or newer), which all processes and machines share.

Each entry is a key of its own, with a time to live, so that the server forgets by itself. Beside them, each path has a
sorted set: the keys of its entries by the time at which they end, out of which every new entry takes those that have.
So all of a path can be forgotten, and what is noted of it does not grow. How much is kept in all is the server's to
say: `maxmemory`, with the policy `allkeys-lru` or `volatile-lru`.

The client is made when it is first used, for the loop that runs then; another loop gets another one.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from toolkit.errors import NetworkError, UseError
from toolkit.server.cache.entry import pack, unpack
from toolkit.server.cache.store import CacheStore, check_bound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    from redis.asyncio import Redis

    from toolkit.server.cache.entry import Entry
    from toolkit.server.cache.keys import Key

    T = TypeVar("T")

__all__ = ["RedisCache"]


class RedisCache(CacheStore):
    """Answers on the server at `url`: "redis://host:6379/0", "rediss://..." over TLS, "unix:///path"; the password is
    in it, or in `password`. For `seconds` if nobody says for how long.

    `prefix` goes before all keys: applications that share a server have different ones. `timeout` in seconds is how
    long one operation may take, connecting included. `clock` gives seconds since 1970. Needs the extra `redis`. Raises
    `UseError` for what is no such URL.
    """

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        seconds: float = 300.0,
        *,
        password: str | None = None,
        prefix: str = "answers:",
        timeout: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(seconds, clock=clock)
        check_bound("RedisCache(timeout", timeout, 0.001)
        if importlib.util.find_spec("redis") is None:
            raise UseError("RedisCache needs the library redis: pip install 'streaming-toolkit[redis]'")
        if not isinstance(url, str) or not url.startswith(("redis://", "rediss://", "unix://")) or not _has_port(url):
            raise UseError("RedisCache(url): expected redis://host:port/db, rediss://host:port/db or unix:///path")
        if not isinstance(prefix, str) or not prefix:
            raise UseError(f"RedisCache(prefix={prefix!r}): expected some text, by which its keys are known")
        self.prefix = prefix
        self.timeout = timeout
        self._url = url
        self._password = password
        self._client: Redis | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"RedisCache({self._shown!r}, prefix={self.prefix!r})"

    @property
    def _shown(self) -> str:
        """Where it is, without a password."""
        scheme, _, rest = self._url.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"

    async def get(self, key: Key) -> Entry | None:
        """What the server has at this key; what is no entry is as good as nothing. Raises `NetworkError`."""
        data = await self._within("get", self._redis().get(self._name(key)))
        if not isinstance(data, bytes):
            return None
        entry = unpack(key, data)
        return None if entry is None or entry.is_over(self.clock()) else entry

    async def put(self, key: Key, entry: Entry) -> None:
        """Keep an entry as long as it is of use. Raises `NetworkError`."""
        now = self.clock()
        left = max(1, int((entry.keep_until - now) * 1000))
        index, name = self._index(key.path), self._name(key)
        steps = self._redis().pipeline(transaction=True)
        _ = steps.set(name, pack(key, entry), px=left)  # noted here, and done by `execute`
        _ = steps.zadd(index, {name: entry.keep_until})
        _ = steps.zremrangebyscore(index, "-inf", now)
        _ = steps.pexpire(index, left, nx=True)  # it lives as long as the one of its entries that lives longest
        _ = steps.pexpire(index, left, gt=True)
        await self._within("put", steps.execute())

    async def forget(self, path: str) -> None:
        """Drop what is kept of a path. Raises `NetworkError`."""
        client, index = self._redis(), self._index(path)
        names = await self._within("forget", client.zrange(index, 0, -1))
        await self._within("forget", client.unlink(index, *names))

    async def clear(self) -> None:
        """Drop all keys that begin with the prefix. Raises `NetworkError`."""
        client = self._redis()
        await self._within("clear", self._clear(client))

    async def close(self) -> None:
        """Give the connections back."""
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()

    async def _clear(self, client: Redis) -> None:
        pattern = "".join(f"\\{one}" if one in "*?[]\\^" else one for one in self.prefix) + "*"
        cursor = 0
        while True:
            cursor, names = await client.scan(cursor, match=pattern, count=500)
            if names:
                await client.unlink(*names)
            if not cursor:
                return

    def _name(self, key: Key) -> str:
        return f"{self.prefix}{_digest(key.path)}:{_digest(key.rest)}"

    def _index(self, path: str) -> str:
        return f"{self.prefix}{_digest(path)}"

    def _redis(self) -> Redis:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            from redis.asyncio import Redis  # most programs do without
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff

            try:
                self._client = Redis.from_url(
                    self._url,
                    password=self._password,
                    socket_timeout=self.timeout,
                    socket_connect_timeout=self.timeout,
                    retry=Retry(NoBackoff(), 1),  # a connection that ended while it was idle; no more, somebody waits
                )
            except ValueError as error:
                raise UseError(f"RedisCache({self._shown!r}): {error}") from None
            self._loop = loop
        return self._client

    async def _within(self, what: str, call: Awaitable[T]) -> T:
        """The result of a call to the server, in time."""
        from redis.exceptions import RedisError

        try:
            async with asyncio.timeout(self.timeout):
                return await call
        except (RedisError, OSError, TimeoutError) as error:
            raise NetworkError(f"{self!r}: {what} failed: {str(error) or type(error).__name__}") from error


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _has_port(url: str) -> bool:
    """Whether the port is one, or is left out."""
    try:
        _ = urlsplit(url).port
    except ValueError:
        return False
    return True
