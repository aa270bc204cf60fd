"""Incoming: what a request brings besides its head and bytes, and what its answer is given before there is one.

Cookies, forms, sessions; bodies that are held against their content type; fields and cookies that go out with whatever
head the answer gets. All of it is made when it is asked for: a request that uses none of it pays nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qsl

from toolkit.protocol.cookies import Cookie, SameSite
from toolkit.protocol.exchange import Exchange
from toolkit.protocol.forms import MultiDict
from toolkit.protocol.headers import HeaderValue, find_field
from toolkit.server.added import add_header, add_line, cookies_of, limit_body, set_cookie

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self

    from toolkit.protocol.aio.forms import Form, Parts
    from toolkit.protocol.head import RequestHead
    from toolkit.protocol.limits import FormLimits
    from toolkit.protocol.readable import Json
    from toolkit.server.connection import ServerConnection

__all__ = ["Incoming"]


class Incoming(Exchange):
    """The half of `Request` that forms, cookies and sessions are in."""

    __slots__ = ("_connection", "_head")

    _connection: ServerConnection
    _head: RequestHead

    def params(self) -> dict[str, str]:
        """The query's parameters, decoded; of a repeated one the last."""
        return dict(
            parse_qsl(self._head.target.partition("?")[2], keep_blank_values=True)
        )  # as many as `Limits.target` has room for

    def params_all(self) -> MultiDict[str]:
        """The query's parameters, decoded, every value of them: a look-up gives the last, `get_all` each."""
        return MultiDict(parse_qsl(self._head.target.partition("?")[2], keep_blank_values=True))

    @property
    def request_id(self) -> str | None:
        """What `RequestID` calls this request; None without that middleware."""
        return None if self._extra is None else self._extra.request_id

    def limit_body(self, size: int) -> None:
        """From now on the request's body is over the limit with `size` bytes (coded); never more than `Limits.body`.

        Raises `LimitExceeded` (413) where it is announced to be longer, or longer already; later its reader is told.
        """
        limit_body(self, size)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that the request brought; of a repeated name the first, which is the most specific one."""
        return cookies_of(self)

    @property
    def session(self) -> dict[str, Json]:
        """The visitor's session, a dict that a signed cookie keeps; needs the middleware `CookieSessions`.

        Changed, it is sent with the answer's head. Raises `UseError` without the middleware.
        """
        from toolkit.server.sessions import session_of

        return session_of(self)

    # -- the body, by its content type -------------------------------------------------------------------------

    def _check_charset(self) -> None:
        raw = find_field(self._head.fields, b"content-type")
        if raw is not None and raw.lower().find(b"charset") >= 0:
            from toolkit.server.bodies import check_charset

            check_charset(self, raw)

    def _expect_type(self, kind: str, any_type: bool) -> str | None:
        raw = find_field(self._head.fields, b"content-type")
        if raw is None or (raw == b"application/json" and kind == "json"):
            return None
        from toolkit.server.bodies import expect_type

        return expect_type(self, raw, kind, any_type)

    async def form(self, limits: FormLimits | None = None) -> Form:
        """The form that the body is, urlencoded or multipart: text fields, and files (over 256 KiB on disk); cached.

        `limits` are the application's without any. Raises `LimitExceeded` (413), `RemoteProtocolError` for what is no
        form (415) or a malformed one (400). A request without body and content type has an empty form.
        """
        from toolkit.protocol.aio.forms import form_of

        return await form_of(self, self._connection.running.app.forms if limits is None else limits)

    def multipart(self, limits: FormLimits | None = None) -> Parts:
        """The body's parts as they arrive: `async for part in r.multipart()`; each is an async iterable with `save`.

        Nothing is read before it is asked for. Raises like `form`.
        """
        from toolkit.protocol.aio.forms import Parts

        return Parts(self, self._connection.running.app.forms if limits is None else limits)

    async def body_or_params(self, limits: FormLimits | None = None) -> dict[str, object]:
        """Parameters by name, where the method has them: the query of GET, HEAD, OPTIONS, DELETE, else the body.

        The body is a JSON object or a form, by its content type. Raises like `json` and `form`; `RemoteProtocolError`
        (400) for JSON that is no object.
        """
        from toolkit.server.bodies import body_or_params

        return await body_or_params(self, limits)

    # -- what goes out with the head, whoever sends it ---------------------------------------------------------

    def add_header(self, name: str, value: HeaderValue) -> None:
        """Add a field to the answer's head, whatever the answer will be: returned, prepared, an `Abort`, an error page.

        It is appended, so a field may repeat. What describes the body itself belongs to the answer: `UseError` for
        content-type and its like, for framing, and after the head was sent; `LocalProtocolError` for a bad value.
        """
        add_header(self, name, value)

    def set_cookie(
        self,
        name: str,
        value: str = "",
        *,
        max_age: int | None = None,
        expires: datetime | float | None = None,
        domain: str | None = None,
        path: str | None = "/",
        secure: bool = False,
        httponly: bool = False,
        samesite: str | None = "Lax",
        partitioned: bool = False,
    ) -> None:
        """Send a cookie with the answer's head (RFC 6265bis 4.1); one of the same name, domain and path is replaced.

        `max_age` in seconds, `expires` an aware datetime or seconds since 1970. Raises `LocalProtocolError` for what an
        agent would not take, `UseError` after the head was sent.
        """
        set_cookie(
            self,
            Cookie(
                name,
                value,
                max_age,
                expires,
                domain,
                path,
                secure,
                httponly,
                cast("SameSite | None", samesite),
                partitioned,
            ),
        )

    def delete_cookie(
        self, name: str, *, domain: str | None = None, path: str | None = "/", secure: bool = False
    ) -> None:
        """Make the agent forget a cookie; `domain` and `path` as it was set with. `secure` for a name with a prefix."""
        set_cookie(self, Cookie(name, "", 0, 0, domain, path, secure))

    def __iadd__(self, line: object) -> Self:
        """`r += b"x-name: value"`: `add_header`, from a line as it stands on the wire."""
        add_line(self, line)
        return self
