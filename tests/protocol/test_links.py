"""The Link field: RFC 8288 3 and B.2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.protocol.links import Link, parse_links


@pytest.mark.parametrize(
    ("section", "value", "expected"),
    [
        ("3", "", []),
        ("3", "</a>", [Link("/a")]),
        (
            "3.5",
            '<http://a.test/b>; rel="previous"; title="a b"',
            [Link("http://a.test/b", ("previous",), title="a b")],
        ),
        ("3.5", '</>; rel="http://a.test/foo"', [Link("/", ("http://a.test/foo",))]),
        ("3.5", '</t>; rel="copyright"; anchor="#foo"', [Link("/t", ("copyright",), anchor="#foo")]),
        (
            "3.5",
            "</a>; rel=\"previous\"; title*=UTF-8'de'letztes%20Kapitel, </b>; rel=\"next\"; title*=UTF-8''%c3%a4",
            [Link("/a", ("previous",), title="letztes Kapitel"), Link("/b", ("next",), title="\u00e4")],
        ),
        (
            "3.5",
            '<http://a.test/>; rel="start http://b.test/X"',
            [Link("http://a.test/", ("start", "http://b.test/X"))],
        ),
        (
            "3.5",
            '<https://a.test/>; rel="start", </i>; rel="index"',
            [
                Link("https://a.test/", ("start",)),
                Link("/i", ("index",)),
            ],
        ),
        ("3.3", "</a>; rel=Next", [Link("/a", ("next",))]),
        ("3.3 (the first rel counts)", "</a>; rel=x; rel=y", [Link("/a", ("x",))]),
        ("3.4.1 (each hreflang counts)", "</a>; hreflang=de; hreflang=fr", [Link("/a", hreflang=("de", "fr"))]),
        ("3.4.1", "</a>; title=\"a\"; title*=utf-8''b; title=c", [Link("/a", title="b")]),
        ("3.4.1 (title* that cannot be read)", "</a>; title=a; title*=b", [Link("/a", title="a")]),
        ("3.4.1", '</a>; type="text/html"; media=print', [Link("/a", type="text/html", media="print")]),
        (
            "3.4.2",
            "</a>; rel=preload; as=style; nopush",
            [Link("/a", ("preload",), attributes={"as": "style", "nopush": ""})],
        ),
        ("B.2 (commas within)", '<http://a.test/?a=1,2;b>; rel="next"', [Link("http://a.test/?a=1,2;b", ("next",))]),
        ("B.2 (commas in quotes)", '</a>; title="x, <y>", </b>', [Link("/a", title="x, <y>"), Link("/b")]),
        ("B.2 (empty ones)", " , ,</a> , ,</b>,", [Link("/a"), Link("/b")]),
        ("B.2 (no bracket ends it)", "</a>, b, </c>", [Link("/a")]),
        ("B.2 (not closed)", "</a>, </b", [Link("/a")]),
        ("B.2 (empty target)", '<>; rel="self"', [Link("", ("self",))]),
    ],
)
def test_links(section: str, value: str, expected: list[Link]) -> None:
    assert parse_links(value) == expected, section


def test_no_more_than_a_thousand_are_read() -> None:
    assert len(parse_links("</a>," * 2000)) == 1000


@given(st.text(alphabet='<>ab;,="\\ \trel', max_size=80))
def test_nothing_raises(value: str) -> None:
    assert all(isinstance(link, Link) for link in parse_links(value))


@given(st.lists(st.tuples(st.text("ab/?&=,;", max_size=8), st.text('xyz -",;\\', min_size=1, max_size=8)), max_size=4))
def test_what_is_written_by_the_rules_is_read_again(pairs: list[tuple[str, str]]) -> None:
    quoted = [(url, title.replace("\\", "\\\\").replace('"', '\\"')) for url, title in pairs]
    value = ", ".join(f'<{url}>; title="{title}"' for url, title in quoted)
    assert [(link.url, link.title) for link in parse_links(value)] == pairs
