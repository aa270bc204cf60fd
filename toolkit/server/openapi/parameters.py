"""From a route's pattern to a path of the document: its template, its parameters, and when two of them are one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from toolkit.errors import UseError
from toolkit.server.converters import PATH, Converter
from toolkit.server.openapi.options import Parameter
from toolkit.server.patterns import Parameter as Varying

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from toolkit.server.openapi.docstrings import Entry
    from toolkit.server.openapi.schemas import Schema, Schemas
    from toolkit.server.patterns import Pattern

__all__ = ["documented_parameters", "given_parameters", "path_parameters", "same_path", "template"]

KINDS: Final[dict[str, Schema]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "uuid": {"type": "string", "format": "uuid"},
    PATH: {"type": "string"},
}
#: Says that a parameter may have slashes, which OpenAPI has no word for; the page leaves them as they are.
REST: Final = "x-rest-of-path"
#: Fields with a place of their own in an operation (OpenAPI 3.1, 4.8.12.1); as parameters they would be ignored.
RESERVED: Final = frozenset(["accept", "content-type", "authorization"])


def template(pattern: Pattern) -> str:
    """`/users/{id:int}` is `/users/{id}`: what a parameter must be is said beside it."""
    return "".join(f"/{{{one.name}}}" if isinstance(one, Varying) else f"/{one}" for one in pattern.segments)


def same_path(pattern: Pattern) -> str:
    """The same for two paths that differ in their parameters' names alone; a document has one of them (4.8.8.1)."""
    return "".join("/{}" if isinstance(one, Varying) else f"/{one}" for one in pattern.segments)


def path_parameters(
    pattern: Pattern,
    converters: Mapping[str, Converter],
    hints: Mapping[str, object],
    documented: Mapping[str, Entry],
    schemas: Schemas,
) -> list[Schema]:
    """The parameters of a path. A converter says what a value must be, else the handler's annotation does."""
    found = []
    for one in pattern.parameters:
        parameter: Schema = {"name": one.name, "in": "path", "required": True}
        if one.name in documented and documented[one.name].description:
            parameter["description"] = documented[one.name].description
        parameter["schema"] = _schema_of(one, converters, hints, documented, schemas)
        if one.converter == PATH:
            parameter[REST] = True
        found.append(parameter)
    return found


def _schema_of(
    one: Varying,
    converters: Mapping[str, Converter],
    hints: Mapping[str, object],
    documented: Mapping[str, Entry],
    schemas: Schemas,
) -> Schema:
    if one.converter in KINDS:
        return dict(KINDS[one.converter])
    told = documented.get(one.name)
    kinds = [hints[one.name]] if hints.get(one.name, str) is not str else []  # text it always is
    if one.converter and isinstance(converters[one.converter].parse, type):
        kinds.insert(0, converters[one.converter].parse)  # an Enum, say
    for kind in kinds:
        try:
            return schemas.of(kind)
        except UseError:
            continue
    return {"type": "string"} if told is None else told.schema


def given_parameters(where: str, given: Mapping[str, object], schemas: Schemas) -> list[Schema]:
    """Those that an `Operation` names; `where` they are: query, header or cookie. Raises `UseError` for odd types."""
    found = []
    for name, kind in given.items():
        if where == "header" and name.lower() in RESERVED:
            raise UseError(f"headers={{{name!r}: ...}}: it has a place of its own; say `body`, `responses`, `security`")
        one = kind if isinstance(kind, Parameter) else Parameter(kind)
        parameter: Schema = {"name": name, "in": where}
        if one.required:
            parameter["required"] = True
        if one.deprecated:
            parameter["deprecated"] = True
        if one.description:
            parameter["description"] = one.description
        try:
            parameter["schema"] = schemas.of(one.type)
        except UseError as error:
            raise UseError(f"{where} {name!r}: {error}") from None
        if one.example is not None:
            parameter["example"] = one.example
        found.append(parameter)
    return found


def documented_parameters(documented: Mapping[str, Entry], known: Iterable[str]) -> list[Schema]:
    """What a docstring says of others than those that are `known`: of the query, since there is nowhere else.

    None of them is required: "page (int)" is what people write of both kinds.
    """
    found = []
    for name, entry in documented.items():
        if name in known or name.startswith("*"):
            continue
        parameter: Schema = {"name": name, "in": "query"}
        if entry.description:
            parameter["description"] = entry.description
        parameter["schema"] = entry.schema
        found.append(parameter)
    return found
