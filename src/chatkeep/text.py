"""Makes free text from outside storable, and printable.

U+0000 and lone surrogates are replaced on both engines, since PostgreSQL refuses both kinds.
"""

import re
from typing import Any

MAX_JSON_DEPTH = 100
"""Levels that a JSON value from outside may be nested."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""The control characters C0 and C1 (ECMA-48), and DEL, without line feed and tab."""


def ends_with_half_pair(text: str) -> bool:
    """Return True if `text` ends with the first half of a surrogate pair."""
    return bool(text) and "\ud800" <= text[-1] <= "\udbff"


def clean(text: str) -> str:
    """Return `text` with U+0000 and lone surrogates as U+FFFD. A surrogate pair becomes the character it stands for."""
    # ASCII first: most text is, and that check is the fastest.
    if (text.isascii() and "\x00" not in text) or not _UNSTORABLE.search(text):
        return text
    paired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return paired.replace("\x00", "\ufffd")


def printable(text: str) -> str:
    """Return `text` with control characters as U+FFFD, all but line feed and tab.

    A terminal obeys them: they set its title, write to the clipboard, hide text or a link's address.
    """
    return _CONTROLS.sub("\ufffd", text)


def clean_json(value: Any, depth: int = 0) -> Any:
    """Return a decoded JSON value with every string in it, keys too, cleaned by `clean`.

    `depth` is the level of `value` within the whole; callers leave it out.

    Raises:
        ValueError: it is nested deeper than `MAX_JSON_DEPTH`.
    """
    if depth > MAX_JSON_DEPTH:
        raise ValueError("nested too deeply")
    match value:
        case str():
            return clean(value)
        case list():
            return [clean_json(item, depth + 1) for item in value]  # pyright: ignore[reportUnknownVariableType]  # JSON is untyped by nature
        case dict():
            return {clean(str(key)): clean_json(item, depth + 1) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # JSON is untyped by nature
        case _:
            return value
