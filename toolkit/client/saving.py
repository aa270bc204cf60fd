"""Downloads: an answer's body into a file that is whole or not there (`Response.save`).

How it works. Bytes go into a part beside the target (`part_file.py`) and get the target's name at the very end, once
the length is right and every digest that the server stated (RFC 9530). What is cut off leaves its part, if the server
gave a strong validator to ask for the rest by, and the next `save` of the same URL goes on there (`resuming.py`). So
does this one by itself, as long as each request brings at least a byte and there are not more than `attempts`.

A request that is still to be sent asks for no content coding, as ranges are of what is sent: half a gzip stream is no
half of the file. An answer that is coded all the same is decoded and starts over when it is cut off; `decode=False`
saves it as it comes. An exchange that is entered already is saved as it is, unless its part is here: then the answer
is given up for one with the rest.
"""

from __future__ import annotations

import contextlib
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from toolkit.client.part_file import PartFile, check_target
from toolkit.client.progress import Progress, ProgressBar
from toolkit.client.resuming import Mark, Step, answered_size, judge, strong_validator
from toolkit.client.url import shown_url
from toolkit.errors import (
    Disconnected,
    NetworkError,
    ReadTimeout,
    RemoteProtocolError,
    StatusError,
    UseError,
)
from toolkit.protocol.codings import parse_codings
from toolkit.protocol.digests import parse_digests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from toolkit.client.answered import AnsweredRequest
    from toolkit.client.response import Response
    from toolkit.protocol.headers import Fields

__all__ = ["SaveOptions", "save"]

Told: TypeAlias = "Callable[[int, int | None], object]"
LOST = (Disconnected, NetworkError, ReadTimeout)
ATTEMPTS = 5  #: requests for one file. curl's --retry and wget's --tries are asked for by number; wget's default is 20


@dataclass(frozen=True, slots=True)
class SaveOptions:
    """What `Response.save` was given; see there."""

    path: str | os.PathLike[str] = "."
    resume: bool = True
    progress: bool | Told = False
    overwrite: bool | None = None
    fsync: bool = False
    attempts: int = ATTEMPTS

    def __post_init__(self) -> None:
        if not isinstance(self.path, (str, os.PathLike)):
            raise UseError(f"save({self.path!r}): expected the path of a file, or of a folder to save into")
        if not os.fspath(self.path):
            raise UseError('save(""): expected the path of a file; "." saves into this folder')
        if type(self.attempts) is not int or self.attempts < 1:
            raise UseError(f"save(attempts={self.attempts!r}): expected a whole number of requests from 1 on")
        if not isinstance(self.progress, bool) and not callable(self.progress):
            raise UseError(f"save(progress={self.progress!r}): expected True, False, or a function of two numbers")


async def save(x: AnsweredRequest, options: SaveOptions) -> Path:
    """See `Response.save`."""
    saving = Saving(cast("Response", x), options)  # each of them is one
    try:
        return await saving.run()
    except BaseException:
        await saving.leave()
        raise
    finally:
        saving.show_end()


class Saving:
    """One call of `save`: its requests, one after the other, and the part that they fill."""

    def __init__(self, x: Response, options: SaveOptions) -> None:
        self._x = x
        self._options = options
        self._own_range = any(name.lower() == b"range" for name, _ in x._fields)
        first = x.history[0] if x.history else x
        self._resume = options.resume and first.method == x.method == "GET" and not self._own_range
        self._decode = bool(x._options.get("decode", True)) if x._options else True
        self._place, self._url = first._place, first.url
        path = Path(options.path)
        # A path that ends with a slash is a folder, also one that is not there (which is an error then).
        self._folder = path if path.is_dir() or os.fspath(options.path).endswith(("/", os.sep)) else None
        self._overwrite = self._folder is None if options.overwrite is None else options.overwrite
        self._part: PartFile | None = None
        self._corrupt = False
        self._size: int | None = None
        self._resumed = 0
        told = options.progress
        self._bar = ProgressBar() if told is True else None
        self._tell: Told | None = None if isinstance(told, bool) else told
        check_target(path if self._folder is None else path / "any", overwrite=self._overwrite or path.is_dir())
        if self._folder is None and not x._started:
            self._open(path)

    def _open(self, target: Path) -> PartFile:
        part = self._part = PartFile(target)
        if part.mark is not None and (not self._resume or part.mark.source != Mark.of(self._url, "", None).source):
            part.start(0, None)
        return part

    async def run(self) -> Path:
        """Until the file is there."""
        x, left = self._x, self._options.attempts
        while True:
            left -= 1
            before = 0 if self._part is None else self._part.size
            try:
                whole = await self._one(x)
            except LOST as error:
                if left < 1 or not self._can_go_on(before):
                    raise _told_where(error, self._part)
                whole = False
            if whole:
                break
            if self._part is not None:
                await self._part.flush()
            if left < 1:
                raise RemoteProtocolError(x._say(f"save(): not whole after {self._options.attempts} requests"))
            x = self._fresh()
        part = self._part
        assert part is not None  # it was opened when there was an answer
        await part.finish(overwrite=self._overwrite, fsync=self._options.fsync)
        self._part = None
        return part.target

    def _can_go_on(self, before: int) -> bool:
        part = self._part
        return part is not None and part.mark is not None and part.size > before

    def _fresh(self) -> Response:
        """The same request once more."""
        x = self._x
        fields = [pair for pair in x._fields if not self._resume or pair[0].lower() not in (b"range", b"if-range")]
        return type(x)(x._session, x.method, self._place, fields, x._options)

    async def _one(self, x: Response) -> bool:
        """One request. True: the file is whole; False: there is more to ask for."""
        held: int | None = None
        if not x._started:
            held = self._ask(x)
        async with self._entered(x):
            await x.head()
            part = self._part or self._open(self._target(x))
            if held is None and self._better_by_range(x, part):
                await x.abort("the rest is asked for alone")
                step = Step.AGAIN
            else:
                step = self._judge(x, held, part)
                if step is Step.AGAIN:
                    part.start(0, None)
                elif step is not Step.NOTHING:
                    await self._receive(x, part, step)
        if step is Step.AGAIN:  # at most twice: the rest, and where that is not to be had, the whole
            return await self._one(self._fresh())
        return await self._checked(x, part, step)

    @asynccontextmanager
    async def _entered(self, x: Response) -> AsyncIterator[None]:
        """Within `async with`, unless that is its user's."""
        if x._started:
            yield
        else:
            async with x:
                yield

    def _ask(self, x: Response) -> int | None:
        """Add what asks for the rest of the part; how much of it is here, None where all is asked for."""
        more: Fields = []
        if not any(name.lower() == b"accept-encoding" for name, _ in x._fields):
            more.append((b"accept-encoding", b"identity"))
        part, held = self._part, None
        if part is not None and part.mark is not None and part.size:
            held = part.size
            more += [(b"range", b"bytes=%d-" % held), (b"if-range", part.mark.validator.encode("latin-1"))]
            if x._turns is not None:
                x._turns.take(416)  # the part is the whole already, or of no use (`judge`)
        elif part is not None:
            part.start(0, None)
        x._fields = [*x._fields, *more]
        return held

    def _target(self, x: Response) -> Path:
        """In the folder, by the answer's own name: one that a server chose replaces nothing unless asked to."""
        if self._folder is None:
            return Path(self._options.path)
        self._must_be_saved(x, _status(x))
        target = self._folder / x.get_filename()
        check_target(target, self._overwrite)
        return target

    def _better_by_range(self, x: Response, part: PartFile) -> bool:
        """The whole is coming, and a part of this very version is here."""
        mark = part.mark
        same = mark is not None and part.size > 0 and strong_validator(x.headers) == mark.validator
        return same and _status(x) == 200 and not self._coded(x)

    def _judge(self, x: Response, held: int | None, part: PartFile) -> Step:
        status = _status(x)
        if status == 206 and self._own_range:
            return Step.WHOLE  # of what its user asked for
        step = judge(status, x.headers, held, part.mark, coded=self._coded(x))
        if step is None:
            self._must_be_saved(x, status)
            raise RemoteProtocolError(x._say(f"save(): answered {status} {x.reason} to a request without a range"))
        return step

    def _must_be_saved(self, x: Response, status: int) -> None:
        """Raise what an answer is that is nothing to be saved."""
        if 200 <= status < 300:
            return
        where = x.headers.get("location")
        hint = "" if where is None else f"; it leads to {shown_url(where[:200])} (follow_redirects=True goes there)"
        raise StatusError(x._say(f"save(): answered {status} {x.reason}{hint}"), status, x)

    def _coded(self, x: Response) -> bool:
        """Its codings are undone on the way to the file."""
        return self._decode and bool(parse_codings(x.headers.get("content-encoding", "")))

    async def _receive(self, x: Response, part: PartFile, step: Step) -> None:
        coded = self._coded(x)
        known = part.mark.size if step is Step.REST and part.mark is not None else None
        self._size = None if coded else answered_size(_status(x), x.headers) or known
        if self._own_range and _status(x) == 206:
            self._size = x.content_length
        if step is Step.WHOLE:
            validator = strong_validator(x.headers) if self._resume and not coded else None
            part.start(0, None if validator is None else Mark.of(self._url, validator, self._size))
        else:
            part.start(part.size, part.mark)
        self._resumed = part.size
        self._show(part)
        async for data in x:
            await part.write(data)
            self._show(part)
        await part.flush()

    async def _checked(self, x: Response, part: PartFile, step: Step) -> bool:
        """Hold the file against what was stated of it; False: a range was shorter than asked for."""
        if step is Step.NOTHING:
            self._size = part.size
        size = self._size
        if size is not None and part.size < size:
            return False
        if size is not None and part.size > size:
            self._corrupt = True
            raise RemoteProtocolError(x._say(f"save(): {part.size} bytes came of {size}"))
        if not self._coded(x):
            start = self._resumed if step is Step.REST else 0
            await self._check(x, part, "content-digest", 0 if step is Step.NOTHING else start, step)
            if not self._own_range:
                await self._check(x, part, "repr-digest", 0, step)
        return True

    async def _check(self, x: Response, part: PartFile, field: str, start: int, step: Step) -> None:
        if step is Step.NOTHING and field == "content-digest":
            return  # of the error's own content
        trailers = x.trailers
        stated = x.headers.get(field) or (None if trailers is None else trailers.get(field))
        for digest in parse_digests(stated or "")[:1]:
            if not await part.matches(digest, start):
                self._corrupt = True
                raise RemoteProtocolError(x._say(f"save(): the bytes that came are not those of its {field} field"))

    def _show(self, part: PartFile) -> None:
        if self._bar is not None:
            self._bar(Progress(part.target.name, part.size, self._size, self._resumed))
        elif self._tell is not None:
            self._tell(part.size, self._size)

    def show_end(self) -> None:
        """The bar's last line."""
        if self._bar is not None:
            self._bar.ended()

    async def leave(self) -> None:
        """It failed: keep what can be gone on with."""
        part, self._part = self._part, None
        if part is not None:
            with contextlib.suppress(OSError):
                await part.leave(keep=self._resume and not self._corrupt)


def _status(x: Response) -> int:
    head = x._head
    assert head is not None  # its head was waited for
    return head.status


def _told_where(error: Exception, part: PartFile | None) -> Exception:
    """`error`, with what became of the bytes that are here."""
    if part is not None and part.mark is not None and part.size:
        error.add_note(f"save(): {part.size} bytes are kept in {part.path}; another save() of this URL goes on there")
    return error
