"""Our client drives servers of others: Debian's nginx and aiohttp's server."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import random
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web as aioweb

from tests.helpers.peers import program
from tests.helpers.served import PATIENCE, served
from tests.helpers.tls import authority, client_context
from toolkit import App, PoolLimits, Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from toolkit import Exchange, Request

MIB = 1024 * 1024
DATA = random.Random(9).randbytes(8 * MIB)
SUM = hashlib.sha256(DATA).hexdigest()
TEXT = b"some text to compress\n" * 1000

CONF = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    default_type application/octet-stream;
    types {{ text/plain txt; }}
    gzip on; gzip_types text/plain; gzip_min_length 100;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{tls_port} ssl;
        listen unix:{folder}/nginx.sock;
        ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
        root {folder}/root;
        client_max_body_size 64m;
        add_header x-connection "$connection $connection_requests" always;
        location /moved {{ return 301 /file.bin; }}
        location /teapot {{ return 418 "short and stout"; }}
        location /small/ {{ client_max_body_size 1k; proxy_pass http://127.0.0.1:{upstream}/; }}
        location /through/ {{
            proxy_pass http://127.0.0.1:{upstream}/; proxy_http_version 1.1;
            proxy_request_buffering off; proxy_buffering off;
        }}
        location /buffered/ {{ proxy_pass http://127.0.0.1:{upstream}/; }}
    }}
}}
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def upstream_app() -> App:
    """What nginx passes on to: our own server, so both ends meet a proxy between them."""
    web = App(port=0)

    @web.post("/sum")
    async def checksum(r: Request) -> str:
        sha = hashlib.sha256()
        async for part in r:
            sha.update(part)
        return sha.hexdigest()

    @web.get("/streamed")
    async def streamed(r: Request) -> None:
        await r.prepare()
        for start in range(0, len(DATA), 65536):
            await r.write(DATA[start : start + 65536])

    return web


class Nginx:
    """A running nginx: its ports and its socket."""

    def __init__(self, folder: Path, port: int, tls_port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.tls_url = f"https://127.0.0.1:{tls_port}"
        self.unix = str(folder / "nginx.sock")


@asynccontextmanager
async def nginx(folder: Path) -> AsyncIterator[Nginx]:
    binary = program("nginx")
    assert binary is not None, "nginx is not installed"
    root = folder / "root"
    root.mkdir()
    (root / "file.bin").write_bytes(DATA)
    (root / "text.txt").write_bytes(TEXT)
    (root / "empty").write_bytes(b"")
    certificate = authority().issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    async with served(upstream_app(), "tcp") as here:
        port, tls_port, upstream = free_port(), free_port(), here.url.rpartition(":")[2]
        conf = folder / "nginx.conf"
        conf.write_text(CONF.format(folder=folder, port=port, tls_port=tls_port, upstream=upstream))
        process = await asyncio.create_subprocess_exec(
            binary, "-p", str(folder), "-c", str(conf), "-e", str(folder / "error.log"), stderr=asyncio.subprocess.PIPE
        )
        try:
            await until_listening(port, process)
            yield Nginx(folder, port, tls_port)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.communicate()


async def until_listening(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0)
            else:
                writer.close()
                await writer.wait_closed()
                return
    raise RuntimeError(f"nginx ended: {await process.stderr.read() if process.stderr else b''!r}")


async def total_of(x: Exchange) -> tuple[int, str]:
    sha, total = hashlib.sha256(), 0
    async for part in x:
        sha.update(part)
        total += len(part)
    return total, sha.hexdigest()


async def test_nginx_files_heads_codings_and_reuse(tmp_path: Path) -> None:
    async with nginx(tmp_path) as peer:
        for url, options in (
            (peer.url, {}),
            (peer.tls_url, {"tls": client_context()}),
            ("http://localhost", {"unix": peer.unix}),
        ):
            async with Session(pool=PoolLimits(connections=1), **options) as http:
                async with http.get(f"{url}/file.bin") as x:
                    assert (x.status, x.content_length) == (200, len(DATA))
                    assert await total_of(x) == (len(DATA), SUM)
                head = await http.head(f"{url}/file.bin")
                assert (head.status, head.content_length, head.content) == (200, len(DATA), b"")
                text = await http.get(f"{url}/text.txt", {"accept-encoding": "gzip"})
                assert text.headers["content-encoding"] == "gzip"
                assert text.content == TEXT
                coded = await http.get(f"{url}/text.txt", {"accept-encoding": "gzip"}, decode=False)
                assert gzip.decompress(coded.content) == TEXT
                part = await http.get(f"{url}/file.bin", {"range": "bytes=100-199"})
                assert (part.status, part.content) == (206, DATA[100:200])
                fresh = await http.get(f"{url}/text.txt", {"if-none-match": text.headers.get("etag", "")})
                assert fresh.status in {200, 304}
                assert (await http.get(f"{url}/empty")).content == b""
                teapot = await http.get(f"{url}/teapot")
                assert (teapot.status, teapot.content) == (418, b"short and stout")
                missing = await http.get(f"{url}/nowhere")
                assert missing.status == 404
                connection, requests = missing.headers["x-connection"].split()
                assert connection == head.headers["x-connection"].split()[0], "one connection for all"
                assert int(requests) == 9


async def test_nginx_redirects(tmp_path: Path) -> None:
    async with nginx(tmp_path) as peer, Session() as http:
        moved = await http.get(f"{peer.url}/moved")
        assert moved.status == 301
        async with http.get(f"{peer.url}/moved", follow_redirects=True) as x:
            assert x.status == 200
            assert await total_of(x) == (len(DATA), SUM)
            assert [hop.status for hop in x.history] == [301]


@pytest.mark.parametrize("way", ["through", "buffered"])
async def test_uploads_through_nginx_to_our_server(tmp_path: Path, way: str) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, len(DATA), 65536):
            yield DATA[start : start + 65536]

    async with nginx(tmp_path) as peer, Session() as http:
        url = f"{peer.url}/{way}"
        assert await (await http.post(f"{url}/sum", body=DATA)).text() == SUM
        assert await (await http.post(f"{url}/sum", body=parts())).text() == SUM
        assert await (await http.post(f"{url}/sum", body=DATA, expect_continue=True)).text() == SUM
        async with http.get(f"{url}/streamed") as x:
            assert await total_of(x) == (len(DATA), SUM)


async def _send_all(x: Exchange) -> None:
    for start in range(0, len(DATA), 65536):
        await x.write(DATA[start : start + 65536])
    await x.eof()


async def test_nginx_refuses_a_large_body_early(tmp_path: Path) -> None:
    """413 while the upload runs: it stops, and the answer is read whole."""

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(1024):
            yield bytes(65536)

    async with nginx(tmp_path) as peer, Session() as http:
        answer = await http.post(f"{peer.url}/small/sum", body=parts())
        assert answer.status == 413
        assert b"413" in answer.content
        answer = await http.post(f"{peer.url}/small/sum", body=bytes(MIB))
        assert answer.status == 413
        assert (await http.get(f"{peer.url}/teapot")).status == 418


# --- aiohttp's server ---


Handler = "Callable[[aioweb.Request], Awaitable[aioweb.StreamResponse]]"


@asynccontextmanager
async def aiohttp_server() -> AsyncIterator[str]:
    async def echo(request: aioweb.Request) -> aioweb.StreamResponse:
        response = aioweb.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        async for part in request.content.iter_any():
            await response.write(part)
        await response.write_eof()
        return response

    async def checksum(request: aioweb.Request) -> aioweb.StreamResponse:
        sha = hashlib.sha256()
        async for part in request.content.iter_any():
            sha.update(part)
        return aioweb.Response(text=sha.hexdigest())

    async def compressed(request: aioweb.Request) -> aioweb.StreamResponse:
        response = aioweb.Response(body=TEXT)
        response.enable_compression()
        return response

    async def refuses(request: aioweb.Request) -> aioweb.StreamResponse:
        return aioweb.Response(status=403, text="no")

    async def port(request: aioweb.Request) -> aioweb.StreamResponse:
        assert request.transport is not None
        return aioweb.Response(text=str(request.transport.get_extra_info("peername")[1]))

    async def upgraded(request: aioweb.Request) -> aioweb.StreamResponse:
        socket_ = aioweb.WebSocketResponse()
        await socket_.prepare(request)
        await socket_.send_bytes(b"hello")
        await socket_.close()
        return socket_

    app = aioweb.Application(client_max_size=64 * MIB)
    app.add_routes(
        [
            aioweb.post("/echo", echo),
            aioweb.post("/sum", checksum),
            aioweb.get("/compressed", compressed),
            aioweb.post("/refuses", refuses),
            aioweb.get("/port", port),
            aioweb.get("/ws", upgraded),
        ]
    )
    runner = aioweb.AppRunner(app)
    await runner.setup()
    site = aioweb.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_aiohttp_duplex_in_lock_step_and_with_8_mib() -> None:
    async with aiohttp_server() as url, Session(pool=PoolLimits(connections=1)) as http:
        async with http.post(f"{url}/echo") as x:
            await x.head()
            body = x.pull()
            for number in range(5):
                await x.write(b"message %d" % number)
                assert await anext(body) == b"message %d" % number
            await x.eof()
            assert [part async for part in body] == []
        async with http.post(f"{url}/echo") as x:
            sent = asyncio.ensure_future(_send_all(x))
            assert await total_of(x) == (len(DATA), SUM)
            await sent
        first = (await http.get(f"{url}/port")).content
        assert (await http.get(f"{url}/port")).content == first, "the connection is reused"


async def test_aiohttp_uploads_codings_and_refusals() -> None:
    async with aiohttp_server() as url, Session() as http:
        assert await (await http.post(f"{url}/sum", body=DATA)).text() == SUM
        assert await (await http.post(f"{url}/sum", body=DATA, expect_continue=True)).text() == SUM
        for coding in ("gzip", "deflate"):
            answer = await http.get(f"{url}/compressed", {"accept-encoding": coding})
            assert answer.headers["content-encoding"] == coding
            assert answer.content == TEXT
            assert await (await http.post(f"{url}/sum", body=DATA, coding=coding)).text() == SUM
        answer = await http.post(f"{url}/refuses", body=b"x" * 1000)
        assert (answer.status, answer.content) == (403, b"no")


async def test_aiohttp_upgrade_is_a_raw_stream() -> None:
    headers = {"sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}
    async with aiohttp_server() as url, Session() as http, http.get(f"{url}/ws", headers, upgrade="websocket") as x:
        stream = await x.upgrade()
        assert x.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert await anext(stream.pull(size=7)) == b"\x82\x05hello"
