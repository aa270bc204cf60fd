"""Cache-Control: what an answer allows those who may keep it, and what a request asks of them (RFC 9111 5.2). Pure.

How it works. A field is a list of directives, `name` or `name=value`; a value may be quoted, and names have no case.
`read_directives` takes a field apart in one pass and never fails: of a repeated directive the first counts (4.2.1),
what stands behind a quote that does not end is nothing. `CacheControl` holds the directives that mean something here;
unknown ones have no say. A number that is none makes an answer stale at once (4.2.1), and one too large is 2^31
(1.2.2).

`no-cache` and `private` may name the fields that they are about (5.2.2.4, 5.2.2.7). Here they are about all of the
answer then, too, as most caches have it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Self

from toolkit.errors import UseError

__all__ = ["CacheControl", "read_directives"]

OWS: Final = " \t"
MOST: Final = 2**31  #: seconds, RFC 9111 1.2.2


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheControl:
    """The directives of a Cache-Control field; `str()` of it is the field's value.

    Ages and spans are in seconds; None and False leave a directive out. `s_maxage` is for shared caches alone,
    `immutable` says that there is nothing to be asked anew while the answer is fresh, `stale_while_revalidate` and
    `stale_if_error` (RFC 5861) how long it may be used after that. `max_stale`, `min_fresh` and `only_if_cached` are
    for requests. Raises `UseError` for what is no number of seconds, and for `public` together with `private`.
    """

    public: bool = False
    private: bool = False
    no_store: bool = False
    no_cache: bool = False
    max_age: int | None = None
    s_maxage: int | None = None
    must_revalidate: bool = False
    proxy_revalidate: bool = False
    no_transform: bool = False
    immutable: bool = False
    stale_while_revalidate: int | None = None
    stale_if_error: int | None = None
    max_stale: int | None = None
    min_fresh: int | None = None
    only_if_cached: bool = False

    def __post_init__(self) -> None:
        for name in _NAMES:
            value: object = getattr(self, name)
            if name in _SPANS:
                if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
                    raise UseError(f"CacheControl({name}={value!r}): expected a whole number of seconds, 0 or more")
            elif not isinstance(value, bool):
                raise UseError(f"CacheControl({name}={value!r}): expected True or False")
        if self.public and self.private:
            raise UseError("CacheControl(public=True, private=True): an answer is for everybody, or for one person")

    def __str__(self) -> str:
        said = []
        for name, directive in _NAMES.items():
            value: object = getattr(self, name)
            if value is True:
                said.append(directive)
            elif value is not None and value is not False:
                said.append(f"{directive}={value}")
        return ", ".join(said)

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """What a field says; None and nonsense say nothing. Never raises."""
        found: dict[str, bool | int] = {}
        for directive, value in read_directives(text or "").items():
            name = directive.replace("-", "_")
            if name in _SPANS and "_" not in directive:
                found[name] = _seconds(value, MOST if name == "max_stale" else 0)
            elif name in _NAMES and "_" not in directive:
                found[name] = True
        if found.get("private"):
            found.pop("public", None)  # the narrower one
        return cls(**found)  # type: ignore[arg-type] # by the tables below

    @property
    def forbids_keeping(self) -> str:
        """The directive by which a cache that many share must not answer with it again unasked; "" if there is none."""
        return next((_NAMES[name] for name in ("no_store", "private", "no_cache") if getattr(self, name)), "")

    @property
    def shared_age(self) -> int | None:
        """The seconds that it is fresh in a cache that many share (RFC 9111 4.2.1)."""
        return self.max_age if self.s_maxage is None else self.s_maxage


_NAMES: Final = {field.name: field.name.replace("_", "-") for field in fields(CacheControl)}
_SPANS: Final = frozenset(field.name for field in fields(CacheControl) if field.default is None)


def _seconds(value: str | None, otherwise: int) -> int:
    """RFC 9111 1.2.2: ASCII digits alone. `max-stale` without a value is any age (5.2.1.2)."""
    if value is None:
        return otherwise
    if not (value.isascii() and value.isdigit()):
        return 0
    return MOST if len(value) > 10 else min(int(value), MOST)


def read_directives(text: str) -> dict[str, str | None]:
    """The directives of a field by their names in lower case, with their values, unquoted; None for those without."""
    found: dict[str, str | None] = {}
    at, size = 0, len(text)
    while at < size:
        end = at
        while end < size and text[end] not in ",=":
            end += 1
        name = text[at:end].strip(OWS).lower()
        value: str | None = None
        if end < size and text[end] == "=":
            value, end = _value(text, end + 1)
        if name:
            found.setdefault(name, value)
        at = end + 1
    return found


def _value(text: str, at: int) -> tuple[str, int]:
    """A token or quoted-string from here on (RFC 9110 5.6.4), and where the comma behind it stands."""
    size = len(text)
    while at < size and text[at] in OWS:
        at += 1
    if at == size or text[at] != '"':
        comma = text.find(",", at)
        end = size if comma < 0 else comma
        return text[at:end].strip(OWS), end
    letters = []
    at += 1
    while at < size and text[at] != '"':
        if text[at] == "\\":
            at += 1
        letters.append(text[at : at + 1])
        at += 1
    comma = text.find(",", at + 1)
    return "".join(letters), size if comma < 0 else comma
