"""JSON Schema (2020-12, what OpenAPI 3.1 speaks) of Python types, as orjson writes their values.

Classes with fields and enumerations become components, each once, and are referred to by name; so a type may contain
itself. Classes that can describe themselves (pydantic's models, msgspec's structs) are asked to; neither library is
imported here.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import inspect
import re
import sys
import types
import typing
import uuid
from collections import abc
from typing import Final, Literal, TypeAlias, TypeVar, get_args, get_origin

from toolkit.errors import UseError
from toolkit.protocol.aio.uploads import Upload
from toolkit.server.handlers import described
from toolkit.server.openapi.docstrings import read

__all__ = ["Schema", "Schemas"]

Schema: TypeAlias = dict[str, object]

REFERENCE: Final = "#/components/schemas/"
BINARY: Final[Schema] = {"type": "string", "contentMediaType": "application/octet-stream"}

_SIMPLE: Final[dict[object, Schema]] = {
    typing.Any: {},
    object: {},
    None: {"type": "null"},
    type(None): {"type": "null"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bytes: BINARY,
    bytearray: BINARY,
    memoryview: BINARY,
    Upload: BINARY,
    datetime.datetime: {"type": "string", "format": "date-time"},
    datetime.date: {"type": "string", "format": "date"},
    datetime.time: {"type": "string", "format": "time"},
    uuid.UUID: {"type": "string", "format": "uuid"},
    list: {"type": "array", "items": {}},
    tuple: {"type": "array", "items": {}},
    dict: {"type": "object"},
}
SERIES: Final = (list, abc.Sequence, abc.Iterable, abc.Collection, abc.MutableSequence)
SETS: Final = (set, frozenset, abc.Set, abc.MutableSet)
MAPPINGS: Final = (dict, abc.Mapping, abc.MutableMapping)
#: What stands around a field's type and says nothing of its values.
MARKERS: Final = frozenset(["Required", "NotRequired", "ReadOnly", "ClassVar", "Final"])
#: What the usual constraints in `Annotated` call their values (annotated-types, msgspec.Meta), and JSON Schema does.
CONSTRAINTS: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
    "description": "description",
}


class Schemas:
    """The schemas of one document. `components` are those that have a name."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        self._names: dict[object, str] = {}
        self._bound: dict[object, object] = {}  # what the type variables stand for, in the class that is read

    def of(self, annotation: object) -> Schema:
        """The schema of a type. Raises `UseError` for what has no form in JSON that could be told."""
        if isinstance(annotation, (dict, list)):
            raise UseError(
                f"{annotation!r} is no type: expected one such as list[int], or a TypedDict with these fields"
            )
        simple = _simple(annotation)
        if simple is not None:
            return simple
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is typing.Annotated:
            return _constrained(self.of(arguments[0]), annotation.__metadata__)  # type: ignore[attr-defined]
        if origin is Literal:
            return _enumeration(list(arguments))
        if origin in (typing.Union, types.UnionType):
            return self._any_of(arguments)
        if origin is not None and getattr(origin, "_name", "") in MARKERS:
            return self.of(arguments[0])
        if isinstance(annotation, TypeVar):
            return self.of(self._bound.get(annotation, annotation.__bound__ or object))
        if isinstance(annotation, typing.NewType):
            return self.of(annotation.__supertype__)
        if type(annotation).__name__ == "TypeAliasType":  # `type X = ...`, from 3.12 on
            return self.of(annotation.__value__)  # type: ignore[attr-defined]
        found = self._collection(origin or annotation, arguments)
        return found if found is not None else self._component(annotation, origin or annotation)

    def _any_of(self, kinds: tuple[object, ...]) -> Schema:
        return {"anyOf": [self.of(kind) for kind in kinds]}

    def _collection(self, kind: object, arguments: tuple[object, ...]) -> Schema | None:
        if kind is tuple:
            if len(arguments) == 2 and arguments[1] is Ellipsis:
                return {"type": "array", "items": self.of(arguments[0])}
            return self._tuple([self.of(one) for one in arguments])
        if kind in SERIES:
            return {"type": "array", "items": self.of(arguments[0]) if arguments else {}}
        if kind in SETS:
            return {"type": "array", "items": self.of(arguments[0]) if arguments else {}, "uniqueItems": True}
        if kind in MAPPINGS:
            values = self.of(arguments[1]) if len(arguments) == 2 else {}
            return {"type": "object", "additionalProperties": values} if values else {"type": "object"}
        return None

    def _tuple(self, items: list[Schema]) -> Schema:
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}

    # -- classes -------------------------------------------------------------------------------------------------

    def _component(self, annotation: object, kind: object) -> Schema:
        name = self._names.get(annotation)
        if name is None:
            make = self._maker(kind)
            if make is None:
                raise UseError(
                    f"{_named(annotation)} cannot be described: expected a dataclass, TypedDict, NamedTuple, Enum, "
                    "Literal, list[...], dict[str, ...], str, int, float, bool, None, bytes, datetime, date, UUID, "
                    "or a class with model_json_schema()"
                )
            assert isinstance(kind, type)
            name = self._names[annotation] = self._free_name(kind, get_args(annotation))
            self.components[name] = {}  # taken: it may contain itself
            before = self._bound
            variables = getattr(kind, "__parameters__", ())
            self._bound = {**before, **dict(zip(variables, get_args(annotation), strict=False))}
            try:
                schema = make(kind)
            except UseError:
                del self.components[name], self._names[annotation]
                raise
            finally:
                self._bound = before
            self.components[name].update(schema)
        return {"$ref": REFERENCE + name}

    def _maker(self, kind: object) -> abc.Callable[[type], Schema] | None:
        if not isinstance(kind, type):
            return None
        if callable(getattr(kind, "model_json_schema", None)):
            return self._by_itself
        if hasattr(kind, "__struct_fields__") and "msgspec" in sys.modules:
            return self._by_msgspec
        if issubclass(kind, enum.Enum):
            return _enum
        if dataclasses.is_dataclass(kind):
            return self._dataclass
        if typing.is_typeddict(kind):
            return self._typed_dict
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            return self._named_tuple
        return None

    def _free_name(self, kind: type, arguments: tuple[object, ...]) -> str:
        """What it is called; where two classes are called so, the second one says where it is from."""
        of = "".join(f"_{_named(one).rpartition('.')[2]}" for one in arguments)
        for name in (kind.__name__ + of, f"{kind.__module__}.{kind.__qualname__}{of}"):
            name = re.sub(r"[^A-Za-z0-9._-]+", "_", name)
            if name not in self.components:
                return name
        return f"{name}_{len(self.components)}"

    def _dataclass(self, kind: type) -> Schema:
        hints, properties, required = _hints(kind), dict[str, Schema](), []
        told = read(_own_docstring(kind)).parameters
        for one in dataclasses.fields(kind):
            if one.name.startswith("_"):
                continue  # orjson leaves it out
            schema = self._field(kind, one.name, hints[one.name])
            description = one.metadata.get("description") or (told[one.name].description if one.name in told else "")
            if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
                required.append(one.name)
            elif one.default is not dataclasses.MISSING:
                schema = _with_default(schema, one.default)
            properties[one.name] = _with(schema, "description", description)
        return _object(kind, properties, required)

    def _typed_dict(self, kind: type) -> Schema:
        required: list[str] = []
        properties: dict[str, Schema] = {}
        told = read(_own_docstring(kind)).parameters
        for name, hint in _hints(kind).items():
            marker = getattr(get_origin(hint), "_name", "")
            schema = self._field(kind, name, hint)
            properties[name] = _with(schema, "description", told[name].description if name in told else "")
            # Annotations that are text hide their markers from the class itself.
            if marker == "Required" or (marker != "NotRequired" and name in kind.__required_keys__):  # type: ignore[attr-defined]
                required.append(name)
        return _object(kind, properties, required)

    def _named_tuple(self, kind: type) -> Schema:
        hints = _hints(kind)
        names: tuple[str, ...] = kind._fields  # type: ignore[attr-defined]
        items = [_with(self._field(kind, name, hints.get(name, object)), "title", name) for name in names]
        return _told(kind, self._tuple(items))

    def _field(self, kind: type, name: str, hint: object) -> Schema:
        try:
            return self.of(hint)
        except UseError as error:
            raise UseError(f"{kind.__qualname__}.{name}: {error}") from None

    # -- classes that describe themselves ------------------------------------------------------------------------

    def _by_itself(self, kind: type) -> Schema:
        schema: Schema = kind.model_json_schema(ref_template=REFERENCE + "{model}")  # type: ignore[attr-defined]
        others = schema.pop("$defs", {})
        assert isinstance(others, dict)
        return self._taken_in(kind, schema, others)

    def _by_msgspec(self, kind: type) -> Schema:
        describe = sys.modules["msgspec"].json.schema_components
        (reference,), others = describe([kind], ref_template=REFERENCE + "{name}")
        return self._taken_in(kind, reference, others)

    def _taken_in(self, kind: type, schema: Schema, others: dict[str, Schema]) -> Schema:
        """What a class says of itself, and of those that it refers to; it may be one of them."""
        mine = others.pop(str(schema.get("$ref", "")).removeprefix(REFERENCE), None)
        for name, other in others.items():
            self.components.setdefault(name, other)
        return schema if mine is None else mine


def _simple(annotation: object) -> Schema | None:
    try:
        found = _SIMPLE.get(annotation)
    except TypeError:  # not hashable, like Annotated with a list
        return None
    return None if found is None else dict(found)


def _named(annotation: object) -> str:
    return annotation.__qualname__ if isinstance(annotation, type) and not get_args(annotation) else repr(annotation)


def _hints(kind: type) -> dict[str, object]:
    """The types of its fields. Raises `UseError` where a name is not to be had: it was imported for types only."""
    try:
        return typing.get_type_hints(kind, localns={kind.__name__: kind}, include_extras=True)
    except (NameError, TypeError) as error:
        raise UseError(f"{described(kind)}: {error}; the types of its fields have to be there at run time") from error


def _own_docstring(kind: type) -> str:
    """What somebody wrote: not what a dataclass or a named tuple says by itself, nor what its base says."""
    text = kind.__dict__.get("__doc__") or ""
    return "" if text.startswith(f"{kind.__name__}(") else inspect.cleandoc(text)


def _told(kind: type, schema: Schema) -> Schema:
    return _with(schema, "description", read(_own_docstring(kind)).together)


def _with(schema: Schema, key: str, text: str) -> Schema:
    return {**schema, key: text} if text else schema


def _object(kind: type, properties: dict[str, Schema], required: list[str]) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return _told(kind, schema)


def _with_default(schema: Schema, default: object) -> Schema:
    if isinstance(default, enum.Enum):
        default = default.value
    return {**schema, "default": default} if isinstance(default, (str, int, float, bool, type(None))) else schema


def _enum(kind: type) -> Schema:
    assert issubclass(kind, enum.Enum)
    return _told(kind, _enumeration([one.value for one in kind]))


def _enumeration(values: list[object]) -> Schema:
    values = [one.value if isinstance(one, enum.Enum) else one for one in values]
    kinds = {type(one) for one in values}
    schema: Schema = {"const": values[0]} if len(values) == 1 else {"enum": values}
    simple = _SIMPLE.get(kinds.pop()) if len(kinds) == 1 else None
    return {**simple, **schema} if simple else schema


def _constrained(schema: Schema, metadata: tuple[object, ...]) -> Schema:
    """`Annotated`: a text describes, the usual constraints constrain, what else there is is somebody else's."""
    schema = dict(schema)
    lengths = ("minItems", "maxItems") if schema.get("type") == "array" else ("minLength", "maxLength")
    names = {**CONSTRAINTS, "min_length": lengths[0], "max_length": lengths[1]}
    for one in metadata:
        if isinstance(one, str):
            schema["description"] = one
            continue
        for name, key in names.items():
            value = getattr(one, name, None)
            if isinstance(value, (int, float, str)):
                schema[key] = value
    return schema
