"""A streaming HTTP toolkit for asyncio: a server handler and a client call are the same object seen from two ends.

Every public name is listed here and imported when it is first used, so that `import toolkit` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit._version import __version__

if TYPE_CHECKING:
    from toolkit.client.auth import Basic, Bearer, Digest
    from toolkit.client.calls import delete, get, head, options, patch, post, put, request
    from toolkit.client.cookie_jar import CookieJar, CookieLimits
    from toolkit.client.hooks import Hooks
    from toolkit.client.netrc import Netrc
    from toolkit.client.policies import Outgoing
    from toolkit.client.proxies import Proxies, Proxy
    from toolkit.client.redirects import Redirects
    from toolkit.client.response import Response
    from toolkit.client.retries import Retries
    from toolkit.client.session import Session
    from toolkit.client.session_options import Connecting, PoolLimits
    from toolkit.client.tls_options import ClientTls
    from toolkit.errors import (
        BodyNotReplayable,
        Busy,
        CertificateError,
        ConnectError,
        ConnectTimeout,
        Disconnected,
        EarlyAnswer,
        LimitExceeded,
        LocalProtocolError,
        NetworkError,
        PoolFull,
        PoolTimeout,
        ProtocolError,
        ProxyError,
        ReadTimeout,
        RemoteProtocolError,
        ResolveError,
        StatusError,
        TlsError,
        ToolkitError,
        ToolkitTimeout,
        TotalTimeout,
        UseError,
        WriteTimeout,
    )
    from toolkit.logs.console import log
    from toolkit.logs.outlet import LogOutput, log_to
    from toolkit.other.openapi import openapi_document
    from toolkit.protocol.aio.forms import Form
    from toolkit.protocol.aio.loop import run
    from toolkit.protocol.aio.pair import pair
    from toolkit.protocol.aio.uploads import Upload
    from toolkit.protocol.cache_control import CacheControl
    from toolkit.protocol.compiled import compiled
    from toolkit.protocol.cookies import Cookie
    from toolkit.protocol.events import Event
    from toolkit.protocol.exchange import Exchange
    from toolkit.protocol.headers import Headers
    from toolkit.protocol.limits import FormLimits, Limits, Timeouts
    from toolkit.protocol.wire import Moved
    from toolkit.server.abort import (
        Abort,
        BadGateway,
        BadRequest,
        Conflict,
        ContentTooLarge,
        Forbidden,
        GatewayTimeout,
        Gone,
        InternalServerError,
        LengthRequired,
        MethodNotAllowed,
        NotAcceptable,
        NotFound,
        PreconditionFailed,
        PreconditionRequired,
        RequestTimeout,
        ServiceUnavailable,
        StatusAbort,
        TooManyRequests,
        Unauthorized,
        UnprocessableContent,
        UnsupportedMediaType,
    )
    from toolkit.server.access_log import AccessLog
    from toolkit.server.answers import Reply
    from toolkit.server.app import App
    from toolkit.server.cache.folder import FolderCache
    from toolkit.server.cache.memory import MemoryCache
    from toolkit.server.cache.redis import RedisCache
    from toolkit.server.cache.store import CacheStore
    from toolkit.server.compression import Compression
    from toolkit.server.deliver import Deliver
    from toolkit.server.feed import EventFeed
    from toolkit.server.identity import Process, current_process
    from toolkit.server.jobs.job import Job, Outcome
    from toolkit.server.jobs.jobs import Jobs
    from toolkit.server.jobs.options import JobOptions
    from toolkit.server.middleware.added_headers import AddedHeaders, SecurityHeaders
    from toolkit.server.middleware.body_limit import BodyLimit
    from toolkit.server.middleware.compressed import Compressed
    from toolkit.server.middleware.conditional import Conditional
    from toolkit.server.middleware.cors import CORS
    from toolkit.server.middleware.proxy_headers import ProxyHeaders
    from toolkit.server.middleware.rate_limit import RateLimit
    from toolkit.server.middleware.request_id import RequestID
    from toolkit.server.middleware.time_limit import TimeLimit
    from toolkit.server.openapi.options import Content, OpenApi, Operation, Parameter
    from toolkit.server.processes.copies import RequestCopy
    from toolkit.server.processes.failures import ProcessDied, ProcessesBusy, ProcessTimeout
    from toolkit.server.processes.options import Processes
    from toolkit.server.reload import Reload
    from toolkit.server.request import Request
    from toolkit.server.routers import Router
    from toolkit.server.sessions import CookieSessions
    from toolkit.server.signing import Signer
    from toolkit.server.static import StaticServer
    from toolkit.server.static_options import StaticOptions
    from toolkit.server.templates import Templates

__all__ = [  # noqa: RUF022 - sorted as text is, not by kinds of names
    "Abort",
    "AccessLog",
    "AddedHeaders",
    "App",
    "BadGateway",
    "BadRequest",
    "Basic",
    "Bearer",
    "BodyLimit",
    "BodyNotReplayable",
    "Busy",
    "CORS",
    "CacheControl",
    "CacheStore",
    "CertificateError",
    "ClientTls",
    "Compressed",
    "Compression",
    "Conditional",
    "Conflict",
    "ConnectError",
    "ConnectTimeout",
    "Connecting",
    "Content",
    "ContentTooLarge",
    "Cookie",
    "CookieJar",
    "CookieLimits",
    "CookieSessions",
    "Deliver",
    "Digest",
    "Disconnected",
    "EarlyAnswer",
    "Event",
    "EventFeed",
    "Exchange",
    "FolderCache",
    "Forbidden",
    "Form",
    "FormLimits",
    "GatewayTimeout",
    "Gone",
    "Headers",
    "Hooks",
    "InternalServerError",
    "Job",
    "JobOptions",
    "Jobs",
    "LengthRequired",
    "LimitExceeded",
    "Limits",
    "LocalProtocolError",
    "LogOutput",
    "MemoryCache",
    "MethodNotAllowed",
    "Moved",
    "Netrc",
    "NetworkError",
    "NotAcceptable",
    "NotFound",
    "OpenApi",
    "Operation",
    "Outcome",
    "Outgoing",
    "Parameter",
    "PoolFull",
    "PoolLimits",
    "PoolTimeout",
    "PreconditionFailed",
    "PreconditionRequired",
    "Process",
    "ProcessDied",
    "ProcessTimeout",
    "Processes",
    "ProcessesBusy",
    "ProtocolError",
    "Proxies",
    "Proxy",
    "ProxyError",
    "ProxyHeaders",
    "RateLimit",
    "ReadTimeout",
    "Redirects",
    "RedisCache",
    "Reload",
    "RemoteProtocolError",
    "Reply",
    "Request",
    "RequestCopy",
    "RequestID",
    "RequestTimeout",
    "ResolveError",
    "Response",
    "Retries",
    "Router",
    "SecurityHeaders",
    "ServiceUnavailable",
    "Session",
    "Signer",
    "StaticOptions",
    "StaticServer",
    "StatusAbort",
    "StatusError",
    "Templates",
    "TimeLimit",
    "Timeouts",
    "TlsError",
    "TooManyRequests",
    "ToolkitError",
    "ToolkitTimeout",
    "TotalTimeout",
    "Unauthorized",
    "UnprocessableContent",
    "UnsupportedMediaType",
    "Upload",
    "UseError",
    "WriteTimeout",
    "__version__",
    "compiled",
    "current_process",
    "delete",
    "get",
    "head",
    "log",
    "log_to",
    "openapi_document",
    "options",
    "pair",
    "patch",
    "post",
    "put",
    "request",
    "run",
]

_WHERE = {
    "Abort": "server.abort",
    "AccessLog": "server.access_log",
    "AddedHeaders": "server.middleware.added_headers",
    "App": "server.app",
    "BadGateway": "server.abort",
    "BadRequest": "server.abort",
    "Basic": "client.auth",
    "Bearer": "client.auth",
    "BodyLimit": "server.middleware.body_limit",
    "CORS": "server.middleware.cors",
    "CacheControl": "protocol.cache_control",
    "CacheStore": "server.cache.store",
    "ClientTls": "client.tls_options",
    "Compressed": "server.middleware.compressed",
    "Compression": "server.compression",
    "Conditional": "server.middleware.conditional",
    "Conflict": "server.abort",
    "Connecting": "client.session_options",
    "Content": "server.openapi.options",
    "ContentTooLarge": "server.abort",
    "Cookie": "protocol.cookies",
    "CookieJar": "client.cookie_jar",
    "CookieLimits": "client.cookie_jar",
    "CookieSessions": "server.sessions",
    "Deliver": "server.deliver",
    "Digest": "client.auth",
    "Event": "protocol.events",
    "EventFeed": "server.feed",
    "Exchange": "protocol.exchange",
    "FolderCache": "server.cache.folder",
    "Forbidden": "server.abort",
    "Form": "protocol.aio.forms",
    "FormLimits": "protocol.limits",
    "GatewayTimeout": "server.abort",
    "Gone": "server.abort",
    "Headers": "protocol.headers",
    "Hooks": "client.hooks",
    "InternalServerError": "server.abort",
    "Job": "server.jobs.job",
    "JobOptions": "server.jobs.options",
    "Jobs": "server.jobs.jobs",
    "LengthRequired": "server.abort",
    "Limits": "protocol.limits",
    "LogOutput": "logs.outlet",
    "MemoryCache": "server.cache.memory",
    "MethodNotAllowed": "server.abort",
    "Moved": "protocol.wire",
    "Netrc": "client.netrc",
    "NotAcceptable": "server.abort",
    "NotFound": "server.abort",
    "OpenApi": "server.openapi.options",
    "Operation": "server.openapi.options",
    "Outcome": "server.jobs.job",
    "Outgoing": "client.policies",
    "Parameter": "server.openapi.options",
    "PoolLimits": "client.session_options",
    "PreconditionFailed": "server.abort",
    "PreconditionRequired": "server.abort",
    "Process": "server.identity",
    "ProcessDied": "server.processes.failures",
    "ProcessTimeout": "server.processes.failures",
    "Processes": "server.processes.options",
    "ProcessesBusy": "server.processes.failures",
    "Proxies": "client.proxies",
    "Proxy": "client.proxies",
    "ProxyHeaders": "server.middleware.proxy_headers",
    "RateLimit": "server.middleware.rate_limit",
    "Redirects": "client.redirects",
    "RedisCache": "server.cache.redis",
    "Reload": "server.reload",
    "Reply": "server.answers",
    "Request": "server.request",
    "RequestCopy": "server.processes.copies",
    "RequestID": "server.middleware.request_id",
    "RequestTimeout": "server.abort",
    "Response": "client.response",
    "Retries": "client.retries",
    "Router": "server.routers",
    "SecurityHeaders": "server.middleware.added_headers",
    "ServiceUnavailable": "server.abort",
    "Session": "client.session",
    "Signer": "server.signing",
    "StaticOptions": "server.static_options",
    "StaticServer": "server.static",
    "StatusAbort": "server.abort",
    "Templates": "server.templates",
    "TimeLimit": "server.middleware.time_limit",
    "Timeouts": "protocol.limits",
    "TooManyRequests": "server.abort",
    "Unauthorized": "server.abort",
    "UnprocessableContent": "server.abort",
    "UnsupportedMediaType": "server.abort",
    "Upload": "protocol.aio.uploads",
    "compiled": "protocol.compiled",
    "current_process": "server.identity",
    "delete": "client.calls",
    "get": "client.calls",
    "head": "client.calls",
    "log": "logs.console",
    "log_to": "logs.outlet",
    "openapi_document": "other.openapi",
    "options": "client.calls",
    "pair": "protocol.aio.pair",
    "patch": "client.calls",
    "post": "client.calls",
    "put": "client.calls",
    "request": "client.calls",
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
