"""The access log: one line for each exchange, however it ended, in the formats that programs and people read."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import KINDS, PATIENCE, served
from toolkit import App
from toolkit.errors import UseError
from toolkit.server.access_log import AccessEntry, AccessLog

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit import Request

LINKS = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def entries(caplog: pytest.LogCaptureFixture) -> list[AccessEntry]:
    """What was logged so far, by way of the logger's handlers."""
    caplog.set_level(logging.INFO, "toolkit.access")
    found: list[AccessEntry] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert isinstance(record.msg, AccessEntry)
            found.append(record.msg)

    logger = logging.getLogger("toolkit.access")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.addHandler(Keep())
    return found


@pytest.fixture(autouse=True)
def as_before() -> object:
    yield
    logging.getLogger("toolkit.access").handlers.clear()
    return None


def application(**options: object) -> App:
    web = App(access_log=AccessLog(**options))  # type: ignore[arg-type]

    @web.get("/plain")
    def plain(r: Request) -> str:
        return "hello"

    @web.post("/echo")
    async def echo(r: Request) -> None:
        await r.prepare()
        await r.relay(r)

    @web.get("/broken")
    async def broken(r: Request) -> None:
        await r.prepare({"content-length": 10})
        await r.write(b"half")
        raise ValueError

    @web.get("/slow", on_eof="cancel")
    async def slow(r: Request) -> None:
        await r.inform(103)
        await asyncio.Event().wait()

    return web


async def settled(count: int, entries: list[AccessEntry]) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(entries) < count:  # noqa: ASYNC110 - a handler of logging tells nobody
            await asyncio.sleep(0)


@LINKS
async def test_each_exchange_is_a_line(kind: str, entries: list[AccessEntry]) -> None:
    async with served(application(), kind) as here, here.session() as http:
        _ = await http.get(f"{here.url}/plain?a=b", {"user-agent": "me", "referer": "there"})
        _ = await http.head(f"{here.url}/plain")
        _ = await http.post(f"{here.url}/echo", body=b"x" * 100_000)
        _ = await http.get(f"{here.url}/nowhere")
        await settled(4, entries)
    assert [(e.method, e.target, e.status, e.sent, e.received, e.whole) for e in entries] == [
        ("GET", "/plain?a=b", 200, 5, 0, True),
        ("HEAD", "/plain", 200, 0, 0, True),
        ("POST", "/echo", 200, 100_000, 100_000, True),
        ("GET", "/nowhere", 404, len(b"Not Found"), 0, True),
    ]
    assert (entries[0].field(b"user-agent"), entries[0].field(b"referer")) == ("me", "there")
    assert {e.peer for e in entries} == {{"memory": "memory", "unix": ""}.get(kind, "127.0.0.1")}
    assert all(e.seconds > 0 and e.version == "1.1" for e in entries)


@LINKS
async def test_what_broke_off_says_so(kind: str, entries: list[AccessEntry]) -> None:
    async with served(application(), kind) as here:
        raw = await here.raw()
        await raw.send(b"GET /broken HTTP/1.1\r\nhost: x\r\n\r\n")
        await raw.gone()
        await raw.close()
        await settled(1, entries)
        raw = await here.raw()
        await raw.send(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        await raw.until(b"\r\n\r\n")
        await raw.close()
        await settled(2, entries)
    assert [(e.target, e.status, e.whole) for e in entries] == [("/broken", 200, False), ("/slow", None, False)]


async def test_pipelined_requests_are_a_line_each(entries: list[AccessEntry]) -> None:
    async with served(application()) as here:
        raw = await here.raw()
        await raw.send(b"GET /plain HTTP/1.1\r\nhost: x\r\n\r\n" * 3)
        await settled(3, entries)
    assert len(entries) == 3


async def test_an_answer_with_an_unread_body_behind_it_is_a_line(entries: list[AccessEntry]) -> None:
    async with served(application()) as here:
        raw = await here.raw()
        await raw.send(b"POST /plain HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nx")
        await raw.gone()
    assert [(e.status, e.whole) for e in entries] == [(405, True)]


async def test_bytes_that_are_no_request_are_a_line(entries: list[AccessEntry]) -> None:
    async with served(application()) as here:
        raw = await here.raw()
        await raw.send(b"nonsense\r\n\r\n")
        await raw.rest()
    (entry,) = entries
    assert (entry.status, entry.method, entry.target) == (400, "", "")
    assert re.fullmatch(r'memory - - \[.{26}\] "-" 400 0 "-" "-"', entry.combined())
    assert entry.plain() == "memory - 400 0 B 0.0 ms"


async def test_what_is_to_be_skipped_is(entries: list[AccessEntry]) -> None:
    async with served(application(skip=lambda r: r.path == "/plain")) as here, here.session() as http:
        _ = await http.get("/plain")
        _ = await http.get("/other")
    assert [e.target for e in entries] == ["/other"]


async def test_a_level_above_silences_it(entries: list[AccessEntry], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "toolkit.access")
    async with served(application()) as here, here.session() as http:
        _ = await http.get("/plain")
    assert entries == []


async def test_without_one_nothing_is_kept() -> None:
    web = App()
    assert web.access_log is None
    assert App(access_log=False).access_log is None
    assert App(access_log=True).access_log == AccessLog()


def entry() -> AccessEntry:
    made = AccessEntry("192.0.2.1", 200, 86_400 * 59 + 3661.9)
    made.method, made.target, made.version = "GET", '/a"b\\\x1b[2J', "1.1"
    made.fields = [(b"User-Agent", b'evil" \x1b[2J\xe9'), (b"referer", b"")]
    made.sent, made.seconds = 12, 0.00123
    return made


def test_the_formats_that_programs_know_are_escaped() -> None:
    asked = "GET /a\\x22b\\\\\\x1b[2J HTTP/1.1"
    common = f'192.0.2.1 - - [01/Mar/1970:01:01:01 +0000] "{asked}" 200 12'
    assert entry().common() == common
    assert entry().combined() == str(entry()) == f'{common} "-" "evil\\x22 \\x1b[2J\u00e9"'


def test_the_formats_for_people_are_escaped() -> None:
    assert entry().plain() == '192.0.2.1 GET /a"b\\\\\\x1b[2J 200 12 B 1.2 ms'
    made = entry()
    made.whole = False
    assert "\x1b[2J" not in made.colored()
    assert made.colored().startswith("\x1b[32m200\x1b[0m GET")
    assert "broken off" in made.colored()
    assert made.plain().endswith("(broken off)")
    made.status, made.method = None, ""
    assert made.colored().startswith("- - ")


def test_the_format_for_programs_has_numbers() -> None:
    members = entry().members()
    assert members["seconds"] == 0.00123
    assert members["status"] == 200
    assert members["user_agent"] == 'evil" \x1b[2J\xe9'


@pytest.mark.parametrize(
    ("format", "pattern"),
    [
        ("auto", r'.* - - \[.*\] "GET /plain HTTP/1.1" 200 5 "-" "toolkit/.*"'),
        ("combined", r'.* - - \[.*\] "GET /plain HTTP/1.1" 200 5 "-" "toolkit/.*"'),
        ("common", r'.* - - \[.*\] "GET /plain HTTP/1.1" 200 5'),
        ("plain", r".* INFO     memory GET /plain 200 5 B .* ms"),
        ("color", r".*\[32m200.* GET /plain .*"),
    ],
)
async def test_a_file_of_its_own(format: str, pattern: str, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    async with served(application(format=format, file=path)) as here, here.session() as http:
        _ = await http.get("/plain")
    assert re.fullmatch(pattern, path.read_text().removesuffix("\n"))


async def test_a_file_of_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    async with served(application(format="json", file=path)) as here, here.session() as http:
        _ = await http.get("/plain")
        _ = await http.get("/plain")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["logger"], line["status"], line["target"]) for line in lines] == [
        ("toolkit.access", 200, "/plain")
    ] * 2


async def test_without_handlers_it_is_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("toolkit.access")
    logger.propagate = False
    try:
        async with served(application(format="common")) as here, here.session() as http:
            _ = await http.get("/plain")
        assert '"GET /plain HTTP/1.1" 200 5' in capsys.readouterr().err
    finally:
        logger.propagate = True


def test_a_format_that_there_is_not_is_refused_with_those_that_are() -> None:
    with pytest.raises(UseError, match="expected one of auto, common, combined"):
        AccessLog(format="xml")  # type: ignore[arg-type]  # as a program without types has it
