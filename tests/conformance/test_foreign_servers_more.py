"""Our client drives more servers of others: Debian's Apache httpd, Node's http server, and uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.peers import program
from tests.helpers.served import PATIENCE
from toolkit import Disconnected, PoolLimits, Session

from .test_foreign_servers import DATA, SUM, TEXT, free_port, total_of, until_listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MODULES = "/usr/lib/apache2/modules"
HTTPD = """
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/httpd.pid
ErrorLog {folder}/error.log
ServerName localhost
Listen 127.0.0.1:{port}
{owner}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule alias_module {modules}/mod_alias.so
LoadModule headers_module {modules}/mod_headers.so
LoadModule filter_module {modules}/mod_filter.so
LoadModule mime_module {modules}/mod_mime.so
LoadModule deflate_module {modules}/mod_deflate.so
LoadModule reflector_module {modules}/mod_reflector.so
TypesConfig /dev/null
AddType text/plain .txt
AddOutputFilterByType DEFLATE text/plain
StartServers 1
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
DocumentRoot {folder}/root
Redirect 302 /moved http://127.0.0.1:{port}/file.bin
Header always set X-Port "expr=%{{REMOTE_PORT}}"
<Location /echo>
    SetHandler reflector
</Location>
"""

NODE = """
"use strict";
const fs = require("fs"), http = require("http"), zlib = require("zlib");
const data = fs.readFileSync("root/file.bin"), text = fs.readFileSync("root/text.txt");
const answers = {
    "/file.bin": (req, res) => { res.setHeader("content-length", data.length); res.end(data); },
    "/text.txt": (req, res) => {
        if (!/gzip/.test(req.headers["accept-encoding"] || "")) return res.end(text);
        res.setHeader("content-encoding", "gzip");
        const coder = zlib.createGzip();
        coder.pipe(res);
        coder.end(text);
    },
    "/moved": (req, res) => { res.writeHead(302, {location: "/file.bin"}); res.end(); },
    "/echo": (req, res) => {
        if (req.headers["content-length"]) res.setHeader("content-length", req.headers["content-length"]);
        req.pipe(res);
    },
    "/trailers": (req, res) => {
        res.writeHead(200, {trailer: "x-sum, x-more"});
        res.write("one ");
        res.addTrailers({"x-sum": "42", "x-more": "a, b"});
        res.end("two");
    },
    "/full": (req, res) => {  // the answer comes while the body does, which is read on and thrown away
        req.once("data", () => {
            res.writeHead(413);
            res.end("too large");
            req.resume();
        });
    },
    "/breaks": (req, res) => { req.once("data", () => req.socket.destroy()); },
};
const server = http.createServer((req, res) => {
    res.setHeader("x-port", req.socket.remotePort);
    const answer = answers[req.url];
    if (answer) return answer(req, res);
    res.statusCode = 404;
    res.end("nothing here");
});
// Who asks to go on at /full is refused without it (RFC 9110 10.1.1).
server.on("checkContinue", (req, res) => {
    if (req.url === "/full") { res.writeHead(413); return res.end("too large"); }
    res.writeContinue();
    server.emit("request", req, res);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""

ASGI = """
from pathlib import Path

DATA = Path(__file__).with_name("root").joinpath("file.bin").read_bytes()


async def received(receive):
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message.get("more_body", False)
        yield message.get("body", b"")


async def app(scope, receive, send):
    headers = [(b"x-port", str(scope["client"][1]).encode())]
    sent = dict(scope["headers"])

    async def answer(status, body, *more):
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [*headers, length, *more]})
        await send({"type": "http.response.body", "body": body})

    match scope["path"]:
        case "/file.bin":
            await answer(200, DATA)
        case "/moved":
            await answer(302, b"", (b"location", b"/file.bin"))
        case "/echo":
            parts = received(receive)
            first = await anext(parts)  # before the answer's head: this is what sends 100 Continue
            if b"content-length" in sent:
                headers.append((b"content-length", sent[b"content-length"]))
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body"})
        case "/full":
            await answer(413, b"too large")
        case _:
            await answer(404, b"nothing here")
"""


def write_root(folder: Path) -> None:
    """The files that all of them serve, as old as a strong ETag needs them to be."""
    folder.chmod(0o755)  # started by root, Apache reads as somebody else
    root = folder / "root"
    root.mkdir()
    for name, content in (("file.bin", DATA), ("text.txt", TEXT)):
        (root / name).write_bytes(content)
        os.utime(root / name, (1_700_000_000, 1_700_000_000))


@asynccontextmanager
async def ended(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@asynccontextmanager
async def apache(folder: Path) -> AsyncIterator[str]:
    binary = program("apache2")
    assert binary is not None, "apache2 is not installed"
    port = free_port()
    owner = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    conf = folder / "httpd.conf"
    conf.write_text(HTTPD.format(folder=folder, port=port, modules=MODULES, owner=owner))
    process = await asyncio.create_subprocess_exec(
        binary, "-d", str(folder), "-f", str(conf), "-DFOREGROUND", "-E", f"{folder}/start.log"
    )
    async with ended(process):
        await until_listening(port, process)
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def node(folder: Path) -> AsyncIterator[str]:
    binary = program("node")
    assert binary is not None, "node is not installed"
    (folder / "server.js").write_text(NODE)
    process = await asyncio.create_subprocess_exec(binary, "server.js", cwd=folder, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with ended(process):
        async with asyncio.timeout(PATIENCE):
            port = int(await process.stdout.readline())
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def uvicorn(folder: Path) -> AsyncIterator[str]:
    (folder / "plain_asgi.py").write_text(ASGI)
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "plain_asgi:app", "--app-dir", str(folder)),
        *("--port", str(port), "--log-level", "warning", "--lifespan", "off"),
    )
    async with ended(process):
        await until_listening(port, process)
        yield f"http://127.0.0.1:{port}"


PEERS = {"apache": apache, "node": node, "uvicorn": uvicorn}
everywhere = pytest.mark.parametrize("peer", PEERS)


@asynccontextmanager
async def running(peer: str) -> AsyncIterator[str]:
    """The URL of one of them."""
    with tempfile.TemporaryDirectory(prefix="tk-") as name:
        write_root(Path(name))
        async with PEERS[peer](Path(name)) as url:
            yield url


async def parts() -> AsyncIterator[bytes]:
    for start in range(0, len(DATA), 65536):
        yield DATA[start : start + 65536]


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(65536)


# -- what all of them do -----------------------------------------------------------------------------------------------


@everywhere
async def test_get_head_and_a_connection_that_is_kept(peer: str) -> None:
    async with running(peer) as url, Session(base_url=url, pool=PoolLimits(connections=2)) as http:
        async with http.get("/file.bin") as x:
            assert (x.status, x.content_length) == (200, len(DATA))
            assert await total_of(x) == (len(DATA), SUM)
            ports = {x.headers["x-port"]}
        for _ in range(3):
            head = await http.head("/file.bin")
            assert (head.status, head.content_length, head.content) == (200, len(DATA), b"")
            missing = await http.get("/nowhere")
            assert missing.status == 404
            ports |= {head.headers["x-port"], missing.headers["x-port"]}
        assert len(ports) == 1, "one connection for all"
        pool = http.bound().pool
        assert (pool.total, [len(idle) for idle in pool.idle.values()]) == (1, [1])


@everywhere
@pytest.mark.parametrize("expect", [False, True], ids=["at once", "100-continue"])
async def test_posts_are_echoed_with_a_length_and_chunked(peer: str, expect: bool) -> None:
    async with running(peer) as url, Session(base_url=url) as http:
        ports = set()
        for body in (DATA, parts(), b"x", b""):
            async with http.post("/echo", body=body, expect_continue=expect) as x:
                assert x.status == 200
                whole = DATA if not isinstance(body, bytes) else body
                assert await x.read() == whole
                assert x.interim_statuses == ([100] if expect and whole else [])
                ports.add(x.headers["x-port"])
        assert len(ports) == 1, "one connection for all"


@everywhere
async def test_a_redirect_is_followed_on_the_same_connection(peer: str) -> None:
    async with running(peer) as url, Session(base_url=url) as http:
        moved = await http.get("/moved")
        assert moved.status == 302
        async with http.get("/moved", follow_redirects=True) as x:
            assert (x.status, [hop.status for hop in x.history]) == (200, [302])
            assert await total_of(x) == (len(DATA), SUM)
            assert x.headers["x-port"] == moved.headers["x-port"]


@pytest.mark.parametrize("peer", ["apache", "node"])
async def test_gzip_is_decoded_or_left(peer: str) -> None:
    async with running(peer) as url, Session(base_url=url) as http:
        asked = {"accept-encoding": "gzip"}
        text = await http.get("/text.txt", asked)
        assert (text.headers["content-encoding"], text.content) == ("gzip", TEXT)
        coded = await http.get("/text.txt", asked, decode=False)
        assert gzip.decompress(coded.content) == TEXT
        plain = await http.get("/text.txt", {"accept-encoding": "identity"})
        assert ("content-encoding" in plain.headers, plain.content) == (False, TEXT)


# -- Apache: ranges ----------------------------------------------------------------------------------------------------


async def test_apache_s_ranges() -> None:
    async with running("apache") as url, Session(base_url=url) as http:
        for asked, expected in (("100-199", DATA[100:200]), ("-10", DATA[-10:]), (f"{len(DATA) - 5}-", DATA[-5:])):
            part = await http.get("/file.bin", {"range": f"bytes={asked}"})
            assert (part.status, part.content) == (206, expected)
        beyond = await http.get("/file.bin", {"range": f"bytes={len(DATA)}-"})
        assert beyond.status == 416
        whole = await http.get("/file.bin", {"range": "bytes=0-9", "if-range": '"another"'})
        assert (whole.status, whole.content) == (200, DATA)
        same = await http.get("/file.bin", {"if-none-match": whole.headers["etag"]})
        assert (same.status, same.content) == (304, b"")


class Stopped(Exception):
    """What ends the first download."""


async def test_a_download_from_apache_is_gone_on_with(tmp_path: Path) -> None:
    def stop(done: int, total: int | None) -> None:
        if done > len(DATA) // 2:
            raise Stopped

    steps: list[tuple[int, int | None]] = []
    target = tmp_path / "file.bin"
    async with running("apache") as url, Session(base_url=url) as http:
        with pytest.raises(Stopped):
            await http.get("/file.bin").save(target, progress=stop)
        assert not target.exists()
        x = http.get("/file.bin")
        assert await x.save(target, resume=True, progress=lambda done, total: steps.append((done, total))) == target
        assert (x.status, target.read_bytes() == DATA) == (206, True)
        assert min(steps)[0] > len(DATA) // 2, "the first half was not fetched again"
        assert max(steps) == (len(DATA), len(DATA))


async def test_a_download_that_lacks_nothing_but_its_name(tmp_path: Path) -> None:
    """Apache's 416 has no Content-Range (RFC 9110 15.5.17 only asks for one): the file is whole all the same."""

    def stop(done: int, total: int | None) -> None:
        if done == len(DATA):
            raise Stopped

    target = tmp_path / "file.bin"
    async with running("apache") as url, Session(base_url=url) as http:
        with pytest.raises(Stopped):
            await http.get("/file.bin").save(target, progress=stop)
        assert not target.exists()
        x = http.get("/file.bin")
        assert await x.save(target, resume=True) == target
        assert x.status == 416
        assert target.read_bytes() == DATA


# -- Node: early answers, and trailers ---------------------------------------------------------------------------------


async def test_node_s_trailers_are_there_after_the_body() -> None:
    async with running("node") as url, Session(base_url=url) as http, http.get("/trailers") as x:
        assert await x.read() == b"one two"
        assert x.trailers is not None
        assert (x.trailers["x-sum"], x.trailers["x-more"]) == ("42", "a, b")


async def test_node_refuses_a_large_body_early() -> None:
    """413 while the upload runs, which has no end of its own: it stops, and the answer is read whole."""
    async with running("node") as url, Session(base_url=url) as http:
        for body in (endless(), DATA):
            answer = await http.post("/full", body=body)
            assert (answer.status, answer.content) == (413, b"too large")
        assert (await http.head("/file.bin")).status == 200


@pytest.mark.parametrize("peer", ["node", "uvicorn"])
async def test_a_refused_expectation_sends_no_body(peer: str) -> None:
    """A final answer in the place of 100 Continue (RFC 9110 10.1.1)."""
    begun = []

    async def body() -> AsyncIterator[bytes]:
        begun.append(True)
        yield b"never"

    async with running(peer) as url, Session(base_url=url) as http:
        answer = await http.post("/full", body=body(), expect_continue=True)
        assert (answer.status, answer.content, begun) == (413, b"too large", [])
        assert (await http.head("/file.bin")).status == 200


async def test_node_closes_while_the_body_is_sent() -> None:
    async with running("node") as url, Session(base_url=url) as http:
        with pytest.raises(Disconnected):
            _ = await http.post("/breaks", body=endless())
        assert http.bound().pool.total == 0
        assert (await http.head("/file.bin")).status == 200
