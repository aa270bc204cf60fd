"""Docstrings in the three dialects, and without the library that knows them."""

from __future__ import annotations

import importlib
import inspect
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.server.openapi.docstrings import Entry, read

GOOGLE = """Show a user.

The user is looked for
everywhere.

Args:
    r: the request
    id (int): whose page it is
    page (int, optional): which page; by default 1.
        It counts from one: the first.

Returns:
    dict: the user, with a name

Raises:
    NotFound: there is no such user
"""
REST = """Show a user.

The user is looked for
everywhere.

:param r: the request
:param id: whose page it is
:type id: int
:param int page: which page; by default 1.
    It counts from one: the first.
:returns: the user, with a name
:rtype: dict
:raises NotFound: there is no such user
"""
NUMPY = """Show a user.

The user is looked for
everywhere.

Parameters
----------
r
    the request
id : int
    whose page it is
page : int, optional
    which page; by default 1.
    It counts from one: the first.

Returns
-------
dict
    the user, with a name

Raises
------
NotFound
    there is no such user
"""


@pytest.mark.parametrize("text", [GOOGLE, REST, NUMPY], ids=["google", "rest", "numpy"])
def test_the_sections_of_each_dialect(text: str) -> None:
    found = read(text)
    assert found.summary == "Show a user."
    assert found.description == "The user is looked for\neverywhere."
    assert [(name, one.type, one.description) for name, one in found.parameters.items()] == [
        ("r", "", "the request"),
        ("id", "int", "whose page it is"),
        ("page", "int", "which page; by default 1. It counts from one: the first."),
    ]
    assert found.returns == "the user, with a name"
    assert found.raises == (("NotFound", "there is no such user"),)


@pytest.mark.parametrize(
    ("type", "schema"),
    [
        ("int", {"type": "integer"}),
        ("Integer", {"type": "integer"}),
        ("float", {"type": "number"}),
        ("bool", {"type": "boolean"}),
        ("list", {"type": "array", "items": {}}),
        ("dict", {"type": "object"}),
        ("UUID", {"type": "string", "format": "uuid"}),
        ("str", {"type": "string"}),
        ("", {"type": "string"}),
        ("whatever", {"type": "string"}),
    ],
)
def test_types_as_they_are_called_in_docstrings(type: str, schema: dict[str, object]) -> None:
    assert Entry(type, "").schema == schema


def test_one_line_is_a_summary_whatever_is_in_it() -> None:
    found = read("Show: a user.")
    assert (found.summary, found.description, found.parameters) == ("Show: a user.", "", {})
    assert read("").summary == ""
    assert read("A summary\nover two lines.").summary == "A summary over two lines."
    longer = read("A summary\nover two lines.\n\nMore.\n\nArgs:\n    id: whose\n")
    assert (longer.summary, longer.description, list(longer.parameters)) == (
        "A summary over two lines.",
        "More.",
        ["id"],
    )
    direct = read("A summary.\n:param id: whose")
    assert (direct.summary, direct.description, list(direct.parameters)) == ("A summary.", "", ["id"])


def test_other_sections_are_description() -> None:
    found = read("Show.\n\nNote:\n    Not for children.\n\nArgs:\n    id: whose\n")
    assert found.description == "Note:\n    Not for children."
    assert list(found.parameters) == ["id"]
    assert found.together == "Show.\n\nNote:\n    Not for children."


def test_without_the_library_sections_are_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docstring_parser", None)
    found = read(GOOGLE)
    assert found.summary == "Show a user."
    assert found.description.startswith("The user is looked for\neverywhere.\n\nArgs:\n    r: the request")
    assert (found.parameters, found.returns, found.raises) == ({}, "", ())


def test_what_the_library_refuses_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    library = importlib.import_module("docstring_parser")

    def refuse(text: str) -> object:
        raise library.ParseError("no")

    monkeypatch.setattr(library, "parse", refuse)
    assert read("One.\n\nTwo.").description == "Two."


PIECES = st.sampled_from(
    ["Args:", "Returns:", "Raises:", ":param", ":returns:", "---", "x", ":", " ", "    ", "\n", "(int)"]
)


@given(st.lists(PIECES | st.text(max_size=3), max_size=30).map("".join))
def test_no_docstring_breaks_a_description(text: str) -> None:
    found = read(inspect.cleandoc(text))
    assert isinstance(found.together, str)
