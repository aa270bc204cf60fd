"""Listings of folders, as HTML or JSON.

Every name is escaped, since it is whatever somebody called a file (CVE-2024-27306).
"""

from __future__ import annotations

import asyncio
import os
import stat
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from toolkit.protocol.dates import format_http_date
from toolkit.protocol.negotiate import choose_media_type
from toolkit.protocol.status import reason_phrase
from toolkit.server.abort import Abort
from toolkit.server.beneath import NotBeneath, folder_beneath
from toolkit.server.deliver import Deliver

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.server.answers import Answer

__all__ = ["Listed", "list_folder", "read_folder"]

MOST: Final = 10_000  #: names of one listing: a page of 1.5 MB

#: No script runs on the page, whatever it holds, and nothing is loaded into it.
POLICY: Final = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'", "vary": "accept"}

PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ font: 1rem/1.5 system-ui; margin: 2rem }} td {{ padding-right: 2rem }}</style>
<h1>{title}</h1>
<table>
{rows}
</table>
"""


class Listed(NamedTuple):
    """One name in a folder."""

    name: str
    is_folder: bool
    size: int  #: bytes; 0 for a folder
    modified: int  #: seconds since 1970


def read_folder(root: str, names: Sequence[str], *, dotfiles: bool = False) -> list[Listed]:
    """Folders first, then files, each by name; without symbolic links, what is neither, and hidden names.

    Raises `NotBeneath` if it is no folder below `root`.
    """
    found = []
    with folder_beneath(root, names) as descriptor:
        for name in sorted(os.listdir(descriptor)):
            if (name.startswith(".") and not dotfiles) or not name.isprintable() or "\\" in name:
                continue
            try:
                about = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except OSError:
                continue  # gone meanwhile
            if stat.S_ISDIR(about.st_mode):
                found.append(Listed(name, True, 0, int(about.st_mtime)))
            elif stat.S_ISREG(about.st_mode):
                found.append(Listed(name, False, about.st_size, int(about.st_mtime)))
            if len(found) == MOST:
                break
    return sorted(found, key=lambda one: not one.is_folder)


async def list_folder(
    root: str, names: Sequence[str], path: str, accept: str | None, *, dotfiles: bool = False
) -> Answer:
    """A folder's listing in the form that is liked best; HTML unless something else is asked for."""
    wanted = choose_media_type(accept, ("text/html", "application/json")) or "text/html"
    loop = asyncio.get_running_loop()
    try:
        listed = await loop.run_in_executor(None, lambda: read_folder(root, names, dotfiles=dotfiles))
    except NotBeneath as error:
        raise Abort(reason_phrase(404), 404) from error
    if wanted == "application/json":
        return Deliver.json([_as_json(one) for one in listed], headers=POLICY)
    return Deliver.html(_as_html(path, listed, has_parent=bool(names)), headers=POLICY)


def _as_json(one: Listed) -> dict[str, object]:
    return {"name": one.name, "folder": one.is_folder, "size": one.size, "modified": one.modified}


def _as_html(path: str, listed: Sequence[Listed], has_parent: bool) -> str:
    rows = ['<tr><td><a href="../">../</a><td><td>'] if has_parent else []
    for one in listed:
        slash = "/" if one.is_folder else ""
        link = f"./{quote(one.name, safe='')}{slash}"  # "./": a name with a colon is no scheme
        size = "" if one.is_folder else f"{one.size:,}"
        date = format_http_date(one.modified)
        rows.append(f'<tr><td><a href="{escape(link)}">{escape(one.name)}{slash}</a><td>{size}<td>{date}')
    return PAGE.format(title=escape(path), rows="\n".join(rows))
