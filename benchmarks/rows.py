"""All benchmarks, in the order of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks import (
    bulk,
    client,
    duplex,
    files,
    growth,
    http_json,
    idle,
    import_time,
    relay,
    signaling,
    tls,
    workers,
)

if TYPE_CHECKING:
    from benchmarks.core.bench import Row

__all__ = ["ROWS"]

ROWS: Final[tuple[Row, ...]] = tuple(
    module.ROW
    for module in (
        http_json,
        client,
        bulk,
        duplex,
        relay,
        files,
        signaling,
        idle,
        growth,
        tls,
        import_time,
        workers,
    )
)
