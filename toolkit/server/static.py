"""Static files: a folder served as it lies there, safely, conditionally, in parts, compressed, from memory if hot.

How it works. `static_folder.py` finds what a path stands for, `files.py` decides what a request gets of it. Between
them is the choice of a coding, and the making of coded forms when they are first asked for: in a thread, once, kept
with the file. What is hot and small is answered without any system call.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from toolkit.errors import UseError
from toolkit.protocol.conditional import Conditions, read_conditions
from toolkit.protocol.fields import join_fields
from toolkit.protocol.headers import encode_fields
from toolkit.protocol.status import reason_phrase
from toolkit.server.abort import Abort
from toolkit.server.answers import Answer, Streamed, answer_of
from toolkit.server.beneath import NotBeneath
from toolkit.server.compression import encode_body
from toolkit.server.deliver import Deliver
from toolkit.server.files import (
    FileParts,
    Representation,
    conditional_outcome,
    outcome,
    read_whole,
)
from toolkit.server.listing import list_folder
from toolkit.server.static_folder import Entry, Folder
from toolkit.server.static_options import StaticOptions, freshness_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from toolkit.protocol.cache_control import CacheControl
    from toolkit.server.answers import ContentType
    from toolkit.server.handlers import Handler
    from toolkit.server.request import Request

__all__ = ["StaticServer"]

log = logging.getLogger("toolkit.server")

READS: Final = ("GET", "HEAD")


class StaticServer:
    """A folder below `route`, to be attached: `web.attach(StaticServer("/static", "public"))`.

    Attached to a router, it is below the router's prefix.
    Whatever has a route of its own goes first, and what is not in the folder is for others. `page_dir` is a folder in
    it that holds pages: `/` is its index, `/about` its `about.html`, and a name with a dot is looked for in the folder
    itself and then there; without a `page_dir` names are those of files. `chunk_size`: bytes sent at a time where the
    link cannot send files by itself. `cache_control` and further keywords go into `options`, see `StaticOptions`.
    """

    def __init__(
        self,
        route: str,
        directory: str | os.PathLike[str],
        chunk_size: int | None = None,
        page_dir: str | None = None,
        index: str | None = None,
        cache_control: Mapping[str, object] | CacheControl | str | None = None,
        *,
        options: StaticOptions | None = None,
    ) -> None:
        options = options or StaticOptions()
        if not route.startswith("/"):
            raise UseError(f"StaticServer({route!r}): expected a path that begins with '/'")
        if chunk_size is not None and chunk_size < 1:
            raise UseError(f"StaticServer(chunk_size={chunk_size}): expected at least 1 byte")
        if not os.path.isdir(directory):
            # No error: a deployment may bring it later, and each request looks for it anew.
            log.warning("static files at %r: there is no folder %r yet", route, os.path.abspath(directory))
        self.prefix = route.rstrip("/")
        self.chunk_size = chunk_size
        self.options = options
        freshness = options.freshness if cache_control is None else freshness_of(cache_control)
        more = encode_fields(options.headers) + encode_fields({"cache-control": freshness})
        self.folder = Folder(
            os.path.abspath(directory), options, page_dir, index if index is not None else options.index, more
        )

    def handle_all_middleware(self, r: Request) -> object:
        """Answer where no route does; None for what is not in the folder, or not below `route`."""
        route = r._route
        return self._answer_below(r, 0 if route is None else route.mount_path.count("/"))

    def handle_all_below(self, depth: int) -> Handler:
        """The same for a router that is included under a prefix, which takes the path's first `depth` segments."""

        def handle_all_middleware(r: Request) -> object:
            return self._answer_below(r, depth)

        return handle_all_middleware

    def _answer_below(self, request: Request, depth: int) -> object:
        path = _path_below(request, depth)
        prefix = self.prefix
        if not path:
            return _add_slash(request) if not prefix and self.folder.find("/", encoded=True) is not None else None
        if prefix:
            if path == prefix:
                return _add_slash(request) if self.folder.find("/", encoded=True) is not None else None
            if not path.startswith(f"{prefix}/"):
                return None
            path = path[len(prefix) :]
        return self.answer_path(request, path)

    def serve(self, r: Request, path: str = "") -> object:
        """A handler for `GET route/{path:path}`, with the names below the route. Raises `Abort` for 404."""
        # The router decoded it. An encoded slash would have become one of many: to be refused, as elsewhere.
        raw = r.raw_path
        if "%" in raw and ("%2f" in raw or "%2F" in raw):
            raise Abort(reason_phrase(404), 404)
        if not path and not raw.endswith("/"):
            return _add_slash(r)
        answer = self.answer_path(r, f"/{path}", encoded=False)
        if answer is None:
            raise Abort(reason_phrase(404), 404)
        return answer

    def answer_path(self, request: Request, path: str, *, encoded: bool = True) -> object:
        """The answer for a path below the folder, which begins with a slash; None if there is no such file.

        It may have to be waited for. Raises `Abort` for 405, 412 and 416.
        """
        for _ in range(2):
            entry = self.folder.find(path, encoded=encoded)
            if entry is None:
                return None
            if request.method not in READS:
                return _refuse(request.method)
            try:
                if entry.identity is None:
                    return self._answer_folder(request, entry)
                return self._answer_entry(request, entry, entry.identity)
            except NotBeneath as error:  # it was there a moment ago, and may have been replaced: once more
                log.debug("%s", error)
                self.folder.cache.drop(entry.path)
        return None

    def _answer_entry(
        self, request: Request, entry: Entry, identity: Representation
    ) -> Answer | Streamed | Awaitable[object]:
        method, fields = request.method, request._head.fields
        conditions = read_conditions(fields)
        one, coding = identity, ""
        if entry.coded:
            accept = join_fields(fields, b"accept-encoding")
            if accept is not None:
                coding = entry.choose(accept, conditions is not None and conditions.range is not None)
                if coding:
                    one = entry.coded[coding]
        if conditions is None and one.body is not None:  # nearly every request for a file
            return _whole(entry.known[coding], one.body)
        if one.body is None and one.open is None:
            if conditions is not None:
                decided = conditional_outcome(method, one, conditions)
                if decided is not None:
                    return answer_of(decided)
            if coding in entry.making:
                return self._answer(method, identity, conditions)  # it comes as it is, until that is done
            return self._make(method, entry, identity, coding, conditions)
        return self._answer(method, one, conditions)

    def _answer(self, method: str, one: Representation, conditions: Conditions | None) -> Answer | Streamed:
        done = outcome(method, one, conditions)
        if isinstance(done.body, FileParts):
            done.body.block = self.chunk_size
        return answer_of(done)

    async def _make(
        self, method: str, entry: Entry, identity: Representation, coding: str, conditions: Conditions | None
    ) -> Answer | Streamed:
        """Compress, and keep what comes of it."""
        compression = self.options.compression
        assert compression is not None  # nothing would be to be made
        loop = asyncio.get_running_loop()
        entry.making.add(coding)
        try:
            body = identity.body
            if body is None:
                body = await loop.run_in_executor(None, _read, identity)
            coded = await loop.run_in_executor(None, encode_body, body, coding, compression.levels.get(coding))
        except NotBeneath as error:
            self.folder.cache.drop(entry.path)
            raise Abort("The file is being replaced; ask again", 503, {"retry-after": 1}) from error
        finally:
            entry.making.discard(coding)
        one = entry.coded[coding]
        if len(coded) >= identity.size:
            entry.useless.add(coding)
            entry.choices.clear()
            return self._answer(method, identity, conditions)
        if one.body is None and self.folder.cache.grow(entry.path, entry, len(coded)):
            one.body, one.size = coded, len(coded)
        return _whole(entry.known[coding], coded)

    def _answer_folder(self, request: Request, entry: Entry) -> Answer | Awaitable[object] | None:
        names = entry.folder
        assert names is not None
        if not entry.path.endswith("/") and names:
            return _add_slash(request)
        accept = join_fields(request._head.fields, b"accept")
        wanted = None if accept is None else accept.decode("latin-1")
        return list_folder(self.folder.root, names, request.path, wanted, dotfiles=self.options.dotfiles)


def _path_below(request: Request, depth: int) -> str:
    """The path without its first segments; "" for a prefix itself, without a slash."""
    path = request.raw_path
    return "".join(f"/{name}" for name in path.split("/")[depth + 1 :]) if depth else path


def _add_slash(request: Request) -> Answer:
    """To the same path with a slash: relative to it, so that no path can lead to another host (CVE-2021-21330)."""
    last = quote(unquote(request.raw_path.rpartition("/")[2]), safe="")
    query = f"?{request.query}" if request.query else ""
    return Deliver.redirect(f"./{last}/{query}", 308)


def _whole(known: ContentType, body: bytes) -> Answer:
    answer = Answer(200, list(known.fields), body, known)  # a list of its own: whoever it passes may add to it
    answer.final = True
    return answer


def _refuse(method: str) -> Answer:
    """A file can be read, and nothing else."""
    if method == "OPTIONS":
        return Answer(204, [(b"allow", b"GET, HEAD, OPTIONS")], b"")
    raise Abort(reason_phrase(405), 405, {"allow": "GET, HEAD, OPTIONS"})


def _read(one: Representation) -> bytes:
    assert one.open is not None
    file, state = one.open()
    with file:
        body, after = read_whole(file)
    if (after.modified_ns, after.size) != (state.modified_ns, state.size):
        raise NotBeneath("another file than it was")
    return body
