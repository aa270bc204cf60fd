// The page of an interface: it reads the description, shows its operations, and sends requests as they are filled in.
// Text from the description or from answers only ever becomes text nodes.

const root = new URL(document.body.dataset.root, location.href)
const KEPT = 2_000_000 // characters of an answer that are shown
const METHODS = ["get", "post", "put", "patch", "delete", "head", "options", "trace"]
const state = { api: {}, access: {} }

// --- making elements

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value)
    else if (value === true) element.setAttribute(name, "")
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(name, value)
  }
  element.append(...children.filter(child => child !== undefined && child !== null && child !== ""))
  return element
}

let count = 0
const newId = () => `field-${++count}`

// --- reading the description

function resolve(thing) {
  for (let hops = 0; thing && thing.$ref && hops < 20; hops++) {
    const words = thing.$ref.replace(/^#\//, "").split("/")
    thing = words.reduce((at, word) => at?.[word.replaceAll("~1", "/").replaceAll("~0", "~")], state.api)
  }
  return thing ?? {}
}

const nameOf = schema => schema.$ref?.split("/").pop()

// A schema as a type, in the way in which most languages write them.
function typeText(schema, depth = 0, seen = []) {
  if (schema === true || !schema || !Object.keys(schema).length) return "any"
  if (schema.$ref) {
    if (seen.includes(schema.$ref) || depth > 5) return nameOf(schema)
    return typeText(resolve(schema), depth, [...seen, schema.$ref])
  }
  const inner = one => typeText(one, depth, seen)
  if ("const" in schema) return JSON.stringify(schema.const)
  if (schema.enum) return schema.enum.map(value => JSON.stringify(value)).join(" | ")
  const among = schema.anyOf ?? schema.oneOf
  if (among) return among.map(inner).join(" | ")
  if (schema.allOf) return schema.allOf.map(inner).join(" & ")
  if (Array.isArray(schema.type)) return schema.type.map(type => inner({ ...schema, type })).join(" | ")
  if (schema.prefixItems) return `[${schema.prefixItems.map(one => (one.title ? `${one.title}: ` : "") + inner(one)).join(", ")}]`
  if (schema.type === "array") {
    const items = inner(schema.items)
    return items.includes(" | ") ? `(${items})[]` : `${items}[]`
  }
  if (schema.properties) return fieldsText(schema, depth, seen)
  if (schema.type === "object") {
    const values = schema.additionalProperties
    return values && typeof values === "object" ? `{ [name]: ${inner(values)} }` : "object"
  }
  if (isBinary(schema)) return "file"
  const limits = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "pattern"]
  const told = limits.filter(name => name in schema).map(name => `${name} ${schema[name]}`)
  return (schema.format ? `${schema.type} ${schema.format}` : schema.type ?? "any") + (told.length ? ` (${told.join(", ")})` : "")
}

function fieldsText(schema, depth, seen) {
  const indent = "  ".repeat(depth + 1)
  const lines = Object.entries(schema.properties).map(([name, one]) => {
    const optional = (schema.required ?? []).includes(name) ? "" : "?"
    const told = [one.description ?? resolve(one).description, "default" in one ? `default ${JSON.stringify(one.default)}` : ""]
    const note = told.filter(Boolean).join("; ").replaceAll("\n", " ")
    return `${indent}${name}${optional}: ${typeText(one, depth + 1, seen)}${note ? `  // ${note}` : ""}`
  })
  return `{\n${lines.join("\n")}\n${"  ".repeat(depth)}}`
}

const isBinary = schema => schema.format === "binary" || schema.contentMediaType === "application/octet-stream"

// A value that fits a schema, to begin with.
function sample(schema, seen = []) {
  if (!schema || schema === true) return null
  if (schema.$ref) return seen.includes(schema.$ref) ? null : sample(resolve(schema), [...seen, schema.$ref])
  if ("example" in schema) return schema.example
  if (schema.examples?.length) return schema.examples[0]
  if ("default" in schema) return schema.default
  if ("const" in schema) return schema.const
  if (schema.enum) return schema.enum[0]
  const among = schema.anyOf ?? schema.oneOf ?? schema.allOf
  if (among) return sample(among[0], seen)
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type
  if (type === "object" || schema.properties) {
    return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, one]) => [name, sample(one, seen)]))
  }
  if (schema.prefixItems) return schema.prefixItems.map(one => sample(one, seen))
  if (type === "array") return schema.items && Object.keys(schema.items).length ? [sample(schema.items, seen)] : []
  if (type === "integer" || type === "number") return schema.minimum ?? 0
  if (type === "boolean") return false
  const formats = { "date-time": "2026-01-31T12:00:00Z", date: "2026-01-31", time: "12:00:00", uuid: "00000000-0000-4000-8000-000000000000" }
  return type === "string" ? formats[schema.format] ?? "" : null
}

// --- fields to fill in

function control(schema, id, example) {
  schema = resolve(schema)
  const plain = schema.anyOf?.find(one => one.type !== "null") ?? schema
  const one = resolve(plain)
  const choices = "const" in one ? [one.const] : one.enum ?? (one.type === "boolean" ? ["true", "false"] : null)
  if (choices) return make("select", { id }, make("option", { value: "" }, "—"), ...choices.map(value => make("option", { value }, String(value))))
  if (isBinary(one)) return make("input", { id, type: "file" })
  const held = example ?? schema.default ?? one.default
  return make("input", {
    id, placeholder: held === undefined ? (one.type === "array" ? "one, two" : "") : String(held),
    inputmode: one.type === "integer" ? "numeric" : one.type === "number" ? "decimal" : undefined,
    autocomplete: "off", spellcheck: "false", value: example === undefined ? undefined : String(example),
  })
}

function parameterRows(parameters) {
  const rows = parameters.map(one => {
    const id = newId(), field = control(one.schema ?? {}, id, one.example)
    if (one.required) field.required = true
    return { one, field, row: make("tr", {},
      make("th", { scope: "row" }, make("label", { for: id, class: one.required ? "needed" : "" }, make("code", {}, one.name)), make("div", { class: "faint" }, one.in)),
      make("td", {}, field),
      make("td", {}, make("code", {}, typeText(one.schema)), make("p", { class: "text" }, one.description ?? "", one.deprecated ? " (deprecated)" : ""))) }
  })
  return rows
}

const isForm = type => type === "multipart/form-data" || type === "application/x-www-form-urlencoded"

// What a request's body is made of: a text, a file, or the fields of a form.
function bodyEditor(type, media) {
  const schema = resolve(media.schema ?? {})
  if (isForm(type)) {
    const rows = parameterRows(Object.entries(schema.properties ?? {}).map(([name, one]) => (
      { name, in: "form", schema: one, description: one.description, required: (schema.required ?? []).includes(name) })))
    return { element: make("table", {}, make("tbody", {}, ...rows.map(each => each.row))), read: () => {
      const form = type.startsWith("multipart") ? new FormData() : new URLSearchParams()
      for (const { one, field } of rows) {
        if (field.type === "file") { if (field.files[0]) form.append(one.name, field.files[0]) }
        else if (field.value !== "") form.append(one.name, field.value)
      }
      return form
    } }
  }
  const id = newId(), isText = /json|^text\/|xml/.test(type)
  const field = isText ? make("textarea", { id, spellcheck: "false" }) : make("input", { id, type: "file" })
  if (isText) {
    const example = media.example ?? Object.values(media.examples ?? {})[0]?.value ?? sample(media.schema)
    field.value = /json/.test(type) ? JSON.stringify(example, null, 2) ?? "" : String(example ?? "")
  }
  return { element: make("div", {}, make("label", { for: id }, isText ? "Body" : "File"), field), read: () => isText ? field.value : field.files[0] ?? "" }
}

// --- sending

const values = (one, text) => resolve(one.schema ?? {}).type === "array" ? text.split(",").map(each => each.trim()) : [text]

function encodePath(one, text) {
  return one["x-rest-of-path"] ? text.split("/").map(encodeURIComponent).join("/") : encodeURIComponent(text)
}

function applyAccess(operation, url, headers) {
  const asked = operation.security ?? state.api.security ?? []
  const names = new Set(asked.flatMap(one => Object.keys(one)))
  for (const name of names) {
    const scheme = resolve(state.api.components?.securitySchemes?.[name]), given = state.access[name]
    if (!given) continue
    if (scheme.type === "apiKey" && scheme.in === "query") url.searchParams.set(scheme.name, given)
    else if (scheme.type === "apiKey" && scheme.in === "header") headers.set(scheme.name, given)
    else if (scheme.type === "http" && scheme.scheme?.toLowerCase() === "basic") {
      headers.set("authorization", "Basic " + btoa(String.fromCharCode(...new TextEncoder().encode(given))))
    } else headers.set("authorization", `Bearer ${given}`)
  }
}

function base() {
  const chosen = document.querySelector("#server").value
  return chosen ? new URL(chosen.replace(/\/?$/, "/"), location.href) : root
}

function requestOf(method, path, operation, rows, body) {
  let filled = path
  const headers = new Headers(), query = []
  for (const { one, field } of rows) {
    const text = field.value
    if (text === "" && one.in !== "path") continue
    if (one.in === "path") filled = filled.replace(`{${one.name}}`, encodePath(one, text))
    else if (one.in === "query") query.push(...values(one, text).map(each => [one.name, each]))
    else if (one.in === "header") headers.set(one.name, text)
  }
  const url = new URL("." + filled, base())
  for (const [name, value] of query) url.searchParams.append(name, value)
  applyAccess(operation, url, headers)
  const options = { method: method.toUpperCase(), headers, cache: "no-store" }
  if (body) {
    options.body = body.read()
    if (body.type && !body.type.startsWith("multipart")) headers.set("content-type", body.type)
  }
  return { url, options }
}

const quoted = text => `'${String(text).replaceAll("'", `'\\''`)}'`

function asCurl({ url, options }) {
  const words = ["curl", "-N", "-i"]
  if (options.method !== "GET") words.push(options.method === "HEAD" ? "-I" : `-X ${options.method}`)
  for (const [name, value] of options.headers) words.push(`-H ${quoted(`${name}: ${value}`)}`)
  const body = options.body
  if (body instanceof FormData) for (const [name, value] of body) words.push(`-F ${quoted(`${name}=${value instanceof File ? "@" + value.name : value}`)}`)
  else if (body instanceof File) words.push(`--data-binary ${quoted("@" + body.name)}`)
  else if (body !== undefined && String(body)) words.push(`--data-binary ${quoted(body)}`)
  return [...words, quoted(url)].join(" ")
}

// --- answers

const size = bytes => bytes < 1000 ? `${bytes} bytes` : bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
const isShown = type => !type || /^text\/|json|xml|javascript|x-www-form-urlencoded|yaml/.test(type)

function pretty(text, type) {
  if (!/json/.test(type)) return text
  try { return JSON.stringify(JSON.parse(text), null, 2) } catch { return text }
}

// Shows an answer while it comes: a piece is on the page as soon as it is here.
async function showAnswer(answer, place, since) {
  const type = answer.headers.get("content-type") ?? "", shown = isShown(type)
  const line = make("p", { role: "status", class: "status" }), text = make("pre", { class: "answer", tabindex: "0", "aria-label": "Body of the answer" })
  const fields = [...answer.headers].map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, make("code", {}, name)), make("td", {}, value)))
  place.replaceChildren(line, make("details", { class: "fields" }, make("summary", {}, `${fields.length} header fields`), make("table", {}, make("tbody", {}, ...fields))))
  let bytes = 0, whole = ""
  const say = end => {
    line.replaceChildren(make("strong", { class: answer.ok ? "good" : "bad" }, `${answer.status} ${answer.statusText}`), ` · ${size(bytes)} · ${Math.round(performance.now() - since)} ms${end}`)
  }
  say(" · receiving …")
  const pieces = [], decoder = new TextDecoder(/charset=([\w-]+)/i.exec(type)?.[1] ?? "utf-8")
  if (shown && answer.body) place.append(text)
  const reader = answer.body?.getReader()
  for (let next; reader && !(next = await reader.read()).done;) {
    bytes += next.value.length
    pieces.push(next.value)
    if (shown && whole.length < KEPT) {
      const piece = decoder.decode(next.value, { stream: true })
      whole += piece
      text.append(piece)
    }
    say(" · receiving …")
  }
  say("")
  finish(place, text, { type, shown, whole, pieces, bytes, disposition: answer.headers.get("content-disposition") ?? "" })
}

function finish(place, text, { type, shown, whole, pieces, bytes, disposition }) {
  if (!bytes) { text.remove(); return place.append(make("p", { class: "faint" }, "No body.")) }
  if (shown) text.textContent = pretty(whole, type)
  if (whole.length >= KEPT) place.append(make("p", { class: "faint" }, "Only the beginning is shown."))
  const url = URL.createObjectURL(new Blob(pieces, { type }))
  if (/^image\//.test(type)) place.append(make("img", { class: "answer", alt: "The answer", src: url }))
  const name = /filename="?([^";]+)/.exec(disposition)?.[1] ?? "answer"
  place.append(make("p", {}, make("a", { href: url, download: name }, "Save the body")))
}

// --- operations

function sender(method, path, operation, rows, bodies) {
  const place = make("section", { "aria-label": "Answer", class: "result" })
  const curl = make("pre", { hidden: true, tabindex: "0", "aria-label": "The same request for curl" })
  const send = make("button", { type: "submit" }, "Send"), stop = make("button", { type: "button", class: "plain", disabled: true }, "Stop")
  let aborting
  stop.addEventListener("click", () => aborting?.abort())
  const toCurl = make("button", { type: "button", class: "plain", onclick: () => {
    curl.hidden = !curl.hidden
    curl.textContent = asCurl(requestOf(method, path, operation, rows, bodies()))
  } }, "curl")
  const form = make("form", { onsubmit: async event => {
    event.preventDefault()
    aborting?.abort()
    const mine = aborting = new AbortController(), since = performance.now()
    stop.disabled = false
    place.replaceChildren(make("p", { role: "status" }, "Sending …"))
    try {
      const request = requestOf(method, path, operation, rows, bodies())
      curl.textContent = asCurl(request)
      await showAnswer(await fetch(request.url, { ...request.options, signal: mine.signal }), place, since)
    } catch (error) {
      const why = mine.signal.aborted ? "Stopped." : `${error.message ?? error}: no answer, one that broke off, or one that this page may not read`
      if (mine === aborting) place.append(make("p", { role: "alert", class: "bad" }, why))
    } finally {
      if (mine === aborting) stop.disabled = true
    }
  } })
  const actions = make("div", { class: "actions" }, send, stop, toCurl)
  return { form, actions, curl, place }
}

function requestSection(method, path, operation, parameters) {
  const rows = parameterRows(parameters.filter(one => one.in !== "cookie"))
  const content = Object.entries(resolve(operation.requestBody ?? {}).content ?? {})
  const hasBody = content.length > 0, canHaveBody = !["get", "head", "trace"].includes(method)
  const editors = hasBody ? content : canHaveBody ? [["", {}]] : []
  let body
  const { form, actions, curl, place } = sender(method, path, operation, rows, () => body)
  if (rows.length) form.append(make("h3", {}, "Parameters"), make("table", {}, make("tbody", {}, ...rows.map(each => each.row))))
  if (hasBody) {
    const id = newId(), holder = make("div")
    const choose = make("select", { id, onchange: () => pick(choose.value) }, ...editors.map(([type]) => make("option", { value: type }, type)))
    const pick = type => {
      const media = content.find(([each]) => each === type)[1]
      body = { ...bodyEditor(type, media), type }
      holder.replaceChildren(media.schema && !isForm(type) ? make("pre", { tabindex: "0", "aria-label": "Type of the body" }, typeText(media.schema)) : "", body.element)
    }
    form.append(make("h3", {}, "Body"), make("p", { class: "text" }, resolve(operation.requestBody).description ?? ""),
      make("label", { for: id, class: "faint" }, "Media type "), choose, holder)
    pick(editors[0][0])
  } else if (canHaveBody && method !== "delete") {
    form.append(freeBody(given => { body = given }))
  }
  form.append(actions, curl, place)
  return form
}

// Nothing is known of the body: any text of any type.
function freeBody(use) {
  const type = newId(), text = newId()
  const kind = make("input", { id: type, value: "application/json", autocomplete: "off" }), field = make("textarea", { id: text, spellcheck: "false" })
  const changed = () => use(field.value ? { type: kind.value, read: () => field.value } : undefined)
  kind.addEventListener("input", changed)
  field.addEventListener("input", changed)
  return make("details", {}, make("summary", {}, "Send a body"), make("label", { for: type }, "Media type "), kind, make("label", { for: text }, "Body"), field)
}

function responseRows(responses) {
  return Object.entries(responses).map(([status, one]) => {
    const response = resolve(one), content = Object.entries(response.content ?? {})
    return make("tr", {}, make("th", { scope: "row" }, make("code", {}, status)), make("td", {},
      make("p", { class: "text" }, response.description ?? ""),
      ...content.flatMap(([type, media]) => [make("code", { class: "faint" }, type), media.schema ? make("pre", { tabindex: "0", "aria-label": `Type of ${status}` }, typeText(media.schema)) : ""])))
  })
}

function details(method, path, operation, shared) {
  const own = (operation.parameters ?? []).map(resolve)
  const known = new Set(own.map(one => `${one.in} ${one.name}`))
  const parameters = [...shared.filter(one => !known.has(`${one.in} ${one.name}`)), ...own]
  const cookies = parameters.filter(one => one.in === "cookie").map(one => one.name)
  const asked = (operation.security ?? state.api.security ?? []).map(one => Object.keys(one).join(" and ") || "nothing")
  return make("div", {},
    make("p", { class: "text" }, operation.description ?? ""),
    operation.deprecated ? make("p", { class: "bad" }, "Deprecated.") : "",
    asked.length ? make("p", { class: "faint" }, `Needs ${asked.join(" or ")}.`) : "",
    cookies.length ? make("p", { class: "faint" }, `Reads the cookies ${cookies.join(", ")}, which the browser sends by itself.`) : "",
    requestSection(method, path, operation, parameters),
    make("h3", {}, "Answers"), make("table", {}, make("tbody", {}, ...responseRows(operation.responses ?? {}))))
}

function operationElement(method, path, operation, shared) {
  const id = operation.operationId ?? `${method} ${path}`
  const element = make("details", { class: `operation${operation.deprecated ? " deprecated" : ""}`, id },
    make("summary", {}, make("span", { class: `method ${method}` }, method.toUpperCase()), make("span", { class: "path" }, path), make("span", { class: "faint" }, operation.summary ?? "")))
  element.dataset.words = [method, path, operation.summary, operation.description, id, ...(operation.tags ?? [])].join(" ").toLowerCase()
  element.addEventListener("toggle", () => {
    if (element.open && element.children.length === 1) element.append(details(method, path, operation, shared))
    if (element.open) history.replaceState(null, "", `#${encodeURIComponent(id)}`)
  })
  return element
}

// --- the whole page

function groups() {
  const found = new Map((state.api.tags ?? []).map(tag => [tag.name, []]))
  for (const [path, item] of Object.entries(state.api.paths ?? {})) {
    const shared = (item.parameters ?? []).map(resolve)
    for (const method of METHODS.filter(each => item[each])) {
      const tag = item[method].tags?.[0] ?? ""
      if (!found.has(tag)) found.set(tag, [])
      found.get(tag).push(operationElement(method, path, item[method], shared))
    }
  }
  return [...found].filter(([, operations]) => operations.length).map(([tag, operations]) => {
    const about = (state.api.tags ?? []).find(one => one.name === tag)?.description
    return make("section", { class: "group" }, make("h2", {}, tag || "Operations"), make("p", { class: "text faint" }, about ?? ""), ...operations)
  })
}

function accessSection() {
  const schemes = Object.entries(state.api.components?.securitySchemes ?? {}).filter(([, one]) => resolve(one).in !== "cookie")
  if (!schemes.length) return ""
  const rows = schemes.map(([name, one]) => {
    const id = newId(), scheme = resolve(one), basic = scheme.scheme?.toLowerCase() === "basic"
    const field = make("input", { id, type: "password", autocomplete: "off", placeholder: basic ? "name:password" : "", oninput: () => { state.access[name] = field.value } })
    return make("tr", {}, make("th", { scope: "row" }, make("label", { for: id }, name)), make("td", {}, field), make("td", { class: "faint" }, scheme.description ?? `${scheme.type} ${scheme.scheme ?? scheme.name ?? ""}`))
  })
  return make("details", { id: "access" }, make("summary", {}, "Credentials"), make("p", { class: "faint" }, "They stay in this page until it is reloaded."), make("table", {}, make("tbody", {}, ...rows)))
}

function filterBy(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  for (const one of document.querySelectorAll("details.operation")) one.hidden = !words.every(word => one.dataset.words.includes(word))
  for (const one of document.querySelectorAll(".group")) one.hidden = !one.querySelector("details.operation:not([hidden])")
}

function openNamed() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)))
  if (named?.matches("details.operation")) { named.open = true; named.scrollIntoView() }
}

function show() {
  const { info = {}, servers = [] } = state.api
  document.querySelector("h1").append(make("small", {}, info.version ?? ""))
  document.querySelector("#about").textContent = info.description ?? ""
  document.querySelector("#about").className = "text"
  const server = document.querySelector("#server"), isChoice = servers.length > 0
  server.append(...servers.map(one => make("option", { value: one.url }, one.description ?? one.url)))
  server.hidden = document.querySelector("#server-label").hidden = !isChoice
  const found = groups()
  document.querySelector("#main").replaceChildren(...[accessSection(), ...found, found.length ? "" : make("p", {}, "There are no operations.")].filter(Boolean))
  const filter = document.querySelector("#filter")
  filter.addEventListener("input", () => filterBy(filter.value))
  document.querySelector("#tools").addEventListener("submit", event => event.preventDefault())
  addEventListener("hashchange", openNamed)
  openNamed()
}

async function start() {
  const answer = await fetch(document.body.dataset.document, { headers: { accept: "application/json" } })
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}))
    throw new Error(`${answer.status} ${answer.statusText}. ${problem.detail ?? ""}`)
  }
  state.api = await answer.json()
  show()
}

start().catch(error => {
  const place = document.querySelector("#state")
  place.textContent = `The description could not be had: ${error.message}`
  place.className = "bad"
})
