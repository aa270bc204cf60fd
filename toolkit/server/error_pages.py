"""What an error looks like to its reader: text, JSON (RFC 9457) or HTML, as the request accepts. Pure.

Whatever is put into HTML is escaped, the phrase of a status and the name of an exception included. Only the pages with
a traceback show anything of an exception, and only an application in development asks for them.
"""

from __future__ import annotations

import linecache
import traceback
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from toolkit.protocol.negotiate import choose_media_type
from toolkit.protocol.status import reason_phrase

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Page", "debug_page", "error_page"]

TEXT: Final = "text/plain"
HTML: Final = "text/html"
PROBLEM: Final = "application/problem+json"
#: In our order of preference: whoever asks for nothing in particular, as curl does, reads text.
FORMS: Final = (TEXT, PROBLEM, "application/json", HTML)
KEPT_LENGTH: Final = 256  # of an Accept field whose choice is remembered; browsers send some 140
AROUND: Final = 4  # lines of source on either side of the one that failed
FRAMES: Final = 50  # shown with their source; a recursion has a thousand

PAGE: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;margin:4rem auto;max-width:{width};padding:0 1rem}}
h1{{font-size:1.4rem}}h2{{font:14px ui-monospace,monospace}}pre{{background:#8881;overflow-x:auto;padding:.6rem}}
b{{color:#c22}}</style></head>
<body><h1>{title}</h1>
{content}</body></html>
"""


class Page(NamedTuple):
    """A body and its content-type field."""

    content_type: bytes
    body: bytes


def error_page(accept: str | None, status: int, message: str, text: str | None = None) -> Page:
    """The page of a status with a message in the form that `accept` likes best; text where it likes none.

    `text` is what the plain form says, `message` without one.
    """
    form = _form(accept)
    title = reason_phrase(status) or f"Error {status}"
    if form == HTML:
        content = f"<p>{escape(message)}</p>\n" if message and message != title else ""
        return _html(f"{status} {title}", content, "40rem")
    if form == TEXT:
        return Page(b"text/plain; charset=utf-8", (message if text is None else text).encode("utf-8", "replace"))
    problem = {"type": "about:blank", "title": title, "status": status}
    if message and message != title:
        problem["detail"] = message
    return _problem(problem)


def debug_page(accept: str | None, error: BaseException, call: str) -> Page:
    """The page of an exception, with its traceback and source lines; `call` is the request's method and target."""
    form = _form(accept)
    told = traceback.TracebackException.from_exception(error, limit=None, compact=True)
    what = "".join(told.format_exception_only()).strip()
    if form == HTML:
        frames = "".join(_frames(told))
        whole = escape("".join(told.format()))
        content = f"<p>{escape(call)}</p>\n{frames}<h2>All of it</h2>\n<pre>{whole}</pre>\n"
        return _html(what.partition("\n")[0][:300], content, "60rem")
    if form == TEXT:
        return Page(b"text/plain; charset=utf-8", f"{call}\n\n{''.join(told.format())}".encode("utf-8", "replace"))
    lines = "".join(told.format()).splitlines()
    title = reason_phrase(500)
    return _problem({"type": "about:blank", "title": title, "status": 500, "detail": what, "traceback": lines})


def _form(accept: str | None) -> str:
    """What the request likes best. Programs and browsers send one of a few fields, and who looks for holes, thousands
    of them: reading one costs more than all the rest of a 404.
    """
    if accept is None or len(accept) > KEPT_LENGTH:
        return choose_media_type(accept, FORMS) or TEXT
    return _kept_form(accept)


@lru_cache(maxsize=64)
def _kept_form(accept: str) -> str:
    return choose_media_type(accept, FORMS) or TEXT


def _frames(told: traceback.TracebackException) -> Iterator[str]:
    """Each frame with the lines around, the innermost first: that is where one looks."""
    for frame in list(reversed(told.stack))[:FRAMES]:
        last = frame.lineno or 0
        lines = []
        for number in range(max(1, last - AROUND), last + AROUND + 1):
            source = linecache.getline(frame.filename, number)
            if source:
                line = escape(f"{number:5} {source.rstrip()}")
                lines.append(f"<b>{line}</b>" if number == last else line)
        place = escape(f"{frame.filename}:{last} in {frame.name}")
        yield f"<h2>{place}</h2>\n" + ("<pre>" + "\n".join(lines) + "</pre>\n" if lines else "")


def _html(title: str, content: str, width: str) -> Page:
    text = PAGE.format(title=escape(title), content=content, width=width)
    return Page(b"text/html; charset=utf-8", text.encode("utf-8", "replace"))


def _problem(problem: dict[str, object] | dict[str, str | int]) -> Page:
    return Page(PROBLEM.encode("ascii"), orjson.dumps(_sound(problem)))


def _sound(value: object) -> object:
    """Without lone surrogates, which JSON in UTF-8 has no place for (they come from file names)."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {key: _sound(one) for key, one in value.items()}
    return [_sound(one) for one in value] if isinstance(value, list) else value
