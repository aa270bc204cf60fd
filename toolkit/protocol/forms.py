"""Forms, pure: what their fields are held in, and the urlencoded kind (WHATWG URL 5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar
from urllib.parse import unquote_to_bytes

from toolkit.errors import LimitExceeded

__all__ = ["MultiDict", "parse_urlencoded", "safe_filename"]

V = TypeVar("V")

LONGEST_NAME: Final = 200  #: bytes of a safe file name; file systems take 255, and a temporary name needs some
UNSAFE: Final = frozenset('<>:"|?*')  # what Windows takes in no name; the separators are cut at
RESERVED: Final = frozenset(
    ["con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))]
)


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


def safe_filename(name: str | None) -> str:
    """A name to store a file under, made of the one that a peer gave it; "file" where nothing of that is left.

    The last part of a path, without control characters, without what a system would take for more than a name, not
    hidden, and short enough. Two peers may give the same name.
    """
    base = (name or "").replace("\\", "/").rpartition("/")[2]
    base = "".join("_" if char in UNSAFE else char for char in base if char.isprintable())
    base = base.strip(" .") if base.strip(" .") else ""
    if base.partition(".")[0].lower() in RESERVED:
        base = f"_{base}"
    stem, dot, suffix = base.rpartition(".")
    if dot and len(suffix.encode("utf-8", "replace")) < 20:
        room = LONGEST_NAME - len(suffix.encode("utf-8", "replace")) - 1
        return f"{_cut(stem, room)}.{suffix}"
    return _cut(base, LONGEST_NAME) or "file"


def _cut(text: str, size: int) -> str:
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")
