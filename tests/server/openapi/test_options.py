"""What may be said is checked where it is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from toolkit import App, OpenApi, Operation, Request, UseError

if TYPE_CHECKING:
    from collections.abc import Callable


def hello(r: Request) -> str:
    return "hello"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OpenApi(path="openapi"), r"OpenApi\(path='openapi'\): expected a path that begins with '/'"),
        (lambda: OpenApi(docs="docs"), r"OpenApi\(docs='docs'\): expected a path that begins with '/'"),
        (lambda: OpenApi(docs="/{a}"), r"expected a path without parameters"),
        (lambda: OpenApi(path="/x", docs="/x"), r"OpenApi\(path='/x', docs='/x'\): expected two paths"),
        (lambda: OpenApi(path="/"), r"expected two paths, such as '/openapi'"),
        (lambda: OpenApi(servers="https://a.example"), r"servers='https://a.example'\): expected a list"),
        (lambda: OpenApi(version=2), r"OpenApi\(version=2\): expected a str"),  # type: ignore[arg-type]
        (lambda: OpenApi(tags=["users"]), r"OpenApi\(tags=\['users'\]\): expected a dict"),  # type: ignore[arg-type]
        (
            lambda: OpenApi(security_schemes={"key": "bearer"}),  # type: ignore[dict-item]
            r"security_schemes=\{'key': 'bearer'\}\): expected a dict, such as \{\"type\": \"http\", \"scheme\"",
        ),
        (lambda: OpenApi(security="key"), r"OpenApi\(security='key'\): expected a list, \['key'\]"),
        (lambda: Operation(security="key"), r"Operation\(security='key'\): expected a list, \['key'\]"),
        (lambda: Operation(tags="users"), r"Operation\(tags='users'\): expected a list, \['users'\]"),
        (lambda: Operation(query=["page"]), r"Operation\(query=\['page'\]\): expected a dict"),  # type: ignore[arg-type]
        (lambda: Operation(responses=200), r"Operation\(responses=200\): expected a dict"),  # type: ignore[arg-type]
        (lambda: App(openapi="Shop"), r"App\(openapi='Shop'\): expected OpenApi\(...\), True, False or None"),  # type: ignore[arg-type]
        (
            lambda: App().get("/x", docs="text")(hello),  # type: ignore[call-overload]
            r"route '/x': docs='text': expected Operation\(...\), or False to hide it",
        ),
    ],
)
def test_what_makes_no_sense_is_told_at_once(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UseError, match=message):
        make()


def test_true_is_for_everybody() -> None:
    given = App(openapi=True).openapi
    assert isinstance(given, OpenApi)
    assert given.public
    assert App().openapi is None
    assert App(openapi=False).openapi is False
