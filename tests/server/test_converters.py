"""Converters: which texts are of a kind, what they become, and that they come back as the same text."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.server.converters import CONVERTERS

ID = "12345678-9abc-def0-1234-56789abcdef0"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "0", 0),
        ("int", "007", 7),
        ("int", "-12", -12),
        ("float", "1", 1.0),
        ("float", "-1.50", -1.5),
        ("uuid", ID, UUID(ID)),
        ("uuid", ID.upper(), UUID(ID)),
        ("path", "a", "a"),
        ("path", "a//b/", "a//b/"),
        ("path", "../a", "../a"),  # what it leads to is for who opens it to judge
    ],
)
def test_a_text_of_this_kind(kind: str, text: str, value: object) -> None:
    parsed = CONVERTERS[kind].parse(text)
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        # What int() and float() would take, and a path should not.
        ("int", " 1"),
        ("int", "+1"),
        ("int", "1_0"),
        ("int", "\u0661"),  # a digit of another script
        ("int", "1.0"),
        ("int", "1\n"),
        ("int", "--1"),
        ("int", "9" * 5000),  # int() has a bound of its own, as its time is not linear
        ("float", "1e3"),
        ("float", "nan"),
        ("float", "inf"),
        ("float", ".5"),
        ("float", "5."),
        ("uuid", ID.replace("-", "")),
        ("uuid", f"{{{ID}}}"),
        ("uuid", ID + "0"),
        ("path", "/etc/passwd"),  # os.path.join would leave its directory
    ],
)
def test_a_text_of_another_kind(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"is not of this form|Exceeds the limit|does not begin with a slash"):
        CONVERTERS[kind].parse(text)


@given(st.integers(min_value=-(10**30), max_value=10**30))
def test_integers_come_back(value: int) -> None:
    assert CONVERTERS["int"].parse(CONVERTERS["int"].format(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False).map(lambda value: round(value, 3)))
def test_floats_come_back_without_an_exponent(value: float) -> None:
    text = CONVERTERS["float"].format(value)
    assert CONVERTERS["float"].parse(text) == value


def test_what_is_no_number_is_no_float() -> None:
    with pytest.raises(ValueError, match="expected a number"):
        CONVERTERS["float"].format("x")
