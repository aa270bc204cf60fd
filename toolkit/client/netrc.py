"""Logins from a .netrc file, the one that curl, git and ftp read.

A file is asked for by name and never just found: a program that did not ask for it would send the passwords of whoever
runs it (CVE-2014-1829 and its kin). It is read once, when the object is made.

The grammar is words with white space between them: `machine HOST`, or `default`, then `login NAME`, `password TEXT`,
`account TEXT` in any order. A word may stand in quotes, with \\", \\\\, \\n, \\r and \\t in it; `#` in a keyword's
place begins a comment; `macdef NAME` begins a macro, which ends at an empty line. The standard library's parser takes a
comment behind an empty line for a fault, in all versions so far, and shows the words that it trips over.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, Final, NamedTuple

from toolkit.client.auth import Basic, Digest
from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from toolkit.client.policies import Outgoing
    from toolkit.client.response import Response
    from toolkit.protocol.headers import HeadersLike

__all__ = ["Entry", "Netrc", "parse_netrc"]

WORD: Final = re.compile(r'[ \t\r\n]*(?:"((?:[^"\\]|\\.)*)"(?=\s|\Z)|([^ \t\r\n]+))', re.DOTALL)
ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
MEANING: Final = {"n": "\n", "r": "\r", "t": "\t"}
MACRO_END: Final = re.compile(r"\n\r?\n|\Z")
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class Entry(NamedTuple):
    """A login; "" for what the file does not say."""

    login: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Entry({self.login!r}, '***')"


class Netrc:
    """The login that the file has for the host of a request, exactly that one; else its `default`, if it has one.

    `path` None: what $NETRC names, or `~/.netrc`, which must then belong to who runs this, and to nobody else (mode
    600). Ports and schemes are unknown to the format: a login goes to any of its host's. `kind` says how it is sent.

    Raises `UseError` for a file that is not there, that others may read, or that is malformed.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, kind: type[Basic | Digest] = Basic) -> None:
        named = path if path is not None else os.environ.get("NETRC") or None
        self._path = os.fspath(named) if named is not None else os.path.join(os.path.expanduser("~"), ".netrc")
        self._kind = kind
        self._made: dict[str, Basic | Digest | None] = {}
        try:
            self._entries = parse_netrc(_read(self._path, private=named is None))
        except FileNotFoundError:
            raise UseError(f"Netrc(): {self._path} is not there; Netrc(path) names another file") from None
        except OSError as error:
            raise UseError(f"Netrc(): {self._path} cannot be read: {type(error).__name__}") from None
        except ValueError as error:
            raise UseError(f"Netrc(): {self._path}: {error}") from None

    def __repr__(self) -> str:
        return f"Netrc({self._path!r})"

    def prepare(self, request: Outgoing) -> HeadersLike | Awaitable[HeadersLike | None] | None:
        """The login for this host."""
        auth = self._for(request)
        return None if auth is None else auth.prepare(request)

    def answer(self, request: Outgoing, answer: Response) -> HeadersLike | Awaitable[HeadersLike | None] | None:
        """What the login's kind says to the answer."""
        auth = self._for(request)
        return None if auth is None else auth.answer(request, answer)

    def _for(self, request: Outgoing) -> Basic | Digest | None:
        host = (request.url.raw_host or "").lower()
        if host not in self._entries:
            host = ""
        if host not in self._made:
            self._made[host] = self._make(self._entries.get(host))
        return self._made[host]

    def _make(self, entry: Entry | None) -> Basic | Digest | None:
        """An entry that says neither who nor how says: nobody, not even the default (CVE-2024-11053, CVE-2025-0167)."""
        if entry is None or not (entry.login or entry.password):
            return None
        return self._kind(entry.login, entry.password)


def _read(path: str, *, private: bool) -> str:
    with open(path, "rb") as file:
        if private and os.name == "posix":
            about = os.fstat(file.fileno())
            if about.st_uid != os.getuid():
                raise ValueError("it belongs to somebody else")
            if about.st_mode & OTHERS:
                raise ValueError("others may read it; chmod 600 keeps them out")
        data = file.read()
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def parse_netrc(text: str) -> dict[str, Entry]:
    """The entries by host in lower case, "" for the default; of a repeated one the first counts, as for curl.

    Raises ValueError, which names the line and no word of it.
    """
    found: dict[str, Entry] = {}
    host: str | None = None
    entry = Entry()
    for line, keyword, value in _statements(text):
        if keyword in ("machine", "default"):
            if host is not None:
                found.setdefault(host, entry)
            host, entry = value.lower(), Entry()
        elif host is None:
            raise ValueError(f"line {line}: expected 'machine' or 'default' before {keyword!r}")
        elif keyword == "password":
            entry = entry._replace(password=value)
        elif keyword != "account":
            entry = entry._replace(login=value)
    if host is not None:
        found.setdefault(host, entry)
    return found


def _statements(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, keyword and the word behind it; "" behind `default`."""
    at = 0
    while (match := WORD.match(text, at)) is not None:
        word, at = match[2], match.end()
        line = text.count("\n", 0, match.end()) + 1
        if word is not None and word.startswith("#"):
            end = text.find("\n", match.start(2))
            at = len(text) if end < 0 else end
        elif word == "default":
            yield line, word, ""
        elif word == "macdef":
            macro = MACRO_END.search(text, at)
            at = len(text) if macro is None else macro.end()
        elif word in ("machine", "login", "user", "password", "account"):
            value, at = _value(text, at, line, word)
            yield line, word, value
        else:
            raise ValueError(f"line {line}: expected 'machine', 'default', 'login', 'password' or 'account'")


def _value(text: str, at: int, line: int, keyword: str) -> tuple[str, int]:
    match = WORD.match(text, at)
    if match is None:
        raise ValueError(f"line {line}: expected something behind {keyword!r}")
    if match[1] is not None:
        return ESCAPED.sub(lambda found: MEANING.get(found[1], found[1]), match[1]), match.end()
    if match[2].startswith('"'):
        raise ValueError(f"line {line}: the quotes behind {keyword!r} are not closed, or something is glued to them")
    return match[2], match.end()
