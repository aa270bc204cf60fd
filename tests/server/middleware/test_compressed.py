"""Compression for some routes: other options than the application's."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from toolkit import App, Compressed, Compression, Deliver, Request

from .around import around, ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TEXT = "again and again " * 100
GZIP = "accept-encoding: gzip"
COOKIE = "cookie: a=b"


def returning(value: object, one: Compressed, everywhere: Compression | None = Compression()) -> App:
    web = App(port=0, compression=everywhere)

    async def handler(r: Request) -> object:
        return value

    web.get("/")(around(handler, one))
    return web


async def coding(web: App, *fields: str) -> str | None:
    got = await ask(web, GZIP, *fields)
    body = gzip.decompress(got.body) if got.get("content-encoding") is not None else got.body
    assert body.decode() == TEXT
    return got.get("content-encoding")


async def test_a_route_may_have_none() -> None:
    assert await coding(returning(TEXT, Compressed(None))) is None
    assert (await ask(returning(TEXT, Compressed(None)), GZIP)).get("vary") is None


async def test_a_route_may_have_it_alone() -> None:
    assert await coding(returning(TEXT, Compressed(), None)) == "gzip"
    assert await coding(returning(TEXT, Compressed(), None), COOKIE) is None


async def test_a_route_without_secrets_has_it_also_with_credentials() -> None:
    one = Compressed(Compression(with_credentials=True))
    assert await coding(returning(TEXT, one), COOKIE) == "gzip"
    assert await coding(returning((200, TEXT, {"set-cookie": "a=b"}), one)) == "gzip"
    assert await coding(returning(TEXT * 1, Compressed(Compression())), COOKIE) is None


async def test_its_own_options_count() -> None:
    assert await coding(returning(TEXT, Compressed(Compression(minimum=10_000)))) is None
    assert await coding(returning(TEXT, Compressed(Compression(types=["image/png"])))) is None
    assert await coding(returning(TEXT, Compressed(Compression(codings=["br"])))) is None


async def test_an_answer_that_is_returned_each_time_stays_what_it_is() -> None:
    answer = Deliver.text(TEXT)
    assert await coding(returning(answer, Compressed(None))) is None
    assert await coding(returning(answer, Compressed())) == "gzip"
    assert not answer.final


@pytest.mark.parametrize(
    ("one", "headers", "expected"),
    [
        (Compressed(streams=True), {"content-type": "text/plain"}, "gzip"),
        (Compressed(), {"content-type": "text/plain"}, None),
        (Compressed(None, streams=True), {"content-type": "text/plain"}, None),
        (Compressed(streams=True), {"content-type": "image/png"}, None),
        (Compressed(streams=True), {"content-type": "text/event-stream"}, None),
        (Compressed(streams=True), {"content-type": "text/plain", "set-cookie": "a=b"}, None),
        (Compressed(streams=True), {"content-type": "text/plain", "content-encoding": "identity"}, "identity"),
        (Compressed(streams=True), {"content-type": "text/plain", "cache-control": "no-transform"}, None),
        (Compressed(Compression(codings=["br"]), streams=True), {"content-type": "text/plain"}, None),
    ],
)
async def test_streams_are_compressed_where_it_says_so(
    one: Compressed, headers: dict[str, str], expected: str | None
) -> None:
    web = App(port=0)

    async def parts() -> AsyncIterator[bytes]:
        yield TEXT.encode()

    web.get("/")(around(lambda r: (200, parts(), headers), one))
    got = await ask(web, GZIP)
    assert got.get("content-encoding") == expected
    assert (gzip.decompress(got.body) if expected == "gzip" else got.body) == TEXT.encode()


async def test_files_and_answers_on_their_way_pass(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    web = App(port=0)

    async def sent(r: Request) -> None:
        await r.prepare({"content-type": "text/plain"})
        await r.write(TEXT.encode())

    web.get("/sent")(around(sent, Compressed()))

    async def file(r: Request) -> object:
        return Deliver.file("a.txt", root=tmp_path)

    web.get("/file")(around(file, Compressed()))
    for path in ("/sent", "/file"):
        got = await ask(web, GZIP, path=path)
        assert got.body == TEXT.encode()
        assert got.get("content-encoding") is None


async def test_large_bodies_are_coded_on_their_way() -> None:
    got = await ask(returning(TEXT * 100, Compressed()), GZIP)
    assert gzip.decompress(got.body).decode() == TEXT * 100


async def test_a_file_that_is_compressed_as_a_stream_is_another_representation(tmp_path: Path) -> None:
    """RFC 9110 8.8.3.3: parts of the file as it is must never be joined to a coded beginning (If-Range)."""
    data = TEXT.encode() * (2 + 100_000 // len(TEXT))
    (tmp_path / "a.txt").write_bytes(data)
    web = returning(Deliver.file("a.txt", root=tmp_path), Compressed(streams=True))
    coded, plain = await ask(web, GZIP), await ask(web)
    tag = str(plain.get("etag"))
    assert (coded.get("content-encoding"), gzip.decompress(coded.body)) == ("gzip", data)
    assert (coded.get("etag"), coded.get("accept-ranges"), coded.get("vary")) == (f"W/{tag}", None, "accept-encoding")
    assert (plain.body, plain.get("accept-ranges"), plain.get("vary")) == (data, "bytes", "accept-encoding")
    part = await ask(web, GZIP, "range: bytes=1-2", f"if-range: {tag}")
    assert (part.status, part.get("content-encoding"), part.body) == (206, None, data[1:3])
