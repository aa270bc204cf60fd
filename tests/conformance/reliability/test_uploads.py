"""Section 3b on forms and cookies, and what of 3c concerns error pages and cookies: each number, over a link.

A vector is a body with what must be answered; each is sent whole and in pieces, and the next request on the connection
(or the end of it) shows that the server lost nothing and waits for nothing.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import threading
from typing import TYPE_CHECKING

import pytest

from toolkit import App, FormLimits, Request
from toolkit.protocol import cookies, forms, multipart
from toolkit.protocol.aio import forms as aio_forms
from toolkit.protocol.aio import uploads
from toolkit.protocol.aio.uploads import Upload

from ...helpers.answers import read_answer
from ...helpers.served import PATIENCE, served

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

LIMITS = FormLimits(files=10, fields=10, field=1000, parts=20, part_head=500, part_fields=5, text=5000, memory=1000)
TYPE = b"multipart/form-data; boundary=B"


def field(name: bytes, data: bytes, more: bytes = b"") -> bytes:
    return b'--B\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (name, more, data)


def application() -> App:
    web = App(port=0, forms=LIMITS)

    @web.post("/whole")
    async def whole(r: Request) -> object:
        form = await r.form()
        return [len(form.pairs)]

    @web.post("/parts")
    async def parts(r: Request) -> object:
        count = 0
        async for part in r.multipart():
            count += 1
            async for _ in part:
                pass
        return [count]

    web.get("/next")(lambda r: "next")
    return web


async def answered(path: str, body: bytes, *, size: int | None = None, kind: bytes = TYPE, kept: bool = True) -> int:
    """The status of a form's answer, sent in pieces; `kept`: the connection serves another request."""
    async with served(application()) as here:
        raw = await here.raw()
        head = b"POST /%b HTTP/1.1\r\nhost: a\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
        message = head % (path.encode(), kind, len(body)) + body
        for at in range(0, len(message), size or len(message)):
            await raw.send(message[at : at + (size or len(message))])
        answer = await read_answer(raw)
        if kept:
            await raw.send(b"GET /next HTTP/1.1\r\nhost: a\r\n\r\n")
            assert (await read_answer(raw)).body == b"next"
        return answer.status


VECTORS = [
    # 45. Starlette CVE-2023-30798, Werkzeug CVE-2023-25577, Tornado CVE-2026-31958
    ("45-parts", field(b"a", b"", b'; filename="x"') * 21 + b"--B--", 413, 413),
    ("45-fields", field(b"a", b"") * 11 + b"--B--", 413, 200),
    ("45-files", field(b"a", b"", b'; filename="x"') * 11 + b"--B--", 413, 200),
    # 46. aiohttp CVE-2026-34516, python-multipart 0.0.27 to 0.0.31
    ("46-long-value", field(b"a" * 600, b"") + b"--B--", 413, 413),
    ("46-long-name", b"--B\r\n" + b"a" * 600 + b": b\r\n\r\n\r\n--B--", 413, 413),
    ("46-many-fields", b"--B\r\n" + b"a: b\r\n" * 6 + b"\r\n\r\n--B--", 413, 413),
    ("46-no-end", b"--B\r\n" + b"a" * 5000, 413, 413),
    # 47. Starlette GHSA-f96h-pmfr-66vw, CVE-2024-47874, aiohttp CVE-2026-34517
    ("47-large-field", field(b"a", b"x" * 1001) + b"--B--", 413, 200),
    ("47-many-large-fields", field(b"a", b"x" * 1000) * 5 + b"--B--", 413, 200),
    # 48. python-multipart CVE-2024-53981, Tornado CVE-2025-47287
    ("48-preamble", b"\r\n" * 9000 + b"--B--", 200, 200),
    ("48-preamble-without-end", b"\r\n-" * 9000, 400, 400),
    ("48-epilogue", b"--B--" + b"\r\n" * 9000, 200, 200),
    # 49. Werkzeug CVE-2023-46136
    ("49-leading-cr", field(b"a", b"\r" * 30_000, b'; filename="x"') + b"--B--", 200, 200),
    ("49-leading-crlf", field(b"a", b"\r\n" * 15_000, b'; filename="x"') + b"--B--", 200, 200),
    ("49-nearly-boundaries", field(b"a", b"\r\n--A" * 6000, b'; filename="x"') + b"--B--", 200, 200),
    # 51. aiohttp CVE-2024-30251, CVE-2025-69227: malformed is an error, never a loop
    ("51-no-name", b"--B\r\nContent-Disposition: form-data\r\n\r\n\r\n--B--", 400, 400),
    ("51-no-disposition", b"--B\r\na: b\r\n\r\n\r\n--B--", 400, 400),
    ("51-cut-short", b"--B\r\na: b\r\n\r\nx", 400, 400),
    ("51-nothing", b"", 400, 400),
]


@pytest.mark.parametrize("size", [None, 1000, 7])
@pytest.mark.parametrize(("body", "whole", "parts"), [pytest.param(*row[1:], id=row[0]) for row in VECTORS])
async def test_45_to_51_each_vector(body: bytes, whole: int, parts: int, size: int | None) -> None:
    assert await answered("whole", body, size=size) == whole
    assert await answered("parts", body, size=size) == parts


@pytest.mark.parametrize(
    ("announced", "sent", "told"),
    [
        (200_000_000, field(b"a", b"x" * 2000), b"over 1000 bytes"),  # at the field's limit, not behind the body
        (999_999_999_999, b"", b"over 268435456 bytes"),  # a terabyte: before a byte of it
    ],
)
async def test_45_is_told_while_the_rest_is_on_its_way(announced: int, sent: bytes, told: bytes) -> None:
    async with served(application(), "tcp") as here:
        raw = await here.raw()
        head = b"POST /whole HTTP/1.1\r\nhost: a\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
        await raw.send(head % (TYPE, announced) + sent)
        answer = await read_answer(raw)
        assert (answer.status, answer.closes) == (413, True)
        assert told in answer.body


async def test_46_fields_of_a_part_are_bounded() -> None:
    assert await answered("parts", b"--B\r\n" + b"a: b\r\n" * 6 + b"\r\n\r\n--B--") == 413


async def test_47_a_file_is_not_held_in_memory() -> None:
    web, seen = App(port=0, forms=LIMITS), list[object]()

    @web.post("/whole")
    async def whole(r: Request) -> None:
        seen.append([file.in_memory for file in (await r.form()).files()])

    async with served(web) as here:
        raw = await here.raw()
        body = field(b"a", b"x" * 1001, b'; filename="x"') + field(b"a", b"x" * 1000, b'; filename="x"') + b"--B--"
        head = b"POST /whole HTTP/1.1\r\nhost: a\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (TYPE, len(body))
        await raw.send(head + body)
        assert (await read_answer(raw)).status == 204
    assert seen == [[False, True]]


async def test_48_what_stands_before_the_first_boundary_is_thrown_away_as_it_comes() -> None:
    assert await answered("parts", b"x" * 60_000 + b"\r\n--B--", size=1000) == 200


async def test_49_the_search_goes_on_where_the_last_one_ended() -> None:
    parser = multipart.MultipartParser(b"B", LIMITS)
    parser.feed(b"--B\r\n" + b"a" * 400)
    parser.next()
    assert parser._searched >= 390


@pytest.mark.parametrize("length", [0, 1, 70, 71, 256, 4000])
async def test_50_a_boundary_has_1_to_70_letters(length: int) -> None:
    """python-multipart CVE-2024-24762: and no pattern is matched against anything of it."""
    boundary = b"B" * length
    body = b"--%b--" % boundary
    status = await answered("whole", body, kind=b"multipart/form-data; boundary=" + boundary)
    assert status == (200 if 1 <= length <= 70 else 400)


@pytest.mark.parametrize("module", [multipart, forms, cookies, aio_forms, uploads])
def test_51_no_control_flow_by_assert_and_no_pattern_over_what_a_peer_sent(module: ModuleType) -> None:
    tree = ast.parse(inspect.getsource(module))
    asserted = {ast.unparse(node.test) for node in ast.walk(tree) if isinstance(node, ast.Assert)}
    assert asserted <= {"self._file is not None"}
    assert not any(isinstance(node, ast.Import) and node.names[0].name == "re" for node in ast.walk(tree))


@pytest.mark.parametrize(
    "value", [b"a=" + b'\\"' * 20_000, b";" * 40_000, b"a;" * 20_000, b"a=b; " * 8000, b'"' * 40_000]
)
async def test_53_cookies_are_read_in_one_pass(value: bytes) -> None:
    """Tornado 6.4.2, CPython CVE-2024-7592."""
    web = App(port=0)
    web.get("/")(lambda r: str(len(r.cookies) <= 180))
    async with served(web) as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.1\r\nhost: a\r\ncookie: " + value + b"\r\n\r\n")
        assert (await read_answer(raw)).body == b"True"


async def test_56_disks_are_touched_in_threads_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Starlette CVE-2025-54121."""
    threads = set[int]()
    to_disk, write = Upload._to_disk, uploads.NewFile.write

    def noting_to_disk(self: Upload, blocks: list[bytes]) -> None:
        threads.add(threading.get_ident())
        to_disk(self, blocks)

    def noting_write(self: uploads.NewFile, blocks: list[bytes]) -> None:
        threads.add(threading.get_ident())
        write(self, blocks)

    monkeypatch.setattr(Upload, "_to_disk", noting_to_disk)
    monkeypatch.setattr(uploads.NewFile, "write", noting_write)
    web = application()

    @web.post("/save")
    async def save(r: Request) -> object:
        return [await part.save(tmp_path / "x") async for part in r.multipart()]

    async with served(web) as here:
        raw = await here.raw()
        body = field(b"a", b"x" * 5000, b'; filename="x"') + b"--B--"
        for path in (b"whole", b"save"):
            head = b"POST /%b HTTP/1.1\r\nhost: a\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
            await raw.send(head % (path, TYPE, len(body)) + body)
            assert (await read_answer(raw)).status == 200
    assert threads
    assert threading.get_ident() not in threads


@pytest.mark.parametrize(
    "attributes",
    [
        {"value": "a; Domain=evil.test"},
        {"value": "a\r\nset-cookie: b=c"},
        {"path": "/; Domain=evil.test"},
        {"domain": "a.test; Path=/"},
        {"samesite": "Lax; Domain=evil.test"},
        {"path": "/\r\nx: y"},
    ],
)
async def test_61_cookie_attributes_cannot_be_injected(attributes: dict[str, str]) -> None:
    """Tornado 6.5.5."""
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> str:
        r.set_cookie("a", **attributes)  # type: ignore[arg-type]
        return "unreached"

    async with served(web) as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        answer = await read_answer(raw)
        assert (answer.status, answer.get("set-cookie"), answer.get("x")) == (500, None, None)


EVIL = "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("accept", ["text/html", "*/*", "application/json"])
async def test_66_nothing_of_a_request_runs_in_an_error_page(debug: bool, accept: str) -> None:
    """aiohttp CVE-2024-27306, Twisted CVE-2024-41810: escaped, or text/plain, or JSON."""
    from toolkit import Abort

    web = App(port=0, debug=debug)

    @web.get("/abort")
    def abort(r: Request) -> None:
        raise Abort(r.params()["q"], 400)

    @web.get("/fault")
    def fault(r: Request) -> None:
        raise KeyError(r.params()["q"])

    async with served(web) as here:
        raw = await here.raw()
        for path in ("abort", "fault", f"{EVIL.replace(' ', '%20')}"):
            target = f"/{path}?q={EVIL.replace(' ', '%20')}"
            await raw.send(f"GET {target} HTTP/1.1\r\nhost: a\r\naccept: {accept}\r\n\r\n".encode())
            async with asyncio.timeout(PATIENCE):
                answer = await read_answer(raw)
            assert answer.status in (400, 404, 500)
            if accept == "text/html":
                assert (answer.get("content-type"), b"<img" in answer.body) == ("text/html; charset=utf-8", False)
            else:
                assert answer.get("content-type") in ("text/plain; charset=utf-8", "application/problem+json")
