"""Cookies, pure: the Cookie field read, Set-Cookie written and read (RFC 6265bis, draft 20).

How it works. What comes from a peer is read in one pass from left to right, without patterns, and never raises: a
server takes the pairs that it understands (`parse_cookies`), a user agent follows the algorithm of section 5.6 letter
by letter (`parse_set_cookie`), in which nearly everything means something. What we send is the narrow grammar of
section 4.1, and anything outside it is refused before it is sent (`serialize_cookie`): a semicolon in a value or a
domain would be an attribute that nobody wrote (Tornado CVE-2024-52804's family).
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from toolkit.errors import LocalProtocolError, caused
from toolkit.protocol.dates import format_http_date
from toolkit.protocol.fields import TOKEN

__all__ = [
    "Cookie",
    "SameSite",
    "parse_cookie_date",
    "parse_cookies",
    "parse_set_cookie",
    "prefix_fault",
    "serialize_cookie",
]

SameSite: TypeAlias = Literal["Strict", "Lax", "None"]

COUNT: Final = 180  #: pairs of one request that are looked at. Section 6.1 asks agents for 50 a domain, Chrome has 180
SIZE: Final = 4096  #: octets of name and value together; section 5.6 step 6: agents drop what is larger
ATTRIBUTE: Final = 1024  #: octets of an attribute's value; section 5.6: agents ignore what is longer

OWS: Final = " \t"
# Section 4.1.1, cookie-octet: printable ASCII without white space, quotes, comma, semicolon and backslash.
VALUE: Final = frozenset(chr(code) for code in range(0x21, 0x7F)) - frozenset('",;\\')
PATH: Final = frozenset(chr(code) for code in range(0x20, 0x7F)) - {";"}
LABEL: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
SAME_SITE: Final[dict[str, SameSite]] = {"strict": "Strict", "lax": "Lax", "none": "None"}
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie with its attributes, as Set-Cookie states them.

    `max_age` in seconds; `expires` in seconds since 1970 (UTC) or an aware datetime. `domain` None: the host that
    answered alone. `path` None: the request's own directory. `samesite` None: the agent's default.
    """

    name: str
    value: str = ""
    max_age: int | None = None
    expires: datetime | float | None = None
    domain: str | None = None
    path: str | None = None
    secure: bool = False
    httponly: bool = False
    samesite: SameSite | None = None
    partitioned: bool = False

    @property
    def place(self) -> tuple[str, str | None, str | None]:
        """What one cookie replaces another by: its name, domain and path (section 5.7, step 23)."""
        return self.name, self.domain, self.path


# -- the Cookie field ------------------------------------------------------------------------------------------------


def parse_cookies(field: str) -> dict[str, str]:
    """The pairs of a Cookie field (section 4.2.1), several fields joined by "; ".

    Of a repeated name the first counts: agents send the more specific path first (section 5.8.3). Pairs without "=" or
    without a name are left out, quotes around a whole value are taken off, nothing is decoded.
    """
    found: dict[str, str] = {}
    at, left = 0, COUNT
    while left and at <= len(field):
        left -= 1
        end = field.find(";", at)
        if end < 0:
            end = len(field)
        equals = field.find("=", at, end)
        if equals >= 0:
            name = field[at:equals].strip(OWS)
            if name and name not in found:
                found[name] = _unquoted(field[equals + 1 : end].strip(OWS))
        at = end + 1
    return found


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


# -- Set-Cookie, written ---------------------------------------------------------------------------------------------


def serialize_cookie(cookie: Cookie) -> bytes:
    """A Set-Cookie field's value. Raises `LocalProtocolError`, saying which part is at fault, for what may not be sent.

    The rules of the name's prefix and of the attributes that need Secure are kept here: an agent would drop such a
    cookie without a word (sections 4.1.2.7, 4.1.3).
    """
    _check_pair(cookie)
    parts = [f"{cookie.name}={cookie.value}"]
    if cookie.max_age is not None:
        if type(cookie.max_age) is not int:
            raise _wrong(cookie, f"max_age {cookie.max_age!r}: expected a whole number of seconds")
        parts.append(f"Max-Age={cookie.max_age}")
    if cookie.expires is not None:
        parts.append(f"Expires={_expires(cookie)}")
    if cookie.domain is not None:
        parts.append(f"Domain={_domain(cookie)}")
    if cookie.path is not None:
        if not cookie.path.startswith("/") or not PATH.issuperset(cookie.path):
            raise _wrong(cookie, f"path {cookie.path!r}: expected printable ASCII without ';' that begins with '/'")
        parts.append(f"Path={cookie.path}")
    if cookie.secure:
        parts.append("Secure")
    if cookie.httponly:
        parts.append("HttpOnly")
    if cookie.samesite is not None:
        parts.append(f"SameSite={_same_site(cookie)}")
    if cookie.partitioned:
        parts.append("Partitioned")
    fault = prefix_fault(cookie)
    if fault is not None:
        raise _wrong(cookie, fault)
    return "; ".join(parts).encode("ascii")


def prefix_fault(cookie: Cookie) -> str | None:
    """What an agent would drop this cookie for, apart from its syntax; None: nothing."""
    if not cookie.secure:
        if cookie.samesite == "None":
            return "SameSite=None needs secure=True"  # section 5.7, step 19
        if cookie.partitioned:
            return "Partitioned needs secure=True"  # CHIPS, section 2.1
    name = cookie.name.lower()  # section 5.4: agents compare without case
    for prefix in ("__secure-", "__host-"):
        if name.startswith(prefix) and not cookie.secure:
            return f"a name that begins with {cookie.name[: len(prefix)]} needs secure=True"
    if name.startswith("__host-") and (cookie.domain is not None or cookie.path != "/"):
        return "a name that begins with __Host- needs path='/' and no domain"
    return None


def _wrong(cookie: Cookie, text: str) -> LocalProtocolError:
    return LocalProtocolError(f"cookie {cookie.name!r}: {text}")


def _check_pair(cookie: Cookie) -> None:
    if TOKEN.fullmatch(cookie.name.encode("ascii", "replace")) is None or not cookie.name.isascii():
        raise _wrong(cookie, "expected a name of ASCII letters, digits and -_.")
    if not isinstance(cookie.value, str):
        raise _wrong(cookie, f"value {cookie.value!r}: expected text; str() makes it of a number")
    if not VALUE.issuperset(cookie.value):
        what = "printable ASCII without spaces, quotes, ',', ';' and backslashes; encode it first (urllib.parse.quote)"
        raise _wrong(cookie, f"value {cookie.value[:80]!r}: expected {what}")
    size = len(cookie.name) + len(cookie.value)
    if size > SIZE:
        raise _wrong(cookie, f"name and value are {size} bytes; agents keep {SIZE} at most")


def _domain(cookie: Cookie) -> str:
    """Labels of letters, digits and hyphens; the leading dot of old means nothing (section 5.6.3)."""
    domain = (cookie.domain or "").removeprefix(".").lower()
    labels = domain.split(".")
    if not all(label and len(label) < 64 and LABEL.issuperset(label) for label in labels) or len(domain) > 253:
        raise _wrong(cookie, f"domain {cookie.domain!r}: expected a host name in ASCII, without port")
    return domain


def _same_site(cookie: Cookie) -> SameSite:
    known = SAME_SITE.get(str(cookie.samesite).lower())
    if known is None:
        raise _wrong(cookie, f"samesite {cookie.samesite!r}: expected 'Strict', 'Lax' or 'None'")
    return known


def _expires(cookie: Cookie) -> str:
    expires = cookie.expires
    try:
        if isinstance(expires, datetime):
            if expires.tzinfo is None:
                raise _wrong(cookie, "expires has no time zone; use datetime.now(UTC) or seconds since 1970")
            return format_http_date(int(expires.timestamp()))
        return format_http_date(int(expires or 0))
    except (OverflowError, TypeError, ValueError) as error:
        what = "expected an aware datetime or seconds since 1970"
        raise caused(_wrong(cookie, f"expires {expires!r}: {what}"), error)


# -- Set-Cookie, read ------------------------------------------------------------------------------------------------


def parse_set_cookie(field: str) -> Cookie | None:
    """A Set-Cookie field as a user agent reads it (section 5.6); None for what an agent drops whole.

    Where it comes from is not known here: `domain` and `path` are the field's own words, and `prefix_fault` tells what
    section 5.7 drops besides.
    """
    if not field.isprintable() and any((char < " " and char != "\t") or char == "\x7f" for char in field):  # step 1
        return None
    pair, *attributes = field.split(";")
    name, equals, value = pair.partition("=")
    if not equals:
        name, value = "", pair
    name, value = name.strip(OWS), value.strip(OWS)
    if (not name and not value) or len(name) + len(value) > SIZE:
        return None
    if not name and value.lower().startswith(("__secure-", "__host-")):  # section 5.7, step 22
        return None
    found: dict[str, str] = {}
    for attribute in attributes:
        key, _, text = attribute.partition("=")
        text = text.strip(OWS)
        if len(text) <= ATTRIBUTE:
            _take_attribute(found, key.strip(OWS).lower(), text)
    return Cookie(
        name,
        value,
        max_age=int(found["max-age"]) if "max-age" in found else None,
        expires=float(found["expires"]) if "expires" in found else None,
        domain=found.get("domain") or None,
        path=found.get("path") or None,
        secure="secure" in found,
        httponly="httponly" in found,
        samesite=SAME_SITE.get(found.get("samesite", "")),
        partitioned="partitioned" in found,
    )


def _take_attribute(found: dict[str, str], key: str, text: str) -> None:
    """Sections 5.6.1 to 5.6.7: of a repeated attribute the last counts, one that is malformed never was."""
    if key == "expires":
        at = parse_cookie_date(text)
        if at is not None:
            found[key] = str(at)
    elif key == "max-age":
        digits = text.removeprefix("-")
        if digits.isascii() and digits.isdigit():
            found[key] = text if len(digits) < 16 else text[: -len(digits)] + "9" * 15
    elif key == "domain":
        found[key] = text.removeprefix(".").lower()
    elif key == "path":
        found[key] = text if text.startswith("/") else ""
    elif key == "samesite":
        found[key] = text.lower()
    elif key in ("secure", "httponly", "partitioned"):
        found[key] = ""


def parse_cookie_date(text: str) -> int | None:
    """Seconds since 1970 of what agents take for a date (section 5.1.1); None where it is none."""
    time: tuple[int, int, int] | None = None
    day = month = year = None
    for token in _date_tokens(text):
        if time is None and (time := _time(token)) is not None:
            continue
        if day is None and (day := _number(token, 1, 2)) is not None:
            continue
        if month is None and (month := _month(token)) is not None:
            continue
        if year is None:
            year = _number(token, 2, 4)
    if time is None or day is None or month is None or year is None:
        return None
    if 70 <= year <= 99:
        year += 1900
    elif year <= 69:
        year += 2000
    try:
        at = datetime(year, month, day, *time, tzinfo=UTC)
    except ValueError:
        return None
    return calendar.timegm(at.timetuple()) if at.year >= 1601 else None


def _date_tokens(text: str) -> list[str]:
    """Delimiters are what section 5.1.1 says: neither digits, letters, colons, nor what is beyond ASCII."""
    split = "".join(char if char.isalnum() or char == ":" or char > "\x7e" else " " for char in text[:ATTRIBUTE])
    return split.split(" ")


def _number(token: str, least: int, most: int) -> int | None:
    """The digits that a token begins with, if there are so many; what follows them may not be a digit."""
    count = 0
    while count < len(token) and "0" <= token[count] <= "9":
        count += 1
    return int(token[:count]) if least <= count <= most else None


def _month(token: str) -> int | None:
    start = token[:3].lower()
    return MONTHS.index(start) + 1 if start in MONTHS else None


def _time(token: str) -> tuple[int, int, int] | None:
    parts = token.split(":")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 3 for part in parts[:2]):
        return None
    second = _number(parts[2], 1, 2)
    return None if second is None else (int(parts[0]), int(parts[1]), second)
