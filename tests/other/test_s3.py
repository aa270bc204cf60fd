"""Signature Version 4: the documentation's own signatures, botocore as a second opinion, and what must be refused."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from urllib.parse import unquote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import example, given
from hypothesis import strategies as st

from toolkit.other.s3 import (
    EMPTY_PAYLOAD,
    S3,
    UNSIGNED_PAYLOAD,
    authorization_header,
    canonical_request,
    signing_key,
    string_to_sign,
)

# The example credentials of the AWS documentation, "Signature Calculations for the Authorization Header".
KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
REGION = "us-east-1"
DAY = datetime(2013, 5, 24, tzinfo=UTC)


def store(endpoint: str | None = None, *, token: str | None = None, path_style: bool | None = None) -> S3:
    return S3("examplebucket", REGION, KEY, SECRET, endpoint, token=token, path_style=path_style, clock=lambda: DAY)


def documented() -> S3:
    """The store as the documentation's examples address it: examplebucket.s3.amazonaws.com."""
    return store("https://s3.amazonaws.com", path_style=False)


def signature_of(authorization: str) -> str:
    return authorization.rpartition("Signature=")[2]


def signed_names(authorization: str) -> list[str]:
    return authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")


# -- the documentation's examples ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "headers", "params", "payload", "url", "names", "signature"),
    [
        pytest.param(
            "GET",
            "/test.txt",
            {"Range": "bytes=0-9"},
            None,
            None,
            "https://examplebucket.s3.amazonaws.com/test.txt",
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            id="get-object",
        ),
        pytest.param(
            "PUT",
            "test$file.text",
            {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            None,
            sha256(b"Welcome to Amazon S3.").hexdigest(),
            "https://examplebucket.s3.amazonaws.com/test%24file.text",
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            id="put-object",
        ),
        pytest.param(
            "GET",
            "",
            None,
            {"lifecycle": ""},
            None,
            "https://examplebucket.s3.amazonaws.com/?lifecycle=",
            "host;x-amz-content-sha256;x-amz-date",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            id="get-lifecycle",
        ),
        pytest.param(
            "GET",
            "",
            None,
            {"prefix": "J", "max-keys": 2},
            None,
            "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J",
            "host;x-amz-content-sha256;x-amz-date",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            id="list-objects",
        ),
    ],
)
def test_published_examples(
    method: str,
    path: str,
    headers: dict[str, str | int | None] | None,
    params: dict[str, str | int] | None,
    payload: str | None,
    url: str,
    names: str,
    signature: str,
) -> None:
    signed = documented().authorize(path, headers, method, params=params, payload_hash=payload)

    assert signed["url"] == url
    assert signed["method"] == method
    assert signed["headers"]["x-amz-date"] == "20130524T000000Z"
    assert signed["headers"]["x-amz-content-sha256"] == (payload or EMPTY_PAYLOAD)
    assert signed["headers"]["authorization"] == (
        f"AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )


def test_published_steps() -> None:
    """The texts between the steps, as the documentation prints them for "GET Object"."""
    headers = {
        "Host": "examplebucket.s3.amazonaws.com",
        "Range": "bytes=0-9",
        "x-amz-content-sha256": EMPTY_PAYLOAD,
        "x-amz-date": "20130524T000000Z",
    }
    canonical = canonical_request("GET", "/test.txt", "", headers, EMPTY_PAYLOAD)
    assert canonical == (
        "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\n"
        f"x-amz-content-sha256:{EMPTY_PAYLOAD}\nx-amz-date:20130524T000000Z\n\n"
        f"host;range;x-amz-content-sha256;x-amz-date\n{EMPTY_PAYLOAD}"
    )
    text = string_to_sign(canonical, DAY, REGION)
    assert text == (
        "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
        "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972"
    )
    assert authorization_header(KEY, DAY, REGION, headers, "00").endswith("x-amz-date, Signature=00")


def test_published_signing_key() -> None:
    """The worked example of "Examples of how to derive a signing key for Signature Version 4"."""
    key = signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", datetime(2012, 2, 15, tzinfo=UTC), REGION, "iam")
    assert key.hex() == "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"


# -- a second opinion: botocore ------------------------------------------------------------------------------------

keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).map(lambda text: f"k{text}")
values = st.one_of(st.integers(-9, 10**12), st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20))
# Their own names, so that none is one that botocore sets, leaves unsigned, or reads as an instruction.
fields = st.dictionaries(st.from_regex(r"x-amz-meta-[a-z0-9-]{1,8}", fullmatch=True), values, max_size=5)
queries = st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), values, max_size=3)


@given(keys, fields, queries, st.sampled_from(["PUT", "GET", "POST", "HEAD", "DELETE"]), st.booleans(), st.booleans())
@example("a b/%20+~*'()!ü?#", {"x-amz-meta-a": "  two   blanks "}, {"a b": "c/d", "a": ""}, "PUT", True, True)
def test_same_signature_as_botocore(
    path: str,
    headers: dict[str, str | int | None],
    params: dict[str, str | int],
    method: str,
    with_token: bool,
    path_style: bool,
) -> None:
    token = "session/token==" if with_token else None
    ours = store("http://127.0.0.1:9000/base", token=token, path_style=path_style)
    signed = ours.authorize(path, headers, method, params=params, payload_hash=UNSIGNED_PAYLOAD)

    # botocore signs the URL as we send it: the same bytes in the URL must mean the same signature.
    request = AWSRequest(method, signed["url"], {name: str(v) for name, v in headers.items()})
    request.headers["X-Amz-Date"] = "20130524T000000Z"
    request.headers["X-Amz-Content-SHA256"] = UNSIGNED_PAYLOAD
    if token is not None:
        request.headers["X-Amz-Security-Token"] = token
    request.context["timestamp"] = "20130524T000000Z"
    theirs = S3SigV4Auth(Credentials(KEY, SECRET, token), "s3", REGION)
    text = theirs.string_to_sign(request, theirs.canonical_request(request))

    assert signature_of(signed["headers"]["authorization"]) == theirs.signature(text, request)
    assert ";".join(signed_names(signed["headers"]["authorization"])) == theirs.signed_headers(
        theirs.headers_to_sign(request)
    )


@given(keys)
@example("a/../b//c/./")
@example("percent%2Fsign")
def test_one_encoding_of_the_path(path: str) -> None:
    """What is in the URL is ASCII and reads back as the key after one decoding."""
    for s3 in (store(), store("http://127.0.0.1:9000")):
        url = s3.authorize(path)["url"]
        assert url.isascii()
        assert url == s3.url(path)
        assert unquote(urlsplit(url).path).endswith(f"/{path}")
        assert not urlsplit(url).query
        assert not urlsplit(url).fragment


# -- addresses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bucket", "region", "endpoint", "path_style", "url"),
    [
        ("b", "eu-west-1", None, None, "https://b.s3.eu-west-1.amazonaws.com/k"),
        ("b", "cn-north-1", None, None, "https://b.s3.cn-north-1.amazonaws.com.cn/k"),
        ("b", "eu-west-1", None, True, "https://s3.eu-west-1.amazonaws.com/b/k"),
        ("b.c", "eu-west-1", None, None, "https://s3.eu-west-1.amazonaws.com/b.c/k"),
        ("b.c", "eu-west-1", None, False, "https://b.c.s3.eu-west-1.amazonaws.com/k"),
        ("Old_Name", "us-east-1", None, True, "https://s3.us-east-1.amazonaws.com/Old_Name/k"),
        ("b", "auto", "http://127.0.0.1:9000", None, "http://127.0.0.1:9000/b/k"),
        ("b", "auto", "http://[::1]:9000/", None, "http://[::1]:9000/b/k"),
        ("b", "auto", "HTTPS://Store.Example:443/", False, "https://b.store.example/k"),
        ("b", "auto", "http://store.example:80", None, "http://store.example/b/k"),
        ("b", "auto", "http://store.example:443", None, "http://store.example:443/b/k"),
        ("b", "auto", "https://store.example/storage/v1/s3/", None, "https://store.example/storage/v1/s3/b/k"),
        ("b", "auto", "https://store.example/a%20$", None, "https://store.example/a%20%24/b/k"),
    ],
)
def test_addresses(bucket: str, region: str, endpoint: str | None, path_style: bool | None, url: str) -> None:
    s3 = S3(bucket, region, KEY, SECRET, endpoint, path_style=path_style)
    assert s3.url("k") == s3.url("/k") == url
    assert s3.authorize("k")["url"] == url


def test_only_one_slash_is_no_part_of_the_key() -> None:
    assert store().url("//k") == store().url("/") + "/k"


# -- headers -------------------------------------------------------------------------------------------------------


def test_every_header_is_signed_and_sent_as_text() -> None:
    signed = store().authorize("k", {"Content-Length": 10, "content-type": " text/plain\t", "x-amz-acl": None})
    assert signed["headers"]["content-length"] == "10"
    assert signed["headers"]["content-type"] == "text/plain"
    assert "x-amz-acl" not in signed["headers"]
    assert signed_names(signed["headers"]["authorization"]) == [
        "content-length",
        "content-type",
        "host",
        "x-amz-content-sha256",
        "x-amz-date",
    ]


def test_what_a_hop_may_rewrite_is_sent_unsigned() -> None:
    signed = store().authorize("k", {"Expect": "100-continue", "Connection": "close", "user-agent": "u"})
    assert signed["headers"]["expect"] == "100-continue"
    assert signed["headers"]["connection"] == "close"
    names = signed_names(signed["headers"]["authorization"])
    assert names == ["host", "user-agent", "x-amz-content-sha256", "x-amz-date"]


@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:9000"])
@pytest.mark.parametrize(
    ("method", "payload"),
    [("PUT", UNSIGNED_PAYLOAD), ("POST", UNSIGNED_PAYLOAD), ("get", EMPTY_PAYLOAD), ("HEAD", EMPTY_PAYLOAD)],
)
def test_payload_of_unknown_hash(endpoint: str | None, method: str, payload: str) -> None:
    signed = store(endpoint).authorize("k", method=method)
    assert signed["method"] == method.upper()
    assert signed["headers"]["x-amz-content-sha256"] == payload


def test_payload_hash_by_header_or_argument() -> None:
    known = sha256(b"data").hexdigest()
    by_header = store().authorize("k", {"X-Amz-Content-SHA256": known})
    assert by_header == store().authorize("k", payload_hash=known)
    assert by_header["headers"]["x-amz-content-sha256"] == known


def test_session_token_is_sent_and_signed() -> None:
    signed = store(token="a/b+c==").authorize("k")
    assert signed["headers"]["x-amz-security-token"] == "a/b+c=="
    assert "x-amz-security-token" in signed_names(signed["headers"]["authorization"])


def test_the_answer_is_a_plain_dict() -> None:
    signed = store().authorize("k")
    assert set(signed) == {"url", "method", "headers"}
    assert pickle.loads(pickle.dumps(signed)) == signed


def test_the_caller_keeps_its_headers() -> None:
    given_headers: dict[str, str | int | None] = {"Content-Length": 1}
    store().authorize("k", given_headers)
    assert given_headers == {"Content-Length": 1}


# -- time ----------------------------------------------------------------------------------------------------------


def test_the_clock_is_read_for_each_request_and_taken_to_utc() -> None:
    zone = timezone(timedelta(hours=2))
    times = [datetime(2013, 5, 24, 1, 59, 59, tzinfo=zone), datetime(2013, 5, 24, 2, 0, 0, tzinfo=zone)]
    s3 = S3("b", REGION, KEY, SECRET, clock=iter(times).__next__)
    first, second = s3.authorize("k")["headers"], s3.authorize("k")["headers"]
    assert first["x-amz-date"] == "20130523T235959Z"
    assert "/20130523/" in first["authorization"]
    assert second["x-amz-date"] == "20130524T000000Z"
    assert "/20130524/" in second["authorization"]


def test_the_clock_runs_by_itself() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    stamp = S3("b", REGION, KEY, SECRET).authorize("k")["headers"]["x-amz-date"]
    assert before <= datetime.strptime(stamp, "%Y%m%dT%H%M%S%z") <= datetime.now(UTC)


def test_naive_clock_is_refused() -> None:
    with pytest.raises(ValueError, match="naive datetime; expected an aware one"):
        S3("b", REGION, KEY, SECRET, clock=lambda: datetime(2013, 5, 24)).authorize("k")


# -- refused -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", REGION, KEY, SECRET), r"S3 bucket: expected .* got ''"),
        (("a/b", REGION, KEY, SECRET), "S3 bucket"),
        (("..", REGION, KEY, SECRET), "S3 bucket"),
        (("b\r\nx", REGION, KEY, SECRET), "S3 bucket"),
        (("b\n", REGION, KEY, SECRET), "S3 bucket"),
        (("Old_Name", REGION, KEY, SECRET), "lower-case letters of a host name"),
        (("b", "", KEY, SECRET), "S3 region: expected a name such as"),
        (("b", "eu west", KEY, SECRET), "S3 region"),
        (("b", REGION, "", SECRET), "S3 key: expected an access key id"),
        (("b", REGION, "key\n", SECRET), "S3 key"),
        (("b", REGION, KEY, ""), "S3 secret: expected"),
        (("b", REGION, KEY, SECRET, ""), "S3 endpoint: expected a base URL"),
        (("b", REGION, KEY, SECRET, "store.example"), "S3 endpoint: expected a base URL"),
        (("b", REGION, KEY, SECRET, "ftp://store.example"), "S3 endpoint"),
        (("b", REGION, KEY, SECRET, "https://"), "S3 endpoint"),
        (("b", REGION, KEY, SECRET, "https://me@store.example"), "without credentials"),
        (("b", REGION, KEY, SECRET, "https://store.example/?a=b"), "without credentials, query"),
        (("b", REGION, KEY, SECRET, "https://store.example:port"), "S3 endpoint"),
        (("b", REGION, KEY, SECRET, "https://störe.example"), "S3 endpoint"),
        (("b", REGION, KEY, SECRET, "https://store.example\r\n"), "S3 endpoint"),
    ],
)
def test_refused_stores(arguments: tuple[str, str, str, str, str | None], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        S3(*arguments)


def test_refused_token_and_secret_stay_unsaid() -> None:
    for secret, token in (("hidden secret", None), (SECRET, "hidden\n")):
        with pytest.raises(ValueError, match="got str of another form") as caught:
            S3("b", REGION, KEY, secret, token=token)
        assert "hidden" not in str(caught.value)
    assert SECRET not in repr(store())


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"x-amz-meta-a": "one\r\nx-evil: 1"}, "header 'x-amz-meta-a': expected printable ASCII without CR or LF"),
        ({"x-amz-meta-a": "nul\0"}, "printable ASCII"),
        ({"x-amz-meta-a": "ü"}, "printable ASCII"),
        ({"x amz": "1"}, "header name: expected an HTTP token"),
        ({"x-amz\r\n": "1"}, "header name"),
        ({"": "1"}, "header name"),
        ({"Host": "example.org"}, "'host' is set by authorize"),
        ({"Authorization": "mine"}, "'authorization' is set by authorize"),
        ({"x-amz-date": "now"}, "'x-amz-date' is set by authorize"),
        ({"x-amz-security-token": "t"}, "'x-amz-security-token' is set by authorize"),
        ({"a": "1", "A": "2"}, "'a' was given twice"),
        ({"a": True}, "expected str or int, got True"),
        ({"x-amz-content-sha256": "not a hash"}, "payload_hash: expected a SHA-256 in lower-case"),
        ({"x-amz-content-sha256": EMPTY_PAYLOAD.upper()}, "payload_hash: expected a SHA-256 in lower-case"),
    ],
)
def test_refused_headers(headers: dict[str, str | int | None], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        store().authorize("k", headers)


@pytest.mark.parametrize("method", ["", "PUT\r\n", "P T"])
def test_refused_methods(method: str) -> None:
    with pytest.raises(ValueError, match="S3 method: expected a method such as"):
        store().authorize("k", method=method)


def test_refused_names() -> None:
    with pytest.raises(ValueError, match="S3 path: expected text that UTF-8 can carry"):
        store().url("\ud800")
    with pytest.raises(ValueError, match="S3 params: expected text that UTF-8 can carry"):
        store().url("k", {"a": "\ud800"})
