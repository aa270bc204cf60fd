"""What every client has in common: the jobs, and what they cost."""

from __future__ import annotations

import asyncio
import hashlib
import json
from abc import ABC, abstractmethod
from time import perf_counter, process_time
from typing import TYPE_CHECKING

import uvloop

from benchmarks.core.child import jobs, reply
from benchmarks.core.payload import ANSWER, digest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

__all__ = ["Client", "Wrong", "serve"]


class Wrong(Exception):
    """An answer that is not the right one."""


class Client(ABC):
    """A library under test. Its session is made on the loop, by `open`."""

    async def open(self) -> None:
        """Before the first job, on the loop."""
        return

    @abstractmethod
    async def get(self, url: str) -> bytes | memoryview:
        """The whole body of an answer."""

    async def download(self, url: str) -> int:
        """Read a body by pieces and forget them; how many bytes it had."""
        raise Wrong("this client does not stream")

    async def upload(self, url: str, size: int, chunked: bool) -> bytes | memoryview:
        """Send a body of `size` bytes by pieces; the answer's body."""
        raise Wrong("this client does not stream")

    # -- the jobs ----------------------------------------------------------------------------------------------

    async def do_small(self, url: str, seconds: float, concurrency: int) -> Mapping[str, float]:
        """GET again and again, `concurrency` at a time; how often."""
        right = await self.get(url)
        if json.loads(bytes(right)) != ANSWER:
            raise Wrong(f"{url} answered {bytes(right)[:200]!r}")
        requests = 0

        async def worker(end: float) -> None:
            nonlocal requests
            while perf_counter() < end:
                if await self.get(url) != right:
                    raise Wrong(f"{url} answered otherwise the {requests + 2}. time")
                requests += 1

        end = perf_counter() + seconds
        await asyncio.gather(*(worker(end) for _ in range(concurrency)))
        return {"requests": requests}

    async def do_download(self, url: str, size: int) -> Mapping[str, float]:
        """GET a large body."""
        received = await self.download(url)
        if received != size:
            raise Wrong(f"{url}: {received} of {size} bytes arrived")
        return {"bytes": received}

    async def do_upload(self, url: str, size: int, framing: str) -> Mapping[str, float]:
        """POST a large body."""
        told = json.loads(bytes(await self.upload(url, size, framing == "chunked")))
        if told["bytes"] < size:  # a bare protocol counts the chunks' framing with them
            raise Wrong(f"{url}: {told['bytes']} of {size} bytes arrived")
        return {"bytes": size}

    async def do_compare(self, url: str, size: int) -> Mapping[str, float]:
        """GET a body, and compare it by checksum with what it should be."""
        body = await self.get(url)
        if hashlib.sha256(body).hexdigest() != digest(size):
            raise Wrong(f"{url}: {size} bytes arrived as others, {len(body)} of them")
        return {"bytes": len(body)}

    async def do_check(self, origin: str, size: int) -> Mapping[str, float]:
        """Bodies in both directions and both framings, compared by checksum."""
        for framing in ("length", "chunked"):
            await self.do_compare(f"{origin}/source?size={size}&framing={framing}", size)
            told = json.loads(bytes(await self.upload(f"{origin}/digest", size, framing == "chunked")))
            if told["sha256"] != digest(size):
                raise Wrong(f"{size} bytes were sent as others, {framing}, {told['bytes']} of them")
        return {}


def serve(client: Client) -> None:
    """Do the parent's jobs, until it ends."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(client.open())
        for job in jobs():
            work: Callable[..., Awaitable[Mapping[str, float]]] = getattr(client, f"do_{job.pop('job')}")
            try:
                reply(runner.run(_costs(work, job)))
            except Exception as error:
                reply({"error": f"{type(error).__name__}: {error}"})


async def _costs(work: Callable[..., Awaitable[Mapping[str, float]]], job: Mapping[str, object]) -> dict[str, float]:
    cpu, begun = process_time(), perf_counter()
    told = await work(**job)
    return {**told, "seconds": perf_counter() - begun, "cpu": process_time() - cpu}
