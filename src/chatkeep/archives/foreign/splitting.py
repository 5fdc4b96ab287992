"""Splits JSON into its conversations while it is read: the entries of one list, or values one after the other.

Only brackets and texts are looked at, so that a value is decoded when its length and depth are known to be bounded.
"""

import re
from collections.abc import Iterator
from typing import IO, Literal, TypeAlias

MAX_VALUE_BYTES = 67_108_864
"""The largest conversation that is read."""
MAX_DEPTH = 500
_PIECE_BYTES = 65_536
_BRACKET = re.compile(rb'["{}\[\]]')
_IN_TEXT = re.compile(rb'["\\]')


Value: TypeAlias = bytes | Literal["too_long", "cut_off"]
"""A value as JSON; or why there is none: it is too long or nested too deeply, or the JSON breaks off in it."""


def split_values(file: IO[bytes], base: int) -> Iterator[Value]:
    """Yield the objects and lists at the depth `base`: 0, or 1 within one list. One that is too deep is the last."""
    splitter = _Splitter(base)
    while (piece := file.read(_PIECE_BYTES)) and not splitter.is_too_deep:
        yield from splitter.feed(piece)
    if splitter.is_too_deep:
        yield "too_long"
    elif splitter.is_open:
        yield "cut_off"


class _Splitter:
    """Keeps the value that is read, and where in it the end of the last piece was."""

    def __init__(self, base: int) -> None:
        self._base = base
        self._depth = 0
        self._is_text = False
        self._is_escaped = False
        self._value = bytearray()
        self._is_too_long = False
        self.is_too_deep = False

    @property
    def is_open(self) -> bool:
        """True within a value, or within the list of values."""
        return self._depth > 0

    def feed(self, piece: bytes) -> Iterator[Value]:
        """Yield the values that end in the next piece."""
        start = place = 0
        while (end := self._find_mark(piece, place)) is not None:
            place, mark = end, piece[end - 1 : end]
            if mark in (b"{", b"["):
                if self._depth == self._base:
                    start = place - 1
                self._depth += 1
                if self._depth > MAX_DEPTH:
                    self.is_too_deep = True
                    return
            elif mark in (b"}", b"]"):
                self._depth -= 1
                if self._depth == self._base:
                    self._keep(piece[start:place])
                    yield "too_long" if self._is_too_long else bytes(self._value)
                    self._value.clear()
                    self._is_too_long = False
        if self._depth > self._base:
            self._keep(piece[start:])

    def _find_mark(self, piece: bytes, place: int) -> int | None:
        """Return the place after the next bracket, passing over texts; None if the piece has no more."""
        if self._is_escaped and place < len(piece):
            self._is_escaped = False
            place += 1
        while match := (_IN_TEXT if self._is_text else _BRACKET).search(piece, place):
            place = match.end()
            if match[0] == b"\\":
                self._is_escaped = place == len(piece)
                place += 1
            elif match[0] == b'"':
                self._is_text = not self._is_text
            else:
                return place
        return None

    def _keep(self, more: bytes) -> None:
        if len(self._value) + len(more) > MAX_VALUE_BYTES:
            self._is_too_long = True
            self._value.clear()
        elif not self._is_too_long:
            self._value += more
