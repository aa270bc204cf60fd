"""The signaling self-test as Blazeio can run it.

The version that installs cannot read a chunked request whose pieces do not fall together with what the socket
delivers, so here each body says its length beforehand.
"""

from __future__ import annotations

import asyncio
from time import perf_counter

import orjson

from benchmarks.core.blazeio import load
from benchmarks.core.child import free_port, jobs, reply

Blazeio = load()

ROOMS: dict[str, tuple[object, asyncio.Future[object]]] = {}


async def create(r: object, route: str = "/create") -> None:
    """Open a room; answer with the joiner's bytes."""
    loop = asyncio.get_running_loop()
    # It has no types: hence the ignored attributes below.
    room = str(r.ip_port)  # type: ignore[attr-defined]
    joiner: asyncio.Future[object] = loop.create_future()
    ROOMS[room] = (r, joiner)
    await r.prepare({"Transfer-encoding": "chunked", "Room": room}, 200)  # type: ignore[attr-defined]
    other = await joiner
    async for chunk in other.pull():  # type: ignore[attr-defined]
        await r.write(chunk)  # type: ignore[attr-defined]
    await r.eof()  # type: ignore[attr-defined]
    async for chunk in r.pull():  # type: ignore[attr-defined]
        await other.write(chunk)  # type: ignore[attr-defined]
    await other.eof()  # type: ignore[attr-defined]


async def join(r: object, route: str = "/join") -> None:
    """Enter a room; the creator's handler does the rest."""
    room = r.headers["Room"]  # type: ignore[attr-defined]
    _, joiner = ROOMS.pop(room)
    await r.prepare({"Transfer-encoding": "chunked"}, 200)  # type: ignore[attr-defined]
    joiner.set_result(r)
    while not r.transport.is_closing():  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)


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
        job.pop("job")
        try:
            reply(loop.run_until_complete(asyncio.wait_for(self_test(port, **job), 60)))
        except Exception as error:
            reply({"error": f"{type(error).__name__}: {error}"})
    serving.cancel()


if __name__ == "__main__":
    main()
