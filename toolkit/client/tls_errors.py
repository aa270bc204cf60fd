"""What a handshake that failed is called, and what its message says: whose fault it is, and what to do about it.

OpenSSL's own words name the function of its that failed. Here they are read, once, into `CertificateError` (the peer's
certificate is not to be trusted) and `TlsError` (there is no TLS with this peer); both are `ConnectError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from toolkit.errors import CertificateError, Disconnected, TlsError

if TYPE_CHECKING:
    import ssl

    from toolkit.client.certificates import Presented

__all__ = ["BROKEN_OFF", "certificate_error", "late_error", "tls_error"]

#: X509_V_ERR_... of OpenSSL's x509_vfy.h, by what `CertificateError.reason` calls them.
REASONS: Final = {
    9: "not yet valid",
    10: "expired",
    18: "self-signed",
    19: "unknown authority",
    20: "unknown authority",
    21: "unknown authority",
    23: "revoked",
    62: "wrong host",
    64: "wrong host",
}

OLD: Final = (
    "it speaks no version of TLS that is allowed here; ClientTls(minimum=...) says which, and so does the server"
)
NO_CIPHER: Final = (
    "it broke off the handshake: no cipher in common, or it wants a client certificate; "
    "see ClientTls(ciphers=..., certificate=...)"
)
WANTS_ONE: Final = "it wants a client certificate; give ClientTls(certificate=...)"
NOT_OURS: Final = "it does not accept the client certificate; see ClientTls(certificate=...)"
PLAIN: Final = "what it answers is no TLS; it may speak plain HTTP, that is http:// and not https://"
BROKEN_OFF: Final = "it ended the connection during the handshake; it may speak another version, or no TLS at all"
UNKNOWN_NAME: Final = "it knows no host of this name; ClientTls(server_name=...) asks for another"

#: By OpenSSL's reason.
SAYINGS: Final = {
    "HTTP_REQUEST": PLAIN,
    "WRONG_VERSION_NUMBER": PLAIN,
    "PACKET_LENGTH_TOO_LONG": PLAIN,
    "UNSUPPORTED_PROTOCOL": OLD,
    "TLSV1_ALERT_PROTOCOL_VERSION": OLD,
    "NO_PROTOCOLS_AVAILABLE": OLD,
    "NO_SHARED_CIPHER": NO_CIPHER,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": NO_CIPHER,
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": NO_CIPHER,
    "NO_CIPHERS_AVAILABLE": "ClientTls(ciphers=...) leaves none for the versions that are allowed",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": WANTS_ONE,
    "TLSV1_ALERT_UNKNOWN_CA": NOT_OURS,
    "SSLV3_ALERT_BAD_CERTIFICATE": NOT_OURS,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": NOT_OURS,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": NOT_OURS,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": NOT_OURS,
    "TLSV1_UNRECOGNIZED_NAME": UNKNOWN_NAME,
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": "it does not speak HTTP/1.1",
    "UNEXPECTED_EOF_WHILE_READING": BROKEN_OFF,
    "DH_KEY_TOO_SMALL": "its keys are too short to be safe",
    "EE_KEY_TOO_SMALL": "its certificate's key is too short to be safe",
}


def certificate_error(
    error: ssl.SSLCertVerificationError, where: str, name: str, presented: Presented | None
) -> CertificateError:
    """The error for a certificate that is not good for `name`; `presented` is what it says, where that is known."""
    reason = REASONS.get(error.verify_code, "not valid")
    why = _why(reason, error, name, presented)
    names = () if presented is None else presented.names
    return CertificateError(
        f"{where}: its certificate is not to be trusted: {why}", host=name, reason=reason, names=names
    )


def _why(reason: str, error: ssl.SSLCertVerificationError, name: str, presented: Presented | None) -> str:
    if reason == "expired":
        when = "" if presented is None or not _is_leaf(error) else f" on {presented.not_after}"
        return f"it expired{when}; the server has to renew it"
    if reason == "not yet valid":
        when = "" if presented is None else f" until {presented.not_before}"
        return f"it is not valid yet{when}; look at the clocks of both machines"
    if reason == "self-signed":
        return "it is signed by itself; if it is meant, trust it with ClientTls(ca=...)"
    if reason == "unknown authority":
        issuer = "its issuer" if presented is None else f"its issuer, {presented.issuer!r},"
        return f"{issuer} is unknown here; an authority of one's own is trusted with ClientTls(ca=...)"
    if reason == "wrong host":
        shown = "another host" if presented is None else presented.names_shown()
        return f"it is for {shown} and not for {name}; a name to look for instead is ClientTls(server_name=...)"
    return error.verify_message or str(error)


def _is_leaf(error: ssl.SSLCertVerificationError) -> bool:
    return error.verify_code == 10


def tls_error(error: ssl.SSLError, where: str) -> TlsError:
    """The error for any other handshake that failed."""
    reason = error.reason or ""
    said = SAYINGS.get(reason)
    shown = f"{said} ({reason})" if said is not None else reason or str(error)
    return TlsError(f"cannot connect to {where}: no TLS with it: {shown}")


def late_error(error: ssl.SSLError, where: str) -> Disconnected:
    """In TLS 1.3 a server looks at the client's certificate when the client is done with the handshake already."""
    said = SAYINGS.get(error.reason or "")
    shown = f"{said} ({error.reason})" if said is not None else error.reason or str(error)
    late = Disconnected(f"{where} ended the connection: {shown}")
    late.__cause__ = error
    return late
