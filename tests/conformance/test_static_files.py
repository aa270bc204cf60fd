"""Static files, beside nginx and driven by curl: where a peer's habit is the rule, ours is the same."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import random
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.helpers.peers import program
from tests.helpers.served import PATIENCE, served
from toolkit import App, Deliver, Session, StaticOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from toolkit import Request

AT = 784111777
TIME = "Sun, 06 Nov 1994 08:49:37 GMT"
TEXT = b"some text that is worth compressing\n" * 200
LARGE = random.Random(12).randbytes(3_000_000)

CONF = """
daemon off; master_process off; worker_processes 1;
pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off; default_type application/octet-stream;
    types {{ text/plain txt; text/html html; text/css css; }}
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {folder}/root; disable_symlinks on from=$document_root; }}
}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    for name, data in {
        "text.txt": TEXT,
        "large.bin": LARGE,
        "empty.txt": b"",
        "docs/index.html": b"<p>docs",
        "with space.txt": b"spaced",
    }.items():
        (root / name).write_bytes(data)
        os.utime(root / name, (AT, AT))
    (tmp_path / "secret").write_bytes(b"secret")
    os.symlink("../secret", root / "out.txt")
    return root


def application(folder: Path) -> App:
    web = App(port=0)
    web.static("/", folder)

    @web.get("/report")
    def report(r: Request) -> object:
        return Deliver.file("text.txt", root=folder, filename="Bericht ä.txt")

    return web


async def curl(*arguments: str) -> tuple[bytes, str]:
    """stdout, and what curl says on stderr; a failure of curl's is a failure of the test."""
    binary = program("curl")
    assert binary is not None, "curl is not installed"
    process = await asyncio.create_subprocess_exec(
        *(binary, "--silent", "--show-error", "--noproxy", "*", "--max-time", "15", "--path-as-is", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err
    return out, err.decode()


async def test_curl(folder: Path, tmp_path: Path) -> None:
    async with served(application(folder), "tcp") as here:
        url = here.url
        assert (await curl(f"{url}/text.txt"))[0] == TEXT
        assert (await curl("--compressed", f"{url}/text.txt"))[0] == TEXT
        out, _ = await curl("--header", "accept-encoding: gzip", f"{url}/text.txt")
        assert gzip.decompress(out) == TEXT
        assert (await curl("--range", "0-9", f"{url}/large.bin"))[0] == LARGE[:10]
        assert (await curl("--range", "-10", f"{url}/large.bin"))[0] == LARGE[-10:]
        assert (await curl("--range", "1000000-", f"{url}/large.bin"))[0] == LARGE[1_000_000:]
        out, _ = await curl("--include", "--range", "0-0,5-6", f"{url}/text.txt")
        assert b"content-type: multipart/byteranges; boundary=" in out
        out, _ = await curl("--range", "9000000-", "--write-out", "%{http_code}", f"{url}/large.bin")
        assert out.endswith(b"416")
        out, _ = await curl("--time-cond", TIME, "--write-out", "%{http_code} %{size_download}", f"{url}/text.txt")
        assert out == b"304 0"
        out, _ = await curl("--time-cond", "-Mon, 07 Nov 1994 00:00:00 GMT", f"{url}/text.txt")  # if it is older
        assert out == TEXT
        etag = tmp_path / "etag"
        await curl("--etag-save", str(etag), f"{url}/large.bin", "--output", os.devnull)
        out, _ = await curl("--etag-compare", str(etag), "--write-out", "%{http_code}", f"{url}/large.bin")
        assert out == b"304"
        out, _ = await curl("--head", f"{url}/large.bin")
        assert b"content-length: 3000000" in out
        assert b"last-modified: Sun, 06 Nov 1994 08:49:37 GMT" in out


async def test_curl_goes_on_where_a_download_broke_off(folder: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(LARGE[:1_234_567])
    async with served(application(folder), "tcp") as here:
        await curl("--continue-at", "-", "--output", str(part), f"{here.url}/large.bin")
    assert part.read_bytes() == LARGE


async def test_curl_saves_a_file_by_the_name_it_is_given(folder: Path, tmp_path: Path) -> None:
    async with served(application(folder), "tcp") as here:
        await curl("--remote-name", "--remote-header-name", "--output-dir", str(tmp_path), f"{here.url}/report")
    assert (tmp_path / "Bericht a.txt").read_bytes() == TEXT


@asynccontextmanager
async def nginx(folder: Path) -> AsyncIterator[str]:
    """nginx on `folder/root`; its URL."""
    binary = program("nginx")
    assert binary is not None, "nginx is not installed"
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    (folder / "nginx.conf").write_text(CONF.format(folder=folder, port=port))
    process = await asyncio.create_subprocess_exec(
        binary, "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(folder / "nginx.conf")
    )
    try:
        async with asyncio.timeout(PATIENCE):
            while not await _answers(port):
                assert process.returncode is None, (folder / "error.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


#: Method, path, fields. Where nginx has another opinion that the RFC allows, it is not here, and a test below says so.
ASKED: list[tuple[str, str, dict[str, str]]] = [
    ("GET", "/text.txt", {}),
    ("HEAD", "/text.txt", {}),
    ("GET", "/large.bin", {}),
    ("HEAD", "/large.bin", {}),
    ("GET", "/empty.txt", {}),
    ("GET", "/docs/", {}),
    ("GET", "/with%20space.txt", {}),
    ("GET", "/%74ext.txt", {}),
    ("GET", "/text.txt?query", {}),
    ("GET", "/none", {}),
    ("GET", "/docs/none.txt", {}),
    ("GET", "/text.txt/", {}),
    ("GET", "/text.txt", {"range": "bytes=0-9"}),
    ("GET", "/text.txt", {"range": "bytes=10-"}),
    ("GET", "/text.txt", {"range": "bytes=-10"}),
    ("GET", "/text.txt", {"range": "bytes=0-99999"}),
    ("GET", "/text.txt", {"range": "bytes=-99999"}),
    ("GET", "/text.txt", {"range": "bytes=99999-"}),
    ("GET", "/text.txt", {"range": "lines=0-9"}),
    ("GET", "/large.bin", {"range": "bytes=1000000-1999999"}),
    ("HEAD", "/text.txt", {"if-modified-since": TIME}),
    ("GET", "/text.txt", {"if-modified-since": TIME}),
    ("GET", "/text.txt", {"if-modified-since": "Sunday, 06-Nov-94 08:49:37 GMT"}),
    ("GET", "/text.txt", {"if-modified-since": "Sun Nov  6 08:49:37 1994"}),
    ("GET", "/text.txt", {"if-modified-since": "yesterday"}),
    ("GET", "/text.txt", {"if-unmodified-since": TIME}),
    ("GET", "/text.txt", {"if-unmodified-since": "Sun, 06 Nov 1994 08:49:36 GMT"}),
    ("GET", "/text.txt", {"if-none-match": "*"}),
    ("GET", "/text.txt", {"if-none-match": '"other"'}),
    ("GET", "/text.txt", {"if-match": '"other"'}),
    ("GET", "/text.txt", {"if-match": "*"}),
    ("GET", "/text.txt", {"range": "bytes=0-9", "if-range": TIME}),
    ("GET", "/text.txt", {"range": "bytes=0-9", "if-range": '"other"'}),
    ("GET", "/text.txt", {"range": "bytes=0-9", "if-range": "Sun, 06 Nov 1994 08:49:36 GMT"}),
    ("POST", "/text.txt", {}),
    ("PUT", "/text.txt", {}),
]
SAME = ("content-length", "content-range", "last-modified")


async def told(http: Session, base: str, method: str, path: str, fields: dict[str, str]) -> dict[str, object]:
    async with http.request(method, base + path, {"accept-encoding": "identity", **fields}) as x:
        body = await x.read()
        found: dict[str, object] = {"status": x.status}
        if x.status in (200, 206, 304):
            found |= {name: x.headers.get(name) for name in SAME if x.status != 304} | {"body": body}
    return found


async def test_answers_are_nginx_s(folder: Path) -> None:
    async with nginx(folder.parent) as peer, served(application(folder), "tcp") as here, Session() as http:
        for method, path, fields in ASKED:
            theirs = await told(http, peer, method, path, fields)
            ours = await told(http, here.url, method, path, fields)
            assert ours == theirs, (method, path, fields)


async def test_entity_tags_work_as_nginx_s_do(folder: Path) -> None:
    async with nginx(folder.parent) as peer, served(application(folder), "tcp") as here, Session() as http:
        for base in (peer, here.url):
            tag = (await http.get(f"{base}/text.txt", {"accept-encoding": "identity"})).headers["etag"]
            for fields, status in [
                ({"if-none-match": tag}, 304),
                ({"if-none-match": f"W/{tag}"}, 304),
                ({"if-none-match": f'"x", {tag}'}, 304),
                ({"if-match": tag}, 200),
                ({"range": "bytes=0-9", "if-range": tag}, 206),
                ({"range": "bytes=0-9", "if-none-match": tag}, 304),
            ]:
                x = await http.get(f"{base}/text.txt", {"accept-encoding": "identity", **fields})
                assert x.status == status, (base, fields)


async def test_several_ranges_are_the_same_bytes(folder: Path) -> None:
    async with nginx(folder.parent) as peer, served(application(folder), "tcp") as here, Session() as http:
        for wanted in ("bytes=0-0,10-19,-5", "bytes=1000000-1000099,5-6"):
            name = "/large.bin"
            bodies = []
            for base in (peer, here.url):
                x = await http.get(base + name, {"range": wanted})
                assert x.status == 206
                assert x.headers["content-length"] == str(len(x.content))
                boundary = x.content_type.partition("boundary=")[2].encode()
                bodies.append(x.content.replace(boundary, b"B").lower().strip())
            assert bodies[0] == bodies[1]


async def test_where_ours_is_another_answer(folder: Path) -> None:
    """A malformed range is refused there and ignored here (RFC 9110 14.2 allows both); a link out of the folder is 403.

    A date beside an entity tag has a say there, against 13.2.2.
    """
    async with nginx(folder.parent) as peer, served(application(folder), "tcp") as here, Session() as http:
        statuses = {}
        for base in (peer, here.url):
            tag = (await http.get(f"{base}/large.bin")).headers["etag"]
            both = {"if-none-match": tag, "if-modified-since": "Sun, 06 Nov 1994 08:49:36 GMT"}
            statuses[base] = (
                (await http.get(f"{base}/text.txt", {"range": "bytes=9-0"})).status,
                (await http.get(f"{base}/out.txt")).status,
                (await http.get(f"{base}/large.bin", both)).status,
            )
        assert statuses == {peer: (416, 403, 200), here.url: (200, 404, 304)}


async def test_files_go_by_sendfile_and_the_connection_goes_on(folder: Path) -> None:
    web = App(port=0)
    web.static("/", folder, StaticOptions(cached_file=0))
    async with served(web, "tcp") as here, here.session() as http:
        for _ in range(3):
            x = await http.get(f"{here.url}/large.bin")
            assert x.content == LARGE
            x = await http.get(f"{here.url}/large.bin", {"range": "bytes=100-1999999,2500000-2999999"})
            assert LARGE[2_500_000:] in x.content
