"""When a job's times are: by an interval, or by the fields of a calendar. No clock is looked at here.

Moments are numbers of seconds: of a clock that never jumps for an interval, of the calendar's (since 1970, UTC) for
`Cron`. `cronsim` knows which times an expression names; what a time zone does to them is decided in `zones.py`. An
expression whose minute or hour begins with `*` goes by time as it passes, any other names times of a day.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Final, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from toolkit.errors import UseError
from toolkit.server.jobs.zones import as_it_passes, by_day

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Cron", "Every", "Times", "expression_of", "years_of", "zone_of"]

#: Fields by their weight, with what stands in for one that is below those which are given. A day of the week above
#: the hour, as in "mondays": at midnight.
FIELDS: Final = {"year": "*", "month": "1", "day": "1", "weekday": "*", "hour": "0", "minute": "0", "second": "0"}

#: How many values each field of an expression has.
COUNTS: Final = {"second": 60, "minute": 60, "hour": 24, "day": 31, "month": 12, "weekday": 8}

ALIASES: Final = {
    "@yearly": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}

LAST_YEAR: Final = 2199  # of `year=`: farther than any server


class Times(Protocol):
    """The times of a job. `wall`: they are the calendar's."""

    wall: bool

    def next(self, after: float, origin: float) -> float | None:
        """The first one later than `after`; None where there is none. `origin` is where intervals are counted from."""


class Every:
    """Every so many seconds, counted from the application's start, whatever a run takes."""

    wall = False

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __str__(self) -> str:
        return f"every {self.seconds:g} s"

    def next(self, after: float, origin: float) -> float:
        """See `Times`."""
        number = max(math.floor((after - origin) / self.seconds), 0) + 1
        at = origin + number * self.seconds
        return at if at > after else origin + (number + 1) * self.seconds  # floor() of a quotient that was rounded up


class Cron:
    """The times that a cron expression names: 5 fields, or 6 with seconds in front; only in `years`, unless None.

    Raises `UseError` for what is no such expression; `call` is what the error says was called.
    """

    wall = True

    def __init__(
        self, expression: str, zone: tzinfo, years: frozenset[int] | None = None, call: str = "web.cron"
    ) -> None:
        try:
            from cronsim import CronSim, CronSimError
        except ImportError as error:
            raise UseError("web.cron needs the package cronsim: pip install 'streaming-toolkit[jobs]'") from error
        self.expression = expression
        self.zone = zone
        self.years = years
        self._simulate = CronSim
        fields = ALIASES.get(expression, expression).split()
        if len(fields) not in (5, 6):
            raise UseError(
                f"{call}: expected 5 fields, minute hour day month weekday, or 6 with a second in front; or one of"
                f" {', '.join(ALIASES)}"
            )
        self._fields = " ".join(fields if len(fields) == 6 else ["0", *fields])
        self._by_day = not any(field.startswith("*") for field in self._fields.split()[1:3])
        try:
            CronSim(self._fields, datetime(2024, 1, 1))
        except CronSimError as error:
            raise UseError(f"{call}: {error}") from error
        _check_steps(self._fields, call)

    def __str__(self) -> str:
        return f"cron {self.expression}, {self.zone}"

    def next(self, after: float, origin: float) -> float | None:
        """See `Times`."""
        start = after
        while True:
            moments = (by_day if self._by_day else as_it_passes)(self._named, start, self.zone)
            found = next((moment for moment in moments if moment > after), None)
            if found is None or self.years is None:
                return found
            year = datetime.fromtimestamp(found, self.zone).year
            if year in self.years:
                return found
            coming = min((one for one in self.years if one > year), default=None)
            if coming is None:
                return None
            start = datetime(coming, 1, 1, tzinfo=self.zone).timestamp() - 1

    def _named(self, start: datetime) -> Iterator[datetime]:
        return self._simulate(self._fields, start)


def _check_steps(fields: str, call: str) -> None:
    """A step past the field's end is taken for its first number, which nobody means by "*/90" minutes."""
    for field, (name, count) in zip(fields.split(), COUNTS.items(), strict=True):
        for term in field.split(","):
            step = term.partition("/")[2]
            if step.isdigit() and int(step) >= count:
                raise UseError(f"{call}: a step of {step} in the field of the {name}, which has {count} values")


def zone_of(zone: object) -> tzinfo:
    """A time zone by its name. Raises `UseError` where there is none of that name."""
    if isinstance(zone, tzinfo):
        return zone
    if not isinstance(zone, str):
        raise UseError(f"timezone={zone!r}: expected a name such as 'Europe/Berlin', or a tzinfo")
    if zone == "UTC":
        return UTC
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UseError(
            f"timezone={zone!r}: no such time zone here; expected a name such as 'Europe/Berlin'"
            " (a machine without time zones needs the package tzdata)"
        ) from error


def expression_of(fields: Mapping[str, int | str]) -> str:
    """The expression that fields by name mean: those above the lowest one given are any, those below it their first."""
    lowest = max(list(FIELDS).index(name) for name in fields)
    said = {
        name: str(fields.get(name, "*" if place < lowest else first))
        for place, (name, first) in enumerate(FIELDS.items())
    }
    return " ".join(said[name] for name in ("second", "minute", "hour", "day", "month", "weekday"))


def years_of(field: int | str | None) -> frozenset[int] | None:
    """The years that a field names: `2030`, "2030-2035", "2030,2032", "2030-2040/2"; None where it names any."""
    if field is None or field == "*":
        return None
    years: set[int] = set()
    for term in str(field).split(","):
        span, slash, step = term.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            first, dash, last = "1970", "-", str(LAST_YEAR)
        try:
            end = int(last) if dash else (LAST_YEAR if slash else int(first))
            found = range(int(first), end + 1, int(step) if slash else 1)
        except ValueError:
            found = range(0)
        if not found or not 1970 <= found[0] <= found[-1] <= LAST_YEAR:
            raise UseError(
                f"cron(year={field!r}): expected years from 1970 to {LAST_YEAR}, such as 2030 or '2030-2035'"
            )
        years.update(found)
    return frozenset(years)
