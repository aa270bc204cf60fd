"""Answers on a Redis server, a real one."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis

from tests.helpers.redis_server import redis_server
from tests.helpers.served import served
from toolkit import App, NetworkError, RedisCache, Request
from toolkit.errors import UseError
from toolkit.server.cache.keys import Key

from .clock import Clock, entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

A = Key("/a", "GET")


@asynccontextmanager
async def store(folder: Path, clock: Clock | None = None, **options: object) -> AsyncIterator[tuple[RedisCache, Redis]]:
    """A cache on a server of its own, and a client to look at what is there."""
    async with redis_server(folder) as url:
        cache = RedisCache(url, clock=clock or Clock(), **options)  # type: ignore[arg-type]
        client = Redis.from_url(url)
        try:
            yield cache, client
        finally:
            await client.aclose()
            await cache.close()


async def test_what_is_kept_is_found_by_others(tmp_path: Path) -> None:
    clock = Clock()
    async with store(tmp_path, clock) as (cache, _client):
        await cache.put(A, entry(clock, b"kept"))
        other = RedisCache(cache._url, clock=clock)
        found = await other.get(A)
        assert found is not None
        assert (found.body, found.fields) == (b"kept", [(b"content-type", b"text/plain")])
        assert await other.get(Key("/b", "GET")) is None
        await other.close()
        await other.close()
        assert await other.get(A) is not None  # the next use opens it again
        await other.close()


async def test_the_server_forgets_by_itself(tmp_path: Path) -> None:
    """Every key that is written has a time to live, that of a path the longest of its entries'."""
    clock = Clock()
    async with store(tmp_path, clock) as (cache, client):
        await cache.put(A, entry(clock, seconds=100, stale=50))
        await cache.put(Key("/a", "other"), entry(clock, seconds=10))
        left = sorted([await client.pttl(key) for key in await client.keys("*")])
        assert len(left) == 3
        assert 5_000 < left[0] <= 10_000
        assert 145_000 < left[1] <= left[2] <= 150_000
        clock.now += 150
        assert await cache.get(A) is None  # by our clock, if the server's is behind


async def test_a_path_is_forgotten_and_what_is_noted_of_it_does_not_grow(tmp_path: Path) -> None:
    clock = Clock()
    async with store(tmp_path, clock) as (cache, client):
        await cache.put(Key("/b", ""), entry(clock))
        for number in range(20):
            await cache.put(Key("/a", str(number)), entry(clock, seconds=10))
            clock.now += 5
        assert await client.zcard(cache._index("/a")) <= 3
        await cache.forget("/a")
        await cache.forget("/a")
        assert await client.exists(cache._index("/a"), *[cache._name(Key("/a", str(one))) for one in (18, 19)]) == 0
        assert await client.exists(cache._index("/b"), cache._name(Key("/b", ""))) == 2


async def test_clearing_leaves_the_keys_of_others(tmp_path: Path) -> None:
    clock = Clock()
    async with store(tmp_path, clock, prefix="shop[1]*:") as (cache, client):
        await client.set("shop1:x", b"theirs")
        for number in range(700):
            await cache.put(Key(f"/{number}", ""), entry(clock))
        await cache.clear()
        assert await client.keys("*") == [b"shop1:x"]


async def test_what_is_no_entry_is_a_miss(tmp_path: Path) -> None:
    clock = Clock()
    async with store(tmp_path, clock) as (cache, client):
        for wrong in (b"", b"x" * 1000, b"\x80\x04cos\nsystem\n."):
            await client.set(cache._name(A), wrong)
            assert await cache.get(A) is None
        await client.delete(cache._name(A))
        await client.lpush(cache._name(A), b"a list")
        with pytest.raises(NetworkError, match="WRONGTYPE"):
            await cache.get(A)


async def test_an_application_with_it(tmp_path: Path) -> None:
    runs: list[int] = []

    def application(url: str) -> App:
        web = App(port=0, cache=RedisCache(url))

        @web.get("/")
        @web.cache(60)
        def handler(r: Request) -> str:
            runs.append(1)
            return str(len(runs))

        return web

    async with redis_server(tmp_path) as url:
        for _ in range(2):  # and after a restart, or in another process
            web = application(url)
            async with served(web) as here, here.session() as http, web.lifespan():
                assert [await (await http.get(here.url)).text() for _ in range(2)] == ["1", "1"]


async def test_a_server_that_is_not_there_is_no_fault_of_the_visitors(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    web = App(port=0, cache=RedisCache(f"unix://{tmp_path}/nobody"))
    web.get("/")(web.cache(60)(lambda r: "x"))
    async with served(web) as here, here.session() as http:
        assert [(await http.get(here.url)).status for _ in range(5)] == [200] * 5
        await web.cache.close()
    told = [one.message for one in caplog.records if "cache" in one.message]
    assert len(told) == 1
    assert "RedisCache('unix://" in told[0]


async def test_a_server_that_says_nothing_is_given_up() -> None:
    """The word of the test is that it ends, in the time that was given."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        cache = RedisCache(f"redis://:secret@127.0.0.1:{silent.getsockname()[1]}/0", timeout=0.05)
        with pytest.raises(NetworkError, match="get failed") as caught:
            await cache.get(A)
        await cache.close()
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(cache)


def test_each_loop_has_a_client_of_its_own(tmp_path: Path) -> None:
    async def go(cache: RedisCache) -> None:
        async with redis_server(tmp_path):
            await cache.put(A, entry(Clock()))
            await cache.close()

    cache = RedisCache(f"unix://{tmp_path}/redis", clock=Clock())
    for _ in range(2):
        asyncio.run(go(cache))


@pytest.mark.parametrize("wrong", ["", "localhost", "http://localhost", "redis://localhost:port/0", None, 6379])
def test_an_address_is_one(wrong: str) -> None:
    with pytest.raises(UseError, match="redis://host:port/db"):
        RedisCache(wrong)


async def test_what_the_client_does_not_take_is_told_without_a_password() -> None:
    with pytest.raises(UseError, match="socket_timeout") as caught:
        await RedisCache("redis://:secret@localhost/0?socket_timeout=soon").get(A)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"timeout": 0}, {"prefix": ""}, {"seconds": -1}])
def test_options_that_are_none(wrong: dict[str, object]) -> None:
    with pytest.raises(UseError, match=r"RedisCache\("):
        RedisCache(**wrong)  # type: ignore[arg-type]
