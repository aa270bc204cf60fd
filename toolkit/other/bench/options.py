"""What a run is to do: one frozen, picklable object, checked as it is made; and the request that it sends.

Everything a user can get wrong is refused here, with what was given and what was expected, before a byte is sent.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from toolkit._version import __version__
from toolkit.client.heads import host_field
from toolkit.client.url import parse_url
from toolkit.errors import LocalProtocolError, ToolkitError
from toolkit.protocol.head import serialize_request
from toolkit.protocol.headers import Fields, encode_fields, find_field

__all__ = ["BadOption", "Options", "Target", "request_bytes", "tls_context"]

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
BODIED: Final = frozenset(["POST", "PUT", "PATCH"])  # a length is stated even for an empty body (RFC 9110 8.6)
MOST_PROCESSES: Final = 256  # more cores than that, and the bound is worth a second look
MOST_PIPELINED: Final = 1024  # what one connection may have under way; wrk's scripts use 16


class BadOption(ToolkitError, ValueError):
    """An option that makes no sense, alone or beside another; the message says what was expected."""


class Target(NamedTuple):
    """Where requests go. `port` is never 0; `path` is the request target, query included."""

    scheme: str
    host: str
    port: int
    authority: str
    path: str

    @classmethod
    def of(cls, text: str) -> Target:
        """Take a URL apart. Raises `BadOption`."""
        try:
            url = parse_url(text)
            port = url.port
        except ValueError as error:
            raise BadOption(f"URL {text!r}: {error}; expected something like http://127.0.0.1:8000/path") from None
        if url.scheme not in DEFAULT_PORTS or not url.raw_host:
            raise BadOption(f"URL {text!r}: expected http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH")
        if url.raw_user is not None or url.raw_password is not None:
            raise BadOption(f"URL {text!r}: no user name is expected in it; give --header 'authorization: ...'")
        path = url.raw_path_qs or "/"
        return cls(url.scheme, url.raw_host, port or DEFAULT_PORTS[url.scheme], host_field(url).decode("ascii"), path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One run. Raises `BadOption` for what cannot be run."""

    url: str
    name: str = ""  #: what reports call the run; the method and URL where it is empty
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    connections: int = 64  #: in all processes together
    processes: int = 1
    pipeline: int = 1  #: requests under way on one connection
    rate: float | None = None  #: requests a second in all; None: closed loop
    poisson: bool = False  #: gaps drawn from an exponential distribution, where there is a rate
    duration: float | None = 10.0  #: seconds; None: until `requests` are done
    requests: int | None = None  #: a count; None: until `duration` is over
    warm_up: float = 1.0  #: seconds that are not measured
    timeout: float = 10.0  #: seconds for one answer, and for one connection to be made
    grace: float = 1.0  #: seconds for what is under way at the end
    keep_alive: bool = True
    check: bool = False  #: every body must equal the first one
    expected_interval: float | None = None  #: seconds between requests, for HDR's correction of a closed loop
    insecure: bool = False  #: take any certificate
    ca: str | None = None  #: a PEM file with the authorities to trust
    unix: str | None = None  #: a socket's path, in place of host and port
    duplex: bool = False  #: streams of chunks, there and back
    chunk: int = 64  #: bytes
    target: Target = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", Target.of(self.url))
        self._check_numbers()
        self._check_request()
        self._check_together()

    def _check_numbers(self) -> None:
        _whole("--connections", self.connections, 1, 100_000)
        _whole("--processes", self.processes, 1, MOST_PROCESSES)
        _whole("--pipeline", self.pipeline, 1, MOST_PIPELINED)
        _whole("--chunk", self.chunk, 1, 1 << 30)
        if self.requests is not None:
            _whole("--requests", self.requests, 1, 10**12)
        if self.rate is not None:
            _seconds("--rate", self.rate, 1e-3, 1e7)
        if self.duration is not None:
            _seconds("--duration", self.duration, 1e-3, 1e6)
        if self.expected_interval is not None:
            _seconds("--expected-interval", self.expected_interval, 1e-6, 1e3)
        _seconds("--warm-up", self.warm_up, 0, 1e5)
        _seconds("--timeout", self.timeout, 1e-3, 1e5)
        _seconds("--grace", self.grace, 0, 1e5)

    def _check_request(self) -> None:
        if self.method == "CONNECT":
            raise BadOption("--method CONNECT: expected a method whose answer is a message")
        try:
            fields = encode_fields(self.headers)
            serialize_request(self.method, self.target.path, fields)
        except (LocalProtocolError, ValueError) as error:
            raise BadOption(f"{error}; expected a request that HTTP allows") from None
        for name in (b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade"):
            if find_field(fields, name) is not None:
                raise BadOption(f"--header {name.decode()}: this field is written by the load generator itself")

    def _check_together(self) -> None:
        if self.processes > self.connections:
            raise BadOption(
                f"--processes {self.processes}: expected at most one for each of {self.connections} connections"
            )
        if self.requests is not None and self.requests < self.processes:
            raise BadOption(f"--requests {self.requests}: expected at least one for each of {self.processes} processes")
        if self.duration is None and self.requests is None:
            raise BadOption("neither --duration nor --requests: expected an end")
        if self.poisson and self.rate is None:
            raise BadOption("--poisson without --rate: expected a rate to draw the gaps for")
        if self.expected_interval is not None and self.rate is not None:
            raise BadOption("--expected-interval with --rate: an open loop needs no correction; expected one of them")
        if self.pipeline > 1 and not self.keep_alive:
            raise BadOption("--pipeline with --no-keep-alive: expected one of them")
        if self.duplex and self.method not in BODIED:
            raise BadOption(f"--duplex with --method {self.method}: expected one of {', '.join(sorted(BODIED))}")
        if self.duplex and (self.body or not self.keep_alive):
            raise BadOption("--duplex sends chunks: expected neither --body nor --no-keep-alive")
        if self.insecure and self.ca is not None:
            raise BadOption("--insecure with --ca: expected one of them")

    @property
    def label(self) -> str:
        """What reports call the run."""
        return self.name or f"{self.method} {self.url}"

    @property
    def is_open(self) -> bool:
        """Whether requests are due by a schedule, whatever became of those before."""
        return self.rate is not None

    def share(self, index: int) -> Options:
        """What process number `index` of `processes` does."""
        return replace(
            self,
            processes=1,
            connections=_part(self.connections, self.processes, index),
            requests=None if self.requests is None else _part(self.requests, self.processes, index),
            rate=None if self.rate is None else self.rate / self.processes,
        )


def _part(whole: int, parts: int, index: int) -> int:
    """The part number `index` of a number divided as evenly as whole numbers can be."""
    return whole // parts + (index < whole % parts)


def _whole(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise BadOption(f"{name} {value}: expected a whole number from {least} to {most}")


def _seconds(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:  # not a number is refused as well
        raise BadOption(f"{name} {value:g}: expected a number from {least:g} to {most:g}")


def request_bytes(options: Options) -> bytes:
    """The whole request, head and body, as it is written again and again."""
    fields: Fields = encode_fields(options.headers)
    for name, value in (
        (b"accept", b"*/*"),
        (b"user-agent", b"toolkit-bench/" + __version__.encode("ascii")),
        (b"host", options.target.authority.encode("ascii")),
    ):
        if find_field(fields, name) is None:
            fields.insert(0, (name, value))
    if not options.keep_alive:
        fields.append((b"connection", b"close"))
    if options.body or options.method in BODIED:
        fields.append((b"content-length", b"%d" % len(options.body)))
    return serialize_request(options.method, options.target.path, fields) + options.body


def tls_context(options: Options) -> ssl.SSLContext | None:
    """The context for an https URL, which verifies unless `insecure`; None for http. Raises `BadOption`."""
    if options.target.scheme != "https":
        return None
    try:
        context = ssl.create_default_context(cafile=options.ca)
    except OSError as error:  # no such file, or not PEM
        raise BadOption(f"--ca {options.ca}: {error}; expected a file of PEM certificates") from None
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
