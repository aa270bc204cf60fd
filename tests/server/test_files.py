"""A handler's own file: conditions, ranges, names; and files that change under the hands of who sends them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import KINDS, PATIENCE, Served, served
from toolkit import App, Deliver, LocalProtocolError, Session, ToolkitError, UseError
from toolkit.protocol.conditional import Conditions
from toolkit.protocol.dates import format_http_date
from toolkit.server.answers import Streamed, encode_returned
from toolkit.server.beneath import FileState, NotBeneath, state_of
from toolkit.server.files import FileParts, Representation, entity_tag, outcome, read_whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from toolkit import Request
    from toolkit.protocol.ranges import Span

SMALL = b"0123456789" * 10
LARGE = random.Random(4).randbytes(600_000)
AT = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT
TIME = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in (("small.txt", SMALL), ("large.bin", LARGE), ("empty", b"")):
        (tmp_path / name).write_bytes(data)
        os.utime(tmp_path / name, (AT, AT))
    return tmp_path


def application(folder: Path) -> App:
    web = App(port=0)

    @web.get("/plain/{name}")
    def plain(r: Request, name: str) -> object:
        return Deliver.file(name, root=folder)

    @web.get("/coroutine/{name}")
    async def coroutine(r: Request, name: str) -> object:
        return Deliver.file(folder / name)

    @web.get("/awaited/{name}")
    async def awaited(r: Request, name: str) -> None:
        await Deliver.file(folder / name)

    @web.get("/saved")
    def saved(r: Request) -> object:
        return Deliver.file(folder / "small.txt", filename="\u00c4rger.txt", headers={"cache-control": "no-store"})

    @web.get("/shown")
    def shown(r: Request) -> object:
        return Deliver.file(folder / "large.bin", filename="a.pdf", inline=True)

    @web.get("/error")
    def error(r: Request) -> object:
        return Deliver.file(folder / "small.txt", status=503, content_type="text/html")

    @web.post("/made")
    async def made(r: Request) -> object:
        return Deliver.file(folder / "small.txt")

    return web


async def get(
    here: App | Served, path: str, method: str = "GET", **headers: str
) -> tuple[int | None, dict[str, str], bytes]:
    """Status, fields and body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    http = here.session() if isinstance(here, Served) else Session(app=here)
    async with http:
        x = await http.request(method, path if not isinstance(here, Served) else here.url + path, named)
        return x.status, dict(x.headers.items()), x.content


WAYS = pytest.mark.parametrize("way", ["plain", "coroutine", "awaited"])


@WAYS
@pytest.mark.parametrize("name", ["small.txt", "large.bin", "empty"])
async def test_a_file_comes_whole_with_its_validators(folder: Path, way: str, name: str) -> None:
    data = (folder / name).read_bytes()
    status, fields, body = await get(application(folder), f"/{way}/{name}")
    assert (status, body) == (200, data)
    assert fields["content-length"] == str(len(data))
    assert fields["last-modified"] == TIME
    assert fields["etag"] == entity_tag(state_of((folder / name).stat()))
    assert fields["accept-ranges"] == "bytes"
    assert "content-disposition" not in fields


@WAYS
@pytest.mark.parametrize("name", ["small.txt", "large.bin"])
async def test_a_head_has_the_fields_and_no_body(folder: Path, way: str, name: str) -> None:
    web = application(folder)
    _, fields, _ = await get(web, f"/{way}/{name}")
    status, same, body = await get(web, f"/{way}/{name}", "HEAD")
    assert (status, body) == (200, b"")
    assert {k: v for k, v in same.items() if k != "date"} == {k: v for k, v in fields.items() if k != "date"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["small.txt", "large.bin"])
async def test_files_and_parts_go_over_each_kind_of_link(folder: Path, kind: str, name: str) -> None:
    data = (folder / name).read_bytes()
    async with served(application(folder), kind) as here:
        assert (await get(here, f"/plain/{name}"))[2] == data
        status, fields, body = await get(here, f"/plain/{name}", range="bytes=10-89")
        assert (status, body) == (206, data[10:90])
        assert fields["content-range"] == f"bytes 10-89/{len(data)}"
        status, fields, body = await get(here, f"/plain/{name}", range=f"bytes={len(data) // 2}-")
        assert (status, body) == (206, data[len(data) // 2 :])
        assert fields["content-length"] == str(len(body))


@pytest.mark.parametrize("name", ["small.txt", "large.bin"])
async def test_several_parts_are_a_multipart_body(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    last = len(data) - 1
    status, fields, body = await get(
        application(folder), f"/plain/{name}", range=f"bytes=0-0,-1,{last // 2}-{last - 5}"
    )
    assert status == 206
    kind, _, boundary = fields["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    assert int(fields["content-length"]) == len(body)
    assert "content-range" not in fields
    between = f"--{boundary}".encode()
    parts = body.split(between)
    assert parts[0] == b""
    assert parts[-1] == b"--\r\n"
    spans = [(0, 0), (last, last), (last // 2, last - 5)]
    for part, (first, end) in zip(parts[1:-1], spans, strict=True):
        head, _, content = part.partition(b"\r\n\r\n")
        assert f"content-range: bytes {first}-{end}/{len(data)}".encode() in head
        assert content == data[first : end + 1] + b"\r\n"


@pytest.mark.parametrize("name", ["small.txt", "large.bin"])
async def test_a_range_behind_the_end_is_416(folder: Path, name: str) -> None:
    """RFC 9110 15.5.17"""
    size = (folder / name).stat().st_size
    status, fields, _ = await get(application(folder), f"/plain/{name}", range=f"bytes={size}-")
    assert status == 416
    assert fields["content-range"] == f"bytes */{size}"


async def test_conditions_and_ranges_together(folder: Path) -> None:
    web = application(folder)
    _, fields, _ = await get(web, "/plain/small.txt")
    tag = fields["etag"]
    assert (await get(web, "/plain/small.txt", if_none_match=tag))[0] == 304
    assert (await get(web, "/plain/small.txt", "HEAD", if_none_match=tag))[0] == 304
    assert (await get(web, "/plain/small.txt", if_none_match='"other"'))[0] == 200
    assert (await get(web, "/plain/small.txt", if_modified_since=TIME))[0] == 304
    assert (await get(web, "/plain/small.txt", if_match='"other"'))[0] == 412
    assert (await get(web, "/plain/small.txt", if_unmodified_since=format_http_date(AT - 1)))[0] == 412
    assert (await get(web, "/plain/small.txt", range="bytes=0-1", if_range=tag))[0] == 206
    assert (await get(web, "/plain/small.txt", range="bytes=0-1", if_range=TIME))[0] == 206
    assert (await get(web, "/plain/small.txt", range="bytes=0-1", if_range='"other"'))[0] == 200
    assert (await get(web, "/plain/small.txt", range="bytes=0-1", if_none_match=tag))[0] == 304  # 13.2.2
    assert (await get(web, "/plain/small.txt", "HEAD", range="bytes=0-1"))[0] == 200  # 14.2: GET only
    assert (await get(web, "/plain/empty", range="bytes=0-1"))[0] == 200


async def test_a_304_has_what_caches_need_and_nothing_of_the_body(folder: Path) -> None:
    """RFC 9110 15.4.5"""
    web = application(folder)
    _, whole, _ = await get(web, "/saved")
    status, fields, body = await get(web, "/saved", if_none_match="*")
    assert (status, body) == (304, b"")
    assert fields["etag"] == whole["etag"]
    assert fields["cache-control"] == "no-store"
    assert not {"content-type", "content-length", "content-disposition"} & fields.keys()


async def test_names_and_types(folder: Path) -> None:
    web = application(folder)
    _, fields, _ = await get(web, "/saved")
    assert fields["content-disposition"] == "attachment; filename=\"Arger.txt\"; filename*=UTF-8''%C3%84rger.txt"
    assert fields["content-type"] == "text/plain; charset=utf-8"
    _, fields, _ = await get(web, "/shown")
    assert fields["content-disposition"] == 'inline; filename="a.pdf"'
    assert fields["content-type"] == "application/pdf"


async def test_under_another_status_a_file_is_what_is_said(folder: Path) -> None:
    """RFC 9110 13.2.1: what is no 2xx is not conditional."""
    web = application(folder)
    status, fields, body = await get(web, "/error", range="bytes=0-1", if_none_match="*")
    assert (status, body) == (503, SMALL)
    assert fields["content-type"] == "text/html"
    assert "etag" not in fields


async def test_an_answer_to_post_is_whole(folder: Path) -> None:
    """RFC 9110 13.1.2: to POST it would be 412; the file is not what is posted to."""
    assert (await get(application(folder), "/made", "POST", range="bytes=0-1", if_none_match="*"))[::2] == (200, SMALL)


@pytest.mark.parametrize("name", ["none", "..%2fsecret", ".", "sub", "fifo", "out", "%00"])
async def test_what_is_no_file_below_the_root_is_404(folder: Path, name: str) -> None:
    root = folder / "root"
    (root / "sub").mkdir(parents=True)
    os.mkfifo(root / "fifo")
    os.symlink("../small.txt", root / "out")
    (folder / "secret").write_text("secret")
    assert (await get(application(root), f"/plain/{name}"))[0] == 404


@pytest.mark.parametrize("name", ["none", "sub", "fifo"])
async def test_what_is_no_file_is_404_without_a_root(folder: Path, name: str) -> None:
    (folder / "sub").mkdir()
    os.mkfifo(folder / "fifo")
    assert (await get(application(folder), f"/coroutine/{name}"))[0] == 404


async def test_without_a_root_links_are_followed_as_the_handler_wanted(folder: Path) -> None:
    os.symlink(folder / "small.txt", folder / "link.txt")
    assert (await get(application(folder), "/coroutine/link.txt"))[2] == SMALL


# --- files that change ---


class Sink:
    """What of an exchange `FileParts` uses; calls `before` before each piece."""

    url = "http://host/file"

    def __init__(self, before: dict[int, object]) -> None:
        self.sent = b""
        self.aborted = ""
        self.before = before
        self.number = 0

    def _act(self) -> None:
        act = self.before.get(self.number)
        self.number += 1
        if callable(act):
            act()

    async def write(self, data: bytes) -> None:
        self._act()
        self.sent += data

    async def send_file(self, file: object, offset: int, count: int) -> None:
        self._act()
        self.sent += os.pread(file.fileno(), count, offset)  # type: ignore[attr-defined]

    async def abort(self, reason: str) -> None:
        self.aborted = reason


def parts_of(path: Path, *pieces: bytes | Span) -> FileParts:
    from toolkit.server.beneath import open_beneath

    file, found = open_beneath(path.parent, (path.name,))
    assert file is not None
    return FileParts(file, state_of(found), pieces)


def whole_of(path: Path) -> FileParts:
    from toolkit.protocol.ranges import Span

    return parts_of(path, Span(0, path.stat().st_size))


async def send(parts: FileParts, sink: Sink) -> None:
    await parts.send_to(sink)  # type: ignore[arg-type]  # it has what is used


async def test_a_file_that_stays_is_sent_whole(folder: Path) -> None:
    sink = Sink({})
    await send(whole_of(folder / "large.bin"), sink)
    assert sink.sent == LARGE
    assert not sink.aborted


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"x")
    os.utime(path, (AT + 1, AT + 1))


@pytest.mark.parametrize(
    "change",
    [
        rewrite,
        lambda path: os.truncate(path, len(LARGE) + 1),
        lambda path: os.truncate(path, len(LARGE) - 1),
    ],
    ids=["rewritten", "grown", "shrunk"],
)
async def test_a_file_that_changes_is_broken_off_short(folder: Path, change: object) -> None:
    path = folder / "large.bin"
    assert callable(change)
    sink = Sink({0: lambda: change(path)})
    await send(whole_of(path), sink)
    assert "changed" in sink.aborted
    assert len(sink.sent) < len(LARGE)


async def test_a_new_file_of_the_same_name_is_another_one(folder: Path) -> None:
    """As deployments do it: what is being sent is the old one, to its end."""

    def replace() -> None:
        (folder / "new").write_bytes(b"new")
        os.replace(folder / "new", folder / "large.bin")

    sink = Sink({0: replace})
    await send(whole_of(folder / "large.bin"), sink)
    assert sink.sent == LARGE
    assert not sink.aborted


@pytest.mark.parametrize("kind", ["tcp", "unix", "tls", "memory"])
async def test_a_peer_sees_a_file_that_shrinks_as_an_error(
    folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "large.bin"
    really = FileParts.send_to

    async def shrink(self: FileParts, x: Request) -> None:
        os.truncate(path, 300_000)
        await really(self, x)

    monkeypatch.setattr(FileParts, "send_to", shrink)
    async with served(application(folder), kind) as here, here.session() as http:
        with pytest.raises(ToolkitError):
            _ = await http.get(f"{here.url}/plain/large.bin")


async def test_parts_can_be_read_as_bytes(folder: Path) -> None:
    parts = whole_of(folder / "large.bin")
    assert b"".join([piece async for piece in parts]) == LARGE
    parts = parts_of(folder / "large.bin", b"before")
    assert [piece async for piece in parts] == [b"before"]


async def test_reading_a_file_that_changes_is_an_error(folder: Path) -> None:
    pieces = aiter(whole_of(folder / "large.bin"))
    await anext(pieces)
    rewrite(folder / "large.bin")
    with pytest.raises(OSError, match="changed while it was being read"):
        await anext(pieces)


def opened(folder: Path) -> list[str]:
    """The files of the folder that are open."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return [name for name in found if name.startswith(str(folder))]


async def test_what_is_given_up_is_closed(folder: Path) -> None:
    parts = whole_of(folder / "large.bin")
    await parts.aclose()
    unread = whole_of(folder / "large.bin")
    assert len(opened(folder)) == 1
    del unread
    assert opened(folder) == []


async def test_a_reader_that_leaves_leaves_no_file_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really, over = FileParts.send_to, asyncio.Event()

    async def send_to(self: FileParts, x: Request) -> None:
        try:
            await really(self, x)
        finally:
            over.set()

    monkeypatch.setattr(FileParts, "send_to", send_to)
    async with served(application(folder), "memory") as here:
        raw = await here.raw()
        await raw.send(b"GET /plain/large.bin HTTP/1.1\r\nhost: a\r\n\r\n")
        await raw.until(b"\r\n\r\n")
        assert len(opened(folder)) == 1
        raw.reset()
        async with asyncio.timeout(PATIENCE):
            await over.wait()
        assert opened(folder) == []


def test_a_small_file_is_read_in_one_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "small.txt"
    really, writes = os.pread, iter([b"a", b"b"])

    def pread(fd: int, count: int, offset: int) -> bytes:
        data = really(fd, count, offset)
        more = next(writes, b"")
        if more:
            with path.open("ab") as file:
                file.write(more)
        return data

    monkeypatch.setattr(os, "pread", pread)
    with path.open("rb", buffering=0) as file:
        data, state = read_whole(file)
    assert data == SMALL + b"ab"
    assert state.size == len(data)


def test_a_small_file_that_never_rests_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "small.txt"
    really = os.pread

    def pread(fd: int, count: int, offset: int) -> bytes:
        with path.open("ab") as file:
            file.write(b"x")
        return really(fd, count, offset)

    monkeypatch.setattr(os, "pread", pread)
    with path.open("rb", buffering=0) as file, pytest.raises(NotBeneath, match="being written"):
        read_whole(file)


# --- representations ---


def test_versions_have_tags_of_their_own() -> None:
    state = FileState(1, 2, 3, 4, 5)
    others = [
        state._replace(inode=9),
        state._replace(modified_ns=9),
        state._replace(size=9),
    ]
    tags = {entity_tag(one) for one in [state, *others]} | {entity_tag(state, "gzip")}
    assert len(tags) == 5
    assert entity_tag(state._replace(changed_ns=9)) == entity_tag(state)  # permissions make no other version


def test_what_has_neither_body_nor_file_cannot_be_sent() -> None:
    with pytest.raises(RuntimeError, match="make its bytes first"):
        outcome("GET", Representation([], '"a"', 0, 1), None)


def test_a_weak_representation_is_never_joined_from_parts() -> None:
    """RFC 9110 13.1.5"""
    asked = Conditions()
    asked.range, asked.if_range = "bytes=0-1", 'W/"a"'
    assert outcome("GET", Representation([], 'W/"a"', 0, 3, body=b"abc"), asked).status == 200


async def test_a_middleware_may_read_a_file_that_a_handler_returned(folder: Path) -> None:
    """What a handler returned is not sent yet: `encode_returned` gives it as fields and a stream."""
    web = App(port=0)

    async def sizes(source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in source:
            yield f"{len(piece)} ".encode()

    @web.get("/first")
    async def first(r: Request) -> object:
        answer = encode_returned(Deliver.file(folder / "large.bin"))
        assert isinstance(answer, Streamed)
        return Streamed(answer.status, {"x-length": len(LARGE)}, sizes(aiter(answer.source)))

    status, fields, body = await get(web, "/first")
    assert (status, fields["x-length"]) == (200, "600000")
    assert sum(map(int, body.split())) == len(LARGE)


async def test_a_file_that_cannot_be_begun_is_closed(folder: Path) -> None:
    web, done = App(port=0), asyncio.Event()

    @web.get("/late")
    async def late(r: Request) -> None:
        answer = encode_returned(Deliver.file(folder / "large.bin"))
        assert isinstance(answer, Streamed)
        assert len(opened(folder)) == 1
        await r.prepare({"content-length": 0})
        with pytest.raises(UseError):
            await answer.send(r)
        assert opened(folder) == []
        done.set()

    assert (await get(web, "/late"))[0] == 200
    assert done.is_set()


async def test_a_file_whose_fields_cannot_be_sent_is_closed(folder: Path) -> None:
    web = App(port=0)

    @web.get("/bad")
    async def bad(r: Request) -> object:
        with pytest.raises(LocalProtocolError) as raised:
            encode_returned(Deliver.file(folder / "large.bin", headers={"x-name": "two\r\nlines"}))
        assert raised.traceback  # it holds the frame that has the file
        return {"open": opened(folder)}

    assert (await get(web, "/bad"))[2] == b'{"open":[]}'


async def test_fields_that_the_handler_gave_count(folder: Path) -> None:
    web = App(port=0)

    @web.get("/")
    def file(r: Request) -> object:
        given = {"Content-Type": "text/x-own", "Content-Disposition": "inline"}
        return Deliver.file(folder / "small.txt", filename="other.html", headers=given)

    _, fields, _ = await get(web, "/")
    assert fields["content-type"] == "text/x-own"
    assert fields["content-disposition"] == "inline"


async def test_a_wrong_call_is_not_taken_for_a_change(folder: Path) -> None:
    class Refusing(Sink):
        async def send_file(self, file: object, offset: int, count: int) -> None:
            raise UseError("not now")

    with pytest.raises(UseError, match="not now"):
        await send(whole_of(folder / "large.bin"), Refusing({}))
