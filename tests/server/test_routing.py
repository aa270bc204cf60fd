"""Routes: a method and a raw path in; a handler, its parameters, or what would be allowed out."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit import App, Request, Session
from toolkit.errors import UseError
from toolkit.server.routing import Route, Router, default_path


def handler(r: object) -> None:
    """Any handler."""


def router(*routes: tuple[str, str]) -> Router:
    """A router of ("GET POST", "/path"); "" is any method."""
    made = Router()
    for methods, path in routes:
        made.add(Route(path, handler, methods.split(), None))
    return made


TABLE = router(
    ("GET", "/"),
    ("GET", "/a"),
    ("GET POST", "/a/b"),
    ("", "/any"),
    ("DELETE", "/caf\u00e9"),
    ("GET", "/file/with space"),
    ("GET", "/hello/{name}"),
    ("PUT", "/hello/{name}"),
    ("GET", "/hello/world"),
    ("GET", "/hello/{name}/and/{other}"),
    ("GET", "/{top}/leaf"),
    ("get", "/lower"),
)


@pytest.mark.parametrize(
    ("method", "path", "route", "parameters"),
    [
        ("GET", "/", "/", {}),
        ("GET", "/a", "/a", {}),
        ("POST", "/a/b", "/a/b", {}),
        ("BREW", "/any", "/any", {}),
        ("GET", "/lower", "/lower", {}),
        # RFC 9110 9.3.2: HEAD is GET without the body.
        ("HEAD", "/a", "/a", {}),
        ("HEAD", "/hello/you", "/hello/{name}", {"name": "you"}),
        # Literal before parameter, whatever came first.
        ("GET", "/hello/world", "/hello/world", {}),
        ("GET", "/hello/you", "/hello/{name}", {"name": "you"}),
        ("PUT", "/hello/you", "/hello/{name}", {"name": "you"}),
        ("GET", "/hello/a/and/b", "/hello/{name}/and/{other}", {"name": "a", "other": "b"}),
        ("GET", "/x/leaf", "/{top}/leaf", {"top": "x"}),
        # Decoded after the cut: an encoded slash stays inside its segment.
        ("GET", "/hello/a%2Fb", "/hello/{name}", {"name": "a/b"}),
        ("GET", "/hello/a%2fb/and/c", "/hello/{name}/and/{other}", {"name": "a/b", "other": "c"}),
        ("GET", "/hello/%7Bname%7D", "/hello/{name}", {"name": "{name}"}),
        ("GET", "/hello/a+b%20c", "/hello/{name}", {"name": "a+b c"}),  # a plus is a space in queries only
        ("GET", "/hello/%C3%BC", "/hello/{name}", {"name": "\u00fc"}),
        ("GET", "/hello/%2e%2e", "/hello/{name}", {"name": ".."}),
        # RFC 3986 6.2.2.2: encoded and plain are one path.
        ("DELETE", "/caf%C3%A9", "/caf\u00e9", {}),
        ("GET", "/%61", "/a", {}),
        ("GET", "/file/with%20space", "/file/with space", {}),
    ],
)
def test_found(method: str, path: str, route: str, parameters: dict[str, str]) -> None:
    found, values, allowed = TABLE.find(method, path)
    assert found is not None
    assert (found.path, values, allowed) == (route, parameters, ())


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        # RFC 9110 15.5.6, 10.2.1: 405 says what is allowed, and HEAD is where GET is.
        ("POST", "/a", ("GET", "HEAD")),
        ("DELETE", "/a/b", ("GET", "HEAD", "POST")),
        ("GET", "/caf%C3%A9", ("DELETE",)),
        ("HEAD", "/caf%C3%A9", ("DELETE",)),
        ("PATCH", "/hello/you", ("GET", "HEAD", "PUT")),
        ("get", "/a", ("GET", "HEAD")),  # RFC 9110 9.1: methods are case-sensitive
    ],
)
def test_the_method_is_not_allowed(method: str, path: str, allowed: tuple[str, ...]) -> None:
    found, _, methods = TABLE.find(method, path)
    assert (found, methods) == (None, allowed)


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/a/",
        "//a",
        "/a//b",
        "/A",
        "",
        "a",
        "*",
        "/a%2Fb",  # an encoded slash cuts no segment (CVE-2026-48710 and its like)
        "/a%2fb",
        "/hello",
        "/hello/",  # an empty segment is no value
        "/hello//and/b",
        "/hello/you/",
        "/hello/you/and",
        "/%2Fa",
        "/a/../a",  # dot segments are not resolved: what is routed is what was sent
        "/a/b?x",
        "/hello%2Fworld",
    ],
)
def test_not_found(path: str) -> None:
    assert TABLE.find("GET", path) == (None, {}, ()) or not TABLE.find("GET", path)[0]
    assert TABLE.find("GET", path)[2] == ()


@given(st.text(min_size=1, max_size=20).filter(lambda text: text != "world"))
def test_any_quoted_text_comes_back_as_a_parameter(text: str) -> None:
    try:
        segment = quote(text, safe="")
    except UnicodeEncodeError:  # a lone surrogate has no bytes
        return
    found, values, _ = TABLE.find("GET", f"/hello/{segment}")
    assert found is not None
    assert values == {"name": text}


@given(st.text(alphabet="/ab%2Fhelo{}.", max_size=30), st.sampled_from(["GET", "HEAD", "PUT", "x"]))
def test_any_path_finds_something_or_nothing(path: str, method: str) -> None:
    found, _, allowed = TABLE.find(method, path)
    assert found is None or allowed == ()
    assert "" not in allowed


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a", "begins with '/'"),
        ("", "begins with '/'"),
        ("/a{b}", "a parameter is a whole segment"),
        ("/{a}b", "a parameter is a whole segment"),
        ("/{a", "a parameter is a whole segment"),
        ("/x}/{a}", "a parameter is a whole segment"),
        ("/{}", "is no parameter"),
        ("/{a b}", "is no parameter"),
        ("/{1}", "is no parameter"),
    ],
)
def test_a_path_that_is_none_is_a_use_error(path: str, why: str) -> None:
    with pytest.raises(UseError, match=why):
        router(("GET", path))


@pytest.mark.parametrize("path", ["/a", "/a/{b}"])
def test_a_path_is_served_once_for_each_method(path: str) -> None:
    made = router(("GET POST", path))
    made.add(Route(path, handler, ("PUT",), None))
    made.add(Route(path, handler, (), None))  # the rest
    for methods in (("GET",), ("DELETE", "PUT"), ()):
        with pytest.raises(UseError, match=r"is served by .* already"):
            made.add(Route(path, handler, methods, None))


def test_the_rest_of_the_methods() -> None:
    made = router(("GET", "/a"), ("", "/a"))
    got, posted = made.find("GET", "/a")[0], made.find("POST", "/a")[0]
    assert got is not None
    assert posted is not None
    assert (got.methods, posted.methods) == (("GET",), ())


def test_a_segment_has_one_name() -> None:
    with pytest.raises(UseError, match=r"this segment is called \{a\} in another route"):
        router(("GET", "/x/{a}"), ("GET", "/x/{b}/y"))


def test_a_routers_cost_is_the_paths_not_the_routes() -> None:
    made = router(*[("GET", f"/r{number}/{{a}}") for number in range(2000)])
    found, values, _ = made.find("GET", "/r1999/x")
    assert found is not None
    assert values == {"a": "x"}


# The path of a function


def test_default_paths() -> None:
    def named(r: object) -> None: ...

    def routed(r: object, route: str = "/fp") -> None: ...

    def unrouted(r: object, route: int = 1) -> None: ...

    assert [default_path(one) for one in (named, routed, unrouted)] == ["/named", "/fp", "/unrouted"]
    for nameless in (lambda r: None, partial(named), int.__add__):
        if getattr(nameless, "__name__", "<").isidentifier():
            continue
        with pytest.raises(UseError, match="it has no name; give a path"):
            default_path(nameless)


def test_what_is_a_coroutine_function() -> None:
    class Callable:
        async def __call__(self, r: object) -> None: ...

    async def coroutine(r: object) -> None: ...

    assert Route("/", coroutine, (), None).coroutine is coroutine
    assert Route("/", Callable(), (), None).coroutine is not None
    assert Route("/", handler, (), None).coroutine is None


# The same, asked


async def test_405_404_and_head_over_the_wire() -> None:
    web = App(port=0)

    @web.get("/a/{name}")
    async def a(r: Request, name: str) -> object:
        return {"name": name, "params": r.path_params, "method": r.method}

    async with Session(app=web) as http:
        assert await (await http.get("/a/x%2Fy")).json() == {"name": "x/y", "params": {"name": "x/y"}, "method": "GET"}
        refused = await http.post("/a/x")
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
        assert (await http.get("/b")).status == 404
        head = await http.head("/a/x")
        assert (head.status, head.content, head.content_length) == (200, b"", 50)
