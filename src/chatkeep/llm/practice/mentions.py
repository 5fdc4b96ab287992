"""Finds the functions that a message names, and the arguments that it gives them. For the practice model.

A function is named by its name, or by its name in words ("opening hours"). A JSON object after the name becomes the
arguments, as it is. Otherwise a string in quotes becomes the first argument that takes free text.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

MAX_SEARCHED_CHARS = 8_000
"""Characters of a message in which names and quotes are searched for."""

_QUOTED = re.compile(r"[\"“„]([^\"“”„]+)[\"”“]")
_BEFORE_JSON = re.compile(r"[\s:(`]*(?=\{)")
"""The characters allowed between a name and its arguments."""


class Mention(NamedTuple):
    """A function that a message names.

    `is_exact`: the name is written as in a program, which does not happen by chance. `arguments`: the JSON text after
    the name, None if there is none; `quoted`: then the string in quotes, None if there is none either.
    """

    name: str
    is_exact: bool
    arguments: str | None
    quoted: str | None


class _LocatedMention(NamedTuple):
    """A mention, and where its name starts and its arguments end in the message."""

    mention: Mention
    start: int
    end: int


def find_mentions(message: str, offered: Sequence[str]) -> list[Mention]:
    """Return the functions of `offered` that `message` names, in its order: each once, or once for each JSON object."""
    located = list(_locate_mentions(message, offered))
    quotes = [
        (match.start(), match[1])
        for match in _QUOTED.finditer(message, 0, MAX_SEARCHED_CHARS)
        if not _is_inside(match, located)
    ]
    with_arguments = {each.mention.name for each in located if each.mention.arguments is not None}
    mentions: dict[tuple[str, int], Mention] = {}
    for each, end in zip(located, [*(each.start for each in located), len(message)][1:], strict=True):
        name = each.mention.name
        if each.mention.arguments is not None:
            mentions[name, each.start] = each.mention
        elif name not in with_arguments:
            following = [text for start, text in quotes if each.start <= start < end]
            quoted = next((text for text in [*following, *(text for _, text in quotes)]), None)
            mentions.setdefault((name, 0), each.mention._replace(quoted=quoted))
    return list(mentions.values())


def _locate_mentions(message: str, offered: Sequence[str]) -> Iterator[_LocatedMention]:
    names: Mapping[str, str] = {_in_words(name): name for name in offered}
    if not names:
        return
    longest_first = sorted(names, key=len, reverse=True)
    any_name = "|".join("[ _-]".join(map(re.escape, each.split(" "))) for each in longest_first)
    pattern = re.compile(rf"(?<!\w)(?:{any_name})(?!\w)", re.IGNORECASE)
    position = 0
    while match := pattern.search(message, position, MAX_SEARCHED_CHARS):
        position = match.end()
        all_quoted = _QUOTED.finditer(message, 0, MAX_SEARCHED_CHARS)
        if quoted := next((each for each in all_quoted if _contains(each, match)), None):
            position = quoted.end()  # words in quotes are an argument
            continue
        name = match[0] if match[0] in offered else names[_in_words(match[0])]
        before_json = _BEFORE_JSON.match(message, position)
        arguments = _json_object(message, before_json.end()) if before_json else None
        position = before_json.end() + len(arguments) if before_json and arguments else position
        is_exact = match[0] == name and (name != _in_words(name) or arguments is not None)
        yield _LocatedMention(Mention(name, is_exact, arguments, None), match.start(), position)


def _in_words(name: str) -> str:
    return re.sub(r"[_-]", " ", name).lower()


def _json_object(message: str, start: int) -> str:
    """Return the JSON object that begins at `start`; if it is not valid, the rest of the message.

    The rest is then sent as the arguments, so that the error says that they are broken.
    """
    try:
        _, end = json.JSONDecoder().raw_decode(message, start)
    except (ValueError, RecursionError):
        end = len(message)
    return message[start:end]


def _contains(quoted: "re.Match[str]", match: "re.Match[str]") -> bool:
    """Return True if `match` is only a part of the quoted text."""
    return quoted.start() < match.start() and match.end() < quoted.end() and quoted[1] != match[0]


def _is_inside(quoted: "re.Match[str]", located: Sequence[_LocatedMention]) -> bool:
    """Return True if the quoted text is a function's name, or in the JSON after a name."""
    return any(each.start - 1 <= quoted.start() < each.end for each in located)
