"""TLS as a session is told to speak it, in real handshakes; and options that cannot be."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.helpers.tls import authority
from toolkit import App, ClientTls, Request, Session
from toolkit.client.tls_options import context_of, make_context, name_of
from toolkit.errors import CertificateError, Disconnected, TlsError, UseError
from toolkit.protocol.aio.tls import TlsLink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def hello() -> App:
    web = App(port=0)

    @web.get("/")
    def index(r: Request) -> str:
        return "hello"

    return web


def context_for(*names: str, ca: trustme.CA | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    (ca or authority()).issue_cert(*names).configure_cert(context)
    return context


@asynccontextmanager
async def serving(context: ssl.SSLContext) -> AsyncIterator[str]:
    """An application with this context: its URL."""
    web = hello()
    listener = await asyncio.get_running_loop().create_server(
        lambda: TlsLink(web.new_connection()), "127.0.0.1", 0, ssl=context
    )
    try:
        yield f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
    finally:
        listener.close()
        await web.exit()


async def ask(url: str, tls: ClientTls) -> str:
    async with Session(tls=tls) as http:
        return await (await http.get(url)).text()


# Whom it trusts


async def test_an_authority_as_file_folder_and_bytes(tmp_path: Path) -> None:
    pem = authority().cert_pem.bytes()
    file = tmp_path / "ca.pem"
    file.write_bytes(pem)
    async with serving(context_for("127.0.0.1")) as url:
        for ca in (file, str(file), pem, ssl.PEM_cert_to_DER_cert(pem.decode())):
            assert await ask(url, ClientTls(ca=ca)) == "hello"


def test_an_authority_of_one_s_own_stands_instead_of_the_system_s_or_beside_them() -> None:
    """curl's --cacert and requests' verify= do the first."""
    pem = authority().cert_pem.bytes()
    alone = make_context(ClientTls(ca=pem))
    assert len(alone.get_ca_certs()) == 1
    beside = make_context(ClientTls(ca=pem, system_ca=True))
    system = make_context(ClientTls())
    assert len(beside.get_ca_certs()) == len(system.get_ca_certs()) + 1
    assert make_context(ClientTls(system_ca=False)).get_ca_certs() == []


def test_the_defaults_verify() -> None:
    for context in (make_context(ClientTls()), make_context(ClientTls(ca=authority().cert_pem.bytes()))):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


async def test_without_verification_there_is_a_warning_once() -> None:
    async with serving(context_for("other.test", ca=trustme.CA())) as url:
        with pytest.warns(RuntimeWarning, match="certificates are not checked") as told:
            http = Session(tls=ClientTls(verify=False))
        async with http:
            for _ in range(2):
                assert await (await http.get(url)).text() == "hello"
        assert len(told) == 1


# Names and versions


async def test_a_name_instead_of_the_host_s() -> None:
    asked: list[str | None] = []
    context = context_for("its.test")
    context.sni_callback = lambda tls, name, of: asked.append(name)
    async with serving(context) as url:
        pem = authority().cert_pem.bytes()
        assert await ask(url, ClientTls(ca=pem, server_name="its.test")) == "hello"
        assert asked == ["its.test"]
        with pytest.raises(CertificateError, match=r"it is for its\.test and not for other\.test"):
            await ask(url, ClientTls(ca=pem, server_name="other.test"))


async def test_the_oldest_version() -> None:
    context = context_for("127.0.0.1")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    pem = authority().cert_pem.bytes()
    async with serving(context) as url:
        assert await ask(url, ClientTls(ca=pem)) == "hello"
        with pytest.raises(TlsError, match="no TLS with it: "):
            await ask(url, ClientTls(ca=pem, minimum="TLSv1.3"))


async def test_ciphers() -> None:
    context = context_for("127.0.0.1")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+CHACHA20")
    pem = authority().cert_pem.bytes()
    async with serving(context) as url:
        assert await ask(url, ClientTls(ca=pem, ciphers="ECDHE+CHACHA20")) == "hello"
        with pytest.raises(TlsError, match="no TLS with it: "):
            await ask(url, ClientTls(ca=pem, ciphers="ECDHE+AESGCM"))


async def test_http_1_1_is_what_it_offers_to_speak() -> None:
    """RFC 7301: a server that would rather speak something else is told."""
    context = context_for("127.0.0.1")
    context.set_alpn_protocols(["h2", "http/1.1"])
    links: list[TlsLink] = []
    web = hello()

    def link() -> TlsLink:
        links.append(TlsLink(web.new_connection()))
        return links[-1]

    listener = await asyncio.get_running_loop().create_server(link, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
    assert await ask(url, ClientTls(ca=authority().cert_pem.bytes())) == "hello"
    async with Session(tls=ClientTls(ca=authority().cert_pem.bytes())) as http, http.get(url) as x:
        assert await x.text() == "hello"
        ssl_object = links[1].connection.transport.get_extra_info("ssl_object")
        assert ssl_object.selected_alpn_protocol() == "http/1.1"
    listener.close()
    await web.exit()


# The client's own certificate


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_certificate_of_the_client_s_own(tmp_path: Path, version: ssl.TLSVersion) -> None:
    context = context_for("127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    authority().configure_trust(context)
    own = authority().issue_cert("client.test")
    both, chain, key = tmp_path / "both.pem", tmp_path / "chain.pem", tmp_path / "key.pem"
    both.write_bytes(own.private_key_and_cert_chain_pem.bytes())
    chain.write_bytes(own.cert_chain_pems[0].bytes())
    key.write_bytes(own.private_key_pem.bytes())
    pem = authority().cert_pem.bytes()
    async with serving(context) as url:
        assert await ask(url, ClientTls(ca=pem, certificate=both)) == "hello"
        assert await ask(url, ClientTls(ca=pem, certificate=(str(chain), key))) == "hello"
        with pytest.raises((TlsError, Disconnected)):
            await ask(url, ClientTls(ca=pem))


# Keys for Wireshark


async def test_a_log_of_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python itself honours SSLKEYLOGFILE, for every context it makes by default."""
    pem = authority().cert_pem.bytes()
    log, other = tmp_path / "keys", tmp_path / "others"
    async with serving(context_for("127.0.0.1")) as url:
        monkeypatch.setenv("SSLKEYLOGFILE", str(other))
        assert await ask(url, ClientTls(ca=pem)) == "hello"
        assert await ask(url, ClientTls(ca=pem, keylog=log)) == "hello"
    for file in (log, other):
        assert b"CLIENT_TRAFFIC_SECRET_0" in file.read_bytes()


# What cannot be


def test_what_a_context_is_made_of() -> None:
    assert context_of(None, "Session") is None
    assert name_of(None) is name_of(ClientTls()) is None
    assert name_of(ClientTls(server_name="a.test")) == "a.test"
    with pytest.raises(UseError, match=r"Session\(tls=False\): expected .*ClientTls\(verify=False\)"):
        Session(tls=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"ca": b""}, "expected the path of a file or folder"),
        ({"ca": ""}, "expected the path of a file or folder"),
        ({"ca": 7}, "expected the path of a file or folder"),
        ({"minimum": "TLSv1.1"}, "expected 'TLSv1.2' or 'TLSv1.3'"),
        ({"verify": "ca.pem"}, "an authority of one's own is ca="),
        ({"verify": None}, "expected True or False"),
        ({"system_ca": 1}, "expected True or False"),
        ({"server_name": ""}, "expected a host's name"),
        ({"certificate": ("a",)}, "expected a path, (path, key) or"),
        ({"certificate": 7}, "expected a path, (path, key) or"),
    ],
)
def test_options_that_cannot_be(options: dict[str, object], told: str) -> None:
    with pytest.raises(UseError) as caught:
        ClientTls(**options)  # type: ignore[arg-type]
    assert told in str(caught.value)


def test_files_that_are_not_what_they_should_be(tmp_path: Path) -> None:
    odd, secret = tmp_path / "odd.pem", tmp_path / "secret.pem"
    odd.write_bytes(b"no certificate\n")
    one, other = authority().issue_cert("a.test"), authority().issue_cert("b.test")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(one.cert_chain_pems[0].bytes())
    key.write_bytes(other.private_key_pem.bytes())
    secret.write_text(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIBvTBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQww\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n"
    )
    table: list[tuple[ClientTls, str]] = [
        (ClientTls(ca=tmp_path / "none"), "No such file"),
        (ClientTls(ca=odd), "there is no certificate in it"),
        (ClientTls(ca=odd, system_ca=True), "there is no certificate in it"),
        (ClientTls(ca=b"-----BEGIN"), "10 bytes): there is no certificate in it"),
        (ClientTls(certificate=tmp_path / "none"), "No such file or directory: '"),
        (ClientTls(certificate=odd), "expected PEM files"),
        (ClientTls(certificate=(chain, key)), "the key is that of another certificate"),
        (ClientTls(certificate=(chain, tmp_path / "none")), "No such file or directory: '"),
        (ClientTls(ciphers="NONE-SUCH"), "OpenSSL knows none of them"),
        (ClientTls(keylog=tmp_path / "none" / "log"), "No such file"),
    ]
    for tls, told in table:
        with pytest.raises(UseError) as caught:
            Session(tls=tls)
        assert told in str(caught.value)


def test_no_secret_is_shown() -> None:
    assert "s3cret" not in repr(ClientTls(certificate=("a.pem", None, "s3cret")))


def test_a_file_with_a_password(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    own = authority().issue_cert("a.test")
    plain = serialization.load_pem_private_key(own.private_key_pem.bytes(), None)
    locked = plain.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pw")
    )
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(own.cert_chain_pems[0].bytes())
    key.write_bytes(locked)
    make_context(ClientTls(certificate=(chain, key, "pw")))
    with pytest.raises(UseError, match="the key's password is another"):
        make_context(ClientTls(certificate=(chain, key, "no")))
    with pytest.raises(UseError, match="the key has a password; give"):
        make_context(ClientTls(certificate=(chain, key)))
