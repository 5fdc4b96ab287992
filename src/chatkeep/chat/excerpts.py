"""Short excerpts of texts that a search has found, with what was asked for marked. Pure."""

from collections import deque
from collections.abc import Iterator, Sequence

from chatkeep.chat import words
from chatkeep.chat.search_query import Term
from chatkeep.chat.types import Piece

EXCERPT_CHARS = 240
"""Characters of a text that an excerpt shows around the first match."""


def excerpt(text: str, terms: Sequence[Term]) -> list[Piece]:
    """Return the part of `text` around its first match of the first of `terms`, in pieces; the beginning without any.

    An ellipsis stands where text is left out.
    """
    start = max(0, _find_first(text, terms) - EXCERPT_CHARS // 3)
    end = start + EXCERPT_CHARS
    return mark(f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}", terms)


def mark(text: str, terms: Sequence[Term]) -> list[Piece]:
    """Return `text` in pieces, of which those that match `terms` are marked."""
    pieces: list[Piece] = []
    position = 0
    for start, end in _find_places(text, terms):
        if start > position:
            pieces.append(Piece(text[position:start], match=False))
        if end > position:
            pieces.append(Piece(text[max(start, position) : end], match=True))
            position = end
    if position < len(text):
        pieces.append(Piece(text[position:], match=False))
    return pieces


def _find_places(text: str, terms: Sequence[Term]) -> list[tuple[int, int]]:
    """Return from where to where `text` has one of `terms`, in order."""
    return sorted(place for term in terms for place in _places_of(text, term))


def _find_first(text: str, terms: Sequence[Term]) -> int:
    """Return where `text` has the first of `terms` for the first time; 0 if there is none."""
    return next((start for term in terms[:1] for start, _ in _places_of(text, term)), 0)


def _places_of(text: str, term: Term) -> Iterator[tuple[int, int]]:
    window: deque[words.Token] = deque(maxlen=len(term.words))
    *first, last = term.words
    for token in words.list_tokens(text):
        window.append(token)
        is_last = token.word.startswith(last) if term.is_open else token.word == last
        if is_last and [each.word for each in window][:-1] == first:
            yield window[0].start, token.end
