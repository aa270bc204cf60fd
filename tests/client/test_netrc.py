"""Logins from a .netrc file: which host gets which, and what is wrong with a file."""

from __future__ import annotations

import os
from base64 import b64decode
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from toolkit.client.auth import Digest
from toolkit.client.netrc import Entry, Netrc, parse_netrc
from toolkit.client.policies import Outgoing
from toolkit.errors import UseError
from toolkit.protocol.headers import Headers

if TYPE_CHECKING:
    from pathlib import Path

FILE = """
# a comment
machine a.test login ada password hunter2
machine B.test

    # another
    login bob
    password "with spaces and #"
machine nobody.test
machine only.test login someone
"""
DEFAULT = "default login anonymous password guest@a.test\n"


def login(auth: Netrc, url: str) -> str | None:
    given = auth.prepare(Outgoing("GET", URL(url), "/", Headers(), b""))
    if given is None:
        return None
    assert isinstance(given, list)
    return b64decode(Headers(given)["authorization"].removeprefix("Basic ")).decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "netrc"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize(
    ("rule", "url", "alone", "with_default"),
    [
        ("by host", "https://a.test/", "ada:hunter2", "ada:hunter2"),
        ("any port and scheme", "http://a.test:8080/x", "ada:hunter2", "ada:hunter2"),
        ("any case", "https://b.test/", "bob:with spaces and #", "bob:with spaces and #"),
        ("no password", "https://only.test/", "someone:", "someone:"),
        ("exactly that host", "https://www.a.test/", None, "anonymous:guest@a.test"),
        ("exactly that host", "https://xa.test/", None, "anonymous:guest@a.test"),
        ("exactly that host", "https://a.test.evil/", None, "anonymous:guest@a.test"),
        ("an entry without a login is nobody's", "https://nobody.test/", None, None),
        ("default is no host", "https://default/", None, "anonymous:guest@a.test"),
    ],
)
def test_who_gets_which_login(rule: str, url: str, alone: str | None, with_default: str | None, file: Path) -> None:
    """Exact hosts only (CVE-2024-47081), and no entry borrows another's password (CVE-2025-0167)."""
    assert login(Netrc(file), url) == alone
    file.write_text(FILE + DEFAULT)
    assert login(Netrc(file), url) == with_default


def test_the_kind_says_how_it_is_sent(file: Path) -> None:
    auth = Netrc(file, kind=Digest)
    assert login(auth, "https://a.test/") is None  # not before a challenge
    assert isinstance(auth._for(Outgoing("GET", URL("https://a.test/"), "/", Headers(), b"")), Digest)


def test_where_it_is_looked_for(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETRC", str(file))
    assert login(Netrc(), "https://a.test/") == "ada:hunter2"
    monkeypatch.delenv("NETRC")
    monkeypatch.setenv("HOME", str(file.parent))
    with pytest.raises(UseError, match=r"\.netrc is not there; Netrc\(path\) names another file"):
        Netrc()
    home = file.rename(file.parent / ".netrc")
    home.chmod(0o600)
    assert login(Netrc(), "https://a.test/") == "ada:hunter2"
    home.chmod(0o644)
    with pytest.raises(UseError, match=r"\.netrc: others may read it; chmod 600"):
        Netrc()


@pytest.mark.parametrize(
    ("rule", "text", "entries"),
    [
        ("nothing", "", {}),
        ("nothing", " \n\n", {}),
        ("one line", "machine a login b password c", {"a": Entry("b", "c")}),
        ("many lines", "machine\na\n\tlogin\r\n b\n\n password c", {"a": Entry("b", "c")}),
        ("any order", "machine a password c account x login b", {"a": Entry("b", "c")}),
        ("user is login", "machine a user b", {"a": Entry("b")}),
        ("an account is read over", "machine a login b account c password d", {"a": Entry("b", "d")}),
        ("default", "default login b", {"": Entry("b")}),
        ("the first counts", "machine a login b machine A login c", {"a": Entry("b")}),
        ("the last word of an entry counts", "machine a login b login c", {"a": Entry("c")}),
        ("quotes", 'machine a login "b c" password ""', {"a": Entry("b c")}),
        ("quotes", 'machine a password "\\"\\\\\\n\\t\\x"', {"a": Entry("", '"\\\n\tx')}),
        ("a quote inside", 'machine a password b"c', {"a": Entry("", 'b"c')}),
        ("a backslash without quotes", "machine a password b\\c", {"a": Entry("", "b\\c")}),
        ("comments", "# x machine\nmachine a # y\n\n# z\n login b # password d", {"a": Entry("b")}),
        ("no comment", "machine a login #b password #", {"a": Entry("#b", "#")}),
        ("keywords as words", "machine login login machine password password", {"login": Entry("machine", "password")}),
        ("macros", "machine a login b\nmacdef init\n login x\n quit\n\nmachine c", {"a": Entry("b"), "c": Entry()}),
        ("a macro at the end", "macdef init\nmachine a", {}),
    ],
)
def test_the_grammar(rule: str, text: str, entries: dict[str, Entry]) -> None:
    assert parse_netrc(text) == entries


@given(st.text(max_size=60) | st.text('machine login"\\#\n ', max_size=60))
def test_no_text_but_a_value_error(text: str) -> None:
    try:
        found = parse_netrc(text)
    except ValueError as error:
        found = {str(error)[:5]: Entry()}
    assert all(host == "line " or host == host.lower() for host in found)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (
            b"# x\nmachine a login ada password hunter2 hunter2\n",
            "netrc: line 2: expected 'machine', 'default', 'login'",
        ),
        (b"hunter2", "netrc: line 1: expected 'machine', 'default', 'login'"),
        (b'"machine" hunter2', "netrc: line 1: expected 'machine'"),
        (b"\n\nmachine", "netrc: line 3: expected something behind 'machine'"),
        (b"password hunter2", "netrc: line 1: expected 'machine' or 'default' before 'password'"),
        (b'machine a password "hunter2', "netrc: line 1: the quotes behind 'password' are not closed"),
        (b'machine a password "hunter2"x', "netrc: line 1: the quotes behind 'password' are not closed"),
    ],
)
def test_a_malformed_file_is_told_without_what_is_in_it(content: bytes, why: str, file: Path) -> None:
    file.write_bytes(content)
    with pytest.raises(UseError, match=why) as caught:
        Netrc(file)
    assert "hunter2" not in str(caught.value)


def test_text_is_utf_8_or_else_iso_8859_1(file: Path) -> None:
    for coding in ("utf-8", "latin-1"):
        file.write_bytes("machine a.test login \u00e4".encode(coding))
        assert login(Netrc(file), "https://a.test/") == "\u00e4:"


def test_somebody_else_s_file_is_not_taken_for_one_s_own(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("HOME", str(file.parent))
    file.rename(file.parent / ".netrc").chmod(0o600)
    monkeypatch.setattr(os, "getuid", lambda: -1)
    with pytest.raises(UseError, match=r"\.netrc: it belongs to somebody else"):
        Netrc()


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UseError, match="cannot be read: IsADirectoryError"):
        Netrc(tmp_path)


def test_it_shows_its_path_alone(file: Path) -> None:
    assert repr(Netrc(file)) == f"Netrc({str(file)!r})"
    assert "hunter2" not in repr(parse_netrc(FILE))
