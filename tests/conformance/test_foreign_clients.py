"""Our server is driven by clients of others: curl, http.client, httpx and aiohttp."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import http.client
import io
import random
from typing import TYPE_CHECKING

import aiohttp
import httpx
import pytest

from tests.helpers.peers import program
from tests.helpers.served import served
from tests.helpers.tls import authority, client_context
from toolkit import App

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from toolkit import Request

MIB = 1024 * 1024
DATA = random.Random(10).randbytes(8 * MIB)
SUM = hashlib.sha256(DATA).hexdigest()
TEXT = b"some text to compress\n" * 1000
KINDS = pytest.mark.parametrize("kind", ["tcp", "unix", "tls"])


def application() -> App:
    web = App(port=0)

    @web.get("/json")
    async def json(r: Request) -> dict[str, object]:
        return {"method": r.method, "query": r.params()}

    @web.post("/sum")
    async def checksum(r: Request) -> str:
        sha = hashlib.sha256()
        async for part in r:
            sha.update(part)
        return sha.hexdigest()

    @web.put("/sum")
    async def put(r: Request) -> str:
        return hashlib.sha256(await r.read()).hexdigest()

    @web.post("/echo")
    async def echo(r: Request) -> None:
        await r.prepare()
        async for part in r:
            await r.write(part)

    @web.get("/download")
    async def download(r: Request) -> None:
        await r.prepare({"content-length": str(len(DATA))} if r.query == "length" else None)
        for start in range(0, len(DATA), 65536):
            await r.write(DATA[start : start + 65536])

    @web.get("/coded")
    async def coded(r: Request) -> None:
        await r.prepare({"content-type": "text/plain"}, coding="auto")
        await r.write(TEXT)

    oddities(web)
    return web


def oddities(web: App) -> None:
    """Answers of the less usual kinds."""

    @web.post("/refuses")
    async def refuses(r: Request) -> tuple[int, str]:
        return 403, "no"

    @web.get("/trailers")
    async def trailers(r: Request) -> None:
        await r.prepare({"trailer": "x-sum"})
        await r.write(b"body")
        await r.eof(trailers={"x-sum": "4"})

    @web.get("/hinted")
    async def hinted(r: Request) -> str:
        await r.inform(103, {"link": "</a>"})
        return "final"

    @web.get("/port")
    async def port(r: Request) -> str:
        return str(r.ip_port)


# --- curl ---


async def curl(*arguments: str, stdin: bytes | None = None) -> tuple[bytes, bytes]:
    """stdout and stderr of curl; a failure of curl's is a failure of the test."""
    binary = program("curl")
    assert binary is not None, "curl is not installed"
    process = await asyncio.create_subprocess_exec(
        binary,
        "--silent",
        "--show-error",
        "--noproxy",
        "*",
        "--max-time",
        "15",
        *arguments,
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin)
    assert process.returncode == 0, err
    return out, err


@KINDS
async def test_curl(kind: str, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    authority().cert_pem.write_to_path(ca)
    upload = tmp_path / "upload"
    upload.write_bytes(DATA)
    async with served(application(), kind) as here:
        how = {"unix": ["--unix-socket", here.path or ""], "tls": ["--cacert", str(ca)]}.get(kind, [])
        ask = functools.partial(curl, *how)
        url = here.url
        out, _ = await ask(f"{url}/json?a=1&b=%C3%A4")
        assert out == '{"method":"GET","query":{"a":"1","b":"ä"}}'.encode()
        out, _ = await ask("--head", f"{url}/download?length")
        assert f"content-length: {len(DATA)}".encode() in out.lower()
        for query in ("length", ""):
            out, _ = await ask(f"{url}/download?{query}")
            assert hashlib.sha256(out).hexdigest() == SUM
        out, err = await ask("--verbose", "--data-binary", f"@{upload}", f"{url}/sum")
        assert out.decode() == SUM
        assert b"100 Continue" in err, "curl expects 100 before a large body"
        out, _ = await ask("--upload-file", "-", f"{url}/sum", stdin=DATA)
        assert out.decode() == SUM
        out, _ = await ask("--data-binary", f"@{upload}", f"{url}/echo")
        assert hashlib.sha256(out).hexdigest() == SUM
        out, _ = await ask("--compressed", f"{url}/coded")
        assert out == TEXT
        out, _ = await ask("--http1.0", f"{url}/download")
        assert hashlib.sha256(out).hexdigest() == SUM
        out, _ = await ask("--data-binary", f"@{upload}", "--write-out", " %{http_code}", f"{url}/refuses")
        assert out == b"no 403"
        out, _ = await ask("--raw", f"{url}/trailers")
        assert out.lower() == b"4\r\nbody\r\n0\r\nx-sum: 4\r\n\r\n"
        out, err = await ask("--verbose", f"{url}/hinted")
        assert out == b"final"
        assert b"103" in err
        out, _ = await ask("--write-out", "%{num_connects} ", f"{url}/json", f"{url}/hinted", f"{url}/nowhere")
        assert out.endswith(b"0 ")
        assert b"final0 " in out, "curl reuses the connection"


async def test_curl_upgrade_that_is_not_taken(tmp_path: Path) -> None:
    async with served(application(), "tcp") as here:
        upgrade = ["-H", "Connection: Upgrade, HTTP2-Settings", "-H", "Upgrade: h2c", "-H", "HTTP2-Settings: AAMAAABk"]
        out, _ = await curl(*upgrade, "--data-binary", "body", f"{here.url}/echo", "--next", f"{here.url}/hinted")
        assert out == b"bodyfinal"


# --- http.client, in a thread ---


def in_thread(call: Callable[[], None]) -> asyncio.Future[None]:
    return asyncio.get_running_loop().run_in_executor(None, call)


@pytest.mark.parametrize("kind", ["tcp", "tls"])
async def test_http_client(kind: str) -> None:
    async with served(application(), kind) as here:
        port = int(here.url.rpartition(":")[2])

        def run() -> None:
            connection = (
                http.client.HTTPSConnection("127.0.0.1", port, context=client_context(), timeout=10)
                if kind == "tls"
                else http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            )

            def ask(method: str, path: str, body: bytes | Iterator[bytes] | None = None) -> tuple[int, bytes]:
                connection.request(method, path, body, encode_chunked=not isinstance(body, bytes | None))
                answer = connection.getresponse()
                return answer.status, answer.read()

            pieces = (DATA[start : start + 65536] for start in range(0, len(DATA), 65536))
            assert ask("GET", "/json?a=1") == (200, b'{"method":"GET","query":{"a":"1"}}')
            sock = connection.sock
            assert ask("HEAD", "/json") == (200, b"")
            assert ask("POST", "/sum", DATA) == (200, SUM.encode())
            assert ask("POST", "/echo", b"echo") == (200, b"echo")
            connection.request("POST", "/sum", pieces, {"transfer-encoding": "chunked"}, encode_chunked=True)
            assert connection.getresponse().read() == SUM.encode()
            assert ask("GET", "/download") == (200, DATA)
            assert ask("GET", "/download?length") == (200, DATA)
            assert ask("GET", "/nowhere")[0] == 404
            assert ask("DELETE", "/json")[0] == 405
            assert connection.sock is sock, "one connection for all"
            connection.close()

        await in_thread(run)


# --- httpx ---


@KINDS
async def test_httpx(kind: str) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, len(DATA), 65536):
            yield DATA[start : start + 65536]

    async with served(application(), kind) as here:
        verify: ssl.SSLContext | bool = client_context() if kind == "tls" else True
        transport = httpx.AsyncHTTPTransport(uds=here.path, verify=verify)
        async with httpx.AsyncClient(base_url=here.url, transport=transport, timeout=10) as client:
            assert (await client.get("/json", params={"a": "1"})).json() == {"method": "GET", "query": {"a": "1"}}
            assert (await client.head("/json")).status_code == 200
            assert (await client.post("/sum", content=DATA)).text == SUM
            assert (await client.post("/sum", content=parts())).text == SUM
            assert (await client.get("/download")).content == DATA
            assert (await client.get("/coded")).content == TEXT
            assert (await client.post("/echo", content=b"echo")).content == b"echo"
            assert (await client.get("/trailers")).content == b"body"
            assert (await client.get("/hinted")).content == b"final"
            ports = {(await client.get("/port")).text for _ in range(5)}
            assert len(ports) == 1


# --- aiohttp ---


@KINDS
async def test_aiohttp(kind: str) -> None:
    async with served(application(), kind) as here:
        connector: aiohttp.BaseConnector
        if here.path is not None:
            connector = aiohttp.UnixConnector(here.path)
        else:
            connector = aiohttp.TCPConnector(ssl=client_context() if kind == "tls" else True, limit=1)
        echoed = asyncio.Event()

        async def in_turns() -> AsyncIterator[bytes]:
            yield b"first"
            await echoed.wait()
            yield b"second"

        async def parts() -> AsyncIterator[bytes]:
            for start in range(0, len(DATA), 65536):
                yield DATA[start : start + 65536]

        async with aiohttp.ClientSession(here.url, connector=connector) as client:
            async with client.get("/json", params={"a": "1"}) as answer:
                assert await answer.json() == {"method": "GET", "query": {"a": "1"}}
            async with client.head("/json") as answer:
                assert answer.status == 200
            for body in (io.BytesIO(DATA), parts()):
                async with client.post("/sum", data=body) as answer:
                    assert await answer.text() == SUM
            async with client.post("/sum", data=io.BytesIO(DATA), expect100=True) as answer:
                assert await answer.text() == SUM
            async with client.post("/sum", data=io.BytesIO(DATA), compress="gzip") as answer:
                assert await answer.text() == SUM
            async with client.post("/echo", data=in_turns()) as answer:
                assert await answer.content.readany() == b"first"
                echoed.set()
                assert await answer.content.read() == b"second"
            async with client.get("/download") as answer:
                assert await answer.read() == DATA
            async with client.get("/coded") as answer:
                assert await answer.read() == TEXT
            async with client.get("/hinted") as answer:
                assert await answer.read() == b"final"
