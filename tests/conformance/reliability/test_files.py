"""Sections 3b and 3c as far as they are about files and codings: ranges, paths, redirects, listings, secrets."""

from __future__ import annotations

import os
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from toolkit import App, Request, StaticOptions

from ...helpers.answers import read_answer
from ...helpers.served import served

if TYPE_CHECKING:
    from pathlib import Path

    from ...helpers.answers import Answer

MIB = 1024 * 1024
SECRET = b"root:x:0:0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "index.html").write_bytes(b"index")
    (root / "large.bin").write_bytes(b"\0" * 8 * MIB)
    (root / "text.txt").write_bytes(b"text " * 200)
    (root / ".hidden").write_bytes(SECRET)
    (tmp_path / "passwd").write_bytes(SECRET)
    (tmp_path / "root-backup").mkdir()  # CVE-2023-29159: a name that begins as the folder's does
    (tmp_path / "root-backup" / "passwd").write_bytes(SECRET)
    os.symlink("../passwd", root / "link")
    os.symlink("..", root / "up")
    return root


def application(folder: Path) -> App:
    web = App(port=0)
    web.static("/files", folder, StaticOptions(listing=True))

    @web.get("/token")
    def token(r: Request) -> str:
        return f"{r.query} token=0123456789abcdef " * 50

    return web


async def ask(web: App, target: str, *fields: str) -> Answer:
    async with served(web, "tcp") as here:
        raw = await here.raw()
        lines = [f"GET {target} HTTP/1.1", "host: a", *fields, "", ""]
        await raw.send("\r\n".join(lines).encode("latin-1"))
        return await read_answer(raw)


@pytest.mark.parametrize(
    "value",
    [
        "bytes=" + ",".join(f"{at}-" for at in range(2000)),  # CVE-2011-3192: the file, over and over
        "bytes=" + ",".join("0-" for _ in range(2000)),
        "bytes=" + ",".join(f"-{at}" for at in range(1, 1500)),
        "bytes=0-," * 4 + "-18446744073709551000",  # CVE-2017-7529
        "bytes=0-18446744073709551616",
        "bytes=-18446744073709551616",
        "bytes=" + "9" * 7000 + "-",
        "bytes=0-" + "9" * 7000,
        "bytes=" + "," * 7000,  # CVE-2025-62727: no more than one look at each character
        "bytes=" + "0-0," * 1700,
        "bytes=" + "-" * 7000,
    ],
)
async def test_55_a_range_costs_no_more_than_the_file(folder: Path, value: str) -> None:
    web = application(folder)
    tracemalloc.start()
    started = time.process_time()
    try:
        got = await ask(web, "/files/large.bin", f"range: {value}")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert got.status in (200, 206, 416)
    assert len(got.body) <= 8 * MIB + 16 * 200  # the parts' heads
    assert peak < 40 * MIB  # most of it is this test's own reading
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    "path",
    [
        "../passwd",
        "../root-backup/passwd",
        "..%2fpasswd",  # CVE-2017-16762
        "..%2Fpasswd",
        "%2e%2e/passwd",
        "%2e%2e%2fpasswd",
        ".%2e/passwd",
        "%252e%252e%252fpasswd",  # decoded once
        "..%c0%afpasswd",
        "..%5cpasswd",
        "..\\passwd",
        "sub/../../passwd",
        "sub/..%2f..%2fpasswd",
        "link",  # CVE-2024-23334
        "up/passwd",
        "up/root/text.txt",
        "/passwd",
        "//etc/passwd",
        "%2fetc/passwd",
        "c:/passwd",  # RUSTSEC-2021-0135
        "C%3a/passwd",
        "text.txt%00",
        "text.txt%00.html",
        "text.txt%0a",
        ".hidden",
        "%2ehidden",
        "sub/%2e%2e/.hidden",
        "\xff",
        "file:///etc/passwd",
    ],
)
async def test_64_no_path_leads_out(folder: Path, path: str) -> None:
    got = await ask(application(folder), f"/files/{path}")
    assert got.status in (400, 404)
    assert SECRET not in got.body


@pytest.mark.parametrize(
    "target",
    [
        "//evil.test/sub",
        "//evil.test/%2e%2e/sub",
        "/\\evil.test/sub",
        "/%5cevil.test/sub",
        "///evil.test/sub",
        "//evil.test",
    ],
)
async def test_65_no_redirect_leads_away(folder: Path, target: str) -> None:
    (folder / "evil.test" / "sub").mkdir(parents=True)
    (folder / "evil.test" / "sub" / "index.html").write_bytes(b"x")
    web = App(port=0, trailing_slash="redirect")
    web.static("/", folder)
    got = await ask(web, target)
    location = got.get("location") or "./"
    assert location.startswith("./") or (location.startswith("/") and location[1:2] not in ("/", "\\"))


@pytest.mark.parametrize("name", ["<script>alert(1)<", "\"onfocus='x", "&lt;b&gt;", "javascript:alert(1)"])
async def test_66_a_listing_has_no_markup_but_its_own(folder: Path, name: str) -> None:
    """CVE-2024-27306"""
    (folder / "names").mkdir()
    (folder / "names" / name).write_bytes(b"")
    got = await ask(application(folder), "/files/names/")
    assert got.status == 200
    assert name.encode() not in got.body.replace(b"./javascript%3A", b"") or name.startswith("javascript")
    assert b'href="javascript' not in got.body
    assert b"default-src 'none'" in (got.get("content-security-policy") or "").encode()


@pytest.mark.parametrize("field", ["cookie: session=1", "authorization: Bearer x"])
async def test_68_an_answer_with_a_secret_has_the_same_length_whatever_is_guessed(folder: Path, field: str) -> None:
    """BREACH: without credentials there is no secret of anybody's; with them nothing is compressed."""
    web = application(folder)
    guesses = [f"token={guess}" for guess in ("0123456789abcdef", "fedcba9876543210", "xxxxxxxxxxxxxxxx")]
    lengths = set()
    for guess in guesses:
        got = await ask(web, f"/token?{guess}", "accept-encoding: gzip, br, zstd", field)
        assert got.get("content-encoding") is None
        lengths.add(len(got.body))
    assert len(lengths) == 1
    coded = await ask(web, f"/token?{guesses[0]}", "accept-encoding: gzip")
    assert coded.get("content-encoding") == "gzip"
