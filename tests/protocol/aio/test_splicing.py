"""Splices: every byte once and in order, the descriptors given back, and what is stuck in the pipe not lost."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys

import pytest

from tests.helpers.answers import read_head
from tests.helpers.raw import PATIENCE, raw_server
from tests.helpers.served import served
from toolkit import App, Request
from toolkit.errors import Disconnected, ToolkitError
from toolkit.protocol.aio import splicing

SIZE = 3 * 1024 * 1024 + 17
BODY = random.Random(3).randbytes(SIZE)
ON_LINUX = sys.platform == "linux"


def descriptors() -> set[str]:
    """What this process holds open, the pooled pipes aside."""
    pooled = {str(end) for ends in splicing._pipes for end in ends}
    held = set(os.listdir("/proc/self/fd")) if ON_LINUX else set()
    return held - pooled


async def test_a_relay_goes_by_splice_and_both_connections_are_whole() -> None:
    web, moved = App(port=0), list[tuple[int, int]]()

    @web.get("/source")
    async def source(r: Request) -> bytes:
        return BODY

    @web.get("/relay")
    async def relay(r: Request) -> None:
        async with http.get(f"{here.url}/source", decode=False) as x:
            await r.prepare({"content-length": x.content_length})
            done = await r.relay(x)
            moved.append((done.splice, done.total))

    async with asyncio.timeout(PATIENCE), served(web, "tcp") as here, here.session() as http:
        before = len(descriptors())
        for _ in range(3):
            assert (await http.get(f"{here.url}/relay")).content == BODY
        assert repr(http) == "<Session <Pool 2 of 100 open, 2 idle, 0 waiting>>"
        assert len(descriptors()) <= before + 4  # two connections, each seen from both ends
    assert {total for _, total in moved} == {SIZE}
    if ON_LINUX:
        assert all(splice > 0 for splice, _ in moved)
    assert len(splicing._pipes) <= splicing.POOLED


@pytest.mark.parametrize("who", ["source", "sink"])
async def test_an_end_that_dies_ends_the_splice_and_leaves_no_descriptor(who: str) -> None:
    web, failed, over = App(port=0), list[BaseException](), asyncio.Event()

    @web.get("/")
    async def relay(r: Request) -> None:
        try:
            async with http.get(peer.url, decode=False) as x:
                await r.prepare({"content-length": x.content_length})
                await r.relay(x)
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            over.set()

    async with asyncio.timeout(PATIENCE), raw_server() as peer, served(web, "tcp") as here, here.session() as http:
        before = len(descriptors())
        sink = await here.raw(receive_buffer=4096)
        await sink.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        source = await peer.accept()
        await read_head(source)
        await source.send(b"HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n" + BODY[:200_000])
        await sink.until(b"\r\n\r\n")
        assert await sink.receive(1000) == BODY[:1000]
        (source if who == "source" else sink).reset()
        if who == "sink":  # the kernel shows it to the next write
            while not over.is_set():
                try:
                    await source.send(BODY[:200_000])
                except OSError:
                    break
        await over.wait()
        assert isinstance(failed[0], (ToolkitError, asyncio.CancelledError))
        if who == "source":
            assert isinstance(failed[0], Disconnected)
            assert not await sink.gone() or len(sink.buffer) < 50_000_000
        await source.close()
        await sink.close()
        assert len(descriptors()) <= before + 2


async def test_only_an_empty_pipe_goes_back_to_the_pool() -> None:
    the_pipe = splicing._pipe
    with the_pipe() as first:
        pass
    with the_pipe() as again:
        assert again == first
        with the_pipe() as other:
            assert other != first
    with pytest.raises(KeyError), the_pipe() as failing:
        raise KeyError("with bytes inside, for all we know")
    assert failing not in splicing._pipes


FORKING = """
import os
from toolkit.protocol.aio import splicing
with splicing._pipe() as parents:
    pass
child = os.fork()
if not child:
    with splicing._pipe() as ends:
        os.write(ends[1], b"the child's")
    os._exit(0)
os.waitpid(child, 0)
try:
    print(os.read(parents[0], 100))
except BlockingIOError:
    print("empty")
"""


def test_a_forked_child_shares_no_pipe_with_its_parent() -> None:
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout.strip() == "empty"
