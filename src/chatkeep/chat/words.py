"""The words by which messages and titles are found: one rule for both engines, and for what is asked. Pure.

1. A text is folded: compatibility forms become plain ones (NFKD, Unicode Standard Annex 15), case is folded, marks such
   as accents are stripped. So `CAFÉ`, `café` in any form, and the same in letters of full width are one word.
2. A word is a run of letters and digits.
3. Scripts that put no space between words (Chinese, Japanese, Thai and such) have pairs of characters instead, each
   overlapping the next; the last character of a run stands alone, too. Korean is treated likewise.
4. An index holds the words of a text, each once, and marks: whose the text is, which session's, and the role. A mark
   begins with a sign that no word has.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

MAX_WORD_CHARS = 64
"""Characters of a word that count. What a longer one has beyond them is left out, also of what is asked."""
MAX_INDEX_BYTES = 500_000
"""Bytes of words that an index holds of one text, each word counted once. PostgreSQL has a limit of 1 MB."""

_PAIRED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ebd\u0ec0-\u0ece\u0edc-\u0edf\u1000-\u103f\u1050-\u1089\u1780-\u17d3"
    "\u3005-\u3007\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7a3\U00020000-\U0003ffff"
)
"""The letters of scripts without spaces: Thai, Lao, Burmese, Khmer, kana, Han, Hangul."""
_WORD = re.compile(rf"[^\W_{_PAIRED}]+|[{_PAIRED}]+")
_IS_PAIRED = re.compile(rf"[{_PAIRED}]")
_ASCII_WORD = re.compile(rf"([a-z0-9]{{1,{MAX_WORD_CHARS}}})[a-z0-9]*")
_PIECE = re.compile(r"[^\s!-/:-@\[-`{-~\u2010-\u205e\u3000-\u3004\u3008-\u3020\uff0c\uff1a\uff1b]+")
"""A piece of a text that is folded by itself: a run without spaces and usual punctuation. Most are plain words."""
_CACHED_CHARS = 24
"""Characters of a piece up to which its words are remembered."""
_VOICED = "\u3099\u309a"
"""The marks that make another kana, and so another word."""
_JOINERS = "\u00ad\u200c-\u200f\u2060\ufeff"
"""Characters without a width that stand within words, such as the soft hyphen."""
_MARK = "¤"


class Token(NamedTuple):
    """A word, and from where to where its text has it."""

    word: str
    start: int
    end: int


def fold(text: str) -> str:
    """Return `text` without what a search does not tell apart: compatibility forms, case and marks."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", _marks().sub("", folded))


def list_words(text: str) -> list[str]:
    """Return the words of `text`, in order."""
    return [word for piece in _PIECE.findall(text) for word in _words_of(piece)]


def list_tokens(text: str) -> Iterator[Token]:
    """Yield the words of `text` with their places, in order; the place is a little too large where folding moves it."""
    for piece in _PIECE.finditer(text):
        if piece[0].isascii() and piece[0].isalnum():
            yield Token(piece[0].lower()[:MAX_WORD_CHARS], piece.start(), piece.end())
            continue
        folded = fold(piece[0])
        is_in_place = piece[0].isascii() or all(len(fold(character)) == 1 for character in piece[0])
        for run in _WORD.finditer(folded):
            for offset, word in enumerate(_split(run[0])):
                if not is_in_place or len(folded) != len(piece[0]):
                    yield Token(word, piece.start(), piece.end())
                else:
                    start = piece.start() + run.start() + offset
                    yield Token(word, start, start + len(word) if is_paired(word) else piece.start() + run.end())


def is_paired(word: str) -> bool:
    """Return True if `word` is of a script without spaces: a pair of characters, or the last one of a run."""
    return _IS_PAIRED.match(word) is not None


def to_index(text: str, marks: Iterable[str]) -> str:
    """Return what an index holds of `text`: its words, each once, and `marks`, with spaces between them."""
    if text.isascii():
        words = dict.fromkeys(_ASCII_WORD.findall(text.lower()))
    else:
        pieces = dict.fromkeys(_PIECE.findall(text))
        words = dict.fromkeys(word for piece in pieces for word in _words_of(piece))
    if len(text) > MAX_INDEX_BYTES // 8:  # a character makes at most a word of 8 bytes: a pair of four each
        words = dict.fromkeys(_fit(words))
    return " ".join([*marks, *words])


def _fit(words: Iterable[str]) -> Iterator[str]:
    room = MAX_INDEX_BYTES
    for word in words:
        room -= len(word.encode()) + 1
        if room < 0:
            return
        yield word


@lru_cache(maxsize=4096)
def owner_mark(owner: str) -> str:
    """Return the mark of the texts that an owner finds."""
    return f"{_MARK}o{hashlib.blake2b(owner.encode(), digest_size=8).hexdigest()}"


def session_mark(session_key: int) -> str:
    """Return the mark of the texts of a session."""
    return f"{_MARK}s{session_key:x}"


def role_mark(role: str) -> str:
    """Return the mark of the texts of the user, or of the assistant."""
    return f"{_MARK}r{role[0]}"


def _words_of(piece: str) -> Sequence[str]:
    if piece.isascii() and piece.isalnum():  # most are
        return (piece.lower()[:MAX_WORD_CHARS],)
    return _fold_and_split(piece) if len(piece) > _CACHED_CHARS else _fold_and_split_cached(piece)


def _fold_and_split(piece: str) -> Sequence[str]:
    return tuple(word for run in _WORD.findall(fold(piece)) for word in _split(run))


_fold_and_split_cached = lru_cache(maxsize=8192)(_fold_and_split)


def _split(run: str) -> Sequence[str]:
    if not is_paired(run):
        return (run[:MAX_WORD_CHARS],)
    return [run[start : start + 2] for start in range(len(run))]


@cache
def _marks() -> re.Pattern[str]:
    """Return the pattern of what folding strips: marks (category M), all but `_VOICED`, and joiners."""
    marks = [
        character
        for character in map(chr, range(0x300, 0x10000))
        if unicodedata.category(character)[0] == "M" and character not in _VOICED
    ]
    return re.compile(f"[{''.join(marks)}{_JOINERS}]+")
