"""The upload into S3, against moto's server as the store and an App as the source; both are other ends of real TCP."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import os
import random
import re
import signal
import subprocess
import sys
import threading
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import pytest

from examples import s3_stream
from examples.s3_stream import Account, Failed, Refused, filename, parse_target, upload
from tests.helpers.served import served
from toolkit import App, Deliver, Disconnected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from toolkit import Request

pytestmark = pytest.mark.slow  # moto takes seconds to start

PROGRAM = Path(s3_stream.__file__)
ROOT = PROGRAM.parent.parent
BODY = random.Random(7).randbytes(3 * 1024 * 1024 + 17)  # more than all the buffers on the way
ETAG = f'"{hashlib.md5(BODY, usedforsecurity=False).hexdigest()}"'
BLOCK = 64 * 1024


# -- the store -------------------------------------------------------------------------------------------------------


class Stored(NamedTuple):
    status: int
    headers: dict[str, str]
    data: bytes


class Store:
    """A bucket of a running moto server, looked at by another client than the one under test."""

    def __init__(self, endpoint: str, bucket: str) -> None:
        self.endpoint = endpoint
        self.bucket = bucket
        self.account = Account("us-east-1", "key", "secret", endpoint)

    async def get(self, key: str) -> Stored:
        return await asyncio.to_thread(self.call, "GET", key)

    async def names(self) -> list[str]:
        listing = await self.get("")
        assert listing.status == 200
        return re.findall("<Key>(.*?)</Key>", listing.data.decode())

    def call(self, method: str, key: str) -> Stored:
        parts = urlsplit(self.endpoint)
        with contextlib.closing(HTTPConnection(parts.hostname or "", parts.port, timeout=10)) as connection:
            # moto wants to see that somebody signed, and does not look how.
            signed = {"authorization": "AWS4-HMAC-SHA256 Credential=key/20130524/us-east-1/s3/aws4_request"}
            connection.request(method, f"/{self.bucket}/{key}", headers=signed)
            answer = connection.getresponse()
            return Stored(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """moto as its own process, on a port that the system chooses."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as moto:
        assert moto.stderr is not None
        try:
            for line in moto.stderr:
                if running := re.search(r"Running on (http://127\.0\.0\.1:\d+)", line):
                    break
            else:
                pytest.fail(f"moto ended with {moto.wait()}")
            # It logs each request: somebody must read, or it would block once the pipe is full.
            drain = threading.Thread(target=moto.stderr.read, daemon=True)
            drain.start()
            yield running[1]
        finally:
            moto.terminate()
        drain.join(10)


numbers = itertools.count()


@pytest.fixture
def store(endpoint: str) -> Store:
    new = Store(endpoint, f"bucket{next(numbers)}")
    assert new.call("PUT", "").status == 200
    return new


# -- the source ------------------------------------------------------------------------------------------------------


async def send(r: Request, name: str = "", length: int | None = len(BODY), kind: str = "video/mp4") -> None:
    headers: dict[str, str | int | None] = {"content-type": kind, "content-length": length}
    if name:
        headers["content-disposition"] = name
    await r.prepare(headers, 200)
    for at in range(0, len(BODY), BLOCK):
        await r.write(BODY[at : at + BLOCK])


def add_sound(web: App) -> None:
    """Files that can be stored."""

    @web.get("/files/{name}")
    async def plain(r: Request, name: str) -> None:
        await send(r)

    @web.get("/named")
    async def named(r: Request) -> None:
        await send(r, "attachment; filename*=UTF-8''na%C3%AFve%20%2B%20100%25.bin", kind="application/octet-stream")

    @web.get("/moved")
    async def moved(r: Request) -> None:
        await Deliver.redirect("/files/moved%20here.bin", 302)

    @web.get("/coded")
    async def coded(r: Request) -> None:
        """Says gzip, and is none: whoever decodes it fails."""
        await r.prepare({"content-encoding": "gzip", "content-length": "4", "content-type": "text/plain"}, 200)
        await r.write(b"gzip")

    @web.get("/")
    async def nameless(r: Request) -> str:
        return "nameless"

    @web.get("/empty.txt")
    async def empty(r: Request) -> str:
        return ""


def add_broken(web: App) -> None:
    """Files that cannot, or that are not what their head said."""

    @web.get("/lengthless")
    async def lengthless(r: Request) -> None:
        await send(r, length=None)

    @web.get("/dies.bin")
    async def dies(r: Request) -> None:
        await r.prepare({"content-length": len(BODY)}, 200)
        await r.write(BODY[: len(BODY) // 2])
        await r.abort("as a test wants it")

    @web.head("/grows.bin")
    async def short(r: Request) -> None:
        await r.prepare({"content-length": len(BODY) - 1}, 200)

    @web.get("/grows.bin")
    async def grown(r: Request) -> None:
        await send(r)

    @web.head("/shrinks.bin")
    async def long(r: Request) -> None:
        await r.prepare({"content-length": len(BODY) + 1}, 200)

    @web.get("/shrinks.bin")
    async def shrunk(r: Request) -> None:
        await send(r)


@pytest.fixture
async def files() -> AsyncIterator[str]:
    """The base URL of the source."""
    web = App()
    add_sound(web)
    add_broken(web)
    async with served(web, "tcp") as here:
        yield here.url


# -- stored ----------------------------------------------------------------------------------------------------------


async def test_every_byte_is_stored(files: str, store: Store) -> None:
    seen: list[tuple[int, int]] = []
    result = await upload(
        f"{files}/files/big.mp4", f"s3://{store.bucket}/videos/", store.account, lambda *now: seen.append(now)
    )
    assert result.url == f"{store.endpoint}/{store.bucket}/videos/big.mp4"
    assert (result.size, result.etag) == (len(BODY), ETAG)
    assert result.seconds > 0
    assert result.rate > 0

    stored = await store.get("videos/big.mp4")
    assert stored.status == 200
    assert stored.data == BODY
    assert stored.headers["content-type"] == "video/mp4"
    assert stored.headers["content-disposition"] == "inline; filename*=UTF-8''big.mp4"
    assert await store.names() == ["videos/big.mp4"]

    done = [now for now, _ in seen]
    assert done == sorted(set(done))
    assert seen[-1] == (len(BODY), len(BODY))


async def test_a_whole_key_is_taken_as_it_is(files: str, store: Store) -> None:
    result = await upload(f"{files}/files/x", f"s3://{store.bucket}/a b/ü%20?#+.bin", store.account)
    assert result.url.endswith("/a%20b/%C3%BC%2520%3F%23%2B.bin")
    assert (await store.get("a%20b/%C3%BC%2520%3F%23%2B.bin")).data == BODY


async def test_the_name_comes_from_content_disposition(files: str, store: Store) -> None:
    await upload(f"{files}/named", f"s3://{store.bucket}", store.account)
    stored = await store.get("na%C3%AFve%20%2B%20100%25.bin")
    assert stored.data == BODY
    assert stored.headers["content-disposition"] == "attachment; filename*=UTF-8''na%C3%AFve%20%2B%20100%25.bin"


async def test_redirects_are_followed(files: str, store: Store) -> None:
    result = await upload(f"{files}/moved", f"s3://{store.bucket}/", store.account)
    assert result.url.endswith("/moved%20here.bin")
    assert (await store.get("moved%20here.bin")).data == BODY


async def test_coded_bytes_stay_coded(files: str, store: Store) -> None:
    await upload(f"{files}/coded", f"s3://{store.bucket}/coded.txt", store.account)
    stored = await store.get("coded.txt")
    assert stored.data == b"gzip"
    assert stored.headers["content-encoding"] == "gzip"


async def test_a_file_without_a_name_needs_a_whole_key(files: str, store: Store) -> None:
    with pytest.raises(Refused, match="has no file name; give a whole key"):
        await upload(f"{files}/", f"s3://{store.bucket}/a/", store.account)
    await upload(f"{files}/", f"s3://{store.bucket}/a/b.txt", store.account)
    stored = await store.get("a/b.txt")
    assert stored.data == b"nameless"
    assert stored.headers["content-disposition"] == "inline; filename*=UTF-8''b.txt"


async def test_an_empty_file_is_a_file(files: str, store: Store) -> None:
    result = await upload(f"{files}/empty.txt", f"s3://{store.bucket}/", store.account)
    assert result.size == 0
    assert (await store.get("empty.txt")).data == b""


# -- not stored ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "target", "message"),
    [
        ("/lengthless", "/x", "does not tell its length"),
        ("/missing", "/x", "the source answers 404"),
        ("/files/x", None, "expected s3://bucket/key"),
    ],
)
async def test_refused(files: str, store: Store, path: str, target: str | None, message: str) -> None:
    with pytest.raises(Refused, match=message):
        await upload(files + path, f"s3://{store.bucket}{target}" if target else "bucket/key", store.account)
    assert await store.names() == []


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("/dies.bin", Disconnected, r"GET http://\S+/dies\.bin: "),
        ("/grows.bin", Failed, f"HEAD promised {len(BODY) - 1} bytes, GET is 200 of {len(BODY)}"),
        ("/shrinks.bin", Failed, f"HEAD promised {len(BODY) + 1} bytes, GET is 200 of {len(BODY)}"),
    ],
)
async def test_a_source_that_changes_or_dies_leaves_nothing(
    files: str, store: Store, path: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        await upload(files + path, f"s3://{store.bucket}/kept/", store.account)
    assert await store.names() == []
    assert (await store.get(f"kept{path}")).status == 404


async def test_an_object_of_that_name_stays_when_the_upload_fails(files: str, store: Store) -> None:
    await upload(f"{files}/empty.txt", f"s3://{store.bucket}/dies.bin", store.account)
    with pytest.raises(Disconnected):
        await upload(f"{files}/dies.bin", f"s3://{store.bucket}/", store.account)
    assert (await store.get("dies.bin")).data == b""


async def test_no_such_bucket(files: str, store: Store) -> None:
    with pytest.raises(Failed, match=r"PUT: the store answered 404 .*NoSuchBucket"):
        await upload(f"{files}/files/x", "s3://no-such-bucket/x", store.account)


async def test_a_store_that_refuses_early_is_heard(files: str) -> None:
    """Its answer comes while most of the body is still on its way."""
    web = App()

    @web.put("/bucket/x")
    async def refuse(r: Request) -> tuple[int, str]:
        return 403, "<Code>AccessDenied</Code>"

    async with served(web, "tcp") as store:
        with pytest.raises(Failed, match=r"PUT: the store answered 403 Forbidden: <Code>AccessDenied</Code>"):
            await upload(f"{files}/files/x", "s3://bucket/x", Account("r", "k", "s", store.url))


async def test_a_store_that_dies_is_an_error(files: str) -> None:
    web = App()

    @web.put("/bucket/x")
    async def die(r: Request) -> None:
        async for _ in r:
            await r.abort("as a test wants it")

    async with served(web, "tcp") as store:
        with pytest.raises(Disconnected, match=r"PUT http://\S+/bucket/x: "):
            await upload(f"{files}/files/x", "s3://bucket/x", Account("r", "k", "s", store.url))


async def test_a_store_that_kept_something_else_is_an_error(files: str) -> None:
    web = App()

    @web.put("/bucket/x")
    async def take(r: Request) -> tuple[int, str, dict[str, str]]:
        async for _ in r:
            pass
        return 200, "", {"etag": '"mine"'}

    @web.head("/bucket/x")
    async def tell(r: Request) -> None:
        await r.prepare({"content-length": str(len(BODY)), "etag": '"another"'}, 200)

    async with served(web, "tcp") as store:
        with pytest.raises(Failed, match=f'the store has {len(BODY)} bytes, etag "another": not ours'):
            await upload(f"{files}/files/x", "s3://bucket/x", Account("r", "k", "s", store.url))


# -- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("disposition", "url", "name"),
    [
        ("", "https://example.org/a/b%20c.txt?x=/y", "b c.txt"),
        ('attachment; filename="a \\"b\\".txt"', "https://example.org/x", 'a "b".txt'),
        ("attachment; filename=plain; filename*=UTF-8''%E2%82%AC.txt", "https://example.org/x", "€.txt"),
        ("attachment; FileName*=utf-8''%E2%82%AC.txt; filename=plain", "https://example.org/x", "€.txt"),
        ("attachment; filename=plain; filename*=UTF-8''", "https://example.org/x", "plain"),
        ('inline; filename="../../etc/passwd"', "https://example.org/x", "passwd"),
        ('inline; filename="C:\\\\temp\\\\a.txt"', "https://example.org/x", "a.txt"),
        ('inline; filename=".."', "https://example.org/x", "x"),
        ("inline", "https://example.org/a%2Fb", "b"),
    ],
)
def test_names(disposition: str, url: str, name: str) -> None:
    assert filename(disposition, url) == name


def test_targets() -> None:
    assert parse_target("s3://b/c/d") == ("b", "c/d")
    assert parse_target("s3://b") == ("b", "")
    for bad in ("", "b/c", "s3:///c", "http://b/c"):
        with pytest.raises(Refused, match="expected s3://bucket/key"):
            parse_target(bad)


# -- the program -----------------------------------------------------------------------------------------------------


def environment() -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
    return inherited | keys | {"PYTHONPATH": os.pathsep.join([str(ROOT), inherited.get("PYTHONPATH", "")])}


async def run(
    *arguments: str, env: dict[str, str] | None = None, stderr: int = subprocess.PIPE
) -> tuple[int, str, str]:
    """The program as a process of its own: (exit code, stdout, stderr)."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, str(PROGRAM), *arguments],
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=environment() if env is None else env,
        timeout=15,
        check=False,
    )
    return done.returncode, done.stdout.decode(), (done.stderr or b"").decode()


async def test_the_program_in_a_pipe_is_silent_but_for_the_result(files: str, store: Store) -> None:
    code, out, err = await run(f"{files}/moved", f"s3://{store.bucket}/x/", "--endpoint", store.endpoint)
    assert (code, err) == (0, "")
    assert re.fullmatch(
        rf"{re.escape(store.endpoint)}/{store.bucket}/x/moved%20here\.bin\n"
        rf"{len(BODY)} bytes in \d+\.\d\d s, \d+\.\d MB/s, etag {ETAG}\n",
        out,
    )
    assert (await store.get("x/moved%20here.bin")).data == BODY


async def test_the_program_on_a_terminal_draws_a_bar(files: str, store: Store) -> None:
    ours, terminal = os.openpty()
    try:
        code, _, _ = await run(
            f"{files}/files/x", f"s3://{store.bucket}/", "--endpoint", store.endpoint, stderr=terminal
        )
    finally:
        os.close(terminal)
    drawn = b""
    with contextlib.suppress(OSError):  # how Linux says that a terminal's other end is closed
        while data := os.read(ours, 65536):
            drawn += data
    os.close(ours)
    assert code == 0
    assert drawn.decode().endswith("\r\n")
    assert f"{'█' * 40} 100% of 3.1 MB" in drawn.decode()


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("/lengthless", 2, "refused: the source does not tell its length"),
        ("/dies.bin", 1, "failed: "),
        ("/shrinks.bin", 1, f"failed: HEAD promised {len(BODY) + 1} bytes, GET is 200 of {len(BODY)}"),
    ],
)
async def test_the_program_says_what_went_wrong(files: str, store: Store, path: str, code: int, message: str) -> None:
    got, out, err = await run(files + path, f"s3://{store.bucket}/", "--endpoint", store.endpoint)
    assert (got, out) == (code, "")
    assert err.startswith(message)
    assert err.count("\n") == 1
    assert await store.names() == []


async def test_the_program_interrupted_leaves_nothing(store: Store) -> None:
    web = App()
    halfway = asyncio.Event()

    @web.get("/stalls.bin")
    async def stalls(r: Request) -> None:
        await r.prepare({"content-length": len(BODY)}, 200)
        await r.write(BODY[: len(BODY) // 2])
        halfway.set()
        await r.disconnected()

    async with asyncio.timeout(10), served(web, "tcp") as here:
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, PROGRAM, f"{here.url}/stalls.bin", f"s3://{store.bucket}/"),
            *("--endpoint", store.endpoint),
            stderr=subprocess.PIPE,
            env=environment(),
            # A shell starts what runs in its background with SIGINT ignored, and that is inherited.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        try:
            await halfway.wait()
            program.send_signal(signal.SIGINT)
            _, err = await program.communicate()
        finally:
            if program.returncode is None:
                program.kill()
    assert (program.returncode, err) == (130, b"interrupted\n")
    assert await store.names() == []


async def test_the_program_refuses_without_credentials(store: Store) -> None:
    env = {name: value for name, value in environment().items() if not name.startswith("AWS_")}
    code, out, err = await run("http://127.0.0.1:1/x", "s3://b/k", "--endpoint", store.endpoint, env=env)
    assert (code, out) == (2, "")
    assert "expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in err


async def test_the_program_fails_where_nobody_listens() -> None:
    code, out, err = await run("http://127.0.0.1:1/x", "s3://bucket/k", "--endpoint", "http://127.0.0.1:1")
    assert (code, out) == (1, "")
    assert err.startswith("failed: ")
