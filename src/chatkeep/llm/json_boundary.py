"""Finds where a JSON value ends in a text that comes in pieces, looking at each character once."""

import json
import re
from collections.abc import Sequence

_MAX_SCALAR_CHARS = 4_096
"""The longest number or word that is parsed: nothing in it says that it has ended."""
_BLANKS = " \t\n\r"
_MARK = re.compile(r'\\(?:.|$)|["{}\[\]]', re.DOTALL)
"""The characters that may begin or end something. In a string, a backslash takes the next one along."""


class JsonBoundary:
    """Follows the brackets and strings of a JSON text (RFC 8259). `feed` it all pieces, in order."""

    def __init__(self) -> None:
        self._depth = 0
        self._chars = 0
        self._in_string = False
        self._is_escaped = False  # the piece ended with a backslash in a string
        self._has_begun = False
        self._has_ended = False  # an object, a list or a string is whole
        self._is_broken = False  # something came after it
        self._verdict: bool | None = None

    def feed(self, piece: str) -> None:
        """Read the next piece of the text."""
        is_blank = not piece.strip(_BLANKS)
        if self._is_broken or not piece or (is_blank and (self._has_ended or not self._has_begun)):
            return
        if self._has_ended:
            self._is_broken = True
            return
        self._has_begun, self._verdict = True, None
        self._chars += len(piece)
        start = 1 if self._is_escaped else 0
        self._is_escaped = False
        for match in _MARK.finditer(piece, start):
            self._read_mark(match[0])
        if self._has_ended and piece.rstrip(_BLANKS)[-1:] not in ("}", "]", '"'):
            self._is_broken = True

    def is_value(self, pieces: Sequence[str]) -> bool:
        """Return True if `pieces`, all that were fed, are a whole JSON value. They are parsed once, if at all."""
        if self._is_broken or not self._has_begun or self._depth or self._in_string:
            return False
        if self._verdict is None:
            is_short = self._has_ended or self._chars <= _MAX_SCALAR_CHARS
            self._verdict = is_short and _parses("".join(pieces))
        return self._verdict

    def _read_mark(self, mark: str) -> None:
        if self._in_string:
            if mark[0] == "\\":
                self._is_escaped = len(mark) == 1
            elif mark == '"':
                self._in_string = False
                self._has_ended = self._depth == 0
        elif self._has_ended:
            self._is_broken = True
        elif mark == '"':
            self._in_string = True
        elif mark in "{[":
            self._depth += 1
        elif mark in "}]":
            self._depth -= 1
            self._has_ended = self._depth == 0
            self._is_broken = self._depth < 0


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
