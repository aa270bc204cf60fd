"""The built-in server of `--self`, in a process of its own, and the scenarios of the self-test.

The server is an ordinary `App` with ordinary handlers: what is measured is what a user's application would get. It
listens on a free loopback port, says where in one line of JSON, and ends with its standard input, so that it never
outlives the program that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import orjson

from toolkit.other.bench.options import Options
from toolkit.other.bench.processes import ProcessFailed, start_python
from toolkit.protocol.aio.loop import run
from toolkit.server.abort import Abort
from toolkit.server.app import App

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator

    from toolkit.other.bench.figures import RunFigures
    from toolkit.server.request import Request

__all__ = ["ROUTES", "Common", "application", "builtin_server", "self_test"]

ROUTES: Final = "/json, /bytes/N, /sink and /echo"
MIB: Final = 1024 * 1024
PIECE: Final = bytes(range(256)) * 256  # 64 KiB
MOST_BYTES: Final = 1 << 40
PATIENCE: Final = 10.0  # seconds for the server to start
SECONDS: Final = 2.0  # of each scenario, unless asked otherwise: the whole self-test in a quarter of a minute
WARM_UP: Final = 0.3


def application(host: str = "127.0.0.1", port: int = 0) -> App:
    """The built-in server: a small JSON answer, bytes to download, a sink to upload into, and an echo."""
    web = App(host, port)

    @web.get("/json")
    async def small(r: Request) -> dict[str, str]:
        return {"message": "hello, world"}

    @web.get("/bytes/{number}")
    async def download(r: Request, number: str) -> None:
        if not number.isdecimal() or int(number) > MOST_BYTES:
            raise Abort(f"/bytes/{number}: expected a number of bytes, at most {MOST_BYTES}", 404)
        left = int(number)
        await r.prepare({"content-type": "application/octet-stream", "content-length": left})
        while left:
            piece = PIECE[:left]
            left -= len(piece)
            await r.write(piece)

    @web.route("/sink", ("POST", "PUT"))
    async def sink(r: Request) -> dict[str, int]:
        received = 0
        async for piece in r.pull(decode=False):
            received += len(piece)
        return {"received": received}

    @web.route("/echo", ("POST", "PUT"))
    async def echo(r: Request) -> None:
        await r.prepare({"content-type": r.content_type or "application/octet-stream"})
        async for piece in r.pull(decode=False):
            await r.write(piece)

    return web


@asynccontextmanager
async def builtin_server() -> AsyncIterator[str]:
    """The built-in server for the length of the block: its base URL. Raises `ProcessFailed` when it does not start."""
    child = await start_python("-m", "toolkit.other.bench.builtin")
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            line = await child.stdout.readline()
        if not line:
            raise ProcessFailed(f"the built-in server ended with exit status {await child.wait()}")
        address: str = orjson.loads(line)["address"]
        yield address
    except TimeoutError:
        raise ProcessFailed(f"the built-in server did not start within {PATIENCE:g} s") from None
    finally:
        child.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE):
                await child.communicate()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.communicate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What the command line may say of every scenario."""

    duration: float = SECONDS
    warm_up: float = WARM_UP
    processes: int = 1
    connections: int | None = None  #: None: each scenario's own
    timeout: float = 10.0
    check: bool = True


def self_test(base: str, common: Common) -> Generator[Options, RunFigures, None]:
    """The scenarios, one after another; each is sent its figures, on which the next may depend."""
    shared = Options(
        url=base,
        duration=common.duration,
        warm_up=common.warm_up,
        processes=common.processes,
        timeout=common.timeout,
        check=common.check,
    )

    def few(connections: int) -> int:
        return common.connections or max(connections, common.processes)

    small = replace(shared, name="small GET", url=f"{base}/json", connections=few(64))
    found = yield small
    yield replace(small, name="small GET, 16 in a pipeline", pipeline=16)
    if found["rate"] >= 2:
        # Where the server is not saturated, latency is the server's and not the queue's.
        yield replace(small, name="small GET, at half that rate", rate=round(found["rate"] / 2))
    yield replace(shared, name="1 MiB down", url=f"{base}/bytes/{MIB}", connections=few(8))
    up = replace(shared, method="POST", connections=few(8))
    yield replace(up, name="1 MiB up", url=f"{base}/sink", body=(PIECE * 16))
    yield replace(up, name="64 B chunks, there and back", url=f"{base}/echo", duplex=True, chunk=64)
    yield replace(up, name="64 KiB chunks, there and back", url=f"{base}/echo", duplex=True, chunk=64 * 1024)


async def serve() -> None:
    """Serve until the standard input ends."""
    web = application()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    async with web:
        sys.stdout.buffer.write(orjson.dumps({"address": web.server_address}) + b"\n")
        sys.stdout.buffer.flush()
        _ = await reader.read()


if __name__ == "__main__":
    run(serve())
