"""Exit statuses: each failure has one, and it is curl's where curl has one."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import answering
from tests.helpers.raw import raw_server
from toolkit import errors
from toolkit.errors import caused
from toolkit.other.cli.statuses import Exit, Stop, status_of

if TYPE_CHECKING:
    from toolkit import Response


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Stop(Exit.READ, "x"), 26),
        (errors.UseError("x"), 3),
        (errors.LocalProtocolError("x"), 2),
        (errors.ConnectTimeout("x"), 28),
        (errors.PoolTimeout("x"), 28),
        (TimeoutError(), 28),
        (errors.ConnectError("x"), 7),
        (caused(errors.ConnectError("x"), ConnectionRefusedError()), 7),
        (caused(errors.ConnectError("x"), socket.gaierror(-2, "x")), 6),
        (caused(errors.ConnectError("x"), ExceptionGroup("x", [OSError(), socket.gaierror(-2, "x")])), 6),
        (caused(errors.ConnectError("x"), ssl.SSLError("x")), 35),
        (caused(errors.ConnectError("x"), ssl.SSLCertVerificationError("x")), 60),
        (errors.Disconnected("x", clean=True), 52),
        (errors.Disconnected("x"), 56),
        (errors.RemoteProtocolError("x"), 8),
        (errors.LimitExceeded("x"), 63),
        (OSError(28, "No space left on device"), 23),
        (FileExistsError(17, "x"), 23),
    ],
)
def test_before_there_is_an_answer(error: BaseException, expected: int) -> None:
    assert status_of(error, None) == expected


async def answered(head: bytes) -> Response:
    sent = head + b"content-length: 0\r\n\r\n"
    async with (
        raw_server("tcp") as peer,
        peer.session() as http,
        answering(peer, http.get(f"{peer.url}/"), sent) as (x, _, _),
    ):
        return x


@pytest.mark.parametrize(
    ("head", "error", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n", errors.Disconnected("x", clean=True), 18),
        (b"HTTP/1.1 200 OK\r\n", errors.Disconnected("x"), 56),
        (b"HTTP/1.1 200 OK\r\n", errors.RemoteProtocolError("x"), 56),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n", errors.RemoteProtocolError("x"), 61),
        (b"HTTP/1.1 302 Found\r\n", errors.RemoteProtocolError("more than 10 redirects"), 47),
    ],
)
async def test_within_an_answer(head: bytes, error: Exception, expected: int) -> None:
    async with asyncio.timeout(10):
        assert status_of(error, await answered(head)) == expected


async def test_what_only_an_answer_can_be_the_reason_of() -> None:
    x = await answered(b"HTTP/1.1 404 Not Found\r\n")
    assert status_of(errors.StatusError("x", 404, x), x) == 22
    assert status_of(errors.BodyNotReplayable("x", x), x) == 65


def test_each_status_is_in_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs" / "command-line.md").read_text(encoding="utf-8")
    told = {int(number) for number in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    assert told == {int(one) for one in Exit}
