"""Lock-step scripts: two ends of one exchange, each in a task of its own, moved one step at a time by the test.

A step is given to one end and awaited before the next one is given to anybody, so that no side can send byte n+1
before byte n was seen: what an implementation holds back, for whatever reason, becomes a hang, and the bound on
every step makes the hang a failure that names the step.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from toolkit import App, Exchange, PoolLimits

from .served import PATIENCE, Served, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from toolkit import Request, Response, Session

__all__ = ["End", "Lockstep", "Stopped", "lockstep", "pass_on"]

T = TypeVar("T")
Step = tuple["Callable[[Exchange], Awaitable[object]]", "asyncio.Future[object]"]


class Stopped(Exception):
    """The end was cancelled, or has ended, so that the step did not run to its end."""


class End:
    """One end of an exchange; its steps run in the end's own task, in the order given."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.steps: asyncio.Queue[Step | None] = asyncio.Queue()
        self.exchange: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
        self.over = asyncio.Event()
        self.cancelled = False
        self.failed: BaseException | None = None
        self.iterator: AsyncIterator[bytes] | None = None
        self.seen = 0  # bytes of the inbound body

    async def run(self, x: Exchange) -> None:
        """Take steps until `finish`; this is the body of a handler, or of a client's `async with`."""
        self.exchange.set_result(x)
        result: asyncio.Future[object] | None = None
        try:
            while (step := await self.steps.get()) is not None:
                call, result = step
                try:
                    value = await call(x)
                except Exception as error:
                    if not result.done():
                        result.set_exception(error)
                else:
                    if not result.done():
                        result.set_result(value)
        except asyncio.CancelledError:
            self.cancelled = True
            if result is not None and not result.done():
                result.set_exception(Stopped(f"the {self.name} was cancelled in this step"))
            raise
        finally:
            self.over.set()

    async def do(self, call: Callable[[Exchange], Awaitable[T]], what: str = "a step") -> T:
        """Run one step at this end and give its result or its exception."""
        result: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        over = asyncio.ensure_future(self.over.wait())
        self.steps.put_nowait((call, result))
        try:
            async with asyncio.timeout(PATIENCE):
                waiting: list[asyncio.Future[object] | asyncio.Task[bool]] = [result, over]
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            result.cancel()
            raise AssertionError(f"{self.name}: {what} hangs (inbound so far: {self.seen} bytes)") from None
        finally:
            over.cancel()
        if not result.done():
            result.cancel()
            raise Stopped(f"the {self.name} is over") from self.failed
        return result.result()  # type: ignore[return-value]  # what `call` gave

    def begin(self, call: Callable[[Exchange], Awaitable[T]], what: str = "a step") -> asyncio.Task[T]:
        """Start a step without waiting for it."""
        return asyncio.ensure_future(self.do(call, what))

    async def x(self) -> Exchange:
        """The exchange, once there is one."""
        async with asyncio.timeout(PATIENCE):
            return await asyncio.shield(self.exchange)

    async def prepare(self, headers: Mapping[str, str] | None = None, status: int = 200) -> None:
        await self.do(lambda x: x.prepare(headers, status), "prepare")

    async def head(self) -> int | None:
        async def call(x: Exchange) -> int | None:
            await x.head()
            return x.status

        return await self.do(call, "head")

    async def write(self, data: bytes) -> None:
        await self.do(lambda x: x.write(data), f"write of {len(data)} bytes")

    async def eof(self, data: bytes = b"") -> None:
        await self.do(lambda x: x.eof(data), "eof")

    async def abort(self) -> None:
        await self.do(lambda x: x.abort("told to"), "abort")

    async def sees(self, data: bytes) -> None:
        """The next bytes of the inbound body are these, and no byte more has come."""

        async def call(x: Exchange) -> None:
            if self.iterator is None:
                self.iterator = aiter(x.pull())
            got = bytearray()
            while len(got) < len(data):
                chunk = await anext(self.iterator, None)
                assert chunk is not None, f"{self.name}: the body ended {len(data) - len(got)} bytes early"
                got += chunk
                self.seen += len(chunk)
            assert got == data, f"{self.name}: {bytes(got[:200])!r} was seen, {data[:200]!r} was sent"

        await self.do(call, f"sees {len(data)} bytes")

    async def sees_end(self) -> None:
        """The inbound body ends here, cleanly."""

        async def call(x: Exchange) -> None:
            if self.iterator is None:
                self.iterator = aiter(x.pull())
            chunk = await anext(self.iterator, None)
            assert chunk is None, f"{self.name}: {chunk!r} was seen where the end was expected"

        await self.do(call, "sees the end")

    async def finish(self) -> None:
        """Leave: the handler returns, or the client's block ends."""
        self.steps.put_nowait(None)
        async with asyncio.timeout(PATIENCE):
            await self.over.wait()


async def pass_on(sender: End, receiver: End, data: bytes) -> None:
    """One end writes, the other sees exactly that; at the same time, as the data may be larger than all buffers."""
    await asyncio.gather(sender.write(data), receiver.sees(data))


class Lockstep:
    """Both ends of one exchange and what they run on."""

    def __init__(self, web: App, here: Served, session: Session) -> None:
        self.web = web
        self.here = here
        self.session = session
        self.client = End("client")
        self.server = End("server")

    async def again(self) -> None:
        """The next request of the same session is answered on a connection that is right."""
        answer = await self.session.get(f"{self.here.url}/again")
        assert (answer.status, answer.content) == (200, b"again")


@asynccontextmanager
async def lockstep(
    kind: str,
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    web: App | None = None,
    session: Mapping[str, object] | None = None,
    **options: object,
) -> AsyncIterator[Lockstep]:
    """Both ends of an exchange over a kind of link; `options` go to the client's request."""
    web = web or App(port=0)
    async with served(web, kind) as here, here.session(pool=PoolLimits(connections=1), **(session or {})) as http:
        script = Lockstep(web, here, http)

        async def serve(r: Request) -> None:
            await script.server.run(r)

        async def again(r: Request) -> str:
            return "again"

        web.route("/", methods=(method,))(serve)
        web.get("/again")(again)

        async def drive() -> None:
            try:
                request: Response = http.request(method, f"{here.url}/", headers, **options)  # type: ignore[arg-type]  # by name
                async with request as x:
                    await script.client.run(x)
            except Exception as error:
                script.client.failed = error
            finally:
                script.client.over.set()

        driving = asyncio.ensure_future(drive())
        try:
            yield script
        finally:
            for end in (script.server, script.client):
                end.steps.put_nowait(None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await driving
            driving.cancel()
            await asyncio.gather(driving, return_exceptions=True)
