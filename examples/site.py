"""A site to start from: pages, a folder of assets, uploads that stream to the disk, and a feed that pages listen to.

python examples/site.py         # then open http://127.0.0.1:8000/ in two windows, and give a file to one of them
curl -F note=hello -F file=@README.md http://127.0.0.1:8000/
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from toolkit import App, BadRequest, Deliver, EventFeed, FormLimits, NotFound, SecurityHeaders

if TYPE_CHECKING:
    from toolkit import Request

HERE = Path(__file__).parent / "site"
UPLOADS = Path("uploads")  # in the directory that the program was started in
MIB = 1024 * 1024


class Kept(TypedDict):
    """A file that somebody gave us."""

    id: str
    name: str
    note: str
    size: int
    sha256: str


# Text over 500 bytes is compressed without a word here: the pages, the JSON and the assets.
web = App(
    templates=HERE / "templates",
    forms=FormLimits(body=64 * MIB, file=32 * MIB, field=1000),  # what is over one of them is answered 413
    access_log=True,
    # Everything that a page may load comes from here, and nothing of it stands in the page itself.
    middlewares=[SecurityHeaders("default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'")],
)
web.static("/assets", HERE / "assets", name="asset")
arrivals = EventFeed(events=100)  # the last hundred, for pages that were away
kept: dict[str, Kept] = {}  # by id; a site with more than one process would ask a database


@web.on_start
def make_folder() -> None:
    """Uploads have somewhere to go."""
    UPLOADS.mkdir(exist_ok=True)


@web.get("/")
async def page(r: Request) -> object:
    """The form, and what there is."""
    return await r.render("index.html", files=list(kept.values()))


@web.post("/")
async def receive(r: Request) -> object:
    """Take the form: its parts one after the other, as they come in. Nothing of a file is held in memory."""
    note, count = "", 0
    async for part in r.multipart():
        if part.filename is None:
            note = await part.text()  # stands before the files in the page, and so in the body
        elif part.filename:  # "" is what a browser sends where nothing was chosen
            id = secrets.token_hex(8)
            # Stored under a name of ours: the client's own may be anything, and may be there already.
            path = await part.save(UPLOADS / id)
            await announce(path, {"id": id, "name": part.safe_filename, "note": note, "size": 0, "sha256": ""})
            count += 1
    if not count:
        raise BadRequest("There was no file in the form.")
    return Deliver.redirect("/", 303)  # so that reloading the page sends nothing twice


async def announce(path: str, file: Kept) -> None:
    """Add a file to the list, and tell every page that listens."""
    file["size"], file["sha256"] = await asyncio.to_thread(measure, path)  # reading and adding up would block the loop
    kept[file["id"]] = file
    arrivals.publish(file, "arrival")


def measure(path: str) -> tuple[int, str]:
    """The size in bytes, and the checksum."""
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), sha256


@web.get("/files")
def listing(r: Request) -> list[Kept]:
    """The list as JSON, for scripts."""
    return list(kept.values())


@web.get("/files/{id}")
def download(r: Request, id: str) -> object:
    """The file, to be saved: what others uploaded is never shown as a page of this site."""
    if id not in kept:
        raise NotFound(f"There is no file {id}.")
    return Deliver.file(id, root=UPLOADS, filename=kept[id]["name"])


@web.get("/arrivals")
async def listen(r: Request) -> None:
    """Files that come in from now on, or since this page was here last."""
    async with r.sse(retry=1000) as events:  # ms, until a page that lost us comes back
        await events.follow(arrivals)


@web.on_status(404)
async def missing(r: Request, error: Exception) -> object:
    """A page of our own for people. None asks for the usual answer: JSON or text for programs."""
    if "text/html" not in r.headers.get("accept", ""):
        return None
    return await r.render("missing.html", 404, {"vary": "accept"}, path=r.path)


if __name__ == "__main__":
    web.run("127.0.0.1", 8000)
