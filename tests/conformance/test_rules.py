"""The rules of ends, order of calls, forbidden bytes and lasting metadata, one by one, in memory."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import chunk, read_answer, read_request
from tests.helpers.lockstep import lockstep
from tests.helpers.raw import raw_server
from tests.helpers.rules import END, GET, app_of, raised, sent_for
from tests.helpers.served import served
from toolkit import (
    Abort,
    Disconnected,
    LocalProtocolError,
    PoolLimits,
    Session,
    StatusError,
    UseError,
)

if TYPE_CHECKING:
    from tests.helpers.raw import Raw, RawServer
    from toolkit import Request


# --- ends ---


async def test_eof_after_the_end_does_nothing_and_with_data_is_a_use_error() -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> None:
        await r.prepare()
        await r.eof(b"last")
        seen.append(await raised(r.eof()))
        seen.append(await raised(r.eof(b"more")))
        seen.append(await raised(r.write(b"more")))

    sent = await sent_for(handler)
    assert sent.count(END) == 1
    assert sent.endswith(chunk(b"last") + END)
    assert seen[0] is None
    assert isinstance(seen[1], UseError)
    assert isinstance(seen[2], UseError)


async def test_eof_short_of_the_promised_length_aborts_and_raises() -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> None:
        await r.prepare({"content-length": "10"})
        await r.write(b"1234")
        seen.append(await raised(r.eof()))

    sent = await sent_for(handler)
    assert isinstance(seen[0], LocalProtocolError)
    assert "10" in str(seen[0]), "the promise is named"
    assert "6" in str(seen[0]), "and what is missing"
    assert b"12345" not in sent
    assert sent.count(b"HTTP/1.1") <= 1


async def test_a_handler_that_returns_short_of_its_length_aborts() -> None:
    async def handler(r: Request) -> None:
        await r.prepare({"content-length": "10"})
        await r.write(b"1234")

    async with served(app_of(handler)) as here:
        raw = await here.raw()
        await raw.send(GET + GET)
        try:
            rest = await raw.rest()
        except ConnectionError:
            rest = bytes(raw.buffer)
        assert rest.count(b"HTTP/1.1") <= 1, "the connection must not be used again"


async def test_more_than_promised_is_an_error_before_anything_of_it_is_sent() -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> None:
        await r.prepare({"content-length": "4"})
        await r.write(b"12")
        seen.append(await raised(r.write(b"345")))
        await r.write(b"34")

    sent = await sent_for(handler)
    assert isinstance(seen[0], LocalProtocolError)
    assert sent.endswith(b"\r\n\r\n1234")


async def test_more_than_promised_on_the_client_too() -> None:
    async def handler(r: Request) -> bytes:
        return await r.read()

    async with Session(app=app_of(handler)) as http, http.post("/", {"content-length": "4"}) as x:
        with pytest.raises(LocalProtocolError, match="POST"):
            await x.write(b"12345")
        await x.write(b"1234")
        assert await x.read() == b"1234"


async def test_an_empty_write_does_nothing() -> None:
    async def handler(r: Request) -> None:
        await r.prepare()
        await r.write(b"")
        await r.write(b"one")
        await r.write(b"")
        await r.write(bytearray())
        await r.write(memoryview(b""))

    assert (await sent_for(handler)).endswith(b"\r\n\r\n" + chunk(b"one") + END)


@pytest.mark.parametrize("where", ["except", "finally", "context"])
async def test_eof_while_another_exception_is_handled_aborts_and_returns(where: str) -> None:
    """A handler that tidies up by `eof` must not make its failure look like a whole answer."""
    seen: list[BaseException | None] = []

    class Tidy:
        def __init__(self, r: Request) -> None:
            self.r = r

        async def __aenter__(self) -> None: ...

        async def __aexit__(self, *_: object) -> None:
            seen.append(await raised(self.r.eof()))

    async def handler(r: Request) -> None:
        await r.prepare()
        await r.write(b"half")
        if where == "context":
            async with Tidy(r):
                raise ValueError
        try:
            raise ValueError
        except ValueError:
            if where == "except":
                seen.append(await raised(r.eof()))
                return
            raise
        finally:
            if where == "finally":
                seen.append(await raised(r.eof()))

    sent = await sent_for(handler)
    assert seen == [None]
    assert not sent.endswith(END)


async def test_raised_before_the_head_is_an_error_answer() -> None:
    async def fails(r: Request) -> None:
        raise ValueError("a secret")

    async with served(app_of(fails)) as here:
        raw = await here.raw()
        await raw.send(GET)
        answer = await read_answer(raw)
        assert answer.status == 500
        assert b"secret" not in answer.body


@pytest.mark.parametrize(("status", "message"), [(403, "no"), (404, "nowhere"), (302, "")])
async def test_abort_is_an_answer_with_a_length(status: int, message: str) -> None:
    async def refuses(r: Request) -> None:
        raise Abort(message, status, {"x-why": "because", "location": "/again"})

    async with served(app_of(refuses)) as here:
        raw = await here.raw()
        for _ in range(2):  # and the connection goes on
            await raw.send(GET)
            answer = await read_answer(raw)
            assert answer.status == status
            assert answer.get("content-length") is not None
            assert answer.get("x-why") == "because"
            assert message.encode() in answer.body


async def test_one_message_ends_once_however_often_everybody_says_so() -> None:
    """eof by the handler, at its return, and by its context: one terminator (the seed sent three)."""

    async def handler(r: Request) -> None:
        await r.prepare()
        try:
            await r.write(b"x")
        finally:
            await r.eof()
            await r.eof(b"")

    async with served(app_of(handler)) as here:
        raw = await here.raw()
        await raw.send(GET + GET)
        for _ in range(2):
            assert (await read_answer(raw)).body == b"x"


# --- order of calls on a server ---


@pytest.mark.parametrize("verb", ["write", "write_chunked", "relay"])
async def test_writing_without_prepare_is_a_use_error_and_nothing_is_sent(verb: str) -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> str:
        argument: object = io.BytesIO(b"x") if verb == "relay" else b"x"
        seen.append(await raised(getattr(r, verb)(argument)))
        return "whole"

    sent = await sent_for(handler)
    assert isinstance(seen[0], UseError)
    assert "prepare" in str(seen[0])
    assert verb in str(seen[0])
    assert sent.count(b"HTTP/1.1") == 1
    assert sent.endswith(b"\r\n\r\nwhole")


async def test_a_value_returned_after_prepare_is_a_use_error_and_an_abort() -> None:
    async def handler(r: Request) -> str:
        await r.prepare()
        await r.write(b"streamed")
        return "and a value"

    sent = await sent_for(handler)
    assert b"and a value" not in sent
    assert not sent.endswith(END)


async def test_prepare_twice_is_a_use_error() -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> None:
        await r.prepare()
        seen.append(await raised(r.prepare()))
        await r.write(b"x")

    sent = await sent_for(handler)
    assert isinstance(seen[0], UseError)
    assert sent.endswith(chunk(b"x") + END)


async def test_eof_with_data_and_no_prepare_is_a_whole_200() -> None:
    async def handler(r: Request) -> None:
        await r.eof(b"whole")

    async with served(app_of(handler)) as here:
        raw = await here.raw()
        await raw.send(GET)
        answer = await read_answer(raw)
        assert (answer.status, answer.get("content-length"), answer.body) == (200, "5", b"whole")


async def test_none_returned_is_204_if_nothing_was_prepared() -> None:
    async def handler(r: Request) -> None:
        return None

    async with Session(app=app_of(handler)) as http:
        assert (await http.get("/")).status == 204


async def test_write_chunked_after_a_promised_length_is_an_error() -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> None:
        await r.prepare({"content-length": "4"})
        seen.append(await raised(r.write_chunked(b"1234")))
        await r.write(b"1234")

    sent = await sent_for(handler)
    assert isinstance(seen[0], UseError | LocalProtocolError)
    assert sent.endswith(b"\r\n\r\n1234")


async def test_concurrent_writes_are_atomic_in_call_order() -> None:
    async with lockstep("memory") as script:
        await script.server.prepare()
        await script.client.head()
        r = await script.server.x()
        blocks = [bytes([number]) * 300_000 for number in range(10)]
        writing = [asyncio.ensure_future(r.write(block)) for block in blocks]
        await script.client.sees(b"".join(blocks))
        await asyncio.gather(*writing)
        await script.client.eof()
        await script.server.sees_end()


@pytest.mark.parametrize(
    ("value", "status", "kind", "body"),
    [
        ({"a": 1}, 200, "application/json", b'{"a":1}'),
        ([1, 2], 200, "application/json", b"[1,2]"),
        ("tëxt", 200, "text/plain; charset=utf-8", "tëxt".encode()),
        (b"bytes", 200, "application/octet-stream", b"bytes"),
        ((201, {"a": 1}), 201, "application/json", b'{"a":1}'),
        ((202, "text", {"x-more": "1"}), 202, "text/plain; charset=utf-8", b"text"),
    ],
    ids=["dict", "list", "str", "bytes", "pair", "triple"],
)
async def test_returned_values_are_answers(value: object, status: int, kind: str, body: bytes) -> None:
    async def handler(r: Request) -> object:
        return value

    async with Session(app=app_of(handler)) as http:
        answer = await http.get("/")
        assert (answer.status, answer.content_type, answer.content) == (status, kind, body)
        assert answer.headers["content-length"] == str(len(body))


# --- bytes that may not be sent ---

BAD = ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b"]


@pytest.mark.parametrize("bad", BAD)
async def test_a_server_sends_no_bad_header_value_name_or_reason(bad: str) -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> str:
        seen.append(await raised(r.prepare({"x-value": bad})))
        seen.append(await raised(r.prepare({bad: "value"})))
        seen.append(await raised(r.inform(103, {"x-value": bad})))
        seen.append(await raised(r.prepare({"x y": "value"})))
        seen.append(await raised(r.prepare({"": "value"})))
        return "whole"

    sent = await sent_for(handler)
    assert [type(error) for error in seen] == [LocalProtocolError] * 5
    assert sent.count(b"HTTP/1.1") == 1
    assert sent.endswith(b"whole")
    assert b"evil" not in sent


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_header_returned_or_aborted_with_is_a_500_without_it(bad: str) -> None:
    async def returns(r: Request) -> object:
        return 200, "text", {"x-value": bad}

    async def aborts(r: Request) -> None:
        raise Abort("no", 403, {"x-value": bad})

    for handler in (returns, aborts):
        sent = await sent_for(handler)
        assert sent.startswith(b"HTTP/1.1 500 ")
        assert b"evil" not in sent


@pytest.mark.parametrize("bad", BAD)
async def test_bad_trailers_are_not_sent(bad: str) -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> None:
        await r.prepare()
        await r.write(b"x")
        seen.append(await raised(r.eof(trailers={"x-value": bad})))

    sent = await sent_for(handler)
    assert isinstance(seen[0], LocalProtocolError)
    assert b"evil" not in sent


@pytest.mark.parametrize("bad", [*BAD, "a b"])
async def test_a_client_sends_no_bad_method_target_name_or_value(bad: str) -> None:
    async with raw_server("tcp") as peer, peer.session() as http:

        async def ask(method: str, path: str, headers: dict[str, str] | None = None) -> None:
            _ = await http.request(method, f"{peer.url}{path}", headers)

        calls = [ask(bad, "/"), ask("GET", "/", {bad: "value"})]
        if bad != "a b":
            calls += [ask("GET", "/", {"x-value": bad})]
        for call in calls:
            error = await raised(call)
            assert isinstance(error, LocalProtocolError), error
        target = await _target_sent(peer.url, http, bad, peer)
        assert "\r" not in target
        assert "\n" not in target
        assert " " not in target
        assert "\0" not in target


async def _target_sent(url: str, http: Session, bad: str, peer: RawServer) -> str:
    """What goes out for a bad path: nothing (an error), or its percent-encoded form."""

    async def ask() -> None:
        _ = await http.get(f"{url}/{bad}")

    asking = asyncio.ensure_future(ask())
    accepting = asyncio.ensure_future(_asked(peer))
    await asyncio.wait([asking, accepting], return_when=asyncio.FIRST_COMPLETED)
    if asking.done():
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)
        assert isinstance(asking.exception(), LocalProtocolError | ValueError), asking.exception()
        return ""
    raw, target = await accepting
    await raw.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    await asking
    return target


async def _asked(peer: RawServer) -> tuple[Raw, str]:
    raw = await peer.accept()
    return raw, (await read_request(raw)).target


async def test_two_framings_are_never_sent() -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> str:
        both = {"content-length": "5", "transfer-encoding": "chunked"}
        seen.append(await raised(r.prepare(both)))
        seen.append(await raised(r.prepare([("content-length", "5"), ("content-length", "6")])))
        seen.append(await raised(r.prepare({"content-length": "-1"})))
        seen.append(await raised(r.prepare({"content-length": "+1"})))
        seen.append(await raised(r.prepare({"transfer-encoding": "gzip"})))
        return "whole"

    sent = await sent_for(handler)
    assert [type(error) for error in seen] == [LocalProtocolError] * 5
    assert sent.count(b"HTTP/1.1") == 1


# --- what is known stays known ---


async def test_metadata_outlives_the_context_and_the_connections_reuse() -> None:
    kept: list[Request] = []

    async def handler(r: Request) -> tuple[int, str, dict[str, str]]:
        kept.append(r)
        await r.read()
        return 201, f"body {r.query}", {"x-number": r.query}

    async with Session(app=app_of(handler), pool=PoolLimits(connections=1)) as http:
        answers = [await http.post(f"/?{number}", {"x-asked": str(number)}, body=b"12345") for number in range(3)]
        async with http.post("/?3", {"x-asked": "3"}, body=b"12345") as x:
            await x.read()
        answers.append(x)
    for number, (r, x) in enumerate(zip(kept, answers, strict=True)):
        assert (x.status, x.reason, x.method, x.headers["x-number"]) == (201, "Created", "POST", str(number))
        assert (x.content_length, x.received_len, x.complete, x.http_version) == (6, 6, True, "1.1")
        assert x.request_headers["x-asked"] == str(number)
        assert (r.method, r.path, r.query, r.headers["x-asked"]) == ("POST", "/", str(number), str(number))
        assert (r.status, r.content_length, r.received_len, r.complete) == (201, 5, 5, True)
        assert r.response_headers["x-number"] == str(number)


async def test_headers_ignore_case_repeat_and_drop_none() -> None:
    async def handler(r: Request) -> None:
        await r.prepare({"X-Number": 5, "x-none": None, "x-list": ["a", "b"], "content-length": 0})

    async with Session(app=app_of(handler)) as http:
        answer = await http.get("/")
        assert answer.headers["x-NUMBER"] == "5"
        assert "x-none" not in answer.headers
        assert answer.headers.get_all("X-List") == ["a", "b"]


async def test_a_typo_is_an_attribute_error() -> None:
    seen: list[str] = []

    async def handler(r: Request) -> None:
        for name in ("wirte", "prepar"):
            with pytest.raises(AttributeError):
                getattr(r, name)
        with pytest.raises(AttributeError):
            r.wirte = 1  # type: ignore[attr-defined]  # the typo is the point
        seen.append("done")

    async with Session(app=app_of(handler)) as http:
        x = await http.get("/")
        with pytest.raises(AttributeError):
            x.wirte = 1  # type: ignore[attr-defined]  # the typo is the point
    assert seen == ["done"]


async def test_store_is_the_applications_own() -> None:
    async def handler(r: Request) -> object:
        assert r.store == {}
        r.store["a"] = 1
        return r.store

    async with Session(app=app_of(handler)) as http:
        for _ in range(2):
            assert await (await http.get("/")).json() == {"a": 1}


async def test_errors_name_method_url_and_bytes_moved() -> None:
    async with raw_server("tcp") as peer, peer.session() as http:

        async def ask() -> None:
            async with http.get(f"{peer.url}/some/path?q=1") as x:
                async for _ in x:
                    pass

        asking = asyncio.ensure_future(ask())
        raw = await peer.accept()
        await read_request(raw)
        await raw.send(b"HTTP/1.1 200 OK\r\ncontent-length: 777\r\n\r\n" + b"x" * 123)
        await raw.close()
        error = await raised(asking)
        assert isinstance(error, Disconnected)
        for word in ("GET", "/some/path", "123"):
            assert word in str(error), str(error)


async def test_raise_for_status_names_the_status() -> None:
    async def handler(r: Request) -> tuple[int, str]:
        return 404, "nowhere"

    async with Session(app=app_of(handler)) as http:
        answer = await http.get("/")
        assert not answer.ok
        with pytest.raises(StatusError, match="404") as caught:
            _ = answer.raise_for_status()
        assert (caught.value.status, caught.value.answer) == (404, answer)
        fine = await http.get("/again")
        assert fine.ok
        assert fine.ok()
        assert fine.raise_for_status() is fine
        assert (fine.status_code, fine.reason_phrase) == (200, "OK")
