"""The words of texts: what is one word, whatever its form, and where a text has it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.chat.words import MAX_INDEX_BYTES, MAX_WORD_CHARS, list_tokens, list_words, owner_mark, to_index

TEXTS = st.text(max_size=60) | st.text("aAéÉß \u0131İiI ﬁ½ が\u3099数据 한국 ¤'\u2019-_.\u0301", max_size=30)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("C++ doesn't compile", ["c", "doesn", "t", "compile"]),
        ("CAFÉ cafe\u0301 \uff43\uff41\uff46é", ["cafe", "cafe", "cafe"]),
        ("İstanbul STRASSE straße", ["istanbul", "strasse", "strasse"]),
        ("snake_case §12.3(a)", ["snake", "case", "12", "3", "a"]),
        ("ver\u00adfassung", ["verfassung"]),
        ("数据库", ["数据", "据库", "库"]),
        ("iPhone手机", ["iphone", "手机", "机"]),
        ("がか", ["がか", "か"]),
        ("ｶﾞ", ["ガ"]),
        ("हिन्दी", ["हनद"]),
        ("👩‍👩‍👧 🐔", []),
        ("x" * 100, ["x" * MAX_WORD_CHARS]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert list_words(text) == words


@given(TEXTS)
def test_a_text_has_the_same_words_in_any_form(text: str) -> None:
    words = list_words(text)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert list_words(unicodedata.normalize(form, text)) == words, form  # type: ignore[arg-type]  # of those above
    assert [word for word in to_index(text, []).split(" ") if word] == list(dict.fromkeys(words))


@given(TEXTS)
def test_each_word_has_its_place(text: str) -> None:
    tokens = list(list_tokens(text))
    assert [token.word for token in tokens] == list_words(text)
    for token in tokens:
        assert 0 <= token.start < token.end <= len(text)
        assert token.word in list_words(text[token.start : token.end])


@given(TEXTS)
def test_no_word_is_a_mark_or_needs_quotes(text: str) -> None:
    for word in list_words(text):
        assert not set(word) & {*" '\"\\", owner_mark("x")[0]}


def test_an_index_holds_no_more_than_its_bytes() -> None:
    many = " ".join(f"{number:x}" for number in range(200_000))
    assert MAX_INDEX_BYTES - 20 < len(to_index(many, ["¤o"])) <= MAX_INDEX_BYTES + 3
    assert to_index("one two one", ["¤o"]) == "¤o one two"
