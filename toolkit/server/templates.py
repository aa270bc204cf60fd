"""Templates: Jinja2, with escaping on, files read off the loop, each compiled once.

A template is loaded in the loop's thread pool together with those that it extends, includes and imports by name, so
that rendering finds them all in memory. Needs the extra `templates`.
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from toolkit.errors import UseError
from toolkit.protocol.headers import Headers, encode_fields
from toolkit.server.answers import Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from typing import SupportsIndex

    import jinja2

    from toolkit.protocol.headers import HeadersLike
    from toolkit.server.request import Request

__all__ = ["Templates", "render", "stream"]

PIECE: Final = 8 * 1024  #: characters; a streamed template leaves in pieces of about this size, not word by word
SUFFIXES: Final = (".j2", ".jinja", ".jinja2")  #: said of a template, not of what it makes


def made_by(name: str) -> str:
    """The name of what a template makes: `mail.txt.j2` makes `mail.txt`."""
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def escapes(name: str | None) -> bool:
    """Whether what is put into a template is escaped as HTML and XML want it: always, but in plain text."""
    return name is None or not made_by(name).endswith(".txt")


def content_type_of(name: str) -> str:
    """By what the template makes; HTML where its name does not say."""
    kind = mimetypes.guess_type(made_by(name))[0] or "text/html"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") or kind.endswith("+xml") else kind


class Templates:
    """The templates below one or more directories, the first that has a name winning.

    `reload` looks at the files again each time, for development. `strict` makes a name that the template was not given
    an error instead of nothing. `names` and `filters` are there in every template; `environment` is Jinja's, for
    everything else. Raises `UseError` for a directory that is none.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        reload: bool = False,
        strict: bool = False,
        names: Mapping[str, object] | None = None,
        filters: Mapping[str, Callable[..., object]] | None = None,
    ) -> None:
        try:
            import jinja2
        except ImportError as error:
            raise UseError("templates need Jinja2: pip install 'streaming-toolkit[templates]'") from error
        given = [directory] if isinstance(directory, (str, os.PathLike)) else list(directory)
        self.directories = [os.fspath(one) for one in given]
        for one in self.directories:
            if not os.path.isdir(one):
                raise UseError(f"templates: {one!r} is no directory (looked for in {os.getcwd()!r})")
        self.reload = reload
        self.environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(self.directories),
            autoescape=escapes,
            enable_async=True,
            auto_reload=reload,
            undefined=jinja2.StrictUndefined if strict else jinja2.Undefined,
        )
        self.environment.globals.update(names or {})
        self.environment.filters.update(filters or {})
        self._loaded: dict[str, jinja2.Template] = {}

    async def load(self, name: str) -> jinja2.Template:
        """The template, compiled. Raises `UseError` where there is none, `jinja2.TemplateSyntaxError` for a bad one."""
        template = self._loaded.get(name)
        if template is None:
            template = await asyncio.to_thread(self._load, name)
            if not self.reload:
                self._loaded[name] = template
        return template

    async def render(self, name: str, context: Mapping[str, object]) -> str:
        """The template with its context. What it raises goes through."""
        from jinja2 import TemplateNotFound

        template = await self.load(name)
        try:
            return await template.render_async(context)
        except TemplateNotFound as error:
            raise self._missing(error, name) from error

    async def stream(self, name: str, context: Mapping[str, object]) -> AsyncIterator[bytes]:
        """The same, piece by piece while it is made."""
        template = await self.load(name)
        parts: list[str] = []
        size = 0
        async for part in template.generate_async(context):
            parts.append(part)
            size += len(part)
            if size >= PIECE:
                yield "".join(parts).encode()
                parts, size = [], 0
        if parts:
            yield "".join(parts).encode()

    def _load(self, name: str) -> jinja2.Template:
        from jinja2 import TemplateNotFound

        try:
            template = self.environment.get_template(name)
        except TemplateNotFound as error:
            raise self._missing(error, name) from error
        self._load_referenced(name, set())
        return template

    def _load_referenced(self, name: str, seen: set[str]) -> None:
        """What it names; what is missing, or named by an expression, is found out when it is rendered."""
        from jinja2 import TemplateNotFound, meta

        seen.add(name)
        loader = self.environment.loader
        assert loader is not None
        source = loader.get_source(self.environment, name)[0]
        for other in meta.find_referenced_templates(self.environment.parse(source)):
            if other is not None and other not in seen:
                try:
                    self.environment.get_template(other)
                except TemplateNotFound:
                    continue
                self._load_referenced(other, seen)

    def _missing(self, error: jinja2.TemplateNotFound, name: str) -> UseError:
        wanted = error.name or name
        by = "" if wanted == name else f", which {name!r} wants"
        there = self.environment.list_templates()
        shown = ", ".join(there[:10]) + (", ..." if len(there) > 10 else "")
        return UseError(
            f"there is no template {wanted!r}{by}, in {', '.join(self.directories)}; there: {shown or 'none'}"
        )


def _of(r: Request) -> Templates:
    templates = r.app.templates or r._connection.running.app.templates  # a mounted application may do without its own
    if templates is None:
        raise UseError(r._say("render() without templates; App(templates='templates') says where they are"))
    return templates


def _headers(name: str, headers: HeadersLike | None) -> Headers:
    together = Headers(headers)
    if "content-type" not in together:
        together["content-type"] = content_type_of(name)
    return together


def _check(r: Request, call: str, name: str, status: object) -> int:
    """Values given as one dict, as other libraries take them, would be the status."""
    if isinstance(status, bool) or not isinstance(status, int):
        given = "{...}" if isinstance(status, Mapping) else repr(status)
        raise UseError(
            r._say(
                f"{call}({name!r}, {given}): what comes second is the status; values go by their names, "
                f"{call}({name!r}, **context)"
            )
        )
    return status


async def render(
    r: Request, name: str, status: SupportsIndex, headers: HeadersLike | None, context: dict[str, object]
) -> Answer:
    """See `Request.render`."""
    status = _check(r, "render", name, status)
    text = await _of(r).render(name, {"r": r, **context})
    return Answer(status, encode_fields(_headers(name, headers)), text.encode())


async def stream(
    r: Request, name: str, status: SupportsIndex, headers: HeadersLike | None, context: dict[str, object]
) -> tuple[int, AsyncIterator[bytes], Headers]:
    """See `Request.stream_template`."""
    status = _check(r, "stream_template", name, status)
    templates = _of(r)
    await templates.load(name)  # what is missing is told before the answer's head is sent
    return status, templates.stream(name, {"r": r, **context}), _headers(name, headers)
