"""Past the transports: every byte of a file once and in order, and who is to blame where one cannot be read."""

from __future__ import annotations

import asyncio
import random
import sys
from typing import TYPE_CHECKING

import pytest

from tests.helpers.raw import PATIENCE
from tests.helpers.served import served
from toolkit import App, Request
from toolkit.errors import Disconnected, ToolkitError

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 3 * 1024 * 1024 + 17
BODY = random.Random(3).randbytes(SIZE)
ON_LINUX = sys.platform == "linux"


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize(("offset", "count"), [(0, None), (5, None), (5, 1_500_000), (SIZE, None), (0, 0)])
async def test_a_file_goes_by_sendfile(kind: str, offset: int, count: int | None, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(BODY)
    expected = BODY[offset:] if count is None else BODY[offset : offset + count]
    web, moved = App(port=0), list[tuple[int, int]]()

    @web.get("/")
    async def send(r: Request) -> None:
        await r.prepare({"content-length": len(expected)})
        done = await r.send_file(str(path), offset, count)
        moved.append((done.sendfile, done.total))

    async with asyncio.timeout(PATIENCE), served(web, kind) as here, here.session() as http:
        for _ in range(2):  # the connection is whole afterwards
            assert (await http.get(here.url)).content == expected
        assert len(here.raws) == 0
    assert {total for _, total in moved} == {len(expected)}
    if ON_LINUX:
        assert moved[0][0] == len(expected)


async def test_a_file_that_cannot_be_read_is_not_the_peers_fault(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(BODY)
    web, raised = App(port=0), list[BaseException]()

    @web.get("/")
    async def send(r: Request) -> None:
        await r.prepare({"content-length": SIZE})
        with path.open("ab") as file:
            try:
                await r.send_file(file)
            except OSError as error:
                raised.append(error)

    async with asyncio.timeout(PATIENCE), served(web, "tcp") as here, here.session() as http:
        with pytest.raises(ToolkitError):
            _ = await http.get(here.url)
    assert [isinstance(error, Disconnected) for error in raised] == [False]
