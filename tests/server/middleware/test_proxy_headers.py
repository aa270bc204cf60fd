"""Proxy headers: believed from the trusted, ignored from all others, refused where they are malformed."""

from __future__ import annotations

import json

import pytest

from toolkit import App, Request, UseError
from toolkit.server.middleware.proxy_headers import ProxyHeaders

from .asking import ask

X_ALL = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")


async def seen(middleware: ProxyHeaders, *fields: str) -> tuple[object, ...]:
    """What a handler sees: address, port, scheme, host, URL."""
    web = App()

    def handler(r: Request) -> dict[str, object]:
        return {"seen": [r.ip_host, r.ip_port, r.scheme, r.host, r.url]}

    web.get("/", middlewares=[middleware])(handler)
    answer = await ask(web, *fields)
    return tuple(json.loads(answer.body)["seen"]) if answer.status == 200 else (answer.status, answer.body)


async def test_the_client_is_who_the_trusted_say() -> None:
    told = await seen(ProxyHeaders(["memory"]), "x-forwarded-for: 1.1.1.1, 192.0.2.7:99", "x-forwarded-proto: https")
    assert told == ("192.0.2.7", 99, "https", "x", "https://x/")


async def test_from_anyone_else_nothing_is_believed() -> None:
    told = await seen(ProxyHeaders(["10.0.0.0/8"], X_ALL), "x-forwarded-for: 192.0.2.7", "x-forwarded-host: evil")
    assert told == ("memory", 0, "http", "x", "http://x/")


async def test_a_field_that_is_not_named_is_not_believed() -> None:
    told = await seen(ProxyHeaders(["memory"]), "x-forwarded-host: evil", "forwarded: for=192.0.2.7")
    assert told == ("memory", 0, "http", "x", "http://x/")


@pytest.mark.parametrize(
    ("addresses", "protos", "scheme"),
    [
        ("192.0.2.7", "https", "https"),
        ("192.0.2.7", "http, https", "https"),  # what a client had put in front
        ("192.0.2.7, 10.0.0.2", "https, http", "https"),  # the outer proxy's word on the client
        ("192.0.2.7, 10.0.0.2", "https", "https"),  # an inner proxy that overwrites
        ("192.0.2.7", "WSS", "https"),
        ("192.0.2.7", "ws", "http"),
        ("192.0.2.7", "javascript", "http"),
        ("", "https", "https"),
        ("unknown", "https", "https"),
    ],
)
async def test_the_scheme_is_what_the_client_used(addresses: str, protos: str, scheme: str) -> None:
    fields = [f"x-forwarded-proto: {protos}", *([f"x-forwarded-for: {addresses}"] if addresses else [])]
    assert (await seen(ProxyHeaders(["memory", "10.0.0.0/8"]), *fields))[2] == scheme


async def test_several_lines_are_one_list() -> None:
    told = await seen(ProxyHeaders(["memory", "10.0.0.0/8"]), "x-forwarded-for: 192.0.2.7", "X-Forwarded-For: 10.0.0.2")
    assert told[0] == "192.0.2.7"


async def test_the_host_is_what_the_client_asked_for() -> None:
    told = await seen(ProxyHeaders(["memory"], X_ALL), "x-forwarded-host: evil, example.org:8443")
    assert told[3:] == ("example.org:8443", "http://example.org:8443/")


@pytest.mark.parametrize("host", ["a/b", "a b", "user@a", "a:99999", "[::1", "a?x", "\u00e9"])
async def test_a_host_that_is_none_is_refused(host: str) -> None:
    status, _ = await seen(ProxyHeaders(["memory"], X_ALL), f"x-forwarded-host: {host}")
    assert status == 400


async def test_forwarded_is_read_whole() -> None:
    field = (
        'forwarded: for=9.9.9.9;proto=x, for="[2001:db8::7]:99";proto=https;host=example.org, for=10.0.0.2;proto=http'
    )
    told = await seen(ProxyHeaders(["memory", "10.0.0.0/8"], ["forwarded"]), field)
    assert told == ("2001:db8::7", 99, "https", "example.org", "https://example.org/")


async def test_a_proxy_may_hide_its_client_and_tell_the_scheme() -> None:
    told = await seen(ProxyHeaders(["memory"], ["forwarded"]), "forwarded: for=_hidden;proto=https")
    assert told == ("memory", 0, "https", "x", "https://x/")
    assert (await seen(ProxyHeaders(["memory"], ["forwarded"])))[0] == "memory"


async def test_a_malformed_field_is_refused_and_not_half_believed() -> None:
    status, body = await seen(ProxyHeaders(["memory"], ["forwarded"]), 'forwarded: for="x, for=192.0.2.7')
    assert status == 400
    assert b"malformed" in bytes(str(body), "utf-8")


@pytest.mark.parametrize("fields", [["x-real-ip"], ["forwarded", "x-forwarded-for"], []])
def test_fields_that_cannot_be_believed_together_are_told(fields: list[str]) -> None:
    with pytest.raises(UseError, match="fields="):
        ProxyHeaders(["10.0.0.0/8"], fields)
