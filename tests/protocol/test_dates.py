"""HTTP dates: the three formats of RFC 9110 5.6.7, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.protocol.dates import format_http_date, parse_http_date

EXAMPLE = 784111777  # the moment that RFC 9110 writes in all three formats


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", EXAMPLE),  # 5.6.7: IMF-fixdate
        ("Sunday, 06-Nov-94 08:49:37 GMT", EXAMPLE),  # rfc850-date
        ("Sun Nov  6 08:49:37 1994", EXAMPLE),  # asctime-date
        ("Sun Nov 06 08:49:37 1994", EXAMPLE),  # date3 = month SP ( 2DIGIT / ( SP 1DIGIT ))
        ("Wed Nov 16 08:49:37 1994", EXAMPLE + 10 * 86400),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
        ("Thu, 29 Feb 2024 12:00:00 GMT", 1709208000),
        ("Tue, 29 Feb 2000 00:00:00 GMT", 951782400),  # divisible by 400
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1483228800),  # a leap second
        ("Mon, 06 Nov 1994 08:49:37 GMT", EXAMPLE),  # a weekday, if not the right one
        (" Sun, 06 Nov 1994 08:49:37 GMT\t", EXAMPLE),  # white space around a field's value
        ("Saturday, 01-Jan-00 00:00:00 GMT", 946684800),  # two digits: this century
        ("Friday, 31-Dec-99 23:59:59 GMT", 946684799),  # more than 50 years ahead: the last one
    ],
)
def test_a_date_is_read(text: str, expected: int) -> None:
    assert parse_http_date(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "784111777",
        "Sun, 06 Nov 1994 08:49:37",  # no zone
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 6 Nov 1994 08:49:37 GMT",  # two digits
        "Sun, 06 nov 1994 08:49:37 GMT",  # 5.6.7: case-sensitive
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun,06 Nov 1994 08:49:37 GMT",
        "Sun,  06 Nov 1994 08:49:37 GMT",
        "Xxx, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Mon, 29 Feb 2100 00:00:00 GMT",  # no leap year
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08-49-37 GMT",
        "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT",  # digits to Python, not to HTTP
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 06-Nov 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  16 08:49:37 1994",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",  # a repeated field
        "Sun, " * 100_000,
    ],
)
def test_anything_else_is_no_date(text: str) -> None:
    assert parse_http_date(text) is None


@given(st.integers(-62167219200, 253402300799))
def test_what_is_written_is_read_again(seconds: int) -> None:
    assert parse_http_date(format_http_date(seconds)) == seconds


@given(st.integers(0, 253402300799))
def test_dates_are_those_of_the_standard_library(seconds: int) -> None:
    assert format_http_date(seconds) == formatdate(seconds, usegmt=True)
    moment = datetime.fromtimestamp(seconds, UTC)
    assert parse_http_date(moment.strftime("%a %b %e %H:%M:%S %Y")) == seconds


@given(st.text() | st.text(alphabet="SunNovGMT, :-0123456789"))
def test_any_text_is_a_date_or_none(text: str) -> None:
    seconds = parse_http_date(text)
    assert seconds is None or isinstance(seconds, int)


@pytest.mark.parametrize("seconds", [253402300800, -62167219201])
def test_beyond_its_years_a_date_cannot_be_written(seconds: int) -> None:
    with pytest.raises(ValueError, match="outside of the years"):
        format_http_date(seconds)
