"""Serving: the ways to begin and to end, the hooks that run there, and whoever waits for one of them."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import PATIENCE
from toolkit import App, Request, Session
from toolkit.errors import ConnectError, NetworkError, UseError

if TYPE_CHECKING:
    from pathlib import Path


async def told(web: App, path: str, method: str = "GET") -> tuple[int | None, bytes]:
    async with Session(app=web) as http:
        x = await http.request(method, path)
        return x.status, x.content


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
    assert re.search(r"did not start: .* on_start hook .*connect \(.*test_serving.py:\d+\)", caught.value.__notes__[0])
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


@pytest.mark.parametrize("workers", [1, 2])
async def test_run_on_a_running_loop_says_what_to_await(workers: int) -> None:
    with pytest.raises(UseError, match=r"run\(\) on a running event loop; here it is `await web.serve\(\)`"):
        App(port=0).run(workers=workers)
