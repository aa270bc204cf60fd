"""Forms, pure: what their fields are held in, and the urlencoded kind, read and written (WHATWG URL 5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, TypeVar
from urllib.parse import quote_plus, unquote_to_bytes

from toolkit.errors import LimitExceeded, UseError
from toolkit.protocol import disposition

__all__ = [
    "MultiDict",
    "Pairs",
    "parse_urlencoded",
    "plain_pairs",
    "query_pairs",
    "safe_filename",
    "serialize_urlencoded",
]

V = TypeVar("V")

#: What stands in a form or a query. A list repeats its name, None is left out; True and False are `true` and `false`.
Plain: TypeAlias = "str | int | float | None"
Pairs: TypeAlias = "Mapping[str, Plain | Sequence[Plain]] | Sequence[tuple[str, Plain | Sequence[Plain]]]"


class MultiDict(Mapping[str, V]):
    """Values by name, several for a name. A look-up gives the last one, `get_all` every one, in the order they came.

    Iteration, `len` and `items` count each name once; `pairs` has everything.
    """

    __slots__ = ("_by_name", "pairs")

    def __init__(self, pairs: Iterable[tuple[str, V]] = ()) -> None:
        self.pairs: list[tuple[str, V]] = list(pairs)
        self._by_name: dict[str, list[V]] = {}
        for name, value in self.pairs:
            self._by_name.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> V:
        return self._by_name[name][-1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.pairs!r})"

    def get_all(self, name: str) -> list[V]:
        """Every value of this name, in order; empty when there is none."""
        return list(self._by_name.get(name, ()))


def parse_urlencoded(
    data: bytes, charset: str = "utf-8", *, fields: int | None = None, field: int | None = None
) -> list[tuple[str, str]]:
    """The pairs of an application/x-www-form-urlencoded body or of a query; bytes not of `charset` become U+FFFD.

    `fields` bounds their count and `field` the bytes of one value, still encoded: over either `LimitExceeded`.
    """
    if fields is not None and data.count(b"&") >= fields:  # counted before anything is made of them
        raise LimitExceeded(f"the form has over {fields} fields")
    pairs = []
    for each in data.split(b"&"):
        if not each:
            continue
        name, _, value = each.partition(b"=")
        if field is not None and len(value) > field:
            raise LimitExceeded(f"a field of the form is over {field} bytes")
        pairs.append((_decoded(name, charset), _decoded(value, charset)))
    return pairs


def _decoded(text: bytes, charset: str) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode(charset, "replace")


def plain_pairs(source: object, call: str) -> list[tuple[str, str]]:
    """`Pairs` as text, in order. Raises `UseError`, naming `call`, for what is none."""
    items: Iterable[object]
    if isinstance(source, Mapping):
        items = source.items()
    elif isinstance(source, Iterable) and not isinstance(source, (str, bytes)):
        items = source
    else:
        raise UseError(f"{call}={source!r}: expected a mapping, or a list of (name, value)")
    pairs = []
    for item in items:
        if not isinstance(item, (tuple, list)) or len(item) != 2 or not isinstance(item[0], str):
            raise UseError(f"{call}: {item!r}: expected a pair of a name and a value")
        name, value = item
        for each in value if isinstance(value, (list, tuple)) else (value,):
            if each is not None:
                pairs.append((name, _plain(each, name, call)))
    return pairs


def query_pairs(source: object) -> list[tuple[str, str]]:
    """What `params=` may be: `Pairs`, or text as it stands in a URL. Raises `UseError` for anything else."""
    return parse_urlencoded(source.encode()) if isinstance(source, str) else plain_pairs(source, "params")


def _plain(value: object, name: str, call: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise UseError(
        f"{call}={{{name!r}: {type(value).__name__}}}: expected str, a number, True, False, None, or a list of those"
    )


def serialize_urlencoded(pairs: Iterable[tuple[str, str]]) -> bytes:
    """The pairs as an application/x-www-form-urlencoded body, in UTF-8 (WHATWG URL 5.2)."""
    return "&".join([f"{_encoded(name)}={_encoded(value)}" for name, value in pairs]).encode("ascii")


def _encoded(text: str) -> str:
    """All but letters, digits and *-._ is percent-encoded; Python's function leaves ~ and takes the asterisk."""
    return quote_plus(text, safe="*", errors="replace").replace("~", "%7E")


def safe_filename(name: str | None) -> str:
    """A name to store a file under, made of the one that a peer gave it; "file" where nothing of that is left.

    See `toolkit.protocol.disposition.safe_filename`. Two peers may give the same name.
    """
    return disposition.safe_filename(name or "") or "file"
