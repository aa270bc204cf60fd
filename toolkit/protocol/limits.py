"""Every limit and timeout in one place, with its unit, its default and where the default comes from."""

from __future__ import annotations

from dataclasses import dataclass, fields

from toolkit.errors import UseError

__all__ = ["FormLimits", "Limits", "Timeouts"]

KIB = 1024
MIB = 1024 * KIB


def _check(options: Limits | Timeouts | FormLimits) -> None:
    """That each is a number from 0 on, whole where it is a count; None where that is no bound."""
    for one in fields(options):
        value, kind = getattr(options, one.name), str(one.type)
        if value is None and "None" in kind:
            continue
        whole = "float" not in kind
        kinds = int if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not value >= 0:
            expected = "a whole number" if whole else "seconds"
            none = ", or None" if "None" in kind else ""
            raise UseError(f"{type(options).__name__}({one.name}={value!r}): expected {expected} from 0 on{none}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds, in bytes unless said otherwise; the same class on both ends.

    What is over a limit is refused with a 4xx on a server and with `LimitExceeded` on a client.
    """

    head: int = 64 * KIB  #: start line and fields together; 431. nginx 32 KiB, Node 16 KiB, Go 1 MiB
    target: int = 8 * KIB  #: request target; 414. RFC 9112 3 recommends at least 8000
    fields: int = 100  #: header fields, a count; 431. Apache 100, Envoy 100
    chunk_line: int = 256  #: one chunk-size line with its extensions; 400
    chunk_extensions: int = 16 * KIB  #: extensions of a whole body; 413. Node and Go took 16 KiB after CVE-2024-22019
    trailers: int = 16 * KIB  #: the trailer section; 431
    body: int | None = None  #: inbound body, coded; 413. None: the application decides, memory is bounded anyway
    read: int = 64 * MIB  #: what `read`, `text`, `json`, `xml` hold in memory, decoded; 413
    read_mark: int = 256 * KIB  #: received and not yet read; above it the socket is no longer read
    write_mark: int = 256 * KIB  #: accepted by `write` and not yet taken by the kernel; above it `write` waits
    drain: int = 64 * KIB  #: of an unread body, thrown away to keep the connection. nginx, Go: 64 to 256 KiB
    interim: int = 16  #: 1xx answers before the final one, a count
    pipelined: int = 64 * KIB  #: of further requests held while one runs; above it the socket is no longer read
    coding_depth: int = 2  #: content codings on top of one another, a count. urllib3 and undici cap at 5
    decode_step: int = 64 * KIB  #: decoded at a time, so that a bomb costs no memory

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Bounds in seconds, None for no bound; the same class on both ends, each end using the phases it has."""

    connect: float | None = 10  #: client: name, TCP and TLS together
    pool: float | None = 30  #: client: waiting for a free connection
    read: float | None = 60  #: client: a reader waits and no byte moved either way
    write: float | None = 60  #: bytes wait and the kernel takes none. nginx send_timeout 60
    total: float | None = None  #: client: the exchange as a whole, body included
    head: float | None = 10  #: server: from accept, or a head's first byte, to the end of the head (slowloris)
    keep_alive: float | None = 75  #: server and client: a connection between two exchanges. nginx 75
    idle: float | None = 3600  #: server: an exchange on which no byte moves. Signaling peers are silent for minutes
    slow_body: float | None = 20  #: server: how often an arriving body is held against `min_rate`
    min_rate: int = 240  #: server: bytes per second it must come with, until the answer's head is sent. IIS 240
    expect: float | None = 1  #: client: for 100-continue before the body is sent anyway (RFC 9110 10.1.1)
    linger: float | None = 2  #: a lingering close reads at most so long (RFC 9112 9.6)
    hold: float | None = 5  #: a body left by its handler or its `async with`, until somebody reads it
    grace: float | None = 10  #: server: running exchanges at exit

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormLimits:
    """Bounds of a form, in bytes unless said otherwise; what is over one is refused with 413. The same on both ends.

    They count decoded bytes. Those of a part's header, of parts and of the body hold for `multipart()` as well, where
    the application reads the parts itself; None is no bound.
    """

    body: int | None = 256 * MIB  #: all of the form; a disk is at stake. PHP 8 MiB, nginx 1 MiB, for handlers' defaults
    file: int | None = 64 * MIB  #: one file
    files: int = 100  #: files, a count. Django 100 (CVE-2023-24580)
    fields: int = 1000  #: text fields, a count. Django 1000, Starlette 1000 (CVE-2023-30798)
    field: int = 1 * MIB  #: one text field. Starlette 1 MiB (CVE-2024-47874)
    text: int = 8 * MIB  #: all text fields with their names, which are held in memory
    parts: int = 1100  #: parts, a count, of whatever kind
    part_head: int = 8 * KIB  #: the header section of a part. Starlette 16 fields of 4 KiB since GHSA-59g5
    part_fields: int = 16  #: header fields of a part, a count; RFC 7578 4.8 knows three
    memory: int = 256 * KIB  #: a file of `form()` that is held in memory; a larger one goes to a temporary file

    def __post_init__(self) -> None:
        _check(self)
