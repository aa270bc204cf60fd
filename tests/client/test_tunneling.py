"""By a proxy: what it gets and what the origin gets, tunnels over plain links and inside TLS, and what fails how."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from tests.helpers.proxying import accepting, http_proxy
from tests.helpers.raw import raw_server
from tests.helpers.served import served
from tests.helpers.tls import authority, client_context, server_context
from toolkit import App, ClientTls, Connecting, Proxies, Proxy, Request, Session, Timeouts
from toolkit.errors import CertificateError, ConnectError, ConnectTimeout, ProxyError, ResolveError, UseError

if TYPE_CHECKING:
    from toolkit import Response

CREDENTIALS = ("ann", "s3cret: ä")


def seen() -> App:
    web = App(port=0)

    @web.get("/")
    def fields(r: Request) -> dict[str, str]:
        return {"target": r.target, **dict(r.headers.items())}

    @web.post("/echo")
    async def echo(r: Request) -> bytes:
        return await r.read()

    @web.get("/away")
    def away(r: Request) -> tuple[int, str, dict[str, str]]:
        return 302, "", {"location": r.query}

    @web.get("/switch")
    async def switch(r: Request) -> None:
        stream = await r.upgrade(headers={"upgrade": "echo", "connection": "upgrade"})
        async for piece in stream:
            await stream.write(piece)

    return web


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


def own_tls() -> ClientTls:
    return ClientTls(ca=authority().cert_pem.bytes())


async def fetch(answer: Response) -> dict[str, str]:
    found = await (await answer).json()
    assert isinstance(found, dict)
    return {str(name): str(value) for name, value in found.items()}


# The two ways by an HTTP proxy


async def test_a_plain_request_is_the_proxy_s_to_make_rfc9112_3_2_2() -> None:
    async with served(seen(), "tcp") as here, http_proxy() as proxy, Session(proxy=proxy.url) as http:
        found = await fetch(http.get(f"{here.url}/?q=1"))
        assert proxy.lines == [f"GET {here.url}/?q=1 HTTP/1.1"]
        assert found["target"] == "/?q=1"
        body = await (await http.post(f"{here.url}/echo", body=b"x" * 300_000)).read()
        assert body == b"x" * 300_000


async def test_https_goes_through_a_tunnel_rfc9110_9_3_6() -> None:
    async with served(seen(), "tls") as here, http_proxy() as proxy, Session(proxy=proxy.url, tls=own_tls()) as http:
        for _ in range(3):
            assert (await fetch(http.get(f"{here.url}/")))["host"] == here.url[8:]
        assert proxy.lines == [f"CONNECT {here.url[8:]} HTTP/1.1"]  # one tunnel for all


async def test_a_tunnel_for_plain_requests_where_one_is_asked_for() -> None:
    async with (
        served(seen(), "tcp") as here,
        http_proxy() as proxy,
        Session(proxy=Proxy(proxy.url, tunnel=True)) as http,
    ):
        await fetch(http.get(f"{here.url}/"))
        assert proxy.lines == [f"CONNECT {here.url[7:]} HTTP/1.1"]


async def test_the_name_is_the_proxy_s_to_look_up() -> None:
    async with served(seen(), "tcp") as here, http_proxy() as proxy, Session(proxy=proxy.url) as http:
        proxy.hosts["only.there.test"] = port_of(here.url)
        assert (await fetch(http.get("http://only.there.test/")))["host"] == "only.there.test"


@pytest.mark.parametrize("kind", ["tcp", "tls"])
async def test_a_change_of_protocols_goes_through_a_tunnel(kind: str) -> None:
    async with (
        served(seen(), kind) as here,
        http_proxy() as proxy,
        Session(proxy=proxy.url, tls=own_tls()) as http,
        http.get(f"{here.url}/switch", upgrade="echo") as x,
    ):
        stream = await x.upgrade()
        await stream.write(b"ping")
        assert await anext(aiter(stream)) == b"ping"
        assert [line.split(" ")[0] for line in proxy.lines] == ["CONNECT"]


# A proxy that is spoken to over TLS


@pytest.mark.parametrize("kind", ["tcp", "tls"])
async def test_a_proxy_over_tls(kind: str) -> None:
    async with served(seen(), kind) as here, http_proxy(CREDENTIALS, tls=server_context()) as proxy:
        through = Proxy(proxy.url, credentials=CREDENTIALS, tls=own_tls())
        async with Session(proxy=through, tls=client_context()) as http:
            for _ in range(2):
                assert "proxy-authorization" not in await fetch(http.get(f"{here.url}/"))
            body = b"0123456789" * 100_000
            assert await (await http.post(f"{here.url}/echo", body=body)).read() == body
        assert proxy.lines[0].split(" ")[0] == ("GET" if kind == "tcp" else "CONNECT")


async def test_a_change_of_protocols_through_a_proxy_over_tls() -> None:
    async with (
        served(seen(), "tcp") as here,
        http_proxy(tls=server_context()) as proxy,
        Session(proxy=Proxy(proxy.url, tls=own_tls())) as http,
        http.get(f"{here.url}/switch", upgrade="echo") as x,
    ):
        stream = await x.upgrade()
        await stream.write(b"ping")
        assert await anext(aiter(stream)) == b"ping"


async def test_a_proxy_s_certificate_is_looked_at_by_itself() -> None:
    """That the session trusts an authority for origins says nothing of proxies."""
    async with (
        served(seen(), "tls") as here,
        http_proxy(tls=server_context()) as proxy,
        Session(proxy=proxy.url, tls=own_tls()) as http,
    ):
        with pytest.raises(CertificateError, match=r"^the proxy https://127\.0\.0\.1:\d+: its certificate") as caught:
            _ = await http.get(f"{here.url}/")
        assert caught.value.reason == "unknown authority"
        async with Session(proxy=Proxy(proxy.url, tls=own_tls())) as http:
            with pytest.raises(CertificateError, match=r"^127\.0\.0\.1:\d+: its certificate is not to be trusted"):
                _ = await http.get(f"{here.url}/")
        assert len(proxy.heads) == 1  # the first one was told nothing


async def test_tls_in_tls_that_breaks_off() -> None:
    async with (
        served(seen(), "tcp") as here,
        http_proxy(tls=server_context()) as proxy,
        Session(proxy=Proxy(proxy.url, tls=own_tls()), tls=own_tls()) as http,
    ):
        with pytest.raises(ConnectError, match=r"cannot connect to 127\.0\.0\.1:\d+"):
            _ = await http.get(here.url.replace("http:", "https:"))


# Credentials


@pytest.mark.parametrize("kind", ["tcp", "tls"])
async def test_credentials_are_the_proxy_s_alone(kind: str) -> None:
    async with (
        served(seen(), kind) as here,
        http_proxy(CREDENTIALS) as proxy,
        Session(proxy=Proxy(proxy.url, credentials=CREDENTIALS), tls=own_tls()) as http,
    ):
        answer = await http.get(f"{here.url}/")
        found = await answer.json()
        assert isinstance(found, dict)
        assert "proxy-authorization" not in found
        assert "proxy-authorization" not in answer.request_headers
        assert "s3cret" not in repr((http, answer, answer.request_headers))


async def test_a_tunnel_that_is_refused_says_what_the_proxy_said() -> None:
    async with served(seen(), "tls") as here, http_proxy(CREDENTIALS) as proxy, Session(tls=own_tls()) as http:
        words = r"cannot connect to .*: the proxy http://.* answered CONNECT .* with 407 No; give Proxy\(.*credentials="
        with pytest.raises(ProxyError, match=words) as caught:
            _ = await http.get(f"{here.url}/", proxy=proxy.url)
        assert caught.value.status == 407
        assert "Who are you?" in str(caught.value)
        with pytest.raises(ProxyError, match="it does not accept these credentials") as caught:
            _ = await http.get(f"{here.url}/", proxy=proxy.url.replace("//", "//joe:hunter2@"))
        assert "hunter2" not in str(caught.value)
        assert repr(http) == "<Session <Pool 0 of 100 open, 0 idle, 0 waiting>>"


async def test_a_request_that_is_refused_is_answered_by_the_proxy() -> None:
    async with served(seen(), "tcp") as here, http_proxy(CREDENTIALS) as proxy, Session(proxy=proxy.url) as http:
        answer = await http.get(f"{here.url}/")
        assert answer.status == 407


async def test_a_redirect_chooses_the_proxy_anew_and_takes_no_credentials_there() -> None:
    async with served(seen(), "tcp") as here, http_proxy(("a", "1")) as one, http_proxy() as other:
        one.hosts["first.test"] = other.hosts["second.test"] = port_of(here.url)
        rules = Proxies(http=Proxy(one.url, credentials=("a", "1")), no_proxy="127.0.0.1")
        async with Session(proxy=rules) as http:
            found = await fetch(http.get(f"http://first.test/away?{here.url}/", follow_redirects=True))
            assert "proxy-authorization" not in found
            assert len(one.heads) == 1  # the second request went directly
            again = await fetch(http.get(f"{here.url}/away?http://first.test/", follow_redirects=True))
            assert again["host"] == "first.test"
            assert one.heads[1].count(b"proxy-authorization") == 1
            await fetch(http.get("http://second.test/", proxy=other.url))
            assert b"proxy-authorization" not in other.heads[0]


async def test_a_connection_is_lent_to_nobody_with_another_way() -> None:
    async with served(seen(), "tcp") as here, http_proxy() as one, http_proxy() as other, Session() as http:
        ways: list[Proxy | str | None] = [
            None,
            one.url,
            other.url,
            Proxy(one.url, credentials=("a", "b")),
            None,
            one.url,
        ]
        for way in ways:
            await fetch(http.get(f"{here.url}/", proxy=way))
        assert repr(http) == "<Session <Pool 4 of 100 open, 4 idle, 0 waiting>>"
        assert (len(one.heads), len(other.heads)) == (3, 1)


# SOCKS


async def socks4(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: list[bytes], code: int) -> None:
    """SOCKS 4 and 4a, one connection."""
    head = await reader.readexactly(8)
    user = await reader.readuntil(b"\0")
    name = await reader.readuntil(b"\0") if head[4:7] == b"\0\0\0" else b""
    asked.append(head[4:8] + user + name)
    writer.write(b"\0" + bytes([code]) + bytes(6))
    if code == 90:
        body = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
        await reader.readuntil(b"\r\n\r\n")
        writer.write(body)
        await reader.read()


@pytest.mark.parametrize(("scheme", "asked"), [("socks4", b"\x7f\0\0\x07\0"), ("socks4a", b"\0\0\0\x01\0its.test\0")])
async def test_socks4_looks_up_here_and_socks4a_there(scheme: str, asked: bytes) -> None:
    said: list[bytes] = []
    here = Connecting(resolver=lambda host, port: ["::1", "127.0.0.7"] if host == "its.test" else None)
    async with (
        accepting(lambda r, w: socks4(r, w, said, 90)) as port,
        Session(proxy=f"{scheme}://127.0.0.1:{port}", connecting=here) as http,
    ):
        assert await (await http.get("http://its.test/")).text() == "ok"
    assert said == [asked]


async def test_socks4_has_no_addresses_but_ipv4_s() -> None:
    here = Connecting(resolver=lambda host, port: ["::1"] if host == "its.test" else None)
    async with (
        accepting(lambda r, w: socks4(r, w, [], 90)) as port,
        Session(proxy=f"socks4://127.0.0.1:{port}", connecting=here) as http,
    ):
        with pytest.raises(ResolveError, match="has no IPv4 address"):
            _ = await http.get("http://its.test/")


async def test_a_socks_proxy_that_refuses_says_why() -> None:
    async with (
        accepting(lambda r, w: socks4(r, w, [], 91)) as port,
        Session(proxy=f"socks4a://user:pass@127.0.0.1:{port}") as http,
    ):
        words = rf"cannot connect to its\.test:80: the proxy socks4a://127\.0\.0\.1:{port} made no connection to its"
        with pytest.raises(ProxyError, match=words):
            _ = await http.get("http://its.test/")


# What fails


async def test_a_proxy_that_is_not_there() -> None:
    async with raw_server("tcp") as peer:
        gone = peer.url
    async with Session(proxy=gone) as http:
        words = rf"^cannot connect to its\.test:80 by the proxy {gone}: Connection refused"
        with pytest.raises(ConnectError, match=words):
            _ = await http.get("http://its.test/")
    async with Session(proxy="http://nobody.invalid:1") as http:
        with pytest.raises(ResolveError, match=r"its\.test:80 by the proxy http://nobody\.invalid:1: no address"):
            _ = await http.get("http://its.test/")


@pytest.mark.parametrize(
    ("scheme", "phase"),
    [
        ("http", "while the proxy http://.* was asked for a tunnel"),
        ("https", "during the TLS handshake with the proxy https://"),
        ("socks5h", "while the proxy socks5h://.* was asked to connect"),
    ],
)
async def test_the_time_to_connect_covers_the_proxy_s_phases(scheme: str, phase: str) -> None:
    async with raw_server("tcp") as peer, Session(timeouts=Timeouts(connect=0.5)) as http:
        with pytest.raises(
            ConnectTimeout, match=rf"no connection to its\.test:443 by the proxy .* within 0\.5 s, {phase}"
        ):
            _ = await http.get("https://its.test/", proxy=peer.url.replace("http", scheme))


async def test_a_timeout_inside_a_proxy_s_tls() -> None:
    async with raw_server("tls") as peer, Session(timeouts=Timeouts(connect=0.5)) as http:
        with pytest.raises(ConnectTimeout, match=r"while the proxy https://.* was asked for a tunnel"):
            _ = await http.get("https://its.test/", proxy=Proxy(peer.url, tls=own_tls()))


@pytest.mark.parametrize("kind", ["tcp", "tls"])
@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "before anything was asked"),
        (b"SSH-2.0-OpenSSH\r\n", "did not answer CONNECT"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "with 502 Bad Gateway"),
        (b"", "without a word"),
    ],
)
async def test_a_proxy_that_answers_oddly(kind: str, said: bytes, told: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)

    async with accepting(serve, server_context() if kind == "tls" else None) as port, Session() as http:
        proxy = Proxy(f"http://127.0.0.1:{port}")
        if kind == "tls":
            proxy = Proxy(f"https://127.0.0.1:{port}", tls=own_tls())
        with pytest.raises(ProxyError, match=told):
            _ = await http.get("https://its.test/", proxy=proxy)


@pytest.mark.parametrize("turns", range(0, 60, 3))
@pytest.mark.parametrize("outer", ["http", "https"])
async def test_cancelled_in_any_turn_it_leaves_no_socket(outer: str, turns: int) -> None:
    async with served(seen(), "tls") as here, http_proxy(tls=server_context() if outer == "https" else None) as proxy:
        before = set(os.listdir("/proc/self/fd"))
        through = Proxy(proxy.url, tls=own_tls() if outer == "https" else None)
        async with Session(proxy=through, tls=client_context()) as http:
            task = asyncio.ensure_future(http.get(f"{here.url}/").read())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            pool = repr(http)
        assert "0 waiting" in pool
        async with asyncio.timeout(5):
            while set(os.listdir("/proc/self/fd")) - before:  # noqa: ASYNC110 - the kernel tells of no change
                await asyncio.sleep(0)


# What may not be


async def test_no_proxy_before_an_application_in_memory_or_a_unix_socket() -> None:
    with pytest.raises(UseError, match=r"Session\(proxy=.*no proxy on the way"):
        Session(app=seen(), proxy="http://127.0.0.1:1")
    async with Session(app=seen()) as http:
        with pytest.raises(UseError, match="not behind one"):
            _ = http.get("/", proxy="http://127.0.0.1:1")
        assert (await http.get("/", proxy=None)).status == 200
