"""Requests by proxies of others: tinyproxy for HTTP, microsocks for SOCKS 5."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.proxying import microsocks, tinyproxy
from tests.helpers.raw import raw_server
from tests.helpers.served import served
from tests.helpers.tls import client_context
from toolkit import App, Connecting, Proxies, Proxy, Request, Session
from toolkit.errors import ProxyError

if TYPE_CHECKING:
    from toolkit import Response

BODY = b"0123456789abcdef" * 60_000


def echo() -> App:
    web = App(port=0)

    @web.route("/", methods=["GET", "POST"])
    async def index(r: Request) -> dict[str, object]:
        body = await r.read()
        return {"target": r.target, "length": len(body), "names": sorted(name.lower() for name in r.headers)}

    @web.get("/big")
    def big(r: Request) -> bytes:
        return BODY

    @web.get("/switch")
    async def switch(r: Request) -> None:
        stream = await r.upgrade(headers={"upgrade": "echo", "connection": "upgrade"})
        async for piece in stream:
            await stream.write(piece)

    return web


async def fetch(answer: Response) -> dict[str, object]:
    found = await (await answer).json()
    assert isinstance(found, dict)
    return dict(found)


async def visit(http: Session, url: str) -> None:
    """A few requests in a row, both ways large, and a change of protocols."""
    for _ in range(3):
        found = await fetch(http.get(f"{url}/?a=b"))
        assert found["target"] == "/?a=b"
        assert "proxy-authorization" not in str(found["names"])
    assert (await fetch(http.post(f"{url}/", body=BODY)))["length"] == len(BODY)
    assert await (await http.get(f"{url}/big")).read() == BODY
    async with http.get(f"{url}/switch", upgrade="echo") as x:
        stream = await x.upgrade()
        await stream.write(b"ping")
        assert await anext(aiter(stream)) == b"ping"


@pytest.mark.parametrize("kind", ["tcp", "tls"])
async def test_tinyproxy(kind: str) -> None:
    async with served(echo(), kind) as here, tinyproxy() as url, Session(proxy=url, tls=client_context()) as http:
        await visit(http, here.url)


@pytest.mark.parametrize("kind", ["tcp", "tls"])
async def test_tinyproxy_with_a_password(kind: str) -> None:
    async with (
        served(echo(), kind) as here,
        tinyproxy("BasicAuth ann s3cret") as url,
        Session(proxy=Proxy(url, credentials=("ann", "s3cret")), tls=client_context()) as http,
    ):
        await visit(http, here.url)
        if kind == "tcp":
            assert (await http.get(f"{here.url}/", proxy=url)).status == 407
            return
        words = r"with 407 Proxy Authentication Required; give Proxy\(.*it asks for Basic"
        with pytest.raises(ProxyError, match=words):
            _ = await http.get(f"{here.url}/", proxy=url)


async def test_tinyproxy_that_may_not_or_cannot_connect() -> None:
    async with raw_server("tcp") as peer:
        gone = peer.url.replace("http:", "https:")
    async with tinyproxy("ConnectPort 1") as url, Session(proxy=url) as http:
        with pytest.raises(ProxyError, match="with 403") as caught:
            _ = await http.get(gone)
        assert caught.value.status == 403
    async with tinyproxy() as url, Session(proxy=url) as http:
        with pytest.raises(ProxyError, match=r"with 5\d\d"):
            _ = await http.get(gone)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("kind", ["tcp", "tls"])
async def test_microsocks(kind: str, scheme: str) -> None:
    async with (
        served(echo(), kind) as here,
        microsocks() as port,
        Session(proxy=f"{scheme}://127.0.0.1:{port}", tls=client_context()) as http,
    ):
        await visit(http, here.url)


async def test_microsocks_with_a_password() -> None:
    async with served(echo(), "tls") as here, microsocks("-u", "ann", "-P", "s3cret") as port:
        url = f"socks5h://127.0.0.1:{port}"
        async with Session(proxy=Proxy(url, credentials=("ann", "s3cret")), tls=client_context()) as http:
            await visit(http, here.url)
            for wrong in (url, f"socks5h://ann:wr0ng@127.0.0.1:{port}"):
                with pytest.raises(ProxyError, match=rf"the proxy {url} made no connection to 127") as caught:
                    _ = await http.get(f"{here.url}/", proxy=wrong)
                assert "wr0ng" not in str(caught.value)


async def test_who_looks_names_up() -> None:
    """The session for socks5://, the proxy for socks5h://."""
    asked: list[str] = []

    def resolver(host: str, port: int) -> list[str] | None:
        asked.append(host)
        return ["127.0.0.1"] if host == "its.test" else None

    async with served(echo(), "tcp") as here, microsocks() as port:
        where = f"http://its.test:{here.url.rsplit(':', 1)[1]}/"
        async with Session(connecting=Connecting(resolver=resolver)) as http:
            await fetch(http.get(where, proxy=f"socks5://127.0.0.1:{port}"))
            assert "its.test" in asked
            asked.clear()
            with pytest.raises(ProxyError, match=r"made no connection to its\.test"):
                _ = await http.get(where, proxy=f"socks5h://127.0.0.1:{port}")
            assert "its.test" not in asked


async def test_a_refusal_of_the_origin_is_told_by_the_socks_proxy() -> None:
    async with raw_server("tcp") as peer:
        gone = peer.url
    async with microsocks() as port, Session(proxy=f"socks5://127.0.0.1:{port}") as http:
        with pytest.raises(ProxyError, match="Connection refused"):
            _ = await http.get(gone)


async def test_one_session_by_several_ways() -> None:
    async with served(echo(), "tcp") as here, tinyproxy() as one, microsocks() as port, Session() as http:
        for way in (None, one, f"socks5://127.0.0.1:{port}", Proxies(all=one, no_proxy="127.0.0.0/8")):
            await fetch(http.get(f"{here.url}/", proxy=way))
        assert repr(http) == "<Session <Pool 2 of 100 open, 2 idle, 0 waiting>>"  # tinyproxy keeps none alive
