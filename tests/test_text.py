"""Text that every engine can store; cleaning changes nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.text import clean, clean_json, ends_with_half_pair

ANY = st.text(st.characters(exclude_categories=()))
"""Text with everything a Python string can hold, lone surrogates too."""
STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("", ""),
        ("a\x00b", "a\ufffdb"),
        ("e\ud83df", "e\ufffdf"),
        ("c\ude00d", "c\ufffdd"),
        ("\ud83d", "\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        ("\x00\U0001f600\r\n\u2028", "\ufffd\U0001f600\r\n\u2028"),
    ],
)
def test_text_that_cannot_be_stored_is_replaced(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(STORABLE)
def test_storable_text_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


@given(ANY)
def test_clean_text_is_storable_and_stays_clean(text: str) -> None:
    cleaned = clean(text)
    assert "\x00" not in cleaned
    assert cleaned.encode().decode() == cleaned
    assert clean(cleaned) == cleaned


@given(STORABLE)
def test_characters_written_as_surrogate_pairs_become_themselves(text: str) -> None:
    units = text.encode("utf-16-le")
    pairs = "".join(chr(int.from_bytes(units[place : place + 2], "little")) for place in range(0, len(units), 2))
    assert clean(pairs) == text


@pytest.mark.parametrize(
    ("text", "waits"),
    [("a\ud83d", True), ("a\ude00", False), ("a\ud83d\ude00", False), ("\ud83da", False), ("a\ud83d\n", False)],
)
def test_half_a_character_is_held_back_only_at_the_end(text: str, waits: bool) -> None:
    assert ends_with_half_pair(text) is waits


def test_json_is_cleaned_to_its_last_string_and_key() -> None:
    value: Any = {"a\x00": ["\ud83d", {"b": "\x00", "c": [1, 2.5, True, None]}], "\ud83d\ude00": "x"}
    cleaned = {"a\ufffd": ["\ufffd", {"b": "\ufffd", "c": [1, 2.5, True, None]}], "\U0001f600": "x"}
    assert clean_json(value) == cleaned


def test_other_json_stays_as_it_is() -> None:
    values: list[Any] = [None, True, 0, 1.5, "x", [], {}, [[{}]]]
    for value in values:
        assert clean_json(value) == value
