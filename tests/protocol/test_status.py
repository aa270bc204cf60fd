"""Status codes: lines as they are sent, phrases as they are registered."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from toolkit.errors import LocalProtocolError
from toolkit.protocol.compiled import compiled
from toolkit.protocol.status import REASONS, STATUS_LINES, reason_phrase, status_line

# RFC 9110 15 where its words differ from what older Pythons say.
PHRASES = [
    (100, "Continue"),
    (101, "Switching Protocols"),
    (103, "Early Hints"),
    (200, "OK"),
    (204, "No Content"),
    (206, "Partial Content"),
    (304, "Not Modified"),
    (308, "Permanent Redirect"),
    (400, "Bad Request"),
    (404, "Not Found"),
    (408, "Request Timeout"),
    (413, "Content Too Large"),
    (414, "URI Too Long"),
    (415, "Unsupported Media Type"),
    (416, "Range Not Satisfiable"),
    (417, "Expectation Failed"),
    (421, "Misdirected Request"),
    (422, "Unprocessable Content"),
    (426, "Upgrade Required"),
    (431, "Request Header Fields Too Large"),
    (500, "Internal Server Error"),
    (501, "Not Implemented"),
    (505, "HTTP Version Not Supported"),
    (599, ""),
    (299, ""),
]


@pytest.mark.parametrize(("status", "phrase"), PHRASES)
def test_phrases(status: int, phrase: str) -> None:
    assert reason_phrase(status) == phrase
    assert status_line(status) == f"HTTP/1.1 {status} {phrase}\r\n".encode()  # the space stays: RFC 9112 4


def test_every_registered_status_has_its_line() -> None:
    assert set(STATUS_LINES) == set(REASONS) >= {status.value for status in HTTPStatus}


@pytest.mark.parametrize("status", range(100, 1000, 7))
def test_any_three_digits_can_be_sent(status: int) -> None:
    line = status_line(status)
    assert line.startswith(b"HTTP/1.1 %d " % status)
    assert line.endswith(b"\r\n")


@pytest.mark.parametrize("status", [-200, 0, 1, 99, 1000, 20000])
def test_any_other_number_cannot(status: int) -> None:
    with pytest.raises(LocalProtocolError, match=r"expected a number from 100 to 999"):
        status_line(status)


@pytest.mark.parametrize("status", ["200", None, 200.5])
def test_what_is_no_number_cannot(status: int) -> None:
    """Compiled code looks at types before it runs."""
    refusal, text = (TypeError, "int object expected") if compiled else (LocalProtocolError, "expected a number from")
    with pytest.raises(refusal, match=text):
        status_line(status)
