"""App: the ways to register, what a class is made into, the order of hooks, and its options."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from toolkit import Abort, App, Deliver, Request, Session
from toolkit.errors import UseError


async def told(web: App, path: str, method: str = "GET") -> tuple[int | None, bytes]:
    async with Session(app=web) as http:
        x = await http.request(method, path)
        return x.status, x.content


# Registering


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
async def test_each_method_has_its_decorator(method: str) -> None:
    web = App(port=0)

    def handler(r: Request) -> str:
        return r.method

    assert getattr(web, method)("/x")(handler) is handler  # decorated functions stay what they were
    assert await told(web, "/x", method.upper()) == (200, method.upper().encode())
    assert (await told(web, "/x", "TRACE"))[0] == 405


async def test_head_may_have_a_handler_of_its_own() -> None:
    web, called = App(port=0), list[str]()

    @web.get("/x")
    def get(r: Request) -> str:
        called.append("get")
        return "got"

    @web.head("/x")
    def head(r: Request) -> str:
        called.append("head")
        return "head"

    assert await told(web, "/x", "HEAD") == (200, b"")
    assert called == ["head"]


async def test_a_routes_methods() -> None:
    web = App(port=0)

    @web.route("/x", methods=("PUT", "propfind"))
    async def handler(r: Request) -> str:
        return r.method

    assert await told(web, "/x", "PUT") == (200, b"PUT")
    assert await told(web, "/x", "PROPFIND") == (200, b"PROPFIND")
    assert (await told(web, "/x"))[0] == 405


async def test_add_route_in_its_three_forms() -> None:
    web = App(port=0)

    @web.add_route
    def named(r: Request) -> str:
        return "named"

    @web.add_route
    async def routed(r: Request, route: str = "/other") -> str:
        return "routed"

    web.add_route("/given", named)
    web.add_route("/got", named, methods=("GET",))
    for path, body in (("/named", b"named"), ("/other", b"routed"), ("/given", b"named"), ("/got", b"named")):
        assert await told(web, path) == (200, body)
    assert (await told(web, "/routed"))[0] == 404
    assert (await told(web, "/given", "PROPFIND"))[0] == 200
    assert (await told(web, "/got", "POST"))[0] == 405


def test_what_cannot_be_registered_is_a_use_error() -> None:
    web = App(port=0)
    with pytest.raises(UseError, match="without a handler"):
        web.add_route("/x")  # type: ignore[call-overload]  # the mistake itself
    with pytest.raises(UseError, match="it has no name; give a path"):
        web.add_route(partial(print))


# Classes


class Api:
    """Names as the documentation has them."""

    def __init__(self) -> None:
        self.calls = 0

    async def _(self, r: Request) -> str:
        return "root"

    async def _a_b(self, r: Request) -> str:
        self.calls += 1
        return f"a b {self.calls}"

    def _plain(self, r: Request) -> str:
        return "plain"

    async def _robots__dot__txt(self, r: Request) -> str:
        return "robots"

    def _helper(self) -> str:
        raise AssertionError("no handler: it takes no request")

    async def public(self, r: Request) -> str:
        raise AssertionError("no handler: it is not meant to be one")

    _constant = 1


@pytest.mark.parametrize("made", [False, True])
async def test_a_classs_methods_are_served(made: bool) -> None:
    web = App(port=0)
    target: object = Api() if made else Api
    assert web.attach(target) is target
    assert await told(web, "/") == (200, b"root")
    assert await told(web, "/a/b") == (200, b"a b 1")
    assert await told(web, "/a/b/") == (200, b"a b 2")
    assert await told(web, "/a/b", "DELETE") == (200, b"a b 3")
    assert await told(web, "/plain") == (200, b"plain")
    assert await told(web, "/robots.txt") == (200, b"robots")
    for path in ("/helper", "/public", "/constant", "/a", "/init", "//init//", "/a_b"):
        assert (await told(web, path))[0] == 404


# Hooks


def hooked(calls: list[str], *, stop: str = "", after_fails: bool = False) -> App:
    """Two of each kind, which note that they were called; the one named `stop` answers."""
    web = App(port=0)

    def make(name: str) -> None:
        async def hook(r: Request) -> object:
            calls.append(name)
            if after_fails and name.startswith("1_after"):
                raise KeyError(name)
            return f"from {name}" if stop == name else None

        hook.__name__ = name
        web.add_route(hook)

    for kind in ("after", "handle_all", "before"):  # the order of the kinds does not matter
        for number in (1, 2):
            make(f"{number}_{kind}_middleware")

    @web.get("/here")
    async def here(r: Request) -> str:
        calls.append("handler")
        return "here"

    @web.get("/fails")
    async def fails(r: Request) -> str:
        calls.append("handler")
        raise KeyError("x")

    @web.get("/aborts")
    def aborts(r: Request) -> str:
        calls.append("handler")
        raise Abort("no", 418)

    return web


BEFORE, AFTER = ["1_before_middleware", "2_before_middleware"], ["1_after_middleware", "2_after_middleware"]
ALL = ["1_handle_all_middleware", "2_handle_all_middleware"]


@pytest.mark.parametrize(
    ("path", "stop", "calls", "status", "body"),
    [
        ("/here", "", [*BEFORE, "handler", *AFTER], 200, b"here"),
        ("/fails", "", [*BEFORE, "handler", *AFTER], 500, b"Internal Server Error"),
        ("/aborts", "", [*BEFORE, "handler", *AFTER], 418, b"no"),
        ("/here", BEFORE[0], [BEFORE[0], *AFTER], 200, b"from 1_before_middleware"),
        ("/here", BEFORE[1], [*BEFORE, *AFTER], 200, b"from 2_before_middleware"),
        ("/nowhere", "", [*BEFORE, *ALL, *AFTER], 404, b"Not Found"),
        ("/nowhere", ALL[0], [*BEFORE, ALL[0], *AFTER], 200, b"from 1_handle_all_middleware"),
        ("/nowhere", ALL[1], [*BEFORE, *ALL, *AFTER], 200, b"from 2_handle_all_middleware"),
        ("/nowhere", BEFORE[0], [BEFORE[0], *AFTER], 200, b"from 1_before_middleware"),
    ],
)
async def test_the_order_of_hooks(path: str, stop: str, calls: list[str], status: int, body: bytes) -> None:
    seen: list[str] = []
    assert await told(hooked(seen, stop=stop), path) == (status, body)
    assert seen == calls


async def test_hooks_may_be_methods_of_an_attached_class() -> None:
    web, calls = App(port=0), list[str]()

    @web.attach
    class Hooks:
        async def before_middleware(self, r: Request) -> None:
            calls.append("before")

        def after_middleware(self, r: Request) -> None:
            calls.append(f"after {r.status}")

        async def handle_all_middleware(self, r: Request) -> None:
            await Deliver.text("all", 203)

    assert await told(web, "/x") == (203, b"all")
    assert calls == ["before", "after 203"]


async def test_handle_all_stands_in_for_405_too() -> None:
    web = hooked([], stop=ALL[0])
    assert await told(web, "/here", "POST") == (200, b"from 1_handle_all_middleware")


# Codings


@pytest.mark.parametrize(
    ("accepted", "sent", "taken"),
    [
        (("gzip",), "gzip", True),
        (("gzip",), "GZIP, identity", True),
        (("gzip",), "br", False),
        ((), "gzip", False),
        ((), "identity", True),
    ],
)
async def test_only_these_codings_are_taken(accepted: tuple[str, ...], sent: str, taken: bool) -> None:
    web = App(port=0, accept_codings=accepted)
    web.post("/")(lambda r: "taken")
    async with Session(app=web) as http:
        x = await http.post("/", {"content-encoding": sent}, body=b"")
        x = await http.post("/", {"content-encoding": sent}, body=b"x")
        assert x.status == (200 if taken else 415)
        if not taken:  # RFC 9110 15.5.16
            assert x.headers["accept-encoding"] == (", ".join(accepted) or "identity")


# Options


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"limits": {"body": 3}}, r"App\(limits=\{'body': 3\}\): expected Limits\(\.\.\.\)"),
        ({"timeouts": 3}, r"App\(timeouts=3\): expected Timeouts\(\.\.\.\)"),
        ({"forms": 1024}, r"App\(forms=1024\): expected FormLimits\(\.\.\.\)"),
        ({"compression": True}, r"App\(compression=True\): expected Compression\(\.\.\.\)"),
        ({"access_log": "access.log"}, r"App\(access_log='access.log'\): expected True or AccessLog\(\.\.\.\)"),
        ({"access_log": ""}, r"App\(access_log=''\): expected True or AccessLog\(\.\.\.\)"),
    ],
)
def test_options_of_another_kind_are_refused_at_once(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(UseError, match=expected):
        _ = App(**options)


@pytest.mark.parametrize("port", ["8000", -1, 65536, True, None, 80.5])
async def test_what_is_no_port_is_refused(port: object) -> None:
    with pytest.raises(UseError, match=r"^port=.* expected a number from 0 \(any free one\) to 65535$"):
        _ = App(port=port)  # type: ignore[arg-type]  # as it comes out of an environment
    if port is not None:
        with pytest.raises(UseError, match=r"^port="):
            await App().serve(port=port)  # type: ignore[arg-type]  # likewise
