"use strict"

const files = document.querySelector("#files")
const state = document.querySelector("#state")

// A row like those that the page came with. What others wrote is put in as text, never as HTML.
function show(file) {
  if (document.getElementById(file.id)) return
  const row = files.insertRow()
  row.id = file.id
  const link = document.createElement("a")
  link.href = "/files/" + encodeURIComponent(file.id)
  link.textContent = file.name
  row.insertCell().append(link)
  row.insertCell().textContent = file.note
  row.insertCell().textContent = file.size
  const code = document.createElement("code")
  code.textContent = file.sha256
  row.insertCell().append(code)
}

async function catchUp() {
  const answer = await fetch("/files")
  for (const file of await answer.json()) show(file)
}

const arrivals = new EventSource("/arrivals")
arrivals.addEventListener("arrival", event => show(JSON.parse(event.data)))
// What came in between the making of this page and now. After that the feed itself repeats what a lost connection
// cost, as far back as it remembers; "missed" says that this was not far enough.
arrivals.addEventListener("open", catchUp, {once: true})
arrivals.addEventListener("missed", catchUp)
arrivals.addEventListener("open", () => { state.textContent = "live" })
arrivals.addEventListener("error", () => { state.textContent = "cut off, and will be back" })
