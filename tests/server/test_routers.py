"""Router: the ways to declare a route, and what may be declared of routers. What becomes of it: `test_binding.py`."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.served import PATIENCE
from toolkit import App, Request, Router, Session
from toolkit.errors import UseError
from toolkit.server.current import current_request

if TYPE_CHECKING:
    from collections.abc import Callable


async def told(web: App, path: str, method: str = "GET") -> tuple[int | None, bytes]:
    async with Session(app=web) as http:
        x = await http.request(method, path)
        return x.status, x.content


VERBS = ["get", "post", "put", "patch", "delete", "head", "options"]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("form", ["bare", "called", "path", "named"])
async def test_a_methods_decorator_with_and_without_arguments(verb: str, form: str) -> None:
    web = App(port=0)

    def handler(r: Request) -> str:
        return r.method

    decorator = getattr(web, verb)
    made = {
        "bare": lambda: decorator(handler),
        "called": lambda: decorator()(handler),
        "path": lambda: decorator("/handler")(handler),
        "named": lambda: decorator("/handler", name="x")(handler),
    }[form]()
    assert made is handler  # decorated functions stay what they were
    assert await told(web, "/handler", verb.upper()) == (200, b"" if verb == "head" else verb.upper().encode())
    assert (await told(web, "/handler", "TRACE"))[0] == 405
    assert web.url_for("x" if form == "named" else "handler") == "/handler"


async def test_the_route_decorator_with_and_without_arguments() -> None:
    web = App(port=0)

    @web.route
    def bare(r: Request) -> str:
        return "bare"

    @web.route()
    async def called(r: Request) -> str:
        return "called"

    @web.route(methods=["POST"])
    def posted(r: Request, route: str = "/elsewhere") -> str:
        return "posted"

    @web.route("/stacked")
    @web.route("/<path:path>")
    async def index(r: Request, path: str = "") -> str:
        return f"index {path}"

    assert await told(web, "/bare") == (200, b"bare")
    assert await told(web, "/called") == (200, b"called")
    assert await told(web, "/elsewhere", "POST") == (200, b"posted")
    assert await told(web, "/stacked") == (200, b"index ")
    assert await told(web, "/a/b") == (200, b"index a/b")


async def test_add_route_as_a_decorator_with_arguments() -> None:
    web = App(port=0)

    @web.add_route(methods=("POST",), name="x")
    async def posted(r: Request) -> str:
        return "posted"

    @web.add_route()
    async def my_handle_all_middleware(r: Request) -> str:
        return "all"

    assert await told(web, "/posted", "POST") == (200, b"posted")
    assert web.url_for("x") == "/posted"
    assert await told(web, "/x") == (200, b"all")


@pytest.mark.parametrize("middlewares", [[], [lambda handler, r: handler(r)]])
async def test_a_plain_function_may_run_in_a_thread(middlewares: list[Callable[..., object]]) -> None:
    """It holds up nobody: this one waits for what only another request can bring."""
    web, come = App(port=0), threading.Event()

    @web.get("/waits/{seconds:int}", thread=True, middlewares=middlewares)
    def waits(r: Request, seconds: int) -> object:
        return [
            come.wait(seconds),
            r.path,
            current_request() is r,
            threading.current_thread() is threading.main_thread(),
        ]

    @web.get("/comes")
    async def comes(r: Request) -> None:
        come.set()

    async with asyncio.timeout(PATIENCE), Session(app=web) as http, asyncio.TaskGroup() as group:
        waiting = group.create_task(told(web, "/waits/9"))
        assert (await http.get("/comes")).status == 204
        assert await waiting == (200, b'[true,"/waits/9",true,false]')


def test_a_coroutine_function_needs_no_thread() -> None:
    web = App()

    @web.get("/", thread=True)
    async def handler(r: Request) -> None: ...

    with pytest.raises(UseError, match=r"thread=True for .*handler .* is a coroutine function"):
        _ = web.table


async def test_a_group_has_the_same_ways_to_register() -> None:
    web = App(port=0)
    api = web.group("/api/")

    @api.attach
    class Things:
        async def _things(self, r: Request) -> str:
            return "things"

        async def before_middleware(self, r: Request) -> None:
            r.store["seen"] = "before"

    @api.add_route
    async def seen(r: Request) -> str:
        return str(r.store["seen"])

    api.add_route("/by/:name", lambda r, name: name, methods=("PUT",))
    api.get("")(lambda r: "prefix")
    api.get("/")(lambda r: "prefix and slash")
    for path, body in (
        ("/api/things", b"things"),
        ("/api/things/", b"things"),
        ("/api/seen", b"before"),
        ("/api", b"prefix"),
        ("/api/", b"prefix and slash"),
    ):
        assert await told(web, path) == (200, body)
    assert await told(web, "/api/by/x", "PUT") == (200, b"x")


async def test_a_router_made_alone_is_included_under_a_prefix_and_what_is_added_later_counts() -> None:
    users = Router(prefix="/users")
    users.get("/:user_id")(lambda r, user_id, version=1: f"user {user_id} of {version}")
    web = App(port=0)
    web.include(users)
    web.include(users, "/old/{version:int}", name="old")
    users.get("/")(lambda r, version=None: f"all {version}")
    inner = users.group("/inner")
    inner.get("/x")(lambda r, **given: f"inner {given}")
    assert await told(web, "/users/5") == (200, b"user 5 of 1")
    assert await told(web, "/users/") == (200, b"all None")
    assert await told(web, "/old/2/users/") == (200, b"all 2")
    assert await told(web, "/old/2/users/inner/x") == (200, b"inner {'version': 2}")
    assert await told(web, "/users/inner/x") == (200, b"inner {}")


async def test_converters_of_ones_own() -> None:
    web, router = App(port=0), Router("/r")
    web.add_converter("hex", lambda text: int(text, 16), lambda value: f"{value:x}")
    router.add_converter("even", lambda text: _even(int(text)))
    web.include(router)
    router.get("/{a:even}/{b:hex}", name="both")(lambda r, a, b: [a, b])
    router.get("/{a}/{b}")(lambda r, a, b: f"{a} {b}")
    assert await told(web, "/r/2/ff") == (200, b"[2,255]")
    assert await told(web, "/r/3/ff") == (200, b"3 ff")
    assert await told(web, "/r/2/xx") == (200, b"2 xx")
    assert web.url_for("both", a=4, b=254) == "/r/4/fe"


def _even(number: int) -> int:
    if number % 2:
        raise ValueError(number)
    return number


def outside_its_router() -> App:
    """A converter of one router, used beside it."""
    web, router = App(), Router("/r")
    router.add_converter("even", int)
    web.include(router)
    web.get("/{a:even}")(lambda r, a: a)
    _ = web.table
    return web


@pytest.mark.parametrize(
    ("declare", "why"),
    [
        (lambda: App().get("")(lambda r: 1), "begins with '/'"),
        (lambda: App().get("/{a")(lambda r: 1), "a parameter is a whole segment"),
        (lambda: Router().get("a")(lambda r: 1), "begins with '/'"),
        (lambda: App().get(partial(print)), "it has no name; give a path"),
        (lambda: App().route("/a", "GET")(lambda r: 1), r"methods='GET' of '/a': expected a list, \['GET'\]"),
        (lambda: App().add_middleware(5), "expected a function of a handler and a request"),  # type: ignore[arg-type]
        (lambda: App().add_converter("int", int), "expected a new name"),
        (lambda: App().add_converter("a-b", int), "expected a new name"),
        (lambda: App().include(App()), "an App is mounted"),
        (lambda: App().mount("/a", Router()), "a Router is included"),  # type: ignore[arg-type]
        (lambda: App().mount("", App()), "at least one segment, without parameters"),
        (lambda: App().mount("/{a}", App()), "at least one segment, without parameters"),
        (lambda: Router("a"), "begins with '/'"),
        (outside_its_router, "no converter is called 'even'"),
    ],
)
def test_what_cannot_be_declared(declare: Callable[[], object], why: str) -> None:
    with pytest.raises(UseError, match=why):
        declare()


def test_nothing_is_included_in_itself() -> None:
    router, web = Router("/a"), App()
    inner = router.group("/b")
    for below in (router, inner):
        with pytest.raises(UseError, match="cannot be included in itself"):
            below.include(router)
    with pytest.raises(UseError, match="cannot be mounted in itself"):
        web.mount("/a", web)
    other = App()
    web.mount("/a", other)
    with pytest.raises(UseError, match="cannot be mounted in itself"):
        other.mount("/a", web)


def test_a_misspelt_option_is_an_error() -> None:
    web = App()
    with pytest.raises(UseError, match="route '/': unknown naem; there are name, middlewares, on_eof, options, thread"):
        web.get("/", naem="x")(lambda r: 1)  # type: ignore[call-overload]  # the mistake itself


def test_what_is_no_router_and_no_application_is_refused_by_name() -> None:
    nothing: Any = None
    with pytest.raises(UseError, match=r"include\(None\): expected a Router"):
        App().include(nothing)
    with pytest.raises(UseError, match=r"mount\('/x', None\): expected an App"):
        App().mount("/x", nothing)
