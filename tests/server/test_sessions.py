"""Sessions in a signed cookie: read when asked for, sent when changed, with whatever head the answer gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from toolkit import Abort, App, CookieSessions, Request, Response, Session
from toolkit.errors import UseError
from toolkit.protocol.cookies import parse_set_cookie
from toolkit.server.hooks import call
from toolkit.server.signing import Signer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SECRET = "a secret of 16 b"
SESSIONS = CookieSessions(SECRET)


def around(handler: Callable[[Request], object], sessions: CookieSessions = SESSIONS) -> App:
    """An application with one handler and the middleware around it."""
    web = App(port=0)

    async def inner(r: Request) -> object:
        return await call(handler, r)

    @web.route("/", ("GET", "HEAD"))
    async def outer(r: Request) -> object:
        return await sessions(inner, r)

    return web


async def visits(web: App, count: int = 1, cookie: str | None = None) -> list[Response]:
    """Answers to a visitor who brings the session cookie along."""
    answers = []
    async with Session(app=web) as http:
        for _ in range(count):
            x = await http.get("/", {} if cookie is None else {"cookie": cookie})
            answers.append(x)
            for field in x.headers.get_all("set-cookie"):
                cookie = field.partition(";")[0]
    return answers


def brought(data: str, sessions: CookieSessions = SESSIONS) -> str:
    """A cookie field with this session."""
    return f"session={sessions.signer.sign(data)}"


async def test_a_counter() -> None:
    def counting(r: Request) -> object:
        r.session["count"] = int(str(r.session.get("count", 0))) + 1
        return [r.session["count"]]

    answers = await visits(around(counting), 3)
    assert [x.content for x in answers] == [b"[1]", b"[2]", b"[3]"]
    cookie = parse_set_cookie(answers[0].headers["set-cookie"])
    assert cookie is not None
    assert (cookie.name, cookie.path, cookie.httponly, cookie.samesite, cookie.secure, cookie.max_age) == (
        "session",
        "/",
        True,
        "Lax",
        False,
        14 * 24 * 3600,
    )
    assert answers[0].headers["vary"] == "cookie"


async def test_unchanged_or_unused_it_is_not_sent() -> None:
    def looking(r: Request) -> object:
        return dict(r.session)

    [x] = await visits(around(looking))
    assert "set-cookie" not in x.headers
    assert x.headers["vary"] == "cookie"
    [x] = await visits(around(lambda r: "x"))
    assert "set-cookie" not in x.headers
    assert "vary" not in x.headers
    good = brought('{"a":[1]}')
    [x] = await visits(around(looking), cookie=good)
    assert (x.content, "set-cookie" in x.headers) == (b'{"a":[1]}', False)


async def test_a_change_deep_inside_is_seen() -> None:
    def deep(r: Request) -> object:
        values = r.session.setdefault("a", [])
        assert isinstance(values, list)
        values.append(len(values))
        return dict(r.session)

    assert [x.content for x in await visits(around(deep), 3)][-1] == b'{"a":[0,1,2]}'


async def test_emptied_it_is_deleted() -> None:
    def clearing(r: Request) -> object:
        r.session.clear()
        return "x"

    good = brought('{"a":1}')
    [x] = await visits(around(clearing), cookie=good)
    assert x.headers["set-cookie"].startswith("session=; Max-Age=0; Path=/; HttpOnly")
    [x] = await visits(around(clearing))
    assert "set-cookie" not in x.headers


async def streamed(r: Request) -> None:
    r.session["a"] = 1
    await r.prepare({"x-a": "b"})
    await r.write(b"x")


async def aborted(r: Request) -> None:
    r.session["a"] = 1
    raise Abort("no", 409)


async def failed(r: Request) -> None:
    r.session["a"] = 1
    raise KeyError("no")


@pytest.mark.parametrize(("handler", "status"), [(streamed, 200), (aborted, 409), (failed, 500)])
async def test_it_goes_out_with_every_kind_of_head(handler: Callable[[Request], Awaitable[None]], status: int) -> None:
    [x] = await visits(around(handler))
    assert x.status == status
    assert x.headers["set-cookie"].startswith("session=")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "{}",
        Signer("some other secret").sign('{"a":1}'),
        Signer(SECRET).sign('{"a":1}'),  # signed for another purpose
        Signer(SECRET, purpose="session:session", clock=lambda: 0).sign('{"a":1}'),  # too long ago
        CookieSessions(SECRET, cookie="other").signer.sign('{"a":1}'),
    ],
)
async def test_what_is_not_ours_is_an_empty_session(value: str) -> None:
    [x] = await visits(around(lambda r: dict(r.session)), cookie=f"session={value}")
    assert (x.status, x.content) == (200, b"{}")


async def test_secrets_can_be_changed() -> None:
    old = brought('{"a":1}')
    both = CookieSessions(["a newer secret of it", SECRET])
    assert (await visits(around(lambda r: dict(r.session), both), cookie=old))[0].content == b'{"a":1}'


async def test_in_use_it_is_renewed_when_half_of_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = CookieSessions(SECRET, max_age=100)
    now = 1_800_000_000.0
    monkeypatch.setattr(sessions.signer, "_clock", lambda: now)
    good = brought('{"a":1}', sessions)
    web = around(lambda r: dict(r.session), sessions)
    # Over its time it is no session any more, and the agent is told to forget it.
    for age, content, sent in ((50, b'{"a":1}', False), (51, b'{"a":1}', True), (101, b"{}", True)):
        now = 1_800_000_000.0 + age
        [x] = await visits(web, cookie=good)
        assert (x.content, "set-cookie" in x.headers) == (content, sent)


@pytest.mark.parametrize(
    ("value", "text"), [("x" * 5000, "a cookie holds 4096; keep an id in it"), (object(), "expected what JSON can say")]
)
async def test_what_does_not_fit_is_an_error_that_says_so(
    value: object, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    def filling(r: Request) -> object:
        r.session["a"] = value  # type: ignore[assignment]
        return "x"

    [x] = await visits(around(filling))
    assert (x.status, x.content, "set-cookie" in x.headers) == (500, b"Internal Server Error", False)
    assert text in caplog.text


async def test_without_the_middleware_it_is_a_use_error() -> None:
    web, caught = App(port=0), list[str]()

    @web.get("/")
    async def handler(r: Request) -> str:
        with pytest.raises(UseError) as raised:
            _ = r.session
        caught.append(str(raised.value))
        return "x"

    await visits(web)
    assert "add the middleware CookieSessions(secret)" in caught[0]


def test_options_are_checked_when_they_are_given() -> None:
    with pytest.raises(UseError, match=r"secrets\.token_urlsafe"):
        CookieSessions("short")
    with pytest.raises(UseError, match="needs secure=True"):
        CookieSessions(SECRET, samesite="None", secure=False)
    with pytest.raises(UseError, match=r"CookieSessions\(samesite='None'\) without secure=True"):
        CookieSessions(SECRET, samesite="None")  # over http it would fail at each request
    assert CookieSessions(SECRET, samesite="None", secure=True).samesite == "None"
    with pytest.raises(UseError, match="expected a host name"):
        CookieSessions(SECRET, domain="a b")
    with pytest.raises(UseError, match="expected a name"):
        CookieSessions(SECRET, cookie="a b")
    assert CookieSessions(SECRET, cookie="__Host-session", secure=True).cookie == "__Host-session"
    assert SECRET not in repr(SESSIONS)


async def test_over_tls_it_is_secure() -> None:
    from tests.helpers.served import served

    def setting(r: Request) -> object:
        r.session["a"] = 1
        return "x"

    async with served(around(setting), "tls") as here, here.session() as http:
        assert "; Secure; HttpOnly" in (await http.get(f"{here.url}/")).headers["set-cookie"]


@pytest.mark.parametrize("late", [True, False])
async def test_a_change_behind_the_head_is_lost_and_told(late: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def streamed(r: Request) -> None:
        r.session["seen"] = 1
        await r.prepare({"content-length": 2})
        if late:
            r.session["seen"] = 2
        await r.write(b"ok")

    (x,) = await visits(around(streamed))
    assert x.content == b"ok"
    told = [record.getMessage() for record in caplog.records if record.name == "toolkit.server"]
    assert told == (
        ["GET http://localhost/: r.session was changed behind the answer's head: that change is lost"] if late else []
    )
