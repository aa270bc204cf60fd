"""Reading HTTP/1.1 messages off a raw end, by a small reader of its own: the code under test has no part in it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit import Response

    from .raw import Raw, RawServer

__all__ = ["Answer", "Asked", "answering", "chunk", "read_answer", "read_chunked", "read_head", "read_request"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One response as it came."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes
    trailers: list[tuple[str, str]]

    def get(self, name: str) -> str | None:
        """The field's values joined by commas; None when it is absent."""
        return _get(self.fields, name)

    @property
    def closes(self) -> bool:
        return "close" in (self.get("connection") or "").lower()


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    method: str
    target: str
    fields: list[tuple[str, str]]
    body: bytes
    trailers: list[tuple[str, str]]

    def get(self, name: str) -> str | None:
        """The field's values joined by commas; None when it is absent."""
        return _get(self.fields, name)


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _get(fields: list[tuple[str, str]], name: str) -> str | None:
    values = [value for key, value in fields if key.lower() == name.lower()]
    return ", ".join(values) if values else None


def _fields(block: bytes) -> list[tuple[str, str]]:
    fields = []
    for line in block.split(b"\r\n"):
        if line:
            name, _, value = line.decode("latin-1").partition(":")
            fields.append((name, value.strip(" \t")))
    return fields


async def read_head(raw: Raw) -> tuple[str, list[tuple[str, str]]]:
    """The start line and the fields."""
    head = await raw.until(b"\r\n\r\n")
    line, _, block = head.partition(b"\r\n")
    return line.decode("latin-1"), _fields(block)


async def read_chunked(raw: Raw) -> tuple[bytes, list[tuple[str, str]]]:
    """A chunked body and its trailers."""
    body = bytearray()
    while size := int((await raw.until(b"\r\n")).split(b";")[0], 16):
        body += await raw.receive(size)
        assert await raw.receive(2) == b"\r\n"
    trailers = []
    while (line := await raw.until(b"\r\n")) != b"\r\n":
        trailers += _fields(line)
    return bytes(body), trailers


async def _body(raw: Raw, fields: list[tuple[str, str]]) -> tuple[bytes, list[tuple[str, str]]] | None:
    if "chunked" in (_get(fields, "transfer-encoding") or "").lower():
        return await read_chunked(raw)
    if (length := _get(fields, "content-length")) is not None:
        return await raw.receive(int(length)), []
    return None


async def read_answer(raw: Raw, *, method: str = "GET") -> Answer:
    """The next response, final or interim, framed as RFC 9112 6.3 says; an until-close body runs to the FIN."""
    line, fields = await read_head(raw)
    version, status = line.split(" ", 2)[:2]
    assert version in {"HTTP/1.1", "HTTP/1.0"}, line
    if method == "HEAD" or int(status) in {204, 304} or int(status) < 200:
        return Answer(int(status), fields, b"", [])
    framed = await _body(raw, fields)
    body, trailers = framed if framed is not None else (await raw.rest(), [])
    return Answer(int(status), fields, body, trailers)


async def read_request(raw: Raw) -> Asked:
    """The next request."""
    line, fields = await read_head(raw)
    method, target, version = line.split(" ")
    assert version == "HTTP/1.1", line
    body, trailers = await _body(raw, fields) or (b"", [])
    return Asked(method, target, fields, body, trailers)


@asynccontextmanager
async def answering(peer: RawServer, request: Response, sent: bytes) -> AsyncIterator[tuple[Response, Raw, bytes]]:
    """Enter a request whose block waits for the answer's head, while the raw peer reads its head and sends `sent`.

    Gives the response, the raw end and the request's head.
    """

    async def serve() -> tuple[Raw, bytes]:
        raw = await peer.accept()
        head = await raw.until(b"\r\n\r\n")
        await raw.send(sent)
        return raw, head

    serving = asyncio.ensure_future(serve())
    async with request as x:
        raw, head = await serving
        yield x, raw, head
