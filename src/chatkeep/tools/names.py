"""Names of tools and assistants: 1 to 64 letters, digits, `_` and `-`.

Providers accept such names for functions. Source: OpenAI's API reference, Chat Completions, `tools`.
"""

import re

MAX_NAME_CHARS = 64
"""The length of the longest name, in characters."""
NAME_REGEX = rf"^[A-Za-z0-9_-]{{1,{MAX_NAME_CHARS}}}$"
"""The rule as text, for Pydantic's `Field(pattern=…)` and the JSON Schemas made from it."""
NAME_PATTERN = re.compile(NAME_REGEX)
"""The rule as a pattern. Use `fullmatch`: to Python, `$` also matches before a newline at the end."""

_ILLEGAL_CHARS = re.compile(r"[^A-Za-z0-9_-]")


def legal_name(name: str) -> str:
    """Return `name` with `_` for each illegal character, cut to `MAX_NAME_CHARS`; `unknown` if it is empty."""
    return _ILLEGAL_CHARS.sub("_", name)[:MAX_NAME_CHARS] or "unknown"
