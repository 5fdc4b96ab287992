"""Free text from outside, made storable: the same rule on every engine (PostgreSQL refuses both kinds)."""

import re
from typing import Any

MAX_JSON_DEPTH = 100
"""How many levels a JSON value from outside may have."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def ends_with_half_pair(text: str) -> bool:
    """Whether `text` ends with the first half of a surrogate pair."""
    return bool(text) and "\ud800" <= text[-1] <= "\udbff"


def clean(text: str) -> str:
    """`text` with U+0000 and lone surrogates as U+FFFD; a surrogate pair becomes the character it stands for."""
    if (text.isascii() and "\x00" not in text) or not _UNSTORABLE.search(text):  # what most text is costs the least
        return text
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\x00", "\ufffd")


def clean_json(value: Any, depth: int = 0) -> Any:
    """A decoded JSON value with every string in it, keys too, made clean.

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
