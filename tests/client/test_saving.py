"""Downloads: RFC 9110 13.1.5 and 14 as a client, RFC 9530, and what is on the disk whatever happens."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import answering
from tests.helpers.raw import raw_server
from tests.helpers.served import KINDS, served
from toolkit import App, Request, StaticOptions
from toolkit.client.resuming import Mark, write_mark
from toolkit.client.saving import SaveOptions
from toolkit.errors import Disconnected, RemoteProtocolError, StatusError, UseError
from toolkit.protocol.digests import format_digest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.helpers.raw import RawServer
    from toolkit import Session

DATA = bytes(range(256)) * 4
SIZE = len(DATA)
DIGEST = format_digest("sha-256", hashlib.sha256(DATA).digest())
WRONG = format_digest("sha-256", hashlib.sha256(b"").digest())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def whole(more: str = 'etag: "1"\r\n', *, cut: int | None = None, data: bytes = DATA) -> bytes:
    """An answer with all of it, of which `cut` bytes come before the connection ends."""
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(data)}\r\nconnection: close\r\n{more}\r\n"
    return head.encode() + data[:cut]


def part(start: int, stop: int = SIZE, more: str = 'etag: "1"\r\n', *, cut: int | None = None) -> bytes:
    """An answer with a range."""
    head = (
        f"HTTP/1.1 206 Partial Content\r\ncontent-length: {stop - start}\r\nconnection: close\r\n"
        f"content-range: bytes {start}-{stop - 1}/{SIZE}\r\n{more}\r\n"
    )
    return head.encode() + DATA[start:stop][:cut]


class Script:
    """A server that gives one answer to each connection, and ends it; `asked` are the requests' Range fields."""

    def __init__(self, peer: RawServer, http: Session) -> None:
        self.peer = peer
        self.http = http
        self.asked: list[str | None] = []
        self.heads: list[str] = []

    async def answer(self, *answers: bytes) -> None:
        for one in answers:
            raw = await self.peer.accept()
            head = (await raw.until(b"\r\n\r\n")).decode()
            self.heads.append(head)
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
            self.asked.append(fields.get("range"))
            assert ("if-range" in fields) == ("range" in fields)
            await raw.send(one)
            await raw.close()

    async def save(self, path: Path, *answers: bytes, **options: object) -> Path:
        """Save `/f` while these answers are given."""
        serving = asyncio.ensure_future(self.answer(*answers))
        try:
            saved = await self.http.get("/f").save(path, **options)  # type: ignore[arg-type]
            await serving
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        return saved


@asynccontextmanager
async def scripted() -> AsyncIterator[Script]:
    async with raw_server("tcp") as peer, peer.session(base_url=peer.url) as http:
        yield Script(peer, http)


# From the beginning


@pytest.mark.parametrize("kind", KINDS)
async def test_a_download_is_whole_and_alone(kind: str, tmp_path: Path) -> None:
    web = App(port=0)
    data = os.urandom(3_000_000)

    @web.get("/big")
    async def big(r: Request) -> None:
        await r.prepare({"content-length": len(data)})
        await r.write(data)

    async with served(web, kind) as here, here.session(base_url=here.url or "http://a.test") as http:
        saved = await http.get("/big").save(tmp_path / "a.bin")
    assert saved == tmp_path / "a.bin"
    assert saved.read_bytes() == data
    assert names(tmp_path) == ["a.bin"]


async def test_a_coding_is_not_asked_for_as_ranges_would_be_of_coded_bytes(tmp_path: Path) -> None:
    async with scripted() as script:
        await script.save(tmp_path / "a", whole())
        assert "accept-encoding: identity" in script.heads[0]


async def test_a_body_of_unknown_length_until_the_connections_end(tmp_path: Path) -> None:
    async with scripted() as script:
        await script.save(tmp_path / "a", b"HTTP/1.1 200 OK\r\n\r\n" + DATA)
    assert (tmp_path / "a").read_bytes() == DATA


async def test_an_empty_one(tmp_path: Path) -> None:
    async with scripted() as script:
        await script.save(tmp_path / "a", whole(data=b""))
    assert (tmp_path / "a").read_bytes() == b""
    assert names(tmp_path) == ["a"]


async def test_into_a_folder_it_has_the_answers_name(tmp_path: Path) -> None:
    async with scripted() as script:
        saved = await script.save(tmp_path, whole('content-disposition: attachment; filename="../b.txt"\r\n'))
    assert saved == tmp_path / "b.txt"


async def test_a_name_that_the_server_chose_replaces_nothing_unless_asked_to(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"precious")
    async with scripted() as script:
        with pytest.raises(FileExistsError, match="overwrite=True"):
            await script.save(tmp_path, whole())
        assert (tmp_path / "f").read_bytes() == b"precious"
        await script.save(tmp_path, whole(), overwrite=True)
    assert (tmp_path / "f").read_bytes() == DATA
    assert names(tmp_path) == ["f"]


async def test_a_name_that_you_chose_is_replaced_unless_asked_not_to(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    async with scripted() as script:
        await script.save(tmp_path / "a", whole())
        assert (tmp_path / "a").read_bytes() == DATA
        with pytest.raises(FileExistsError):
            await script.save(tmp_path / "a", overwrite=False)
        assert len(script.heads) == 1  # nothing was asked for


@pytest.mark.parametrize("place", ["no/a", "no/"])
async def test_a_folder_that_is_not_there_is_told_before_anything_is_asked_for(place: str, tmp_path: Path) -> None:
    async with scripted() as script:
        with pytest.raises(FileNotFoundError, match="there is no folder"):
            await script.http.get("/f").save(f"{tmp_path}/{place}")
        assert not script.peer.accepted


@pytest.mark.parametrize(
    ("status", "more", "told"),
    [
        ("404 Not Found", "", "answered 404 Not Found"),
        ("302 Found", "location: /x\r\n", "it leads to /x"),
        ("304 Not Modified", "", "answered 304"),
    ],
)
@pytest.mark.parametrize("folder", [False, True])
async def test_what_is_no_2xx_is_not_saved(status: str, more: str, told: str, folder: bool, tmp_path: Path) -> None:
    async with scripted() as script:
        with pytest.raises(StatusError, match=told):
            await script.save(
                tmp_path if folder else tmp_path / "a",
                f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n{more}\r\n".encode(),
            )
    assert names(tmp_path) == []


async def test_an_error_leaves_the_part_of_before(tmp_path: Path) -> None:
    async with scripted() as script:
        with pytest.raises(Disconnected):
            await script.save(tmp_path / "a", whole(cut=300), attempts=1)
        with pytest.raises(StatusError):
            await script.save(tmp_path / "a", b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")
        await script.save(tmp_path / "a", part(300))
    assert (tmp_path / "a").read_bytes() == DATA


async def test_a_206_that_nobody_asked_for_is_an_error(tmp_path: Path) -> None:
    async with scripted() as script:
        with pytest.raises(RemoteProtocolError, match="206 Partial Content to a request without a range"):
            await script.save(tmp_path / "a", part(0))
    assert names(tmp_path) == []


async def test_a_range_of_ones_own_is_saved_as_it_is(tmp_path: Path) -> None:
    async with scripted() as script:
        serving = asyncio.ensure_future(script.peer.accept())
        saving = asyncio.ensure_future(script.http.get("/f", {"range": "bytes=10-19"}).save(tmp_path / "a"))
        raw = await serving
        await raw.until(b"\r\n\r\n")
        await raw.send(part(10, 20))
        await saving
    assert (tmp_path / "a").read_bytes() == DATA[10:20]


# Cut off


async def test_what_breaks_is_gone_on_with_at_once(tmp_path: Path) -> None:
    async with scripted() as script:
        await script.save(tmp_path / "a", whole(cut=300), part(300, cut=100), part(400))
        assert script.asked == [None, "bytes=300-", "bytes=400-"]
        assert 'if-range: "1"' in script.heads[1]
    assert (tmp_path / "a").read_bytes() == DATA
    assert names(tmp_path) == ["a"]


async def test_it_ends_where_a_request_brings_nothing(tmp_path: Path) -> None:
    async with scripted() as script:
        with pytest.raises(Disconnected) as caught:
            await script.save(tmp_path / "a", whole(cut=300), part(300, cut=0))
    assert names(tmp_path) == ["a.toolkit-part", "a.toolkit-part.json"]
    assert "300 bytes are kept in" in caught.value.__notes__[0]


async def test_it_ends_after_so_many_requests(tmp_path: Path) -> None:
    async with scripted() as script:
        with pytest.raises(Disconnected):
            await script.save(tmp_path / "a", whole(cut=10), part(10, cut=10), attempts=2)
        assert len(script.asked) == 2


async def test_another_call_goes_on_where_the_first_one_was_cut_off(tmp_path: Path) -> None:
    async with scripted() as script:
        with pytest.raises(Disconnected):
            await script.save(tmp_path / "a", whole(cut=300), attempts=1)
        told: list[tuple[int, int | None]] = []
        await script.save(tmp_path / "a", part(300), progress=lambda *one: told.append(one))
        assert script.asked == [None, "bytes=300-"]
    assert (tmp_path / "a").read_bytes() == DATA
    assert (told[0], told[-1]) == ((300, SIZE), (SIZE, SIZE))


async def test_another_url_does_not_go_on_there(tmp_path: Path) -> None:
    async with scripted() as script:
        with pytest.raises(Disconnected):
            await script.save(tmp_path / "a", whole(cut=300), attempts=1)
        serving = asyncio.ensure_future(script.answer(whole()))
        await script.http.get("/other").save(tmp_path / "a")
        await serving
        assert script.asked == [None, None]


@pytest.mark.parametrize(
    "more", ["", 'etag: W/"1"\r\n', "last-modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"], ids=["none", "weak", "date"]
)
async def test_without_a_strong_validator_nothing_is_kept(more: str, tmp_path: Path) -> None:
    async with scripted() as script:
        with pytest.raises(Disconnected):
            await script.save(tmp_path / "a", whole(more, cut=300))
    assert names(tmp_path) == []


async def test_with_resume_false_nothing_is_kept_and_nothing_used(tmp_path: Path) -> None:
    async with scripted() as script:
        with pytest.raises(Disconnected):
            await script.save(tmp_path / "a", whole(cut=300), attempts=1)
        assert len(names(tmp_path)) == 2
        with pytest.raises(Disconnected):
            await script.save(tmp_path / "a", whole(cut=300), resume=False)
        assert script.asked == [None, None]
    assert names(tmp_path) == []


NEW = bytes(reversed(DATA)) + b"more"


@pytest.mark.parametrize(
    ("why", "answers", "asked"),
    [
        ("13.1.5: it changed", [whole('etag: "2"\r\n', data=NEW)], ["bytes=300-"]),
        ("14.2: no ranges there", [whole("", data=NEW)], ["bytes=300-"]),
        (
            "15.3.7: another version's range",
            [part(300, more='etag: "2"\r\n'), whole('etag: "2"\r\n', data=NEW)],
            ["bytes=300-", None],
        ),
        ("15.3.7: another range", [part(200), whole(data=NEW)], ["bytes=300-", None]),
        (
            "15.3.7.2: several ranges",
            [
                b"HTTP/1.1 206 x\r\ncontent-type: multipart/byteranges; boundary=x\r\ncontent-length: 0\r\n"
                b"connection: close\r\n\r\n",
                whole(data=NEW),
            ],
            ["bytes=300-", None],
        ),
        (
            "15.5.17: it is shorter now",
            [
                b"HTTP/1.1 416 x\r\ncontent-range: bytes */10\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                whole(data=NEW),
            ],
            ["bytes=300-", None],
        ),
    ],
)
async def test_what_does_not_fit_starts_over(
    why: str, answers: list[bytes], asked: list[str | None], tmp_path: Path
) -> None:
    async with scripted() as script:
        with pytest.raises(Disconnected):
            await script.save(tmp_path / "a", whole(cut=300), attempts=1)
        await script.save(tmp_path / "a", *answers)
        assert script.asked[1:] == asked, why
    assert (tmp_path / "a").read_bytes() == NEW
    assert names(tmp_path) == ["a"]


async def test_a_416_where_all_is_here_already(tmp_path: Path) -> None:
    """RFC 9110 15.5.17: killed between the last byte and the rename."""
    async with scripted() as script:
        target = tmp_path / "a"
        (tmp_path / "a.toolkit-part").write_bytes(DATA)
        mark = Mark.of(f"{script.peer.url}/f", '"1"', SIZE)
        (tmp_path / "a.toolkit-part.json").write_bytes(write_mark(mark))
        whole_already = f"HTTP/1.1 416 x\r\ncontent-range: bytes */{SIZE}\r\ncontent-length: 0\r\n\r\n"
        await script.save(target, whole_already.encode())
        assert script.asked == [f"bytes={SIZE}-"]
    assert target.read_bytes() == DATA
    assert names(tmp_path) == ["a"]


async def test_a_416_for_a_part_is_no_error_where_every_other_is(tmp_path: Path) -> None:
    """`raise_for_status` is of the answers that the caller gets."""
    for size, rest in ((SIZE, ()), (SIZE + 1, (whole(),))):
        async with raw_server("tcp") as peer, peer.session(base_url=peer.url, raise_for_status=True) as http:
            script = Script(peer, http)
            (tmp_path / "a.toolkit-part").write_bytes(bytes(size))
            (tmp_path / "a.toolkit-part.json").write_bytes(write_mark(Mark.of(f"{peer.url}/f", '"1"', None)))
            no_more = f"HTTP/1.1 416 x\r\ncontent-range: bytes */{SIZE}\r\ncontent-length: 0\r\n\r\n"
            await script.save(tmp_path / "a", no_more.encode(), *rest)
            with pytest.raises(StatusError):
                await script.save(tmp_path / "b", no_more.encode())
        assert (tmp_path / "a").read_bytes() == (DATA if rest else bytes(SIZE))
        assert names(tmp_path) == ["a"]


async def test_what_a_post_led_to_is_not_asked_for_again(tmp_path: Path) -> None:
    """A GET of the URL that was posted to is another thing, and posting twice nobody's wish."""
    async with raw_server("tcp") as peer, peer.session(base_url=peer.url) as http:
        script = Script(peer, http)
        see_other = b"HTTP/1.1 303 x\r\nlocation: /f\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        serving = asyncio.ensure_future(script.answer(see_other, whole(cut=500)))
        with pytest.raises(Disconnected):
            async with http.post("/form", body=b"", follow_redirects=True) as x:
                await x.save(tmp_path / "a")
        await serving
        assert [head.partition(" HTTP")[0] for head in script.heads] == ["POST /form", "GET /f"]
    assert names(tmp_path) == []


async def test_a_part_without_a_mark_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "a.toolkit-part").write_bytes(b"x" * 300)
    async with scripted() as script:
        await script.save(tmp_path / "a", whole())
        assert script.asked == [None]
    assert (tmp_path / "a").read_bytes() == DATA


async def test_a_range_that_is_shorter_than_asked_for(tmp_path: Path) -> None:
    """RFC 9110 15.3.7: a server may send less; the rest is asked for."""
    async with scripted() as script:
        await script.save(tmp_path / "a", whole(cut=300), part(300, 500), part(500))
        assert script.asked == [None, "bytes=300-", "bytes=500-"]
    assert (tmp_path / "a").read_bytes() == DATA


async def test_cancelled_it_leaves_its_part_and_nothing_else(tmp_path: Path) -> None:
    async with scripted() as script:
        arrived = asyncio.Event()

        def tell(done: int, total: int | None) -> None:
            if done == 300:
                arrived.set()

        saving = asyncio.ensure_future(script.http.get("/f").save(tmp_path / "a", progress=tell))
        raw = await script.peer.accept()
        await raw.until(b"\r\n\r\n")
        await raw.send(whole(cut=300))
        await arrived.wait()
        saving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving
        assert names(tmp_path) == ["a.toolkit-part", "a.toolkit-part.json"]
        await script.save(tmp_path / "a", part(300))
    assert (tmp_path / "a").read_bytes() == DATA


# An exchange that is entered already


async def test_an_entered_exchange_is_saved(tmp_path: Path) -> None:
    async with (
        raw_server("tcp") as peer,
        peer.session(base_url=peer.url) as http,
        answering(peer, http.get("/dir/x.bin"), whole()) as (x, _, _),
    ):
        assert x.ok
        assert await x.save(tmp_path) == tmp_path / "x.bin"
    assert (tmp_path / "x.bin").read_bytes() == DATA


async def test_an_entered_exchange_gives_way_to_one_with_the_rest(tmp_path: Path) -> None:
    async with scripted() as script:
        with pytest.raises(Disconnected):
            await script.save(tmp_path / "a", whole(cut=300), attempts=1)
        serving = asyncio.ensure_future(script.answer(whole(cut=10), part(300)))
        async with script.http.get("/f") as x:
            await x.save(tmp_path / "a")
        await serving
        assert script.asked == [None, None, "bytes=300-"]
    assert (tmp_path / "a").read_bytes() == DATA


async def test_into_a_folder_a_part_is_found_once_its_name_is_known(tmp_path: Path) -> None:
    async with scripted() as script:
        with pytest.raises(Disconnected):
            await script.save(tmp_path, whole(cut=300), attempts=1)
        assert names(tmp_path) == ["f.toolkit-part", "f.toolkit-part.json"]
        await script.save(tmp_path, whole(cut=10), part(300))
        assert script.asked == [None, None, "bytes=300-"]
    assert (tmp_path / "f").read_bytes() == DATA


async def test_a_coded_answer_is_decoded_and_starts_over(tmp_path: Path) -> None:
    coded = gzip.compress(DATA)
    head = f'HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\netag: "1"\r\ncontent-length: {len(coded)}\r\n\r\n'.encode()
    async with scripted() as script:
        with pytest.raises(Disconnected):
            await script.save(tmp_path / "a", head + coded[:20])
        assert names(tmp_path) == []
        await script.save(tmp_path / "a", head + coded)
    assert (tmp_path / "a").read_bytes() == DATA


async def test_decode_false_saves_what_comes_and_goes_on_with_it(tmp_path: Path) -> None:
    fields = 'content-encoding: gzip\r\netag: "1"\r\n'
    async with scripted() as script:
        serving = asyncio.ensure_future(script.answer(whole(fields, cut=300), part(300, more=fields)))
        await script.http.get("/f", decode=False).save(tmp_path / "a")
        await serving
    assert (tmp_path / "a").read_bytes() == DATA


# Digests


@pytest.mark.parametrize("field", ["repr-digest", "content-digest"])
async def test_a_digest_that_the_bytes_have(field: str, tmp_path: Path) -> None:
    async with scripted() as script:
        await script.save(tmp_path / "a", whole(f"{field}: {DIGEST}\r\n"))
    assert (tmp_path / "a").read_bytes() == DATA


@pytest.mark.parametrize("field", ["repr-digest", "content-digest"])
async def test_bytes_that_are_others_than_stated_are_not_kept(field: str, tmp_path: Path) -> None:
    async with scripted() as script:
        with pytest.raises(RemoteProtocolError, match=f"not those of its {field} field"):
            await script.save(tmp_path / "a", whole(f'etag: "1"\r\n{field}: {WRONG}\r\n'))
    assert names(tmp_path) == []


async def test_a_ranges_own_digest_and_that_of_the_whole(tmp_path: Path) -> None:
    """RFC 9530 2, 3: Content-Digest is of the part, Repr-Digest of all."""
    own = format_digest("sha-512", hashlib.sha512(DATA[300:]).digest())
    async with scripted() as script:
        await script.save(
            tmp_path / "a",
            whole(cut=300),
            part(300, more=f'etag: "1"\r\ncontent-digest: {own}\r\nrepr-digest: {DIGEST}\r\n'),
        )
    assert (tmp_path / "a").read_bytes() == DATA


async def test_a_rest_that_does_not_belong_to_its_beginning_is_found_out(tmp_path: Path) -> None:
    async with scripted() as script:
        with pytest.raises(Disconnected):
            await script.save(tmp_path / "a", whole(cut=300), attempts=1)
        (tmp_path / "a.toolkit-part").write_bytes(b"x" * 300)
        with pytest.raises(RemoteProtocolError, match="repr-digest"):
            await script.save(tmp_path / "a", part(300, more=f'etag: "1"\r\nrepr-digest: {DIGEST}\r\n'))
    assert names(tmp_path) == []


async def test_a_digest_in_the_trailers(tmp_path: Path) -> None:
    """RFC 9530 6.3."""
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: repr-digest\r\nconnection: close\r\n\r\n"
    body = b"%x\r\n%b\r\n0\r\nrepr-digest: %b\r\n\r\n"
    async with scripted() as script:
        await script.save(tmp_path / "a", head + body % (SIZE, DATA, DIGEST.encode()))
        with pytest.raises(RemoteProtocolError, match="repr-digest"):
            await script.save(tmp_path / "b", head + body % (SIZE, DATA, WRONG.encode()))
    assert names(tmp_path) == ["a"]


# With our own server


async def test_against_our_own_static_files(tmp_path: Path) -> None:
    folder = tmp_path / "from"
    folder.mkdir()
    (folder / "a.bin").write_bytes(os.urandom(2_000_000))
    os.utime(folder / "a.bin", (1, 1))
    web = App(port=0)
    web.static("/", folder, StaticOptions())

    class Enough(Exception):
        """Enough was seen."""

    def stop(done: int, total: int | None) -> None:
        if done > 500_000:
            raise Enough

    async with served(web, "tcp") as here, here.session(base_url=here.url) as http:
        with pytest.raises(Enough):
            await http.get("/a.bin").save(tmp_path / "b.bin", progress=stop)
        told: list[int] = []
        await http.get("/a.bin").save(tmp_path / "b.bin", progress=lambda done, _: told.append(done), fsync=True)
    assert told[0] > 500_000
    assert (tmp_path / "b.bin").read_bytes() == (folder / "a.bin").read_bytes()
    assert names(tmp_path) == ["b.bin", "from"]


# What it may be given


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"path": 1}, "expected the path of a file"),
        ({"path": ""}, "expected the path of a file"),
        ({"attempts": 0}, "a whole number of requests"),
        ({"attempts": True}, "a whole number of requests"),
        ({"progress": "yes"}, "expected True, False, or a function"),
    ],
)
def test_what_it_may_not_be_given(options: dict[str, object], told: str) -> None:
    with pytest.raises(UseError, match=told):
        SaveOptions(**options)  # type: ignore[arg-type]
