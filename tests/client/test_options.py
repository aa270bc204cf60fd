"""What a request may be given: each kind of body, its length, and whether it can be sent again."""

from __future__ import annotations

import gzip
import io
import os
from typing import IO, TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit import App, Request, Session
from toolkit.client.options import OF_TURNS, PLAIN, Body, RequestOptions, make_body, takes_turns
from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from toolkit.protocol.forms import Pairs
    from toolkit.protocol.headers import Fields

JSON = [(b"content-type", b"application/json")]
TEXT = [(b"content-type", b"text/plain; charset=utf-8")]


def made(options: RequestOptions) -> Body:
    body = make_body(options)
    assert body is not None
    return body


async def parts() -> AsyncIterator[bytes]:
    yield b"ab"
    yield b"c"


class Unseekable(io.RawIOBase):
    """A file of unknown size, as a pipe is."""

    def tell(self) -> int:
        raise OSError("no")


# Which there are


def test_every_option_is_plain_or_makes_turns() -> None:
    assert RequestOptions.__annotations__.keys() == PLAIN | OF_TURNS
    assert not PLAIN & OF_TURNS


@pytest.mark.parametrize("name", sorted(RequestOptions.__annotations__))
def test_an_option_is_known(name: str) -> None:
    assert takes_turns(cast("RequestOptions", {name: None})) is (name in OF_TURNS)
    assert takes_turns(cast("RequestOptions", {name: None, "json": 1, "body": 2})) is (name in OF_TURNS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("data", "data= is no option of a request; here it is body=, or form="),
        ("timeout", "here it is timeouts=Timeouts(...)"),
        ("allow_redirects", "here it is follow_redirects="),
        ("jsn", "jsn= is no option of a request; expected auth, body, coding, cookies, decode,"),
    ],
)
def test_what_is_no_option_is_a_use_error(name: str, expected: str) -> None:
    for others in ({}, {"json": 1}, {"follow_redirects": True}):
        with pytest.raises(UseError) as caught:
            takes_turns(cast("RequestOptions", {**others, name: 1}))
        assert expected in str(caught.value)
    with pytest.raises(UseError, match="is no option of a request"):
        _ = Session().get("http://a.test/", **{name: 1})  # type: ignore[arg-type]  # the mistake itself


# Of what


@pytest.mark.parametrize("options", [{}, {"body": None}, {"params": {"a": "b"}}])
def test_no_body(options: RequestOptions) -> None:
    assert make_body(options) is None


@pytest.mark.parametrize(
    ("options", "data", "fields"),
    [
        ({"body": b"abc"}, b"abc", []),
        ({"body": b""}, b"", []),
        ({"body": bytearray(b"abc")}, b"abc", []),
        ({"body": memoryview(b"xabcx")[1:4]}, b"abc", []),
        ({"body": "caf\u00e9"}, b"caf\xc3\xa9", TEXT),
        ({"json": {"a": [1, None, "\u00fc"]}}, '{"a":[1,null,"\u00fc"]}'.encode(), JSON),
        ({"json": None}, b"null", JSON),  # null is a JSON text, and was given
        ({"json": []}, b"[]", JSON),
        ({"json": 0}, b"0", JSON),
    ],
)
def test_whole_bodies(options: RequestOptions, data: bytes, fields: Fields) -> None:
    body = made(options)
    assert (body.data, body.length, body.replayable, body.fields) == (data, len(data), True, fields)


@given(st.binary(max_size=50))
def test_a_changed_buffer_does_not_change_the_body(data: bytes) -> None:
    buffer = bytearray(data)
    body = made({"body": buffer})
    buffer[:] = bytes(len(buffer))
    assert body.data == data


def test_an_async_iterable_can_be_sent_once() -> None:
    source = parts()
    body = made({"body": source})
    assert (body.data, body.source, body.length, body.replayable) == (None, source, None, False)


def test_a_function_can_be_called_again() -> None:
    body = made({"body": parts})
    assert (body.data, body.source, body.length, body.replayable) == (None, parts, None, True)


@pytest.mark.parametrize("start", [0, 2])
def test_a_file_is_sent_from_where_it_stands(start: int, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    with open(tmp_path / "f", "rb") as file:
        file.seek(start)
        body = made({"body": file})
        assert (body.length, body.start, body.replayable) == (5 - start, start, True)
        assert file.tell() == start


@pytest.mark.parametrize("start", [0, 2])
def test_a_file_in_memory(start: int) -> None:
    file = io.BytesIO(b"12345")
    file.seek(start)
    body = made({"body": file})
    assert (body.length, body.start, body.replayable) == (5 - start, start, True)
    assert file.tell() == start


def test_a_file_read_past_its_end_is_empty(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12")
    with open(tmp_path / "f", "rb") as file:
        file.seek(9)
        assert made({"body": file}).length == 0


def test_the_length_of_a_pipe_is_not_known() -> None:
    read_end, write_end = os.pipe()
    os.close(write_end)
    with open(read_end, "rb", buffering=0) as file:
        body = made({"body": file})
    assert (body.length, body.replayable) == (None, False)
    body = made({"body": Unseekable()})  # type: ignore[typeddict-item]  # a raw file is none of IO's kind by name
    assert (body.length, body.replayable) == (None, False)


def test_a_file_that_unpacks_another_has_no_known_length(tmp_path: Path) -> None:
    path = tmp_path / "f.gz"
    path.write_bytes(gzip.compress(bytes(1000)))
    with gzip.open(path, "rb") as file:
        assert made({"body": cast("IO[bytes]", file)}).length is None


def test_a_text_file_is_no_body(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with open(tmp_path / "f", encoding="utf-8") as file, pytest.raises(UseError, match="opened as text; open it with"):
        make_body({"body": file})  # type: ignore[typeddict-item]  # the mistake itself
    with pytest.raises(UseError, match="opened as text"):
        make_body({"body": io.StringIO("x")})  # type: ignore[typeddict-item]  # the same in memory


@pytest.mark.parametrize("body", [1, 1.5, {"a": 1}, [b"a"], (b"a",), True])
def test_anything_else_is_a_use_error(body: object) -> None:
    with pytest.raises(UseError, match=f"body={type(body).__name__}: expected bytes, str"):
        make_body({"body": body})  # type: ignore[typeddict-item]  # the mistake itself


@pytest.mark.parametrize("body", [[b"a"], (b"a" for _ in "a"), {b"a"}])
def test_pieces_are_told_how_they_are_sent(body: object) -> None:
    with pytest.raises(UseError, match="of pieces of bytes make an async generator"):
        make_body({"body": body})  # type: ignore[typeddict-item]  # the mistake itself


def test_progress_that_cannot_be_called_is_a_use_error() -> None:
    with pytest.raises(UseError, match="progress=5: expected a function of the bytes sent"):
        make_body({"body": b"x", "progress": 5})  # type: ignore[typeddict-item]  # the mistake itself


def test_a_dict_is_told_where_it_belongs() -> None:
    with pytest.raises(UseError, match="a dict goes into json=, form= or files="):
        make_body({"body": {"a": 1}})  # type: ignore[typeddict-item]  # the mistake itself


@pytest.mark.parametrize(
    ("options", "both"),
    [
        ({"json": 1, "body": b"1"}, "json= and body="),
        ({"json": None, "body": b"1"}, "json= and body="),
        ({"json": 1, "form": {}}, "json= and form="),
        ({"json": 1, "files": {}}, "json= and files="),
        ({"form": {}, "body": b""}, "form= and body="),
        ({"files": {}, "body": b""}, "files= and body="),
        ({"form": {}, "files": {}, "body": b""}, "form= and files="),
    ],
)
def test_several_bodies_are_too_many(options: RequestOptions, both: str) -> None:
    with pytest.raises(UseError, match=f"both {both}; give one of them"):
        make_body(options)


def test_what_is_not_given_does_not_count() -> None:
    assert made({"json": 1, "body": None, "form": None, "files": None}).data == b"1"
    assert made({"form": {}, "body": None, "files": None}).data == b""


def test_what_is_no_json_is_a_use_error() -> None:
    with pytest.raises(UseError, match="json=: Type is not JSON serializable: set") as caught:
        make_body({"json": {1}})  # type: ignore[typeddict-item]  # the mistake itself
    assert isinstance(caught.value.__cause__, TypeError)


# Forms


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ({"a": "1", "b": ["2", 3]}, b"a=1&b=2&b=3"),
        ([("a", "1"), ("a", "\u00fc b")], b"a=1&a=%C3%BC+b"),
        ({"a": None, "b": True}, b"b=true"),
        ({}, b""),
    ],
)
def test_a_form_is_urlencoded(form: Pairs, data: bytes) -> None:
    body = made({"form": form})
    assert (body.data, body.length, body.replayable) == (data, len(data), True)
    assert body.fields == [(b"content-type", b"application/x-www-form-urlencoded")]


def test_a_form_with_files_is_multipart(tmp_path: Path) -> None:
    body = made({"form": {"a": "1"}, "files": {"f": b"x"}})
    ((name, value),) = body.fields
    assert (name, value.partition(b"=")[0]) == (b"content-type", b"multipart/form-data; boundary")
    assert body.data is not None
    assert (body.length, body.replayable) == (len(body.data), True)
    (tmp_path / "f").write_bytes(b"x")
    body = made({"files": {"f": tmp_path / "f"}})
    assert (body.data, body.replayable) == (None, True)
    assert body.length is not None


def test_a_path_is_opened_when_it_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    body = made({"body": path})
    assert (body.data, body.source, body.length, body.replayable) == (None, path, 5, True)
    with pytest.raises(FileNotFoundError):
        made({"body": tmp_path / "absent"})


def test_progress_is_kept_for_the_body() -> None:
    assert made({"body": b"x", "progress": print}).progress is print
    assert made({"json": 1, "progress": print}).progress is print
    assert make_body({"progress": print}) is None


async def test_an_exchange_is_a_body_with_what_describes_it() -> None:
    web = App(port=0)

    @web.get("/")
    async def source(r: Request) -> object:
        return 200, b"abc", {"content-type": "image/png", "content-encoding": "br", "x-own": "1"}

    async with Session(app=web) as http, http.get("/", decode=False) as x:
        body = made({"body": x})
        assert (body.source, body.length, body.replayable) == (x, 3, False)
        assert body.fields == [(b"content-type", b"image/png"), (b"content-encoding", b"br")]
        assert await x.read() == b"abc"
