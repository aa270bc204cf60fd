"""The routing that the documents promise, as their users would write it: paths, groups, sub-routers, middlewares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import KINDS, served
from toolkit import Abort, App, Deliver, Request, Router

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Handler = Callable[..., Awaitable[object]]


async def told(web: App, *paths: str, kind: str = "memory", method: str = "GET") -> list[tuple[int | None, str]]:
    answers = []
    async with served(web, kind) as here, here.session() as http:
        for path in paths:
            x = await http.request(method, here.url + path)
            answers.append((x.status, await x.text()))
    return answers


# One request object, classes of handlers, hooks by name


@pytest.mark.parametrize("kind", KINDS)
async def test_a_class_its_hooks_and_a_function_beside_it(kind: str) -> None:
    web = App(port=0)

    @web.attach
    class Server:
        def __init__(self) -> None:
            self.greeting = "hello"

        async def before_middleware(self, r: Request) -> None:
            r.store["json_data"] = await r.json() if r.method == "POST" else r.params()

        async def _(self, r: Request) -> None:
            await Deliver.text(self.greeting)

        async def _redirect(self, r: Request) -> None:
            raise Abort("", 302, {"location": "/elsewhere"})

        async def _api_ip(self, r: Request) -> None:
            await Deliver.json({"ip": "known", "data": r.store["json_data"]})

        async def handle_all_middleware(self, r: Request) -> None:
            raise Abort("no such thing", 404)

    @web.add_route
    async def a_name_that_is_not_used(r: Request, route: str = "/fp") -> None:
        await Deliver.text("from /fp")

    assert await told(
        web, "/", "/api/ip", "/api/ip/?a=b", "/fp", "/redirect", "/x", "/a_name_that_is_not_used", kind=kind
    ) == [
        (200, "hello"),
        (200, '{"ip":"known","data":{}}'),
        (200, '{"ip":"known","data":{"a":"b"}}'),
        (200, "from /fp"),
        (302, ""),
        (404, "no such thing"),
        (404, "no such thing"),
    ]


async def test_a_method_that_is_added_later_is_a_new_route() -> None:
    class Server:
        async def _new_route(self, r: Request) -> None:
            await Deliver.text("This is /new/route")

    web = App(port=0)
    web.attach(Server)
    assert await told(web, "/new/route") == [(200, "This is /new/route")]


async def test_hooks_of_one_kind_are_chained_and_the_first_that_answers_ends_the_chain() -> None:
    """One request, one answer: files that are not there fall through to what comes after them."""
    web, calls = App(port=0), list[str]()

    class Files:
        async def handle_all_middleware(self, r: Request) -> object:
            calls.append("files")
            return "index" if r.path == "/" else None

    class Server:
        async def handle_all_middleware(self, r: Request) -> object:
            calls.append("server")
            return 404, "nowhere"

    web.attach(Files)
    web.attach(Server)
    assert await told(web, "/", "/x") == [(200, "index"), (404, "nowhere")]
    assert calls == ["files", "files", "server"]


# A router with colons, decorators as middlewares


def log_request(seen: list[str]) -> Callable[[Handler], Callable[..., object]]:
    def middleware(handler: Handler) -> Callable[..., object]:
        def wrapper(request: Request, *args: object, **kwargs: object) -> object:
            seen.append(request.path)
            return handler(request, *args, **kwargs)

        return wrapper

    return middleware


async def test_a_global_middleware_that_is_added_after_the_route_is_around_it() -> None:
    router, seen = Router(), list[str]()

    @router.route("/user/:id", methods=["GET"])
    def get_user(request: Request, id: str) -> str:
        return f"User ID: {id}"

    router.add_middleware(log_request(seen))
    web = App(port=0)
    web.include(router)
    assert await told(web, "/user/5") == [(200, "User ID: 5")]
    assert seen == ["/user/5"]


async def test_a_table_of_routes_and_a_middleware_for_one_of_them() -> None:
    web, seen = App(port=0), list[str]()

    def get_user(request: Request, id: str) -> str:
        return f"User ID: {id}"

    web.add_route("/user/:id", get_user, methods=["GET"], middlewares=[log_request(seen)])
    web.add_route("/other/:id", get_user, methods=["GET"])
    assert await told(web, "/user/5", "/other/6") == [(200, "User ID: 5"), (200, "User ID: 6")]
    assert seen == ["/user/5"]


async def test_a_sub_router_with_a_prefix_of_its_own() -> None:
    users = Router(prefix="/users")

    @users.route("/", methods=["GET"])
    def get_all_users(request: Request) -> object:
        return {"users": []}

    @users.route("/:user_id", methods=["GET"])
    def get_user(request: Request, user_id: str) -> object:
        return {"user_id": user_id}

    main, web = Router(), App(port=0, trailing_slash="ignore")
    main.include(users)
    web.include(main)
    assert await told(web, "/users/", "/users", "/users/5", "/users/5/") == [
        (200, '{"users":[]}'),
        (200, '{"users":[]}'),
        (200, '{"user_id":"5"}'),
        (200, '{"user_id":"5"}'),
    ]


async def test_a_group_with_a_middleware_is_served_without_being_included_by_hand() -> None:
    web, seen = App(port=0), list[str]()
    api = web.group("/api", middlewares=[log_request(seen)])

    @api.route("/users")
    def api_users(request: Request) -> str:
        return "API Users"

    @api.route("/posts")
    async def api_posts(request: Request) -> str:
        return "API Posts"

    assert await told(web, "/api/users", "/api/posts") == [(200, "API Users"), (200, "API Posts")]
    assert seen == ["/api/users", "/api/posts"]


async def test_a_middleware_that_keeps_strangers_out() -> None:
    web = App(port=0)

    def auth_middleware(handler: Handler) -> Callable[..., object]:
        def wrapper(request: Request, *args: object, **kwargs: object) -> object:
            if not request.headers.get("Authorization"):
                return 401, "Unauthorized"
            return handler(request, *args, **kwargs)

        return wrapper

    @web.route("/dashboard", middlewares=[auth_middleware])
    def dashboard(request: Request) -> str:
        return "Welcome to the dashboard"

    async with served(web) as here, here.session() as http:
        assert (await http.get("/dashboard")).status == 401
        welcome = await http.get("/dashboard", {"authorization": "me"})
        assert await welcome.text() == "Welcome to the dashboard"


async def test_methods_of_one_path_and_what_is_said_of_others() -> None:
    web = App(port=0)
    web.route("/x", methods=["GET"])(lambda request: "got")
    web.route("/x", methods=["POST"])(lambda request: "posted")
    async with served(web) as here, here.session() as http:
        assert (await http.post("/x")).content == b"posted"
        refused = await http.delete("/x")
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
        options = await http.request("OPTIONS", "/x")
        assert (options.status, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


# Angle brackets, stacked decorators


async def test_stacked_decorators_and_the_rest_of_the_path() -> None:
    web = App(port=0)

    @web.route("/")
    @web.route("/<path:path>")
    async def index(r: Request, path: str = "") -> str:
        return f"test {path}"

    assert await told(web, "/", "/a", "/a/b.txt") == [(200, "test "), (200, "test a"), (200, "test a/b.txt")]


async def test_the_same_path_with_different_verbs_and_static_paths_first() -> None:
    web = App(port=0)
    web.get("/route/<filename>")(lambda env, filename: f"file {filename}")
    web.post("/route/<filename>")(lambda env, filename: f"posted {filename}")
    web.get("/route/index")(lambda env: "index")
    assert await told(web, "/route/a.txt", "/route/index") == [(200, "file a.txt"), (200, "index")]
    assert await told(web, "/route/a.txt", method="POST") == [(200, "posted a.txt")]
