"""Content codings through both ends: chosen, streamed, flushed, capped, and left alone where nobody asked."""

from __future__ import annotations

import asyncio
import gzip
import random
import zlib
from typing import TYPE_CHECKING, Protocol

import brotlicffi
import pytest
import zstandard

from tests.helpers.answers import read_answer, read_head
from tests.helpers.lockstep import lockstep
from tests.helpers.raw import raw_server
from tests.helpers.served import KINDS, served
from toolkit import App, LimitExceeded, RemoteProtocolError, Session

if TYPE_CHECKING:
    from toolkit import Exchange, Request

CODINGS = ("gzip", "deflate", "br", "zstd")
EACH = pytest.mark.parametrize("coding", CODINGS)
MIB = 1024 * 1024
TEXT = b"".join(b"%d bottles on the wall\n" % number for number in range(20_000))


class Decodes(Protocol):
    """An incremental decoder of a foreign library."""

    def __call__(self, data: bytes, /) -> bytes: ...


def foreign_decoder(coding: str) -> Decodes:
    """The library's own incremental decoder, not ours."""
    if coding == "gzip":
        return zlib.decompressobj(31).decompress
    if coding == "deflate":
        return zlib.decompressobj(15).decompress
    if coding == "br":
        decompress: Decodes = brotlicffi.Decompressor().decompress
        return decompress
    return zstandard.ZstdDecompressor().decompressobj().decompress


def encoded(coding: str, data: bytes) -> bytes:
    """`data` coded by the library itself."""
    if coding == "gzip":
        return gzip.compress(data)
    if coding == "deflate":
        return zlib.compress(data)
    if coding == "br":
        compressed: bytes = brotlicffi.compress(data, quality=4)
        return compressed
    return zstandard.ZstdCompressor().compress(data)


def coder() -> App:
    """Sends and receives with codings."""
    web = App(port=0)

    @web.get("/auto")
    async def auto(r: Request) -> None:
        await r.prepare({"content-type": "text/plain"}, coding="auto")
        for start in range(0, len(TEXT), 10_000):
            await r.write(TEXT[start : start + 10_000])

    @web.post("/read")
    async def read(r: Request) -> dict[str, object]:
        body = await r.read()
        return {"same": body == TEXT, "received": r.received_len, "length": r.content_length}

    @web.post("/limited")
    async def limited(r: Request) -> bytes:
        return await r.read(limit=MIB)

    @web.post("/raw")
    async def raw(r: Request) -> bytes:
        return b"".join([part async for part in r.pull(decode=False)])

    @web.post("/pieces")
    async def pieces(r: Request) -> dict[str, int]:
        sizes = [len(part) async for part in r]
        return {"largest": max(sizes), "total": sum(sizes)}

    @web.post("/echo/{coding}")
    async def echo(r: Request, coding: str) -> None:
        await r.prepare(coding=coding)
        async for part in r:
            await r.write(part)

    return web


@EACH
@pytest.mark.parametrize("kind", KINDS)
async def test_a_coded_answer_is_decoded_while_it_streams(kind: str, coding: str) -> None:
    async with served(coder(), kind) as here, here.session() as http:
        async with http.get(f"{here.url}/auto", {"accept-encoding": coding}) as x:
            assert x.headers["content-encoding"] == coding
            assert "accept-encoding" in x.headers.get("vary", "").lower()
            assert b"".join([part async for part in x]) == TEXT
            assert 0 < x.received_len < len(TEXT) // 4
        answer = await http.get(f"{here.url}/auto")  # what a session accepts by itself
        assert answer.headers["content-encoding"] in CODINGS
        assert answer.content == TEXT


@EACH
async def test_what_goes_over_the_wire_is_the_librarys_format(coding: str) -> None:
    async with served(coder()) as here:
        raw = await here.raw()
        await raw.send(b"GET /auto HTTP/1.1\r\nhost: x\r\naccept-encoding: %b\r\n\r\n" % coding.encode())
        answer = await read_answer(raw)
        assert answer.get("content-encoding") == coding
        assert foreign_decoder(coding)(answer.body) == TEXT


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("gzip;q=0.5, br", "br"),
        ("gzip, br;q=0.5", "gzip"),
        ("zstd;q=0, *;q=0", None),
        ("identity", None),
        ("x-unknown", None),
        (None, None),
        ("gzip;q=0", None),
        ("deflate;q=0.1", "deflate"),
    ],
)
async def test_the_coding_is_chosen_by_q_values(accept: str | None, chosen: str | None) -> None:
    async with served(coder()) as here:
        raw = await here.raw()
        line = f"accept-encoding: {accept}\r\n" if accept is not None else ""
        await raw.send(f"GET /auto HTTP/1.1\r\nhost: x\r\n{line}\r\n".encode())
        answer = await read_answer(raw)
        assert answer.get("content-encoding") == chosen
        if chosen is None:
            assert answer.body == TEXT


@EACH
async def test_a_coded_upload_is_decoded_and_counted_coded(coding: str) -> None:
    coded = encoded(coding, TEXT)
    async with Session(app=coder()) as http:
        answer = await http.post("/read", {"content-encoding": coding}, body=coded)
        assert await answer.json() == {"same": True, "received": len(coded), "length": len(coded)}
        answer = await http.post("/raw", {"content-encoding": coding}, body=coded)
        assert answer.content == coded
        answer = await http.post("/read", body=TEXT, coding=coding)
        value = await answer.json()
        assert isinstance(value, dict)
        assert value["same"] is True


@EACH
@pytest.mark.parametrize("kind", KINDS)
async def test_a_duplex_echo_coded_both_ways_in_lock_step(kind: str, coding: str) -> None:
    """Each message is decodable at the peer before the next one is written, in both directions."""
    async with lockstep(kind, coding=coding) as script:
        await script.server.do(lambda x: x.prepare(coding=coding))
        await script.client.head()
        for number in range(5):
            message = b"message %d " % number * 10
            await script.client.write(message)
            await script.server.sees(message)
            await script.server.write(message.upper())
            await script.client.sees(message.upper())
        await script.client.eof()
        await script.server.sees_end()
        await script.server.eof()
        await script.client.sees_end()
        await script.server.finish()
        await script.client.finish()
        await script.again()
        assert (await script.client.x()).headers["content-encoding"] == coding
        assert (await script.server.x()).headers["content-encoding"] == coding


@EACH
async def test_a_chunk_is_decodable_by_a_foreign_peer_before_the_next_is_written(coding: str) -> None:
    web = App(port=0)
    go_on = asyncio.Event()

    @web.get("/")
    async def handler(r: Request) -> None:
        await r.prepare(coding=coding)
        for number in range(5):
            await r.write(b"message %d" % number)
            await go_on.wait()
            go_on.clear()

    async with served(web) as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.1\r\nhost: x\r\naccept-encoding: %b\r\n\r\n" % coding.encode())
        await read_head(raw)
        decode = foreign_decoder(coding)
        for number in range(5):
            got = b""
            while len(got) < 9:
                size = int(await raw.until(b"\r\n"), 16)
                got += decode(await raw.receive(size))
                assert await raw.receive(2) == b"\r\n"
            assert got == b"message %d" % number
            go_on.set()


@EACH
async def test_random_blocks_survive_both_ways(coding: str) -> None:
    data = random.Random(1).randbytes(3 * MIB) + bytes(3 * MIB)

    async def send(x: Exchange) -> None:
        for start in range(0, len(data), 100_000):
            await x.write(data[start : start + 100_000])
        await x.eof()

    async with Session(app=coder()) as http, http.post(f"/echo/{coding}", coding=coding) as x:
        sending = asyncio.ensure_future(send(x))
        assert b"".join([part async for part in x]) == data
        await sending


# --- bounds ---


def bomb(coding: str, size: int) -> bytes:
    """Zeros, coded: about a thousandth of their size, less for some."""
    if coding in {"gzip", "deflate"}:
        stream = zlib.compressobj(9, zlib.DEFLATED, 31 if coding == "gzip" else 15)
        return b"".join(stream.compress(bytes(MIB)) for _ in range(size // MIB)) + stream.flush()
    if coding == "br":
        compressor = brotlicffi.Compressor(quality=4)
        parts = [compressor.process(bytes(MIB)) for _ in range(size // MIB)]
        return b"".join(parts) + compressor.finish()  # type: ignore[no-any-return]
    zstd = zstandard.ZstdCompressor().compressobj()
    return b"".join(zstd.compress(bytes(MIB)) for _ in range(size // MIB)) + zstd.flush()


@EACH
async def test_a_bomb_ends_in_a_clear_error_on_the_server(coding: str) -> None:
    coded = bomb(coding, 64 * MIB)
    async with Session(app=coder()) as http:
        answer = await http.post("/limited", {"content-encoding": coding}, body=coded)
        assert answer.status == 413
        answer = await http.post("/pieces", {"content-encoding": coding}, body=coded)
        value = await answer.json()
        assert isinstance(value, dict)
        assert value["total"] == 64 * MIB
        assert isinstance(value["largest"], int)
        assert value["largest"] <= 64 * 1024


@EACH
async def test_a_bomb_ends_in_a_clear_error_on_the_client(coding: str) -> None:
    coded = bomb(coding, 64 * MIB)
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> tuple[int, bytes, dict[str, str]]:
        return 200, coded, {"content-encoding": coding}

    async with Session(app=web) as http:
        async with http.get("/") as x:
            with pytest.raises(LimitExceeded, match="GET"):
                await x.read(limit=MIB)
        async with http.get("/") as x:
            largest = max([len(part) async for part in x])
            assert largest <= 64 * 1024


@EACH
@pytest.mark.parametrize("damage", ["cut", "garbage", "changed"])
async def test_damaged_coded_bodies_are_errors(coding: str, damage: str) -> None:
    coded = encoded(coding, TEXT)
    middle = len(coded) // 2
    damaged = {
        "cut": coded[:middle],
        "garbage": b"this is not " + coded,
        "changed": coded[:middle] + bytes(byte ^ 0xFF for byte in coded[middle : middle + 64]) + coded[middle + 64 :],
    }[damage]
    web = coder()

    @web.get("/damaged")
    async def handler(r: Request) -> tuple[int, bytes, dict[str, str]]:
        return 200, damaged, {"content-encoding": coding}

    async with Session(app=web) as http:
        answer = await http.post("/read", {"content-encoding": coding}, body=damaged)
        if answer.status == 200:  # deflate and br carry no checksum: changed bytes may decode to something else
            assert damage == "changed"
            assert await answer.json() != {"same": True}
        else:
            assert answer.status == 400
        if damage != "changed":
            with pytest.raises(RemoteProtocolError, match="/damaged"):
                _ = await http.get("/damaged")


async def test_codings_that_are_not_accepted_are_415() -> None:
    none = App(port=0, accept_codings=())

    @none.post("/read")
    async def read(r: Request) -> bytes:
        return await r.read()

    async with Session(app=none) as http:
        assert (await http.post("/read", {"content-encoding": "gzip"}, body=gzip.compress(b"x"))).status == 415
        assert (await http.post("/read", body=b"plain")).content == b"plain"
    async with Session(app=coder()) as http:
        assert (await http.post("/read", {"content-encoding": "x-unknown"}, body=b"x")).status == 415
        thrice = gzip.compress(gzip.compress(gzip.compress(TEXT)))
        assert (await http.post("/read", {"content-encoding": "gzip, gzip, gzip"}, body=thrice)).status == 415
        twice = encoded("br", gzip.compress(TEXT))
        value = await (await http.post("/read", {"content-encoding": "gzip, br"}, body=twice)).json()
        assert isinstance(value, dict)
        assert value["same"] is True


async def test_decode_false_asks_for_no_coding_and_changes_nothing() -> None:
    coded = gzip.compress(TEXT)
    async with raw_server("tcp") as peer, peer.session() as http:

        async def ask() -> bytes:
            answer = await http.get(f"{peer.url}/", decode=False)
            return answer.content

        asking = asyncio.ensure_future(ask())
        raw = await peer.accept()
        head = await raw.until(b"\r\n\r\n")
        assert b"accept-encoding" not in head.lower()
        await raw.send(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(coded) + coded)
        assert await asking == coded


async def test_body_exchange_keeps_coded_bytes_and_copies_coding_length_and_type() -> None:
    """Server to server: what the source sent is what the target stores, byte for byte."""
    coded = gzip.compress(TEXT)
    source, target = App(port=0), App(port=0)
    stored: dict[str, object] = {}

    @source.get("/file")
    async def file(r: Request) -> tuple[int, bytes, dict[str, str]]:
        return 200, coded, {"content-encoding": "gzip", "content-type": "text/x-bottles"}

    @target.put("/file")
    async def put(r: Request) -> str:
        stored["body"] = b"".join([part async for part in r.pull(decode=False)])
        stored["head"] = (r.headers["content-encoding"], r.content_type, r.content_length)
        return "stored"

    async with (
        Session(app=source) as a,
        Session(app=target) as b,
        a.get("/file") as body,
        b.put("/file", body=body) as sink,
    ):
        assert await sink.text() == "stored"
    assert stored == {"body": coded, "head": ("gzip", "text/x-bottles", len(coded))}


async def test_relay_keeps_coded_bytes() -> None:
    coded = gzip.compress(TEXT)
    source = App(port=0)

    @source.get("/file")
    async def file(r: Request) -> tuple[int, bytes, dict[str, str]]:
        return 200, coded, {"content-encoding": "gzip"}

    async with Session(app=source) as inner:
        web = App(port=0)

        @web.get("/")
        async def relay(r: Request) -> None:
            async with inner.get("/file") as body:
                await r.prepare({"content-encoding": "gzip", "content-length": str(body.content_length)})
                moved = await r.relay(body)
                assert moved.total == len(coded)

        async with served(web) as here:
            raw = await here.raw()
            await raw.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            answer = await read_answer(raw)
            assert (answer.get("content-encoding"), answer.body) == ("gzip", coded)


async def test_bytes_that_are_already_coded_are_sent_as_they_are() -> None:
    coded = gzip.compress(TEXT)
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> None:
        await r.prepare({"content-encoding": "gzip", "content-length": str(len(coded))})
        await r.write(coded)

    async with Session(app=web) as http:
        answer = await http.get("/")
        assert answer.content == TEXT
        assert answer.received_len == len(coded)
