"""Who asks: Basic, Bearer, Digest and a program's own function, over whole exchanges with an application."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from yarl import URL

from tests.helpers.guard import Guard, guarded
from tests.helpers.served import served
from toolkit import App, BodyNotReplayable, Deliver, Request
from toolkit.client.auth import ORIGINS, Basic, Bearer, ByFunction, Digest, OnlyFor
from toolkit.client.policies import Outgoing
from toolkit.errors import UseError
from toolkit.protocol.headers import Headers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from toolkit.client.response import Response
    from toolkit.protocol.headers import HeadersLike

METHODS = ["GET", "POST"]


def outgoing(url: str = "https://a.test/", body: bytes | None = b"") -> Outgoing:
    where = URL(url)
    return Outgoing("GET", where, where.raw_path_qs, Headers(), body)


def field(given: object) -> str | None:
    if given is None:
        return None
    assert isinstance(given, list)
    return Headers(given)["authorization"]


# -- Basic and Bearer --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "user", "password", "value"),
    [
        ("7617 2", "Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ("7617 2.1", "test", "123\u00a3", "Basic dGVzdDoxMjPCow=="),
        ("7617 2 colons in passwords", "a", "b:c:", "Basic YTpiOmM6"),
        ("7617 2 empty", "", "", "Basic Og=="),
    ],
)
def test_basic(section: str, user: str, password: str, value: str) -> None:
    assert field(Basic(user, password).prepare(outgoing())) == value


def test_bearer() -> None:
    """RFC 6750 2.1."""
    assert field(Bearer("mF_9.B5f-4.1JqM").prepare(outgoing())) == "Bearer mF_9.B5f-4.1JqM"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Basic("hunter2:x", "hunter2"), "Basic.*: the user's name has a ':'"),
        (lambda: Basic("a\n", "hunter2"), "Basic.*: the user's name has a control character"),
        (lambda: Basic("a", "hunter2\n"), "Basic.*: the password has a control character"),
        (lambda: Basic("a", "hunter2\udc80"), "Basic.*: the password has lone surrogates"),
        (lambda: Basic("a", b"hunter2"), r"Basic\(str, bytes\): expected the user's name and the password as str"),  # type: ignore[arg-type]
        (lambda: Digest("a", None), r"Digest\(str, NoneType\): expected"),  # type: ignore[arg-type]
        (lambda: Bearer("hunter2\n"), "the token is no bearer token.*and no newline"),
        (lambda: Bearer(""), "the token is no bearer token"),
        (lambda: Bearer("hunter2 x"), "the token is no bearer token"),
        (lambda: Bearer(b"hunter2"), "no bearer token.*: expected a str"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_sent_is_told_without_saying_it(make: Callable[[], object], why: str) -> None:
    with pytest.raises(UseError, match=why) as caught:
        make()
    assert "hunter2" not in str(caught.value)


def test_no_secret_is_shown() -> None:
    for auth in (Basic("ada", "hunter2"), Bearer("hunter2"), Digest("ada", "hunter2")):
        assert "hunter2" not in repr(auth) + repr(OnlyFor(auth, URL("https://a.test/")))


# -- Digest ------------------------------------------------------------------------------------------------------------


async def test_a_challenge_is_answered_and_the_nonce_used_on() -> None:
    guard = Guard()
    async with served(guarded(guard)) as here, here.session(auth=Digest("ada", "hunter2")) as http:
        for n in range(3):
            answer = await http.post("/in?q=%20x", body=f"body {n}")
            assert (answer.status, await answer.text()) == (200, f"body {n}")
            assert [past.status for past in answer.history] == ([401] if n == 0 else [])
    assert guard.log == ["nobody", "nonce-0 1", "nonce-0 2", "nonce-0 3"]


async def test_requests_at_a_time_never_use_a_count_twice() -> None:
    guard = Guard()
    async with served(guarded(guard)) as here, here.session(auth=Digest("ada", "hunter2")) as http:
        assert (await http.get("/in")).status == 200
        answers = await asyncio.gather(*(http.get("/in") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    counts = [line.split() for line in guard.log if line.startswith("nonce-")]
    assert len({tuple(one) for one in counts}) == 21


async def test_a_stale_nonce_is_replaced_without_asking_anybody() -> None:
    guard = Guard()
    async with served(guarded(guard)) as here, here.session(auth=Digest("ada", "hunter2")) as http:
        assert (await http.get("/in")).status == 200
        guard.good.clear()  # the server has forgotten it
        assert (await http.get("/in")).status == 200
    assert guard.log == ["nobody", "nonce-0 1", "stale", "nonce-1 1"]


async def test_a_server_that_never_takes_a_nonce_is_given_up_on() -> None:
    guard = Guard()
    async with served(guarded(guard)) as here, here.session(auth=Digest("ada", "hunter2")) as http:
        guard.good = _Forgetful()
        answer = await http.get("/in")
        assert answer.status == 401
        assert len(answer.history) == 5
    assert guard.log == ["nobody", *["stale"] * 5]


class _Forgetful(dict[str, int]):
    def __setitem__(self, nonce: str, count: int) -> None:
        pass


async def test_a_wrong_password_is_tried_once() -> None:
    guard = Guard()
    auth = Digest("ada", "wrong")
    async with served(guarded(guard)) as here, here.session(auth=auth) as http:
        for _ in range(2):  # and it is not sent along with what comes next
            answer = await http.get("/in")
            assert (answer.status, await answer.text(), len(answer.history)) == (401, "who?", 1)
    assert guard.log == ["nobody", "wrong"] * 2


async def test_a_password_that_was_changed_meanwhile() -> None:
    """The nonce was good, so the server says no word of a stale one; a new challenge is answered, once."""
    guard = Guard()
    async with served(guarded(guard)) as here, here.session(auth=Digest("ada", "hunter2")) as http:
        assert (await http.get("/in")).status == 200
        guard.hash = lambda text: "changed"  # type: ignore[method-assign]
        answer = await http.get("/in")
        assert (answer.status, len(answer.history)) == (401, 1)
    assert guard.log == ["nobody", "nonce-0 1", "wrong", "wrong"]


async def test_a_redirect_into_another_realm_is_answered_there() -> None:
    first, second = Guard(realm="first"), Guard(realm="second")
    app = guarded(second)
    app.add_route("/first", first, methods=["GET"])

    @app.get("/start")
    async def start(r: Request) -> object:
        found = await first(r)
        return Deliver.redirect("/in") if isinstance(found, tuple) and found[0] == 200 else found

    async with served(app) as here, here.session(auth=Digest("ada", "hunter2")) as http:
        answer = await http.get("/start", follow_redirects=True)
        assert (answer.status, [past.status for past in answer.history]) == (200, [401, 302, 401])
    assert (first.log, second.log) == (["nobody", "nonce-0 1"], ["nobody", "nonce-0 1"])


async def test_the_next_nonce_is_taken_from_the_answer() -> None:
    """RFC 7616 3.5."""
    guard = Guard(info='qop=auth, nextnonce="{}", rspauth="x"')
    async with served(guarded(guard)) as here, here.session(auth=Digest("ada", "hunter2")) as http:
        for _ in range(3):
            assert (await http.get("/in")).status == 200
    assert guard.log == ["nobody", "nonce-0 1", "nonce-1 1", "nonce-2 1"]


@pytest.mark.parametrize("info", ["nonsense", 'qop=auth, nc="1"', 'nextnonce=""', ","])
async def test_an_info_without_one_changes_nothing(info: str) -> None:
    guard = Guard(info=info)
    async with served(guarded(guard)) as here, here.session(auth=Digest("ada", "hunter2")) as http:
        for _ in range(2):
            assert (await http.get("/in")).status == 200
    assert guard.log == ["nobody", "nonce-0 1", "nonce-0 2"]


@pytest.mark.parametrize("domain", ["/in", "http://localhost/in http://elsewhere.test/", "http://[ /in"])
async def test_the_domain_says_where_it_counts(domain: str) -> None:
    """RFC 7616 3.3; elsewhere on the origin the server is asked first."""
    guard = Guard(domain=domain)
    async with served(guarded(guard)) as here, here.session(auth=Digest("ada", "hunter2")) as http:
        for path in ("/in", "/in/side", "/out"):
            assert (await http.get(path)).status == 200
    assert guard.log == ["nobody", "nonce-0 1", "nonce-0 2", "nobody", "nonce-1 1"]


async def test_the_body_is_covered_where_it_is_at_hand() -> None:
    guard = Guard(qop="auth-int")

    async with served(guarded(guard)) as here, here.session(auth=Digest("ada", "hunter2")) as http:
        answer = await http.post("/in", json={"a": 1})
        assert (answer.status, await answer.text()) == (200, '{"a":1}')
        assert (await http.get("/in")).status == 200
        with_file = await http.post("/in", body=lambda: _pieces(b"x"))
        assert with_file.status == 401  # nobody can say what it will be
        assert (await http.post("/in", body="x" * 1000, coding="gzip")).status == 401  # likewise
    assert guard.log == ["nobody", "nonce-0 1", "nonce-0 2", "nobody", "nobody"]


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_a_body_that_is_spent_is_an_error() -> None:
    guard = Guard()
    async with served(guarded(guard)) as here, here.session(auth=Digest("ada", "hunter2")) as http:
        with pytest.raises(BodyNotReplayable, match="answered 401, which wants the body again"):
            _ = await http.post("/in", body=_pieces(b"x"))
        assert (await http.get("/in")).status == 200
        assert (await http.post("/in", body=_pieces(b"x"))).status == 200


async def test_what_cannot_be_answered_is_the_caller_s() -> None:
    app = App(port=0)

    @app.get("/x")
    async def other(r: Request) -> object:
        return 401, "", {"www-authenticate": "Basic realm=x, Digest realm=x, nonce=n, algorithm=ROT13"}

    async with served(app) as here, here.session(auth=Digest("ada", "hunter2")) as http:
        answer = await http.get("/x")
        assert (answer.status, answer.history) == (401, [])


def test_the_origins_it_remembers_are_bounded() -> None:
    auth = Digest("ada", "hunter2", client_nonce=lambda: "ours")
    for n in range(ORIGINS + 5):
        answer = _Answer(401, {"www-authenticate": "Digest realm=r, nonce=n, qop=auth"})
        assert field(auth.answer(outgoing(f"https://h{n}.test/"), answer)) is not None  # type: ignore[arg-type]
    assert field(auth.prepare(outgoing("https://h4.test/"))) is None
    assert (field(auth.prepare(outgoing("https://h5.test/"))) or "").startswith('Digest username="ada"')
    assert field(auth.prepare(outgoing("http://h5.test/"))) is None
    assert field(auth.prepare(outgoing("https://h5.test:8443/"))) is None


def test_a_refusal_takes_no_other_request_s_nonce_away() -> None:
    auth = Digest("ada", "hunter2")
    challenge = {"www-authenticate": "Digest realm=r, nonce=new, qop=auth"}
    assert auth.answer(outgoing(), _Answer(401, challenge)) is not None  # type: ignore[arg-type]
    late = _Answer(401, {"www-authenticate": "Digest realm=r, nonce=third, qop=auth"})
    late.request_headers = Headers({"authorization": "Digest realm=r, nonce=old"})
    late.history = [_Answer(401, {"www-authenticate": "Digest realm=r, nonce=old"})]
    assert auth.answer(outgoing(), late) is None  # type: ignore[arg-type]
    assert 'nonce="new"' in (field(auth.prepare(outgoing())) or "")


class _Answer:
    """An answer as an `Auth` looks at it."""

    def __init__(self, status: int, headers: HeadersLike) -> None:
        self.status = status
        self.headers = Headers(headers)
        self.request_headers = Headers()
        self.history: list[object] = []


# -- a function of one's own -------------------------------------------------------------------------------------------


def token_app() -> App:
    app = App(port=0)

    @app.route("/x", methods=METHODS)
    async def x(r: Request) -> object:
        if r.headers.get("authorization") != "Bearer 2":
            return 401, "expired", {"www-authenticate": "Bearer"}
        return "welcome"

    return app


@pytest.mark.parametrize("coroutine", [False, True])
async def test_a_function_is_shown_a_401_and_may_go_on(coroutine: bool) -> None:
    tokens = ["1", "2"]
    calls: list[tuple[str, str, int | None]] = []

    def plain(request: Outgoing, answer: Response | None) -> HeadersLike | None:
        calls.append((request.method, request.target, None if answer is None else answer.status))
        if answer is not None:
            del tokens[0]
        return {"authorization": f"Bearer {tokens[0]}"}

    async def waiting(request: Outgoing, answer: Response | None) -> HeadersLike | None:
        await asyncio.sleep(0)
        if answer is not None:
            assert await answer.text() == "expired"
        return plain(request, answer)

    async with served(token_app()) as here, here.session(auth=waiting if coroutine else plain) as http:
        for _ in range(2):
            answer = await http.post("/x?y", body="again")
            assert await answer.text() == "welcome"
    assert calls == [("POST", "/x?y", None), ("POST", "/x?y", 401), ("POST", "/x?y", None)]


async def test_a_function_may_let_it_be() -> None:
    seen: list[int | None] = []

    def auth(request: Outgoing, answer: Response | None) -> None:
        seen.append(None if answer is None else answer.status)

    async with served(token_app()) as here, here.session() as http:
        assert (await http.get("/x", auth=auth)).status == 401
        assert (await http.get("/none", auth=auth)).status == 404
    assert seen == [None, 401, None]
    assert "test_a_function_may_let_it_be" in repr(ByFunction(auth))


@pytest.mark.parametrize("given", ["hunter2", b"hunter2", 1, True])
async def test_a_function_that_returns_no_headers_is_told(given: object) -> None:
    why = r"auth: .*<lambda>\(\) returned a value of type \w+: expected headers, such as {'authorization': '...'}"
    async with served(token_app()) as here, here.session() as http:
        with pytest.raises(UseError, match=why) as caught:
            _ = await http.get("/x", auth=lambda request, answer: given)  # type: ignore[arg-type]
        assert "hunter2" not in str(caught.value)


async def test_what_a_function_raises_ends_the_request() -> None:
    def auth(request: Outgoing, answer: Response | None) -> None:
        raise LookupError("no token at hand")

    async with served(token_app()) as here, here.session() as http:
        with pytest.raises(LookupError, match="no token"):
            _ = await http.get("/x", auth=auth)
        assert (await http.get("/x")).status == 401


# -- whose it is -------------------------------------------------------------------------------------------------------


def seen_app() -> App:
    app = App(port=0)

    @app.get("/seen")
    async def seen(r: Request) -> object:
        return {"host": r.host, "authorization": r.headers.get("authorization")}

    @app.get("/to")
    async def to(r: Request) -> object:
        return Deliver.redirect(r.params()["url"])

    return app


BASIC = "Basic YWRhOmh1bnRlcjI="
MINE = "http://localhost"


@pytest.mark.parametrize(
    ("way", "sent"),
    [
        ([f"{MINE}/seen"], BASIC),
        ([f"{MINE}/to?url=/seen", "/seen"], BASIC),
        ([f"{MINE}/to", "http://localhost:80/seen"], BASIC),
        ([f"{MINE}/to", "http://other.test/seen"], None),
        ([f"{MINE}/to", "http://localhost:81/seen"], None),
        ([f"{MINE}/to", "https://localhost/seen"], None),
        ([f"{MINE}/to", "http://sub.localhost/seen"], None),
        ([f"{MINE}/to", "http://other.test/to", f"{MINE}/seen"], None),
        ([f"{MINE}/to", "http://eve:evil@other.test/seen"], None),
    ],
)
@pytest.mark.parametrize("how", ["session", "option", "url", "function"])
async def test_no_other_origin_is_told(way: list[str], sent: str | None, how: str) -> None:
    """CVE-2018-18074, CVE-2022-27774 and their kin: scheme, host and port; not even where a redirect comes back."""
    url = way[-1]
    for before in reversed(way[:-1]):
        url = str(URL(before).with_query(url=url))
    auth = Basic("ada", "hunter2") if how != "function" else (lambda request, answer: {"authorization": BASIC})
    shared = auth if how in ("session", "function") else None
    async with served(seen_app()) as here, here.session(auth=shared) as http:
        if how == "url":
            url = url.replace("http://", "http://ada:hunter2@", 1)
        options = {"auth": auth} if how == "option" else {}
        answer = await http.get(url, follow_redirects=True, **options)  # type: ignore[arg-type]
        assert await shown(answer) == sent


async def shown(answer: Response) -> object:
    seen = await answer.json()
    assert isinstance(seen, dict)
    return seen["authorization"]


async def test_a_session_s_own_is_for_its_base_url() -> None:
    async with (
        served(seen_app()) as here,
        here.session(auth=("ada", "hunter2"), base_url="http://api.test/v1/") as http,
    ):
        for url, sent in (("/seen", BASIC), ("http://api.test/seen", BASIC), ("http://b.test/seen", None)):
            assert await shown(await http.get(url)) == sent
        assert await shown(await http.get("http://b.test/seen", auth=("ada", "hunter2"))) == BASIC
