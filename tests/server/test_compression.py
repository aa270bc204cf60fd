"""Compression of returned bodies: what is coded, how, and what never is (RFC 9110 8.4, 12.5.3, 12.5.5)."""

from __future__ import annotations

import asyncio
import gzip
import threading
from typing import TYPE_CHECKING

import brotlicffi
import pytest
import zstandard

from tests.helpers.served import served
from toolkit import App, Compressed, Compression, CookieSessions, Deliver, UseError
from toolkit.protocol.codings import make_encoder
from toolkit.server import compression
from toolkit.server.compression import OFFLOAD, encode_body, vary_by_coding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from toolkit import Request
    from toolkit.protocol.fields import Fields

TEXT = "something that repeats itself, and repeats itself\n" * 40
LARGE = TEXT * 100
ALL = "gzip, br, zstd"
DECODE: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "br": brotlicffi.decompress,
    "zstd": lambda data: bytes(zstandard.ZstdDecompressor().decompressobj().decompress(data)),
    "": bytes,
}


async def get(
    web: App, path: str = "/", accept: str = ALL, method: str = "GET", more: str = ""
) -> tuple[int, dict[str, str], bytes]:
    """Status, fields and the body as it came, out of its chunks."""
    async with served(web, "memory") as here:
        raw = await here.raw()
        fields = f"host: a\r\nconnection: close\r\naccept-encoding: {accept}\r\n{more}"
        await raw.send(f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode())
        head, _, body = (await raw.rest()).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    if "transfer-encoding" in headers and method != "HEAD":
        pieces, rest = [], body
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            pieces.append(rest[: int(size, 16)])
            rest = rest[int(size, 16) + 2 :]
        body = b"".join(pieces)
    return int(first.split()[1]), headers, body


def returning(value: object, options: Compression | None = Compression()) -> App:
    web = App(port=0, compression=options)

    @web.get("/")
    def plain(r: Request) -> object:
        return value

    @web.get("/async")
    async def coroutine(r: Request) -> object:
        return value

    return web


def coding_of(headers: dict[str, str], body: bytes) -> tuple[str, bytes]:
    coding = headers.get("content-encoding", "")
    return coding, DECODE[coding](body)


@pytest.mark.parametrize("path", ["/", "/async"])
@pytest.mark.parametrize(
    ("accept", "coding"),
    [("gzip", "gzip"), ("br", "br"), ("zstd", "zstd"), (ALL, "zstd"), ("br;q=0.9, gzip", "gzip"), ("*", "zstd")],
)
@pytest.mark.parametrize("text", [TEXT, LARGE], ids=["small", "large"])
async def test_text_is_coded_as_the_client_likes_it(path: str, accept: str, coding: str, text: str) -> None:
    status, headers, body = await get(returning(text), path, accept)
    assert status == 200
    assert coding_of(headers, body) == (coding, text.encode())
    assert headers["vary"] == "accept-encoding"
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert len(body) < len(text) / 3


@pytest.mark.parametrize("accept", ["", "identity", "deflate", "gzip;q=0", "*;q=0"])
async def test_who_takes_no_coding_gets_none_and_caches_are_told(accept: str) -> None:
    _, headers, body = await get(returning(TEXT), accept=accept)
    assert coding_of(headers, body) == ("", TEXT.encode())
    assert headers["vary"] == "accept-encoding"
    assert headers["content-length"] == str(len(TEXT))


@pytest.mark.parametrize(
    ("value", "coded"),
    [
        ({"text": TEXT}, True),
        ([TEXT], True),
        (Deliver.html(TEXT), True),
        (Deliver.json(TEXT), True),
        ((404, TEXT), True),
        ((500, {"error": TEXT}), True),
        ((200, TEXT, {"content-type": "image/svg+xml"}), True),
        ("x" * 500, True),
        ("x" * 499, False),  # the default minimum
        (TEXT.encode(), False),  # application/octet-stream
        ((200, TEXT, {"content-type": "image/png"}), False),
        ((200, TEXT, {"content-encoding": "gzip"}), False),  # coded already
        ((200, TEXT, {"content-encoding": "identity"}), False),  # not to be
        ((206, TEXT, {"content-range": "bytes 0-1/2"}), False),
        ((200, TEXT, {"content-range": "bytes 0-1/2"}), False),
        ((200, TEXT, {"cache-control": "max-age=1, no-transform"}), False),
        ((200, TEXT, {"set-cookie": "a=b"}), False),
        ((200, TEXT, {"cache-control": "private"}), False),
        ((200, TEXT, {"cache-control": "no-store"}), False),
        ((200, TEXT, {"cache-control": "public, max-age=60"}), True),
        ("\u00e4\u00f6\u00fc" * 100, True),
    ],
)
async def test_what_is_coded(value: object, coded: bool) -> None:
    _, headers, body = await get(returning(value), accept="br")
    if isinstance(value, tuple) and "content-encoding" in (value[2:] or [{}])[0]:
        assert body == TEXT.encode()
    else:
        assert (headers.get("content-encoding") == "br") is coded
        assert ("vary" in headers) is coded


@pytest.mark.parametrize("field", ["cookie: a=b", "Cookie: a=b", "authorization: Basic eDp5", "proxy-authorization: x"])
async def test_where_a_secret_could_leak_nothing_is_coded_by_itself(field: str) -> None:
    """BREACH, CVE-2013-3587"""
    _, headers, body = await get(returning(TEXT), more=f"{field}\r\n")
    assert coding_of(headers, body) == ("", TEXT.encode())
    _, headers, body = await get(returning(TEXT, Compression(with_credentials=True)), more=f"{field}\r\n")
    assert coding_of(headers, body) == ("zstd", TEXT.encode())


async def test_an_answer_that_sets_a_cookie_is_not_coded_whoever_sets_it() -> None:
    web = App(port=0, middlewares=[CookieSessions("a secret of some length")])

    @web.get("/cookie")
    def cookie(r: Request) -> str:
        r.set_cookie("a", "b")
        return TEXT

    @web.get("/session")
    async def session(r: Request) -> str:
        r.session["user"] = "x"
        return TEXT

    @web.get("/neither")
    async def neither(r: Request) -> str:
        r.add_header("x-other", "1")
        return TEXT

    for path in ("/cookie", "/session"):
        _, headers, body = await get(web, path)
        assert "set-cookie" in headers
        assert coding_of(headers, body) == ("", TEXT.encode())
    assert coding_of(*(await get(web, "/neither"))[1:]) == ("zstd", TEXT.encode())


async def test_off_is_off() -> None:
    for value in (TEXT, {"text": TEXT}):
        _, headers, _ = await get(returning(value, None))
        assert not {"vary", "content-encoding"} & headers.keys()


async def test_options() -> None:
    options = Compression(minimum=10, codings=("gzip", "br"), levels={"gzip": 1}, types=["application/json", "image/*"])
    _, headers, body = await get(returning({"a": "x" * 50}, options))
    assert coding_of(headers, body)[0] == "gzip"
    assert body == encode_body(b'{"a":"' + b"x" * 50 + b'"}', "gzip", 1)
    assert "vary" not in (await get(returning(TEXT, options)))[1]
    assert (await get(returning((200, PNG, {"content-type": "image/png"}), options)))[1]["content-encoding"] == "gzip"


PNG = b"png" * 300


async def test_what_becomes_larger_stays_as_it_is() -> None:
    text = "".join(chr(0x100 + (number * 7919) % 0x5000) for number in range(250))
    _, headers, body = await get(returning((200, text, {"content-type": "text/plain"})), accept="gzip")
    assert coding_of(headers, body)[1] == text.encode()
    noise = bytes(range(256)) * 2
    _, headers, body = await get(returning((200, noise, {"content-type": "text/plain"}), Compression(minimum=1)))
    assert len(body) <= 512
    tiny = returning((200, "ab", {"content-type": "text/plain"}), Compression(minimum=1))
    _, headers, body = await get(tiny, accept="gzip")
    assert (body, "content-encoding" in headers) == (b"ab", False)
    assert headers["vary"] == "accept-encoding"


async def test_fields_of_the_body_as_it_was_do_not_go_with_the_coded_one() -> None:
    given = {"etag": '"v1"', "content-length": len(TEXT), "accept-ranges": "bytes", "x-other": "stays"}
    _, headers, _ = await get(returning((200, TEXT, given)), accept="gzip")
    assert headers["etag"] == 'W/"v1"'  # RFC 9110 8.8.1: equal in meaning
    assert headers["x-other"] == "stays"
    assert "accept-ranges" not in headers
    assert int(headers["content-length"]) < len(TEXT)
    _, headers, _ = await get(returning((200, TEXT, given)), accept="identity")
    assert headers["etag"] == '"v1"'
    assert headers["content-length"] == str(len(TEXT))


@pytest.mark.parametrize("text", [TEXT, LARGE], ids=["small", "large"])
async def test_head_says_what_get_would(text: str) -> None:
    _, headers, _ = await get(returning(text))
    status, head, body = await get(returning(text), method="HEAD")
    assert (status, body) == (200, b"")
    assert head["content-encoding"] == headers["content-encoding"]
    assert head["vary"] == headers["vary"]
    assert head.get("content-length") == headers.get("content-length")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], [(b"vary", b"accept-encoding")]),
        ([(b"vary", b"origin")], [(b"vary", b"origin"), (b"vary", b"accept-encoding")]),
        ([(b"Vary", b"origin, Accept-Encoding")], [(b"Vary", b"origin, Accept-Encoding")]),
        ([(b"vary", b"*")], [(b"vary", b"*")]),
    ],
)
def test_vary_is_said_once(before: Fields, after: Fields) -> None:
    assert vary_by_coding(before) == after


async def test_large_bodies_are_coded_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[bool] = []
    really = make_encoder

    class Watching:
        def __init__(self, coding: str, level: int | None) -> None:
            self.inner = really(coding, level)
            self.finish = self.inner.finish

        def encode(self, data: bytes) -> bytes:
            threads.append(threading.current_thread() is threading.main_thread())
            return self.inner.encode(data)

    monkeypatch.setattr(compression, "make_encoder", Watching)
    text = "x" * OFFLOAD
    _, headers, body = await get(returning(text))
    assert coding_of(headers, body)[1] == text.encode()
    assert threads == [True]
    _, headers, body = await get(returning(text * 9))
    assert coding_of(headers, body)[1] == text.encode() * 9
    assert threads == [True, False, False, False]
    assert headers["transfer-encoding"] == "chunked"


async def test_awaited_answers_are_coded_as_well() -> None:
    web = App(port=0)

    @web.get("/{size}")
    async def deliver(r: Request, size: str) -> None:
        await Deliver.text(TEXT if size == "small" else LARGE)

    assert coding_of(*(await get(web, "/small"))[1:]) == ("zstd", TEXT.encode())
    assert coding_of(*(await get(web, "/large"))[1:]) == ("zstd", LARGE.encode())


async def test_streams_are_coded_where_they_ask_for_it() -> None:
    web = App(port=0)

    async def parts() -> AsyncIterator[bytes]:
        yield TEXT.encode()

    @web.get("/returned")
    async def returned(r: Request) -> AsyncIterator[bytes]:
        return parts()

    @web.get("/prepared")
    async def prepared(r: Request) -> None:
        await r.prepare({"content-type": "text/plain"}, coding="auto")
        await r.write(TEXT.encode())

    assert coding_of(*(await get(web, "/returned"))[1:])[0] == ""
    assert coding_of(*(await get(web, "/prepared"))[1:]) == ("zstd", TEXT.encode())


async def test_a_prepared_stream_is_coded_at_the_level_that_was_set() -> None:
    sizes = []
    for level in (0, 9):
        web = App(port=0, compression=Compression(levels={"gzip": level}))

        @web.get("/")
        async def prepared(r: Request) -> None:
            await r.prepare({"content-type": "text/plain"}, coding="gzip")
            await r.write(LARGE.encode())

        _, headers, body = await get(web)
        assert coding_of(headers, body) == ("gzip", LARGE.encode())
        sizes.append(len(body))
    assert sizes[0] > len(LARGE) > 10 * sizes[1]


async def test_an_answer_that_says_so_is_sent_as_it_is() -> None:
    answer = Deliver.text(TEXT)
    answer.final = True
    _, headers, body = await get(returning(answer))
    assert body == TEXT.encode()
    assert "vary" not in headers


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codings": ["lzma"]}, "'lzma' is no coding; there are zstd, br, gzip, deflate"),
        ({"levels": {"x": 1}}, "'x' is no coding"),
        ({"levels": {"gzip": 10}}, "the level of gzip goes from 0 to 9, not 10"),
        ({"levels": {"zstd": 22}}, "from 1 to 19"),
        ({"minimum": 0}, "at least 1 byte"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UseError, match=message):
        Compression(**options)  # type: ignore[arg-type]


def test_a_coding_whose_library_is_missing_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "available_codings", lambda: ("gzip",))
    assert Compression().available() == ("gzip",)


async def test_a_piece_of_a_stream_is_there_when_its_writer_waits() -> None:
    """Flushed: the client can decode what it has, while the next piece is not even made."""
    web, go = App(port=0), asyncio.Event()

    @web.get("/", middlewares=[Compressed(streams=True)])
    async def slow(r: Request) -> object:
        async def parts() -> AsyncIterator[bytes]:
            yield b"first"
            await go.wait()
            yield b"second"

        return 200, parts(), {"content-type": "text/plain"}

    accept = {"accept-encoding": "gzip"}
    async with served(web, "memory") as here, here.session() as http, http.get("/", accept) as x:
        assert x.headers["content-encoding"] == "gzip"
        pull = x.pull()
        assert await anext(pull) == b"first"
        go.set()
        assert b"".join([piece async for piece in pull]) == b"second"
