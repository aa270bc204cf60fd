"""What is sent: the pieces of -d, --json and -F, the file of -T, standard input."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import quote, quote_plus

from toolkit.other.cli.channel import Channel
from toolkit.other.cli.statuses import Exit, Stop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from toolkit.client.multipart import Files
    from toolkit.client.options import RequestOptions
    from toolkit.other.cli.arguments import Command, Piece

__all__ = ["Outbound", "body_of", "joined", "read_pieces", "upload_url", "urlencoded"]

PIECE: Final = 65536  #: bytes read from a pipe at a time: what a pipe of Linux holds
FORM: Final = ("content-type", "application/x-www-form-urlencoded")
JSON: Final = ("content-type", "application/json"), ("accept", "application/json")
STDIN: Final = 0


class Outbound:
    """A body as a request takes it, fields that go with it, and whether it is sent while it is being made."""

    def __init__(
        self, options: RequestOptions | None = None, fields: Sequence[tuple[str, str]] = (), *, live: bool = False
    ) -> None:
        self.options: RequestOptions = {} if options is None else options
        self.fields = list(fields)
        self.live = live


def body_of(command: Command) -> Outbound:
    """Raises `Stop` for what cannot be read."""
    try:
        if command.upload is not None:
            return _upload(command.upload)
        if not command.pieces or command.as_query:
            return Outbound({"body": b""} if command.method in ("POST", "PUT", "PATCH") else {})
        kind = command.pieces[0].kind
        if kind == "json":
            data = b"".join(_read(piece.text) for piece in command.pieces)
            return Outbound({"body": data}, JSON)
        if kind in ("form", "form-string"):
            parts = [_part(piece) for piece in command.pieces]
            return Outbound({"files": cast("Files", parts)})
        return Outbound({"body": joined(command.pieces)}, [FORM])
    except OSError as error:
        raise Stop(Exit.READ, f"cannot read {error.filename or 'standard input'}: {error.strerror}") from error


def joined(pieces: Sequence[Piece]) -> bytes:
    """The pairs of -d and its kin, joined by &."""
    return b"&".join(_data(piece) for piece in pieces)


def _data(piece: Piece) -> bytes:
    if piece.kind == "data-raw":
        return _bytes(piece.text)
    if piece.kind == "data-urlencode":
        return urlencoded(piece.text)
    data = _read(piece.text)
    if piece.kind == "data" and piece.text.startswith("@"):
        return data.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")  # as curl reads a form from a file
    return data


def urlencoded(text: str) -> bytes:
    """`TEXT`, `=TEXT`, `NAME=TEXT`, `@FILE` or `NAME@FILE`, of which the text is encoded."""
    equals, at = text.find("="), text.find("@")
    if equals >= 0 and (at < 0 or equals < at):
        name, value = text[:equals], _bytes(text[equals + 1 :])
    elif at >= 0:
        name, value = text[:at], _read(text[at:])
    else:
        name, value = "", _bytes(text)
    coded = quote_plus(value).encode("ascii")
    return _bytes(name) + b"=" + coded if name else coded


def _bytes(text: str) -> bytes:
    """As it came from the command line, whatever bytes those were."""
    return os.fsencode(text)


def _read(text: str) -> bytes:
    """The text, or the content of `@FILE`."""
    if not text.startswith("@"):
        return _bytes(text)
    return sys.stdin.buffer.read() if text == "@-" else Path(text[1:]).read_bytes()


def _part(piece: Piece) -> tuple[str, object]:
    """`NAME=TEXT`, `NAME=@FILE;type=...;filename=...`, `NAME=<FILE`."""
    name, equals, value = piece.text.partition("=")
    if not equals:
        raise Stop(Exit.ARGUMENTS, f"-F {piece.text!r}: expected NAME=TEXT, NAME=@FILE or NAME=<FILE")
    if piece.kind == "form-string":
        return name, (None, _bytes(value), None)
    content, said = _attributes(value)
    if content.startswith("@"):
        path = content[1:]
        source = read_pieces(STDIN) if path == "-" else Path(path)
        if isinstance(source, Path):
            with open(source, "rb"):  # told before anything is sent
                pass
        filename = said.get("filename", os.path.basename(path))
        return name, (filename, source, said["type"]) if "type" in said else (filename, source)
    text = _read("@" + content[1:]) if content.startswith("<") else _bytes(content)
    return name, (said.get("filename"), text, said.get("type"))


def _attributes(value: str) -> tuple[str, dict[str, str]]:
    """What stands behind the content: `;type=` and `;filename=`, the latter perhaps in quotes."""
    said: dict[str, str] = {}
    while True:
        rest, semicolon, last = value.rpartition(";")
        name, _, text = last.partition("=")
        if not semicolon or name.strip() not in ("type", "filename"):
            return value, said
        said[name.strip()] = text.strip('"') if name.strip() == "filename" else text
        value = rest


def _upload(name: str) -> Outbound:
    if name == "-":
        regular = stat.S_ISREG(os.fstat(STDIN).st_mode)
        return Outbound({"body": sys.stdin.buffer}) if regular else Outbound({"body": read_pieces(STDIN)}, live=True)
    file = os.open(name, os.O_RDONLY)  # told before anything is sent
    if stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        return Outbound({"body": Path(name)})
    return Outbound({"body": read_pieces(file)}, live=True)  # a pipe or a device; it is closed when the program ends


async def read_pieces(descriptor: int) -> AsyncIterator[bytes]:
    """What comes, as it comes: a line at a terminal, whatever a pipe has."""
    channel = Channel("input")
    while data := await channel.call(lambda: os.read(descriptor, PIECE)):
        yield data


def upload_url(url: str, upload: str | None) -> str:
    """A URL that ends in a slash is a folder, into which the file goes under its name, as curl has it."""
    if upload in (None, "-") or not url.partition("?")[0].endswith("/"):
        return url
    path, mark, query = url.partition("?")
    return path + quote(os.path.basename(str(upload))) + mark + query
