"""Exit statuses: what a script can tell of a failure. curl's numbers where curl has one for it."""

from __future__ import annotations

import socket
import ssl
from enum import IntEnum
from typing import TYPE_CHECKING

from toolkit.errors import (
    BodyNotReplayable,
    ConnectError,
    Disconnected,
    LimitExceeded,
    LocalProtocolError,
    ProxyError,
    RemoteProtocolError,
    StatusError,
    UseError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.client.response import Response

__all__ = ["Exit", "Stop", "status_of"]


class Exit(IntEnum):
    """What the command ends with."""

    OK = 0
    ARGUMENTS = 2  #: wrong arguments
    URL = 3  #: a URL that leads nowhere
    RESOLVE = 6  #: the host's name was not found
    CONNECT = 7  #: no connection
    WEIRD = 8  #: the server does not speak HTTP/1
    PARTIAL = 18  #: the answer ended before it was whole
    HTTP = 22  #: the status is 400 or above, and --fail asks for that
    WRITE = 23  #: the output could not be written
    READ = 26  #: what was to be sent could not be read
    TIMEOUT = 28  #: a time limit passed
    TLS = 35  #: the TLS handshake failed
    REDIRECTS = 47  #: too many redirects, or one that leads nowhere
    NOTHING = 52  #: the server ended the connection without an answer
    RECEIVE = 56  #: the connection broke
    CERTIFICATE = 60  #: the server's certificate is not to be trusted
    CODING = 61  #: a content coding that cannot be undone
    TOO_LARGE = 63  #: over a limit
    REWIND = 65  #: a redirect wants the body again, and it cannot be read again
    PROXY = 97  #: the proxy refused, or made no link
    INTERRUPTED = 130  #: Ctrl-C, as shells count it


class Stop(Exception):
    """The command is to end with this status, and this text on standard error; "" for none."""

    def __init__(self, status: Exit, text: str) -> None:
        super().__init__(text)
        self.status = status


def status_of(error: BaseException, x: Response | None) -> Exit:
    """The status for a failure; `x` is the exchange that it happened in."""
    if isinstance(error, Stop):
        return error.status
    if isinstance(error, TimeoutError):
        return Exit.TIMEOUT
    if isinstance(error, ProxyError):
        return Exit.PROXY
    if isinstance(error, ConnectError):
        return _connect_status(error)
    if isinstance(error, Disconnected):
        return _lost_status(error, x)
    if isinstance(error, LimitExceeded):
        return Exit.TOO_LARGE
    if isinstance(error, RemoteProtocolError):
        return _protocol_status(error, x)
    if isinstance(error, BodyNotReplayable):
        return Exit.REWIND
    if isinstance(error, StatusError):
        return Exit.HTTP
    if isinstance(error, LocalProtocolError):
        return Exit.ARGUMENTS
    if isinstance(error, UseError):
        return Exit.URL
    return Exit.WRITE  # an OSError of a file: what is read is opened elsewhere


def _connect_status(error: BaseException) -> Exit:
    causes = list(_causes(error))
    if any(isinstance(one, ssl.SSLCertVerificationError) for one in causes):
        return Exit.CERTIFICATE
    if any(isinstance(one, ssl.SSLError) for one in causes):
        return Exit.TLS
    return Exit.RESOLVE if any(isinstance(one, socket.gaierror) for one in causes) else Exit.CONNECT


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for one in error.exceptions:
                yield from _causes(one)
        error = error.__cause__


def _lost_status(error: Disconnected, x: Response | None) -> Exit:
    if x is not None and x.status is not None:
        return Exit.PARTIAL if error.clean else Exit.RECEIVE
    return Exit.NOTHING if error.clean else Exit.RECEIVE


def _protocol_status(error: RemoteProtocolError, x: Response | None) -> Exit:
    if x is None:
        return Exit.WEIRD
    if "redirect" in str(error) and (x.history or 300 <= (x.status or 0) < 400):
        return Exit.REDIRECTS
    if x.status is None:
        return Exit.WEIRD
    return Exit.CODING if "content-encoding" in x.response_headers else Exit.RECEIVE
