"""From an exception to an answer, by way of the application's own error handlers.

An exception that leaves a handler is judged: which status it means, what may be said of it, whether it is a fault of
the program and belongs into the log. Then it goes to the handler that the application registered for its class (the
most specific one), else to the one for its status, else it becomes a page in the form that the request accepts. What an
error handler raises itself is given to no other: it becomes a plain page.

Behind the head there is nothing left to answer, and the exchange is aborted, so that nobody takes it for a clean end.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from toolkit.errors import Disconnected, ReadTimeout, RemoteProtocolError, UseError
from toolkit.protocol.headers import encode_fields, join_fields
from toolkit.protocol.states import BODY, IDLE, RAW
from toolkit.protocol.status import reason_phrase
from toolkit.server.abort import Abort
from toolkit.server.added import extra_of
from toolkit.server.answers import TEXT, Answer, Streamed, encode_returned, restated
from toolkit.server.current import CURRENT
from toolkit.server.error_pages import debug_page, error_page
from toolkit.server.handlers import described

if TYPE_CHECKING:
    from toolkit.protocol.headers import Fields
    from toolkit.server.request import Request

__all__ = ["ErrorHandler", "ErrorHandlers", "answer_error"]

log = logging.getLogger("toolkit.server")

ErrorHandler: TypeAlias = Callable[..., object]

#: What orjson says of values that it does not write, and the modules that give it some.
OF_ORJSON: Final = (
    "Type is not JSON serializable",
    "Dict key must",
    "Integer exceeds",
    "Recursion limit reached",
    "str is not valid UTF-8",
)
ANSWERING: Final = frozenset(["toolkit.server.answers", "toolkit.server.deliver", "toolkit.server.dispatch"])
PLAIN_500: Final = "Internal Server Error"
VARY: Final = (b"vary", b"accept")


class ErrorHandlers:
    """An application's handlers of errors, by class and by status."""

    __slots__ = ("_by_class", "_by_status")

    def __init__(self) -> None:
        self._by_class: dict[type[Exception], ErrorHandler] = {}
        self._by_status: dict[int, ErrorHandler] = {}

    def add_class(self, kind: type[Exception], handler: ErrorHandler) -> None:
        """Raises `UseError` for what is no class of exceptions, and for one that has its handler."""
        if not isinstance(kind, type) or not issubclass(kind, Exception):
            raise UseError(f"on_error({kind!r}): expected a class of exceptions, such as ValueError")
        if kind in self._by_class:
            raise UseError(f"on_error({kind.__name__}): {self._by_class[kind]!r} handles it already")
        self._by_class[kind] = handler

    def add_status(self, status: int, handler: ErrorHandler) -> None:
        """Raises `UseError` for what is no error's status, and for one that has its handler."""
        if not isinstance(status, int) or not 400 <= status <= 599:
            raise UseError(f"on_status({status!r}): expected the status of an error, 400 to 599")
        if status in self._by_status:
            raise UseError(f"on_status({status}): {self._by_status[status]!r} handles it already")
        self._by_status[status] = handler

    def for_class(self, error: Exception) -> ErrorHandler | None:
        """Of the handlers for its classes the most specific one."""
        return next((self._by_class[kind] for kind in type(error).__mro__ if kind in self._by_class), None)

    def for_status(self, status: int) -> ErrorHandler | None:
        """The handler for a status."""
        return self._by_status.get(status)


class Verdict(NamedTuple):
    """What an exception means: a status, what may be said, and the fields that go with it."""

    status: int
    message: str
    text: str | None = None  #: what the plain page says instead of the message
    fields: Fields = []  # noqa: RUF012 - never changed, and a tuple is no Fields
    fault: bool = False  #: of the program: it belongs into the log, and a page in development shows it


def answer_error(request: Request, error: Exception) -> Awaitable[object] | None:
    """Answer what a handler raised. What an error handler still has to do is returned, to be waited for in a task."""
    levels = _levels(request)
    handler = next((found for one in levels if (found := one.for_class(error)) is not None), None)
    verdict = _judge(request, error, quiet=handler is not None)
    if verdict is None:
        return None
    if request._out in (BODY, RAW):
        request._abort(f"the handler failed: {error!r}")
        return None
    if request._out is not IDLE or request._error is not None or request._wire is None:
        return None
    if handler is None:
        handler = next((found for one in levels if (found := one.for_status(verdict.status)) is not None), None)
    if handler is not None:
        return _ask(request, error, verdict, handler)
    _answer(request, error, verdict)
    return None


def _levels(request: Request) -> list[ErrorHandlers]:
    """Whose handlers are asked: those of the application that was mounted here, then those of the outermost one."""
    if request._extra is not None and request._extra.failing:
        return []
    applications = (request.app, request._connection.running.app)
    found = [application.errors for application in applications if application.errors is not None]
    return found[:1] if applications[0] is applications[1] else found


# -- judging ---------------------------------------------------------------------------------------------------------


def _judge(request: Request, error: Exception, *, quiet: bool) -> Verdict | None:
    """What the exception means; None where there is nobody to tell. `quiet`: a handler knows it, so no log does."""
    if isinstance(error, Abort):
        try:
            return Verdict(error.status, error.message, fields=encode_fields(error.headers))
        except Exception as second:  # bad fields: still an answer
            _log(request, "failed, and the fields of its Abort cannot be sent", second)
            return Verdict(500, PLAIN_500)
    if isinstance(error, RemoteProtocolError):
        if error.exchange is None or error.exchange is request:
            status = error.status_hint
            return Verdict(status, error.fault, f"{reason_phrase(status)}: {error.fault}")
        log.warning("%s", error)  # another server's fault, and none of this client's business
        return Verdict(502, reason_phrase(502))
    if isinstance(error, ReadTimeout) and request._in is not None and request._in.error is not None:
        return Verdict(408, reason_phrase(408))
    if isinstance(error, Disconnected) and error.exchange is not None:
        # A peer that left, this exchange's or another's that is being read: no fault of the program.
        log.debug("%s", error)
        if error.exchange is request or request._out is not IDLE:
            request._abort(f"a peer is gone: {error}")
            return None
        return Verdict(502, reason_phrase(502))
    if isinstance(error, TypeError) and _is_of_json(error):
        error.add_note(_about_json(request))
    if not quiet:
        _log(request, "failed", error)
    return Verdict(500, PLAIN_500, fault=True)


def _is_of_json(error: TypeError) -> bool:
    """Whether it was raised where an answer is made: orjson names a type, and not who gave it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else trace.tb_frame.f_globals.get("__name__", "")
    return where in ANSWERING and str(error).startswith(OF_ORJSON)


def _about_json(request: Request) -> str:
    route = request._route
    whose = "" if route is None else f" of {described(route.handler)}, the route {route.path},"
    return (
        f"the answer{whose} cannot be written as JSON, which has dicts with str keys, lists, str, int (64 bits), "
        "float, bool, None, dataclasses, datetime, date, time, UUID and Enum"
    )


def _log(request: Request, what: str, error: Exception) -> None:
    log.error("%s %s %s", request.method, ascii(request.target[:200]), what, exc_info=error)


# -- the page --------------------------------------------------------------------------------------------------------


def _answer(request: Request, error: Exception, verdict: Verdict) -> None:
    """The page of an error that no handler of the application takes."""
    try:
        answer = _page(request, error, verdict)
        request.answer(answer.status, answer.fields, answer.body)
    except Exception as second:  # a status or field that cannot be sent: still an answer
        _log(request, "failed, and the error's answer too", second)
        request.answer(500, [TEXT.pair], PLAIN_500.encode("ascii"))


def _page(request: Request, error: Exception, verdict: Verdict) -> Answer:
    status, message, fields = verdict.status, verdict.message, verdict.fields
    if any(name.lower() == b"content-type" for name, _ in fields):
        return Answer(status, list(fields), message.encode())
    if not message:
        return Answer(status, list(fields), b"")
    if status < 400:
        return Answer(status, [TEXT.pair, *fields], message.encode())
    raw = join_fields(request._head.fields, b"accept")
    accept = None if raw is None else raw.decode("latin-1")
    if verdict.fault and request._connection.running.app.debug:
        page = debug_page(accept, error, f"{request.method} {request.target}")
    else:
        page = error_page(accept, status, message, verdict.text)
    return Answer(status, [(b"content-type", page.content_type), *fields, VARY], page.body)


# -- the application's handlers --------------------------------------------------------------------------------------


def _ask(request: Request, error: Exception, verdict: Verdict, handler: ErrorHandler) -> Awaitable[object] | None:
    """Call a handler of errors; what there is to wait for comes back."""
    extra_of(request).failing = True
    before = CURRENT.get()
    try:
        CURRENT.set(request)
        try:
            value = handler(request, error)
        finally:
            CURRENT.set(before)
        if isinstance(value, Awaitable) and not isinstance(value, (Answer, Streamed)):
            return _wait(request, error, verdict, value)
        answer = _given(request, error, verdict, value)
        if isinstance(answer, Streamed):
            return _itself(answer)
        if answer is not None:
            request.answer(answer.status, answer.fields, answer.body, answer.lines)
    except Exception as second:
        return answer_error(request, second)
    return None


async def _wait(request: Request, error: Exception, verdict: Verdict, value: Awaitable[object]) -> object:
    return _given(request, error, verdict, await value)


async def _itself(value: object) -> object:
    return value


def _given(request: Request, error: Exception, verdict: Verdict, value: object) -> Answer | Streamed | None:
    """What a handler of errors returned: with the error's own status and fields, where it says nothing else of them.

    None returned, and nothing sent, asks for the usual page.
    """
    if value is None:
        if request._out is IDLE:
            _answer(request, error, verdict)
        return None
    if isinstance(value, (Answer, Streamed)) and value.status == 200:
        value = restated(value, verdict.status, None)  # 200 is what they have unless told: an error kept as one
    own = not isinstance(value, (tuple, Answer, Streamed))
    answer = encode_returned(value, request)
    if own:
        answer.status = verdict.status
    if answer.status != verdict.status or not verdict.fields:
        return answer
    given = answer.fields if isinstance(answer, Answer) else encode_fields(answer.headers)
    names = {name.lower() for name, _ in given} | {b"content-type"}
    fields = [*given, *((name, value) for name, value in verdict.fields if name.lower() not in names)]
    if isinstance(answer, Answer):
        return Answer(answer.status, fields, answer.body)
    return Streamed(answer.status, [(n.decode("latin-1"), v.decode("latin-1")) for n, v in fields], answer.source)
