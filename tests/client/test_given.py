"""What programs give as `auth=` and `cookies=`, in a session's place and in a request's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from yarl import URL

from tests.helpers.served import served
from toolkit import App, Deliver, Request, Session
from toolkit.client.auth import Basic, Bearer, ByFunction, OnlyFor
from toolkit.client.cookie_jar import CookieJar
from toolkit.client.given import RequestCookies, make_auth, make_cookies, session_auth, session_cookies
from toolkit.client.netrc import Netrc
from toolkit.errors import LocalProtocolError, UseError
from toolkit.protocol.headers import Headers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from toolkit.client.response import Response


def web() -> App:
    app = App(port=0)

    @app.get("/seen")
    async def seen(r: Request) -> object:
        return {"host": r.host, **{name: r.headers.get(name) for name in ("cookie", "authorization")}}

    @app.get("/login")
    async def login(r: Request) -> object:
        r.set_cookie("sid", "1", httponly=True)
        return Deliver.redirect(r.params().get("url", "/seen"))

    @app.get("/401")
    async def asked(r: Request) -> object:
        r.set_cookie("sid", "401")
        return 401, "", {"www-authenticate": "Basic realm=x"}

    return app


async def seen(answer: Response) -> dict[str, object]:
    found = await answer.json()
    assert isinstance(found, dict)
    return dict(found)


async def cookie(answer: Response) -> object:
    return (await seen(answer))["cookie"]


# -- cookies -----------------------------------------------------------------------------------------------------------


async def test_none_are_kept_unless_asked_for() -> None:
    """A session is shared by all the visitors of the application that holds it."""
    async with served(web()) as here, here.session() as http:
        assert await cookie(await http.get("/login", follow_redirects=True)) is None
        assert await cookie(await http.get("/seen")) is None
        with pytest.raises(UseError, match=r"http.cookies: this session keeps no cookies; Session\(cookies=True\)"):
            http.cookies  # noqa: B018 - the look is what is tested


@pytest.mark.parametrize("kind", ["memory", "tcp", "tls"])
async def test_a_jar_keeps_what_redirects_set_and_goes_with_what_follows(kind: str) -> None:
    async with served(web(), kind) as here, here.session(cookies=True, base_url=here.url or None) as http:
        assert await cookie(await http.get("/login", follow_redirects=True)) == "sid=1"
        assert await cookie(await http.get("/seen")) == "sid=1"
        assert http.cookies["sid"] == "1"
        _ = await http.get("/401")
        assert await cookie(await http.get("/seen")) == "sid=401"
        assert await cookie(await http.get("/seen", cookies=False)) is None
        assert await cookie(await http.get("/seen", cookies=True)) == "sid=401"
        http.cookies.clear()
        assert await cookie(await http.get("/seen")) is None


async def test_a_jar_is_for_its_hosts() -> None:
    jar = CookieJar()
    async with served(web()) as here, here.session(cookies=jar) as http:
        assert http.cookies is jar
        jar.set("a", "1", "http://localhost/")
        jar.set("b", "2", "http://b.test/")
        assert await cookie(await http.get("/seen")) == "a=1"
        assert await cookie(await http.get("http://b.test/seen")) == "b=2"
        assert await cookie(await http.get("/login?url=http://b.test/seen", follow_redirects=True)) == "b=2"
        assert await cookie(await http.get("/seen", {"cookie": "own=word"})) == "own=word"


@pytest.mark.parametrize("shared", [False, True])
async def test_a_request_s_own_come_besides_the_session_s(shared: bool) -> None:
    async with served(web()) as here, here.session(cookies=shared) as http:
        _ = await http.get("/login")
        sid = "sid=1; " if shared else ""
        assert await cookie(await http.get("/seen", cookies={"a": "b", "c": "d"})) == f"{sid}a=b; c=d"
        assert await cookie(await http.get("/seen", cookies={"sid": "own"})) == "sid=own"
        assert await cookie(await http.get("/seen", cookies={})) == ("sid=1" if shared else None)
        assert await cookie(await http.get("/seen")) == ("sid=1" if shared else None)  # and is not kept


async def test_a_request_s_own_are_for_the_origin_it_begins_with() -> None:
    """CVE-2023-43804, CVE-2026-6276."""
    async with served(web()) as here, here.session(cookies=True) as http:
        for url, sent in (
            ("/seen", "a=b; sid=1"),
            ("http://b.test/seen", None),
            ("http://localhost:81/seen", "sid=1"),
            ("http://b.test/login?url=http://localhost/seen", "sid=1; a=b"),
        ):
            answer = await http.get("/login", params={"url": url}, follow_redirects=True, cookies={"a": "b"})
            found = await cookie(answer)
            assert (found and sorted(str(found).split("; "))) == (sent and sorted(sent.split("; ")))


async def test_a_session_s_mapping_is_its_base_url_s() -> None:
    async with served(web()) as here, here.session(cookies={"a": "b"}) as http:
        assert await cookie(await http.get("/seen")) == "a=b"
        assert await cookie(await http.get("http://b.test/seen")) is None
        assert http.cookies["a"] == "b"
    with pytest.raises(UseError, match="whose are they"):
        Session(cookies={"a": "b"})


class Store:
    """A `CookieStore` of a program's own."""

    def __init__(self) -> None:
        self.stored: list[str] = []

    def fields_for(self, url: URL) -> dict[str, str]:
        return {"Cookie": "own=1"}

    def store(self, url: URL, values: list[str]) -> None:
        self.stored += values


async def test_a_store_of_one_s_own() -> None:
    store = Store()
    async with served(web()) as here, here.session(cookies=store) as http:
        assert await cookie(await http.get("/login", follow_redirects=True, cookies={"a": "b"})) == "own=1; a=b"
        assert store.stored == ["sid=1; Path=/; HttpOnly; SameSite=Lax"]
        with pytest.raises(UseError, match="in a Store of your own"):
            http.cookies  # noqa: B018 - the look is what is tested


@pytest.mark.parametrize(
    ("call", "kind", "why"),
    [
        (lambda http: http.get("/", cookies={"a": "hunter2; b"}), LocalProtocolError, "cookie 'a': value"),
        (lambda http: http.get("/", cookies={"a": 1}), LocalProtocolError, "cookie 'a': value 1: expected text"),
        (lambda http: http.get("/", cookies={"": "a"}), LocalProtocolError, "expected a name"),
        (
            lambda http: http.get("/", cookies="a=b"),
            UseError,
            r"cookies is of type str: expected a CookieJar\(\), a mapping",
        ),
        (lambda http: http.get("/", cookies=CookieJar), UseError, "cookies is the class CookieJar: expected"),
        (
            lambda http: http.get("/", auth="hunter2"),
            UseError,
            r"auth is of type str: expected Basic\(user, password\)",
        ),
        (lambda http: http.get("/", auth=Basic), UseError, "auth is the class Basic: expected"),
        (lambda http: http.get("/", auth=("a", "b", "hunter2")), UseError, "auth is of type tuple: expected"),
        (lambda http: http.get("/", auth=("a", 1)), UseError, r"Basic\(str, int\): expected"),
        (lambda http: http.get("http://a%3Ab:hunter2@a.test/"), UseError, "the user's name has a ':'"),
        (lambda http: Session(auth=1), UseError, "auth is of type int: expected"),  # type: ignore[arg-type]
        (lambda http: Session(cookies={"a": "b"}, base_url="/x"), UseError, "base_url=./x.: expected http://"),
        (lambda http: Session(cookies=1), UseError, "cookies is of type int: expected"),  # type: ignore[arg-type]
    ],
)
def test_what_is_none_of_them_is_told(call: Callable[[Session], object], kind: type[Exception], why: str) -> None:
    with pytest.raises(kind, match=why) as caught:
        call(Session(base_url="http://a.test"))
    if kind is UseError:
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "options", "why"),
    [
        ({"Cookie": "a=b"}, {"cookies": {"c": "d"}}, "both cookies= and a header 'cookie'"),
        ({"Authorization": "x"}, {"auth": ("a", "b")}, "both auth= and a header 'authorization'"),
    ],
)
async def test_two_words_of_one_caller_are_one_too_many(
    headers: dict[str, str], options: dict[str, object], why: str
) -> None:
    async with served(web()) as here, here.session() as http:
        with pytest.raises(UseError, match=why):
            _ = await http.get("/seen", headers, **options)  # type: ignore[arg-type]
        assert (await http.get("/seen", headers, auth=None, cookies=None)).status == 200


def test_the_shapes_they_come_in() -> None:
    basic, base = Basic("a", "b"), URL("https://a.test/")
    assert make_auth(None) is None
    assert make_auth(basic) is basic
    assert isinstance(make_auth(("a", "b")), Basic)
    assert isinstance(make_auth(lambda request, answer: None), ByFunction)
    assert isinstance(session_auth(basic, base), OnlyFor)
    assert session_auth(basic, None) is basic
    assert session_auth(None, base) is None
    jar = CookieJar()
    assert make_cookies(jar, None) is jar
    assert make_cookies(True, jar) is jar
    assert make_cookies(False, jar) is make_cookies(None, jar) is None
    assert session_cookies(False, None) is None
    assert session_cookies(jar, None) is jar
    assert isinstance(session_cookies(True, None), CookieJar)
    assert repr(RequestCookies({"a": "hunter2"}, None)) == "<RequestCookies 1 cookies>"
    assert Headers(RequestCookies({"a": "b"}, None).fields_for(base))["cookie"] == "a=b"
    RequestCookies({}, None).store(base, ["a=b"])


# -- logins in files and URLs ------------------------------------------------------------------------------------------


async def test_a_file_of_logins_says_whose_they_are(tmp_path: Path) -> None:
    file = tmp_path / "netrc"
    file.write_text("machine localhost login ada password hunter2\nmachine b.test login bob\n")
    async with served(web()) as here, here.session(auth=Netrc(file), base_url="http://localhost/") as http:
        for url, sent in (
            ("/seen", "Basic YWRhOmh1bnRlcjI="),
            ("http://b.test/seen", "Basic Ym9iOg=="),
            ("http://c.test/seen", None),
            ("/login?url=http://b.test/seen", None),  # not where a redirect leads
        ):
            answer = await http.get(url, follow_redirects=True)
            assert (await seen(answer))["authorization"] == sent


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://ada:hunter2@localhost/seen", "Basic YWRhOmh1bnRlcjI="),
        ("http://ada@localhost/seen", "Basic YWRhOg=="),
        ("http://:hunter2@localhost/seen", "Basic Omh1bnRlcjI="),
        ("http://ada:p%40%C3%A4@localhost/seen", "Basic YWRhOnBAw6Q="),
    ],
)
async def test_a_login_in_a_url_is_sent_and_not_shown(url: str, sent: str) -> None:
    async with served(web()) as here, here.session(auth=Bearer("session")) as http:
        answer = await http.get(url)
        assert (await seen(answer))["authorization"] == sent
        assert answer.url == "http://localhost/seen"
        assert "hunter2" not in repr(answer) + repr(http.get(url))
        other = await http.get(url, auth=Bearer("option"))
        assert (await seen(other))["authorization"] == "Bearer option"
        assert (await seen(await http.get(url, auth=None)))["authorization"] is None
        assert (await seen(await http.get(url, params={"a": "b"})))["authorization"] == sent
        own = await http.get(url, {"authorization": "own"})
        assert (await seen(own))["authorization"] == "own"


@pytest.mark.parametrize(
    "url", ["ftp://ada:hunter2@a.test/", "http://ada:hunter2@a b/", "http://ada:hunter2@/", "//ada:hunter2@x"]
)
def test_a_url_that_is_refused_is_told_without_its_login(url: str) -> None:
    with pytest.raises((UseError, LocalProtocolError)) as caught:
        _ = Session().get(url)
    assert "hunter2" not in str(caught.value)
