"""pyreqwest, in Rust."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyreqwest.client import ClientBuilder

from benchmarks.clients.measured import Client, serve
from benchmarks.core.payload import pieces

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Pyreqwest(Client):
    """One client, as it comes."""

    async def open(self) -> None:
        self.http = ClientBuilder().build()

    async def get(self, url: str) -> bytes:
        answer = await self.http.get(url).build().send()
        body: bytes = await answer.bytes()
        return body

    async def download(self, url: str) -> int:
        size = 0
        async with self.http.get(url).build_streamed() as answer:
            while (chunk := await answer.body_reader.read_chunk()) is not None:
                size += len(chunk)
        return size

    async def upload(self, url: str, size: int, chunked: bool) -> bytes:
        async def body() -> AsyncIterator[bytes]:
            for piece in pieces(size):
                yield piece

        request = self.http.post(url).body_stream(body())
        if not chunked:
            request = request.header("content-length", str(size))
        answer = await request.build().send()
        told: bytes = await answer.bytes()
        return told


if __name__ == "__main__":
    serve(Pyreqwest())
