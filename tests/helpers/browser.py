"""Chromium without a window: it loads a page, runs its scripts, and prints the document that came of it.

The document is printed when the page has loaded. A page whose script has more to do holds that moment up by an image
that the server keeps back until the script asks for `/through`, so nothing here waits for a time to pass.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import os
import re
import signal
from typing import TYPE_CHECKING, cast

from tests.helpers.peers import program
from toolkit.server.answers import Answer, encode_returned

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit import App, Request
    from toolkit.server.handlers import Coroutine

__all__ = ["add_probe", "document", "seen"]

BOUND = 25  # seconds, for one run; two or three are usual
OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # which cannot be set up in most containers
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nobody but this machine is asked anything
    "--dump-dom",
)

HELD = b'<img src="/hold" alt=""><script src="/probe.js"></script></body>'
AROUND = """"use strict"
async function probe() {
%s
}
probe().catch(error => ({error: String(error)})).then(found => {
  if (found === undefined) return              // the script leads to another page, which is the one that counts
  const pre = document.createElement("pre")
  pre.id = "seen"
  pre.textContent = JSON.stringify(found)
  document.body.append(pre)
  return fetch("/through", {method: "POST"})
})
"""


def add_probe(web: App, script: str, at: str = "/") -> None:
    """Have `/?probe` be the page `/` with a script at its end: a function body, which may `await` and returns JSON.

    `at` is another page's path. The page counts as loaded when the script is through; `seen` gives what it returned.
    """
    through = asyncio.Event()

    @web.get("/probe.js")
    def probe(r: Request) -> object:
        return 200, AROUND % script, {"content-type": "text/javascript; charset=utf-8"}

    @web.get("/hold", on_eof="cancel")
    async def hold(r: Request) -> None:
        await through.wait()

    @web.post("/through")
    def pass_on(r: Request) -> None:
        through.set()

    @web.middleware
    async def add(handler: Coroutine, r: Request) -> object:
        value = await handler(r)
        if (r.method, r.path, r.query) != ("GET", at, "probe"):
            return value
        answer = encode_returned(value, r)
        assert isinstance(answer, Answer)
        assert answer.body.count(b"</body>") == 1
        answer.body = answer.body.replace(b"</body>", HELD)
        return answer


async def document(url: str, profile: Path) -> str:
    """The document at `url` when it has loaded, as HTML; `profile` is the browser's own folder."""
    binary = program("chromium")
    assert binary is not None, "chromium is not installed"
    process = await asyncio.create_subprocess_exec(
        binary,
        *OPTIONS,
        f"--user-data-dir={profile}",
        url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # it has children, and all of them are to end
        env={**os.environ, "HOME": str(profile)},
    )
    try:
        async with asyncio.timeout(BOUND):
            out, err = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    assert process.returncode == 0, err.decode()
    return out.decode()


def seen(page: str) -> dict[str, object]:
    """What the probe's script returned."""
    found = re.search(r'<pre id="seen">(.*?)</pre>', page, re.DOTALL)
    assert found is not None, page
    told = cast("dict[str, object]", json.loads(html.unescape(found[1])))
    assert "error" not in told, told
    return told
