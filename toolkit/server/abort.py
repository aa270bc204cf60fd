"""Abort, and the statuses by name: leave a handler with an answer.

Control flow, so all of it stands outside the tree of `toolkit.errors`. A subclass makes a new one:

    class NoSuchUser(NotFound):
        '''Nobody of that name.'''

    class Teapot(StatusAbort, status=418):
        '''Short and stout.'''
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Final

from toolkit.errors import UseError
from toolkit.protocol.dates import format_http_date
from toolkit.protocol.headers import Headers
from toolkit.protocol.status import reason_phrase

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from toolkit.protocol.headers import HeadersLike

__all__ = [
    "Abort",
    "BadGateway",
    "BadRequest",
    "Conflict",
    "ContentTooLarge",
    "Forbidden",
    "GatewayTimeout",
    "Gone",
    "InternalServerError",
    "LengthRequired",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "PreconditionFailed",
    "PreconditionRequired",
    "RequestTimeout",
    "ServiceUnavailable",
    "StatusAbort",
    "TooManyRequests",
    "Unauthorized",
    "UnprocessableContent",
    "UnsupportedMediaType",
    "named_abort",
]


class Abort(Exception):
    """Raised in a handler, hook or middleware: answer `status` with `message` and end here.

    An empty message sends an empty body (with `content-length: 0`). Of 400 and above the message goes out in the form
    that the request accepts: text, JSON (RFC 9457) or HTML. `headers` go with it, a `location` for instance; with a
    content-type among them the message is sent as it is.
    """

    def __init__(self, message: str = "", status: int = 403, headers: HeadersLike | None = None) -> None:
        if not isinstance(message, str) or isinstance(status, bool) or not isinstance(status, int):
            raise UseError(f"Abort({message!r}, {status!r}): expected a text and a status, such as Abort('gone', 410)")
        if not 200 <= status <= 599:
            raise UseError(f"Abort({message!r}, {status}): expected the status of an answer, 200 to 599")
        super().__init__(message or reason_phrase(status))
        self.message = message
        self.status = status
        self.headers = headers


class StatusAbort(Abort):
    """An `Abort` whose class says the status: `class Teapot(StatusAbort, status=418)`.

    Without a message it says the status' own phrase. Subclasses inherit the status.
    """

    default_status: ClassVar[int] = 500

    def __init_subclass__(cls, *, status: int | None = None) -> None:
        super().__init_subclass__()
        if status is not None:
            if not isinstance(status, int) or not 400 <= status <= 599:
                raise UseError(f"class {cls.__name__}(..., status={status!r}): expected an error's status, 400 to 599")
            cls.default_status = status

    def __init__(self, message: str = "", headers: HeadersLike | None = None) -> None:
        status = self.default_status
        if not isinstance(message, str):
            raise UseError(f"{type(self).__name__}({message!r}): expected a text; the class says the status, {status}")
        super().__init__(message or reason_phrase(status), status, headers)


class BadRequest(StatusAbort, status=400):
    """400: the request makes no sense (RFC 9110 15.5.1)."""


class Unauthorized(StatusAbort, status=401):
    """401: it needs credentials, or other ones (RFC 9110 15.5.2). `challenge` is the www-authenticate field."""

    def __init__(self, message: str = "", headers: HeadersLike | None = None, *, challenge: str = "Bearer") -> None:
        super().__init__(message, _with(headers, "www-authenticate", challenge))


class Forbidden(StatusAbort, status=403):
    """403: understood, and refused (RFC 9110 15.5.4)."""


class NotFound(StatusAbort, status=404):
    """404: nothing is here, or nothing that one would admit (RFC 9110 15.5.5)."""


class MethodNotAllowed(StatusAbort, status=405):
    """405: `allowed` are the methods that this resource has (RFC 9110 15.5.6: the answer must name them)."""

    def __init__(self, allowed: Iterable[str], message: str = "", headers: HeadersLike | None = None) -> None:
        if isinstance(allowed, str):
            raise UseError(f"MethodNotAllowed({allowed!r}): expected the allowed methods, such as ['GET', 'PUT']")
        super().__init__(message, _with(headers, "allow", ", ".join(allowed)))


class NotAcceptable(StatusAbort, status=406):
    """406: no representation that the request accepts (RFC 9110 15.5.7)."""


class RequestTimeout(StatusAbort, status=408):
    """408: the request did not come in time (RFC 9110 15.5.9)."""


class Conflict(StatusAbort, status=409):
    """409: against the resource's present state (RFC 9110 15.5.10)."""


class Gone(StatusAbort, status=410):
    """410: it was here, and will not be again (RFC 9110 15.5.11)."""


class LengthRequired(StatusAbort, status=411):
    """411: not without a content-length (RFC 9110 15.5.12)."""


class PreconditionFailed(StatusAbort, status=412):
    """412: a condition of the request does not hold (RFC 9110 15.5.13)."""


class ContentTooLarge(StatusAbort, status=413):
    """413: more than is taken (RFC 9110 15.5.14). `retry_after` where that is for now only; see `TooManyRequests`."""

    def __init__(
        self, message: str = "", headers: HeadersLike | None = None, *, retry_after: float | datetime | None = None
    ) -> None:
        super().__init__(message, _with_retry(headers, retry_after))


class UnsupportedMediaType(StatusAbort, status=415):
    """415: a body in a form that is not read here (RFC 9110 15.5.16)."""


class UnprocessableContent(StatusAbort, status=422):
    """422: well formed, and still nothing that can be done (RFC 9110 15.5.21)."""


class PreconditionRequired(StatusAbort, status=428):
    """428: not without a condition, lest updates be lost (RFC 6585 3)."""


class TooManyRequests(StatusAbort, status=429):
    """429: too much for now (RFC 6585 4). `retry_after` is in seconds, rounded up, or an aware datetime."""

    def __init__(
        self, message: str = "", headers: HeadersLike | None = None, *, retry_after: float | datetime | None = None
    ) -> None:
        super().__init__(message, _with_retry(headers, retry_after))


class InternalServerError(StatusAbort, status=500):
    """500: a fault of the server, said on purpose (RFC 9110 15.6.1)."""


class BadGateway(StatusAbort, status=502):
    """502: another server, asked for this answer, gave none that makes sense (RFC 9110 15.6.3)."""


class ServiceUnavailable(StatusAbort, status=503):
    """503: not now (RFC 9110 15.6.4). `retry_after` is in seconds, rounded up, or an aware datetime."""

    def __init__(
        self, message: str = "", headers: HeadersLike | None = None, *, retry_after: float | datetime | None = None
    ) -> None:
        super().__init__(message, _with_retry(headers, retry_after))


class GatewayTimeout(StatusAbort, status=504):
    """504: another server, asked for this answer, took too long (RFC 9110 15.6.5)."""


def named_abort(status: int, message: str = "", headers: HeadersLike | None = None) -> Abort:
    """The error of a status, of the class that has its name."""
    kind = NAMED.get(status, Abort)
    error = kind.__new__(kind)
    Abort.__init__(error, message or reason_phrase(status), status, headers)
    return error


def _with(headers: HeadersLike | None, name: str, value: str) -> Headers:
    """These fields, and this one unless they say it themselves."""
    together = Headers(headers)
    if name not in together:
        together[name] = value
    return together


def _with_retry(headers: HeadersLike | None, retry_after: float | datetime | None) -> HeadersLike | None:
    """RFC 9110 10.2.3: whole seconds, or a date."""
    if retry_after is None:
        return headers
    if isinstance(retry_after, (int, float)):
        return _with(headers, "retry-after", str(max(0, math.ceil(retry_after))))
    if retry_after.tzinfo is None:
        raise UseError("retry_after has no time zone; use datetime.now(UTC) + ..., or seconds")
    return _with(headers, "retry-after", format_http_date(math.ceil(retry_after.timestamp())))


NAMED: Final = {kind.default_status: kind for kind in StatusAbort.__subclasses__()}
