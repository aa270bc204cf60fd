"""Weighted lists, and the choice of a content coding and of a media type (RFC 9110 12.4.2, 12.5.1 and 12.5.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.protocol.negotiate import choose_coding, choose_media_type, parse_media_ranges, parse_weighted

OURS = ("zstd", "br", "gzip", "deflate")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("gzip", [("gzip", 1000)]),
        ("gzip, br", [("gzip", 1000), ("br", 1000)]),
        ("gzip;q=0.5", [("gzip", 500)]),
        ("gzip \t;\t q=0.25", [("gzip", 250)]),  # 12.4.2: OWS ";" OWS
        ("GZip;Q=0.125", [("gzip", 125)]),  # names and "q" in any case
        ("*;q=0", [("*", 0)]),
        ("a;q=0., b;q=1., c;q=1.000, d;q=0.001", [("a", 0), ("b", 1000), ("c", 1000), ("d", 1)]),
        ("", []),
        (" , ,gzip, ", [("gzip", 1000)]),  # 5.6.1.2: empty elements are to be ignored
        ("br;q=0.1, br;q=0.9", [("br", 100), ("br", 900)]),  # as given; who wins is for the caller
    ],
)
def test_weights_are_read_as_thousandths(value: str, expected: list[tuple[str, int]]) -> None:
    assert parse_weighted(value) == expected


@pytest.mark.parametrize(
    "element",
    [
        "gzip;q=1.001",  # over 1
        "gzip;q=2",
        "gzip;q=10",
        "gzip;q=-1",
        "gzip;q=+1",
        "gzip;q=.5",
        "gzip;q=0.1234",  # three digits at most
        "gzip;q=0,5x",
        "gzip;q=0.5.5",
        "gzip;q=",
        "gzip;q",
        "gzip;",
        "gzip;q =0.5",  # no space around "="
        "gzip;q= 0.5",
        "gzip;level=9",  # a content coding has no parameters
        "gzip;q=0.5;q=1",
        'gzip;q="1"',
        "gz ip",
        "gz\u00a0ip",
        "\u00a0gzip",  # OWS is SP and HTAB only
        "gzip;q=\u0661",  # a digit to Python, not to HTTP
        ";q=1",
        "g(zip)",
    ],
)
def test_a_malformed_element_is_left_out_and_the_others_stay(element: str) -> None:
    assert ("gzip", 1000) not in parse_weighted(element)
    assert choose_coding(f"br;q=0.001, {element}", OURS) == "br"


@pytest.mark.parametrize(
    ("accept", "expected", "why"),
    [
        (None, None, "12.5.3: no field says nothing about what the peer decodes"),
        ("", None, "12.5.3: an empty field asks for no coding"),
        (" , ", None, "the same, spelled with empty elements"),
        ("gzip", "gzip", "named, so acceptable"),
        ("deflate, gzip, br", "br", "equal weights: our order"),
        ("gzip;q=1.0, br;q=0.9", "gzip", "the highest weight wins over our order"),
        ("gzip;q=0.5, zstd;q=0.501", "zstd", "thousandths count"),
        ("gzip;q=0, br", "br", "q=0 is not acceptable"),
        ("gzip;q=0", None, "nothing left but identity"),
        ("compress, x-unknown", None, "none of ours is named"),
        ("*", "zstd", "* stands for every coding not named"),
        ("*;q=0", None, "nothing is acceptable, identity is sent all the same"),
        ("*;q=0, br", "br", "the name wins over *"),
        ("zstd;q=0, *", "br", "* leaves out what is named"),
        ("identity", None, "asked for by name"),
        ("identity, gzip", "gzip", "equal weights: identity comes last"),
        ("identity;q=0.5, gzip;q=0.4", None, "identity is preferred"),
        ("identity;q=0.4, gzip;q=0.5", "gzip", "gzip is preferred"),
        ("identity;q=0, gzip;q=0.001", "gzip", "identity refused, gzip barely acceptable"),
        ("identity;q=0", None, "identity refused and nothing else named: 12.5.3 sends without coding"),
        ("gzip;q=0.5, *;q=0.8", "zstd", "* at a higher weight"),
        ("GZIP", "gzip", "8.4.1: codings are case-insensitive"),
        ("x-gzip", "gzip", "8.4.1.3: x-gzip means gzip"),
        ("x-gzip, gzip;q=0", None, "gzip by its own name counts"),
        ("gzip;q=0, gzip", None, "a name given twice counts as it came first"),
        ("gzip;q=9, deflate;q=0.1", "deflate", "an unreadable weight is no approval"),
        ("gzip, deflate, br, zstd", "zstd", "what browsers send"),
    ],
)
def test_the_choice_follows_rfc_9110_12_5_3(accept: str | None, expected: str | None, why: str) -> None:
    assert choose_coding(accept, OURS) == expected, why


def test_only_what_is_available_is_chosen() -> None:
    assert choose_coding("zstd, br, gzip;q=0.1", ("gzip",)) == "gzip"
    assert choose_coding("*", ()) is None
    assert choose_coding("gzip;q=0.5, *;q=0.8", ("gzip",)) is None  # * names identity too, at a higher weight


@given(st.text() | st.text(alphabet="gzipbr*q=;,.01 \t"))
def test_any_text_gives_one_of_ours_or_identity(value: str) -> None:
    for name, weight in parse_weighted(value):
        assert name
        assert 0 <= weight <= 1000
    assert choose_coding(value, OURS) in {None, *OURS}


@given(st.dictionaries(st.sampled_from([*OURS, "identity"]), st.integers(0, 1000), min_size=1))
def test_the_choice_is_the_best_weight_in_our_order(weights: dict[str, int]) -> None:
    accept = ", ".join(f"{name};q={weight / 1000:.3f}" for name, weight in weights.items())
    named = [name for name in OURS if weights.get(name, 0) > 0]
    chosen = choose_coding(accept, OURS)
    best = max((weights[name] for name in named), default=0)
    if best == 0 or weights.get("identity", 0) > best:
        assert chosen is None
    else:
        assert chosen == next(name for name in named if weights[name] == best)


# --- media types ---

TYPES = ("text/plain", "application/json", "text/html")
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected", "why"),
    [
        (None, "text/plain", "12.5.1: no field, any media type will do"),
        ("", "text/plain", "an empty list names nothing"),
        (" , ", "text/plain", "5.6.1.2: empty elements are to be ignored"),
        ("*/*", "text/plain", "any: our first"),
        ("application/json", "application/json", "named"),
        ("APPLICATION/JSON", "application/json", "8.3.1: type and subtype are case-insensitive"),
        ("text/*", "text/plain", "12.5.1: type/* is every subtype of it"),
        ("text/html, text/plain", "text/plain", "equal weights: our order"),
        ("text/html, text/plain;q=0.9", "text/html", "12.4.2: the higher weight"),
        ("text/*;q=0.3, text/html;q=0.7", "text/html", "12.5.1: the most precise range counts"),
        ("text/plain;q=0.1, */*", "application/json", "the precise range also where it weighs less"),
        ("text/*, text/plain;q=0", "text/html", "12.4.2: 0 is not acceptable"),
        ("image/png", None, "none of ours"),
        ("image/*, audio/*;q=0.5", None, "none of ours by type"),
        ("*/*;q=0", None, "nothing is acceptable"),
        ("text/html;level=1", None, "12.5.1: a parameter narrows the range"),
        ("application/json;charset=utf-8", "application/json", "charset narrows nothing"),
        ("application/json; charset=UTF-8; q=0.5, text/html;q=0.4", "application/json", "weight behind a parameter"),
        ("application/json;q=1.5", "text/plain", "12.4.2: a malformed weight makes a malformed element"),
        ("application/json;q=x, text/html", "text/html", "which is left out"),
        ("*/json, text/html", "text/html", "12.5.1: * as type has * as subtype"),
        ("json, text/html;q=0.1", "text/html", "8.3.1: a media type has a slash"),
        (BROWSER, "text/html", "what browsers send"),
        ('text/html;x="a,b;q=0", application/json;q=0.2', "application/json", "5.6.4: separators inside of quotes"),
        ('text/plain;q=0.1;x="\\",\\";q=1", text/html', "text/html", "5.6.4: escaped quotes inside of quotes"),
        ('text/html;x="', "text/plain", "an open quote is malformed"),
        ("text/html ; q=0.2 , application/json ;\tq=0.3", "application/json", "OWS around separators"),
    ],
)
def test_the_media_type_follows_rfc_9110_12_5_1(accept: str | None, expected: str | None, why: str) -> None:
    assert choose_media_type(accept, TYPES) == expected, why


def test_the_example_of_rfc_9110_12_5_1() -> None:
    """Its table of weights, in thousandths, by what would be chosen beside a type of a known weight."""
    accept = "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5"
    table = {
        "text/plain;format=flowed": 1000,
        "text/plain": 700,
        "text/html": 300,
        "image/jpeg": 500,
        "text/plain;format=fixed": 400,
        "text/html;level=3": 300,
    }
    for name, weight in table.items():
        for other, lighter in table.items():
            if lighter < weight:
                assert choose_media_type(accept, (other, name)) == name


def test_a_media_type_of_ours_must_be_one() -> None:
    assert choose_media_type("text/html", ()) is None
    with pytest.raises(ValueError, match="'json' is no media type"):
        choose_media_type("text/html", ("json",))


@given(st.text() | st.text(alphabet='texhml/*;q=01.,"\\ \t'))
def test_any_accept_gives_one_of_ours_or_none(value: str) -> None:
    for one in parse_media_ranges(value):
        assert one.type
        assert one.subtype
        assert 0 <= one.weight <= 1000
    assert choose_media_type(value, TYPES) in {None, *TYPES}
