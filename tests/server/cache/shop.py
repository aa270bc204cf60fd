"""An application with a cache, whose handlers count how often they run, and its visitors."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.helpers.served import served
from toolkit import App, MemoryCache

from .clock import Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.helpers.served import Served
    from toolkit import CacheStore, Response, Session


class Shop:
    """An application with a cache and a clock, and how often its handlers ran."""

    def __init__(self, store: CacheStore | None = None, **options: object) -> None:
        self.clock = Clock()
        self.store = store or MemoryCache(clock=self.clock)
        self.web = App(port=0, cache=self.store, **options)  # type: ignore[arg-type]
        self.runs = 0

    def count(self) -> int:
        self.runs += 1
        return self.runs

    @asynccontextmanager
    async def open(self, kind: str = "memory") -> AsyncIterator[Visitors]:
        async with served(self.web, kind) as here, here.session() as http:
            yield Visitors(here, http)


class Visitors:
    def __init__(self, here: Served, http: Session) -> None:
        self.here = here
        self.http = http

    async def get(self, target: str = "/", method: str = "GET", **fields: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        return await self.http.request(method, self.here.url + target, named)

    async def text(self, target: str = "/", method: str = "GET", **fields: str) -> str:
        answer = await self.get(target, method, **fields)
        return f"{answer.status} {await answer.text()}" if answer.status != 200 else await answer.text()


async def turns(number: int = 100) -> None:
    """Let the loop turn, until whoever can go on has done so; in memory nothing else is waited for."""
    for _ in range(number):
        await asyncio.sleep(0)
