"""Routers with colons in paths: sub-routers, groups, middlewares that are decorators, errors, what is returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from tests.helpers.answers import read_answer
from tests.helpers.served import served
from toolkit import (
    Abort,
    App,
    BadRequest,
    Deliver,
    Forbidden,
    InternalServerError,
    MethodNotAllowed,
    NotFound,
    Reply,
    Request,
    Router,
    StatusAbort,
    Unauthorized,
    UseError,
)

from .asked import asked, multipart, told

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Handler = Callable[..., object]

JSON = {"content-type": "application/json"}


def noted(seen: list[str], what: str) -> Callable[[Handler], Handler]:
    """A decorator that notes each call."""

    def around(handler: Handler) -> Handler:
        def wrapper(request: Request, *args: object, **kwargs: object) -> object:
            seen.append(f"{what} {request.path}")
            return handler(request, *args, **kwargs)

        return wrapper

    return around


async def test_the_first_program() -> None:
    """A router, a plain function, an application around them."""
    router = Router()

    @router.route("/hello")
    def hello_world(request: Request) -> str:
        return "Hello, World!"

    web = App("localhost", 0)
    web.include(router)
    assert await told(web, "/hello", kind="tcp") == [(200, "Hello, World!")]
    assert (await asked(web, "POST", "/hello")).status == 405, "a route that names no method takes GET"


async def test_a_router_of_users_in_a_module_of_its_own() -> None:
    """Included under its prefix, found with and without the last slash; a GET may bring a body, or none."""
    users = Router(prefix="/users")

    @users.route("/", methods=["GET"])
    def all_users(request: Request) -> Reply:
        return Reply({"users": []}, 200, content_type="application/json")

    @users.route("/:user_id", methods=["GET"])
    async def one_user(request: Request, user_id: str) -> object:
        body = await request.json() if request.content_length else {}
        if not isinstance(body, dict) or not body.get("token"):
            return Reply("Unauthorized", 401, content_type="text/plain")
        return 200, {"user_id": user_id}

    main, web = Router(), App(port=0, trailing_slash="ignore")
    main.include(users)
    web.include(main)
    assert await told(web, "/users", "/users/", "/users/5") == [
        (200, '{"users":[]}'),
        (200, '{"users":[]}'),
        (401, "Unauthorized"),
    ]
    assert (await asked(web, "GET", "/users/5/", JSON, b'{"token": "t"}')).content == b'{"user_id":"5"}'


async def test_the_order_of_middlewares_is_application_group_route() -> None:
    """Whatever was written down first: one that is added later stands around the routes before it as well."""
    web, seen = App(port=0), list[str]()
    api = web.group("/api", middlewares=[noted(seen, "group")])

    @api.route("/users", middlewares=[noted(seen, "route")])
    def api_users(request: Request) -> str:
        return "API Users"

    @api.route("/posts")
    async def api_posts(request: Request) -> str:
        return "API Posts"

    web.add_middleware(noted(seen, "application"))
    assert await told(web, "/api/users", "/api/posts") == [(200, "API Users"), (200, "API Posts")]
    assert seen == [
        "application /api/users",
        "group /api/users",
        "route /api/users",
        "application /api/posts",
        "group /api/posts",
    ]


async def test_strangers_are_kept_out_of_the_dashboard() -> None:
    """A field's name is found in any case."""
    web = App(port=0)

    def authenticated(handler: Handler) -> Handler:
        def wrapper(request: Request, *args: object, **kwargs: object) -> object:
            if not request.headers.get("Authorization"):
                return Reply("Unauthorized", 401)
            return handler(request, *args, **kwargs)

        return wrapper

    @web.route("/dashboard", middlewares=[authenticated])
    def dashboard(request: Request) -> str:
        return "Welcome to the dashboard"

    @web.route("/open")
    def open_to_all(request: Request) -> str:
        return "come in"

    assert await told(web, "/dashboard", "/open") == [(401, "Unauthorized"), (200, "come in")]
    for name in ("authorization", "AUTHORIZATION"):
        assert (await asked(web, "GET", "/dashboard", {name: "me"})).content == b"Welcome to the dashboard"


async def test_parameters_static_paths_and_clashes() -> None:
    web = App(port=0, trailing_slash="ignore")

    def get_user(request: Request, id: str) -> str:
        return f"User ID: {id}"

    web.add_route("/user/:id", get_user, methods=["GET"])
    web.add_route("/user/me", lambda request: "it is me", methods=["GET"])
    assert await told(web, "/user/5", "/user/5/", "/user/me", "/user") == [
        (200, "User ID: 5"),
        (200, "User ID: 5"),
        (200, "it is me"),
        (404, "Not Found"),
    ]
    with pytest.raises(UseError, match="get_user"):
        web.add_route("/user/:id", lambda request, id: "another", methods=["GET"])


async def test_options_head_and_connect() -> None:
    """OPTIONS is known of every route, HEAD of every GET; a tunnel is not to be had."""
    web = App(port=0)
    web.route("/x", methods=["GET", "PUT"])(lambda request: "text")
    options = await asked(web, "OPTIONS", "/x")
    assert (options.status, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS, PUT")
    head = await asked(web, "HEAD", "/x")
    assert (head.status, head.headers["content-length"], head.content) == (200, "4", b"")
    refused = await asked(web, "DELETE", "/x")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS, PUT")
    async with served(web, "tcp") as here:
        raw = await here.raw()
        await raw.send(b"CONNECT x:80 HTTP/1.1\r\nhost: x:80\r\n\r\n")
        assert (await read_answer(raw)).status >= 400


@pytest.mark.parametrize(
    ("value", "status", "content_type", "body"),
    [
        ("text", 200, "text/plain; charset=utf-8", b"text"),
        ("<p>whose text is this?", 200, "text/plain; charset=utf-8", b"<p>whose text is this?"),
        (Deliver.html("<p>mine"), 200, "text/html; charset=utf-8", b"<p>mine"),
        ({"a": 1}, 200, "application/json", b'{"a":1}'),
        (b"\x00", 200, "application/octet-stream", b"\x00"),
        (Reply({"a": 1}, 201, {"x-a": 1}), 201, "application/json", b'{"a":1}'),
        (Reply("a,b", content_type="text/csv"), 200, "text/csv", b"a,b"),
        (Deliver.json({"a": 1}, 202), 202, "application/json", b'{"a":1}'),
        (Deliver.text("a", 400), 400, "text/plain; charset=utf-8", b"a"),
        (Deliver.xml("<a/>"), 200, "application/xml; charset=utf-8", b"<a/>"),
        (Deliver.empty(), 204, "", b""),
        (Deliver.redirect("/there"), 302, "", b""),
    ],
)
async def test_what_a_handler_returns(value: object, status: int, content_type: str, body: bytes) -> None:
    """Text is never taken for HTML by how it begins: who began it may have been a visitor."""
    web = App(port=0)
    web.get("/")(lambda request: value)
    answer = await asked(web, "GET", "/")
    assert (answer.status, answer.content_type, answer.content) == (status, content_type, body)


async def test_a_value_that_says_nothing_of_its_form_is_a_fault() -> None:
    """An object's repr is nobody's business: 500, and the log says what was expected."""
    web = App(port=0)
    web.get("/")(lambda request: object())
    assert await told(web, "/") == [(500, "Internal Server Error")]


async def test_a_file_is_an_answer(tmp_path: Path) -> None:
    """To be saved under its name; by pieces, not as a whole in memory."""
    (tmp_path / "report.txt").write_text("numbers")
    web = App(port=0)
    web.get("/")(lambda request: Deliver.file(tmp_path / "report.txt", filename="report.txt"))
    answer = await asked(web, "GET", "/")
    assert (answer.status, answer.content) == (200, b"numbers")
    assert answer.headers["content-disposition"] == 'attachment; filename="report.txt"'


async def test_a_folder_of_static_files(tmp_path: Path) -> None:
    """Also what lies in folders below it, and nothing outside of it."""
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "site.css").write_text("p {}")
    web = App(port=0)
    web.static("/static", tmp_path)
    assert await told(web, "/static/css/site.css", "/static/..%2f..%2fetc%2fpasswd", "/static/none") == [
        (200, "p {}"),
        (404, "Not Found"),
        (404, "Not Found"),
    ]


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (Abort("teapot", 418), 418, "teapot"),
        (BadRequest("bad"), 400, "bad"),
        (Unauthorized("who?"), 401, "who?"),
        (Forbidden("no"), 403, "no"),
        (NotFound("Item not found"), 404, "Item not found"),
        (MethodNotAllowed(["GET"], "only GET"), 405, "only GET"),
        (InternalServerError("broken"), 500, "broken"),
        (ZeroDivisionError("a secret"), 500, "Internal Server Error"),
    ],
)
@pytest.mark.parametrize("where", ["handler", "middleware"])
async def test_errors_are_answers_wherever_they_are_raised(
    error: Exception, status: int, text: str, where: str
) -> None:
    async def middleware(handler: Handler, request: Request) -> object:
        if where == "middleware":
            raise error
        result = handler(request)
        return await result  # type: ignore[misc]  # a chain is awaited

    web = App(port=0, middlewares=[middleware])

    @web.get("/items/:item_id")
    def get_item(request: Request, item_id: str) -> object:
        raise error

    answer = await asked(web, "GET", "/items/5")
    assert (answer.status, answer.content_type, answer.content.decode()) == (status, "text/plain; charset=utf-8", text)


async def test_errors_of_ones_own() -> None:
    class NoSuchItem(NotFound):
        """There is no item of this number."""

    class OutOfTea(StatusAbort, status=503):
        """There is none left."""

    web = App(port=0)

    @web.get("/items/:item_id")
    def get_item(request: Request, item_id: str) -> object:
        raise NoSuchItem(f"no item {item_id}") if item_id != "tea" else OutOfTea

    assert await told(web, "/items/5", "/items/tea") == [(404, "no item 5"), (503, "Service Unavailable")]


async def test_what_is_known_of_a_request() -> None:
    """The body as it came or by its type, the query as it came or by name, fields, and a place of the handler's own."""
    web = App(port=0)

    @web.post("/raw")
    async def raw(request: Request) -> object:
        request.store["seen"] = True
        request.add_header("x-seen", "yes")
        return [
            request.method,
            request.path,
            request.headers.get("X-Name"),
            request.query,
            request.params(),
            (await request.read()).decode(),
            request.store["seen"],
        ]

    @web.post("/parsed")
    async def parsed(request: Request) -> object:
        return await request.body_or_params()

    answer = await asked(web, "POST", "/raw?a=1&b=x%20y", {"x-name": "n"}, b"as it came")
    assert answer.content == b'["POST","/raw","n","a=1&b=x%20y",{"a":"1","b":"x y"},"as it came",true]'
    assert answer.headers["x-seen"] == "yes"
    form, body = multipart(("a", None, b"1"))
    for fields, sent in [
        (JSON, b'{"a": "1"}'),
        ({"content-type": "application/x-www-form-urlencoded"}, b"a=1"),
        (form, body),
    ]:
        assert (await asked(web, "POST", "/parsed", fields, sent)).content == b'{"a":"1"}'
    assert (await asked(web, "POST", "/parsed")).content == b"{}", "no body and no type is no parameter, and no crash"


async def test_a_profile_is_rendered(tmp_path: Path) -> None:
    """By a template of its folder, with what is put into it escaped; from a handler of either kind."""
    (tmp_path / "profile.html").write_text("<p>{{ name }} is {{ age }}")
    web = App(port=0, templates=tmp_path)

    @web.get("/profile")
    async def profile(request: Request) -> object:
        return await request.render("profile.html", name="<John>", age=30)

    @web.get("/plain")
    def plain(request: Request) -> object:
        return request.render("profile.html", name="Ada", age=36)

    assert await told(web, "/profile", "/plain") == [(200, "<p>&lt;John&gt; is 30"), (200, "<p>Ada is 36")]


async def test_development_mode() -> None:
    """One switch adds a page and a description, of which docstrings say what they say; without it there is neither."""
    users = Router(prefix="/users")

    @users.route("/:user_id", methods=["GET"])
    def get_user(request: Request, user_id: str) -> object:
        """Get a user by ID.

        Args:
            request (Request): The request.
            user_id (int): The ID of the user.
            detail (bool): Whether to tell more.

        Returns:
            dict: The user.
        """
        return {"user_id": user_id}

    production, development = App("localhost", 0), App("localhost", 0, debug=True)
    found: list[list[int | None]] = []
    description = b""
    for web in (production, development):
        web.include(users)
        assert await told(web, "/users/3", kind="tcp") == [(200, '{"user_id":"3"}')]
        answers = [await asked(web, "GET", path) for path in ("/docs", "/openapi", "/openapi.json")]
        found.append([answer.status for answer in answers])
        assert answers[1].content == answers[2].content
        description = answers[1].content
    assert found == [[404, 404, 404], [200, 200, 200]]
    operation = orjson.loads(description)["paths"]["/users/{user_id}"]["get"]
    assert operation["summary"] == "Get a user by ID."
    assert operation["responses"] == {"200": {"description": "The user."}}
    assert [(one["name"], one["in"], one["schema"], one["description"]) for one in operation["parameters"]] == [
        ("user_id", "path", {"type": "integer"}, "The ID of the user."),
        ("detail", "query", {"type": "boolean"}, "Whether to tell more."),
    ]
