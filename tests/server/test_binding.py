"""From routers to a table: levels and their order, stand-ins, mounts, names, clashes, the other slash."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import read_answer
from tests.helpers.served import served
from toolkit import Abort, App, Deliver, Request, Router, Session
from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from toolkit.server.hooks import Middleware

    Handler = Callable[..., Awaitable[object]]


async def told(web: App, path: str, method: str = "GET") -> tuple[int | None, bytes]:
    async with Session(app=web) as http:
        x = await http.request(method, path)
        return x.status, x.content


def noting(name: str, calls: list[str]) -> Middleware:
    async def middleware(handler: Handler, r: Request) -> object:
        calls.append(name)
        return await handler(r)

    return middleware


# Levels


async def test_levels_from_the_outside_in_each_in_its_order() -> None:
    calls: list[str] = []
    web = App(port=0, middlewares=[noting("app 1", calls)])
    api = web.group("/api", middlewares=[noting("group 1", calls)])
    inner = api.group("/v1", middlewares=[noting("inner", calls)])

    @inner.get("/x", middlewares=[noting("route 1", calls), noting("route 2", calls)])
    def handler(r: Request) -> str:
        calls.append("handler")
        return "x"

    # Added after the route, and after each other: the order of levels stands.
    api.add_middleware(noting("group 2", calls))
    web.add_middleware(noting("app 2", calls))

    assert await told(web, "/api/v1/x") == (200, b"x")
    assert calls == ["app 1", "app 2", "group 1", "group 2", "inner", "route 1", "route 2", "handler"]


@pytest.mark.parametrize(
    ("path", "method", "status", "around"),
    [
        ("/", "GET", 200, ["app"]),
        ("/api/a", "GET", 200, ["app", "group"]),
        ("/api/r", "GET", 200, ["app", "group", "route"]),
        # RFC 9110 15.5.6 and 9.3.7: what stands in at a known path has around it what all routes there have.
        ("/api/a", "POST", 405, ["app", "group"]),
        ("/api/r", "OPTIONS", 204, ["app", "group"]),
        ("/", "DELETE", 405, ["app"]),
        ("/shared", "PUT", 405, ["app"]),  # one of its routes is the group's, another is not
        ("/api/between", "PUT", 405, ["app", "group"]),
        ("/either", "PUT", 405, ["app"]),
        ("/nowhere", "GET", 404, ["app"]),
        ("/api/nowhere", "GET", 404, ["app"]),
        ("*", "OPTIONS", 204, ["app"]),
    ],
)
async def test_what_is_around_what(path: str, method: str, status: int, around: list[str]) -> None:
    calls: list[str] = []
    web = App(port=0, middlewares=[noting("app", calls)])
    group = web.group("/api", middlewares=[noting("group", calls)])
    beside = web.group(middlewares=[noting("beside", calls)])
    web.get("/")(lambda r: "x")
    group.get("/a")(lambda r: "x")
    group.get("/r", middlewares=[noting("route", calls)])(lambda r: "x")
    web.get("/shared")(lambda r: "x")
    beside.post("/shared")(lambda r: "x")
    beside.get("/either")(lambda r: "x")
    web.group(middlewares=[noting("third", calls)]).post("/either")(lambda r: "x")
    group.get("/between")(lambda r: "x")
    group.group(middlewares=[noting("inner", calls)]).post("/between")(lambda r: "x")
    async with served(web) as here:
        raw = await here.raw()
        await raw.send(f"{method} {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        assert (await read_answer(raw)).status == status
    assert calls == around


async def test_a_groups_hooks_are_around_its_own_routes_alone() -> None:
    web, calls = App(port=0), list[str]()
    group = web.group("/api")

    @group.add_route
    async def before_middleware(r: Request) -> None:
        calls.append("group before")

    @group.add_route
    async def after_middleware(r: Request) -> None:
        calls.append("group after")

    @web.add_route
    def my_before_middleware(r: Request) -> None:
        calls.append("before")

    web.get("/x")(lambda r: calls.append("x"))
    group.get("/y")(lambda r: calls.append("y"))
    assert await told(web, "/x") == (204, b"")
    assert calls == ["before", "x"]
    calls.clear()
    assert await told(web, "/api/y") == (204, b"")
    assert calls == ["before", "group before", "y", "group after"]


async def test_what_is_not_found_goes_to_the_innermost_hook_and_on_outwards() -> None:
    web, group = App(port=0), Router("/api")
    plain, calls = Router(), list[str]()

    @group.add_route
    async def handle_all_middleware(r: Request) -> object:
        return "group" if r.path.endswith("x") else None

    @web.add_route
    def app_handle_all_middleware(r: Request) -> object:
        return "app" if r.path.endswith("y") else None

    @plain.add_route
    def plain_handle_all_middleware(r: Request) -> object:
        calls.append(r.path)
        return "plain" if r.path.endswith("z") else None

    web.include(group)
    web.include(plain)  # at no path of its own: its hook is one of the application's
    group.get("/known")(lambda r: "known")
    assert await told(web, "/api/x") == (200, b"group")
    assert await told(web, "/api/deep/er/x") == (200, b"group")
    assert await told(web, "/api/y") == (200, b"app")
    assert await told(web, "/api/z") == (200, b"plain")
    assert await told(web, "/x") == (404, b"Not Found")
    assert await told(web, "/y") == (200, b"app")
    assert await told(web, "/api/known", "POST") == (405, b"Method Not Allowed")
    assert await told(web, "/api/known") == (200, b"known")
    plain.get("/p")(lambda r: "p")
    assert await told(web, "/p", "POST") == (405, b"Method Not Allowed")
    assert calls == ["/api/z", "/x", "/api/known", "/p"]  # each asked once, and not where another answered before


# Stand-ins


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("OPTIONS", "/a", 204, "GET, HEAD, OPTIONS"),
        ("OPTIONS", "/a/5", 204, "DELETE, OPTIONS, PUT"),
        ("POST", "/a", 405, "GET, HEAD, OPTIONS"),
        ("GET", "/a/5", 405, "DELETE, OPTIONS, PUT"),
        ("OPTIONS", "/own", 200, None),
        ("POST", "/own", 405, "GET, HEAD, OPTIONS"),
        ("OPTIONS", "/any", 200, None),
        ("OPTIONS", "/nowhere", 404, None),
    ],
)
async def test_405_and_options(method: str, path: str, status: int, allow: str | None) -> None:
    """RFC 9110 15.5.6, 9.3.7, 10.2.1."""
    web = App(port=0)
    web.get("/a")(lambda r: "x")
    web.route("/a/{b:int}", ("PUT", "DELETE"))(lambda r, b: "x")
    web.get("/own")(lambda r: "x")
    web.options("/own")(lambda r: "own")
    web.add_route("/any", lambda r: "any")
    async with Session(app=web) as http:
        x = await http.request(method, path)
        assert (x.status, x.headers.get("allow")) == (status, allow)


async def test_options_of_the_server_as_a_whole() -> None:
    """RFC 9110 9.3.7: an asterisk asks for the server."""
    web = App(port=0)
    async with served(web) as here:
        raw = await here.raw()
        await raw.send(b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await read_answer(raw)).status == 204
        web.get("/a")(lambda r: "x")
        web.put("/b")(lambda r: "x")
        await raw.send(b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n")
        answer = await read_answer(raw)
        assert (answer.status, answer.get("allow")) == (204, "GET, HEAD, OPTIONS, PUT")


# Mounts


def mounted() -> tuple[App, App]:
    web, admin = App(port=0), App(port=0)

    @admin.get("/users/{id:int}", name="user")
    def user(r: Request, id: int) -> object:
        return [r.path, r.mount_path, id, r.url_for("user", id=id + 1), r.app is admin]

    @admin.get("/")
    def index(r: Request) -> str:
        return "index"

    web.mount("/admin", admin)
    web.get("/{page}")(lambda r, page: f"page {page}")
    web.get("/{a}/{b}")(lambda r, a, b: "two")
    web.get("/top")(lambda r: [r.mount_path, r.app is web])
    return web, admin


async def test_a_mounted_applications_routes_are_below_its_prefix() -> None:
    web, admin = mounted()
    async with Session(app=web) as http:
        x = await http.get("/admin/users/5")
        assert await x.json() == ["/admin/users/5", "/admin", 5, "/admin/users/6", True]
        assert await (await http.get("/top")).json() == ["", True]
        assert (await http.get("/admin/")).content == b"index"
    assert web.url_for("admin.user", id=7) == "/admin/users/7"
    assert admin.url_for("user", id=7) == "/users/7"  # it does not know where it is mounted
    assert await told(admin, "/users/5") == (200, b'["/users/5","",5,"/users/6",true]')  # and serves by itself


async def test_what_a_mounted_application_does_not_find_it_answers_itself() -> None:
    web, admin = mounted()
    assert await told(web, "/x/y") == (200, b"two")
    assert await told(web, "/admin/y") == (404, b"Not Found")  # the other application's routes do not show through
    assert await told(web, "/admin") == (404, b"Not Found")
    assert await told(web, "/administrator") == (200, b"page administrator")

    @admin.add_route
    def handle_all_middleware(r: Request) -> str:
        return f"all of {r.mount_path}"

    @web.add_route
    def other_handle_all_middleware(r: Request) -> str:
        return "all"

    assert await told(web, "/admin/y") == (200, b"all of /admin")
    assert await told(web, "/admin") == (200, b"all of /admin")
    assert await told(web, "/admin/users/x") == (200, b"all of /admin")
    assert await told(web, "/x/y/z") == (200, b"all")


async def test_the_outer_applications_hook_for_all_is_not_the_mounted_ones() -> None:
    web, _ = mounted()

    @web.add_route
    def handle_all_middleware(r: Request) -> str:
        return "all"

    assert await told(web, "/x/y/z") == (200, b"all")
    assert await told(web, "/admin/y") == (404, b"Not Found")
    assert (await told(web, "/admin/users/5", "POST"))[0] == 405


async def test_what_a_mounted_application_does_not_have_with_either_slash_is_404() -> None:
    web = App(port=0, trailing_slash="redirect")
    inner = App(port=0)
    inner.get("/")(lambda r: "index")
    web.mount("/in", inner)
    assert (await told(web, "/in"))[0] == 308
    for path in ("/in/x", "/in/x/", "/in/x//"):
        assert (await told(web, path))[0] == 404


async def test_both_applications_middlewares_and_hooks_are_around_a_mounted_route() -> None:
    calls: list[str] = []
    web, inner = App(port=0, middlewares=[noting("outer", calls)]), App(port=0, middlewares=[noting("inner", calls)])

    @inner.add_route
    def before_middleware(r: Request) -> None:
        calls.append("inner before")

    @web.add_route
    def my_before_middleware(r: Request) -> None:
        calls.append("before")

    inner.get("/x")(lambda r: calls.append("x"))
    web.mount("/in", inner, middlewares=[noting("mount", calls)])
    assert await told(web, "/in/x") == (204, b"")
    assert calls == ["outer", "before", "mount", "inner", "inner before", "x"]
    calls.clear()
    assert (await told(web, "/in/nowhere"))[0] == 404
    assert calls == ["outer", "before", "mount", "inner", "inner before"]


async def test_mounts_in_mounts_and_below_groups_with_parameters() -> None:
    web, middle, inner = App(port=0), App(port=0), App(port=0)
    inner.get("/x", name="x")(lambda r, **given: [r.mount_path, given, r.url_for("x", **given)])
    middle.mount("/c", inner)
    web.group("/t/{tenant}").mount("/a/b", middle)
    async with Session(app=web) as http:
        x = await http.get("/t/a%20b/a/b/c/x")
        assert await x.json() == ["/t/a b/a/b/c", {"tenant": "a b"}, "/t/a%20b/a/b/c/x"]
    assert web.url_for("a.b.c.x", tenant="t") == "/t/t/a/b/c/x"


# Names


async def test_names() -> None:
    web, users = App(port=0), Router("/users")

    @users.get("/{id:int}", name="one")
    def handler(r: Request, id: int) -> object:
        return r.url_for("one", id=id + 1)

    @users.get("")
    def listing(r: Request) -> object:
        return [r.url_for("one", id=1), r.url_for("listing"), r.url_for("top")]

    web.include(users, "/v1", name="v1")
    web.include(users, "/v2", name="v2")
    web.get("/top", name="top")(lambda r: "top")
    web.get("/files/{path:path}", name="file")(lambda r, path: path)
    assert web.url_for("v1.one", id=5) == "/v1/users/5"
    assert web.url_for("v2.listing") == "/v2/users"
    assert web.url_for("file", path="a b/c") == "/files/a%20b/c"
    # From inside, a name is looked for near the present route first.
    assert await told(web, "/v2/users/5") == (200, b"/v2/users/6")
    assert await told(web, "/v1/users") == (200, b'["/v1/users/1","/v1/users","/top"]')


def test_names_that_are_none_or_several() -> None:
    web = App(port=0)

    def same(r: Request) -> None: ...

    web.get("/a")(same)
    web.get("/b")(same)
    web.post("/c")(same)
    with pytest.raises(UseError, match=r"url_for\('nothing'\): no route is called so; there are same"):
        web.url_for("nothing")
    with pytest.raises(UseError, match=r"/a, /b, /c are called so; give one of them a name="):
        web.url_for("same")
    web.get("/d", name="same")(same)  # a name that was given goes before one that a function has
    assert web.url_for("same") == "/d"
    with pytest.raises(UseError, match="needs no values; got x"):
        web.url_for("same", x=1)
    web.get("/e", name="same")(same)
    with pytest.raises(UseError, match=r"two routes are called 'same': /d for .*same \(.*\) and /e for"):
        web.url_for("same")


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("shwo", "did you mean 'show'?"),
        ("list", "did you mean 'pets.list' or 'users.list'?"),
        ("user.list", "did you mean 'pets.list' or 'users.list'?"),
        ("users.lst", "did you mean 'users.list' or 'pets.list'?"),
        ("zzz", "there are pets.list, route_0, route_1, .* and 5 more"),
    ],
)
def test_a_name_that_is_none_brings_the_nearest_to_mind(wanted: str, told: str) -> None:
    web = App()
    web.get("/show", name="show")(lambda r: None)
    for name in ("users", "pets"):
        web.group(f"/{name}", name=name).get("/", name="list")(lambda r: None)
    for number in range(12):
        web.get(f"/{number}", name=f"route_{number}")(lambda r: None)
    with pytest.raises(UseError, match=rf"url_for\('{wanted}'\): no route is called so; {told}") as caught:
        web.url_for(wanted)
    assert len(str(caught.value)) < 200


def test_one_function_at_one_path_for_several_methods_is_one_name() -> None:
    web = App(port=0)

    def both(r: Request) -> None: ...

    web.get("/a")(both)
    web.post("/a")(both)
    assert web.url_for("both") == "/a"


# Clashes


def one(r: object, **parameters: object) -> None: ...


def two(r: object, **parameters: object) -> None: ...


def at_once(web: App) -> None:
    web.get("/a")(one)
    web.get("/a")(two)


def spelled(web: App) -> None:
    web.get("/a/{b}")(one)
    web.get("/a/:b")(two)


def any_method(web: App) -> None:
    web.add_route("/a", one)
    web.add_route("/a", two)


def grouped(web: App) -> None:
    web.group("/a").get("/b")(one)
    web.get("/a/b")(two)


def included(web: App) -> None:
    router = Router("/a")
    router.get("/{b:int}")(one)
    web.include(router)
    web.include(router)


def under_a_mount(web: App) -> None:
    inner = App()
    inner.get("/b")(two)
    web.mount("/a", inner)
    web.get("/a/b")(one)


@pytest.mark.parametrize(
    ("declare", "named"),
    [
        (at_once, ("GET /a ", "one", "two")),
        (spelled, ("GET /a/:b ", "one", "two")),
        (any_method, (r"\* /a ", "one", "two")),
        (grouped, ("GET /a/b ", "two", "one")),
        (included, ("GET /a/{b:int} ", "one", "one")),
        (under_a_mount, ("GET /a/b ", "one", "two")),
    ],
)
def test_a_clash_names_both_and_where_they_stand(declare: Callable[[App], None], named: tuple[str, str, str]) -> None:
    path, first, second = named
    where = rf"\({__file__}:\d+\)"
    expected = rf"^{path}is served by {first} {where} already; it cannot be by {second} {where}"
    with pytest.raises(UseError, match=expected):
        bound(declare)


def bound(declare: Callable[[App], None]) -> None:
    web = App(port=0)
    declare(web)
    _ = web.table


def test_a_handler_that_does_not_take_its_routes_parameters_is_an_error_at_the_start() -> None:
    def missing(r: Request) -> None: ...

    web = App(port=0)
    web.group("/x/{a}").get("/y")(missing)
    with pytest.raises(UseError, match=r"'/x/{a}/y': .*missing \(.*\) cannot be called with a request, a: "):
        _ = web.table

    def adding(handler: Handler) -> Handler:  # a decorator may take parameters away
        return lambda r, a: handler(r)

    other = App(port=0)
    other.get("/{a}", middlewares=[adding])(missing)
    assert other.url_for("missing", a=1) == "/1"


async def test_a_clash_is_an_error_at_the_start() -> None:
    web = App(port=0)
    grouped(web)
    with pytest.raises(UseError, match="is served by"):
        await web.serve()
    with pytest.raises(UseError, match="is served by"):
        web.new_connection()


async def test_a_clash_while_it_runs_changes_nothing() -> None:
    web = App(port=0)
    group = web.group("/a")
    group.get("/b")(lambda r: "first")
    async with Session(app=web) as http:
        assert (await http.get("/a/b")).content == b"first"
        with pytest.raises(UseError, match="is served by"):
            web.get("/a/b")(lambda r: "second")
        assert (await http.get("/a/b")).content == b"first"
        web.get("/a/c")(lambda r: "third")
        assert (await http.get("/a/c")).content == b"third"


async def test_what_is_added_while_it_runs_counts() -> None:
    web, late, calls = App(port=0), Router("/late"), list[str]()
    web.include(late)
    async with Session(app=web) as http:
        assert (await http.get("/late/x")).status == 404
        late.get("/x")(lambda r: "x")
        assert (await http.get("/late/x")).content == b"x"
        late.add_middleware(noting("late", calls))
        assert (await http.get("/late/x")).content == b"x"
    assert calls == ["late"]


# The other slash


@pytest.mark.parametrize("policy", ["strict", "redirect", "ignore"])
async def test_trailing_slashes(policy: str) -> None:
    web = App(port=0, trailing_slash=policy)  # type: ignore[arg-type]  # by name
    web.get("/a")(lambda r: "a")
    web.route("/b/{c:int}/", ("GET", "POST"))(lambda r, c: f"b {c}")
    found = {"strict": 404, "redirect": 308, "ignore": 200}[policy]
    async with Session(app=web) as http:
        for method, path, there in (
            ("GET", "/a/?x=1", "/a?x=1"),
            ("GET", "/b/5?", "/b/5/"),
            ("POST", "/b/5", "/b/5/"),
            ("GET", "/%61/", "/%61"),
        ):
            x = await http.request(method, path)
            assert (x.status, x.headers.get("location")) == (found, there if found == 308 else None)
        for path in ("/c", "/c/", "/a//", "/b/x"):
            assert (await http.get(path)).status == 404
        assert (await http.get("/a")).content == b"a"
        assert (await http.get("/b/5/")).content == b"b 5"
        x = await http.post("/a/")
        assert x.status == {"strict": 404, "redirect": 308, "ignore": 405}[policy]


@pytest.mark.parametrize(
    "target",
    [
        # CVE-2021-21330, CVE-2023-28370, CVE-2020-28724: a Location of two slashes names another host.
        "//evil.example/",
        "//evil.example",
        "///evil.example/",
        "/\\evil.example/",
        "/\\/evil.example/",
        "http://a//evil.example/",
        "//evil.example/%2e%2e/",
        "/%2F/evil.example/..",
    ],
)
async def test_a_slash_never_redirects_to_another_host(target: str) -> None:
    web = App(port=0, trailing_slash="redirect")
    web.add_route("/{rest:path}", lambda r, rest: "rest")
    web.add_route("/{a}/", lambda r, a: "a")
    web.add_route("//{a}/", lambda r, a: "a")
    web.add_route("//{a}/{b}", lambda r, a, b: "a")
    async with served(web) as here:
        raw = await here.raw()
        await raw.send(f"GET {target} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        answer = await read_answer(raw)
        assert answer.status in (200, 400, 404)


def test_a_policy_that_there_is_not_is_a_use_error() -> None:
    with pytest.raises(UseError, match="expected 'strict', 'redirect' or 'ignore'"):
        _ = App(trailing_slash="maybe")  # type: ignore[arg-type]  # the mistake itself


async def test_a_hook_for_all_comes_after_the_other_slash() -> None:
    web = App(port=0, trailing_slash="redirect")
    web.get("/a")(lambda r: "a")

    @web.add_route
    async def handle_all_middleware(r: Request) -> None:
        await Deliver.text("all")

    assert (await told(web, "/a/"))[0] == 308
    assert await told(web, "/b/") == (200, b"all")


# What a middleware can know


async def test_the_route_is_known_to_middlewares() -> None:
    web, seen = App(port=0), list[object]()

    @web.middleware
    async def look(handler: Handler, r: Request) -> object:
        route = r.route
        seen.append(route and (route.path, route.name, route.methods, dict(route.options)))
        return await handler(r)

    web.group("/api").route("/<int:b>", ("put",), name="b", options={"limit": 5})(lambda r, b: b)
    for method, path in (("PUT", "/api/5"), ("GET", "/api/5"), ("OPTIONS", "/api/5"), ("PUT", "/api/x")):
        await told(web, path, method)
    assert seen == [("/api/{b:int}", "b", ("PUT",), {"limit": 5}), None, None, None]


async def test_a_converter_that_fails_is_a_500() -> None:
    web = App(port=0)

    def parse(text: str) -> object:
        raise KeyError(text)

    web.add_converter("broken", parse)
    web.get("/{a:broken}")(lambda r, a: a)
    web.get("/fine")(lambda r: "fine")
    async with Session(app=web) as http:
        assert (await http.post("/x", body=b"abc")).status == 500
        assert (await http.get("/fine")).status == 200


async def test_aborts_in_middlewares_are_answers() -> None:
    web = App(port=0)

    @web.middleware
    async def refuse(handler: Handler, r: Request) -> object:
        raise Abort("not you", 403)

    web.get("/")(lambda r: "x")
    assert await told(web, "/") == (403, b"not you")
