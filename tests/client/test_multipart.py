"""What `files=` may hold, the length it comes to, whether it can be sent again; and whole uploads, read by a server."""

from __future__ import annotations

import gzip
import io
import os
from typing import IO, TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.served import KINDS, served
from toolkit import App, Deliver, Request, Session
from toolkit.client.multipart import HELD, Multipart, Part, make_multipart
from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BIG = bytes(range(256)) * 1024  # 256 KiB: more than goes in one write


async def parts() -> AsyncIterator[bytes]:
    yield b"ab"
    yield b"c"


def one(files: object) -> Part:
    (part,) = make_multipart([], files).parts
    return part


def head(disposition: str, content_type: str | None = None) -> bytes:
    """What stands behind a delimiter."""
    lines = [f"content-disposition: form-data; {disposition}"]
    if content_type is not None:
        lines.append(f"content-type: {content_type}")
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "photo.png"
    file.write_bytes(b"12345")
    return file


# Of what


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (b"abc", head('name="f"; filename="f"', "application/octet-stream")),
        (bytearray(b"abc"), head('name="f"; filename="f"', "application/octet-stream")),
        (memoryview(b"abc"), head('name="f"; filename="f"', "application/octet-stream")),
        (("a.txt", b"abc"), head('name="f"; filename="a.txt"', "text/plain")),
        (("a.txt", "abc"), head('name="f"; filename="a.txt"', "text/plain")),
        (("a.txt", b"abc", None), head('name="f"; filename="a.txt"', "text/plain")),
        (("a.txt", b"abc", "x/y"), head('name="f"; filename="a.txt"', "x/y")),
        ((None, b"abc"), head('name="f"')),  # a field, and no file
        ((None, b"abc", "application/json"), head('name="f"', "application/json")),
        (("", b"abc"), head('name="f"; filename=""', "application/octet-stream")),
        (("../a b.json", b"abc"), head('name="f"; filename="../a b.json"', "application/json")),
    ],
)
def test_a_content_and_what_is_said_of_it(spec: object, expected: bytes) -> None:
    part = one({"f": spec})
    assert part.head.partition(b"\r\n")[2] == expected
    assert (part.content, part.length, part.replayable) == (b"abc", 3, True)


def test_a_path_gives_its_name_and_length(path: Path) -> None:
    part = one({"f": path})
    assert part.head.partition(b"\r\n")[2] == head('name="f"; filename="photo.png"', "image/png")
    assert (part.content, part.length, part.replayable) == (path, 5, True)


@pytest.mark.parametrize("start", [0, 2])
def test_an_open_file_is_sent_from_where_it_stands(path: Path, start: int) -> None:
    with path.open("rb") as file:
        file.seek(start)
        part = one({"f": file})
        assert b'filename="photo.png"' in part.head
        assert (part.length, part.start, part.replayable) == (5 - start, start, True)


def test_a_file_in_memory_has_the_fields_name() -> None:
    part = one({"f": io.BytesIO(b"abc")})
    assert (part.length, part.replayable, b'filename="f"' in part.head) == (3, True, True)


def test_a_files_descriptor_is_no_name() -> None:
    read_end, write_end = os.pipe()
    os.close(write_end)
    with open(read_end, "rb", buffering=0) as file:
        part = one({"f": file})
        assert (part.length, part.replayable, b'filename="f"' in part.head) == (None, False, True)


def test_a_file_that_unpacks_another_has_no_known_length(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(bytes(1000)))
    with gzip.open(tmp_path / "x.gz", "rb") as file:
        assert one({"f": file}).length is None


def test_iterables_are_sent_once_and_functions_of_them_again() -> None:
    assert (one({"f": parts()}).length, one({"f": parts()}).replayable) == (None, False)
    assert (one({"f": parts}).length, one({"f": ("n", parts)}).replayable) == (None, True)


def test_order_and_repetition() -> None:
    form = make_multipart([("a", "1"), ("b", "2"), ("a", "3")], [("f", b"4"), ("g", b"5"), ("f", b"6")])
    assert [(part.head.split(b'"')[1], part.content) for part in form.parts] == [
        (b"a", b"1"),
        (b"b", b"2"),
        (b"a", b"3"),
        (b"f", b"4"),
        (b"g", b"5"),
        (b"f", b"6"),
    ]
    assert len(make_multipart([], {"f": [b"1", ("n", b"2")]}).parts) == 2


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ("x", "files=str: expected a mapping, or a list of (name, file)"),
        ([b"x"], "files: b'x': expected a pair of a name and a file"),
        ({1: b"x"}, "expected a pair"),
        ({"f": "x"}, "'f' is str: expected a Path"),
        ({"f": "x"}, "Path('x') is a file, 'x'.encode() its content"),
        ({"f": None}, "'f' is NoneType: expected a Path, bytes, a binary file"),
        ({"f": 1}, "'f' is int"),
        ({"f": ("n",)}, "'f' has a tuple of 1; expected (filename, content[, content type])"),
        ({"f": ("n", b"x", "a/b", {})}, "a tuple of 4"),
        ({"f": (1, b"x")}, "a file name or content type that is no str"),
        ({"f": ("n", b"x", 1)}, "a file name or content type that is no str"),
        ({"f": io.StringIO("x")}, "'f' is a file opened as text; open it with mode 'rb'"),
    ],
)
def test_what_is_no_file_is_a_use_error(files: object, expected: str) -> None:
    with pytest.raises(UseError) as caught:
        make_multipart([], files)
    assert expected in str(caught.value)


def test_a_path_that_cannot_be_read_says_so_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"files: 'f': No such file or directory: '.*absent'"):
        make_multipart([], {"f": tmp_path / "absent"})
    with pytest.raises(IsADirectoryError):
        make_multipart([], {"f": tmp_path})


# All of it


@given(st.lists(st.tuples(st.text("abc", max_size=3), st.binary(max_size=50)), max_size=5))
def test_the_length_is_that_of_the_bytes(pairs: list[tuple[str, bytes]]) -> None:
    form = make_multipart([(name, "x") for name, _ in pairs], pairs)
    whole = form.whole()
    assert whole is not None
    assert len(whole) == form.length


def test_one_part_of_unknown_length_leaves_all_unknown() -> None:
    form = make_multipart([("a", "1")], {"f": parts, "g": b"x"})
    assert (form.length, form.replayable, form.whole()) == (None, True, None)
    assert not make_multipart([], {"f": parts(), "g": b"x"}).replayable


def test_what_is_large_or_a_file_is_not_joined(path: Path) -> None:
    assert make_multipart([], {"f": bytes(HELD)}).whole() is None
    assert make_multipart([], {"f": path}).whole() is None


def test_each_form_has_its_own_boundary() -> None:
    first, second = make_multipart([], {"f": b""}), make_multipart([], {"f": b""})
    assert isinstance(first, Multipart)
    assert first.content_type == f"multipart/form-data; boundary={first.boundary}"
    assert first.boundary != second.boundary


# Sent, and read by a server


def reading() -> App:
    web = App(port=0)

    @web.route("/form", methods=("POST", "PUT"))
    async def form(r: Request) -> object:
        if r.query:
            await r.read()
            return Deliver.redirect("/form", 307)
        read = await r.form()
        files = [(file.name, file.filename, file.content_type, len(await file.read())) for file in read.files()]
        fields = [(name, value) for name, value in read.pairs if isinstance(value, str)]
        return {"length": r.content_length, "fields": fields, "files": files}

    return web


async def sent(http: Session, url: str = "/form", **options: object) -> dict[str, object]:
    answer = await http.post(url, **options)  # type: ignore[arg-type]  # by their names
    seen = await answer.raise_for_status().json()
    assert isinstance(seen, dict)
    return dict(seen)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_form_with_files_of_every_kind(kind: str, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(BIG)
    async with served(reading(), kind) as here, here.session(base_url=here.url or "http://localhost") as http:
        with large.open("rb") as file:
            file.seek(1000)
            files = [("a", large), ("b", file), ("c", BIG), ("d", ("\u00e4.txt", b"small")), ("e", io.BytesIO(b"12"))]
            seen = await sent(http, form={"x": "1", "y": ["2", "3"]}, files=files)
        assert seen["fields"] == [["x", "1"], ["y", "2"], ["y", "3"]]
        assert seen["files"] == [
            ["a", "large.bin", "application/octet-stream", len(BIG)],
            ["b", "large.bin", "application/octet-stream", len(BIG) - 1000],
            ["c", "c", "application/octet-stream", len(BIG)],
            ["d", "\u00e4.txt", "text/plain", 5],
            ["e", "e", "application/octet-stream", 2],
        ]
        assert cast("int", seen["length"]) > 3 * len(BIG) - 1000


async def test_many_small_parts_and_large_ones_between() -> None:
    async with Session(app=reading()) as http:
        sizes = [40_000, 40_000, 10, 300_000, 0, 70_000, 1, 65_536]
        seen = await sent(http, files=[("f", bytes(size)) for size in sizes])
        assert [file[3] for file in cast("list[list[object]]", seen["files"])] == sizes


async def test_parts_of_unknown_length_are_chunked() -> None:
    async with Session(app=reading()) as http:
        seen = await sent(http, files={"f": ("n", parts()), "g": b"x"})
        assert seen["length"] is None
        assert seen["files"] == [["f", "n", "application/octet-stream", 3], ["g", "g", "application/octet-stream", 1]]


async def test_a_form_of_exchanges() -> None:
    web = reading()

    @web.get("/source")
    async def source(r: Request) -> bytes:
        return BIG

    async with Session(app=web) as http, http.get("/source") as x:
        seen = await sent(http, files={"f": ("n", x)})
        assert seen["files"] == [["f", "n", "application/octet-stream", len(BIG)]]


@pytest.mark.parametrize("kind", ["path", "file", "gzip", "bytes", "function"])
async def test_a_form_that_can_be_sent_again_is(kind: str, tmp_path: Path) -> None:
    async def large() -> AsyncIterator[bytes]:
        yield BIG

    (tmp_path / "plain").write_bytes(BIG)
    with gzip.open(tmp_path / "packed", "wb") as packing:
        packing.write(BIG)
    with (tmp_path / "plain").open("rb") as plain, gzip.open(tmp_path / "packed", "rb") as packed:
        content = {
            "path": tmp_path / "plain",
            "file": plain,
            "gzip": cast("IO[bytes]", packed),
            "bytes": BIG,
            "function": large,
        }[kind]
        async with Session(app=reading()) as http:
            seen = await sent(http, "/form?again=1", files={"f": ("n", content)}, follow_redirects=True)
            assert seen["files"] == [["f", "n", "application/octet-stream", len(BIG)]]


async def test_the_callers_own_content_type_counts() -> None:
    # ... and then the boundary is his business: nobody can read this one.
    async with Session(app=reading()) as http:
        answer = await http.post("/form", {"content-type": "multipart/form-data; boundary=x"}, files={"f": b"1"})
        assert answer.status == 400
