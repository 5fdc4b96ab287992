"""The questions that an index of words is asked: plain values that each engine puts into its own language.

Words and marks are those of `chat/words.py`. None of them has a quote, a blank or a backslash, so all can be quoted.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

WordIndex: TypeAlias = Literal["messages", "titles"]


class IndexTerm(NamedTuple):
    """A word or a mark; with `is_prefix`, every word that begins with it."""

    word: str
    is_prefix: bool = False


class WordQuery(NamedTuple):
    """A text must have one term of each group of `all_of`, and none of `none_of`. There is a group at least."""

    all_of: Sequence[Sequence[IndexTerm]]
    none_of: Sequence[IndexTerm] = ()


def has_words(words: str, query: WordQuery) -> bool:
    """Return True if a text with these words, which have blanks between them, is what `query` asks for."""
    joined = f" {words} "
    return all(any(_has(joined, term) for term in group) for group in query.all_of) and not any(
        _has(joined, term) for term in query.none_of
    )


def _has(joined: str, term: IndexTerm) -> bool:
    return f" {term.word}{'' if term.is_prefix else ' '}" in joined
