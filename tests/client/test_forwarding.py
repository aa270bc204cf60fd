"""Heads for a proxy that asks in our place (RFC 9112 3.2.2)."""

from __future__ import annotations

import pytest

from toolkit import Proxy
from toolkit.client.forwarding import Forward, says_keep_alive

PLAIN = Proxy("http://p.test")
KNOWN = Proxy("http://p.test", credentials=("a", "b"))
AUTH = b"proxy-authorization: Basic YTpi\r\n"


@pytest.mark.parametrize(
    ("host", "port", "line", "dressed"),
    [
        ("a.test", 80, b"GET / HTTP/1.1", b"GET http://a.test/ HTTP/1.1"),
        ("a.test", 81, b"GET /x?y HTTP/1.1", b"GET http://a.test:81/x?y HTTP/1.1"),
        ("::1", 80, b"PUT //x HTTP/1.1", b"PUT http://[::1]//x HTTP/1.1"),
        ("::1", 81, b"GET / HTTP/1.1", b"GET http://[::1]:81/ HTTP/1.1"),
        ("a.test", 80, b"OPTIONS * HTTP/1.1", b"OPTIONS http://a.test HTTP/1.1"),
        ("a.test", 80, b"OPTIONS /* HTTP/1.1", b"OPTIONS http://a.test/* HTTP/1.1"),
        ("a.test", 80, b"CONNECT b.test:22 HTTP/1.1", b"CONNECT b.test:22 HTTP/1.1"),
    ],
)
def test_the_target_is_the_whole_url(host: str, port: int, line: bytes, dressed: bytes) -> None:
    rest = b"\r\nhost: a.test\r\n\r\n"
    assert Forward(host, port, PLAIN).dress(line + rest) == dressed + rest


def test_the_proxy_s_fields_come_last() -> None:
    head = Forward("a.test", 80, KNOWN).dress(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")
    assert head == b"GET http://a.test/ HTTP/1.1\r\nhost: a.test\r\n" + AUTH + b"\r\n"


def test_a_caller_s_own_word_for_a_field_counts() -> None:
    own = b"GET / HTTP/1.1\r\nhost: a.test\r\nProxy-Authorization: Bearer x\r\n\r\n"
    assert Forward("a.test", 80, KNOWN).dress(own) == own.replace(b"GET /", b"GET http://a.test/")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (b"Connection", b"Keep-Alive", True),
        (b"Proxy-Connection", b"keep-alive", True),
        (b"connection", b"close", False),
        (b"keep-alive", b"timeout=5", False),
    ],
)
def test_what_says_that_a_connection_stays(name: bytes, value: bytes, said: bool) -> None:
    assert says_keep_alive([(b"via", b"1.1 x"), (name, value)]) is said
