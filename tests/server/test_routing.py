"""Routes: a method and a raw path in; a handler, its parameters, or what would be allowed out."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit import App, Request, Session
from toolkit.errors import UseError
from toolkit.server.converters import CONVERTERS, Converter
from toolkit.server.routing import Route, RouteTable


def handler(r: object) -> None:
    """Any handler."""


def unserved(r: object) -> None:
    """What stands for 404."""


def router(*routes: tuple[str, str]) -> RouteTable:
    """A table of ("GET POST", "/path"); "" is any method."""
    made = RouteTable(Route("/", unserved))
    for methods, path in routes:
        made.add(Route(path, handler, methods.split(), None))
    return made


def find(table: RouteTable, method: str, path: str) -> tuple[Route | None, dict[str, object], tuple[str, ...]]:
    """The route, its parameters, and where there is none the methods that there are routes for."""
    found, values, resource = table.find(method, path)
    return found, values, () if found is not None or resource is None else resource.allowed


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
    found, values, allowed = find(TABLE, method, path)
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
    found, _, methods = find(TABLE, method, path)
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
    assert find(TABLE, "GET", path) == (None, {}, ()) or not find(TABLE, "GET", path)[0]
    assert find(TABLE, "GET", path)[2] == ()


@given(st.text(min_size=1, max_size=20).filter(lambda text: text != "world"))
def test_any_quoted_text_comes_back_as_a_parameter(text: str) -> None:
    try:
        segment = quote(text, safe="")
    except UnicodeEncodeError:  # a lone surrogate has no bytes
        return
    found, values, _ = find(TABLE, "GET", f"/hello/{segment}")
    assert found is not None
    assert values == {"name": text}


@given(st.text(alphabet="/ab%2Fhelo{}.", max_size=30), st.sampled_from(["GET", "HEAD", "PUT", "x"]))
def test_any_path_finds_something_or_nothing(path: str, method: str) -> None:
    found, _, allowed = find(TABLE, method, path)
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
    got, posted, asked = (find(made, method, "/a")[0] for method in ("GET", "POST", "HEAD"))
    assert asked is got  # RFC 9110 9.3.2: HEAD is GET's, whoever takes the rest
    assert got is not None
    assert posted is not None
    assert (got.methods, posted.methods) == (("GET",), ())


def test_a_segment_is_called_what_each_route_calls_it() -> None:
    made = router(("GET", "/{page}"), ("PUT", "/{other}"), ("GET", "/{org}/{repo}"), ("GET", "/{org}/{repo:int}/x"))
    found = [find(made, *one)[:2] for one in (("GET", "/a"), ("PUT", "/a"), ("GET", "/a/b"), ("GET", "/a/5/x"))]
    assert [(route and route.path, values) for route, values in found] == [
        ("/{page}", {"page": "a"}),
        ("/{other}", {"other": "a"}),
        ("/{org}/{repo}", {"org": "a", "repo": "b"}),
        ("/{org}/{repo:int}/x", {"org": "a", "repo": 5}),
    ]


MIXED = router(
    ("GET", "/x/{a:int}"),
    ("GET", "/x/{a:float}"),
    ("GET", "/x/{a:uuid}"),
    ("GET", "/x/new"),
    ("GET", "/x/{a}"),
    ("GET", "/x/{rest:path}"),
    ("GET", "/y/{a:int}/edit"),
    ("GET", "/y/{a}/show"),
    ("GET", "/z/{rest:path}"),
    ("GET", "/caf\u00e9/{a}"),
    ("GET", "/{a}/last/"),
)


@pytest.mark.parametrize(
    ("path", "route", "parameters"),
    [
        # A literal, then the kinds in their order, then text, then the rest.
        ("/x/new", "/x/new", {}),
        ("/x/5", "/x/{a:int}", {"a": 5}),
        ("/x/%35", "/x/{a:int}", {"a": 5}),
        ("/x/5.5", "/x/{a:float}", {"a": 5.5}),
        ("/x/12345678-1234-1234-1234-123456789abc", "/x/{a:uuid}", {"a": UUID("12345678-1234-1234-1234-123456789abc")}),
        ("/x/five", "/x/{a}", {"a": "five"}),
        ("/x/5/6", "/x/{rest:path}", {"rest": "5/6"}),
        # What does not match further on is tried as the next kind.
        ("/y/5/edit", "/y/{a:int}/edit", {"a": 5}),
        ("/y/5/show", "/y/{a}/show", {"a": "5"}),
        ("/z/a", "/z/{rest:path}", {"rest": "a"}),
        ("/z/a/", "/z/{rest:path}", {"rest": "a/"}),
        ("/z/a//b%20c/..", "/z/{rest:path}", {"rest": "a//b c/.."}),
        ("/z/a%2Fb", "/z/{rest:path}", {"rest": "a/b"}),
        # RFC 3986 6.2.2.2, beside a parameter as well.
        ("/caf%C3%A9/x", "/caf\u00e9/{a}", {"a": "x"}),
        ("/b/last/", "/{a}/last/", {"a": "b"}),
        # Nothing.
        ("/y/five/edit", None, {}),
        ("/y/five", None, {}),
        ("/z", None, {}),
        ("/z/", None, {}),  # the rest is not nothing
        ("/z//etc/passwd", None, {}),  # nor does it begin with a slash,
        ("/z/%2Fetc/passwd", None, {}),  # however that is written
        ("/b/last", None, {}),
    ],
)
def test_kinds(path: str, route: str | None, parameters: dict[str, object]) -> None:
    found, values, resource = MIXED.find("GET", path)
    assert (found and found.path, values) == (route, parameters)
    assert (resource is None) == (route is None)


def test_a_kind_that_there_is_not_is_a_use_error() -> None:
    with pytest.raises(UseError, match=r"no converter is called 'hex'; there are float, int, path, uuid"):
        router(("GET", "/{a:hex}"))


# Against a matcher that tries every route in turn


PIECES = ["a", "b", "{p:int}", "{q:float}", "{s}", "{t:path}", ""]
KINDS = {"{p:int}": "int", "{q:float}": "float", "{t:path}": "path"}


def candidates(path: str, templates: list[list[str]]) -> list[tuple[list[int], list[str], dict[str, object]]]:
    """Each template that matches: how good each of its segments is, itself, its parameters."""
    found = []
    segments = path.split("/")[1:]
    for template in templates:
        ranks: list[int] = []
        values: dict[str, object] = {}
        for number, piece in enumerate(template):
            if number >= len(segments):
                break
            text = segments[number]
            if piece == "{t:path}":
                text = "/".join(segments[number:])
            try:
                if piece in KINDS:
                    values[f"{piece[1]}{number}"] = CONVERTERS[KINDS[piece]].parse(unquote(text)) if text else int("")
                    ranks.append(3 if piece == "{t:path}" else 1)
                elif piece == "{s}":
                    if not text:
                        break
                    values[f"s{number}"] = unquote(text)
                    ranks.append(2)
                elif piece == unquote(text) and "%2f" not in text.lower():
                    ranks.append(0)
                else:
                    break
            except ValueError:
                break
        else:
            if len(template) == len(segments) or template[-1] == "{t:path}":
                found.append((ranks, template, values))
    return found


def written(template: list[str]) -> str:
    """The route: its parameters have one name at one depth."""
    return "".join("/" + re.sub(r"\{(\w)", rf"{{\g<1>{number}", piece) for number, piece in enumerate(template))


@st.composite
def template_sets(draw: st.DrawFn) -> list[list[str]]:
    sets = draw(st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4), min_size=1, max_size=12))
    cut = [one[: one.index("{t:path}") + 1] if "{t:path}" in one else one for one in sets]
    return [list(one) for one in dict.fromkeys(tuple(one) for one in cut)]


@given(
    template_sets(),
    st.lists(st.sampled_from(["a", "b", "%61", "1", "-2", "1.5", "x", "", "%2F", "a%2fb"]), min_size=1, max_size=5),
)
def test_the_tree_finds_what_trying_every_route_finds(templates: list[list[str]], segments: list[str]) -> None:
    table = router(*[("GET", written(template)) for template in templates])
    path = "".join(f"/{segment}" for segment in segments)
    found, values, _ = table.find("GET", path)
    fitting = candidates(path, templates)
    if not fitting:
        assert found is None
        return
    assert found is not None
    # Of those that fit the best one segment after another, but a path without parameters is looked up first.
    literal = [one for one in fitting if not any(one[0])]
    kinds = list(KINDS)
    order = {written(one): number for number, one in enumerate(templates)}

    def goodness(one: tuple[list[int], list[str], dict[str, object]]) -> list[tuple[int, int]]:
        ranks, template, _ = one
        result = []
        for number, (rank, piece) in enumerate(zip(ranks, template, strict=True)):
            # Two kinds at one node: the one that came first among the routes that share the way to it.
            among = [order[written(t)] for t in templates if t[: number + 1] == template[: number + 1]]
            result.append((rank, min(among) if rank == 1 and piece in kinds else 0))
        return result

    best = min(literal or fitting, key=goodness)
    assert (found.path, values) == (written(best[1]), best[2])


def test_a_routers_cost_is_the_paths_not_the_routes() -> None:
    """Counted in the texts that converters are shown."""
    counts = []
    for size in (10, 10_000):
        made, read = RouteTable(Route("/", unserved)), list[str]()
        converters = {"counted": Converter(lambda text, read=read: read.append(text) or text)}  # type: ignore[misc]
        for number in range(size):
            for path in (
                f"/r{number}",
                f"/r{number}/{{a:counted}}",
                f"/{{a:counted}}/r{number}",
                f"/x/y/r{number}/{{a}}",
            ):
                made.add(Route(path, handler), converters)
        for path, values in (("/r9", {}), ("/r9/a", {"a": "a"}), ("/b/r9", {"a": "b"}), ("/x/y/r9/c", {"a": "c"})):
            assert find(made, "GET", path)[1] == values
        assert find(made, "GET", "/x/y/z/c")[0] is None
        counts.append(read)
    assert counts[0] == counts[1] == ["a", "b", "x"]


# The same, asked


async def test_405_404_and_head_over_the_wire() -> None:
    web = App(port=0)

    @web.get("/a/{name}")
    async def a(r: Request, name: str) -> object:
        return {"name": name, "params": r.path_params, "method": r.method}

    async with Session(app=web) as http:
        assert await (await http.get("/a/x%2Fy")).json() == {"name": "x/y", "params": {"name": "x/y"}, "method": "GET"}
        refused = await http.post("/a/x")
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
        assert (await http.get("/b")).status == 404
        head = await http.head("/a/x")
        assert (head.status, head.content, head.content_length) == (200, b"", 50)
