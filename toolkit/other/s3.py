"""S3 requests signed with AWS Signature Version 4, for any HTTP client.

Nothing here sends anything. `S3.authorize()` answers with a URL, a method and headers, which `Session` takes as they
are: `http(**s3.authorize("folder/name", {"content-length": 10}))`. Four pure functions below it are the four steps of
the AWS documentation ("Authenticating Requests: Using the Authorization Header"), each testable by itself:

    canonical_request -> string_to_sign -> (signing_key) -> authorization_header

Three rules decide whether a signature is accepted:

*   The signed path is the path in the URL, byte for byte. A key is percent-encoded here, once, and no later; S3 differs
    in this from other AWS services, which sign the path encoded twice. A key is a name and not a piece of a URL: a `%`
    in it is the character `%`.
*   The query is sorted and encoded before it goes into the URL, so that there also one text is sent and signed.
*   The host in the URL carries no default port and no capital letters, so that every client derives the same `Host`.

The body of an upload is not known when its head is sent, hence `UNSIGNED-PAYLOAD`: the head is protected by the
signature, the body by TLS only. Where the hash is known, pass it as `payload_hash`.
"""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import quote, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "EMPTY_PAYLOAD",
    "S3",
    "UNSIGNED_PAYLOAD",
    "Authorized",
    "authorization_header",
    "canonical_request",
    "signing_key",
    "string_to_sign",
]

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EMPTY_PAYLOAD = sha256(b"").hexdigest()

# RFC 3986 2.3, which is what AWS calls UriEncode; the slash stays in a path and is encoded in a query.
_UNRESERVED = "-_.~"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_BUCKET = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,255}")
_HOST_LABELS = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_WORD = re.compile(r"[\x21-\x7e]+")  # keys, secrets and tokens are printable and hold no space
_REGION = re.compile(r"[A-Za-z0-9-]+")
_PAYLOAD = re.compile(r"[0-9a-f]{64}|UNSIGNED-PAYLOAD|STREAMING-[A-Z0-9-]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}

# What a hop may remove or rewrite (RFC 9110 7.6.1, 10.1.1) is sent unsigned: signed, it would fail behind any proxy.
_PER_HOP = frozenset(
    (
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_OURS = frozenset(("authorization", "host", "x-amz-date", "x-amz-security-token"))
_BODYLESS = frozenset(("DELETE", "GET", "HEAD"))


class Authorized(TypedDict):
    """A signed request: what `Session.__call__` and most other clients take as keyword arguments."""

    url: str
    method: str
    headers: dict[str, str]


def canonical_request(method: str, path: str, query: str, headers: Mapping[str, str], payload_hash: str) -> str:
    """The text a signature stands for.

    `path` and `query` are percent-encoded already, `query` is sorted; `headers` are those to sign, `host` among them.
    Names are lower-cased, values trimmed, and runs of blanks in them become one.
    """
    fields = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
    lines = "".join(f"{name}:{value}\n" for name, value in fields)
    names = ";".join(name for name, _ in fields)
    return f"{method}\n{path}\n{query}\n{lines}\n{names}\n{payload_hash}"


def string_to_sign(canonical: str, when: datetime, region: str, service: str = "s3") -> str:
    """The short text that is signed: the time, the scope, and the hash of the canonical request."""
    digest = sha256(canonical.encode()).hexdigest()
    return f"{ALGORITHM}\n{_timestamp(when)}\n{_scope(when, region, service)}\n{digest}"


def signing_key(secret: str, when: datetime, region: str, service: str = "s3") -> bytes:
    """The 32 bytes that sign for one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in _scope(when, region, service).split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def authorization_header(
    key: str, when: datetime, region: str, signed: Mapping[str, str], signature: str, service: str = "s3"
) -> str:
    """The value of `Authorization`. `signed` are the headers of the canonical request, `signature` is hexadecimal."""
    names = ";".join(sorted(name.lower() for name in signed))
    credential = f"{key}/{_scope(when, region, service)}"
    return f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"


class S3:
    """Signs requests for one bucket.

    `endpoint` is the base URL of an S3-compatible store (MinIO, R2, Ceph, ...); None is AWS itself. `path_style` puts
    the bucket into the path rather than into the host name; left at None it is on for an `endpoint`, and for AWS only
    where the bucket's name has a dot, which no wildcard certificate covers. `token` is the session token of temporary
    credentials. `clock` answers with an aware datetime; stores refuse a signature that is 15 minutes off.

    Raises ValueError naming what was expected.
    """

    __slots__ = ("_clock", "_key", "_root", "_secret", "_token", "bucket", "region")

    def __init__(
        self,
        bucket: str,
        region: str,
        key: str,
        secret: str,
        endpoint: str | None = None,
        *,
        token: str | None = None,
        path_style: bool | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.bucket = _checked("bucket", bucket, _BUCKET, "1 to 255 letters, digits, dots, hyphens or underscores")
        self.region = _checked("region", region, _REGION, 'a name such as "us-east-1"')
        self._key = _checked("key", key, _WORD, "an access key id without blanks")
        self._secret = _checked("secret", secret, _WORD, "a secret access key without blanks", show=False)
        self._token = token
        if token is not None:
            _checked("token", token, _WORD, "a session token without blanks, or None", show=False)
        self._clock = clock
        if path_style is None:
            path_style = endpoint is not None or "." in bucket
        if endpoint is None:
            endpoint = f"https://s3.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")
        self._root = _root(endpoint, bucket, path_style)

    def __repr__(self) -> str:
        return f"S3({self._root[0]}://{self._root[1]}{self._root[2]}, region={self.region!r})"

    def url(self, path: str, params: Mapping[str, str | int] | None = None) -> str:
        """The unsigned URL of the object `path`; "" is the bucket. One leading slash is not part of the name."""
        scheme, host, prefix = self._root
        query = _query(params)
        return f"{scheme}://{host}{_object_path(prefix, path)}" + (f"?{query}" if query else "")

    def authorize(
        self,
        path: str,
        headers: Mapping[str, str | int | None] | None = None,
        method: str = "PUT",
        *,
        params: Mapping[str, str | int] | None = None,
        payload_hash: str | None = None,
    ) -> Authorized:
        """Sign one request for the object `path`, to be sent within 15 minutes.

        Every header given is signed, apart from those a hop may rewrite (`connection`, `expect`, `transfer-encoding`
        and the like), and must reach the store as it is here; None leaves one out. `host` is always signed and is not
        among the headers returned, as the client derives it from the URL. `payload_hash` is the SHA-256 of the body in
        hexadecimal; left at None (and not given as the header `x-amz-content-sha256`) it is that of no body for GET,
        HEAD and DELETE, and `UNSIGNED-PAYLOAD` otherwise.

        Raises ValueError naming what was expected.
        """
        method = _checked("method", method, _TOKEN, 'a method such as "PUT"').upper()
        when = _utc(self._clock())
        scheme, host, prefix = self._root
        sent = _fields(headers)
        if payload_hash is None:
            payload_hash = sent.get("x-amz-content-sha256") or _payload_of(method)
        sent["x-amz-content-sha256"] = _checked(
            "payload_hash", payload_hash, _PAYLOAD, "a SHA-256 in lower-case hexadecimal or UNSIGNED-PAYLOAD"
        )
        sent["x-amz-date"] = _timestamp(when)
        if self._token is not None:
            sent["x-amz-security-token"] = self._token

        signed = {name: value for name, value in sent.items() if name not in _PER_HOP}
        signed["host"] = host
        target, query = _object_path(prefix, path), _query(params)
        text = string_to_sign(canonical_request(method, target, query, signed, payload_hash), when, self.region)
        signature = hmac.digest(signing_key(self._secret, when, self.region), text.encode(), "sha256").hex()
        sent["authorization"] = authorization_header(self._key, when, self.region, signed, signature)
        url = f"{scheme}://{host}{target}" + (f"?{query}" if query else "")
        return Authorized(url=url, method=method, headers=sent)


def _timestamp(when: datetime) -> str:
    return when.strftime("%Y%m%dT%H%M%SZ")


def _scope(when: datetime, region: str, service: str) -> str:
    return f"{when:%Y%m%d}/{region}/{service}/aws4_request"


def _utc(when: datetime) -> datetime:
    if when.utcoffset() is None:
        raise ValueError("the clock of S3 answered with a naive datetime; expected an aware one")
    return when.astimezone(UTC)


def _payload_of(method: str) -> str:
    return EMPTY_PAYLOAD if method in _BODYLESS else UNSIGNED_PAYLOAD


def _checked(what: str, value: object, pattern: re.Pattern[str], expected: str, *, show: bool = True) -> str:
    """`value` if it matches as a whole. `show=False` keeps a secret out of the message."""
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        got = f"got {value!r}" if show else f"got {type(value).__name__} of another form"
        raise ValueError(f"S3 {what}: expected {expected}, {got}")
    return value


def _root(endpoint: str, bucket: str, path_style: bool) -> tuple[str, str, str]:
    """(scheme, host as in the Host header, encoded path before the key) of a bucket at an endpoint."""
    expected = 'expected a base URL such as "https://s3.example.com"'
    try:
        parts = urlsplit(_checked("endpoint", endpoint, _WORD, "a base URL in ASCII without blanks"))
        port = parts.port
    except ValueError as error:
        raise ValueError(f"S3 endpoint: {expected}, got {endpoint!r}") from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"S3 endpoint: {expected}, without credentials, query and fragment, got {endpoint!r}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    prefix = quote(unquote(parts.path), safe="/" + _UNRESERVED).rstrip("/")
    if path_style:
        prefix = f"{prefix}/{bucket}"
    else:
        host = f"{_checked('bucket', bucket, _HOST_LABELS, 'lower-case letters of a host name')}.{host}"
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        host = f"{host}:{port}"
    return parts.scheme, host, prefix


def _object_path(prefix: str, path: str) -> str:
    if not isinstance(path, str):
        raise ValueError(f"S3 path: expected the name of an object as str, got {path!r}")
    return f"{prefix}/{_encoded(path.removeprefix('/'), 'path', safe='/' + _UNRESERVED)}"


def _query(params: Mapping[str, str | int] | None) -> str:
    pairs = [(_encoded(name, "params"), _encoded(str(value), "params")) for name, value in (params or {}).items()]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encoded(text: str, what: str, safe: str = _UNRESERVED) -> str:
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError as error:
        raise ValueError(f"S3 {what}: expected text that UTF-8 can carry, got {text!r}") from error


def _fields(headers: Mapping[str, str | int | None] | None) -> dict[str, str]:
    """The headers with names in lower case and values as text, each checked."""
    fields: dict[str, str] = {}
    for given, value in (headers or {}).items():
        name = _checked("header name", given, _TOKEN, "an HTTP token").lower()
        if value is None:
            continue
        if name in _OURS:
            raise ValueError(f"S3 header {name!r} is set by authorize(), expected it not to be given")
        if name in fields:
            raise ValueError(f"S3 header {name!r} was given twice, expected once: a signature covers one joined value")
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ValueError(f"S3 header {name!r}: expected str or int, got {value!r}")
        text = str(value).strip(" \t")
        fields[name] = _checked(f"header {name!r}", text, _VALUE, "printable ASCII without CR or LF")
    return fields
