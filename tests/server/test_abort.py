"""Abort: leaving a handler, a hook, or a function below them, with an answer."""

from __future__ import annotations

import pytest

from toolkit import Abort, App, Request, Session
from toolkit.errors import ToolkitError


def test_it_stands_outside_the_tree_of_errors() -> None:
    assert not issubclass(Abort, ToolkitError)
    abort = Abort()
    assert (abort.message, abort.status, abort.headers, str(abort)) == ("", 403, None, "Forbidden")
    assert str(Abort("why", 404)) == "why"


@pytest.mark.parametrize(
    ("abort", "status", "body", "kind"),
    [
        (Abort(), 403, b"", ""),
        (Abort("no", 404), 404, b"no", "text/plain; charset=utf-8"),
        (Abort("caf\u00e9", 418), 418, b"caf\xc3\xa9", "text/plain; charset=utf-8"),
        (Abort("", 302, {"location": "/x"}), 302, b"", ""),
        (Abort("{}", 400, {"content-type": "application/json"}), 400, b"{}", "application/json"),
        (Abort("x", 401, {"www-authenticate": "Basic"}), 401, b"x", "text/plain; charset=utf-8"),
        (Abort("x", 204), 204, b"", "text/plain; charset=utf-8"),
        (Abort("x", 200), 200, b"x", "text/plain; charset=utf-8"),
    ],
)
@pytest.mark.parametrize("where", ["handler", "plain", "hook"])
async def test_it_is_the_answer(abort: Abort, status: int, body: bytes, kind: str, where: str) -> None:
    web = App(port=0)

    async def handler(r: Request) -> None:
        raise Abort(abort.message, abort.status, abort.headers)

    def plain(r: Request) -> None:
        raise Abort(abort.message, abort.status, abort.headers)

    web.get("/")({"handler": handler, "plain": plain, "hook": lambda r: "unreached"}[where])
    if where == "hook":

        @web.add_route
        async def before_middleware(r: Request) -> None:
            raise Abort(abort.message, abort.status, abort.headers)

    async with Session(app=web) as http:
        x = await http.get("/")
        assert (x.status, x.content, x.content_type) == (status, body, kind)
        for name, value in (abort.headers or {}).items() if isinstance(abort.headers, dict) else ():
            assert x.headers[name] == value
        assert (await http.get("/")).status == status
        assert repr(http) == "<Session <Pool 1 of 100 open, 1 idle, 0 waiting>>"  # it kept its connection


@pytest.mark.parametrize(
    ("status", "headers"), [(99, None), (1000, None), (101, None), (404, {"a b": "c"}), (404, {"x": "a\r\nb"})]
)
async def test_one_that_cannot_be_sent_is_a_500(status: int, headers: dict[str, str] | None) -> None:
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> None:
        raise Abort("x", status, headers)

    async with Session(app=web) as http:
        assert (await http.get("/")).status == 500
