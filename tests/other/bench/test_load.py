"""The connections of a request load: every request ends in exactly one way, and each way has its name."""

from __future__ import annotations

import asyncio
import gc
import ssl
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.helpers.raw import Raw, raw_server
from tests.helpers.served import served
from tests.helpers.tls import authority
from toolkit import App, ConnectError
from toolkit.other.bench.load import Connection, HttpLoad, failure

from .drive import OK, PATIENCE, QUICK, driven, finished, scripted, until

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

    from toolkit import Request

HEAD_END = b"\r\n\r\n"


def application() -> App:
    web = App()

    @web.get("/small")
    def small(r: Request) -> str:
        return "hello"

    @web.get("/chunked")
    async def chunked(r: Request) -> None:
        await r.prepare()
        for _ in range(3):
            await r.write(b"abc")

    @web.get("/large")
    def large(r: Request) -> bytes:
        return bytes(300_000)

    @web.post("/length")
    async def length(r: Request) -> str:
        return str(len(await r.read()))

    return web


@pytest.mark.parametrize("pipeline", [1, 4])
@pytest.mark.parametrize("path", ["/small", "/chunked", "/large", "/none"])
@pytest.mark.parametrize("kind", ["tcp", "unix", "tls"])
async def test_every_request_is_answered(kind: str, path: str, pipeline: int, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    authority().cert_pem.write_to_path(ca)
    async with served(application(), kind) as here:
        options = replace(
            QUICK,
            url=here.url + path,
            unix=here.path,
            connections=3,
            pipeline=pipeline,
            check=True,
            ca=str(ca) if kind == "tls" else None,
        )
        async with driven(options) as load:
            load.pacer.begin_closed(50)
            record = await finished(load)
            assert record.counts.answers == 50
            if path == "/none":
                assert (record.statuses, record.errors) == ({404: 50}, {"status 404": 50})
            else:
                assert (record.statuses, record.errors) == ({200: 50}, {})
            assert len(record.latencies) == 50
            assert record.counts.received > 50 * (300_000 if path == "/large" else 20)
            assert record.counts.sent == 50 * len(load.request)
            assert record.counts.opened == 3


async def test_bodies_and_methods_arrive() -> None:
    async with served(application(), "tcp") as here:
        post = replace(QUICK, url=f"{here.url}/length", method="POST", body=bytes(200_000), check=True)
        async with driven(post) as load:
            load.pacer.begin_closed(5)
            record = await finished(load)
            assert (record.statuses, record.errors) == ({200: 5}, {})
            assert load.heads.reference == b"200000"
        async with driven(replace(QUICK, url=f"{here.url}/large", method="HEAD")) as load:
            load.pacer.begin_closed(5)
            record = await finished(load)
            assert record.statuses == {200: 5}
            assert record.counts.received < 5000


async def test_a_new_connection_for_each_request() -> None:
    async with served(application(), "tcp") as here:
        options = replace(QUICK, url=f"{here.url}/small", keep_alive=False, connections=2)
        async with driven(options) as load:
            load.pacer.begin_closed(7)
            record = await finished(load)
            assert (record.statuses, record.errors) == ({200: 7}, {})
            assert record.counts.opened >= 7
            assert record.latencies.summary().least >= 1


@pytest.mark.parametrize("answer", [OK, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"])
async def test_a_new_connection_for_each_request_whatever_the_server_thinks_of_it(answer: bytes) -> None:
    asked = []

    async def goes_on(raw: Raw, number: int) -> None:
        while True:
            asked.append((number, await ask(raw)))
            await raw.send(answer)

    async with scripted(goes_on, keep_alive=False) as load:
        load.pacer.begin_closed(6)
        record = await finished(load)
        assert (record.errors, record.statuses) == ({}, {200: 6})
    assert len({number for number, _ in asked}) == len(asked) == 6
    assert all(b"\r\nconnection: close\r\n" in request for _, request in asked)


# -- how requests fail -----------------------------------------------------------------------------------------------


async def ask(raw: Raw) -> bytes:
    return await raw.until(HEAD_END)


async def resets(raw: Raw, number: int) -> None:
    await ask(raw)
    raw.reset()


async def closes(raw: Raw, number: int) -> None:
    await ask(raw)
    await raw.close()


async def breaks_off(raw: Raw, number: int) -> None:
    await ask(raw)
    await raw.send(OK[:-1])
    await raw.close()


async def talks_nonsense(raw: Raw, number: int) -> None:
    await ask(raw)
    await raw.send(b"220 smtp.example.org\r\n")


async def says_too_much(raw: Raw, number: int) -> None:
    await ask(raw)
    await raw.send(OK + OK)


async def refuses(raw: Raw, number: int) -> None:
    while True:
        await ask(raw)
        await raw.send(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("script", "errors", "answers"),
    [
        (resets, {"reset": 1}, 0),
        (closes, {"closed": 1}, 0),
        (breaks_off, {"cut short": 1}, 0),
        (talks_nonsense, {"malformed": 1}, 0),
        (refuses, {"status 503": 1}, 1),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_request_that_fails_is_counted_once_by_its_kind(
    script: type, errors: dict[str, int], answers: int
) -> None:
    async with scripted(script) as load:
        load.pacer.begin_closed(1)
        record = await finished(load)
        assert record.errors == errors
        assert record.counts.answers == len(record.latencies) == answers


async def test_a_load_goes_on_after_each_failure() -> None:
    async def every_second(raw: Raw, number: int) -> None:
        while True:
            await ask(raw)
            if number % 2:
                await raw.send(OK)
            else:
                raw.reset()
                return

    async with scripted(every_second, connections=4) as load:
        load.pacer.begin_closed(40)
        record = await finished(load)
        assert record.counts.answers + record.errors["reset"] == 40
        assert record.counts.answers >= 20
        assert set(record.errors) == {"reset"}


async def test_what_nobody_asked_for_is_an_error_and_no_answer() -> None:
    async with scripted(says_too_much) as load:
        load.pacer.begin_closed(1)
        record = await finished(load)
        await until(lambda: record.errors)  # both came in one segment, or the second in its own
        assert record.errors == {"unasked": 1}
        assert record.counts.answers == 1


async def test_a_wrong_body_is_an_error() -> None:
    async def counts(raw: Raw, number: int) -> None:
        for at in range(3):
            await ask(raw)
            await raw.send(OK if at != 1 else OK[:-2] + b"no")

    async with scripted(counts, check=True) as load:
        load.pacer.begin_closed(3)
        record = await finished(load)
        assert (record.errors, record.statuses) == ({"wrong body": 1}, {200: 3})


CLOSING = OK.replace(HEAD_END, b"\r\nconnection: close\r\n\r\n")


@pytest.mark.parametrize(
    "last", [CLOSING, b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", b"HTTP/1.1 200 OK\r\n\r\nuntil the end"]
)
async def test_an_orderly_end_is_no_error(last: bytes) -> None:
    async def one_each(raw: Raw, number: int) -> None:
        await ask(raw)
        await raw.send(last)
        await raw.close()

    async with scripted(one_each) as load:
        load.pacer.begin_closed(5)
        record = await finished(load)
        assert (record.errors, record.statuses) == ({}, {200: 5})


async def test_a_connection_that_ends_between_two_requests_is_replaced() -> None:
    async def one_each(raw: Raw, number: int) -> None:
        await ask(raw)
        await raw.send(OK)
        await raw.close()

    async with scripted(one_each) as load:
        for number in range(1, 4):
            load.pacer.begin_closed(1)
            record = await finished(load)
            assert (record.errors, record.counts.answers) == ({}, number)
            await until(lambda: load.record.counts.opened == number + 1)  # noqa: B023 - it is called in this round


async def test_what_a_pipeline_does_not_answer_is_sent_again() -> None:
    """RFC 9112 9.3.2: requests behind the answer that says `close` were not looked at."""
    seen = 0

    async def two_each(raw: Raw, number: int) -> None:
        nonlocal seen
        for answer in (OK, CLOSING):
            await ask(raw)
            seen += 1
            await raw.send(answer)

    async with scripted(two_each, pipeline=3) as load:
        load.pacer.begin_closed(10)
        record = await finished(load)
        assert (record.errors, record.statuses, seen) == ({}, {200: 10}, 10)


async def test_what_a_pipeline_does_not_answer_after_the_end_is_unfinished() -> None:
    allowed = asyncio.Event()

    async def one(raw: Raw, number: int) -> None:
        await ask(raw)
        await allowed.wait()
        await raw.send(CLOSING)

    async with scripted(one, pipeline=3) as load:
        load.pacer.begin_closed(None)
        assert load.pacer.end(time.monotonic_ns()) == {}
        allowed.set()
        record = await finished(load)
        assert (record.errors, record.statuses) == ({"unfinished": 2}, {200: 1})


async def test_all_requests_of_a_pipeline_fail_together() -> None:
    async with scripted(resets, pipeline=5) as load:
        load.pacer.begin_closed(5)
        record = await finished(load)
        assert record.errors == {"reset": 5}


async def silent(raw: Raw, number: int) -> None:
    await raw.rest()


@pytest.mark.parametrize("pipeline", [1, 3])
async def test_a_request_times_out_and_its_age_is_a_latency(pipeline: int) -> None:
    async with scripted(silent, pipeline=pipeline, timeout=5.0) as load:
        load.pacer.begin_closed(pipeline)
        now = time.monotonic_ns()
        load.sweep(now)
        load.sweep(now + 5 * 10**9)
        assert load.record.errors == {}
        load.sweep(now + 5 * 10**9 + 1)
        record = await finished(load)
        assert record.errors == {"timeout": pipeline}
        assert len(record.latencies) == pipeline
        assert record.latencies.summary().most == pytest.approx(5e9, rel=0.2)


async def test_an_answer_in_time_is_no_timeout() -> None:
    async with served(application(), "tcp") as here, driven(replace(QUICK, url=f"{here.url}/small")) as load:
        now = time.monotonic_ns()
        for number in range(3):
            load.pacer.begin_closed(1)
            await finished(load)
            load.sweep(now + number * 3_600 * 10**9)
        assert load.record.errors == {}


async def test_what_is_given_up_is_unfinished() -> None:
    async with scripted(silent, connections=3) as load:
        load.pacer.begin_closed(2)
        load.pacer.end(time.monotonic_ns())
        load.give_up(time.monotonic_ns() + 10**9)
        record = await finished(load)
        assert record.errors == {"unfinished": 2}
        assert record.latencies.summary().least >= 0.99 * 10**9


# -- connections that cannot be made ---------------------------------------------------------------------------------


async def test_a_server_that_cannot_be_reached_is_told_at_once(tmp_path: Path) -> None:
    async with raw_server("tcp") as server:
        address = server.url
    for change, words in (
        ({"url": address}, "cannot connect to 127.0.0.1"),
        ({"url": address, "unix": str(tmp_path / "none")}, "cannot connect to .*none"),
    ):
        load = HttpLoad(replace(QUICK, **change))  # type: ignore[arg-type]  # by name
        with pytest.raises(ConnectError, match=words):
            await load.open()
        await load.close()


async def test_a_certificate_is_verified_unless_told_otherwise() -> None:
    async with served(application(), "tls") as here:
        load = HttpLoad(replace(QUICK, url=f"{here.url}/small"))
        with pytest.raises(ConnectError, match=r"not to be trusted.*--ca and --insecure"):
            await load.open()
        await load.close()
        async with driven(replace(QUICK, url=f"{here.url}/small", insecure=True)) as trusting:
            trusting.pacer.begin_closed(1)
            assert (await finished(trusting)).statuses == {200: 1}


async def test_a_connection_takes_no_longer_than_the_timeout() -> None:
    async with raw_server("tcp") as server:  # no TLS there: nobody answers the handshake
        url = server.url.replace("http:", "https:")
        load = HttpLoad(replace(QUICK, url=url, insecure=True, timeout=0.05))
        with pytest.raises(ConnectError, match=r"no connection to 127.0.0.1:\d+ within 0.05 s"):
            await load.open()
        await load.close()


async def test_a_server_that_goes_away_is_tried_again_and_counted() -> None:
    async with raw_server("tcp") as server:
        load = HttpLoad(replace(QUICK, url=server.url))
        await load.open()
        first = await server.accept()
    load.pacer.begin_closed(None)
    first.reset()
    await until(lambda: load.record.errors["refused"] >= 2)
    assert not load.is_alive
    await load.close()
    assert load.record.errors["reset"] <= 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(), "refused"),
        (ConnectionResetError(), "reset"),
        (BrokenPipeError(), "reset"),
        (ssl.SSLError(), "tls"),
        (TimeoutError(), "connect timeout"),
        (OSError(), "network"),
    ],
)
def test_every_error_of_the_system_has_a_kind(error: OSError, kind: str) -> None:
    assert failure(error) == kind


# -- speed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pipeline", "most"), [(1, 1.0), (8, 1.0)])
async def test_the_usual_answer_costs_one_python_frame(pipeline: int, most: float) -> None:
    """Counted, not timed: what is called within the load generator while a thousand answers come in."""
    calls: list[str] = []
    package = Connection.__module__.replace(".", "/").rpartition("/")[0]

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and package in frame.f_code.co_filename:
            calls.append(frame.f_code.co_qualname)

    async with served(application(), "tcp") as here:
        options = replace(QUICK, url=f"{here.url}/small", connections=4, pipeline=pipeline)
        async with driven(options) as load:
            load.pacer.begin_closed(100)  # the head is known from here on, but for the turn of a second
            await finished(load)
            gc.collect()
            sys.setprofile(count)
            try:
                load.pacer.begin_closed(2000)
                async with asyncio.timeout(PATIENCE):
                    await load.pacer.quiet.wait()
            finally:
                sys.setprofile(None)
    assert len(calls) <= 2000 * most + 250, calls[-50:]
    assert set(calls) >= {"Pipelined.data_received" if pipeline > 1 else "Connection.data_received"}


async def test_a_closed_loop_hides_a_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is the server's here: a millisecond for an answer, and once a second. One request in a hundred sees it."""
    now = 0
    web = App()

    @web.get("/")
    def stall(r: Request) -> str:
        nonlocal now
        now += 10**9 if now == 50 * 10**6 else 10**6
        return "x"

    monkeypatch.setattr("toolkit.other.bench.load.clock", lambda: now)
    monkeypatch.setattr("toolkit.other.bench.pacer.clock", lambda: now)
    async with served(web, "tcp") as here, driven(replace(QUICK, url=f"{here.url}/")) as load:
        load.pacer.begin_closed(1000)
        record = await finished(load)
    found = record.latencies.percentiles((50.0, 99.9, 100.0))
    assert found[50.0] == found[99.9] == pytest.approx(10**6, rel=0.001)
    assert found[100.0] == pytest.approx(10**9, rel=0.001)
    corrected = record.latencies.corrected(10**6)  # one was expected every millisecond
    assert len(corrected) == pytest.approx(2000, rel=0.01)
    assert corrected.percentiles((75.0,))[75.0] == pytest.approx(0.5 * 10**9, rel=0.01)
