"""A streaming HTTP toolkit for asyncio: a server handler and a client call are the same object seen from two ends.

Every public name is listed here and imported when it is first used, so that `import toolkit` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit._version import __version__

if TYPE_CHECKING:
    from toolkit.client.response import Response
    from toolkit.client.session import Session
    from toolkit.errors import (
        BodyNotReplayable,
        Busy,
        ConnectError,
        ConnectTimeout,
        Disconnected,
        EarlyAnswer,
        LimitExceeded,
        LocalProtocolError,
        NetworkError,
        PoolTimeout,
        ProtocolError,
        ReadTimeout,
        RemoteProtocolError,
        StatusError,
        ToolkitError,
        ToolkitTimeout,
        TotalTimeout,
        UseError,
        WriteTimeout,
    )
    from toolkit.protocol.aio.loop import run
    from toolkit.protocol.aio.pair import pair
    from toolkit.protocol.compiled import compiled
    from toolkit.protocol.exchange import Exchange
    from toolkit.protocol.headers import Headers
    from toolkit.protocol.limits import Limits, Timeouts
    from toolkit.protocol.wire import Moved
    from toolkit.server.abort import Abort
    from toolkit.server.answers import Deliver
    from toolkit.server.app import App
    from toolkit.server.compression import Compression
    from toolkit.server.middleware.compressed import Compressed
    from toolkit.server.middleware.conditional import Conditional
    from toolkit.server.request import Request
    from toolkit.server.routers import Router
    from toolkit.server.static import StaticServer
    from toolkit.server.static_options import StaticOptions

__all__ = [
    "Abort",
    "App",
    "BodyNotReplayable",
    "Busy",
    "Compressed",
    "Compression",
    "Conditional",
    "ConnectError",
    "ConnectTimeout",
    "Deliver",
    "Disconnected",
    "EarlyAnswer",
    "Exchange",
    "Headers",
    "LimitExceeded",
    "Limits",
    "LocalProtocolError",
    "Moved",
    "NetworkError",
    "PoolTimeout",
    "ProtocolError",
    "ReadTimeout",
    "RemoteProtocolError",
    "Request",
    "Response",
    "Router",
    "Session",
    "StaticOptions",
    "StaticServer",
    "StatusError",
    "Timeouts",
    "ToolkitError",
    "ToolkitTimeout",
    "TotalTimeout",
    "UseError",
    "WriteTimeout",
    "__version__",
    "compiled",
    "pair",
    "run",
]

_WHERE = {
    "Abort": "server.abort",
    "App": "server.app",
    "Compressed": "server.middleware.compressed",
    "Compression": "server.compression",
    "Conditional": "server.middleware.conditional",
    "Deliver": "server.answers",
    "Exchange": "protocol.exchange",
    "Headers": "protocol.headers",
    "Limits": "protocol.limits",
    "Moved": "protocol.wire",
    "Request": "server.request",
    "Response": "client.response",
    "Router": "server.routers",
    "Session": "client.session",
    "StaticOptions": "server.static_options",
    "StaticServer": "server.static",
    "Timeouts": "protocol.limits",
    "compiled": "protocol.compiled",
    "pair": "protocol.aio.pair",
    "run": "protocol.aio.loop",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'toolkit' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"toolkit.{_WHERE.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
