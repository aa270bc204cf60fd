"""A certificate authority for the run and the two contexts made from it."""

from __future__ import annotations

import functools
import ssl

import trustme

__all__ = ["authority", "client_context", "server_context"]


@functools.cache
def authority() -> trustme.CA:
    """The one authority of this test run: making keys is slow, so it is made once."""
    return trustme.CA()


@functools.cache
def server_context() -> ssl.SSLContext:
    """A server's context with a certificate for the loopback addresses."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority().issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@functools.cache
def client_context() -> ssl.SSLContext:
    """A verifying client's context that trusts the authority and nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority().configure_trust(context)
    return context
