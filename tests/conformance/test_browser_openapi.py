"""Chromium opens the page of an interface, fills in operations, sends them and reads what comes, as it comes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import pytest

from tests.helpers.browser import add_probe, document, seen
from tests.helpers.served import served
from toolkit import App, Content, Deliver, NotFound, OpenApi, Operation, Request, Router, Upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(40)]

# Finds what a visitor would, by its text, and waits for what the page makes of it.
HELP = """
const until = found => new Promise(done => {
  const look = () => { const value = found(); if (value) { watch.disconnect(); done(value) } }
  const watch = new MutationObserver(look)
  watch.observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true})
  look()
})
const open = async id => {
  const one = await until(() => document.getElementById(id))
  one.querySelector("summary").click()
  return until(() => one.querySelector("form") && one)
}
const field = (one, name) => {
  const label = [...one.querySelectorAll("label")].find(label => label.textContent.trim() === name)
  return document.getElementById(label.htmlFor)
}
const fill = (one, name, value) => {
  const input = field(one, name)
  input.value = value
  input.dispatchEvent(new Event("input", {bubbles: true}))
}
const press = (one, name) => [...one.querySelectorAll("button")].find(button => button.textContent === name).click()
const sent = async one => {
  press(one, "Send")
  const line = await until(() => {
    const line = one.querySelector(".result .status")
    return line && !line.textContent.includes("receiving") && one.querySelector(".result a, .result .faint") && line
  })
  const body = one.querySelector(".result pre.answer")
  return [line.querySelector("strong").textContent, body && body.textContent]
}
const refused = []
document.addEventListener("securitypolicyviolation", event => refused.push(event.blockedURI))
"""


@dataclass
class User:
    """Somebody."""

    name: str
    age: int = 30


class Form(TypedDict):
    note: str
    file: Upload


def shop() -> App:
    web = App(port=0, debug=True, openapi=OpenApi(title="Shop", version="2.1", description="<b>Things</b> to buy."))
    users = Router("/users", name="users")

    @users.get("/{id:int}", docs=Operation(query={"fields": list[str]}, headers={"x-trace": str}))
    def show(r: Request, id: int) -> dict[str, object]:
        """Show a user.

        Args:
            id: whose page it is

        Raises:
            NotFound: there is no such user
        """
        if id > 99:
            raise NotFound("no such user")
        return {"id": id, "fields": r.params_all().get_all("fields"), "trace": r.headers.get("x-trace")}

    @users.post("/", docs=Operation(body=User, responses={201: User}))
    async def add(r: Request) -> object:
        """Add a user."""
        return 201, {"got": await r.json()}

    web.include(users)

    @web.get("/files/{path:path}")
    def file(r: Request, path: str) -> str:
        return path

    @web.post("/upload", docs=Operation(body=Content(Form, "multipart/form-data")))
    async def upload(r: Request) -> object:
        form = await r.form()
        one = form.file("file")
        assert one is not None
        return {"note": form["note"], "file": one.filename, "text": (await one.read()).decode()}

    return web


LOOK = f"""
{HELP}
const one = await open("users_show")
const column = selector => [...document.querySelectorAll(selector)].map(each => each.textContent)
const styles = getComputedStyle(document.querySelector(".method.get"))
const found = {{
  title: document.querySelector("h1").textContent, about: document.querySelector("#about").textContent,
  groups: column("h2"), paths: column("details.operation .path"), hash: location.hash,
  answers: [...one.querySelectorAll("h3 + table")].at(-1).innerText.replace(/\\s+/g, " "),
  styled: styles.fontWeight,
  labelled: [...document.querySelectorAll("input, select, textarea")].every(each => each.labels.length),
}}
const filter = document.querySelector("#filter")
filter.value = "add user"
filter.dispatchEvent(new Event("input"))
found.filtered = [...document.querySelectorAll("details.operation:not([hidden])")].map(each => each.id)
found.refused = refused
return found
"""


async def test_the_page_shows_the_interface(tmp_path: Path) -> None:
    web = shop()
    add_probe(web, LOOK, "/docs")
    async with served(web, "tcp") as here:
        told = seen(await document(f"{here.url}/docs?probe", tmp_path / "browser"))
    assert (told["title"], told["about"]) == ("Shop2.1", "<b>Things</b> to buy.")
    assert told["groups"] == ["users", "Operations"]
    paths = told["paths"]
    assert isinstance(paths, list)
    assert paths[:4] == ["/users/{id}", "/users/", "/files/{path}", "/upload"]
    assert told["hash"] == "#users_show", "an operation can be linked to"
    assert "404 there is no such user" in str(told["answers"])
    assert told["styled"] == "700", "the style was let in by the policy"
    assert told["labelled"] is True, "each field has its label"
    assert told["filtered"] == ["users_add"]
    assert told["refused"] == [], "nothing that the page does is against its policy"


TRY = f"""
{HELP}
const one = await open("users_show")
fill(one, "id", "7")
fill(one, "fields", "name, age")
fill(one, "x-trace", "abc")
const found = {{shown: await sent(one)}}
press(one, "curl")
found.curl = one.querySelector("pre[aria-label*=curl]").textContent.replace(location.origin, "HERE")
fill(one, "id", "100")
found.missing = await sent(one)
const two = await open("users_add")
found.suggested = field(two, "Body").value
fill(two, "Body", '{{"name": "Ada"}}')
found.added = await sent(two)
const three = await open("file")
fill(three, "path", "a b/c?d")
found.file = await sent(three)
const four = await open("upload")
fill(four, "note", "hello")
const chosen = new DataTransfer()
chosen.items.add(new File(["what is in it"], "one.txt"))
field(four, "file").files = chosen.files
found.uploaded = await sent(four)
found.fields = four.querySelector(".fields").innerText.includes("content-type")
found.refused = refused
return found
"""


async def test_operations_are_tried_out(tmp_path: Path) -> None:
    web = shop()
    add_probe(web, TRY, "/docs")
    async with served(web, "tcp") as here:
        told = seen(await document(f"{here.url}/docs?probe", tmp_path / "browser"))
    assert told["shown"] == [
        "200 OK",
        '{\n  "id": 7,\n  "fields": [\n    "name",\n    "age"\n  ],\n  "trace": "abc"\n}',
    ]
    assert told["curl"] == "curl -N -i -H 'x-trace: abc' 'HERE/users/7?fields=name&fields=age'"
    assert told["missing"] == ["404 Not Found", "no such user"]
    assert told["suggested"] == '{\n  "name": "",\n  "age": 30\n}'
    assert told["added"] == ["201 Created", '{\n  "got": {\n    "name": "Ada"\n  }\n}']
    assert told["file"] == ["200 OK", "a b/c?d"], "slashes stay, what a path may not hold is encoded"
    assert told["uploaded"] == [
        "200 OK",
        '{\n  "note": "hello",\n  "file": "one.txt",\n  "text": "what is in it"\n}',
    ]
    assert told["refused"] == []


STREAM = f"""
{HELP}
const one = await open("feed")
press(one, "Send")
const body = await until(() => one.querySelector(".result pre.answer"))
const found = {{pieces: []}}
for (const piece of ["first", "second"]) {{
  await until(() => body.textContent.includes(piece))
  found.pieces.push(body.textContent)
  await fetch("/more", {{method: "POST"}})
}}
found.during = one.querySelector(".result .status").textContent.includes("receiving")
press(one, "Stop")
found.alert = (await until(() => one.querySelector(".result [role=alert]"))).textContent
const two = await open("picture")
press(two, "Send")
const image = await until(() => two.querySelector("img"))
await image.decode()
found.image = [image.naturalWidth, image.src.split(":")[0]]
found.refused = refused
return found
"""
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"></svg>'


async def test_an_answer_is_shown_while_it_comes_and_can_be_stopped(tmp_path: Path) -> None:
    """Each piece is on the page before the next one is sent: the page itself asks for it."""
    web = App(port=0, debug=True)
    more, gone = asyncio.Semaphore(0), asyncio.Event()

    @web.get("/feed", on_eof="cancel", docs=Operation(responses={200: Content(str, "text/plain")}))
    async def feed(r: Request) -> object:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                for piece in (b"first ", b"second ", b"third "):
                    yield piece
                    await more.acquire()
                await asyncio.Event().wait()
            finally:
                gone.set()

        return Deliver.stream(pieces(), content_type="text/plain; charset=utf-8")

    @web.post("/more")
    def another(r: Request) -> None:
        more.release()

    @web.get("/picture")
    def picture(r: Request) -> object:
        return 200, SVG, {"content-type": "image/svg+xml"}

    add_probe(web, STREAM, "/docs")
    async with served(web, "tcp") as here:
        told = seen(await document(f"{here.url}/docs?probe", tmp_path / "browser"))
        async with asyncio.timeout(5):
            await gone.wait()
    assert told["pieces"] == ["first ", "first second "]
    assert told["during"] is True
    assert told["alert"] == "Stopped."
    assert told["image"] == [40, "blob"]
    assert told["refused"] == []


ACCESS = f"""
{HELP}
const one = await open("mine")
fill(document.querySelector("#access"), "key", "secret")
const found = {{mine: await sent(one)}}
const two = await open("open")
found.open = await sent(two)
return found
"""


async def test_credentials_go_where_they_are_asked_for_and_nowhere_else(tmp_path: Path) -> None:
    schemes = {"key": {"type": "apiKey", "in": "header", "name": "x-key"}}
    web = App(port=0, openapi=OpenApi(docs="/", public=True, security_schemes=schemes))

    @web.get("/mine", docs=Operation(security=["key"]))
    def mine(r: Request) -> str:
        return r.headers.get("x-key") or "none"

    @web.get("/open")
    def open(r: Request) -> str:
        return r.headers.get("x-key") or "none"

    add_probe(web, ACCESS)
    async with served(web, "tcp") as here:
        told = seen(await document(f"{here.url}/?probe", tmp_path / "browser"))
    assert told == {"mine": ["200 OK", "secret"], "open": ["200 OK", "none"]}


async def test_a_description_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    web = App(port=0, debug=True)

    @web.get("/x", docs=Operation(body=Odd))
    def x(r: Request) -> None: ...

    look = f"""{HELP}
    return {{state: (await until(() => document.querySelector("#state.bad"))).textContent}}"""
    add_probe(web, look, "/docs")
    async with served(web, "tcp") as here:
        told = seen(await document(f"{here.url}/docs?probe", tmp_path / "browser"))
    assert str(told["state"]).startswith("The description could not be had: 500 Internal Server Error.")
    assert "the description of /x" in str(told["state"])


class Odd:
    """What nothing can be said of."""
