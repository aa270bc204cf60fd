"""niquests: small requests only."""

from __future__ import annotations

from niquests import AsyncSession

from benchmarks.clients.measured import Client, Wrong, serve


class Niquests(Client):
    """One session, with a pool that holds all its connections."""

    async def open(self) -> None:
        self.http = AsyncSession(pool_connections=100, pool_maxsize=100)

    async def get(self, url: str) -> bytes:
        answer = await self.http.get(url)
        content: bytes | None = answer.content
        if content is None:
            raise Wrong(f"{url} answered nothing")
        return content


if __name__ == "__main__":
    serve(Niquests())
