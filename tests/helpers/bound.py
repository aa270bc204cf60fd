"""How much memory a large body costs: run as a program, prints one JSON line.

`python -m tests.helpers.bound <path> <loop> <MiB>`: one process holds both ends over TCP, one side throttled by a
step: it takes a MiB and then lets the loop turn until everybody else has filled what they may fill.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from toolkit import App, Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from toolkit import Exchange, Request

MIB = 1024 * 1024
STEP = MIB
PIECE = bytes(range(256)) * 256  # 64 KiB


def peak() -> int:
    """The process's peak resident size since the last reset, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmHWM")


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


async def throttled(x: Exchange, *, decode: bool = True) -> int:
    """Read to the end, standing still after each step until the others have filled the marks."""
    total, step = 0, 0
    async for part in x.pull(decode=decode):
        total += len(part)
        step += len(part)
        if step >= STEP:
            step = 0
            for _ in range(20):
                await asyncio.sleep(0)
    return total


async def produce(x: Exchange, size: int) -> None:
    for _ in range(size // len(PIECE)):
        await x.write(PIECE)
    await x.eof()


def application(inner: Session, base: list[str], size: int) -> App:
    web = App(port=0)

    @web.post("/echo")
    async def echo(r: Request) -> None:
        await r.prepare()
        async for part in r:
            await r.write(part)

    @web.put("/upload")
    async def upload(r: Request) -> str:
        return str(await throttled(r))

    @web.get("/download")
    async def download(r: Request) -> None:
        await r.prepare({"content-length": str(size)} if r.query == "length" else None)
        await produce(r, size)

    @web.get("/relay")
    async def relay(r: Request) -> None:
        async with inner.get(f"{base[0]}/download?{r.query}", decode=False) as source:
            await r.prepare({"content-length": str(size)} if r.query == "length" else None)
            await r.relay(source)

    return web


async def run(path: str, size: int) -> int:
    """Move `size` bytes over the path; the number that arrived."""
    base: list[str] = []
    async with Session() as inner, Session() as http:
        web = application(inner, base, size)
        serving = asyncio.ensure_future(web.serve("127.0.0.1", 0))
        _ = await web.started()
        base.append(web.server_address)

        async def echo() -> int:
            async with http.post(f"{base[0]}/echo") as x:
                writing = asyncio.ensure_future(produce(x, size))
                total = await throttled(x)
                await writing
                return total

        async def upload() -> int:
            async def parts() -> AsyncIterator[bytes]:
                for _ in range(size // len(PIECE)):
                    yield PIECE

            answer = await http.put(f"{base[0]}/upload", body=parts())
            return int(answer.content)

        async def get(target: str) -> int:
            async with http.get(f"{base[0]}/{target}") as x:
                return await throttled(x)

        paths: dict[str, Callable[[], Awaitable[int]]] = {
            "echo": echo,
            "upload": upload,
            "download": lambda: get("download"),
            "relay": lambda: get("relay"),
            "relay-length": lambda: get("relay?length"),
        }
        total = await paths[path]()
        await web.exit()
        await serving
        return total


def main(path: str, loop: str, mebibytes: int) -> None:
    make = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(run(path, MIB))  # imports, pools, buffers: what every run needs once
        reset_peak()
        before = peak()
        total = runner.run(run(path, mebibytes * MIB))
        print(json.dumps({"bytes": total, "growth": peak() - before}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
