"""wreq, in Rust."""

from __future__ import annotations

from typing import TYPE_CHECKING

import wreq

from benchmarks.clients.measured import Client, serve
from benchmarks.core.payload import pieces

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Wreq(Client):
    """One client, as it comes."""

    async def open(self) -> None:
        self.http = wreq.Client()

    async def get(self, url: str) -> memoryview:
        answer = await self.http.get(url)
        body: memoryview = await answer.bytes()
        return body

    async def download(self, url: str) -> int:
        size = 0
        async with self.http.get(url) as answer, answer.stream() as stream:
            async for chunk in stream:
                size += len(chunk)
        return size

    async def upload(self, url: str, size: int, chunked: bool) -> memoryview:
        async def body() -> AsyncIterator[bytes]:
            for piece in pieces(size):
                yield piece

        headers = {} if chunked else {"content-length": str(size)}
        answer = await self.http.post(url, body=body(), headers=headers)
        told: memoryview = await answer.bytes()
        return told


if __name__ == "__main__":
    serve(Wreq())
