"""One operation: what `Operation` says goes first, then docstring and annotations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, TypedDict

import pytest

from toolkit import Content, NotFound, Operation, Reply, Request, StatusAbort, Upload, UseError
from toolkit.server.openapi.operations import operation_of, requirements
from toolkit.server.openapi.schemas import Schemas
from toolkit.server.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from somewhere import Nothing  # type: ignore[import-not-found]


@dataclass
class User:
    name: str


class Found(TypedDict):
    users: list[str]


class Form(TypedDict):
    note: str
    file: Upload


class Teapot(StatusAbort, status=418):
    pass


def made(
    handler: Callable[..., object], docs: Operation | None = None, path: str = "/x", **schemes: object
) -> dict[str, object]:
    return operation_of(Route(path, handler, ("GET",), docs=docs), "shop", "id", Schemas(), schemes)


USER = {"application/json": {"schema": {"$ref": "#/components/schemas/User"}}}
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def bare(r: Request) -> object:
    return None


def test_a_handler_that_says_nothing() -> None:
    assert made(bare) == {
        "tags": ["shop"],
        "operationId": "id",
        "responses": {"default": {"description": "The answer"}},
    }


def documented(request: Request, id: int) -> Nothing:
    """Show a user.

    Whoever it is.

    Args:
        request: what came
        id: whose page it is
        page (int, optional): which one

    Returns:
        the page

    Raises:
        NotFound: no such user
        Teapot: it is one
        Unauthorized: who are you?
        ValueError: never seen by anybody
    """


def test_what_a_docstring_tells() -> None:
    assert made(documented, path="/users/{id}") == {
        "tags": ["shop"],
        "summary": "Show a user.",
        "description": "Whoever it is.",
        "operationId": "id",
        "parameters": [
            {
                "name": "id",
                "in": "path",
                "required": True,
                "description": "whose page it is",
                "schema": {"type": "integer"},
            },
            {"name": "page", "in": "query", "description": "which one", "schema": {"type": "integer"}},
        ],
        "responses": {
            "200": {"description": "the page"},
            "404": {"description": "no such user", "content": PROBLEM},
            "418": {"description": "it is one", "content": PROBLEM},
            "401": {"description": "who are you?", "content": PROBLEM},
        },
    }


def test_what_is_said_goes_before_what_a_docstring_tells() -> None:
    said = Operation(
        summary="Another.",
        description="In other words.",
        tags=["people", "public"],
        query={"page": int},
        headers={"X-Trace": str},
        cookies={"visit": str},
        body=User,
        responses={200: User, 404: "none", 204: None},
        security=["key", {"oauth": ["read"]}],
        deprecated=True,
        extra={"x-cost": 3, "externalDocs": {"url": "https://example.org"}},
    )
    found = made(documented, said, "/users/{id}", key={}, oauth={})
    assert (found["summary"], found["description"], found["tags"]) == (
        "Another.",
        "In other words.",
        ["people", "public"],
    )
    parameters = found["parameters"]
    assert isinstance(parameters, list)
    assert [(one["in"], one["name"]) for one in parameters] == [
        ("path", "id"),
        ("query", "page"),
        ("header", "X-Trace"),
        ("cookie", "visit"),
    ]
    assert parameters[1]["description"] == "which one", "the docstring still describes it"
    assert found["requestBody"] == {"required": True, "content": USER}
    responses = found["responses"]
    assert isinstance(responses, dict)
    assert responses["200"] == {"description": "OK", "content": USER}
    assert responses["404"] == {"description": "none"}
    assert responses["204"] == {"description": "No Content"}
    assert found["security"] == [{"key": []}, {"oauth": ["read"]}]
    assert (found["deprecated"], found["x-cost"]) == (True, 3)


@pytest.mark.parametrize(
    ("what", "media_type", "content"),
    [
        (User, "application/json", {"schema": {"$ref": "#/components/schemas/User"}}),
        (list[User], "application/json", {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/User"}}}),
        (str, "text/plain", {"schema": {"type": "string"}}),
        (bytes, "application/octet-stream", {}),
        (Content(bytes, "image/png"), "image/png", {}),
        (Content(media_type="text/event-stream"), "text/event-stream", {}),
        (
            Content(Form, "multipart/form-data"),
            "multipart/form-data",
            {"schema": {"$ref": "#/components/schemas/Form"}},
        ),
        (Content(str, example="hello"), "text/plain", {"schema": {"type": "string"}, "example": "hello"}),
    ],
    ids=str,
)
def test_bodies_and_their_media_types(what: object, media_type: str, content: dict[str, object]) -> None:
    found = made(bare, Operation(body=what, responses={200: what}))
    assert found["requestBody"] == {"required": True, "content": {media_type: content}}
    assert found["responses"] == {"200": {"description": "OK", "content": {media_type: content}}}


def as_dict(r: Request) -> Found:
    """Find."""
    return {"users": []}


def as_text(r: Request) -> str:
    """Say.

    Returns:
        a word
    """
    return ""


def as_list(r: Request) -> list[dict[str, int]]:
    return []


def as_reply(r: Request) -> Reply:
    return Reply()


def as_nothing(r: Request) -> None: ...


@pytest.mark.parametrize(
    ("handler", "responses"),
    [
        (
            as_dict,
            {
                "200": {
                    "description": "OK",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Found"}}},
                }
            },
        ),
        (as_text, {"200": {"description": "a word", "content": {"text/plain": {"schema": {"type": "string"}}}}}),
        (
            as_list,
            {
                "200": {
                    "description": "OK",
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "array",
                                "items": {"type": "object", "additionalProperties": {"type": "integer"}},
                            }
                        }
                    },
                }
            },
        ),
        (as_reply, {"default": {"description": "The answer"}}),
        (as_nothing, {"default": {"description": "The answer"}}),  # it may have streamed
    ],
)
def test_what_annotations_tell_of_the_answer(handler: Callable[..., object], responses: dict[str, object]) -> None:
    assert made(handler)["responses"] == responses


class Service:
    """A service."""

    async def __call__(self, r: Request, id: int) -> str:
        return ""

    def method(self, r: Request) -> str:
        """A method."""
        return ""


def decorated(function: Callable[..., object]) -> Callable[..., object]:
    @wraps(function)
    def wrapper(*args: object, **kwargs: object) -> object:
        return function(*args, **kwargs)

    return wrapper


def test_handlers_that_are_no_plain_functions() -> None:
    assert made(Service(), path="/{id}")["summary"] == "A service."
    assert "200" in made(Service(), path="/{id}")["responses"]  # type: ignore[operator]
    assert made(Service().method)["summary"] == "A method."
    assert made(partial(as_text))["summary"] == "Say."
    assert made(decorated(documented), path="/{id}")["summary"] == "Show a user."
    assert "summary" not in made(lambda r: None)


@pytest.mark.parametrize(
    ("docs", "message"),
    [
        (Operation(body=NotFound), r"the description of /x \(bare .*\): body: NotFound cannot be described"),
        (Operation(responses={200: NotFound}), r"responses\[200\]: NotFound cannot be described"),
        (
            Operation(responses={"20": User}),
            r"responses=\{'20': ...\}: expected a status such as 404, '4XX' or 'default'",
        ),
        (Operation(query={"q": NotFound}), r"query 'q': NotFound cannot be described"),
        (Operation(security=["kye"]), r"security='kye': no such scheme; OpenApi\(security_schemes=\{...\}\) has key"),
    ],
)
def test_what_cannot_be_described_is_named(docs: Operation, message: str) -> None:
    with pytest.raises(UseError, match=message):
        made(bare, docs, key={})


def test_classes_of_statuses() -> None:
    found = made(bare, Operation(responses={"2xx": str, "default": "an error"}))["responses"]
    assert isinstance(found, dict)
    assert list(found) == ["2XX", "default"]


def test_no_requirement_is_an_empty_list() -> None:
    assert requirements((), {}) == []
