"""Listings: what is in them, in which form, and that no name is more than a name."""

from __future__ import annotations

import html
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin

import orjson
import pytest

from toolkit import App, Session, StaticOptions, StaticServer
from toolkit.server import listing
from toolkit.server.beneath import NotBeneath
from toolkit.server.listing import Listed, read_folder

if TYPE_CHECKING:
    from pathlib import Path

AT = 784111777
NASTY = ["<script>alert(1)<script>", '"onmouseover="x', "a&b", "javascript:alert(1)", "a b#c?d", "100%", "\u00e4", "'"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub" / "deeper").mkdir(parents=True)
    for name in ("b.txt", "a.txt", ".hidden", "sub/inside.txt"):
        (root / name).write_bytes(b"12345")
        os.utime(root / name, (AT, AT))
    os.utime(root / "sub", (AT, AT))
    os.symlink("/etc/passwd", root / "link")
    os.mkfifo(root / "fifo")
    return root


async def get(folder: Path, path: str, accept: str = "", **options: bool) -> tuple[int | None, dict[str, str], bytes]:
    web = App(port=0)
    web.attach(StaticServer("/files", folder, options=StaticOptions(listing=True, **options)))  # type: ignore[arg-type]
    async with Session(app=web) as http:
        x = await http.get(path, {"accept": accept} if accept else None)
        return x.status, dict(x.headers.items()), x.content


def test_folders_come_first_and_only_files_and_folders(folder: Path) -> None:
    assert read_folder(str(folder), ()) == [
        Listed("sub", True, 0, AT),
        Listed("a.txt", False, 5, AT),
        Listed("b.txt", False, 5, AT),
    ]
    assert [one.name for one in read_folder(str(folder), (), dotfiles=True)] == ["sub", ".hidden", "a.txt", "b.txt"]


def test_what_is_no_folder_is_not_read(folder: Path) -> None:
    for names in (("a.txt",), ("none",), ("link",), ("fifo",)):
        with pytest.raises(NotBeneath):
            read_folder(str(folder), names)


async def test_a_listing_is_html_or_json(folder: Path) -> None:
    status, fields, body = await get(folder, "/files/")
    assert status == 200
    assert fields["content-type"] == "text/html; charset=utf-8"
    assert fields["vary"] == "accept"
    assert b'<a href="./sub/">sub/</a>' in body
    assert b".hidden" not in body
    status, fields, body = await get(folder, "/files/", "application/json")
    assert orjson.loads(body) == [
        {"name": "sub", "folder": True, "size": 0, "modified": AT},
        {"name": "a.txt", "folder": False, "size": 5, "modified": AT},
        {"name": "b.txt", "folder": False, "size": 5, "modified": AT},
    ]


async def test_a_folder_below_has_a_way_up(folder: Path) -> None:
    assert b'href="../"' not in (await get(folder, "/files/"))[2]
    status, fields, _ = await get(folder, "/files/sub")
    assert (status, fields["location"]) == (308, "./sub/")
    status, _, body = await get(folder, "/files/sub/")
    assert b'href="../"' in body
    assert b"inside.txt" in body


async def test_an_index_stands_for_its_folder(folder: Path) -> None:
    (folder / "sub" / "index.html").write_bytes(b"index")
    assert (await get(folder, "/files/sub/"))[2] == b"index"


async def test_without_the_option_there_is_none(folder: Path) -> None:
    web = App(port=0)
    web.attach(StaticServer("/files", folder))
    async with Session(app=web) as http:
        for path in ("/files/", "/files/sub/", "/files/sub"):
            assert (await http.get(path)).status == 404


@pytest.mark.parametrize("name", NASTY)
async def test_a_name_is_escaped_and_its_link_leads_to_it(folder: Path, name: str) -> None:
    """CVE-2024-27306"""
    (folder / name).write_bytes(b"content")
    _, fields, body = await get(folder, "/files/")
    assert "default-src 'none'" in fields["content-security-policy"]
    text = body.decode()
    assert "<script" not in text
    links = {
        html.unescape(shown): html.unescape(link) for link, shown in re.findall(r'<a href="([^"]*)">(.*?)</a>', text)
    }
    target = urljoin("http://host/files/", links[name])
    assert target.startswith("http://host/files/")
    assert unquote(target.removeprefix("http://host/files/")) == name
    assert (await get(folder, target.removeprefix("http://host")))[2] == b"content"


async def test_the_title_is_escaped(folder: Path) -> None:
    (folder / "<b>").mkdir()
    _, _, body = await get(folder, "/files/%3Cb%3E/")
    assert b"<b>" not in body
    assert b"&lt;b&gt;" in body


async def test_a_folder_that_goes_meanwhile_is_404(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(path: object) -> list[str]:
        raise FileNotFoundError

    monkeypatch.setattr(os, "listdir", gone)
    assert (await get(folder, "/files/"))[0] == 404


def test_a_file_that_goes_meanwhile_is_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: [*really(path), "was-here"])
    assert "was-here" not in [one.name for one in read_folder(str(folder), ())]


def test_a_listing_has_an_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST", 2)
    assert len(read_folder(str(folder), ())) == 2
