"""Added headers: on every answer below, errors and streams included; and what browsers are asked not to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from toolkit import Abort, App, LocalProtocolError, Request, UseError
from toolkit.server.middleware.added_headers import AddedHeaders, SecurityHeaders
from toolkit.server.middleware.proxy_headers import ProxyHeaders

from .asking import ask

if TYPE_CHECKING:
    from collections.abc import Callable


def returned(r: Request) -> str:
    return "x"


def aborted(r: Request) -> None:
    raise Abort("no", 404)


def failed(r: Request) -> None:
    raise ValueError


async def streamed(r: Request) -> None:
    await r.prepare({"x-own": "1"})
    await r.write(b"x")


@pytest.mark.parametrize("handler", [returned, aborted, failed, streamed])
async def test_they_are_on_every_answer(handler: Callable[[Request], object]) -> None:
    web = App()
    web.get("/", middlewares=[AddedHeaders({"x-a": "1", "x-b": ["2", "3"]})])(handler)
    answer = await ask(web)
    assert (answer.get("x-a"), answer.get("x-b")) == ("1", "2, 3")


def test_what_cannot_be_sent_is_told_at_once() -> None:
    with pytest.raises(LocalProtocolError):
        AddedHeaders({"x-a": "a\nb"})
    with pytest.raises(UseError, match="without a header"):
        AddedHeaders({})


async def test_security_headers() -> None:
    web = App()
    web.get("/", middlewares=[SecurityHeaders(hsts=1000)])(returned)
    answer = await ask(web)
    assert answer.get("x-content-type-options") == "nosniff"
    assert "frame-ancestors 'none'" in (answer.get("content-security-policy") or "")
    assert answer.get("referrer-policy") == "strict-origin-when-cross-origin"
    assert answer.get("cross-origin-opener-policy") == "same-origin"
    assert answer.get("strict-transport-security") is None  # over http it means nothing (RFC 6797 7.2)


async def test_hsts_is_for_https_and_fields_may_be_left_out() -> None:
    web = App()
    middleware = SecurityHeaders(None, None, None, nosniff=False, hsts=1000)
    web.get("/", middlewares=[ProxyHeaders(["memory"]), middleware])(returned)
    answer = await ask(web, "x-forwarded-proto: https")
    assert {name for name, _ in answer.fields} == {
        "content-type",
        "content-length",
        "date",
        "strict-transport-security",
    }
    assert answer.get("strict-transport-security") == "max-age=1000"
