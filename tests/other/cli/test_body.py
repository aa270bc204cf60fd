"""What is sent: curl's ways to say it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from toolkit.other.cli.arguments import parse
from toolkit.other.cli.body import body_of, joined, read_pieces, upload_url, urlencoded
from toolkit.other.cli.statuses import Exit, Stop

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.other.cli.body import Outbound

U = "http://a.test/"


def made(*words: str, method: str = "POST") -> Outbound:
    return body_of(parse([method, U, *words]))


def stdin_is(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_method_that_has_a_body_has_an_empty_one(method: str) -> None:
    assert made(method=method).options == {"body": b""}


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "HEAD", "PROPFIND"])
def test_any_other_has_none(method: str) -> None:
    assert made(method=method).options == {}


def test_pairs_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_bytes(b"x=1\r\n&y=2\n\0")
    stdin_is(monkeypatch, b"from stdin")
    out = made("-d", "a=b", "-d", f"@{tmp_path}/f", "--data-binary", f"@{tmp_path}/f", "--data-raw", "@f", "-d", "@-")
    assert out.options == {"body": b"a=b&x=1&y=2&x=1\r\n&y=2\n\0&@f&from stdin"}
    assert out.fields == [("content-type", "application/x-www-form-urlencoded")]


def test_json(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"1}")
    out = made("--json", '{"a":', "--json", f"@{tmp_path}/f")
    assert out.options == {"body": b'{"a":1}'}
    assert out.fields == [("content-type", "application/json"), ("accept", "application/json")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b&c", b"a+b%26c"),
        ("=a=b", b"a%3Db"),
        ("n=a b", b"n=a+b"),
        ("n=a@b", b"n=a%40b"),
        ("@FILE", b"%C3%A4%0A"),
        ("n@FILE", b"n=%C3%A4%0A"),
    ],
)
def test_text_is_encoded(text: str, expected: bytes, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("\u00e4\n", encoding="utf-8")
    assert urlencoded(text.replace("FILE", f"{tmp_path}/f")) == expected


def test_bytes_of_the_command_line_stay_what_they_are() -> None:
    assert joined(parse(["POST", U, "-d", os.fsdecode(b"\xff=\xe4")]).pieces) == b"\xff=\xe4"


def test_parts_of_a_form(tmp_path: Path) -> None:
    file = tmp_path / "f.txt"
    file.write_bytes(b"content")
    out = made(
        *("-F", "a=b; c", "-F", f"d=@{file}", "-F", f'e=@{file};filename="g.bin";type=image/png', "-F", f"h=<{file}"),
        *("--form-string", "i=@j;type=k", "-F", "l=m;type=text/html"),
    )
    assert out.options == {
        "files": [
            ("a", (None, b"b; c", None)),
            ("d", ("f.txt", file)),
            ("e", ("g.bin", file, "image/png")),
            ("h", (None, b"content", None)),
            ("i", (None, b"@j;type=k", None)),
            ("l", (None, b"m", "text/html")),
        ]
    }


def test_a_file_is_sent_from_the_disk(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    out = made("-T", f"{tmp_path}/f", method="PUT")
    assert (out.options, out.live) == ({"body": tmp_path / "f"}, False)


async def test_a_pipe_that_has_a_name_is_sent_as_it_comes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p")
    keeps = os.open(tmp_path / "p", os.O_RDWR)  # so that nobody waits for the other end
    out = made("-T", f"{tmp_path}/p", method="PUT")
    source = out.options["body"]
    assert isinstance(source, AsyncIterator)
    os.write(keeps, b"x")
    assert (await anext(source), out.live) == (b"x", True)
    os.close(keeps)


@pytest.mark.parametrize(
    "words", [["-d", "@/no/such"], ["--json", "@/no/such"], ["-T", "/no/such"], ["-F", "a=@/no/such"]]
)
def test_what_cannot_be_read_is_26(words: list[str]) -> None:
    with pytest.raises(Stop, match="cannot read /no/such: No such file") as caught:
        made(*words)
    assert caught.value.status == Exit.READ


def test_a_part_without_a_name() -> None:
    with pytest.raises(Stop, match="expected NAME=TEXT") as caught:
        made("-F", "nonsense")
    assert caught.value.status == Exit.ARGUMENTS


async def test_input_comes_as_it_is_written() -> None:
    reading, writing = os.pipe()
    pieces = read_pieces(reading)
    os.write(writing, b"one")
    assert await anext(pieces) == b"one"
    os.write(writing, b"two")
    assert await anext(pieces) == b"two"
    os.close(writing)
    with pytest.raises(StopAsyncIteration):
        await anext(pieces)
    os.close(reading)


@pytest.mark.parametrize(
    ("url", "upload", "expected"),
    [
        ("http://a/", "x/b c", "http://a/b%20c"),
        ("http://a/?q=/", "b", "http://a/b?q=/"),
        ("http://a/b", "c", "http://a/b"),
        ("http://a/", "-", "http://a/"),
        ("http://a/", None, "http://a/"),
    ],
)
def test_into_a_folder_it_goes_under_its_name(url: str, upload: str | None, expected: str) -> None:
    assert upload_url(url, upload) == expected
