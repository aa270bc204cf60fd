"""The one exception tree; every error the toolkit raises on purpose is below `ToolkitError`.

    ToolkitError
    ├── UseError (RuntimeError)               calls in a wrong order, or in a wrong place
    │   └── Busy                              somebody else is reading this body
    ├── ProtocolError                         bytes that HTTP does not allow
    │   ├── LocalProtocolError                ... and we were asked to send them: nothing was sent
    │   └── RemoteProtocolError               ... and the peer sent them; `status_hint` answers it
    │       └── LimitExceeded                 well formed, but over a stated limit
    ├── Disconnected (ConnectionError)        the peer, or the link to it, is gone
    │   └── EarlyAnswer                       the peer answered and will not take the rest of the upload
    ├── ToolkitTimeout (TimeoutError)         one subclass for each phase
    │   └── ConnectTimeout, PoolTimeout, ReadTimeout, WriteTimeout, TotalTimeout
    ├── NetworkError (OSError)
    │   └── ConnectError                      no link could be made
    │       ├── ResolveError                  ... since the host has no address
    │       ├── ProxyError                    ... since the proxy would not make it
    │       └── TlsError                      ... since there is no TLS with the peer
    │           └── CertificateError          ... since its certificate is not to be trusted
    ├── PoolFull                              too many wait for a connection already
    ├── BodyNotReplayable                     an answer wants a body again that is already spent
    └── StatusError                           `raise_for_status()` met a 4xx or 5xx

Blame is in the type: "local" is the caller's fault, "remote" the peer's. No name speaks of a role, since both ends
raise the same errors. The server's `Abort` is control flow and stands outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from toolkit.protocol.exchange import Exchange

__all__ = [
    "BodyNotReplayable",
    "Busy",
    "CertificateError",
    "ConnectError",
    "ConnectTimeout",
    "Disconnected",
    "EarlyAnswer",
    "LimitExceeded",
    "LocalProtocolError",
    "NetworkError",
    "PoolFull",
    "PoolTimeout",
    "ProtocolError",
    "ProxyError",
    "ReadTimeout",
    "RemoteProtocolError",
    "ResolveError",
    "StatusError",
    "TlsError",
    "ToolkitError",
    "ToolkitTimeout",
    "TotalTimeout",
    "UseError",
    "WriteTimeout",
]

E = TypeVar("E", bound=BaseException)


def caused(error: E, cause: BaseException | None) -> E:
    """`error`, to be raised because of `cause`; None: whatever else is being handled has no part in it.

    `raise error from cause` in words that the compiler understands: it drops what stands behind `from`.
    """
    error.__cause__ = cause
    return error


class ToolkitError(Exception):
    """The root of the tree: catching it catches whatever the toolkit raises on purpose."""


class UseError(ToolkitError, RuntimeError):
    """A call in a wrong order or place; the message names the call and what was expected before it."""


class Busy(UseError):
    """The body has a reader already, in another task that is still alive."""


class ProtocolError(ToolkitError):
    """Bytes that the protocol does not allow; always one of the two subclasses."""


class LocalProtocolError(ProtocolError):
    """We were asked to send what may not be sent (RFC 9110, RFC 9112). Nothing of it was sent."""


class RemoteProtocolError(ProtocolError):
    """The peer sent what may not be sent.

    `status_hint` is the status a server answers it with, `exchange` the one it came in (None below that layer), and
    `fault` what was wrong, without the method and URL that the message begins with.
    """

    exchange: Exchange | None = None

    def __init__(self, message: str, status_hint: int = 400, *, fault: str | None = None) -> None:
        super().__init__(message)
        self.status_hint = status_hint
        self.fault = message if fault is None else fault


class LimitExceeded(RemoteProtocolError):
    """The peer's bytes are well formed but over a limit of `Limits`."""

    def __init__(self, message: str, status_hint: int = 413, *, fault: str | None = None) -> None:
        super().__init__(message, status_hint, fault=fault)


class Disconnected(ToolkitError, ConnectionError):
    """The link ended before the message did.

    `exchange` is the exchange whose peer is gone (None below the exchange layer); `clean` is True when the peer
    ended its side in order (FIN) rather than by a reset.
    """

    def __init__(self, message: str, exchange: Exchange | None = None, *, clean: bool = False) -> None:
        super().__init__(message)
        self.exchange = exchange
        self.clean = clean


class EarlyAnswer(Disconnected):
    """The peer's final answer is here and it takes no more of the upload; read the answer from `exchange`."""


class ToolkitTimeout(ToolkitError, TimeoutError):
    """A phase took longer than its entry in `Timeouts`; always one of the subclasses."""


class ConnectTimeout(ToolkitTimeout):
    """No link within `Timeouts.connect`."""


class PoolTimeout(ToolkitTimeout):
    """No free connection within `Timeouts.pool`."""


class ReadTimeout(ToolkitTimeout):
    """A reader waited and no byte moved in either direction for `Timeouts.read`."""


class WriteTimeout(ToolkitTimeout):
    """Bytes were waiting and the kernel took none of them for `Timeouts.write`."""


class TotalTimeout(ToolkitTimeout):
    """The exchange as a whole took longer than `Timeouts.total`."""


class NetworkError(ToolkitError, OSError):
    """The operating system refused; the original error is the cause."""


class ConnectError(NetworkError):
    """No link could be made: name not found, refused, unreachable, or TLS failed."""


class ResolveError(ConnectError):
    """The host has no address: no such name, or nobody there to ask."""


class ProxyError(ConnectError):
    """The proxy would not make the link, or could not. `status` is that of its answer, None where it is no HTTP one."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class TlsError(ConnectError):
    """The handshake failed: no version or cipher in common, a peer that speaks no TLS or wants a certificate."""


class CertificateError(TlsError):
    """The peer's certificate is not to be trusted.

    `host` is the name that was asked for; `reason` is "expired", "not yet valid", "self-signed", "unknown authority",
    "wrong host", "revoked" or "not valid"; `names` are those that the certificate is for, where they are known.
    """

    def __init__(self, message: str, *, host: str, reason: str, names: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.host = host
        self.reason = reason
        self.names = names


class PoolFull(ToolkitError):
    """As many requests wait for a connection as `PoolLimits.waiting` allows; nothing was sent."""


class BodyNotReplayable(ToolkitError):
    """A redirect or a refusal asks for the body again, and it came from a source that can be read only once.

    `answer` is the answer that does.
    """

    def __init__(self, message: str, answer: Exchange) -> None:
        super().__init__(message)
        self.answer = answer


class StatusError(ToolkitError):
    """The answer's status is 400 or above. `status` and `answer` say which."""

    def __init__(self, message: str, status: int, answer: Exchange) -> None:
        super().__init__(message)
        self.status = status
        self.answer = answer
