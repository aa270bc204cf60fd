"""Header fields: an ordered, case-insensitive multi-map for people, and validated byte pairs for the wire.

RFC 9110 5 lets a field repeat and gives its order a meaning, so the truth is a list of pairs. Inside the protocol
layer that list holds bytes as they came (`Fields`). A `Headers` is built from it only when somebody asks.

Text is ISO-8859-1 in both directions (RFC 9110 5.5): every byte has a character, nothing is lost on the way through.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, MutableMapping, Sequence, ValuesView
from typing import TypeAlias

from toolkit.errors import LocalProtocolError
from toolkit.protocol.fields import Fields, HeaderValue, encode_pairs, find_field, join_fields

__all__ = ["Fields", "HeaderValue", "Headers", "HeadersLike", "encode_fields", "find_field", "join_fields"]

HeadersLike: TypeAlias = "Headers | Mapping[str, HeaderValue] | Sequence[tuple[str, HeaderValue]]"


class Headers(MutableMapping[str, str]):
    """An ordered, case-insensitive multi-map of header fields.

    Built from a mapping, from pairs, or from another `Headers`. Numbers become text, None drops the field, a list
    repeats it. Look-ups give the first value, `get_all` gives every one; iteration and `items` go over the pairs in
    the order of the message. CR, LF, NUL or another control character raises `LocalProtocolError` at once.
    """

    __slots__ = ("_index", "_pairs")

    def __init__(self, source: HeadersLike | None = None) -> None:
        self._index: dict[str, list[str]] | None = None
        self._pairs: list[tuple[str, str]] = _decode(encode_fields(source))

    @classmethod
    def from_fields(cls, fields: Fields) -> Headers:
        """Byte pairs that were checked when they were parsed."""
        headers = cls.__new__(cls)
        headers._index = None
        headers._pairs = _decode(fields)
        return headers

    def _by_name(self) -> dict[str, list[str]]:
        index = self._index
        if index is None:
            index = self._index = {}
            for name, value in self._pairs:
                index.setdefault(name.lower(), []).append(value)
        return index

    def __getitem__(self, name: str) -> str:
        try:
            return self._by_name()[name.lower()][0]
        except KeyError:
            raise KeyError(name) from None

    def __setitem__(self, name: str, value: HeaderValue) -> None:
        """Replace every field of this name; the first one's place is kept."""
        fresh = _decode(encode_fields([(name, value)]))
        key = name.lower()
        place = next((i for i, (n, _) in enumerate(self._pairs) if n.lower() == key), len(self._pairs))
        kept = [pair for pair in self._pairs if pair[0].lower() != key]
        self._pairs = kept[:place] + fresh + kept[place:]
        self._index = None

    def __delitem__(self, name: str) -> None:
        key = name.lower()
        kept = [pair for pair in self._pairs if pair[0].lower() != key]
        if len(kept) == len(self._pairs):
            raise KeyError(name)
        self._pairs = kept
        self._index = None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._by_name()

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._pairs])

    def __len__(self) -> int:
        return len(self._pairs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Headers, Mapping)):
            return NotImplemented
        try:
            theirs = other if isinstance(other, Headers) else Headers(other)
        except LocalProtocolError:  # what could not be sent is equal to no header
            return False
        return [(n.lower(), v) for n, v in self._pairs] == [(n.lower(), v) for n, v in theirs._pairs]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Headers({self._pairs!r})"

    def items(self) -> ItemsView[str, str]:
        """The pairs in the order of the message; a repeated field comes as often as it stands there."""
        return _Pairs(self)

    def values(self) -> ValuesView[str]:
        """The values in the order of the message, those of repeated fields included."""
        return _Values(self)

    def add(self, name: str, value: HeaderValue) -> None:
        """Append a field, whatever stands there under the same name."""
        self._pairs.extend(_decode(encode_fields([(name, value)])))
        self._index = None

    def get_all(self, name: str) -> list[str]:
        """Every value of this name, in order; empty when there is none."""
        return list(self._by_name().get(name.lower(), ()))


class _Pairs(ItemsView[str, str]):
    """The pairs themselves: the mixin would look each name up and repeat its first value."""

    _mapping: Headers

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(list(self._mapping._pairs))

    def __contains__(self, item: object) -> bool:
        return isinstance(item, tuple) and len(item) == 2 and item[1] in self._mapping.get_all(item[0])

    def __repr__(self) -> str:
        return f"{list(self)!r}"


class _Values(ValuesView[str]):
    """Likewise."""

    _mapping: Headers

    def __iter__(self) -> Iterator[str]:
        return iter([value for _, value in self._mapping._pairs])

    def __contains__(self, item: object) -> bool:
        return any(value == item for value in self)


def _decode(fields: Fields) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]


def encode_fields(source: HeadersLike | None) -> Fields:
    """Validated byte pairs for the wire.

    Raises `LocalProtocolError` for a name that is no token and for a value with a control character: see
    `toolkit.protocol.fields`.
    """
    if type(source) is dict:
        return encode_pairs(source.items())
    if source is None:
        return []
    if isinstance(source, Headers):
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in source._pairs]
    if isinstance(source, Mapping):
        return encode_pairs(source.items())
    given: object = source
    if isinstance(given, (str, bytes)):
        raise LocalProtocolError(
            f"headers of type {type(given).__name__}: expected a mapping, or pairs of names and values"
        )
    return encode_pairs(source)
