"""What an answer says beside its body: cookies, links, its charset, the name of a file; and how it becomes one.

The middle of three classes that are one object: `SentRequest` (the request), this one, and `Response` (how the answer
is waited for). Everything here is made when it is asked for, by pure functions of the protocol layer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from toolkit.client.sending import SentRequest
from toolkit.client.url import join_url
from toolkit.errors import UseError
from toolkit.protocol.lines import charset_in

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    from toolkit.protocol.cookies import Cookie
    from toolkit.protocol.links import Link

__all__ = ["AnsweredRequest"]


class AnsweredRequest(SentRequest):
    """A request whose answer's head can be looked at."""

    __slots__ = ()

    @property
    def elapsed(self) -> float | None:
        """Seconds from the request's beginning to its answer's head, redirects included; None before that is here."""
        return None if self._head is None else self._answered_at - self._begun_at

    @property
    def charset(self) -> str:
        """The charset that `text()` and `lines()` read by: a byte order mark's, the content-type's, else UTF-8.

        The mark is known once the body was read. A charset that is none of those in use counts as none. What HTML says
        of itself inside (`<meta>`) is not looked at.
        """
        return charset_in(self._whole or b"", self.content_type)

    @property
    def set_cookies(self) -> list[Cookie]:
        """The cookies that the answer sets, with their attributes; what an agent would drop whole is left out."""
        from toolkit.protocol.cookies import parse_set_cookie

        found = [parse_set_cookie(value) for value in self.headers.get_all("set-cookie")]
        return [cookie for cookie in found if cookie is not None]

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that the answer sets, by name; of a repeated one the last."""
        return {cookie.name: cookie.value for cookie in self.set_cookies}

    @property
    def links(self) -> dict[str, Link]:
        """The answer's links by relation (RFC 8288), URLs resolved: `x.links["next"].url`.

        Of several with one relation the first, and none that leads from elsewhere (`anchor`); `all_links` has each.
        """
        found: dict[str, Link] = {}
        for link in self.all_links:
            if link.anchor is None:
                for relation in link.rel:
                    found.setdefault(relation, link)
        return found

    @property
    def all_links(self) -> list[Link]:
        """Each link of the answer's Link fields, in order, URLs resolved against the answer's own."""
        from toolkit.protocol.links import parse_links

        value = ", ".join(self.headers.get_all("link"))
        found = []
        for link in parse_links(value):
            try:
                url = str(join_url(self._place.url, link.url))
            except ValueError:
                continue  # no URL, so no link
            found.append(replace(link, url=url))
        return found

    def get_filename(self) -> str:
        """A name to save the answer under: its content-disposition's, else its URL's last part, else `download`.

        Safe for a file system (RFC 6266 4.3): no folders, nothing hidden, no controls, no devices, 230 bytes at most.
        Raises `UseError` before the answer.
        """
        from toolkit.protocol.disposition import disposition_filename, safe_filename

        stated = disposition_filename(self.headers.get("content-disposition", ""))
        last = unquote(self._place.url.raw_path.rpartition("/")[2])
        return (safe_filename(stated) if stated else "") or safe_filename(last) or "download"

    async def save(
        self,
        path: str | os.PathLike[str] = ".",
        *,
        resume: bool = True,
        progress: bool | Callable[[int, int | None], object] = False,
        overwrite: bool | None = None,
        fsync: bool = False,
        attempts: int = 5,
    ) -> Path:
        """Download into a file, which is whole or not there; gives its path: `await http.get(url).save("a.iso")`.

        `path` is a file's, or a folder's, in which `get_filename()` names it. Until all is there the bytes are in
        `name.toolkit-part` beside it. `resume`: what an earlier call, or a connection that broke, left of the same URL
        is gone on with, by Range and If-Range, in at most `attempts` requests. `progress`: True shows a bar where
        standard error is a terminal; a function is called with the bytes that are here, and of how many. `overwrite`
        None: a file that you named is replaced, one that the server named is not. `fsync`: it is on the disk when this
        returns.

        Raises `StatusError` where the status is no 2xx, `RemoteProtocolError` for wrong lengths, ranges and digests,
        `OSError` for what the file system refuses (`FileExistsError`, no space, ...), and what a request raises.
        Cancelled, it leaves what it has for another time.
        """
        from toolkit.client.saving import SaveOptions, save

        if self._whole is not None:
            raise UseError(self._say("save() after the body was read; await http.get(url).save(path), without reading"))
        return await save(self, SaveOptions(path, resume, progress, overwrite, fsync, attempts))
