"""Functions that see every request and every answer."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import served
from toolkit import App, Hooks, Request, Session
from toolkit.errors import LocalProtocolError, UseError

if TYPE_CHECKING:
    from toolkit import Outgoing, Response


def telling() -> App:
    web = App(port=0)

    @web.route("/", methods=["GET", "POST"])
    async def tell(r: Request) -> dict[str, list[str]]:
        return {"own": [value for name, value in r.headers.items() if name.lower() == "x-own"]}

    @web.get("/moved")
    async def moved(r: Request) -> None:
        await r.prepare({"location": "/", "content-length": 0}, 302)

    return web


async def own(http: Session, url: str = "/", headers: dict[str, str] | None = None) -> list[str]:
    """The `x-own` fields that the application saw."""
    seen = await (await http.get(url, headers, follow_redirects=True)).json()
    assert isinstance(seen, dict)
    assert isinstance(seen["own"], list)
    return [str(value) for value in seen["own"]]


async def test_plain_and_coroutine_functions_one_and_several() -> None:
    seen: list[str] = []

    def plain(request: Outgoing) -> None:
        seen.append(f"{request.method} {request.url} {request.headers.get('x-own')}")

    async def waits(answer: Response) -> None:
        await asyncio.sleep(0)
        seen.append(f"{answer.status}")

    def also(answer: Response) -> None:
        seen.append(f"{answer.status}, too")

    async with Session(app=telling(), hooks=Hooks(request=plain, answer=[waits, also])) as http:
        assert await own(http, headers={"x-own": "1"}) == ["1"]
    assert seen == ["GET http://localhost/ 1", "200", "200, too"]


async def test_redirects_are_seen_one_by_one() -> None:
    seen: list[str] = []

    def asked(request: Outgoing) -> None:
        seen.append(request.target)

    def answered(answer: Response) -> None:
        seen.append(str(answer.status))

    async with Session(app=telling(), hooks=Hooks(request=asked, answer=answered)) as http:
        await own(http, "/moved")
    assert seen == ["/moved", "302", "/", "200"]


async def test_fields_that_a_hook_returns_go_with_the_request_and_the_next_hook_sees_them() -> None:
    def first(request: Outgoing) -> dict[str, str]:
        return {"X-Own": "first"}

    async def second(request: Outgoing) -> list[tuple[str, str]] | None:
        if request.headers["x-own"] != "first":
            return None
        return [("x-own", "second"), ("x-own", "third")]

    async with Session(app=telling(), hooks=Hooks(request=[first])) as http:
        assert await own(http) == ["first"]
        assert await own(http, headers={"x-own": "callers"}) == ["first"]
    async with Session(app=telling(), hooks=Hooks(request=[first, second])) as http:
        assert await own(http) == ["second", "third"]
        assert await own(http, "/moved") == ["second", "third"]  # anew for each, not on top


async def test_a_hook_may_read_the_answer() -> None:
    bodies: list[bytes] = []

    async def read(answer: Response) -> None:
        bodies.append(await answer.read())

    async with Session(app=telling(), hooks=Hooks(answer=read)) as http:
        assert await own(http) == []
    assert bodies == [b'{"own":[]}']


@pytest.mark.parametrize("kind", ["memory", "tcp"])
@pytest.mark.parametrize("which", ["request", "answer"])
async def test_what_a_hook_raises_ends_the_request_and_the_session_goes_on(which: str, kind: str) -> None:
    failing = [True]

    def fails(of: Outgoing | Response) -> None:
        if failing.pop():
            raise LookupError("not today")

    async def given(of: Outgoing | Response) -> None:
        fails(of)

    hooks = Hooks(request=given) if which == "request" else Hooks(answer=given)
    async with served(telling(), kind) as here, here.session(hooks=hooks) as http:
        with pytest.raises(LookupError, match="not today"):
            await own(http, f"{here.url}/")
        failing += [False] * 9
        assert await own(http, f"{here.url}/") == []


async def test_a_field_that_may_not_be_sent_is_an_error_before_anything_is() -> None:
    async with Session(app=telling(), hooks=Hooks(request=lambda request: {"x-own": "a\r\nb: c"})) as http:
        with pytest.raises(LocalProtocolError):
            await own(http)


@pytest.mark.parametrize("given", ["print", 5, [5], {"a": 1}, [print, None]])
def test_what_is_no_function(given: object) -> None:
    for name in ("request", "answer"):
        with pytest.raises(UseError, match=re.escape(f"Hooks({name}={given!r}): expected a function, or a list of")):
            Hooks(**{name: given})  # type: ignore[arg-type]  # the mistake itself


def test_none_cost_nothing() -> None:
    assert Session().policies is None
    assert Session(hooks=Hooks()).policies is not None
