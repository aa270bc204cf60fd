"""An id for each request: in its answer, in every log line meanwhile, and taken over from who is trusted."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from toolkit.logs.lines import REQUEST_ID
from toolkit.protocol.forwarded import Networks
from toolkit.protocol.headers import encode_fields
from toolkit.server.added import extra_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolkit.server.handlers import Coroutine
    from toolkit.server.request import Request

__all__ = ["RequestID"]

# What a UUID, a ULID, base64 or the id of a trace is made of; nothing that a log or a shell would take for its own.
ACCEPTABLE: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


def new_id() -> str:
    """96 random bits: of a billion requests no two are called the same."""
    return secrets.token_hex(12)


@dataclass(frozen=True, slots=True)
class RequestID:
    """`r.request_id`, sent with the answer in the field `name`, and shown in log lines.

    The id that a request brings is taken over where its peer is in the `trusted` networks (see `Networks`) and it is
    1 to 128 letters, digits and `._:/+=@-`; every other request gets a new one from `make`.
    """

    name: str = "x-request-id"
    trusted: Sequence[str] = ()
    make: Callable[[], str] = new_id
    _networks: Networks = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        encode_fields([(self.name, "")])  # a name that cannot be sent is told now
        object.__setattr__(self, "_networks", Networks(self.trusted))

    async def __call__(self, handler: Coroutine, r: Request) -> object:
        """Name the request, then go on."""
        brought = r.headers.get(self.name, "") if r._connection.peer[0] in self._networks else ""
        named = brought if ACCEPTABLE.fullmatch(brought) is not None else self.make()
        r.add_header(self.name, named)
        extra_of(r).request_id = named
        REQUEST_ID.set(named)  # the request's task has a context of its own, so it is forgotten with it
        return await handler(r)
