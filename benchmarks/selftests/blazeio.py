"""The signaling self-test as Blazeio can run it.

The version that installs cannot read a chunked request whose pieces do not fall together with what the socket
delivers, so here each body says its length beforehand.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING

import orjson

from benchmarks.core.blazeio import load
from benchmarks.core.child import free_port, jobs, reply

if TYPE_CHECKING:
    import Blazeio
    from Blazeio import BlazeioProtocol
else:
    Blazeio = load()


class Room:
    """A creator waits for its joiner, the joiner's handler for the end: its return would end its connection."""

    def __init__(self) -> None:
        self.joiner: asyncio.Future[BlazeioProtocol] = asyncio.get_running_loop().create_future()
        self.over = asyncio.Event()


ROOMS: dict[str, Room] = {}


async def create(r: BlazeioProtocol, route: str = "/create") -> None:
    """Open a room; answer with the joiner's bytes."""
    key = str(r.ip_port)
    room = ROOMS[key] = Room()
    await r.prepare({"Transfer-encoding": "chunked", "Room": key}, 200)
    other = await room.joiner
    async for chunk in other.pull():
        await r.write(chunk)
    await r.eof()
    async for chunk in r.pull():
        await other.write(chunk)
    await other.eof()
    room.over.set()


async def join(r: BlazeioProtocol, route: str = "/join") -> None:
    """Enter a room; the creator's handler does the rest."""
    room = ROOMS.pop(r.headers["Room"])
    await r.prepare({"Transfer-encoding": "chunked"}, 200)
    room.joiner.set_result(r)
    await room.over.wait()


async def create_room(server: str, payload: bytes, chunks: int) -> int:
    """Create a room, let a joiner stream there; the bytes that arrived."""
    length = 64
    async with Blazeio.Session(f"{server}/create", "post", {"Content-Length": str(length)}) as x:
        await x.prepare_http()
        room = x.response_headers["room"]
        joiner = asyncio.create_task(join_room(server, room, payload, chunks))
        received = 0
        async for chunk in x.pull():
            received += len(chunk)
        await x.push(orjson.dumps({"bytes": received}).ljust(length))
        told = orjson.loads(await joiner)
        if told != {"bytes": received}:
            raise RuntimeError(f"the joiner was told {told!r}")
        return received


async def join_room(server: str, room: str, payload: bytes, chunks: int) -> bytes:
    """Join a room and stream to its creator; what came back."""
    headers = {"Content-Length": str(len(payload) * chunks), "Room": room}
    async with Blazeio.Session(f"{server}/join", "post", headers) as x:
        for _ in range(chunks):
            await x.push(payload)
        await x.prepare_http()
        return b"".join([bytes(chunk) async for chunk in x.pull()])


async def self_test(port: int, pairs: int, size: int, chunks: int) -> dict[str, float]:
    """All pairs at once."""
    begun = perf_counter()
    server = f"http://127.0.0.1:{port}"
    received = await asyncio.gather(*(create_room(server, b"." * size, chunks) for _ in range(pairs)))
    if received != [size * chunks] * pairs:
        raise RuntimeError(f"{received} bytes arrived")
    return {"bytes": sum(received), "seconds": perf_counter() - begun}


def main() -> None:
    """Run the self-test for each job."""
    port = free_port()
    loop = Blazeio.loop
    web = Blazeio.App("127.0.0.1", port)
    web.add_route(create)
    web.add_route(join)
    serving = loop.create_task(web.run())
    loop.run_until_complete(Blazeio.App.is_server_running.wait())
    for job in jobs():
        pairs, size, chunks = (int(str(job[name])) for name in ("pairs", "size", "chunks"))
        try:
            reply(loop.run_until_complete(asyncio.wait_for(self_test(port, pairs, size, chunks), 60)))
        except Exception as error:
            reply({"error": f"{type(error).__name__}: {error}"})
    serving.cancel()


if __name__ == "__main__":
    main()
