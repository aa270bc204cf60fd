"""A record as the figures that people and programs read: the JSON document, versioned.

`docs/bench.md` describes every key. Durations are in nanoseconds where the key is below `latency`, and in seconds
elsewhere; sizes are in bytes. A later version may add keys; one that takes a key away, or changes what it means, has
another number.
"""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict, cast

import orjson

from toolkit._version import __version__
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    from toolkit.other.bench.latencies import Latencies
    from toolkit.other.bench.options import Options
    from toolkit.other.bench.record import Record

__all__ = [
    "PERCENTILES",
    "BadDocument",
    "Document",
    "LatencyFigures",
    "RunFigures",
    "as_json",
    "document",
    "figures",
    "read_document",
]

SCHEMA: Final = "toolkit-bench"
VERSION: Final = 1
PERCENTILES: Final = (50.0, 75.0, 90.0, 99.0, 99.9, 99.99)
SATURATED: Final = 0.9  # of a core; above it a closed loop shows the load generator's limit rather than the server's


class BadDocument(ToolkitError, ValueError):
    """A file is not a document of `toolkit bench`, or of another version."""


class LatencyFigures(TypedDict):
    """Nanoseconds. `measured_from` is "due" (an open loop: from when it was due), "sent" (a closed loop: service
    time) or "corrected" (service time with HDR's correction)."""

    measured_from: str
    count: int
    min: int
    mean: float
    stdev: float
    max: int
    percentiles: dict[str, int]
    curve: list[tuple[float, int]]
    histogram: str


class TimelineFigures(TypedDict):
    """Counts in bins of `width` seconds."""

    width: float
    answers: list[int]
    errors: list[int]


class GeneratorFigures(TypedDict):
    """The load generator itself: what it took, and how late it was of its own accord."""

    cpu_seconds: float
    busiest_core: float
    paced: int
    late_mean: float
    late_max: int


class ConnectionFigures(TypedDict):
    """Opened while it was measured; seconds."""

    opened: int
    mean: float
    max: float


class RunFigures(TypedDict):
    """One run."""

    name: str
    url: str
    method: str
    mode: str
    settings: dict[str, float | int | bool | None]
    interrupted: bool
    seconds: float
    answers: int
    rate: float
    received: int
    sent: int
    statuses: dict[str, int]
    errors: dict[str, int]
    latency: LatencyFigures
    corrected: LatencyFigures | None
    timeline: TimelineFigures
    connections: ConnectionFigures
    generator: GeneratorFigures


class Document(TypedDict):
    """The whole: `schema` is "toolkit-bench", `version` 1."""

    schema: str
    version: int
    toolkit: str
    python: str
    platform: str
    started: str
    runs: list[RunFigures]


def figures(options: Options, record: Record, *, interrupted: bool = False) -> RunFigures:
    """The figures of one run."""
    counts = record.counts
    latencies = record.latencies
    corrected = None
    if options.expected_interval is not None:
        corrected = _latency(latencies.corrected(round(options.expected_interval * 1e9)), "corrected")
    return {
        "name": options.label,
        "url": options.url,
        "method": options.method,
        "mode": _mode(options),
        "settings": _settings(options),
        "interrupted": interrupted,
        "seconds": counts.seconds,
        "answers": counts.answers,
        "rate": counts.rate,
        "received": counts.received,
        "sent": counts.sent,
        "statuses": {str(status): number for status, number in sorted(record.statuses.items())},
        "errors": dict(record.errors.most_common()),
        "latency": _latency(latencies, "due" if options.is_open else "sent"),
        "corrected": corrected,
        "timeline": {
            "width": record.timeline.width,
            "answers": record.timeline.answers,
            "errors": record.timeline.errors,
        },
        "connections": {
            "opened": counts.opened,
            "mean": counts.connecting / counts.opened / 1e9 if counts.opened else 0.0,
            "max": counts.slowest_connect / 1e9,
        },
        "generator": {
            "cpu_seconds": counts.cpu,
            "busiest_core": counts.busiest,
            "paced": counts.paced,
            "late_mean": counts.late / counts.paced if counts.paced else 0.0,
            "late_max": counts.latest,
        },
    }


def _mode(options: Options) -> str:
    """Something like "closed", "open" or "open, duplex"."""
    return ("open" if options.is_open else "closed") + (", duplex" if options.duplex else "")


def _settings(options: Options) -> dict[str, float | int | bool | None]:
    """What shaped the load, without what could be a secret (headers, bodies)."""
    return {
        "connections": options.connections,
        "processes": options.processes,
        "pipeline": options.pipeline,
        "rate": options.rate,
        "poisson": options.poisson,
        "duration": options.duration,
        "requests": options.requests,
        "warm_up": options.warm_up,
        "timeout": options.timeout,
        "grace": options.grace,
        "keep_alive": options.keep_alive,
        "check": options.check,
        "body": len(options.body),
        "chunk": options.chunk if options.duplex else None,
        "expected_interval": options.expected_interval,
    }


def _latency(latencies: Latencies, measured_from: str) -> LatencyFigures:
    summary = latencies.summary()
    return {
        "measured_from": measured_from,
        "count": len(latencies),
        "min": summary.least,
        "mean": summary.mean,
        "stdev": summary.deviation,
        "max": summary.most,
        "percentiles": {f"{percent:g}": value for percent, value in latencies.percentiles(PERCENTILES).items()},
        "curve": latencies.curve(),
        "histogram": latencies.encode(),
    }


def document(runs: list[RunFigures], started: datetime | None = None) -> Document:
    """Runs, and where they were measured."""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "toolkit": __version__,
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        "started": (started or datetime.now(UTC)).isoformat(timespec="seconds"),
        "runs": runs,
    }


def as_json(found: Document) -> bytes:
    """For a file."""
    return orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def read_document(path: str) -> Document:
    """What `as_json` wrote. Raises `BadDocument`."""
    try:
        found = orjson.loads(Path(path).read_bytes())
    except OSError as error:
        raise BadDocument(f"{path}: {error.strerror}; expected a file that --json wrote") from None
    except orjson.JSONDecodeError as error:
        raise BadDocument(f"{path}: {error}; expected a file that --json wrote") from None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise BadDocument(f"{path}: no document of toolkit bench; expected a file that --json wrote")
    if found.get("version") != VERSION:
        raise BadDocument(f"{path}: version {found.get('version')} of the document; expected version {VERSION}")
    runs = found.get("runs")
    if not isinstance(runs, list) or not all(
        isinstance(one, dict) and RunFigures.__required_keys__ <= one.keys() for one in runs
    ):
        raise BadDocument(f"{path}: its runs are not whole; expected a file that --json wrote")
    return cast("Document", found)
