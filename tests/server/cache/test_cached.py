"""A handler whose answers are kept: who gets them, how old they say they are, and who waits for whom."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import PATIENCE
from toolkit import (
    CORS,
    App,
    CacheControl,
    Compressed,
    CookieSessions,
    Deliver,
    Disconnected,
    MemoryCache,
    NotFound,
    Request,
    RequestID,
    Router,
)

from .shop import Shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from toolkit.server.handlers import Coroutine, Handler


async def test_the_second_visitor_gets_what_the_first_one_got() -> None:
    shop = Shop()

    @shop.web.get("/")
    @shop.web.cache(60)
    async def home(r: Request) -> object:
        return {"run": shop.count()}

    async with shop.open() as visitors:
        first = await visitors.get()
        shop.clock.now += 7.5
        second = await visitors.get()
        assert (await first.text(), await second.text()) == ('{"run":1}', '{"run":1}')
        assert ("age" in first.headers, second.headers["age"]) == (False, "7")  # RFC 9111 5.1
        assert first.headers["date"] == second.headers["date"]
        assert first.headers["etag"] == second.headers["etag"]
        shop.clock.now += 52.5
        assert await visitors.text() == '{"run":2}'


def plain(shop: Shop) -> Handler:
    def handler(r: Request, name: str) -> str:
        return f"{name} {shop.count()}"

    return handler


def awaited(shop: Shop) -> Handler:
    async def handler(r: Request, name: str) -> str:
        await asyncio.sleep(0)
        return f"{name} {shop.count()}"

    return handler


def sent(shop: Shop) -> Handler:
    async def handler(r: Request, name: str) -> None:
        r.add_header("x-before", "yes")
        await Deliver.text(f"{name} {shop.count()}", headers={"x-with": "yes"})

    return handler


def delivered(shop: Shop) -> Handler:
    def handler(r: Request, name: str) -> object:
        return Deliver.text(f"{name} {shop.count()}")

    return handler


def streamed(shop: Shop) -> Handler:
    def handler(r: Request, name: str) -> object:
        async def pieces() -> AsyncIterator[bytes]:
            yield name.encode()
            yield f" {shop.count()}".encode()

        return pieces()

    return handler


def generated(shop: Shop) -> Handler:
    def handler(r: Request, name: str) -> object:
        def pieces() -> Iterator[bytes]:
            yield name.encode()
            yield f" {shop.count()}".encode()

        return 200, pieces(), {"content-type": "text/plain"}

    return handler


@pytest.mark.parametrize("make", [plain, awaited, sent, delivered, streamed, generated])
@pytest.mark.parametrize("kind", ["memory", "tcp"])
async def test_each_kind_of_handler(make: Callable[[Shop], Handler], kind: str) -> None:
    shop = Shop()
    shop.web.get("/{name}")(shop.web.cache(60)(make(shop)))
    async with shop.open(kind) as visitors:
        assert [await visitors.text(path) for path in ("/a", "/b", "/a", "/b")] == ["a 1", "b 2", "a 1", "b 2"]
        answer = await visitors.get("/a", "HEAD")
        assert (answer.status, answer.headers["content-length"], shop.runs) == (200, "3", 2)
        if make is sent:
            assert (answer.headers["x-with"], answer.headers["x-before"]) == ("yes", "yes")


async def test_a_handler_in_a_thread() -> None:
    """The cache stays on the loop: what is kept is given without a thread."""
    shop, where = Shop(), list[int]()

    @shop.web.get("/", thread=True)
    @shop.web.cache(60)
    def slow(r: Request) -> str:
        where.append(threading.get_ident())
        return str(shop.count())

    @shop.web.get("/around", thread=True, middlewares=[RequestID()])
    @shop.web.cache
    def around(r: Request) -> str:
        return str(shop.count())

    async with shop.open() as visitors:
        assert [await visitors.text(), await visitors.text()] == ["1", "1"]
        assert where != [threading.get_ident()]
        assert len(where) == 1
        assert [await visitors.text("/around"), await visitors.text("/around")] == ["2", "2"]


async def test_stacked_routes_methods_groups_and_routers() -> None:
    shop = Shop()
    group, router = shop.web.group("/group"), Router("/router")

    @shop.web.get("/one")
    @shop.web.get("/two/{rest:path}")
    @group.get("/in")
    @router.get("/in")
    @router.cache(60)
    def handler(r: Request, rest: str = "") -> str:
        """What it does."""
        return f"{rest}{shop.count()}"

    @shop.web.attach
    class Pages:
        name = "pages"

        @shop.web.cache(60)
        async def _page(self, r: Request) -> str:
            return f"{self.name}{shop.count()}"

    inner = App(port=0, cache=MemoryCache(clock=shop.clock))
    inner.get("/in")(inner.cache(60)(lambda r: str(shop.count())))
    shop.web.mount("/app", inner)
    shop.web.include(router)
    assert (handler.__name__, handler.__doc__) == ("handler", "What it does.")
    paths = ("/one", "/two/x", "/group/in", "/router/in", "/page", "/app/in")
    async with shop.open() as visitors:
        firsts = [await visitors.text(path) for path in paths]
        assert firsts == ["1", "x2", "3", "4", "pages5", "6"]
        assert [await visitors.text(path) for path in paths] == firsts
        await shop.web.cache.clear()
        assert await visitors.text("/app/in") == "6"  # an application that is mounted has a cache of its own


async def test_a_group_is_kept_by_a_middleware() -> None:
    """What stands outside runs each time; what stands inside does not."""
    shop, seen = Shop(), list[str]()

    async def inside(handler: Coroutine, r: Request) -> object:
        seen.append("inside")
        return await handler(r)

    group = shop.web.group("/api", middlewares=[CORS(), shop.web.cache(60), inside])

    @group.get("/{name}")
    async def handler(r: Request, name: str) -> object:
        r.add_header("x-total", "5")
        return name, 5 if name == "wrong" else f"{name}{shop.count()}"

    @group.get("/right/{name}")
    async def right(r: Request, name: str) -> object:
        r.add_header("x-total", "5")
        return f"{name}{shop.count()}"

    async with shop.open() as visitors:
        for origin in ("https://one", "https://two"):
            answer = await visitors.get("/api/right/a", origin=origin)
            assert (await answer.text(), answer.headers.get_all("x-total")) == ("a1", ["5"])
            assert answer.headers.get_all("access-control-allow-origin") == ["*"]
        assert seen == ["inside"]
        assert (await visitors.get("/api/wrong")).status == 500
        assert (await visitors.get("/api/no/such")).status == 404


async def test_a_cache_within_a_cache() -> None:
    """The outer one keeps it: asked for the same, the inner one would wait for what it is a part of itself."""
    shop = Shop()
    group = shop.web.group("/api", middlewares=[shop.web.cache(60)])
    group.get("/{name}")(shop.web.cache(60)(shop.web.cache(60)(sent(shop))))
    async with shop.open() as visitors, asyncio.timeout(PATIENCE):
        assert [await visitors.text(f"/api/{name}") for name in ("a", "b", "a", "b")] == ["a 1", "b 2", "a 1", "b 2"]


async def test_those_with_a_session_get_what_their_key_says() -> None:
    shop = Shop(middlewares=[CookieSessions("a secret of 16 b")])

    @shop.web.get("/login/{name}")
    async def login(r: Request, name: str) -> str:
        r.session["name"] = name
        return "in"

    @shop.web.get("/")
    @shop.web.cache(60, with_credentials=True, key=lambda r: str(r.session.get("name")))
    async def home(r: Request) -> str:
        return f"{r.session.get('name')} {shop.count()}"

    async with shop.open() as visitors:
        who = {}
        for name in ("Ada", "Bob"):
            who[name] = (await visitors.get(f"/login/{name}")).headers["set-cookie"].partition(";")[0]
        texts = [await visitors.text("/", cookie=who[name]) for name in ("Ada", "Bob", "Ada", "Bob")]
        assert texts == ["Ada 1", "Bob 2", "Ada 1", "Bob 2"]
        answer = await visitors.get("/", cookie=who["Ada"])
        assert ("set-cookie" in answer.headers, "cookie" in answer.headers["vary"]) == (False, True)


async def test_what_the_handler_added_is_kept_and_what_others_added_is_not() -> None:
    shop = Shop(middlewares=[RequestID()])

    @shop.web.get("/")
    @shop.web.cache(60)
    async def handler(r: Request) -> str:
        r.add_header("x-made", str(shop.count()))
        return "x"

    async with shop.open() as visitors:
        one, two = await visitors.get(), await visitors.get()
        assert one.headers.get_all("x-made") == two.headers.get_all("x-made") == ["1"]
        assert one.headers["x-request-id"] != two.headers["x-request-id"]
        assert len(two.headers.get_all("x-request-id")) == 1


async def test_the_function_itself_is_at_hand() -> None:
    shop = Shop()

    @shop.web.cache(60)
    async def handler(r: Request) -> str:
        return str(shop.count())

    @shop.web.get("/anew")
    async def anew(r: Request) -> object:
        return await handler.uncached(r)

    shop.web.get("/")(handler)
    async with shop.open() as visitors:
        assert [await visitors.text(path) for path in ("/", "/anew", "/anew", "/")] == ["1", "2", "3", "1"]


# What tells requests apart


async def test_path_and_query_and_chosen_ones() -> None:
    shop = Shop()
    shop.web.get("/all")(shop.web.cache(60)(lambda r: f"{r.query} {shop.count()}"))
    shop.web.get("/some")(shop.web.cache(60, query=["page"])(lambda r: str(shop.count())))
    shop.web.get("/none")(shop.web.cache(60, query=[])(lambda r: str(shop.count())))
    targets = ("/all?a=1&b=2", "/all?b=2&a=1", "/all?a=1", "/some?page=1&t=1", "/some?t=2&page=1", "/some?page=2")
    async with shop.open() as visitors:
        assert [await visitors.text(target) for target in targets] == ["a=1&b=2 1", "a=1&b=2 1", "a=1 2", "3", "3", "4"]
        assert [await visitors.text("/none?x"), await visitors.text("/none?y")] == ["5", "5"]


async def test_the_host_is_part_of_what_was_asked_for() -> None:
    """Links that a handler builds of one host are nobody else's."""
    shop = Shop()
    shop.web.get("/")(shop.web.cache(60)(lambda r: f"{r.url} {shop.count()}"))
    shop.web.get("/same")(shop.web.cache(60, host=False)(lambda r: str(shop.count())))
    async with shop.open("tcp") as visitors:
        texts = [await visitors.text("/", host=host) for host in ("one", "evil", "one", "ONE")]
        assert texts == ["http://one/ 1", "http://evil/ 2", "http://one/ 1", "http://one/ 1"]
        assert await visitors.text("/same", host="one") == await visitors.text("/same", host="two")


@pytest.mark.parametrize("by", ["the answer", "the rule"])
async def test_vary(by: str) -> None:
    """RFC 9111 4.1, by what an answer says, or by what the rule says for it: then the answer says so as well."""
    shop = Shop()

    @shop.web.get("/")
    @shop.web.cache(60, vary=["Accept-Language"] if by == "the rule" else [])
    async def handler(r: Request) -> object:
        text = f"{r.headers.get('accept-language')} {shop.count()}"
        return (200, text, {"vary": "accept-language"}) if by == "the answer" else text

    async with shop.open() as visitors:
        spoken = ("de", "en", "de", "en")
        assert [await visitors.text("/", accept_language=one) for one in spoken] == ["de 1", "en 2", "de 1", "en 2"]
        assert [await visitors.text("/"), await visitors.text("/")] == ["None 3", "None 3"]
        assert (await visitors.get("/", accept_language="de")).headers["vary"] == "accept-language"
        await shop.web.cache.forget("/")
        assert await visitors.text("/", accept_language="de") == "de 4"


async def test_words_of_ones_own() -> None:
    shop = Shop()
    shop.web.get("/")(shop.web.cache(60, key=lambda r: r.headers["x-shop"])(lambda r: str(shop.count())))
    async with shop.open() as visitors:
        assert [await visitors.text("/", x_shop=one) for one in ("a", "b", "a")] == ["1", "2", "1"]


async def test_get_and_head_share() -> None:
    """HEAD may come first: what it made is GET's, for a handler is written for GET."""
    shop = Shop()
    shop.web.get("/")(shop.web.cache(60)(lambda r: str(shop.count())))
    shop.web.get("/knows")(shop.web.cache(60)(lambda r: "" if r.method == "HEAD" else str(shop.count())))
    async with shop.open() as visitors:
        assert (await visitors.get("/", "HEAD")).headers["content-length"] == "1"
        assert (await visitors.text("/"), shop.runs) == ("1", 1)
        _ = await visitors.get("/knows", "HEAD")
        assert await visitors.text("/knows") == "2"


async def test_head_with_a_handler_of_its_own_is_apart() -> None:
    shop = Shop()
    shop.web.head("/")(shop.web.cache(60)(lambda r: (200, None, {"content-length": 12, "x-run": shop.count()})))
    shop.web.get("/")(shop.web.cache(60)(lambda r: "x" * 12))
    async with shop.open() as visitors:
        for _ in range(2):
            answer = await visitors.get("/", "HEAD")
            assert (answer.headers["content-length"], answer.headers["x-run"]) == ("12", "1")
            assert await visitors.text() == "x" * 12


# What is not kept


@pytest.mark.parametrize(
    ("answer", "options"),
    [
        (lambda n: (404, str(n)), {}),
        (lambda n: (500, str(n)), {}),
        (lambda n: (200, str(n), {"set-cookie": "a=b"}), {}),
        (lambda n: (200, str(n), {"cache-control": "no-store"}), {}),
        (lambda n: (200, str(n), {"cache-control": "private"}), {}),
        (lambda n: (200, str(n), {"vary": "*"}), {}),
        (lambda n: str(n) * 5000, {"largest": 4999}),
        (lambda n: str(n), {"unless": lambda r: True}),
        (lambda n: [n], {"only_if": lambda value: False}),
    ],
)
async def test_what_is_not_kept(answer: Callable[[int], object], options: dict[str, object]) -> None:
    shop = Shop()
    shop.web.get("/")(shop.web.cache(60, **options)(lambda r: answer(shop.count())))  # type: ignore[call-overload]
    async with shop.open() as visitors:
        assert [(await visitors.get()).status for _ in range(2)]
        assert shop.runs == 2
        assert len(shop.web.cache.flights) == 0


async def test_what_the_value_is_decides() -> None:
    shop = Shop()
    keep = shop.web.cache(60, only_if=lambda value: b"ready" in value.body, statuses=[200, 404])  # type: ignore[attr-defined]
    shop.web.get("/{word}")(keep(lambda r, word: (404, {word: shop.count()})))
    async with shop.open() as visitors:
        texts = [await visitors.text(path) for path in ("/soon", "/soon", "/ready", "/ready")]
        assert texts == ['404 {"soon":1}', '404 {"soon":2}', '404 {"ready":3}', '404 {"ready":3}']


async def test_a_body_in_a_get_is_in_no_key() -> None:
    shop = Shop()

    @shop.web.get("/")
    @shop.web.cache(60)
    async def handler(r: Request) -> str:
        return await r.text()

    async with shop.open() as visitors:
        answer = await visitors.http.request("GET", visitors.here.url + "/", body=b"poison")
        assert await answer.text() == "poison"
        assert await visitors.text() == ""


async def test_those_with_an_authorization_have_nothing_to_do_with_it() -> None:
    """RFC 9111 3.5, both ways: they get nothing out of it, and nothing of theirs is put in."""
    shop = Shop()
    shop.web.get("/")(shop.web.cache(60)(lambda r: f"{r.headers.get('authorization')} {shop.count()}"))
    shop.web.get("/all")(shop.web.cache(60, with_credentials=True)(lambda r: str(shop.count())))
    async with shop.open() as visitors:
        texts = [
            await visitors.text("/", **who) for who in ({"authorization": "Ada"}, {}, {"authorization": "Ada"}, {})
        ]
        assert texts == ["Ada 1", "None 2", "Ada 3", "None 2"]
        assert await visitors.text("/all", authorization="Ada") == await visitors.text("/all")


async def test_those_with_a_session_neither() -> None:
    shop = Shop(middlewares=[CookieSessions("a secret of 16 b")])

    @shop.web.get("/login")
    async def login(r: Request) -> str:
        r.session["name"] = "Ada"
        return "in"

    @shop.web.get("/")
    @shop.web.cache(60)
    async def home(r: Request) -> str:
        name = r.session.get("name") if "session" in r.cookies else None
        return f"{name} {shop.count()}"

    @shop.web.get("/used")
    @shop.web.cache(60)
    async def used(r: Request) -> str:
        return f"{r.session.get('name')} {shop.count()}"

    @shop.web.get("/without")
    @shop.web.cache(60)
    async def without(r: Request) -> str:
        return str(shop.count())

    async with shop.open() as visitors:
        assert [await visitors.text("/used"), await visitors.text("/used")] == ["None 1", "None 2"]
        assert [await visitors.text("/without"), await visitors.text("/without")] == ["3", "3"]
        cookie = (await visitors.get("/login")).headers["set-cookie"].partition(";")[0]
        assert await visitors.text("/", cookie=cookie) == "Ada 4"
        assert await visitors.text("/without", cookie=cookie) == "5"
        assert await visitors.text("/") == "None 6"


async def test_a_handler_that_read_cookies_made_it_for_one_visitor() -> None:
    """Unless they are in the key; that others around it had read them says nothing."""
    shop = Shop()

    @shop.web.middleware
    async def reads(handler: Coroutine, r: Request) -> object:
        assert r.cookies is not None
        return await handler(r)

    read = lambda r: f"{r.cookies.get('theme')} {shop.count()}"  # noqa: E731 - the same function in three places
    shop.web.get("/reads")(shop.web.cache(60)(read))
    shop.web.get("/varies")(shop.web.cache(60, vary=["cookie"])(read))
    shop.web.get("/theme")(shop.web.cache(60, key=lambda r: r.cookies.get("theme", ""))(read))
    shop.web.get("/plain")(shop.web.cache(60)(lambda r: str(shop.count())))
    async with shop.open() as visitors:
        assert await visitors.text("/reads") == "None 1"
        assert await visitors.text("/reads", cookie="theme=dark") == "dark 2"
        texts = [await visitors.text("/varies", cookie=f"theme={one}") for one in ("dark", "light", "dark")]
        assert texts == ["dark 3", "light 4", "dark 3"]
        assert [await visitors.text("/plain", cookie=f"theme={one}") for one in ("dark", "light")] == ["5", "5"]
        answers = [await visitors.get("/theme", cookie=f"theme={one}") for one in ("a", "b; x=1", "a; x=1")]
        assert [await one.text() for one in answers] == ["a 6", "b 7", "a 6"]
        assert [one.headers["vary"] for one in answers] == ["cookie"] * 3  # for caches elsewhere


async def test_files_and_what_is_sent_by_pieces_are_not_kept(tmp_path: Path) -> None:
    shop = Shop()
    (tmp_path / "file").write_text("x" * 200_000)

    @shop.web.get("/pieces")
    @shop.web.cache(60)
    async def pieces(r: Request) -> None:
        await r.prepare()
        await r.write(str(shop.count()).encode())

    @shop.web.get("/file")
    @shop.web.cache(60)
    def file(r: Request) -> object:
        shop.count()
        return Deliver.file(tmp_path / "file")

    @shop.web.get("/events")
    @shop.web.cache(60)
    def events(r: Request) -> object:
        async def source() -> AsyncIterator[str]:
            yield str(shop.count())

        return Deliver.sse(source())

    async with shop.open() as visitors:
        assert [await visitors.text("/pieces"), await visitors.text("/pieces")] == ["1", "2"]
        assert len(await visitors.text("/file")) == len(await visitors.text("/file")) == 200_000
        assert shop.runs == 4
        assert await visitors.text("/events") != await visitors.text("/events")
        answer = await visitors.get("/file", range="bytes=0-1")
        assert (answer.status, await answer.text()) == (206, "xx")


async def test_a_stream_is_kept_if_it_ends_well_and_is_not_too_long() -> None:
    shop = Shop()

    @shop.web.get("/{how}")
    @shop.web.cache(60, largest=10)
    def handler(r: Request, how: str) -> object:
        async def pieces() -> AsyncIterator[bytes]:
            yield str(shop.count()).encode()
            if how == "long":
                yield b"0123456789"
            if how == "fails":
                raise ValueError("in the middle")

        if how == "promised":
            return 200, pieces(), {"content-length": "1"}
        return pieces()

    async with shop.open() as visitors:
        assert [await visitors.text("/long"), await visitors.text("/long")] == ["10123456789", "20123456789"]
        for _ in range(2):
            with pytest.raises(Disconnected):
                _ = await visitors.get("/fails")
        assert shop.runs == 4
        assert [await visitors.text("/promised"), await visitors.text("/promised")] == ["5", "5"]
        assert [await visitors.text("/short"), await visitors.text("/short")] == ["6", "6"]
        assert (await visitors.get("/short")).headers["content-length"] == "1"


async def test_an_error_is_not_kept() -> None:
    shop = Shop()

    @shop.web.get("/")
    @shop.web.cache(60, statuses=[404])
    async def handler(r: Request) -> str:
        shop.count()
        raise NotFound

    async with shop.open() as visitors:
        assert [(await visitors.get()).status, (await visitors.get()).status] == [404, 404]
        assert shop.runs == 2


# What clients are told


async def test_who_has_it_gets_304() -> None:
    """RFC 9110 13, with an entity tag that the handler gave or that was made of the body; a 304 has its age."""
    shop = Shop()
    shop.web.get("/")(shop.web.cache(60)(lambda r: f"hello {shop.count()}"))
    shop.web.get("/own")(shop.web.cache(60)(lambda r: (200, "x", {"etag": '"own"', "last-modified": MODIFIED})))
    async with shop.open() as visitors:
        tag = (await visitors.get()).headers["etag"]
        shop.clock.now += 5
        answer = await visitors.get("/", if_none_match=tag)
        assert (answer.status, answer.headers["age"], answer.headers["etag"]) == (304, "5", tag)
        assert (await visitors.get("/", if_none_match='"other"')).status == 200
        assert (await visitors.get("/", if_match='"other"')).status == 412
        assert (await visitors.get("/own", if_none_match='"own"')).status == 304  # at first sight, too
        assert (await visitors.get("/own", if_modified_since=MODIFIED)).status == 304
        assert shop.runs == 1


MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT"


async def test_what_clients_are_told_to_do() -> None:
    shop = Shop()
    said = CacheControl(public=True, max_age=10)
    shop.web.get("/")(shop.web.cache(60, cache_control=said)(lambda r: "x"))
    own = {"cache-control": "max-age=5"}
    shop.web.get("/own")(shop.web.cache(60, cache_control=said)(lambda r: (200, "x", own)))
    async with shop.open() as visitors:
        for _ in range(2):
            assert (await visitors.get()).headers.get_all("cache-control") == ["public, max-age=10"]
            assert (await visitors.get("/own")).headers.get_all("cache-control") == ["max-age=5"]


@pytest.mark.parametrize("size", [600, 100_000])
async def test_it_is_kept_as_it_is_and_compressed_for_who_takes_it(size: int) -> None:
    """Once for each coding: a hit costs no compression. Who takes none, and who has cookies, gets it as it is."""
    shop = Shop()
    shop.web.get("/")(shop.web.cache(60)(lambda r: "x" * size))
    shop.web.get("/never", middlewares=[Compressed(None)])(shop.web.cache(60)(lambda r: "x" * size))
    async with shop.open() as visitors:
        for coding in ("gzip", "identity", "br", "gzip", "br"):
            answer = await visitors.get("/", accept_encoding=coding)
            assert answer.headers.get("content-encoding", "identity") == coding
            assert (answer.headers["vary"], len(await answer.text())) == ("accept-encoding", size)
            again = await visitors.get("/", accept_encoding=coding, if_none_match=answer.headers["etag"])
            assert (again.status, again.headers["etag"]) == (304, answer.headers["etag"])
        assert int((await visitors.get("/", accept_encoding="gzip")).headers["content-length"]) < size / 10
        assert "content-encoding" not in (await visitors.get("/", accept_encoding="gzip", cookie="a=b")).headers
        assert "content-encoding" not in (await visitors.get("/never", accept_encoding="gzip")).headers
        assert len(shop.store) == 2  # type: ignore[arg-type]
