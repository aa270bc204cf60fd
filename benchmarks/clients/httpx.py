"""httpx."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from benchmarks.clients.measured import Client, serve
from benchmarks.core.payload import pieces

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Httpx(Client):
    """One client; a large transfer may take longer than its five seconds."""

    async def open(self) -> None:
        self.http = httpx.AsyncClient(timeout=60)

    async def get(self, url: str) -> bytes:
        return (await self.http.get(url)).content

    async def download(self, url: str) -> int:
        size = 0
        async with self.http.stream("GET", url) as answer:
            async for chunk in answer.aiter_bytes():
                size += len(chunk)
        return size

    async def upload(self, url: str, size: int, chunked: bool) -> bytes:
        async def body() -> AsyncIterator[bytes]:
            for piece in pieces(size):
                yield piece

        headers = {} if chunked else {"content-length": str(size)}
        return (await self.http.post(url, content=body(), headers=headers)).content


if __name__ == "__main__":
    serve(Httpx())
