"""How a folder is served: the options of static files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from toolkit.errors import UseError
from toolkit.protocol.cache_control import CacheControl
from toolkit.server.compression import Compression

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.protocol.headers import HeadersLike

__all__ = ["ENDINGS", "StaticOptions", "freshness_of"]

KIB: Final = 1024
MIB: Final = 1024 * KIB
YEAR: Final = 365 * 24 * 3600  #: seconds; as long as what never changes need be kept (RFC 9111 1.2.2 knows 68 years)
ENDINGS: Final = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
# What is made once and sent often may take longer. Of 60 files of text, 1.3 MB: br 4 leaves 20.1 % at 21 MB/s, 6 leaves
# 18.2 at 16, 9 leaves 17.9 at 2; zstd 3 leaves 21.4 at 90, 9 leaves 19.1 at 15, 12 leaves 18.9 at 0.7; gzip 6 leaves
# 19.2 at 43, 9 leaves 19.0 at 14.
COMPRESSION: Final = Compression(codings=("br", "zstd", "gzip"), levels={"br": 6, "zstd": 9})


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticOptions:
    """How a folder is served.

    `max_age` in seconds and `immutable` (the name changes with the content; a year unless said otherwise) make the
    cache-control field, `cache_control` is the field itself; without any of them caches ask again each time they like.
    `index` is the file that stands for its folder, `listing` shows the others where there is none; `dotfiles` serves
    names that begin with a dot. `precompressed` siblings (`.br`, `.zst`, `.gz`) are sent where the client takes them,
    `compression` makes what has none, None nothing. `content_types` by ending go before the built-in table.
    """

    max_age: int | None = None
    immutable: bool = False
    cache_control: CacheControl | str | Mapping[str, object] | None = None
    index: str | None = "index.html"
    listing: bool = False
    dotfiles: bool = False
    precompressed: Sequence[str] = ("br", "zstd", "gzip")
    compression: Compression | None = COMPRESSION
    compressed_size: int = MIB  #: bytes of a file, up to which it is compressed here
    content_types: Mapping[str, str] = field(default_factory=dict)
    charset: str = "utf-8"  #: of text; "" says none
    headers: HeadersLike | None = None  #: further fields, on every answer with a file
    cache_size: int = 32 * MIB  #: bytes in memory, of all files together; 0: every file is opened each time
    cached_file: int = 64 * KIB  #: bytes of a file, up to which it is read into memory
    revalidate: float = 1.0  #: seconds, for which a file is not looked at again; 0: each time

    def __post_init__(self) -> None:
        for coding in self.precompressed:
            if coding not in ENDINGS:
                raise UseError(f"StaticOptions: {coding!r} has no ending; precompressed are {', '.join(ENDINGS)}")

    @property
    def freshness(self) -> str | None:
        """The cache-control field."""
        if self.cache_control is not None:
            return freshness_of(self.cache_control)
        if self.immutable:
            max_age = YEAR if self.max_age is None else self.max_age
            return str(CacheControl(public=True, max_age=max_age, immutable=True))
        return None if self.max_age is None else str(CacheControl(public=True, max_age=self.max_age))


def freshness_of(cache_control: Mapping[str, object] | CacheControl | str) -> str:
    """A cache-control field as it stands on the wire; {"max-age": 60, "public": True} or the text itself."""
    if isinstance(cache_control, (str, CacheControl)):
        return str(cache_control)
    return ", ".join(_directive(name, value) for name, value in cache_control.items() if value is not False)


def _directive(name: str, value: object) -> str:
    return name if value is True or value is None else f"{name}={value}"
