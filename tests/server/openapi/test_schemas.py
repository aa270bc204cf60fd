"""Types become the schemas of what orjson writes of their values."""

from __future__ import annotations

import datetime
import enum
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Generic, Literal, NamedTuple, NewType, NotRequired, Optional, Required, TypedDict, TypeVar
from uuid import UUID

import msgspec
import orjson
import pydantic
import pytest
from openapi_schema_validator import OAS31Validator

from toolkit import Upload, UseError
from toolkit.server.openapi.schemas import Schema, Schemas

T = TypeVar("T")
Bounded = TypeVar("Bounded", bound=int)
UserId = NewType("UserId", int)


class Colour(enum.Enum):
    """What it looks like."""

    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Point(NamedTuple):
    x: int
    y: float = 0.0


class Address(TypedDict, total=False):
    """Where somebody lives.

    Attributes:
        street: with its number
    """

    street: Required[str]
    city: str


class Login(TypedDict):
    name: str
    password: NotRequired[str]


@dataclass
class User:
    """Somebody.

    Attributes:
        name: what they are called
    """

    name: str
    born: datetime.date
    id: UUID
    colour: Colour = Colour.RED
    address: Address | None = None
    tags: list[str] = field(default_factory=list)
    friends: list[User] = field(default_factory=list)
    note: str = field(default="", metadata={"description": "for us alone"})
    _secret: str = "x"


@dataclass
class Page(Generic[T]):
    items: list[T]
    next: str | None = None


@dataclass
class Tree:
    left: Tree | None
    right: Tree | None


class Model(pydantic.BaseModel):
    user_name: str
    inner: Inner


class Inner(pydantic.BaseModel):
    number: int = 3


class Struct(msgspec.Struct):
    name: str
    other: Other | None = None


class Other(msgspec.Struct):
    number: int


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (str, {"type": "string"}),
        (None, {"type": "null"}),
        (object, {}),
        (typing.Any, {}),
        (bytes, {"type": "string", "contentMediaType": "application/octet-stream"}),
        (Upload, {"type": "string", "contentMediaType": "application/octet-stream"}),
        (datetime.datetime, {"type": "string", "format": "date-time"}),
        (datetime.date, {"type": "string", "format": "date"}),
        (datetime.time, {"type": "string", "format": "time"}),
        (UUID, {"type": "string", "format": "uuid"}),
        (list, {"type": "array", "items": {}}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (typing.List[int], {"type": "array", "items": {"type": "integer"}}),  # noqa: UP006 - people do
        (Sequence[str], {"type": "array", "items": {"type": "string"}}),
        (Iterable, {"type": "array", "items": {}}),
        (set[int], {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (
            tuple[int, str],
            {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2},
        ),
        (dict, {"type": "object"}),
        (dict[str, object], {"type": "object"}),
        (Mapping[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}),  # noqa: UP045 - likewise
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal["a"], {"type": "string", "const": "a"}),
        (Literal[1, "a"], {"enum": [1, "a"]}),
        (Literal[Colour.RED], {"type": "string", "const": "red"}),
        (UserId, {"type": "integer"}),
        (T, {}),
        (Bounded, {"type": "integer"}),
        (Annotated[int, "how many"], {"type": "integer", "description": "how many"}),
        (
            Annotated[int, msgspec.Meta(ge=1, lt=10, description="a digit")],
            {"type": "integer", "minimum": 1, "exclusiveMaximum": 10, "description": "a digit"},
        ),
        (Annotated[str, msgspec.Meta(min_length=1)], {"type": "string", "minLength": 1}),
        (
            Annotated[list[int], msgspec.Meta(max_length=3)],
            {"type": "array", "items": {"type": "integer"}, "maxItems": 3},
        ),
        (Annotated[int, ["not hashable"]], {"type": "integer"}),
    ],
    ids=repr,
)
def test_types_without_a_name(annotation: object, schema: Schema) -> None:
    schemas = Schemas()
    assert schemas.of(annotation) == schema
    assert schemas.components == {}


def component(kind: object) -> Schema:
    schemas = Schemas()
    reference = schemas.of(kind)["$ref"]
    assert isinstance(reference, str)
    return schemas.components[reference.rpartition("/")[2]]


def test_a_dataclass() -> None:
    schema = component(User)
    assert schema["required"] == ["name", "born", "id"]
    assert schema["description"] == "Somebody."
    assert schema["properties"] == {
        "name": {"type": "string", "description": "what they are called"},
        "born": {"type": "string", "format": "date"},
        "id": {"type": "string", "format": "uuid"},
        "colour": {"$ref": "#/components/schemas/Colour", "default": "red"},
        "address": {"anyOf": [{"$ref": "#/components/schemas/Address"}, {"type": "null"}], "default": None},
        "tags": {"type": "array", "items": {"type": "string"}},
        "friends": {"type": "array", "items": {"$ref": "#/components/schemas/User"}},
        "note": {"type": "string", "default": "", "description": "for us alone"},
    }


def test_what_orjson_writes_of_a_dataclass_is_valid() -> None:
    schemas = Schemas()
    schema = schemas.of(User)
    user = User("Ada", datetime.date(1815, 12, 10), UUID(int=1), address={"street": "St James's Square 12"})
    whole = {**schema, "components": {"schemas": schemas.components}}
    assert OAS31Validator(whole).is_valid(orjson.loads(orjson.dumps(user)))
    assert not OAS31Validator(whole).is_valid({"name": 3})


def test_typed_dicts_know_what_may_be_missing() -> None:
    """Also where annotations are text, which hides `Required` from the class."""
    assert component(Address) == {
        "type": "object",
        "properties": {"street": {"type": "string", "description": "with its number"}, "city": {"type": "string"}},
        "required": ["street"],
        "description": "Where somebody lives.",
    }
    assert component(Login)["required"] == ["name"]


def test_a_named_tuple_is_an_array() -> None:
    assert component(Point) == {
        "type": "array",
        "prefixItems": [{"type": "integer", "title": "x"}, {"type": "number", "title": "y"}],
        "minItems": 2,
        "maxItems": 2,
    }


def test_enumerations() -> None:
    assert component(Colour) == {"type": "string", "enum": ["red", "blue"], "description": "What it looks like."}
    assert component(Level) == {"type": "integer", "enum": [1, 2]}


def test_a_type_may_contain_itself() -> None:
    optional = {"anyOf": [{"$ref": "#/components/schemas/Tree"}, {"type": "null"}]}
    assert component(Tree)["properties"] == {"left": optional, "right": optional}


def test_a_generic_class_is_one_for_each_of_its_arguments() -> None:
    schemas = Schemas()
    assert schemas.of(Page[User]) == {"$ref": "#/components/schemas/Page_User"}
    assert schemas.of(Page[int]) == {"$ref": "#/components/schemas/Page_int"}
    assert schemas.of(Page[int]) == {"$ref": "#/components/schemas/Page_int"}
    items = {name: schemas.components[name]["properties"] for name in ("Page_User", "Page_int")}
    assert items["Page_User"]["items"] == {"type": "array", "items": {"$ref": "#/components/schemas/User"}}  # type: ignore[index]
    assert items["Page_int"]["items"] == {"type": "array", "items": {"type": "integer"}}  # type: ignore[index]


def test_two_classes_of_one_name() -> None:
    def another() -> type:
        @dataclass
        class User:
            other: int

        return User

    schemas = Schemas()
    first, second, third = schemas.of(User), schemas.of(another()), schemas.of(another())
    assert first == {"$ref": "#/components/schemas/User"}
    assert str(second["$ref"]).endswith("test_schemas.test_two_classes_of_one_name._locals_.another._locals_.User")
    assert len({str(one["$ref"]) for one in (first, second, third)}) == 3


def test_classes_that_describe_themselves() -> None:
    schemas = Schemas()
    assert schemas.of(Model) == {"$ref": "#/components/schemas/Model"}
    assert schemas.of(Struct) == {"$ref": "#/components/schemas/Struct"}
    assert set(schemas.components) == {"Model", "Inner", "Struct", "Other"}
    assert schemas.components["Model"]["required"] == ["user_name", "inner"]
    assert schemas.components["Struct"]["required"] == ["name"]
    inner = schemas.components["Model"]["properties"]["inner"]  # type: ignore[index]
    assert inner == {"$ref": "#/components/schemas/Inner"}


class Plain:
    pass


@dataclass
class Holder:
    one: list[Plain]


@dataclass
class Unknown:
    one: NotThere  # type: ignore[name-defined]  # noqa: F821 - that is what is tested


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Plain, "Plain cannot be described: expected a dataclass, TypedDict"),
        (Holder, "Holder.one: Plain cannot be described"),
        (Unknown, "Unknown.*NotThere.*have to be there at run time"),
        ("User", "'User' cannot be described"),
        ({"name": str}, r"\{'name': <class 'str'>\} is no type: expected one such as list\[int\], or a TypedDict"),
        ([int], r"\[<class 'int'>\] is no type"),
        (3, "3 cannot be described"),
    ],
)
def test_what_has_no_form_is_named(annotation: object, message: str) -> None:
    schemas = Schemas()
    with pytest.raises(UseError, match=message):
        schemas.of(annotation)
    assert schemas.components == {}, "nothing is left half done"
