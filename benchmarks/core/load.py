"""Load on a server: by wrk, or by a small program of our own where wrk is not installed. And checks before it."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks.core.certificate import trusting_context
from benchmarks.core.environment import program
from benchmarks.core.machine import on_core
from benchmarks.core.payload import ANSWER, JSON_PATH
from benchmarks.core.processes import Failed, Peer
from benchmarks.core.results import Figures, Quantity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.core.bench import Bench
    from benchmarks.core.processes import Child

__all__ = ["BROWSER", "CPU", "RATE", "RAW_CLIENT", "Load", "check_json", "fetch", "loading"]

RATE: Final = Quantity("requests/s", "more")
CPU: Final = Quantity("CPU us/request", "less", 2)
RAW_CLIENT: Final = Peer("the load", "benchmarks.clients.raw")

#: What a browser sends with a request besides the host: eleven fields with it.
BROWSER: Final = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Connection": "keep-alive",
    "Cookie": "session=3f2a9c1e7b5d4086; theme=dark; consent=necessary",
    "Upgrade-Insecure-Requests": "1",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "none",
}


@dataclass(frozen=True, slots=True)
class Load:
    """Keeps connections busy. `raw` is our own program, None where wrk does it."""

    raw: Child | None
    seconds: float
    core: int | None = 1

    def on(
        self, server: Child, path: str = JSON_PATH, connections: int = 64, headers: Mapping[str, str] | None = None
    ) -> Figures:
        """Requests a second, and the server's CPU time for each. Raises `Failed` for an answer that is none."""
        before = server.cpu
        if self.raw is None:
            requests, seconds = by_wrk(server.url + path, self.seconds, connections, headers or {}, self.core)
        else:
            told = self.raw.do(
                "load",
                url=server.url + path,
                seconds=self.seconds,
                connections=connections,
                headers=list((headers or {}).items()),
            )
            requests, seconds = int(told["requests"]), told["seconds"]
        if not requests:
            raise Failed(f"{server.peer.name} answered nothing")
        return {RATE.name: requests / seconds, CPU.name: (server.cpu - before) * 1e6 / requests}


@contextmanager
def loading(bench: Bench, core: int | None = 1) -> Iterator[Load]:
    """wrk where it is installed; it is a peer like the others when peers are required."""
    if bench.options.wrk and bench.has_all("wrk", ("wrk",)):
        yield Load(None, bench.options.seconds, core)
        return
    bench.note("load by Python: requests/s may be the load's limit, CPU per request is the server's own")
    with bench.one(RAW_CLIENT, core) as raw:
        yield Load(raw, bench.options.seconds)


def by_wrk(
    url: str, seconds: float, connections: int, headers: Mapping[str, str], core: int | None
) -> tuple[int, float]:
    """Requests answered, and the seconds that took."""
    fields = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    # wrk takes whole seconds only.
    command = [program("wrk") or "wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", *fields, url]
    with on_core(core):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)
    if done.returncode:
        raise Failed(f"wrk, {url}: {done.stderr.strip()}")
    return counted(url, done.stdout)


def counted(url: str, told: str) -> tuple[int, float]:
    """What wrk says in its own words. Raises `Failed` for any answer that was not right."""
    found = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m),", told)
    if found is None or "Non-2xx" in told or "Socket errors" in told:
        raise Failed(f"wrk, {url}: {told.strip()}")
    return int(found[1]), float(found[2]) * {"ms": 0.001, "s": 1, "m": 60}[found[3]]


def fetch(server: Child, path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, str, bytes]:
    """Status, content type and body of one answer. Raises `Failed` when there is none."""
    made: http.client.HTTPConnection
    if server.url.startswith("https:"):
        made = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=20, context=trusting_context())
    else:
        made = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        made.request(method, path, body)
        answer = made.getresponse()
        kind = (answer.getheader("content-type") or "").partition(";")[0]
        return answer.status, kind, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"{server.peer.name}, {method} {path}: {error!r}") from error
    finally:
        made.close()


def check_json(server: Child, path: str = JSON_PATH) -> None:
    """Ask once, and raise `Failed` unless the answer is right."""
    status, kind, body = fetch(server, path)
    try:
        right = status == 200 and kind == "application/json" and json.loads(body) == ANSWER
    except ValueError:
        right = False
    if not right:
        raise Failed(f"{server.peer.name} answered {status} {kind} {body[:200]!r}")
