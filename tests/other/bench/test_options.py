"""Options: what makes no sense is refused before a byte is sent, and the request is what was asked for."""

from __future__ import annotations

import pickle
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.other.bench.options import BadOption, Options, Target, request_bytes, tls_context
from toolkit.protocol.head import RequestHeadParser
from toolkit.protocol.limits import Limits

if TYPE_CHECKING:
    from pathlib import Path

URL = "http://127.0.0.1:8000/a?b=c"


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://a", Target("http", "a", 80, "a", "/")),
        ("https://a/b", Target("https", "a", 443, "a", "/b")),
        ("HTTP://A:81/b%20c?d=%2F#e", Target("http", "a", 81, "a:81", "/b%20c?d=%2F")),
        ("http://[::1]:8000/", Target("http", "::1", 8000, "[::1]:8000", "/")),
    ],
)
def test_a_url_is_taken_apart(url: str, target: Target) -> None:
    assert Options(url=url).target == target


@pytest.mark.parametrize(
    "url", ["", "a", "/a", "ftp://a/", "http://", "http://a:port/", "http://u:p@a/", "http://a:99999/"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(BadOption, match="expected"):
        Options(url=url)


@pytest.mark.parametrize(
    "change",
    [
        {"connections": 0},
        {"processes": 0},
        {"processes": 3, "connections": 2},
        {"pipeline": 0},
        {"pipeline": 2, "keep_alive": False},
        {"rate": 0.0},
        {"rate": float("nan")},
        {"poisson": True},
        {"duration": 0.0},
        {"duration": None},
        {"duration": float("inf")},
        {"requests": 0},
        {"requests": 1, "processes": 2},
        {"warm_up": -1.0},
        {"timeout": 0.0},
        {"grace": -1.0},
        {"expected_interval": 0.0},
        {"expected_interval": 1.0, "rate": 1.0},
        {"method": "CONNECT"},
        {"method": "G E T"},
        {"headers": (("a b", "c"),)},
        {"headers": (("a", "b\r\nc: d"),)},
        {"headers": (("Content-Length", "1"),)},
        {"headers": (("connection", "close"),)},
        {"duplex": True},
        {"duplex": True, "method": "POST", "body": b"x"},
        {"chunk": 0},
        {"insecure": True, "ca": "x"},
    ],
    ids=repr,
)
def test_what_cannot_be_run_is_refused_with_what_was_expected(change: dict[str, object]) -> None:
    with pytest.raises(BadOption, match=r"expected|written by the load generator"):
        replace(Options(url=URL), **change)  # type: ignore[arg-type]  # that is the point


@given(connections=st.integers(1, 300), requests=st.integers(256, 10**6), processes=st.integers(1, 256))
def test_the_shares_of_the_processes_are_the_whole(connections: int, requests: int, processes: int) -> None:
    connections = max(connections, processes)
    whole = Options(url=URL, connections=connections, requests=requests, processes=processes, rate=100.0)
    shares = [whole.share(index) for index in range(processes)]
    assert sum(share.connections for share in shares) == connections
    assert sum(share.requests or 0 for share in shares) == requests
    assert sum(share.rate or 0 for share in shares) == pytest.approx(100.0)
    assert max(share.connections for share in shares) - min(share.connections for share in shares) <= 1


def test_options_go_to_another_process() -> None:
    options = Options(url=URL, body=b"x", method="POST", headers=(("a", "b"),))
    assert pickle.loads(pickle.dumps(options)) == options


def test_the_request_is_whole_and_well_formed() -> None:
    sent = request_bytes(Options(url=URL, method="PUT", body=b"body", headers=(("X-A", "b"), ("X-A", "c"))))
    block, _, body = sent.partition(b"\r\n\r\n")
    head = RequestHeadParser(Limits()).parse(block + b"\r\n\r\n")
    assert (head.method, head.target, head.host) == ("PUT", "/a?b=c", b"127.0.0.1:8000")
    assert head.length == len(body) == 4
    assert head.keep_alive
    assert [value for name, value in head.fields if name.lower() == b"x-a"] == [b"b", b"c"]


@pytest.mark.parametrize(
    ("options", "has", "has_not"),
    [
        (Options(url=URL), b"host: 127.0.0.1:8000\r\n", b"content-length"),
        (Options(url=URL, method="POST"), b"content-length: 0\r\n", b"connection"),
        (Options(url=URL, keep_alive=False), b"connection: close\r\n", b"content-length"),
        (Options(url=URL, headers=(("Host", "other"),)), b"Host: other\r\n", b"host: 127"),
        (Options(url=URL, headers=(("user-agent", "me"),)), b"user-agent: me\r\n", b"toolkit-bench"),
    ],
)
def test_fields_of_the_request(options: Options, has: bytes, has_not: bytes) -> None:
    sent = request_bytes(options)
    assert has in sent
    assert has_not not in sent


def test_tls_verifies_unless_told_otherwise(tmp_path: Path) -> None:
    https = Options(url="https://127.0.0.1/")
    assert tls_context(Options(url=URL)) is None
    verifying, trusting = tls_context(https), tls_context(replace(https, insecure=True))
    assert verifying is not None
    assert trusting is not None
    assert (verifying.verify_mode, verifying.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (trusting.verify_mode, trusting.check_hostname) == (ssl.CERT_NONE, False)
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    for path in (bad, tmp_path / "missing.pem"):
        with pytest.raises(BadOption, match="expected a file of PEM certificates"):
            tls_context(replace(https, ca=str(path)))


def test_a_run_has_a_name() -> None:
    assert Options(url=URL).label == f"GET {URL}"
    assert Options(url=URL, name="mine").label == "mine"
    assert (Options(url=URL).is_open, Options(url=URL, rate=1.0).is_open) == (False, True)
