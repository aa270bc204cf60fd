"""An application whose handlers are in processes: requests, answers, streams, errors, its beginning and its end."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import PATIENCE, Served, served
from toolkit import App, ProcessDied, Processes, Request, Session, ToolkitError, UseError, current_process
from toolkit.server.answers import Answer, encode_returned

from . import samples
from .gate import Gate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


pytestmark = pytest.mark.slow

SOURCE = Path(samples.__file__).read_text()


@asynccontextmanager
async def asked(web: App, kind: str = "tcp") -> AsyncIterator[tuple[Served, Session]]:
    """The application, and a session."""
    async with served(web, kind) as here, here.session() as http:
        yield here, http


def application(options: Processes | None = None) -> App:
    """All the sample handlers, by their names."""
    web = App("127.0.0.1", 0, processes=options or Processes(workers=1))
    web.get("/hello", process=True)(samples.hello)
    web.route("/known/{a:int}/{rest:path}", ("POST",), process=True)(samples.known)
    web.post("/json", process=True)(samples.as_json)
    web.post("/form", process=True)(samples.as_form)
    web.post("/counted", process=True)(samples.counted)
    web.get("/cookies", process=True)(samples.cookies)
    web.get("/returned/{what}", process=True)(samples.returned)
    web.get("/raised/{what}", process=True)(samples.raised)
    web.get("/events", process=True)(samples.events)
    web.get("/awaited", process=True)(samples.awaited_pieces)
    web.get("/endless", process=True)(samples.endless_here)
    web.get("/steps", process=True)(samples.steps_here)
    web.get("/held", process=True)(samples.held_here)
    web.get("/breaks", process=True)(samples.breaks)
    web.get("/dies", process=True)(samples.dies)
    web.get("/died", process=True)(samples.died)
    return web


# Requests


@pytest.mark.parametrize("kind", ["tcp", "memory"])
async def test_a_handler_runs_in_another_process(kind: str) -> None:
    async with asked(application(), kind) as (here, http):
        assert await (await http.get(here.url + "/hello")).text() == "hello from a process of kind pool"
    assert current_process().kind == "main"


async def test_what_the_handler_knows_of_the_request() -> None:
    web = application()

    @web.middleware
    async def user(handler: object, r: Request) -> object:
        r.store["user"] = "Ada"
        return await handler(r)  # type: ignore[operator]  # a chain is called

    async with asked(web) as (here, http):
        headers: dict[str, str | list[str]] = {"cookie": "a=1", "x-name": ["one", "two"]}
        answer = await http.post(here.url + "/known/7/a/b%2Fc?x=1&y=%20", headers, body=b"the body")
        assert await answer.json() == {
            "method": "POST",
            "path": "/known/7/a/b/c",
            "raw_path": "/known/7/a/b%2Fc",
            "query": "x=1&y=%20",
            "params": {"x": "1", "y": " "},
            "path_params": {"a": 7, "rest": "a/b/c"},
            "given": [7, "a/b/c"],
            "cookies": {"a": "1"},
            "x": ["one", "two"],
            "host": here.url.removeprefix("http://"),
            "ip_host": "127.0.0.1",
            "store": {"user": "Ada"},
            "body": "the body",
        }


async def test_bodies() -> None:
    async with asked(application()) as (here, http):
        assert await (await http.post(here.url + "/json", json={"a": [1]})).json() == {"json": {"a": [1]}}
        bad = await http.post(here.url + "/json", {"content-type": "application/json"}, body=b"{")
        assert (bad.status, (await bad.text()).partition(":")[0]) == (400, "Bad Request")
        form = b'--x\r\ncontent-disposition: form-data; name="f"; filename="a"\r\n\r\n12345\r\n--x--\r\n'
        answer = await http.post(here.url + "/form", {"content-type": "multipart/form-data; boundary=x"}, body=form)
        assert await answer.json() == {"f": ["a", 5]}
        large = b"x" * 5_000_000
        assert await (await http.post(here.url + "/counted", body=large)).text() == "[5000000]"


async def test_a_body_over_the_limit_is_refused_before_any_process_has_it() -> None:
    web = application()
    web.limits = type(web.limits)(read=1000)
    async with asked(web) as (here, http):
        assert (await http.post(here.url + "/counted", body=b"x" * 1001)).status == 413


# Answers


RETURNED = [
    ("text", 200, "text/plain; charset=utf-8", "text"),
    ("bytes", 200, "application/octet-stream", "bytes"),
    ("dict", 200, "application/json", '{"a":1}'),
    ("none", 204, "", ""),
    ("tuple", 202, "text/plain; charset=utf-8", "accepted"),
    ("html", 200, "text/html; charset=utf-8", "<p>"),
    ("redirect", 302, "", ""),
    ("stream", 200, "application/octet-stream", "a stream"),
    ("stream with a status", 203, "text/plain", "a stream"),
    ("deliver stream", 203, "text/plain", "an async stream"),
    ("file", 200, "text/plain; charset=utf-8", SOURCE),
    ("file with a status", 404, "text/plain; charset=utf-8", SOURCE),
    ("open file", 200, "application/octet-stream", SOURCE),
]


async def test_what_a_handler_may_return() -> None:
    async with asked(application()) as (here, http):
        for what, status, content_type, body in RETURNED:
            answer = await http.get(f"{here.url}/returned/{what.replace(' ', '%20')}")
            assert (what, answer.status, await answer.text()) == (what, status, body)
            assert answer.content_type == content_type
        assert await (await http.get(here.url + "/awaited")).text() == "made on a loop of its own"
        head = await http.head(here.url + "/returned/dict")
        assert (head.status, head.headers["content-length"], await head.read()) == (200, "7", b"")


async def test_fields_and_cookies_beside_the_answer() -> None:
    async with asked(application()) as (here, http):
        answer = await http.get(here.url + "/cookies")
        assert (answer.status, answer.headers["x-own"], answer.headers["x-added"]) == (201, "mine", "yes")
        assert {one.split(";")[0] for one in answer.headers.get_all("set-cookie")} == {"a=1", "b=2"}


async def test_a_middleware_gets_an_answer_and_may_return_another() -> None:
    web, seen = application(), list[object]()

    @web.middleware
    async def note(handler: object, r: Request) -> object:
        value = await handler(r)  # type: ignore[operator]  # a chain is called
        seen.append(value)
        answer = encode_returned(value)
        assert isinstance(answer, Answer)
        return answer.status, answer.body + b" and more"

    async with asked(web) as (here, http):
        assert await (await http.get(here.url + "/returned/text")).text() == "text and more"
    assert isinstance(seen[0], Answer)


# Errors


@pytest.mark.parametrize(
    ("what", "status", "text"),
    [
        ("abort", 429, "enough"),
        ("redirect", 302, ""),
        ("own", 404, "nobody"),
        ("error", 500, "Internal Server Error"),
        ("unsendable", 500, "Internal Server Error"),
    ],
)
async def test_what_a_handler_raises_is_answered_as_always(what: str, status: int, text: str) -> None:
    async with asked(application()) as (here, http):
        answer = await http.get(f"{here.url}/raised/{what}")
        assert (answer.status, await answer.text()) == (status, text)
        assert answer.headers.get("retry-after") == ("3" if what == "abort" else None)


async def test_an_application_s_own_handler_of_errors_gets_the_very_class() -> None:
    web = application()

    @web.on_error(samples.Complicated)
    def complicated(r: Request, error: samples.Complicated) -> object:
        return 418, f"{error} ({error.second})"

    @web.on_error(ProcessDied)
    def died(r: Request, error: ProcessDied) -> object:
        return "it died"

    async with asked(web) as (here, http):
        answer = await http.get(here.url + "/raised/complicated")
        assert (answer.status, await answer.text()) == (418, "twice, 2 times (2)")
        answer = await http.get(here.url + "/died")
        assert (answer.status, await answer.text()) == (500, "it died")


async def test_the_traceback_is_in_the_log_and_on_the_page_in_development(caplog: pytest.LogCaptureFixture) -> None:
    web = application()
    web.debug = True
    async with asked(web) as (here, http):
        page = await (await http.get(here.url + "/raised/error")).text()
        assert "samples.py" in page
        assert "in raised" in page
        unknown = await (await http.get(here.url + "/returned/set")).text()
        assert "a handler returned set: expected dict, list" in unknown
    assert "in raised" in caplog.text


async def test_a_process_that_dies_is_500_for_its_request_alone(caplog: pytest.LogCaptureFixture) -> None:
    async with asked(application()) as (here, http):
        answer = await http.get(here.url + "/died")
        assert (answer.status, await answer.text()) == (500, "Internal Server Error")
        assert (await http.get(here.url + "/hello")).status == 200
    assert "ended with exit code 3; another is started" in caplog.text


async def test_a_handler_that_takes_too_long_is_503(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with asked(application(Processes(workers=1, timeout=0.5))) as (here, http):
        assert await status_of(http, f"{here.url}/held?folder={gate.folder}") == 503


async def status_of(http: Session, url: str) -> int | None:
    return (await http.get(url)).status


async def test_who_finds_the_queue_full_is_told_when_to_come_back(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with asked(application(Processes(workers=1, queue=0))) as (here, http):
        waiting = asyncio.ensure_future(status_of(http, f"{here.url}/held?folder={tmp_path}"))
        await gate.begun()
        answer = await http.post(here.url + "/counted", body=b"never asked for")
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        await gate.go()
        assert await waiting == 200


# Streams


async def test_a_stream_comes_piece_by_piece(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    path = f"/steps?folder={tmp_path}"
    async with asked(application()) as (here, http), http.stream("GET", here.url + path) as answer:
        pieces = aiter(answer)
        assert await anext(pieces) == b"first "
        await gate.begun()
        await gate.go("second")
        assert await anext(pieces) == b"second"
        assert [piece async for piece in pieces] == []


async def test_server_sent_events() -> None:
    async with asked(application()) as (here, http):
        answer = await http.get(here.url + "/events")
        assert await answer.text() == 'data: {"done":1}\n\nevent: progress\nid: 7\ndata: two\n\n'


async def test_a_reader_that_takes_nothing_holds_it_up_and_one_that_leaves_ends_it(tmp_path: Path) -> None:
    """What was made is what the buffers on the way hold, and the window: not what an endless source has."""
    gate = Gate(tmp_path)
    async with served(application(), "tcp") as here:
        raw = await here.raw(receive_buffer=65536)
        await raw.send(f"GET /endless?folder={tmp_path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        await raw.receive(1000)
        closed = asyncio.ensure_future(gate.closed())
        async with here.session() as http:  # the loop has turns enough meanwhile to take what the process would send
            for _ in range(50):
                _ = await http.get(here.url + "/nowhere")
        raw.reset()
        async with asyncio.timeout(PATIENCE):
            assert await closed < 1000
            async with here.session() as http:
                assert (await http.get(here.url + "/hello")).status == 200


@pytest.mark.parametrize("path", ["/breaks", "/dies"])
async def test_a_stream_that_breaks_is_no_clean_end(path: str) -> None:
    async with served(application(), "tcp") as here:
        raw = await here.raw()
        await raw.send(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        assert (await raw.rest()).endswith(b"4\r\nsome\r\n"), "and no chunk that says it is the last"


# Functions


async def test_a_handler_on_the_loop_calls_a_function_in_a_process() -> None:
    web = App("127.0.0.1", 0, processes=Processes(workers=1))
    inner = App()

    @web.get("/{a:int}")
    async def add(r: Request, a: int) -> str:
        return str(await r.app.in_process(samples.add, a, b=2))

    inner.get("/x")(add_of_a_mount)
    web.mount("/inner", inner)
    async with asked(web) as (here, http):
        assert await (await http.get(here.url + "/3")).text() == "5"
        assert await (await http.get(here.url + "/inner/x")).text() == "5"
        assert inner._pools is None, "those of the outermost application serve for all"


async def add_of_a_mount(r: Request) -> str:
    return str(await r.app.in_process(samples.add, 2, 3))


async def test_outside_of_a_request_too() -> None:
    web = App(processes=Processes(workers=1))
    async with web.lifespan():
        assert await web.in_process(samples.add, 1) == 1
        with pytest.raises(UseError, match=r"^in_process\(\): .*a lambda has no name"):
            await web.in_process(lambda: None)
    assert web._pools is None


# Which pool


async def test_a_route_may_have_a_pool_of_its_own_and_a_mounted_application_its_own() -> None:
    slow = Processes(workers=3)
    web = App("127.0.0.1", 0, processes=Processes(workers=1))
    web.get("/a", process=True)(samples.place_of)
    web.get("/b", process=slow)(samples.place_of)
    web.get("/c", process=slow)(samples.place_of)
    plain, own = App(), App(processes=Processes(workers=2))
    for app, prefix in ((plain, "/plain"), (own, "/own")):
        app.get("/a", process=True)(samples.place_of)
        web.mount(prefix, app)
    async with asked(web) as (here, http):
        counts = [await (await http.get(here.url + path)).text() for path in ("/a", "/b", "/c", "/plain/a", "/own/a")]
        assert counts == ["1", "3", "3", "1", "2"]
        assert web._pools is not None
        assert len(web._pools._pools) == 3


# The beginning and the end


async def test_it_starts_with_the_application_and_ends_with_it(caplog: pytest.LogCaptureFixture) -> None:
    web = application()
    async with served(web, "tcp"):
        pools = web._pools
        assert pools is not None
        (pool,) = pools._pools.values()
        assert [link.ready.done() for link in pool.links] == [True]
    assert not pool.links
    assert web._pools is None
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


async def test_an_application_without_such_routes_has_no_processes() -> None:
    web = App("127.0.0.1", 0)
    web.get("/")(lambda r: "ok")
    async with served(web, "tcp"):
        assert web._pools is None


async def test_an_application_whose_processes_cannot_begin_does_not_start_and_its_exit_hooks_run() -> None:
    web, ended = application(Processes(workers=1, initializer=samples.cannot_begin)), list[str]()
    web.on_start(lambda: None)
    web.on_exit(lambda: ended.append("exit"))
    with pytest.raises(ToolkitError, match=r"cannot begin: no model"):
        await web.serve()
    assert ended == ["exit"]
    assert web._pools is None


async def test_an_application_that_is_told_to_end_while_its_processes_begin(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    os.environ["HOLD_AT_THE_BEGINNING"] = gate.folder
    try:
        web = application(Processes(workers=1, initializer=samples.hold_at_the_beginning))
        serving = asyncio.ensure_future(web.serve())
        await gate.begun()
        await web.exit()
        await serving
        assert web._pools is None
    finally:
        del os.environ["HOLD_AT_THE_BEGINNING"]


async def test_a_handler_that_another_process_would_not_find_is_told_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    web = App("127.0.0.1", 0, processes=Processes(workers=1))

    def only_here(r: object) -> None: ...

    only_here.__qualname__ = "only_here"
    monkeypatch.setattr(samples, "only_here", only_here, raising=False)
    only_here.__module__ = samples.__name__
    web.get("/x", process=True)(only_here)
    with pytest.raises(ToolkitError, match=r"cannot begin: .*samples.only_here cannot be found in another process"):
        await web.serve()


def test_a_server_in_a_thread() -> None:
    web, told = application(), list[str]()
    listening = threading.Event()

    @web.get("/tell")
    async def tell(r: Request) -> str:
        return "ok"

    async def announce() -> None:
        told.append((await web).server_address)
        listening.set()

    async def serve() -> None:
        announcing = asyncio.ensure_future(announce())
        await web.serve()
        await announcing

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert listening.wait(PATIENCE)
    assert asyncio.run(text_of(told[0] + "/hello")) == "hello from a process of kind pool"
    web.stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()


async def text_of(url: str) -> str:
    async with Session() as http:
        return await (await http.get(url)).text()


# What cannot be


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"process": 3}, r"^process=3: expected True, or Processes\(\.\.\.\) for a pool of its own$"),
        ({"process": True, "thread": True}, r"^thread=True and process=True: a function is called in one of them$"),
    ],
)
def test_options_that_mean_nothing(about: dict[str, bool], why: str) -> None:
    with pytest.raises(UseError, match=why):
        App().get("/x", **about)(samples.hello)  # type: ignore[call-overload]  # that is the point


def test_a_handler_that_cannot_be_found_is_refused_where_it_is_written() -> None:
    web = App()
    with pytest.raises(UseError, match=r"^process=True for .*<lambda> .*: a lambda has no name"):
        web.get("/x", process=True)(lambda r: "x")

    async def awaits(r: Request) -> None: ...

    with pytest.raises(UseError, match=r"^process=True for .*awaits .*: it is a coroutine function"):
        web.get("/x", process=True)(awaits)


async def test_a_parameter_that_cannot_be_pickled_is_told_with_the_request() -> None:
    web = App("127.0.0.1", 0, processes=Processes(workers=1), debug=True)
    web.add_converter("lock", lambda text: threading.Lock())
    web.get("/x/{what:lock}", process=True)(samples.returned)
    async with asked(web, "memory") as (here, http):
        answer = await http.get(here.url + "/x/1")
        text = await answer.text()
        assert answer.status == 500
        assert "GET /x/1: an argument of tests.server.processes.samples.returned cannot be sent to another" in text


async def test_a_cache_before_such_a_handler_stays_on_the_loop() -> None:
    web = App(port=0, processes=Processes(workers=1))
    web.get("/kept", process=True)(samples.kept)
    async with asked(web) as (here, http):
        answers = [await http.get(f"{here.url}/kept") for _ in range(2)]
        told = [await answer.json() for answer in answers]
    assert told == [{"where": "pool", "kept": "/kept"}] * 2
    assert ["age" in answer.headers for answer in answers] == [False, True]
