"""Forms as they are read: parts that stream, and the whole of a form with its limits.

How it works. `Parts` drives the sans-IO parser with what `pull()` gives, a piece at a time, and only when somebody
asks: so a slow reader of a part is a slow reader of the body, and the peer is held back as for any other. A part that
is left half-read is skipped by whoever asks for the next one; a form that is left is an unread body like any other.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, cast

from toolkit.errors import LimitExceeded, RemoteProtocolError, UseError
from toolkit.protocol.aio.uploads import BLOCK, NewFile, Upload, off_loop, target_of
from toolkit.protocol.extra import Extra
from toolkit.protocol.forms import MultiDict, parse_urlencoded, safe_filename
from toolkit.protocol.headers import Headers, find_field
from toolkit.protocol.lines import CHARSETS, label_of
from toolkit.protocol.multipart import (
    Disposition,
    MultipartParser,
    PartHead,
    Signal,
    boundary_of,
    parse_disposition,
    parse_parameters,
)

if TYPE_CHECKING:
    import os

    from toolkit.protocol.exchange import Exchange
    from toolkit.protocol.inbound import Pull
    from toolkit.protocol.limits import FormLimits
    from toolkit.protocol.readable import Readable

__all__ = ["Form", "Part", "Parts", "form_of", "read_form", "unexpected"]

URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"

# -- parts -------------------------------------------------------------------------------------------------------------


class Part:
    """A part of a multipart body, to be read before the next one is asked for.

    `name` is the field's ("" without one), `filename` what the peer calls the file, None for a text field.
    """

    def __init__(self, parts: Parts, headers: Headers, disposition: Disposition) -> None:
        self.headers = headers
        self.name = disposition.name or ""
        self.filename = disposition.filename
        self._parts = parts
        self._complete = False

    def __repr__(self) -> str:
        return f"<Part {self.name!r}{'' if self.filename is None else f': {self.filename!r}'}>"

    @property
    def content_type(self) -> str:
        """Its content-type field; text/plain where it has none (RFC 7578 4.4)."""
        return self.headers.get("content-type", "text/plain")

    @property
    def safe_filename(self) -> str:
        """See `toolkit.protocol.forms.safe_filename`."""
        return safe_filename(self.filename)

    def __aiter__(self) -> Part:
        return self

    async def __anext__(self) -> bytes:
        """The next piece. Raises what ended the body early, `UseError` when another part was asked for meanwhile."""
        data = await self._parts._data_of(self)
        if not data:
            raise StopAsyncIteration
        return data

    async def read(self, limit: int | None = None) -> bytes:
        """The rest of it. Over `limit` bytes (`FormLimits.field` without one): `LimitExceeded`."""
        if limit is None:
            limit = self._parts.limits.field
        return await self._read_within(limit, f"the field {self.name[:80]!r} of the form is over {limit} bytes")

    async def _read_within(self, limit: int, text: str) -> bytes:
        blocks, size = [], 0
        while data := await self._parts._data_of(self):
            size += len(data)
            if size > limit:
                raise self._parts._refused(LimitExceeded(text))
            blocks.append(data)
        return b"".join(blocks)

    async def text(self, limit: int | None = None) -> str:
        """The rest of it as text, by the charset of its content type or of the form."""
        return (await self.read(limit)).decode(_charset_of_part(self), "replace")

    async def save(self, path: str | os.PathLike[str]) -> str:
        """Stream the rest of it into a file at `path` (in a folder: under `safe_filename`), which is returned.

        The file appears there when it is complete; broken off, cancelled or over `FormLimits.file`, nothing stays.
        Raises OSError for what the system refuses, `LimitExceeded`, and what ended the body early.
        """
        limit = self._parts.limits.file
        new = NewFile(await off_loop(lambda: target_of(path, self.filename)))
        size = 0
        try:
            while blocks := await gather(self):
                size += sum(map(len, blocks))
                if limit is not None and size > limit:
                    raise self._parts._refused(LimitExceeded(f"the file {self.filename!r} is over {limit} bytes"))
                await off_loop(lambda blocks=blocks: new.write(blocks))  # type: ignore[misc]
            await off_loop(new.finish)
        finally:
            await off_loop(new.discard)
        return new.path


async def gather(part: Part) -> list[bytes]:
    """Its next pieces, some hundred kilobytes of them; empty at its end."""
    blocks: list[bytes] = []
    size = 0
    while size < BLOCK:
        data = await part._parts._data_of(part)
        if not data:
            break
        blocks.append(data)
        size += len(data)
    return blocks


class Whole:
    """A body that was read whole before somebody wanted its parts."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def __anext__(self) -> bytes:
        data, self._data = self._data, b""
        if not data:
            raise StopAsyncIteration
        return data


class Parts:
    """The parts of a multipart body, one after the other: `async for part in r.multipart()`."""

    def __init__(self, x: Readable, limits: FormLimits) -> None:
        self._x = x
        self.limits = limits
        content_type = x.content_type
        kind, _ = parse_parameters(content_type)
        if not kind.startswith("multipart/"):
            raise self._refused(unexpected(content_type, MULTIPART))
        self._form_data = kind == MULTIPART
        self.charset = form_charset(x)
        try:
            self._parser = MultipartParser(boundary_of(content_type), limits)
        except RemoteProtocolError as error:
            raise self._refused(error) from None
        _check_announced(x, limits)
        whole = x._whole
        self._body: Pull | Whole = x.pull() if whole is None else Whole(whole)
        self._part: Part | None = None
        self._count = 0
        self._received = 0

    def __aiter__(self) -> Parts:
        return self

    async def __anext__(self) -> Part:
        """The next part; what is left of the present one is skipped. Raises `RemoteProtocolError`, `LimitExceeded`."""
        while self._part is not None:  # skip it
            left = self._part
            await self._data_of(left)
            left._complete = False
        event = await self._next()
        if not isinstance(event, PartHead):
            await self._to_the_end()
            raise StopAsyncIteration
        self._count += 1
        if self._count > self.limits.parts:
            raise self._refused(LimitExceeded(f"the form has over {self.limits.parts} parts"))
        raw = find_field(event.fields, b"content-disposition")
        try:
            disposition = parse_disposition(raw or b"", self.charset)
        except RemoteProtocolError as error:
            raise self._refused(error) from None
        if self._form_data and (disposition.kind != "form-data" or disposition.name is None):
            text = "a part of the form has no content-disposition of form-data with a name (RFC 7578 4.2)"
            raise self._refused(RemoteProtocolError(text))
        self._part = Part(self, Headers.from_fields(event.fields), disposition)
        return self._part

    async def _data_of(self, part: Part) -> bytes:
        """A piece of this part, b"" at its end."""
        if part is not self._part:
            if part._complete:
                return b""
            raise UseError(f"the part {part.name!r} was left for the next one; read each before asking for another")
        event = await self._next()
        if isinstance(event, bytes):
            return event
        self._part = None
        part._complete = True
        return b""

    async def _next(self) -> PartHead | bytes | Signal:
        """What the parser has to say, fed as long as it needs it."""
        while True:
            try:
                event = self._parser.next()
            except RemoteProtocolError as error:
                raise self._refused(error) from None
            if event is not Signal.NEED_DATA:
                return event
            await self._feed()

    async def _feed(self) -> None:
        try:
            data = await self._body.__anext__()
        except StopAsyncIteration:
            try:
                self._parser.finish()
            except RemoteProtocolError as error:
                raise self._refused(error) from None
            return
        self._received += len(data)
        limit = self.limits.body
        if limit is not None and self._received > limit:
            raise self._refused(LimitExceeded(f"the form is over {limit} bytes"))
        self._parser.feed(data)

    async def _to_the_end(self) -> None:
        """Behind the last part there is nothing, or what nobody wants; the body is over when it is read."""
        with contextlib.suppress(StopAsyncIteration):
            while True:
                data = await self._body.__anext__()
                self._received += len(data)
                if self.limits.body is not None and self._received > self.limits.body:
                    raise self._refused(LimitExceeded(f"the form is over {self.limits.body} bytes"))

    def _refused(self, error: RemoteProtocolError) -> RemoteProtocolError:
        return self._x._refused(error)


# -- the whole of a form -----------------------------------------------------------------------------------------------


class Form(MultiDict["str | Upload"]):
    """A form's fields by name, text and files, in the order they came: `form["name"]` is the last one of a name.

    `text`, `file` and `files` look for one kind. `close` gives the files' memory and disk back; so does the end of the
    last reference.
    """

    __slots__ = ()

    def text(self, name: str, default: str = "") -> str:
        """The last text field of this name."""
        values = [value for value in self.get_all(name) if isinstance(value, str)]
        return values[-1] if values else default

    def file(self, name: str) -> Upload | None:
        """The last file of this name."""
        files = self.files(name)
        return files[-1] if files else None

    def files(self, name: str | None = None) -> list[Upload]:
        """The files of this name, or all of them."""
        values = [value for _, value in self.pairs] if name is None else self.get_all(name)
        return [value for value in values if isinstance(value, Upload)]

    def close(self) -> None:
        """Close the files."""
        for file in self.files():
            file.close()


def unexpected(content_type: str, *expected: str) -> RemoteProtocolError:
    """A body that is of another kind: 415."""
    given = content_type[:120] if content_type else "no content-type"
    return RemoteProtocolError(f"the body is {given}; expected {' or '.join(expected)}", 415)


def _check_announced(x: Readable, limits: FormLimits) -> None:
    """Refuse a body that says it is too large before a byte of it is asked for. What is coded says nothing of that."""
    exchange = cast("Exchange", x)
    length = exchange.content_length
    if limits.body is None or length is None or length <= limits.body:
        return
    if "content-encoding" not in exchange.headers:
        raise x._refused(LimitExceeded(f"the form is over {limits.body} bytes"))


def form_charset(x: Readable) -> str:
    """The charset that a form's content type names, UTF-8 without one. An unknown one: `RemoteProtocolError`, 415."""
    label = label_of(x.content_type)
    if label is None:
        return "utf-8"
    if label not in CHARSETS:
        raise x._refused(RemoteProtocolError(f"charset {label[:40]!r} is not known here; expected utf-8", 415))
    return label


async def form_of(x: Exchange, limits: FormLimits) -> Form:
    """The form of an exchange, read once."""
    extra = x._extra
    if extra is None:
        extra = x._extra = Extra()
    form = extra.form
    if not isinstance(form, Form):
        form = extra.form = await read_form(x, limits)
    return form


async def read_form(x: Readable, limits: FormLimits) -> Form:
    """The whole form of an exchange; see `Request.form`."""
    content_type = x.content_type
    kind, _ = parse_parameters(content_type)
    if kind == URLENCODED:
        return await _read_urlencoded(x, limits)
    if kind == MULTIPART:
        return await _read_multipart(x, limits)
    if not kind:
        with contextlib.suppress(LimitExceeded):
            await x.read(0)
            return Form()
    raise x._refused(unexpected(content_type, URLENCODED, MULTIPART))


async def _read_urlencoded(x: Readable, limits: FormLimits) -> Form:
    charset = form_charset(x)
    most = limits.text if limits.body is None else min(limits.text, limits.body)
    data = await x.read(most)
    try:
        return Form(parse_urlencoded(data, charset, fields=limits.fields, field=limits.field))
    except LimitExceeded as error:
        raise x._refused(error) from None


async def _read_multipart(x: Readable, limits: FormLimits) -> Form:
    parts = Parts(x, limits)
    pairs: list[tuple[str, str | Upload]] = []
    texts = files = text_size = 0
    try:
        async for part in parts:
            if part.filename is None:
                texts += 1
                if texts > limits.fields:
                    raise x._refused(LimitExceeded(f"the form has over {limits.fields} fields"))
                text_size += len(part.name)
                data = await _read_text(part, limits, limits.text - text_size)
                text_size += len(data)
                pairs.append((part.name, data.decode(_charset_of_part(part), "replace")))
            else:
                files += 1
                if files > limits.files:
                    raise x._refused(LimitExceeded(f"the form has over {limits.files} files"))
                pairs.append((part.name, await _read_file(part, part.filename, limits)))
    except BaseException:
        Form(pairs).close()
        raise
    return Form(pairs)


async def _read_text(part: Part, limits: FormLimits, room: int) -> bytes:
    """A text field, for which there is `room` left of what all of them may have."""
    if limits.field <= room:
        return await part.read(limits.field)
    return await part._read_within(room, f"the text fields of the form are over {limits.text} bytes together")


def _charset_of_part(part: Part) -> str:
    """Its own, else the form's (RFC 7578 4.5 and 4.6)."""
    charset = label_of(part.content_type)
    return part._parts.charset if charset is None or charset not in CHARSETS else charset


async def _read_file(part: Part, filename: str, limits: FormLimits) -> Upload:
    upload = Upload(part.name, filename, part.headers)
    try:
        while blocks := await gather(part):
            if limits.file is not None and upload.size + sum(map(len, blocks)) > limits.file:
                raise part._parts._refused(LimitExceeded(f"the file {filename[:80]!r} is over {limits.file} bytes"))
            await upload._append(blocks, limits.memory)
    except BaseException:
        upload.close()
        raise
    return upload
