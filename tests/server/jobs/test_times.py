"""When jobs are due: intervals, cron expressions, fields by name, and what clocks that are changed do to them."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from toolkit.errors import UseError
from toolkit.server.jobs.times import ALIASES, Cron, Every, expression_of, years_of, zone_of

BERLIN = ZoneInfo("Europe/Berlin")  # 2026: to +2 at 02:00 on 29 March, back at 03:00 on 25 October


def following(cron: Cron, start: datetime, count: int) -> list[datetime]:
    """The first `count` times after `start`, in the expression's zone."""
    found = []
    moment = start.timestamp()
    for _ in range(count):
        at = cron.next(moment, 0)
        assert at is not None
        assert at > moment
        found.append(datetime.fromtimestamp(at, cron.zone))
        moment = at
    return found


def shown(moments: list[datetime]) -> list[str]:
    return [f"{moment:%m-%d %H:%M:%S%z}" for moment in moments]


# Intervals


def test_an_interval_is_counted_from_its_origin_and_not_from_the_last_run() -> None:
    every = Every(10)
    assert [every.next(after, 100) for after in (100, 100.1, 109.9, 110, 133, 190)] == [110, 110, 110, 120, 140, 200]
    assert every.next(50, 100) == 110  # before the origin


@given(
    st.floats(min_value=0.001, max_value=1e6),
    st.floats(min_value=0, max_value=1e9),
    st.floats(min_value=0, max_value=1e9),
)
def test_the_next_time_of_an_interval_is_later_and_no_more_than_one_interval_off(
    seconds: float, origin: float, more: float
) -> None:
    after = origin + more
    at = Every(seconds).next(after, origin)
    assert at > after
    assert at - after <= seconds * 1.001 + 1e-6 * after


def test_an_interval_says_what_it_is() -> None:
    assert str(Every(90)) == "every 90 s"
    assert str(Every(0.5)) == "every 0.5 s"


# Expressions

START = datetime(2026, 1, 30, 23, 59, 30, tzinfo=UTC)  # a Friday

EXPRESSIONS = [
    ("* * * * *", ["01-31 00:00:00", "01-31 00:01:00"]),
    ("*/5 * * * *", ["01-31 00:00:00", "01-31 00:05:00"]),
    ("7-59/20 * * * *", ["01-31 00:07:00", "01-31 00:27:00", "01-31 00:47:00", "01-31 01:07:00"]),
    ("0 */6 * * *", ["01-31 00:00:00", "01-31 06:00:00"]),
    ("30 8,18 * * *", ["01-31 08:30:00", "01-31 18:30:00"]),
    ("0 3 1 * *", ["02-01 03:00:00", "03-01 03:00:00"]),
    ("0 0 31 * *", ["01-31 00:00:00", "03-31 00:00:00", "05-31 00:00:00"]),
    ("0 9 * * mon-fri", ["02-02 09:00:00", "02-03 09:00:00"]),
    ("0 9 * * 7", ["02-01 09:00:00", "02-08 09:00:00"]),
    ("0 0 1 * fri", ["02-01 00:00:00", "02-06 00:00:00"]),  # both restricted: either, as cron has it
    ("0 0 L * *", ["01-31 00:00:00", "02-28 00:00:00"]),
    ("0 0 * * mon#1", ["02-02 00:00:00", "03-02 00:00:00"]),
    ("0 0 29 feb *", ["02-29 00:00:00"]),
    ("*/20 * * * * *", ["01-30 23:59:40", "01-31 00:00:00"]),
    ("15 30 4 * * *", ["01-31 04:30:15", "02-01 04:30:15"]),
    ("@daily", ["01-31 00:00:00", "02-01 00:00:00"]),
    ("@hourly", ["01-31 00:00:00", "01-31 01:00:00"]),
    ("@weekly", ["02-01 00:00:00", "02-08 00:00:00"]),
    ("@monthly", ["02-01 00:00:00", "03-01 00:00:00"]),
    ("@yearly", ["01-01 00:00:00"]),
]


@pytest.mark.parametrize(("expression", "expected"), EXPRESSIONS)
def test_an_expressions_times(expression: str, expected: list[str]) -> None:
    found = following(Cron(expression, UTC), START, len(expected))
    assert [f"{moment:%m-%d %H:%M:%S}" for moment in found] == expected


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("* * * *", "expected 5 fields"),
        ("* * * * * * *", "expected 5 fields"),
        ("hello", "expected 5 fields"),
        ("@reboot", "expected 5 fields"),
        ("61 * * * *", "Bad minute"),
        ("0 24 * * *", "Bad hour"),
        ("0 0 0 * *", "Bad day-of-month"),
        ("0 0 31 feb *", "Bad day-of-month"),
        ("0 0 * 13 *", "Bad month"),
        ("0 0 * * noday", "Bad day-of-week"),
        ("60 0 0 * * *", "Bad second"),
        ("*/0 * * * *", "Bad minute"),
        ("*/90 * * * *", "a step of 90 in the field of the minute, which has 60 values"),
        ("0 1,2-20/24 * * *", "a step of 24 in the field of the hour"),
    ],
)
def test_what_is_no_expression_is_refused_where_it_is_given(expression: str, says: str) -> None:
    with pytest.raises(UseError, match=says):
        Cron(expression, UTC)


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cronsim", None)
    with pytest.raises(UseError, match=r"pip install 'streaming-toolkit\[jobs\]'"):
        Cron("@daily", UTC)


def test_an_expression_says_what_it_is() -> None:
    assert str(Cron("0 3 * * *", BERLIN)) == "cron 0 3 * * *, Europe/Berlin"


# Clocks that are put forward, and back: as Debian's cron(8) has it

CHANGES = [
    # A time of day that there is not is run where the gap ends; one that there is twice, the first time.
    ("30 2 * * *", "03-29", ["03-29 03:00:00+0200", "03-30 02:30:00+0200"]),
    ("30 2 * * *", "10-25", ["10-25 02:30:00+0200", "10-26 02:30:00+0100"]),
    ("15 30 2 * * *", "03-29", ["03-29 03:00:00+0200", "03-30 02:30:15+0200"]),
    ("15 30 2 * * *", "10-25", ["10-25 02:30:15+0200", "10-26 02:30:15+0100"]),
    ("0 1-4 * * *", "03-29", ["03-29 01:00:00+0100", "03-29 03:00:00+0200", "03-29 04:00:00+0200"]),
    ("0 1-4 * * *", "10-25", ["10-25 01:00:00+0200", "10-25 02:00:00+0200", "10-25 03:00:00+0100"]),
    ("5 2,3 * * *", "03-29", ["03-29 03:00:00+0200", "03-29 03:05:00+0200", "03-30 02:05:00+0200"]),
    ("0 0 * * *", "10-25", ["10-25 00:00:00+0200", "10-26 00:00:00+0100"]),
    # With a star in front, minutes and hours are counted as they pass.
    ("0 * * * *", "03-29", ["03-29 00:00:00+0100", "03-29 01:00:00+0100", "03-29 03:00:00+0200"]),
    (
        "0 * * * *",
        "10-25",
        [
            "10-25 00:00:00+0200",
            "10-25 01:00:00+0200",
            "10-25 02:00:00+0200",
            "10-25 02:00:00+0100",
            "10-25 03:00:00+0100",
        ],
    ),
    ("0 */2 * * *", "03-29", ["03-29 00:00:00+0100", "03-29 04:00:00+0200"]),
    ("0 */2 * * *", "10-25", ["10-25 00:00:00+0200", "10-25 02:00:00+0200", "10-25 02:00:00+0100"]),
]


@pytest.mark.parametrize(("expression", "day", "expected"), CHANGES)
def test_the_clock_is_put_forward_or_back(expression: str, day: str, expected: list[str]) -> None:
    start = datetime.fromisoformat(f"2026-{day}").replace(tzinfo=BERLIN) - timedelta(seconds=1)
    assert shown(following(Cron(expression, BERLIN), start, len(expected))) == expected


def test_half_an_hour_and_a_midnight_that_there_is_not() -> None:
    lord_howe = ZoneInfo("Australia/Lord_Howe")
    start = datetime(2026, 4, 5, 1, 20, tzinfo=lord_howe)
    assert shown(following(Cron("*/15 * * * *", lord_howe), start, 4)) == [
        "04-05 01:30:00+1100",
        "04-05 01:45:00+1100",
        "04-05 01:30:00+1030",
        "04-05 01:45:00+1030",
    ]
    havana = ZoneInfo("America/Havana")
    start = datetime(2026, 3, 7, 12, tzinfo=havana)
    assert shown(following(Cron("@daily", havana), start, 2)) == ["03-08 01:00:00-0400", "03-09 00:00:00-0400"]


@given(
    st.sampled_from(["Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "UTC"]),
    st.sampled_from(["*/15 * * * *", "0 * * * *", "*/20 2 * * *", "*/20 0 * * *", "30 */2 * * *"]),
    st.one_of(st.integers(0, 365 * 96), st.integers(60 * 96, 100 * 96), st.integers(270 * 96, 310 * 96)),
)
@example("Australia/Lord_Howe", "*/20 2 * * *", 8892)
@example("America/Havana", "*/20 0 * * *", 66 * 96)
def test_what_begins_with_a_star_is_due_exactly_when_a_wall_clock_shows_it(
    name: str, expression: str, quarters: int
) -> None:
    """Held against the obvious way: to look at the clock every minute."""
    zone = zone_of(name)
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * quarters)
    minutes, hours = expression.split()[:2]

    def named(field: str, value: int) -> bool:
        if field.startswith("*"):
            return value % int(field[2:] or 1) == 0
        return value == int(field)

    each = (start + timedelta(minutes=number) for number in range(1, 60 * 27))
    local = (moment.astimezone(zone) for moment in each)
    expected = [moment for moment in local if named(minutes, moment.minute) and named(hours, moment.hour)][:3]
    found = following(Cron(expression, zone), start, len(expected))
    assert [moment.timestamp() for moment in found] == [moment.timestamp() for moment in expected]


@given(
    st.sampled_from(["Europe/Berlin", "America/Havana", "Australia/Lord_Howe"]),
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(0, 365),
)
def test_a_time_of_day_comes_once_a_day_whatever_is_done_to_clocks(name: str, hour: int, minute: int, day: int) -> None:
    zone = ZoneInfo(name)
    start = datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)
    found = following(Cron(f"{minute} {hour} * * *", zone), start, 4)
    days = [moment.date() for moment in found]
    assert [after - before for before, after in pairwise(days)] == [timedelta(days=1)] * 3


# Fields by name


@pytest.mark.parametrize(
    ("fields", "expression"),
    [
        ({"second": "*/10"}, "*/10 * * * * *"),
        ({"minute": 5}, "0 5 * * * *"),
        ({"hour": "*/1"}, "0 0 */1 * * *"),
        ({"hour": "0", "minute": "0"}, "0 0 0 * * *"),
        ({"hour": 3, "minute": 30, "second": 15}, "15 30 3 * * *"),
        ({"day": 1}, "0 0 0 1 * *"),
        ({"weekday": "mon"}, "0 0 0 * * mon"),
        ({"weekday": "mon-fri", "hour": 9}, "0 0 9 * * mon-fri"),
        ({"month": 6}, "0 0 0 1 6 *"),
        ({"month": "*/3", "day": 15}, "0 0 0 15 */3 *"),
        ({"year": 2030}, "0 0 0 1 1 *"),
        ({"year": 2030, "minute": "*/5"}, "0 */5 * * * *"),
    ],
)
def test_fields_above_the_lowest_one_are_any_and_those_below_it_their_first(
    fields: dict[str, int | str], expression: str
) -> None:
    assert expression_of(fields) == expression


@pytest.mark.parametrize(
    ("field", "years"),
    [
        (2030, {2030}),
        ("2030", {2030}),
        ("2030,2032", {2030, 2032}),
        ("2030-2032", {2030, 2031, 2032}),
        ("2030-2036/3", {2030, 2033, 2036}),
        ("2190/4", {2190, 2194, 2198}),
    ],
)
def test_years(field: int | str, years: set[int]) -> None:
    assert set(years_of(field) or ()) == years


def test_any_year() -> None:
    assert years_of(None) is None
    assert years_of("*") is None
    even = years_of("*/2")
    assert even is not None
    assert {2026, 2028} < even
    assert 2027 not in even


@pytest.mark.parametrize("field", [30, "x", "2030-", "2032-2030", "2030/0", "2030-2020/1", "", 9999])
def test_what_is_no_year(field: int | str) -> None:
    with pytest.raises(UseError, match="expected years from 1970 to 2199"):
        years_of(field)


def test_only_in_some_years_and_then_never_again() -> None:
    cron = Cron("0 0 1 jan,jul *", UTC, frozenset([2027, 2030]))
    found = following(cron, START, 4)
    assert [f"{moment:%Y-%m-%d}" for moment in found] == ["2027-01-01", "2027-07-01", "2030-01-01", "2030-07-01"]
    assert cron.next(found[-1].timestamp(), 0) is None
    assert Cron("0 0 30 2 mon", UTC, frozenset([2027])).next(datetime(2028, 1, 1).timestamp(), 0) is None


# Time zones


def test_time_zones_by_name() -> None:
    assert zone_of("UTC") is UTC
    assert zone_of("Europe/Berlin") == BERLIN
    assert zone_of(BERLIN) is BERLIN


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "", "../etc/passwd", "local", 3, None])
def test_what_is_no_time_zone(zone: object) -> None:
    with pytest.raises(UseError, match="timezone="):
        zone_of(zone)


def test_every_alias_is_an_expression() -> None:
    assert all(Cron(alias, UTC).next(0, 0) for alias in ALIASES)
