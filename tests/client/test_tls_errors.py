"""What one reads when a handshake fails: each of them a real one."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.client.test_tls_options import context_for, serving
from tests.helpers.proxying import accepting, http_proxy
from tests.helpers.raw import PATIENCE
from tests.helpers.tls import authority
from toolkit import ClientTls, Session
from toolkit.client.tls_errors import certificate_error, late_error, tls_error
from toolkit.errors import CertificateError, Disconnected, TlsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LONG_AGO = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
TRUSTING = ClientTls(ca=authority().cert_pem.bytes())


def dated(first: datetime.datetime, last: datetime.datetime) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority().issue_cert("127.0.0.1", not_before=first, not_after=last).configure_cert(context)
    return context


def self_signed(folder: Path) -> ssl.SSLContext:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "A box")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("box.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "self.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context


async def refused(context: ssl.SSLContext, tls: ClientTls = TRUSTING, proxy: str | None = None) -> CertificateError:
    async with serving(context) as url, Session(tls=tls, proxy=proxy) as http:
        with pytest.raises(CertificateError) as caught:
            _ = await http.get(url)
        assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
        assert caught.value.host == (tls.server_name or "127.0.0.1")
        assert str(caught.value).startswith(f"127.0.0.1:{url.split(':')[2][:-1]}: its certificate is not to be trusted")
        return caught.value


async def test_expired() -> None:
    error = await refused(dated(LONG_AGO, LONG_AGO + datetime.timedelta(days=30)))
    assert error.reason == "expired"
    assert str(error).endswith("it expired on 2001-01-31; the server has to renew it")


async def test_not_yet_valid() -> None:
    first = datetime.datetime(2099, 12, 31, tzinfo=datetime.UTC)
    error = await refused(dated(first, first + datetime.timedelta(days=30)))
    assert error.reason == "not yet valid"
    assert str(error).endswith("it is not valid yet until 2099-12-31; look at the clocks of both machines")


async def test_for_another_host() -> None:
    error = await refused(context_for("a.test", "*.b.test", "10.0.0.1", "::1"))
    assert (error.reason, error.names) == ("wrong host", ("a.test", "*.b.test", "10.0.0.1", "::1"))
    assert "it is for a.test, *.b.test, 10.0.0.1, ::1 and not for 127.0.0.1" in str(error)
    assert "server_name" in str(error)


async def test_of_an_authority_that_is_unknown() -> None:
    other = trustme.CA(organization_name="Somebody else")
    error = await refused(context_for("127.0.0.1", ca=other))
    assert error.reason == "unknown authority"
    assert "its issuer, 'Somebody else', is unknown here; an authority of one's own is trusted" in str(error)


async def test_signed_by_itself(tmp_path: Path) -> None:
    error = await refused(self_signed(tmp_path))
    assert error.reason == "self-signed"
    assert str(error).endswith("it is signed by itself; if it is meant, trust it with ClientTls(ca=...)")


async def test_the_same_through_a_tunnel() -> None:
    async with http_proxy() as proxy:
        error = await refused(context_for("a.test"), proxy=proxy.url)
        assert error.names == ("a.test",)


async def test_a_peer_that_speaks_plain_http() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

    async with accepting(serve) as port, Session() as http:
        with pytest.raises(TlsError, match=r"what it answers is no TLS; it may speak plain HTTP, that is http://"):
            _ = await http.get(f"https://127.0.0.1:{port}/")


async def test_a_peer_that_hangs_up() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)

    async with accepting(serve) as port, Session() as http:
        with pytest.raises(TlsError, match=r"no TLS with it: it ended the connection during the handshake"):
            _ = await http.get(f"https://127.0.0.1:{port}/")


@contextlib.asynccontextmanager
async def openssl_server(context: ssl.SSLContext) -> AsyncIterator[str]:
    """One handshake by OpenSSL itself, whose alerts are sent: event loops drop theirs with the link. Its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def shake() -> None:
            sock, _ = listener.accept()
            with sock.dup() as kept:  # closed with bytes unread, it would be reset, and the alert lost on its way
                with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) as tls:
                    tls.recv(1)
                kept.settimeout(PATIENCE)
                with contextlib.suppress(OSError):
                    kept.shutdown(socket.SHUT_WR)
                    while kept.recv(4096):
                        pass

        shaking = asyncio.ensure_future(asyncio.to_thread(shake))
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/"
        await shaking


def asking_for_certificates(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = context_for("127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    authority().configure_trust(context)
    return context


async def test_a_client_certificate_that_the_server_does_not_know(tmp_path: Path) -> None:
    file = tmp_path / "own.pem"
    file.write_bytes(trustme.CA().issue_cert("c.test").private_key_and_cert_chain_pem.bytes())
    tls = ClientTls(ca=authority().cert_pem.bytes(), certificate=file)
    async with openssl_server(asking_for_certificates(ssl.TLSVersion.TLSv1_2)) as url, Session(tls=tls) as http:
        with pytest.raises(TlsError, match="it does not accept the client certificate"):
            _ = await http.get(url)


async def test_no_client_certificate_where_one_is_asked_for() -> None:
    """In TLS 1.3 the client is done with the handshake by then: the request was on its way."""
    async with openssl_server(asking_for_certificates(ssl.TLSVersion.TLSv1_2)) as url, Session(tls=TRUSTING) as http:
        with pytest.raises(TlsError, match="or it wants a client certificate; see ClientTls"):
            _ = await http.get(url)
    async with openssl_server(asking_for_certificates(ssl.TLSVersion.TLSv1_3)) as url, Session(tls=TRUSTING) as http:
        with pytest.raises(
            Disconnected, match=r"ended the connection: it wants a client certificate; give ClientTls\("
        ):
            _ = await http.get(url)


async def test_no_version_and_no_cipher_in_common() -> None:
    context = context_for("127.0.0.1")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+CHACHA20")
    pem = authority().cert_pem.bytes()
    async with openssl_server(context) as url, Session(tls=ClientTls(ca=pem, minimum="TLSv1.3")) as http:
        with pytest.raises(TlsError, match="it speaks no version of TLS that is allowed here"):
            _ = await http.get(url)
    async with openssl_server(context) as url, Session(tls=ClientTls(ca=pem, ciphers="ECDHE+AESGCM")) as http:
        with pytest.raises(TlsError, match="no cipher in common"):
            _ = await http.get(url)


def openssl(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] x")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("TLSV1_ALERT_PROTOCOL_VERSION", "no version of TLS"),
        ("UNSUPPORTED_PROTOCOL", "no version of TLS"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "no cipher in common, or it wants a client certificate"),
        ("TLSV1_UNRECOGNIZED_NAME", "it knows no host of this name"),
        ("TLSV1_ALERT_NO_APPLICATION_PROTOCOL", "does not speak HTTP/1.1"),
        ("SOMETHING_NEW", "no TLS with it: SOMETHING_NEW"),
    ],
)
def test_openssl_s_reasons_in_words(reason: str, told: str) -> None:
    error = tls_error(openssl(reason), "a.test:443")
    assert told in str(error)
    assert reason in str(error)


def test_what_is_said_without_a_look_at_the_certificate() -> None:
    for code, told in ((10, "it expired;"), (9, "valid yet;"), (20, "its issuer is unknown"), (62, "another host")):
        error = ssl.SSLCertVerificationError(1, "x")
        error.verify_code = code
        assert told in str(certificate_error(error, "a.test:443", "a.test", None))
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_code, error.verify_message = 79, "invalid CA certificate"
    assert str(certificate_error(error, "a:1", "a", None)).endswith("trusted: invalid CA certificate")


def test_what_comes_when_the_handshake_is_over() -> None:
    cause = openssl("TLSV13_ALERT_CERTIFICATE_REQUIRED")
    error = late_error(cause, "a.test:443")
    assert isinstance(error, Disconnected)
    assert error.__cause__ is cause
    assert str(error).startswith("a.test:443 ended the connection: it wants a client certificate; give ClientTls(cert")
