"""What a proxy may be, what it shows of itself, and which one a URL goes by."""

from __future__ import annotations

import ssl

import pytest
from yarl import URL

from toolkit import ClientTls, Proxies, Proxy
from toolkit.client.proxies import Via, proxies_of, way_to
from toolkit.errors import UseError

ONE = "http://one.test:3128"


def test_the_parts_of_a_proxy() -> None:
    proxy = Proxy("http://ann:p%40ss@proxy.test")
    assert (proxy.scheme, proxy.host, proxy.port, proxy.credentials) == ("http", "proxy.test", 80, ("ann", "p@ss"))
    assert proxy.fields == ((b"proxy-authorization", b"Basic YW5uOnBAc3M="),)
    assert Proxy("socks5://a.test").port == 1080
    assert Proxy("https://[::1]:8/").host == "::1"
    assert str(Proxy("https://[::1]:8")) == "https://[::1]:8"


def test_credentials_are_never_shown() -> None:
    proxy = Proxy("http://ann:s3cret@proxy.test:1", headers={"x-token": "s3cret"})
    rules = Proxies(all=proxy, no_proxy="a.test")
    for shown in (repr(proxy), str(proxy), repr(rules), repr(Via(proxy, True))):
        assert "s3cret" not in shown
        assert "ann" not in shown
    assert repr(proxy) == "<Proxy http://proxy.test:1, with credentials>"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("proxy.test:3128", "expected http://"),
        ("ftp://proxy.test", "expected http://"),
        ("http://", "expected http://"),
        ("http://proxy.test/path", "no path"),
        ("http://proxy.test?q", "no path"),
        ("http://joe:s3cret@proxy.test:99999", "expected http://"),
        ("http://joe:s3cret@proxy.test:port", "expected http://"),
        ("joe:s3cret@proxy.test:3128", "expected http://"),
        ("ftp://joe:s3cret@proxy.test", "expected http://"),
        ("http://joe:s3cret@proxy.test/path", "no path"),
        (7, "as text"),
        (b"http://a", "as text"),
    ],
)
def test_what_is_no_proxy_is_told_of_without_its_password(url: object, told: str) -> None:
    with pytest.raises(UseError, match=told) as caught:
        Proxy(url)  # type: ignore[arg-type]
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_options_that_cannot_be() -> None:
    with pytest.raises(UseError, match="tuple of user and password"):
        Proxy(ONE, credentials="ann:x")  # type: ignore[arg-type]
    with pytest.raises(UseError, match="must not have a colon"):
        Proxy(ONE, credentials=("a:b", "c"))
    with pytest.raises(UseError, match="only an https:// proxy"):
        Proxy(ONE, tls=ClientTls())
    with pytest.raises(UseError, match="expected ClientTls"):
        Proxy("https://one.test", tls=False)  # type: ignore[arg-type]
    with pytest.raises(UseError, match="Host is not for a caller to say"):
        Proxy(ONE, headers={"Host": "x"})
    with pytest.raises(UseError, match=r"Proxies\(no_proxy="):
        Proxies(no_proxy=["a"])  # type: ignore[arg-type]
    for wrong in (7, ["http://a"], {"http": ONE}):
        with pytest.raises(UseError, match=r"expected a URL as text, Proxy\(\.\.\.\) or Proxies"):
            proxies_of(wrong)


def test_a_caller_s_own_word_for_the_authorization() -> None:
    proxy = Proxy(ONE, credentials=("a", "b"), headers={"Proxy-Authorization": "Bearer x"})
    assert proxy.fields == ((b"Proxy-Authorization", b"Bearer x"),)


def test_proxies_that_differ_in_anything_are_not_one() -> None:
    context = ssl.create_default_context()
    made = [
        Proxy("https://one.test"),
        Proxy("https://one.test", credentials=("a", "b")),
        Proxy("https://one.test", credentials=("a", "c")),
        Proxy("https://one.test", tls=ClientTls()),
        Proxy("https://one.test", tls=context),
        Proxy("https://one.test", tunnel=True),
        Proxy("https://one.test", headers={"x": "1"}),
        Proxy("https://one.test", headers={"x": "2"}),
    ]
    assert len(set(made)) == len(made)
    assert Proxy("https://one.test", credentials=("a", "b")) == made[1]


@pytest.mark.parametrize(
    ("url", "proxy", "upgrade", "tunnel"),
    [
        ("http://a.test", "http://p.test", False, False),
        ("http://a.test", "https://p.test", False, False),
        ("https://a.test", "http://p.test", False, True),
        ("http://a.test", "http://p.test", True, True),
        ("http://a.test", "socks5://p.test", False, True),
        ("https://a.test", "socks4a://p.test", False, True),
    ],
)
def test_the_two_ways(url: str, proxy: str, upgrade: bool, tunnel: bool) -> None:
    way = way_to(URL(url), proxies_of(proxy), tunnel=upgrade)
    assert way == Via(Proxy(proxy), tunnel)


def chosen(rules: Proxies, url: str) -> str | None:
    way = way_to(URL(url), rules, tunnel=False)
    return None if way is None else str(way.proxy)


def test_the_proxy_of_a_scheme_and_of_none() -> None:
    rules = Proxies(https="http://two.test:2", all=ONE, no_proxy=".here.test, 10.0.0.0/8, a.test:81")
    assert chosen(rules, "http://a.test") == ONE
    assert chosen(rules, "https://a.test") == "http://two.test:2"
    assert chosen(rules, "http://a.test:81") is None
    assert chosen(rules, "https://x.here.test") is None
    assert chosen(rules, "http://10.1.1.1") is None
    assert chosen(Proxies(https=ONE), "http://a.test") is None
    assert way_to(URL("http://a.test"), None, tunnel=False) is None


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({}, "http://a.test", None),
        ({"http_proxy": ONE}, "http://a.test", ONE),
        ({"HTTP_PROXY": ONE}, "http://a.test", None),  # CVE-2016-5385, httpoxy
        ({"HTTP_PROXY": ONE, "http_proxy": ""}, "http://a.test", None),
        ({"http_proxy": ONE}, "https://a.test", None),
        ({"https_proxy": ONE}, "https://a.test", ONE),
        ({"HTTPS_PROXY": ONE}, "https://a.test", ONE),
        ({"HTTPS_PROXY": "http://x.test", "https_proxy": ONE}, "https://a.test", ONE),
        ({"all_proxy": ONE}, "https://a.test", ONE),
        ({"ALL_PROXY": ONE}, "http://a.test", ONE),
        ({"all_proxy": "socks5h://s.test", "https_proxy": ONE}, "https://a.test", ONE),
        ({"all_proxy": "socks5h://s.test"}, "https://a.test", "socks5h://s.test:1080"),
        ({"http_proxy": "one.test:3128"}, "http://a.test", ONE),
        ({"http_proxy": ONE, "no_proxy": "a.test"}, "http://a.test", None),
        ({"http_proxy": ONE, "NO_PROXY": "a.test"}, "http://a.test", None),
        ({"http_proxy": ONE, "no_proxy": "", "NO_PROXY": "a.test"}, "http://a.test", ONE),
        ({"http_proxy": ONE, "no_proxy": "http://odd/,a.test"}, "http://a.test", None),
    ],
)
def test_the_environment(environ: dict[str, str], url: str, proxy: str | None) -> None:
    assert chosen(Proxies.from_environment(environ), url) == proxy


def test_an_environment_with_something_else_in_it_is_told_of() -> None:
    with pytest.raises(UseError, match="https_proxy of the environment: Proxy") as caught:
        Proxies.from_environment({"HTTPS_PROXY": "ftp://joe:s3cret@x.test"})
    assert "s3cret" not in str(caught.value)


def test_the_process_s_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", ONE)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert chosen(Proxies.from_environment(), "https://a.test") == ONE
