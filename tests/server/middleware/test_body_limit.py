"""Body limits: refused before it is read where the length is said, as soon as it is too long where it is not."""

from __future__ import annotations

import pytest

from tests.helpers.answers import chunk, read_answer
from tests.helpers.served import served
from toolkit import App, Limits, Request, UseError
from toolkit.server.middleware.body_limit import BodyLimit

LIMIT = BodyLimit(10)


def application(limits: Limits = Limits()) -> tuple[App, list[int]]:
    web = App(limits=limits)
    read: list[int] = []

    async def handler(r: Request) -> str:
        size = 0
        async for piece in r:
            size += len(piece)
        read.append(size)
        return str(size)

    web.post("/limited", middlewares=[LIMIT])(handler)
    web.post("/free")(handler)
    return web, read


@pytest.mark.parametrize(("size", "status"), [(0, 200), (1, 200), (10, 200), (11, 413), (10**9, 413)])
async def test_a_length_that_is_said(size: int, status: int) -> None:
    web, read = application()
    async with served(web) as here:
        raw = await here.raw()
        await raw.send(b"POST /limited HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size)
        if status == 200:
            await raw.send(b"x" * size)
        assert (await read_answer(raw)).status == status
    assert read == ([size] if status == 200 else [])


@pytest.mark.parametrize(("chunks", "status"), [([5, 5], 200), ([5, 6], 413), ([11], 413), ([1] * 11, 413)])
async def test_one_that_is_not(chunks: list[int], status: int) -> None:
    web, read = application()
    async with served(web) as here:
        raw = await here.raw()
        await raw.send(b"POST /limited HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        for size in chunks:
            await raw.send(chunk(b"x" * size))
        await raw.send(b"0\r\n\r\n")
        assert (await read_answer(raw)).status == status
    assert read == ([10] if status == 200 else [])


async def test_bytes_that_came_with_the_head_count_too() -> None:
    web, read = application()
    async with served(web) as here:
        raw = await here.raw()
        head = b"POST /limited HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        await raw.send(head + chunk(b"x" * 20) + b"0\r\n\r\n")
        assert (await read_answer(raw)).status == 413
    assert read == []


async def test_it_ends_with_its_request() -> None:
    web, read = application()
    async with served(web) as here:
        raw = await here.raw()
        for path, size in [(b"limited", 10), (b"free", 1000)]:
            head = b"POST /%b HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n" % path
            await raw.send(head)
            await raw.send(chunk(b"x" * size) + b"0\r\n\r\n")
            assert (await read_answer(raw)).status == 200
    assert read == [10, 1000]


async def test_it_does_not_lift_the_application_s() -> None:
    web, _ = application(Limits(body=5))
    async with served(web) as here:
        raw = await here.raw()
        await raw.send(b"POST /limited HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        await raw.send(chunk(b"x" * 6) + b"0\r\n\r\n")
        assert (await read_answer(raw)).status == 413


async def test_a_request_without_a_body_is_none_of_its_business() -> None:
    web = App()
    web.get("/", middlewares=[BodyLimit(0)])(lambda r: "x")
    async with served(web) as here, here.session() as http:
        assert (await http.get("/")).status == 200


def test_a_limit_is_a_number_of_bytes() -> None:
    with pytest.raises(UseError, match="expected bytes"):
        BodyLimit(-1)


def test_text_is_no_number() -> None:
    with pytest.raises(UseError, match="expected "):
        BodyLimit("1MB")  # type: ignore[arg-type]  # as a program without types has it
