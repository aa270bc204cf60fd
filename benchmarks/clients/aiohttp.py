"""aiohttp's client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

from benchmarks.clients.measured import Client, serve
from benchmarks.core.payload import pieces

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Aiohttp(Client):
    """One session, as it comes."""

    async def open(self) -> None:
        self.http = aiohttp.ClientSession()

    async def get(self, url: str) -> bytes:
        async with self.http.get(url) as answer:
            return await answer.read()

    async def download(self, url: str) -> int:
        size = 0
        async with self.http.get(url) as answer:
            async for chunk in answer.content.iter_any():
                size += len(chunk)
        return size

    async def upload(self, url: str, size: int, chunked: bool) -> bytes:
        async def body() -> AsyncIterator[bytes]:
            for piece in pieces(size):
                yield piece

        headers = {} if chunked else {"content-length": str(size)}
        async with self.http.post(url, data=body(), headers=headers) as answer:
            return await answer.read()


if __name__ == "__main__":
    serve(Aiohttp())
