"""The built-in server answers as it says, ends with its user, and the self-test's scenarios fit it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from toolkit import Session
from toolkit.other.bench import builtin
from toolkit.other.bench.builtin import MIB, Common, application, builtin_server, self_test
from toolkit.other.bench.processes import ProcessFailed, start_python

from .drive import PATIENCE
from .samples import run_figures

if TYPE_CHECKING:
    from toolkit.other.bench.options import Options


async def test_its_routes() -> None:
    async with Session(app=application()) as http:
        assert await (await http.get("/json")).json() == {"message": "hello, world"}
        for number in (0, 1, 65536, 100_000):
            answer = await http.get(f"/bytes/{number}")
            assert (answer.status, answer.content_length, len(answer.content)) == (200, number, number)
        for wrong in ("x", "-1", "9" * 20):
            assert (await http.get(f"/bytes/{wrong}")).status == 404
        for method in ("POST", "PUT"):
            answer = await http.request(method, "/sink", body=bytes(100_000))
            assert await answer.json() == {"received": 100_000}
            assert (await http.request(method, "/echo", body=b"there and back")).content == b"there and back"


async def test_its_echo_is_duplex() -> None:
    async with Session(app=application()) as http, http.post("/echo") as x:
        back = x.pull()
        for word in (b"one", b"two"):
            await x.write(word)
            assert await anext(back) == word


@pytest.mark.slow
async def test_it_runs_in_a_process_of_its_own_as_long_as_it_is_wanted() -> None:
    async with builtin_server() as base, Session() as http:
        assert base.startswith("http://127.0.0.1:")
        assert (await http.get(f"{base}/json")).status == 200
    async with Session() as http:
        with pytest.raises(OSError, match="cannot connect"):
            _ = await http.get(f"{base}/json")


@pytest.mark.slow
async def test_a_server_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def other(*_: str) -> asyncio.subprocess.Process:
        return await start_python("-c", "raise SystemExit(7)")

    monkeypatch.setattr(builtin, "start_python", other)
    with pytest.raises(ProcessFailed, match="ended with exit status 7"):
        async with asyncio.timeout(PATIENCE), builtin_server():
            raise AssertionError("it did not start")


def scenarios(common: Common, rate: float = 1000.0) -> list[Options]:
    test = self_test("http://127.0.0.1:1", common)
    found = [next(test)]
    try:
        while True:
            found.append(test.send(run_figures(rate=rate)))
    except StopIteration:
        return found


def test_the_scenarios_cover_what_the_toolkit_does() -> None:
    found = scenarios(Common())
    assert len({one.name for one in found}) == len(found) == 7
    assert [one.target.path for one in found] == ["/json"] * 3 + [f"/bytes/{MIB}", "/sink", "/echo", "/echo"]
    assert {len(one.body) for one in found if one.target.path == "/sink"} == {MIB}
    assert [one.chunk for one in found if one.duplex] == [64, 65536]
    assert [one.rate for one in found if one.rate] == [500.0]  # half of what the first one made
    assert all(one.check for one in found)


def test_without_a_rate_there_is_no_half_of_it() -> None:
    assert [one.rate for one in scenarios(Common(), rate=0.0) if one.rate] == []


def test_what_the_command_line_says_of_all_scenarios() -> None:
    found = scenarios(Common(duration=0.5, warm_up=0.0, processes=3, connections=5, timeout=2.0))
    assert {(one.duration, one.warm_up, one.processes, one.connections, one.timeout) for one in found} == {
        (0.5, 0.0, 3, 5, 2.0)
    }
    assert {one.connections >= 12 for one in scenarios(Common(processes=12))} == {True}
