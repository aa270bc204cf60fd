"""The document and the page as routes of the application.

The document is made when it is first asked for, once for each table of routes, and kept as bytes with its entity tag.
The page is three files of this package. It loads nothing from anywhere else and says so in its policy, which allows no
script or style but these. All links are relative, so that they hold behind a proxy that takes a prefix away.
"""

from __future__ import annotations

import hashlib
import posixpath
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import orjson

from toolkit.errors import UseError
from toolkit.server.answers import Answer
from toolkit.server.deliver import Deliver
from toolkit.server.openapi.document import build
from toolkit.server.openapi.options import OpenApi

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.server.handlers import Handler
    from toolkit.server.openapi.document import Placed
    from toolkit.server.request import Request

__all__ = ["Description"]

HERE: Final = Path(__file__).parent
TYPES: Final = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript; charset=utf-8"}
#: Nothing from elsewhere, nothing inline, no frame around it; answers that are images are shown from memory.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src {connect}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Description:
    """An application's document and page, `prefix` being where the application is mounted."""

    def __init__(self, options: OpenApi | None, routes: Sequence[Placed], prefix: str = "") -> None:
        self._options = options or OpenApi()
        self._routes = routes
        self._prefix = prefix
        self._made: dict[str, tuple[bytes, bytes]] = {}  # bodies and their entity tags

    def pages(self) -> list[tuple[str, Handler]]:
        """The paths below the prefix, and what serves them with GET."""
        path, docs = self._options.path, self._options.docs
        found: list[tuple[str, Handler]] = [(path, self.document)]
        if not path.endswith(".json"):
            found.append((f"{path}.json", self.document))
        if docs is not None:
            below = docs.rstrip("/")
            found += [(docs, self.page), (f"{below}/page.css", self.style), (f"{below}/page.js", self.script)]
        return found

    def document(self, r: Request) -> Answer:
        """The document."""
        made = self._made.get("document")
        if made is None:
            made = self._keep("document", _as_json(build(self._options, self._routes)))
        return _answer(made, "application/json")

    def page(self, r: Request) -> Answer:
        """The page, at its own path: its links are relative to that."""
        path = r.raw_path
        if path.endswith("/") and path != f"{self._prefix}{self._options.docs}":
            return Deliver.redirect("../" + posixpath.basename(path.rstrip("/")), 308)
        made = self._made.get("page") or self._keep("page", self._html())
        origins = {f"{one.scheme}://{one.netloc}" for one in map(urlsplit, self._options.servers) if one.netloc}
        policy = POLICY.format(connect=" ".join(["'self'", *sorted(origins)]))
        return _answer(made, TYPES[".html"], [(b"content-security-policy", policy.encode("ascii", "ignore"))])

    def style(self, r: Request) -> Answer:
        """Its looks."""
        return self._file("page.css")

    def script(self, r: Request) -> Answer:
        """What it does."""
        return self._file("page.js")

    def _file(self, name: str) -> Answer:
        made = self._made.get(name) or self._keep(name, (HERE / name).read_bytes())
        return _answer(made, TYPES[posixpath.splitext(name)[1]])

    def _html(self) -> bytes:
        docs = self._options.docs or "/"
        values = {
            "title": self._options.title,
            "style": self._link(f"{docs.rstrip('/')}/page.css"),
            "script": self._link(f"{docs.rstrip('/')}/page.js"),
            "document": self._link(self._options.path),
            "root": self._link("/", below=""),
        }
        text = (HERE / "page.html").read_text(encoding="utf-8")
        for name, value in values.items():
            text = text.replace(f"{{{{{name}}}}}", escape(value))
        return text.encode()

    def _link(self, path: str, below: str | None = None) -> str:
        """From the page to a path, both below the prefix."""
        here = posixpath.dirname(f"{self._prefix}{self._options.docs}")
        there = posixpath.relpath((self._prefix if below is None else below) + path, here)
        return "./" if there == "." else f"./{there}" + ("/" if there.endswith("..") else "")

    def _keep(self, name: str, body: bytes) -> tuple[bytes, bytes]:
        tag = b'"%b"' % hashlib.blake2b(body, digest_size=12).hexdigest().encode("ascii")
        self._made[name] = body, tag
        return body, tag


def _as_json(document: dict[str, object]) -> bytes:
    try:
        return orjson.dumps(document)
    except TypeError as error:  # what somebody gave is in it as it was
        raise UseError(
            f"the description is no JSON, by an `example`, an `extra` or a `default` in it: {error}"
        ) from error


def _answer(made: tuple[bytes, bytes], content_type: str, others: Sequence[tuple[bytes, bytes]] = ()) -> Answer:
    """Asked for again each time, and sent when it has changed: it is for those who are changing it."""
    fields = [
        (b"content-type", content_type.encode("ascii")),
        (b"etag", made[1]),
        (b"cache-control", b"no-cache"),
        (b"x-content-type-options", b"nosniff"),
        *others,
    ]
    return Answer(200, fields, made[0])
