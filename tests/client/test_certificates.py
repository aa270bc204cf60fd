"""Reading what a certificate says of itself, for messages."""

from __future__ import annotations

import datetime
import ssl

import trustme
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.tls import authority
from toolkit.client.certificates import Presented, read_certificate


def der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode())


def leaf(*names: str) -> bytes:
    first = datetime.datetime(2020, 2, 3, tzinfo=datetime.UTC)
    last = datetime.datetime(2055, 6, 7, tzinfo=datetime.UTC)
    made = authority().issue_cert(*names, not_before=first, not_after=last)
    return der(made.cert_chain_pems[0].bytes())


SAMPLE = leaf("a.test", "*.b.test", "127.0.0.1", "::1")


def test_names_dates_and_issuer() -> None:
    """2055 is a GeneralizedTime, 2020 a UTCTime (RFC 5280 4.1.2.5)."""
    read = read_certificate(SAMPLE)
    assert read is not None
    assert read.names == ("a.test", "*.b.test", "127.0.0.1", "::1")
    assert (read.not_before, read.not_after) == ("2020-02-03", "2055-06-07")
    assert read.issuer.startswith("trustme")


def test_the_issuer_s_common_name_comes_first() -> None:
    ca = trustme.CA(organization_name="Organization", organization_unit_name="Unit")
    read = read_certificate(der(ca.issue_cert("a.test", common_name="x").cert_chain_pems[0].bytes()))
    assert read is not None
    assert read.issuer == "Organization"


def test_no_names_and_many() -> None:
    assert Presented((), "", "", "").names_shown() == "no host at all"
    many = Presented(tuple(f"{n}.test" for n in range(11)), "", "", "").names_shown()
    assert many.endswith("7.test and 3 more")
    read = read_certificate(der(authority().cert_pem.bytes()))
    assert read is not None
    assert read.names == ()


def test_names_that_end_up_in_logs() -> None:
    odd = SAMPLE.replace(b"a.test", b"a\n\x1b\xff\x00t", 1)
    read = read_certificate(odd)
    assert read is not None
    assert read.names[0].isprintable()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_certificate_or_none(data: bytes) -> None:
    read_certificate(data)


@given(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255))
def test_a_certificate_with_any_byte_changed(at: int, byte: int) -> None:
    read_certificate(SAMPLE[:at] + bytes([byte]) + SAMPLE[at + 1 :])


@given(st.integers(0, len(SAMPLE) - 1))
def test_a_certificate_cut_anywhere(at: int) -> None:
    assert read_certificate(SAMPLE[:at]) is None
