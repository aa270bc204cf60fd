"""Where the description is served: never by accident, beside the application's own routes, behind its middlewares."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

import orjson
import pytest

from tests.helpers.served import served
from toolkit import App, Forbidden, OpenApi, Operation, Request, Session, UseError
from toolkit.server.binding import routes_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.server.handlers import Coroutine

SERVED = ("/openapi", "/openapi.json", "/docs", "/docs/page.css", "/docs/page.js")


def hello(r: Request) -> str:
    return "hello"


async def statuses(web: App, *paths: str) -> list[int | None]:
    async with Session(app=web) as http:
        return [(await http.get(path)).status for path in paths]


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (lambda: App(), 404),
        (lambda: App(debug=True), 200),
        (lambda: App(debug=True, openapi=False), 404),
        (lambda: App(openapi=True), 200),
        (lambda: App(openapi=OpenApi(title="Shop")), 404),
        (lambda: App(openapi=OpenApi(title="Shop"), debug=True), 200),
        (lambda: App(openapi=OpenApi(title="Shop", public=True)), 200),
    ],
    ids=["nothing said", "debug", "debug, never", "for everybody", "a title", "a title and debug", "a title, public"],
)
async def test_where_it_is_to_be_had(make: Callable[[], App], status: int) -> None:
    web = make()
    web.get("/hello")(hello)
    assert await statuses(web, *SERVED) == [status] * 5
    assert await statuses(web, "/hello") == [200]


@pytest.mark.parametrize("kind", ["memory", "tcp", "unix", "tls"])
async def test_the_document_over_every_link(kind: str) -> None:
    web = App(debug=True)
    web.get("/hello")(hello)
    async with served(web, kind) as here, here.session() as http:
        one = await http.get(f"{here.url}/openapi")
        other = await http.get(f"{here.url}/openapi.json")
    assert one.headers["content-type"] == "application/json"
    assert one.content == other.content
    assert list(orjson.loads(one.content)["paths"]) == ["/hello"], "it does not describe itself"


async def test_who_has_it_already_gets_304() -> None:
    web = App(debug=True)
    web.get("/hello")(hello)
    async with Session(app=web) as http:
        for path in SERVED:
            first = await http.get(path)
            again = await http.get(path, {"if-none-match": first.headers["etag"]})
            assert (again.status, again.content) == (304, b""), path
            assert first.headers["cache-control"] == "no-cache"
            head = await http.head(path)
            assert (head.status, head.headers["etag"]) == (200, first.headers["etag"])
        assert (await http.post("/openapi", body=b"")).status == 405


async def test_what_is_declared_later_is_in_it() -> None:
    web = App(debug=True)
    web.get("/one")(hello)
    async with Session(app=web) as http:
        before = await http.get("/openapi")
        assert (await http.get("/openapi")).headers["etag"] == before.headers["etag"]
        web.get("/two")(hello)
        after = await http.get("/openapi")
    assert b"/two" not in before.content
    assert b"/two" in after.content
    assert before.headers["etag"] != after.headers["etag"]


# The application's own routes


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/{any}", "/docs/{any:path}", "/{rest:path}"])
async def test_in_development_it_makes_room(path: str) -> None:
    """With `debug` the application's own paths are what they are without."""
    web, plain = App(debug=True), App()
    for one in (web, plain):
        one.get(path)(lambda r, **parameters: "mine")
    assert await statuses(web, *SERVED) == await statuses(plain, *SERVED)


async def test_hooks_and_mounts_do_not_count_as_routes_but_what_they_serve_does() -> None:
    web, docs = App(debug=True), App()

    @web.add_route
    def handle_all_middleware(r: Request) -> object:
        return 404, "nothing"

    assert await statuses(web, "/docs", "/nothing") == [200, 404]
    docs.get("/")(hello)
    web.mount("/docs", docs)
    assert await statuses(web, "/docs/", "/docs", "/docs/page.js") == [200, 404, 404]


def test_one_that_was_asked_for_does_not() -> None:
    web = App(openapi=True)
    web.get("/docs")(hello)
    with pytest.raises(UseError, match=r"GET /docs is served by hello .* already; it cannot be by Description.page"):
        _ = web.table


async def test_one_that_was_asked_for_goes_before_parameters() -> None:
    web = App(openapi=OpenApi(path="/spec", docs="/api/docs", public=True))
    web.get("/{any:path}")(lambda r, any: "mine")
    async with Session(app=web) as http:
        assert (await http.get("/spec")).headers["content-type"] == "application/json"
        assert b"<main" in (await http.get("/api/docs")).content
        assert (await http.get("/docs")).content == b"mine"


async def test_without_a_page_and_with_a_path_that_ends_in_json() -> None:
    web = App(openapi=OpenApi(path="/spec.json", docs=None, public=True))
    assert await statuses(web, "/spec.json", "/spec.json.json", "/docs") == [200, 404, 404]


async def test_the_applications_middlewares_are_around_it() -> None:
    web = App(openapi=True)

    @web.middleware
    async def guard(handler: Coroutine, r: Request) -> object:
        if r.headers.get("authorization") is None:
            raise Forbidden
        return await handler(r)

    assert await statuses(web, *SERVED) == [403] * 5


def test_its_routes_have_no_names() -> None:
    web = App(debug=True)
    with pytest.raises(UseError, match="no route is called so"):
        web.url_for("page")


# Mounted applications


async def test_a_mounted_application_has_its_own_where_it_says_so() -> None:
    api, plain, web = App(openapi=OpenApi(title="Inner")), App(), App(debug=True)
    api.get("/a")(hello)
    plain.get("/b")(hello)
    web.mount("/api", api)
    web.mount("/plain", plain)
    async with Session(app=web) as http:
        inner = orjson.loads((await http.get("/api/openapi")).content)
        outer = orjson.loads((await http.get("/openapi")).content)
        assert (await http.get("/plain/openapi")).status == 404
        page = (await http.get("/api/docs")).content
    assert (inner["info"]["title"], list(inner["paths"])) == ("Inner", ["/api/a"])
    assert list(outer["paths"]) == ["/api/a", "/plain/b"]
    assert b'data-document="./openapi" data-root="./../"' in page


async def test_whether_it_is_development_says_the_outermost_application() -> None:
    api, web = App(openapi=OpenApi(), debug=True), App()
    web.mount("/api", api)
    assert await statuses(web, "/api/openapi", "/openapi") == [404, 404]


# The page


@pytest.mark.parametrize(
    ("docs", "links"),
    [
        ("/docs", ["./docs/page.css", "./docs/page.js", "./openapi", "./"]),
        ("/", ["./page.css", "./page.js", "./openapi", "./"]),
        ("/a/docs", ["./docs/page.css", "./docs/page.js", "./../openapi", "./../"]),
        ("/a/b/docs/", ["./page.css", "./page.js", "./../../../openapi", "./../../../"]),
    ],
)
async def test_its_links_are_relative(docs: str, links: list[str]) -> None:
    web = App(openapi=OpenApi(docs=docs, public=True))
    async with Session(app=web) as http:
        page = (await http.get(docs)).content.decode()
        found = re.findall(r'(?:<link rel="stylesheet" href|src|data-document|data-root)="([^"]*)"', page)
        assert found == links
        assert (await http.get(f"{docs.rstrip('/')}/page.js")).status == 200


async def test_nothing_comes_from_elsewhere() -> None:
    """No address of another host in any of its files, and a policy that would refuse one."""
    options = OpenApi(title="<b>Shop", servers=["https://api.example.org/v1", "/here"], public=True)
    async with Session(app=App(openapi=options)) as http:
        answer = await http.get("/docs")
        files = [answer.content, *[(await http.get(path)).content for path in SERVED[3:]]]
    assert not re.search(rb"(?:https?:)?//\w+\.\w+", b"".join(files))
    assert b"<b>Shop" not in files[0]
    assert b"&lt;b&gt;Shop" in files[0]
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "connect-src 'self' https://api.example.org;" in policy
    assert "unsafe" not in policy
    assert not re.search(rb"<script>|<style|\son\w+=|style=", files[0]), "inline, the policy would refuse it"
    assert b"innerHTML" not in files[2]


async def test_with_a_slash_too_many_it_leads_to_where_its_links_hold() -> None:
    web = App(openapi=True, trailing_slash="ignore")
    async with Session(app=web) as http:
        answer = await http.get("/docs/")
    assert (answer.status, answer.headers["location"]) == (308, "../docs")


def test_its_files_are_in_the_package() -> None:
    names = {one.name for one in resources.files("toolkit.server.openapi").iterdir()}
    assert {"page.html", "page.css", "page.js"} <= names


async def test_what_cannot_be_described_is_told_by_the_document(caplog: pytest.LogCaptureFixture) -> None:
    """The application works all the same."""
    web = App(debug=True)
    web.get("/x", docs=Operation(body=Session))(hello)
    async with Session(app=web) as http:
        answer = await http.get("/openapi", {"accept": "application/json"})
        assert answer.status == 500
        assert b"the description of /x (hello" in answer.content
        assert (await http.get("/x")).status == 200
    assert "Session cannot be described" in caplog.text


async def test_an_example_that_is_no_json_is_told(caplog: pytest.LogCaptureFixture) -> None:
    web = App(debug=True)
    web.get("/x", docs=Operation(extra={"x-more": {1}}))(hello)
    assert await statuses(web, "/openapi", "/x") == [500, 200]
    assert "the description is no JSON, by an `example`, an `extra` or a `default` in it" in caplog.text


def test_an_application_that_says_nothing_has_no_route_more() -> None:
    web = App()
    web.get("/x")(hello)
    assert [one.route.path for one in routes_of(web)] == ["/x"]
    assert web.table.find("GET", "/openapi")[2] is None
