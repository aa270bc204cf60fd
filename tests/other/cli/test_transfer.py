"""One URL on the command line: what is sent, what is shown, what is saved, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.helpers.tls import authority
from toolkit.other.cli.command import main

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Protocol

    from .conftest import Site

    class Call(Protocol):
        """Run the command; its exit status, standard output and standard error."""

        def __call__(self, *words: object) -> tuple[int, str, str]: ...


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Call:
    def run(*words: object) -> tuple[int, str, str]:
        status = main([str(word) for word in words])
        out, err = capfd.readouterr()
        return int(status), out, err

    return run


def told(call: Call, *words: object) -> dict[str, object]:
    """What the site says that it was asked."""
    status, out, err = call(*words)
    assert (status, err) == (0, "")
    found: dict[str, object] = json.loads(out)
    return found


def fields(call: Call, *words: object) -> dict[str, str]:
    found: dict[str, str] = told(call, *words)["fields"]  # type: ignore[assignment]
    return found


# What is sent


def test_a_body_goes_to_standard_output(site: Site, call: Call) -> None:
    assert call("GET", f"{site.url}/status/200") == (0, "it is 200\n", "")


def test_a_url_without_a_scheme(site: Site, call: Call) -> None:
    assert call("GET", f"{site.url}/status/200".removeprefix("http://"))[0] == 0


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_any_method(method: str, site: Site, call: Call) -> None:
    found = told(call, method, f"{site.url}/show")
    assert (found["method"], found["body"]) == (method, "")


def test_fields(site: Site, call: Call, tmp_path: Path) -> None:
    (tmp_path / "h").write_text("x-c: 3\n\nx-d: 4\n")
    words = ("-H", "x-a: 1", "-H", "x-b;", "-H", f"@{tmp_path}/h", "-H", "user-agent: me", "-A", "not-me")
    found = fields(call, "GET", f"{site.url}/show", *words, "-e", "http://r.test/", "-b", "a=1", "-b", "b=2")
    assert {name: found.get(name) for name in ("x-a", "x-b", "x-c", "x-d", "user-agent", "referer", "cookie")} == {
        "x-a": "1",
        "x-b": "",
        "x-c": "3",
        "x-d": "4",
        "user-agent": "me",
        "referer": "http://r.test/",
        "cookie": "a=1; b=2",
    }


def test_fields_that_are_left_out(site: Site, call: Call) -> None:
    words = ("-H", "Accept:", "-H", "user-agent:", "-H", "Content-Type:", "-H", "accept-encoding:", "-d", "a=b")
    assert set(fields(call, "POST", f"{site.url}/show", *words)) == {"host", "content-length"}


@pytest.mark.parametrize(("words", "expected"), [(["-u", "me:p:q"], "Basic bWU6cDpx"), ([], None)])
def test_who_is_asking(words: list[str], expected: str | None, site: Site, call: Call) -> None:
    assert fields(call, "GET", f"{site.url}/show", *words).get("authorization") == expected


def test_who_is_asking_by_the_url(site: Site, call: Call) -> None:
    url = site.url.replace("http://", "http://me:p%40@")
    assert fields(call, "GET", f"{url}/show")["authorization"] == "Basic bWU6cEA="


def test_cookies_are_kept_from_one_call_to_the_next(site: Site, call: Call, tmp_path: Path) -> None:
    jar = tmp_path / "jar"
    words = ("-b", jar, "-c", jar)
    assert call("GET", *words, f"{site.url}/set/a/1")[0] == 0
    assert jar.read_text().startswith("# Netscape HTTP Cookie File")
    assert call("GET", *words, f"{site.url}/set/b/2", f"{site.url}/status/200")[0] == 0
    assert fields(call, "GET", *words, "-b", "c=3", f"{site.url}/show")["cookie"] == "a=1; b=2; c=3"
    assert "cookie" not in fields(call, "GET", f"{site.url}/show")


def test_a_file_that_holds_no_cookies(site: Site, call: Call, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("nonsense")
    assert call("GET", "-b", tmp_path / "x", f"{site.url}/show")[0] == 26
    status, _, err = call("GET", "-c", tmp_path / "no" / "x", f"{site.url}/show")
    assert (status, "-c" in err) == (23, True)


def test_a_password_that_is_proved_and_not_sent(site: Site, call: Call) -> None:
    assert call("GET", "-u", "me:secret", f"{site.url}/private")[1] == "who?\n"
    assert call("GET", "--digest", "-u", "me:secret", f"{site.url}/private")[:2] == (0, '"me"\n')


def test_a_token(site: Site, call: Call) -> None:
    assert fields(call, "GET", "--oauth2-bearer", "abc", f"{site.url}/show")["authorization"] == "Bearer abc"
    assert call("GET", "--oauth2-bearer", "a b", f"{site.url}/show")[0] == 2


def test_a_netrc(site: Site, call: Call, tmp_path: Path) -> None:
    (tmp_path / "n").write_text("machine 127.0.0.1 login me password p@\n")
    found = fields(call, "GET", "--netrc-file", tmp_path / "n", f"{site.url}/show")
    assert found["authorization"] == "Basic bWU6cEA="
    assert call("GET", "--netrc-file", tmp_path / "none", f"{site.url}/show")[0] == 2


def test_a_form(site: Site, call: Call) -> None:
    found = told(call, "POST", f"{site.url}/show", "-d", "a=1", "--data-urlencode", "b=\u00e4 ")
    assert found["body"] == "a=1&b=%C3%A4+"


def test_a_form_in_the_query(site: Site, call: Call) -> None:
    found = told(call, "GET", f"{site.url}/show?z=0", "-G", "-d", "a=1", "--data-urlencode", "b=&")
    assert (found["target"], found["body"]) == ("/show?z=0&a=1&b=%26", "")
    assert told(call, "GET", f"{site.url}/show", "-G", "-d", "a=1")["target"] == "/show?a=1"


def test_json(site: Site, call: Call) -> None:
    found = told(call, "POST", f"{site.url}/show", "--json", '{"a":1}')
    sent: dict[str, str] = found["fields"]  # type: ignore[assignment]
    assert (found["body"], sent["content-type"], sent["accept"]) == ('{"a":1}', "application/json", "application/json")


def test_a_form_with_files(site: Site, call: Call, tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("content")
    found = told(call, "POST", f"{site.url}/form", "-F", "a=b", "-F", f"c=@{tmp_path}/f.txt;type=text/x-own")
    assert found == {"fields": [["a", "b"]], "files": [["c", "f.txt", "text/x-own", "content"]]}


def test_a_file(site: Site, call: Call, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 100_000)
    assert call("PUT", f"{site.url}/echo", "-T", tmp_path / "f")[1] == "x" * 100_000


def test_a_part(site: Site, call: Call) -> None:
    assert fields(call, "GET", f"{site.url}/show", "-r", "0-9")["range"] == "bytes=0-9"


def test_codings_are_asked_for_unless_raw(site: Site, call: Call) -> None:
    assert "gzip" in fields(call, "GET", f"{site.url}/show")["accept-encoding"]
    assert "accept-encoding" not in fields(call, "GET", f"{site.url}/show", "--raw")


# What is shown


def test_heads_before_the_body(site: Site, call: Call) -> None:
    _, out, _ = call("GET", "-i", "-L", f"{site.url}/from/1")
    assert [line for line in out.splitlines() if line.startswith("HTTP")] == [
        "HTTP/1.1 302 Found",
        "HTTP/1.1 302 Found",
        "HTTP/1.1 200 OK",
    ]
    assert out.endswith("\n\nit is 200\n")


@pytest.mark.parametrize("words", [["HEAD"], ["GET", "-I"]])
def test_a_head_alone(words: list[str], site: Site, call: Call) -> None:
    status, out, _ = call(*words, f"{site.url}/status/200")
    assert status == 0
    assert out.startswith("HTTP/1.1 200 OK\ncontent-type: text/plain; charset=utf-8\n")
    assert out.endswith("\n\n")
    assert "it is 200" not in out


def test_both_heads_on_standard_error(site: Site, call: Call) -> None:
    _, out, err = call("GET", "-v", "-L", f"{site.url}/from/0")
    assert out == "it is 200\n"
    starts = [line for line in err.splitlines() if "HTTP/1.1" in line]
    assert starts == [
        "> GET /from/0 HTTP/1.1",
        "< HTTP/1.1 302 Found",
        "> GET /status/200 HTTP/1.1",
        "< HTTP/1.1 200 OK",
    ]
    assert "> host: 127.0.0.1" in err


def test_several_urls(site: Site, call: Call) -> None:
    assert call("GET", f"{site.url}/status/200", f"{site.url}/status/404")[1] == "it is 200\nit is 404\n"


def test_a_summary(site: Site, call: Call) -> None:
    form = "%{method} %{http_code} %{num_redirects} %{size_download} %{url_effective} %header{content-length}\\n"
    _, out, _ = call("GET", "-L", "-o", "/dev/null", "-w", form, f"{site.url}/from/1")
    assert out == f"GET 200 2 10 {site.url}/status/200 10\n"


def test_a_summary_of_a_failure(site: Site, call: Call) -> None:
    status, out, _ = call("GET", "-s", "-w", "%{exitcode} %{http_code} %{errormsg}", "http://127.0.0.1:1/")
    assert status == 7
    assert out.startswith("7 000 cannot connect to 127.0.0.1:1: ")


# What is saved


def test_into_a_file(site: Site, call: Call, tmp_path: Path) -> None:
    assert call("GET", "-o", tmp_path / "a", f"{site.url}/status/200") == (0, "", "")
    assert (tmp_path / "a").read_text() == "it is 200\n"
    assert call("GET", "-o", tmp_path / "a", f"{site.url}/named")[0] == 0  # as curl does
    assert (tmp_path / "a").read_text() == "named\n"


def test_several_files(site: Site, call: Call, tmp_path: Path) -> None:
    words = ("-o", "a", "-o", "b", "--output-dir", tmp_path / "new", "--create-dirs")
    assert call("GET", *words, f"{site.url}/named", f"{site.url}/status/200")[0] == 0
    assert {path.name: path.read_text() for path in (tmp_path / "new").iterdir()} == {
        "a": "named\n",
        "b": "it is 200\n",
    }


def test_under_the_urls_last_part(site: Site, call: Call, tmp_path: Path) -> None:
    for _ in range(2):  # a name that its user typed replaces a file, as with curl
        assert call("GET", "-O", "--output-dir", tmp_path, f"{site.url}/named?x=/y")[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["named"]


def test_under_the_name_that_the_server_gives(site: Site, call: Call, tmp_path: Path) -> None:
    assert call("GET", "-OJ", "--output-dir", tmp_path, f"{site.url}/named")[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["its-name.txt"]
    (tmp_path / "its-name.txt").write_text("precious")
    status, _, err = call("GET", "-OJ", "--output-dir", tmp_path, f"{site.url}/named")
    assert (status, err) == (
        23,
        f"toolkit get: {tmp_path}/its-name.txt: it is there already; -o with its name replaces it\n",
    )
    assert (tmp_path / "its-name.txt").read_text() == "precious"


def test_an_error_is_saved_unless_it_is_one(site: Site, call: Call, tmp_path: Path) -> None:
    assert call("GET", "-o", tmp_path / "a", f"{site.url}/status/404")[0] == 0
    assert (tmp_path / "a").read_text() == "it is 404\n"
    (tmp_path / "a").write_text("precious")
    assert call("GET", "-f", "-o", tmp_path / "a", f"{site.url}/status/404")[0] == 22
    assert (tmp_path / "a").read_text() == "precious"


def test_what_is_cut_off_is_not_under_its_name(site: Site, call: Call, tmp_path: Path) -> None:
    status, _, err = call("GET", "-o", tmp_path / "a", f"{site.url}/cut")
    assert status in (18, 56)
    assert "10 bytes are kept in" in err
    assert "the same command goes on there" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.toolkit-part", "a.toolkit-part.json"]


def test_going_on_asks_for_the_rest(site: Site, call: Call, tmp_path: Path) -> None:
    assert call("GET", "-C", "-", "-o", tmp_path / "a", f"{site.url}/status/200")[0] == 0
    assert (tmp_path / "a").read_text() == "it is 200\n"
    assert call("GET", "-C", "-", "-o", tmp_path / "b", f"{site.url}/status/404")[0] == 22
    assert not (tmp_path / "b").exists()


def test_heads_go_into_the_file_as_well(site: Site, call: Call, tmp_path: Path) -> None:
    assert call("GET", "-i", "-o", tmp_path / "a", f"{site.url}/status/200")[0] == 0
    assert (tmp_path / "a").read_text().startswith("HTTP/1.1 200 OK\n")


# How it ends


@pytest.mark.parametrize(
    ("path", "words", "expected"),
    [
        ("/status/404", [], 0),
        ("/status/404", ["-f"], 22),
        ("/status/500", ["--fail-with-body"], 22),
        ("/status/302", ["-f"], 0),
        ("/from/0", [], 0),
        ("/from/5", ["-L", "--max-redirs", "2"], 47),
        ("/from/1", ["-L", "--max-redirs", "2"], 0),
        ("/circle", ["-L"], 47),
        ("/corrupt", [], 61),
        ("/never", ["-m", "0.2"], 28),
    ],
)
def test_the_exit_status(path: str, words: list[str], expected: int, site: Site, call: Call) -> None:
    assert call("GET", *words, f"{site.url}{path}")[0] == expected


def test_what_breaks(site: Site, call: Call) -> None:
    assert call("GET", f"{site.url}/cut")[0] in (18, 56)
    assert call("GET", f"{site.url}/nothing")[0] in (52, 56)


def test_fail_shows_no_body_and_says_why(site: Site, call: Call) -> None:
    url = f"{site.url}/status/404"
    assert call("GET", "-f", url) == (22, "", f"toolkit get: GET {url}: answered 404 Not Found\n")
    assert call("GET", "--fail-with-body", url)[1] == "it is 404\n"
    assert call("GET", "-fs", url) == (22, "", "")
    assert call("GET", "-fsS", url)[2] != ""


@pytest.mark.parametrize(
    ("url", "expected", "text"),
    [
        ("http://no-such-host.invalid/", 6, "no-such-host.invalid"),
        ("http://127.0.0.1:1/", 7, "cannot connect to 127.0.0.1:1"),
        ("http://", 3, "http://"),
        ("ftp://a.test/", 3, "expected http:// or https://"),
        ("http://a.test:99999/", 3, "99999"),
        ("http://a.test/\n", 3, "control character"),
    ],
)
def test_where_there_is_nothing(url: str, expected: int, text: str, call: Call) -> None:
    status, out, err = call("GET", url)
    assert (status, out) == (expected, "")
    assert err.startswith("toolkit get: ")
    assert text in err
    assert err.count("\n") == 1


def test_the_last_urls_status_is_the_commands(site: Site, call: Call) -> None:
    assert call("GET", "-fs", f"{site.url}/status/404", f"{site.url}/status/200")[0] == 0
    assert call("GET", "-fs", f"{site.url}/status/200", f"{site.url}/status/404")[0] == 22


def test_a_password_is_in_no_message(call: Call) -> None:
    assert "secret" not in call("GET", "http://me:secret@127.0.0.1:1/")[2]


def test_a_time_limit_says_which(site: Site, call: Call) -> None:
    assert call("GET", "-m", "0.2", f"{site.url}/never")[2].endswith("/never: not complete within 0.2 s (--max-time)\n")


# The connection


def test_tls(site: Site, call: Call, tmp_path: Path) -> None:
    url = f"{site.tls}/status/200"
    status, _, err = call("GET", url)
    assert status == 60
    assert "certificate" in err
    assert call("GET", "-k", url)[0] == 0
    authority().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    assert call("GET", "--cacert", tmp_path / "ca.pem", url)[:2] == (0, "it is 200\n")
    assert call("GET", site.url.replace("http:", "https:"))[0] == 35


def test_files_of_certificates_that_are_none(call: Call, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("nonsense")
    for words in (("--cacert", "/no/such"), ("--cacert", tmp_path / "x"), ("-E", tmp_path / "x")):
        status, _, err = call("GET", *words, "https://127.0.0.1:1/")
        assert status == 2
        assert str(words[1]) in err


def test_a_unix_socket(site: Site, call: Call) -> None:
    assert call("GET", "--unix-socket", site.path, "http://any.test/status/200")[:2] == (0, "it is 200\n")
    assert call("GET", "--unix-socket", "/no/such", "http://any.test/")[0] == 7


def test_again_after_a_failure(call: Call) -> None:
    assert call("GET", "--retry", "1", "http://127.0.0.1:1/")[0] == 7


# By a proxy


def test_by_a_proxy(site: Site, call: Call) -> None:
    """RFC 9112 3.2.2: a proxy is asked with the whole URL; what lets us in is for it alone."""
    words = ("-x", site.url, "-U", "ada:lovelace")
    asked = told(call, "GET", "http://nowhere.invalid/show", *words)
    assert asked["target"] == "http://nowhere.invalid/show"
    assert fields(call, "GET", "http://nowhere.invalid/show", *words)["proxy-authorization"] == "Basic YWRhOmxvdmVsYWNl"
    without_scheme = site.url.removeprefix("http://")
    assert told(call, "GET", "http://nowhere.invalid/show", "-x", without_scheme)["target"] == asked["target"]


def test_hosts_that_the_proxy_is_not_for(site: Site, call: Call) -> None:
    assert call("GET", "http://nowhere.invalid/show", "-x", site.url, "--noproxy", "x.test,.invalid")[0] == 6


@pytest.mark.parametrize(
    ("words", "expected", "text"),
    [
        (["https://nowhere.invalid/"], 97, "answered CONNECT nowhere.invalid:443 with 404"),  # it makes no tunnels
        (["http://nowhere.invalid/", "-x", "ftp://a.test"], 2, "-x: "),
        (["http://nowhere.invalid/", "-x", "http://127.0.0.1:1"], 7, "by the proxy http://127.0.0.1:1"),
    ],
)
def test_what_is_no_proxy(words: list[str], expected: int, text: str, site: Site, call: Call) -> None:
    status, out, err = call("GET", "-x", site.url, *words)
    assert (status, out) == (expected, "")
    assert text in err


@pytest.mark.parametrize("words", [["-U", "a:b"], ["--noproxy", "a.test"], ["-x", "a.test", "--unix-socket", "/x"]])
def test_words_that_are_about_no_proxy(words: list[str], call: Call) -> None:
    with pytest.raises(SystemExit) as ended:
        call("GET", "http://a.test/", *words)
    assert ended.value.code == 2
