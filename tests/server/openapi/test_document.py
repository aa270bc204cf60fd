"""Whole documents: valid by the specification's own schema, with a place for each route."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from toolkit import App, Content, OpenApi, Operation, Parameter, Request, Router, Upload, UseError
from toolkit.server.binding import routes_of
from toolkit.server.openapi.document import build

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


def described(web: App, options: OpenApi | None = None) -> dict[str, object]:
    """The document of an application, which is valid."""
    document = build(options or OpenApi(), routes_of(web))
    validate(document, cls=OpenAPIV31SpecValidator)
    return document


def paths(web: App) -> dict[str, list[str]]:
    """The methods of each path."""
    found = described(web)["paths"]
    assert isinstance(found, dict)
    return {path: list(item) for path, item in found.items()}


def operations(document: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """All operations by their ids."""
    found = document["paths"]
    assert isinstance(found, dict)
    return {one["operationId"]: one for item in found.values() for one in item.values()}


def handler(r: Request, **parameters: object) -> object:
    return None


def other(r: Request, **parameters: object) -> object:
    return None


def test_an_empty_application() -> None:
    assert described(App()) == {"openapi": "3.1.0", "info": {"title": "API", "version": "0.0.0"}, "paths": {}}


def test_what_an_application_says_of_itself() -> None:
    options = OpenApi(
        title="Shop",
        version="2.1",
        description="Things to buy.",
        servers=["https://api.example.org/v2"],
        security_schemes={"key": {"type": "apiKey", "in": "header", "name": "x-key"}},
        security=["key"],
        tags={"people": "Who buys.", "things": "What there is."},
        extra={"externalDocs": {"url": "https://example.org"}},
    )
    web = App()
    web.get("/things", docs=Operation(tags=["things"], security=()))(handler)
    web.get("/more", docs=Operation(tags=["more"]))(handler)
    document = described(web, options)
    assert document["info"] == {"title": "Shop", "version": "2.1", "description": "Things to buy."}
    assert document["servers"] == [{"url": "https://api.example.org/v2"}]
    assert document["security"] == [{"key": []}]
    assert document["components"] == {
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-key"}},
    }
    assert document["tags"] == [
        {"name": "people", "description": "Who buys."},
        {"name": "things", "description": "What there is."},
        {"name": "more"},
    ]
    assert document["externalDocs"] == {"url": "https://example.org"}
    assert operations(document)["handler"]["security"] == []


def test_a_scheme_that_is_not_declared_is_named() -> None:
    with pytest.raises(UseError, match=r"security='key': no such scheme; .* has none"):
        build(OpenApi(security=["key"]), [])


def test_each_route_and_method_has_its_place() -> None:
    web = App()
    web.get("/users/{id:int}")(handler)
    web.delete("/users/{id:int}")(other)
    web.route("/users", methods=["GET", "POST"])(handler)
    web.add_route("/any", handler)
    web.route("/odd", methods=["PROPFIND"])(handler)
    web.get("/hidden", docs=False)(handler)
    web.static("/assets", ".")
    assert paths(web) == {"/users/{id}": ["get", "delete"], "/users": ["get", "post"], "/any": ["get", "post"]}


def test_tags_are_the_names_of_routers_or_what_they_are_below() -> None:
    web = App()
    users = Router("/users", name="people")
    users.get("/x")(handler)
    web.include(users)
    web.include(users, "/more", name="again")
    web.group("/api/v1").group("/{org}").get("/y")(handler)
    web.get("/z")(handler)
    inner = App()
    inner.get("/w")(handler)
    web.mount("/inner", inner)
    found = described(web)["paths"]
    assert isinstance(found, dict)
    assert {path: item["get"].get("tags") for path, item in found.items()} == {
        "/users/x": ["people"],
        "/more/users/x": ["again"],
        "/api/v1/{org}/y": ["v1"],
        "/z": None,
        "/inner/w": ["inner"],
    }


def test_ids_are_given_once() -> None:
    web = App()
    web.get("/a")(handler)
    web.get("/b")(handler)
    web.get("/c", name="the.third one")(handler)
    web.get("/d", docs=Operation(operation_id="fourth"))(handler)
    web.route("/e", methods=["GET", "PUT"])(other)
    web.get("/f/{x}")(lambda r, x: None)
    web.group("/g", name="g").get("/h")(handler)
    found = list(operations(described(web)))
    assert found == ["handler", "handler_2", "the.third_one", "fourth", "other_get", "other_put", "f", "g_handler"]


def test_a_class_that_is_attached_is_there_once() -> None:
    """Its paths with a last slash are the same routes."""

    class Server:
        def _users(self, r: Request) -> str:
            """All of them."""
            return ""

        def _(self, r: Request) -> str:
            return ""

    web = App()
    web.attach(Server())
    assert paths(web) == {"/": ["get", "post"], "/users": ["get", "post"]}


def test_routes_that_a_document_cannot_tell_apart() -> None:
    """OpenAPI 3.1, 4.8.8.1: templates that differ in their parameters' names alone are one."""
    web = App()
    web.get("/x/{id:int}")(handler)
    web.get("/x/{name}")(other)
    web.post("/x/{name}")(other)
    document = described(web)
    found = document["paths"]
    assert isinstance(found, dict)
    assert {path: list(item) for path, item in found.items()} == {"/x/{id}": ["get", "post"]}
    assert found["/x/{id}"]["get"]["description"] == "GET /x/{name} is a route of its own."
    assert [one["name"] for one in found["/x/{id}"]["post"]["parameters"]] == ["id"]


def test_an_application_that_keeps_to_itself_is_in_no_description() -> None:
    web, secret, inner = App(openapi=False), App(openapi=False), App()
    inner.get("/deep")(handler)
    secret.get("/x")(handler)
    secret.mount("/inner", inner)
    web.get("/open")(handler)
    web.mount("/secret", secret)
    web.mount("/inner", inner)
    assert list(paths(web)) == ["/open", "/inner/deep"]


class Kind(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Place(NamedTuple):
    shelf: int
    row: str


class Search(TypedDict, total=False):
    words: list[str]
    kind: Literal["all", "new"]


@dataclass
class Thing:
    """Something."""

    name: str
    kind: Kind | None = None
    place: Place | None = None
    parts: list[Thing] = field(default_factory=list)
    more: dict[str, int] = field(default_factory=dict)


class Upload_(TypedDict):
    file: Upload


def test_a_document_with_something_of_everything_is_valid() -> None:
    web = App()
    things = web.group("/things", name="things")

    @things.get("/{id:uuid}", docs=Operation(responses={200: Thing, 304: None, "4XX": "an error"}))
    def show(r: Request, id: UUID) -> object:
        """Show.

        Args:
            id: which

        Raises:
            NotFound: none
        """
        return {}

    said = Operation(
        query={"page": Parameter(int, "which", example=1), "kind": Kind},
        headers={"x-trace": str},
        cookies={"visit": str},
        body=Search,
        responses={200: list[Thing]},
        security=["basic"],
        deprecated=True,
    )
    things.post("/search", docs=said)(handler)
    things.put("/{id}/file", docs=Operation(body=Content(Upload_, "multipart/form-data")))(handler)
    web.get("/files/{path:path}", docs=Operation(responses={200: bytes}))(handler)
    web.get("/feed", docs=Operation(responses={200: Content(str, "text/event-stream", example="data: 1\n\n")}))(handler)
    document = described(web, OpenApi(security_schemes={"basic": {"type": "http", "scheme": "basic"}}))
    components = document["components"]
    assert isinstance(components, dict)
    assert set(components["schemas"]) == {"Thing", "Kind", "Place", "Search", "Upload_", "Problem"}


NAMES = st.sampled_from(["a", "b", "id"])
SEGMENTS = st.one_of(
    NAMES,
    NAMES.map("{{{}}}".format),
    st.tuples(NAMES, st.sampled_from(["int", "uuid", "float"])).map("{{{0[0]}:{0[1]}}}".format),
)


@given(st.lists(st.tuples(st.lists(SEGMENTS, max_size=4), st.sampled_from(["GET", "POST", "PUT"])), max_size=12))
def test_whatever_routes_there_are_the_document_is_valid(routes: list[tuple[list[str], str]]) -> None:
    web = App()
    for segments, method in routes:
        try:
            web.route("/" + "/".join(segments), [method])(handler)
        except UseError:
            continue  # taken, or a name twice
    document = described(web)
    assert len(operations(document)) <= len(web.routes)
