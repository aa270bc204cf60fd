"""Forms over a link: parts that stream, whole forms within their limits, handlers that leave early, both ends."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import chunk, read_answer
from tests.helpers.served import KINDS, PATIENCE, served
from toolkit import App, Form, FormLimits, Request, Session, Upload
from toolkit.errors import Disconnected, LimitExceeded, RemoteProtocolError, UseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from toolkit.protocol.aio.forms import Part

TYPE = "multipart/form-data; boundary=B"


def field(name: str, data: bytes, *, filename: str | None = None, kind: str | None = None) -> bytes:
    head = f'--B\r\nContent-Disposition: form-data; name="{name}"'
    head += "" if filename is None else f'; filename="{filename}"'
    head += "" if kind is None else f"\r\nContent-Type: {kind}"
    return head.encode() + b"\r\n\r\n" + data + b"\r\n"


END = b"--B--\r\n"
SIMPLE = field("a", b"1") + field("f", b"data", filename="x.bin", kind="a/b") + field("a", b"2") + END


def posting(
    handler: Callable[[Request], object], body: bytes, kind: str | None = TYPE, **options: FormLimits
) -> tuple[App, dict[str, str]]:
    web = App(port=0, **options)  # type: ignore[arg-type]
    web.post("/")(handler)
    return web, {} if kind is None else {"content-type": kind}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def told(
    handler: Callable[[Request], object], body: bytes, kind: str | None = TYPE, **options: FormLimits
) -> object:
    """What a handler returns as JSON, or (status, text)."""
    web, headers = posting(handler, body, kind, **options)
    async with Session(app=web) as http:
        x = await http.post("/", headers, body=body)
        return await x.json() if x.status == 200 else (x.status, await x.text())


async def shown(r: Request) -> object:
    form = await r.form()
    assert await r.form() is form
    pairs = []
    for name, value in form.pairs:
        if isinstance(value, Upload):
            pairs.append(
                [name, value.filename, value.content_type, value.in_memory, (await value.read()).decode("latin-1")]
            )
        else:
            pairs.append([name, value])
    return pairs


@pytest.mark.parametrize("kind", KINDS)
async def test_a_form_with_fields_and_files(kind: str) -> None:
    web, headers = posting(shown, SIMPLE)
    async with served(web, kind) as here, here.session() as http:
        x = await http.post(f"{here.url}/", headers, body=SIMPLE)
        assert await x.json() == [["a", "1"], ["f", "x.bin", "a/b", True, "data"], ["a", "2"]]


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
async def test_a_coded_form(coding: str) -> None:
    from tests.helpers.coded import encoded

    web, headers = posting(shown, b"")
    async with Session(app=web) as http:
        x = await http.post("/", headers | {"content-encoding": coding}, body=encoded(coding, SIMPLE))
        assert (await x.json())[0] == ["a", "1"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("body", "kind", "seen"),
    [
        (b"a=1&b=x+y&a=%C3%A9", "application/x-www-form-urlencoded", [["a", "1"], ["b", "x y"], ["a", "\u00e9"]]),
        (b"a=%E9", "application/x-www-form-urlencoded; charset=iso-8859-1", [["a", "\u00e9"]]),
        (b"", "application/x-www-form-urlencoded", []),
        (b"", None, []),
        (END, TYPE, []),
        (field("a", b"\xe9", kind="text/plain; charset=latin1") + END, TYPE, [["a", "\u00e9"]]),
        (field("a", b"\xe9") + END, TYPE + "; charset=latin1", [["a", "\u00e9"]]),
        (field("a", b"\xe9") + END, TYPE, [["a", "\ufffd"]]),
        (field("a", b"1", kind="text/plain; charset=punycode") + END, TYPE, [["a", "1"]]),
        (field("f", b"", filename="") + END, TYPE, [["f", "", "application/octet-stream", True, ""]]),
        (
            b"before\r\n" + SIMPLE[:30] + SIMPLE[30:] + b"after",
            TYPE,
            [["a", "1"], ["f", "x.bin", "a/b", True, "data"], ["a", "2"]],
        ),
    ],
)
async def test_forms_of_both_kinds(body: bytes, kind: str | None, seen: object) -> None:
    assert await told(shown, body, kind) == seen


@pytest.mark.parametrize(
    ("body", "kind", "status", "text"),
    [
        (
            b"x",
            "text/plain",
            415,
            "the body is text/plain; expected application/x-www-form-urlencoded or multipart/form-data",
        ),
        (b"x", None, 415, "the body is no content-type; expected"),
        (b"x", "multipart/mixed; boundary=B", 415, "the body is multipart/mixed"),
        (b"a=b", "application/x-www-form-urlencoded; charset=utf-7", 415, "charset 'utf-7' is not known here"),
        (SIMPLE, TYPE + "; charset=x", 415, "charset 'x' is not known here"),
        (SIMPLE, "multipart/form-data", 400, "expected a boundary"),
        (SIMPLE[:-9], TYPE, 400, "ends before its last boundary"),
        (b"", TYPE, 400, "ends before its last boundary"),
        (b"--B\r\n\r\nx\r\n" + END, TYPE, 400, "no content-disposition of form-data with a name"),
        (b"--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END, TYPE, 400, "no content-disposition"),
        (b"--B\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n" + END, TYPE, 400, "no content-disposition"),
        (
            b"--B\r\nContent-Disposition: form-data; name=a; filename*=utf-8''%e9\r\n\r\nx\r\n" + END,
            TYPE,
            400,
            "are not utf-8",
        ),
        (b"--B\r\nbroken\r\n\r\nx\r\n" + END, TYPE, 400, "expected 'name: value'"),
    ],
)
async def test_what_is_no_form_is_said_so(body: bytes, kind: str | None, status: int, text: str) -> None:
    seen = await told(shown, body, kind)
    assert isinstance(seen, tuple)
    assert seen[0] == status
    assert text in seen[1]


TEXTS = b"".join(field(f"n{n}", b"12345") for n in range(4)) + END
FILES = b"".join(field(f"n{n}", b"12345", filename="x") for n in range(4)) + END


@pytest.mark.parametrize(
    ("limits", "body", "text"),
    [
        # CVE-2023-30798, CVE-2023-25577, GHSA-f96h-pmfr-66vw and their kin: counted while the form arrives
        (FormLimits(fields=3), TEXTS, "over 3 fields"),
        (FormLimits(fields=4), TEXTS, None),
        (FormLimits(field=4), TEXTS, "'n0' of the form is over 4 bytes"),
        (FormLimits(field=5), TEXTS, None),
        (FormLimits(text=27), TEXTS, "are over 27 bytes together"),
        (FormLimits(text=28), TEXTS, None),
        (FormLimits(parts=3), TEXTS, "over 3 parts"),
        (FormLimits(parts=4), TEXTS, None),
        (FormLimits(body=len(TEXTS) - 1), TEXTS, f"over {len(TEXTS) - 1} bytes"),
        (FormLimits(body=len(TEXTS)), TEXTS, None),
        (FormLimits(body=None), TEXTS, None),
        (FormLimits(files=3), FILES, "over 3 files"),
        (FormLimits(files=4), FILES, None),
        (FormLimits(file=4), FILES, "'x' is over 4 bytes"),
        (FormLimits(file=5), FILES, None),
        (FormLimits(file=None), FILES, None),
        (FormLimits(fields=0), FILES, None),
        (FormLimits(part_head=20), TEXTS, "header of a part is over 20 bytes"),
        (FormLimits(part_fields=0), TEXTS, "header fields, the limit is 0"),
    ],
)
async def test_limits(limits: FormLimits, body: bytes, text: str | None) -> None:
    async def own(r: Request) -> object:
        return [len(await r.form(limits))]

    async def of_the_application(r: Request) -> object:
        return [len(await r.form())]

    for seen in (await told(own, body), await told(of_the_application, body, forms=limits)):
        if text is None:
            assert seen == [4]
        else:
            assert isinstance(seen, tuple)
            assert seen[0] == 413
            assert text in seen[1]


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (FormLimits(fields=1), "over 1 fields"),
        (FormLimits(field=2), "over 2 bytes"),
        (FormLimits(text=6), "over 6 bytes"),
    ],
)
async def test_limits_of_the_urlencoded_kind(limits: FormLimits, text: str) -> None:
    async def handler(r: Request) -> object:
        return dict((await r.form(limits)).items())

    seen = await told(handler, b"a=1&b=234", "application/x-www-form-urlencoded")
    assert isinstance(seen, tuple)
    assert seen[0] == 413
    assert text in seen[1]


async def test_a_large_file_goes_to_disk_and_a_small_one_does_not() -> None:
    async def handler(r: Request) -> object:
        form = await r.form(FormLimits(memory=1000))
        return [[file.in_memory, file.size, (await file.read()) == b"x" * file.size] for file in form.files()]

    body = field("a", b"x" * 1000, filename="a") + field("b", b"x" * 300_000, filename="b") + END
    assert await told(handler, body) == [[True, 1000, True], [False, 300_000, True]]


async def test_a_form_that_is_refused_leaves_no_file_open(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[Upload]()
    original = Upload.__init__

    def noting(self: Upload, *arguments: object) -> None:
        made.append(self)
        original(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Upload, "__init__", noting)
    limits = FormLimits(memory=0, files=2)

    async def handler(r: Request) -> object:
        return [len(await r.form(limits))]

    assert (await told(handler, FILES))[0] == 413  # type: ignore[index]
    assert [file._file.closed for file in made] == [True, True]


async def test_form_look_ups() -> None:
    form = Form([("a", "1"), ("f", upload := Upload("f", "x", None)), ("a", "2"), ("f", "text")])  # type: ignore[arg-type]
    assert (form.text("a"), form.text("f"), form.text("b"), form.text("b", "no")) == ("2", "text", "", "no")
    assert (form.file("f"), form.file("a"), form.files("f"), form.files()) == (upload, None, [upload], [upload])
    form.close()
    assert upload._file.closed


# Parts, one after the other


async def test_parts_stream_and_backpressure_reaches_the_peer() -> None:
    """What nobody reads stays with the sender: a gigabyte of upload is some hundred kilobytes here."""
    web, reading, go = App(port=0), asyncio.Event(), asyncio.Event()

    @web.post("/")
    async def handler(r: Request) -> object:
        size = 0
        async for part in r.multipart():
            async for data in part:
                size += len(data)
                if not go.is_set():
                    reading.set()
                    await go.wait()
                    assert r.received_len < 1 << 20
        return str(size)

    async with (
        served(web, "tcp") as here,
        here.session() as http,
        http.post(f"{here.url}/", {"content-type": TYPE}) as x,
    ):

        async def upload() -> None:
            await x.write(field("f", b"", filename="f")[:-2])
            for _ in range(64):
                await x.write(b"x" * (1 << 20))
            await x.eof(b"\r\n" + END)

        sending = asyncio.ensure_future(upload())
        await reading.wait()
        for _ in range(200):  # as far as it gets
            await asyncio.sleep(0)
        assert not sending.done()
        go.set()
        await sending
        assert await x.text() == str(64 << 20)


async def test_a_part_that_is_left_is_skipped_and_cannot_be_read_any_more() -> None:
    seen = list[object]()

    async def handler(r: Request) -> object:
        left: Part | None = None
        async for part in r.multipart():
            if left is not None:
                with pytest.raises(UseError, match="was left for the next one"):
                    await left.read()
            seen.append((part.name, part.filename, part.content_type, part.headers.get("content-type"), repr(part)))
            if part.filename is not None:
                await anext(part)
            left = part
        return "done"

    web, headers = posting(handler, SIMPLE)
    async with Session(app=web) as http:
        assert (await http.post("/", headers, body=SIMPLE)).content == b"done"
    assert seen == [
        ("a", None, "text/plain", None, "<Part 'a'>"),
        ("f", "x.bin", "a/b", "a/b", "<Part 'f': 'x.bin'>"),
        ("a", None, "text/plain", None, "<Part 'a'>"),
    ]


async def test_a_part_read_to_its_end_stays_so() -> None:
    async def handler(r: Request) -> object:
        seen = []
        async for part in r.multipart():
            seen.append([await part.text(), await part.text(), (await part.read()).decode()])
        return seen

    assert await told(handler, SIMPLE) == [["1", "", ""], ["data", "", ""], ["2", "", ""]]


async def test_reading_a_part_has_a_limit() -> None:
    async def handler(r: Request) -> object:
        async for part in r.multipart():
            await part.read(limit=0)
        return "unreached"

    seen = await told(handler, SIMPLE)
    assert isinstance(seen, tuple)
    assert (seen[0], "'a' of the form is over 0 bytes" in seen[1]) == (413, True)


async def test_parts_are_saved(tmp_path: Path) -> None:
    data = os.urandom(700_000)

    async def handler(r: Request) -> object:
        return [await part.save(tmp_path) async for part in r.multipart() if part.filename]

    body = field("a", b"1") + field("f", data, filename="../../x.bin") + field("g", b"", filename="empty") + END
    assert await told(handler, body) == [str(tmp_path / "x.bin"), str(tmp_path / "empty")]
    assert contents(tmp_path) == {"x.bin": data, "empty": b""}


async def test_a_part_over_the_limit_leaves_nothing_behind(tmp_path: Path) -> None:
    async def handler(r: Request) -> object:
        async for part in r.multipart(FormLimits(file=3)):
            if part.filename:
                await part.save(tmp_path / "x")
        return "unreached"

    seen = await told(handler, SIMPLE)
    assert isinstance(seen, tuple)
    assert (seen[0], "'x.bin' is over 3 bytes" in seen[1]) == (413, True)
    assert contents(tmp_path) == {}


async def test_a_peer_that_leaves_in_a_part_leaves_nothing_behind(tmp_path: Path) -> None:
    web, began, ended = App(port=0), asyncio.Event(), asyncio.Event()
    errors = list[BaseException]()

    @web.post("/")
    async def handler(r: Request) -> None:
        try:
            async for part in r.multipart():
                began.set()
                await part.save(tmp_path / "x")
        except BaseException as error:
            errors.append(error)
            raise
        finally:
            ended.set()

    async with served(web, "tcp") as here:
        raw = await here.raw()
        body = field("f", b"x" * 500_000, filename="x")
        await raw.send(
            f"POST / HTTP/1.1\r\nhost: a\r\ncontent-type: {TYPE}\r\ncontent-length: 999999\r\n\r\n".encode() + body
        )
        async with asyncio.timeout(PATIENCE):
            await began.wait()
            raw.reset()
            await ended.wait()
    assert isinstance(errors[0], (Disconnected, asyncio.CancelledError))
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("when", ["before", "in a part", "between"])
async def test_a_handler_that_leaves_early_hangs_nothing(when: str, framing: str) -> None:
    """The rest is drained and the connection goes on, as for any body that is left unread."""
    web = App(port=0)

    @web.post("/")
    async def handler(r: Request) -> object:
        parts = r.multipart()
        if when != "before":
            part = await anext(parts)
            await (anext(part) if when == "in a part" else part.read())
        return "left"

    web.get("/next")(lambda r: "next")
    head = f"POST / HTTP/1.1\r\nhost: a\r\ncontent-type: {TYPE}\r\n"
    coming = chunk(SIMPLE) + b"0\r\n\r\n" if framing == "chunked" else SIMPLE
    head += "transfer-encoding: chunked\r\n\r\n" if framing == "chunked" else f"content-length: {len(SIMPLE)}\r\n\r\n"
    async with served(web) as here:
        raw = await here.raw()
        await raw.send(head.encode() + coming[:80])
        assert (await read_answer(raw)).body == b"left"
        await raw.send(coming[80:] + b"GET /next HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await read_answer(raw)).body == b"next"


# The other end


async def two_parts(r: Request) -> AsyncIterator[bytes]:
    for at in range(0, len(SIMPLE), 10):
        yield SIMPLE[at : at + 10]


async def test_an_answer_may_be_a_form_too() -> None:
    web = App(port=0)
    web.get("/")(lambda r: (200, two_parts(r), {"content-type": TYPE}))
    web.get("/mixed")(
        lambda r: (
            200,
            b"--B\r\n\r\nx\r\n--B\r\nA: 1\r\n\r\ny\r\n--B--",
            {"content-type": "multipart/mixed; boundary=B"},
        )
    )
    web.get("/text")(lambda r: "x")
    async with Session(app=web) as http:
        async with http.get("/") as x:
            form = await x.form()
            assert await x.form() is form
            assert (form.get_all("a"), [file.filename for file in form.files()]) == (["1", "2"], ["x.bin"])
        async with http.get("/") as x:
            await x.head()
            assert [(part.name, await part.text()) async for part in x.multipart()] == [
                ("a", "1"),
                ("f", "data"),
                ("a", "2"),
            ]
        async with http.get("/mixed") as x:
            await x.head()
            assert [(part.name, await part.read()) async for part in x.multipart()] == [("", b"x"), ("", b"y")]
        whole = await http.get("/")  # read before anybody wanted its parts
        assert (await whole.form()).text("a") == "2"
        with pytest.raises(RemoteProtocolError, match="expected multipart/form-data"):
            (await http.get("/text")).multipart()
        with pytest.raises(LimitExceeded):
            await (await http.get("/")).form(FormLimits(fields=1))


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_form_that_says_it_is_too_large_is_refused_before_it_is_sent(streamed: bool) -> None:
    """RFC 9110 10.1.1: 413 comes instead of 100, and not behind all that the limit has room for."""
    web = App(port=0, forms=FormLimits(body=1000))

    @web.post("/")
    async def handler(r: Request) -> None:
        if streamed:
            async for part in r.multipart():
                await part.read()
        else:
            await r.form()

    async with served(web, "memory") as here:
        raw = await here.raw()
        fields = f"content-type: {TYPE}\r\ncontent-length: 1001\r\nexpect: 100-continue\r\n"
        await raw.send(f"POST / HTTP/1.1\r\nhost: x\r\n{fields}\r\n".encode())
        assert (await raw.rest()).startswith(b"HTTP/1.1 413 ")
