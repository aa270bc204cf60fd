"""One URL: its request, and its answer to where it belongs."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from toolkit.client.redirects import Redirects
from toolkit.client.retries import Retries
from toolkit.client.url import join_url, parse_url
from toolkit.errors import LocalProtocolError, StatusError, UseError
from toolkit.other.cli.access import cookie_pairs
from toolkit.other.cli.body import Outbound, body_of, joined, upload_url
from toolkit.other.cli.output import Output
from toolkit.other.cli.pretty import head_text, printable
from toolkit.other.cli.report import Done, write_out
from toolkit.other.cli.statuses import Exit, Stop, status_of
from toolkit.protocol.disposition import safe_filename
from toolkit.protocol.headers import Headers

if TYPE_CHECKING:
    from toolkit.client.options import RequestOptions
    from toolkit.client.response import Response
    from toolkit.client.session import Session
    from toolkit.other.cli.arguments import Command
    from toolkit.other.cli.pretty import Colours

__all__ = ["Transfer", "head_of", "request_fields"]

#: What a session adds by itself and `-H 'Name:'` leaves out; see `command.py`.
Fields = list[tuple[str, str]]
SAVED_AS: Final = "download"


def request_fields(command: Command, outbound: Outbound) -> Fields:
    """The request's own fields: those of -H, and what the other options say where -H does not name it.

    Raises `Stop` for a file of fields that cannot be read.
    """
    own: Fields = []
    for line in _header_lines(command.headers):
        name, colon, value = line.partition(":")
        if not colon:
            own.append((line.rstrip(";").strip(), ""))
        elif value.strip():
            own.append((name.strip(), value.strip()))
    named = {name.lower() for name, _ in own} | left_out(command)
    more = list(outbound.fields)
    if command.agent:
        more.append(("user-agent", command.agent))
    if command.referer:
        more.append(("referer", command.referer))
    if command.range:
        more.append(("range", f"bytes={command.range}"))
    return own + [(name, value) for name, value in more if name not in named]


def left_out(command: Command) -> set[str]:
    """The names of `-H 'Name:'`, in lower case."""
    lines = [line.partition(":") for line in _header_lines(command.headers)]
    return {name.strip().lower() for name, colon, value in lines if colon and not value.strip()}


def _header_lines(headers: list[str]) -> list[str]:
    lines: list[str] = []
    for one in headers:
        if one.startswith("@"):
            try:
                text = sys.stdin.read() if one == "@-" else Path(one[1:]).read_text(encoding="utf-8")
            except (OSError, ValueError) as error:
                raise Stop(Exit.READ, f"cannot read the fields of {one[1:]}: {error}") from error
            lines += [line.strip() for line in text.splitlines() if line.strip()]
        else:
            lines.append(one)
    return lines


def head_of(x: Response) -> tuple[str, Fields]:
    """The answer's status line and fields."""
    return f"HTTP/{x.http_version} {x.status} {x.reason}".rstrip(), list(x.response_headers.items())


class Transfer:
    """A URL's request. `run` gives the exit status."""

    def __init__(self, command: Command, session: Session, url: str, output: str | None) -> None:
        self._command = command
        self._session = session
        self._given = url
        self._url = upload_url(url if "://" in url or command.unix_socket else f"http://{url}", command.upload)
        if command.as_query and command.pieces:
            path, _, query = self._url.partition("?")
            pairs = joined(command.pieces).decode("latin-1")
            self._url = f"{path}?{query}&{pairs}" if query else f"{path}?{pairs}"
        self._output = output
        self._stdout = Output(colour=command.colour, forced=output == "-")
        self._x: Response | None = None
        self._saved: Path | None = None
        self._size = 0  # bytes of the body that were written
        self._began = time.monotonic()

    async def run(self) -> int:
        """All of it; messages go to standard error."""
        text = ""
        status = Exit.OK
        try:
            async with asyncio.timeout(self._command.max_time):
                await self._run()
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError):
                raise
            status = status_of(error, self._x)
            text = self._text(error)
        if text and (not self._command.silent or self._command.show_errors):
            print(f"{self._command.name}: {printable(text)}", file=sys.stderr)
        if self._command.write_out:
            shown = write_out(self._command.write_out, self._done(status, text), self._headers())
            try:
                await self._stdout.write(shown.encode("utf-8", "surrogateescape"))
            except Stop as stop:
                status = status or stop.status
        return int(status)

    def _text(self, error: Exception) -> str:
        if isinstance(error, TimeoutError) and not str(error):
            return f"{self._shown()}: not complete within {self._command.max_time:g} s (--max-time)"
        if isinstance(error, OSError) and error.filename is not None:
            text = f"{error.filename}: {(error.strerror or '').removeprefix('save(): ')}"
            return text.replace("overwrite=True replaces it", "-o with its name replaces it")
        notes = [note.replace("another save() of this URL", "the same command") for note in _notes(error)]
        return "; ".join([str(error), *notes]).replace("save(): ", "")

    def _shown(self) -> str:
        """The URL without its password."""
        url = parse_url(self._url)
        return str(url.with_password("***") if url.raw_password is not None else url)

    def _headers(self) -> Headers:
        return Headers() if self._x is None else self._x.response_headers

    def _done(self, status: int, text: str) -> Done:
        x, seconds = self._x, time.monotonic() - self._began
        size = self._size
        headers = self._headers()
        where = headers.get("location")
        return Done(
            url=self._given,
            url_effective=self._url if x is None else x.url,
            method=self._command.method if x is None else x.method,
            http_code=0 if x is None else x.status or 0,
            http_version="0" if x is None or x.status is None else x.http_version,
            content_type=headers.get("content-type", ""),
            num_redirects=0 if x is None else sum(300 <= (one.status or 0) < 400 for one in x.history),
            redirect_url=_joined(x.url, where) if x is not None and where is not None else "",
            size_download=size,
            size_upload=0 if x is None else x._sent,
            size_header=0 if x is None or x.status is None else _head_size(x),
            speed_download=int(size / max(seconds, 1e-6)),
            time_starttransfer=(x.elapsed or 0.0) if x is not None else 0.0,
            time_total=seconds,
            filename_effective="" if self._saved is None else str(self._saved),
            exitcode=status,
            errormsg=text,
        )

    # -- the request -------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        command = self._command
        outbound = body_of(command)
        target = self._target()
        try:
            fields = request_fields(command, outbound)
            ranged = target is not None or command.range is not None
            if ranged and "accept-encoding" not in {name.lower() for name, _ in fields}:
                fields.append(("accept-encoding", "identity"))  # parts are of what is sent: half a gzip is no half
            x = self._x = self._session.request(command.method, self._url, fields, **self._options(outbound))
        except (UseError, ValueError) as error:
            raise Stop(Exit.URL, str(error).partition("; give Session")[0]) from error
        except LocalProtocolError as error:
            raise Stop(Exit.URL if "URL" in str(error) else Exit.ARGUMENTS, str(error)) from error
        if target is not None and command.go_on:
            await self._save(x, target)
            return
        async with x:
            await self._answered(x, target, live=outbound.live)

    def _options(self, outbound: Outbound) -> RequestOptions:
        options: RequestOptions = {**outbound.options, "decode": not self._command.raw}
        most = self._command.most_redirects
        if self._command.follow:
            options["redirects"] = Redirects() if most is None else Redirects(most=most)
        if self._command.retry:
            options["retries"] = Retries(attempts=self._command.retry + 1, backoff=1)
        if pairs := cookie_pairs(self._command):
            options["cookies"] = pairs
        return options

    def _target(self) -> Path | None:
        """The file or the folder that the answer is to be saved in; None where it is to be shown."""
        command = self._command
        if self._output == "-" or (self._output is None and not command.remote_name):
            return None
        folder = command.folder or Path()
        if command.remote_header_name:
            target = folder
        else:
            target = folder / (self._own_name() if self._output is None else self._output)
        if command.make_folders:
            (target if target is folder else target.parent).mkdir(parents=True, exist_ok=True)
        return target

    def _own_name(self) -> str:
        """The URL's last part: a name that whoever typed it knows, so that it may replace a file."""
        last = self._url.partition("#")[0].partition("?")[0].partition("://")[2].rpartition("/")
        return (safe_filename(unquote(last[2])) if last[1] else "") or SAVED_AS

    # -- the answer --------------------------------------------------------------------------------------------

    async def _answered(self, x: Response, target: Path | None, *, live: bool) -> None:
        command = self._command
        await x.head()
        if command.verbose:
            self._show_heads(x)
        status = x.status or 0
        failed = status >= 400 and (command.fail or command.fail_with_body)
        out = self._stdout
        try:
            if failed and not command.fail_with_body:
                return
            if target is not None and not command.include and 200 <= status < 300 and _is_file(target):
                await self._save(x, target)
                return
            if target is not None:
                out = self._opened(x, target)
            if command.include:
                for one in [*x.history, x]:
                    line, fields = head_of(one)
                    await out.write(head_text(line, fields, one.status or 0, out.colours).encode("latin-1", "replace"))
            try:
                await out.body(x, live=live)
            finally:
                self._size = out.size
        finally:
            if failed and sys.exc_info()[0] is None:
                raise StatusError(x._say(f"answered {status} {x.reason}"), status, x)

    async def _save(self, x: Response, target: Path) -> None:
        self._saved = await x.save(target, progress=not self._command.silent)
        self._size = self._saved.stat().st_size

    def _opened(self, x: Response, target: Path) -> Output:
        """A device; or a file for what is no 2xx, which is not gone on with."""
        flags = os.O_CREAT | os.O_TRUNC
        if target.is_dir():
            target, flags = target / x.get_filename(), os.O_CREAT | os.O_EXCL
        self._saved = target
        return Output(os.open(target, flags | os.O_WRONLY, 0o666), colour="never", forced=True)

    def _show_heads(self, x: Response) -> None:
        """Both heads of each exchange, on standard error."""
        colours = Output(2, colour=self._command.colour).colours
        for one in [*x.history, x]:
            lines = one._sent_head.decode("latin-1").split("\r\n")
            fields = [(name, value) for name, _, value in (line.partition(": ") for line in lines[1:-2])]
            shown = head_text(lines[0], fields, 0, colours, "> ")
            for status, headers in one.interim:
                shown += _answer_text(f"HTTP/1.1 {status}", headers, status, colours)
            shown += _answer_text(head_of(one)[0], one.response_headers, one.status or 0, colours)
            sys.stderr.write(shown)
        sys.stderr.flush()


def _answer_text(line: str, headers: Headers, status: int, colours: Colours) -> str:
    return head_text(line, headers.items(), status, colours, "< ")


def _notes(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", []))


def _is_file(target: Path) -> bool:
    """It is one, or none yet, or a folder; no device, which is written to as it is."""
    try:
        mode = target.stat().st_mode
    except OSError:
        return True
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _joined(url: str, where: str) -> str:
    try:
        return str(join_url(parse_url(url), where))
    except ValueError:
        return ""


def _head_size(x: Response) -> int:
    line, fields = head_of(x)
    return len(line) + 4 + sum(len(name) + len(value) + 4 for name, value in fields)
