"""What an application and its routes may say of their interface, besides what can be told from the routes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Content", "OpenApi", "Operation", "Parameter", "Requirement"]

#: The name of a security scheme, or several that are needed together with their scopes.
Requirement: TypeAlias = "str | Mapping[str, Sequence[str]]"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter, header field or cookie: its type, and what else is to be known of it.

    `type` is anything that `Content` takes. `example` None: there is none.
    """

    type: object = str
    description: str = ""
    required: bool = False
    example: object = None
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """A body: `type` is a dataclass, TypedDict, NamedTuple, Enum, Literal, list[...], dict[str, ...], str, bytes, ...

    `media_type` "": text/plain for str, application/octet-stream for bytes, else application/json. None for `type`:
    nothing is known of it.
    """

    type: object = None
    media_type: str = ""
    description: str = ""
    example: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a route says of itself: `@web.get("/users", docs=Operation(...))`; `docs=False` keeps it to itself.

    `summary` and `description` go before what the handler's docstring says, `tags` before the name of its router.
    `query`, `headers` and `cookies` are types by name, or `Parameter`s. `body` is a type, or `Content`. `responses` are
    the same by status, a text where there is only something to say, None where there is no body. `security` names
    schemes, of which one is enough; () asks for none where the application does. `extra` is merged into the operation
    as it is written into the document.
    """

    summary: str = ""
    description: str = ""
    operation_id: str = ""
    tags: Sequence[str] | None = None
    query: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, object] = field(default_factory=dict)
    cookies: Mapping[str, object] = field(default_factory=dict)
    body: object = None
    responses: Mapping[int | str, object] = field(default_factory=dict)
    security: Sequence[Requirement] | None = None
    deprecated: bool = False
    extra: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.tags, str):
            raise UseError(f"Operation(tags={self.tags!r}): expected a list, [{self.tags!r}]")
        for name in ("query", "headers", "cookies", "responses", "extra"):
            if not hasattr(getattr(self, name), "items"):
                raise UseError(f"Operation({name}={getattr(self, name)!r}): expected a dict")
        _check_requirements("Operation", self.security)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenApi:
    """How an application's interface is described, and where: `App(openapi=OpenApi(title="Shop", version="2.1"))`.

    The document is at `path`, and at `path` with `.json`; the page is at `docs`, None for no page. Both are there with
    `App(debug=True)` alone, unless `public` says that they are for everybody. `servers` are URLs, where paths are not
    simply below this one. `security_schemes` are written into the document as they are, `security` names those that
    operations ask for unless they say otherwise. `tags` are descriptions by name, in the order in which they are shown.
    `extra` is merged into the document. Raises `UseError` for paths that are none.
    """

    title: str = "API"
    version: str = "0.0.0"
    description: str = ""
    path: str = "/openapi"
    docs: str | None = "/docs"
    public: bool = False
    servers: Sequence[str] = ()
    security_schemes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    security: Sequence[Requirement] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, path in (("path", self.path), ("docs", self.docs)):
            if path is not None and (not isinstance(path, str) or not path.startswith("/")):
                raise UseError(f"OpenApi({name}={path!r}): expected a path that begins with '/'")
            if path is not None and any(one in path for one in "{}<>?#"):
                raise UseError(f"OpenApi({name}={path!r}): expected a path without parameters")
        if self.path == "/" or self.docs == self.path:
            raise UseError(f"OpenApi(path={self.path!r}, docs={self.docs!r}): expected two paths, such as '/openapi'")
        for name in ("title", "version", "description"):
            if not isinstance(getattr(self, name), str):
                raise UseError(f"OpenApi({name}={getattr(self, name)!r}): expected a str")
        for name in ("tags", "extra", "security_schemes"):
            if not hasattr(getattr(self, name), "items"):
                raise UseError(f"OpenApi({name}={getattr(self, name)!r}): expected a dict")
        for name, scheme in self.security_schemes.items():
            if not hasattr(scheme, "items"):
                example = '{"type": "http", "scheme": "bearer"}'
                raise UseError(
                    f"OpenApi(security_schemes={{{name!r}: {scheme!r}}}): expected a dict, such as {example}"
                )
        if isinstance(self.servers, str):
            raise UseError(f"OpenApi(servers={self.servers!r}): expected a list, [{self.servers!r}]")
        _check_requirements("OpenApi", self.security)


def _check_requirements(kind: str, security: object) -> None:
    if isinstance(security, str):
        raise UseError(f"{kind}(security={security!r}): expected a list, [{security!r}]")
