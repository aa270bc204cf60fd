"""Requests without a session: `answer = await toolkit.get(url)`, or `async with toolkit.post(url) as x`.

What they return is what a session's methods return, and they take the same keywords. Their session has the defaults of
`Session()`; connections are kept alive from call to call on one event loop, and end with it. A program that wants
anything else (headers of its own, limits, cookies, an application in memory) makes a `Session`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from toolkit.client.shared import SharedSession

if TYPE_CHECKING:
    from toolkit.client.options import RequestOptions
    from toolkit.client.response import Response
    from toolkit.protocol.headers import HeadersLike

__all__ = ["delete", "get", "head", "options", "patch", "post", "put", "request"]

_shared = SharedSession()


def request(method: str, url: str, headers: HeadersLike | None = None, **options: Unpack[RequestOptions]) -> Response:
    """A request of any method, not sent until it is awaited or entered. See `Session.request`."""
    return _shared.request(method, url, headers, **options)


def get(url: str, headers: HeadersLike | None = None, **options: Unpack[RequestOptions]) -> Response:
    """A GET request."""
    return _shared.get(url, headers, **options)


def head(url: str, headers: HeadersLike | None = None, **options: Unpack[RequestOptions]) -> Response:
    """A HEAD request."""
    return _shared.head(url, headers, **options)


def options(url: str, headers: HeadersLike | None = None, **options: Unpack[RequestOptions]) -> Response:
    """An OPTIONS request."""
    return _shared.options(url, headers, **options)


def delete(url: str, headers: HeadersLike | None = None, **options: Unpack[RequestOptions]) -> Response:
    """A DELETE request."""
    return _shared.delete(url, headers, **options)


def post(url: str, headers: HeadersLike | None = None, **options: Unpack[RequestOptions]) -> Response:
    """A POST request; entered without a body it is open for writing."""
    return _shared.post(url, headers, **options)


def put(url: str, headers: HeadersLike | None = None, **options: Unpack[RequestOptions]) -> Response:
    """A PUT request; entered without a body it is open for writing."""
    return _shared.put(url, headers, **options)


def patch(url: str, headers: HeadersLike | None = None, **options: Unpack[RequestOptions]) -> Response:
    """A PATCH request; entered without a body it is open for writing."""
    return _shared.patch(url, headers, **options)
