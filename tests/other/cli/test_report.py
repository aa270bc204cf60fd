"""What -w writes."""

from __future__ import annotations

import json

import pytest

from toolkit.other.cli.report import NAMES, Done, check_format, write_out
from toolkit.protocol.headers import Headers

DONE = Done(
    url="a.test",
    url_effective="http://a.test/",
    method="GET",
    http_code=200,
    http_version="1.1",
    content_type="text/plain",
    num_redirects=1,
    redirect_url="",
    size_download=12,
    size_upload=3,
    size_header=100,
    speed_download=24,
    time_starttransfer=0.25,
    time_total=0.5,
    filename_effective="",
    exitcode=0,
    errormsg="",
)
HEADERS = Headers([("content-type", "text/plain"), ("a", "1"), ("a", "2")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("%{http_code} %{response_code}", "200 200"),
        ("%{time_total}", "0.500000"),
        ("%{size_download}/%{num_redirects}", "12/1"),
        ("%{url_effective}\\n", "http://a.test/\n"),
        ("\\t\\r\\\\", "\t\r\\"),
        ("100%%", "100%"),
        ("100%", "100%"),
        ("%header{A}|%header{no}", "1|"),
        ("%{errormsg}", ""),
    ],
)
def test_names_are_replaced(text: str, expected: str) -> None:
    assert write_out(check_format(text), DONE, HEADERS) == expected


def test_no_answer_is_000_as_curl_has_it() -> None:
    from dataclasses import replace

    assert write_out("%{http_code}", replace(DONE, http_code=0), Headers()) == "000"


def test_all_of_it_as_json() -> None:
    assert json.loads(write_out("%{json}", DONE, HEADERS))["time_total"] == 0.5
    assert json.loads(write_out("%{header_json}", DONE, HEADERS)) == {"content-type": ["text/plain"], "a": ["1", "2"]}


def test_a_name_that_is_none_is_told_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"%\{nonsense\} is none of: .*http_code") as caught:
        check_format("%{http_code} %{nonsense}")
    assert all(name in str(caught.value) for name in NAMES)
