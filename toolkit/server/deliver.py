"""Deliver: whole answers by kind."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from typing import TYPE_CHECKING, Protocol, TypeAlias

import orjson

from toolkit.errors import UseError, caused
from toolkit.protocol.headers import Headers, HeadersLike, encode_fields
from toolkit.server.answers import (
    BYTES,
    BYTES_HEADERS,
    HTML,
    JSON,
    TEXT,
    XML,
    Answer,
    Events,
    FileAnswer,
    StreamAnswer,
    make,
    stream_of,
)
from toolkit.server.locations import location_of

if TYPE_CHECKING:
    import os

__all__ = ["Deliver"]

Bytes: TypeAlias = bytes  # `Deliver.bytes` hides the name from what stands behind it


class Text(Protocol):
    """What a str is to type checkers. A parameter of this type takes anything, and we say ourselves what is wrong."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Its bytes."""


def _encoded(kind: str, text: object) -> Bytes:
    if isinstance(text, str):
        return text.encode()
    other = ""
    if isinstance(text, (bytes, bytearray, memoryview)):
        other = "; what is coded already goes by Deliver.bytes(data, headers={'content-type': ...})"
    raise UseError(f"Deliver.{kind}({type(text).__name__}): expected a str{other}")


def _xml(data: object) -> Bytes:
    if isinstance(data, (str, bytes)):
        return data.encode() if isinstance(data, str) else data
    if not isinstance(data, Mapping):
        raise UseError(f"Deliver.xml({type(data).__name__}): expected a str, bytes, or a dict with one root")
    import xmltodict

    try:
        text: str = xmltodict.unparse(data)
    except ValueError as error:
        raise caused(
            UseError(f"Deliver.xml(): {error}; expected a dict with one root, such as {{'a': {{...}}}}"), error
        )
    return text.encode()


class Deliver:
    """Whole answers by kind, to be awaited or returned; no request is named, the current one is known.

    Each raises `UseError` when awaited outside a handler or after the head was sent.
    """

    @staticmethod
    def json(data: object, status: int = 200, headers: HeadersLike | None = None) -> Answer:
        """`data` as JSON (what orjson takes: dict, list, str, numbers, dataclasses, datetime, UUID)."""
        return make(status, headers, JSON, orjson.dumps(data))

    @staticmethod
    def text(text: Text, status: int = 200, headers: HeadersLike | None = None) -> Answer:
        """Plain text, UTF-8."""
        return make(status, headers, TEXT, _encoded("text", text))

    @staticmethod
    def html(html: Text, status: int = 200, headers: HeadersLike | None = None) -> Answer:
        """HTML, UTF-8; nothing is escaped."""
        return make(status, headers, HTML, _encoded("html", html))

    @staticmethod
    def bytes(data: bytes, status: int = 200, headers: HeadersLike | None = None) -> Answer:
        """Bytes, as application/octet-stream unless `headers` say otherwise."""
        return make(status, headers, BYTES, data)

    @staticmethod
    def file(
        path: str | os.PathLike[str],
        *,
        root: str | os.PathLike[str] | None = None,
        filename: str | None = None,
        inline: bool = False,
        content_type: str | None = None,
        headers: HeadersLike | None = None,
        status: int = 200,
    ) -> Answer:
        """A file, with validators; conditions and ranges of the request are honoured, sendfile(2) sends what is large.

        `filename`: to be saved under this name, or shown if `inline`. With `root`, `path` is a name below that folder
        and cannot lead out of it: a name that came from outside is to be given so. What is not there, and what is no
        file, is 404. Under another `status` than 200 the file is always sent whole.
        """
        from toolkit.server.files import FileSpec

        return FileAnswer(FileSpec(path, root, filename, inline, content_type, headers, status))

    @staticmethod
    def xml(data: Text | Bytes | Mapping[str, object], status: int = 200, headers: HeadersLike | None = None) -> Answer:
        """XML, UTF-8: text or bytes as they are, a dict as xmltodict writes it (one root; needs the extra `xml`)."""
        return make(status, headers, XML, _xml(data))

    @staticmethod
    def stream(
        source: object, status: int = 200, headers: HeadersLike | None = None, *, content_type: str | None = None
    ) -> Answer:
        """A body by pieces, of bytes or text: an async iterable, an iterator such as a generator, an exchange, a file.

        A plain iterator may block: each of its pieces is fetched in the loop's thread pool. Without a content-length
        among `headers` the body is chunked. Raises `UseError` for anything else.
        """
        together = Headers(headers)
        if content_type is not None:
            together["content-type"] = content_type
        elif "content-type" not in together:
            together["content-type"] = BYTES_HEADERS["content-type"]
        stream = stream_of(source, status, together)
        if stream is None:
            what = "an async iterable, an iterator, an exchange or a file"
            raise UseError(f"Deliver.stream({type(source).__name__}): expected {what}; call a generator function first")
        return StreamAnswer(stream)

    @staticmethod
    def sse(
        source: AsyncIterable[object],
        headers: HeadersLike | None = None,
        *,
        keep_alive: float | None = 15.0,
        retry: int | None = None,
    ) -> Answer:
        """Server-sent events: each item of an async iterable, as `events.send` takes it; see `Request.sse`.

        The source is closed when the client leaves, and when the server stops.
        """
        if not isinstance(source, AsyncIterable):
            raise UseError(f"Deliver.sse({type(source).__name__}): expected an async iterable; call a generator first")
        return StreamAnswer(Events(headers, source, keep_alive, retry))

    @staticmethod
    def redirect(location: str, status: int = 302, headers: HeadersLike | None = None) -> Answer:
        """A redirect to an http(s) URL, or to a path or query here.

        What begins with "/" stays on this host: leading slashes and backslashes become one slash, so that a path taken
        from a request cannot lead to another host. What a URL may not hold is percent-encoded. Raises `UseError` for
        other schemes and for a status that redirects nowhere.
        """
        together = Headers(headers)
        together["location"] = location_of(location, status)
        return Answer(status, encode_fields(together), b"")

    @staticmethod
    def empty(status: int = 204, headers: HeadersLike | None = None) -> Answer:
        """No body."""
        return Answer(status, encode_fields(headers), b"")
