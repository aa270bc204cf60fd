"""Parameters of a field's value: `; name=value; name="quoted"; name*=UTF-8''extended`. Pure.

How it works. One pass from left to right by the algorithm of RFC 8288 B.3, which takes whatever comes: white space
around the equals sign, values without quotes that hold anything, quotes that never close. What comes from a peer is
never an error here; a value that means nothing is left out. Extended values (RFC 8187) carry any text as
percent-encoded bytes of a charset that they name.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

__all__ = ["extended_value", "parameter_list", "quoted_string"]

OWS: Final = " \t"
MOST: Final = 64  #: parameters of one value that are looked at; in use are five
NAME_ENDS: Final = " \t=;,"
BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: RFC 8187 3.2: senders use UTF-8; ISO-8859-1 was allowed before (RFC 5987 3.2).
CHARSETS: Final = {"utf-8": "utf-8", "iso-8859-1": "latin-1"}


def quoted_string(text: str, at: int) -> tuple[str, int]:
    """The text of the quoted string whose opening quote is at `at`, and where it ends (RFC 9110 5.6.4).

    A backslash stands for the character behind it; a string that is not closed ends where the field does.
    """
    found: list[str] = []
    at += 1
    size = len(text)
    while at < size:
        character = text[at]
        at += 1
        if character == '"':
            break
        if character == "\\" and at < size:
            character = text[at]
            at += 1
        found.append(character)
    return "".join(found), at


def parameter_list(text: str, at: int, *, stop: str = "") -> tuple[list[tuple[str, str]], int]:
    """The parameters that begin at `at`, before their semicolon, and where they end: at `stop`, or the field's end.

    Names in lower case, in the order in which they came; "" for one without a value (RFC 8288 B.3).
    """
    found: list[tuple[str, str]] = []
    size = len(text)
    ends = ";" + stop
    while at < size and text[at] not in stop:
        if text[at] in OWS or text[at] == ";":
            at += 1
            continue
        start = at
        while at < size and text[at] not in NAME_ENDS:
            at += 1
        name = text[start:at].lower()
        at = _skip(text, at)
        value = ""
        if at < size and text[at] == "=":
            at = _skip(text, at + 1)
            if at < size and text[at] == '"':
                value, at = quoted_string(text, at)
            else:
                start = at
                while at < size and text[at] not in ends:
                    at += 1
                value = text[start:at].strip(OWS)
        elif at == start:
            at += 1  # a stray comma where none ends the list
        while at < size and text[at] not in ends:
            at += 1  # what stands behind a closing quote
        if name and len(found) < MOST:
            found.append((name, value))
    return found, at


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in OWS:
        at += 1
    return at


def extended_value(value: str) -> str | None:
    """The text of `UTF-8'en'%e2%82%ac` (RFC 8187 3.2.1); None for what is none, or is in another charset."""
    charset, quote, rest = value.partition("'")
    _, second, coded = rest.partition("'")
    codec = CHARSETS.get(charset.strip(OWS).lower())
    if not quote or not second or codec is None or not coded.isascii() or BAD_ESCAPE.search(coded):
        return None
    try:
        return unquote_to_bytes(coded).decode(codec)
    except UnicodeDecodeError:
        return None
