"""A wrong answer ends a benchmark, and says which; no figure of it is worth anything."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.core.bench import Bench, Options
from benchmarks.core.load import RAW_CLIENT, check_json, counted, fetch
from benchmarks.core.processes import Child, Failed, NotStarted, Peer
from benchmarks.core.results import ROOT, Quantity
from benchmarks.import_time import process
from tests.benchmarks.wrong import WAYS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.core.environment import Environment

WRONG = "tests.benchmarks.wrong"


@pytest.fixture(scope="module")
def wrong(environment: Environment) -> Iterator[dict[str, Child]]:
    """A server for each way to be wrong."""
    servers = {way: Child(environment, Peer(way, WRONG, (way,)), None) for way in WAYS}
    yield servers
    for server in servers.values():
        server.close()


@pytest.fixture(scope="module", params=["raw", "toolkit", "aiohttp", "httpx"])
def client(request: pytest.FixtureRequest, environment: Environment) -> Iterator[Child]:
    """Each client that is installed for the tests."""
    with Child(environment, Peer(request.param, f"benchmarks.clients.{request.param}"), None) as child:
        yield child


@pytest.fixture(scope="module")
def raw(environment: Environment) -> Iterator[Child]:
    """The client that loads servers."""
    with Child(environment, RAW_CLIENT, None) as child:
        yield child


@pytest.mark.parametrize("way", ["another value", "no JSON", "a failure", "too short"])
def test_a_server_s_wrong_answer_is_noticed(wrong: dict[str, Child], way: str) -> None:
    with pytest.raises(Failed, match=way):
        check_json(wrong[way])


def test_a_right_answer_is_let_through(environment: Environment) -> None:
    with Child(environment, Peer("floor", "benchmarks.servers.floor"), None) as server:
        check_json(server)
        assert fetch(server, "/anything")[:2] == (200, "application/json")
        assert server.cpu > 0
        assert server.memory > 1_000_000


def test_a_server_that_is_gone_is_noticed(environment: Environment) -> None:
    with Child(environment, Peer("floor", "benchmarks.servers.floor"), None) as server:
        pass
    with pytest.raises(Failed, match="floor, GET /json"):
        check_json(server)


@pytest.mark.parametrize("way", ["another value", "no JSON", "too short"])
def test_every_client_notices_a_wrong_small_answer(client: Child, wrong: dict[str, Child], way: str) -> None:
    with pytest.raises(Failed, match=f"{client.peer.name}, small"):
        client.do("small", url=f"{wrong[way].url}/json", seconds=0.01, concurrency=1)


@pytest.mark.parametrize("way", ["too short", "other bytes"])
def test_every_client_notices_a_wrong_body(client: Child, wrong: dict[str, Child], way: str) -> None:
    with pytest.raises(Failed, match=f"{client.peer.name}, compare"):
        client.do("compare", url=f"{wrong[way].url}/source?size=4096&framing=length", size=4096)


def test_every_client_notices_a_body_of_another_length(client: Child, wrong: dict[str, Child]) -> None:
    with pytest.raises(Failed, match="4096 of 5000 bytes"):
        client.do("download", url=f"{wrong['other bytes'].url}/source?size=5000", size=5000)


@pytest.mark.parametrize("way", ["another value", "a failure", "too short"])
def test_a_load_notices_a_wrong_answer(raw: Child, wrong: dict[str, Child], way: str) -> None:
    with pytest.raises(Failed, match="the load, load"):
        raw.do("load", url=f"{wrong[way].url}/json", seconds=0.01, connections=2, headers=[])


def test_an_echo_that_is_none_is_noticed(raw: Child, wrong: dict[str, Child]) -> None:
    with pytest.raises(Failed, match="another body came back"):
        raw.do("echo", url=f"{wrong['other bytes'].url}/echo", size=4096)
    with pytest.raises(Failed, match="bytes came back"):
        raw.do("echo", url=f"{wrong['other bytes'].url}/echo", size=5000)


def test_a_chunk_that_comes_back_otherwise_is_noticed(raw: Child, wrong: dict[str, Child]) -> None:
    with pytest.raises(Failed, match="came back as"):
        raw.do("duplex", url=f"{wrong['other chunks'].url}/echo", seconds=0.01, size=64, exchanges=1)


def test_idle_connections_are_counted(raw: Child, wrong: dict[str, Child]) -> None:
    with pytest.raises(Failed, match="the load, hold"):
        raw.do("hold", url=f"{wrong['no JSON'].url}/json", connections=2)


def test_a_contestant_that_does_not_start_says_why(environment: Environment) -> None:
    with pytest.raises(NotStarted, match="mistaken ended: no such way: mistaken"):
        Child(environment, Peer("mistaken", WRONG, ("mistaken",)), None)


def test_an_import_that_fails_says_why() -> None:
    with pytest.raises(Failed, match="import no_such_module: ModuleNotFoundError"):
        process(sys.executable, "import no_such_module")


WRK = """Running 1s test @ http://127.0.0.1:1/json
  1 threads and 4 connections
  11077 requests in 1.10s, 2.01MB read
Requests/sec:  10070.50
"""


def test_what_wrk_says_is_read() -> None:
    assert counted("URL", WRK) == (11077, 1.1)
    assert counted("URL", WRK.replace("1.10s", "1.50m")) == (11077, 90)


@pytest.mark.parametrize(
    "told",
    [
        WRK + "  Non-2xx or 3xx responses: 3\n",
        WRK.replace("Requests/sec", "  Socket errors: connect 0, read 3, write 0, timeout 0\nRequests/sec"),
        "unable to connect",
    ],
)
def test_what_wrk_says_of_wrong_answers_ends_the_run(told: str) -> None:
    with pytest.raises(Failed, match="wrk, URL"):
        counted("URL", told)


def test_a_peer_that_is_missing_is_left_out_with_a_line(environment: Environment) -> None:
    bench = Bench("row", environment)
    peer = Peer("a peer", WRONG, needs=("no-such-distribution",))
    mistaken = Peer("mistaken", WRONG, ("mistaken",))
    with bench.start([peer, mistaken], None) as running:
        assert running == {}
    missing, ended = bench.result.notes
    assert missing == "a peer is left out: pip install no-such-distribution"
    assert ended.startswith("mistaken is left out: mistaken ended: no such way")


def test_a_peer_that_is_missing_is_an_error_where_all_are_required(environment: Environment) -> None:
    bench = Bench("row", environment, Options(require_peers=True))
    with pytest.raises(Failed, match="a peer is left out"):
        bench.has(Peer("a peer", WRONG, needs=("no-such-distribution",)))


def test_ours_is_never_left_out(environment: Environment) -> None:
    bench = Bench("row", environment, Options(only=("somebody",)))
    with pytest.raises(NotStarted), bench.start([Peer("toolkit", WRONG, ("mistaken",))], None):
        pass
    assert not bench.has(Peer("somebody else", WRONG))


def test_contestants_take_turns_and_every_other_round_is_backwards(environment: Environment) -> None:
    bench = Bench("row", environment, Options(rounds=2))
    order: list[str] = []

    def turn(name: str) -> dict[str, float]:
        order.append(name)
        return {"x": float(len(order))}

    found = bench.compare("turns", [Quantity("x", "more")], {"a": lambda: turn("a"), "b": lambda: turn("b")})
    assert "".join(order) == "baabba"  # the first round warms up
    assert found.values("a", "x") == [3, 6]
    assert found.values("b", "x") == [4, 5]
    assert bench.result.comparisons == [found]
    with pytest.raises(Failed, match="nobody is left"):
        bench.compare("nobody", [], {})


ORPHAN = """
import os, sys
from benchmarks.core.environment import here
from benchmarks.core.processes import Child, Peer
child = Child(here(), Peer("floor", "benchmarks.servers.floor"), None)
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_contestant_ends_with_its_parent_however_that_ends() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        orphan = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
    try:
        assert select.select([orphan], [], [], 10)[0] == [orphan]  # readable once the process has ended
    finally:
        os.close(orphan)
