"""Static files as requests see them: names, forms, conditions, parts, and what is never served."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import threading
import zlib
from typing import IO, TYPE_CHECKING

import brotlicffi
import pytest
import zstandard

from tests.helpers.served import PATIENCE, served
from toolkit import App, Compression, Exchange, Router, Session, StaticOptions, StaticServer, UseError
from toolkit.server import static
from toolkit.server.beneath import NotBeneath
from toolkit.server.compression import encode_body

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from toolkit import Moved, Request

AT = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT
TEXT = b"some text that is worth compressing, as it says much the same again and again\n" * 100
PNG = bytes(range(256)) * 10
DECODE: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "br": brotlicffi.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    "": bytes,
}


def put(path: Path, data: bytes, at: int = AT) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (at, at))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "public"
    for name, data in {
        "index.html": b"<p>home",
        "style.css": TEXT,
        "image.png": PNG,
        "short.txt": b"short",
        "empty.txt": b"",
        "large.bin": bytes(range(256)) * 1000,
        "with space \u00e4.txt": b"spaced",
        "100%.txt": b"percent",
        "a%20b.txt": b"literally",
        "docs/index.html": b"<p>docs",
        "docs/deep/page.html": b"<p>deep",
        "bare/file.txt": b"bare",
        ".env": b"SECRET=1",
        ".well-known/acme": b"acme",
    }.items():
        put(root / name, data)
    put(tmp_path / "outside.txt", b"outside")
    return root


def application(folder: Path, options: StaticOptions = StaticOptions(), route: str = "/") -> App:
    web = App(port=0)
    web.attach(StaticServer(route, folder, options=options))
    return web


class Got:
    """An answer as it came: nothing decoded."""

    def __init__(self, status: int | None, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def decoded(self) -> bytes:
        return DECODE[self.headers.get("content-encoding", "")](self.body)


async def get(web: App, path: str, method: str = "GET", **fields: str) -> Got:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    async with served(web, "memory") as here:
        raw = await here.raw()
        await raw.send(f"{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{lines}\r\n".encode())
        head, _, body = (await raw.rest()).partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in rest:
        name, _, value = line.partition(": ")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Got(int(first.split()[1]), headers, body)


# --- names ---


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/", b"<p>home"),
        ("/index.html", b"<p>home"),
        ("/short.txt", b"short"),
        ("/short.txt?v=1", b"short"),
        ("/empty.txt", b""),
        ("/%73hort.txt", b"short"),
        ("/with%20space%20%C3%A4.txt", b"spaced"),
        ("/100%25.txt", b"percent"),
        ("/a%2520b.txt", b"literally"),
        ("/docs/", b"<p>docs"),
        ("/docs/deep/page.html", b"<p>deep"),
        ("/large.bin", bytes(range(256)) * 1000),
    ],
)
async def test_a_file_is_served_by_its_name(folder: Path, path: str, body: bytes) -> None:
    got = await get(application(folder), path)
    assert (got.status, got.body) == (200, body)
    assert got.headers["content-length"] == str(len(body))


@pytest.mark.parametrize(
    "path",
    [
        "/none",
        "/docs/none",
        "/short.txt/",
        "/short.txt/x",
        "/bare/",
        "/bare",
        "/../outside.txt",
        "/docs/../../outside.txt",
        "/%2e%2e/outside.txt",
        "/..%2foutside.txt",
        "/docs%2findex.html",
        "/..%5coutside.txt",
        "/docs\\index.html",
        "/c:/outside.txt",
        "//outside.txt",
        "//etc/passwd",
        "/./short.txt",
        "/docs//index.html",
        "/short.txt%00",
        "/short.txt%00.png",
        "/.env",
        "/.well-known/acme",
        "/%2eenv",
        "/out.txt",
        "/absolute",
        "/outdir/outside.txt",
        "/fifo",
        "/sock",
        "/a%20b.txt",
        "/%ff",
        "/" + "x" * 300,
    ],
)
async def test_what_is_no_file_of_the_folder_is_404(folder: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    os.symlink("../outside.txt", folder / "out.txt")
    os.symlink("/etc/passwd", folder / "absolute")
    os.symlink("..", folder / "outdir")
    os.mkfifo(folder / "fifo")
    monkeypatch.chdir(folder)  # a socket's name has room for 107 bytes
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("sock")
        got = await get(application(folder), path)
    assert got.status == 404
    assert b"outside" not in got.body
    assert b"root:" not in got.body


async def test_links_inside_of_the_folder_are_served(folder: Path) -> None:
    os.symlink("short.txt", folder / "link.txt")
    os.symlink("docs", folder / "manual")
    assert (await get(application(folder), "/link.txt")).body == b"short"
    assert (await get(application(folder), "/manual/index.html")).body == b"<p>docs"


async def test_a_device_is_not_read() -> None:
    web = App(port=0)
    web.attach(StaticServer("/", "/dev"))
    for name in ("/zero", "/null", "/tty", "/random"):
        assert (await get(web, name)).status == 404


async def test_a_folder_without_its_slash_is_redirected(folder: Path) -> None:
    got = await get(application(folder), "/docs?a=b")
    assert got.status == 308
    assert got.headers["location"] == "./docs/?a=b"
    got = await get(application(folder, route="/static"), "/static/docs")
    assert got.headers["location"] == "./docs/"


@pytest.mark.parametrize("path", ["//evil.example", "//evil.example/", "//evil.example/docs", "/\\evil.example/docs"])
async def test_no_redirect_leads_to_another_host(folder: Path, path: str) -> None:
    """CVE-2021-21330, CVE-2023-28370"""
    (folder / "evil.example" / "docs").mkdir(parents=True)
    put(folder / "evil.example" / "index.html", b"x")
    put(folder / "evil.example" / "docs" / "index.html", b"x")
    got = await get(application(folder), path)
    assert got.status == 404
    assert "location" not in got.headers


async def test_dotfiles_are_served_where_they_are_wanted(folder: Path) -> None:
    web = application(folder, StaticOptions(dotfiles=True))
    assert (await get(web, "/.well-known/acme")).body == b"acme"
    assert (await get(web, "/../outside.txt")).status == 404


async def test_a_prefix_is_a_whole_segment(folder: Path) -> None:
    web = application(folder, route="/static/")
    assert (await get(web, "/static/short.txt")).body == b"short"
    got = await get(web, "/static?a")
    assert (got.status, got.headers["location"]) == (308, "./static/?a")
    assert (await get(web, "/static/")).body == b"<p>home"
    for path in ("/short.txt", "/staticshort.txt", "/static-short.txt", "/stati", "/"):
        assert (await get(web, path)).status == 404


async def test_routes_and_others_are_asked_before_and_after(folder: Path) -> None:
    """A route goes first; what the folder does not have is for whoever comes behind it."""
    web = App(port=0)

    @web.get("/short.txt")
    def short(r: Request) -> str:
        return "from the route"

    web.attach(StaticServer("/", folder))

    @web.attach
    class Server:
        async def handle_all_middleware(self, r: Request) -> str:
            return "from behind"

    assert (await get(web, "/short.txt")).body == b"from the route"
    assert (await get(web, "/style.css")).body == TEXT
    assert (await get(web, "/none")).body == b"from behind"


# --- pages, as programs of other toolkits have them ---


async def test_pages_have_names_without_an_ending(tmp_path: Path) -> None:
    root = tmp_path / "static"
    for name in ("page/index.html", "page/about.html", "page/blog/first.html", "page/only.txt", "app.js", "both.txt"):
        put(root / name, name.encode())
    put(root / "page" / "both.txt", b"hidden by the one above")
    put(root / "page" / "team" / "index.html", b"team")
    web = App(port=0)
    web.attach(StaticServer("/", os.path.join(tmp_path, "static"), 1024 * 100, "page", "index.html"))
    expected = {
        "/": b"page/index.html",
        "/about": b"page/about.html",
        "/about/": b"page/about.html",
        "/blog/first": b"page/blog/first.html",
        "/app.js": b"app.js",
        "/both.txt": b"both.txt",
        "/only.txt": b"page/only.txt",
        "/team/": b"team",
        "/page/about.html": b"page/about.html",
    }
    for path, body in expected.items():
        assert (await get(web, path)).body == body, path
    for path in ("/none", "/team", "/page", "/blog/", "/index", "/x.js"):
        assert (await get(web, path)).status == (200 if path == "/index" else 404), path


async def test_a_cache_control_may_be_given_by_its_directives(folder: Path) -> None:
    web = App(port=0)
    web.attach(StaticServer("/", folder, cache_control={"max-age": 60, "public": True, "immutable": False}))
    assert (await get(web, "/short.txt")).headers["cache-control"] == "max-age=60, public"


# --- methods, conditions and parts ---


async def test_head_has_the_fields_of_get(folder: Path) -> None:
    for path in ("/short.txt", "/large.bin", "/style.css"):
        web = application(folder)
        got, head = await get(web, path), await get(web, path, "HEAD")
        assert (head.status, head.body) == (200, b"")
        got.headers.pop("date")
        head.headers.pop("date")
        assert head.headers == got.headers


async def test_other_methods_are_405(folder: Path) -> None:
    web = application(folder)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        got = await get(web, "/short.txt", method)
        assert got.status == 405
        assert got.headers["allow"] == "GET, HEAD, OPTIONS"
        assert (await get(web, "/none", method)).status == 404


async def test_options_says_what_a_file_allows(folder: Path) -> None:
    got = await get(application(folder), "/short.txt", "OPTIONS")
    assert (got.status, got.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


async def test_validators(folder: Path) -> None:
    web = application(folder)
    got = await get(web, "/short.txt")
    assert got.headers["last-modified"] == "Sun, 06 Nov 1994 08:49:37 GMT"
    tag = got.headers["etag"]
    assert tag.startswith('"')
    same = await get(web, "/short.txt", if_none_match=tag)
    assert (same.status, same.body) == (304, b"")
    assert same.headers["etag"] == tag
    assert (await get(web, "/short.txt", if_modified_since=got.headers["last-modified"])).status == 304
    assert (await get(web, "/short.txt", if_match='"x"')).status == 412
    put(folder / "short.txt", b"other", AT + 1)
    other = await get(application(folder), "/short.txt", if_none_match=tag)
    assert (other.status, other.body) == (200, b"other")


@pytest.mark.parametrize("name", ["image.png", "large.bin"])
async def test_parts(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    web = application(folder)
    got = await get(web, f"/{name}", range="bytes=100-199")
    assert (got.status, got.body) == (206, data[100:200])
    assert got.headers["content-range"] == f"bytes 100-199/{len(data)}"
    got = await get(web, f"/{name}", range="bytes=-10")
    assert got.body == data[-10:]
    got = await get(web, f"/{name}", range="bytes=0-1,4-5")
    assert got.status == 206
    assert got.headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert int(got.headers["content-length"]) == len(got.body)
    got = await get(web, f"/{name}", range=f"bytes={len(data)}-")
    assert got.status == 416
    assert got.headers["content-range"] == f"bytes */{len(data)}"


# --- fields ---


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (StaticOptions(), None),
        (StaticOptions(max_age=3600), "public, max-age=3600"),
        (StaticOptions(immutable=True), "public, max-age=31536000, immutable"),
        (StaticOptions(immutable=True, max_age=60), "public, max-age=60, immutable"),
        (StaticOptions(cache_control="no-cache"), "no-cache"),
        (StaticOptions(cache_control={"no-cache": None, "stale-if-error": 60}), "no-cache, stale-if-error=60"),
    ],
)
async def test_cache_control(folder: Path, options: StaticOptions, expected: str | None) -> None:
    web = application(folder, options)
    got = await get(web, "/short.txt")
    assert got.headers.get("cache-control") == expected
    same = await get(web, "/short.txt", if_none_match=got.headers["etag"])
    assert same.headers.get("cache-control") == expected


async def test_types_and_further_fields(folder: Path) -> None:
    options = StaticOptions(content_types={"png": "image/x-own"}, headers={"x-content-type-options": "nosniff"})
    web = application(folder, options)
    got = await get(web, "/image.png")
    assert got.headers["content-type"] == "image/x-own"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert (await get(web, "/short.txt")).headers["content-type"] == "text/plain; charset=utf-8"
    assert (await get(web, "/large.bin")).headers["content-type"] == "application/octet-stream"


# --- codings ---


@pytest.mark.parametrize(
    ("accept", "coding"),
    [("gzip", "gzip"), ("br", "br"), ("zstd", "zstd"), ("gzip, deflate, br, zstd", "br"), ("br;q=0, gzip", "gzip")],
)
async def test_text_is_compressed_for_who_takes_it(folder: Path, accept: str, coding: str) -> None:
    web = application(folder)
    for _ in range(2):  # made, then from memory
        got = await get(web, "/style.css", accept_encoding=accept)
        assert got.headers["content-encoding"] == coding
        assert got.headers["vary"] == "accept-encoding"
        assert got.headers["etag"].startswith('W/"')
        assert "accept-ranges" not in got.headers
        assert got.decoded == TEXT
        assert int(got.headers["content-length"]) == len(got.body) < len(TEXT)
        same = await get(web, "/style.css", accept_encoding=accept, if_none_match=got.headers["etag"])
        assert same.status == 304
        assert same.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize("accept", ["identity", "deflate", "*;q=0", ""])
async def test_who_takes_no_coding_gets_none(folder: Path, accept: str) -> None:
    got = await get(application(folder), "/style.css", accept_encoding=accept)
    assert got.body == TEXT
    assert "content-encoding" not in got.headers
    assert got.headers["vary"] == "accept-encoding"  # another client gets another form
    assert got.headers["etag"].startswith('"')


@pytest.mark.parametrize("path", ["/image.png", "/short.txt", "/large.bin"])
async def test_what_gains_nothing_is_not_compressed(folder: Path, path: str) -> None:
    got = await get(application(folder), path, accept_encoding="gzip, br, zstd")
    assert "content-encoding" not in got.headers
    assert "vary" not in got.headers


async def test_what_becomes_larger_stays_as_it_is(folder: Path) -> None:
    put(folder / "noise.txt", os.urandom(3000))
    web = application(folder)
    for _ in range(2):
        got = await get(web, "/noise.txt", accept_encoding="gzip")
        assert "content-encoding" not in got.headers
        assert len(got.body) == 3000


async def test_nothing_is_compressed_where_it_is_off_or_too_large(folder: Path) -> None:
    for options in (StaticOptions(compression=None), StaticOptions(compressed_size=100), StaticOptions(cache_size=0)):
        got = await get(application(folder, options), "/style.css", accept_encoding="gzip")
        assert got.body == TEXT
        assert "vary" not in got.headers


async def test_types_levels_and_codings_are_for_choosing(folder: Path) -> None:
    compression = Compression(codings=("gzip",), levels={"gzip": 1}, types=["image/png"], minimum=1)
    web = application(folder, StaticOptions(compression=compression))
    assert "content-encoding" not in (await get(web, "/style.css", accept_encoding="gzip")).headers
    got = await get(web, "/image.png", accept_encoding="br, gzip")
    assert got.decoded == PNG
    fast = zlib.compressobj(1, wbits=31)
    assert got.body == fast.compress(PNG) + fast.flush()


async def test_parts_of_text_are_parts_of_the_file(folder: Path) -> None:
    """What is compressed here is no second time the same: its parts could not be joined."""
    web = application(folder)
    coded = await get(web, "/style.css", accept_encoding="gzip")
    got = await get(web, "/style.css", accept_encoding="gzip", range="bytes=0-9")
    assert (got.status, got.body) == (206, TEXT[:10])
    assert "content-encoding" not in got.headers
    got = await get(web, "/style.css", accept_encoding="gzip", range="bytes=0-9", if_range=coded.headers["etag"])
    assert got.status == 200


async def test_siblings_are_sent_as_they_are(folder: Path) -> None:
    packed = gzip.compress(b"from the sibling")
    put(folder / "style.css.gz", packed)
    web = application(folder)
    got = await get(web, "/style.css", accept_encoding="gzip")
    assert got.body == packed
    assert got.headers["content-type"] == "text/css; charset=utf-8"
    assert got.headers["content-encoding"] == "gzip"
    assert got.headers["etag"].startswith('"')
    assert got.headers["vary"] == "accept-encoding"
    part = await get(web, "/style.css", accept_encoding="gzip", range="bytes=0-3", if_range=got.headers["etag"])
    assert (part.status, part.body) == (206, packed[:4])
    assert part.headers["content-encoding"] == "gzip"
    assert (await get(web, "/style.css", accept_encoding="identity")).body == TEXT
    assert (await get(web, "/style.css")).body == TEXT
    # What is there goes before what would be to be made, where the client likes both.
    assert (await get(web, "/style.css", accept_encoding="br, gzip")).headers["content-encoding"] == "gzip"


async def test_siblings_of_any_kind_and_size(folder: Path) -> None:
    large = os.urandom(200_000)
    put(folder / "image.png.br", large)
    put(folder / "image.png.zst", b"zst")
    web = application(folder)
    assert (await get(web, "/image.png", accept_encoding="br")).body == large
    assert (await get(web, "/image.png", accept_encoding="zstd")).body == b"zst"
    assert (await get(web, "/image.png", accept_encoding="br, zstd;q=0.9")).headers["content-encoding"] == "br"
    off = application(folder, StaticOptions(precompressed=()))
    assert (await get(off, "/image.png", accept_encoding="br")).body == PNG


async def test_a_sibling_that_leads_out_or_is_a_folder_is_none(folder: Path) -> None:
    os.symlink("../outside.txt", folder / "image.png.gz")
    (folder / "image.png.br").mkdir()
    assert (await get(application(folder), "/image.png", accept_encoding="br")).body == PNG
    assert (await get(application(folder), "/image.png", accept_encoding="gzip")).body == PNG


async def test_a_large_text_is_compressed_in_a_thread_and_kept(folder: Path) -> None:
    text = TEXT * 50
    put(folder / "large.css", text)
    web = application(folder)
    async with Session(app=web) as http:
        for _ in range(2):
            x = await http.get("/large.css", {"accept-encoding": "br"})
            assert x.content == text
        head = await http.head("/large.css", {"accept-encoding": "br"})
        assert head.headers["content-encoding"] == "br"


# --- mistakes ---


def test_options_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UseError, match="begins with '/'"):
        StaticServer("static", tmp_path)
    with pytest.raises(UseError, match="at least 1 byte"):
        StaticServer("/", tmp_path, 0)
    with pytest.raises(UseError, match="'deflate' has no ending"):
        StaticOptions(precompressed=("deflate",))


async def test_a_folder_that_is_not_there_serves_nothing(tmp_path: Path) -> None:
    assert (await get(application(tmp_path / "none"), "/a")).status == 404


# --- as routes ---


async def test_a_folder_is_a_route_like_others(folder: Path) -> None:
    web = App(port=0)

    @web.get("/assets/made.txt")
    def made(r: Request) -> str:
        return "made"

    web.static("/assets", folder, StaticOptions(max_age=60))
    (folder / "made.txt").write_bytes(b"in the folder")
    assert (await get(web, "/assets/short.txt")).body == b"short"
    assert (await get(web, "/assets/short.txt")).headers["cache-control"] == "public, max-age=60"
    assert (await get(web, "/assets/docs/deep/page.html")).body == b"<p>deep"
    assert (await get(web, "/assets/made.txt")).body == b"made"
    assert (await get(web, "/assets/")).body == b"<p>home"
    assert (await get(web, "/assets/docs/")).body == b"<p>docs"
    assert (await get(web, "/assets/large.bin", range="bytes=5-9")).body == bytes(range(5, 10))
    assert (await get(web, "/assets/large.bin", "HEAD")).headers["content-length"] == "256000"
    assert (await get(web, "/assets/with%20space%20%C3%A4.txt")).body == b"spaced"
    assert (await get(web, "/assets/a%2520b.txt")).body == b"literally"
    assert (await get(web, "/assets/style.css", accept_encoding="br")).decoded == TEXT
    for path, to in {"/assets": "./assets/", "/assets/docs": "./docs/"}.items():
        got = await get(web, path)
        assert (got.status, got.headers["location"]) == (308, to)


async def test_a_route_at_the_root(folder: Path) -> None:
    web = App(port=0)
    web.static("/", folder)
    assert (await get(web, "/")).body == b"<p>home"
    assert (await get(web, "/docs/")).body == b"<p>docs"
    for path in ("//evil.example", "//docs", "/%2fdocs"):
        got = await get(web, path)
        assert got.status == 404
        assert "location" not in got.headers


@pytest.mark.parametrize(
    "path",
    [
        "/none",
        "/..%2foutside.txt",
        "/%2e%2e/outside.txt",
        "/%2e%2e%2foutside.txt",
        "/docs%2findex.html",
        "/docs%5cindex.html",
        "/short.txt%00",
        "/.env",
        "//outside.txt",
        "/c:/outside.txt",
        "/out.txt",
        "/fifo",
        "/bare/",
        "/a%20b.txt",
    ],
)
async def test_a_route_serves_no_more_than_the_folder(folder: Path, path: str) -> None:
    os.symlink("../outside.txt", folder / "out.txt")
    os.mkfifo(folder / "fifo")
    web = App(port=0)
    web.static("/assets", folder)
    got = await get(web, f"/assets{path}")
    assert got.status == 404
    assert b"outside" not in got.body


async def test_other_methods_of_a_route_are_405(folder: Path) -> None:
    web = App(port=0)
    web.static("/assets", folder)
    got = await get(web, "/assets/short.txt", "POST")
    assert got.status == 405
    assert got.headers["allow"] == "GET, HEAD, OPTIONS"
    assert (await get(web, "/assets/short.txt", "OPTIONS")).status == 204


async def test_in_a_group_names_are_those_below_it(folder: Path) -> None:
    web = App(port=0)
    web.group("/v1").static("/assets", folder)
    assert (await get(web, "/v1/assets/docs/deep/page.html")).body == b"<p>deep"
    assert (await get(web, "/v1/assets")).headers["location"] == "./assets/"


async def test_a_file_s_path_is_found_by_a_name(folder: Path) -> None:
    web = App(port=0)
    web.static("/assets", folder, name="asset")
    assert web.url_for("asset", path="docs/with space.html") == "/assets/docs/with%20space.html"


async def test_a_middleware_may_stand_around_files(folder: Path) -> None:
    web = App(port=0)
    seen = []

    async def note(handler: Callable[[Request], Awaitable[object]], r: Request) -> object:
        value = await handler(r)
        seen.append(type(value).__name__)
        return value

    web.static("/assets", folder, middlewares=[note])
    assert (await get(web, "/assets/short.txt")).body == b"short"
    assert (await get(web, "/assets/large.bin")).body == bytes(range(256)) * 1000
    assert (await get(web, "/assets/style.css", accept_encoding="gzip")).decoded == TEXT
    assert (await get(web, "/assets/")).body == b"<p>home"
    assert seen == ["Answer", "Streamed", "Answer", "Answer"]


async def test_a_small_file_is_answered_without_a_task(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web = App(port=0)
    web.static("/assets", folder)
    tasks = []
    really = StaticServer.serve

    def serve(self: StaticServer, r: Request, path: str = "") -> object:
        tasks.append(asyncio.current_task())
        return really(self, r, path)

    monkeypatch.setattr(StaticServer, "serve", serve)
    web.static("/other", folder)
    assert (await get(web, "/other/short.txt")).body == b"short"
    assert tasks == [None]


# --- what happens meanwhile ---


async def test_who_has_the_coded_form_gets_304_before_it_is_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a restart: the tag is known without the bytes."""
    got = await get(application(folder), "/style.css", accept_encoding="gzip")
    web = application(folder)
    monkeypatch.setattr(static, "encode_body", None)
    same = await get(web, "/style.css", accept_encoding="gzip", if_none_match=got.headers["etag"])
    assert same.status == 304
    with_date = await get(web, "/style.css", accept_encoding="gzip", if_modified_since=got.headers["last-modified"])
    assert with_date.status == 304


async def test_other_conditions_do_not_keep_it_from_being_made(folder: Path) -> None:
    got = await get(application(folder), "/style.css", accept_encoding="gzip", if_none_match='"other"')
    assert (got.status, got.decoded) == (200, TEXT)


async def test_a_file_that_is_another_one_each_time_is_not_served(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = App(port=0)
    web.static("/", folder, StaticOptions(cached_file=0))

    def replace(*given: object) -> None:
        raise NotBeneath("replaced again")

    monkeypatch.setattr(static, "outcome", replace)
    assert (await get(web, "/short.txt")).status == 404


async def test_who_comes_while_a_coding_is_made_gets_the_file_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made once, however many ask."""
    web = App(port=0)
    web.static("/", folder)
    go, calls = threading.Event(), []
    loop, begun = asyncio.get_running_loop(), asyncio.Event()

    def encode(body: bytes, coding: str, level: int | None) -> bytes:
        calls.append(coding)
        loop.call_soon_threadsafe(begun.set)
        assert go.wait(PATIENCE)
        return encode_body(body, coding, level)

    monkeypatch.setattr(static, "encode_body", encode)
    async with served(web, "memory") as here, here.session() as http:
        first = asyncio.ensure_future(http.get("/style.css", {"accept-encoding": "gzip"}).__aenter__())
        async with asyncio.timeout(PATIENCE):
            await begun.wait()
        async with http.get("/style.css", {"accept-encoding": "gzip"}, decode=False) as second:
            assert "content-encoding" not in second.headers
            assert await second.read() == TEXT
        go.set()
        x = await first
        assert x.headers["content-encoding"] == "gzip"
        assert await x.read() == TEXT
        async with http.get("/style.css", {"accept-encoding": "gzip"}) as third:
            assert third.headers["content-encoding"] == "gzip"
            assert await third.read() == TEXT
    assert calls == ["gzip"]


async def test_a_file_that_is_replaced_before_it_is_opened_is_looked_for_again(folder: Path) -> None:
    web = App(port=0)
    server = StaticServer("/", folder, options=StaticOptions(cached_file=0))
    web.attach(server)
    assert (await get(web, "/short.txt")).body == b"short"
    put(folder / "short.txt", b"replaced", AT + 1)
    got = await get(web, "/short.txt")  # within the second, for which it is not looked at
    assert (got.status, got.body) == (200, b"replaced")
    (folder / "short.txt").unlink()
    assert (await get(web, "/short.txt")).status == 404


async def test_a_file_that_is_replaced_before_it_is_compressed(folder: Path) -> None:
    web = App(port=0)
    web.static("/", folder, StaticOptions(cached_file=0))
    assert (await get(web, "/style.css")).body == TEXT
    put(folder / "style.css", TEXT * 2, AT + 1)
    got = await get(web, "/style.css", accept_encoding="gzip")
    assert got.status == 503
    assert got.headers["retry-after"] == "1"
    assert (await get(web, "/style.css", accept_encoding="gzip")).decoded == TEXT * 2


@pytest.mark.parametrize("kind", ["memory", "tcp"])
async def test_pieces_have_the_size_that_was_asked_for(
    folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the kernel sends the file, there are no pieces."""
    web = App(port=0)
    web.attach(StaticServer("/", folder, 100_000))
    sizes = []
    really = Exchange.send_file

    async def send_file(self: Exchange, file: IO[bytes], offset: int = 0, count: int | None = None) -> Moved:
        sizes.append(count)
        return await really(self, file, offset, count)

    monkeypatch.setattr(Exchange, "send_file", send_file)
    async with served(web, kind) as here, here.session() as http:
        assert (await http.get(f"{here.url}/large.bin")).content == bytes(range(256)) * 1000
    tail = 16 * 1024
    assert sizes == ([256_000 - tail] if kind == "tcp" else [100_000, 100_000, 56_000 - tail])


@pytest.mark.parametrize(
    ("route", "target", "status", "location"),
    [
        ("/static", "/shop/static/app.js", 200, None),
        ("/static", "/static/app.js", 404, None),
        ("/static", "/shop/static", 308, "./static/"),
        ("/", "/shop/app.js", 200, None),
        ("/", "/shop/", 200, None),
        ("/", "/shop", 308, "./shop/"),
    ],
)
async def test_in_a_mounted_application_a_folder_lies_below_the_mount(
    tmp_path: Path, route: str, target: str, status: int, location: str | None
) -> None:
    put(tmp_path / "index.html", b"<p>home")
    put(tmp_path / "app.js", b"let it = 1")
    inner, web = App(), App()
    inner.attach(StaticServer(route, tmp_path))
    web.mount("/shop", inner)
    async with Session(app=web) as http:
        x = await http.get(target)
        assert (x.status, x.headers.get("location")) == (status, location)


@pytest.mark.parametrize("route", ["/", "/files"])
async def test_in_a_router_a_folder_lies_below_the_prefix(folder: Path, route: str) -> None:
    """Wherever the router is included, a prefix with a parameter and a mounted application among the places."""
    router, web, mounted = Router("/api"), App(), App()
    router.attach(StaticServer(route, folder))
    inner = router.group("/v1")

    @inner.add_route
    def handle_all_middleware(r: Request) -> None: ...

    web.include(router)
    web.include(router, "/of/{name}", name="of")
    mounted.include(router)
    web.mount("/a/b", mounted)
    below = route.rstrip("/")
    async with Session(app=web) as http:
        for place in ("/api", "/of/ada/api", "/a/b/api"):
            assert (await http.get(f"{place}{below}/short.txt")).content == b"short", place
            assert (await http.get(f"{place}{below}/")).content == b"<p>home", place
            assert (await http.get(f"{place}{below}/no.txt")).status == 404
            assert (await http.get(f"{place}/other/short.txt")).status == 404
        assert (await http.get(f"{below}/short.txt")).status == 404, "not where the prefix is left out"
        moved = await http.get(f"/api{below}/docs")
        assert (moved.status, moved.headers["location"]) == (308, "./docs/")


def test_a_folder_that_is_not_there_is_told_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    App().static("/there", tmp_path)
    assert caplog.messages == []
    App().static("/assets", tmp_path / "nothing")
    assert caplog.messages == [f"static files at '/assets': there is no folder '{tmp_path / 'nothing'}' yet"]
