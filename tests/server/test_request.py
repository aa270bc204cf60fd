"""Request: what a handler knows of what it serves, and the verbs that only this end has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import read_answer, read_head
from tests.helpers.served import PATIENCE, served
from toolkit import App, Request
from toolkit.errors import LocalProtocolError, UseError

if TYPE_CHECKING:
    from collections.abc import Callable


async def looked(head: str, look: Callable[[Request], object], kind: str = "memory", *, path: str = "") -> object:
    """What a handler sees of a request with this head."""
    web, seen = App(port=0), list[object]()

    @web.add_route
    async def handle_all_middleware(r: Request) -> str:
        seen.append(look(r))
        return "x"

    if path:
        web.add_route(path, handle_all_middleware)
    async with served(web, kind) as here:
        raw = await here.raw()
        await raw.send(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n")
        method = head.split(" ")[0]
        assert (await read_answer(raw, method=method)).status == 200
    assert len(seen) == 1
    return seen[0]


@pytest.mark.parametrize(
    ("target", "raw_path", "path", "query", "params"),
    [
        ("/", "/", "/", "", {}),
        ("/a/b", "/a/b", "/a/b", "", {}),
        ("/a%20b%2Fc?d", "/a%20b%2Fc", "/a b/c", "d", {"d": ""}),
        ("/?", "/", "/", "", {}),
        ("/x?a=1&b=2&a=3", "/x", "/x", "a=1&b=2&a=3", {"a": "3", "b": "2"}),
        ("/x?a=b+c%2B%26&%C3%BC=1", "/x", "/x", "a=b+c%2B%26&%C3%BC=1", {"a": "b c+&", "\u00fc": "1"}),
        ("/x?a=b=c&&d", "/x", "/x", "a=b=c&&d", {"a": "b=c", "d": ""}),
        ("/x?a?b=c", "/x", "/x", "a?b=c", {"a?b": "c"}),
        ("/../x", "/../x", "/../x", "", {}),
        ("//x", "//x", "//x", "", {}),
        ("/%zz", "/%zz", "/%zz", "", {}),
        # RFC 9112 3.2.2: the absolute form
        ("http://a.test/x?y=z", "/x", "/x", "y=z", {"y": "z"}),
        ("http://a.test", "/", "/", "", {}),
        ("http://a.test?y", "/", "/", "y", {"y": ""}),
    ],
)
async def test_the_target_and_its_parts(
    target: str, raw_path: str, path: str, query: str, params: dict[str, str]
) -> None:
    def look(r: Request) -> object:
        return r.target, r.raw_path, r.path, r.query, r.params()

    assert await looked(f"GET {target} HTTP/1.1\nhost: a.test\n", look) == (target, raw_path, path, query, params)


@pytest.mark.parametrize(
    ("head", "host", "url", "version"),
    [
        ("GET /x?y HTTP/1.1\nHost: a.test\n", "a.test", "http://a.test/x?y", "1.1"),
        ("GET /x HTTP/1.1\nHost: a.test:81\n", "a.test:81", "http://a.test:81/x", "1.1"),
        ("GET /x HTTP/1.0\n", "", "http:///x", "1.0"),
        ("GET http://b.test/x HTTP/1.1\nHost: b.test\n", "b.test", "http://b.test/x", "1.1"),
    ],
)
async def test_host_url_and_version(head: str, host: str, url: str, version: str) -> None:
    assert await looked(head, lambda r: (r.host, r.url, r.http_version)) == (host, url, version)


@pytest.mark.parametrize(
    ("kind", "scheme", "address"),
    [("memory", "http", "memory"), ("tcp", "http", "127.0.0.1"), ("unix", "http", ""), ("tls", "https", "127.0.0.1")],
)
async def test_the_peer_and_the_scheme(kind: str, scheme: str, address: str) -> None:
    seen = await looked("GET / HTTP/1.1\nhost: a\n", lambda r: (r.scheme, r.ip_host, r.ip_port > 0), kind)
    assert seen == (scheme, address, kind in ("tcp", "tls"))


async def test_fields_and_what_is_said_of_the_body() -> None:
    head = "POST / HTTP/1.1\nhost: a\nX-A: 1\nx-a: 2\ncontent-type: a/b\ncontent-length: 0\n"

    def look(r: Request) -> object:
        return (
            r.headers["x-a"],
            r.headers.get_all("X-A"),
            r.content_type,
            r.content_length,
            r.headers is r.request_headers,
        )

    assert await looked(head, look) == ("1", ["1", "2"], "a/b", 0, True)


async def test_before_and_after_its_answer() -> None:
    web, seen = App(port=0), list[object]()

    @web.get("/")
    async def handler(r: Request) -> None:
        seen.append((r.status, len(r.response_headers), r.complete, r.received_len, r.cancelled_by, r.path_params))
        await r.head()
        await r.prepare({"X-A": "1"}, 203)
        seen.append((r.status, r.response_headers["x-a"]))

    async with served(web) as here, here.session() as http:
        assert (await http.get("/")).status == 203
    assert seen == [(None, 0, True, 0, None, {}), (203, "1")]


# Its verbs


@pytest.mark.parametrize("status", [100, 101, 199, 0, 99, 1000, -1])
async def test_a_status_that_is_no_final_one_is_an_error(status: int) -> None:
    web, caught = App(port=0), list[str]()

    @web.get("/")
    async def handler(r: Request) -> str:
        with pytest.raises(LocalProtocolError) as error:
            await r.prepare({}, status)
        caught.append(str(error.value))
        return "still answered"

    async with served(web) as here, here.session() as http:
        assert (await http.get("/")).content == b"still answered"
    assert str(status) in caught[0]


@pytest.mark.parametrize("status", [99, 100, 101, 200, 404])
async def test_inform_takes_interim_statuses_only(status: int) -> None:
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> str:
        with pytest.raises(
            LocalProtocolError, match=f"inform\\({status}\\): expected 102 to 199" if status != 101 else "inform"
        ):
            await r.inform(status)
        with pytest.raises(LocalProtocolError, match="an interim answer has no body"):
            await r.inform(103, {"content-length": "1"})
        return "x"

    async with served(web) as here, here.session() as http:
        x = await http.get("/")
        assert (x.content, x.interim) == (b"x", [])


async def test_http_1_0_is_told_nothing_in_between() -> None:
    # RFC 9110 15.2
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> str:
        await r.inform(103, {"link": "</a>"})
        return "x"

    async with served(web) as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.0\r\n\r\n")
        assert (await read_answer(raw)).status == 200


async def test_inform_after_the_head_is_a_use_error() -> None:
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> None:
        await r.prepare({})
        with pytest.raises(UseError, match="after the answer's head was sent"):
            await r.inform(103)

    async with served(web) as here, here.session() as http:
        assert (await http.get("/")).status == 200


async def test_an_upgrade_nobody_asked_for_is_a_use_error() -> None:
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> str:
        with pytest.raises(UseError, match="the request asks for none; answer 426 instead"):
            await r.upgrade()
        return "x"

    async with served(web) as here, here.session() as http:
        assert (await http.get("/")).content == b"x"


async def test_an_upgrade_names_the_protocol_asked_for() -> None:
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> None:
        stream = await r.upgrade({"x-a": "1"})
        async for part in stream:
            await stream.write(part)

    async with served(web) as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: chat/2, chat/1\r\n\r\nearly")
        line, fields = await read_head(raw)
        assert line.split(" ")[1] == "101"
        assert [(name.lower(), value.lower()) for name, value in fields] == [
            ("x-a", "1"),
            ("upgrade", "chat/2"),
            ("connection", "upgrade"),
        ]
        assert await raw.receive(5) == b"early"
        await raw.send(b"late")
        await raw.eof()
        assert await raw.rest() == b"late"


async def test_a_shield_may_be_within_a_shield() -> None:
    web, seen = App(port=0), list[str]()
    inside, over = asyncio.Event(), asyncio.Event()

    @web.get("/")
    async def handler(r: Request) -> None:
        try:
            async with r.shield():
                async with r.shield():
                    inside.set()
                    await r.disconnected()
                    for _ in range(5):  # the cancellation is decided on a little later
                        await asyncio.sleep(0)
                    seen.append("inner")
                seen.append("outer")
            seen.append("unreached")
        finally:
            seen.append(str(r.cancelled_by))
            over.set()

    async with served(web) as here, asyncio.timeout(PATIENCE):
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        await inside.wait()
        raw.reset()
        await over.wait()
    assert seen == ["inner", "outer", "peer"]
