"""One operation of the document, out of a route, its handler and what was said of it by `Operation`.

What was said goes first, then what the handler's docstring and annotations tell. A returned value's annotation counts
where a handler may return such a value as it is: dict, TypedDict, list, str, bytes.
"""

from __future__ import annotations

import inspect
import types
import typing
from functools import partial
from typing import TYPE_CHECKING, Final, get_origin

from toolkit.errors import UseError
from toolkit.protocol.status import reason_phrase
from toolkit.server import abort
from toolkit.server.handlers import Handler, described
from toolkit.server.openapi.docstrings import Documented, read
from toolkit.server.openapi.options import Content, Operation
from toolkit.server.openapi.parameters import documented_parameters, given_parameters, path_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.server.openapi.options import Requirement
    from toolkit.server.openapi.schemas import Schema, Schemas
    from toolkit.server.routing import Route

__all__ = ["operation_of", "requirements"]

PROBLEM: Final[Schema] = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}


def operation_of(
    route: Route, tag: str, operation_id: str, schemas: Schemas, schemes: Mapping[str, object]
) -> dict[str, object]:
    """The operation. Raises `UseError` for types that cannot be described, naming the route."""
    said = route.docs or Operation()
    function = _function(route.handler)
    documented = read(_docstring(route.handler, function))
    hints = _hints(function)
    made: dict[str, object] = {}
    tags = list(said.tags) if said.tags is not None else [tag] if tag else []
    if tags:
        made["tags"] = tags
    for key, text in (
        ("summary", said.summary or documented.summary),
        ("description", said.description or documented.description),
    ):
        if text:
            made[key] = text
    made["operationId"] = operation_id
    try:
        parameters = _parameters(route, said, function, hints, documented, schemas)
        if parameters:
            made["parameters"] = parameters
        if said.body is not None:
            made["requestBody"] = _body(said.body, schemas)
        made["responses"] = _responses(said, function, hints, documented, schemas)
        if said.security is not None:
            made["security"] = requirements(said.security, schemes)
    except UseError as error:
        raise UseError(f"the description of {route.path} ({described(route.handler)}): {error}") from None
    if said.deprecated:
        made["deprecated"] = True
    return {**made, **said.extra}


def requirements(security: Sequence[Requirement], schemes: Mapping[str, object]) -> list[dict[str, list[str]]]:
    """Schemes by name, one of which is enough. Raises `UseError` for one that is not declared."""
    found = []
    for one in security:
        needed = {one: []} if isinstance(one, str) else {name: list(scopes) for name, scopes in one.items()}
        for name in needed:
            if name not in schemes:
                known = ", ".join(sorted(schemes)) or "none"
                raise UseError(f"security={name!r}: no such scheme; OpenApi(security_schemes={{...}}) has {known}")
        found.append(needed)
    return found


# -- what the handler says itself ------------------------------------------------------------------------------------


def _function(handler: Handler) -> Handler:
    """Whose docstring and annotations count: behind partials and decorators, an object's call."""
    while isinstance(handler, partial):
        handler = handler.func
    inner: Handler = inspect.unwrap(handler)
    if inspect.isroutine(inner) or inspect.isclass(inner):
        return inner
    return type(inner).__call__


def _docstring(handler: Handler, function: Handler) -> str:
    """That of an object's class where its call has none."""
    if getattr(function, "__name__", "") == "__call__":
        return inspect.cleandoc(function.__doc__ or type(handler).__doc__ or "")
    return inspect.getdoc(function) or ""


def _hints(function: Handler) -> dict[str, object]:
    """The annotations that can be made out: many programs import what they need for types alone."""
    found = {}
    names = getattr(inspect.unwrap(function), "__globals__", {})
    for name, annotation in getattr(function, "__annotations__", {}).items():
        one = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            found.update(typing.get_type_hints(one, globalns=names, include_extras=True))
        except Exception:  # whatever stands there; a description does without
            continue
    return found


def _parameters(
    route: Route,
    said: Operation,
    function: Handler,
    hints: Mapping[str, object],
    documented: Documented,
    schemas: Schemas,
) -> list[Schema]:
    entries = documented.parameters
    given = [
        *path_parameters(route.pattern, route.converters, hints, entries, schemas),
        *given_parameters("query", said.query, schemas),
        *given_parameters("header", said.headers, schemas),
        *given_parameters("cookie", said.cookies, schemas),
    ]
    for one in given:
        name = str(one["name"])
        if "description" not in one and name in entries and entries[name].description:
            one["description"] = entries[name].description
    known = {str(one["name"]) for one in given} | {"self", "cls", "r", "request", _first(function)}
    return [*given, *documented_parameters(entries, known)]


def _first(function: Handler) -> str:
    """What a handler calls its request."""
    try:
        names = [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]
    except (TypeError, ValueError):
        return ""
    return names[0] if names else ""


# -- bodies ----------------------------------------------------------------------------------------------------------


def _body(what: object, schemas: Schemas) -> Schema:
    content = what if isinstance(what, Content) else Content(what)
    made: Schema = {"description": content.description} if content.description else {}
    try:
        return {**made, "required": True, "content": _content(content, schemas)}
    except UseError as error:
        raise UseError(f"body: {error}") from None


def _content(content: Content, schemas: Schemas) -> Schema:
    kind = content.type
    usual = "text/plain" if kind is str else "application/octet-stream" if kind is bytes else "application/json"
    media_type = content.media_type or usual
    made: Schema = {}
    if kind is not None and kind is not bytes:  # the whole body as bytes: its media type says it (4.8.14.2)
        made["schema"] = schemas.of(kind)
    if content.example is not None:
        made["example"] = content.example
    return {media_type: made}


def _responses(
    said: Operation, function: Handler, hints: Mapping[str, object], documented: Documented, schemas: Schemas
) -> Schema:
    made: Schema = {}
    for status, what in said.responses.items():
        key = _status(status)
        try:
            made[key] = _response(key, what, schemas)
        except UseError as error:
            raise UseError(f"responses[{status!r}]: {error}") from None
    if not any(key == "default" or key[0] in "123" for key in made):
        key, response = _returned(hints, documented, schemas)
        made = {key: response, **made}
    for name, when in documented.raises:
        found = _status_of(name, function)
        if found and str(found) not in made:
            schemas.components["Problem"] = PROBLEM
            content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
            made[str(found)] = {"description": when or reason_phrase(found), "content": content}
    return made


def _status(status: object) -> str:
    """The key of a response: a status, a class of them (4XX), or default."""
    text = str(status).upper()
    if text == "DEFAULT":
        return "default"
    if len(text) != 3 or text[0] not in "12345" or not (text[1:].isdigit() or text[1:] == "XX"):
        raise UseError(f"responses={{{status!r}: ...}}: expected a status such as 404, '4XX' or 'default'")
    return text


def _response(key: str, what: object, schemas: Schemas) -> Schema:
    usual = (reason_phrase(int(key)) if key.isdigit() else "") or "The answer"
    if what is None or isinstance(what, str):
        return {"description": what or usual}
    content = what if isinstance(what, Content) else Content(what)
    made: Schema = {"description": content.description or usual}
    if content.type is not None or content.media_type:
        made["content"] = _content(content, schemas)
    return made


def _returned(hints: Mapping[str, object], documented: Documented, schemas: Schemas) -> tuple[str, Schema]:
    """The answer that nobody described: what the handler says that it returns."""
    kind = hints.get("return")
    origin = get_origin(kind) or kind
    if kind in (str, bytes) or origin in (dict, list) or typing.is_typeddict(kind):
        try:
            return "200", {"description": documented.returns or "OK", "content": _content(Content(kind), schemas)}
        except UseError:
            pass  # it was written for type checkers
    return ("200" if documented.returns else "default"), {"description": documented.returns or "The answer"}


def _status_of(name: str, function: Handler) -> int:
    """The status of an error that a docstring names: one of ours, or one below them; 0 for any other."""
    names = getattr(inspect.unwrap(function), "__globals__", {})
    kind = names.get(name) or getattr(abort, name, None)
    return kind.default_status if isinstance(kind, type) and issubclass(kind, abort.StatusAbort) else 0
