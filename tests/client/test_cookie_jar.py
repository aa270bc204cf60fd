"""The jar: what it keeps, in which order it is sent, what is thrown away first, and its face for programs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from toolkit.client import cookie_jar
from toolkit.client.cookie_jar import CookieJar, CookieLimits
from toolkit.errors import LocalProtocolError, UseError
from toolkit.protocol.headers import Headers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

A = "https://www.a.test/"
FOREVER = "; Max-Age=9999"


class Clock:
    """Seconds since 1970, as a test has them."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def is_public(domain: str) -> bool:
    return "." not in domain


def new(now: Clock | None = None, **limits: int) -> CookieJar:
    return CookieJar(limits=CookieLimits(**limits), is_public_suffix=is_public, now=now or Clock())


def sent(jar: CookieJar, url: str) -> str | None:
    fields = jar.fields_for(URL(url))
    return None if fields is None else Headers(fields)["cookie"]


@pytest.mark.parametrize(
    ("section", "values", "url", "field"),
    [
        ("5.8.3", [], A, None),
        ("5.8.3", ["a=b"], A, "a=b"),
        ("5.8.3", ["a=b", "c=d"], A, "a=b; c=d"),
        ("5.8.3 an empty value", ["a="], A, "a="),
        ("5.8.3 no name", ["b"], A, "b"),
        ("5.8.3 bytes beyond ASCII", ["a=\u00e9"], A, "a=\u00e9"),
        ("5.8.3 quotes", ['a="b c"'], A, 'a="b c"'),
        ("5.8.3 another host", ["a=b"], "https://a.test/", None),
        ("5.8.3 longer paths first", ["a=1; path=/", "b=2; path=/x/y", "c=3; path=/x"], f"{A}x/y/z", "b=2; c=3; a=1"),
        ("5.8.3 then the older", ["b=1", "a=2", "c=3"], A, "b=1; a=2; c=3"),
        ("5.8.3 one name, two domains", ["a=1; domain=a.test", "a=2"], A, "a=1; a=2"),
        ("5.7 step 23 replaced", ["a=1", "a=2"], A, "a=2"),
        ("5.7 step 23 keeps its place", ["a=1", "b=2", "a=3"], A, "a=3; b=2"),
        ("5.7 step 23 another path", ["a=1; path=/", "a=2; path=/x"], f"{A}x", "a=2; a=1"),
        ("5.7 step 23 names by case", ["a=1", "A=2"], A, "a=1; A=2"),
        ("5.7 step 24 deleted", ["a=1", "a=; Max-Age=0"], A, None),
        ("5.7 step 24 deleted", ["a=1", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], A, None),
        ("5.7 step 24 another path stays", ["a=1; path=/", "a=; path=/x; Max-Age=0"], A, "a=1"),
        ("5.7 over from the start", ["a=1; Max-Age=-1"], A, None),
        ("5.6 malformed", ["=", "a=b\x00"], A, None),
        ("5.7 not the host's", ["a=b; domain=b.test", "c=d; domain=test"], A, None),
    ],
)
def test_what_is_stored_and_what_is_sent(section: str, values: list[str], url: str, field: str | None) -> None:
    jar = new()
    jar.store(URL(A), values)
    assert sent(jar, url) == field


def test_a_domain_s_cookie_goes_to_its_hosts() -> None:
    jar = new()
    jar.store(URL(A), ["a=b; domain=a.test; secure", "c=d"])
    assert sent(jar, "https://a.test/") == sent(jar, "https://x.y.a.test:8443/") == "a=b"
    assert sent(jar, A) == "a=b; c=d"
    assert sent(jar, "http://a.test/") is None
    assert sent(jar, "https://xa.test/") is None
    assert sent(jar, "https://a.test.evil/") is None
    assert sent(jar, "https://test/") is None


def test_what_is_over_is_not_sent() -> None:
    clock = Clock()
    jar = new(clock)
    jar.store(URL(A), ["a=b; max-age=60", "c=d"])
    clock.now += 59
    assert sent(jar, A) == "a=b; c=d"
    clock.now += 1
    assert sent(jar, A) == "c=d"
    assert "a" not in jar
    assert jar.get("a") is None


def test_whoever_is_on_the_way_cannot_cover_a_secure_cookie() -> None:
    """Section 5.7, step 16."""
    jar = new()
    jar.store(URL(A), ["a=b; secure; domain=a.test; path=/"])
    for url in ("http://www.a.test/x/y", "http://a.test/", "http://x.a.test/"):
        jar.store(URL(url), ["a=evil", "a=evil; domain=a.test; path=/", "a=; domain=a.test; path=/; max-age=0"])
    assert [one.value for one in jar] == ["b"]
    jar.store(URL(A), ["a=c; domain=a.test; path=/"])  # over TLS it may be anything
    assert [(one.value, one.secure) for one in jar] == [("c", False)]


# -- bounds ------------------------------------------------------------------------------------------------------------


def test_one_answer_sets_no_more_than_it_may(caplog: pytest.LogCaptureFixture) -> None:
    jar = new(per_answer=3)
    with caplog.at_level(logging.DEBUG, "toolkit.client"):
        jar.store(URL(A), [f"c{n}=v" for n in range(5)])
    assert [one.name for one in jar] == ["c0", "c1", "c2"]
    assert "2 cookies from www.a.test were not kept: too many" in caplog.text


def test_a_domain_has_no_more_than_it_may() -> None:
    """The least used go first, and those without Secure before all others."""
    jar = new(per_domain=10)
    jar.store(URL(A), ["s=v; secure", *[f"c{n}=v; path=/{n}" for n in range(9)]])
    assert sent(jar, f"{A}0") == "c0=v; s=v"  # used
    jar.store(URL("https://b.test/"), ["b=v"])
    jar.store(URL(A), ["new=v"])
    assert [one.name for one in jar] == ["s", "c0", "c3", "c4", "c5", "c6", "c7", "c8", "b", "new"]


def test_a_jar_has_no_more_than_it_may() -> None:
    clock = Clock()
    jar = new(clock, total=10)
    jar.store(URL("https://first.test/"), ["first=v"])
    jar.store(URL("https://over.test/"), ["over=v; max-age=5"])
    clock.now += 5
    for n in range(8):
        jar.store(URL(f"https://h{n}.test/"), ["c=v"])
    assert sent(jar, "https://first.test/") == "first=v"
    jar.store(URL("https://last.test/"), ["c=v"])
    hosts = [f"h{n}.test" for n in range(1, 8)]
    assert [one.domain for one in jar] == ["first.test", *hosts, "last.test"]


def test_a_flood_leaves_a_bounded_jar() -> None:
    """CVE-2022-32205: what servers make us keep, and what we send of it."""
    jar = CookieJar(is_public_suffix=is_public, now=Clock())
    for n in range(120):
        jar.store(
            URL(f"https://h{n}.evil.test/"), [f"c{n}-{i}={'v' * 200}; domain=evil.test; path=/" for i in range(60)]
        )
        jar.store(URL(f"https://h{n}.evil.test/"), [f"c{i}=v" for i in range(60)])
    assert len(jar) <= jar.limits.total
    field = sent(jar, "https://h119.evil.test/")
    assert field is not None
    assert len(field) <= jar.limits.field
    jar.clear()
    assert (len(jar), list(jar), repr(jar)) == (0, [], "<CookieJar 0 cookies of 0 domains>")


def test_the_field_that_goes_out_is_bounded() -> None:
    jar = new(field=10)
    jar.store(URL(A), ["a=2345", "b=78", "c=0"])
    assert sent(jar, A) == "a=2345"  # and "; b=78" would be 12
    assert sent(new(field=10), A) is None


# -- its face ----------------------------------------------------------------------------------------------------------


def test_it_is_read_by_name() -> None:
    jar = new()
    jar.store(URL(A), ["a=1; path=/", "a=2; path=/x", "b=3; domain=a.test", "same=4; path=/", "same=4; path=/x"])
    assert jar["b"] == "3"
    assert jar["same"] == "4"
    assert jar.get("a") == "2"  # the more specific
    assert jar.get("a", path="/") == "1"
    assert jar.get("a", domain="a.test") is None
    assert jar.get("b", domain="a.test") == "3"
    assert jar.get("none", "default") == "default"
    assert "a" in jar
    assert "none" not in jar
    assert len(jar) == 5
    assert [(one.name, one.path) for one in jar][:2] == [("a", "/"), ("a", "/x")]
    assert jar.for_url(f"{A}x/y") == {"a": "2", "same": "4", "b": "3"}
    with pytest.raises(KeyError, match=r"'a' has 2 values; jar.get\('a', domain=...\) tells them apart"):
        jar["a"]
    with pytest.raises(KeyError, match="'none'"):
        jar["none"]


def test_it_is_changed_by_a_program() -> None:
    jar = new()
    jar.set("a", "1", A)
    jar.set("b", "2", A, domain=".A.test", max_age=60, secure=True, path="/x", samesite="Lax", httponly=True)
    assert [(one.name, one.domain, one.path, one.host_only) for one in jar] == [
        ("a", "www.a.test", "/", True),
        ("b", "a.test", "/x", False),
    ]
    assert jar.delete("a", domain="a.test") == 0
    assert jar.delete("a", domain="www.a.test", path="/") == 1
    del jar["b"]
    assert len(jar) == 0
    with pytest.raises(KeyError, match="b"):
        del jar["b"]
    jar.store(URL(A), ["a=1", "b=2; max-age=5", "c=3; domain=a.test"])
    assert jar.clear(session=True, domain="www.a.test") == 1
    assert jar.clear(session=True) == 1
    assert [one.name for one in jar] == ["b"]


def set_item(jar: CookieJar) -> None:
    jar["a"] = "b"


@pytest.mark.parametrize(
    ("call", "kind", "why"),
    [
        (set_item, UseError, r"a cookie belongs to a host; jar.set\('a', value, url\)"),
        (lambda jar: jar.set("a", "b; c", A), LocalProtocolError, "cookie 'a': value"),
        (lambda jar: jar.set("a b", "c", A), LocalProtocolError, "expected a name"),
        (lambda jar: jar.set("a", "b", "/x"), UseError, r"jar.set\(..., '/x'\): expected a URL with http://"),
        (lambda jar: jar.set("a", "b", "https://[/"), UseError, r"jar.set\(..., 'https://\[/'\)"),
        (lambda jar: jar.set("a", "b", A, domain="b.test"), UseError, "'b.test' is not the host's to set cookies for"),
        (lambda jar: jar.set("a", "b", A, domain="test"), UseError, "'test' is not the host's to set cookies for"),
        (lambda jar: jar.set("a", "b", "http://a.test/", secure=True), UseError, "Secure, and set without TLS"),
        (lambda jar: jar.for_url("ftp://a.test/"), UseError, r"jar.for_url\(..., 'ftp://a.test/'\): expected"),
    ],
)
def test_what_cannot_be_is_an_error(call: Callable[[CookieJar], object], kind: type[Exception], why: str) -> None:
    with pytest.raises(kind, match=why):
        call(new())


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["json", "netscape"])
def test_it_is_saved_and_loaded(form: str, tmp_path: Path) -> None:
    clock = Clock()
    jar = new(clock)
    jar.store(URL(A), ["a=1; max-age=60; path=/", "b=2", f"c=3; domain=a.test; secure; path=/x{FOREVER}"])
    jar.save(tmp_path / "jar", form=form)  # type: ignore[arg-type]
    clock.now += 60
    again = new(clock)
    again.load(tmp_path / "jar")
    assert [(one.name, one.domain, one.host_only, one.secure) for one in again] == [("c", "a.test", False, True)]
    jar.save(tmp_path / "jar", session=True, form=form)  # type: ignore[arg-type]
    again.load(tmp_path / "jar")
    assert [one.name for one in again] == ["c", "b"]
    assert again.get("b", domain="www.a.test") == "2"
    assert sent(again, "https://a.test/x") == "c=3"


def test_a_faulty_file_adds_nothing(tmp_path: Path) -> None:
    file = tmp_path / "cookies.txt"
    file.write_text("a.test\tFALSE\t/\tFALSE\t0\ta\tb\na.test\n")
    jar = new()
    with pytest.raises(UseError, match="line 2"):
        jar.load(file)
    assert len(jar) == 0
    with pytest.raises(FileNotFoundError):
        jar.load(tmp_path / "none")


# -- public suffixes ---------------------------------------------------------------------------------------------------


def test_the_list_of_public_suffixes_is_used_where_it_is_installed() -> None:
    jar = CookieJar(now=Clock())
    jar.store(URL("https://www.shop.co.uk/"), ["a=b; domain=co.uk", "c=d; domain=shop.co.uk"])
    jar.store(URL("https://someone.github.io/"), ["e=f; domain=github.io"])
    assert [one.domain for one in jar] == ["shop.co.uk"]


def test_without_one_cookies_stay_with_their_host(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cookie_jar, "public_suffixes", lambda: None)
    jar = CookieJar(now=Clock())
    jar.store(URL(A), ["a=hunter2; domain=www.a.test"])
    assert caplog.text == ""
    jar.store(URL(A), ["b=hunter2; domain=a.test", "c=hunter2; domain=a.test", "d=hunter2; domain=b.test"])
    assert [(one.name, one.domain, one.host_only) for one in jar] == [(name, "www.a.test", True) for name in "abc"]
    assert caplog.text.count("publicsuffixlist, which is not installed") == 1
    assert "hunter2" not in caplog.text
    jar.set("e", "f", A, domain="a.test")  # a program's own word
    assert jar.get("e", domain="a.test") == "f"


def test_what_is_not_kept_is_told_without_its_value(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "toolkit.client"):
        jar = new()
        jar.store(URL("http://a.test/"), ["sid=hunter2; secure", "hunter2\x01", "hunter2; domain=b.test"])
        jar.store(URL("http://a.test/"), ["sid=hunter2"])
    assert "cookie 'sid' from a.test was not kept: Secure, and set without TLS" in caplog.text
    assert "hunter2" not in caplog.text
    assert "hunter2" not in repr(jar) + repr(list(jar))


# -- whatever servers say ----------------------------------------------------------------------------------------------

PIECES = st.sampled_from(["__Host-", "__Secure-", "0", "9", "-", ",", '"', "\t", "\x00", "\u00e9"]) | st.sampled_from(
    ["a", "b", "=", ";", " ", "domain", "path", "secure", "max-age", "expires", ".a.test", "a.test", "test", "/", "/x"]
)
HOSTS = ["a.test", "www.a.test", "x.www.a.test", "b.test", "test", "1.2.3.4", "localhost"]
URLS = st.builds(
    lambda scheme, host, path: f"{scheme}://{host}{path}",
    st.sampled_from(["http", "https"]),
    st.sampled_from(HOSTS),
    st.sampled_from(["/", "/x", "/x/y", ""]),
)


@given(st.lists(st.tuples(URLS, st.lists(PIECES, max_size=14).map("".join)), max_size=8), URLS)
def test_no_answer_raises_and_no_cookie_leaves_to_a_foreign_domain(answers: list[tuple[str, str]], url: str) -> None:
    """Each answer's cookies are marked by its host: a request brings those of its own host and of its kin."""
    jar = new(total=20, per_domain=5)
    for source, rest in answers:
        host = (URL(source).host or "").replace(".", "_")
        jar.store(URL(source), [f"from-{host}={rest}", rest])
    assert len(jar) == len(list(jar)) <= 20
    field = sent(jar, url) or ""
    target = URL(url).host or ""
    kin = {"a.test", "www.a.test", "x.www.a.test"}
    allowed = kin if target in kin else {target}
    for pair in field.split("; "):
        name = pair.partition("=")[0]
        if name.startswith("from-"):
            assert name.removeprefix("from-").replace("_", ".") in allowed
    for cookie in jar:
        assert cookie.domain in HOSTS
    names = [cookie.name for cookie in jar if cookie.secure]
    assert jar._secure == {name: names.count(name) for name in names}
    jar.clear()
    assert (len(jar), jar._secure, jar._shelves) == (0, {}, {})
