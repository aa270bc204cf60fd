"""What a session may be told about TLS, and the context that comes of it.

Verification is on, and so is the check of the host's name. The context is made once, when the session is, so that a
file that is missing or is no certificate is told of there and not by the first request.
"""

from __future__ import annotations

import os
import ssl
import warnings
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from toolkit.errors import UseError

__all__ = ["Certificate", "ClientTls", "TlsChoice", "context_of", "make_context", "name_of"]

VERSIONS: Final = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
PROTOCOLS: Final = ["http/1.1"]  # what is spoken once the link is there (RFC 7301)

Path: TypeAlias = "str | os.PathLike[str]"
#: A PEM file with certificate and key, or the two files, or these and the key's password.
Certificate: TypeAlias = "Path | tuple[Path, Path] | tuple[Path, Path | None, str]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTls:
    """How a client speaks TLS. Raises `UseError` for what is no choice; files are read when the session is made.

    As everywhere in Python, the environment's SSLKEYLOGFILE is honoured; `keylog` comes before it.
    """

    ca: Path | bytes | None = None  #: who is trusted instead of the system's: a PEM file, a folder, PEM or DER bytes
    system_ca: bool | None = None  #: whether the system's authorities are trusted; None: where there is no `ca`
    certificate: Certificate | None = field(default=None, repr=False)  #: the client's own, for servers that ask for one
    verify: bool = True  #: False: whoever is on the way can read and change everything; there is a warning
    minimum: str = "TLSv1.2"  #: the oldest version that is spoken, or "TLSv1.3" (RFC 8996 forbids those before)
    server_name: str | None = None  #: sent as SNI and looked for in the certificate, instead of the URL's host
    keylog: Path | None = (
        None  #: a file that gets the keys of each connection, for Wireshark; never leave it lying about
    )
    ciphers: str | None = None  #: for TLS 1.2, as OpenSSL writes them; those of 1.3 are its own

    def __post_init__(self) -> None:
        if self.ca is not None and (not self.ca or not isinstance(self.ca, (str, bytes, os.PathLike))):
            raise UseError(f"ClientTls(ca={self.ca!r}): expected the path of a file or folder, or its content as bytes")
        if self.minimum not in VERSIONS:
            raise UseError(f"ClientTls(minimum={self.minimum!r}): expected 'TLSv1.2' or 'TLSv1.3'")
        for name, value in (("verify", self.verify), ("system_ca", self.system_ca)):
            if not isinstance(value, bool) and not (name == "system_ca" and value is None):
                raise UseError(f"ClientTls({name}={value!r}): expected True or False; an authority of one's own is ca=")
        if self.server_name is not None and (not isinstance(self.server_name, str) or not self.server_name):
            raise UseError(f"ClientTls(server_name={self.server_name!r}): expected a host's name, as text")
        given = self.certificate
        kinds = (str, os.PathLike, type(None))
        if not isinstance(given, kinds) and not (isinstance(given, tuple) and len(given) in (2, 3)):
            raise UseError("ClientTls(certificate=...): expected a path, (path, key) or (path, key, password)")


TlsChoice: TypeAlias = "ClientTls | ssl.SSLContext | None"


def name_of(tls: TlsChoice) -> str | None:
    """The name to ask for instead of the host's."""
    return tls.server_name if isinstance(tls, ClientTls) else None


def context_of(tls: object, call: str) -> ssl.SSLContext | None:
    """What a `tls=` comes to; None where it is None. Raises `UseError`."""
    if tls is None or isinstance(tls, ssl.SSLContext):
        return tls
    if not isinstance(tls, ClientTls):
        hint = "; to leave out the check, ClientTls(verify=False)" if tls is False else ""
        raise UseError(f"{call}(tls={tls!r}): expected an ssl.SSLContext or ClientTls(...){hint}")
    return make_context(tls)


def make_context(tls: ClientTls) -> ssl.SSLContext:
    """The context of these options. Raises `UseError` for files that are not what they should be."""
    context = _trusting(tls)
    context.minimum_version = VERSIONS[tls.minimum]
    context.set_alpn_protocols(PROTOCOLS)
    if tls.certificate is not None:
        _identify(context, tls.certificate)
    if tls.keylog is not None:
        try:
            context.keylog_filename = os.fspath(tls.keylog)
        except OSError as error:
            raise UseError(f"ClientTls(keylog={tls.keylog!r}): {error.strerror or error}") from error
    if tls.ciphers is not None:
        try:
            context.set_ciphers(tls.ciphers)
        except ssl.SSLError as error:
            raise UseError(f"ClientTls(ciphers={tls.ciphers!r}): OpenSSL knows none of them") from error
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        warnings.warn(
            "ClientTls(verify=False): certificates are not checked, so whoever is on the way can read and change "
            "everything; trust one authority with ClientTls(ca=...) instead",
            RuntimeWarning,
            stacklevel=4,
        )
    return context


def _trusting(tls: ClientTls) -> ssl.SSLContext:
    """The standard library's own defaults, trusting whom these options name."""
    ca = tls.ca
    if ca is None:
        return ssl.create_default_context() if tls.system_ca is not False else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    cafile = capath = cadata = None
    if isinstance(ca, bytes):
        cadata = ca.decode("latin-1") if ca.lstrip().startswith(b"-") else ca
    elif os.path.isdir(ca):
        capath = os.fspath(ca)
    else:
        cafile = os.fspath(ca)
    try:
        if not tls.system_ca:
            return ssl.create_default_context(cafile=cafile, capath=capath, cadata=cadata)
        context = ssl.create_default_context()
        context.load_verify_locations(cafile, capath, cadata)
    except ssl.SSLError as error:
        raise UseError(f"ClientTls(ca={_shown(ca)}): there is no certificate in it (PEM, or DER as bytes)") from error
    except (OSError, ValueError) as error:
        raise UseError(f"ClientTls(ca={_shown(ca)}): {getattr(error, 'strerror', None) or error}") from error
    return context


def _shown(ca: Path | bytes) -> str:
    return f"{len(ca)} bytes" if isinstance(ca, bytes) else repr(os.fspath(ca))


def _identify(context: ssl.SSLContext, given: Certificate) -> None:
    files: tuple[object, ...] = given if isinstance(given, tuple) else (given,)
    own, key, password = (*files, None, None)[:3]
    if not isinstance(own, (str, os.PathLike)) or not (key is None or isinstance(key, (str, os.PathLike))):
        raise UseError("ClientTls(certificate=...): expected paths of PEM files")
    secret = password if isinstance(password, str) else ""  # without one OpenSSL would ask on the terminal
    try:
        context.load_cert_chain(own, key, secret)
    except ssl.SSLError as error:
        why = "expected PEM files with a certificate and its key"
        if error.reason == "KEY_VALUES_MISMATCH":
            why = "the key is that of another certificate"
        elif _is_locked(key or own):
            why = "the key's password is another" if secret else "the key has a password; give (path, key, password)"
        raise UseError(f"ClientTls(certificate={os.fspath(own)!r}): {why}") from error
    except OSError as error:
        named = [os.fspath(path) for path in (own, key) if path is not None]
        raise UseError(f"ClientTls(certificate=...): {error.strerror}: {', '.join(map(repr, named))}") from error


def _is_locked(key: Path) -> bool:
    """Whether a key in PEM has a password: OpenSSL's error does not tell."""
    with open(key, "rb") as file:
        return b"ENCRYPTED" in file.read()
