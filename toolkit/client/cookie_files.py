"""Cookies in files: JSON, which keeps all that is known of them, and the cookies.txt of Netscape, curl and wget.

A file takes the old one's place only when it is complete and on the disk, and is readable by its owner alone, as what
is in it are logins. What is read was perhaps written by somebody else: every cookie is held against the same grammar as
one that came over the wire, and one fault refuses the whole file. Messages name lines and never values.

Text is ISO-8859-1 as in fields, so that bytes beyond ASCII come back as they were.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import orjson

from toolkit.client.cookie_rules import StoredCookie
from toolkit.errors import UseError
from toolkit.protocol.cookies import SAME_SITE, SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CookieFormat", "from_json", "from_netscape", "read_cookies", "to_json", "to_netscape", "write_cookies"]

CookieFormat: TypeAlias = Literal["json", "netscape"]

KIND: Final = "toolkit cookies"
HEADING: Final = "# Netscape HTTP Cookie File\n# domain, hosts below it too, path, secure, expires, name, value\n\n"
FAR: Final = 10**15  # seconds since 1970; as many digits as are read of a Max-Age
HTTPONLY: Final = "#HttpOnly_"  # curl's way to say it: a comment to programs that do not know it


def write_cookies(path: str | os.PathLike[str], cookies: Iterable[StoredCookie], form: CookieFormat) -> None:
    """Write them, in one piece or not at all. Raises `OSError`, `UseError` for another format."""
    if form not in ("json", "netscape"):
        raise UseError(f"form={form!r}: expected 'json' or 'netscape'")
    data = to_json(cookies) if form == "json" else to_netscape(cookies).encode("latin-1")
    path = os.path.realpath(path)  # a link stays one
    descriptor, name = tempfile.mkstemp(prefix=".cookies-", dir=os.path.dirname(path))  # mode 600
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def read_cookies(path: str | os.PathLike[str]) -> list[StoredCookie]:
    """The cookies of a file, whichever of the formats it has. Raises `OSError`, `UseError` for a malformed one."""
    with open(path, "rb") as file:
        data = file.read()
    try:
        return from_json(data) if data.lstrip().startswith(b"{") else from_netscape(data.decode("latin-1"))
    except ValueError as error:
        raise UseError(f"cookies of {os.fspath(path)}: {error}") from None


# -- JSON --------------------------------------------------------------------------------------------------------------


def to_json(cookies: Iterable[StoredCookie]) -> bytes:
    """Everything that is known of them, in their order."""
    entries = [{name: getattr(cookie, name) for name in StoredCookie.__slots__} for cookie in cookies]
    return orjson.dumps({"kind": KIND, "version": 1, "cookies": entries}, option=orjson.OPT_INDENT_2)


def from_json(data: bytes) -> list[StoredCookie]:
    """What `to_json` wrote. Raises ValueError, which says where."""
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"no JSON: line {error.lineno}, column {error.colno}") from None
    entries = content.get("cookies") if isinstance(content, dict) else None
    if not isinstance(entries, list) or content.get("kind") != KIND or content.get("version") != 1:
        raise ValueError(f"expected {{'kind': '{KIND}', 'version': 1, 'cookies': [...]}}")
    found = []
    for number, entry in enumerate(entries, 1):
        try:
            found.append(_from_entry(entry))
        except (TypeError, ValueError) as error:
            raise ValueError(f"cookie {number}: {error}") from None
    return found


def _from_entry(entry: object) -> StoredCookie:
    if not isinstance(entry, dict):
        raise ValueError("expected an object")
    strange = set(entry) ^ set(StoredCookie.__slots__)
    if strange:
        raise ValueError(f"expected the members {', '.join(StoredCookie.__slots__)}")
    for name, kinds in MEMBERS.items():
        if type(entry[name]) not in kinds:
            raise ValueError(
                f"{name}: expected {' or '.join('null' if kind is NONE else kind.__name__ for kind in kinds)}"
            )
    return _checked(StoredCookie(**entry))


NONE: Final = type(None)
MEMBERS: Final[dict[str, tuple[type, ...]]] = {
    "name": (str,),
    "value": (str,),
    "domain": (str,),
    "path": (str,),
    "host_only": (bool,),
    "expires": (float, int, NONE),
    "secure": (bool,),
    "httponly": (bool,),
    "samesite": (str, NONE),
    "partitioned": (bool,),
}


def _checked(cookie: StoredCookie) -> StoredCookie:
    """What could not have come over the wire does not come out of a file."""
    for name in ("name", "value", "domain", "path"):
        text: str = getattr(cookie, name)
        if any(char == ";" or char == "\x7f" or char > "\xff" or (char < " " and char != "\t") for char in text):
            raise ValueError(f"{name}: a character that no cookie has")
    if "=" in cookie.name or len(cookie.name) + len(cookie.value) > SIZE or not (cookie.name or cookie.value):
        raise ValueError("name: expected one without '=', of at most 4096 bytes together with the value")
    if not cookie.domain.isascii() or not cookie.domain.strip(".") or cookie.domain != cookie.domain.lower():
        raise ValueError("domain: expected a host's name in lower case, in ASCII")
    if not cookie.path.startswith("/"):
        raise ValueError("path: expected one that begins with '/'")
    if cookie.samesite is not None and cookie.samesite not in SAME_SITE.values():
        raise ValueError("samesite: expected 'Strict', 'Lax' or 'None'")
    if cookie.expires is not None and not 0 <= cookie.expires < FAR:
        raise ValueError("expires: expected seconds since 1970")
    return cookie


# -- cookies.txt -------------------------------------------------------------------------------------------------------


def to_netscape(cookies: Iterable[StoredCookie]) -> str:
    """Seven columns with tabs between them; 0 seconds stand for the session's end.

    Left out are cookies that this format cannot say: with a tab in them, or without a name. SameSite and Partitioned
    are lost.
    """
    lines = [HEADING]
    for cookie in cookies:
        dot = "" if cookie.host_only else "."
        columns = [
            f"{HTTPONLY if cookie.httponly else ''}{dot}{cookie.domain}",
            _word(not cookie.host_only),
            cookie.path,
            _word(cookie.secure),
            str(0 if cookie.expires is None else max(1, int(cookie.expires))),
            cookie.name,
            cookie.value,
        ]
        if cookie.name and not any("\t" in column for column in columns):
            lines.append("\t".join(columns) + "\n")
    return "".join(lines)


def from_netscape(text: str) -> list[StoredCookie]:
    """What browsers, curl, wget and `to_netscape` write. Raises ValueError, which names the line."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        httponly = line.startswith(HTTPONLY)
        if not line.strip() or (line.startswith("#") and not httponly):
            continue
        try:
            found.append(_from_columns(line.removeprefix(HTTPONLY).split("\t"), httponly=httponly))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return found


def _from_columns(columns: list[str], *, httponly: bool) -> StoredCookie:
    if len(columns) == 6:
        columns = [*columns, ""]  # a value that is empty, and an editor that takes tabs off the ends of lines
    if len(columns) != 7:
        raise ValueError("expected seven columns with tabs between them, as in a cookies.txt")
    domain, below, path, secure, expires, name, value = columns
    for word in (below, secure):
        if word.upper() not in ("TRUE", "FALSE"):
            raise ValueError("expected TRUE or FALSE in the second and fourth column")
    digits = expires.partition(".")[0]
    if not (digits.isascii() and digits.isdigit() and len(digits) < 16):
        raise ValueError("expected seconds since 1970 in the fifth column")
    return _checked(
        StoredCookie(
            name,
            value,
            domain.removeprefix(".").lower(),
            path,
            host_only=below.upper() == "FALSE",
            expires=float(digits) or None,
            secure=secure.upper() == "TRUE",
            httponly=httponly,
        )
    )


def _word(yes: bool) -> str:
    return "TRUE" if yes else "FALSE"
