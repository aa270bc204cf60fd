"""HTTP dates, read and written (RFC 9110 5.6.7). Pure: no clock, no locale.

How it works. A date is cut at its spaces into a known number of words, each of which is looked up or is a number of a
known number of digits. Nothing is searched for twice, so a long value costs its length and no more.
"""

from __future__ import annotations

from typing import Final

__all__ = ["format_http_date", "parse_http_date"]

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LONG_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTH_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

# Two digits of a year that would lie more than 50 years ahead mean the past (RFC 9110 5.6.7). Counted from 2026: what
# writes two digits today is so old that it will not be there when this matters.
LAST_OF_THIS_CENTURY: Final = 76
LONGEST: Final = len("Wednesday, 31-Dec-99 23:59:59 GMT")


def parse_http_date(text: str) -> int | None:
    """Seconds since 1970 of an IMF-fixdate, an RFC 850 date or an asctime date; None for anything else.

    The weekday must be one; that it is the date's is not checked. A leap second counts as the second after it.
    """
    text = text.strip(" \t")
    if len(text) > LONGEST:
        return None
    words = text.split(" ")
    if len(words) == 6 and words[5] == "GMT" and words[0][3:] == "," and words[0][:3] in DAYS:
        return _seconds(_number(words[3], 4), words[2], _number(words[1], 2), words[4])
    if len(words) == 4 and words[3] == "GMT" and words[0][-1:] == "," and words[0][:-1] in LONG_DAYS:
        day, month, year = [*words[1].split("-"), "", ""][:3]
        short = _number(year, 2)
        if len(words[1]) != len("06-Nov-94") or short is None:
            return None
        return _seconds(short + (2000 if short <= LAST_OF_THIS_CENTURY else 1900), month, _number(day, 2), words[2])
    if len(words) == 6 and not words[2]:  # asctime fills a day of one digit with a space
        words[2:4] = ["0" + words[3]]
    if len(words) == 5 and words[0] in DAYS:
        return _seconds(_number(words[4], 4), words[1], _number(words[2], 2), words[3])
    return None


def _number(digits: str, length: int) -> int | None:
    return int(digits) if len(digits) == length and digits.isascii() and digits.isdigit() else None


def _seconds(year: int | None, month_name: str, day: int | None, time: str) -> int | None:
    if year is None or day is None or month_name not in MONTHS or len(time) != 8 or time[2] != ":" or time[5] != ":":
        return None
    hour, minute, second = _number(time[:2], 2), _number(time[3:5], 2), _number(time[6:], 2)
    if hour is None or minute is None or second is None or hour > 23 or minute > 59 or second > 60:
        return None
    month = MONTHS.index(month_name) + 1
    if not 1 <= day <= MONTH_DAYS[month - 1] or (month == 2 and day == 29 and not _is_leap(year)):
        return None
    return ((_days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01, in the Gregorian calendar; years are counted from March, so that leap days come last."""
    year -= month <= 2
    month = month - 3 if month > 2 else month + 9
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 1 - 719468


def format_http_date(seconds: int) -> str:
    """Seconds since 1970 as an IMF-fixdate, the one form that may be sent. Raises ValueError beyond the year 9999."""
    days, rest = divmod(seconds, 86400)
    # The calendar backwards: eras of 400 years, each of 146097 days, counted from March of the year 0.
    era, day = divmod(days + 719468, 146097)
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5
    year += 400 * era + (month >= 10)
    if not 0 <= year <= 9999:
        raise ValueError(f"{seconds} s since 1970 lie outside of the years 0 to 9999, which a date can name")
    hour, rest = divmod(rest, 3600)
    name = MONTHS[(month + 2) % 12]
    weekday = DAYS[(days + 3) % 7]
    return f"{weekday}, {day + 1:02} {name} {year:04} {hour:02}:{rest // 60:02}:{rest % 60:02} GMT"
