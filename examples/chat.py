"""A chat: one page, one feed of events. Who loses the connection gets what was said meanwhile.

python examples/chat.py                     # then open http://127.0.0.1:8000/ in two windows
curl -N http://127.0.0.1:8000/said          # or listen,
curl -d 'hello' http://127.0.0.1:8000/said  # and say something
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit import App, BodyLimit, Deliver, EventFeed, RateLimit, SecurityHeaders

if TYPE_CHECKING:
    from toolkit import Request

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Chat</title>
<ul id="said"></ul>
<form id="say"><input name="text" autofocus autocomplete="off"></form>
<script>
const said = document.querySelector("#said"), form = document.querySelector("#say")
function show(text) {
  const line = document.createElement("li")
  line.textContent = text                   // text, whatever somebody says
  said.append(line)
}
const events = new EventSource("/said")
events.onmessage = event => show(JSON.parse(event.data).text)
events.addEventListener("missed", event => show(`(${event.data} lines were missed)`))
form.onsubmit = event => {
  event.preventDefault()
  fetch("/said", {method: "POST", body: form.text.value})
  form.reset()
}
</script>
"""

web = App(access_log=True, middlewares=[SecurityHeaders()])
said = EventFeed(events=200)


@web.get("/")
def page(r: Request) -> object:
    """The page that listens."""
    return Deliver.html(PAGE)


@web.get("/said")
async def listen(r: Request) -> None:
    """What is said from now on, or since this client was here last."""
    async with r.sse() as events:
        await events.follow(said)


@web.post("/said", middlewares=[RateLimit(20, seconds=10), BodyLimit(2000)])
async def say(r: Request) -> None:
    """Say something to everybody."""
    said.publish({"text": await r.text()})


if __name__ == "__main__":
    web.run("127.0.0.1", 8000)
