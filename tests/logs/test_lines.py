"""Lines: what a peer said is escaped (CVE-2020-7694), colours are for terminals, JSON is one object on a line."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.logs.lines import COLORS, JsonLines, PlainLines, Shown, escape, formatter_for, paint, wants_color


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def record(message: object, level: int = logging.INFO, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("toolkit.server", level, "", 0, message, None, None)
    made.created = 0.5
    made.__dict__.update(more)
    return made


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain \u00e9 \u2026", "plain \u00e9 \u2026"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\r\nb\tc\0", "a\\x0d\\x0ab\\x09c\\x00"),
        ("\x85\u2028\U000e0001", "\\x85\\u2028\\U000e0001"),
        ("\\x1b", "\\\\x1b"),
        ("\u202eevil", "\\u202eevil"),
        ('say "hi"', 'say "hi"'),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_a_quote_is_escaped_where_it_would_end_something() -> None:
    assert escape('a" b', '"') == "a\\x22 b"


@given(st.text())
def test_an_escaped_text_is_one_printable_line(text: str) -> None:
    assert escape(text).isprintable()
    assert '"' not in escape(text, '"')


def test_two_texts_are_never_escaped_to_the_same() -> None:
    texts = ["\n", "\\x0a", "\\\n", "\\\\n"]
    assert len({escape(text) for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("no_color", "force_color", "terminal", "wanted"),
    [
        ("", "", True, True),
        ("", "", False, False),
        ("1", "", True, False),
        ("", "1", False, True),
        ("1", "1", True, False),
    ],
)
def test_colors_are_for_terminals(
    monkeypatch: pytest.MonkeyPatch, no_color: str, force_color: str, terminal: bool, wanted: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("FORCE_COLOR", force_color)
    stream = Terminal() if terminal else io.StringIO()
    assert wants_color(stream) is wanted
    made = formatter_for("auto", stream)
    assert isinstance(made, PlainLines)
    assert made.colored is wanted


def test_a_format_by_name() -> None:
    assert isinstance(formatter_for("json", None), JsonLines)
    plain, colored, unknown = (
        formatter_for("plain", Terminal()),
        formatter_for("color", None),
        formatter_for("auto", None),
    )
    assert [one.colored for one in (plain, colored, unknown) if isinstance(one, PlainLines)] == [False, True, False]


def test_every_color_has_a_code() -> None:
    assert paint("x", None) == "x"
    assert paint("x", "red") == "\x1b[31mx\x1b[0m"
    assert paint("x", "b_red") == "\x1b[1;31mx\x1b[0m"
    assert len({paint("x", name) for name in COLORS}) == len(COLORS) == 9


def test_a_plain_line() -> None:
    line = PlainLines().format(record("told: \x1b[2J", logging.WARNING))
    assert line.endswith(" WARNING  toolkit.server: told: \\x1b[2J")
    assert PlainLines().format(record("x", request_id="a\n")).endswith(" INFO     toolkit.server: x [a\\x0a]")


def test_a_line_in_colors_escapes_as_well() -> None:
    line = PlainLines(colored=True).format(record("\x1b[2J", logging.ERROR))
    assert "\x1b[31mERROR   \x1b[0m" in line
    assert "\x1b[2J" not in line


def failure() -> logging.LogRecord:
    try:
        raise ValueError("bad\x1b[2J\nthing")
    except ValueError:
        return record("failed", logging.ERROR, exc_info=sys.exc_info())


def test_a_traceback_stands_below_indented_and_escaped() -> None:
    first, *rest = PlainLines().format(failure()).splitlines()
    assert first.endswith("toolkit.server: failed")
    assert rest
    assert all(line.startswith("    ") and line.isprintable() for line in rest)
    assert "ValueError: bad\\x1b[2J" in rest[-2]


def test_json_is_one_object_on_one_line() -> None:
    line = JsonLines().format(record("a\nb %s", request_id="r1"))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.500Z",
        "level": "info",
        "logger": "toolkit.server",
        "message": "a\nb %s",
        "request_id": "r1",
    }
    entry = json.loads(JsonLines().format(failure()))
    assert entry["traceback"].startswith("Traceback")


class Own(Shown):
    """A message that knows how it looks."""

    def __init__(self, row: int | None) -> None:
        self.row = row

    def plain(self) -> str:
        return "as a line"

    def members(self) -> dict[str, object]:
        return {"own": {1, 2} and "x"}


def test_a_message_may_know_how_it_looks() -> None:
    assert PlainLines().format(record(Own(7))).endswith("INFO     as a line")
    assert "\x1b[7;1H" not in PlainLines().format(record(Own(7)))
    assert PlainLines(colored=True).format(record(Own(7))).startswith("\x1b[7;1H\x1b[2K")
    assert json.loads(JsonLines().format(record(Own(None))))["own"] == "x"
