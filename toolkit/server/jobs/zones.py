"""From times that clocks on a wall show to moments: what becomes of them where clocks are put forward or back.

A source of times knows the calendar and no zone: from a local time on, it gives those that it names, in order. There
are two ways to take them, and both do as Debian's cron does:

    `by_day`         each is a time of day, and comes once: one that there is not when the gap ends, one that there is
                     twice the first time
    `as_it_passes`   each is what a clock may show: it comes whenever a clock does show it, twice or never
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from datetime import tzinfo

__all__ = ["Source", "as_it_passes", "by_day"]

#: Local times later than the one given, in order, all of them without a zone.
Source: TypeAlias = Callable[[datetime], Iterator[datetime]]

EPOCH: Final = datetime(1970, 1, 1)
SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
DAY: Final = 86_400.0  # seconds; no zone changes its clocks and changes them back within one


def by_day(source: Source, after: float, zone: tzinfo) -> Iterator[float]:
    """See above. The first moments may be a little earlier than `after`: those of an hour that comes twice."""
    for found in source(datetime.fromtimestamp(after, zone).replace(tzinfo=None)):
        moment = found.replace(tzinfo=zone).timestamp()
        while datetime.fromtimestamp(moment, zone).replace(tzinfo=None) != found:
            found = found.replace(second=0) + MINUTE
            moment = found.replace(tzinfo=zone).timestamp()
        yield moment


def as_it_passes(source: Source, after: float, zone: tzinfo) -> Iterator[float]:
    """See above. While the offset from UTC stays, local times are in the order of moments; so from change to change."""
    offset = _offset(after, zone)
    local = EPOCH + timedelta(seconds=after + offset)
    while (found := next(source(local), None)) is not None:
        moment = (found - EPOCH).total_seconds() - offset
        change = _next_change(after, moment, offset, zone)
        if change is None:
            yield moment
            after, local = moment, found
        else:
            after, offset = change, _offset(change, zone)
            local = EPOCH + timedelta(seconds=change + offset) - SECOND  # the change itself may be named


def _offset(moment: float, zone: tzinfo) -> float:
    """From UTC, in seconds."""
    found = datetime.fromtimestamp(moment, zone).utcoffset()
    return 0.0 if found is None else found.total_seconds()


def _next_change(after: float, until: float, offset: float, zone: tzinfo) -> float | None:
    """The first second in this time at which the offset is another one."""
    if zone is UTC:
        return None
    while after < until:
        end = min(after + DAY, until)
        if _offset(end, zone) != offset:
            low, high = math.floor(after), math.ceil(end)
            while high - low > 1:
                middle = (low + high) // 2
                if _offset(middle, zone) == offset:
                    low = middle
                else:
                    high = middle
            return float(high)
        after = end
    return None
