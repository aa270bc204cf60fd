"""Local times and moments, where clocks are changed: a source that names every ten minutes is enough to see it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from toolkit.server.jobs.zones import as_it_passes, by_day

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo


def tens(start: datetime) -> Iterator[datetime]:
    """Every ten minutes."""
    moment = start.replace(minute=start.minute // 10 * 10, second=0, microsecond=0)
    while True:
        moment += timedelta(minutes=10)
        yield moment


def last_day(start: datetime) -> Iterator[datetime]:
    """The end of 2030, and then nothing."""
    end = datetime(2030, 12, 31)
    if start < end:
        yield end


def shown(moments: Iterator[float], zone: tzinfo, count: int) -> list[str]:
    return [f"{datetime.fromtimestamp(moment, zone):%H:%M%z}" for moment in islice(moments, count)]


BERLIN = ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
FORWARD = datetime(2026, 3, 29, 1, 39, tzinfo=BERLIN).timestamp()
BACK = datetime(2026, 10, 25, 2, 39, tzinfo=BERLIN).timestamp()
HALF_BACK = datetime(2026, 4, 5, 1, 39, tzinfo=LORD_HOWE).timestamp()


@pytest.mark.parametrize(
    ("zone", "after", "expected"),
    [
        (BERLIN, FORWARD, ["01:40+0100", "01:50+0100", "03:00+0200", "03:10+0200"]),
        (BERLIN, BACK, ["02:40+0200", "02:50+0200", "02:00+0100", "02:10+0100"]),
        (LORD_HOWE, HALF_BACK, ["01:40+1100", "01:50+1100", "01:30+1030", "01:40+1030"]),
        (UTC, FORWARD, ["00:40+0000", "00:50+0000", "01:00+0000"]),
    ],
)
def test_what_clocks_show_as_time_passes(zone: tzinfo, after: float, expected: list[str]) -> None:
    assert shown(as_it_passes(tens, after, zone), zone, len(expected)) == expected


@pytest.mark.parametrize(
    ("zone", "after", "expected"),
    [
        (BERLIN, FORWARD, ["01:40+0100", "01:50+0100", "03:00+0200", "03:00+0200"]),
        (BERLIN, BACK, ["02:40+0200", "02:50+0200", "03:00+0100"]),
        (LORD_HOWE, HALF_BACK, ["01:40+1100", "01:50+1100", "02:00+1030"]),
    ],
)
def test_times_of_a_day_come_once(zone: tzinfo, after: float, expected: list[str]) -> None:
    assert shown(by_day(tens, after, zone), zone, len(expected)) == expected


def test_a_source_that_is_exhausted_ends_both() -> None:
    end = datetime(2030, 12, 31, tzinfo=BERLIN).timestamp()
    assert list(as_it_passes(last_day, BACK, BERLIN)) == [end]
    assert list(by_day(last_day, BACK, BERLIN)) == [end]


def test_between_two_whole_seconds() -> None:
    assert next(as_it_passes(tens, 1200.5, UTC)) == 1800
    assert next(by_day(tens, 1799.999, UTC)) == 1800
