"""The language of searches: every text is a query, and what it asks for is found in the text as written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.chat.excerpts import EXCERPT_CHARS, excerpt, mark
from chatkeep.chat.search_query import SearchQuery, Term, matches, parse_query

DAY = "2026-11-30T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", SearchQuery()),
        (' "" - "', SearchQuery()),
        ("++ 🐔 '", SearchQuery()),
        ("Chick", SearchQuery((Term(("chick",), True),))),
        ("don't", SearchQuery((Term(("don", "t"), True),))),
        ('"The Road" x', SearchQuery((Term(("the", "road"), False), Term(("x",), True)))),
        ('"never closed', SearchQuery((Term(("never", "closed"), False),))),
        ('a -b -"c d"', SearchQuery((Term(("a",), True),), (Term(("b",), True), Term(("c", "d"), False)))),
        ("From:USER assistant:Law", SearchQuery(role="user", assistant="Law")),
        ("after:2026-11-30 before:2027", SearchQuery(since=DAY, until="2027-01-01T00:00:00.000000Z")),
        ("from:me", SearchQuery((Term(("from", "me"), True),))),
        ("before:2026-02-30", SearchQuery((Term(("before", "2026", "02", "30"), True),))),
        ("数据库", SearchQuery((Term(("数据", "据库"), False),))),
        ("数", SearchQuery((Term(("数",), True),))),
    ],
)
def test_queries(text: str, query: SearchQuery) -> None:
    assert parse_query(text) == query


@pytest.mark.parametrize(
    ("query", "text", "is_match"),
    [
        ("chick road", "Why did the CHICKENS cross the road?", True),
        ("hickens", "Why did the chickens cross?", False),
        ('"chickens cross"', "Why did the chickens, cross as ever?", True),
        ('"chickens cros"', "Why did the chickens cross?", False),
        ("-why chickens", "Why did the chickens cross?", False),
        ("don't", "They don\u2019t", True),
        ("don't", "A don, and tea: t", False),
        ("cafe", "Das CAFÉ", True),
        ("数据库", "用数据库存储", True),
        ("数库", "用数据库存储", False),
        ("储", "用数据库存储", True),
    ],
)
def test_what_matches(query: str, text: str, is_match: bool) -> None:
    assert matches(parse_query(query), text) is is_match


@given(st.text(max_size=300) | st.text("ab \"-:from userbfore2026'", max_size=40), st.text(max_size=300))
def test_any_text_is_a_query_and_cuts_a_whole_excerpt(query: str, text: str) -> None:
    terms = parse_query(query).required
    assert "".join(piece.text for piece in mark(text, terms)) == text
    assert len("".join(piece.text for piece in excerpt(text, terms))) <= EXCERPT_CHARS + 2
    matches(parse_query(query), text)


def test_excerpts_mark_what_was_asked_for() -> None:
    pieces = mark("They DON\u2019T cross. Chickens don't.", parse_query("don't chick").required)
    assert [piece.text for piece in pieces if piece.match] == ["DON\u2019T", "Chickens", "don't"]
    pieces = excerpt(f"{'before ' * 100}needle{' after' * 100}", parse_query("needle").required)
    text = "".join(piece.text for piece in pieces)
    assert (text[0], text[-1], [piece.text for piece in pieces if piece.match]) == ("…", "…", ["needle"])
