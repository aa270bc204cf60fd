"""Hooks: functions of the user's that see every request before it is sent, and every answer's head.

    async def signed(request): return {"x-signature": await sign(request.method, request.target)}
    def counted(answer): statuses[answer.status] += 1

    Session(hooks=Hooks(request=signed, answer=[counted, logged]))

They run in their order, one after the other, redirects and repetitions included; what one of them raises ends the
request. Where they stand among cookies, auth and redirects is told in `policies.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from toolkit.errors import UseError
from toolkit.protocol.headers import Headers, HeadersLike, encode_fields

if TYPE_CHECKING:
    from toolkit.client.policies import Outgoing
    from toolkit.client.response import Response
    from toolkit.protocol.headers import Fields

__all__ = ["AnswerHook", "Hooks", "RequestHook"]

#: Gets the request; returns fields to send with it, or None.
RequestHook: TypeAlias = "Callable[[Outgoing], HeadersLike | Awaitable[HeadersLike | None] | None]"
#: Gets the answer: its status and headers are there, its body can be read.
AnswerHook: TypeAlias = "Callable[[Response], Awaitable[None] | None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Functions, plain or coroutine functions, one or several: `request` before a request, `answer` behind a head.

    A request hook may return fields, which take the place of those of the same names; the next hook sees them.
    """

    request: RequestHook | Sequence[RequestHook] = ()
    answer: AnswerHook | Sequence[AnswerHook] = ()

    def __post_init__(self) -> None:
        for name in ("request", "answer"):
            given = getattr(self, name)
            hooks = [given] if callable(given) else given
            if not isinstance(hooks, Sequence) or isinstance(hooks, str) or not all(callable(one) for one in hooks):
                raise UseError(f"Hooks({name}={given!r}): expected a function, or a list of them")
            object.__setattr__(self, name, tuple(hooks))

    async def on_request(self, request: Outgoing) -> HeadersLike | None:
        """Before it is sent; the fields that the hooks want to go with it."""
        added: Fields = []
        for hook in _each(self.request):
            given = hook(request)
            if inspect.isawaitable(given):
                given = await given
            if given is not None:
                fields = encode_fields(cast("HeadersLike", given))  # which tells of what is none
                added = _replaced(added, fields)
                headers = Headers.from_fields(_replaced(encode_fields(request.headers), fields))
                request = request._replace(headers=headers)
        return Headers.from_fields(added) if added else None

    async def on_answer(self, answer: Response) -> None:
        """The head is here."""
        for hook in _each(self.answer):
            given = hook(answer)
            if inspect.isawaitable(given):
                await given


def _each(hooks: object) -> tuple[Callable[..., object], ...]:
    return hooks if isinstance(hooks, tuple) else ()


def _replaced(fields: Fields, others: Fields) -> Fields:
    names = {name.lower() for name, _ in others}
    return [*(pair for pair in fields if pair[0].lower() not in names), *others]
