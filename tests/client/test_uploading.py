"""Sending a supplied body of every kind, with and without word of its progress; and sources that fail."""

from __future__ import annotations

import asyncio
import gzip
import io
import threading
from typing import IO, TYPE_CHECKING, cast

import pytest

from tests.helpers.served import KINDS, PATIENCE, served
from toolkit import App, Deliver, Request, Session
from toolkit.client.uploading import STEP, _blocks
from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from toolkit.client.options import BodySource

BIG = bytes(range(256)) * (STEP // 256) * 3 + b"and the end"  # three steps and a bit


def echo() -> App:
    web = App(port=0)

    @web.route("/count", methods=("POST", "PUT"))
    async def count(r: Request) -> object:
        data = b"".join([part async for part in r])
        return {"length": r.content_length, "size": len(data), "same": data in (BIG, BIG[5:], b"small")}

    @web.put("/moved")
    async def moved(r: Request) -> object:
        await r.read()
        return Deliver.redirect("/count", 307)

    @web.get("/source")
    async def source(r: Request) -> bytes:
        return BIG

    return web


async def blocks() -> AsyncIterator[bytes]:
    for at in range(0, len(BIG), 100_000):
        yield BIG[at : at + 100_000]


class Told:
    """Word of progress, written down."""

    def __init__(self) -> None:
        self.words: list[tuple[int, int | None]] = []

    def __call__(self, sent: int, total: int | None) -> None:
        self.words.append((sent, total))


async def put(http: Session, url: str, body: BodySource, told: Told | None) -> dict[str, object]:
    answer = await http.put(url, body=body, progress=told, follow_redirects=True)
    seen = await answer.raise_for_status().json()
    assert isinstance(seen, dict)
    return dict(seen)


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("source", ["bytes", "path", "file", "memory", "gzip", "iterable", "function", "exchange"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_body_of_every_kind(kind: str, source: str, watched: bool, tmp_path: Path) -> None:
    path, packed = tmp_path / "f", tmp_path / "f.gz"
    path.write_bytes(BIG)
    with gzip.open(packed, "wb", compresslevel=1) as packing:
        packing.write(BIG)
    told = Told() if watched else None
    async with served(echo(), kind) as here, here.session(base_url=here.url or "http://localhost") as http:
        with path.open("rb") as file, gzip.open(packed, "rb") as unpacking:
            file.seek(5)
            async with http.get("/source") as x:
                bodies: dict[str, BodySource] = {
                    "bytes": BIG,
                    "path": path,
                    "file": file,
                    "memory": io.BytesIO(BIG),
                    "gzip": cast("IO[bytes]", unpacking),
                    "iterable": blocks(),
                    "function": blocks,
                    "exchange": x,
                }
                size = len(BIG) - (5 if source == "file" else 0)
                known = source not in ("gzip", "iterable", "function")
                seen = await put(http, "/count", bodies[source], told)
                assert seen == {"length": size if known else None, "size": size, "same": True}
    if told is not None:
        counts = [sent for sent, _ in told.words]
        assert counts == sorted(set(counts))
        assert len(counts) > 3
        assert counts[-1] == size
        assert {total for _, total in told.words} == {size if known else None}


async def test_progress_begins_anew_where_the_body_is_sent_again() -> None:
    told = Told()
    async with Session(app=echo()) as http:
        assert (await put(http, "/moved", b"small", told))["same"]
    assert told.words == [(5, 5), (5, 5)]


async def test_progress_counts_what_was_given_and_not_what_is_coded() -> None:
    told = Told()
    async with Session(app=echo()) as http:
        answer = await http.put("/count", body=BIG, coding="gzip", progress=told)
        assert answer.status == 200
    assert told.words[-1] == (len(BIG), len(BIG))


async def test_progress_of_a_form_counts_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(BIG)
    told = Told()
    async with Session(app=echo()) as http:
        answer = await http.post("/count", form={"a": "1"}, files={"f": tmp_path / "f"}, progress=told)
        seen = await answer.json()
        assert isinstance(seen, dict)
        assert told.words[-1] == (seen["length"], seen["length"]) == (seen["size"], seen["size"])


async def test_what_progress_raises_ends_the_request() -> None:
    def stop(sent: int, total: int | None) -> None:
        raise KeyError("the user has had enough")

    async with Session(app=echo()) as http:
        for body in (BIG, io.BytesIO(BIG), blocks()):
            with pytest.raises(KeyError, match="enough"):
                _ = await http.put("/count", body=body, progress=stop)
        assert (await http.put("/count", body=b"small")).status == 200


async def test_a_function_that_fails_ends_the_request() -> None:
    def source() -> AsyncIterator[bytes]:
        raise LookupError("nothing there")

    async with served(echo(), "tcp") as here, here.session(base_url=here.url) as http:
        with pytest.raises(LookupError, match="nothing there"):
            _ = await http.put("/count", body=source)


async def test_a_file_that_grows_is_sent_as_long_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"small")

    class Growing:
        """A path whose file is added to when it is opened to be sent."""

        opened = 0

        def __fspath__(self) -> str:
            self.opened += 1
            if self.opened == 2:
                path.write_bytes(b"small and more")
            return str(path)

    async with Session(app=echo()) as http:
        assert await put(http, "/count", Growing(), None) == {"length": 5, "size": 5, "same": True}


async def test_a_file_that_became_shorter_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"small")

    class Shrinking:
        """A path whose file is cut when it is opened to be sent."""

        opened = 0

        def __fspath__(self) -> str:
            self.opened += 1
            if self.opened == 2:
                path.write_bytes(b"sm")
            return str(path)

    async with Session(app=echo()) as http:
        with pytest.raises(UseError, match=r"send_file\(count=5\): the file has 2 bytes from 0"):
            _ = await http.put("/count", body=Shrinking())


class Gated(io.RawIOBase):
    """A file whose reading takes until somebody opens its gate."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun = threading.Event()

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return offset

    def read(self, size: int = -1) -> bytes:
        self.begun.set()
        self.gate.wait()
        return b"late"


async def test_a_file_that_will_be_read_again_is_let_go_of_first() -> None:
    # A thread that reads cannot be stopped: what it takes would be missing from the next attempt.
    file = Gated()
    blocks_of = _blocks(cast("IO[bytes]", file), 0)
    reading = asyncio.ensure_future(anext(blocks_of))
    async with asyncio.timeout(PATIENCE):
        await asyncio.to_thread(file.begun.wait)
    reading.cancel()
    done, _ = await asyncio.wait([reading], timeout=0)
    assert not done
    file.gate.set()
    with pytest.raises(asyncio.CancelledError):
        _ = await reading


async def test_one_that_cannot_be_is_not_waited_for() -> None:
    file = Gated()
    blocks_of = _blocks(cast("IO[bytes]", file), None)
    reading = asyncio.ensure_future(anext(blocks_of))
    async with asyncio.timeout(PATIENCE):
        await asyncio.to_thread(file.begun.wait)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        _ = await reading
    file.gate.set()
