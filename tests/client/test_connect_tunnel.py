"""Asking for a tunnel, and the answers to it, however their bytes are cut (RFC 9110 9.3.6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit import Proxy
from toolkit.client.connect_tunnel import TunnelAnswer, connect_request, named
from toolkit.errors import ProxyError

PROXY = Proxy("http://p.test:3128")
KNOWN = Proxy("http://p.test:3128", credentials=("a", "b"))

GOOD = [
    b"HTTP/1.1 200 Connection established\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nProxy-Agent: x\r\n\r\n",
    b"HTTP/1.1 200\r\n\r\n",
    b"HTTP/1.1 204 No\r\ncontent-length: 7\r\n\r\n",  # 9.3.6: a client ignores what it says of a body
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.0 200 OK\nserver: old\n\n",
]
BAD: list[tuple[bytes, int | None, str]] = [
    (b"HTTP/1.1 403 Forbidden\r\ncontent-length: 11\r\n\r\n<p>No</p>\r\n", 403, "with 403 Forbidden: No"),
    (b"HTTP/1.1 502\r\n\r\n", 502, "with 502 Bad Gateway"),
    (b"HTTP/1.1 301 Moved\r\nlocation: x\r\n\r\n", 301, "with 301 Moved"),
    (b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\n\r\n", 407, r"give Proxy\(..., cred.*asks for Basic\)"),
    (b"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\n\r\n", 407, r"only Basic is known here \(it asks for NTLM\)"),
    (b"HTTP/1.1 403 \x1b[31mred\r\n\r\n", 403, r"with 403 \[31mred"),
    (b"HTTP/1.1 200 OK\r\n\r\nSSH-2.0", None, "before anything was asked"),
    (b"HTTP/2 200\r\n\r\n", None, "it answered b'HTTP/2"),
    (b"HTTP/1.1 abc\r\n\r\n", None, "it answered b'HTTP/1.1 abc"),
    (b"\x15\x03\x01\x00\x02\x02\x16", None, "did not answer CONNECT a.test:443 as an HTTP proxy does"),
    (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 66000, None, "it answered b'HTTP/1.1 200"),
    (b"", None, "without a word"),
    (b"HTTP/1.1 200 OK\r\n", None, "without a word"),
    (b"HTTP/1.1 500 No\r\ncontent-length: 999\r\n\r\nhalf a page", 500, "with 500 No: half a page"),
]


def fed(data: bytes, cuts: list[int], proxy: Proxy = PROXY) -> bool:
    answer = TunnelAnswer(proxy, "a.test:443")
    at = 0
    for cut in sorted({min(cut, len(data)) for cut in cuts} | {len(data)}):
        if cut > at and answer.feed(data[at:cut]):
            return True
        at = cut
    return answer.feed(b"")


def test_the_request() -> None:
    assert connect_request("a.test", 443, PROXY) == b"CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\n"
    head = connect_request("::1", 80, KNOWN)
    assert head == b"CONNECT [::1]:80 HTTP/1.1\r\nhost: [::1]:80\r\nproxy-authorization: Basic YTpi\r\n\r\n"
    assert named("::1", 1) == "[::1]:1"


@given(st.sampled_from(GOOD), st.lists(st.integers(0, 80)))
def test_a_tunnel_is_there_after_a_head_of_2xx(data: bytes, cuts: list[int]) -> None:
    assert fed(data, cuts)


@pytest.mark.parametrize(("data", "status", "told"), BAD)
def test_anything_else_is_an_error_that_shows_it(data: bytes, status: int | None, told: str) -> None:
    for cuts in ([], list(range(120))):
        if cuts and "before anything" in told:
            continue  # whole: what comes later is seen by whoever reads then
        with pytest.raises(ProxyError, match=told) as caught:
            fed(data, cuts)
        assert caught.value.status == status
        assert str(caught.value).isprintable()


def test_credentials_that_are_not_accepted() -> None:
    with pytest.raises(ProxyError, match="it does not accept these credentials"):
        fed(b"HTTP/1.1 407 No\r\nproxy-authenticate: Basic\r\n\r\n", [], KNOWN)


def test_a_page_is_cut_and_without_its_markup() -> None:
    page = b"<html><title>t</title><style>p {}</style><h1>Access   denied</h1><!-- x --><p>" + b"why " * 100
    with pytest.raises(ProxyError, match=r"403 Forbidden: Access denied why why .*\.\.\.$") as caught:
        fed(b"HTTP/1.1 403 Forbidden\r\ncontent-length: %d\r\n\r\n" % len(page) + page, [])
    assert len(str(caught.value)) < 400


@given(st.binary(max_size=200))
def test_any_bytes_are_a_tunnel_or_a_proxy_error(data: bytes) -> None:
    answer = TunnelAnswer(PROXY, "a.test:443")
    try:
        answer.feed(b"HTTP/1.1 " + data)
    except ProxyError:
        return
