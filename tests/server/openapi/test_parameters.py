"""Paths of routes as paths of the document, and parameters of all kinds."""

from __future__ import annotations

import enum
from typing import Literal
from uuid import UUID

import pytest

from toolkit import Parameter, UseError
from toolkit.server.converters import CONVERTERS, Converter
from toolkit.server.openapi.docstrings import Entry
from toolkit.server.openapi.parameters import (
    documented_parameters,
    given_parameters,
    path_parameters,
    same_path,
    template,
)
from toolkit.server.openapi.schemas import Schema, Schemas
from toolkit.server.patterns import parse


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


OWN = {**CONVERTERS, "size": Converter(Size), "hex": Converter(lambda text: int(text, 16))}


@pytest.mark.parametrize(
    ("path", "expected", "shape"),
    [
        ("/", "/", "/"),
        ("/users", "/users", "/users"),
        ("/users/{id}", "/users/{id}", "/users/{}"),
        ("/users/{id:int}/", "/users/{id}/", "/users/{}/"),
        ("/users/:id/x", "/users/{id}/x", "/users/{}/x"),
        ("/users/<uuid:id>", "/users/{id}", "/users/{}"),
        ("/files/{path:path}", "/files/{path}", "/files/{}"),
        ("/books:archive", "/books:archive", "/books:archive"),
    ],
)
def test_a_path_and_its_template(path: str, expected: str, shape: str) -> None:
    assert template(parse(path)) == expected
    assert same_path(parse(path)) == shape


@pytest.mark.parametrize(
    ("kind", "hint", "schema"),
    [
        ("", None, {"type": "string"}),
        (":int", None, {"type": "integer"}),
        (":int", str, {"type": "integer"}),  # the converter decides what the handler gets
        (":float", None, {"type": "number"}),
        (":uuid", None, {"type": "string", "format": "uuid"}),
        (":path", None, {"type": "string"}),
        (":size", None, {"$ref": "#/components/schemas/Size"}),
        (":hex", int, {"type": "integer"}),
        (":hex", None, {"type": "string"}),
        ("", Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        ("", UUID, {"type": "string", "format": "uuid"}),
        ("", Schemas, {"type": "string"}),  # which nothing can be said of
    ],
)
def test_what_a_path_parameter_must_be(kind: str, hint: object, schema: Schema) -> None:
    hints = {} if hint is None else {"id": hint}
    (found,) = path_parameters(parse(f"/x/{{id{kind}}}"), OWN, hints, {}, Schemas())
    assert found["schema"] == schema
    assert (found["name"], found["in"], found["required"]) == ("id", "path", True)
    assert ("x-rest-of-path" in found) is (kind == ":path")


def test_a_docstring_describes_them_and_names_their_type() -> None:
    told = {"id": Entry("int", "whose"), "name": Entry("", "")}
    one, two = path_parameters(parse("/{id}/{name}"), CONVERTERS, {}, told, Schemas())
    assert one == {"name": "id", "in": "path", "required": True, "description": "whose", "schema": {"type": "integer"}}
    assert two == {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}


def test_given_ones_are_types_or_more_than_that() -> None:
    page = Parameter(int, "which", required=True, example=2, deprecated=True)
    assert given_parameters("query", {"q": str | None, "page": page}, Schemas()) == [
        {"name": "q", "in": "query", "schema": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
        {
            "name": "page",
            "in": "query",
            "required": True,
            "deprecated": True,
            "description": "which",
            "schema": {"type": "integer"},
            "example": 2,
        },
    ]


def test_what_cannot_be_one_is_named() -> None:
    with pytest.raises(UseError, match=r"query 'q': Schemas cannot be described"):
        given_parameters("query", {"q": Schemas}, Schemas())
    with pytest.raises(UseError, match=r"headers=\{'Authorization': ...\}: it has a place of its own"):
        given_parameters("header", {"Authorization": str}, Schemas())


def test_what_only_the_docstring_knows_is_in_the_query() -> None:
    told = {
        "id": Entry("int", "known"),
        "page": Entry("int", "which"),
        "q": Entry("str", "what"),
        "limit": Entry("", ""),
        "**rest": Entry("", "anything"),
    }
    assert documented_parameters(told, {"id"}) == [
        {"name": "page", "in": "query", "description": "which", "schema": {"type": "integer"}},
        {"name": "q", "in": "query", "description": "what", "schema": {"type": "string"}},
        {"name": "limit", "in": "query", "schema": {"type": "string"}},
    ]
