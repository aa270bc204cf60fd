"""This package's client."""

from __future__ import annotations

from benchmarks.clients.measured import Client, serve
from benchmarks.core.payload import pieces
from toolkit import Session


class Toolkit(Client):
    """One session, as it comes."""

    async def open(self) -> None:
        self.http = Session()

    async def get(self, url: str) -> bytes:
        answer = await self.http.get(url)
        return answer.content

    async def download(self, url: str) -> int:
        size = 0
        async with self.http.get(url) as x:
            async for chunk in x:
                size += len(chunk)
        return size

    async def upload(self, url: str, size: int, chunked: bool) -> bytes:
        async with self.http.post(url, None if chunked else {"content-length": size}) as x:
            for piece in pieces(size):
                await x.write(piece)
            await x.eof()
            return await x.read()


if __name__ == "__main__":
    serve(Toolkit())
