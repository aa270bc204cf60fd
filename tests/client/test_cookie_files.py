"""Cookies in files: what is written is read again, and a file that is not right adds nothing."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.client.cookie_files import (
    HEADING,
    from_json,
    from_netscape,
    read_cookies,
    to_json,
    to_netscape,
    write_cookies,
)
from toolkit.client.cookie_rules import StoredCookie
from toolkit.errors import UseError

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.protocol.cookies import SameSite

TEXT = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters=";\x7f") | st.just("\t"), max_size=9
)
SAME_SITES: list[SameSite | None] = [None, "Strict", "Lax", "None"]
COOKIES = st.builds(
    StoredCookie,
    TEXT.filter(lambda text: "=" not in text),
    TEXT.filter(bool),
    st.sampled_from(["a.test", "www.a.test", "127.0.0.1", "::1"]),
    TEXT.map(lambda text: f"/{text}"),
    st.booleans(),
    st.none() | st.integers(1, 10**11).map(float),
    st.booleans(),
    st.booleans(),
    st.sampled_from(SAME_SITES),
    st.booleans(),
)


@given(st.lists(COOKIES, max_size=5))
def test_json_keeps_everything(cookies: list[StoredCookie]) -> None:
    assert from_json(to_json(cookies)) == cookies


def sayable(cookie: StoredCookie) -> bool:
    return bool(cookie.name) and not any("\t" in text for text in (cookie.name, cookie.value, cookie.path))


@given(st.lists(COOKIES, max_size=5))
def test_cookies_txt_keeps_what_it_can_say(cookies: list[StoredCookie]) -> None:
    found = from_netscape(to_netscape(cookies))
    assert found == [
        StoredCookie(one.name, one.value, one.domain, one.path, one.host_only, one.expires, one.secure, one.httponly)
        for one in cookies
        if sayable(one)
    ]


def test_cookies_txt_looks_as_curl_writes_it() -> None:
    cookies = [
        StoredCookie("a", "b", "a.test", "/", host_only=False, expires=1900000000.5, secure=True),
        StoredCookie("c", "", "www.a.test", "/x", httponly=True),
    ]
    assert to_netscape(cookies) == (
        HEADING + ".a.test\tTRUE\t/\tTRUE\t1900000000\ta\tb\n#HttpOnly_www.a.test\tFALSE\t/x\tFALSE\t0\tc\t\n"
    )


def test_what_others_write_is_read() -> None:
    text = "# a comment\r\n\r\nA.test\tfalse\t/\tFalse\t1900000000.25\tb\tc\r\n.a.test\tTRUE\t/\tTRUE\t0\td\n"
    assert from_netscape(text) == [
        StoredCookie("b", "c", "a.test", expires=1900000000.0),
        StoredCookie("d", "", "a.test", host_only=False, secure=True),
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a.test FALSE / FALSE 0 a hunter2", "line 2: expected seven columns"),
        ("a.test\tFALSE\t/\tFALSE\t0\ta\thunter2\tb", "line 2: expected seven columns"),
        ("a.test\tNO\t/\tFALSE\t0\ta\thunter2", "line 2: expected TRUE or FALSE"),
        ("a.test\tTRUE\t/\t1\t0\ta\thunter2", "line 2: expected TRUE or FALSE"),
        ("a.test\tTRUE\t/\tTRUE\tsoon\ta\thunter2", "line 2: expected seconds"),
        ("a.test\tTRUE\t/\tTRUE\t-1\ta\thunter2", "line 2: expected seconds"),
        ("a.test\tTRUE\tx\tTRUE\t0\ta\thunter2", "line 2: path"),
        (".\tTRUE\t/\tTRUE\t0\ta\thunter2", "line 2: domain"),
        ("a.test\tTRUE\t/\tTRUE\t0\ta;b\thunter2", "line 2: name"),
        ("a.test\tTRUE\t/\tTRUE\t0\ta\thunter2; c", "line 2: value"),
        ("a.test\tTRUE\t/\tTRUE\t0\ta\thunter2\rX: y", "line 2: value"),
    ],
)
def test_a_malformed_cookies_txt_is_told_by_its_line(line: str, why: str, tmp_path: Path) -> None:
    file = tmp_path / "cookies.txt"
    file.write_bytes(f"# x\n{line}\n".encode("latin-1"))
    with pytest.raises(UseError, match=f"cookies.txt: {why}") as caught:
        read_cookies(file)
    assert "hunter2" not in str(caught.value)


GOOD = {name: getattr(StoredCookie("a", "hunter2", "a.test"), name) for name in StoredCookie.__slots__}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": 1}, "name: expected str"),
        ({"value": None}, "value: expected str"),
        ({"value": "hunter2\r\nx: y"}, "value: a character"),
        ({"value": "hunter2\u20ac"}, "value: a character"),
        ({"value": "hunter2; c=d"}, "value: a character"),
        ({"name": "a=b"}, "name: expected one without '='"),
        ({"name": "", "value": ""}, "name: expected one"),
        ({"value": "x" * 4096}, "name: expected one without '=', of at most 4096 bytes"),
        ({"domain": "\u00e4.test"}, "domain: expected a host's name"),
        ({"domain": "A.test"}, "domain: expected a host's name in lower case"),
        ({"domain": ""}, "domain: expected a host's name"),
        ({"path": "x"}, "path: expected one that begins"),
        ({"host_only": 1}, "host_only: expected bool"),
        ({"expires": "1"}, "expires: expected float or int or null"),
        ({"expires": -1}, "expires: expected seconds since 1970"),
        ({"expires": 1e15}, "expires: expected seconds since 1970"),
        ({"samesite": "Maybe"}, "samesite: expected 'Strict'"),
        ({"more": 1}, "expected the members name, value"),
    ],
)
def test_a_malformed_entry_is_told_by_its_number(change: dict[str, object], why: str, tmp_path: Path) -> None:
    file = tmp_path / "jar.json"
    entries = [GOOD, {**GOOD, **change}]
    file.write_bytes(orjson.dumps({"kind": "toolkit cookies", "version": 1, "cookies": entries}))
    with pytest.raises(UseError, match=f"cookie 2: {why}") as caught:
        read_cookies(file)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "no JSON: line 1"),
        (b"{}", "expected {'kind'"),
        (b'{"cookies": []}', "expected {'kind'"),
        (b'{"kind": "toolkit cookies", "version": 2, "cookies": []}', "expected {'kind'"),
        (b'{"kind": "toolkit cookies", "version": 1, "cookies": [1]}', "cookie 1: expected an object"),
        (b"hello", "line 1: expected seven columns"),
    ],
)
def test_a_file_of_another_kind_is_told(content: bytes, why: str, tmp_path: Path) -> None:
    file = tmp_path / "jar"
    file.write_bytes(content)
    with pytest.raises(UseError, match=why):
        read_cookies(file)


@given(st.binary(max_size=200))
def test_no_bytes_but_a_value_error(data: bytes) -> None:
    for read in (from_json, lambda data: from_netscape(data.decode("latin-1"))):
        try:
            read(data)
        except ValueError:
            continue


def test_a_file_is_its_owner_s_alone_and_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "jar.json"
    link = tmp_path / "link.json"
    file.write_text("old")
    file.chmod(0o644)
    link.symlink_to(file)
    write_cookies(link, [StoredCookie("a", "b", "a.test")], "json")
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in read_cookies(file)] == ["a"]
    assert sorted(os.listdir(tmp_path)) == ["jar.json", "link.json"]


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "jar.json").mkdir()
    with pytest.raises(OSError, match=r"jar\.json"):
        write_cookies(tmp_path / "jar.json", [], "json")
    assert os.listdir(tmp_path) == ["jar.json"]
    with pytest.raises(UseError, match="form='yaml': expected 'json' or 'netscape'"):
        write_cookies(tmp_path / "x", [], "yaml")  # type: ignore[arg-type]  # as a program without types has it
