"""Request ids: in answers and log lines, taken over only from the trusted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from toolkit import Abort, App, LocalProtocolError, Request
from toolkit.logs.lines import REQUEST_ID
from toolkit.server.access_log import AccessEntry, AccessLog
from toolkit.server.middleware.request_id import RequestID

from .asking import ask

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN = "x-request-id: from-outside"


def application(middleware: RequestID, handler: Callable[[Request], object] | None = None) -> App:
    web = App()
    web.get("/", middlewares=[middleware])(handler or (lambda r: f"{r.request_id} {REQUEST_ID.get()}"))
    return web


async def test_each_request_has_its_own() -> None:
    web = application(RequestID())
    first, second = await ask(web), await ask(web)
    names = [first.get("x-request-id"), second.get("x-request-id")]
    assert None not in names
    assert names[0] != names[1]
    assert first.body.decode() == f"{names[0]} {names[0]}"
    assert REQUEST_ID.get() is None


async def test_a_stranger_s_is_not_taken_over() -> None:
    assert (await ask(application(RequestID(trusted=["10.0.0.0/8"])), PLAIN)).get("x-request-id") != "from-outside"
    assert (await ask(application(RequestID(trusted=["memory"])), PLAIN)).get("x-request-id") == "from-outside"


@pytest.mark.parametrize("brought", ["", "a b", "x" * 129, 'a"b', "\u00e9", "a;b", "<script>"])
async def test_nor_is_one_that_is_none(brought: str) -> None:
    web = application(RequestID(trusted=["memory"], make=lambda: "new"))
    assert (await ask(web, f"x-request-id: {brought}")).get("x-request-id") == "new"


async def test_another_field() -> None:
    web = application(RequestID("x-trace", trusted=["memory"]))
    assert (await ask(web, "X-Trace: 4bf92f3577b34da6")).get("x-trace") == "4bf92f3577b34da6"
    with pytest.raises(LocalProtocolError):
        RequestID("x trace")


async def test_errors_have_it_too() -> None:
    def handler(r: Request) -> None:
        raise Abort("no", 404)

    answer = await ask(application(RequestID(make=lambda: "abc"), handler))
    assert (answer.status, answer.get("x-request-id")) == (404, "abc")


async def test_the_access_log_knows_it() -> None:
    found: list[AccessEntry] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert isinstance(record.msg, AccessEntry)
            found.append(record.msg)

    logger = logging.getLogger("toolkit.access")
    keep = Keep()
    logger.addHandler(keep)
    try:
        web = App(access_log=AccessLog())
        web.get("/", middlewares=[RequestID(make=lambda: "abc")])(lambda r: "x")
        await ask(web)
        await ask(web, path="/nowhere")
    finally:
        logger.removeHandler(keep)
    assert [entry.request_id for entry in found] == ["abc", None]
