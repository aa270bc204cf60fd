"""Abort: leaving a handler, a hook, or a function below them, with an answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import toolkit.server.abort
from toolkit import Abort, App, Request, Session
from toolkit.errors import ToolkitError, UseError
from toolkit.protocol.headers import Headers
from toolkit.protocol.status import reason_phrase
from toolkit.server.abort import (
    ContentTooLarge,
    Gone,
    MethodNotAllowed,
    NotFound,
    ServiceUnavailable,
    StatusAbort,
    TooManyRequests,
    Unauthorized,
)


def test_it_stands_outside_the_tree_of_errors() -> None:
    assert not issubclass(Abort, ToolkitError)
    abort = Abort()
    assert (abort.message, abort.status, abort.headers, str(abort)) == ("", 403, None, "Forbidden")
    assert str(Abort("why", 404)) == "why"


@pytest.mark.parametrize(
    ("message", "status"), [(404, "gone"), (404, 403), ("x", "404"), ("x", 100), ("x", 1000), ("x", True), (None, 404)]
)
def test_what_is_no_message_or_no_status_is_a_use_error(message: object, status: object) -> None:
    with pytest.raises(UseError, match=r"^Abort\(.*expected "):
        Abort(message, status)  # type: ignore[arg-type]  # as a program without types has it
    with pytest.raises(UseError, match=r"^NotFound\(404\): .* 404$"):
        NotFound(404)  # type: ignore[arg-type]  # likewise


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


NAMED = [
    getattr(toolkit.server.abort, name)
    for name in toolkit.server.abort.__all__
    if name not in ("Abort", "StatusAbort", "named_abort")
]


@pytest.mark.parametrize("kind", NAMED, ids=lambda kind: kind.__name__)
def test_named_errors_are_the_registered_statuses(kind: type[StatusAbort]) -> None:
    error = MethodNotAllowed(["GET"]) if kind is MethodNotAllowed else kind()
    assert isinstance(error, Abort)
    assert not isinstance(error, ToolkitError)
    assert reason_phrase(error.status).replace(" ", "").replace("-", "") == kind.__name__
    assert (error.message, str(error)) == (reason_phrase(error.status), reason_phrase(error.status))
    assert (kind.__doc__ or "").startswith(str(error.status))
    assert kind is MethodNotAllowed or kind("why", {"x-a": "b"}).message == "why"


def test_subclassing_makes_new_ones() -> None:
    class NoSuchUser(NotFound):
        """Nobody of that name."""

    class Teapot(StatusAbort, status=418):
        """Short and stout."""

    assert (NoSuchUser("no x").status, NoSuchUser("no x").message) == (404, "no x")
    assert (Teapot().status, Teapot().message) == (418, "I'm a Teapot")
    for bad in (200, 600, "404"):
        with pytest.raises(UseError, match="expected an error's status, 400 to 599"):

            class Wrong(StatusAbort, status=bad):  # type: ignore[arg-type]
                """No error's."""


@pytest.mark.parametrize(
    ("section", "error", "name", "value"),
    [
        ("RFC 9110 15.5.2", Unauthorized(), "www-authenticate", "Bearer"),
        ("RFC 9110 15.5.2", Unauthorized("who?", challenge='Basic realm="x"'), "www-authenticate", 'Basic realm="x"'),
        ("RFC 9110 15.5.2", Unauthorized("", {"WWW-Authenticate": "Own"}), "www-authenticate", "Own"),
        ("RFC 9110 15.5.6", MethodNotAllowed(["GET", "PUT"]), "allow", "GET, PUT"),
        ("RFC 9110 15.5.6", MethodNotAllowed([]), "allow", ""),
        ("RFC 9110 10.2.3", TooManyRequests(retry_after=2.1), "retry-after", "3"),
        ("RFC 9110 10.2.3", TooManyRequests(retry_after=-1), "retry-after", "0"),
        ("RFC 9110 10.2.3", ContentTooLarge(retry_after=5), "retry-after", "5"),
        (
            "RFC 9110 10.2.3",
            ServiceUnavailable(retry_after=datetime(2026, 11, 21, tzinfo=UTC)),
            "retry-after",
            "Sat, 21 Nov 2026 00:00:00 GMT",
        ),
        ("RFC 9110 10.2.3", TooManyRequests(), "retry-after", None),
        ("", Gone("", {"x-a": "b"}), "x-a", "b"),
    ],
)
def test_fields_that_belong_to_a_status(section: str, error: Abort, name: str, value: str | None) -> None:
    assert Headers(error.headers).get(name) == value


def test_what_was_meant_otherwise_is_refused() -> None:
    with pytest.raises(UseError, match="expected the allowed methods"):
        MethodNotAllowed("GET")
    with pytest.raises(UseError, match="no time zone"):
        TooManyRequests(retry_after=datetime(2026, 11, 21))


async def test_a_named_error_is_the_answer() -> None:
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> None:
        raise MethodNotAllowed(["PUT"], "not here")

    async with Session(app=web) as http:
        x = await http.get("/")
        assert (x.status, x.content, x.headers["allow"]) == (405, b"not here", "PUT")
