"""Challenges: what a server asks for in WWW-Authenticate, and the same grammar the other way (RFC 9110 11). Pure.

How it works. The grammar is a trap: a comma separates challenges, and parameters of one challenge alike, so that what a
word means shows only behind it. A token with "=" behind it is a parameter of the present challenge; one without begins
a challenge. What comes right behind a scheme is either a token68 (`Negotiate YII=`), which ends at a comma or at the
end, or the first parameter. One pass from left to right decides this with patterns that have one way to match.

What is malformed ends at the next comma outside of quotes, and what was read before it stays: a client that knows one
of the challenges can answer it, whatever another scheme's server extension looks like. A quoted string that is never
closed takes all of the rest with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Challenge", "parse_challenges", "quoted"]

MOST: Final = 16  #: challenges that are looked at; nobody has as many schemes
PARAMETERS: Final = 32  #: of one challenge; Digest, the richest scheme, has nine

TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.6.2
TOKEN68: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))")  # 11.2; nothing else may follow it
EQUALS: Final = re.compile(r"[ \t]*=[ \t]*")  # 11.2 allows bad whitespace
QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)  # 5.6.4
ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
SPACE: Final = re.compile(r"[ \t]*")
GAP: Final = re.compile(r"[ \t,]*")  # between elements, empty ones included (5.6.1.2)
REST: Final = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*(?:"|\\?$))*', re.DOTALL)  # up to a comma that is outside of quotes


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge: its scheme and the names of its parameters in lower case.

    `token` is a token68, "" where there is none. Of a repeated parameter the first counts. The same shape holds
    credentials, so nothing but the scheme is shown.
    """

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict, repr=False)
    token: str = field(default="", repr=False)


def parse_challenges(value: str) -> list[Challenge]:
    """The challenges of a field, several fields joined by ", ", in their order. Never raises."""
    found: list[Challenge] = []
    at = 0
    while at < len(value):
        at = _end(GAP, value, at)
        match = TOKEN.match(value, at)
        if match is None:
            at = _end(REST, value, at) + 1
            continue
        equals = EQUALS.match(value, match.end())
        if equals is not None:
            at = _take(found, match[0], value, equals.end())
            continue
        if len(found) == MOST:
            break
        at = _begin(found, match[0], value, match.end())
    return found


def _end(pattern: re.Pattern[str], value: str, at: int) -> int:
    match = pattern.match(value, at)
    assert match is not None  # these match the empty text, too
    return match.end()


def _begin(found: list[Challenge], scheme: str, value: str, at: int) -> int:
    """A scheme, and its token68 if it has one; returns where to go on."""
    start = _end(SPACE, value, at)
    match = TOKEN68.match(value, start) if start > at else None
    found.append(Challenge(scheme.lower(), token=match[0] if match is not None else ""))
    if match is not None:
        return match.end()
    if start == at and at < len(value) and value[at] != ",":
        found.pop()  # something that no token has is glued to it: no scheme
        return _end(REST, value, at)
    return start


def _take(found: list[Challenge], name: str, value: str, at: int) -> int:
    """A parameter of the challenge that is being read; returns where to go on."""
    match = QUOTED.match(value, at)
    if match is not None:
        text = ESCAPED.sub(r"\1", match[1]) if "\\" in match[1] else match[1]
    else:
        match = TOKEN.match(value, at)
        text = match[0] if match is not None else ""
    end = at if match is None else match.end()
    rest = _end(SPACE, value, end)
    if match is None or (rest < len(value) and value[rest] != ","):
        return _end(REST, value, end)
    if found and not found[-1].token and len(found[-1].parameters) < PARAMETERS:
        found[-1].parameters.setdefault(name.lower(), text)
    return end


def quoted(text: str) -> str:
    """A quoted string (RFC 9110 5.6.4). Control characters are the caller's to refuse."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
