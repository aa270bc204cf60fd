"""App: the ways to register, what a class is made into, the order of hooks, and the ways to run and end it."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.served import PATIENCE
from toolkit import Abort, App, Deliver, Request, Session
from toolkit.errors import ConnectError, NetworkError, UseError

if TYPE_CHECKING:
    from pathlib import Path


async def told(web: App, path: str, method: str = "GET") -> tuple[int | None, bytes]:
    async with Session(app=web) as http:
        x = await http.request(method, path)
        return x.status, x.content


# Registering


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
async def test_each_method_has_its_decorator(method: str) -> None:
    web = App(port=0)

    def handler(r: Request) -> str:
        return r.method

    assert getattr(web, method)("/x")(handler) is handler  # decorated functions stay what they were
    assert await told(web, "/x", method.upper()) == (200, method.upper().encode())
    assert (await told(web, "/x", "TRACE"))[0] == 405


async def test_head_may_have_a_handler_of_its_own() -> None:
    web, called = App(port=0), list[str]()

    @web.get("/x")
    def get(r: Request) -> str:
        called.append("get")
        return "got"

    @web.head("/x")
    def head(r: Request) -> str:
        called.append("head")
        return "head"

    assert await told(web, "/x", "HEAD") == (200, b"")
    assert called == ["head"]


async def test_a_routes_methods() -> None:
    web = App(port=0)

    @web.route("/x", methods=("PUT", "propfind"))
    async def handler(r: Request) -> str:
        return r.method

    assert await told(web, "/x", "PUT") == (200, b"PUT")
    assert await told(web, "/x", "PROPFIND") == (200, b"PROPFIND")
    assert (await told(web, "/x"))[0] == 405


async def test_add_route_in_its_three_forms() -> None:
    web = App(port=0)

    @web.add_route
    def named(r: Request) -> str:
        return "named"

    @web.add_route
    async def routed(r: Request, route: str = "/other") -> str:
        return "routed"

    web.add_route("/given", named)
    web.add_route("/got", named, methods=("GET",))
    for path, body in (("/named", b"named"), ("/other", b"routed"), ("/given", b"named"), ("/got", b"named")):
        assert await told(web, path) == (200, body)
    assert (await told(web, "/routed"))[0] == 404
    assert (await told(web, "/given", "PROPFIND"))[0] == 200
    assert (await told(web, "/got", "POST"))[0] == 405


def test_what_cannot_be_registered_is_a_use_error() -> None:
    web = App(port=0)
    with pytest.raises(UseError, match="without a handler"):
        web.add_route("/x")  # type: ignore[call-overload]  # the mistake itself
    with pytest.raises(UseError, match="it has no name; give a path"):
        web.add_route(partial(print))


# Classes


class Api:
    """Names as the documentation has them."""

    def __init__(self) -> None:
        self.calls = 0

    async def _(self, r: Request) -> str:
        return "root"

    async def _a_b(self, r: Request) -> str:
        self.calls += 1
        return f"a b {self.calls}"

    def _plain(self, r: Request) -> str:
        return "plain"

    async def _robots__dot__txt(self, r: Request) -> str:
        return "robots"

    def _helper(self) -> str:
        raise AssertionError("no handler: it takes no request")

    async def public(self, r: Request) -> str:
        raise AssertionError("no handler: it is not meant to be one")

    _constant = 1


@pytest.mark.parametrize("made", [False, True])
async def test_a_classs_methods_are_served(made: bool) -> None:
    web = App(port=0)
    target: object = Api() if made else Api
    assert web.attach(target) is target
    assert await told(web, "/") == (200, b"root")
    assert await told(web, "/a/b") == (200, b"a b 1")
    assert await told(web, "/a/b/") == (200, b"a b 2")
    assert await told(web, "/a/b", "DELETE") == (200, b"a b 3")
    assert await told(web, "/plain") == (200, b"plain")
    assert await told(web, "/robots.txt") == (200, b"robots")
    for path in ("/helper", "/public", "/constant", "/a", "/init", "//init//", "/a_b"):
        assert (await told(web, path))[0] == 404


# Hooks


def hooked(calls: list[str], *, stop: str = "", after_fails: bool = False) -> App:
    """Two of each kind, which note that they were called; the one named `stop` answers."""
    web = App(port=0)

    def make(name: str) -> None:
        async def hook(r: Request) -> object:
            calls.append(name)
            if after_fails and name.startswith("1_after"):
                raise KeyError(name)
            return f"from {name}" if stop == name else None

        hook.__name__ = name
        web.add_route(hook)

    for kind in ("after", "handle_all", "before"):  # the order of the kinds does not matter
        for number in (1, 2):
            make(f"{number}_{kind}_middleware")

    @web.get("/here")
    async def here(r: Request) -> str:
        calls.append("handler")
        return "here"

    @web.get("/fails")
    async def fails(r: Request) -> str:
        calls.append("handler")
        raise KeyError("x")

    @web.get("/aborts")
    def aborts(r: Request) -> str:
        calls.append("handler")
        raise Abort("no", 418)

    return web


BEFORE, AFTER = ["1_before_middleware", "2_before_middleware"], ["1_after_middleware", "2_after_middleware"]
ALL = ["1_handle_all_middleware", "2_handle_all_middleware"]


@pytest.mark.parametrize(
    ("path", "stop", "calls", "status", "body"),
    [
        ("/here", "", [*BEFORE, "handler", *AFTER], 200, b"here"),
        ("/fails", "", [*BEFORE, "handler", *AFTER], 500, b"Internal Server Error"),
        ("/aborts", "", [*BEFORE, "handler", *AFTER], 418, b"no"),
        ("/here", BEFORE[0], [BEFORE[0], *AFTER], 200, b"from 1_before_middleware"),
        ("/here", BEFORE[1], [*BEFORE, *AFTER], 200, b"from 2_before_middleware"),
        ("/nowhere", "", [*BEFORE, *ALL, *AFTER], 404, b"Not Found"),
        ("/nowhere", ALL[0], [*BEFORE, ALL[0], *AFTER], 200, b"from 1_handle_all_middleware"),
        ("/nowhere", ALL[1], [*BEFORE, *ALL, *AFTER], 200, b"from 2_handle_all_middleware"),
        ("/nowhere", BEFORE[0], [BEFORE[0], *AFTER], 200, b"from 1_before_middleware"),
    ],
)
async def test_the_order_of_hooks(path: str, stop: str, calls: list[str], status: int, body: bytes) -> None:
    seen: list[str] = []
    assert await told(hooked(seen, stop=stop), path) == (status, body)
    assert seen == calls


async def test_hooks_may_be_methods_of_an_attached_class() -> None:
    web, calls = App(port=0), list[str]()

    @web.attach
    class Hooks:
        async def before_middleware(self, r: Request) -> None:
            calls.append("before")

        def after_middleware(self, r: Request) -> None:
            calls.append(f"after {r.status}")

        async def handle_all_middleware(self, r: Request) -> None:
            await Deliver.text("all", 203)

    assert await told(web, "/x") == (203, b"all")
    assert calls == ["before", "after 203"]


async def test_handle_all_stands_in_for_405_too() -> None:
    web = hooked([], stop=ALL[0])
    assert await told(web, "/here", "POST") == (200, b"from 1_handle_all_middleware")


# Codings


@pytest.mark.parametrize(
    ("accepted", "sent", "taken"),
    [
        (("gzip",), "gzip", True),
        (("gzip",), "GZIP, identity", True),
        (("gzip",), "br", False),
        ((), "gzip", False),
        ((), "identity", True),
    ],
)
async def test_only_these_codings_are_taken(accepted: tuple[str, ...], sent: str, taken: bool) -> None:
    web = App(port=0, accept_codings=accepted)
    web.post("/")(lambda r: "taken")
    async with Session(app=web) as http:
        x = await http.post("/", {"content-encoding": sent}, body=b"")
        x = await http.post("/", {"content-encoding": sent}, body=b"x")
        assert x.status == (200 if taken else 415)
        if not taken:  # RFC 9110 15.5.16
            assert x.headers["accept-encoding"] == (", ".join(accepted) or "identity")


# Running


async def test_server_address_is_known_once_it_listens() -> None:
    web = App(port=0)
    with pytest.raises(UseError, match="server_address before the application listens"):
        _ = web.server_address
    async with web:
        assert web.server_address.startswith("http://127.0.0.1:")
        assert (await web.started()) is web  # at once
    with pytest.raises(UseError, match="server_address before"):
        _ = web.server_address


async def test_it_listens_once() -> None:
    web = App(port=0)
    async with web:
        address = web.server_address
        for again in (web.serve(), web.__aenter__()):
            with pytest.raises(UseError, match=f"this App listens already, on {address}"):
                await again
        async with Session() as http:
            assert (await http.get(address)).status == 404


async def test_a_port_in_use_is_a_network_error_and_the_app_can_try_again() -> None:
    first, second = App(port=0), App(port=0)
    async with first:
        port = int(first.server_address.rsplit(":", 1)[1])
        with pytest.raises(NetworkError, match=f"cannot listen on 127.0.0.1:{port}: ") as caught:
            await second.serve(port=port)
        assert isinstance(caught.value.__cause__, OSError)
        async with second:
            assert second.server_address != first.server_address


async def test_serve_runs_until_exit() -> None:
    web = App(port=0)
    web.get("/")(lambda r: "x")
    async with asyncio.timeout(PATIENCE):
        serving = asyncio.ensure_future(web.serve())
        waiting = [asyncio.ensure_future(web.started()) for _ in range(3)]
        await asyncio.gather(*waiting)
        async with Session() as http:
            assert (await http.get(web.server_address)).content == b"x"
        done = [web.exit(), web.exit()]
        await asyncio.gather(*done)
        await serving
    async with web:  # and again
        assert web.server_address


async def test_exit_of_what_does_not_run_does_nothing() -> None:
    await App(port=0).exit()


async def test_serve_cancelled_ends_gracefully() -> None:
    web, begun, ended = App(port=0), asyncio.Event(), list[str]()

    @web.get("/")
    async def handler(r: Request) -> str:
        begun.set()
        await r.stopping()
        ended.append("stopping")
        return "ended"

    async with asyncio.timeout(PATIENCE), Session() as http:
        serving = asyncio.ensure_future(web.serve())
        _ = await web.started()

        async def ask() -> bytes:
            return (await http.get(web.server_address)).content

        asking = asyncio.ensure_future(ask())
        await begun.wait()
        serving.cancel()
        assert await asking == b"ended"
        with pytest.raises(asyncio.CancelledError):
            await serving
    assert ended == ["stopping"]


async def test_a_unix_socket_is_gone_after_the_end(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    web = App(unix=path)
    web.get("/")(lambda r: [r.ip_host, r.ip_port, r.scheme])
    async with web, Session(unix=path) as http:
        assert web.server_address == "http+unix://" + path.replace("/", "%2F")
        assert await (await http.get("/")).json() == ["", 0, "http"]
    with pytest.raises(ConnectError, match="No such file"):
        async with Session(unix=path) as http:
            _ = await http.get("/")


PROGRAM = """
from toolkit import App
web = App(port=0)
@web.get("/")
def handler(r):
    return "x"
@web.add_route
async def leave(r):
    _ = web.exit()
    return "left"
async def tell():
    await web.started()
    print(web.server_address, flush=True)
import asyncio
serve = web.serve
async def telling(*args, **kwargs):
    asyncio.ensure_future(tell())
    await serve(*args, **kwargs)
web.serve = telling
web.run()
print("over", flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, "exit"])
async def test_run_serves_until_it_is_told_to_end(how: signal.Signals | str) -> None:
    async with asyncio.timeout(PATIENCE):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, stdout=subprocess.PIPE)
        assert process.stdout is not None
        address = (await process.stdout.readline()).decode().strip()
        async with Session() as http:
            assert (await http.get(address)).content == b"x"
            if isinstance(how, signal.Signals):
                process.send_signal(how)
            else:
                assert (await http.get(f"{address}/leave")).content == b"left"
        assert await process.stdout.read() == b"over\n"
        assert await process.wait() == 0


# Start and exit hooks


async def test_start_hooks_run_before_the_application_listens_in_their_order() -> None:
    web, inner = App(port=0), App(port=0)
    seen: list[str] = []
    web.mount("/in", inner)
    web.mount("/again", inner)
    inner.on_start(partial(seen.append, "inner start"))
    inner.on_exit(partial(seen.append, "inner exit"))

    @web.on_start
    async def waiting() -> None:
        await asyncio.sleep(0)
        with pytest.raises(UseError, match="before the application listens"):
            _ = web.server_address
        seen.append("start")

    web.on_exit(partial(seen.append, "exit"))
    async with web:
        assert seen == ["start", "inner start"]
    assert seen == ["start", "inner start", "inner exit", "exit"]


async def test_a_start_hook_that_fails_ends_the_start_and_what_was_begun_is_ended() -> None:
    web, seen = App(port=0), list[str]()
    web.on_start(partial(seen.append, "start"))
    web.on_exit(partial(seen.append, "exit"))

    @web.on_start
    async def connect() -> None:
        raise ConnectionRefusedError("no database")

    web.on_start(partial(seen.append, "never"))
    with pytest.raises(ConnectionRefusedError, match="no database") as caught:
        await web.serve()
    assert re.search(r"did not start: .* on_start hook .*connect \(.*test_app.py:\d+\)", caught.value.__notes__[0])
    assert seen == ["start", "exit"]


def test_a_start_hook_that_fails_ends_run() -> None:
    web = App(port=0)
    web.on_start(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        web.run()


def test_what_is_wrong_with_the_routes_is_told_before_there_are_workers() -> None:
    web = App(port=0)
    web.group("/a").get("/b")(lambda r: "one")
    web.get("/a/b")(lambda r: "two")
    with pytest.raises(UseError, match="is served by"):
        web.run(workers=2)


async def test_it_starts_once_at_a_time() -> None:
    web, begun, go_on = App(port=0), asyncio.Event(), asyncio.Event()

    @web.on_start
    async def wait() -> None:
        begun.set()
        await go_on.wait()

    serving = asyncio.ensure_future(web.serve())
    async with asyncio.timeout(PATIENCE):
        await begun.wait()
        with pytest.raises(UseError, match="is about to listen already"):
            await web.serve()
        go_on.set()
        _ = await web.started()
        await web.exit()
        await serving


async def test_a_lifespan_runs_the_hooks_without_an_address() -> None:
    web, seen = App(), list[str]()
    web.on_start(partial(seen.append, "start"))
    web.on_exit(partial(seen.append, "exit"))
    web.get("/")(lambda r: seen.append("request"))
    async with web.lifespan() as same, Session(app=web) as http:
        assert same is web
        assert (await http.get("/")).status == 204
    assert seen == ["start", "request", "exit"]
    async with web.lifespan():
        pass
    assert seen == ["start", "request", "exit", "start", "exit"]


async def test_exit_hooks_run_once_when_the_application_has_stopped() -> None:
    web = App(port=0)
    seen: list[str] = []

    @web.on_exit
    def plain() -> None:
        seen.append("plain")

    @web.on_exit
    async def waiting() -> None:
        await asyncio.sleep(0)
        seen.append("waiting")

    async with web:
        assert seen == []
    assert seen == ["plain", "waiting"]
    async with web:
        pass
    assert seen == ["plain", "waiting"] * 2


def test_with_web_runs_the_exit_hooks_whatever_happens_in_the_block() -> None:
    web = App(port=0)
    seen: list[str] = []
    web.on_exit(partial(seen.append, "over"))
    with pytest.raises(ZeroDivisionError), web:
        raise ZeroDivisionError
    assert seen == ["over"]
    with web:
        assert seen == ["over"]
    assert seen == ["over"], "nothing ran since"


@pytest.mark.parametrize("how", ["by itself", "awaited", "from elsewhere", "kept", "twice", "from a thread"])
async def test_an_end_that_comes_in_the_start_is_one(how: str) -> None:
    """It never listens, the hooks are cancelled, what they opened is closed, and it can be served again."""
    web, seen, waiting = App(port=0), list[str](), asyncio.Event()

    @web.on_start
    async def open_something() -> None:
        seen.append("open")
        waiting.set()
        if how == "by itself":
            _ = web.exit()
        elif how == "awaited":
            await web.exit()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            if how != "kept":
                raise

    web.on_exit(partial(seen.append, "closed"))
    for _ in range(2):
        waiting.clear()
        seen.clear()
        async with asyncio.timeout(PATIENCE):
            serving = asyncio.ensure_future(web.serve())
            await waiting.wait()
            if how == "from a thread":
                await asyncio.to_thread(web.stop)
            elif how == "twice":
                await asyncio.gather(web.exit(), web.exit())
            elif how in ("from elsewhere", "kept"):
                await web.exit()
            await serving
        assert not serving.cancelled()
        assert seen == ["open", "closed"]


async def test_a_cancellation_in_the_start_is_the_callers() -> None:
    """It is not taken for an end, not even beside one."""
    web, waiting = App(port=0), asyncio.Event()

    @web.on_start
    async def wait() -> None:
        waiting.set()
        await asyncio.get_running_loop().create_future()

    for end_as_well in (False, True):
        waiting.clear()
        serving = asyncio.ensure_future(web.serve())
        await waiting.wait()
        if end_as_well:
            _ = web.exit()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving


async def test_an_end_in_the_start_of_a_block_comes_with_the_block() -> None:
    web, seen = App(port=0), list[str]()

    @web.on_start
    def leave() -> None:
        _ = web.exit()

    web.on_exit(partial(seen.append, "closed"))
    async with asyncio.timeout(PATIENCE):
        async with web:
            await web.exit()
        assert seen == ["closed"]


HANGING = """
import asyncio
from toolkit import App
web = App(port=0)
@web.on_start
async def hang():
    print("starting", flush=True)
    await asyncio.get_running_loop().create_future()
web.run()
print("over", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_a_start_that_hangs(number: signal.Signals) -> None:
    async with asyncio.timeout(PATIENCE):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", HANGING, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"starting\n"
        process.send_signal(number)
        assert await process.stdout.read() == b"over\n"
        assert await process.wait() == 0


async def test_stop_ends_it_from_another_thread() -> None:
    """What `exit()` says on the loop; where nothing runs, and where it has ended, nothing happens."""
    web, seen = App(port=0), list[str]()
    web.on_exit(partial(seen.append, "over"))
    web.stop()
    serving = asyncio.ensure_future(web.serve())
    _ = await web
    await asyncio.to_thread(web.stop)
    await serving
    web.stop()
    assert seen == ["over"]


def test_stop_behind_the_end_of_its_loop_does_nothing() -> None:
    web = App(port=0)

    async def serve_in_memory() -> bytes:
        async with Session(app=web) as http:
            return (await http.get("/")).content

    assert asyncio.run(serve_in_memory()) == b"Not Found"
    web.stop()


async def test_awaiting_an_application_waits_until_it_listens() -> None:
    web = App(port=0)
    serving = asyncio.ensure_future(web.serve())
    assert await web is web
    assert web.server_address.startswith("http://127.0.0.1:")
    await web.exit()
    await serving


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"limits": {"body": 3}}, r"App\(limits=\{'body': 3\}\): expected Limits\(\.\.\.\)"),
        ({"timeouts": 3}, r"App\(timeouts=3\): expected Timeouts\(\.\.\.\)"),
        ({"forms": 1024}, r"App\(forms=1024\): expected FormLimits\(\.\.\.\)"),
        ({"compression": True}, r"App\(compression=True\): expected Compression\(\.\.\.\)"),
        ({"access_log": "access.log"}, r"App\(access_log='access.log'\): expected True or AccessLog\(\.\.\.\)"),
        ({"access_log": ""}, r"App\(access_log=''\): expected True or AccessLog\(\.\.\.\)"),
    ],
)
def test_options_of_another_kind_are_refused_at_once(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(UseError, match=expected):
        _ = App(**options)


@pytest.mark.parametrize("port", ["8000", -1, 65536, True, None, 80.5])
async def test_what_is_no_port_is_refused(port: object) -> None:
    with pytest.raises(UseError, match=r"^port=.* expected a number from 0 \(any free one\) to 65535$"):
        _ = App(port=port)  # type: ignore[arg-type]  # as it comes out of an environment
    if port is not None:
        with pytest.raises(UseError, match=r"^port="):
            await App().serve(port=port)  # type: ignore[arg-type]  # likewise
