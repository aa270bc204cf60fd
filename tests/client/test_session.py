"""Session: where a URL leads, what goes with every request, and whose loop it is on."""

from __future__ import annotations

import asyncio
import contextlib
import re

import pytest

from tests.helpers.served import served
from toolkit import App, Limits, Request, Session, Timeouts
from toolkit.errors import Disconnected, LocalProtocolError, UseError


def telling() -> App:
    """An application that answers with what it was asked."""
    web = App(port=0)

    @web.add_route
    async def handle_all_middleware(r: Request) -> object:
        return {
            "method": r.method,
            "target": r.target,
            "host": r.host,
            "headers": [list(pair) for pair in r.headers.items()],
        }

    return web


async def told(
    http: Session, url: str, headers: dict[str, str] | None = None, method: str = "GET"
) -> dict[str, object]:
    """What the application saw."""
    seen = await (await http.request(method, url, headers)).json()
    assert isinstance(seen, dict)
    return dict(seen)


def fields(seen: dict[str, object], name: str) -> list[str]:
    pairs = seen["headers"]
    assert isinstance(pairs, list)
    return [value for key, value in pairs if key.lower() == name]


# URLs


@pytest.mark.parametrize(
    ("base", "url", "expected"),
    [
        (None, "http://a.test/x?y", "http://a.test/x?y"),
        (None, "http://a.test", "http://a.test"),
        (None, "http://a.test/x#part", "http://a.test/x#part"),
        (None, "https://a.test:8443/%2A", "https://a.test:8443/%2A"),
        ("http://a.test", "/x", "http://a.test/x"),
        ("http://a.test/v1/", "x", "http://a.test/v1/x"),
        ("http://a.test/v1/", "/x", "http://a.test/x"),
        ("http://a.test/v1/", "https://b.test/x", "https://b.test/x"),
    ],
)
def test_where_a_url_leads(base: str | None, url: str, expected: str) -> None:
    assert Session(base_url=base).get(url).url == expected  # not sent, so no loop is needed


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("/x", "is relative; give Session(base_url=...)"),
        ("x", "is relative"),
        ("", "is relative"),
        ("ftp://a.test/", "expected http:// or https:// and a host"),
        ("ws://a.test/", "expected http:// or https:// and a host"),
        ("http:///x", "URL"),
        ("http://", "URL"),
        ("http://a.test:99999/", "URL"),
        ("http://a.test:x/", "URL"),
        ("http://[::1/", "URL"),
    ],
)
def test_a_url_that_leads_nowhere_is_a_use_error(url: str, why: str) -> None:
    with pytest.raises(UseError, match=re.escape(why)):
        _ = Session().get(url)


@pytest.mark.parametrize("bad", ["\r\nx: y", "\n", "\0", "\x7f", "\t", "\u2028"])
def test_a_control_character_in_a_url_is_an_error(bad: str) -> None:
    with pytest.raises(LocalProtocolError, match="control character"):
        _ = Session().get(f"http://a.test/{bad}")


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\n", "G\u00cbT", "a,b"])
def test_a_method_that_is_no_token_is_an_error(method: str) -> None:
    with pytest.raises(LocalProtocolError):
        _ = Session().request(method, "http://a.test/")


@pytest.mark.parametrize("app", [None, telling()])
def test_in_memory_and_unix_urls_may_be_paths(app: App | None) -> None:
    http = Session(app=app) if app is not None else Session(unix="/nowhere")
    assert http.get("/x").url == "http://localhost/x"


def test_two_ways_to_one_server_are_one_too_many() -> None:
    with pytest.raises(UseError, match="give one of them"):
        Session(app=telling(), unix="/nowhere")


@pytest.mark.parametrize("tls", [True, False, "x"])
def test_tls_is_a_context(tls: object) -> None:
    with pytest.raises(UseError, match=r"expected an ssl\.SSLContext"):
        Session(tls=tls)  # type: ignore[arg-type]  # the mistake itself


@pytest.mark.parametrize(
    ("name", "kind"),
    [("pool", "PoolLimits"), ("connecting", "Connecting"), ("limits", "Limits"), ("timeouts", "Timeouts")],
)
@pytest.mark.parametrize("given", [100, None, {"connections": 1}])
def test_options_are_of_their_kind(name: str, kind: str, given: object) -> None:
    with pytest.raises(UseError, match=re.escape(f"Session({name}={given!r}): expected {kind}(...)")):
        Session(**{name: given})  # type: ignore[arg-type]  # the mistake itself


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("app", 5, "Session(app=5): expected an App"),
        ("unix", "", "Session(unix=''): expected a path, as text"),
        ("hooks", print, "expected Hooks(request=..., answer=...)"),
        ("base_url", "a.test/v1", "base_url='a.test/v1': expected http:// or https:// and a host, as text"),
        ("base_url", "/v1", "base_url='/v1': expected http:// or https:// and a host, as text"),
        ("base_url", "ftp://a.test", "base_url='ftp://a.test': expected http:// or https:// and a host, as text"),
        ("base_url", "ftp://me:secret@a.test", "base_url='ftp://***@a.test': expected http:// or https:// and a host"),
        ("base_url", "http://a.test:x", "base_url='http://a.test:x': expected http:// or https:// and a host"),
    ],
)
def test_what_cannot_do_what_it_is_there_for(name: str, given: object, why: str) -> None:
    with pytest.raises(UseError, match=re.escape(why)):
        Session(**{name: given})  # type: ignore[arg-type]  # the mistake itself


def test_a_sessions_params_go_where_a_request_has_none_of_the_name() -> None:
    http = Session(base_url="http://a.test", params={"k": "1", "l": ["2", "3"]})
    assert http.get("/x").target == "/x?k=1&l=2&l=3"
    assert http.get("/x").target == "/x?k=1&l=2&l=3"  # from what was kept of it
    assert http.get("/x?l=4").target == "/x?l=4&k=1"
    assert http.get("/x", params={"k": "9"}).target == "/x?k=9&l=2&l=3"
    assert http.get("/x?a", params={"k": "9", "l": "8"}).target == "/x?a&k=9&l=8"


@pytest.mark.parametrize("given", [5, [("a",)]])
def test_params_that_are_none(given: object) -> None:
    with pytest.raises(UseError, match="params"):
        Session(params=given)  # type: ignore[arg-type]  # the mistake itself


def test_params_are_added_to_the_query() -> None:
    http = Session(base_url="http://a.test")
    assert http.get("/x", params={"a": "b c", "d": 1}).target in {"/x?a=b+c&d=1", "/x?a=b%20c&d=1"}
    assert http.get("/x?y=1", params=[("y", "2"), ("y", "3")]).target == "/x?y=1&y=2&y=3"
    assert http.get("/x", params=None).target == "/x"


@pytest.mark.parametrize("method", ["get", "head", "options", "delete", "post", "put", "patch"])
def test_each_method_has_its_function(method: str) -> None:
    assert getattr(Session(), method)("http://a.test/").method == method.upper()


def test_other_ways_to_ask() -> None:
    http = Session()
    assert http(url="http://a.test/").method == "GET"
    assert http(url="http://a.test/", method="PUT", headers={"x-a": "b"}).method == "PUT"
    assert http.stream("POST", "http://a.test/").method == "POST"


# What goes with every request


async def test_defaults_go_with_every_request() -> None:
    async with Session(app=telling(), headers={"x-own": "1"}) as http:
        seen = await told(http, "/x")
        assert fields(seen, "x-own") == ["1"]
        assert fields(seen, "accept") == ["*/*"]
        assert fields(seen, "user-agent")[0].startswith("toolkit/")
        assert "gzip" in fields(seen, "accept-encoding")[0]
        assert fields(seen, "host") == ["localhost"]


async def test_the_requests_own_word_counts_over_the_sessions_and_that_over_ours() -> None:
    async with Session(app=telling(), headers={"User-Agent": "mine", "x-own": "1"}) as http:
        seen = await told(http, "/x", {"X-Own": "2", "accept-encoding": "identity", "Host": "other.test"})
        assert fields(seen, "user-agent") == ["mine"]
        assert fields(seen, "x-own") == ["2"]
        assert fields(seen, "accept-encoding") == ["identity"]
        assert fields(seen, "host") == ["other.test"]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://a.test/", "a.test"),
        ("http://a.test:80/", "a.test"),
        ("http://a.test:443/", "a.test:443"),
        ("http://a.test:8080/", "a.test:8080"),
        ("http://[::1]:8080/", "[::1]:8080"),
        ("http://[::1]/", "[::1]"),
        ("http://user:secret@a.test/", "a.test"),  # RFC 9110 4.2.4: never sent
    ],
)
async def test_the_host_field(url: str, host: str) -> None:
    # RFC 9110 7.2
    async with Session(app=telling()) as http:
        seen = await told(http, url)
        assert seen["host"] == host
        assert seen["target"] == "/"


async def test_undecoded_means_that_no_coding_is_asked_for() -> None:
    async with Session(app=telling()) as http:
        seen = await (await http.get("/x", decode=False)).json()
        assert isinstance(seen, dict)
        assert fields(dict(seen), "accept-encoding") == []


async def test_limits_and_timeouts_are_the_sessions() -> None:
    limits, timeouts = Limits(drain=1), Timeouts(read=1)
    http = Session(limits=limits, timeouts=timeouts)
    assert http.get("http://a.test/").timeouts is timeouts
    assert http.get("http://a.test/", timeouts=Timeouts(read=2)).timeouts.read == 2
    assert http.limits is limits


# Whose loop


def test_a_session_is_rebound_when_its_loop_is_closed() -> None:
    web = telling()
    http = Session(app=web)

    async def use() -> int | None:
        answer = await http.get("/x")
        await http.close()
        return answer.status

    assert asyncio.run(use()) == 200
    assert asyncio.run(use()) == 200


async def test_another_running_loop_is_a_use_error() -> None:
    async with served(telling(), "tcp") as here, here.session() as http:
        _ = await http.get(here.url)

        async def elsewhere() -> None:
            _ = await http.get(here.url)

        with pytest.raises(UseError, match="in use on another running event loop"):
            await asyncio.to_thread(lambda: asyncio.run(elsewhere()))
        assert (await http.get(here.url)).status == 200


async def test_a_closed_session_can_be_used_again() -> None:
    async with served(telling(), "tcp") as here:
        http = here.session()
        assert repr(http) == "<Session not used yet>"
        async with http:
            _ = await http.get(here.url)
            assert repr(http) == "<Session <Pool 1 of 100 open, 1 idle, 0 waiting>>"
        assert repr(http) == "<Session not used yet>"
        await http.close()
        async with http:
            assert (await http.get(here.url)).status == 200


@pytest.mark.parametrize("kind", ["memory", "tcp"])
async def test_close_ends_what_still_runs(kind: str) -> None:
    web = App(port=0)

    @web.get("/")
    async def begin(r: Request) -> None:
        await r.prepare({})
        await r.write(b"begun")
        await r.disconnected()

    async with (
        asyncio.timeout(10),
        served(web, kind) as here,
        here.session() as http,
        contextlib.AsyncExitStack() as stack,
    ):
        x = await stack.enter_async_context(http.get(f"{here.url}/"))
        body = aiter(x.pull())
        assert await anext(body) == b"begun"
        await http.close()
        with pytest.raises(Disconnected, match="the session was closed"):
            await anext(body)
